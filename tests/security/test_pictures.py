"""No picture file breaks, fills or stalls anything, at whichever door it comes in; what was paid for is kept as it is.

The long form is `python -m tests.security.pictures`.
"""

from __future__ import annotations

import base64
import re
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from imagewright.catalog.row import PictureLimits
from imagewright.engine import deliver
from imagewright.engine.inputs import READ_BYTES, resolve
from imagewright.errors import PictureError
from imagewright.imaging.files import measure
from imagewright.imaging.headers import CEILINGS, MAX_PIXELS
from imagewright.imaging.limiter import INPUT_MAX_PIXELS
from imagewright.imaging.signatures import known_formats
from imagewright.net import Guard
from imagewright.storage.accounts import LOCAL
from imagewright.storage.stores import open_stores
from tests.emulators.base import Door, Emulator
from tests.emulators.messages import Answer
from tests.security.crafted import CRAFTED
from tests.security.pictures import MEMORY, children_of, peak_of, seconds_of
from tests.support.attack_runs import run_attack
from tests.support.crafted_files import black_png
from tests.support.engine_bench import PICTURE, Vendor, folders_in, left_of, open_bench, place
from tests.support.odd_worker import odd_workers
from tests.support.raw_client import MODERN, RawClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
    from pathlib import Path

    from imagewright.providers.base import Output
    from imagewright.storage.library import Library
    from tests.emulators.messages import Received

pytestmark = pytest.mark.anyio

PATIENCE = 120.0
"""Seconds until a job that does not end fails the test; the machine may be busy."""
ROUNDS = 3
"""Cuts and changes of each whole file; the command tries 1,800."""
LIMITS = PictureLimits(formats=("png", "jpeg"), max_bytes=READ_BYTES, min_side=1)
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="memory and time of processes are read from /proc")


def _may_be_a_result(data: bytes) -> bool:
    """Whether a file is larger than an input and no larger than a picture that a vendor can be asked for."""
    try:
        measured = measure(data)
    except PictureError:
        return False
    most = CEILINGS.get(measured.format, MAX_PIXELS)
    return INPUT_MAX_PIXELS[measured.format] < measured.width * measured.height <= most


@cache
def _files() -> Mapping[str, bytes]:
    """Every crafted file by its name. To make them takes a second, which not everyone who imports this has to spend."""
    return {name: make() for name, (make, _) in CRAFTED.items()}


def _results() -> Mapping[str, bytes]:
    """Those that no vendor can be asked for: the others take as much memory as the largest pictures there are."""
    return {name: data for name, data in _files().items() if not _may_be_a_result(data)}


class Given(Emulator):
    """Where the files lie under their numbers."""

    hosts = ("files",)

    def doors(self) -> Sequence[Door]:
        return [Door("file", "files", "GET", "/(?P<number>[0-9]+)", self._file)]

    def _file(self, received: Received) -> Answer:
        return Answer(200, [*_files().values()][int(received.groups["number"])], {"Content-Type": "image/png"})


@pytest.fixture
async def library(home: Path) -> AsyncIterator[Library]:
    stores = open_stores(folders_in(home), lease=1.0)
    yield stores.library
    await stores.close()


@pytest.fixture
def given() -> Iterator[Given]:
    with Given() as emulator:
        yield emulator


async def _refusal(text: str, library: Library) -> str:
    """What is wrong with a picture; empty where it is taken."""
    sources, problems = await resolve([("image", text)], LIMITS, library, LOCAL, Guard(loopback=True))
    assert len(sources) + bool(problems) == 1
    return " ".join(problem.message for problem in problems)


LEFT_OUT = frozenset(name for name in CRAFTED if name.startswith("png with") and "text" in name)
"""Files whose only fault lies in texts: these are left out before anything is decoded."""


def _is_as_written(name: str, refusal: str) -> bool:
    words = "" if name in LEFT_OUT else CRAFTED[name][1]
    return bool(re.search(words, refusal)) if words else not refusal


async def test_every_crafted_file_is_refused_in_words_or_taken_as_a_path(home: Path, library: Library) -> None:
    file = folders_in(home).pictures / "given"
    file.parent.mkdir(parents=True, exist_ok=True)
    found = {}
    for name, data in _files().items():
        file.write_bytes(data)
        found[name] = await _refusal(str(file), library)
    assert {name: words for name, words in found.items() if not _is_as_written(name, words)} == {}


async def test_every_crafted_file_is_refused_in_words_or_taken_as_a_data_uri(library: Library) -> None:
    found = {
        name: await _refusal(f"data:image/png;base64,{base64.b64encode(data).decode()}", library)
        for name, data in _files().items()
    }
    assert {name: words for name, words in found.items() if not _is_as_written(name, words)} == {}


async def test_every_crafted_file_is_refused_in_words_or_taken_from_a_url(library: Library, given: Given) -> None:
    found = {name: await _refusal(f"{given.url('files')}/{number}", library) for number, name in enumerate(_files())}
    assert {name: words for name, words in found.items() if not _is_as_written(name, words)} == {}


class Crafting(Vendor):
    """A vendor whose pictures are the crafted files, in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.file = b""

    async def fetch(self, output: Output, into: Path, **_more: Any) -> None:
        self.fetched.append(output.url)
        await anyio.Path(into).write_bytes(self.file)


async def test_a_crafted_file_that_was_paid_for_is_kept_byte_for_byte(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "BROKEN_PAUSES", (0.001,))
    vendor, kept, results, jobs = Crafting(), {}, _results(), dict[str, str]()
    async with open_bench(home, vendor) as bench:
        for name, data in results.items():
            vendor.file = data
            job = await bench.begin(name)
            with anyio.fail_after(PATIENCE):
                await job.ended()
            jobs[name] = job.id
            if job.record.state == "completed":
                assert CRAFTED[name][1] == "", name
                (path,) = (place(one) for one in job.pictures)
            else:
                assert "It was charged." in str(job.error), name
                folder = folders_in(home).pictures / "unreadable"
                (path,) = (one for one in folder.iterdir() if str(one) in str(job.error))
            kept[name] = path.read_bytes()
    assert [name for name, data in kept.items() if data != results[name]] == []
    assert [name for name, job_id in jobs.items() if left_of(home, job_id)] == []
    assert len(kept) == len(results) == len(vendor.orders)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither these signals nor these limits")
@pytest.mark.parametrize("how", ["crash", "spin", "sleep", "half", "silent", "long"])
async def test_a_decoder_that_fails_for_good_costs_a_paid_picture_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(deliver, "BROKEN_PAUSES", (0.001,))
    vendor = Crafting()
    async with open_bench(home, vendor) as bench:
        with odd_workers(monkeypatch):
            vendor.file = how.encode()
            job = await bench.begin(how)
            with anyio.fail_after(PATIENCE):
                await job.ended()
        vendor.file = PICTURE
        after = await bench.begin("the next")
        with anyio.fail_after(PATIENCE):
            await after.ended()
    (kept,) = (folders_in(home).pictures / "unreadable").iterdir()
    assert kept.read_bytes() == how.encode()
    assert str(kept) in str(job.error)
    assert "It was charged." in str(job.error)
    assert len(vendor.orders) == 2  # each was paid for once
    assert [place(one).read_bytes() for one in after.pictures] == [PICTURE]


@on_linux
def test_crafted_cut_and_changed_files_break_nothing_and_take_little() -> None:
    printed = run_attack("pictures", "--rounds", str(ROUNDS))
    assert printed.count(" 0 broken") == 3


@on_linux
def test_ten_huge_pictures_are_refused_without_being_decoded(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "huge.png"
    file.write_bytes(black_png(16_384, 16_384))
    env = {"IMAGEWRIGHT_HOME": str(home), "IMAGEWRIGHT_ROOTS": str(tmp_path)}
    call = {"name": "nano_banana", "arguments": {"prompt": "merge them", "images": [str(file)] * 10}}
    with RawClient(MODERN, env=env) as client:
        refused, *others = [client.begin("tools/call", call), *(client.begin("tools/list") for _ in range(20))]
        answers = client.answers([refused, *others])
        workers = [*children_of(client.process.pid)]
        memory = sum(map(peak_of, (client.process.pid, *workers)))
        spent = sum(map(seconds_of, workers))
    assert answers[refused]["result"]["content"][0]["text"].count("is 16384x16384 px") == 10
    assert all("result" in answers[one] for one in others)
    assert memory < MEMORY
    assert len(workers) <= 1  # one is started for what may come; to decode one of these takes it seconds
    assert spent < 1


def test_an_input_may_have_far_fewer_pixels_than_a_result() -> None:
    assert set(INPUT_MAX_PIXELS) >= set(known_formats())
    for name, most in INPUT_MAX_PIXELS.items():
        assert most <= CEILINGS.get(name, MAX_PIXELS), name
    assert max(INPUT_MAX_PIXELS.values()) * 4 <= MAX_PIXELS
