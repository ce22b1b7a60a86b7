"""What every store of jobs promises about calls that repeat an earlier one, and about budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from imagewright.storage.accounts import LOCAL
from imagewright.storage.base import REPEAT_SECONDS, Joined, KeyClash, OverBudget, Started
from imagewright.storage.records import Cap, CostRow
from tests.storage.stores_bench import NOW, ended, job, started
from tests.support.seeded_jobs import finish

if TYPE_CHECKING:
    from imagewright.storage.base import JobStore
    from tests.storage.stores_bench import Workers
    from tests.support.clock import Clock

pytestmark = pytest.mark.anyio


async def again(store: JobStore, **changes: Any) -> str:
    """The job that answers a call like `job_1`."""
    new = job("2", **{"fingerprint": "1", **changes})
    before = await store.repeated(LOCAL, new.fingerprint, new.key)
    opened = await store.open(LOCAL, new)
    assert before == (opened if isinstance(opened, Joined) else None)
    assert isinstance(opened, Started | Joined)
    return opened.job.id


async def test_the_same_while_the_first_runs(workers: Workers, clock: Clock) -> None:
    await started(workers())
    clock.wait(10 * REPEAT_SECONDS)
    assert await again(workers("you")) == "job_1"
    assert await workers().get(LOCAL, "job_2") is None


@pytest.mark.parametrize(
    ("state", "usd", "joins"),
    [
        ("completed", 0.5, True),
        ("completed", 0.0, True),
        ("completed", None, True),
        ("failed", 0.0, False),
        ("failed", 0.5, True),  # it may have been charged: the caller has to hear of it first
        ("failed", None, True),
        ("cancelled", 0.0, False),
        ("cancelled", 0.5, True),
    ],
)
async def test_the_same_after_an_end_that_nobody_saw(
    workers: Workers, state: str, usd: float | None, *, joins: bool
) -> None:
    await ended(workers(), "1", state, usd)
    assert await again(workers()) == ("job_1" if joins else "job_2")


@pytest.mark.parametrize("state", ["completed", "failed", "cancelled"])
async def test_the_same_after_an_end_that_was_seen_is_a_new_call(workers: Workers, state: str) -> None:
    store = workers()
    await ended(store, "1", state)
    await store.mark_seen(LOCAL, "job_1")
    assert await again(store) == "job_2"


@pytest.mark.parametrize(
    ("moments", "later", "joins"),
    [
        ((24.0,), 2.0, True),
        ((24.0,), 23.9, True),
        ((24.0,), 24.0, False),
        ((24.0, 0.0), 2.0, False),  # answered late and then again in time: heard
        ((0.0, 24.0), 2.0, False),
        ((24.0, 60.0), 30.0, False),
        ((3600.0,), 3599.0, True),  # the doubt may last longer than that about an end that nobody heard of
    ],
)
async def test_the_same_after_an_end_that_came_late(
    workers: Workers, clock: Clock, moments: tuple[float, ...], later: float, *, joins: bool
) -> None:
    store = workers()
    await ended(store)
    for moment in moments:
        await store.mark_seen(LOCAL, "job_1", moment)
    clock.wait(later)
    assert await again(store) == ("job_1" if joins else "job_2")


@pytest.mark.parametrize(("later", "joins"), [(47.9, True), (48.0, False)])
async def test_each_identical_job_prolongs_the_doubt_whether_anybody_hears_the_answers(
    workers: Workers, clock: Clock, later: float, *, joins: bool
) -> None:
    store = workers()
    await ended(store, "0", fingerprint="1")
    await store.mark_seen(LOCAL, "job_0")
    await ended(store, "other")
    await ended(store, "refused", "failed", usd=0.0, fingerprint="1")
    await ended(store)
    await store.mark_seen(LOCAL, "job_1", 24.0)
    clock.wait(later)
    assert await again(store) == ("job_1" if joins else "job_2")


@pytest.mark.parametrize(("later", "joins"), [(REPEAT_SECONDS, True), (REPEAT_SECONDS + 0.1, False)])
async def test_the_same_long_after_is_a_new_call(workers: Workers, clock: Clock, later: float, *, joins: bool) -> None:
    await ended(workers())
    clock.wait(later)
    assert await again(workers()) == ("job_1" if joins else "job_2")


async def test_a_job_that_took_long_is_still_joined_when_it_has_just_ended(workers: Workers, clock: Clock) -> None:
    store = workers()
    await started(store)
    clock.wait(3600)
    await finish(store, "job_1", "completed", cost_usd=0.5, cost_basis="actual", notes=())
    assert await again(store) == "job_1"


async def test_another_wording_or_seed_is_another_call(workers: Workers) -> None:
    await started(workers())
    assert await again(workers(), fingerprint="2") == "job_2"


async def test_a_key_joins_whatever_was_seen(workers: Workers, clock: Clock) -> None:
    store = workers()
    await ended(store, key="k")
    await store.mark_seen(LOCAL, "job_1")
    clock.wait(10 * REPEAT_SECONDS)
    assert await again(store, key="k") == "job_1"


@pytest.mark.parametrize(("usd", "joins"), [(0.0, False), (0.5, True), (None, True)])
async def test_a_key_may_be_used_again_only_where_nothing_was_charged(
    workers: Workers, usd: float | None, *, joins: bool
) -> None:
    await ended(workers(), "1", "failed", usd, key="k")
    assert await again(workers(), key="k") == ("job_1" if joins else "job_2")


@pytest.mark.parametrize(("first", "second"), [("k", "l"), ("", "k"), ("k", "")])
async def test_calls_with_different_keys_are_different(workers: Workers, first: str, second: str) -> None:
    await started(workers(), key=first)
    assert await again(workers(), key=second) == "job_2"


async def test_a_key_that_was_given_to_another_call_clashes(workers: Workers) -> None:
    store = workers()
    await started(store, key="k")
    assert await store.repeated(LOCAL, "another", "k") == KeyClash("job_1")
    assert await store.open(LOCAL, job("2", key="k")) == KeyClash("job_1")
    assert await store.get(LOCAL, "job_2") is None


async def test_of_many_at_once_one_is_sent(workers: Workers) -> None:
    stores = [workers(f"worker-{place}") for place in range(4)]
    opened = []

    async def call(place: int) -> None:
        opened.append(await stores[place % 4].open(LOCAL, job(str(place), fingerprint="f")))

    async with anyio.create_task_group() as group:
        for place in range(20):
            group.start_soon(call, place)
    (one,) = (answer.job for answer in opened if isinstance(answer, Started))
    assert {answer.job.id for answer in opened if isinstance(answer, Joined)} == {one.id}
    assert len(opened) == 20


async def test_fifty_racing_calls_against_a_budget_for_twenty(workers: Workers) -> None:
    cap = Cap("day", 0.0, 20 * 0.1)
    stores = [workers(f"worker-{place}") for place in range(5)]
    opened = []

    async def call(place: int) -> None:
        opened.append(await stores[place % 5].open(LOCAL, job(str(place), reserved_usd=0.1), [cap]))

    async with anyio.create_task_group() as group:
        for place in range(50):
            group.start_soon(call, place)
    assert sum(isinstance(answer, Started) for answer in opened) == 20
    assert sum(isinstance(answer, OverBudget) for answer in opened) == 30
    spent = await workers().spent(LOCAL, 0.0)
    assert spent.jobs == 20
    assert spent.usd == pytest.approx(2.0)


async def test_what_a_job_really_cost_takes_the_place_of_what_was_set_aside(workers: Workers) -> None:
    store, cap = workers(), Cap("day", 0.0, 1.0)
    await started(store, "1", cap, reserved_usd=1.0)
    over = await store.open(LOCAL, job("2", reserved_usd=0.1), [cap])
    assert isinstance(over, OverBudget)
    assert (over.cap, over.spent.usd, over.spent.jobs) == (cap, 1.0, 1)
    await finish(store, "job_1", "failed", cost_usd=0.0, cost_basis="actual", notes=())
    await started(store, "2", cap, reserved_usd=1.0)


async def test_yesterday_does_not_count_even_where_it_still_runs(workers: Workers, clock: Clock) -> None:
    store = workers()
    await ended(store, "1", usd=5.0)
    await started(store, "2", reserved_usd=3.0)
    clock.wait(50)
    assert (await store.spent(LOCAL, NOW + 10)).usd == 0.0
    assert (await store.spent(LOCAL, NOW)).usd == 8.0


async def test_the_first_cap_without_room_is_named(workers: Workers, clock: Clock) -> None:
    store = workers()
    await ended(store, "1", usd=1.5)
    clock.wait(50)
    day, month = Cap("day", NOW + 10, 1.0), Cap("month", 0.0, 2.0)
    over = await store.open(LOCAL, job("2", reserved_usd=0.6), [day, month])
    assert isinstance(over, OverBudget)
    assert (over.cap.name, over.spent.usd) == ("month", 1.5)


async def test_a_repeated_call_needs_no_room(workers: Workers) -> None:
    store, cap = workers(), Cap("day", 0.0, 1.0)
    first = await started(store, "1", cap, reserved_usd=1.0, fingerprint="f")
    assert await store.open(LOCAL, job("2", reserved_usd=1.0, fingerprint="f"), [cap]) == Joined(first)


async def test_costs_are_listed_oldest_first(workers: Workers, clock: Clock) -> None:
    store = workers()
    await ended(store, "early")
    clock.wait(1)
    await ended(store, "1", usd=0.5)
    clock.wait(1)
    await ended(store, "2", usd=None, provider="b")
    await started(store, "3")
    assert await store.costs(LOCAL, NOW + 1) == [
        CostRow(NOW + 1, "some_tool", "somebody", 0.5, "actual"),
        CostRow(NOW + 2, "some_tool", "b", 0.0, "unknown"),
    ]
