"""Open a file so that no link is followed on the way, even one put there a moment ago."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

STEP_BY_STEP = os.open in os.supports_dir_fd
"""Whether the platform opens relative to an open folder; Windows does not."""

# Named through getattr because each platform lacks some of them. Without O_NONBLOCK a pipe would be waited on for ever.
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_FILE = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)


def open_below(base: Path, parts: Sequence[str], *, step_by_step: bool = STEP_BY_STEP) -> int:
    """Open a file for reading, following no link below a folder.

    Args:
        base: a resolved folder.
        parts: the names from there to the file, at least one.
        step_by_step: open folder after folder, which nobody can race; else open first and check afterwards that the
            path has no link in it and leads to what was opened, which leaves a race that is hard to win.

    Returns:
        A descriptor, to be closed by the caller.

    Raises:
        OSError: it cannot be opened; ELOOP or ENOTDIR when there is a link on the way.
    """
    if step_by_step:
        return _walk(base, parts)
    return _open_then_check(base.joinpath(*parts))


def _walk(base: Path, parts: Sequence[str]) -> int:
    folder = os.open(base, _FOLDER)
    try:
        for part in parts[:-1]:
            deeper = os.open(part, _FOLDER | _NO_LINK, dir_fd=folder)
            os.close(folder)
            folder = deeper
        return os.open(parts[-1], _FILE | _NO_LINK, dir_fd=folder)
    finally:
        os.close(folder)


def _open_then_check(path: Path) -> int:
    descriptor = os.open(path, _FILE | _NO_LINK)
    try:
        _check_unmoved(path, descriptor)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _check_unmoved(path: Path, descriptor: int) -> None:
    plain = Path(os.path.realpath(path)) == path
    if not plain or not os.path.samestat(os.fstat(descriptor), path.stat(follow_symlinks=False)):
        raise OSError(errno.ELOOP, "a link was put in the way", str(path))
