"""What a picture is that has arrived, and how it differs from what was asked for.

It is compared in the same way for every vendor, and a difference becomes a note. A file type that was not asked for is
changed only where nothing is lost by that, see `imaging.lossless`; everything else is kept as it came.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING

import anyio.to_thread

from imagewright.catalog.facts import PIXELS_PER_K
from imagewright.engine.job import RATIO_TOLERANCE
from imagewright.engine.pictures import write_private
from imagewright.errors import PictureError
from imagewright.imaging.files import check_pixels
from imagewright.imaging.headers import MAX_PIXELS
from imagewright.imaging.limiter import LOOK_BYTES, RESIZE_BYTES, decode
from imagewright.imaging.workers import as_png, look, resize_exact
from imagewright.storage.records import extension

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imagewright.engine.job import Asked, JobSpec
    from imagewright.imaging.files import PictureFacts
    from imagewright.imaging.limiter import Piece, Preview
    from imagewright.storage.records import PictureRecord

CLASS_FACTOR = 2.1
"""How many times more or fewer pixels than the square of its class a picture may have. Vendors mean different sizes by
one class: the smallest we know, 3840 x 2160 px for 4K, has the 2.02nd part of 4096 x 4096 px."""
PLAIN_TERM = 21
"""A ratio is written with whole numbers up to this one, the largest in the rows; any other as a number to 1."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A result that lies whole on this machine."""

    file: Path
    digest: bytes
    """Of its bytes before it was decoded."""
    facts: PictureFacts
    preview: Preview
    """From the same decoding as the facts."""


async def arrived_as(file: Path, most_pixels: int = MAX_PIXELS) -> Arrived:
    """Decode a file once, unless its header promises more than so many pixels.

    Raises:
        PictureError: it is not a whole picture of a known format, or larger than that.
    """
    digest = hashlib.sha256()

    def work(piece: Piece, file: Path) -> Arrived:
        if piece.cost > most_pixels * LOOK_BYTES:  # what takes less memory has fewer pixels
            check_pixels(file, most_pixels)
        return Arrived(file, digest.digest(), *look(piece, file))

    return await decode(work, file, per_pixel=LOOK_BYTES, feed=digest.update)


async def as_asked(whole: Arrived, spec: JobSpec, file: Path) -> tuple[Arrived, list[str]]:
    """The picture in the exact size and the file type that were asked for, as far as it can be brought into them.

    What is made anew is written beside this file; the file of `whole` is not changed.

    Returns:
        The picture, and what the caller should know: what was changed, and every difference that is left.

    Raises:
        OSError: the folder cannot be written.
    """
    sized, notes = await _at_exact_size(whole, spec.exact_size, file.with_suffix(".exact"))
    typed, more = await _in_type(sized, spec.asked, file.with_suffix(".typed"))
    return typed, [*notes, *more, *differences(spec.asked, typed.facts)]


async def _at_exact_size(whole: Arrived, size: tuple[int, int] | None, file: Path) -> tuple[Arrived, list[str]]:
    if size is None or size == (whole.facts.width, whole.facts.height):
        return whole, []
    try:
        made = await decode(resize_exact, whole.file, *size, per_pixel=RESIZE_BYTES)
        await anyio.to_thread.run_sync(write_private, file, made)
        return await arrived_as(file), []
    except PictureError as error:
        return whole, [f"It could not be brought down to {size[0]}x{size[1]} px and is kept as it came: {error}"]


async def _in_type(whole: Arrived, asked: Asked, file: Path) -> tuple[Arrived, list[str]]:
    came = whole.facts.format
    if asked.format in ("", came):
        if asked.ending in ("", came):
            return whole, []
        name = f"the name ends in .{extension(came)} and not in .{extension(asked.ending)}"
        return whole, [f"The picture is {came}, as asked; so {name}."]
    reason = "only a change to png loses nothing"
    if asked.format == "png":
        try:
            made = await decode(as_png, whole.file, per_pixel=RESIZE_BYTES)
            await anyio.to_thread.run_sync(write_private, file, made)
            changed = await arrived_as(file)
        except PictureError as error:
            reason = str(error)
        else:
            return changed, [f"Asked png, arrived {came}: turned into png, by which nothing is lost."]
    return whole, [f"Asked {asked.format}, arrived {came}: kept as it came, because {reason}."]


def differences(asked: Asked, facts: PictureFacts | PictureRecord) -> list[str]:
    """Every difference in shape, size and transparency, one sentence each, with both values.

    The shape may differ by 1 %, or by the one pixel that rounding makes. The size is compared exactly where exact sides
    were asked for. For a class such as 2K, only a picture is reported that is clearly smaller or larger: one that has
    2.1 times fewer or more pixels than a square with that many times 1,024 px a side.
    """
    return [*_of_sides(asked, facts), *_of_transparency(asked, facts)]


def _of_sides(asked: Asked, facts: PictureFacts | PictureRecord) -> Iterator[str]:
    sides = facts.width, facts.height
    came = f"arrived {_px(sides)}"
    if asked.size is not None and sides != asked.size:
        meant = f"{asked.scale}x" if asked.scale else "as large as the picture given"
        yield f"Asked {_px(asked.size)} ({meant}), {came}."
    if asked.ratio and not _same_shape(sides, _terms(asked.ratio)):
        yield f"Asked {asked.ratio}, {came} ({shape(sides)})."
    if asked.like is not None and not _same_shape(sides, asked.like):
        yield f"Asked the shape of the first picture ({_px(asked.like)}, {shape(asked.like)}), {came} ({shape(sides)})."
    if matched := re.fullmatch(r"([\d.]+)K", asked.resolution):
        usual, pixels = (float(matched[1]) * PIXELS_PER_K) ** 2, sides[0] * sides[1]
        if not usual / CLASS_FACTOR <= pixels <= usual * CLASS_FACTOR:
            yield f"Asked {asked.resolution} (about {_megapixels(usual)}), {came} ({_megapixels(pixels)})."


def _of_transparency(asked: Asked, facts: PictureFacts | PictureRecord) -> Iterator[str]:
    if asked.transparent is None or facts.transparent is None or facts.transparent == asked.transparent:
        return
    if asked.cut_out:
        yield "Asked a cut-out, arrived a picture without a transparent pixel: its background was not removed."
    elif asked.transparent:
        yield "Asked a transparent background, arrived a picture without a transparent pixel."
    else:
        yield "Asked an opaque background, arrived a picture with transparent pixels."


def _terms(ratio: str) -> tuple[int, int]:
    wide, high = ratio.split(":")
    return int(wide), int(high)


def _same_shape(sides: tuple[int, int], other: tuple[int, int]) -> bool:
    wide, high = sides
    ratio = other[0] / other[1]
    rounded = abs(wide - high * ratio) <= 1 or abs(high - wide / ratio) <= 1
    return rounded or abs(wide / high / ratio - 1) <= RATIO_TOLERANCE


def shape(sides: tuple[int, int]) -> str:
    """The ratio of two sides for people: `16:9`, or `1.37:1` where no small whole numbers make it."""
    wide, high = (side // gcd(*sides) for side in sides)
    if max(wide, high) <= PLAIN_TERM:
        return f"{wide}:{high}"
    return f"{wide / high:.3g}:1" if wide > high else f"1:{high / wide:.3g}"


def _px(sides: tuple[int, int]) -> str:
    return f"{sides[0]}x{sides[1]} px"


def _megapixels(pixels: float) -> str:
    return f"{pixels / 1e6:.3g} megapixels"
