"""Writes for which nobody waits, and writes that need not survive a power cut."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import anyio
import pytest

from imagewright.errors import StorageError
from imagewright.storage.accounts import LOCAL
from imagewright.storage.base import Started
from imagewright.storage.sqlite.database import Database
from imagewright.storage.sqlite.jobs import SqliteJobStore
from imagewright.storage.sqlite.writer import FRESH, Writer
from tests.storage.stores_bench import LEASE, ended, job

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.clock import Clock

pytestmark = pytest.mark.anyio

NOTES = (("CREATE TABLE note (text TEXT NOT NULL UNIQUE)",),)
NEVER = 1e6
"""Seconds."""
FULL, NORMAL = 2, 1
"""What SQLite calls waiting for the disk at each end of a transaction, and not waiting."""


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "notes.db", NOTES, patience=0.1)


@pytest.fixture
async def writer(database: Database) -> AsyncIterator[Writer]:
    made = Writer(database, delay=NEVER)
    yield made
    await made.close()


def note(connection: sqlite3.Connection, text: str) -> int:
    """Writes a note; returns how SQLite waits for the disk."""
    connection.execute("INSERT INTO note VALUES (?)", (text,))
    return int(connection.execute("PRAGMA synchronous").fetchone()[0])


def notes(database: Database) -> list[str]:
    with database.reading() as connection:
        return [text for (text,) in connection.execute("SELECT text FROM note ORDER BY rowid")]


async def test_it_rides_along_with_the_next_write_and_comes_before_it(writer: Writer, database: Database) -> None:
    writer.later(lambda connection: note(connection, "later"))
    assert notes(database) == []
    await writer.write(lambda connection: note(connection, "now"))
    assert notes(database) == ["later", "now"]


async def test_it_is_written_alone_after_a_while(database: Database) -> None:
    writer, begun = Writer(database, delay=0.01), threading.Event()

    def write(connection: sqlite3.Connection) -> None:
        note(connection, "later")
        begun.set()

    writer.later(write)
    assert await anyio.to_thread.run_sync(begun.wait, 30)
    await writer.close()  # waits for what is being written
    assert notes(database) == ["later"]
    database.close()


async def test_closing_writes_what_still_waits(database: Database) -> None:
    writer = Writer(database, delay=NEVER)
    for text in ("one", "two"):
        writer.later(lambda connection, text=text: note(connection, text))  # type: ignore[misc] # mypy infers no default
    await writer.close()
    assert notes(database) == ["one", "two"]
    database.close()


async def test_what_fails_costs_no_other_and_is_logged(
    writer: Writer, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    for text in ("one", "one", "two"):
        writer.later(lambda connection, text=text: note(connection, text))  # type: ignore[misc] # mypy infers no default
    await writer.write(lambda connection: note(connection, "now"))
    assert notes(database) == ["one", "two", "now"]
    assert [one.message.count("UNIQUE") for one in caplog.records] == [1]


async def test_what_cannot_be_written_now_goes_with_a_later_write(
    writer: Writer, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await writer.write(lambda connection: note(connection, "first"))
    writer.later(lambda connection: note(connection, "later"))
    with closing(sqlite3.connect(database.file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="locked"):
            await writer.write(lambda connection: note(connection, "now"))
        await anyio.to_thread.run_sync(writer.flush)
    assert "1 marks could not be written yet" in caplog.text
    await writer.write(lambda connection: note(connection, "last"))
    assert notes(database) == ["first", "later", "last"]


@pytest.mark.parametrize(("lasting", "waits"), [((False,), NORMAL), ((False, False), NORMAL), ((False, True), FULL)])
async def test_the_disk_is_waited_for_if_one_of_a_transaction_needs_it(
    writer: Writer, lasting: tuple[bool, ...], waits: int
) -> None:
    begun, go = threading.Event(), threading.Event()
    found: list[int] = []

    def hold(_: sqlite3.Connection) -> None:
        begun.set()
        go.wait(30)

    async def write(number: int) -> None:
        found.append(await writer.write(lambda connection: note(connection, str(number)), lasting=lasting[number]))

    async with anyio.create_task_group() as group:
        group.start_soon(writer.write, hold)
        await anyio.to_thread.run_sync(begun.wait)
        for number in range(len(lasting)):
            group.start_soon(write, number)
        await anyio.wait_all_tasks_blocked()
        go.set()
    assert set(found) == {waits}
    assert await writer.write(lambda connection: note(connection, "after")) == FULL


async def test_a_mark_is_known_to_its_own_worker_at_once_and_to_all_others_after_the_next_write(
    tmp_path: Path, clock: Clock
) -> None:
    file = tmp_path / "jobs.db"
    mine, other = (
        SqliteJobStore(Writer(Database(file), delay=NEVER), worker_id=name, lease=LEASE, clock=clock)
        for name in ("me", "you")
    )
    await ended(mine)
    await mine.mark_seen(LOCAL, "job_1")
    assert await other.repeated(LOCAL, "1", "") is not None
    assert await mine.repeated(LOCAL, "1", "") is None
    assert await other.repeated(LOCAL, "1", "") is None
    assert isinstance(await other.open(LOCAL, job("2", fingerprint="1")), Started)
    for store in (mine, other):
        await store.writer.close()


async def test_a_database_that_was_just_written_is_not_checked_again(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "kept" / "notes.db"
    writer = Writer(Database(file, NOTES), monotonic=clock.monotonic)
    await writer.check()
    assert await anyio.Path(file).exists()
    await writer.write(lambda connection: note(connection, "one"))
    await writer.close()
    await anyio.Path(file).rename(tmp_path / "aside")
    await anyio.Path(file).mkdir()
    await writer.check()
    clock.wait(FRESH)
    with pytest.raises(StorageError, match="cannot be opened"):
        await writer.check()
