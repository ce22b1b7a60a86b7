"""Input pictures: what is too large is refused by its header, with the row's own limit, before anything is decoded."""

from __future__ import annotations

import base64
import gc
import sys
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from imagewright.catalog.load import catalog
from imagewright.engine.inputs import resolve
from imagewright.errors import ImagewrightError
from imagewright.imaging.limiter import INPUT_MAX_PIXELS
from imagewright.imaging.signatures import known_formats
from imagewright.settings.folders import Folders
from imagewright.storage.accounts import LOCAL
from imagewright.storage.stores import open_stores
from tests.support.crafted_files import (
    flat_png,
    hollow_avif,
    hollow_bmp,
    hollow_gif,
    hollow_heic,
    hollow_jpeg,
    hollow_png,
    hollow_webp,
    padded_avif,
    tiff_of,
)
from tests.support.pictures import STILL_FORMATS, photo
from tests.support.raw_client import MODERN, RawClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from imagewright.catalog.row import PictureLimits
    from imagewright.storage.library import Library

pytestmark = pytest.mark.anyio

HOLLOW: dict[str, Callable[[int, int], bytes]] = {
    "png": hollow_png,
    "jpeg": hollow_jpeg,
    "webp": hollow_webp,
    "gif": lambda width, height: hollow_gif((width, height), (1, 1)),
    "avif": hollow_avif,
    "heic": hollow_heic,
    "tiff": lambda width, height: tiff_of((width, height)),
    "bmp": hollow_bmp,
}
"""Files that promise many pixels and have none of them: were one decoded, it would be called damaged."""
FORMATS = [name for name in HOLLOW if name in STILL_FORMATS]
ROWS = {row.tool: row.pictures for row in catalog().values()}
SERVER_ROOM = 400_000_000
"""Bytes of memory a server may take at most while it refuses a call."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
async def library(root: Path, tmp_path: Path) -> AsyncIterator[Library]:
    folders = Folders(root, tmp_path / "imagewright.db", tmp_path / "c.toml", tmp_path / "k.toml", (root,))
    stores = open_stores(folders, lease=1.0)
    yield stores.library
    await stores.close()


@dataclass(frozen=True)
class Bomb:
    """A picture one px beyond what a row allows of a format."""

    name: str
    """The format."""
    limits: PictureLimits
    """The row's."""
    width: int
    """Px."""
    height: int
    """Px."""
    words: str
    """What the refusal must name."""


def bomb(tool: str, name: str) -> Bomb:
    limits = ROWS[tool]
    own = limits.max_megapixels
    most = min(INPUT_MAX_PIXELS[name], int((own or 10**6) * 10**6))
    side = int(most**0.5) + 1
    words = f"the limit is {own:g} megapixels" if own else f"as {name.upper()} at most {most / 10**6:.0f} megapixels"
    return Bomb(name, limits, side, side, words)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("tool", sorted(ROWS))
async def test_too_many_pixels_are_refused_before_anything_is_decoded(
    tool: str, name: str, library: Library, root: Path
) -> None:
    case = bomb(tool, name)
    file = root / "bomb"
    file.write_bytes(HOLLOW[name](case.width, case.height))
    sources, problems = await resolve([("images[0]", str(file))], case.limits, library, LOCAL)
    assert not sources
    assert problems[0].argument == "images[0]"
    assert f"is {case.width}x{case.height} px" in problems[0].message
    assert case.words in problems[0].message


@pytest.mark.parametrize("tool", [tool for tool, limits in sorted(ROWS.items()) if limits.max_side])
async def test_every_limit_that_is_broken_is_named(tool: str, library: Library, root: Path) -> None:
    limits = ROWS[tool]
    assert limits.max_side
    file = root / "long.png"
    file.write_bytes(hollow_png(limits.max_side + 1, 1))
    _, problems = await resolve([("image", str(file))], limits, library, LOCAL)
    assert len(problems) == 1 + bool(limits.min_side > 1)
    assert any(f"each side may have at most {limits.max_side} px" in problem.message for problem in problems)


async def test_a_refused_picture_leaves_nothing_that_only_the_garbage_collector_finds(library: Library) -> None:
    text = base64.b64encode(photo()[:-200]).decode()
    given = [("images[0]", f"data:image/png;base64,{one}") for one in ("bm90aGluZw==", text)]
    gc.collect()
    was_on, flags = gc.isenabled(), gc.get_debug()
    gc.disable()
    try:
        assert len((await resolve(given, ROWS["qwen"], library, LOCAL))[1]) == len(given)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = [one for one in gc.garbage if isinstance(one, ImagewrightError)]
    finally:
        gc.set_debug(flags)
        gc.garbage.clear()
        if was_on:
            gc.enable()
    assert left == []


async def test_problems_and_pictures_keep_their_places(library: Library, root: Path) -> None:
    good, text, large = root / "good.png", root / "text.png", root / "large.png"
    good.write_bytes(photo())
    text.write_text("no picture")
    large.write_bytes(hollow_png(20_000, 20_000))
    given = [(f"images[{place}]", str(path)) for place, path in enumerate([large, good, text, good])]
    sources, problems = await resolve(given, ROWS["nano_banana"], library, LOCAL)
    assert [source.argument for source in sources] == ["images[1]", "images[3]"]
    assert [problem.argument for problem in problems] == ["images[0]", "images[2]"]
    assert sources[0].facts.width == 64


async def test_a_data_uri_is_measured_as_well(library: Library) -> None:
    text = "data:image/png;base64," + base64.b64encode(hollow_png(20_000, 20_000)).decode()
    _, (problem,) = await resolve([("image", text)], ROWS["nano_banana"], library, LOCAL)
    assert "20000x20000" in problem.message


BODY = 8_000_000
"""Characters of a data URI's body."""
MOST_COPIES = 6
"""How many times the body's size may be in memory. With each piece of it as a text of its own, it would be fifty."""
BODIES: dict[str, tuple[str, str]] = {
    "blanks": ("data:image/png;base64,", "AAAA " * (BODY // 5)),
    "more blanks": ("data:image/png;base64,", " " * BODY),
    "escapes": ("data:image/png,", "%89" * (BODY // 3)),
    "few escapes": ("data:image/png,", "%89" * 10_000),
    "other letters": ("data:image/png;base64,", "\u00e4" * BODY),
    "padding": ("data:image/png;base64,", "=" * BODY),
}


@pytest.mark.parametrize("body", BODIES)
async def test_a_data_uri_is_refused_in_little_memory(body: str, library: Library) -> None:
    text = "".join(BODIES[body])
    tracemalloc.start()
    try:
        sources, problems = await resolve([("image", text)], ROWS["nano_banana"], library, LOCAL)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert not sources
    assert len(problems[0].message) < 300
    assert peak < MOST_COPIES * BODY


async def test_white_space_in_base64_and_a_short_escaped_picture_are_read(library: Library) -> None:
    data = photo(format="gif")
    lines = base64.encodebytes(data).decode().replace("\n", "\r\n\t ")
    escaped = "".join(f"%{byte:02x}" for byte in data)
    given = [("images[0]", f"data:image/gif;base64,{lines}"), ("images[1]", f"data:image/gif,{escaped}")]
    sources, problems = await resolve(given, ROWS["nano_banana"], library, LOCAL)
    assert not problems
    assert [source.data for source in sources] == [data, data]


@pytest.mark.skipif("avif" not in known_formats(), reason="Pillow was built without AVIF")
async def test_an_avif_is_held_to_what_it_holds(library: Library, root: Path) -> None:
    file = root / "small.avif"
    file.write_bytes(padded_avif(640, 480))
    limits = ROWS["nano_banana"].model_copy(update={"max_side": 600})
    _, (problem,) = await resolve([("image", str(file))], limits, library, LOCAL)
    assert "is 640x480 px" in problem.message


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
def test_ten_pictures_of_268_megapixels_take_no_memory(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "large.png"
    file.write_bytes(flat_png(16_384))
    env = {"IMAGEWRIGHT_HOME": str(home), "IMAGEWRIGHT_ROOTS": str(tmp_path)}
    with RawClient(MODERN, env=env) as client:
        result = client.call("nano_banana", {"prompt": "merge them", "images": [str(file)] * 10})
        status = Path(f"/proc/{client.process.pid}/status").read_text()
    assert result["isError"]
    assert result["content"][0]["text"].count("is 16384x16384 px") == 10
    assert next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) * 1024 < SERVER_ROOM
