"""Rows of the journal that make no sense: each costs itself, and neither the server nor anybody's lease."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest

from imagewright.engine.job import Job
from imagewright.errors import StorageError
from imagewright.storage.accounts import LOCAL
from imagewright.storage.records import Cap
from imagewright.storage.stores import DeferredJobs
from tests.support.engine_bench import (
    SUBMITTED,
    SUBMITTING,
    USD,
    Vendor,
    execute,
    left_behind,
    open_bench,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.storage.base import JobStore
    from imagewright.storage.stores import Stores
    from tests.support.engine_bench import Bench

pytestmark = pytest.mark.anyio

SPOILT = {
    "a plan that is no JSON": "UPDATE job SET plan = '{' WHERE id = :id",
    "a plan without its spec": "UPDATE job SET plan = '{\"choice\": []}' WHERE id = :id",
    "a plan without its choice": "UPDATE job SET plan = json_remove(plan, '$.choice') WHERE id = :id",
    "a spec without its size": "UPDATE job SET plan = json_remove(plan, '$.spec.exact_size') WHERE id = :id",
    "a plan that is a number": "UPDATE job SET plan = '5' WHERE id = :id",
    "nested without end": "UPDATE job SET plan = replace(hex(zeroblob(50000)), '0', '[') WHERE id = :id",
    "an unknown state": "UPDATE job SET state = 'dozing' WHERE id = :id",
    "an unknown state of its call": "UPDATE call SET state = 'dozing' WHERE job_id = :id",
    "notes that are none": "UPDATE job SET notes = '7' WHERE id = :id",
    "an unknown operation": "UPDATE job SET operation = 'juggle' WHERE id = :id",
    "a moment that is none": "UPDATE job SET created = 'yesterday' WHERE id = :id",
    "a handle that is no JSON": "UPDATE call SET handle = 'x' WHERE job_id = :id",
    "no calls": "DELETE FROM call WHERE job_id = :id",
}
"""What a bug, a newer version or a bad disk may leave."""
SHOWN = {"a plan without its spec", "a spec without its size"}
"""What keeps a job from being carried on, and not from being looked at."""


def spoil(bench: Bench, job_id: str, change: str) -> None:
    execute(bench.home, change, id=job_id)


@pytest.mark.parametrize("name", SPOILT)
async def test_a_row_that_makes_no_sense_costs_only_itself(
    home: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    bad = await left_behind(home, SUBMITTING, SUBMITTED)
    good = await left_behind(home, SUBMITTING, SUBMITTED, prompt="good")
    vendor = Vendor()
    async with open_bench(home, vendor, lease=0.6) as bench:
        spoil(bench, bad, SPOILT[name])
        bench.group.start_soon(lambda: bench.jobs.keep_leases(reclaiming=True))
        assert (await ended(bench, good)).record.state == "completed"
        new = await bench.done(await bench.begin("another", caps=[Cap("day", 0.0, 100 * USD)]))
        assert new.record.state == "completed"
        shown = [bad] if name in SHOWN else []
        assert [job.id for job in await bench.jobs.newest(LOCAL, 9)] == [new.id, good, *shown]
        with nullcontext() if shown else pytest.raises(StorageError, match=f"entry of {bad} cannot be read"):
            await bench.find(bad)
        later = await left_behind(home, SUBMITTING, SUBMITTED, prompt="later")
        assert (await ended(bench, later)).record.state == "completed"
    about = [record for record in caplog.records if bad in record.getMessage()]
    assert len(about) == 1
    assert len(vendor.orders) == 1


async def test_a_row_of_no_moment_holds_no_budget(home: Path) -> None:
    bad = await left_behind(home, SUBMITTING, SUBMITTED)
    async with open_bench(home, Vendor("another")) as bench:
        spoil(bench, bad, SPOILT["a moment that is none"])
        assert isinstance(await bench.open("another", caps=[Cap("day", 0.0, USD)]), Job)


async def ended(bench: Bench, job_id: str) -> Job:
    return await bench.done(await bench.find(job_id))


async def test_a_job_that_is_watched_may_turn_bad_and_well_again(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    vendor = Vendor()
    gate = anyio.Event()
    vendor.then("poll", gate.wait)
    async with open_bench(home, vendor, lease=60.0) as worker, open_bench(home, Vendor()) as other:
        job = await worker.begin()
        await until(lambda: vendor.asked)
        seen = await other.find(job.id)
        spoil(other, job.id, "UPDATE job SET notes = '7' WHERE id = :id")
        await until(lambda: "cannot be looked up" in caplog.text)
        spoil(other, job.id, "UPDATE job SET notes = '[]' WHERE id = :id")
        gate.set()
        assert (await other.done(seen)).record.state == "completed"


class Shaky(DeferredJobs):
    """A store of jobs with a bug that shows now and then."""

    def __init__(self, store: JobStore, *breaks: Exception) -> None:
        super().__init__(store)
        self._breaks = list(breaks)

    async def catch_up(self) -> None:
        if self._breaks:
            raise self._breaks.pop(0)
        await super().catch_up()


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyError("spec"), RuntimeError("of any kind")])
async def test_a_round_that_breaks_is_logged_and_the_next_goes_on(
    home: Path, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    job_id = await left_behind(home, SUBMITTING, SUBMITTED)

    def change(stores: Stores) -> Stores:
        return replace(stores, jobs=Shaky(stores.jobs, error, error))

    async with open_bench(home, Vendor(), lease=0.1, change=change) as bench:
        bench.group.start_soon(lambda: bench.jobs.keep_leases(reclaiming=True))
        assert (await ended(bench, job_id)).record.state == "completed"
    lines = [record for record in caplog.records if "a round of renewing leases failed" in record.getMessage()]
    assert [record.exc_info is not None for record in lines] == [True, False]
