"""Real pictures for emulators to answer with, and a look at those they were sent."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING

from PIL import Image

from tests.emulators.plain import plain_png

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Size = tuple[int, int]
QUICKLY: Mapping[str, Mapping[str, int]] = {
    "png": {"compress_level": 1},
    "jpeg": {"quality": 80},
    "webp": {"quality": 80, "method": 0},
}
"""Pillow's options for a file that is written for a test alone."""


def look(data: bytes) -> Image.Image:
    """A picture that was sent, decoded.

    Raises:
        OSError: it is none.
    """
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def encode(picture: Image.Image, form: str) -> bytes:
    """The picture as a file: png, jpeg or webp."""
    if (form, picture.mode) == ("png", "RGB") and (alone := picture.getcolors(1)):
        return plain_png(*picture.size, bytes(alone[0][1]))  # type: ignore[arg-type]  # RGB is three levels
    return saved(picture if form == "png" else picture.convert("RGB"), form)


def saved(picture: Image.Image, form: str, *, lossless: bool = False) -> bytes:
    """The picture as a file, its transparency too where the form has any, with as little work as each form allows."""
    out = io.BytesIO()
    picture.save(out, form, lossless=lossless, **QUICKLY[form])  # only a WebP knows that option
    return out.getvalue()


def draw(size: Size, text: object) -> Image.Image:
    """A plain picture whose colour follows from the request, so that different requests give different ones."""
    mixed = zlib.crc32(repr(text).encode("utf-8"))
    return Image.new("RGB", size, (mixed & 0xFF, mixed >> 8 & 0xFF, mixed >> 16 & 0xFF))


def repaint(picture: Image.Image, mask: Image.Image, *, darker: bool) -> Image.Image:
    """The picture with plain red where the mask is dark, or where it is light."""
    where = mask.convert("L").point([255 if (level < 128) == darker else 0 for level in range(256)])
    result = picture.convert("RGB")
    result.paste((255, 0, 0), (0, 0), where)
    return result


def redraw_middle(picture: Image.Image) -> Image.Image:
    """The picture with plain green over its middle third: where a face might have been."""
    result = picture.copy()
    wide, high = picture.width // 3, picture.height // 3
    result.paste((0, 255, 0), (wide, high, picture.width - wide, picture.height - high))
    return result


def cut_out(picture: Image.Image) -> Image.Image:
    """The picture with a transparent border of a quarter of each side."""
    result = picture.convert("RGBA")
    alpha = Image.new("L", picture.size, 0)
    wide, high = picture.width // 4, picture.height // 4
    alpha.paste(255, (wide, high, picture.width - wide, picture.height - high))
    result.putalpha(alpha)
    return result


def of_area(ratio: str, pixels: int, step: int = 8) -> Size:
    """Sides of that ratio and about that many pixels, multiples of `step`."""
    wide, high = (int(part) for part in ratio.split(":"))
    unit = (pixels / (wide * high)) ** 0.5
    return round(wide * unit / step) * step, round(high * unit / step) * step


def many(pictures: Sequence[Image.Image], form: str) -> list[bytes]:
    """All of them as files."""
    return [encode(picture, form) for picture in pictures]
