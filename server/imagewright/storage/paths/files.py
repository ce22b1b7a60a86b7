"""Files of this machine: private to their owner, written whole or not at all, through folders that are held open.

A picture is never written over something else.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
import time
from contextlib import suppress
from functools import partial
from io import BufferedWriter, BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, NamedTuple

from imagewright.errors import StorageError, why
from imagewright.storage import ChangedFileError
from imagewright.storage.paths import open_folder, remove_tree
from imagewright.storage.paths.path_syntax import numbered

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import FileIO

    from imagewright.storage.paths import OpenFolder

    Way = Callable[[OpenFolder, str, str], None]
    Ours = Callable[[Path], bool]

MOST_NAMES = 9999
"""How many numbers are tried for a name that is taken: `fox.png` to `fox-9999.png`."""

_PIECE = 1 << 20  # bytes copied at a time
_PART_PREFIX, _PART_SUFFIX = ".imagewright-", ".part"
_ABANDONED = 24 * 3600  # seconds after which an unfinished file belongs to no living process
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
_SCANNER_WAITS = (0.02, 0.05, 0.1, 0.2, 0.4)  # seconds; virus scanners hold a new file for about as long


class Kept(NamedTuple):
    """The path of a written file, and its size in bytes."""

    path: Path
    size: int


def write_new(
    reader: BinaryIO, folder: OpenFolder, name: str, ours: Ours | None = None, *, digest: bytes | None = None
) -> Kept:
    """Copy an open file, byte for byte, to a free name in a folder. The copy is private (mode 0600).

    Args:
        reader: the open file.
        folder: where the copy belongs.
        name: the wanted name. If it is taken, `-2`, `-3` ... is put before the extension.
        ours: called with a taken path that holds exactly the same bytes. It tells whether a process that was killed
            before it could record it has written this file; then the path is returned and nothing is written.
        digest: the SHA-256 digest that the copy must have; None if that does not matter.

    Raises:
        StorageError: it could not be written. The message names folder and reason, and nothing is left behind.
        ChangedFileError: the copy has another digest. Nothing is left behind.
    """
    part = part_name()
    try:
        try:
            size = _copy(reader, folder, part, digest)
            free = publish(folder, part, name, ours=ours)
        finally:
            with suppress(OSError):  # the file is saved; what is left of the part is swept later
                folder.remove(part)
        folder.settle()
    except OSError as error:
        raise StorageError(f"{name} cannot be saved in {folder.path}: {why(error)}.") from error
    return Kept(folder.path / free, size)


def sweep(folder: OpenFolder) -> None:
    """Remove unfinished files that are older than a day: killed processes have left them."""
    oldest = time.time() - _ABANDONED
    with suppress(OSError):  # tidying up must not stand in the way of saving
        for entry in folder.entries():
            if not (entry.name.startswith(_PART_PREFIX) and entry.name.endswith(_PART_SUFFIX)):
                continue
            with suppress(OSError):  # nor one that is another user's in the way of the rest
                if folder.status(entry.name).st_mtime < oldest:
                    folder.remove(entry.name)


def part_name() -> str:
    """A new name for an unfinished file, see `sweep`."""
    return f"{_PART_PREFIX}{secrets.token_hex(8)}{_PART_SUFFIX}"


def _copy(reader: BinaryIO, folder: OpenFolder, part: str, digest: bytes | None) -> int:
    size, found = 0, None if digest is None else hashlib.sha256()
    with folder.write(part, "xb") as writer:
        while piece := reader.read(_PIECE):
            write_all(writer, piece)
            size += len(piece)
            if found is not None:  # of the bytes that were written: nothing can change them between two readings
                found.update(piece)
        if found is not None and found.digest() != digest:
            raise ChangedFileError
        os.fsync(writer.fileno())
    return size


def write_all(writer: FileIO, data: bytes) -> None:
    """Write all of the data. Raises OSError if it does not fit on the disk."""
    left = memoryview(data)
    while left:  # what is left of a disk, or of a limit, can be less than all of it
        left = left[writer.write(left) :]


def publish(folder: OpenFolder, part: str, name: str, ways: tuple[Way, ...] = (), ours: Ours | None = None) -> str:
    """Rename a finished file to the wanted name, or to the next free one, which is returned.

    Args:
        folder: where both are.
        part: the finished file.
        name: the wanted name.
        ways: functions that do it. The next is tried if the file system does not support the one before.
        ours: as for `write_new`.

    Raises:
        OSError: no way works, all names are taken, or the folder was moved meanwhile.
    """
    is_same = partial(_is_same, folder, part)
    *better, last = ways or _WAYS
    for way in better:
        try:
            return first_free(folder, name, partial(way, folder, part), is_same, ours)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
    return first_free(folder, name, partial(last, folder, part), is_same, ours)


def first_free(
    folder: OpenFolder, name: str, take: Callable[[str], None], is_same: Callable[[str], bool], ours: Ours | None
) -> str:
    """Give a finished file the wanted name, or the next free one, which is returned.

    Args:
        folder: where the name is.
        name: the wanted name.
        take: gives the file a name. Raises FileExistsError if that is taken.
        is_same: whether what has a taken name holds exactly the same bytes.
        ours: as for `write_new`.

    Raises:
        OSError: as `take`; or all names are taken, or the folder was moved meanwhile.
    """
    for number in range(1, MOST_NAMES + 1):
        free = name if number == 1 else numbered(name, number)
        is_new = True
        try:
            take(free)
        except FileExistsError:
            if ours is None or not is_same(free) or not ours(folder.path / free):
                continue
            is_new = False
        try:
            folder.check_in_place()
        except OSError:
            if is_new and folder.handle is not None:  # by its path, another program's file might be removed
                folder.remove(free)
            raise
        return free
    raise FileExistsError(errno.EEXIST, f"all {MOST_NAMES} names like it are taken")


def _is_same(folder: OpenFolder, part: str, name: str) -> bool:
    try:
        with os.fdopen(folder.open(part), "rb") as wanted:
            return is_same(wanted, folder, name)
    except OSError:
        return False


def is_same(wanted: BinaryIO, folder: OpenFolder, name: str) -> bool:
    """Whether a name is that of a regular file, and no link, with exactly the same bytes as an open file.

    An empty file is never the same, because another process may be about to fill it, as in `by_reservation`.
    """
    try:
        size, status = os.fstat(wanted.fileno()).st_size, folder.status(name)
        if not size or status.st_size != size or not stat.S_ISREG(status.st_mode):
            return False
        wanted.seek(0)
        with os.fdopen(folder.open(name), "rb") as found:
            while piece := wanted.read(_PIECE):
                if found.read(len(piece)) != piece:
                    return False
            return not found.read(1)
    except OSError:
        return False


def by_link(folder: OpenFolder, part: str, name: str) -> None:
    """Give the finished file a second name by a hard link: atomic, and refused if the name is taken."""
    folder.link(part, name)


def by_reservation(folder: OpenFolder, part: str, name: str) -> None:
    """Take the name with an empty file, then replace that by the finished one. For disks without hard links.

    A process that is killed in between leaves the empty file. It is not removed, because it could be the user's.
    """
    folder.write(name, "xb").close()
    try:
        folder.rename(part, name)
    except OSError:
        with suppress(FileNotFoundError):
            folder.remove(name)
        raise


def by_rename(folder: OpenFolder, part: str, name: str) -> None:
    """Rename the file, which Windows refuses if the name is taken. Waits while a virus scanner has the file open."""
    at, to = folder.path / part, folder.path / name
    for wait in _SCANNER_WAITS:
        try:
            at.rename(to)
        except PermissionError:
            time.sleep(wait)
        else:
            return
    at.rename(to)


_WAYS = (by_rename,) if os.name == "nt" else (by_link, by_reservation)


def write_whole(folder: OpenFolder, name: str, data: bytes | BinaryIO, *, lasting: bool) -> None:
    """Write a file that takes its name when it is whole. It replaces one of that name. Nothing is left if it fails.

    Args:
        folder: where it belongs.
        name: its name.
        data: its content, or an open file that has it.
        lasting: whether it must survive a power cut after this returns.

    Raises:
        OSError: it cannot be written.
    """
    part = f".{name}.{secrets.token_hex(4)}{_PART_SUFFIX}"
    try:
        with folder.write(part, "xb") as file:
            if isinstance(data, bytes):
                write_all(file, data)
            else:
                while piece := data.read(_PIECE):
                    write_all(file, piece)
            if lasting:
                os.fsync(file.fileno())
        folder.rename(part, name)
    except OSError:
        with suppress(OSError):
            folder.remove(part)
        raise
    if lasting:
        folder.settle()


def make_folder(path: Path) -> None:
    """Make a folder and its missing parents, see `open_folder`. Raises OSError if it cannot be made."""
    try:
        with open_folder(path.parent) as above:
            above.make(path.name)
    except FileNotFoundError:
        open_folder(path, make=True).close()


def remove_folder(path: Path) -> None:
    """As `remove_tree`, for a path without links."""
    with suppress(OSError), open_folder(path.parent) as folder:
        remove_tree(folder, path.name)


def open_file(path: Path, mode: Literal["wb", "xb", "ab"]) -> BinaryIO:
    """Open a file for writing, see `OpenFolder.write`. Its folder has a path without links. Raises OSError."""
    with open_folder(path.parent) as folder:
        return BufferedWriter(folder.write(path.name, mode))


def write_file(path: Path, data: bytes) -> None:
    """Write a whole file, opened as by `open_file`. Raises OSError if it cannot be written."""
    with open_folder(path.parent) as folder, folder.write(path.name, "wb") as file:
        write_all(file, data)


def read_file(path: Path, limit: int) -> bytes:
    """The first `limit` bytes of a file. Its folder has a path without links. Raises OSError if it cannot be read."""
    with open_folder(path.parent) as folder, os.fdopen(folder.open(path.name), "rb") as file:
        return file.read(limit)


def rename_file(path: Path, name: str) -> None:
    """Rename a file within its folder, see `OpenFolder.rename`. Raises OSError if it cannot be done."""
    with open_folder(path.parent) as folder:
        folder.rename(path.name, name)


def remove_file(path: Path) -> None:
    """Remove a file if it is there, see `OpenFolder.remove`. Raises OSError if it cannot be removed."""
    with suppress(FileNotFoundError), open_folder(path.parent) as folder:
        folder.remove(path.name)


def make_empty(path: Path) -> None:
    """Make an empty file where there is none, and its folder. Links on the way to the folder are followed.

    Raises:
        OSError: it cannot be made.
    """
    with open_folder(Path(os.path.realpath(path.parent)), make=True) as folder, suppress(FileExistsError):
        folder.write(path.name, "xb").close()


def save_new(data: bytes, target: Path) -> Path:
    """Write a file to a free name like that of the target. Links on the way to its folder are followed.

    Returns:
        Its path.

    Raises:
        StorageError: it cannot be written.
    """
    try:
        folder = open_folder(Path(os.path.realpath(target.parent)), make=True)
    except OSError as error:
        raise StorageError(f"{target.name} cannot be saved in {target.parent}: {why(error)}.") from error
    with folder:
        return write_new(BytesIO(data), folder, target.name).path


def replace_file(path: Path, data: bytes, check: Callable[[Path], object]) -> None:
    """Replace a file in one step, or make it. It keeps its mode; a new one is private. What is a link stays one.

    Args:
        path: of the file, or of a link to it.
        data: its new content.
        check: called with the path of the finished file, before that takes its name. Nothing changes if it raises.

    Raises:
        OSError: it cannot be written.
    """
    target = Path(os.path.realpath(path))
    draft = part_name()
    with open_folder(target.parent, make=True) as folder:
        sweep(folder)
        try:
            with folder.write(draft, "xb") as file:
                write_all(file, data)
                with suppress(FileNotFoundError, AttributeError):  # Windows has no such modes
                    os.fchmod(file.fileno(), stat.S_IMODE(folder.status(target.name).st_mode))
                os.fsync(file.fileno())
            check(folder.path / draft)
            folder.rename(draft, target.name)
        except BaseException:
            with suppress(OSError):
                folder.remove(draft)
            raise
