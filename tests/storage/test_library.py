from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import imagewright
from imagewright.errors import StorageError
from imagewright.settings.folders import Folders
from imagewright.storage.confine import ConfineError
from imagewright.storage.library import Library
from imagewright.storage.record import NewPicture, new_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagewright.storage.record import PictureRecord
    from tests.storage.conftest import Link, Picture

NOON = datetime(2026, 11, 22, 12).astimezone()


def found(records: list[PictureRecord]) -> list[str]:
    return [record.prompt for record in records]


def test_looking_makes_nothing(library: Library, folders: Folders) -> None:
    assert library.find() == []
    assert library.get(new_id()) is None
    assert library.recent_ids("img_") == []
    assert not folders.database.parent.exists()


def test_sqlite_is_not_loaded_before_it_is_needed() -> None:
    code = "import sys, imagewright.storage.library; print('sqlite3' in sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())  # noqa: S603 - our own words
    assert done.stdout.strip() == "False"


def environment() -> dict[str, str]:
    source_root = str(Path(imagewright.__file__).parents[1])
    return os.environ | {"PYTHONPATH": os.pathsep.join([source_root, os.environ.get("PYTHONPATH", "")])}


def test_a_record_comes_back_whole(library: Library, source: Path, picture: Picture) -> None:
    new = picture(
        prompt="Eine Füchsin im Schnee 狐",
        arguments={"aspect_ratio": "16:9", "images": ["img_a"], "deep": {"steps": 3, "on": True, "no": None}},
        seed=2**64 - 1,
        cost_usd=0.045,
        cost_basis="actual",
        parents=("img_bbb", "img_aaa"),
        job_id="job_1",
        variant=3,
        created=NOON + timedelta(microseconds=123_457),
    )
    record, notes = library.keep(source, new)
    assert notes == []
    assert {one.name: getattr(record, one.name) for one in fields(NewPicture)} == {
        one.name: getattr(new, one.name) for one in fields(NewPicture)
    }
    assert record.bytes == source.stat().st_size
    assert record.uri == f"image://{record.id}"
    assert library.get(record.id) == record
    assert library.find() == [record]


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": "half a sign \ud83d"},
        {"arguments": {"odd": "\ud83d", "when": NOON, "where": Path("a")}},
        {"prompt": ""},
        {"parents": ("img_gone",)},
        {"seed": -1},
    ],
)
def test_odd_records_are_kept_as_well(
    library: Library, source: Path, picture: Picture, changes: dict[str, object]
) -> None:
    record, notes = library.keep(source, picture(**changes))
    assert notes == []
    again = library.get(record.id)
    assert again
    assert again.path == record.path


def test_a_time_without_zone_is_refused(picture: Picture) -> None:
    with pytest.raises(ValueError, match="time zone"):
        picture(created=datetime(2026, 11, 22))  # noqa: DTZ001 - what is refused


def test_ids_cannot_be_guessed() -> None:
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(one) == 20 and one.startswith("img_") and one.isascii() and one.islower() for one in ids)


def test_the_default_place(library: Library, folders: Folders, source: Path, picture: Picture) -> None:
    record, _ = library.keep(source, picture(prompt="A red fox", format="jpeg"))
    assert record.path.parent == folders.pictures
    assert "a-red-fox" in record.path.name
    assert record.path.suffix == ".jpg"
    assert record.path.read_bytes() == source.read_bytes()


@pytest.mark.parametrize(
    ("save_as", "form", "of", "names", "notes"),
    [
        ("fox.png", "png", 1, ["fox.png"], 0),
        ("fox", "png", 1, ["fox.png"], 0),
        ("deep/er/fox.png", "png", 1, ["deep/er/fox.png"], 0),
        ("fox.png", "jpeg", 1, ["fox.jpg"], 1),
        ("fox.jpeg", "jpeg", 1, ["fox.jpeg"], 0),
        ("fox.png", "png", 3, ["fox-1.png", "fox-2.png", "fox-3.png"], 0),
        ("fox.png", "webp", 2, ["fox-1.webp", "fox-2.webp"], 2),
        ("fox", "png", 2, ["fox-1.png", "fox-2.png"], 0),
        ("taken.png", "png", 1, ["taken-2.png"], 1),
        ("taken.jpg", "png", 1, ["taken-2.png"], 1),
        ("{project}/fox.png", "png", 1, ["{project}/fox.png"], 0),
    ],
)
def test_where_it_is_saved(  # noqa: PLR0917 - the columns of the table
    library: Library,
    folders: Folders,
    source: Path,
    picture: Picture,
    save_as: str,
    form: str,
    of: int,
    names: list[str],
    notes: int,
) -> None:
    project = folders.roots[1]
    folders.pictures.mkdir(parents=True)
    (folders.pictures / "taken.png").write_bytes(b"the user's own")
    kept = [
        library.keep(source, picture(format=form), save_as=save_as.format(project=project), position=position, of=of)
        for position in range(1, of + 1)
    ]
    assert [record.path for record, _ in kept] == [folders.pictures / name.format(project=project) for name in names]
    words = [note for _, more in kept for note in more]
    assert len(words) == notes
    assert all(record.path.name in " ".join(more) for record, more in kept if more)
    assert (folders.pictures / "taken.png").read_bytes() == b"the user's own"


def test_a_folder_gets_the_usual_names(library: Library, folders: Folders, source: Path, picture: Picture) -> None:
    for save_as, folder in (("foxes/", folders.pictures / "foxes"), (str(folders.roots[1]), folders.roots[1])):
        record, notes = library.keep(source, picture(prompt="fox"), save_as=save_as, position=1, of=2)
        assert (record.path.parent, notes) == (folder, [])
        assert "_fox_" in record.path.name


@pytest.mark.parametrize("save_as", ["{outside}/fox.png", "../fox.png", "NUL", "{project}/file/fox.png"])
def test_a_paid_picture_is_kept_where_save_as_cannot_be(
    library: Library, folders: Folders, source: Path, picture: Picture, save_as: str
) -> None:
    (folders.roots[1] / "file").write_bytes(b"")
    wish = save_as.format(outside=source.parent, project=folders.roots[1])
    record, (note,) = library.keep(source, picture(), save_as=wish)
    assert record.path.parent == folders.pictures
    assert f"It is saved as {record.path} instead." in note
    assert library.get(record.id) == record


def test_a_picture_that_can_be_saved_nowhere_is_said(
    library: Library, folders: Folders, source: Path, picture: Picture
) -> None:
    folders.pictures.parent.mkdir()
    folders.pictures.write_bytes(b"a file in the way")
    with pytest.raises(StorageError, match="cannot be made"):
        library.keep(source, picture())
    assert source.exists()
    assert library.find() == []


def test_a_picture_is_kept_although_the_index_cannot_be(folders: Folders, source: Path, picture: Picture) -> None:
    folders.database.mkdir(parents=True)
    with Library(folders) as library:
        record, (note,) = library.keep(source, picture(prompt="first"))
        assert record.path.read_bytes() == source.read_bytes()
        assert str(record.path) in note
        assert "could not be entered" in note
        assert library.get(record.id) == record
        with pytest.raises(StorageError):
            library.find()
        folders.database.rmdir()
        later, notes = library.keep(source, picture(prompt="second"))
        assert notes == []
        assert library.find() == [later, record]
    with Library(folders) as another:
        assert found(another.find()) == ["second", "first"]


def test_a_corrupt_index_is_set_aside_while_keeping(folders: Folders, source: Path, picture: Picture) -> None:
    folders.database.parent.mkdir()
    folders.database.write_bytes(b"no database" * 1000)
    with Library(folders) as library:
        record, (note,) = library.keep(source, picture())
        assert "set aside as imagewright.db.corrupt-" in note
        assert library.find() == [record]
    (aside,) = folders.database.parent.glob("*.corrupt-*")
    assert aside.read_bytes() == b"no database" * 1000


def test_room_is_looked_for_before_money_is_spent(library: Library, folders: Folders, tmp_path: Path) -> None:
    library.check_room(None, 1000)
    library.check_room("deep/fox.png", 1000)
    assert (folders.pictures / "deep").is_dir()
    assert list(folders.pictures.rglob("*.*")) == []
    with pytest.raises(ConfineError, match="outside"):
        library.check_room(str(tmp_path / "fox.png"), 1000)
    with pytest.raises(StorageError, match="Too little room"):
        library.check_room(None, 10**15)


def test_a_database_that_cannot_be_written_is_said_before_money_is_spent(folders: Folders) -> None:
    folders.database.mkdir(parents=True)
    with Library(folders) as library, pytest.raises(StorageError, match="database"):
        library.check_room(None, 1000)


def test_reading_a_picture(library: Library, source: Path, picture: Picture) -> None:
    record, _ = library.keep(source, picture())
    assert library.read(record, record.bytes) == source.read_bytes()
    with pytest.raises(StorageError, match="the limit is 100 bytes"):
        library.read(record, 100)


def test_a_picture_deleted_by_the_user_is_found_and_says_where_it_was(
    library: Library, source: Path, picture: Picture
) -> None:
    record, _ = library.keep(source, picture(), save_as="deep/fox.png")
    record.path.unlink()
    for _ in range(2):
        assert library.find() == [record]
        with pytest.raises(StorageError, match="deleted or moved") as caught:
            library.read(record, 10**6)
        assert str(record.path) in str(caught.value)
        if record.path.parent.exists():
            record.path.parent.rmdir()


def test_a_picture_replaced_by_a_link_out_of_the_roots_is_not_read(
    library: Library, source: Path, picture: Picture, link: Link
) -> None:
    record, _ = library.keep(source, picture())
    record.path.unlink()
    link(record.path, source)
    with pytest.raises(ConfineError, match="outside"):
        library.read(record, 10**6)


def test_a_picture_is_read_after_the_roots_have_changed(folders: Folders, source: Path, picture: Picture) -> None:
    with Library(folders) as library:
        record, _ = library.keep(source, picture(), save_as=str(folders.roots[1] / "fox.png"))
    with Library(replace(folders, roots=(folders.pictures,))) as narrowed:
        assert narrowed.read(record, 10**6) == source.read_bytes()


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory, picture: Picture) -> Iterator[Library]:
    """Four pictures, which no test changes."""
    base = tmp_path_factory.mktemp("gallery")
    folders = Folders(base / "pictures", base / "x.db", base / "x.toml", base / "keys.toml", (base / "pictures",))
    source = base / "download"
    source.write_bytes(b"fox")
    with Library(folders) as library:
        mother, _ = library.keep(source, picture(tool="a", prompt=FOX, created=NOON))
        roof = picture(tool="b", prompt=ROOF, created=NOON + timedelta(hours=1), parents=(mother.id,))
        library.keep(source, roof)
        kitsune = picture(tool="a", prompt=KITSUNE, created=NOON + timedelta(days=1), parents=("img_x", mother.id))
        library.keep(source, kitsune)
        library.keep(source, picture(tool="b", prompt=GRANDCHILD, created=NOON - timedelta(days=9), parents=("img_x",)))
        yield library


FOX, ROOF, KITSUNE, GRANDCHILD = (
    "A red fox in SNOW",
    "The fox, Über den Dächern: 100%",
    "狐 under_score",
    "a grandchild",
)


@pytest.mark.parametrize(
    ("filters", "prompts"),
    [
        ({}, [KITSUNE, ROOF, FOX, GRANDCHILD]),
        ({"text": "fox"}, [ROOF, FOX]),
        ({"text": "snow FOX"}, [FOX]),
        ({"text": "fox wolf"}, []),
        ({"text": "uber dachern"}, [ROOF]),
        ({"text": "ÜBER"}, [ROOF]),
        ({"text": "狐"}, [KITSUNE]),
        ({"text": "%"}, [ROOF]),
        ({"text": "_"}, [KITSUNE]),
        ({"text": "' OR 1=1 --"}, []),
        ({"text": "  "}, [KITSUNE, ROOF, FOX, GRANDCHILD]),
        ({"tool": "a"}, [KITSUNE, FOX]),
        ({"tool": "A"}, []),
        ({"parent": "img_x"}, [KITSUNE, GRANDCHILD]),
        ({"parent": "img_nobody"}, []),
        ({"tool": "b", "text": "fox"}, [ROOF]),
        ({"limit": 2}, [KITSUNE, ROOF]),
        ({"limit": 2, "offset": 1}, [ROOF, FOX]),
        ({"offset": 4}, []),
        ({"limit": 0}, []),
    ],
)
def test_finding(gallery: Library, filters: dict[str, object], prompts: list[str]) -> None:
    assert found(gallery.find(**filters)) == prompts  # type: ignore[arg-type]  # the table is of every filter's type


def test_finding_direct_children(gallery: Library) -> None:
    (mother,) = gallery.find(text="snow")
    assert found(gallery.find(parent=mother.id)) == [KITSUNE, ROOF]


def test_finding_by_day_where_the_user_is(gallery: Library) -> None:
    day = NOON.astimezone().date()
    for spelt in (day, day.isoformat(), f" {day} "):
        assert found(gallery.find(day=spelt)) == [ROOF, FOX]
    assert found(gallery.find(day=day + timedelta(days=1))) == [KITSUNE]
    assert gallery.find(day=day - timedelta(days=1)) == []
    assert gallery.find(day=day, tool="a", text="fox")[0].prompt == FOX


def test_finding_today(library: Library, source: Path, picture: Picture) -> None:
    library.keep(source, picture(created=datetime.now(UTC)))
    assert library.find(day="today") + library.find(day="Yesterday")
    assert not library.find(day=date.today() - timedelta(days=3))  # noqa: DTZ011 - the user's calendar is meant


def test_counting_below_nothing_is_a_mistake(library: Library) -> None:
    for wrong in ({"limit": -1}, {"offset": -1}):
        with pytest.raises(ValueError, match="count from 0"):
            library.find(**wrong)  # type: ignore[arg-type]  # one of the two


def test_completing_an_id(gallery: Library) -> None:
    newest = [record.id for record in gallery.find()]
    assert gallery.recent_ids("") == newest
    assert gallery.recent_ids("img_", limit=2) == newest[:2]
    assert newest[0] in gallery.recent_ids(newest[0][:8])
    assert gallery.recent_ids("%") == []


def test_pictures_of_one_moment_come_newest_first(library: Library, source: Path, picture: Picture) -> None:
    for variant in (1, 2, 3):
        library.keep(source, picture(prompt=str(variant), created=NOON))
    assert found(library.find()) == ["3", "2", "1"]


def test_several_processes_of_several_threads_lose_nothing(folders: Folders, source: Path, tmp_path: Path) -> None:
    script = Path(__file__).with_name("keep_many.py")
    command = [sys.executable, str(script), str(tmp_path / "kept"), str(source), "4", "5"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) for _ in range(2)]  # noqa: S603 - our own script
    outputs = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    kept = [one for output in outputs for one in json.loads(output)]
    ids, paths = {one[0] for one in kept}, {one[1] for one in kept}
    assert (len(ids), len(paths)) == (40, 40)
    assert {note for one in kept for note in one[2] if "could not" in note} == set()
    assert {str(path) for path in folders.pictures.iterdir()} == paths
    with Library(folders) as library:
        assert {record.id for record in library.find(limit=100)} == ids
    with closing(sqlite3.connect(folders.database)) as plain:
        assert plain.execute("PRAGMA integrity_check").fetchone() == ("ok",)
