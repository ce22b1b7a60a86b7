"""Write a picture where it belongs: whole or not at all, and never over something else."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from imagewright.errors import StorageError
from imagewright.storage.paths.files import make_folder, open_below, open_file, sized, why
from imagewright.storage.paths.path_syntax import numbered

if TYPE_CHECKING:
    from collections.abc import Callable

    Way = Callable[[Path, Path], None]
    Ours = Callable[[Path], bool]

MOST_NAMES = 9999
"""How many pictures of one wanted name a folder can take: `fox.png` to `fox-9999.png`."""

_PIECE = 1 << 20  # bytes copied at a time
_PART_PREFIX, _PART_SUFFIX = ".imagewright-", ".part"
_ABANDONED = 24 * 3600  # seconds after which an unfinished file belongs to no living process
_PROBE = b"\0" * 4096  # one block, so that a full disk shows
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
_SCANNER_WAITS = (0.02, 0.05, 0.1, 0.2, 0.4)  # seconds; virus scanners hold a new file for about as long


class Kept(NamedTuple):
    """What was written: where it came to lie, and its size in bytes."""

    path: Path
    size: int


def keep(source: Path, target: Path, ours: Ours | None = None) -> Kept:
    """Copy a file, byte for byte, to a name that is free.

    The copy is private, mode 0600 whatever the umask, and so is every folder made for it (0700), wherever the user has
    it saved: a picture may show what its prompt says, and opening it to others is the user's to do.

    Args:
        source: the finished download; it is left where it is.
        target: the wanted path. Its folder is made if it is missing. If the name is taken, `-2`, `-3` ... is put
            before the extension.
        ours: asked about a taken name that holds exactly the same bytes: whether that is this very file, saved by a
            process that was killed before it could tell anybody. Then it is taken, and no second one written.

    Raises:
        StorageError: it could not be written; names the folder and the reason. Nothing is left of it.
    """
    try:
        reader = source.open("rb")
    except OSError as error:
        raise StorageError(f"{source} cannot be read: {why(error)}.") from error
    with reader:
        return write_new(reader, target, ours)


def write_new(reader: BinaryIO, target: Path, ours: Ours | None = None) -> Kept:
    """As `keep`, from an open file."""
    part = target.parent / f"{_PART_PREFIX}{secrets.token_hex(8)}{_PART_SUFFIX}"
    try:
        make_folder(target.parent)
        try:
            size = _copy(reader, part)
            path = publish(part, target, ours=ours)
        finally:
            with suppress(OSError):  # what is published is saved; the part is swept some day
                part.unlink()
        _settle(path.parent)
    except OSError as error:
        raise StorageError(f"{target.name} cannot be saved in {target.parent}: {why(error)}.") from error
    return Kept(path, size)


def check_room(folder: Path, needed_bytes: int) -> None:
    """Find out whether pictures can be saved, before money is spent on them. Makes the folder.

    Args:
        folder: where they will be saved.
        needed_bytes: how much they may take, in bytes.

    Raises:
        StorageError: the folder cannot be made or written into, or the disk has too little room.
    """
    probe = folder / f"{_PART_PREFIX}{secrets.token_hex(8)}{_PART_SUFFIX}"
    try:
        make_folder(folder)
        try:
            with open_file(probe, "xb") as file:
                file.write(_PROBE)
        finally:
            probe.unlink(missing_ok=True)
        usage = shutil.disk_usage(folder)
    except OSError as error:
        raise StorageError(f"Nothing can be saved in {folder}: {why(error)}.") from error
    # Some network and user-space file systems report a size of nothing at all: they are given the benefit of the doubt.
    if usage.total and usage.free < needed_bytes:
        raise StorageError(
            f"Too little room in {folder}: {sized(usage.free)} are free, up to {sized(needed_bytes)} may be needed. "
            "Free some space, or use a folder on another disk."
        )


def sweep(folder: Path) -> None:
    """Remove what killed processes left unfinished in a folder a day ago or earlier."""
    oldest = time.time() - _ABANDONED
    with suppress(OSError), os.scandir(folder) as entries:  # tidying up must not stand in the way of saving
        for entry in entries:
            ours = entry.name.startswith(_PART_PREFIX) and entry.name.endswith(_PART_SUFFIX)
            if ours and entry.stat(follow_symlinks=False).st_mtime < oldest:
                Path(entry.path).unlink()


def _copy(reader: BinaryIO, part: Path) -> int:
    with open_file(part, "xb") as writer:
        while piece := reader.read(_PIECE):
            writer.write(piece)
        writer.flush()
        os.fsync(writer.fileno())
        return writer.tell()


def publish(part: Path, target: Path, ways: tuple[Way, ...] = (), ours: Ours | None = None) -> Path:
    """Give a finished file its name, or the next free one.

    Args:
        part: the finished file, in the folder of the target.
        target: the wanted path.
        ways: how to do it, the best first; each later one is for file systems that lack the one before.
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
    """Whether a name is that of a regular file, and no link to one, with exactly the same bytes.

    An empty file is never the same: somebody, or `by_reservation`, may be about to fill it.
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
    """A second name for the finished file; atomic, and refused where the name is taken."""
    os.link(part, path, follow_symlinks=False)


def by_reservation(part: Path, path: Path) -> None:
    """Take the name with an empty file, then put the finished one over it: for disks without hard links.

    A process killed between the two leaves the empty file. It stays: nothing tells it from one of the user's.
    """
    open_file(path, "xb").close()
    try:
        part.replace(path)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def by_rename(part: Path, path: Path) -> None:
    """A rename, which Windows refuses where the name is taken; waits for virus scanners to let go of the file."""
    for wait in _SCANNER_WAITS:
        try:
            part.rename(path)
        except PermissionError:
            time.sleep(wait)
        else:
            return
    part.rename(path)


_WAYS = (by_rename,) if os.name == "nt" else (by_link, by_reservation)


def _settle(folder: Path) -> None:
    """Have the new name survive a power cut as well, where the file system can promise that."""
    if os.name == "nt":
        return
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
