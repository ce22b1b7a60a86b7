"""What every store of jobs promises about the slots of a vendor account: pace, refusals, running tasks, odd clocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from imagewright.storage.accounts import Pace
from imagewright.storage.pace import ASK_AGAIN, LONGEST, UNSENT, believed
from imagewright.storage.records import CallRecord
from imagewright.storage.states import CallState
from tests.storage.stores_bench import LEASE, started

if TYPE_CHECKING:
    from imagewright.storage.base import JobStore
    from tests.storage.stores_bench import Workers
    from tests.support.clock import Clock

pytestmark = pytest.mark.anyio

TWENTY = Pace(20, 10.0)
USERS = Pace(20, 10.0, is_users=True)
WINDOW = 11.0
"""Seconds: 10 and the slack."""
UNKNOWN = Pace()


async def take(store: JobStore, pace: Pace = TWENTY) -> float:
    return await store.take_slot("acc", "somebody", pace)


async def taken(store: JobStore, most: int = 200, pace: Pace = TWENTY) -> int:
    """How many slots are given at this moment."""
    for count in range(most):
        if await take(store, pace):
            return count
    return most


async def test_an_account_gets_as_many_as_its_pace_says_in_every_window(workers: Workers, clock: Clock) -> None:
    store = workers()
    grants: list[float] = []
    while len(grants) < 100:
        wait = await take(store)
        if wait:
            clock.wait(wait)
        else:
            grants.append(clock.now)
            clock.wait(0.013)
    for moment in grants:
        assert sum(moment <= other < moment + WINDOW - 1e-6 for other in grants) <= 20
    assert grants[-1] - grants[0] < 4.1 * WINDOW


async def test_the_wait_is_until_the_oldest_leaves_the_window(workers: Workers, clock: Clock) -> None:
    store = workers()
    assert await take(store) == 0.0
    clock.wait(4)
    assert await taken(store) == 19
    assert await take(store) == pytest.approx(WINDOW - 4)
    clock.wait(WINDOW - 4)
    assert await taken(store) == 1
    assert await take(store) == pytest.approx(4)


async def test_a_slot_whose_request_leaves_late_counts_from_then_on(workers: Workers, clock: Clock) -> None:
    store = workers()
    assert await taken(store) == 20
    clock.wait(3)
    for _ in range(5):
        await store.slot_used("acc", 3.0)
    clock.wait(WINDOW - 3)
    assert await taken(store) == 15
    clock.wait(3)
    assert await taken(store) == 5
    await store.slot_used("acc", 2 * WINDOW)  # its grant is forgotten: that of another is not taken for it
    clock.wait(WINDOW - 3)
    assert await taken(store) == 14


async def test_all_workers_share_the_slots_and_other_accounts_have_their_own(workers: Workers) -> None:
    stores = [workers(f"worker-{place}") for place in range(4)]
    waits: list[float] = []

    async def ask(store: JobStore) -> None:
        waits.append(await take(store))

    async with anyio.create_task_group() as group:
        for place in range(60):
            group.start_soon(ask, stores[place % 4])
    assert waits.count(0.0) == 20
    assert await stores[0].take_slot("another", "somebody", TWENTY) == 0.0


async def test_a_refusal_halves_once_in_a_window_and_the_rate_is_won_back_slowly(
    workers: Workers, clock: Clock
) -> None:
    store = workers()
    assert await taken(store) == 20
    clock.wait(1)
    for _ in range(15):
        await store.slot_refused("acc", TWENTY, wait=None)
        clock.wait(0.1)
    clock.wait(WINDOW - 2)
    rates = []
    for _ in range(7):
        rates.append(await taken(store))
        clock.wait(WINDOW)
    assert rates == [10, 12, 14, 16, 18, 20, 20]


async def test_each_refusal_after_a_window_halves_again_but_one_call_remains(workers: Workers, clock: Clock) -> None:
    store = workers()
    rates = []
    for _ in range(8):
        rates.append(await taken(store))
        await store.slot_refused("acc", TWENTY, wait=None)
        clock.wait(WINDOW + 1)
    assert rates[:3] == [20, 12, 8]  # a tenth is won back meanwhile
    assert min(rates) >= 1
    assert rates[-1] <= 4


@pytest.mark.parametrize(
    ("asked", "wait"),
    [
        (30.0, 30.0),
        (LONGEST, LONGEST),
        (86_400.0, LONGEST),
        (float("inf"), LONGEST),
        (None, WINDOW / 10),
        (float("nan"), WINDOW / 10),
        (-5.0, WINDOW / 10),
    ],
)
async def test_nothing_is_sent_before_the_vendor_wants_it(workers: Workers, asked: float | None, wait: float) -> None:
    store = workers()
    await store.slot_refused("acc", TWENTY, wait=asked)
    assert await take(store) == pytest.approx(wait)


async def test_a_later_refusal_can_ask_for_a_longer_wait(workers: Workers, clock: Clock) -> None:
    store = workers()
    for asked in (5.0, 8.0, 2.0, None):
        await store.slot_refused("acc", TWENTY, wait=asked)
    assert await take(store) == pytest.approx(8.0)
    clock.wait(8)
    assert await taken(store) == 10


async def test_where_no_pace_is_known_a_refusal_shows_it(workers: Workers, clock: Clock) -> None:
    store = workers()
    assert await taken(store, 60, UNKNOWN) == 60
    for _ in range(55):  # the vendor took five of them
        await store.slot_refused("acc", UNKNOWN, wait=None)
    clock.wait(63.5)
    assert await taken(store, pace=UNKNOWN) == 6  # half of twice what it took, and a tenth of that won back
    clock.wait(63.5 * 5)
    assert await taken(store, 100, UNKNOWN) == 100


async def test_one_refusal_of_many_halves_what_was_sent(workers: Workers, clock: Clock) -> None:
    store = workers()
    await taken(store, 60, UNKNOWN)
    await store.slot_refused("acc", UNKNOWN, wait=1.0)
    clock.wait(63.4)
    assert await taken(store, 60, UNKNOWN) == 0
    clock.wait(0.1)
    assert await taken(store, 60, UNKNOWN) == 36


async def test_what_the_vendor_says_counts_where_the_provider_knows_nothing(workers: Workers, clock: Clock) -> None:
    store = workers()
    await store.learn_pace("acc", Pace(5, 60.0))
    await store.learn_pace("acc", Pace(5, 60.0))
    assert await taken(workers("you"), pace=UNKNOWN) == 5
    assert await taken(store, pace=USERS) == 15
    clock.wait(64)
    await store.learn_pace("acc", Pace(running=2))  # and what it does not say stays
    assert await taken(store, pace=UNKNOWN) == 2
    await store.slot_refused("acc", USERS, wait=None)
    clock.wait(64)
    assert await taken(store, pace=Pace(4, 10.0, 100, is_users=True)) == 4


async def test_refusals_that_come_with_the_first_word_of_a_limit_halve_nothing(workers: Workers, clock: Clock) -> None:
    store = workers()
    await taken(store, 12, UNKNOWN)
    for _ in range(7):
        await store.learn_pace("acc", Pace(5, 60.0))
        await store.slot_refused("acc", UNKNOWN, wait=None)
    assert await taken(store, 12, UNKNOWN) == 0
    clock.wait(64)
    assert await taken(store, 12, UNKNOWN) == 5
    await store.slot_refused("acc", UNKNOWN, wait=None)  # it takes fewer than it said
    clock.wait(64)
    assert await taken(store, 12, UNKNOWN) == 3


async def test_a_vendor_that_states_fewer_calls_is_believed_unless_the_user_has_set_them(workers: Workers) -> None:
    store = workers()
    await store.learn_pace("acc", Pace(5, 60.0))
    assert await taken(store, pace=TWENTY) == 5
    assert await taken(store, pace=USERS) == 15


async def test_only_so_many_tasks_run_at_once(workers: Workers, clock: Clock) -> None:
    store, pace = workers(), Pace(running=3)
    await started(store, calls=tuple(CallRecord(number=number) for number in range(4)))
    assert await taken(store, pace=pace) == 3
    assert await take(store, pace) == ASK_AGAIN
    clock.wait(1)
    for number in range(3):
        await store.advance("job_1", number, CallState.SUBMITTING)
        assert await take(store, pace) == ASK_AGAIN
    await store.advance("job_1", 0, CallState.SUBMITTED)
    assert await take(store, pace) == ASK_AGAIN
    await store.advance("job_1", 0, CallState.MADE)
    assert await take(store, pace) == 0.0
    assert await take(store, pace) == ASK_AGAIN
    clock.wait(UNSENT)  # whoever took that slot has sent nothing
    await store.renew(["job_1"])
    assert await taken(store, pace=pace) == 1
    clock.wait(UNSENT + LEASE)  # and nobody works on the job any more
    assert await taken(store, pace=pace) == 3


@pytest.mark.parametrize(("pace", "window"), [(TWENTY, WINDOW), (UNKNOWN, 63.5), (Pace(running=20), 63.5)])
async def test_a_clock_that_was_set_back_neither_blocks_nor_opens_the_gates(
    workers: Workers, clock: Clock, pace: Pace, window: float
) -> None:
    store = workers()
    await taken(store, 20, pace)
    await store.slot_refused("acc", pace, wait=20.0)
    clock.now -= 3600
    assert await take(store, pace) == pytest.approx(20.0)
    clock.wait(19.9)
    assert await take(store, pace) > 0
    clock.wait(max(0.1, window - 19.9))
    assert await taken(store, 60, pace) == 12


async def test_a_clock_that_was_set_forward_for_a_moment_blocks_for_a_window_at_most(
    workers: Workers, clock: Clock
) -> None:
    store = workers()
    clock.now += 86_400
    await taken(store)
    clock.now -= 86_400
    assert await take(store) == pytest.approx(WINDOW)
    clock.wait(WINDOW)
    assert await taken(store) == 20
    clock.now += 86_400
    assert await taken(store) == 20


@pytest.mark.parametrize(
    ("known", "stated", "counts"),
    [
        (Pace(), Pace(5, 60.0), Pace(5, 60.0)),
        (TWENTY, Pace(), TWENTY),
        (Pace(20, 10.0, 24), Pace(5, 60.0), Pace(5, 60.0, 24)),
        (Pace(20, 10.0, 24), Pace(500, 60.0, 6), Pace(20, 10.0, 6)),
        (Pace(20, 10.0, 24, is_users=True), Pace(5, 60.0, 6), Pace(20, 10.0, 24, is_users=True)),
        (USERS, Pace(5, 60.0, 6), Pace(20, 10.0, 6, is_users=True)),
    ],
)
def test_the_lower_of_what_is_documented_and_stated_counts_but_for_the_users(
    known: Pace, stated: Pace, counts: Pace
) -> None:
    assert believed(known, stated) == counts
