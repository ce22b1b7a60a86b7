"""Leases: whose job it is, and what happens to whoever loses one."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest

from imagewright.storage.stores import DeferredJobs
from tests.support.clock import Clock
from tests.support.engine_bench import (
    LEASE,
    SUBMITTED,
    SUBMITTING,
    Vendor,
    execute,
    folder_of,
    left_behind,
    open_bench,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from imagewright.storage.base import JobEnd, JobStore, Step
    from imagewright.storage.records import PictureRecord
    from imagewright.storage.states import JobState
    from imagewright.storage.stores import Stores

pytestmark = pytest.mark.anyio


async def test_after_a_sleep_nobody_takes_ones_own_work_up_a_second_time(home: Path) -> None:
    vendor = Vendor()
    gate = anyio.Event()
    vendor.then("poll", gate.wait)
    async with open_bench(home, vendor) as bench:
        job = await bench.begin()
        await until(lambda: vendor.asked)
        await bench.stores.jobs.release()
        await bench.jobs.reclaim()
        gate.set()
        await bench.done(job)
    assert len(vendor.asked) <= 2
    assert len(job.pictures) == 1
    assert not any("carried on" in note for note in job.record.notes)


async def test_a_lease_that_ran_out_is_watched_for_a_while_before_it_is_taken(home: Path) -> None:
    vendor, clock = Vendor(), Clock(now=time.time())
    gate = anyio.Event()
    vendor.then("poll", gate.wait)
    async with open_bench(home, vendor, clock=clock) as awake, open_bench(home, Vendor(), clock=clock) as other:
        job = await awake.begin()
        await until(lambda: vendor.asked)
        clock.sleep(100 * LEASE)  # as a laptop does, with all its processes
        for _ in range(2):
            await other.jobs.reclaim()
            clock.wait(LEASE / 3)
            assert (await other.record(job.id)).worker_id == awake.stores.jobs.worker_id
        await awake.jobs.look_after_leases()
        clock.wait(LEASE / 3)
        await other.jobs.reclaim()
        assert (await other.record(job.id)).worker_id == awake.stores.jobs.worker_id
        gate.set()
        await awake.done(job)


async def test_a_dead_process_is_noticed_when_its_lease_has_run_out(home: Path) -> None:
    job_id = await left_behind(home, SUBMITTING, SUBMITTED)
    clock = Clock(now=time.time())
    async with open_bench(home, Vendor(), clock=clock) as bench:
        execute(home, "UPDATE job SET lease_until = :until", until=clock.now + LEASE)
        job = await bench.find(job_id)
        for seconds in (LEASE - 1, 2.0, LEASE / 2 - 1):
            await bench.jobs.reclaim()
            assert not job.is_local
            clock.wait(seconds)
        await bench.jobs.reclaim()
        assert not job.is_local
        clock.wait(1.0)
        assert await bench.reclaimed(job_id) is job
        assert (await bench.done(job)).record.state == "completed"


async def test_whoever_loses_a_job_leaves_it_alone_and_keeps_looking(home: Path) -> None:
    slow, quick = Vendor(), Vendor()
    slow.then("poll", anyio.sleep_forever)
    async with open_bench(home, slow) as loser, open_bench(home, quick) as winner:
        job = await loser.begin()
        await until(lambda: slow.asked)
        await loser.stores.jobs.release()
        taken = await winner.reclaimed(job.id)
        await loser.jobs.look_after_leases()
        assert not job.is_local
        await winner.done(taken)
        await loser.done(job)
    assert len(slow.fetched) == 0
    assert [record.variant for record in job.pictures] == [1]
    assert job.record.state == "completed"


class Late(DeferredJobs):
    """A store of jobs in which a job's end waits, as in a process that is frozen before it can write it down."""

    def __init__(self, store: JobStore) -> None:
        super().__init__(store)
        self.reached, self.goes_on = anyio.Event(), anyio.Event()

    async def conclude(
        self,
        job_id: str,
        steps: Sequence[Step],
        pictures: Sequence[PictureRecord] = (),
        end: tuple[JobState, JobEnd] | None = None,
    ) -> None:
        if end is not None:
            self.reached.set()
            await self.goes_on.wait()
        await super().conclude(job_id, steps, pictures, end)


async def test_whoever_loses_a_job_at_its_very_end_leaves_folder_and_end_to_the_other(home: Path) -> None:
    late: list[Late] = []

    def change(stores: Stores) -> Stores:
        late.append(Late(stores.jobs))
        return replace(stores, jobs=late[-1])

    frozen, other = Vendor(), Vendor()
    async with open_bench(home, frozen, change=change) as loser, open_bench(home, other, change=change) as winner:
        job = await loser.begin()
        await late[0].reached.wait()
        await loser.stores.jobs.release()
        taken = await winner.reclaimed(job.id)
        await late[1].reached.wait()
        assert other.fetched == []  # what the other has fetched lies there still
        late[0].goes_on.set()
        await until(lambda: job.done or not job.is_local)
        assert not job.done
        assert folder_of(home, job.id).exists()
        late[1].goes_on.set()
        await winner.done(taken)
        await loser.done(job)
        assert len(await winner.pictures(job.id)) == 1
    assert job.record.state == "completed"


async def test_a_job_can_be_watched_and_cancelled_from_another_process(home: Path) -> None:
    vendor = Vendor()
    vendor.then("poll", anyio.sleep_forever)
    async with open_bench(home, vendor, lease=0.1) as worker, open_bench(home, Vendor()) as other:
        job = await worker.begin()
        await until(lambda: vendor.asked)
        seen = await other.find(job.id)
        await other.jobs.cancel(seen)
        assert seen.record.state == "cancelled"
        assert len(vendor.stopped) == 1
