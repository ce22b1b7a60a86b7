"""Damaged rows of the database: each is set aside once, with what it held, and is named with what to do."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.storage.accounts import LOCAL
from imagewright.storage.base import Started, UnreadableJobError
from imagewright.storage.states import CallState
from imagewright.storage.stores import open_stores
from tests.storage.stores_bench import LEASE, ended, job, picture, started
from tests.support.seeded_jobs import finish, note

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from imagewright.settings.folders import Folders
    from imagewright.storage.stores import Stores
    from tests.support.clock import Clock

pytestmark = pytest.mark.anyio

DAMAGED = "UPDATE job SET plan = CAST(x'7b22ff227d' AS TEXT) WHERE id = 'job_1'"


@pytest.fixture
async def stores(folders: Folders, clock: Clock) -> AsyncIterator[Stores]:
    made = open_stores(folders, lease=LEASE, worker_id="me", clock=clock, monotonic=clock.monotonic)
    yield made
    await made.close()


def run(stores: Stores, statement: str, *values: Any) -> list[Any]:
    with stores.database.writing() as connection:
        return connection.execute(statement, values).fetchall()


async def looked_at(stores: Stores, clock: Clock) -> None:
    """Both kinds of look that every process takes now and then."""
    await stores.jobs.newest(LOCAL, 10)
    await stores.jobs.reclaim(["somebody"])
    clock.wait(LEASE)
    await stores.jobs.reclaim(["somebody"])


async def test_its_text_is_kept_and_it_is_read_no_more(
    stores: Stores, folders: Folders, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    await started(stores.jobs, reserved_usd=0.25)
    await started(stores.jobs, "2")
    run(stores, DAMAGED)
    clock.wait(LEASE + 1)
    await looked_at(stores, clock)
    other = open_stores(folders, lease=LEASE, worker_id="you", clock=clock, monotonic=clock.monotonic)
    await looked_at(other, clock)
    await other.close()
    ((entry, reason, content, noticed),) = run(stores, "SELECT * FROM aside")
    (row,), (call,) = json.loads(content)
    assert (entry, row["plan"], row["state"], call["job_id"]) == ("job_1", '{"\\xff"}', "running", "job_1")
    assert (reason, noticed) == ("it is no UTF-8", clock.now - 2 * LEASE)
    assert [one.message.count("set aside") for one in caplog.records] == [1]
    assert (await stores.jobs.spent(LOCAL, 0.0)).usd == 0.25
    assert [one.id for one in await stores.jobs.newest(LOCAL, 10)] == ["job_2"]
    for get in (stores.jobs.get(LOCAL, "job_1"), stores.jobs.get_unscoped("job_1")):
        with pytest.raises(UnreadableJobError, match="job_1 cannot be read"):
            await get


async def test_one_that_a_worker_holds_is_left_to_it(stores: Stores) -> None:
    await started(stores.jobs)
    await stores.jobs.advance("job_1", 0, CallState.SUBMITTING)
    run(stores, DAMAGED)
    assert await stores.jobs.newest(LOCAL, 10) == []
    await note(stores.jobs, "job_1", 0, CallState.MADE)
    await finish(stores.jobs, "job_1", "completed", cost_usd=0.5, cost_basis="actual", notes=())
    assert run(stores, "SELECT * FROM aside") == []
    assert await stores.jobs.newest(LOCAL, 10) == []
    await stores.jobs.renew([])
    assert [row[0] for row in run(stores, "SELECT id FROM aside")] == ["job_1"]
    assert (await stores.jobs.spent(LOCAL, 0.0)).usd == 0.5


@pytest.mark.parametrize("key", ["", "k"])
async def test_a_call_that_repeats_it_hears_of_it_once_and_is_then_a_new_one(
    stores: Stores, clock: Clock, key: str
) -> None:
    await started(stores.jobs, key=key)
    run(stores, DAMAGED)
    clock.wait(LEASE + 1)
    with pytest.raises(UnreadableJobError, match="job_1 cannot be read"):
        await stores.jobs.open(LOCAL, job("2", fingerprint="1", key=key))
    assert isinstance(await stores.jobs.open(LOCAL, job("2", fingerprint="1", key=key)), Started)


async def test_each_is_named_for_a_month_with_what_to_do(folders: Folders, source: Path) -> None:
    stores = open_stores(folders, lease=LEASE)
    await ended(stores.jobs)
    kept, _ = await stores.library.keep(LOCAL, source, picture(prompt="fox"))
    assert await stores.trouble() == []
    run(stores, DAMAGED)
    run(stores, "UPDATE picture SET arguments = '{'")
    await stores.jobs.newest(LOCAL, 10)
    assert await stores.library.find(LOCAL) == []
    await stores.close()
    named = {one.what.split()[3]: one for one in await stores.trouble()}
    assert set(named) == {"job_1", kept.id}
    assert not any(one.is_broken for one in named.values())
    assert str(folders.database.parent / "incoming" / "job_1") in named["job_1"].advice
    assert "still where it was saved" in named[kept.id].advice
    run(stores, "UPDATE aside SET noticed = noticed - 31 * 86400")
    assert await stores.trouble() == []
    await stores.close()


async def test_a_broken_file_is_named_before_its_entries(folders: Folders) -> None:
    stores = open_stores(folders, lease=LEASE)
    assert await stores.trouble() == []
    folders.database.parent.mkdir(parents=True)
    folders.database.write_bytes(b"no database" * 100)
    (trouble,) = await stores.trouble()
    assert trouble.is_broken
    assert "Move the file aside" in trouble.advice


async def test_a_database_of_an_older_release_has_none(folders: Folders) -> None:
    folders.database.parent.mkdir(parents=True)
    with closing(sqlite3.connect(folders.database)) as connection:
        connection.execute("CREATE TABLE job (id TEXT)")
    assert await open_stores(folders, lease=LEASE).trouble() == []
