"""Steps that cannot be written when they happen: before money is spent they are not begun, after it they wait."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from imagewright.errors import StorageError
from imagewright.storage.accounts import LOCAL
from imagewright.storage.base import LostLeaseError
from imagewright.storage.records import CallRecord
from imagewright.storage.states import CallState
from imagewright.storage.stores import DeferredJobs
from tests.storage.stores_bench import LEASE, job, started
from tests.support.memory_stores import MemoryJobs, MemoryJobStore
from tests.support.seeded_jobs import finish, note

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tests.support.clock import Clock

pytestmark = pytest.mark.anyio

HANDLE = {"task": "t1"}


class FullDisk(MemoryJobStore):
    """Writes nothing while it is full, and can be slow."""

    full = False
    pauses = 0
    written = 0

    async def _check(self) -> None:
        for _ in range(self.pauses):
            await anyio.lowlevel.checkpoint()
        if self.full:
            raise StorageError("the disk is full")
        self.written += 1

    async def advance(self, *args: Any, **changes: Any) -> None:
        await self._check()
        await super().advance(*args, **changes)

    async def conclude(self, *args: Any, **more: Any) -> None:
        await self._check()
        await super().conclude(*args, **more)

    async def replan(self, job: Any) -> None:
        await self._check()
        await super().replan(job)

    async def check_lease(self, job_id: str) -> None:
        await self._check()
        await super().check_lease(job_id)


@pytest.fixture
def shared() -> MemoryJobs:
    return MemoryJobs()


@pytest.fixture
def disk(shared: MemoryJobs, clock: Clock) -> FullDisk:
    return FullDisk(shared, lease=LEASE, clock=clock, monotonic=clock.monotonic)


@pytest.fixture
async def jobs(disk: FullDisk, clock: Clock) -> DeferredJobs:
    deferred = DeferredJobs(disk, clock=clock, monotonic=clock.monotonic)
    await started(deferred, calls=(CallRecord(number=0), CallRecord(number=1)))
    await deferred.advance("job_1", 0, CallState.SUBMITTING)
    return deferred


async def states(jobs: DeferredJobs) -> list[CallState]:
    found = await jobs.get(LOCAL, "job_1")
    assert found is not None
    return [call.state for call in found.calls]


async def test_what_cannot_be_written_is_not_begun(jobs: DeferredJobs, disk: FullDisk) -> None:
    disk.full = True
    with pytest.raises(StorageError, match="full"):
        await jobs.advance("job_1", 1, CallState.SUBMITTING)
    assert jobs.unwritten == frozenset()
    disk.full = False
    await jobs.catch_up()
    assert await states(jobs) == [CallState.SUBMITTING, CallState.PLANNED]


async def settle(jobs: DeferredJobs) -> None:
    await finish(jobs, "job_1", "completed", cost_usd=0.5, cost_basis="actual", notes=["Done."])


async def test_what_was_spent_is_written_later_in_its_order(
    jobs: DeferredJobs, disk: FullDisk, caplog: pytest.LogCaptureFixture
) -> None:
    disk.full = True
    with caplog.at_level(logging.ERROR):
        await note(jobs, "job_1", 0, CallState.SUBMITTED, handle=HANDLE)
        await note(jobs, "job_1", 0, CallState.MADE, outputs=[])
        await settle(jobs)
    assert "job_1 goes on, although its journal cannot be written: the disk is full" in caplog.text
    assert jobs.unwritten == {"job_1"}
    await jobs.catch_up()
    assert jobs.unwritten == {"job_1"}
    disk.full = False
    await jobs.catch_up()
    assert jobs.unwritten == frozenset()
    found = await jobs.get(LOCAL, "job_1")
    assert found is not None
    assert (found.state, found.calls[0].state, found.calls[0].handle) == ("completed", CallState.MADE, HANDLE)


NEXT: dict[str, Callable[[DeferredJobs], Coroutine[Any, Any, None]]] = {
    "advance": lambda jobs: jobs.advance("job_1", 1, CallState.SUBMITTING),
    "note": lambda jobs: note(jobs, "job_1", 1, CallState.CANCELLED),
    "finish": settle,
    "replan": lambda jobs: jobs.replan(job(calls=(CallRecord(number=0, count=2),))),
    "release": lambda jobs: jobs.release(),
}


@pytest.mark.parametrize("step", NEXT.values(), ids=NEXT)
async def test_what_waits_is_written_before_the_next_step(
    jobs: DeferredJobs, disk: FullDisk, step: Callable[[DeferredJobs], Coroutine[Any, Any, None]]
) -> None:
    disk.full = True
    await note(jobs, "job_1", 0, CallState.SUBMITTED, handle=HANDLE)
    disk.full = False
    before = disk.written
    await step(jobs)
    assert disk.written - before == (1 if step is NEXT["release"] else 2)
    assert jobs.unwritten == frozenset()


async def test_another_provider_is_not_asked_while_the_first_ones_end_waits(jobs: DeferredJobs, disk: FullDisk) -> None:
    disk.full = True
    await note(jobs, "job_1", 0, CallState.FAILED)
    with pytest.raises(StorageError, match="cannot be written"):
        await jobs.replan(job())


async def test_other_jobs_are_not_kept_waiting(jobs: DeferredJobs, disk: FullDisk) -> None:
    await started(jobs, "2")
    disk.full = True
    await note(jobs, "job_1", 0, CallState.SUBMITTED, handle=HANDLE)
    disk.full = False
    before = disk.written
    await jobs.advance("job_2", 0, CallState.SUBMITTING)
    assert disk.written - before == 1
    assert jobs.unwritten == {"job_1"}


async def test_whoever_has_lost_a_job_writes_nothing_of_it(
    jobs: DeferredJobs, disk: FullDisk, shared: MemoryJobs, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    disk.full = True
    await note(jobs, "job_1", 0, CallState.SUBMITTED, handle=HANDLE)
    await disk.release()
    winner = MemoryJobStore(shared, worker_id="you", lease=LEASE, clock=clock)
    assert len(await winner.reclaim(["somebody"])) == 1
    disk.full = False
    await jobs.catch_up()
    assert "job_1 is another process's now" in caplog.text
    assert jobs.unwritten == frozenset()
    with pytest.raises(LostLeaseError):
        await note(jobs, "job_1", 0, CallState.SUBMITTED)
    with pytest.raises(LostLeaseError):
        await jobs.check_lease("job_1")
    with pytest.raises(LostLeaseError):
        await settle(jobs)
    assert await states(jobs) == [CallState.SUBMITTING, CallState.PLANNED]


async def test_a_job_that_is_known_no_more_is_given_up(
    jobs: DeferredJobs, disk: FullDisk, shared: MemoryJobs, caplog: pytest.LogCaptureFixture
) -> None:
    disk.full = True
    await note(jobs, "job_1", 0, CallState.SUBMITTED, handle=HANDLE)
    shared.kept.clear()
    disk.full = False
    await settle(jobs)
    assert "Its pictures are kept all the same" in caplog.text
    assert jobs.unwritten == frozenset()


async def test_a_step_there_is_no_way_to_is_a_bug_and_does_not_wait(jobs: DeferredJobs) -> None:
    with pytest.raises(ValueError, match="no way"):
        await note(jobs, "job_1", 0, CallState.KEPT)
    assert jobs.unwritten == frozenset()


async def test_a_cancelled_note_is_written_or_waits(jobs: DeferredJobs, disk: FullDisk) -> None:
    for full, number in ((True, 0), (False, 1)):
        disk.full, disk.pauses = full, 5
        async with anyio.create_task_group() as group:
            group.start_soon(note, jobs, "job_1", number, CallState.FAILED)
            await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
    disk.full = False
    await jobs.catch_up()
    assert await states(jobs) == [CallState.FAILED, CallState.FAILED]


async def test_a_job_goes_on_where_its_lease_cannot_be_looked_up(
    jobs: DeferredJobs, disk: FullDisk, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    disk.full = True
    clock.wait(LEASE)
    await jobs.check_lease("job_1")
    assert "its lease cannot be looked up: the disk is full" in caplog.text


@pytest.mark.parametrize(
    ("now", "awake"),
    [
        pytest.param(LEASE, LEASE, id="it was frozen"),
        pytest.param(LEASE, 0.0, id="the machine slept"),
        pytest.param(-LEASE, 0.0, id="the clock was set back"),
        pytest.param(0.0, LEASE, id="it was frozen and the clock was set back"),
    ],
)
async def test_a_lease_is_looked_up_only_where_it_may_have_run_out(
    jobs: DeferredJobs, disk: FullDisk, clock: Clock, now: float, awake: float
) -> None:
    asked = disk.written
    clock.wait(LEASE / 2)
    await jobs.check_lease("job_1")
    assert disk.written == asked
    clock.now, clock.awake = clock.now + now, clock.awake + awake
    await jobs.check_lease("job_1")
    assert disk.written == asked + 1
    await jobs.renew(["job_1"])
    await jobs.check_lease("job_1")
    assert disk.written == asked + 1


async def test_a_lease_that_was_given_up_is_looked_up(jobs: DeferredJobs, shared: MemoryJobs, clock: Clock) -> None:
    await jobs.release()
    assert await MemoryJobStore(shared, worker_id="you", lease=LEASE, clock=clock).reclaim(["somebody"])
    with pytest.raises(LostLeaseError):
        await jobs.check_lease("job_1")


async def test_a_lease_that_a_renewal_found_lost_is_looked_up(
    jobs: DeferredJobs, shared: MemoryJobs, clock: Clock
) -> None:
    winner = MemoryJobStore(shared, worker_id="you", lease=LEASE, clock=clock, monotonic=clock.monotonic)
    clock.wait(LEASE + 1)
    assert await winner.reclaim(["somebody"]) == []  # only seen to be expired
    clock.wait(LEASE)
    assert await winner.reclaim(["somebody"])
    assert (await jobs.renew(["job_1"])).lost == {"job_1"}
    with pytest.raises(LostLeaseError):
        await jobs.check_lease("job_1")


async def test_steps_of_many_tasks_that_wait_are_each_written_once(jobs: DeferredJobs, disk: FullDisk) -> None:
    disk.full = True
    for number in (0, 1):
        await note(jobs, "job_1", number, CallState.FAILED)
    disk.full, disk.pauses = False, 5
    before = disk.written
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(jobs.catch_up)
    assert disk.written - before == 2
