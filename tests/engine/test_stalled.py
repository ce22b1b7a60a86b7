"""Jobs that wait until somebody asks for them: they come to no end by themselves, and are not lost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from imagewright.engine import waiting
from imagewright.errors import ResultLost
from imagewright.providers.base import Running
from imagewright.storage.records import LOCAL, Cap
from imagewright.storage.states import CallState
from tests.support.engine_bench import PICTURE, USD, Vendor, open_bench, place, states, until

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.engine.job import Job
    from imagewright.providers.base import Finished, Handle
    from tests.support.engine_bench import Bench

pytestmark = pytest.mark.anyio
LONG = 1e9


def endless(*, fetches: bool = False) -> Vendor:
    """A vendor whose task does not end, or whose link never leads to its picture, for longer than it is waited for."""
    vendor = Vendor()
    vendor.poll_policy = replace(vendor.poll_policy, patience=0.0, keeps=LONG)
    script = [ResultLost("vendor", "HTTP 404")] * 9 if fetches else [Running()] * 9
    vendor.then("fetch" if fetches else "poll", *([dead(one) for one in script]))
    return vendor


def dead(what: Exception | Running) -> object:
    """As a script has it: an error is raised, an answer is returned."""
    if isinstance(what, Exception):
        return what

    async def answer() -> Running:
        return what

    return answer


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "LEAST_PATIENCE", 0.0)


async def stalled(bench: Bench) -> Job:
    job = await bench.stalled(await bench.begin())
    assert not job.done
    assert "image_job" in job.trouble
    return job


@pytest.mark.parametrize("fetches", [False, True])
async def test_a_stalled_job_goes_on_when_somebody_asks_for_it(home: Path, *, fetches: bool) -> None:
    vendor = endless(fetches=fetches)
    async with open_bench(home, vendor) as bench:
        job = await stalled(bench)
        assert states(await bench.record(job.id)) == [CallState.STALLED]
        asked = len(vendor.asked) + len(vendor.fetched)
        await bench.jobs.look_after_leases()
        assert len(vendor.asked) + len(vendor.fetched) == asked  # it is left alone
        vendor.scripts.clear()
        vendor.poll_policy = replace(vendor.poll_policy, patience=LONG)
        again = await bench.jobs.revive(await bench.find(job.id))
        done = await bench.done(again)
    assert done.record.state == "completed"
    assert place(done.pictures[0]).read_bytes() == PICTURE
    assert len(vendor.orders) == 1


async def test_a_server_that_starts_asks_once(home: Path) -> None:
    async with open_bench(home, endless()) as bench:
        job = await stalled(bench)
    async with open_bench(home, endless()) as bench:
        again = await bench.stalled(await bench.reclaimed(job.id))
        assert again.id == job.id
        await bench.jobs.reclaim()
        assert not (await bench.find(job.id)).is_local
    async with open_bench(home, Vendor()) as bench:
        assert (await bench.done(await bench.reclaimed(job.id))).record.state == "completed"


async def test_the_same_call_joins_a_stalled_job_and_its_money_stays_set_aside(home: Path) -> None:
    async with open_bench(home, endless()) as bench:
        job = await stalled(bench)
        assert (await bench.begin()).id == job.id
        assert (await bench.stores.jobs.spent(LOCAL, 0.0)).usd == pytest.approx(USD)
        assert not hasattr(await bench.open("another", caps=[Cap("day", 0.0, USD)]), "pictures")


async def test_a_stalled_job_can_be_cancelled(home: Path) -> None:
    vendor = endless()
    async with open_bench(home, vendor) as bench:
        job = await bench.find((await stalled(bench)).id)
        await bench.jobs.cancel(job)
        assert (await bench.record(job.id)).state == "cancelled"
    assert [handle.data["task"] for handle in vendor.stopped] == ["t1"]


async def test_pictures_of_other_calls_are_there_while_one_stalls(home: Path) -> None:
    class OneEndless(Vendor):
        async def poll(self, handle: Handle) -> Running | Finished:
            return Running() if handle.data["task"] == "t1" else await super().poll(handle)

    vendor = OneEndless()
    vendor.poll_policy = replace(vendor.poll_policy, patience=0.0, keeps=LONG)
    async with open_bench(home, vendor) as bench:
        job = await bench.stalled(await bench.begin(calls=(1, 1)))
        assert sorted(states(await bench.record(job.id))) == [CallState.KEPT, CallState.STALLED]
        assert len(await bench.pictures(job.id)) == len(job.pictures) == 1
    async with open_bench(home, Vendor()) as bench:
        done = await bench.done(await bench.reclaimed(job.id))
    assert done.record.state == "completed"
    assert [one.variant for one in done.pictures] == [1, 2]


async def test_a_cancelled_task_that_goes_on_at_its_vendor_can_be_fetched_after_all(home: Path) -> None:
    vendor = Vendor()
    vendor.stops = False
    vendor.then("poll", *[dead(Running())] * 10_000)
    async with open_bench(home, vendor) as bench:
        job = await bench.begin()
        await until(lambda: vendor.asked)
        await bench.jobs.cancel(job)
        assert job.record.state == "cancelled"
        assert f"imagewright jobs resume {job.id}" in " ".join(job.record.notes)
        vendor.scripts.clear()
        done = await bench.done(await bench.jobs.revive(job))
        assert done.record.state == "completed"
        assert (await bench.jobs.revive(done)).record.state == "completed"  # nothing is left to do
    assert len(vendor.orders) == 1


async def test_a_bug_while_a_paid_picture_is_kept_is_no_end(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def breaks(*_: object, **__: object) -> None:
        raise KeyError("a bug")

    async with open_bench(home, Vendor()) as bench:
        with monkeypatch.context() as patched:
            patched.setattr(bench.stores.library, "place", breaks)
            job = await bench.stalled(await bench.begin())
        done = await bench.done(await bench.jobs.revive(await bench.find(job.id)))
    assert done.record.state == "completed"
