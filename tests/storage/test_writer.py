"""One writer for a process: what waits is written in one transaction, and one that fails costs no other."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from imagewright.errors import StorageError
from imagewright.storage.base import SetAsideError
from imagewright.storage.sqlite.database import Database
from imagewright.storage.sqlite.writer import MOST_TOGETHER, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.anyio

NOTES = (("CREATE TABLE note (text TEXT NOT NULL UNIQUE)",),)


class Counting(Database):
    """Counts its write transactions."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, NOTES, patience=0.2)
        self.transactions = 0

    @contextmanager
    def writing(self, *, lasting: bool = True) -> Iterator[sqlite3.Connection]:
        self.transactions += 1
        with super().writing(lasting=lasting) as connection:
            yield connection


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Counting]:
    with closing(Counting(tmp_path / "notes.db")) as made:
        yield made


@pytest.fixture
def writer(database: Counting) -> Writer:
    return Writer(database)


def noting(text: str) -> Callable[[sqlite3.Connection], str]:
    def write(connection: sqlite3.Connection) -> str:
        connection.execute("INSERT INTO note VALUES (?)", (text,))
        return text

    return write


def notes(database: Database) -> list[str]:
    with database.reading() as connection:
        return [row[0] for row in connection.execute("SELECT text FROM note ORDER BY rowid")]


class Held:
    """A write that takes until it is let go: what comes meanwhile has to wait."""

    def __init__(self, text: str = "held") -> None:
        self._text = text
        self._begun, self._go = threading.Event(), threading.Event()

    def __call__(self, connection: sqlite3.Connection) -> None:
        noting(self._text)(connection)
        self._begun.set()
        assert self._go.wait(30)

    async def begun(self) -> None:
        assert await anyio.to_thread.run_sync(self._begun.wait, 30)

    def let_go(self) -> None:
        self._go.set()


async def test_what_waits_is_written_in_its_order_and_few_transactions(writer: Writer, database: Counting) -> None:
    held, results = Held(), []

    async def write(text: str) -> None:
        results.append(await writer.write(noting(text)))

    async with anyio.create_task_group() as group:
        group.start_soon(writer.write, held)
        await held.begun()
        for number in range(100):
            group.start_soon(write, str(number))
        await anyio.wait_all_tasks_blocked()
        held.let_go()
    assert database.transactions == 1 + -(-100 // MOST_TOGETHER)
    assert results == [str(number) for number in range(100)]
    assert notes(database) == ["held", *results]


async def test_a_write_alone_waits_for_no_other(writer: Writer, database: Counting) -> None:
    for number in range(3):
        await writer.write(noting(str(number)))
        assert notes(database)[-1] == str(number)
    assert database.transactions == 3


async def test_one_that_fails_undoes_itself_alone(writer: Writer, database: Counting) -> None:
    held, errors = Held(), {}

    def broken(connection: sqlite3.Connection) -> None:
        noting("half")(connection)
        raise ZeroDivisionError

    def twice(connection: sqlite3.Connection) -> None:
        noting("other half")(connection)
        noting("one")(connection)

    async def failing(action: Callable[[sqlite3.Connection], object]) -> None:
        try:
            await writer.write(action)
        except Exception as error:  # noqa: BLE001 - looked at below
            errors[action] = error

    async with anyio.create_task_group() as group:
        group.start_soon(writer.write, held)
        await held.begun()
        for action in (noting("one"), broken, twice, noting("two")):
            group.start_soon(failing, action)
        await anyio.wait_all_tasks_blocked()
        held.let_go()
    assert database.transactions == 2
    assert notes(database) == ["held", "one", "two"]
    assert set(errors) == {broken, twice}
    assert isinstance(errors[broken], ZeroDivisionError)
    assert isinstance(errors[twice], StorageError)
    assert "UNIQUE" in str(errors[twice])


async def test_where_nothing_can_be_written_everybody_hears_of_it(writer: Writer, database: Counting) -> None:
    await writer.write(noting("one"))
    errors = []

    async def failing() -> None:
        with pytest.raises(StorageError, match="locked; try again") as caught:
            await writer.write(noting("two"))
        errors.append(caught.value)

    with closing(sqlite3.connect(database.file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(failing)
    assert len({id(error) for error in errors}) == 3
    await writer.write(noting("two"))
    assert notes(database) == ["one", "two"]


async def test_a_transaction_that_is_gone_takes_all_along(writer: Writer, database: Counting) -> None:
    """As SQLite undoes everything by itself when a disk is full."""
    held, failed = Held(), []

    def gone(connection: sqlite3.Connection) -> None:
        connection.rollback()
        connection.execute("nonsense")

    async def failing(action: Callable[[sqlite3.Connection], object]) -> None:
        try:
            await writer.write(action)
        except StorageError as error:
            failed.append(str(error))

    async with anyio.create_task_group() as group:
        group.start_soon(writer.write, held)
        await held.begun()
        for action in (noting("one"), gone, noting("two")):
            group.start_soon(failing, action)
        await anyio.wait_all_tasks_blocked()
        held.let_go()
    assert len(failed) == 3
    assert all("nonsense" in text for text in failed)
    assert notes(database) == ["held"]
    await writer.write(noting("three"))
    assert notes(database) == ["held", "three"]


async def test_a_corrupt_file_is_set_aside_once_for_all_that_wait(writer: Writer, database: Counting) -> None:
    database.file.write_bytes(b"no database" * 1000)
    caught = []

    async def failing(text: str) -> None:
        try:
            await writer.write(noting(text))
        except SetAsideError as error:
            caught.append(str(error))
            await writer.write(noting(text))

    async with anyio.create_task_group() as group:
        for text in "123":
            group.start_soon(failing, text)
    assert sorted(notes(database)) == ["1", "2", "3"]
    assert caught
    assert all("set aside as notes.db.corrupt-" in text for text in caught)


@pytest.mark.parametrize("begun", [True, False])
async def test_nobody_hangs_when_another_is_cancelled(writer: Writer, database: Counting, *, begun: bool) -> None:
    held, scope = Held(), anyio.CancelScope()

    async def cancelled() -> None:
        with scope:
            await writer.write(held if begun else noting("cancelled"))

    async def shielded() -> None:
        with anyio.CancelScope(shield=True):
            await writer.write(noting("shielded"))

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            if not begun:
                group.start_soon(writer.write, held)
                await held.begun()
            group.start_soon(cancelled)
            if begun:
                await held.begun()
            group.start_soon(writer.write, noting("other"))
            group.start_soon(shielded)
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
            await anyio.wait_all_tasks_blocked()
            held.let_go()
    assert notes(database) == ["held", "other", "shielded"]


@pytest.mark.parametrize("turns", range(6))
async def test_one_that_is_cancelled_in_its_turn_takes_nobody_along(
    writer: Writer, database: Counting, turns: int
) -> None:
    scope = anyio.CancelScope()

    async def cancelled() -> None:
        with scope:
            await writer.write(noting("cancelled"))

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(cancelled)
            group.start_soon(writer.write, noting("other"))
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            scope.cancel()
    assert "other" in notes(database)


async def test_one_that_is_cancelled_at_once_keeps_no_place(writer: Writer, database: Counting) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await writer.write(noting("never"))
    with anyio.fail_after(30):
        await writer.write(noting("one"))
    assert "one" in notes(database)


KILLED = """
import os, sys, anyio
from pathlib import Path
from imagewright.storage.sqlite.database import Database
from imagewright.storage.sqlite.writer import MOST_TOGETHER, Writer

database = Database(Path(sys.argv[1]), (("CREATE TABLE note (text TEXT NOT NULL UNIQUE)",),))
writer = Writer(database)

async def main():
    await writer.write(lambda one: one.execute("INSERT INTO note VALUES ('before')"))
    async with anyio.create_task_group() as group:
        for text in ("one", "two"):
            group.start_soon(writer.write, lambda one, text=text: one.execute("INSERT INTO note VALUES (?)", (text,)))
        group.start_soon(writer.write, lambda one: os._exit(9))

anyio.run(main)
"""


async def test_a_process_killed_in_the_middle_leaves_all_or_nothing(database: Counting) -> None:
    environment = {"PYTHONPATH": str(Path(__file__).parents[2] / "server"), "PATH": ""}
    command = [sys.executable, "-c", KILLED, str(database.file)]
    done = await anyio.to_thread.run_sync(lambda: subprocess.run(command, env=environment, check=False))  # noqa: S603 - our own words
    assert done.returncode == 9
    assert notes(database) == ["before"]


class Killed(BaseException):
    """Ends a thread in the middle of a transaction."""


async def test_nobody_takes_a_write_for_kept_whose_thread_has_ended(writer: Writer, database: Counting) -> None:
    held, errors = Held(), list[BaseException]()

    def die(_: sqlite3.Connection) -> None:
        raise Killed

    async def write(action: Callable[[sqlite3.Connection], object]) -> None:
        try:
            await writer.write(action)
        except (StorageError, Killed) as error:
            errors.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(write, held)
        await held.begun()
        for action in (noting("one"), noting("two"), die, noting("three")):
            group.start_soon(write, action)
        await anyio.wait_all_tasks_blocked()
        held.let_go()
    assert sum(isinstance(error, Killed) for error in errors) == 1
    assert [str(error) for error in errors if isinstance(error, StorageError)] == [
        "The write was broken off together with others. Nothing of it was kept."
    ] * 3
    await writer.write(noting("three"))
    assert notes(database) == ["held", "three"]


async def test_what_no_database_can_hold_costs_only_its_own_write(writer: Writer, database: Counting) -> None:
    def write(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO note VALUES (?)", values)

    values: tuple[str | int]
    for values in (("half a character \ud83d",), (2**70,)):
        with pytest.raises(StorageError, match=r"notes\.db failed"):
            await writer.write(write)
        with pytest.raises(StorageError, match=r"notes\.db failed"), database.reading() as connection:
            connection.execute("SELECT 1 FROM note WHERE text = ?", values)
    await writer.write(noting("one"))
    assert notes(database) == ["one"]


async def test_a_write_is_waited_for_though_asyncio_has_cancelled_its_writer(
    writer: Writer, database: Counting
) -> None:
    """As `asyncio.wait_for` does in a program that embeds the engine: no shield holds against it."""
    first, second = Held("first"), Held("second")
    tasks = [asyncio.create_task(writer.write(first))]
    await first.begun()
    tasks.append(asyncio.create_task(writer.write(second)))
    other = asyncio.create_task(writer.write(noting("third")))
    await anyio.wait_all_tasks_blocked()
    first.let_go()
    await second.begun()
    tasks[1].cancel()
    assert await asyncio.wait([tasks[1]], timeout=30) == ({tasks[1]}, set())
    assert not other.done()
    second.let_go()
    with anyio.fail_after(30):
        assert await other == "third"
    assert notes(database) == ["first", "second", "third"]


@pytest.mark.parametrize("turns", range(8))
async def test_nobody_hangs_whenever_asyncio_cancels_the_writer(writer: Writer, database: Counting, turns: int) -> None:
    leader, other = (asyncio.create_task(writer.write(noting(text))) for text in ("leader", "other"))
    for _ in range(turns):
        await asyncio.sleep(0)
    leader.cancel()
    with anyio.fail_after(30):
        try:
            kept = await other == "other"
        except StorageError:
            kept = False
        await writer.write(noting("later"))
    assert ("other" in notes(database)) == kept
