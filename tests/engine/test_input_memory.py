"""The memory that the input pictures of all calls take together: bounded, waited for, and given back."""

from __future__ import annotations

import tracemalloc
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from imagewright.catalog.load import catalog
from imagewright.catalog.row import PICTURE_KINDS
from imagewright.engine import sending
from imagewright.engine.inputs import (
    INPUT_ROOM,
    INPUTS,
    LARGE_CALL,
    MOST_PICTURES,
    NO_MEMORY,
    WAITING,
    Outlook,
    PutAway,
    outlook,
    room_to_read,
)
from imagewright.engine.job import Job
from imagewright.engine.pictures import Source
from imagewright.errors import OutOfCredit, Refusal, StorageError
from imagewright.imaging import limiter
from imagewright.imaging.files import PictureFacts
from imagewright.providers.base import Finished, Handle, Order, Output, Prepared
from imagewright.storage.accounts import LOCAL
from imagewright.surface.definitions import PICTURES
from tests.support.engine_bench import PICTURE, Bench, Vendor, folder_of, left_of, open_bench, plan_for, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imagewright.engine.plan import Plan
    from imagewright.providers.sending import Sending

pytestmark = pytest.mark.anyio
SIZE = 1_000_000
"""Bytes of a picture."""
JOBS = 12
FACTS = PictureFacts(
    format="png", width=64, height=48, orientation=1, frames=1, has_alpha=False, size=SIZE, transparent=None
)


def plan_with_pictures(data: bytes, *vendors: Vendor) -> Plan:
    """A plan whose two pictures nobody else holds, with all vendors but the first as alternatives."""
    plan = plan_for(vendors[0], alternatives=vendors[1:])
    images = tuple(Prepared(bytes(bytearray(data)), "png", 64, 48) for _ in range(2))
    sources = tuple(Source(f"images[{place}]", "x", bytes(bytearray(data)), FACTS) for place in range(2))
    others = tuple(replace(one, sources=sources) for one in plan.alternatives)
    return replace(plan, orders=(replace(plan.orders[0], images=images),), alternatives=others)


async def begun(bench: Bench, number: int, data: bytes = bytes(SIZE)) -> Job:
    """A job with two pictures."""
    plan = plan_with_pictures(data, *bench.vendors)
    job = await bench.jobs.begin(plan, LOCAL, fingerprint=str(number), key="", caps=(), registry=bench.registry)
    assert isinstance(job, Job)
    return job


class Uploads(Vendor):
    """A vendor to which pictures are uploaded first."""

    def __init__(self) -> None:
        super().__init__("uploads")
        self.uploaded: list[int] = []
        """Bytes of each picture that was uploaded."""

    async def upload_inputs(self, order: Order) -> Order:
        self.uploaded += [len(picture.data) for picture in order.images]
        return replace(order, links=("https://vendor.example/1",) * len(order.images))


class OnFullDisk(Vendor):
    """A vendor whose answer comes to a disk that does not give it for so many tries."""

    def __init__(self, tries: int) -> None:
        super().__init__(at_once=True)
        self.tries = tries
        self.heard: Callable[[], None] = lambda: None
        """Is called at each try."""

    async def submit(self, order: Order, sending: Sending | None = None) -> Handle | Finished:
        assert sending is not None
        if not sending.again:
            await sending.begin()
            self.orders.append(order)
            sending.gone = True
        elif self.tries:
            self.tries -= 1
            self.heard()
        else:
            return Finished((Output(data=PICTURE),))
        raise StorageError("the disk is full")


@pytest.mark.parametrize("uploads", [False, True])
async def test_jobs_hold_no_picture_while_their_vendor_works(home: Path, *, uploads: bool) -> None:
    made, vendor = anyio.Event(), Uploads() if uploads else Vendor()
    sent: list[int] = []

    async def slow() -> None:
        sent.extend(len(picture.data) for picture in vendor.orders[-1].images)
        vendor.orders.clear()

    async def pending() -> None:
        await made.wait()

    vendor.then("submit", *[slow] * JOBS)
    vendor.then("poll", *[pending] * JOBS)
    other = Vendor("other")
    async with open_bench(home, vendor, other) as bench:
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            jobs = [await begun(bench, number) for number in range(JOBS)]
            await until(lambda: len(vendor.asked) == JOBS)
            held, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert held - before < SIZE
        assert peak - before < 2 * SIZE * JOBS  # each had two pictures, and two for the alternative
        assert INPUTS.taken == 0
        made.set()
        for job in jobs:
            assert (await bench.done(job)).record.state == "completed"
    assert all(left_of(home, job.id) == set() for job in jobs)
    assert sent == [0 if uploads else SIZE] * 2 * JOBS
    assert vendor.orders == []
    assert not isinstance(vendor, Uploads) or vendor.uploaded == [SIZE] * 2 * JOBS


@pytest.mark.parametrize("is_gone", [False, True])
async def test_another_provider_gets_what_the_caller_gave(home: Path, *, is_gone: bool) -> None:
    first, second = Vendor("first"), Vendor("second")
    first.then("submit", OutOfCredit("first", charged=False))
    async with open_bench(home, first, second) as bench:
        job = await begun(bench, 1, PICTURE)
        folder = folder_of(home, job.id)
        assert {path.name for path in folder.iterdir()} >= {"input-0", "input-1", "input-given-0", "input-given-1"}
        if is_gone:
            (folder / "input-given-1").unlink()
        job = await bench.done(job)
    assert job.record.state == ("failed" if is_gone else "completed")
    assert any("Another provider was not asked instead" in note for note in job.record.notes) is is_gone
    assert [picture.data for order in second.orders for picture in order.images] == ([] if is_gone else [PICTURE] * 2)


async def test_no_memory_is_held_while_an_answer_cannot_be_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "UNREADABLE_PAUSES", (0.001,))
    vendor, taken = OnFullDisk(tries=3), list[int]()
    vendor.heard = lambda: taken.append(INPUTS.taken)
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await begun(bench, 1))
    assert (job.record.state, len(vendor.orders), taken) == ("completed", 1, [0] * 3)


async def test_whoever_cancels_does_not_wait_for_the_memory_of_another_provider(home: Path) -> None:
    first, second = Vendor("first"), Vendor("second")
    async with AsyncExitStack() as others, open_bench(home, first, second) as bench:

        async def refuse() -> None:
            waiting = INPUTS.share(2 * INPUT_ROOM)  # it is next: it has the memory as soon as this call gives it back
            bench.group.start_soon(others.enter_async_context, waiting)
            await anyio.lowlevel.checkpoint()
            raise OutOfCredit("first", charged=False)

        first.then("submit", refuse)
        job = await begun(bench, 1, PICTURE)
        await until(lambda: job.stage == WAITING)
        await bench.jobs.cancel(job)
        assert (job.record.state, job.record.cost_usd, second.orders) == ("cancelled", 0.0, [])
        assert (job.record.provider, left_of(home, job.id)) == ("first", set())
        assert not any("was asked instead" in note for note in job.record.notes)


async def test_who_finds_no_room_waits_and_is_told_and_the_others_are_not_held_up() -> None:
    waits = 0

    async def counted() -> None:
        nonlocal waits
        waits += 1

    async with anyio.create_task_group() as group:
        got = anyio.Event()

        async def waiting() -> None:
            async with INPUTS.share(1, counted):
                got.set()

        async with INPUTS.share(2 * INPUT_ROOM):  # more than there is runs alone
            assert INPUTS.taken == INPUT_ROOM
            group.start_soon(waiting)
            await until(lambda: waits)
            assert not got.is_set()
        await got.wait()
    assert (waits, INPUTS.taken) == (1, 0)


async def test_a_call_that_gets_no_memory_is_refused_and_one_that_leaves_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limiter, "WAITS_SECONDS", 0.01)
    async with INPUTS.share(INPUT_ROOM):
        with pytest.raises(Refusal, match="no memory to read the pictures"):
            async with room_to_read(1, seconds=0.01):
                pytest.fail("there is none")
        with anyio.move_on_after(0.01):
            async with room_to_read(1):
                pytest.fail("there is none")
    assert INPUTS.taken == 0
    assert "call again" in NO_MEMORY


@pytest.mark.parametrize(
    ("sizes", "cost", "at_once"),
    [
        ([10], 20, MOST_PICTURES),
        ([LARGE_CALL], 2 * LARGE_CALL, MOST_PICTURES),
        ([24_000_000] * 10, 240_000_000 + 4 * 24_000_000, 2),
        ([64_000_000], 128_000_000, 2),
        ([], 0, MOST_PICTURES),
    ],
)
def test_the_cost_of_reading(sizes: list[int], cost: int, at_once: int) -> None:
    seen = Outlook(sizes, {})
    assert (seen.cost, seen.at_once) == (cost, at_once)


async def test_what_a_call_costs_is_known_before_anything_is_read(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(bytes(1000))
    async with open_bench(home, Vendor()) as bench:
        (job,) = [await bench.done(await bench.begin())]
        kept = job.pictures[0]
        texts = [
            str(kept.path),
            kept.id,
            kept.uri,
            "https://x.example/a.png",
            f"data:,{'x' * 94}",
            "/nowhere.png",
            "img_0",
        ]
        given = [(f"images[{place}]", text) for place, text in enumerate(texts)]
        seen = await outlook(given, 5000, bench.stores.library, LOCAL)
        size = min(kept.bytes, 5000)
        assert sorted(seen.sizes) == sorted([size, size, size, 5000, 100])
        assert seen.known == {kept.id: kept, kept.uri: kept, "img_0": None}


@pytest.mark.parametrize(
    ("job_id", "size", "is_away"), [("job_1", SIZE * 6, True), ("job_1", 10, False), ("", SIZE, False)]
)
async def test_pictures_of_a_large_call_are_put_away_and_removed_with_it(
    home: Path, job_id: str, size: int, *, is_away: bool
) -> None:
    source = Source("image", "x", bytes(size), replace(FACTS, size=size))
    async with open_bench(home, Vendor()) as bench:
        record = (await bench.begin()).record
        for belongs in (True, False):
            job = Job(replace(record, id=job_id if belongs else "job_2"), LOCAL)
            async with PutAway(bench.jobs.desk.spool, job_id) as put_away:
                there = await put_away.put("0", source)
                assert (there.data == b"", len(await there.content())) == (is_away, size)
                assert put_away.kept_for(job) is job
            assert left_of(home, job_id or "x") == ({"input-given-0"} if is_away and belongs else set())


def test_the_arguments_that_name_pictures_are_those_of_the_rows() -> None:
    arguments = [
        (name, one)
        for row in catalog().values()
        for operation in row.operations.values()
        for name, one in operation.arguments.items()
        if one.kind in PICTURE_KINDS
    ]
    assert {name for name, _ in arguments} == PICTURES
    assert max(one.max_items or 1 for _, one in arguments) == MOST_PICTURES
