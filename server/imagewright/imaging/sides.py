"""A picture's sides as its header has them, read before any decoder sees the file.

Some decoders (WebP, AVIF, HEIC) take memory for every pixel as soon as they open a file, so its sides must be known
before. Every walk is bounded. What cannot be read raises ValueError, which `reading` turns into a `PictureError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagewright.imaging.boxes import iso_sides
from imagewright.imaging.headers import big, check_png_parts, gif_layout, little, most_parts

if TYPE_CHECKING:
    from imagewright.imaging.headers import Sides

WEBP_SIDE = 16_383
"""Px; libwebp's WEBP_MAX_DIMENSION. The canvas of an animation could say more, and no encoder writes such a one."""

_JPEG_FILL = 65_536
"""Bytes between all markers of a JPEG together. The standard allows fill bytes, and cameras write a few of them."""
_NO_FRAME = frozenset({0xC4, 0xC8, 0xCC})
"""Markers among 0xC0 to 0xCF that do not begin a frame (ITU-T T.81, table B.1)."""
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length: TEM, RST0 to RST7, SOI."""
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9


def declared_sides(name: str, data: bytes, size: int) -> list[Sides]:
    """Every size that the header declares, the largest first; only AVIF and HEIC can declare more than one.

    Args:
        name: the format, from `recognise`.
        data: the file, or as much of its beginning as is at hand.
        size: bytes of the whole file.

    Raises:
        ValueError: the header is damaged, or it does not end within `data`.
    """
    found = {"png": _png, "jpeg": _jpeg, "gif": _gif, "webp": _webp, "avif": iso_sides, "heic": iso_sides}[name](
        data, size
    )
    declared = sorted(found, key=lambda sides: sides[0] * sides[1], reverse=True)
    if not declared or 0 in declared[0]:
        message = "the header declares no size"
        raise ValueError(message)
    return declared


def _png(data: bytes, size: int) -> list[Sides]:
    if data[12:16] != b"IHDR":
        message = "a PNG begins with its header chunk"
        raise ValueError(message)
    check_png_parts(data, size)
    return [(big(data, 16, 4), big(data, 20, 4))]


def _gif(data: bytes, _size: int) -> list[Sides]:
    layout = gif_layout(data)
    return [(layout.width, layout.height)] if layout.frames else []


def _jpeg(data: bytes, size: int) -> list[Sides]:
    """The first frame's sides; a file with several frames before its scan is found out when it is opened."""
    at, fill = 2, 0
    for _ in range(most_parts(size)):
        start = data.index(b"\xff", at)
        code = start + 1
        while big(data, code, 1) == 0xFF:  # noqa: PLR2004 - a fill byte looks like the start of a marker
            code += 1
            _check_fill(fill + code - at)
        fill += code - 1 - at
        _check_fill(fill)
        marker, at = big(data, code, 1), code + 1
        if marker in (_START_OF_SCAN, _END_OF_IMAGE):
            break
        if marker == 0 or marker in _BARE:
            continue
        if marker & 0xF0 == 0xC0 and marker not in _NO_FRAME:  # noqa: PLR2004 - SOF0 to SOF15
            return [(big(data, at + 5, 2), big(data, at + 3, 2))]
        at += big(data, at, 2)
    message = "no frame header was found"
    raise ValueError(message)


def _check_fill(count: int) -> None:
    if count > _JPEG_FILL:
        message = "too many bytes between the markers"
        raise ValueError(message)


def _webp(data: bytes, size: int) -> list[Sides]:
    kind = data[12:16]
    if kind == b"VP8X":
        canvas = little(data, 24, 3) + 1, little(data, 27, 3) + 1
        _check_frames(data, size, canvas)
        return [canvas]
    if kind == b"VP8L" and data[20:21] == b"\x2f":
        packed = little(data, 21, 4)
        return [((packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1)]
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        return [(little(data, 26, 2) & 0x3FFF, little(data, 28, 2) & 0x3FFF)]
    message = "no picture chunk was found"
    raise ValueError(message)


def _check_frames(data: bytes, size: int, canvas: Sides) -> None:
    """Hold the canvas against what an encoder can write, and each frame at hand against the canvas.

    A canvas of more pixels than that is left to the check of the pixels, which says why it is refused.
    """
    if max(canvas) > WEBP_SIDE and canvas[0] * canvas[1] <= WEBP_SIDE**2:
        message = "the canvas has a side that no encoder writes"
        raise ValueError(message)
    at = 12
    for _ in range(most_parts(size)):
        if at + 20 > len(data):
            return
        if data[at : at + 4] == b"ANMF":
            right = 2 * little(data, at + 8, 3) + little(data, at + 14, 3) + 1
            bottom = 2 * little(data, at + 11, 3) + little(data, at + 17, 3) + 1
            if right > canvas[0] or bottom > canvas[1]:
                message = "a frame lies outside the canvas"
                raise ValueError(message)
        length = little(data, at + 4, 4)
        at += 8 + length + length % 2
    message = "too many chunks"
    raise ValueError(message)
