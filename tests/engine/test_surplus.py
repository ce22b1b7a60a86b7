"""A vendor that names more results than were ordered: a few are kept, thousands are not fetched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from imagewright.engine.outcome import within_reason
from imagewright.providers.base import Finished, Handle, Output
from imagewright.providers.sending import Sending
from tests.support.engine_bench import PATIENCE, Vendor, open_bench, place
from tests.support.pictures import photo

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from imagewright.providers.base import Order, Running
    from imagewright.providers.sending import Sending


@pytest.mark.parametrize(
    ("ordered", "named", "taken"), [(1, 0, 0), (1, 1, 1), (1, 10, 10), (1, 11, 10), (4, 16, 16), (4, 3000, 16)]
)
def test_how_many_are_taken(ordered: int, named: int, taken: int) -> None:
    outputs = tuple(Output(url=f"https://vendor.example/{place}") for place in range(named))
    finished = within_reason(Finished(outputs, cost_usd=1.0, notes=("Own.",)), ordered)
    assert finished.outputs == outputs[:taken]
    assert finished.cost_usd == 1.0
    note = f"The vendor named {named} results for {ordered} ordered; {named - taken} were not fetched."
    assert finished.notes == (("Own.",) if taken == named else ("Own.", note))


@pytest.mark.anyio
async def test_thousands_of_links_for_one_picture(home: Path) -> None:
    vendor = Vendor()

    async def many() -> Finished:
        return Finished(tuple(Output(url=f"https://vendor.example/{place}") for place in range(3000)))

    vendor.then("poll", many)
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.begin())
    assert len(vendor.fetched) == len(job.pictures) == 10
    assert "The vendor named 3000 results for 1 ordered; 2990 were not fetched." in job.record.notes


class Generous(Vendor):
    """A vendor that makes more pictures than it is asked for, of one or two calls; the surplus of each is its own."""

    def __init__(self, *made: int) -> None:
        super().__init__()
        self.made = made

    async def submit(self, order: Order, sending: Sending | None = None) -> Handle:
        await super().submit(order, sending)
        # both calls are sent at the same time: the first to arrive need not be the first of the job
        return Handle(self.name, {"task": "t1" if order.first_variant == 1 else "t2", "count": str(order.count)})

    async def poll(self, handle: Handle) -> Running | Finished:
        await super().poll(handle)
        number = int(handle.data["task"][1:])
        links = [f"https://vendor.example/{number}/{place}" for place in range(self.made[number - 1])]
        return Finished(tuple(Output(url=link) for link in links))

    async def fetch(self, output: Output, into: Path, **more: Any) -> None:
        await super().fetch(output, into, **more)
        await anyio.Path(into).write_bytes(photo(32 + 10 * int(output.url[-3]) + int(output.url[-1]), 48))


@dataclass(frozen=True)
class Surplus:
    """What is asked for and made, and the numbers of the pictures by call."""

    asked: Sequence[int]
    made: Sequence[int]
    variants: dict[int, list[int]]


SURPLUS = {
    "one call": Surplus((1,), (3,), {1: [1, 2, 3]}),
    "the first of two": Surplus((1, 1), (2, 1), {1: [1, 3], 2: [2]}),
    "the second of two": Surplus((1, 1), (1, 2), {1: [1], 2: [2, 4]}),
    "both": Surplus((2, 1), (3, 3), {1: [1, 2, 4], 2: [3, 5, 7]}),
}


@pytest.mark.anyio
@pytest.mark.parametrize("name", SURPLUS)
@pytest.mark.parametrize("killed", [False, True])
async def test_what_a_vendor_makes_beyond_what_was_asked_is_kept(home: Path, name: str, *, killed: bool) -> None:
    case = SURPLUS[name]
    vendor = Generous(*case.made)
    async with open_bench(home, vendor) as bench:
        if killed:
            vendor.then("fetch", None, *[anyio.sleep_forever] * 9)
        job = await bench.begin(calls=tuple(case.asked))
        if killed:
            with anyio.fail_after(PATIENCE):
                while not job.pictures or len(vendor.fetched) < sum(case.made):
                    await job.changed.wait() if not job.pictures else await anyio.sleep(0.001)
            await bench.crash()
        else:
            await bench.done(job)
    if killed:
        async with open_bench(home, Generous(*case.made)) as bench:
            job = await bench.done(await bench.reclaimed(job.id))
    assert job.record.state == "completed"
    by_call: dict[int, list[int]] = {}
    for record in job.pictures:
        number = (record.width - 32) // 10
        by_call.setdefault(number, []).append(record.variant)
        assert place(record).stat().st_size == record.bytes
    assert by_call == case.variants
    assert len({record.path for record in job.pictures}) == sum(case.made)
    assert any("more than it was asked for" in note for note in job.record.notes)
