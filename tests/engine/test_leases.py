"""Leases: whose job it is, and what happens to whoever loses one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from imagewright.engine.job import JobStatus
from tests.support.engine_bench import SUBMITTED, SUBMITTING, Vendor, left_behind, open_bench, until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


async def test_after_a_sleep_nobody_takes_ones_own_work_up_a_second_time(home: Path) -> None:
    vendor = Vendor()
    gate = anyio.Event()
    vendor.then("poll", gate.wait)
    async with open_bench(home, vendor) as bench:
        job = await bench.begin()
        await until(lambda: vendor.asked)
        bench.stores.ledger.journal.release(bench.stores.ledger.owner)
        await bench.jobs.adopt()
        gate.set()
        await bench.done(job)
    assert len(vendor.asked) <= 2
    assert len(job.pictures) == 1
    assert not any("carried on" in note for note in job.notes)


async def test_a_lease_that_ran_out_is_watched_for_a_while_before_it_is_taken(home: Path) -> None:
    vendor = Vendor()
    gate = anyio.Event()
    vendor.then("poll", gate.wait)
    async with open_bench(home, vendor) as awake, open_bench(home, Vendor()) as other:
        job = await awake.begin()
        await until(lambda: vendor.asked)
        ledger = awake.stores.ledger
        ledger.journal.renew(ledger.owner, [job.id], 1.0)
        await other.jobs.adopt()
        assert (await other.entry(job.id)).owner == ledger.owner
        await ledger.renew([job.id])
        await other.jobs.adopt()
        assert (await other.entry(job.id)).owner == ledger.owner
        gate.set()
        await awake.done(job)


async def test_a_dead_process_is_noticed_when_its_lease_has_run_out(home: Path) -> None:
    job_id = await left_behind(home, SUBMITTING, SUBMITTED)
    async with open_bench(home, Vendor(), lease=0.1) as bench:
        ledger = bench.stores.ledger
        with ledger.journal._database.writing() as connection:  # noqa: SLF001 - a lease that was not given up
            connection.execute("UPDATE job SET lease_until = 1.0")
        bench.group.start_soon(lambda: bench.jobs.keep_leases(adopting=True))
        job = await bench.jobs.find(job_id)
        assert job is not None
        assert not job.mine
        assert (await bench.done(job)).status is JobStatus.COMPLETED


async def test_whoever_loses_a_job_leaves_it_alone_and_keeps_looking(home: Path) -> None:
    slow, quick = Vendor(), Vendor()
    slow.then("poll", anyio.sleep_forever)
    async with open_bench(home, slow, lease=0.1) as loser, open_bench(home, quick) as winner:
        job = await loser.begin()
        await until(lambda: slow.asked)
        taken = winner.stores.ledger.journal.adopt(winner.stores.ledger.owner, [job.id], now=9e9, lease_until=9e9)
        assert taken != []
        await until(lambda: not job.mine)
        winner.stores.ledger.journal.release(winner.stores.ledger.owner)
        await winner.done(await winner.adopted(job.id))
        await loser.done(job)
    assert len(slow.fetched) == 0
    assert [record.variant for record in job.pictures] == [1]
    assert job.status is JobStatus.COMPLETED


async def test_a_job_can_be_watched_and_cancelled_from_another_process(home: Path) -> None:
    vendor = Vendor()
    vendor.then("poll", anyio.sleep_forever)
    async with open_bench(home, vendor, lease=0.1) as owner, open_bench(home, Vendor()) as other:
        job = await owner.begin()
        await until(lambda: vendor.asked)
        seen = await other.jobs.find(job.id)
        assert seen is not None
        await other.jobs.cancel(seen)
        assert seen.status is JobStatus.CANCELLED
        assert len(vendor.stopped) == 1
