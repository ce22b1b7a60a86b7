# ruff: noqa: ASYNC240 - a test may wait for the disk
"""A database of the release before this one, with jobs that run: migrated, read, and carried on.

`database_version_3.sql` was written by that release, with its folders replaced by `{base}`: a job that has ended, and
four whose process died when it was about to send, had an answer on disk, had a handle, and had its pictures.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from imagewright.errors import StorageError
from imagewright.settings.folders import Folders
from imagewright.storage.accounts import LOCAL, Pace, Principal
from imagewright.storage.base import Step
from imagewright.storage.records import spooled_key
from imagewright.storage.sqlite.database import Database
from imagewright.storage.sqlite.tables import MIGRATIONS
from imagewright.storage.states import CallState
from imagewright.storage.stores import open_stores
from tests.support.seeded_jobs import finish, note

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imagewright.storage.stores import Stores

pytestmark = pytest.mark.anyio

VERSION = 3
ENDED, PLANNED, ANSWERED, SUBMITTED, MADE = (
    f"job_{name}"
    for name in (
        "91bec2b13bc490e7",
        "77ff172a07630cd7",
        "6f36eeabae69f808",
        "39a76a6430c3c5bd",
        "59c08db1c4074d63",
    )
)
SPOOLED = {
    f"{PLANNED}/input-0": b"input 0",
    f"{PLANNED}/input-1": b"input 1",
    f"{ANSWERED}/result-1": b"a picture",
    f"{MADE}/result-1": b"another picture",
}


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    home = tmp_path / "home"
    pictures = home / "pictures"
    return Folders(pictures, home / "imagewright.db", home / "c.toml", home / "k.toml", (pictures, tmp_path / "mine"))


@pytest.fixture
def old(folders: Folders, tmp_path: Path) -> Path:
    """The database, and the files it names."""
    for name, data in SPOOLED.items():
        file = folders.database.parent / "incoming" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    script = Path(__file__).with_name("database_version_3.sql").read_text(encoding="utf-8")
    with closing(sqlite3.connect(folders.database)) as connection:
        connection.executescript(script.replace("{base}", tmp_path.as_posix()))
        connection.execute("PRAGMA journal_mode = WAL")
        for (path,) in connection.execute("SELECT path FROM picture").fetchall():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_bytes(path.encode())
    return folders.database


@asynccontextmanager
async def opened(folders: Folders) -> AsyncIterator[Stores]:
    stores = open_stores(folders, lease=10)
    try:
        yield stores
    finally:
        await stores.close()


async def test_every_record_is_read_and_belongs_to_the_local_user(old: Path, folders: Folders) -> None:
    assert old.exists()
    async with opened(folders) as stores:
        jobs = {one.id: one for one in await stores.jobs.newest(LOCAL, 10)}
        assert set(jobs) == {ENDED, PLANNED, ANSWERED, SUBMITTED, MADE}
        assert await stores.jobs.newest(Principal("somebody"), 10) == []
        assert {one.principal for one in jobs.values()} == {"local"}
        assert (jobs[ENDED].state, jobs[ENDED].worker_id, jobs[ENDED].is_held) == ("completed", "", False)
        spec = jobs[PLANNED].plan["spec"]
        assert (spec["prompt"], spec["request"]) == ("planned", {"prompt": "planned"})
        assert {"brief", "said"} & {*jobs[PLANNED].plan, *spec} == set()
        spent = await stores.jobs.spent(LOCAL, 0.0)
        assert (round(spent.usd, 6), spent.jobs) == (0.6, 5)


async def test_running_jobs_are_carried_on_with_their_files(old: Path, folders: Folders) -> None:
    assert old.exists()
    async with opened(folders) as stores:
        jobs = {one.id: one for one in await stores.jobs.reclaim(["vendor"])}
        assert set(jobs) == {PLANNED, ANSWERED, SUBMITTED, MADE}
        keys: list[str] = [one["file"] for one in jobs[PLANNED].plan["inputs"]["images"]]
        assert keys == [f"incoming/{PLANNED}/input-{place}" for place in (0, 1)]
        assert [await stores.blobs.read(key) for key in keys] == [b"input 0", b"input 1"]
        assert jobs[PLANNED].plan["inputs"]["mask"] is None
        (call,) = jobs[ANSWERED].calls
        assert (call.state, call.signature) == (
            CallState.SUBMITTING,
            {"input": "d1", "since": "2026-11-25T00:00:00Z"},
        )
        assert await stores.blobs.keys(f"incoming/{ANSWERED}/") == [f"incoming/{ANSWERED}/result-1"]
        (call,) = jobs[SUBMITTED].calls
        assert call.handle == {"task": "t1", "count": "1"}
        (call,) = jobs[MADE].calls
        assert call.outputs == (
            {"url": "", "file": f"incoming/{MADE}/result-1", "seed": 7},
            {"url": "https://vendor.example/t1/1", "file": "", "seed": None},
        )
        assert await stores.blobs.read(f"incoming/{MADE}/result-1") == b"another picture"
        await stores.jobs.advance(PLANNED, 0, CallState.SUBMITTING)
        await note(stores.jobs, MADE, 0, CallState.KEPT)
        await finish(stores.jobs, MADE, "completed", cost_usd=0.2, cost_basis="actual", notes=())


async def test_pictures_are_found_and_read_where_they_lie(old: Path, folders: Folders, tmp_path: Path) -> None:
    assert old.exists()
    async with opened(folders) as stores:
        records = {one.prompt.raw: one for one in await stores.library.find(LOCAL)}
        fox, deep, mine = records["a red fox"], records["deep"], records["a fox of the user's own"]
        assert fox.key == "pictures/20261126-080701_bytedance_seedream_a-red-fox_kmnf63.png"
        assert (deep.key, deep.parents) == ("pictures/deep/fox.png", (mine.id,))
        assert mine.key == f"file:{(tmp_path / 'mine' / 'fox.png').as_posix()}"
        for record in records.values():
            assert record.path is not None
            assert await stores.library.read(record, 1000) == record.path.as_posix().encode()
        assert [one.id for one in await stores.library.of_job(LOCAL, ENDED)] == [fox.id]


@pytest.mark.parametrize("version", range(VERSION, len(MIGRATIONS)))
async def test_every_release_since_is_migrated_too(old: Path, folders: Folders, version: int) -> None:
    with closing(Database(old, MIGRATIONS[:version], pictures=folders.pictures)) as database, database.reading() as one:
        assert one.execute("PRAGMA user_version").fetchone() == (version,)
    async with opened(folders) as stores:
        jobs = {one.id: one for one in await stores.jobs.reclaim(["vendor"])}
        assert set(jobs) == {PLANNED, ANSWERED, SUBMITTED, MADE}
        assert len(await stores.library.find(LOCAL)) == 3
        spent = await stores.jobs.spent(LOCAL, 0.0)
        assert (round(spent.usd, 6), spent.jobs) == (0.6, 5)
        assert await stores.jobs.take_slot("account", "vendor", Pace(1, 60.0, 9)) == 0.0
        await stores.jobs.advance(PLANNED, 0, CallState.SUBMITTING)
        assert await stores.jobs.take_slot("account", "vendor", Pace(1, 60.0, 9)) > 0
        await stores.jobs.conclude(SUBMITTED, [Step(0, CallState.MADE, {"took": 4.0})])
        assert await stores.jobs.durations("vendor", jobs[SUBMITTED].model) == [4.0]
        await note(stores.jobs, MADE, 0, CallState.STALLED)
        await stores.jobs.stall(MADE, ["It takes too long."])
        assert [one.id for one in await stores.jobs.reclaim(["vendor"], stalled=True)] == [MADE]


@pytest.mark.parametrize("version", [1, 2])
async def test_pictures_of_the_first_releases_are_found(folders: Folders, version: int) -> None:
    picture = (
        "INSERT INTO picture (id, path, tool, operation, provider, model, prompt, words, arguments, cost_basis, width, "
        "height, format, bytes, created, job_id, variant) VALUES ('img_a', ?, 't', 'generate', 'p', 'm', 'fox', 'fox', "
        "'{}', 'unknown', 1, 1, 'png', 9, 0, '', 1)"
    )
    with closing(Database(folders.database, MIGRATIONS[:version])) as database, database.writing() as connection:
        connection.execute(picture, (str(folders.pictures / "fox.png"),))
    async with opened(folders) as stores:
        assert [one.key for one in await stores.library.find(LOCAL, text="fox")] == ["pictures/fox.png"]


async def test_a_migrated_home_can_be_moved(old: Path, folders: Folders, tmp_path: Path) -> None:
    async with opened(folders) as stores:
        await stores.library.find(LOCAL)
    home = tmp_path / "moved"
    old.parent.rename(home)
    moved = Folders(home / "pictures", home / old.name, home / "c", home / "k", (home / "pictures",))
    async with opened(moved) as stores:
        (deep,) = await stores.library.find(LOCAL, text="deep")
        assert deep.path == home / "pictures" / "deep" / "fox.png"
        assert await stores.library.read(deep, 1000) != b""
        (planned,) = [one for one in await stores.jobs.newest(LOCAL, 10) if one.id == PLANNED]
        assert await stores.blobs.read(planned.plan["inputs"]["images"][0]["file"]) == b"input 0"


async def test_what_makes_no_sense_stays_and_costs_only_itself(old: Path, folders: Folders) -> None:
    with closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("UPDATE job SET plan = 'no JSON' WHERE id = ?", (PLANNED,))
        connection.execute("UPDATE call SET products = '[1]' WHERE job_id = ?", (MADE,))
        connection.execute("UPDATE job SET plan = CAST(x'7b22ff227d' AS TEXT) WHERE id = ?", (SUBMITTED,))
        connection.execute("UPDATE picture SET path = CAST(x'2fff' AS TEXT) WHERE prompt = 'deep'")
    async with opened(folders) as stores:
        assert {one.id for one in await stores.jobs.newest(LOCAL, 10)} == {ENDED, ANSWERED, MADE}
        for job_id in (PLANNED, SUBMITTED):
            with pytest.raises(StorageError, match=f"entry of {job_id} cannot be read"):
                await stores.jobs.get(LOCAL, job_id)
        assert {one.prompt.raw for one in await stores.library.find(LOCAL) if one.path is None} == {"deep"}


def test_a_process_of_the_older_release_refuses_to_open_it(old: Path) -> None:
    with closing(Database(old)) as database, database.reading():
        pass
    with (
        closing(Database(old, MIGRATIONS[:VERSION])) as older,
        pytest.raises(StorageError, match="newer Imagewright"),
        older.reading(),
    ):
        pass


def test_a_connection_from_before_a_migration_is_refused_too(tmp_path: Path) -> None:
    """Once this release runs; the one before looks at the version only when it opens the file."""
    file = tmp_path / "imagewright.db"
    with closing(Database(file, MIGRATIONS[:VERSION])) as older:
        with older.writing():
            pass
        with closing(Database(file)) as database, database.reading():
            pass
        for look in (older.reading, older.writing):
            with pytest.raises(StorageError, match="newer Imagewright"), look():
                pass


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE job SET lease_until = 0 WHERE owner = 'me'",
        "SELECT id, owner, cancel_asked FROM job",
        "UPDATE job SET state = 'completed', owner = '' WHERE id = 'job_1' AND owner = 'me'",
        "SELECT call.state, job.owner FROM call JOIN job ON job.id = job_id WHERE job_id = 'job_1'",
        "UPDATE call SET products = '[]'",
        "INSERT OR IGNORE INTO picture (id, path) VALUES ('img_a', '/x')",
        "SELECT id, path FROM picture",
    ],
)
def test_statements_of_the_older_release_change_nothing(old: Path, statement: str) -> None:
    """Its open connections look at no version: what they still send must find no column to harm."""
    with closing(Database(old)) as database, database.reading():
        pass
    with closing(sqlite3.connect(old)) as connection, pytest.raises(sqlite3.OperationalError, match=r"no.* column"):
        connection.execute(statement)


@pytest.mark.parametrize(
    ("file", "key"),
    [
        ("/home/u/.local/share/imagewright/incoming/job_1/result-1", "incoming/job_1/result-1"),
        ("incoming/job_1/result-1", "incoming/job_1/result-1"),
        ("", ""),
        ("/home/u/Pictures/fox.png", "/home/u/Pictures/fox.png"),
    ],
)
def test_a_path_of_the_spool_becomes_a_key_once(file: str, key: str) -> None:
    assert spooled_key(file) == spooled_key(spooled_key(file)) == key


def test_the_fixture_is_what_that_release_wrote(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
        (plan,) = connection.execute("SELECT plan FROM job WHERE id = ?", (PLANNED,)).fetchone()
    assert Path(json.loads(plan)["inputs"]["images"][0]["file"]).read_bytes() == b"input 0"
