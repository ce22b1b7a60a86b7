"""Answers that a courier has, where the disk does not give them, the routes have changed, or the user has cancelled."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from imagewright.engine import run, sending
from imagewright.engine.job import Job
from imagewright.errors import BadKey, NotSent, StorageError
from imagewright.providers.base import Finished, Handle, Output, Prepared
from imagewright.storage.accounts import LOCAL
from imagewright.storage.states import CallState
from tests.support.engine_bench import (
    PICTURE,
    SUBMITTING,
    FakeRegistry,
    Vendor,
    folder_of,
    left_behind,
    open_bench,
    place,
    plan_for,
    states,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.base import Order
    from imagewright.providers.sending import Sending

pytestmark = pytest.mark.anyio
SOON = 0.001
ANSWER = Handle("vendor", {"task": "t1", "count": "1"})
UNREADABLE = StorageError("the folder cannot be read")


class Couriered(Vendor):
    """A vendor to which a courier sends: its answer has to be read from the disk."""

    def __init__(self, *hears: Any) -> None:
        super().__init__()
        self.hears = deque(hears)
        """What reading the answer comes to; an error is raised. At its end the answer is a handle."""
        self.heard: list[Order] = []
        """The orders with which it was read."""

    async def submit(self, order: Order, sending: Sending | None = None) -> Handle | Finished:
        assert sending is not None
        if not sending.again:
            await sending.begin()
            sending.gone = True
            self.orders.append(order)
            raise StorageError("too many open files")
        self.heard.append(order)
        what = self.hears.popleft() if self.hears else ANSWER
        if isinstance(what, Exception):
            raise what
        if callable(what):
            await what()
            what = ANSWER
        assert isinstance(what, Handle | Finished)
        return what


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "UNREADABLE_PAUSES", (SOON, SOON))


@pytest.mark.parametrize("answer", [ANSWER, Finished((Output(data=PICTURE),))], ids=["a task", "a picture"])
async def test_an_answer_that_cannot_be_read_now_is_read_later_and_not_sent_again(
    home: Path, answer: Handle | Finished
) -> None:
    vendor = Couriered(*[UNREADABLE] * 5, answer)
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.begin())
        assert states(await bench.record(job.id)) == [CallState.KEPT]
    assert (job.record.state, len(vendor.orders), len(vendor.heard)) == ("completed", 1, 6)


async def test_one_that_turns_out_not_to_have_been_sent_is_sent(home: Path) -> None:
    vendor = Couriered(UNREADABLE, NotSent("vendor", "it stopped", charged=False))
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.begin())
    assert (job.record.state, len(vendor.orders)) == ("completed", 2)


async def test_a_refusal_that_was_hard_to_read_ends_the_call_for_nothing(home: Path) -> None:
    vendor = Couriered(UNREADABLE, BadKey("vendor", "no such key", charged=False))
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.begin())
    assert (job.record.state, job.record.cost_usd, len(vendor.orders)) == ("failed", 0.0, 1)


async def test_what_never_becomes_readable_is_said_to_be_unknown(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "UNREADABLE_SECONDS", 0.05)
    job_id = await left_behind(home, SUBMITTING)
    async with open_bench(home, Couriered(*[UNREADABLE] * 10_000)) as bench:
        job = await bench.done(await bench.reclaimed(job_id))
        assert states(await bench.record(job_id)) == [CallState.UNKNOWN]
    assert "what it answered cannot be read" in str(job.error)


async def test_a_route_that_was_changed_meanwhile_does_not_keep_the_answer_away(home: Path) -> None:
    job_id = await left_behind(home, SUBMITTING)
    vendor = Couriered()
    vendor.routes = (replace(vendor.routes[0], model="vendor/model-2"),)
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.reclaimed(job_id))
        assert job.record.state == "completed"
        assert place(job.pictures[0]).read_bytes() == PICTURE
    assert [order.model for order in vendor.heard] == ["vendor/model-1"]
    assert vendor.orders == []


async def test_a_changed_route_sends_nothing_where_nothing_had_been_sent(home: Path) -> None:
    job_id = await left_behind(home, SUBMITTING)
    vendor = Couriered(NotSent("vendor", "it stopped", charged=False))
    vendor.routes = (replace(vendor.routes[0], model="vendor/model-2"),)
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.reclaimed(job_id))
    assert (job.record.state, vendor.orders) == ("failed", [])
    assert "no vendor/model-1 any more; this was not sent" in str(job.error)


async def test_an_input_picture_that_is_gone_does_not_keep_the_answer_away(home: Path) -> None:
    plan = plan_for(Vendor())
    order = replace(plan.orders[0], images=(Prepared(PICTURE, "png", 64, 48),))
    async with open_bench(home, Vendor()) as dead:
        job = await dead.jobs.begin(
            replace(plan, orders=(order,)), LOCAL, fingerprint="f", key="", caps=(), registry=FakeRegistry()
        )
        assert isinstance(job, Job)
        await dead.crash((job.id, *SUBMITTING))
    for file in folder_of(home, job.id).glob("input-*"):
        file.unlink()
    vendor = Couriered()
    async with open_bench(home, vendor) as bench:
        assert (await bench.done(await bench.reclaimed(job.id))).record.state == "completed"
    assert [len(one.images) for one in vendor.heard] == [1]


async def test_a_cancel_waits_for_an_answer_that_is_about_to_come(home: Path) -> None:
    job_id = await left_behind(home, SUBMITTING)
    vendor = Couriered(UNREADABLE, UNREADABLE)
    async with open_bench(home, vendor) as bench:
        await bench.stores.jobs.request_cancel(LOCAL, job_id)
        job = await bench.done(await bench.reclaimed(job_id))
        assert states(await bench.record(job_id)) == [CallState.CANCELLED]
    assert [dict(handle.data) for handle in vendor.stopped] == [dict(ANSWER.data)]
    assert job.record.state == "cancelled"


async def test_a_cancel_is_heard_while_an_answer_cannot_be_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "LAST_ANSWER_SECONDS", 0.05)
    vendor = Couriered(*[UNREADABLE] * 10_000)
    async with open_bench(home, vendor) as bench:
        job = await bench.begin()
        await until(lambda: vendor.heard)
        await bench.jobs.cancel(job)
        assert states(await bench.record(job.id)) == [CallState.UNKNOWN]
    assert (job.record.state, len(vendor.orders)) == ("cancelled", 1)


async def test_a_cancel_does_not_wait_for_ever(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "LAST_ANSWER_SECONDS", 0.05)
    job_id = await left_behind(home, SUBMITTING)
    async with open_bench(home, Couriered(*[anyio.sleep_forever] * 2)) as bench:
        job = await bench.reclaimed(job_id)
        await until(lambda: "has answered" in job.stage)
        await bench.jobs.cancel(job)
        assert states(await bench.record(job_id)) == [CallState.UNKNOWN]
    assert job.record.state == "cancelled"
    assert any("its answer did not come in time" in note for note in job.record.notes)
