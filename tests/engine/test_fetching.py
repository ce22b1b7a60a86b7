"""A link that does not lead to its picture is tried again, fresh where there is a handle; the caller sees why."""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest

from imagewright.engine import deliver, trouble, waiting
from imagewright.errors import BadKey, ResultLost
from imagewright.providers.http import exchange, resume
from imagewright.providers.http.client import HttpClient
from imagewright.storage.states import CallState
from imagewright.text import byte_size
from tests.emulators.messages import Answer, truncated
from tests.support.engine_bench import (
    MADE,
    PATIENCE,
    PICTURE,
    SUBMITTED,
    SUBMITTING,
    USD,
    Vendor,
    cost,
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
from tests.support.faults import QUICK
from tests.support.shelf import PNG, Linking, Shelf

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from imagewright.engine.job import Job

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Milliseconds where a vendor is given seconds."""
    monkeypatch.setattr(trouble, "TROUBLE_PAUSE", 0.001)
    monkeypatch.setattr(trouble, "LONGEST_PAUSE", 0.002)
    monkeypatch.setattr(trouble, "FETCH_PAUSE", 0.001)
    monkeypatch.setattr(deliver, "BROKEN_PAUSES", (0.001, 0.001, 0.001))


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with Shelf() as emulator:
        yield emulator


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    sender = HttpClient(retry=QUICK, download_retry=replace(QUICK, resends=0))
    yield sender
    await sender.aclose()


async def seen_through(job: Job) -> tuple[set[str], set[str]]:
    """The stages and the troubles of a job on its way to its end."""
    stages, troubles = set(), set()
    with anyio.fail_after(PATIENCE):
        while not job.done:
            await job.changed.wait()
            stages.add(job.stage)
            troubles.add(job.trouble)
    return stages, troubles


BAD: dict[str, Answer] = {
    **{f"HTTP {status}": Answer(status) for status in (300, 304, 400, 401, 403, 404, 405, 407, 409, 410, 418)},
    "a portal": Answer(302, b"", {"Location": "http://10.0.0.1/login"}),
    "a circle": Answer(302, b"", {"Location": "?again"}),
    "a page": Answer(200, b"<html>Welcome</html>", {"Content-Type": "text/html"}),
    "a page with an image's type": Answer(200, b"\xef\xbb\xbf\n<html>Welcome</html>", PNG),
    "words": Answer(200, b"not found", {"Content-Type": "text/plain"}),
    "an S3 error": Answer(200, b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", PNG),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("handle", [True, False])
async def test_an_answer_that_is_no_picture_is_asked_again_and_reported(
    home: Path, shelf: Shelf, http: HttpClient, name: str, *, handle: bool
) -> None:
    vendor = Linking(shelf, http, handle=handle)
    shelf.fail_next("download", BAD[name], times=3 * (6 if "circle" in name else 1))
    async with open_bench(home, vendor) as bench:
        job = await bench.begin()
        stages, troubles = await seen_through(job)
        assert states(await bench.record(job.id)) == [CallState.KEPT]
    assert job.record.state == "completed"
    assert place(job.pictures[0]).read_bytes() == PICTURE
    assert job.trouble == ""
    text = max(troubles, key=len)
    assert "does not lead to it at the moment" in text
    assert "arrives by itself; do not call again" in text
    assert any(stage.startswith("made, and waiting: ") for stage in stages)


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/json", "binary/anything", ""])
async def test_the_bytes_are_believed_and_not_the_content_type(
    home: Path, shelf: Shelf, http: HttpClient, kind: str
) -> None:
    vendor = Linking(shelf, http)
    shelf.fail_next("download", Answer(200, PICTURE, {"Content-Type": kind}))
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.begin())
    assert job.record.state == "completed"
    assert len(vendor.fetched) == 1


async def test_one_hiccup_is_over_before_anybody_sees_it(home: Path, shelf: Shelf, http: HttpClient) -> None:
    shelf.fail_next("download", Answer(404))
    async with open_bench(home, Linking(shelf, http)) as bench:
        job = await bench.begin()
        _, troubles = await seen_through(job)
    assert job.record.state == "completed"
    assert troubles == {""}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
async def test_a_link_that_has_died_is_had_anew_by_the_handle(
    home: Path, shelf: Shelf, http: HttpClient, status: int
) -> None:
    vendor = Linking(shelf, http)
    shelf.dead = status

    async def expire() -> None:
        shelf.round += 1

    vendor.then("fetch", expire)
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.begin(calls=(2,)))
    assert job.record.state == "completed"
    assert [record.variant for record in job.pictures] == [1, 2]
    assert vendor.fetched[-1].startswith(f"{shelf.url('files')}/1/")
    assert len(vendor.orders) == 1


async def test_a_link_that_died_with_the_process_is_had_anew_by_the_next(
    home: Path, shelf: Shelf, http: HttpClient
) -> None:
    link = {"url": f"{shelf.url('files')}/0/0.png", "file": "", "seed": None}
    job_id = await left_behind(home, SUBMITTING, SUBMITTED, (CallState.MADE, {"outputs": [link]}))
    shelf.round, shelf.dead = 1, 403
    vendor = Linking(shelf, http)
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.reclaimed(job_id))
    assert job.record.state == "completed"
    assert [dict(handle.data) for handle in vendor.asked] == [{"task": "t1", "count": "1"}]


async def test_a_handle_that_cannot_be_asked_or_gives_too_little_is_no_end(
    home: Path, shelf: Shelf, http: HttpClient
) -> None:
    vendor = Linking(shelf, http)
    vendor.then("poll", None, KeyError("state"), ResultLost("vendor", "gone"))
    shelf.fail_next("download", Answer(404), times=3)
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.begin())
    assert job.record.state == "completed"


async def test_a_key_that_keeps_a_fresh_link_from_being_had_is_reported_until_it_is_corrected(
    home: Path, shelf: Shelf, http: HttpClient
) -> None:
    old, new = Linking(shelf, http), Linking(shelf, http)
    shelf.dead = 403

    async def expire() -> None:
        shelf.round += 1

    old.then("fetch", expire)
    old.then("poll", None, *[BadKey("vendor", "no access", charged=None)] * 10_000)
    async with open_bench(home, old) as bench:
        job = await bench.begin()
        await until(lambda: "No fresh link can be asked for" in job.trouble)
        assert "vendor did not accept the API key" in job.trouble
        assert "Fix the key" in job.trouble
        bench.registry.renew(new)
        assert (await bench.done(job)).record.state == "completed"
    assert len(new.asked) == 1


async def test_a_link_that_wants_the_key_is_followed_with_the_corrected_one(home: Path) -> None:
    old, new = Vendor(), Vendor()
    old.then("fetch", *[ResultLost("vendor", "HTTP 401")] * 10_000)
    async with open_bench(home, old) as bench:
        job = await bench.begin()
        await until(lambda: job.trouble)
        bench.registry.renew(new)
        assert (await bench.done(job)).record.state == "completed"
    assert len(new.fetched) == 1


async def test_one_trouble_hides_no_other(home: Path, shelf: Shelf, http: HttpClient) -> None:
    vendor = Linking(shelf, http)
    shelf.fail_next("download", Answer(404), times=10_000)
    async with open_bench(home, vendor) as bench:
        vendor.then("poll", None, *[BadKey("vendor", "no access", charged=None)] * 10_000)
        job = await bench.begin(calls=(1, 1))
        await until(lambda: "The picture may be paid for" in job.trouble and "its link does not lead" in job.trouble)
        await bench.jobs.cancel(job)


async def test_one_picture_in_trouble_keeps_no_other_away(home: Path, shelf: Shelf, http: HttpClient) -> None:
    vendor = Linking(shelf, http)
    shelf.fail_next("download", Answer(404), times=1)
    async with open_bench(home, vendor) as bench:
        job = await bench.begin(calls=(3,))
        await bench.done(job)
    assert [record.variant for record in job.pictures] == [1, 2, 3]


async def test_a_slow_picture_says_how_much_of_it_has_come(
    home: Path, shelf: Shelf, http: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "SLOW_SECONDS", 0.01)
    monkeypatch.setattr(exchange, "WRITE_EVERY", 0.0)
    shelf.fail_next("download", lambda answer: replace(answer, ending="stall"))
    async with open_bench(home, Linking(shelf, http)) as bench:
        job = await bench.begin()
        await until(lambda: job.stage.startswith("fetching: "))
        assert job.stage == f"fetching: {byte_size(len(PICTURE) // 2)} have come"
        await bench.jobs.cancel(job)


async def test_whoever_takes_a_job_over_goes_on_with_what_has_come(
    home: Path, shelf: Shelf, http: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "WRITE_EVERY", 0.0)
    monkeypatch.setattr(resume, "OVERLAP", 16)
    shelf.fail_next("download", lambda answer: replace(answer, ending="stall"))
    shelf.fail_next("download", Answer(503))
    async with open_bench(home, Linking(shelf, http)) as dead:
        job_id = (await dead.begin()).id
        parts = folder_of(home, job_id)
        await until(
            lambda: any(one.stat().st_size == len(PICTURE) // 2 for one in parts.glob("fetch-1-*.picture.part"))
        )
        await dead.crash()
    async with open_bench(home, Linking(shelf, http)) as bench:
        job = await bench.done(await bench.reclaimed(job_id))
    assert job.record.state == "completed"
    assert place(job.pictures[0]).read_bytes() == PICTURE
    first, *later = shelf.received("download")
    assert "range" not in first.headers
    assert len(later) == 2
    assert all(one.headers["range"] == f"bytes={len(PICTURE) // 2 - 16}-" for one in later)
    assert left_of(home, job_id) == set()


async def test_half_of_a_picture_is_better_than_none(
    home: Path, shelf: Shelf, http: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "LEAST_PATIENCE", 0.0)
    shelf.fail_next("download", truncated)
    shelf.fail_next("download", Answer(404), times=10_000)
    async with open_bench(home, Forgetful(shelf, http)) as bench:
        job = await bench.done(await bench.begin())
    (kept,) = (folders_in(home).pictures / "unreadable").iterdir()
    assert kept.read_bytes() == PICTURE[: len(PICTURE) // 2]
    assert str(kept) in str(job.error)
    assert left_of(home, job.id) == set()


@pytest.mark.parametrize("error", [IndexError("no such thing"), ConnectionResetError(), TimeoutError()])
async def test_a_bug_of_a_vendors_file_is_no_end(home: Path, error: Exception) -> None:
    vendor = Vendor()
    vendor.then("fetch", error, error)
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.begin())
    assert job.record.state == "completed"
    assert len(vendor.fetched) == 3


async def test_a_network_that_is_gone_shows_in_the_stage_only(home: Path, shelf: Shelf, http: HttpClient) -> None:
    shelf.fail_next("download", Answer(502), times=2)
    shelf.fail_next("download", Answer.reset(), times=2)
    async with open_bench(home, Linking(shelf, http)) as bench:
        job = await bench.begin()
        stages, troubles = await seen_through(job)
    assert job.record.state == "completed"
    assert "made, and waiting for the network to fetch it" in stages
    assert troubles == {""}


async def test_a_full_disk_is_waited_for_while_the_vendor_keeps_the_picture(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "STORE_PATIENCE", 0.0)
    monkeypatch.setattr(deliver, "STORE_PAUSE", 0.001)
    vendor = Vendor()
    vendor.then("fetch", *[OSError(errno.ENOSPC, "No space left on device")] * 6)
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.begin())
    assert job.record.state == "completed"


class Forgetful(Linking):
    """A vendor that keeps its results for a moment."""

    poll_policy = replace(Vendor.poll_policy, keeps=0.01)


@pytest.mark.parametrize("answer", [Answer(404), Answer(503)])
async def test_a_result_is_given_up_only_when_the_vendor_keeps_it_no_longer(
    home: Path, shelf: Shelf, http: HttpClient, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "LEAST_PATIENCE", 0.0)
    shelf.fail_next("download", answer, times=10_000)
    async with open_bench(home, Forgetful(shelf, http)) as bench:
        job = await bench.done(await bench.begin())
        assert states(await bench.record(job.id)) == [CallState.FAILED]
    assert left_of(home, job.id) == set()
    assert job.record.state == "failed"
    assert "It was charged" in str(job.error)
    assert cost(job) == (USD, "estimate")
    assert job.trouble == ""


async def test_a_cancelled_job_does_not_wait_for_a_link_that_is_dead(
    home: Path, shelf: Shelf, http: HttpClient
) -> None:
    shelf.fail_next("download", Answer(404), times=10_000)
    async with open_bench(home, Linking(shelf, http)) as bench:
        job = await bench.begin()
        await until(lambda: job.trouble)
        await bench.jobs.cancel(job)
        assert states(await bench.record(job.id)) == [CallState.CANCELLED]
        assert job.record.state == "cancelled"
        assert cost(job) == (USD, "estimate")
        shelf.heal("download")
        job = await bench.done(await bench.jobs.revive(job))  # it is paid for, and can be fetched after all
    assert job.record.state == "completed"


async def test_an_old_job_is_tried_for_a_while_whatever_the_clock_says(
    home: Path, shelf: Shelf, http: HttpClient
) -> None:
    job_id = await left_behind(home, SUBMITTING, SUBMITTED, MADE)
    vendor = Linking(shelf, http)
    vendor.then("fetch", *[ResultLost("vendor", "HTTP 404")] * 4)
    async with open_bench(home, vendor) as bench:
        execute(home, "UPDATE job SET created = created - 9e8")
        job = await bench.done(await bench.reclaimed(job_id))
    assert job.record.state == "completed"


async def test_what_is_larger_than_is_taken_is_not_asked_for_again(home: Path) -> None:
    large = ResultLost("vendor", "the file is larger than 300 MB, the most that is taken", final=True)
    vendor = Vendor()
    vendor.then("fetch", None, large)
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.begin(calls=(3,)))
        entry = await bench.record(job.id)
    assert job.record.state == "completed"
    assert len({record.variant for record in job.pictures}) == 2
    assert "2 of 3 pictures arrived." in job.record.notes
    assert any("larger than 300 MB" in note and "It was charged" in note for note in job.record.notes)
    assert left_of(home, job.id) == set()
    assert states(entry) == [CallState.KEPT]
    assert entry.calls[0].error is not None
    assert cost(job) == (0.3, "estimate")
