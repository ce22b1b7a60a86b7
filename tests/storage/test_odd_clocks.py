"""What a clock that jumps costs: nothing. Slots of accounts have their own tests, and so have most of leases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagewright.storage.accounts import LOCAL
from imagewright.storage.base import REPEAT_SECONDS, Joined, OverBudget, Renewed
from imagewright.storage.records import Cap
from imagewright.storage.states import CallState
from tests.storage.stores_bench import LEASE, NOW, ended, job, started

if TYPE_CHECKING:
    from imagewright.storage.base import JobStore
    from tests.storage.stores_bench import Workers
    from tests.support.clock import Clock

pytestmark = pytest.mark.anyio

DAY, HOUR = 86_400.0, 3600.0
JUMPS = {"a day forward": DAY, "an hour back": -HOUR, "a minute back": -60.0}
jumps = pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS)


async def joins(store: JobStore) -> bool:
    """Whether a call like `job_1` is answered with that job."""
    return isinstance(await store.repeated(LOCAL, "1", ""), Joined)


@jumps
async def test_a_live_job_stays_with_its_worker(workers: Workers, clock: Clock, jump: float) -> None:
    store, other = workers(), workers("you")
    await started(store)
    for change in (jump, -jump):
        clock.now += change
        assert await other.reclaim(["somebody"]) == []
        assert await other.reclaim_one(LOCAL, "job_1") is None
        clock.wait(LEASE / 3)
        assert await store.renew(["job_1"]) == Renewed()
        clock.wait(LEASE / 2)
        assert await other.reclaim(["somebody"]) == []
    await store.advance("job_1", 0, CallState.SUBMITTING)


@jumps
async def test_a_dead_workers_job_is_taken_as_soon_as_ever(workers: Workers, clock: Clock, jump: float) -> None:
    store, other = workers(), workers("you")
    await started(store)
    clock.now += jump
    taken = []
    for _ in range(4):  # the lease, and its half
        taken += await other.reclaim(["somebody"])
        clock.wait(LEASE / 2)
    assert [one.id for one in taken] == ["job_1"]


@jumps
async def test_an_end_that_nobody_heard_is_joined_for_as_long_as_ever(
    workers: Workers, clock: Clock, jump: float
) -> None:
    """A laptop that slept is the same: its client calls again when both are awake, and nothing is paid twice."""
    store = workers()
    await ended(store)
    clock.wait(10)
    clock.now += jump
    assert await joins(store)
    clock.wait(REPEAT_SECONDS - 20)
    assert await joins(store)
    await store.mark_seen(LOCAL, "job_1")
    assert not await joins(store)


async def test_an_end_that_nobody_heard_for_long_is_joined_no_more(workers: Workers, clock: Clock) -> None:
    store = workers()
    await ended(store)
    clock.wait(REPEAT_SECONDS + 1)
    assert not await joins(store)


@jumps
async def test_an_end_that_was_heard_is_not_answered_again(workers: Workers, clock: Clock, jump: float) -> None:
    store = workers()
    await ended(store)
    clock.wait(1)
    await store.mark_seen(LOCAL, "job_1")
    clock.now += jump
    assert not await joins(store)


@pytest.mark.parametrize("jump", [DAY, -HOUR])
async def test_a_doubt_ends_with_a_jump(workers: Workers, clock: Clock, jump: float) -> None:
    """It lasts for some seconds. An hour of wrong answers would be worse."""
    store = workers()
    await ended(store)
    await store.mark_seen(LOCAL, "job_1", doubt=24.0)
    assert await joins(store)
    clock.now += jump
    assert not await joins(store)


@jumps
async def test_a_budget_counts_what_was_spent_in_its_period(workers: Workers, clock: Clock, jump: float) -> None:
    store, since = workers(), min(NOW, NOW + jump)
    await started(store, "1", reserved_usd=0.5)
    clock.now += jump
    await started(store, "2", reserved_usd=0.25)
    assert (await store.spent(LOCAL, since)).usd == 0.75
    clock.now -= jump
    over = await store.open(LOCAL, job("3", reserved_usd=0.5), [Cap("day", since, 1.0)])
    assert isinstance(over, OverBudget)


@jumps
async def test_a_handle_is_known_whatever_the_clock_says(workers: Workers, clock: Clock, jump: float) -> None:
    store = workers()
    for name in ("1", "2"):
        await started(store, name)
        await store.advance(f"job_{name}", 0, CallState.SUBMITTING)
    assert await store.claim("job_1", 0, {"task": "t1"})
    clock.now += jump
    assert not await store.claim("job_2", 0, {"task": "t1"})
