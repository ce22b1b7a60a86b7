"""Calls that wait for a slot of their vendor's account: in line, told where they stand, free to leave."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest

from imagewright.engine import pacing
from imagewright.engine.pacing import Turn
from imagewright.engine.waiting import Desk
from imagewright.errors import ImagewrightError, RateLimited, StorageError, VendorUnavailable
from imagewright.storage.accounts import Pace
from tests.support.engine_bench import FakeRegistry, Vendor, until

if TYPE_CHECKING:
    from imagewright.providers.base import Running
    from imagewright.storage.stores import Stores

pytestmark = pytest.mark.anyio

SOON = 0.001
HOUR = 3600.0


def a_desk(*providers: Vendor) -> Desk:
    return Desk(*cast("Any", (None, None, lambda: FakeRegistry(*providers), None)))


@dataclass
class Slots:
    """The part of the store with the slots: each is free or not as a script says; free at its end."""

    script: deque[float | Exception] = field(default_factory=deque)
    taken: int = 0
    refused: list[tuple[Pace, float | None]] = field(default_factory=list)
    learned: list[Pace] = field(default_factory=list)

    async def take_slot(self, account: str, provider: str, pace: Pace) -> float:
        assert (account, provider) == ("vendor", "vendor")
        assert pace is not None
        answer = self.script.popleft() if self.script else 0.0
        if isinstance(answer, Exception):
            raise answer
        self.taken += not answer
        return answer

    async def slot_refused(self, _account: str, pace: Pace, *, wait: float | None) -> None:
        self.refused.append((pace, wait))

    async def learn_pace(self, _account: str, pace: Pace) -> None:
        self.learned.append(pace)


def turn(slots: Slots, desk: Desk, stages: list[str], *, pace: Pace = Pace(20, 10.0), left: float = HOUR) -> Turn:  # noqa: B008 - frozen
    vendor = Vendor()
    vendor.pace = pace

    def tell(running: Running) -> None:
        stages.append(running.stage)

    desk.stores = cast("Stores", SimpleNamespace(jobs=slots))
    return Turn(desk, vendor, tell, anyio.current_time() + left)


async def test_calls_are_served_in_the_order_they_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "LONGEST_LOOK", SOON)
    slots, desk, served = Slots(deque([9.0, 9.0, 9.0])), a_desk(), list[int]()
    stages: list[str] = []

    async def wait(number: int) -> None:
        await turn(slots, desk, stages).wait()
        served.append(number)

    async with anyio.create_task_group() as group:
        for number in range(4):
            group.start_soon(wait, number)
    assert served == [0, 1, 2, 3]
    assert slots.taken == 4
    assert desk.lines == {}


async def test_a_waiting_call_tells_its_place_and_about_how_long() -> None:
    slots, desk = Slots(deque([14.0] * 9)), a_desk()
    stages: list[str] = []
    async with anyio.create_task_group() as group:
        for _ in range(22):
            group.start_soon(turn(slots, desk, stages).wait)
        await until(lambda: len(stages) >= 22)
        group.cancel_scope.cancel()
    takes = "waiting for a turn at vendor, which takes 20 requests in 10 s"
    assert stages[0] == f"{takes}: next, in about 14 seconds"
    assert stages[21] == f"{takes}: number 22 of 22, in about 24 seconds"
    assert desk.lines == {}
    assert slots.taken == 0


async def test_who_leaves_the_line_lets_the_next_one_step_up() -> None:
    slots, desk = Slots(deque([HOUR])), a_desk()
    stages: list[str] = []
    first = anyio.CancelScope()

    async def give_up() -> None:
        with first:
            await turn(slots, desk, stages).wait()

    async with anyio.create_task_group() as group:
        group.start_soon(give_up)
        await until(lambda: stages)
        group.start_soon(turn(slots, desk, stages).wait)
        await until(lambda: len(stages) > 1)
        first.cancel()
    assert slots.taken == 1


@pytest.mark.parametrize("same", [True, False])
async def test_a_rate_that_is_set_meanwhile_counts_for_those_that_wait(same: bool) -> None:  # noqa: FBT001 - a parameter of the table
    now = Vendor()
    now.pace = Pace(60, 10.0)
    now.account = "vendor" if same else "another"
    asked: list[Pace] = []

    class Noting(Slots):
        async def take_slot(self, account: str, provider: str, pace: Pace) -> float:
            asked.append(pace)
            return await super().take_slot(account, provider, pace)

    await turn(Noting(), a_desk(now), []).wait()
    assert asked == [Pace(60, 10.0) if same else Pace(20, 10.0)]


async def test_a_store_that_is_locked_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "LONGEST_LOOK", SOON)
    slots = Slots(deque([StorageError("locked"), StorageError("locked")]))
    await turn(slots, a_desk(), []).wait()
    assert slots.taken == 1


async def test_nobody_waits_beyond_the_hour() -> None:
    slots = Slots(deque([5.0]))
    with pytest.raises(ImagewrightError, match="Nothing was sent and nothing was charged: vendor takes only so many"):
        await turn(slots, a_desk(), [], left=0.0).wait()
    assert slots.taken == 0


async def test_a_refusal_for_the_rate_is_kept_with_the_account() -> None:
    slots, desk = Slots(), a_desk()
    await turn(slots, desk, []).after(RateLimited("vendor", "slow down", retry_after=7.0, charged=False), 0)
    assert slots.refused == [(Pace(20, 10.0), 7.0)]
    desk.limits["vendor"] = Pace(5, 60.0)
    await turn(slots, desk, [], pace=Pace()).after(RateLimited("vendor", "slow down", charged=False), 0)
    assert slots.learned == [Pace(5, 60.0)]
    assert slots.refused[1] == (Pace(5, 60.0), None)


async def test_a_refusal_that_cannot_be_written_down_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    class Locked(Slots):
        async def slot_refused(self, _account: str, pace: Pace, *, wait: float | None) -> None:  # noqa: ARG002 - the contract's
            raise StorageError("locked")

    monkeypatch.setattr(pacing, "LONGEST_LOOK", 0.05)
    began = anyio.current_time()
    await turn(Locked(), a_desk(), []).after(RateLimited("vendor", "slow down", charged=False), 0)
    assert anyio.current_time() - began >= 0.05


@pytest.mark.parametrize(
    ("refused", "before"),
    [
        (RateLimited("vendor", "quota of the day", retry_after=2 * HOUR, charged=False), 0),
        (VendorUnavailable("vendor", "down", charged=False), len(pacing.BUSY_PAUSES)),
    ],
)
async def test_what_waiting_does_not_help_is_raised(refused: Any, before: int) -> None:
    slots = Slots()
    with pytest.raises(type(refused)):
        await turn(slots, a_desk(), []).after(refused, before)
    assert slots.refused == []


async def test_a_vendor_that_is_down_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "BUSY_PAUSES", (SOON,))
    stages: list[str] = []
    await turn(Slots(), a_desk(), stages).after(VendorUnavailable("vendor", "down", charged=False), 0)
    assert stages == ["vendor is not available: 'down'; asking again soon"]


async def test_leaving_waits_for_what_is_sent_and_then_lets_couriers_go_on() -> None:
    desk = a_desk()
    sending = anyio.CancelScope(shield=True)
    desk.sending.add(sending)
    await desk.leave(SOON, outlives=True)
    assert not sending.shield
    quiet = a_desk()
    with anyio.fail_after(1):
        await quiet.leave(HOUR, outlives=False)
