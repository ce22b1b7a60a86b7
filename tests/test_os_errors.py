from __future__ import annotations

import errno

import pytest

from imagewright.errors import why


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "free some space"),
        (OSError(errno.EROFS, "Read-only file system"), "read-only"),
        (PermissionError(errno.EACCES, "Permission denied"), "use another one"),
        (OSError(errno.ENOTCONN, "not connected"), "not connected"),
        (OSError("something"), "OSError"),
    ],
)
def test_reasons_say_what_to_do_or_what_the_system_said(error: OSError, words: str) -> None:
    assert words in why(error)
