"""A finished picture gets its name in a folder: whether there is room for it, and by a hard link or a copy.

A picture that is linked is read for its digest, and not written a second time, however large it is.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from contextlib import ExitStack, contextmanager, suppress
from io import FileIO
from typing import TYPE_CHECKING, NamedTuple

from imagewright.errors import StorageError, why
from imagewright.storage.paths import FILE_MODE, open_folder
from imagewright.storage.paths.files import Kept, first_free, is_same, part_name, write_all, write_new
from imagewright.text import byte_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imagewright.storage.paths import OpenFolder
    from imagewright.storage.paths.files import Ours

_PROBE = b"\0" * 4096  # one block, so that a full disk shows


class _Source(NamedTuple):
    """An open file, with its name in an open folder."""

    folder: OpenFolder
    name: str
    file: FileIO


def keep(source: Path, folder: OpenFolder, name: str, ours: Ours | None = None, *, digest: bytes | None = None) -> Kept:
    """Give a finished file a free name in a folder, byte for byte.

    What is kept is private (mode 0600), also in the user's own folders: whether others may see a picture is for the
    user to decide.

    If there is a digest and `_is_linkable` holds, the file itself gets that name, beside the one it has. Else, and if
    the disk has no hard links, it is copied.

    Args:
        source: the finished file, by a path without links. It is not changed. If there is a digest, nothing may be
            written into it after this: it may be removed, or another file may take its name.
        folder: where it belongs.
        name: the wanted name, as for `write_new`.
        ours: as for `write_new`.
        digest: the SHA-256 digest that it must have; None if that does not matter.

    Raises:
        StorageError: it could not be kept. The message names folder and reason, and nothing is left behind.
        ChangedFileError: it has another digest. Nothing is left behind.
    """
    with _opened(source) as found:
        kept = None if digest is None else _linked(found, folder, name, ours, digest)
        if kept is not None:
            return kept
        found.file.seek(0)
        return write_new(found.file, folder, name, ours, digest=digest)


@contextmanager
def _opened(path: Path) -> Iterator[_Source]:
    """Open a file, following no link on its whole path. Raises StorageError if it cannot be opened."""
    with ExitStack() as opened:
        try:
            folder = opened.enter_context(open_folder(path.parent))
            file = opened.enter_context(FileIO(path.name, opener=lambda name, _: folder.open(name)))
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {why(error)}.") from error
        yield _Source(folder, path.name, file)


def _linked(source: _Source, folder: OpenFolder, name: str, ours: Ours | None, digest: bytes) -> Kept | None:
    """Keep a file by a hard link. None where that cannot be done: then a copy can, or it raises the reason."""
    if folder.handle is None:
        return None
    with suppress(OSError):
        before = os.fstat(source.file.fileno())
        if not _is_linkable(before, os.fstat(folder.handle)):
            return None
        if hashlib.file_digest(source.file, "sha256").digest() != digest:
            return None  # the copy looks at what it writes, and tells
        os.fsync(source.file.fileno())

        def take(free: str) -> None:
            folder.link(source.name, free, source.folder)
            # what was read is what has the name now, and nobody has written into it meanwhile
            now = folder.status(free)
            if _marks(now) != _marks(before):
                # after a long freeze the first name may be gone, and the user may have changed what has this one
                if now.st_nlink > 1 or _digest_of(folder, free) == digest:
                    folder.remove(free)
                raise OSError(errno.ESTALE, "it was changed meanwhile", name)

        free = first_free(folder, name, take, lambda taken: is_same(source.file, folder, taken), ours)
        folder.settle()
        return Kept(folder.path / free, before.st_size)
    return None


def _is_linkable(file: os.stat_result, folder: os.stat_result) -> bool:
    """Whether a second name of the file in the folder is as good as a copy.

    It has to be on the same disk, ours alone, with the group of the folder, which a copy may get, and without another
    name through which it could be changed.
    """
    return (
        stat.S_ISREG(file.st_mode)
        and stat.S_IMODE(file.st_mode) == FILE_MODE
        and file.st_nlink == 1
        and file.st_uid == os.geteuid()
        and (file.st_dev, file.st_gid) == (folder.st_dev, folder.st_gid)
    )


def _digest_of(folder: OpenFolder, name: str) -> bytes:
    with FileIO(folder.open(name)) as file:
        return hashlib.file_digest(file, "sha256").digest()


def _marks(status: os.stat_result) -> tuple[int, int, int, int]:
    """What tells a file from another, and from itself after a change."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def check_room(folder: OpenFolder, needed_bytes: int, *, probe: bool = True) -> None:
    """Check that pictures can be saved, before money is spent on them.

    Args:
        folder: where they will be saved.
        needed_bytes: how much they may take, in bytes.
        probe: whether a small file is written, to see whether one can be.

    Raises:
        StorageError: the folder cannot be written into, or the disk has too little room.
    """
    try:
        if probe:
            _write_probe(folder)
        usage = shutil.disk_usage(folder.path if folder.handle is None else folder.handle)
    except OSError as error:
        raise StorageError(f"Nothing can be saved in {folder.path}: {why(error)}.") from error
    # Some network and user-space file systems report a size of nothing at all: they are given the benefit of the doubt.
    if usage.total and usage.free < needed_bytes:
        raise StorageError(
            f"Too little room in {folder.path}: {byte_size(usage.free)} are free, up to {byte_size(needed_bytes)} may "
            "be needed. Free some space, or use a folder on another disk."
        )


def _write_probe(folder: OpenFolder) -> None:
    part = part_name()
    try:
        with folder.write(part, "xb") as file:
            write_all(file, _PROBE)
    finally:
        with suppress(FileNotFoundError):
            folder.remove(part)
