"""Calls whose answer was never heard, at a vendor that lists its recent calls; and pictures that are uploaded."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from imagewright.engine import pacing
from imagewright.engine.job import Job
from imagewright.errors import BadKey, RateLimited, UnknownOutcome, VendorUnavailable
from imagewright.providers.base import Handle, Prepared
from imagewright.providers.common.provider import pictures_of
from imagewright.providers.sending import Sending
from imagewright.storage.accounts import LOCAL
from imagewright.storage.states import CallState
from tests.support.engine_bench import (
    PICTURE,
    SUBMITTED,
    SUBMITTING,
    FakeRegistry,
    Lock,
    Vendor,
    left_behind,
    open_bench,
    plan_for,
    states,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from imagewright.providers.base import Finished, Order
    from imagewright.providers.sending import Sending
    from tests.support.engine_bench import Bench

pytestmark = pytest.mark.anyio
BROKEN = UnknownOutcome("vendor", "the connection broke")
SENT: tuple[CallState, dict[str, Any]] = (CallState.SUBMITTING, {"signature": {"prompt": "a kite"}})


class Lister(Vendor):
    """A vendor that lists its recent calls and takes pictures beforehand."""

    def __init__(self) -> None:
        super().__init__()
        self.poll_policy = replace(self.poll_policy, search=0.05)
        self.listed: list[tuple[str, Handle]] = []
        """(prompt, handle) of each call in its list, oldest first."""
        self.searches = 0
        """How often it was asked for its list."""
        self.uploaded: list[Order] = []
        """The orders whose pictures were uploaded."""

    async def upload_inputs(self, order: Order) -> Order:
        await self._happen("upload")
        self.uploaded.append(order)
        return replace(order, links=("https://vendor.example/up",) * len(pictures_of(order)))

    def signature(self, order: Order) -> Mapping[str, str]:
        return {"prompt": str(order.arguments["prompt"])}

    async def recover(self, signature: Mapping[str, str], known: Collection[str]) -> Handle | None:
        self.searches += 1
        await self._happen("recover")
        fitting = (handle for prompt, handle in self.listed if prompt == signature["prompt"])
        return next((handle for handle in fitting if handle.data["task"] not in known), None)

    async def submit(self, order: Order, sending: Sending | None = None) -> Handle | Finished:
        assert len(order.links) == len(pictures_of(order))
        return await super().submit(order, sending)

    def has(self, *tasks: str, prompt: str = "a kite") -> None:
        """Let these calls stand in its list."""
        self.listed += [(prompt, Handle(self.name, {"task": task, "count": "1"})) for task in tasks]


async def settled(bench: Bench, job: Job) -> list[CallState]:
    await bench.done(job)
    return states(await bench.record(job.id))


async def test_a_call_that_was_cut_off_is_found_and_seen_through(home: Path) -> None:
    vendor = Lister()
    vendor.then("submit", BROKEN)
    vendor.has("t9")
    async with open_bench(home, vendor) as bench:
        job = await bench.begin()
        assert await settled(bench, job) == [CallState.KEPT]
        assert (await bench.record(job.id)).calls[0].signature == {"prompt": "a kite"}
    assert job.record.state == "completed"
    assert any("found among vendor's recent calls and not sent again" in note for note in job.record.notes)
    assert [handle.data["task"] for handle in vendor.asked] == ["t9"]
    assert len(vendor.orders) == 1


async def test_a_dead_process_s_call_is_found_by_the_next(home: Path) -> None:
    job_id = await left_behind(home, SENT)
    vendor = Lister()
    vendor.then("recover", VendorUnavailable("vendor", "the list is down"))
    async with open_bench(home, vendor) as bench:
        job = await bench.reclaimed(job_id)
        await until(lambda: vendor.searches > 1)
        vendor.has("t1")
        assert await settled(bench, job) == [CallState.KEPT]
    assert vendor.orders == []


async def test_a_network_that_is_gone_does_not_shorten_the_search(home: Path) -> None:
    job_id = await left_behind(home, SENT)
    vendor = Lister()
    vendor.then("recover", *[VendorUnavailable("vendor", "no route to host")] * 200)
    async with open_bench(home, vendor) as bench:
        job = await bench.reclaimed(job_id)
        await until(lambda: vendor.searches > 100)
        vendor.has("t1")
        assert await settled(bench, job) == [CallState.KEPT]
    assert vendor.orders == []


@pytest.mark.parametrize("error", [BadKey("vendor", "no access"), KeyError("items")])
async def test_a_list_that_is_refused_is_given_up_in_time(home: Path, error: Exception) -> None:
    job_id = await left_behind(home, SENT)
    vendor = Lister()
    vendor.then("recover", *[error] * 10_000)
    async with open_bench(home, vendor) as bench:
        job = await bench.reclaimed(job_id)
        assert await settled(bench, job) == [CallState.UNKNOWN]


@pytest.mark.parametrize("step", [SENT, SUBMITTING], ids=["not in the list", "nothing to know it by"])
async def test_what_is_not_found_stays_unknown_and_is_reported(
    home: Path, step: tuple[CallState, dict[str, Any]]
) -> None:
    job_id = await left_behind(home, step)
    vendor = Lister()
    vendor.has("t1", prompt="another")
    async with open_bench(home, vendor) as bench:
        job = await bench.reclaimed(job_id)
        assert await settled(bench, job) == [CallState.UNKNOWN]
    assert ("did not show it among its recent calls within 0.05 s" in str(job.error)) == bool(vendor.searches)
    assert "may or may not have received" in str(job.error)
    assert vendor.orders == []


async def test_two_calls_never_take_the_same_one_for_their_own(home: Path) -> None:
    vendor = Lister()
    vendor.then("submit", BROKEN, BROKEN, BROKEN)
    vendor.has("t1", "t2")
    async with open_bench(home, vendor) as bench:
        job = await bench.begin(calls=(1, 1, 1))
        assert sorted(await settled(bench, job)) == [CallState.KEPT, CallState.KEPT, CallState.UNKNOWN]
    assert len(job.pictures) == 2
    assert sorted(handle.data["task"] for handle in vendor.asked) == ["t1", "t2"]


async def test_a_call_of_another_job_is_not_taken(home: Path) -> None:
    await left_behind(home, SUBMITTING, SUBMITTED)
    vendor = Lister()
    vendor.then("submit", BROKEN)
    vendor.has("t1")
    async with open_bench(home, vendor) as bench:
        job = await bench.begin("a kite", key="another job")
        assert await settled(bench, job) == [CallState.UNKNOWN]


async def test_what_another_call_has_got_during_the_look_is_not_taken(home: Path) -> None:
    vendor = Lister()
    vendor.then("submit", BROKEN)
    vendor.has("t2")
    async with open_bench(home, vendor) as bench:

        async def another() -> None:
            assert (await bench.done(await bench.begin("another"))).record.state == "completed"

        vendor.then("recover", another)
        assert await settled(bench, await bench.begin()) == [CallState.UNKNOWN]
    assert [handle.data["task"] for handle in vendor.asked] == ["t2"]


async def test_a_cancel_while_it_is_looked_for_says_that_nobody_knows(home: Path) -> None:
    job_id = await left_behind(home, SENT)
    vendor = Lister()
    vendor.then("recover", anyio.sleep_forever)
    async with open_bench(home, vendor) as bench:
        job = await bench.reclaimed(job_id)
        await until(lambda: vendor.searches)
        await bench.jobs.cancel(job)
        assert await settled(bench, job) == [CallState.UNKNOWN]
    assert job.record.state == "cancelled"
    assert any("may or may not have received" in note for note in job.record.notes)


async def test_a_cancel_while_what_was_found_is_written_down_stops_it_at_the_vendor(home: Path) -> None:
    vendor = Lister()
    vendor.then("submit", BROKEN)
    vendor.has("t1")
    async with open_bench(home, vendor) as bench:
        lock = Lock(home)

        async def write_first() -> None:
            await lock.hold()
            bench.group.start_soon(bench.stores.jobs.request_cancel, LOCAL, job.id)
            await anyio.lowlevel.checkpoint()

        vendor.then("recover", write_first)
        job = await bench.begin()
        await until(lambda: vendor.searches)
        await anyio.wait_all_tasks_blocked()
        job.request_cancel()
        job.scope.cancel()
        await anyio.wait_all_tasks_blocked()
        await lock.let_go()
        assert await settled(bench, job) == [CallState.CANCELLED]
    assert [handle.data["task"] for handle in vendor.stopped] == ["t1"]


async def begun_with_a_picture(bench: Bench, vendor: Lister) -> Job:
    """A job whose input picture is uploaded before the call is sent."""
    plan = plan_for(vendor)
    order = replace(plan.orders[0], images=(Prepared(PICTURE, "png", 64, 48),))
    job = await bench.jobs.begin(
        replace(plan, orders=(order,)), LOCAL, fingerprint="f", key="", caps=(), registry=FakeRegistry(vendor)
    )
    assert isinstance(job, Job)
    return job


async def test_a_process_that_dies_while_it_hands_pictures_over_has_sent_nothing(home: Path) -> None:
    first, second = Lister(), Lister()
    first.then("upload", anyio.sleep_forever)
    async with open_bench(home, first) as dead:
        job = await begun_with_a_picture(dead, first)
        await until(lambda: not first.scripts["upload"])
        await dead.crash()
    async with open_bench(home, second) as bench:
        assert states(await bench.record(job.id)) == [CallState.PLANNED]
        assert await settled(bench, await bench.reclaimed(job.id)) == [CallState.KEPT]
    assert (first.orders, len(second.uploaded), len(second.orders)) == ([], 1, 1)


async def test_a_vendor_that_takes_no_more_pictures_just_now_is_waited_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "UPLOAD_PAUSE", 0.001)
    vendor = Lister()
    vendor.then("upload", *[RateLimited("vendor", "slow down", charged=False)] * 9)
    async with open_bench(home, vendor) as bench:
        assert await settled(bench, await begun_with_a_picture(bench, vendor)) == [CallState.KEPT]
    assert (len(vendor.uploaded), len(vendor.orders)) == (1, 1)


async def test_a_wait_to_upload_that_is_longer_than_the_call_has_ends_it_for_nothing(home: Path) -> None:
    vendor = Lister()
    vendor.then("upload", RateLimited("vendor", "come back tomorrow", retry_after=7200.0, charged=False))
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await begun_with_a_picture(bench, vendor))
    assert (job.record.state, job.record.cost_usd, vendor.orders) == ("failed", 0.0, [])


async def test_a_call_is_not_sent_where_it_cannot_be_written_that_it_is(home: Path) -> None:
    vendor = Lister()
    async with open_bench(home, vendor, patience=0.01) as bench:
        lock = Lock(home)
        vendor.then("upload", lock.hold)
        job = await bench.done(await begun_with_a_picture(bench, vendor))
        await lock.let_go()
    assert (len(vendor.uploaded), vendor.orders) == (1, [])
    assert job.record.state == "failed"
    assert "Nothing was sent." in job.record.notes
    assert job.record.cost_usd == 0
