"""When tasks are asked about: what is learned from earlier calls, what a vendor's policy allows, whose turn it is."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING

import anyio
import pytest

from imagewright.engine.trouble import LEAST_PATIENCE, Stalled
from imagewright.engine.waiting import AT_ONCE, LEARNED_FROM, Poller, Schedule, Turns
from imagewright.errors import StorageError
from imagewright.providers.base import Finished, Handle, Output, PollPolicy, Running
from tests.support.engine_bench import Vendor, open_bench
from tests.support.vendors import QUEUES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from imagewright.providers.base import Order
    from imagewright.providers.sending import Sending


pytestmark = pytest.mark.anyio
DURATIONS = (2.0, 5.0, 20.0, 60.0)
HANDLE = Handle("vendor", {"task": "t1", "count": "1"})
DONE = Finished((Output(url="https://vendor.example/1"),))


POLICIES: dict[str, PollPolicy] = {
    name: import_module(f"imagewright.providers.{name}.provider").PROVIDER.poll_policy for name in QUEUES
}
"""Of the vendors that are asked about tasks."""


def ages(policy: PollPolicy, known: Sequence[float], duration: float, chance: Callable[[], float]) -> list[float]:
    """The task's age at each poll, up to the one that finds it done."""
    schedule = Schedule(policy, known, chance)
    found = [schedule.next(0.0)]
    while found[-1] < duration:
        found.append(schedule.next(found[-1]))
    return found


def usual_polls(policy: PollPolicy, duration: float) -> int:
    """How many polls the vendor's policy by itself makes for such a task."""
    age = wait = policy.first
    polls = 1
    while age < duration:
        wait = min(wait * policy.factor, policy.longest)
        age += wait
        polls += 1
    return polls


@pytest.mark.parametrize("vendor", POLICIES)
@pytest.mark.parametrize("duration", DURATIONS)
def test_an_end_is_noticed_soon_where_nothing_is_known(vendor: str, duration: float) -> None:
    chance = random.Random(7).random  # noqa: S311 - repeatable, guards nothing
    for _ in range(200):
        asked = ages(POLICIES[vendor], (), duration, chance)
        assert asked[-1] - duration <= 0.1 * duration + 0.5
        assert len(asked) <= usual_polls(POLICIES[vendor], duration) + 1  # one that the jitter brought forward


@pytest.mark.parametrize("vendor", POLICIES)
@pytest.mark.parametrize("duration", DURATIONS)
@pytest.mark.usefixtures("clock")
async def test_an_end_is_noticed_soon_and_with_fewer_polls_once_it_is_known(vendor: str, duration: float) -> None:
    bench = Bench(POLICIES[vendor])
    runs = [await bench.run(duration) for _ in range(2 * LEARNED_FROM)]
    for run in runs[1:]:
        assert run.late <= 0.1 * duration + 0.5
        assert run.polls <= usual_polls(POLICIES[vendor], duration)
    took = [run.took for run in runs[-LEARNED_FROM:] if run.took is not None]
    assert len(took) == LEARNED_FROM
    assert max(took) <= duration * 1.1 + 0.5  # what is learned does not creep upwards


@pytest.mark.parametrize("known", [(), (3.0,) * 5, (3.0, 9.0, 30.0), (55.0,) * 20], ids=str)
@pytest.mark.parametrize("vendor", POLICIES)
def test_no_poll_comes_earlier_than_the_policy_has_it(vendor: str, known: tuple[float, ...]) -> None:
    policy = POLICIES[vendor]
    asked = ages(policy, known, 100.0, lambda: 0.0)
    usual = ages(policy, (), 100.0, lambda: 0.0)
    assert all(ours >= own - 1e-9 for ours, own in zip(asked, usual, strict=False))
    assert all(later - earlier >= min(policy.least, policy.first) - 1e-9 for earlier, later in pairwise(asked))


@pytest.mark.usefixtures("clock")
async def test_what_became_quicker_is_learned() -> None:
    bench = Bench(PollPolicy())
    for _ in range(3):
        await bench.run(60.0)
    lateness = [(await bench.run(20.0)).late for _ in range(8)]
    assert lateness[0] > 30.0
    assert lateness[-1] <= 2.5


@pytest.mark.usefixtures("clock")
async def test_the_durations_of_earlier_processes_are_read_once() -> None:
    reads = []

    async def durations(provider: str, model: str, limit: int) -> list[float]:
        reads.append((provider, model, limit))
        return [20.0]

    bench = Bench(PollPolicy(), Poller(durations, lambda: 0.0))
    assert (await bench.run(20.0)).polls == 1
    assert (await bench.run(20.0)).polls == 1
    assert reads == [("vendor", "model", LEARNED_FROM)]


@pytest.mark.usefixtures("clock")
async def test_a_store_that_cannot_be_read_only_means_that_nothing_is_known() -> None:

    async def durations(_provider: str, _model: str, _limit: int) -> list[float]:
        raise StorageError("locked")

    assert (await Bench(PollPolicy(), Poller(durations, lambda: 0.0)).run(5.0)).polls == 2


@pytest.mark.usefixtures("clock")
async def test_what_another_process_submitted_teaches_nothing() -> None:
    assert (await Bench(PollPolicy()).run(5.0, submitted=False)).took is None


async def test_a_call_without_an_end_stalls_after_its_patience(clock: list[float]) -> None:
    bench = Bench(PollPolicy(patience=3000.0))
    with pytest.raises(Stalled, match="vendor was asked for 50 minutes"):
        await bench.run(1e9)
    assert 3000.0 <= clock[0] <= 3120.0


async def test_one_that_is_taken_up_again_is_asked_about_for_a_while(clock: list[float]) -> None:
    bench = Bench(PollPolicy(patience=0.0))
    with pytest.raises(Stalled):
        await bench.run(1e9)
    assert LEAST_PATIENCE <= clock[0] <= LEAST_PATIENCE + 61.0


async def test_a_frozen_hour_is_no_hour_of_trying(clock: list[float]) -> None:
    bench = Bench(PollPolicy(patience=1800.0))

    async def freeze() -> Running:
        clock[0] += 3600.0
        return Running()

    bench.vendor.then("poll", freeze)
    with pytest.raises(Stalled):
        await bench.run(1e9)
    assert clock[0] >= 3600.0 + LEAST_PATIENCE - 100.0


async def test_only_so_many_ask_at_once_and_the_earliest_comes_first() -> None:
    turns, served, most = Turns(), list[float](), [0, 0]
    go_on = anyio.Event()

    async def ask(due: float) -> None:
        async with turns.turn(due):
            most[0] += 1
            most[1] = max(most)
            served.append(due)
            await go_on.wait()
            most[0] -= 1

    async with anyio.create_task_group() as group:
        for due in range(3 * AT_ONCE, 0, -1):
            group.start_soon(ask, float(due))
        await anyio.wait_all_tasks_blocked()
        assert len(served) == AT_ONCE
        go_on.set()
    assert most[1] == AT_ONCE
    assert served[AT_ONCE:] == sorted(served[AT_ONCE:])


@pytest.mark.parametrize("held", [True, False], ids=["in its turn", "while it waits"])
async def test_who_is_cancelled_leaves_the_turns_to_the_others(held: bool) -> None:  # noqa: FBT001 - a column of the table
    turns = Turns()
    scopes = [anyio.CancelScope() for _ in range(AT_ONCE + 1)]

    async def ask(scope: anyio.CancelScope) -> None:
        with scope:
            async with turns.turn(0.0):
                await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        for scope in scopes:
            group.start_soon(ask, scope)
            await anyio.wait_all_tasks_blocked()
        scopes[0 if held else -1].cancel()
        await anyio.wait_all_tasks_blocked()
        for scope in scopes[1:-1]:
            scope.cancel()
        await anyio.wait_all_tasks_blocked()
        async with turns.turn(1.0):
            pass
        scopes[-1].cancel()
        scopes[0].cancel()


@dataclass
class Run:
    """What came of one task."""

    late: float
    polls: int
    took: float | None


class TimedVendor(Vendor):
    """A vendor whose tasks take a known time."""

    def __init__(self, policy: PollPolicy) -> None:
        super().__init__()
        self.poll_policy = policy
        self.done_at = 0.0

    async def poll(self, handle: Handle) -> Running | Finished:
        self.asked.append(handle)
        await self._happen("poll")
        return DONE if anyio.current_time() >= self.done_at else Running()


class Bench:
    """A vendor and a poller, which learns from one task after the other."""

    def __init__(self, policy: PollPolicy, poller: Poller | None = None) -> None:
        self.vendor = TimedVendor(policy)
        self.poller = poller or Poller(nothing_known, lambda: 0.0)

    async def run(self, duration: float, *, submitted: bool = True) -> Run:
        """Wait for a task that takes so long."""
        began, before = anyio.current_time(), len(self.vendor.asked)
        self.vendor.done_at = began + duration
        _, took = await self.poller.poll_until_done(
            self.vendor,
            HANDLE,
            lambda _running, _trouble: None,
            time.time(),
            lambda: self.vendor,
            model="model",
            submitted=began if submitted else None,
        )
        return Run(anyio.current_time() - self.vendor.done_at, len(self.vendor.asked) - before, took)


async def nothing_known(_provider: str, _model: str, _limit: int) -> list[float]:
    return []


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which only waiting moves."""
    now = [0.0]

    async def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(anyio, "sleep", sleep)
    monkeypatch.setattr(anyio, "current_time", lambda: now[0])
    return now


class Busy(Vendor):
    """A vendor whose answers to a submit wait for a minute, nearly, before this process gets to them."""

    poll_policy = PollPolicy(first=50.0)

    async def submit(self, order: Order, sending: Sending | None = None) -> Handle | Finished:
        answer = await super().submit(order, sending)
        assert sending is not None
        sending.answered = anyio.current_time() - 55.0
        return answer


async def test_polls_are_counted_from_when_the_answer_came_and_not_from_when_it_was_read(home: Path) -> None:
    async with open_bench(home, Busy()) as bench:
        with anyio.fail_after(40.0):  # the first poll is due at once, and not in 50 s
            job = await bench.done(await bench.begin())
    assert job.record.state == "completed"
