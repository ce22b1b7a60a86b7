"""Blobs as plain files of this machine. What the methods promise is written in `storage.blob_store.BlobStore`."""

from __future__ import annotations

import asyncio
import math
import os
import stat
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from imagewright.errors import StorageError, why
from imagewright.settings.table import HOME
from imagewright.storage.base import BlobGoneError
from imagewright.storage.batches import Batches
from imagewright.storage.paths import open_folder, remove_tree, tree
from imagewright.storage.paths.files import make_folder, sweep, write_whole
from imagewright.storage.paths.keeping import check_room, keep
from imagewright.storage.paths.roots import read_within, resolved_path
from imagewright.storage.records import FILE, INCOMING, PICTURES, BlobFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from typing import Any, BinaryIO

    from imagewright.storage.paths import OpenFolder
    from imagewright.storage.paths.roots import AllowedRoots

KEEPERS = 8
"""How many pictures are kept at once. More would only wait for the disk."""
SHORT = 2
"""How many threads make and remove folders. Two, so that one slow disk does not hold up the other."""
ELSEWHERE = f"{HOME.variable} can name another folder for all that is kept."
FRESH = 1.0
"""Seconds for which a folder that was checked is not checked again: hundreds of jobs can begin or end at once."""


class LocalBlobs:
    """The files of running jobs, of the library, and those that users have saved elsewhere.

    Args:
        base: absolute path of the folder that holds `incoming/`.
        pictures: absolute path of the library's folder, which is one of the roots.
        roots: a file that was replaced by a link is only read if the link leads into these.
        clock: seconds since 1970. Times of files are compared with it.
        monotonic: a clock in seconds that is never set.
    """

    def __init__(
        self,
        base: Path,
        pictures: Path,
        roots: AllowedRoots,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base = base
        self._pictures = pictures
        self._roots = roots
        self._clock = clock
        self._monotonic = monotonic
        # threads of its own, because one may wait for an answer that needs one of the others
        self._keeping = Batches(KEEPERS)
        self._short = Batches(SHORT)
        self._swept: set[Path] = set()
        self._bases: dict[str, Path] = {}
        self._made: dict[Path, tuple[float, Path]] = {}
        self._probed: dict[Path, float] = {}

    async def put(self, key: str, data: bytes, *, lasting: bool = True) -> None:
        """See `BlobStore.put`."""
        file = self._file(key)

        def put() -> None:
            with _reasons(file), open_folder(file.parent, make=True) as folder:
                write_whole(folder, file.name, data, lasting=lasting)
            if lasting:  # its folder may be new
                with suppress(OSError), open_folder(file.parent.parent) as above:
                    above.settle()

        await anyio.to_thread.run_sync(put)

    async def add(
        self,
        key: str,
        source: Path,
        *,
        others: Callable[[int], Coroutine[Any, Any, list[str]]] | None = None,
        digest: bytes | None = None,
    ) -> tuple[str, int]:
        """See `BlobStore.add`. A `file:` key inside the library's folder becomes a `pictures/` key."""
        loop = asyncio.get_running_loop()

        def ours(path: Path) -> bool:
            try:
                size = path.stat().st_size
                keys = [] if others is None else asyncio.run_coroutine_threadsafe(others(size), loop).result()
            except (OSError, StorageError):  # it may be another picture's
                return False
            return not any(_same_file(self._file(one), path) for one in keys)

        def add() -> tuple[str, int]:
            target = self._file(key)
            with self._open(target.parent) as folder:
                if folder.path not in self._swept:
                    self._swept.add(folder.path)
                    sweep(folder)
                kept = keep(source, folder, target.name, None if others is None else ours, digest=digest)
            return self._key(kept.path), kept.size

        return await self._keeping.run(add)

    async def read(self, key: str, limit: int | None = None) -> bytes:
        """See `BlobStore.read`."""

        def read() -> bytes:
            with self._opened(key) as stream:
                most = os.fstat(stream.fileno()).st_size if limit is None else limit
                return read_within(stream, self._file(key), most)

        return await anyio.to_thread.run_sync(read)

    async def head(self, key: str, count: int) -> tuple[bytes, int]:
        """See `BlobStore.head`."""

        def read() -> tuple[bytes, int]:
            with self._opened(key) as stream:
                return stream.read(count), os.fstat(stream.fileno()).st_size

        return await anyio.to_thread.run_sync(read)

    async def fetch(self, key: str, into: Path) -> None:
        """See `BlobStore.fetch`."""

        def copy() -> None:
            with self._opened(key) as stream, _reasons(into), open_folder(into.parent) as folder:
                write_whole(folder, into.name, stream, lasting=False)

        await anyio.to_thread.run_sync(copy)

    async def link(self, key: str, seconds: float) -> str | None:  # noqa: ARG002 - the contract's
        """Files of this machine have no URL."""
        return None

    def path(self, key: str) -> Path | None:
        """See `BlobStore.path`. It is absolute, and links on the way to the store's folders are resolved."""
        with suppress(BlobGoneError):
            return self._file(key)
        return None

    async def keys(self, prefix: str) -> list[str]:
        """See `BlobStore.keys`."""
        folder, _, start = prefix.rpartition("/")

        def look() -> list[str]:
            found = list[str]()
            with suppress(OSError), open_folder(self._file(folder)) as opened:
                for name, status in tree(opened):
                    is_whole = not name.rpartition("/")[2].startswith(".")
                    if name.startswith(start) and is_whole and not stat.S_ISDIR(status.st_mode):
                        found.append(f"{folder}/{name}")
            return sorted(found)

        return await anyio.to_thread.run_sync(look)

    async def folders(self, key: str) -> list[BlobFolder]:
        """See `BlobStore.folders`."""

        def look() -> list[BlobFolder]:
            with suppress(FileNotFoundError, NotADirectoryError), open_folder(self._file(key)) as opened:
                newest = dict[str, float]()
                for name, status in tree(opened):
                    top, _, below = name.partition("/")
                    if below or stat.S_ISDIR(status.st_mode):
                        newest[top] = max(newest.get(top, 0.0), status.st_mtime)
                now = self._clock()
                return [BlobFolder(f"{key}/{name}", now - changed) for name, changed in newest.items()]
            return []

        with _reasons(self._file(key), "read"):
            return await anyio.to_thread.run_sync(look)

    async def delete(self, prefix: str) -> None:
        """See `BlobStore.delete`. A folder that has become empty is removed too."""
        folder, _, start = prefix.rpartition("/")
        await self._short.run(_delete, self._file(folder), start)

    async def workplace(self, key: str) -> Path:
        """See `BlobStore.workplace`."""
        folder = self._file(key)

        def make() -> None:
            with _reasons(folder):
                make_folder(folder)

        await self._short.run(make)
        return folder

    async def check_room(self, key: str, needed_bytes: int) -> None:
        """See `BlobStore.check_room`. Makes the folder."""

        def check() -> None:
            path = self._file(key)
            fresh = self._monotonic() - self._probed.get(path, -math.inf) < FRESH
            try:
                with self._open(path) as folder:
                    check_room(folder, needed_bytes, probe=not fresh)
            except StorageError as error:
                if not path.is_relative_to(self._base_of(PICTURES)):
                    raise
                raise type(error)(f"{error} {ELSEWHERE}") from error
            if not fresh:
                self._probed[path] = self._monotonic()

        await self._short.run(check)

    def _open(self, path: Path) -> OpenFolder:
        """Open a folder. It is made if it is missing, and one of the library must be inside the roots."""
        if path.is_relative_to(self._base_of(PICTURES)):
            checked, resolved = self._made.get(path, (-math.inf, path))
            if self._monotonic() - checked >= FRESH:
                found = self._roots.open_folder(path)
                self._made[path] = self._monotonic(), found.path
                return found
            path = resolved
        with _reasons(path):
            return open_folder(path, make=True)

    def _base_of(self, area: str) -> Path:
        """The folder of an area, with the links on the way to it resolved once it is there."""
        if (found := self._bases.get(area)) is not None:
            return found
        folder = self._pictures if area == PICTURES else self._base / INCOMING
        resolved = resolved_path(folder)
        if folder.is_dir():
            self._bases[area] = resolved
        return resolved

    def _file(self, key: str) -> Path:
        area, *names = key.split("/")
        if "\0" not in key:
            if key.startswith(FILE) and (path := Path(key.removeprefix(FILE))).is_absolute():
                return path
            # on Windows, a name can hold the folder or the drive that it leads to
            if area in {INCOMING, PICTURES} and all(Path(name).name == name != ".." for name in names):
                return self._base_of(area).joinpath(*names)
        raise BlobGoneError(f"{key!r} is no key of this store.")

    def _key(self, path: Path) -> str:
        """The key of a picture with this path."""
        library = self._file(PICTURES)
        if path.is_relative_to(library):
            return f"{PICTURES}/{path.relative_to(library).as_posix()}"
        return f"{FILE}{path.as_posix()}"

    @contextmanager
    def _opened(self, key: str) -> Iterator[BinaryIO]:
        """Open a file, but not one that a link has put in its place."""
        path = self._file(key)
        try:
            with self._roots.open_recorded(path) as stream:
                yield stream
        except (FileNotFoundError, NotADirectoryError) as error:
            raise BlobGoneError(f"{path} has been deleted or moved.") from error
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {why(error)}.") from error


def _same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file. They can differ in case, or by links to folders."""
    try:
        return one.samefile(other)
    except OSError:  # one of them is gone
        return False


@contextmanager
def _reasons(path: Path, what: str = "written") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path} cannot be {what}: {why(error)}.") from error


def _delete(path: Path, start: str) -> None:
    """Remove all files of a folder whose names begin so, and then the folder if it is empty."""
    with suppress(OSError), open_folder(path.parent) as above:
        remove_tree(above, path.name, lambda name: name.lstrip(".").startswith(start))
