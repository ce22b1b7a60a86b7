"""Stores of each kind, and folders for them."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from imagewright.settings.folders import Folders
from imagewright.storage.blobs import LocalBlobs
from imagewright.storage.paths.roots import AllowedRoots
from imagewright.storage.sqlite.database import Database
from imagewright.storage.sqlite.jobs import SqliteJobStore
from imagewright.storage.sqlite.pictures import SqlitePictureIndex
from imagewright.storage.sqlite.writer import Writer
from tests.storage.stores_bench import LEASE, SOURCE, opened
from tests.support.clock import Clock
from tests.support.memory_library import MemoryBlobs, MemoryPictureIndex
from tests.support.memory_stores import MemoryJobs, MemoryJobStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from imagewright.storage.base import PictureIndex
    from imagewright.storage.blob_store import BlobStore
    from imagewright.storage.library import Library
    from tests.storage.stores_bench import Workers


class Link(Protocol):
    def __call__(self, at: Path, to: Path) -> Path: ...


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An allowed folder with a picture and a folder in it; `outside` lies beside it."""
    folder = tmp_path / "root"
    (folder / "inner").mkdir(parents=True)
    (folder / "cat.png").write_bytes(b"cat")
    (folder / "inner" / "dog.png").write_bytes(b"dog")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_bytes(b"secret")
    return folder


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The inodes of the files and folders that were written through to the disk, in their order."""
    inodes: list[int] = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        inodes.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    return inodes


@pytest.fixture
def link() -> Link:
    """Makes a symbolic link, or skips where that needs a privilege."""

    def make(at: Path, to: Path) -> Path:
        try:
            at.symlink_to(to, target_is_directory=to.is_dir())
        except OSError as error:
            pytest.skip(f"links cannot be made here: {error}")
        return at

    return make


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """Nothing of it exists, apart from one root beside the pictures."""
    base = tmp_path / "kept"
    (tmp_path / "project").mkdir()
    pictures = base / "pictures"
    return Folders(
        pictures, base / "imagewright.db", base / "config.toml", base / "keys.toml", (pictures, tmp_path / "project")
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder."""
    made = tmp_path / "folder"
    made.mkdir()
    return made


@pytest.fixture
async def library(folders: Folders) -> AsyncIterator[Library]:
    """The library of a process of its own."""
    async with opened(folders) as made:
        yield made


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "download"
    file.write_bytes(SOURCE)
    return file


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "memory"])
def workers(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Workers]:
    """Stores of several workers, of each kind there is."""
    time: dict[str, Any] = {"lease": LEASE, "clock": clock, "monotonic": clock.monotonic}
    if request.param == "memory":
        shared = MemoryJobs()
        yield lambda worker_id="me": MemoryJobStore(shared, worker_id=worker_id, **time)
        return
    databases: list[Database] = []

    def make(worker_id: str = "me") -> SqliteJobStore:
        databases.append(Database(tmp_path / "stores.db"))
        return SqliteJobStore(Writer(databases[-1]), worker_id=worker_id, **time)

    yield make
    for database in databases:
        database.close()


@pytest.fixture(params=["sqlite", "memory"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PictureIndex]:
    """An empty index of pictures, of each kind there is."""
    if request.param == "memory":
        yield MemoryPictureIndex()
        return
    with closing(Database(tmp_path / "stores.db")) as database:
        yield SqlitePictureIndex(Writer(database))


@pytest.fixture(params=["local", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    """No files, of each kind of store there is."""
    if request.param == "memory":
        return MemoryBlobs(tmp_path)
    pictures = tmp_path / "kept" / "pictures"
    return LocalBlobs(tmp_path / "kept", pictures, AllowedRoots([pictures]))
