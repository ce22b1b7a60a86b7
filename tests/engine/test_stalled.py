"""Jobs that wait until somebody asks for them: they come to no end by themselves, and are not lost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest

from imagewright.engine import deliver, trouble, waiting
from imagewright.errors import ResultLost
from imagewright.providers.base import Running
from imagewright.storage.accounts import LOCAL
from imagewright.storage.records import Cap
from imagewright.storage.sqlite import leases
from imagewright.storage.states import CallState
from tests.support.engine_bench import PICTURE, USD, Vendor, execute, open_bench, place, states, until

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.engine.job import Job
    from imagewright.providers.base import Finished, Handle
    from imagewright.storage.accounts import Principal
    from imagewright.storage.records import JobRecord
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


async def breaks(*_: object, **__: object) -> None:
    raise KeyError("a bug")


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
    async with open_bench(home, Vendor()) as bench:
        with monkeypatch.context() as patched:
            patched.setattr(bench.stores.library, "place", breaks)
            job = await bench.stalled(await bench.begin())
        done = await bench.done(await bench.jobs.revive(await bench.find(job.id)))
    assert done.record.state == "completed"


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("well_again", [True, False])
async def test_what_was_made_and_could_not_be_kept_can_be_cancelled_and_fetched_after_all(
    home: Path, monkeypatch: pytest.MonkeyPatch, *, at_once: bool, well_again: bool
) -> None:
    vendor = Vendor(at_once=at_once)
    async with open_bench(home, vendor) as bench:
        with monkeypatch.context() as patched:
            patched.setattr(bench.stores.library, "place", breaks)
            job = await bench.find((await bench.stalled(await bench.begin())).id)
            if not well_again:
                await bench.jobs.cancel(job)
                assert (job.record.state, states(await bench.record(job.id))) == ("cancelled", [CallState.CANCELLED])
                assert f"imagewright jobs resume {job.id}" in " ".join(job.record.notes)
        if well_again:
            await bench.jobs.cancel(job)
        else:
            job = await bench.done(await bench.jobs.revive(job))
        assert (job.record.state, states(await bench.record(job.id))) == ("completed", [CallState.KEPT])
        assert place(job.pictures[0]).read_bytes() == PICTURE
    assert (len(vendor.orders), vendor.stopped) == (1, [])


async def test_a_bug_while_the_vendor_is_asked_to_stop_does_not_keep_the_user_from_ending_it(home: Path) -> None:
    vendor = Vendor()
    vendor.then("poll", anyio.sleep_forever)
    vendor.then("cancel", KeyError("a bug"))
    async with open_bench(home, vendor) as bench:
        job = await bench.begin()
        await until(lambda: vendor.asked)
        await bench.jobs.cancel(job)
        assert (await bench.record(job.id)).state == "cancelled"
    assert any("could not be asked to stop" in note for note in job.record.notes)


async def cancelled_at_a_vendor_that_goes_on(bench: Bench, vendor: Vendor) -> Job:
    vendor.stops = False
    vendor.then("poll", anyio.sleep_forever)
    job = await bench.begin()
    await until(lambda: vendor.asked)
    await bench.jobs.cancel(job)
    assert job.record.state == "cancelled"
    return job


async def test_a_process_that_cancelled_a_job_sees_that_another_fetches_it_after_all(home: Path) -> None:
    vendor = Vendor()
    async with open_bench(home, vendor) as server, open_bench(home, Vendor()) as command:
        job_id = (await cancelled_at_a_vendor_that_goes_on(server, vendor)).id
        assert (await server.find(job_id)).record.state == "cancelled"
        await command.done(await command.jobs.revive(await command.find(job_id)))
        (listed,) = await server.jobs.newest(LOCAL, 1)
        again = await server.begin()  # the same call joins it, as nobody has heard of this end
        found = await server.find(job_id)
        for job in (listed, again, found):
            assert (job.id, job.record.state, len(job.pictures)) == (job_id, "completed", 1)
    assert len(vendor.orders) == 1


async def test_two_who_want_it_after_all_at_the_same_time_both_get_it(home: Path) -> None:
    vendor, slow = Vendor(), Vendor()
    gate = anyio.Event()
    slow.then("poll", gate.wait)
    async with open_bench(home, vendor) as server, open_bench(home, slow) as command:
        job_id = (await cancelled_at_a_vendor_that_goes_on(server, vendor)).id
        stale = await server.find(job_id)
        await command.jobs.revive(await command.find(job_id))
        other = await server.jobs.revive(stale)
        assert not other.done
        gate.set()
        assert (await server.done(other)).record.state == "completed"
    assert (len(vendor.asked), len(slow.asked)) == (1, 1)


async def test_a_server_that_starts_asks_for_all_of_them(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "MOST_RECLAIMED", 1)
    async with open_bench(home, endless()) as bench:
        first, second = [await bench.stalled(await bench.begin(prompt)) for prompt in ("one", "two")]
    async with open_bench(home, Vendor()) as bench:
        await bench.jobs.reclaim()
        await bench.jobs.reclaim()
        for job in (first, second):
            assert (await bench.done(await bench.find(job.id))).record.state == "completed"


async def test_one_that_was_taken_over_is_carried_on_though_its_caller_leaves(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_bench(home, endless()) as bench:
        job_id = (await stalled(bench)).id
    async with open_bench(home, Vendor()) as bench:
        job, scope, take = await bench.find(job_id), anyio.CancelScope(), bench.stores.jobs.reclaim_one

        async def and_leave(who: Principal, name: str) -> JobRecord | None:
            record = await take(who, name)
            scope.cancel()
            return record

        monkeypatch.setattr(bench.stores.jobs, "reclaim_one", and_leave)
        with scope:
            await bench.jobs.revive(job)
        assert scope.cancel_called
        assert (await bench.done(job)).record.state == "completed"


@pytest.mark.parametrize("fetches", [False, True])
async def test_without_its_provider_one_that_is_asked_for_is_not_ended(
    home: Path, monkeypatch: pytest.MonkeyPatch, *, fetches: bool
) -> None:
    monkeypatch.setattr(deliver, "LEAST_PATIENCE", 0.0)
    monkeypatch.setattr(trouble, "TROUBLE_PAUSE", 0.001)
    vendor = endless(fetches=fetches)
    async with open_bench(home, vendor) as bench:
        job_id = (await stalled(bench)).id
    execute(home, "UPDATE job SET created = created - 2 * 86400")
    async with open_bench(home, Vendor("another")) as bench:
        await bench.jobs.revive(await bench.find(job_id))
        await anyio.sleep(0.05)
        assert not (await bench.record(job_id)).done
    async with open_bench(home, Vendor()) as bench:
        done = await bench.done(await bench.reclaimed(job_id))
    assert done.record.state == "completed"
