"""What the directories of a TIFF say, read before a decoder sees the file (TIFF 6.0 of 1992, sections 2 and 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagewright.imaging.bitstreams import big
from imagewright.imaging.boxes import FEW_PARTS, Unsupported, little

if TYPE_CHECKING:
    from imagewright.imaging.bitstreams import Sides

SIDEWAYS = frozenset({5, 6, 7, 8})
"""EXIF orientations that swap width and height."""

_UNITS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of one value of each type of a TIFF tag (section 2)."""
_FEW_VALUES = 8
"""Values of a TIFF tag that are read; no tag needed here has more."""
_DEEPEST = 16
"""Bits per channel that are read; more are measurements and no picture for eyes."""
_COLOURS = frozenset({0, 1, 2, 3, 5, 6})
"""Ways to store colours that are read: grey, RGB, palette, CMYK, YCbCr. The others are Lab and sensor data."""
_TILE_PIXELS = 1024 * 1024
"""Pixels of a tile that no picture is too small for. A decoder takes memory for the whole tile."""
_ENTRY_BYTES = 12
_SUBFILE_TAG, _WIDTH_TAG, _HEIGHT_TAG, _BITS_TAG, _COLOURS_TAG, _ORIENTATION_TAG = 254, 256, 257, 258, 262, 274
_TILE_WIDTH, _TILE_HEIGHT, _SAMPLES_TAG = 322, 323, 339
_EXIF_TAG, _GPS_TAG, _INTEROP_TAG, _DNG_TAG = 34_665, 34_853, 40_965, 50_706
_TIFF_TAGS = frozenset(
    {_SUBFILE_TAG, _WIDTH_TAG, _HEIGHT_TAG, _BITS_TAG, _COLOURS_TAG, _ORIENTATION_TAG, _TILE_WIDTH}
    | {_TILE_HEIGHT, _SAMPLES_TAG, _EXIF_TAG, _GPS_TAG, _INTEROP_TAG, _DNG_TAG}
)
_RGB = 2


def tiff_sides(data: bytes, size: int) -> list[Sides]:
    """The sides in px of the first page, as stored and, where it is turned, upright.

    Args:
        data: the file, or its beginning.
        size: bytes of the whole file.

    Raises:
        Unsupported: a camera's raw photo, or pixels that are stored in a way that is not read.
        ValueError: the structure is damaged, or does not end within `data`.
    """
    tags = _tiff_tags(data, _number(data, 4, 4), size)
    for pointer in (_EXIF_TAG, _GPS_TAG):
        inner = _tiff_tags(data, tags[pointer][0], size) if pointer in tags else {}
        if _INTEROP_TAG in inner:
            _tiff_tags(data, inner[_INTEROP_TAG][0], size)
    if _DNG_TAG in tags or tags.get(_SUBFILE_TAG, [0])[0] & 1 or data[8:10] == b"CR":
        raise Unsupported(
            "this TIFF begins with a small preview, as a camera's raw photo does: give the photo as JPEG, HEIC or PNG"
        )
    deepest = max(tags.get(_BITS_TAG, [1]))
    if deepest > _DEEPEST or tags.get(_SAMPLES_TAG, [1])[0] != 1:
        raise Unsupported(
            f"this TIFF has {deepest} bits per channel, or fractions or signs in it: save it with 8 or 16 bits"
        )
    if tags.get(_COLOURS_TAG, [_RGB])[0] not in _COLOURS:
        raise Unsupported("the colours of this TIFF are stored in a way that is not read here: save it as RGB")
    width, height, wide, high = (tags.get(tag, [0])[0] for tag in (_WIDTH_TAG, _HEIGHT_TAG, _TILE_WIDTH, _TILE_HEIGHT))
    if wide * high > max(width * height, _TILE_PIXELS):
        raise ValueError("a tile is larger than the picture")
    # Pillow turns a TIFF upright by itself.
    turned = tags.get(_ORIENTATION_TAG, [1])[0] in SIDEWAYS
    return [(width, height), (height, width)] if turned else [(width, height)]


def _tiff_tags(data: bytes, at: int, size: int) -> dict[int, list[int]]:
    """The first whole numbers of each tag in the directory that begins there, by the number of the tag.

    Raises:
        ValueError: the tags hold more than the whole file, which a decoder would copy tag by tag, or the directory does
            not end within `data`.
    """
    found: dict[int, list[int]] = {}
    for place in range(_number(data, at, 2)):
        entry = at + 2 + place * _ENTRY_BYTES
        tag, unit = _number(data, entry, 2), _UNITS.get(_number(data, entry + 2, 2), 0)
        length = unit * _number(data, entry + 4, 4)
        size -= length
        if size < 0:
            raise ValueError("the tags hold more than the file")
        if tag in _TIFF_TAGS and length:
            start = entry + 8 if length <= 4 else _number(data, entry + 8, 4)  # noqa: PLR2004 - fits into the entry
            found[tag] = [_number(data, start + by, unit) for by in range(0, min(length, unit * _FEW_VALUES), unit)]
    return found


def tiff_pages(data: bytes) -> int:
    """How many pages a TIFF has, by its chain of directories up to where that breaks off or leads back."""
    seen: set[int] = set()
    at = _number(data, 4, 4)
    while 0 < at < len(data) and at not in seen and len(seen) < FEW_PARTS:
        seen.add(at)
        end = at + 2 + _number(data, at, 2) * _ENTRY_BYTES
        at = _number(data, end, 4) if end + 4 <= len(data) else 0
    return len(seen)


def _number(data: bytes, at: int, count: int) -> int:
    """A number in the byte order of a TIFF."""
    return little(data, at, count) if data.startswith(b"I") else big(data, at, count)
