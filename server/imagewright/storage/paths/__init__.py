"""What may be read, where may be written, and writing whole or not at all; here: folders that are held open.

Nothing is named by a path while it is read, written, linked, renamed or removed. Its folder is opened first, in such a
way that no link on the path is followed; the file is then named relative to the open folder. So nothing that another
program puts in the place of a folder meanwhile is touched.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from io import FileIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HAS_HANDLES = {os.open, os.mkdir, os.stat, os.unlink, os.rmdir, os.rename, os.link} <= os.supports_dir_fd
"""Whether the platform can name a file relative to an open folder. Windows cannot, see `OpenFolder`."""
FOLDER_MODE = 0o700
FILE_MODE = 0o600
"""Files and folders are made for their owner only, whatever the umask, because they hold pictures and prompts."""
MOST_LEVELS = 100
"""How many folders within one another are looked into and removed. Deeper ones are left."""

# Named through getattr because each platform lacks some of them. Without O_NONBLOCK a pipe would be waited on for ever.
_PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_FILE = _PLAIN | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_FOLDER = _PLAIN | os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
_PASSED = _PLAIN | getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0)  # may not be listed
_WRITING = {
    "wb": os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
    "xb": os.O_WRONLY | os.O_CREAT | os.O_EXCL,
    "ab": os.O_WRONLY | os.O_CREAT | os.O_APPEND,
}


class OpenFolder:
    """An open folder, see `open_folder`. What is in it is named relative to its handle, and no link is followed.

    Windows has no such handles. There `handle` is None and a name is joined with the path. The path is checked for
    links when the folder is opened, after a file in it was opened, and by `check_in_place` after one was written. So
    there is a moment in which another program could put a link in. A file that is diverted by it is reported, but may
    have been written.

    Args:
        path: its path, absolute and without links when it was opened.
        handle: a descriptor, which is closed with this object; None where there are no handles.
    """

    def __init__(self, path: Path, handle: int | None) -> None:
        self.path = path
        self.handle = handle

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it. Using it afterwards raises OSError."""
        if self.handle is not None and self.handle >= 0:
            handle, self.handle = self.handle, -1
            os.close(handle)

    def child(self, name: str, *, make: bool = False) -> OpenFolder:
        """Open a folder in it; with `make`, a missing one is made, for its owner only.

        Raises:
            OSError: it is missing, is no folder, or cannot be opened or made.
        """
        if self.handle is None:
            return _open_unheld(self.path / _plain(name), make=make)
        try:
            handle = self._open_folder(_plain(name))
        except FileNotFoundError:
            if not make:
                raise
            with suppress(FileExistsError):  # another process has made it meanwhile
                os.mkdir(name, FOLDER_MODE, dir_fd=self.handle)
            handle = self._open_folder(name)
        return OpenFolder(self.path / name, handle)

    def make(self, name: str) -> None:
        """Make a folder in it, for its owner only; one that is there already is left as it is. Raises OSError."""
        try:
            os.mkdir(self._at(name), FOLDER_MODE, dir_fd=self.handle)
        except FileExistsError:
            self.child(name).close()

    def _open_folder(self, name: str) -> int:
        try:
            return os.open(name, _FOLDER, dir_fd=self.handle)
        except PermissionError:  # it may not be listed, but perhaps gone through and written into
            return os.open(name, _PASSED, dir_fd=self.handle)
        except NotADirectoryError as error:
            if stat.S_ISLNK(self.status(name).st_mode):
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(self.path / name)) from error
            raise

    def open(self, name: str, flags: int = os.O_RDONLY) -> int:
        """Open a file in it for a descriptor, which the caller closes. A new file is private."""
        descriptor = os.open(self._at(name), flags | _FILE, FILE_MODE, dir_fd=self.handle)
        if self.handle is None:
            _check_unmoved(self.path / name, descriptor)
        return descriptor

    def write(self, name: str, mode: Literal["wb", "xb", "ab"]) -> FileIO:
        """Open a file in it for writing, without a buffer. A new file is private; one that exists keeps its mode.

        With `wb`, a file that has another name too is replaced, and not emptied: that may be a kept picture's.
        """
        if mode == "wb":
            with suppress(FileNotFoundError):
                status = self.status(name)
                if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
                    self.remove(name)
        return FileIO(self.open(name, _WRITING[mode]), mode)

    def status(self, name: str) -> os.stat_result:
        """What there is of that name: a link is not followed."""
        return os.stat(self._at(name), dir_fd=self.handle, follow_symlinks=False)

    def rename(self, name: str, new_name: str) -> None:
        """Rename a file in it. What has the new name is replaced."""
        at, to = self._at(name), self._at(new_name)
        os.replace(at, to, src_dir_fd=self.handle, dst_dir_fd=self.handle)

    def link(self, name: str, new_name: str, folder: OpenFolder | None = None) -> None:
        """Give a file a second name in it. Raises FileExistsError if that is taken.

        Args:
            name: of the file.
            new_name: the second name.
            folder: the one that holds the file, on the same disk; left out, it is this one.
        """
        source = self if folder is None else folder
        at, to = source._at(name), self._at(new_name)  # noqa: SLF001 - another object of this class
        os.link(at, to, src_dir_fd=source.handle, dst_dir_fd=self.handle, follow_symlinks=False)

    def remove(self, name: str) -> None:
        """Remove a file or a link in it."""
        os.unlink(self._at(name), dir_fd=self.handle)

    def remove_folder(self, name: str) -> None:
        """Remove an empty folder in it."""
        os.rmdir(self._at(name), dir_fd=self.handle)

    def entries(self, most: int | None = None) -> list[os.DirEntry[str]]:
        """What is in it, or the first `most` of that."""
        with os.scandir(self.path if self.handle is None else self.handle) as found:
            return list(islice(found, most))

    def identity(self) -> tuple[int, int]:
        """Device and number of the folder that is open."""
        status = self.path.stat(follow_symlinks=False) if self.handle is None else os.fstat(self.handle)
        return status.st_dev, status.st_ino

    def settle(self) -> None:
        """Make the new names in it survive a power cut, if the file system supports that."""
        if self.handle is not None:
            with suppress(OSError):
                os.fsync(self.handle)

    def check_in_place(self) -> None:
        """Check that its path still leads to it: else what was written into it would not be found again.

        Raises:
            OSError: it has been moved or replaced meanwhile.
        """
        if self.handle is None:
            _check_plain(self.path)
        elif not os.path.samestat(os.fstat(self.handle), self.path.stat(follow_symlinks=False)):
            raise OSError(errno.ESTALE, "its folder was moved meanwhile", str(self.path))

    def _at(self, name: str) -> str:
        return _plain(name) if self.handle is not None else str(self.path / _plain(name))


def _plain(name: str) -> str:
    """The name, if it names something in a folder and not elsewhere."""
    if name in ("", ".", "..") or os.path.basename(name) != name:  # noqa: PTH119 - a name, not a path
        raise OSError(errno.EINVAL, "this is not the name of a file", name)
    return name


def open_folder(path: Path, *, make: bool = False, handles: bool = HAS_HANDLES) -> OpenFolder:
    """Open a folder, following no link on the whole path.

    Args:
        path: an absolute path that has no links in it, such as `os.path.realpath` returns.
        make: whether missing folders are made, for their owner only. `Path.mkdir` would make only the last one private.
        handles: whether to use handles.

    Raises:
        OSError: it cannot be opened or made; ELOOP if there is a link on the path.
    """
    if not handles:
        return _open_unheld(path, make=make)
    try:
        handle = os.open(path, _FOLDER)
    except FileNotFoundError:
        if not make or path.parent == path:
            raise
        with open_folder(path.parent, make=True) as above:
            return above.child(path.name, make=True)
    except OSError:
        return _step_by_step(path)  # and says at which folder it fails
    found = OpenFolder(path, handle)
    # opened in one go; Linux tells where it is in truth. A walk would take two system calls for each folder on the path
    with suppress(OSError):
        if os.readlink(f"/proc/self/fd/{handle}") == str(path):  # noqa: PTH115 - a Path costs more than the system call
            return found
    found.close()
    return _step_by_step(path)


def _step_by_step(path: Path) -> OpenFolder:
    folder = OpenFolder(Path(path.anchor), os.open(path.anchor, _PASSED))
    for part in path.parts[1:]:
        with folder:
            folder = folder.child(part)
    return folder


def _open_unheld(path: Path, *, make: bool) -> OpenFolder:
    if make:
        missing = [one for one in (path, *path.parents) if not os.path.lexists(one)]
        for one in reversed(missing):
            with suppress(FileExistsError):
                one.mkdir(mode=FOLDER_MODE)
    _check_plain(path)
    if not stat.S_ISDIR(path.stat(follow_symlinks=False).st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    return OpenFolder(path, None)


def _check_plain(path: Path) -> None:
    if Path(os.path.realpath(path)) != path:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


def _check_unmoved(path: Path, descriptor: int) -> None:
    """Check that a file was opened under its own path, and close it if not."""
    try:
        _check_plain(path)
        is_there = os.path.samestat(os.fstat(descriptor), path.stat(follow_symlinks=False))
    except OSError:
        is_there = False
    if not is_there:
        os.close(descriptor)
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


def tree(folder: OpenFolder, depth: int = MOST_LEVELS) -> Iterator[tuple[str, os.stat_result]]:
    """All that is in a folder and in those below it, with `/` between the names. Links are left out.

    Raises:
        OSError: the folder itself cannot be listed.
    """
    for entry in folder.entries():
        with suppress(OSError):  # it has been removed meanwhile
            status = folder.status(entry.name)
            if stat.S_ISLNK(status.st_mode):
                continue
            yield entry.name, status
            if stat.S_ISDIR(status.st_mode) and depth:
                with folder.child(entry.name) as below:
                    yield from ((f"{entry.name}/{name}", found) for name, found in tree(below, depth - 1))


def remove_tree(
    folder: OpenFolder, name: str, which: Callable[[str], bool] | None = None, depth: int = MOST_LEVELS
) -> None:
    """Remove a folder in another with all that is in it, as far as possible. Nothing behind a link is touched.

    Args:
        folder: the other folder.
        name: of the folder that is removed.
        which: tells of a name in it whether that is removed; left out, all are. What is not empty then stays.
        depth: how many levels below it are removed.
    """
    with suppress(OSError):
        with folder.child(name) as emptied:
            for entry in emptied.entries():
                if which is not None and not which(entry.name):
                    continue
                if not entry.is_dir(follow_symlinks=False):
                    with suppress(OSError):
                        emptied.remove(entry.name)
                elif depth:
                    remove_tree(emptied, entry.name, depth=depth - 1)
        folder.remove_folder(name)
