"""What the operating system's refusals mean, and what a person can do about them."""

from __future__ import annotations

import errno
import sys

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


def why(error: OSError) -> str:
    """The reason and the way out, as a clause that can follow a colon."""
    text = _REASONS.get(error.errno or 0)
    return text or error.strerror or type(error).__name__
