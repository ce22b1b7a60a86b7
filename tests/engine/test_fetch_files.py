"""Where a picture lies while it is fetched: files of its process's own, and nothing of them stays."""

from __future__ import annotations

import errno
import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from imagewright.engine import deliver, trouble
from imagewright.engine.config import AbsentProvider
from imagewright.engine.pictures import PICTURE, remove_fetched, write_private
from imagewright.errors import ResultLost
from imagewright.providers.base import Output
from tests.support.engine_bench import MADE, SUBMITTED, SUBMITTING, Vendor, folder_of, left_behind, left_of, open_bench

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trouble, "TROUBLE_PAUSE", 0.001)


def test_of_what_was_fetched_only_ones_own_is_removed(tmp_path: Path) -> None:
    own = {f"fetch-1-me{end}" for end in (PICTURE, f"{PICTURE}.part", f"{PICTURE}.part.json", ".exact", ".broken")}
    others = {f"fetch-1-you{PICTURE}", f"fetch-1-me2{PICTURE}", f"fetch-11-me{PICTURE}", "lock-0", "result-1"}
    for name in own | others:
        (tmp_path / name).write_bytes(b"bytes")
    for _ in range(2):
        remove_fetched(tmp_path / f"fetch-1-me{PICTURE}")
        assert {file.name for file in tmp_path.iterdir()} == others
    remove_fetched(tmp_path / "gone" / f"fetch-1-me{PICTURE}")


async def absent(file: Path, data: bytes) -> None:
    await AbsentProvider("vendor").fetch(Output(data=data), file)


async def private(file: Path, data: bytes) -> None:
    write_private(file, data)


@pytest.mark.parametrize("write", [absent, private])
async def test_what_is_written_anew_changes_no_picture_that_was_kept_of_it(
    tmp_path: Path, write: Callable[[Path, bytes], Awaitable[None]]
) -> None:
    file, kept = tmp_path / "file", tmp_path / "kept"
    for data in (b"one", b"another"):
        await write(file, data)
        assert file.read_bytes() == data
        if not kept.exists():
            kept.hardlink_to(file)
    assert kept.read_bytes() == b"one"


async def test_a_folder_that_is_gone_is_made_again(home: Path) -> None:
    vendor = Vendor()
    async with open_bench(home, vendor) as bench:

        async def tidy_up() -> None:
            folder_of(home, job.id).rmdir()

        vendor.then("fetch", tidy_up)
        job = await bench.begin()
        await bench.done(job)
    assert job.record.state == "completed"
    assert len(vendor.fetched) == 2
    assert left_of(home, job.id) == set()


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ((), "completed"),
        ((ResultLost("vendor", "larger than is taken", final=True),), "failed"),
    ],
)
async def test_nothing_stays_in_the_place_that_was_used_instead(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[Exception, ...], state: str
) -> None:
    spare = tmp_path / "spare"
    spare.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spare))
    used: list[Path] = []

    class Watched(Vendor):
        async def fetch(self, output: Output, into: Path, **more: Any) -> None:
            used.append(into)
            await super().fetch(output, into, **more)

    vendor = Watched()
    vendor.then("fetch", OSError(errno.EROFS, "Read-only file system"), *more)
    async with open_bench(home, vendor) as bench:
        job = await bench.done(await bench.begin())
    assert job.record.state == state
    assert [file.is_relative_to(spare) for file in used] == [False, True]
    assert list(spare.iterdir()) == []


@pytest.mark.parametrize(("taken_over", "begun"), [(False, [False, True, True]), (True, [True, True, True])])
async def test_what_may_have_come_before_is_looked_for(home: Path, *, taken_over: bool, begun: list[bool]) -> None:
    vendor = Vendor()
    vendor.then("fetch", *[ResultLost("vendor", "HTTP 404")] * 2)
    async with open_bench(home, vendor) as bench:
        if taken_over:
            job = await bench.reclaimed(await left_behind(home, SUBMITTING, SUBMITTED, MADE))
        else:
            job = await bench.begin()
        assert (await bench.done(job)).record.state == "completed"
    assert vendor.had_begun == begun


async def test_what_has_arrived_is_left_where_the_message_says(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliver, "STORE_PATIENCE", 0.0)
    monkeypatch.setattr(deliver, "BROKEN_PAUSES", (0.001,))

    class Torn(Vendor):
        async def fetch(self, output: Output, into: Path, **more: Any) -> None:
            await super().fetch(output, into, **more)
            await anyio.Path(into).write_bytes(b"torn")

    vendor = Torn()
    vendor.poll_policy = replace(vendor.poll_policy, keeps=0.0)
    vendor.then("fetch", None, OSError(errno.ENOSPC, "No space left on device"))
    async with open_bench(home, vendor) as bench:
        job = await bench.stalled(await bench.begin())
        file = folder_of(home, job.id) / f"fetch-1-{bench.stores.jobs.worker_id}.broken"
    assert f"What arrived is left as {file}." in " ".join(job.record.notes)
    assert file.read_bytes() == b"torn"
