"""The life of a job: carried out, settled, listed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from imagewright.errors import ContentRefused, StorageError, UnknownOutcome
from imagewright.storage.accounts import LOCAL
from imagewright.storage.base import OverBudget
from imagewright.storage.records import Cap
from imagewright.storage.states import CallState
from tests.support.engine_bench import USD, Lock, Vendor, cost, open_bench, states

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio
KEPT, FAILED, UNKNOWN = CallState.KEPT, CallState.FAILED, CallState.UNKNOWN


async def test_a_job_ends_with_its_pictures_and_leaves_nothing_behind(home: Path) -> None:
    vendor = Vendor()
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.begin(calls=(1, 2)))
        entry = await bench.record(job.id)
        assert job.record.state == "completed"
        assert [record.variant for record in job.pictures] == [1, 2, 3]
        assert states(entry) == [KEPT, KEPT]
        assert (entry.state, entry.worker_id) == ("completed", "")
        assert cost(entry) == (0.3, "estimate")
    assert not home.joinpath("incoming", job.id).exists()


async def test_what_the_vendor_charged_wins_over_the_estimate(home: Path) -> None:
    vendor = Vendor()
    vendor.cost = 0.07
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.begin(calls=(1, 1)))
        assert cost(job) == (0.14, "actual")
        assert [record.cost_usd for record in job.pictures] == [0.07, 0.07]


@pytest.mark.parametrize("method", ["submit"])
async def test_a_bug_in_a_vendors_file_ends_the_job_and_not_the_server(home: Path, method: str) -> None:
    vendor = Vendor()
    vendor.then(method, IndexError("no such thing"))
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.begin("broken"))
        assert job.record.state == "failed"
        assert "internal error: IndexError" in str(job.error)
        assert "may have been charged" in str(job.error)
        assert states(await bench.record(job.id)) == [UNKNOWN if method == "submit" else FAILED]
        assert cost(job) == (USD, "estimate")
        assert (await bench.done(await bench.begin("whole"))).record.state == "completed"


async def test_an_unknown_outcome_is_never_sent_again(home: Path) -> None:
    vendor = Vendor()
    vendor.then("submit", UnknownOutcome("vendor", "the connection broke"))
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.begin())
    assert len(vendor.orders) == 1
    assert job.error is not None
    assert "It was not sent again" in str(job.error)
    assert cost(job) == (USD, "estimate")


async def test_one_call_of_several_fails(home: Path) -> None:
    vendor = Vendor()
    vendor.then("submit", None, ContentRefused("vendor", "not this one", charged=False))
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.begin(calls=(1, 1, 1)))
        assert job.record.state == "completed"
        assert len(job.pictures) == 2
        assert "2 of 3 pictures arrived." in job.record.notes
        assert any("not this one" in note and "Nothing was charged" in note for note in job.record.notes)
        assert cost(job) == (0.2, "estimate")
        assert sorted(states(await bench.record(job.id))) == [FAILED, KEPT, KEPT]


async def test_a_journal_that_cannot_be_written_stops_the_call_before_it_is_sent(home: Path) -> None:
    vendor = Vendor()
    async with open_bench(home, vendor, patience=0.01) as bench:
        await bench.done(await bench.begin("first"))
        lock = Lock(home)
        await lock.hold()
        with pytest.raises(StorageError, match="kept it locked"):
            await bench.open("second")
        await lock.let_go()
        assert len(vendor.orders) == 1
    assert list(home.joinpath("incoming").glob("*")) == []


async def test_a_caller_who_leaves_while_the_job_waits_to_be_written_down_does_not_stop_it(home: Path) -> None:
    vendor, scope = Vendor(), anyio.CancelScope()
    async with open_bench(home, vendor) as bench:
        await bench.done(await bench.begin("before"))
        lock = Lock(home)
        await lock.hold()

        async def leave() -> None:
            with scope:
                await bench.open("second")

        async with anyio.create_task_group() as group:
            group.start_soon(bench.open, "first")
            await anyio.wait_all_tasks_blocked()
            group.start_soon(leave)
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
            await anyio.wait_all_tasks_blocked()
            await lock.let_go()
        for job in await bench.jobs.newest(LOCAL, 3):
            assert (await bench.done(job)).record.state == "completed"
    assert len(vendor.orders) == 3


async def test_a_budget_without_room_sends_nothing(home: Path) -> None:
    vendor = Vendor()
    cap = Cap("day", 0.0, 1.5 * USD)
    async with open_bench(home, vendor) as bench:
        await bench.done(await bench.begin("one", caps=[cap]))
        over = await bench.open("two", caps=[cap])
        assert isinstance(over, OverBudget)
        assert over.spent.usd == pytest.approx(USD)
    assert len(vendor.orders) == 1


async def test_the_newest_jobs_of_all_processes_are_listed(home: Path) -> None:
    async with open_bench(home, Vendor()) as one, open_bench(home, Vendor()) as two:
        first = await one.done(await one.begin("first"))
        second = await two.done(await two.begin("second"))
        listed = await one.jobs.newest(LOCAL, 5)
    assert [job.id for job in listed] == [second.id, first.id]
    assert [len(job.pictures) for job in listed] == [1, 1]
    assert all(job.done for job in listed)
