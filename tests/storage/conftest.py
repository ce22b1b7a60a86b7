"""A library in a folder of its own, and pictures to put into it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from imagewright.settings.folders import Folders
from imagewright.storage.database import Database
from imagewright.storage.journal import Journal
from imagewright.storage.library import Library
from imagewright.storage.record import NewPicture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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
def library(folders: Folders) -> Iterator[Library]:
    with Library(folders) as made:
        yield made


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A finished download. To this floor its bytes are only bytes."""
    file = tmp_path / "download"
    file.write_bytes(bytes(range(256)) * 20)
    return file


@pytest.fixture(scope="session")
def picture() -> Picture:
    """Makes what the engine would supply; what is not named has a plain value."""

    def make(**changes: Any) -> NewPicture:
        plain: dict[str, Any] = {
            "tool": "some_tool",
            "operation": "generate",
            "provider": "somebody",
            "model": "some/model-1",
            "format": "png",
            "width": 64,
            "height": 48,
        }
        return NewPicture(**plain | changes)

    return make


class Picture(Protocol):
    def __call__(self, **changes: Any) -> NewPicture: ...


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(file: Path) -> Iterator[Journal]:
    with closing(Database(file)) as database:
        yield Journal(database)
