"""What every store of jobs promises about jobs, their calls and their leases."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.storage.accounts import LOCAL
from imagewright.storage.base import ForgottenJobError, LostLeaseError, Renewed
from imagewright.storage.records import CallRecord, JobRecord, NewJob
from imagewright.storage.states import CallState
from tests.storage.stores_bench import LEASE, NOW, ended, job, started
from tests.support.seeded_jobs import finish

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from imagewright.storage.base import JobStore
    from tests.storage.stores_bench import Workers
    from tests.support.clock import Clock

pytestmark = pytest.mark.anyio

SIGNATURE = {"model": "m", "input": "d1ge57", "since": "2026-11-22T10:00:00Z"}
HANDLE = {"task": "t1", "status": "/t1/status"}
GRACE = LEASE / 2


def as_new(record: JobRecord, **changes: Any) -> NewJob:
    """What was asked to be written of a record."""
    return NewJob(**{one.name: getattr(record, one.name) for one in fields(NewJob)} | changes)


async def taken_after_grace(store: JobStore, clock: Clock, *providers: str, **more: Any) -> list[str]:
    """The jobs that are reclaimed by two looks, a grace apart."""
    providers = providers or ("somebody",)
    at_once = await store.reclaim(providers, **more)
    clock.wait(GRACE)
    return [record.id for record in at_once + await store.reclaim(providers, **more)]


async def test_a_job_is_read_back_as_it_was_written(workers: Workers) -> None:
    calls = (
        CallRecord(number=0, count=2, arguments={"prompt": "föx", "seed": 7}),
        CallRecord(number=1, first_variant=3, arguments={"prompt": "föx"}),
    )
    new = job(calls=calls, key="k", reserved_usd=0.25, notes=("A note.",), expected=3, cost_usd=0.25)
    record = await started(workers(), **{one.name: getattr(new, one.name) for one in fields(NewJob)} | {"name": "1"})
    assert as_new(record) == new
    assert (record.principal, record.created, record.worker_id, record.is_held) == ("local", NOW, "me", True)
    assert not record.done
    assert await workers("you").get(LOCAL, "job_1") == record


async def test_steps_and_the_end_are_read_back(workers: Workers, clock: Clock) -> None:
    store = workers()
    await started(store)
    outputs = ({"url": "https://files.example/1.png", "file": "", "seed": 2**70},)
    await store.advance("job_1", 0, CallState.SUBMITTING, signature=SIGNATURE)
    await store.advance("job_1", 0, CallState.SUBMITTED, handle={"task": "t1"})
    await store.advance("job_1", 0, CallState.MADE, outputs=outputs, cost_usd=0.5)
    await store.advance("job_1", 0, CallState.KEPT, error={"kind": "failed", "text": "one is gone"})
    clock.wait(5)
    await finish(store, "job_1", "completed", cost_usd=0.5, cost_basis="actual", notes=["Done."])
    found = await store.get(LOCAL, "job_1")
    assert found is not None
    assert found.calls == (
        CallRecord(
            number=0,
            state=CallState.KEPT,
            signature=SIGNATURE,
            handle={"task": "t1"},
            outputs=outputs,
            cost_usd=0.5,
            error={"kind": "failed", "text": "one is gone"},
        ),
    )
    assert (found.state, found.cost_usd, found.cost_basis, found.notes) == ("completed", 0.5, "actual", ("Done.",))
    assert (found.finished, found.worker_id, found.done, found.is_held) == (NOW + 5, "", True, False)


async def test_notes_are_kept_with_a_step(workers: Workers) -> None:
    store = workers()
    await started(store)
    await store.advance("job_1", 0, CallState.SUBMITTING)
    await store.advance("job_1", 0, CallState.SUBMITTED, handle={"task": "t1"}, notes=("One.", "Two."))
    await store.advance("job_1", 0, CallState.MADE)
    found = await store.get(LOCAL, "job_1")
    assert found is not None
    assert (found.notes, found.calls[0].handle) == (("One.", "Two."), {"task": "t1"})


async def test_whatever_a_vendor_put_among_its_answers_has_a_text(workers: Workers) -> None:
    store = workers()
    await started(store)
    await store.advance("job_1", 0, CallState.SUBMITTING)
    await store.advance("job_1", 0, CallState.MADE, outputs=[{"url": "u", "file": "", "seed": 1 + 2j}])
    found = await store.get(LOCAL, "job_1")
    assert found is not None
    assert found.calls[0].outputs == ({"url": "u", "file": "", "seed": "(1+2j)"},)


async def test_there_is_no_way_back(workers: Workers) -> None:
    store = workers()
    await started(store)
    for state in (CallState.SUBMITTING, CallState.SUBMITTED):
        await store.advance("job_1", 0, state)
    with pytest.raises(ValueError, match="no way from submitted to planned"):
        await store.advance("job_1", 0, CallState.PLANNED)


STEPS: dict[str, Callable[[JobStore], Awaitable[object]]] = {
    "advance": lambda store: store.advance("job_1", 0, CallState.SUBMITTING),
    "claim": lambda store: store.claim("job_1", 0, HANDLE),
    "replan": lambda store: store.replan(job()),
    "finish": lambda store: finish(store, "job_1", "completed", cost_usd=0.0, cost_basis="actual", notes=()),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
async def test_only_the_worker_that_has_a_job_can_go_on(
    workers: Workers, step: Callable[[JobStore], Awaitable[object]]
) -> None:
    record = await started(workers())
    with pytest.raises(LostLeaseError):
        await step(workers("you"))
    assert await workers().get(LOCAL, "job_1") == record


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
async def test_a_store_that_was_replaced_does_not_know_the_job(
    workers: Workers, step: Callable[[JobStore], Awaitable[object]]
) -> None:
    store = workers()
    await started(store, "other")
    with pytest.raises(ForgottenJobError, match="job_1"):
        await step(store)
    await store.check_lease("job_1")


async def test_what_is_settled_stays_settled(workers: Workers, clock: Clock) -> None:
    store = workers()
    await ended(store)
    with pytest.raises(LostLeaseError):
        await finish(store, "job_1", "failed", cost_usd=9.0, cost_basis="actual", notes=())
    with pytest.raises(LostLeaseError):
        await store.advance("job_1", 0, CallState.SUBMITTING)
    with pytest.raises(LostLeaseError):
        await store.check_lease("job_1")
    clock.wait(1000)
    assert await taken_after_grace(workers("you"), clock) == []
    assert await store.reclaim_one(LOCAL, "job_1") is None


async def test_another_provider_takes_the_place_of_the_first(workers: Workers) -> None:
    store = workers()
    first = await started(store, calls=(CallRecord(number=0), CallRecord(number=1)), notes=("one",))
    await store.advance("job_1", 0, CallState.SUBMITTING)
    await store.advance("job_1", 0, CallState.FAILED, error={"kind": "bad_key", "text": "no"})
    changes: dict[str, Any] = {"provider": "another", "model": "m2", "notes": ("two",), "plan": {"spec": {}}}
    changes |= {"calls": (CallRecord(number=0, count=2),), "reserved_usd": 1.5}
    await store.replan(as_new(first, **changes))
    assert await store.get(LOCAL, "job_1") == replace(first, **changes)


async def test_the_newest_come_first(workers: Workers, clock: Clock) -> None:
    for place in range(5):
        await started(workers(), str(place))
        clock.wait(1)
    assert [one.id for one in await workers().newest(LOCAL, 3)] == ["job_4", "job_3", "job_2"]


async def test_a_lease_that_ran_out_is_watched_for_a_while_before_its_job_is_taken(
    workers: Workers, clock: Clock
) -> None:
    first, second = workers(), workers("you")
    record = await started(first)
    clock.wait(LEASE + 0.1)
    assert await second.reclaim(["somebody"]) == []
    clock.wait(GRACE - 0.1)
    assert await second.reclaim(["somebody"]) == []
    clock.wait(0.1)
    (taken,) = await second.reclaim(["somebody"])
    assert taken == replace(record, worker_id="you")
    assert taken.is_held
    with pytest.raises(LostLeaseError):
        await first.advance("job_1", 0, CallState.SUBMITTING)
    with pytest.raises(LostLeaseError):
        await first.check_lease("job_1")
    await second.check_lease("job_1")


async def test_no_job_is_taken_while_its_lease_holds(workers: Workers, clock: Clock) -> None:
    await started(workers())
    clock.wait(LEASE)
    assert await taken_after_grace(workers("you"), clock) == []


async def test_after_a_sleep_whoever_wakes_up_keeps_what_it_was_at(workers: Workers, clock: Clock) -> None:
    first, second = workers(), workers("you")
    await started(first)
    clock.sleep(3600)
    assert await second.reclaim(["somebody"]) == []
    clock.wait(GRACE - 0.1)
    assert (await first.renew(["job_1"])).lost == frozenset()
    clock.wait(0.2)
    assert await second.reclaim(["somebody"]) == []
    assert await first.reclaim(["somebody"], but=["job_1"]) == []


async def test_a_lease_that_ran_out_again_is_watched_anew(workers: Workers, clock: Clock) -> None:
    first, second = workers(), workers("you")
    await started(first)
    clock.wait(LEASE + 1)
    assert await second.reclaim(["somebody"]) == []
    await first.renew(["job_1"])
    clock.wait(LEASE + GRACE)
    assert await second.reclaim(["somebody"]) == []
    clock.wait(GRACE)
    assert [one.id for one in await second.reclaim(["somebody"])] == ["job_1"]


async def test_only_jobs_of_the_providers_at_hand_oldest_first(workers: Workers, clock: Clock) -> None:
    for name, provider in enumerate("abca"):
        await started(workers(), str(name), provider=provider)
        clock.wait(1)
    clock.wait(LEASE)
    second = workers("you")
    assert await second.reclaim([]) == []
    assert await taken_after_grace(second, clock, "a", "c", but=["job_3"]) == ["job_0", "job_2"]


async def test_what_was_released_is_taken_at_once(workers: Workers) -> None:
    first, second = workers(), workers("you")
    await started(first, "1")
    await started(second, "2")
    await ended(first, "3")
    await first.release()
    assert [one.id for one in await workers("third").reclaim(["somebody"])] == ["job_1"]


async def test_one_job_is_taken_of_any_provider_once_nobody_works_on_it(workers: Workers, clock: Clock) -> None:
    first, second = workers(), workers("you")
    await started(first)
    assert await second.reclaim_one(LOCAL, "job_1") is None
    clock.wait(LEASE + 0.1)
    assert await second.reclaim_one(LOCAL, "job_1") is None
    clock.wait(GRACE)
    taken = await second.reclaim_one(LOCAL, "job_1")
    assert taken is not None
    assert taken.worker_id == "you"
    await second.release()
    third = workers("third")
    assert await third.reclaim_one(LOCAL, "job_1") is not None
    assert await third.reclaim_one(LOCAL, "job_unheard_of") is None


async def test_a_record_tells_whether_somebody_holds_the_job(workers: Workers, clock: Clock) -> None:
    store = workers()
    await started(store)
    for seconds, is_held in ((0.0, True), (LEASE, True), (0.1, False)):
        clock.wait(seconds)
        found = await workers("you").get(LOCAL, "job_1")
        assert found is not None
        assert found.is_held == is_held


async def test_only_the_named_jobs_are_renewed(workers: Workers, clock: Clock) -> None:
    first = workers()
    for name in ("1", "2"):
        await started(first, name)
    await started(workers("you"), "3")
    clock.wait(LEASE - 1)
    renewed = await first.renew(["job_1", "job_3", "job_unheard_of"])
    assert renewed == Renewed(lost=frozenset({"job_3"}))
    clock.wait(2)
    assert await taken_after_grace(workers("third"), clock) == ["job_2", "job_3"]


async def test_the_word_to_cancel_reaches_the_worker(workers: Workers) -> None:
    store, other = workers(), workers("you")
    await started(store, "1")
    await ended(store, "2")
    for name in ("job_1", "job_2", "job_unheard_of"):
        await other.request_cancel(LOCAL, name)
    assert (await store.renew(["job_1"])).cancelled == {"job_1"}
    found = [await other.get(LOCAL, name) for name in ("job_1", "job_2")]
    assert [one and one.cancel_requested for one in found] == [True, False]


async def sent(store: JobStore, name: str, *, calls: int = 1, **changes: Any) -> str:
    """A job whose calls are all being sent."""
    record = await started(store, name, calls=tuple(CallRecord(number=number) for number in range(calls)), **changes)
    for number in range(calls):
        await store.advance(record.id, number, CallState.SUBMITTING, signature=SIGNATURE)
    return record.id


async def test_what_was_found_is_claimed_once(workers: Workers) -> None:
    store = workers()
    first, second = await sent(store, "1", calls=2), await sent(store, "2")
    assert await store.claim(first, 0, HANDLE)
    assert not await store.claim(first, 1, HANDLE)
    assert not await store.claim(second, 0, HANDLE)
    assert await store.claim(second, 0, HANDLE | {"task": "t2"})
    found = await store.get(LOCAL, first)
    assert found is not None
    assert [(call.state, call.handle) for call in found.calls] == [
        (CallState.SUBMITTED, HANDLE),
        (CallState.SUBMITTING, None),
    ]


async def test_the_known_handles_are_those_of_one_provider_in_a_time(workers: Workers, clock: Clock) -> None:
    store = workers()
    for name, provider in (("old", "somebody"), ("1", "somebody"), ("2", "another")):
        await store.claim(await sent(store, name, provider=provider), 0, {"task": f"t{name}"})
        clock.wait(10)
    await sent(store, "3")
    assert await store.known_handles("somebody", 25) == [{"task": "t1"}]


async def test_a_clock_that_was_set_back_delays_nobody(workers: Workers, clock: Clock) -> None:
    """The lease of a worker that died would seem to hold for an hour, and vendors keep results for about as long."""
    store = workers()
    for name in ("dead", "alive"):
        await started(store, name)
    clock.now -= 3600
    await store.renew(["job_alive"])
    other = workers("other")
    found = await other.get(LOCAL, "job_dead")
    assert found is not None
    assert not found.is_held
    assert await taken_after_grace(other, clock) == ["job_dead"]
    assert await other.reclaim_one(LOCAL, "job_alive") is None


async def test_a_worker_renews_in_time_after_the_clock_was_set_back(workers: Workers, clock: Clock) -> None:
    store, other = workers(), workers("other")
    await started(store)
    clock.now -= 3600
    assert await other.reclaim(["somebody"]) == []
    clock.wait(LEASE / 3)
    assert await store.renew(["job_1"]) == Renewed()
    clock.wait(GRACE)
    assert await other.reclaim(["somebody"]) == []
    clock.now += 7200  # and forward: whoever works renews before the grace has passed
    assert await other.reclaim(["somebody"]) == []
    await store.renew(["job_1"])
    clock.wait(GRACE)
    assert await other.reclaim(["somebody"]) == []
