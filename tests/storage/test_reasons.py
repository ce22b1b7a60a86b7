from __future__ import annotations

import errno

import pytest

from imagewright.storage.reasons import sized, why


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (1_550_000, "1.55 MB"),
        (10_000_000, "10 MB"),
        (123_456_789, "123 MB"),
        (4_000_000_000, "4 GB"),
        (10**15, "1000 TB"),
    ],
)
def test_sizes_as_people_read_them(count: int, text: str) -> None:
    assert sized(count) == text


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
