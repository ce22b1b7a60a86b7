"""How often a vendor is asked, and when it is given up."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import pytest

from imagewright.engine.follow import follow
from imagewright.errors import RateLimited, TookTooLong, VendorUnavailable
from imagewright.providers.base import Finished, Handle, Product, Rhythm, Running
from workbench import Vendor

if TYPE_CHECKING:
    from imagewright.providers.base import Provider

pytestmark = pytest.mark.anyio
RHYTHM = Rhythm(first=1.0, factor=2.0, longest=3.0, usual=900.0, seldom=60.0, give_up=86_400.0, patience=5.0)
HANDLE = Handle("vendor", {"task": "t1", "count": "1"})
BUSY = Running(0.5, "working")
DONE = Finished((Product(url="https://vendor.example/1"),))
LATER = VendorUnavailable("vendor", "restarting", retry_after=4.0)


@dataclass(frozen=True)
class Asked:
    """A call of some age, what the vendor answers, and the seconds waited before each question."""

    age: float
    answers: tuple[Running | Finished | Exception, ...]
    waits: tuple[float, ...]


ASKED = {
    "slower and slower": Asked(0.0, (BUSY, BUSY, BUSY, DONE), (1.0, 2.0, 3.0, 3.0)),
    "as late as the vendor says": Asked(0.0, (LATER, DONE), (1.0, 4.0)),
    "seldom, once it takes too long": Asked(1_000.0, (BUSY, BUSY, DONE), (1.0, 60.0, 60.0)),
    "once more after a night": Asked(90_000.0, (DONE,), (1.0,)),
}


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was waited, on a clock that only waiting moves."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(anyio, "sleep", sleep)
    monkeypatch.setattr(anyio, "current_time", lambda: sum(waited))
    return waited


async def ask(age: float, *answers: object) -> Finished:
    vendor = Vendor()
    vendor.rhythm = RHYTHM

    def happening(answer: object) -> object:
        async def give() -> object:
            return answer

        return answer if isinstance(answer, Exception) else give

    vendor.then("poll", *map(happening, answers))
    provider: Provider = vendor
    return await follow(provider, HANDLE, lambda _: None, time.time() - age)


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
async def test_the_vendor_is_asked(asked: Asked, waits: list[float]) -> None:
    assert await ask(asked.age, *asked.answers) is DONE
    assert tuple(waits) == asked.waits


async def test_a_day_is_enough(waits: list[float]) -> None:
    with pytest.raises(TookTooLong, match="not finished after 24 hours"):
        await ask(90_000.0, BUSY, DONE)
    assert waits == [1.0]


async def test_trouble_that_goes_on_is_raised(waits: list[float]) -> None:
    with pytest.raises(RateLimited):
        await ask(0.0, *[RateLimited("vendor")] * 9)
    assert waits == [1.0, 2.0, 3.0, 3.0]
