"""Bytes that were paid for: read by whoever picks a job up, kept as they came, removed once they are in the library."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from imagewright.engine import deliver, trouble
from imagewright.engine.elsewhere import Answer, Spool
from imagewright.errors import GenerationFailed
from imagewright.providers.base import Finished, Handle, Output
from imagewright.storage.accounts import LOCAL
from imagewright.storage.states import CallState
from imagewright.storage.stores import DeferredJobs, open_stores
from tests.support.engine_bench import (
    MADE,
    PICTURE,
    SUBMITTED,
    SUBMITTING,
    USD,
    Lock,
    Vendor,
    cost,
    crashed,
    execute,
    folder_of,
    folders_in,
    left_behind,
    left_of,
    open_bench,
    place,
    states,
    until,
)
from tests.support.pictures import NOT_PICTURES, photo

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.sending import Sending
    from imagewright.storage.base import JobStore
    from imagewright.storage.stores import Stores

pytestmark = pytest.mark.anyio
KEPT, FAILED, UNKNOWN = CallState.KEPT, CallState.FAILED, CallState.UNKNOWN
SECOND = photo(40, 40)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliver, "BROKEN_PAUSES", (0.001, 0.001, 0.001))
    monkeypatch.setattr(trouble, "TROUBLE_PAUSE", 0.001)
    monkeypatch.setattr(deliver, "STORE_PAUSE", 0.001)


def spool_of(home: Path) -> Spool:
    return Spool(open_stores(folders_in(home), lease=1.0).blobs)


# The process died between the vendor's answer and the journal's next line.


@pytest.mark.parametrize("asked", [False, True])
async def test_pictures_that_no_journal_knows_are_taken_home(home: Path, *, asked: bool) -> None:
    job_id = await left_behind(home, SUBMITTING, calls=(2, 1))
    spool = spool_of(home)
    for variant, data in ((1, PICTURE), (2, SECOND)):
        await spool.keep_output(job_id, variant, Output(data=data))
    vendor = Vendor()
    async with open_bench(home, vendor) as bench:
        if asked:
            await bench.stores.jobs.request_cancel(LOCAL, job_id)
        job = await bench.done(await bench.reclaimed(job_id))
        assert states(await bench.record(job_id)) == [KEPT, CallState.CANCELLED if asked else KEPT]
    assert [place(record).read_bytes() for record in job.pictures[:2]] == [PICTURE, SECOND]
    assert len(vendor.orders) == (0 if asked else 1)
    assert job.record.state == ("cancelled" if asked else "completed")
    assert left_of(home, job_id) == set()


async def test_pictures_that_no_journal_knows_come_with_what_the_vendor_said(home: Path) -> None:
    job_id = await left_behind(home, SUBMITTING)
    spool = spool_of(home)
    output = await spool.keep_output(job_id, 1, Output(data=PICTURE, seed=2**70))
    await spool.keep_answer(job_id, 0, Answer((output,), 0.07, ("A note of the vendor.",)))
    async with open_bench(home, Vendor()) as bench:
        job = await bench.done(await bench.reclaimed(job_id))
    assert job.pictures[0].seed == 2**70
    assert cost(job) == (0.07, "actual")
    assert "A note of the vendor." in job.record.notes


@pytest.mark.parametrize("text", ["", "[]", '{"outputs": 5}', '{"outputs": [{}], "cost_usd": null}'])
async def test_a_damaged_answer_does_not_keep_its_pictures_away(home: Path, text: str) -> None:
    job_id = await left_behind(home, SUBMITTING)
    await spool_of(home).keep_output(job_id, 1, Output(data=PICTURE))
    (folder_of(home, job_id) / "answer-0.json").write_text(text, encoding="utf-8")
    async with open_bench(home, Vendor()) as bench:
        job = await bench.done(await bench.reclaimed(job_id))
    assert job.record.state == "completed"


async def test_links_that_came_at_once_are_found_again(home: Path) -> None:
    job_id = await left_behind(home, SUBMITTING)
    link = {"url": "https://vendor.example/t1/0", "file": "", "seed": 7}
    await spool_of(home).keep_answer(job_id, 0, Answer((link,)))
    vendor = Vendor()
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.reclaimed(job_id))
    assert job.record.state == "completed"
    assert vendor.fetched == [link["url"]]


@pytest.mark.parametrize("links", [False, True])
async def test_a_process_that_dies_while_the_journal_is_locked_leaves_the_answer_there(
    home: Path, *, links: bool
) -> None:
    vendor = Vendor(at_once=True)
    output = Output(url="https://vendor.example/t1/0") if links else Output(data=SECOND, seed=5)
    lock = Lock(home)

    async def answer() -> Finished:
        await lock.hold()
        return Finished((output,), cost_usd=0.07)

    vendor.then("submit", answer)
    vendor.then("fetch", anyio.sleep_forever)
    async with open_bench(home, vendor, patience=0.01) as dead:
        job = await dead.begin()
        await until(lambda: vendor.fetched)
        dead.group.cancel_scope.cancel()
        dead.crashed = True
    await lock.let_go()
    await crashed(home, dead.stores.jobs.worker_id)
    async with open_bench(home, Vendor()) as bench:
        assert states(await bench.record(job.id)) == [CallState.SUBMITTING]
        done = await bench.done(await bench.reclaimed(job.id))
    assert place(done.pictures[0]).read_bytes() == (PICTURE if links else SECOND)
    assert cost(done) == (0.07, "actual")


async def test_an_unfinished_file_is_no_answer(home: Path) -> None:
    job_id = await left_behind(home, SUBMITTING)
    folder_of(home, job_id).mkdir(parents=True, exist_ok=True)
    (folder_of(home, job_id) / ".result-1.part").write_bytes(PICTURE[:100])
    async with open_bench(home, Vendor()) as bench:
        await bench.done(await bench.reclaimed(job_id))
        assert states(await bench.record(job_id)) == [UNKNOWN]
    assert left_of(home, job_id) == {".result-1.part"}


async def test_nothing_made_is_removed_while_the_journal_does_not_know_it(home: Path) -> None:
    vendor = Vendor(at_once=True)
    async with open_bench(home, vendor, patience=0.01) as bench:
        lock = Lock(home)
        vendor.then("submit", lock.hold)
        job = await bench.done(await bench.begin())
        assert job.id in bench.stores.jobs.unwritten
        fetched = f"fetch-1-{bench.stores.jobs.worker_id}.picture"
        assert left_of(home, job.id) == {"result-1", "answer-0.json", fetched}
        await lock.let_go()


UNREADABLE: dict[str, tuple[bytes, str]] = {
    "a drawing": (NOT_PICTURES["svg"][0], "svg"),
    "an unknown type": (b"\x07\x08nothing known" * 9, "bin"),
    "a picture of another kind": (NOT_PICTURES["jxl"][0] * 9, "jxl"),
    "an AVIF that is none": (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + b"\0" * 64, "avif"),
    "a PNG without its end": (photo(64, 48, "png")[:-30], "png"),
    "more pixels than are read": (
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (60_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0\x93\xc8\x2f\x1c",
        "png",
    ),
}


def odd_vendor(data: bytes, *others: bytes, at_once: bool) -> Vendor:
    files = (data, *others)

    class Odd(Vendor):
        async def submit(self, order: Any, sending: Sending | None = None) -> Handle | Finished:
            answer = await super().submit(order, sending)
            return Finished(tuple(Output(data=one) for one in files)) if isinstance(answer, Finished) else answer

        async def fetch(self, output: Output, into: Path, **more: Any) -> None:
            await super().fetch(output, into, **more)
            if output.data is None:
                await anyio.Path(into).write_bytes(files[int(output.url.rpartition("/")[2])])

    return Odd(at_once=at_once)


@pytest.mark.parametrize("name", UNREADABLE)
@pytest.mark.parametrize("at_once", [False, True])
async def test_what_cannot_be_read_is_kept_as_it_came(home: Path, name: str, *, at_once: bool) -> None:
    data, extension = UNREADABLE[name]
    vendor = odd_vendor(data, at_once=at_once)
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.begin())
        assert states(await bench.record(job.id)) == [FAILED]
        assert await bench.pictures(job.id) == []
    (kept,) = (folders_in(home).pictures / "unreadable").iterdir()
    assert kept.read_bytes() == data
    assert kept.suffix == f".{extension}"
    assert job.record.state == "failed"
    assert f"The vendor's file was kept as {kept}" in str(job.error)
    assert "It was charged." in str(job.error)
    assert any(str(kept) in note for note in job.record.notes)
    assert cost(job) == (USD, "estimate")
    assert left_of(home, job.id) == set()
    assert len(vendor.fetched) == (1 if at_once else 1 + len(deliver.BROKEN_PAUSES))
    if os.name != "nt":
        assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", UNREADABLE)
@pytest.mark.parametrize("at_once", [False, True])
async def test_what_cannot_be_read_is_a_warning_where_others_came(home: Path, name: str, *, at_once: bool) -> None:
    async with open_bench(home, odd_vendor(UNREADABLE[name][0], PICTURE, at_once=at_once)) as bench:
        job = await bench.done(await bench.begin(calls=(2,)))
        assert states(await bench.record(job.id)) == [KEPT]
    (kept,) = (folders_in(home).pictures / "unreadable").iterdir()
    assert job.record.state == "completed"
    assert [record.variant for record in job.pictures] == [2]
    assert any(f"kept as {kept}" in note for note in job.record.notes)
    assert left_of(home, job.id) == set()


async def test_what_cannot_be_read_is_kept_once_however_often_it_is_carried_on(home: Path) -> None:
    job_id = await left_behind(home, SUBMITTING)
    await spool_of(home).keep_output(job_id, 1, Output(data=b"\x07\x08nothing known"))
    for _ in range(2):
        async with open_bench(home, Vendor()) as bench:
            job = await bench.done(await bench.reclaimed(job_id))
            assert job.record.state == "failed"
            execute(home, "UPDATE job SET state = 'running', finished = NULL, lease_until = 0")  # as if it died before
            execute(home, "UPDATE call SET state = 'submitting', outputs = NULL, error = NULL")
        await spool_of(home).keep_output(job_id, 1, Output(data=b"\x07\x08nothing known"))
    assert len(list((folders_in(home).pictures / "unreadable").iterdir())) == 1


class Torn(Vendor):
    """A vendor whose files arrive cut short at first, and then cannot be had for a while."""

    torn = 0

    async def fetch(self, output: Output, into: Path, **more: Any) -> None:
        await super().fetch(output, into, **more)
        if self.torn:
            self.torn -= 1
            await anyio.Path(into).write_bytes(PICTURE[:-200])


async def test_what_arrives_broken_is_fetched_again_a_few_times(home: Path) -> None:
    vendor = Torn()
    vendor.torn = len(deliver.BROKEN_PAUSES)
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.begin())
    assert job.record.state == "completed"
    assert len(vendor.fetched) == 1 + len(deliver.BROKEN_PAUSES)
    assert not (folders_in(home).pictures / "unreadable").exists()


async def test_a_broken_file_is_better_than_none(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliver, "LEAST_PATIENCE", 0.0)
    vendor = Torn()
    vendor.poll_policy = replace(vendor.poll_policy, keeps=0.0)
    vendor.torn = 1
    vendor.then("fetch", None, GenerationFailed("vendor", "gone"))
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.begin())
    (kept,) = (folders_in(home).pictures / "unreadable").iterdir()
    assert kept.read_bytes() == PICTURE[:-200]
    assert str(kept) in str(job.error)


@pytest.mark.parametrize("whole", [True, False])
async def test_what_a_dead_process_had_fetched_is_taken_where_the_link_is_dead(home: Path, *, whole: bool) -> None:
    job_id = await left_behind(home, SUBMITTING, SUBMITTED, MADE)
    folder = folder_of(home, job_id)
    folder.mkdir(parents=True)
    (folder / "fetch-1-dead.picture").write_bytes(PICTURE if whole else PICTURE[:-200])
    vendor = Vendor()
    vendor.then("fetch", *[GenerationFailed("vendor", "gone")] * (99 if whole else 2))
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.reclaimed(job_id))
    assert [place(record).read_bytes() for record in job.pictures] == [PICTURE]
    assert len(vendor.fetched) == (0 if whole else 3)
    assert left_of(home, job_id) == set()


async def test_a_process_that_wakes_up_cannot_write_into_its_successors_file(home: Path) -> None:
    frozen, quick = Vendor(), Vendor()
    wakes, successor_looked = anyio.Event(), anyio.Event()
    paths: dict[str, Path] = {}

    class Frozen(Vendor):
        async def fetch(self, output: Output, into: Path, **_more: Any) -> None:
            self.fetched.append(output.url)
            await anyio.Path(into).write_bytes(PICTURE[:68])
            await wakes.wait()
            with into.open("ab") as file:
                file.write(PICTURE)
            paths["frozen"] = into
            successor_looked.set()

    class Successor(Vendor):
        async def fetch(self, output: Output, into: Path, **more: Any) -> None:
            await super().fetch(output, into, **more)
            paths["quick"] = into
            wakes.set()
            await successor_looked.wait()

    frozen, quick = Frozen(), Successor()
    async with open_bench(home, frozen, lease=60.0) as asleep, open_bench(home, quick) as awake:
        job = await asleep.begin()
        await until(lambda: frozen.fetched)
        await asleep.stores.jobs.release()
        done = await awake.done(await awake.reclaimed(job.id))
        await asleep.done(job)
        kept = await awake.pictures(job.id)
    assert paths["frozen"] != paths["quick"]
    assert [place(record).read_bytes() for record in kept] == [PICTURE]
    assert done.record.state == "completed"
    assert not job.is_local


async def test_a_process_that_lost_its_lease_keeps_nothing(home: Path) -> None:
    vendor = Vendor()
    gate = anyio.Event()
    vendor.then("fetch", gate.wait)
    async with open_bench(home, vendor, lease=60.0) as loser, open_bench(home, Vendor("other")) as winner:
        job = await loser.begin()
        await until(lambda: vendor.fetched)
        await loser.stores.jobs.release()
        assert await winner.stores.jobs.reclaim(["vendor"])
        gate.set()
        await until(lambda: not job.is_local)
        assert await winner.pictures(job.id) == []


async def test_a_file_that_changes_after_it_was_looked_at_is_fetched_anew(home: Path) -> None:
    vendor = Vendor()

    def change(stores: Stores) -> Stores:
        return replace(stores, jobs=Spoiling(home, stores.jobs))

    async with open_bench(home, vendor, change=change) as bench:
        job = await bench.done(await bench.begin())
    assert job.record.state == "completed"
    assert place(job.pictures[0]).read_bytes() == PICTURE
    assert len(vendor.fetched) == 2


class Spoiling(DeferredJobs):
    """A store of jobs beside which another program writes into the first download just before it is saved."""

    def __init__(self, home: Path, store: JobStore) -> None:
        super().__init__(store)
        self._home = home
        self._left = 1

    async def check_lease(self, job_id: str) -> None:
        await super().check_lease(job_id)
        if self._left:
            self._left -= 1
            (file,) = folder_of(self._home, job_id).glob("fetch-1-*.picture")
            file.write_bytes(PICTURE * 2)


async def test_what_was_left_by_a_call_that_stalled_is_never_removed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "STORE_PATIENCE", 0.0)
    job_id = await left_behind(home, SUBMITTING, SUBMITTED, MADE)
    await spool_of(home).keep_output(job_id, 1, Output(data=PICTURE))
    vendor = Vendor()
    vendor.poll_policy = replace(vendor.poll_policy, keeps=0.0)
    vendor.then("fetch", *[OSError(5, "Input/output error")] * 50)
    async with open_bench(home, vendor) as bench:
        await bench.stalled(await bench.reclaimed(job_id))
    assert left_of(home, job_id) == {"result-1"}
