"""Jobs of dead processes: taken over from wherever they stood, and never sent twice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from imagewright.storage.accounts import LOCAL
from imagewright.storage.states import CallState
from tests.support.engine_bench import (
    MADE,
    OUTPUT,
    PATIENCE,
    SUBMITTED,
    SUBMITTING,
    USD,
    Vendor,
    cost,
    execute,
    left_behind,
    open_bench,
    states,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio
KEPT, FAILED, UNKNOWN = CallState.KEPT, CallState.FAILED, CallState.UNKNOWN


@dataclass(frozen=True)
class Left:
    """A dead process's job, and what becomes of it."""

    steps: tuple[tuple[CallState, dict[str, Any]], ...]
    """How far its call had come."""
    submits: int
    """How often it is sent by the next process."""
    polls: bool
    """Whether it is asked about."""
    ends: CallState
    """The state its call ends in."""


LEFT = {
    "planned": Left((), 1, True, KEPT),
    "submitting": Left((SUBMITTING,), 0, False, UNKNOWN),
    "submitted": Left((SUBMITTING, SUBMITTED), 0, True, KEPT),
    "made": Left((SUBMITTING, SUBMITTED, MADE), 0, False, KEPT),
}


@pytest.mark.parametrize("left", LEFT.values(), ids=LEFT)
async def test_from_every_state_on(home: Path, left: Left) -> None:
    job_id = await left_behind(home, *left.steps)
    vendor = Vendor()
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.reclaimed(job_id))
        assert len(vendor.orders) == left.submits
        assert bool(vendor.asked) == left.polls
        assert states(await bench.record(job_id)) == [left.ends]
        assert len(job.pictures) == len(await bench.pictures(job_id)) == (left.ends is KEPT)
        assert cost(job) == (USD, "estimate")
        assert any("carried on by another" in note for note in job.record.notes)
    if left.ends is UNKNOWN:
        assert "may or may not have received the request" in str(job.error)


@pytest.mark.parametrize("end", [FAILED, UNKNOWN])
async def test_a_job_whose_calls_had_all_ended_keeps_its_error_and_its_cost(home: Path, end: CallState) -> None:
    error = {"kind": "some", "text": "the vendor's own words", "charged": None}
    job_id = await left_behind(home, SUBMITTING, (end, {"error": error}))
    async with open_bench(home, Vendor()) as bench:
        job = await bench.done(await bench.reclaimed(job_id))
    assert job.record.state == "failed"
    assert str(job.error) == "the vendor's own words"
    assert cost(job) == (USD, "estimate")


async def test_a_job_whose_pictures_were_all_kept_is_settled_with_its_cost(home: Path) -> None:
    vendor = Vendor()
    async with open_bench(home, vendor) as first:
        done = await first.done(await first.begin())
        execute(home, "UPDATE job SET state = 'running', finished = NULL, worker_id = 'dead', lease_until = 0")
    async with open_bench(home, Vendor()) as second:
        job = await second.done(await second.reclaimed(done.id))
    assert [record.id for record in job.pictures] == [record.id for record in done.pictures]
    assert job.record.state == "completed"
    assert cost(job) == (USD, "estimate")


async def test_only_the_pictures_that_are_missing_are_fetched(home: Path) -> None:
    outputs = [OUTPUT, OUTPUT | {"url": "https://vendor.example/t1/1"}]
    first = Vendor()
    first.then("submit", None)
    async with open_bench(home, first) as dead:
        first.then("fetch", None, anyio.sleep_forever)
        job = await dead.begin(calls=(2,))
        while not job.pictures:
            await job.changed.wait()
        missing = 2 - job.pictures[0].variant
        await dead.crash()
    second = Vendor()
    async with open_bench(home, second) as bench:
        done = await bench.done(await bench.reclaimed(job.id))
    assert [record.variant for record in done.pictures] == [1, 2]
    assert second.fetched == [outputs[missing]["url"]]


async def test_a_cancelled_call_that_was_never_sent_is_not_sent(home: Path) -> None:
    job_id = await left_behind(home)
    vendor = Vendor()
    async with open_bench(home, vendor) as bench:
        await bench.stores.jobs.request_cancel(LOCAL, job_id)
        job = await bench.done(await bench.reclaimed(job_id))
    assert vendor.orders == []
    assert job.record.state == "cancelled"
    assert cost(job) == (0.0, "actual")


async def test_a_cancelled_call_that_was_sent_is_stopped(home: Path) -> None:
    job_id = await left_behind(home, SUBMITTING, SUBMITTED)
    vendor = Vendor()
    async with open_bench(home, vendor) as bench:
        await bench.stores.jobs.request_cancel(LOCAL, job_id)
        job = await bench.done(await bench.reclaimed(job_id))
    assert [dict(handle.data) for handle in vendor.stopped] == [{"task": "t1", "count": "1"}]
    assert job.record.state == "cancelled"
    assert cost(job) == (USD, "estimate")


async def test_a_cancelled_call_in_the_middle_of_sending_says_that_nobody_knows(home: Path) -> None:
    job_id = await left_behind(home, SUBMITTING)
    async with open_bench(home, Vendor()) as bench:
        await bench.stores.jobs.request_cancel(LOCAL, job_id)
        job = await bench.done(await bench.reclaimed(job_id))
        assert states(await bench.record(job_id)) == [UNKNOWN]
    assert job.record.state == "cancelled"
    assert any("may or may not have received" in note for note in job.record.notes)


async def test_a_job_of_a_provider_that_is_not_in_use_waits_for_it(home: Path) -> None:
    job_id = await left_behind(home, SUBMITTING, SUBMITTED)
    async with open_bench(home, Vendor("another")) as bench:
        await bench.jobs.reclaim()
        assert (await bench.record(job_id)).state == "running"
    async with open_bench(home, Vendor()) as bench:
        assert (await bench.done(await bench.reclaimed(job_id))).record.state == "completed"


async def test_a_model_that_is_gone_is_reported_and_nothing_is_sent(home: Path) -> None:
    job_id = await left_behind(home)
    vendor = Vendor()
    vendor.routes = (replace(vendor.routes[0], model="vendor/model-2"),)
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.reclaimed(job_id))
    assert vendor.orders == []
    assert "no vendor/model-1 any more; this was not sent" in str(job.error)
    assert job.record.cost_usd == 0.0


async def test_a_call_that_was_not_sent_is_told_from_one_that_was(home: Path) -> None:
    job_id = await left_behind(home, SUBMITTING, SUBMITTED, MADE, calls=(1, 1))
    vendor = Vendor()
    vendor.routes = (replace(vendor.routes[0], model="vendor/model-2"),)
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.reclaimed(job_id))
    assert (vendor.orders, len(job.pictures)) == ([], 1)
    assert "1 of 2 calls were not sent." in job.record.notes
    assert not any("othing was sent" in note for note in job.record.notes)
    assert cost(job) == (USD, "estimate")


@pytest.mark.parametrize("written", [True, False], ids=["written down", "just kept"])
async def test_a_difference_that_another_process_found_is_still_said(home: Path, *, written: bool) -> None:
    job_id = await left_behind(home, SUBMITTING, SUBMITTED, MADE, calls=(1, 1))
    execute(home, "UPDATE job SET plan = json_set(plan, '$.spec.asked.ratio', '21:9')")
    vendor = Vendor()
    vendor.then("poll", anyio.sleep_forever)
    async with open_bench(home, vendor) as bench:
        await bench.reclaimed(job_id)
        with anyio.fail_after(PATIENCE):
            while KEPT not in states(await bench.record(job_id)):  # noqa: ASYNC110 - another process sets no event
                await anyio.sleep(0.001)
        await bench.crash()
    if not written:
        execute(home, "UPDATE call SET state = 'made' WHERE state = 'kept'")
        execute(home, "UPDATE job SET notes = '[]'")
    execute(home, "DELETE FROM call WHERE number = 1")  # whose picture would say the same
    async with open_bench(home, Vendor()) as bench:
        job = await bench.done(await bench.reclaimed(job_id))
    assert len(job.pictures) == 1
    assert [note for note in job.record.notes if "21:9" in note] == ["Asked 21:9, arrived 64x48 px (4:3)."]


async def test_what_was_never_sent_is_not_sent_the_next_day(home: Path) -> None:
    job_id = await left_behind(home)
    vendor = Vendor()
    async with open_bench(home, vendor) as bench:
        execute(home, "UPDATE job SET created = created - 86400")
        job = await bench.done(await bench.reclaimed(job_id))
        assert states(await bench.record(job_id)) == [FAILED]
    assert vendor.orders == []
    assert "Nothing was sent and nothing was charged" in str(job.error)
    assert "24 hours ago" in str(job.error)
    assert cost(job) == (0.0, "actual")
