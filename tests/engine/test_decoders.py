"""Decoders that fail cost no paid picture: it is decoded once more, and else kept as it came."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from imagewright.engine import deliver
from imagewright.imaging.workers import WORKERS
from imagewright.providers.base import Finished, Output
from tests.support.crafted_files import flat_png
from tests.support.engine_bench import PICTURE, USD, Vendor, cost, folders_in, left_of, open_bench, place, until
from tests.support.odd_worker import odd_workers

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.base import Handle, Order
    from imagewright.providers.sending import Sending

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals"),
]
CRASHING = b"crash"


class Crashing(Vendor):
    """A vendor whose pictures crash the decoder the first `times` times, or are what it sends instead."""

    def __init__(self, *, at_once: bool, times: int, sends: bytes = CRASHING) -> None:
        super().__init__(at_once=at_once)
        self.times = times
        self.sends = sends

    async def submit(self, order: Order, sending: Sending | None = None) -> Handle | Finished:
        answer = await super().submit(order, sending)
        return Finished((Output(data=self.sends),)) if isinstance(answer, Finished) else answer

    async def fetch(self, output: Output, into: Path, **more: Any) -> None:
        await super().fetch(output, into, **more)
        self.times -= 1
        await anyio.Path(into).write_bytes(self.sends if self.times >= 0 else PICTURE)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliver, "BROKEN_PAUSES", (0.001,))


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_picture_that_crashes_each_decoder_is_kept_as_it_came(
    home: Path, monkeypatch: pytest.MonkeyPatch, *, at_once: bool
) -> None:
    vendor = Crashing(at_once=at_once, times=1000)
    with odd_workers(monkeypatch):
        async with open_bench(home, vendor) as bench:
            job = await bench.done(await bench.begin())
    (kept,) = (folders_in(home).pictures / "unreadable").iterdir()
    assert kept.read_bytes() == CRASHING
    assert str(kept) in str(job.error)
    assert "It was charged." in str(job.error)
    assert cost(job) == (USD, "estimate")
    assert left_of(home, job.id) == set()
    assert len(vendor.fetched) == 2  # a decoder that failed says nothing about the file


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_picture_far_larger_than_ordered_is_kept_as_it_came(home: Path, *, at_once: bool) -> None:
    huge = flat_png(9500)  # every decoder here can read it
    async with open_bench(home, Crashing(at_once=at_once, times=1000, sends=huge)) as bench:
        job = await bench.done(await bench.begin())
    (kept,) = (folders_in(home).pictures / "unreadable").iterdir()
    assert kept.read_bytes() == huge
    assert str(kept) in str(job.error)
    assert "9500 x 9500 px (90 megapixels), far more than was ordered" in str(job.error)
    assert cost(job) == (USD, "estimate")


async def test_a_worker_that_is_killed_with_a_paid_picture_costs_nothing(home: Path) -> None:
    WORKERS.close()
    held: list[int] = []

    def stop() -> None:
        held.extend(one.pid for one in WORKERS.idle)
        for pid in held:
            os.kill(pid, signal.SIGSTOP)

    vendor = Vendor(at_once=True)
    async with open_bench(home, vendor) as bench:
        await bench.done(await bench.begin("first"))
        stop()
        job = await bench.begin("second")
        await until(lambda: not WORKERS.idle)
        for pid in held:
            os.kill(pid, signal.SIGKILL)
        await bench.done(job)
    assert job.record.state == "completed"
    assert [place(one).read_bytes() for one in job.pictures] == [PICTURE]
    assert held
