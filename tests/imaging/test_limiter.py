"""Decoding waits for room by what it takes, in order, and never for ever."""

from __future__ import annotations

import subprocess
import sys
import threading

import anyio
import anyio.lowlevel
import pytest

from imagewright.imaging import workers
from imagewright.imaging.files import decoding_cost
from imagewright.imaging.headers import cost_of
from imagewright.imaging.limiter import LOOK_BYTES, PREPARE_BYTES, WEBP_BYTES, DecodeLimiter, Piece, Target, decode
from imagewright.imaging.limiter import ROOM as ALL_ROOM
from imagewright.imaging.workers import Workers
from tests.security.pictures import peak_of
from tests.support.crafted_files import hollow_png
from tests.support.pictures import noise, photo

pytestmark = pytest.mark.anyio

ROOM, MOST = 100, 10
PATIENCE = 10.0
MEGABYTE = 1_000_000
SPARE = 8 * MEGABYTE
"""Bytes that a worker takes for whatever else it loads."""


class Bench:
    """Work that lasts until it is let go, and what has begun so far."""

    def __init__(self) -> None:
        self.limiter = DecodeLimiter(ROOM, MOST)
        self.begun: list[int] = []
        self.taken = self.most = 0
        self._gates: dict[int, threading.Event] = {}
        self._lock = threading.Lock()

    def _work(self, name: int, cost: int) -> int:
        with self._lock:
            self.begun.append(name)
            self.taken += cost
            self.most = max(self.most, self.taken)
        assert self._gates[name].wait(PATIENCE)
        with self._lock:
            self.taken -= cost
        return name

    async def run(self, name: int, cost: int) -> None:
        self._gates.setdefault(name, threading.Event())
        assert await self.limiter.run(self._work, name, cost, cost=cost) == name

    def let_go(self, *names: int) -> None:
        for name in names:
            self._gates.setdefault(name, threading.Event()).set()

    async def until_begun(self, *names: int) -> None:
        with anyio.fail_after(PATIENCE):
            while set(self.begun) != set(names):  # noqa: ASYNC110 - work begins in threads, which set no such event
                await anyio.sleep(0.001)
        for _ in range(20):  # whoever could begin as well would have by now
            await anyio.lowlevel.checkpoint()
        assert set(self.begun) == set(names)


async def test_what_fits_goes_on_together_and_the_rest_waits_in_order() -> None:
    bench = Bench()
    async with anyio.create_task_group() as group:
        for name, cost in enumerate([60, 40, 50, 10]):
            group.start_soon(bench.run, name, cost)
        await bench.until_begun(0, 1)
        bench.let_go(1)
        await bench.until_begun(0, 1)  # 50 do not fit, and the last must not overtake
        bench.let_go(0)
        await bench.until_begun(0, 1, 2, 3)
        bench.let_go(2, 3)
    assert bench.most <= ROOM


async def test_what_is_larger_than_the_room_runs_alone() -> None:
    bench = Bench()
    async with anyio.create_task_group() as group:
        for name, cost in enumerate([10, 100_000, 10]):
            group.start_soon(bench.run, name, cost)
        await bench.until_begun(0)
        bench.let_go(0)
        await bench.until_begun(0, 1)
        bench.let_go(1)
        await bench.until_begun(0, 1, 2)
        bench.let_go(2)


async def test_small_work_is_bounded_by_number() -> None:
    bench = Bench()
    async with anyio.create_task_group() as group:
        for name in range(MOST + 3):
            group.start_soon(bench.run, name, 0)
        await bench.until_begun(*range(MOST))
        bench.let_go(*range(MOST + 3))
    assert len(bench.begun) == MOST + 3


async def test_whoever_gives_up_waiting_lets_the_others_pass() -> None:
    bench = Bench()
    async with anyio.create_task_group() as group:
        group.start_soon(bench.run, 0, 60)
        await bench.until_begun(0)
        with anyio.CancelScope() as scope:
            group.start_soon(_cancelled_soon, scope)
            await bench.run(1, 90)
        assert scope.cancelled_caught
        group.start_soon(bench.run, 2, 40)
        await bench.until_begun(0, 2)
        bench.let_go(0, 2)
    async with anyio.create_task_group() as group:  # nothing of the room is lost
        bench.let_go(3)
        group.start_soon(bench.run, 3, ROOM)
    assert bench.begun == [0, 2, 3]


async def _cancelled_soon(scope: anyio.CancelScope) -> None:
    await anyio.lowlevel.checkpoint()
    scope.cancel()


async def test_work_that_fails_gives_its_room_back() -> None:
    limiter = DecodeLimiter(ROOM, MOST)

    def fail() -> None:
        raise ValueError

    for _ in range(3):
        with pytest.raises(ValueError, match=r"^$"):
            await limiter.run(fail, cost=ROOM)


async def test_a_picture_is_reckoned_by_its_pixels_and_its_file() -> None:
    assert (
        2 * cost_of("png", 4096 * 4096, 15_000_000, LOOK_BYTES) <= ALL_ROOM < 2 * cost_of("png", 5120**2, 0, LOOK_BYTES)
    )


async def test_what_comes_back_is_what_the_work_returned() -> None:
    def work(_: Piece, data: bytes, more: str) -> tuple[int, str]:
        return len(data), more

    assert await decode(work, photo(), "more", per_pixel=LOOK_BYTES) == (len(photo()), "more")
    bomb = hollow_png(16_384, 16_384)  # alone, and then the next
    assert await decode(work, bomb, "bomb", per_pixel=LOOK_BYTES) == (len(bomb), "bomb")
    assert await decode(work, b"no picture", "", per_pixel=LOOK_BYTES) == (10, "")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much memory a process has had")
async def test_the_memory_that_a_webp_takes_is_reckoned(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Workers()
    monkeypatch.setattr(workers, "WORKERS", own)
    target = Target(formats=("png", "webp"), max_bytes=500_000)
    small, large = noise(64, 64, mode="RGBA"), noise(1500, 1500, mode="RGBA")
    try:
        workers.prepare(Piece(MEGABYTE), small, Target(formats=("webp",)))
        (worker,) = own.idle
        before = peak_of(worker.pid)
        made = await decode(workers.prepare, large, target, per_pixel=target.bytes_for("png", len(large)))
        assert own.idle == [worker]
        taken = peak_of(worker.pid) - before
    finally:
        own.close()
    assert made.format == "webp"
    reckoned, before_it = (decoding_cost(large, each) for each in (target.bytes_for("png", len(large)), PREPARE_BYTES))
    assert before_it < taken < reckoned + SPARE


@pytest.mark.parametrize(
    ("target", "each"),
    [
        (Target(formats=("png", "webp")), PREPARE_BYTES),
        (Target(formats=("png", "webp"), max_bytes=100), WEBP_BYTES),
        (Target(formats=("png", "jpeg"), max_bytes=100), PREPARE_BYTES),
        (Target(formats=("jpeg", "webp")), WEBP_BYTES),
    ],
)
def test_only_what_may_become_a_webp_is_reckoned_as_one(target: Target, each: int) -> None:
    assert target.bytes_for("png", 200) == each


FORKS = """
import os, signal, sys
from functools import partial
import anyio
from imagewright.imaging.limiter import PROBE_BYTES, decode
from imagewright.imaging.workers import probe

work = partial(decode, probe, sys.stdin.buffer.read(), per_pixel=PROBE_BYTES)
anyio.run(work)
if child := os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
signal.alarm(20)  # a thread that only its parent has would be waited for in vain
anyio.run(work)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_a_process_that_was_forked_decodes_with_threads_of_its_own() -> None:
    done = subprocess.run([sys.executable, "-c", FORKS], input=noise(40, 30), check=False)  # noqa: S603 - our own words
    assert done.returncode == 0
