"""A worker makes what the function itself makes; one that fails or answers nonsense costs one call one error."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from imagewright.cli.checks import Level, check_decoding
from imagewright.errors import PictureError, StorageError
from imagewright.imaging import files, limiter, lossless, pixels, prepare, preview, workers
from imagewright.imaging.limiter import LOOK_BYTES, ROOM, Piece, Preview, Target, decode, in_worker
from imagewright.imaging.worker import environment
from imagewright.imaging.workers import WORKERS, DecoderError, Workers
from tests.support.odd_worker import PICTURE, odd_workers
from tests.support.pictures import NOT_PICTURES, cut_short, mask_of, noise, photo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither these signals nor these limits"),
]

PATIENCE = 20.0
MASK = mask_of(64, 48, (8, 8, 30, 30))
LAYERED = photo(64, 48, mode="RGBA")
TURNED = photo(64, 48, "jpeg", orientation=6)
COST = 1_000_000
FIRST = [preview.look(noise(300, 200))[1], preview.look(LAYERED)[1]]

SAME: dict[str, tuple[Callable[[Piece], Any], Callable[[], Any]]] = {
    "probe": (lambda piece: workers.probe(piece, TURNED), lambda: files.probe(TURNED)),
    "look": (lambda piece: workers.look(piece, LAYERED), lambda: preview.look(LAYERED)),
    "untouched": (
        lambda piece: workers.prepare(piece, LAYERED, Target(formats=("png",))),
        lambda: prepare.prepare(LAYERED, Target(formats=("png",))),
    ),
    "prepared": (
        lambda piece: workers.prepare(piece, TURNED, Target(formats=("png", "jpeg"), max_side=40)),
        lambda: prepare.prepare(TURNED, Target(formats=("png", "jpeg"), max_side=40)),
    ),
    "mask_coverage": (lambda piece: workers.mask_coverage(piece, MASK), lambda: prepare.mask_coverage(MASK)),
    "mask_doubt": (lambda piece: workers.mask_doubt(piece, MASK), lambda: prepare.mask_doubt(MASK)),
    "convert_mask": (
        lambda piece: workers.convert_mask(piece, MASK, "black_is_repainted", (32, 24)),
        lambda: prepare.convert_mask(MASK, "black_is_repainted", (32, 24)),
    ),
    "read_mask": (lambda piece: workers.read_mask(piece, MASK), lambda: prepare.read_mask(MASK)),
    "resize_exact": (
        lambda piece: workers.resize_exact(piece, TURNED, 100, 30),
        lambda: pixels.resize_exact(TURNED, 100, 30),
    ),
    "as_png": (lambda piece: workers.as_png(piece, TURNED), lambda: lossless.as_png(TURNED)),
    "open_picture": (
        lambda piece: workers.open_picture(piece, LAYERED).tobytes(),
        lambda: pixels.open_picture(LAYERED).tobytes(),
    ),
    "fit_previews": (
        lambda piece: workers.fit_previews(piece, FIRST, 9000),
        lambda: preview.fit_previews(FIRST, budget=9000),
    ),
}
"""Each kind of work, by a worker and here."""

LIES: dict[str, object] = {
    "nothing": {},
    "a list": [1, 2],
    "no sides": {"facts": {"format": "png"}},
    "sides of text": {"width": "8", "height": 8},
    "a side that is true": {"width": True, "height": 8},
    "too many pixels": {"width": 100_000, "height": 100_000},
    "a side of 0": {"width": 0, "height": 8},
    "other sides than in the file": {"width": 8, "height": 9},
    "another format": {"format": "exe"},
    "orientation 9": {"orientation": 9},
    "alpha that is a number": {"has_alpha": 1},
    "transparent text": {"transparent": "yes"},
    "negative bytes": {"size": -1},
    "an error that is no text": {"error": 1, "kind": "picture"},
    "an error of no kind": {"error": "none"},
}
HONEST = {"format": "png", "width": 8, "height": 8, "orientation": 1, "frames": 1, "has_alpha": False, "size": 16}


@pytest.fixture
def fresh() -> Iterator[Workers]:
    """The workers of this process, of which there are none yet."""
    WORKERS.close()
    yield WORKERS
    WORKERS.close()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def _until(true: Callable[[], object]) -> None:
    with anyio.fail_after(PATIENCE):
        while not true():  # noqa: ASYNC110 - processes set no event
            await anyio.sleep(0.002)


async def _stopped(pool: Workers) -> int:
    """A worker that is up and does not move any more."""
    await decode(workers.probe, photo(), per_pixel=0)
    (one,) = pool.idle
    os.kill(one.pid, signal.SIGSTOP)
    return one.pid


async def _look_oddly(asked: str) -> object:
    return await decode(workers.look, asked.encode(), per_pixel=LOOK_BYTES)


@pytest.mark.parametrize("name", SAME)
async def test_a_worker_makes_what_the_function_itself_makes(name: str) -> None:
    by_worker, here = SAME[name]
    assert await in_worker(by_worker, cost=COST) == here()


async def test_pixels_keep_their_colour_profile() -> None:
    from PIL import Image, ImageCms  # noqa: PLC0415 - only here

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    given = pixels.encode(pixels.open_picture(photo()), "png")
    image = pixels.open_picture(given)
    image.info["icc_profile"] = profile
    found = await decode(workers.open_picture, pixels.encode(image, "png"), per_pixel=LOOK_BYTES)
    assert isinstance(found, Image.Image)
    assert (found.info["icc_profile"], found.tobytes()) == (profile, image.tobytes())


@pytest.mark.parametrize("data", [*(data for data, _ in NOT_PICTURES.values()), b"", cut_short(noise(64, 64))])
async def test_errors_are_the_functions_own(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(data)
    with pytest.raises(PictureError) as here:
        preview.look(data)
    for source in (data, file):
        with pytest.raises(PictureError) as by_worker:
            await in_worker(workers.look, source, cost=COST)
        assert (type(by_worker.value), str(by_worker.value)) == (type(here.value), str(here.value))


async def test_a_file_that_is_gone_is_trouble_with_the_disk(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot read"):
        await in_worker(workers.look, tmp_path / "gone")


async def test_one_worker_serves_one_after_the_other(fresh: Workers) -> None:
    for _ in range(3):
        await decode(workers.probe, photo(), per_pixel=0)
    assert (len(fresh.idle), fresh.count) == (1, 1)


async def test_an_idle_worker_that_was_killed_is_replaced(fresh: Workers) -> None:
    await decode(workers.probe, photo(), per_pixel=0)
    (old,) = fresh.idle
    os.kill(old.pid, signal.SIGKILL)
    assert await decode(workers.probe, photo(), per_pixel=0) == files.probe(photo())
    (new,) = fresh.idle
    assert new.pid != old.pid
    assert fresh.count == 1


async def test_work_whose_worker_is_killed_is_done_by_another(fresh: Workers, tmp_path: Path) -> None:
    file = tmp_path / "paid.png"
    file.write_bytes(noise(200, 100))
    pid = await _stopped(fresh)
    found = []
    async with anyio.create_task_group() as group:

        async def look() -> None:
            found.append(await decode(workers.look, file, per_pixel=LOOK_BYTES))

        group.start_soon(look)
        await _until(lambda: not fresh.idle)
        os.kill(pid, signal.SIGKILL)
    assert found == [preview.look(file)]
    assert not _lives(pid)


async def test_a_worker_that_hangs_is_ended_and_the_next_call_is_served(fresh: Workers) -> None:
    pid = await _stopped(fresh)
    with pytest.raises(DecoderError, match="it was not decoded within"):
        await in_worker(workers.probe, photo(), tick=0.0001)
    assert not _lives(pid)
    assert fresh.count == 0
    assert await decode(workers.probe, photo(), per_pixel=0) == files.probe(photo())


async def test_a_caller_that_is_cancelled_ends_its_worker_and_gives_its_room_back(fresh: Workers) -> None:
    pid = await _stopped(fresh)
    async with anyio.create_task_group() as group:
        group.start_soon(partial(decode, workers.probe, photo(), per_pixel=0))
        await _until(lambda: not fresh.idle)
        group.cancel_scope.cancel()
    with anyio.fail_after(PATIENCE):
        async with limiter.DECODING.share(ROOM):
            await _until(lambda: not _lives(pid) and fresh.count == 0)


@pytest.mark.parametrize("how", ["crash", "abort", "half", "much", "long", "silent"])
async def test_a_decoder_that_crashes_costs_one_error(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    with odd_workers(monkeypatch) as odd:
        with pytest.raises(DecoderError, match="ended twice without an answer"):
            await _look_oddly(how)
        assert odd.count == 0
        assert await decode(workers.probe, photo(), per_pixel=0) == files.probe(photo())


@pytest.mark.parametrize("how", ["spin", "sleep"])
async def test_the_system_ends_a_decoder_that_goes_on_for_ever(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    with odd_workers(monkeypatch) as odd:
        with anyio.fail_after(PATIENCE), pytest.raises(DecoderError, match="it was not decoded within"):
            await in_worker(workers.look, how.encode(), tick=PATIENCE)  # the server itself would not notice before
        assert odd.count == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces a limit on the address space")
async def test_a_decoder_that_eats_memory_is_refused_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with odd_workers(monkeypatch) as odd:
        with pytest.raises(PictureError, match="more memory than a picture of its size should"):
            await _look_oddly("eat")
        (one,) = odd.idle
        assert await decode(workers.probe, photo(), per_pixel=0) == files.probe(photo())
        assert odd.idle == [one]


async def test_a_bug_is_no_statement_about_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    with odd_workers(monkeypatch), pytest.raises(DecoderError, match=r"what decodes it failed \(ZeroDivisionError\)"):
        await _look_oddly("break")


async def test_what_a_library_prints_does_not_stand_between_the_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with odd_workers(monkeypatch), pytest.raises(PictureError, match="as asked"):
        await _look_oddly("print")


@pytest.mark.parametrize("name", LIES)
async def test_an_answer_that_makes_no_sense_is_not_taken(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    lie = LIES[name]
    answer = {"facts": {**HONEST, **lie}, **HONEST, **lie} if isinstance(lie, dict) and lie else lie
    with odd_workers(monkeypatch) as odd:
        with pytest.raises(DecoderError, match="ended twice without an answer"):
            await _look_oddly(json.dumps(answer))
        assert odd.count == 0  # a worker that answered nonsense is not asked again
        facts, _ = await decode(workers.look, json.dumps({"facts": HONEST, **HONEST}).encode(), per_pixel=LOOK_BYTES)
    assert (facts.width, facts.height) == (8, 8)


@pytest.mark.parametrize(("sizes", "budget"), [([24], 10), ([], 1000), ([8, 16], 1000), ([25], 1000), ([0], 1000)])
async def test_previews_that_make_no_sense_are_not_taken(
    monkeypatch: pytest.MonkeyPatch, sizes: list[int], budget: int
) -> None:
    def asked(sizes: list[int]) -> list[Preview]:
        previews = [{"width": 8, "height": 8, "size": size} for size in sizes]
        return [Preview(json.dumps({"previews": previews, "shrunk": True}).encode(), "png", 8, 8)]

    with odd_workers(monkeypatch):
        made, shrunk = await in_worker(workers.fit_previews, asked([len(PICTURE)]), 1000, cost=COST)
        assert (made, shrunk) == ([Preview(PICTURE, "png", 8, 8)], True)
        with pytest.raises(DecoderError, match="ended twice without an answer"):
            await in_worker(workers.fit_previews, asked(sizes), budget, cost=COST)


@pytest.mark.parametrize(
    ("mode", "profile"), [("RGB", 0), ("RGB", 24), ("L", 25), ("L", -40), ("P", 24), ("F", 24), ("none", 24), (1, 24)]
)
async def test_pixels_that_make_no_sense_are_not_taken(
    monkeypatch: pytest.MonkeyPatch, mode: object, profile: int
) -> None:
    asked = json.dumps({"mode": mode, "width": 8, "height": 8, "profile": profile})
    with odd_workers(monkeypatch) as odd:
        with pytest.raises(DecoderError, match="ended twice without an answer"):
            await decode(workers.open_picture, asked.encode(), per_pixel=LOOK_BYTES)
        assert odd.count == 0


async def test_an_answer_is_bounded_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "ANSWER_BYTES", 0)
    made = await in_worker(workers.as_png, TURNED, cost=COST)
    assert made == lossless.as_png(TURNED)
    assert await in_worker(workers.as_png, TURNED, cost=len(made)) == made
    with pytest.raises(DecoderError, match="ended twice without an answer"):
        await in_worker(workers.as_png, TURNED, cost=len(made) - 1)


async def test_a_worker_without_work_is_ended() -> None:
    pool = Workers(idle_seconds=0.05)
    await in_worker(lambda piece: pool.do(piece, "probe", photo(), lambda answer: answer.body))
    pids = [one.pid for one in pool.idle]
    await _until(lambda: pool.count == 0)
    assert not any(map(_lives, pids))


async def test_a_worker_can_be_there_before_its_work(fresh: Workers) -> None:
    fresh.warm_up()
    await _until(lambda: fresh.idle)
    (one,) = fresh.idle
    await decode(workers.probe, photo(), per_pixel=0)
    assert fresh.idle == [one]
    assert fresh.count == 1


async def test_without_processes_the_error_says_so(fresh: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(DecoderError, match="no process can be started that decodes pictures"):
        await decode(workers.probe, photo(), per_pixel=0)
    assert check_decoding().level is Level.BROKEN
    assert "no process can be started that decodes pictures" in check_decoding().says
    fresh.warm_up()
    await _until(lambda: fresh.count == 0)


def test_the_doctor_tries_one(fresh: Workers) -> None:
    assert check_decoding().level is Level.OK
    assert fresh.count == 1


async def test_a_worker_is_for_itself_and_knows_no_key(fresh: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAL_KEY", "planted-key")
    monkeypatch.setenv("IMAGEWRIGHT_BUDGET", "1")
    await decode(workers.probe, photo(), per_pixel=0)
    (one,) = fresh.idle
    assert os.getpgid(one.pid) == one.pid
    if sys.platform == "linux":
        assert b"planted" not in await anyio.Path(f"/proc/{one.pid}/environ").read_bytes()
    given = {
        "FAL_KEY": "k",
        "HOME": "/h",
        "HTTPS_PROXY": "http://u:p@h",
        "LD_LIBRARY_PATH": "/lib",
        "PYTHONSTARTUP": "x",
    }
    assert environment(given).keys() == {"LD_LIBRARY_PATH", "MALLOC_ARENA_MAX"}


SERVER = """
import time
from imagewright.imaging import workers
from imagewright.imaging.limiter import Piece
from tests.support.pictures import photo
workers.probe(Piece(0), photo())
print(workers.WORKERS.idle[0].pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("is_stopped", [False, *([True] if sys.platform == "linux" else [])])
def test_a_server_that_is_killed_leaves_no_worker(*, is_stopped: bool) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, env=env) as server:  # noqa: S603 - our own words
        assert server.stdout is not None
        pid = int(server.stdout.readline())
        assert _lives(pid)
        if is_stopped:
            os.kill(pid, signal.SIGSTOP)
            stat = Path(f"/proc/{pid}/stat")
            anyio.run(_until, lambda: stat.read_text("ascii").rpartition(")")[2].split()[0] == "T")
        server.kill()
    anyio.run(_until, lambda: not _lives(pid))


def test_a_server_loads_neither_pillow_nor_an_event_loop_for_a_worker() -> None:
    code = (
        "import sys, imagewright.imaging.workers as w; from imagewright.imaging.limiter import Piece; "
        "w.probe(Piece(0), sys.stdin.buffer.read()); print({'PIL.Image', 'asyncio'} & set(sys.modules))"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], input=photo(), capture_output=True, env=env, check=True)  # noqa: S603 - our own words
    assert done.stdout.strip() == b"set()"
