# ruff: noqa: ASYNC220, ASYNC240 - a test may wait for the disk and for the processes it starts
"""The library of this machine: where pictures are saved, and how they are found again."""

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
from imagewright.errors import Refusal, StorageError
from imagewright.storage.accounts import LOCAL
from imagewright.storage.paths.roots import ConfineError
from imagewright.storage.records import NewPicture, new_id
from tests.storage.stores_bench import opened, picture, place

if TYPE_CHECKING:
    from imagewright.settings.folders import Folders
    from imagewright.storage.library import Library
    from imagewright.storage.records import PictureRecord
    from tests.storage.conftest import Link

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 22, 12).astimezone()


def found(records: list[PictureRecord]) -> list[str]:
    return [record.prompt.raw for record in records]


async def test_looking_makes_nothing(library: Library, folders: Folders) -> None:
    assert await library.find(LOCAL) == []
    assert await library.get(LOCAL, new_id()) is None
    assert await library.newest_ids(LOCAL, 10) == []
    assert not folders.database.parent.exists()


def test_sqlite_is_not_loaded_before_it_is_needed() -> None:
    code = "import sys, imagewright.storage.stores, imagewright.storage.library; print('sqlite3' in sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())  # noqa: S603 - our own words
    assert done.stdout.strip() == "False"


def environment() -> dict[str, str]:
    source_root = str(Path(imagewright.__file__).parents[1])
    return os.environ | {"PYTHONPATH": os.pathsep.join([source_root, os.environ.get("PYTHONPATH", "")])}


async def test_a_record_comes_back_whole(library: Library, source: Path) -> None:
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
    record, notes = await library.keep(LOCAL, source, new)
    assert notes == []
    assert {one.name: getattr(record, one.name) for one in fields(NewPicture)} == {
        one.name: getattr(new, one.name) for one in fields(NewPicture)
    }
    assert record.bytes == source.stat().st_size
    assert record.uri == f"image://{record.id}"
    assert await library.get(LOCAL, record.id) == record
    assert await library.find(LOCAL) == [record]


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
async def test_odd_records_are_kept_as_well(library: Library, source: Path, changes: dict[str, object]) -> None:
    record, notes = await library.keep(LOCAL, source, picture(**changes))
    assert notes == []
    again = await library.get(LOCAL, record.id)
    assert again
    assert again.path == place(record)


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        picture(created=datetime(2026, 11, 22))  # noqa: DTZ001 - what is refused


def test_ids_cannot_be_guessed() -> None:
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(one) == 20 and one.startswith("img_") and one.isascii() and one.islower() for one in ids)


async def test_the_default_place(library: Library, folders: Folders, source: Path) -> None:
    record, _ = await library.keep(LOCAL, source, picture(prompt="A red fox", format="jpeg"))
    assert place(record).parent == folders.pictures
    assert "a-red-fox" in place(record).name
    assert place(record).suffix == ".jpg"
    assert place(record).read_bytes() == source.read_bytes()


@pytest.mark.parametrize(
    ("save_as", "form", "of", "names", "notes"),
    [
        ("fox.png", "png", 1, ["fox.png"], 0),
        ("fox", "png", 1, ["fox.png"], 0),
        ("deep/er/fox.png", "png", 1, ["deep/er/fox.png"], 0),
        ("fox.png", "jpeg", 1, ["fox.jpg"], 0),
        ("fox.jpeg", "jpeg", 1, ["fox.jpeg"], 0),
        ("fox.png", "png", 3, ["fox-1.png", "fox-2.png", "fox-3.png"], 0),
        ("fox.png", "webp", 2, ["fox-1.webp", "fox-2.webp"], 0),
        ("fox", "png", 2, ["fox-1.png", "fox-2.png"], 0),
        ("taken.png", "png", 1, ["taken-2.png"], 1),
        ("taken.jpg", "png", 1, ["taken-2.png"], 1),
        ("{project}/fox.png", "png", 1, ["{project}/fox.png"], 0),
    ],
)
async def test_where_it_is_saved(  # noqa: PLR0917 - the columns of the table
    library: Library,
    folders: Folders,
    source: Path,
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
        await library.keep(
            LOCAL, source, picture(format=form), save_as=save_as.format(project=project), position=position, of=of
        )
        for position in range(1, of + 1)
    ]
    assert [place(record) for record, _ in kept] == [folders.pictures / name.format(project=project) for name in names]
    words = [note for _, more in kept for note in more]
    assert len(words) == notes
    assert all(place(record).name in " ".join(more) for record, more in kept if more)
    assert (folders.pictures / "taken.png").read_bytes() == b"the user's own"


async def test_a_folder_gets_the_usual_names(library: Library, folders: Folders, source: Path) -> None:
    for save_as, folder in (("foxes/", folders.pictures / "foxes"), (str(folders.roots[1]), folders.roots[1])):
        record, notes = await library.keep(LOCAL, source, picture(prompt="fox"), save_as=save_as, position=1, of=2)
        assert (place(record).parent, notes) == (folder, [])
        assert "_fox_" in place(record).name


@pytest.mark.parametrize("save_as", ["{outside}/fox.png", "../fox.png", "NUL", "{project}/file/fox.png"])
async def test_a_paid_picture_is_kept_where_save_as_cannot_be(
    library: Library, folders: Folders, source: Path, save_as: str
) -> None:
    (folders.roots[1] / "file").write_bytes(b"")
    wanted = save_as.format(outside=source.parent, project=folders.roots[1])
    record, (note,) = await library.keep(LOCAL, source, picture(), save_as=wanted)
    assert place(record).parent == folders.pictures
    assert f"It is saved as {place(record)} instead." in note
    assert await library.get(LOCAL, record.id) == record


async def test_a_picture_that_can_be_saved_nowhere_is_reported(
    library: Library,
    folders: Folders,
    source: Path,
) -> None:
    folders.pictures.parent.mkdir()
    folders.pictures.write_bytes(b"a file in the way")
    with pytest.raises(StorageError, match="cannot be made"):
        await library.keep(LOCAL, source, picture())
    assert source.exists()
    assert await library.find(LOCAL) == []


async def test_a_picture_is_kept_although_the_index_cannot_be(folders: Folders, source: Path) -> None:
    folders.database.mkdir(parents=True)
    async with opened(folders) as library:
        record, (note,) = await library.keep(LOCAL, source, picture(prompt="first"))
        assert place(record).read_bytes() == source.read_bytes()
        assert str(place(record)) in note
        assert "could not be entered" in note
        assert await library.get(LOCAL, record.id) == record
        with pytest.raises(StorageError):
            await library.find(LOCAL)
        folders.database.rmdir()
        later, notes = await library.keep(LOCAL, source, picture(prompt="second", created=NOON + timedelta(hours=1)))
        assert notes == []
        assert await library.find(LOCAL) == [later, record]
    async with opened(folders) as another:
        assert found(await another.find(LOCAL)) == ["second", "first"]


async def test_a_corrupt_index_is_set_aside_while_keeping(folders: Folders, source: Path) -> None:
    folders.database.parent.mkdir()
    folders.database.write_bytes(b"no database" * 1000)
    async with opened(folders) as library:
        record, (note,) = await library.keep(LOCAL, source, picture())
        assert "could not be entered" not in note
        assert "set aside as imagewright.db.corrupt-" in note
        assert await library.find(LOCAL) == [record]
    (aside,) = folders.database.parent.glob("*.corrupt-*")
    assert aside.read_bytes() == b"no database" * 1000


async def test_room_is_looked_for_before_money_is_spent(library: Library, folders: Folders, tmp_path: Path) -> None:
    await library.check_room(LOCAL, None, 1000)
    await library.check_room(LOCAL, "deep/fox.png", 1000)
    assert (folders.pictures / "deep").is_dir()
    assert list(folders.pictures.rglob("*.*")) == []
    with pytest.raises(ConfineError, match="outside"):
        await library.check_room(LOCAL, str(tmp_path / "fox.png"), 1000)
    with pytest.raises(StorageError, match="Too little room"):
        await library.check_room(LOCAL, None, 10**15)


async def test_a_database_that_cannot_be_written_is_reported_before_money_is_spent(folders: Folders) -> None:
    folders.database.mkdir(parents=True)
    async with opened(folders) as library:
        with pytest.raises(StorageError, match="database"):
            await library.check_room(LOCAL, None, 1000)


async def test_reading_a_picture(library: Library, source: Path) -> None:
    record, _ = await library.keep(LOCAL, source, picture())
    assert await library.read(record, record.bytes) == source.read_bytes()
    with pytest.raises(StorageError, match="the limit is 100 bytes"):
        await library.read(record, 100)


async def test_a_picture_deleted_by_the_user_is_found_and_says_where_it_was(
    library: Library,
    source: Path,
) -> None:
    record, _ = await library.keep(LOCAL, source, picture(), save_as="deep/fox.png")
    place(record).unlink()
    for _ in range(2):
        assert await library.find(LOCAL) == [record]
        with pytest.raises(StorageError, match="deleted or moved") as caught:
            await library.read(record, 10**6)
        assert str(place(record)) in str(caught.value)
        if place(record).parent.exists():
            place(record).parent.rmdir()


async def test_a_picture_replaced_by_a_link_out_of_the_roots_is_not_read(
    library: Library, source: Path, link: Link
) -> None:
    record, _ = await library.keep(LOCAL, source, picture())
    place(record).unlink()
    link(place(record), source)
    with pytest.raises(ConfineError, match="outside"):
        await library.read(record, 10**6)


async def test_a_picture_is_read_after_the_roots_have_changed(folders: Folders, source: Path) -> None:
    async with opened(folders) as library:
        record, _ = await library.keep(LOCAL, source, picture(), save_as=str(folders.roots[1] / "fox.png"))
    async with opened(replace(folders, roots=(folders.pictures,))) as narrowed:
        assert await narrowed.read(record, 10**6) == source.read_bytes()


FOX, ROOF, KITSUNE = "A red fox in SNOW", "The fox, Über den Dächern: 100%", "狐 under_score"


async def filled(library: Library, source: Path) -> Library:
    mother, _ = await library.keep(LOCAL, source, picture(tool="a", prompt=FOX, created=NOON))
    roof = picture(tool="b", prompt=ROOF, created=NOON + timedelta(hours=1), parents=(mother.id,))
    await library.keep(LOCAL, source, roof)
    await library.keep(LOCAL, source, picture(tool="a", prompt=KITSUNE, created=NOON + timedelta(days=1)))
    return library


async def test_words_are_found_without_regard_to_case_and_accents(library: Library, source: Path) -> None:
    gallery = await filled(library, source)
    texts = {"snow FOX": [FOX], "uber dachern": [ROOF], "ÜBER": [ROOF], "  ": [KITSUNE, ROOF, FOX], "' OR 1=1 --": []}
    for text, prompts in texts.items():
        assert found(await gallery.find(LOCAL, text=text)) == prompts
    (mother,) = await gallery.find(LOCAL, text="snow", tool="a")
    assert found(await gallery.find(LOCAL, parent=mother.id)) == [ROOF]
    assert found(await gallery.find(LOCAL, limit=1, offset=1)) == [ROOF]
    assert await gallery.newest_ids(LOCAL, 5) == [one.id for one in await gallery.find(LOCAL)]
    with pytest.raises(Refusal, match="at most 100"):
        await gallery.find(LOCAL, text="fox " * 101)


async def test_finding_by_day_where_the_user_is(library: Library, source: Path) -> None:
    gallery = await filled(library, source)
    day = NOON.astimezone().date()
    for spelt in (day, day.isoformat(), f" {day} "):
        assert found(await gallery.find(LOCAL, day=spelt)) == [ROOF, FOX]
    assert found(await gallery.find(LOCAL, day=day + timedelta(days=1))) == [KITSUNE]
    assert await gallery.find(LOCAL, day=day - timedelta(days=1)) == []
    assert found(await gallery.find(LOCAL, day=day, tool="a", text="fox")) == [FOX]


async def test_finding_today(library: Library, source: Path) -> None:
    await library.keep(LOCAL, source, picture(created=datetime.now(UTC)))
    assert await library.find(LOCAL, day="today") + await library.find(LOCAL, day="Yesterday")
    assert not await library.find(LOCAL, day=date.today() - timedelta(days=3))  # noqa: DTZ011 - the user's calendar is meant


async def test_counting_below_nothing_is_a_mistake(library: Library) -> None:
    for wrong in ({"limit": -1}, {"offset": -1}):
        with pytest.raises(ValueError, match="count from 0"):
            await library.find(LOCAL, **wrong)  # type: ignore[arg-type]  # one of the two


async def test_several_processes_of_several_threads_lose_nothing(
    folders: Folders, source: Path, tmp_path: Path
) -> None:
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
    async with opened(folders) as library:
        assert {record.id for record in await library.find(LOCAL, limit=100)} == ids
    with closing(sqlite3.connect(folders.database)) as plain:
        assert plain.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize(
    "damage", ["arguments = '{'", "arguments = CAST(x'7b22ff227d' AS TEXT)", "created = 'yesterday'", "seed = 'x'"]
)
async def test_a_damaged_entry_costs_only_its_own_picture(
    folders: Folders, source: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    async with opened(folders) as library:
        kept = [(await library.keep(LOCAL, source, picture(job_id="job_1", variant=one)))[0] for one in (1, 2)]
        with closing(sqlite3.connect(folders.database)) as connection, connection:
            connection.execute(f"UPDATE picture SET {damage} WHERE variant = 1")  # noqa: S608 - words of ours
        for _ in range(2):
            assert await library.of_job(LOCAL, "job_1") == kept[1:]
            assert await library.get(LOCAL, kept[0].id) is None
    assert [one.getMessage().count(kept[0].id) for one in caplog.records] == [1]


@pytest.mark.parametrize("key", ["/etc/passwd", "file:fox.png", "pictures/../fox.png", "pictures/\0"])
async def test_a_damaged_key_leads_to_no_file(folders: Folders, source: Path, key: str) -> None:
    async with opened(folders) as library:
        kept, _ = await library.keep(LOCAL, source, picture())
        with closing(sqlite3.connect(folders.database)) as connection, connection:
            connection.execute("UPDATE picture SET key = ?", (key,))
        (found,) = await library.find(LOCAL)
        assert found == replace(kept, key=key, path=None)
        with pytest.raises(StorageError, match="deleted or moved"):
            await library.read(found, 100)
