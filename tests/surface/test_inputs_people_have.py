"""Pictures as phones, cameras, scanners and Windows make them, given to the real engine with a vendor's emulator."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from imagewright.catalog.row import OperationName
from imagewright.engine.engine import open_engine
from imagewright.errors import Refusal
from imagewright.settings.load import load_settings
from imagewright.storage.accounts import LOCAL
from tests.support.crafted_files import bmp_with_alpha, tiff_of
from tests.support.pictures import opened as pixels_of
from tests.support.pictures import photo, quarters, saved
from tests.support.vendors import environment, opened, routes_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from imagewright.engine.engine import Engine
    from imagewright.engine.job import Job
    from tests.support.vendors import AnyEmulator

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("hurried")]

VENDOR = "kie"
"""One that serves every tool."""
PATIENCE = 60.0
"""Seconds until a job that has not ended fails the test."""
EDIT = next(one for one in routes_of(VENDOR) if one.operation is OperationName.EDIT)
CUT_OUT = next(one for one in routes_of(VENDOR) if one.operation is OperationName.REMOVE_BACKGROUND)


@cache
def grainy(width: int, height: int) -> Image.Image:
    """What a camera sees: soft shades with grain, so that no format makes it small."""
    shades = [Image.radial_gradient("L"), Image.linear_gradient("L")]
    return Image.merge(
        "RGB", [*(one.resize((width, height)) for one in shades), Image.effect_noise((width, height), 60)]
    )


@cache
def from_phone() -> bytes:
    """12 megapixels as HEIC."""
    return saved(grainy(4032, 3024), "heic", quality=60, enc_params={"preset": "ultrafast"})


@cache
def from_camera() -> bytes:
    """24 megapixels as JPEG, more bytes than any model takes."""
    data = saved(grainy(6000, 4000), "jpeg", quality=96)
    assert 12_000_000 < len(data) < 24_000_000
    return data


INPUTS: dict[str, tuple[Callable[[], bytes], tuple[str, ...]]] = {
    "12 megapixels from a phone": (from_phone, ("sent as JPEG", "HEIC is not taken here")),
    "24 megapixels from a camera": (from_camera, ("sent as JPEG", "the file given has ", "over the limit of ")),
    "several pictures from a phone": (
        lambda: photo(640, 480, "heic", frames=3),
        ("only the main one of its 3 pictures is used",),
    ),
    "a 16-bit TIFF": (
        lambda: tiff_of((300, 200), pixels=bytes(300 * 200 * 6), bits=16, order=">"),
        ("sent as PNG", "TIFF is not taken here"),
    ),
    "a CMYK TIFF": (lambda: saved(quarters(300, 200).convert("CMYK"), "tiff"), ("TIFF is not taken here",)),
    "a scan of several pages": (
        lambda: photo(640, 480, "tiff", frames=3),
        ("only the first of its 3 pages is used",),
    ),
    "a BMP with alpha": (
        lambda: bmp_with_alpha(pixels_of(photo(300, 200, mode="RGBA"))),
        ("sent as PNG", "BMP is not taken here"),
    ),
}


@asynccontextmanager
async def engine_with(emulators: dict[str, AnyEmulator], folder: Path) -> AsyncIterator[Engine]:
    variables = {**os.environ, **environment(emulators), "IMAGEWRIGHT_ROOTS": str(folder)}
    async with open_engine(load_settings(variables, working_directory=folder)) as engine:
        yield engine


async def made(engine: Engine, tool: str, arguments: dict[str, Any]) -> Job:
    job = await engine.start(LOCAL, tool, arguments)
    assert await engine.wait(job, PATIENCE)
    return job


@pytest.mark.parametrize("kind", INPUTS)
async def test_every_picture_people_have_can_be_edited_and_what_was_changed_is_said(kind: str, tmp_path: Path) -> None:
    make, words = INPUTS[kind]
    file = tmp_path / "picture"
    file.write_bytes(make())
    with opened([VENDOR]) as emulators:
        emulators[VENDOR].seconds = 0.0
        async with engine_with(emulators, tmp_path) as engine:
            job = await made(engine, EDIT.tool, {"prompt": "add a kite", "images": [str(file)]})
    assert job.record.state == "completed"
    note = next(note for note in job.record.notes if note.startswith(f"images[0], for {VENDOR}: "))
    assert [part for part in words if part not in note] == []


async def test_a_photo_from_a_phone_is_cut_out_with_every_pixel(tmp_path: Path) -> None:
    file = tmp_path / "photo.heic"
    file.write_bytes(photo(1600, 1200, "heic"))
    with opened([VENDOR]) as emulators:
        emulators[VENDOR].seconds = 0.0
        async with engine_with(emulators, tmp_path) as engine:
            job = await made(engine, CUT_OUT.tool, {"image": str(file)})
    assert job.record.state == "completed"
    assert "made smaller" not in " ".join(job.record.notes)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (from_camera, "MB; the limit is 5 MB. Use a smaller one"),
        (lambda: photo(4097, 300, "jpeg"), "each side may have at most 4096 px: made smaller, to 4096x299 px"),
        (lambda: photo(300, 255, "png"), "is 300x255 px; each side needs at least 256 px: enlarge it first"),
    ],
    ids=["bytes", "sides", "small"],
)
async def test_a_picture_too_large_to_be_cut_out_is_refused_before_anything_is_sent(
    make: Callable[[], bytes], words: str, tmp_path: Path
) -> None:
    file = tmp_path / "photo"
    file.write_bytes(make())
    with opened([VENDOR]) as emulators:
        async with engine_with(emulators, tmp_path) as engine:
            with pytest.raises(Refusal) as caught:
                await engine.start(LOCAL, CUT_OUT.tool, {"image": str(file)})
        assert emulators[VENDOR].requests == []
    assert words in str(caught.value)
