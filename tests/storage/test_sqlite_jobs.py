"""What the jobs in SQLite promise beyond the contract: of files, of several processes, of rows that make no sense."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest

from imagewright.errors import StorageError
from imagewright.storage.accounts import LOCAL, Pace
from imagewright.storage.base import UnreadableJobError
from imagewright.storage.records import CallRecord
from imagewright.storage.sqlite.database import Database
from imagewright.storage.sqlite.jobs import _AT_VENDOR, _SAME_CALL, _SAME_KEY, _SPENT, SqliteJobStore
from imagewright.storage.sqlite.leases import MOST_RECLAIMED
from imagewright.storage.sqlite.writer import Writer
from tests.storage.stores_bench import LEASE, ended, started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.clock import Clock

pytestmark = pytest.mark.anyio

SERVER = Path(__file__).parents[2] / "server"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path / "kept" / "imagewright.db")) as made:
        yield made


@pytest.fixture
def store(database: Database, clock: Clock) -> SqliteJobStore:
    return SqliteJobStore(Writer(database), worker_id="me", lease=LEASE, clock=clock, monotonic=clock.monotonic)


def set_row(database: Database, table: str, column: str, value: Any, job_id: str = "job_1") -> None:
    """As an earlier release, a bug or a failing disk may have left it."""
    where = "id" if table == "job" else "job_id"
    with database.writing() as connection:
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE {where} = ?", (value, job_id))  # noqa: S608 - names of ours


async def test_nothing_is_made_on_disk_by_looking(store: SqliteJobStore, database: Database) -> None:
    assert await store.get(LOCAL, "job_1") is None
    assert await store.get_unscoped("job_1") is None
    assert await store.newest(LOCAL, 10) == []
    assert await store.reclaim(["somebody"]) == []
    assert await store.reclaim_one(LOCAL, "job_1") is None
    assert await store.repeated(LOCAL, "f", "k") is None
    assert await store.known_handles("somebody", 10) == []
    assert (await store.spent(LOCAL, 0.0)).usd == 0.0
    assert await store.costs(LOCAL, 0.0) == []
    await store.check_lease("job_1")
    await store.renew(["job_1"])
    await store.release()
    assert not await anyio.Path(database.file.parent).exists()


@pytest.mark.parametrize("usd", [float("inf"), -3.0, 1e300, "much"])
async def test_a_charge_that_makes_no_sense_counts_as_what_was_set_aside(
    store: SqliteJobStore, database: Database, usd: Any
) -> None:
    await ended(store, reserved_usd=0.25)
    set_row(database, "job", "cost_usd", usd)
    assert (await store.spent(LOCAL, 0.0)).usd == 0.25
    assert await store.costs(LOCAL, 0.0) == []


async def test_a_moment_that_is_none_counts_nowhere(store: SqliteJobStore, database: Database) -> None:
    await ended(store)
    set_row(database, "job", "created", "yesterday")
    assert (await store.spent(LOCAL, 0.0)).jobs == 0
    assert await store.costs(LOCAL, 0.0) == []


BAD = [
    ("job", "plan", "{"),
    ("job", "notes", "7"),
    ("job", "state", "odd"),
    ("job", "created", "yesterday"),
    ("job", "expected", float("inf")),
    ("call", "count", "two"),
    ("call", "state", "odd"),
    ("call", "outputs", "7"),
    ("call", "handle", b"\xff"),
]


@pytest.mark.parametrize(("table", "column", "value"), BAD)
async def test_a_row_that_makes_no_sense_costs_only_its_own_job(  # noqa: PLR0917 - the columns of the table
    store: SqliteJobStore,
    database: Database,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    table: str,
    column: str,
    value: Any,
) -> None:
    for name in ("1", "2"):
        await started(store, name)
    set_row(database, table, column, value)
    with pytest.raises(UnreadableJobError, match="job_1 cannot be read"):
        await store.get(LOCAL, "job_1")
    for _ in range(2):
        assert [one.id for one in await store.newest(LOCAL, 10)] == ["job_2"]
    clock.wait(LEASE + 1)
    await store.reclaim(["somebody"])
    clock.wait(LEASE)
    assert [one.id for one in await store.reclaim(["somebody"])] == ["job_2"]
    for _ in range(3):
        assert [one.id for one in await store.newest(LOCAL, 10)] == ["job_2"]
        await store.renew([])
    assert [one.message.count("job_1") for one in caplog.records] == [1]
    with pytest.raises(UnreadableJobError, match="job_1 cannot be read"):
        await store.get(LOCAL, "job_1")


async def test_a_job_without_calls_makes_no_sense(store: SqliteJobStore, database: Database) -> None:
    await started(store)
    with database.writing() as connection:
        connection.execute("DELETE FROM call")
    with pytest.raises(StorageError, match="it has no calls"):
        await store.get(LOCAL, "job_1")


async def test_a_handle_that_cannot_be_read_is_left_out(store: SqliteJobStore, database: Database) -> None:
    for name in ("1", "2"):
        await started(store, name, calls=(CallRecord(number=0, handle={"task": name}),))
    set_row(database, "call", "handle", "{")
    assert await store.known_handles("somebody", 60) == [{"task": "2"}]


async def test_a_call_is_compared_with_few_jobs_however_many_there_are(
    store: SqliteJobStore, database: Database
) -> None:
    await started(store)
    values = {"principal": "local", "key": "k", "fingerprint": "f", "now": 0.0, "since": 0.0, "ended": ""}
    with database.reading() as connection:
        for query, index in ((_SAME_KEY, "job_by_key"), (_SAME_CALL, "job_by_fingerprint")):
            (plan,) = connection.execute(f"EXPLAIN QUERY PLAN {query}", values).fetchall()
            assert f"USING INDEX {index} (principal=? AND" in plan[3]


async def test_budgets_and_slots_are_counted_from_an_index_however_many_jobs_there_are(
    store: SqliteJobStore, database: Database
) -> None:
    await started(store)
    values = {"principal": "local", "provider": "somebody", "since": 0.0, "now": 0.0, "most": 1.0}
    for query, first in (
        (_SPENT, "SEARCH job USING COVERING INDEX job_by_time (principal=? AND created>?)"),
        (_AT_VENDOR, "SEARCH call USING COVERING INDEX call_at_vendor (state=?)"),
    ):
        with database.reading() as connection:
            assert connection.execute(f"EXPLAIN QUERY PLAN {query}", values).fetchall()[0][3] == first


@pytest.mark.parametrize(("column", "value"), [("grants", b"odd"), ("unsent", "text"), ("share", "half")])
async def test_a_damaged_account_is_forgotten(
    store: SqliteJobStore, database: Database, column: str, value: bytes | str
) -> None:
    pace = Pace(1, 60.0)
    assert await store.take_slot("account", "somebody", pace) == 0.0
    assert await store.take_slot("account", "somebody", pace) > 0
    with database.writing() as connection:
        connection.execute(f"UPDATE account SET {column} = ?", (value,))  # noqa: S608 - names of ours
    assert await store.take_slot("account", "somebody", pace) == 0.0
    assert await store.take_slot("account", "somebody", pace) > 0


async def test_jobs_are_taken_by_the_batch(store: SqliteJobStore) -> None:
    for place in range(MOST_RECLAIMED + 1):
        await started(store, str(place))
    await store.release()
    assert [len(await store.reclaim(["somebody"])) for _ in range(3)] == [MOST_RECLAIMED, 1, 0]


async def test_no_two_processes_get_the_same_job(store: SqliteJobStore, database: Database) -> None:
    names = [str(place) for place in range(120)]
    for name in names:
        await started(store, name)
    await store.release()
    command = [sys.executable, str(Path(__file__).with_name("reclaim_many.py")), str(database.file.parent)]

    def take() -> list[str]:
        processes = [
            subprocess.Popen(  # noqa: S603 - our own
                [*command, worker],
                env={"PYTHONPATH": str(SERVER), "PATH": ""},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                encoding="utf-8",
            )
            for worker in ("one", "two", "three")
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        return [name for process in processes for name in json.loads(process.communicate(timeout=60)[0])]

    taken = await anyio.to_thread.run_sync(take)
    assert sorted(taken) == sorted(f"job_{name}" for name in names)


DAMAGED = "CAST(x'7b22ff227d' AS TEXT)"
"""A JSON text in which one byte is no UTF-8."""


@pytest.mark.parametrize(("table", "column"), [("job", "plan"), ("job", "notes"), ("call", "handle")])
async def test_a_damaged_byte_costs_only_its_own_job(
    store: SqliteJobStore, database: Database, clock: Clock, table: str, column: str
) -> None:
    for name in ("1", "2"):
        await started(store, name, calls=(CallRecord(number=0, handle={"task": name}),))
    with database.writing() as connection:
        where = "id" if table == "job" else "job_id"
        connection.execute(f"UPDATE {table} SET {column} = {DAMAGED} WHERE {where} = 'job_1'")  # noqa: S608 - names of ours
    with pytest.raises(UnreadableJobError, match="job_1 cannot be read"):
        await store.get(LOCAL, "job_1")
    assert [one.id for one in await store.newest(LOCAL, 10)] == ["job_2"]
    assert {"task": "2"} in await store.known_handles("somebody", 60)
    clock.wait(LEASE + 1)
    await store.reclaim(["somebody"])
    clock.wait(LEASE)
    assert [one.id for one in await store.reclaim(["somebody"])] == ["job_2"]


async def test_a_damaged_name_is_shown_as_far_as_it_can_be_read(store: SqliteJobStore, database: Database) -> None:
    await ended(store)
    with database.writing() as connection:
        connection.execute("UPDATE job SET tool = CAST(x'74ff' AS TEXT)")
    assert [one.tool for one in await store.costs(LOCAL, 0.0)] == ["t\ufffd"]


async def test_jobs_that_cannot_be_read_do_not_stand_before_the_others(
    store: SqliteJobStore, database: Database, clock: Clock
) -> None:
    for place in range(MOST_RECLAIMED + 1):
        await started(store, str(place))
    with database.writing() as connection:
        connection.execute("UPDATE job SET plan = '{'")
    clock.wait(1)
    await started(store, "sound")
    await store.release()
    taken = [await store.reclaim(["somebody"]) for _ in range(2)]
    assert [[one.id for one in jobs] for jobs in taken] == [[], ["job_sound"]]
