"""The same call again: joined to the first while it may not have been heard of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagewright.engine.jobs import JOINED
from imagewright.errors import UnknownOutcome
from tests.support.engine_bench import Vendor, open_bench

if TYPE_CHECKING:
    from pathlib import Path

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
