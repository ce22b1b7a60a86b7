"""The one transparent colour of a PNG without an alpha channel (tRNS), at the depth the file has.

Pillow hands the colour on as the file has it, but the pixels with 8 bits per channel. Compared like that, a colour of
16 bits clears other colours or none, and a grey of 2 or 4 bits clears nothing (PNG specification, 11.3.2: only the
exact value is transparent).
"""

from __future__ import annotations

from functools import reduce
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image, ImageChops

if TYPE_CHECKING:
    from collections.abc import Iterable

    from PIL.PngImagePlugin import PngImageFile

    from imagewright.imaging.reading import Opened

_GREY, _COLOUR = 0, 2
"""PNG's colour types that have a transparent colour and no palette."""
_DEEP = 16
_EIGHT = 8


def keyed_alpha(opened: Opened) -> Image.Image | None:
    """What a decoded picture's transparent colour clears: an L image, 0 where the colour is and 255 elsewhere.

    None where Pillow's own reading is exact: no PNG, no such colour, a palette, or 8 bits per channel.
    """
    key = opened.image.info.get("transparency")
    if opened.format != "png" or key is None:
        return None
    depth, kind = opened.data[24], opened.data[25]
    if kind == _GREY and depth == _DEEP:
        raw, size = opened.image.tobytes(), opened.image.size
        high, low = (Image.frombytes("L", size, raw, "raw", order) for order in ("L;16", "L;16B"))
        return _unless([(high, key >> 8), (low, key & 0xFF)])
    if kind == _GREY and depth < _EIGHT and opened.image.mode == "L":
        most = 2**depth - 1
        return _unless([(opened.image, (key & most) * 255 // most)])
    if kind == _COLOUR and depth == _DEEP:
        low_bytes = _low_bytes(opened.data)
        high_pairs = zip(opened.image.split(), (value >> 8 for value in key), strict=True)
        low_pairs = zip(low_bytes.split(), (value & 0xFF for value in key), strict=True)
        return _unless([*high_pairs, *low_pairs])
    return None


def _low_bytes(data: bytes) -> Image.Image:
    """The lower byte of each channel of a 16-bit RGB PNG: Pillow's usual reading drops it."""
    image: PngImageFile = import_module("PIL.PngImagePlugin").PngImageFile(BytesIO(data))
    image.tile = [tile._replace(args="RGB;16L") for tile in image.tile]
    image.load()
    return image


def _unless(pairs: Iterable[tuple[Image.Image, int]]) -> Image.Image:
    """255 where any of the planes differs from its value."""
    planes = (plane.point([0 if level == value else 255 for level in range(256)]) for plane, value in pairs)
    return reduce(ImageChops.lighter, planes)
