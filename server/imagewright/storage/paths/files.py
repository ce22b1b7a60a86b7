"""Files and the operating system: open one and follow no link, make it private, and say why something was refused."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

STEP_BY_STEP = os.open in os.supports_dir_fd
"""Whether the platform opens relative to an open folder; Windows does not."""
FOLDER_MODE = 0o700
FILE_MODE = 0o600
"""Pictures and prompts are for their owner alone, whatever the umask. What is there already keeps its mode."""

# Named through getattr because each platform lacks some of them. Without O_NONBLOCK a pipe would be waited on for ever.
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_FILE = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)

_ACCESS = "access is denied: change the permissions of the folder, or use another one"
_MACOS_ACCESS = (
    "macOS denies access: allow it for the app that started this server in System Settings, "
    "Privacy & Security, Files and Folders, or use another folder"
)

_REASONS = {
    errno.ENOSPC: "the disk is full: free some space, or use a folder on another disk",
    errno.EDQUOT: "your disk quota is used up: free some space, or use a folder on another disk",
    errno.EFBIG: "the file is larger than the file system or a limit of the account allows",
    errno.EROFS: "the disk is read-only: use a folder on another disk",
    errno.EACCES: _ACCESS,
    errno.EPERM: _MACOS_ACCESS if sys.platform == "darwin" else _ACCESS,
    errno.ENAMETOOLONG: "the name or the path is too long: use a shorter one",
    errno.ENOENT: "it is not there, or no longer",
    errno.ENOTDIR: "a part of the path is a file and not a folder",
    errno.EEXIST: "there is something else of that name in the way",
    errno.EISDIR: "it is a folder",
    errno.ELOOP: "a link on the path leads elsewhere or in a circle",
    errno.EIO: "the disk reports a fault: use a folder on another disk",
    errno.EMFILE: "this server has too many files open: try again",
    errno.ENFILE: "the system has too many files open: try again",
}

_HUNDRED, _THOUSAND = 100, 1000


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


def make_folder(folder: Path) -> None:
    """Make a folder and its missing parents, all of them private: `Path.mkdir` gives its mode to the last one alone.

    Raises:
        OSError: it cannot be made.
    """
    missing = []
    for one in (folder, *folder.parents):
        if os.path.isdir(one):  # noqa: PTH112 - Path.is_dir raises on names too long
            break
        missing.append(one)
    for one in reversed(missing):
        one.mkdir(mode=FOLDER_MODE, exist_ok=True)


def open_file(path: Path, mode: Literal["wb", "xb", "ab"]) -> IO[bytes]:
    """Open a file for writing; one that is made by this is private.

    Raises:
        OSError: it cannot be opened.
    """
    return open(path, mode, opener=_private)


def write_file(path: Path, data: bytes) -> None:
    """As `Path.write_bytes`; a file that is made by this is private.

    Raises:
        OSError: it cannot be written.
    """
    with open_file(path, "wb") as file:
        file.write(data)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, FILE_MODE)


def why(error: OSError) -> str:
    """The reason and the way out, as a clause that can follow a colon."""
    return _REASONS.get(error.errno or 0) or error.strerror or type(error).__name__


def sized(count: int) -> str:
    """A number of bytes as a person reads it: `999 bytes`, `1.5 kB`, `10 MB`, in powers of 1000."""
    if count < _THOUSAND:
        return f"{count} bytes"
    size, unit = float(count), "bytes"
    for unit in ("kB", "MB", "GB", "TB"):  # noqa: B007 - the unit at which the loop stopped is the answer
        size /= _THOUSAND
        if size < _THOUSAND:
            break
    return f"{size:.0f} {unit}" if size >= _HUNDRED else f"{size:.3g} {unit}"
