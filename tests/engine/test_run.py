"""Cancels at every stage, and a journal or a disk that fails between two steps."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest

from imagewright.engine import deliver
from imagewright.errors import StorageError, VendorUnavailable
from imagewright.providers.base import Finished, Output
from imagewright.storage.states import CallState
from tests.support.engine_bench import PICTURE, USD, Lock, Vendor, folders_in, open_bench, place, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imagewright.providers.base import Handle, Order
    from imagewright.providers.sending import Sending
    from imagewright.storage.library import Library
    from imagewright.storage.records import PictureRecord
    from imagewright.storage.stores import Stores
    from tests.support.engine_bench import Bench

pytestmark = pytest.mark.anyio


async def call_states(bench: Bench, job_id: str) -> list[CallState]:
    return [call.state for call in (await bench.record(job_id)).calls]


def spoil(home: Path) -> None:
    file = folders_in(home).database
    for companion in home.glob(f"{file.name}-*"):
        companion.unlink()
    file.write_bytes(b"not a database " * 1000)


def set_aside(home: Path) -> list[Path]:
    return list(home.glob("*.corrupt-*"))


def put_a_file_in_the_way(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "incoming").write_text("where a folder should be", encoding="utf-8")


@pytest.mark.parametrize(
    ("stops", "text"),
    [(True, "was asked to stop. What it had begun may still be charged"), (False, "has no way to stop a task")],
)
async def test_a_cancel_reaches_a_vendor_that_can_and_says_what_may_be_charged(
    home: Path, *, stops: bool, text: str
) -> None:
    vendor = Vendor()
    vendor.stops = stops
    vendor.then("poll", anyio.sleep_forever, anyio.sleep_forever)
    async with open_bench(home, vendor) as bench:
        job = await bench.begin(calls=(1, 1))
        await until(lambda: len(vendor.asked) == 2)
        await bench.jobs.cancel(job)
        assert await call_states(bench, job.id) == [CallState.CANCELLED] * 2
    assert job.record.state == "cancelled"
    assert len(vendor.stopped) == 2
    assert len([note for note in job.record.notes if text in note]) == 1
    assert job.record.cost_usd == pytest.approx(2 * USD)
    assert job.record.cost_basis == "estimate"


async def test_a_cancel_that_cannot_reach_its_vendor_is_reported_and_hurts_nobody_else(home: Path) -> None:
    vendor = Vendor()
    vendor.then("poll", anyio.sleep_forever)
    vendor.then("cancel", VendorUnavailable("vendor", "no route to host"))
    async with open_bench(home, vendor) as bench:
        job = await bench.begin()
        await until(lambda: vendor.asked)
        await bench.jobs.cancel(job)
        assert job.record.state == "cancelled"
        assert any("could not be asked to stop" in note and "no route to host" in note for note in job.record.notes)
        assert (await bench.done(await bench.begin("another"))).record.state == "completed"


async def test_a_cancel_in_the_middle_of_a_submit_waits_for_its_outcome(home: Path) -> None:
    vendor = Vendor()
    gate = anyio.Event()
    vendor.then("submit", gate.wait)
    async with open_bench(home, vendor) as bench:
        job = await bench.begin()
        await until(lambda: vendor.orders)
        async with anyio.create_task_group() as group:
            group.start_soon(bench.jobs.cancel, job)
            await until(lambda: job.record.cancel_requested)
            written = (await bench.record(job.id)).cancel_requested
            gate.set()
        assert written  # for whoever has to end it after a crash
        assert await call_states(bench, job.id) == [CallState.CANCELLED]
    assert len(vendor.stopped) == 1


async def test_what_is_made_before_a_cancel_is_paid_for_and_kept(home: Path) -> None:
    vendor = Vendor()
    vendor.then("poll", None, anyio.sleep_forever)
    vendor.then("fetch", anyio.sleep_forever)
    async with open_bench(home, vendor) as bench:
        job = await bench.begin(calls=(1, 1))
        await until(lambda: vendor.fetched)
        await bench.jobs.cancel(job)
        assert sorted(await call_states(bench, job.id)) == [CallState.CANCELLED, CallState.KEPT]
        assert len(await bench.pictures(job.id)) == 1
    assert job.record.state == "cancelled"
    assert "1 of 2 pictures arrived." in job.record.notes


@pytest.mark.parametrize(
    "output", [Output(url="https://vendor.example/1"), Output(data=PICTURE)], ids=["link", "bytes"]
)
async def test_what_a_poll_brings_while_the_job_is_cancelled_is_kept(home: Path, output: Output) -> None:
    vendor = Vendor()
    async with open_bench(home, vendor) as bench:

        async def cancelled() -> Finished:
            job.request_cancel()
            job.scope.cancel()
            return Finished((output, output))

        vendor.then("poll", cancelled)
        job = await bench.begin(calls=(2,))
        await bench.done(job)
        assert await call_states(bench, job.id) == [CallState.KEPT]
    assert len(job.pictures) == 2
    assert vendor.stopped == []


async def test_a_cancel_that_is_too_late_changes_nothing(home: Path) -> None:
    vendor = Vendor()
    vendor.then("fetch", anyio.sleep_forever)
    async with open_bench(home, vendor) as bench:
        job = await bench.begin()
        await until(lambda: vendor.fetched)
        await bench.jobs.cancel(job)
        assert job.record.state == "completed"
        await bench.jobs.cancel(job)
    assert vendor.stopped == []


async def test_a_process_that_merely_stops_tells_no_vendor(home: Path) -> None:
    vendor = Vendor()
    vendor.then("poll", anyio.sleep_forever)
    async with open_bench(home, vendor) as bench:
        job = await bench.begin()
        await until(lambda: vendor.asked)
    assert vendor.stopped == []
    async with open_bench(home, Vendor()) as bench:
        assert (await bench.done(await bench.reclaimed(job.id))).record.state == "completed"


async def test_steps_that_could_not_be_written_are_written_later_in_their_order(home: Path) -> None:
    vendor = Vendor()
    vendor.cost = USD
    async with open_bench(home, vendor, patience=0.01) as bench:
        lock = Lock(home)

        async def let_go() -> None:
            await until(lambda: bench.stores.jobs.unwritten)
            await lock.let_go()

        vendor.then("submit", lock.hold)
        vendor.then("poll", let_go)
        job = await bench.done(await bench.begin())
        assert job.record.state == "completed"
        assert bench.stores.jobs.unwritten == frozenset()
        entry = await bench.record(job.id)
        assert (entry.state, entry.cost_usd, entry.cost_basis) == ("completed", USD, "actual")
        assert [call.state for call in entry.calls] == [CallState.KEPT]


async def test_an_end_that_could_not_be_written_is_written_when_the_journal_is_free_again(home: Path) -> None:
    vendor = Vendor()
    async with open_bench(home, vendor, patience=0.01) as bench:
        lock = Lock(home)
        vendor.then("fetch", lock.hold)
        job = await bench.done(await bench.begin())
        assert (await bench.record(job.id)).state == "running"
        await lock.let_go()
        await bench.jobs.look_after_leases()
        assert (await bench.record(job.id)).done
        assert await call_states(bench, job.id) == [CallState.KEPT]


async def test_a_journal_that_turns_out_corrupt_costs_no_picture(home: Path) -> None:
    vendor = Vendor()
    async with open_bench(home, vendor) as bench:

        async def turn_corrupt() -> None:
            await bench.stores.close()  # so that the file is read anew
            spoil(home)

        vendor.then("poll", turn_corrupt)
        job = await bench.done(await bench.begin())
        assert job.record.state == "completed"
        assert [place(record).exists() for record in job.pictures] == [True]
        assert await bench.pictures(job.id) == job.pictures
        assert (await bench.done(await bench.begin("another"))).record.state == "completed"
    assert [file.name.partition(".corrupt-")[0] for file in set_aside(home)] == [folders_in(home).database.name]


class Fussy:
    """A library on a disk that is full for the first few pictures."""

    def __init__(self, library: Library, refusals: int) -> None:
        self._library = library
        self._refusals = refusals

    async def keep(self, *arguments: Any, **more: Any) -> tuple[PictureRecord, list[str]]:
        if self._refusals:
            self._refusals -= 1
            raise StorageError("the disk is full")
        return await self._library.keep(*arguments, **more)

    place = keep


def fussy(refusals: int) -> Callable[[Stores], Stores]:
    return lambda stores: replace(stores, library=cast("Library", Fussy(stores.library, refusals)))


async def test_a_finished_picture_is_saved_once_there_is_room_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "STORE_PAUSE", 0.01)
    vendor = Vendor()
    stages = set()
    async with open_bench(home, vendor, change=fussy(3)) as bench:
        job = await bench.begin()
        while not job.done:
            await job.changed.wait()
            stages.add(job.stage)
    assert job.record.state == "completed"
    assert "waiting to save: the disk is full" in stages
    assert len(vendor.fetched) == 1


async def test_a_picture_that_can_be_saved_nowhere_is_left_where_the_message_says(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "STORE_PATIENCE", 0.0)
    async with open_bench(home, Vendor(), change=fussy(99)) as bench:
        job = await bench.stalled(await bench.begin())
        file = home / "incoming" / job.id / f"fetch-1-{bench.stores.jobs.worker_id}.picture"
    assert f"The finished picture is left as {file}." in " ".join(job.record.notes)
    assert file.read_bytes()
    async with open_bench(home, Vendor()) as bench:  # there is room again
        assert (await bench.done(await bench.reclaimed(job.id))).record.state == "completed"


class Interrupted:
    """A library whose first picture is saved and listed, and whose caller does not learn of it."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self.placed = anyio.Event()
        self.new: list[bool] = []

    async def place(self, *arguments: Any, **more: Any) -> tuple[PictureRecord, list[str]]:
        self.new.append(more["is_new"])
        placed = await self._library.place(*arguments, **more)
        if not self.placed.is_set():
            await self._library.catch_up()
            self.placed.set()
            await anyio.sleep_forever()
        return placed


async def test_a_picture_that_was_saved_just_before_a_cancel_is_not_saved_again(home: Path) -> None:
    libraries: list[Interrupted] = []

    def change(stores: Stores) -> Stores:
        libraries.append(Interrupted(stores.library))
        return replace(stores, library=cast("Library", libraries[0]))

    async with open_bench(home, Vendor(), change=change) as bench:
        job = await bench.begin()
        await libraries[0].placed.wait()
        await bench.jobs.cancel(job)
    assert libraries[0].new == [True, False]
    assert [place(record).read_bytes() for record in job.pictures] == [PICTURE]
    assert len([file for file in folders_in(home).pictures.iterdir() if file.is_file()]) == 1


async def test_pictures_that_came_with_the_answer_stay_in_memory_where_they_cannot_be_spooled(home: Path) -> None:
    vendor = Vendor(at_once=True)

    async def block() -> None:
        shutil.rmtree(home / "incoming")
        put_a_file_in_the_way(home)

    vendor.then("submit", block)
    written: list[CallState] = []
    async with open_bench(home, vendor) as bench:

        async def look() -> None:
            written.extend(await call_states(bench, job.id))

        vendor.then("fetch", look)
        job = await bench.begin(calls=(2,))
        await bench.done(job)
        assert await call_states(bench, job.id) == [CallState.KEPT]
    assert written == [CallState.SUBMITTING]  # no other process could find what is in memory
    assert job.record.state == "completed"
    assert [place(record).exists() for record in job.pictures] == [True, True]


async def test_a_disk_that_fills_up_while_fetching_is_waited_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliver, "STORE_PAUSE", 0.01)
    vendor = Vendor()
    vendor.then("fetch", *[OSError(28, "No space left on device")] * 3)
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.begin())
    assert job.record.state == "completed"
    assert len(vendor.fetched) == 4


async def test_a_second_request_of_a_call_does_not_keep_a_process_from_leaving(home: Path) -> None:
    refused = anyio.Event()

    class TwoRequests(Vendor):
        async def submit(self, order: Order, sending: Sending | None = None) -> Handle | Finished:
            assert sending is not None
            await sending.begin()
            self.orders.append(order)
            await refused.wait()
            await sending.begin()
            raise AssertionError("nothing is sent any more")

    vendor = TwoRequests()
    async with open_bench(home, vendor) as bench:
        await bench.begin()
        await until(lambda: vendor.orders)
        bench.group.start_soon(partial(bench.jobs.desk.leave, 0.0, outlives=False))
        await anyio.wait_all_tasks_blocked()
        assert bench.jobs.desk.has_left
        refused.set()
        try:
            await until(lambda: not any(scope.shield for scope in bench.jobs.desk.sending))
        finally:
            for scope in bench.jobs.desk.sending:  # so that a failure ends the test
                scope.shield = False
