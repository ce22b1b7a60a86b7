"""Jobs that no process works on: they hold no budget for ever, and whoever asks can end them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from imagewright.engine.job import Job
from imagewright.storage.accounts import LOCAL
from imagewright.storage.base import OverBudget
from imagewright.storage.records import Cap
from imagewright.storage.states import CallState
from tests.support.clock import Clock
from tests.support.engine_bench import (
    LEASE,
    MADE,
    SUBMITTED,
    SUBMITTING,
    USD,
    Vendor,
    cost,
    execute,
    left_behind,
    open_bench,
    states,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.engine_bench import Bench

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Left:
    """A job left behind, and what becomes of its call when it is cancelled without its provider."""

    steps: tuple[tuple[CallState, dict[str, Any]], ...]
    """How far its call had come."""
    ends: CallState
    """The state the call ends in."""
    usd: float
    """What the job counts for."""
    note: str = ""
    """Words of a note."""


LEFT = {
    "planned": Left((), CallState.CANCELLED, 0.0),
    "submitting": Left((SUBMITTING,), CallState.UNKNOWN, USD, "may or may not have received the request"),
    "submitted": Left((SUBMITTING, SUBMITTED), CallState.CANCELLED, USD, "could not be asked to stop"),
    "made": Left((SUBMITTING, SUBMITTED, MADE), CallState.CANCELLED, USD, "it is not among the providers in use"),
}


async def cancelled(bench: Bench, job_id: str) -> Job:
    job = await bench.find(job_id)
    assert not job.is_local
    await bench.jobs.cancel(job)
    return job


@pytest.mark.parametrize("left", LEFT.values(), ids=LEFT)
async def test_without_its_provider_it_is_ended_by_whoever_cancels_it(home: Path, left: Left) -> None:
    job_id = await left_behind(home, *left.steps)
    async with open_bench(home, Vendor("another")) as bench:
        job = await cancelled(bench, job_id)
        entry = await bench.record(job_id)
    assert (job.record.state, entry.state) == ("cancelled", "cancelled")
    assert states(entry) == [left.ends]
    assert cost(job)[0] == left.usd
    assert any(left.note in note for note in job.record.notes)


async def test_it_is_reported_that_nobody_works_on_it_until_its_provider_is_back(home: Path) -> None:
    job_id = await left_behind(home, SUBMITTING, SUBMITTED)
    async with open_bench(home, Vendor("another")) as bench:
        job = await bench.find(job_id)
        assert job.trouble.startswith("No process works on this job: vendor is not among the providers in use")
        assert "another process" not in job.stage
        vendor, gate = Vendor(), anyio.Event()
        vendor.then("poll", gate.wait)
        bench.registry.renew(vendor)
        await bench.jobs.reclaim()
        await until(lambda: vendor.asked)
        assert job.trouble == ""
        gate.set()
        await bench.done(job)
    assert job.record.state == "completed"


async def test_with_its_provider_the_vendor_is_asked(home: Path) -> None:
    job_id = await left_behind(home, SUBMITTING, SUBMITTED)
    vendor = Vendor()
    async with open_bench(home, vendor) as bench:
        job = await cancelled(bench, job_id)
    assert job.record.state == "cancelled"
    assert len(vendor.stopped) == 1


async def test_a_lease_is_seen_run_out_for_a_while_first(home: Path) -> None:
    job_id = await left_behind(home, SUBMITTING, SUBMITTED)
    clock = Clock(now=time.time())
    async with open_bench(home, Vendor("another"), clock=clock) as bench:
        execute(home, "UPDATE job SET lease_until = 1.0")
        assert await bench.stores.jobs.reclaim_one(LOCAL, job_id) is None
        clock.sleep(LEASE)
        assert await bench.stores.jobs.reclaim_one(LOCAL, job_id) is None
        clock.wait(LEASE / 2)
        assert (await cancelled(bench, job_id)).record.state == "cancelled"


async def test_one_that_is_worked_on_is_left_to_its_process(home: Path) -> None:
    vendor = Vendor()
    vendor.then("poll", anyio.sleep_forever)
    async with open_bench(home, vendor) as worker, open_bench(home, Vendor("another")) as other:
        job = await worker.begin()
        await until(lambda: vendor.asked)
        assert await other.stores.jobs.reclaim_one(LOCAL, job.id) is None
        await worker.stores.jobs.release()
        taken = await other.stores.jobs.reclaim_one(LOCAL, job.id)
        assert taken is not None
        assert taken.id == job.id


async def test_what_was_begun_in_an_earlier_period_holds_none_of_this_ones_budget(home: Path) -> None:
    job_id = await left_behind(home, SUBMITTING, SUBMITTED)
    async with open_bench(home, Vendor("another")) as bench:
        execute(home, "UPDATE job SET created = created - 40 * 86400")
        day = Cap("day", (await bench.record(job_id)).created + 1, USD)
        assert isinstance(await bench.open("one", caps=[day]), Job)
        assert isinstance(await bench.open("two", caps=[day]), OverBudget)
