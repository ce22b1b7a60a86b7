"""The same call again: joined to the first while it may not have been heard of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest

from imagewright.engine.jobs import JOINED
from imagewright.errors import OutOfCredit, UnknownOutcome
from imagewright.storage.stores import DeferredJobs
from tests.support.engine_bench import Vendor, open_bench, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from imagewright.storage.base import JobEnd, JobStore, Step
    from imagewright.storage.records import NewJob, PictureRecord
    from imagewright.storage.states import JobState
    from imagewright.storage.stores import Stores

pytestmark = pytest.mark.anyio


async def test_the_same_call_while_it_runs_is_the_same_job(home: Path) -> None:
    vendor = Vendor()
    async with open_bench(home, vendor) as bench, open_bench(home, Vendor()) as other:
        job = await bench.begin()
        for process in (bench, other):
            again = await process.begin()
            assert again.id == job.id
            assert JOINED in again.record.notes
        await bench.done(job)
    assert len(vendor.orders) == 1
    assert list(home.joinpath("incoming").glob("*")) == []


class Meanwhile(DeferredJobs):
    """A store of jobs in which something happens just after a job was moved to another provider, or else has ended."""

    def __init__(self, store: JobStore, happens: Callable[[], Awaitable[object]], *, moves: bool) -> None:
        super().__init__(store)
        self._happens = happens
        self._moves = moves

    async def replan(self, job: NewJob) -> None:
        await super().replan(job)
        if self._moves:
            await self._happens()

    async def conclude(
        self,
        job_id: str,
        steps: Sequence[Step],
        pictures: Sequence[PictureRecord] = (),
        end: tuple[JobState, JobEnd] | None = None,
    ) -> None:
        await super().conclude(job_id, steps, pictures, end)
        if end is not None and not self._moves:
            await self._happens()


@pytest.mark.parametrize("moves", [False, True])
async def test_a_call_that_comes_while_the_job_ends_or_moves_is_told_that_it_was_joined(
    home: Path, *, moves: bool
) -> None:
    vendors = Vendor("first"), Vendor("second")
    if moves:
        vendors[0].then("submit", OutOfCredit("first"))

    async def repeat() -> None:
        await bench.begin(alternatives=vendors[1:])

    def change(stores: Stores) -> Stores:
        return replace(stores, jobs=Meanwhile(stores.jobs, repeat, moves=moves))

    async with open_bench(home, *vendors, change=change) as bench:
        job = await bench.done(await bench.begin(alternatives=vendors[1:]))
    assert job.record.state == "completed"
    assert job.record.provider == vendors[moves].name
    assert any(note.startswith(JOINED) for note in job.record.notes)


async def test_the_note_of_a_joined_call_stays_while_another_process_works(home: Path) -> None:
    vendor = Vendor()
    gate = anyio.Event()
    vendor.then("fetch", gate.wait)
    async with open_bench(home, vendor) as bench, open_bench(home, Vendor()) as other:
        await bench.begin()
        await until(lambda: vendor.fetched)
        again = await other.begin()
        before = again.record
        await until(lambda: again.record is not before)
        assert JOINED in again.record.notes
        gate.set()
        await other.done(again)
        assert JOINED in again.record.notes


async def test_a_call_whose_end_was_seen_is_made_again(home: Path) -> None:
    vendor = Vendor()
    async with open_bench(home, vendor) as bench:
        first = await bench.done(await bench.begin())
        assert (await bench.begin()).id == first.id
        await bench.jobs.seen(first)
        assert (await bench.done(await bench.begin())).id != first.id
    assert len(vendor.orders) == 2


async def test_a_call_that_was_answered_late_is_made_again_once_the_doubt_is_over(home: Path) -> None:
    vendor = Vendor()
    async with open_bench(home, vendor) as bench:
        first = await bench.done(await bench.begin())
        await bench.jobs.seen(first, doubt=60.0)
        assert (await bench.begin()).id == first.id
        assert first.previews.get(first.pictures[0].id)
        await bench.jobs.seen(first)
        assert not first.previews.get(first.pictures[0].id)
        assert (await bench.done(await bench.begin())).id != first.id
    assert len(vendor.orders) == 2


async def test_an_unknown_outcome_nobody_has_heard_of_is_reported_before_anything_is_sent_again(home: Path) -> None:
    vendor = Vendor()
    vendor.then("submit", UnknownOutcome("vendor"))
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.begin())
        assert (await bench.begin()).id == job.id
    assert len(vendor.orders) == 1
