"""What every store of jobs promises about jobs that are stalled, and about cancelled ones that are carried on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.storage.accounts import LOCAL, Principal
from imagewright.storage.base import REPEAT_SECONDS, Joined, LostLeaseError, OverBudget, Renewed
from imagewright.storage.records import CallRecord, Cap, JobRecord
from imagewright.storage.states import CallState
from tests.storage.stores_bench import LEASE, NOW, ended, job, started
from tests.support.seeded_jobs import finish

if TYPE_CHECKING:
    from imagewright.storage.base import JobStore
    from tests.storage.stores_bench import Workers
    from tests.support.clock import Clock

pytestmark = pytest.mark.anyio

HANDLE = {"task": "t1"}


async def stalled(store: JobStore, name: str = "1", **changes: Any) -> JobRecord:
    """A job that its vendor has had for too long."""
    record = await started(store, name, **changes)
    for state in (CallState.SUBMITTING, CallState.SUBMITTED, CallState.STALLED):
        await store.advance(record.id, 0, state, handle=HANDLE | {"job": name})
    await store.stall(record.id, ["It takes too long."])
    found = await store.get(LOCAL, record.id)
    assert found is not None
    return found


async def test_a_stalled_job_has_not_ended_and_nobody_holds_it(workers: Workers) -> None:
    store = workers()
    found = await stalled(store)
    assert (found.state, found.done, found.is_held, found.worker_id) == ("stalled", False, False, "")
    assert (found.notes, found.finished) == (("It takes too long.",), None)
    assert await store.renew(["job_1"]) == Renewed(lost=frozenset({"job_1"}))
    with pytest.raises(LostLeaseError):
        await store.advance("job_1", 0, CallState.SUBMITTED)
    with pytest.raises(LostLeaseError):
        await store.stall("job_1", ())
    assert [one.id for one in await store.newest(LOCAL, 5)] == ["job_1"]
    assert await store.costs(LOCAL, 0.0) == []


async def test_only_whoever_wants_stalled_jobs_gets_them(workers: Workers, clock: Clock) -> None:
    store = workers()
    before = await stalled(store)
    assert await store.reclaim(["somebody"]) == []
    clock.wait(1000)
    assert await store.reclaim(["somebody"]) == []
    assert await store.reclaim(["another"], stalled=True) == []
    (taken,) = await workers("you").reclaim(["somebody"], stalled=True)
    assert taken == replace(before, state="running", worker_id="you", is_held=True)
    assert await store.reclaim(["somebody"], stalled=True) == []
    await workers("you").advance("job_1", 0, CallState.SUBMITTED)


async def test_one_that_is_asked_for_is_taken_at_once(workers: Workers) -> None:
    store = workers()
    await stalled(store)
    assert await store.reclaim_one(Principal("somebody else"), "job_1") is None
    taken = await store.reclaim_one(LOCAL, "job_1")
    assert taken is not None
    assert (taken.state, taken.is_held, taken.calls[0].state) == ("running", True, CallState.STALLED)
    assert await workers("you").reclaim_one(LOCAL, "job_1") is None
    await finish(store, "job_1", "completed", cost_usd=0.1, cost_basis="actual", notes=())


async def test_its_reservation_counts_in_the_period_it_was_opened_in(workers: Workers, clock: Clock) -> None:
    store = workers()
    await stalled(store, reserved_usd=0.75, cost_usd=0.1)
    assert (await store.spent(LOCAL, NOW)).usd == 0.75
    over = await store.open(LOCAL, job("2", reserved_usd=0.5), [Cap("day", NOW, 1.0)])
    assert isinstance(over, OverBudget)
    clock.wait(86_400)
    assert (await store.spent(LOCAL, NOW + 1)).usd == 0.0


@pytest.mark.parametrize("key", ["", "k"])
async def test_an_identical_call_joins_it_however_long_it_takes(workers: Workers, clock: Clock, key: str) -> None:
    store = workers()
    found = await stalled(store, key=key)
    clock.wait(100 * REPEAT_SECONDS)
    assert await store.open(LOCAL, job("2", fingerprint="1", key=key)) == Joined(found)


async def test_it_can_be_cancelled_though_nobody_works_on_it(workers: Workers) -> None:
    store = workers()
    await stalled(store)
    await workers("you").request_cancel(LOCAL, "job_1")
    taken = await store.reclaim_one(LOCAL, "job_1")
    assert taken is not None
    assert taken.cancel_requested
    assert (await store.renew(["job_1"])).cancelled == {"job_1"}
    await store.advance("job_1", 0, CallState.CANCELLED)


async def cancelled(store: JobStore) -> None:
    """A job of three calls: one was kept, one goes on at the vendor, one was never sent."""
    await started(store, calls=tuple(CallRecord(number=number) for number in range(3)))
    for number, states in ((0, ("submitting", "made", "kept")), (1, ("submitting", "submitted"))):
        for state in states:
            await store.advance("job_1", number, CallState(state), handle=HANDLE if state == "submitted" else None)
    await store.request_cancel(LOCAL, "job_1")
    error = {"kind": "cancelled", "text": "It was cancelled."}
    for number in (1, 2):
        await store.advance("job_1", number, CallState.CANCELLED, error=error)
    await finish(store, "job_1", "cancelled", cost_usd=0.5, cost_basis="estimate", notes=("Cancelled.",), error=error)
    await store.mark_seen(LOCAL, "job_1")


async def test_what_was_cancelled_but_went_on_is_carried_on(workers: Workers) -> None:
    store = workers()
    await cancelled(store)
    assert not await store.reopen(Principal("somebody else"), "job_1")
    assert await store.reopen(LOCAL, "job_1")
    assert not await store.reopen(LOCAL, "job_1")
    found = await store.get(LOCAL, "job_1")
    assert found is not None
    assert (found.state, found.finished, found.error, found.is_held) == ("running", None, None, False)
    assert [call.state for call in found.calls] == [CallState.KEPT, CallState.SUBMITTED, CallState.CANCELLED]
    assert [bool(call.error) for call in found.calls] == [False, False, True]
    (taken,) = await workers("you").reclaim(["somebody"])
    assert not taken.cancel_requested
    await workers("you").advance("job_1", 1, CallState.MADE)
    await finish(workers("you"), "job_1", "completed", cost_usd=0.5, cost_basis="actual", notes=())
    assert await store.repeated(LOCAL, "1", "") is not None  # nobody has heard of this end yet


async def test_what_was_made_before_it_was_cancelled_is_made_again(workers: Workers) -> None:
    store = workers()
    await started(store)
    outputs = [{"url": "", "file": "incoming/job_1/result-1", "seed": None}]
    for state in (CallState.SUBMITTING, CallState.MADE, CallState.STALLED, CallState.CANCELLED):
        await store.advance("job_1", 0, state, outputs=outputs)
    await store.conclude("job_1", [], end=("cancelled", {"cost_usd": 0.5, "cost_basis": "estimate", "notes": ()}))
    assert await store.reopen(LOCAL, "job_1")
    found = await store.get(LOCAL, "job_1")
    assert found is not None
    assert [call.state for call in found.calls] == [CallState.MADE]


async def test_there_is_nothing_to_carry_on_where_nothing_went_on(workers: Workers, clock: Clock) -> None:
    store = workers()
    await ended(store, "completed")
    await ended(store, "cancelled", "cancelled")
    await started(store, "running")
    for name in ("completed", "cancelled", "running", "unheard_of"):
        before = await store.get(LOCAL, f"job_{name}")
        assert not await store.reopen(LOCAL, f"job_{name}")
        assert await store.get(LOCAL, f"job_{name}") == before
    clock.wait(LEASE)
