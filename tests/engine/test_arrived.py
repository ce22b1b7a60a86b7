"""What arrives against what was asked: shape, size, file type, transparency; a difference is noted with both values."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from imagewright.catalog.facts import LARGEST_CLASS
from imagewright.catalog.load import catalog
from imagewright.engine.arrived import arrived_as, as_asked, differences, shape
from imagewright.engine.job import Asked, JobSpec
from imagewright.errors import PictureError
from imagewright.imaging.files import HEAD_READ, PictureFacts
from tests.support.crafted_files import flat_png
from tests.support.pictures import opened, photo

if TYPE_CHECKING:
    from pathlib import Path


def facts(width: int, height: int, *, transparent: bool = False) -> PictureFacts:
    return PictureFacts("png", width, height, 1, 1, has_alpha=transparent, size=1000, transparent=transparent)


def spec(asked: Asked, exact_size: tuple[int, int] | None = None) -> JobSpec:
    return JobSpec("a kite", {}, None, (), 1, None, exact_size, asked=asked)


@pytest.mark.parametrize(
    ("asked", "came", "notes"),
    [
        (Asked(), (512, 512), []),
        (Asked(ratio="16:9"), (1920, 1080), []),
        (Asked(ratio="16:9"), (1344, 756), []),
        (Asked(ratio="21:9"), (1584, 672), ["Asked 21:9, arrived 1584x672 px (2.36:1)."]),
        (Asked(ratio="21:9"), (1568, 672), []),
        (Asked(ratio="16:9"), (512, 512), ["Asked 16:9, arrived 512x512 px (1:1)."]),
        (Asked(ratio="3:4"), (864, 1184), ["Asked 3:4, arrived 864x1184 px (1:1.37)."]),
        (Asked(ratio="3:2"), (50, 33), []),
        (
            Asked(like=(480, 400)),
            (512, 512),
            ["Asked the shape of the first picture (480x400 px, 6:5), arrived 512x512 px (1:1)."],
        ),
        (Asked(like=(480, 400)), (1224, 1024), []),
        (
            Asked(resolution="2K"),
            (512, 512),
            ["Asked 2K (about 4.19 megapixels), arrived 512x512 px (0.262 megapixels)."],
        ),
        (
            Asked(resolution="1K"),
            (2048, 2048),
            ["Asked 1K (about 1.05 megapixels), arrived 2048x2048 px (4.19 megapixels)."],
        ),
        (
            Asked(resolution="1.5K"),
            (1024, 1024),
            ["Asked 1.5K (about 2.36 megapixels), arrived 1024x1024 px (1.05 megapixels)."],
        ),
        (Asked(resolution="4K"), (3840, 2160), []),
        (
            Asked(resolution="4K"),
            (2560, 1440),
            ["Asked 4K (about 16.8 megapixels), arrived 2560x1440 px (3.69 megapixels)."],
        ),
        (Asked(resolution="2K"), (2048, 1152), []),
        (Asked(resolution="2K"), (2848, 1600), []),
        (Asked(resolution="high"), (16, 16), []),
        (
            Asked(ratio="16:9", resolution="2K"),
            (512, 512),
            [
                "Asked 16:9, arrived 512x512 px (1:1).",
                "Asked 2K (about 4.19 megapixels), arrived 512x512 px (0.262 megapixels).",
            ],
        ),
        (Asked(size=(192, 144), scale=3), (192, 144), []),
        (Asked(size=(192, 144), scale=3), (192, 143), ["Asked 192x144 px (3x), arrived 192x143 px."]),
        (
            Asked(size=(64, 48)),
            (512, 512),
            ["Asked 64x48 px (as large as the picture given), arrived 512x512 px."],
        ),
    ],
)
def test_sides_are_compared(asked: Asked, came: tuple[int, int], notes: list[str]) -> None:
    assert differences(asked, facts(*came)) == notes


@pytest.mark.parametrize(
    ("asked", "came", "words"),
    [
        (Asked(), True, ""),
        (Asked(transparent=True), True, ""),
        (Asked(transparent=False), False, ""),
        (Asked(transparent=True), False, "Asked a transparent background, arrived a picture without a transparent"),
        (Asked(transparent=False), True, "Asked an opaque background, arrived a picture with transparent pixels"),
        (Asked(transparent=True, cut_out=True), False, "Asked a cut-out, arrived a picture without a transparent"),
        (Asked(transparent=True, cut_out=True), True, ""),
    ],
)
def test_transparency_is_compared(asked: Asked, *, came: bool, words: str) -> None:
    found = differences(asked, facts(64, 48, transparent=came))
    assert len(found) == bool(words)
    assert "".join(found).startswith(words)


@pytest.mark.parametrize(
    ("sides", "words"),
    [((1920, 1080), "16:9"), ((512, 512), "1:1"), ((1184, 864), "1.37:1"), ((864, 1184), "1:1.37"), ((9, 21), "3:7")],
)
def test_a_shape_is_written_as_people_do(sides: tuple[int, int], words: str) -> None:
    assert shape(sides) == words


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("asked", "came", "kept", "notes"),
    [
        (Asked(format="png"), "png", "png", []),
        (Asked(), "webp", "webp", []),
        (Asked(format="png"), "jpeg", "png", ["Asked png, arrived jpeg: turned into png, by which nothing is lost."]),
        (Asked(format="png"), "webp", "png", ["Asked png, arrived webp: turned into png, by which nothing is lost."]),
        (
            Asked(format="png"),
            "gif",
            "gif",
            ["Asked png, arrived gif: kept as it came, because GIF is not turned into PNG without loss here."],
        ),
        (
            Asked(format="jpeg"),
            "png",
            "png",
            ["Asked jpeg, arrived png: kept as it came, because only a change to png loses nothing."],
        ),
        (
            Asked(format="webp"),
            "png",
            "png",
            ["Asked webp, arrived png: kept as it came, because only a change to png loses nothing."],
        ),
        (
            Asked(format="png", ending="jpeg"),
            "png",
            "png",
            ["The picture is png, as asked; so the name ends in .png and not in .jpg."],
        ),
        (
            Asked(format="jpeg", ending="jpeg"),
            "png",
            "png",
            ["Asked jpeg, arrived png: kept as it came, because only a change to png loses nothing."],
        ),
    ],
)
async def test_a_file_type_is_changed_only_where_nothing_is_lost(
    tmp_path: Path, asked: Asked, came: str, kept: str, notes: list[str]
) -> None:
    file = tmp_path / "picture"
    file.write_bytes(photo(format=came))
    before = file.read_bytes()
    ready, found = await as_asked(await arrived_as(file), spec(asked), file)
    assert (ready.facts.format, found) == (kept, notes)
    assert file.read_bytes() == before
    assert (ready.file == file) == (came == kept)
    assert opened(ready.file.read_bytes()).convert("RGB").tobytes() == opened(before).convert("RGB").tobytes()
    made = [] if ready.file == file else [ready.file]
    assert [path.stat().st_mode & 0o777 for path in made] == [0o600] * (kept != came)


@pytest.mark.anyio
async def test_what_is_brought_down_to_its_size_is_compared_after_that(tmp_path: Path) -> None:
    file = tmp_path / "picture"
    file.write_bytes(photo(256, 192, "jpeg"))
    asked = Asked(size=(192, 144), scale=3, format="png")
    ready, notes = await as_asked(await arrived_as(file), spec(asked, (192, 144)), file)
    assert (ready.facts.width, ready.facts.height, ready.facts.format) == (192, 144, "png")
    assert notes == ["Asked png, arrived jpeg: turned into png, by which nothing is lost."]


@pytest.mark.parametrize(
    ("asked", "exact_size", "side"),
    [
        (Asked(), None, 9158),
        (Asked(resolution="1K"), None, 9158),
        (Asked(like=(8000, 8000)), None, 17_888),
        (Asked(size=(8000, 8000), scale=2), None, 17_888),
        (Asked(), (8000, 8000), 17_888),
    ],
)
def test_a_result_may_be_five_times_as_large_as_its_order(
    asked: Asked, exact_size: tuple[int, int] | None, side: int
) -> None:
    assert side**2 <= spec(asked, exact_size).most_pixels < (side + 1) ** 2


def test_no_row_has_a_larger_class() -> None:
    arguments = [forms for row in catalog().values() for forms in row.arguments().get("resolution", ())]
    classes = [float(str(one).removesuffix("K")) for form in arguments for one in form.values or () if one != "auto"]
    assert max(classes) == LARGEST_CLASS


@pytest.mark.anyio
async def test_a_result_far_beyond_its_order_is_not_decoded(tmp_path: Path) -> None:
    file = tmp_path / "picture"
    file.write_bytes(flat_png(600))
    assert (await arrived_as(file, 360_000)).facts.width == 600
    with pytest.raises(PictureError, match=r"600 x 600 px .* far more than was ordered"):
        await arrived_as(file, 359_999)


@pytest.mark.anyio
@pytest.mark.parametrize("size", [None, HEAD_READ - 1, HEAD_READ, HEAD_READ + 1, 5 * HEAD_READ // 2])
async def test_all_of_a_file_counts_in_its_digest(tmp_path: Path, size: int | None) -> None:
    file = tmp_path / "picture"
    data = photo(60, 40, "jpeg")
    file.write_bytes(data.ljust(size or 0, b"\0"))
    arrived = await arrived_as(file)
    assert arrived.digest == hashlib.sha256(file.read_bytes()).digest()
    assert (arrived.facts.width, arrived.facts.size) == (60, size or len(data))
