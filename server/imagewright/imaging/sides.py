"""A picture's sides as its header has them, read before any decoder sees the file.

Some decoders (WebP, AVIF, HEIC) take memory for every pixel as soon as they open a file, so its sides must be known
before. Every walk is bounded. What cannot be read raises ValueError, which `reading` turns into a `PictureError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagewright.imaging.headers import check_png_parts, gif_layout, most_parts

if TYPE_CHECKING:
    from collections.abc import Iterator

Sides = tuple[int, int]
"""Width and height in px, as stored: before any orientation."""

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
    found = {"png": _png, "jpeg": _jpeg, "gif": _gif, "webp": _webp, "avif": _iso, "heic": _iso}[name](data, size)
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
    return [(_big(data, 16, 4), _big(data, 20, 4))]


def _gif(data: bytes, _size: int) -> list[Sides]:
    layout = gif_layout(data)
    return [(layout.width, layout.height)] if layout.frames else []


def _jpeg(data: bytes, size: int) -> list[Sides]:
    """The first frame's sides; a file with several frames before its scan is found out when it is opened."""
    at, fill = 2, 0
    for _ in range(most_parts(size)):
        start = data.index(b"\xff", at)
        code = start + 1
        while _big(data, code, 1) == 0xFF:  # noqa: PLR2004 - a fill byte looks like the start of a marker
            code += 1
            _check_fill(fill + code - at)
        fill += code - 1 - at
        _check_fill(fill)
        marker, at = _big(data, code, 1), code + 1
        if marker in (_START_OF_SCAN, _END_OF_IMAGE):
            break
        if marker == 0 or marker in _BARE:
            continue
        if marker & 0xF0 == 0xC0 and marker not in _NO_FRAME:  # noqa: PLR2004 - SOF0 to SOF15
            return [(_big(data, at + 5, 2), _big(data, at + 3, 2))]
        at += _big(data, at, 2)
    message = "no frame header was found"
    raise ValueError(message)


def _check_fill(count: int) -> None:
    if count > _JPEG_FILL:
        message = "too many bytes between the markers"
        raise ValueError(message)


def _webp(data: bytes, size: int) -> list[Sides]:
    kind = data[12:16]
    if kind == b"VP8X":
        canvas = _little(data, 24, 3) + 1, _little(data, 27, 3) + 1
        _check_frames(data, size, canvas)
        return [canvas]
    if kind == b"VP8L" and data[20:21] == b"\x2f":
        packed = _little(data, 21, 4)
        return [((packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1)]
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        return [(_little(data, 26, 2) & 0x3FFF, _little(data, 28, 2) & 0x3FFF)]
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
            right = 2 * _little(data, at + 8, 3) + _little(data, at + 14, 3) + 1
            bottom = 2 * _little(data, at + 11, 3) + _little(data, at + 17, 3) + 1
            if right > canvas[0] or bottom > canvas[1]:
                message = "a frame lies outside the canvas"
                raise ValueError(message)
        length = _little(data, at + 4, 4)
        at += 8 + length + length % 2
    message = "too many chunks"
    raise ValueError(message)


def _iso(data: bytes, size: int) -> list[Sides]:
    """The sides of every item (`ispe`) and of every track (`tkhd`) of an AVIF or HEIC.

    An item's sides count even where no item uses them: the file is refused for the largest it names.
    """
    found: list[Sides] = []
    budget = _Budget(most_parts(size))
    for name, body in _boxes(memoryview(data), budget):
        if name == b"meta":
            properties = _inside(_inside(_boxes(body[4:], budget), b"iprp", budget), b"ipco", budget)
            found += [_pair(box, 4) for kind, box in properties if kind == b"ispe"]
        elif name == b"moov":
            tracks = _inside(_boxes(body, budget), b"trak", budget)
            heads = [box for kind, box in tracks if kind == b"tkhd"]
            found += [(width >> 16, height >> 16) for width, height in (_pair(box, len(box) - 8) for box in heads)]
    return found


class _Budget:
    """How many boxes may still be looked at."""

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            message = "too many boxes"
            raise ValueError(message)


def _boxes(view: memoryview, budget: _Budget) -> Iterator[tuple[bytes, memoryview]]:
    """Type and body of each box that follows another (ISO/IEC 14496-12, 4.2); the last may be cut off."""
    at = 0
    while at + 8 <= len(view):
        budget.spend()
        length, head = _big(view, at, 4), 8
        if length == 1:
            length, head = _big(view, at + 8, 8), 16
        elif length == 0:
            length = len(view) - at
        if length < head:
            message = "a box is shorter than its own head"
            raise ValueError(message)
        yield bytes(view[at + 4 : at + 8]), view[at + head : at + length]
        at += length


def _inside(
    boxes: Iterator[tuple[bytes, memoryview]], name: bytes, budget: _Budget
) -> Iterator[tuple[bytes, memoryview]]:
    """The boxes inside all boxes of that type."""
    for kind, body in boxes:
        if kind == name:
            yield from _boxes(body, budget)


def _pair(view: memoryview, at: int) -> Sides:
    return _big(view, at, 4), _big(view, at + 4, 4)


def _big(data: bytes | memoryview, at: int, count: int) -> int:
    return int.from_bytes(_exactly(data, at, count), "big")


def _little(data: bytes, at: int, count: int) -> int:
    return int.from_bytes(_exactly(data, at, count), "little")


def _exactly(data: bytes | memoryview, at: int, count: int) -> bytes | memoryview:
    piece = data[at : at + count] if at >= 0 else b""
    if len(piece) < count:
        message = "the header is cut short"
        raise ValueError(message)
    return piece
