"""Files of this machine: opened without following a link, private to their owner, written whole or not at all.

A picture is never written over something else.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, Literal, NamedTuple

from imagewright.errors import StorageError, why
from imagewright.storage.base import ChangedFileError
from imagewright.storage.paths.path_syntax import numbered
from imagewright.text import byte_size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from io import FileIO

    Way = Callable[[Path, Path], None]
    Ours = Callable[[Path], bool]

MOST_NAMES = 9999
"""How many numbers are tried for a name that is taken: `fox.png` to `fox-9999.png`."""
STEP_BY_STEP = os.open in os.supports_dir_fd
"""Whether the platform can open a file relative to an open folder. Windows cannot."""
FOLDER_MODE = 0o700
FILE_MODE = 0o600
"""Files and folders are made for their owner only, whatever the umask, because they hold pictures and prompts."""

# Named through getattr because each platform lacks some of them. Without O_NONBLOCK a pipe would be waited on for ever.
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_FILE = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)

_PIECE = 1 << 20  # bytes copied at a time
_PART_PREFIX, _PART_SUFFIX = ".imagewright-", ".part"
_ABANDONED = 24 * 3600  # seconds after which an unfinished file belongs to no living process
_PROBE = b"\0" * 4096  # one block, so that a full disk shows
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
_SCANNER_WAITS = (0.02, 0.05, 0.1, 0.2, 0.4)  # seconds; virus scanners hold a new file for about as long


class Kept(NamedTuple):
    """The path of a written file, and its size in bytes."""

    path: Path
    size: int


def keep(source: Path, target: Path, ours: Ours | None = None, *, digest: bytes | None = None) -> Kept:
    """Copy a file, byte for byte, to a free name.

    The copy is private (mode 0600) and so is every folder made for it (0700), also in the user's own folders: whether
    others may see a picture is for the user to decide.

    Args:
        source: the finished download. It is not changed.
        target: the wanted path. Its folder is made if it is missing. If the name is taken, `-2`, `-3` ... is put
            before the extension.
        ours: called with a taken path that holds exactly the same bytes. It tells whether a process that was killed
            before it could record it has written this file; then the path is returned and nothing is written.
        digest: the SHA-256 digest that the copy must have; None if that does not matter.

    Raises:
        StorageError: it could not be written. The message names folder and reason, and nothing is left behind.
        ChangedFileError: the copy has another digest. Nothing is left behind.
    """
    try:
        reader = source.open("rb", buffering=0)
    except OSError as error:
        raise StorageError(f"{source} cannot be read: {why(error)}.") from error
    with reader:
        return write_new(reader, target, ours, digest=digest)


def write_new(reader: BinaryIO, target: Path, ours: Ours | None = None, *, digest: bytes | None = None) -> Kept:
    """As `keep`, but reads from an open file."""
    part = target.parent / f"{_PART_PREFIX}{secrets.token_hex(8)}{_PART_SUFFIX}"
    try:
        try:
            size = _copy(reader, part, digest)
            path = publish(part, target, ours=ours)
        finally:
            with suppress(OSError):  # the file is saved; what is left of the part is swept later
                part.unlink()
        settle(path.parent)
    except OSError as error:
        raise StorageError(f"{target.name} cannot be saved in {target.parent}: {why(error)}.") from error
    return Kept(path, size)


def check_room(folder: Path, needed_bytes: int, *, probe: bool = True) -> None:
    """Check that pictures can be saved, before money is spent on them. Makes the folder.

    Args:
        folder: where they will be saved.
        needed_bytes: how much they may take, in bytes.
        probe: whether a small file is written, to see whether one can be.

    Raises:
        StorageError: the folder cannot be made or written into, or the disk has too little room.
    """
    part = folder / f"{_PART_PREFIX}{secrets.token_hex(8)}{_PART_SUFFIX}"
    try:
        if probe:
            make_folder(folder)
            try:
                with open_file(part, "xb") as file:
                    file.write(_PROBE)
            finally:
                part.unlink(missing_ok=True)
        usage = shutil.disk_usage(folder)
    except OSError as error:
        raise StorageError(f"Nothing can be saved in {folder}: {why(error)}.") from error
    # Some network and user-space file systems report a size of nothing at all: they are given the benefit of the doubt.
    if usage.total and usage.free < needed_bytes:
        raise StorageError(
            f"Too little room in {folder}: {byte_size(usage.free)} are free, up to {byte_size(needed_bytes)} may be "
            "needed. Free some space, or use a folder on another disk."
        )


def sweep(folder: Path) -> None:
    """Remove unfinished files that are older than a day: killed processes have left them."""
    oldest = time.time() - _ABANDONED
    with suppress(OSError), os.scandir(folder) as entries:  # tidying up must not stand in the way of saving
        for entry in entries:
            ours = entry.name.startswith(_PART_PREFIX) and entry.name.endswith(_PART_SUFFIX)
            if ours and entry.stat(follow_symlinks=False).st_mtime < oldest:
                Path(entry.path).unlink()


def _copy(reader: BinaryIO, part: Path, digest: bytes | None) -> int:
    size, found = 0, None if digest is None else hashlib.sha256()
    with _new_file(part) as writer:
        while piece := reader.read(_PIECE):
            _write_all(writer, piece)
            size += len(piece)
            if found is not None:  # of the bytes that were written: nothing can change them between two readings
                found.update(piece)
        if found is not None and found.digest() != digest:
            raise ChangedFileError
        os.fsync(writer.fileno())
    return size


def _new_file(file: Path) -> FileIO:
    """Open a new file for writing, without a buffer. Its folder is made where it is missing, which is rare."""
    try:
        return open(file, "xb", buffering=0, opener=_private)
    except (FileNotFoundError, NotADirectoryError):
        make_folder(file.parent)
        return open(file, "xb", buffering=0, opener=_private)


def _write_all(writer: FileIO, data: bytes) -> None:
    left = memoryview(data)
    while left:  # what is left of a disk, or of a limit, can be less than all of it
        left = left[writer.write(left) :]


def publish(part: Path, target: Path, ways: tuple[Way, ...] = (), ours: Ours | None = None) -> Path:
    """Rename a finished file to the wanted name, or to the next free one.

    Args:
        part: the finished file, in the folder of the target.
        target: the wanted path.
        ways: functions that do it. The next is tried if the file system does not support the one before.
        ours: as for `keep`.

    Raises:
        OSError: no way works, or all names are taken.
    """
    *better, last = ways or _WAYS
    for way in better:
        try:
            return _first_free(part, target, way, ours)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
    return _first_free(part, target, last, ours)


def _first_free(part: Path, target: Path, way: Way, ours: Ours | None) -> Path:
    for number in range(1, MOST_NAMES + 1):
        path = target if number == 1 else target.with_name(numbered(target.name, number))
        try:
            way(part, path)
        except FileExistsError:
            if ours is None or not _is_same(part, path) or not ours(path):
                continue
        return path
    raise FileExistsError(errno.EEXIST, f"all {MOST_NAMES} names like it are taken")


def _is_same(part: Path, path: Path) -> bool:
    """Whether a path is a regular file, and no link, with exactly the same bytes.

    An empty file is never the same, because another process may be about to fill it, as in `by_reservation`.
    """
    try:
        size = part.stat().st_size
        status = path.stat(follow_symlinks=False)
        if not size or status.st_size != size or not stat.S_ISREG(status.st_mode):
            return False
        with part.open("rb") as wanted, os.fdopen(open_below(path.parent, (path.name,)), "rb") as found:
            while piece := wanted.read(_PIECE):
                if found.read(len(piece)) != piece:
                    return False
            return not found.read(1)
    except OSError:
        return False


def by_link(part: Path, path: Path) -> None:
    """Give the finished file a second name by a hard link: atomic, and refused if the name is taken."""
    os.link(part, path, follow_symlinks=False)


def by_reservation(part: Path, path: Path) -> None:
    """Take the name with an empty file, then replace that by the finished one. For disks without hard links.

    A process that is killed in between leaves the empty file. It is not removed, because it could be the user's.
    """
    open_file(path, "xb").close()
    try:
        part.replace(path)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def by_rename(part: Path, path: Path) -> None:
    """Rename the file, which Windows refuses if the name is taken. Waits while a virus scanner has the file open."""
    for wait in _SCANNER_WAITS:
        try:
            part.rename(path)
        except PermissionError:
            time.sleep(wait)
        else:
            return
    part.rename(path)


_WAYS = (by_rename,) if os.name == "nt" else (by_link, by_reservation)


def settle(folder: Path) -> None:
    """Make the new names in a folder survive a power cut, if the file system supports that."""
    if os.name == "nt":
        return
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def open_below(base: Path, parts: Sequence[str], *, step_by_step: bool = STEP_BY_STEP) -> int:
    """Open a file for reading, following no link below a folder.

    Args:
        base: a resolved folder.
        parts: the names from there to the file, at least one.
        step_by_step: open folder after folder, so that nothing can be exchanged in between. Otherwise the file is
            opened first, and checked afterwards: that leaves a moment in which a link could be put in.

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
    """Make a folder and its missing parents, all of them private. `Path.mkdir` would make only the last one private.

    Raises:
        OSError: it cannot be made.
    """
    missing = []
    for one in (folder, *folder.parents):
        try:
            one.mkdir(mode=FOLDER_MODE)
        except (FileNotFoundError, NotADirectoryError):  # what is no folder is named when its turn comes
            missing.append(one)
        except OSError:  # not FileExistsError alone: a folder of a disk that cannot be written may be there as well
            if not os.path.isdir(one):  # noqa: PTH112 - Path.is_dir raises on names too long
                raise
            break
        else:
            break
    for one in reversed(missing):
        one.mkdir(mode=FOLDER_MODE, exist_ok=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder with all that is in it, as far as possible; nothing behind a link is touched.

    A folder that holds files alone, as nearly all do, is not searched for more.
    """
    if STEP_BY_STEP:
        with suppress(OSError):
            _remove_files(folder)
            folder.rmdir()
            return
    shutil.rmtree(folder, ignore_errors=True)


def _remove_files(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | _NO_LINK)
    try:
        for name in os.listdir(descriptor):  # noqa: PTH208 - no path can name an open folder
            os.unlink(name, dir_fd=descriptor)
    finally:
        os.close(descriptor)


def open_file(path: Path, mode: Literal["wb", "xb", "ab"]) -> IO[bytes]:
    """Open a file for writing. A new file is private; one that exists keeps its mode. Raises OSError if it cannot."""
    return open(path, mode, opener=_private)


def write_file(path: Path, data: bytes) -> None:
    """Write a whole file, opened as by `open_file`. Raises OSError if it cannot be written."""
    with open(path, "wb", buffering=0, opener=_private) as file:
        _write_all(file, data)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, FILE_MODE)
