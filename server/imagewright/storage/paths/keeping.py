"""A finished picture gets its name in a folder, after a check that there is room for it."""

from __future__ import annotations

import shutil
from contextlib import ExitStack, suppress
from io import FileIO
from typing import TYPE_CHECKING

from imagewright.errors import StorageError, why
from imagewright.storage.paths import open_folder
from imagewright.storage.paths.files import Kept, part_name, write_all, write_new
from imagewright.text import byte_size

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.storage.paths import OpenFolder
    from imagewright.storage.paths.files import Ours

_PROBE = b"\0" * 4096  # one block, so that a full disk shows


def keep(source: Path, folder: OpenFolder, name: str, ours: Ours | None = None, *, digest: bytes | None = None) -> Kept:
    """Copy a finished file, byte for byte, to a free name in a folder.

    What is kept is private (mode 0600), also in the user's own folders: whether others may see a picture is for the
    user to decide.

    Args:
        source: the finished file, by a path without links. It is not changed.
        folder: where it belongs.
        name: the wanted name, as for `write_new`.
        ours: as for `write_new`.
        digest: the SHA-256 digest that it must have; None if that does not matter.

    Raises:
        StorageError: it could not be kept. The message names folder and reason, and nothing is left behind.
        ChangedFileError: it has another digest. Nothing is left behind.
    """
    with ExitStack() as opened:
        try:
            at = opened.enter_context(open_folder(source.parent))
            reader = opened.enter_context(FileIO(source.name, opener=lambda name, _: at.open(name)))
        except OSError as error:
            raise StorageError(f"{source} cannot be read: {why(error)}.") from error
        return write_new(reader, folder, name, ours, digest=digest)


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
