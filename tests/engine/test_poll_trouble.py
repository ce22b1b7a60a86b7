"""A job whose vendor cannot be asked how it stands: it goes on, says what is wrong, and its picture arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from imagewright.errors import (
    BadKey,
    GenerationFailed,
    OutOfCredit,
    ProviderError,
    RequestRejected,
    TaskEnded,
    VendorUnavailable,
)
from imagewright.storage.states import CallState
from tests.support.engine_bench import SUBMITTED, Vendor, left_behind, open_bench, states, until

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.engine.job import Job
    from imagewright.providers.base import Finished, Handle, Running

pytestmark = pytest.mark.anyio
KEY = BadKey("vendor", "no access", charged=None)
TROUBLES = {
    "key": KEY,
    "money": OutOfCredit("vendor", charged=None),
    "redirect": RequestRejected("vendor", "HTTP 302", charged=None),
    "unreadable": ProviderError("vendor", "its answer cannot be read", charged=None),
    "network": VendorUnavailable("vendor", "no route to host", charged=None),
    "bug": IndexError("no such thing"),
}


async def _troubles(job: Job) -> list[str]:
    """The troubles the caller saw, in turn, until the end."""
    found = [job.trouble]
    while not job.done:
        await job.changed.wait()
        found += [job.trouble] if job.trouble != found[-1] else []
    return found


@pytest.mark.parametrize("row", TROUBLES)
async def test_one_bad_answer_to_a_poll_costs_no_picture(row: str, home: Path) -> None:
    error, vendor = TROUBLES[row], Vendor()
    vendor.then("poll", error)
    async with open_bench(home, vendor) as bench:
        job = await bench.begin()
        notices = await _troubles(job)
        assert states(await bench.record(job.id)) == [CallState.KEPT]
    assert job.record.state == "completed"
    assert len(vendor.orders) == 1
    if row == "network":
        assert notices == [""]
    else:
        assert [bool(trouble) for trouble in notices] == [False, True, False]
        assert "do not call again" in notices[1]
    assert not any("do not call again" in note for note in job.record.notes)


async def test_only_the_vendors_word_on_the_task_ends_it_and_the_trouble_before_is_forgotten(home: Path) -> None:
    vendor = Vendor()
    vendor.then("poll", KEY, TaskEnded(GenerationFailed("vendor", "out of memory")))
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.begin())
        assert states(await bench.record(job.id)) == [CallState.FAILED]
        assert job.record.error is not None
        assert job.record.error["kind"] == GenerationFailed.category
    assert job.trouble == ""


async def test_an_end_that_is_taken_back_is_none(home: Path) -> None:
    vendor = Vendor()
    slip = TaskEnded(GenerationFailed("vendor", "names no picture"), sure=False)
    vendor.then("poll", slip, slip, slip)
    async with open_bench(home, vendor) as bench:
        assert (await bench.done(await bench.begin())).record.state == "completed"
    assert len(vendor.asked) == 4


async def test_the_trouble_of_one_call_is_not_hidden_by_the_others(home: Path) -> None:
    vendor = Vendor()
    asked = anyio.Event()

    async def refused() -> None:
        await until(lambda: len(vendor.asked) > 1)  # else this call may ask again before the other asks at all
        raise KEY

    async def held() -> None:
        asked.set()
        await anyio.sleep_forever()

    vendor.then("poll", refused, None, held)
    async with open_bench(home, vendor) as bench:
        job = await bench.begin(calls=(1, 1))
        await asked.wait()
        await until(lambda: job.pictures)
        assert job.trouble.startswith("vendor did not accept the API key")
        await bench.jobs.cancel(job)
    assert job.trouble == ""


async def test_a_key_that_is_corrected_brings_the_picture(home: Path) -> None:
    old, new = Vendor(), Vendor()
    old.then("poll", *[KEY] * 10_000)
    async with open_bench(home, old) as bench:
        job = await bench.begin()
        await until(lambda: job.trouble)
        bench.registry.renew(new)
        assert (await bench.done(job)).record.state == "completed"
    assert len(new.asked) == 1
    assert not old.fetched


async def test_a_provider_that_is_no_longer_set_up_is_asked_as_before(home: Path) -> None:
    vendor = Vendor()
    vendor.then("poll", KEY, KEY)
    async with open_bench(home, vendor) as bench:
        job = await bench.begin()
        await until(lambda: job.trouble)
        bench.registry.renew()
        assert (await bench.done(job)).record.state == "completed"


async def test_whoever_takes_a_job_over_meets_the_same_trouble_and_ends_it_as_little(home: Path) -> None:
    job_id = await left_behind(home, (CallState.SUBMITTING, {}), SUBMITTED)
    vendor = Vendor()
    vendor.then("poll", KEY)
    async with open_bench(home, vendor) as bench:
        assert (await bench.done(await bench.reclaimed(job_id))).record.state == "completed"
    assert not vendor.orders


async def test_the_trouble_of_a_call_ends_with_it_while_the_others_go_on(home: Path) -> None:
    asked, ended = anyio.Event(), anyio.Event()

    class OneHeld(Vendor):
        async def poll(self, handle: Handle) -> Running | Finished:
            if handle.data["task"] == "t2":
                asked.set()
                await ended.wait()
            return await super().poll(handle)

    vendor = OneHeld()
    vendor.then("poll", KEY, TaskEnded(GenerationFailed("vendor", "out of memory")))
    async with open_bench(home, vendor) as bench:
        job = await bench.begin(calls=(1, 1))
        await asked.wait()
        entry = await bench.record(job.id)
        while CallState.FAILED not in states(entry):
            entry = await bench.record(job.id)
        assert job.trouble == ""
        ended.set()
        await bench.done(job)
