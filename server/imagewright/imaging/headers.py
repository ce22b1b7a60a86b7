"""Facts read from container headers without decoding: EXIF orientation, PNG chunks, GIF frames; sides are in `sides`.

Pillow answers these too, but warns through the process-wide warnings filter where a header is broken, and
allocates whole frames to count them; both are wrong for bytes from strangers in a threaded server.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Sides = tuple[int, int]
"""Width and height in px, as stored: before any orientation."""

_ORIENTATION_TAG = 0x0112
_SHORT = 3
_IFD_ENTRY_BYTES = 12
_UPRIGHT = 1
_ORIENTATIONS = range(1, 9)

_FEW_PARTS = 10_000
_BYTES_PER_PART = 1024
_GIF_BYTES_PER_BLOCK = 32
"""Encoders fill blocks of up to 255 bytes, some of 126."""


def orientation_of(exif: bytes) -> int:
    r"""The EXIF orientation, 1 to 8. 1 (upright) also where there is none or it is unreadable.

    Args:
        exif: an EXIF block, with or without its `Exif\0\0` prefix; may be empty or damaged.
    """
    block = exif.removeprefix(b"Exif\0\0")
    order: Literal["little", "big"]
    if block.startswith(b"II*\0"):
        order = "little"
    elif block.startswith(b"MM\0*"):
        order = "big"
    else:
        return _UPRIGHT
    start = int.from_bytes(block[4:8], order)
    count = int.from_bytes(block[start : start + 2], order)
    for index in range(count):
        at = start + 2 + index * _IFD_ENTRY_BYTES
        entry = block[at : at + _IFD_ENTRY_BYTES]
        if len(entry) < _IFD_ENTRY_BYTES:
            break
        if int.from_bytes(entry[:2], order) == _ORIENTATION_TAG and int.from_bytes(entry[2:4], order) == _SHORT:
            value = int.from_bytes(entry[8:10], order)
            return value if value in _ORIENTATIONS else _UPRIGHT
    return _UPRIGHT


def big(data: bytes | memoryview, at: int, count: int) -> int:
    """A number of so many bytes, the highest first.

    Raises:
        ValueError: the data end before it does.
    """
    return int.from_bytes(_exactly(data, at, count), "big")


def little(data: bytes | memoryview, at: int, count: int) -> int:
    """As `big`, the lowest byte first."""
    return int.from_bytes(_exactly(data, at, count), "little")


def _exactly(data: bytes | memoryview, at: int, count: int) -> bytes | memoryview:
    piece = data[at : at + count] if at >= 0 else b""
    if len(piece) < count:
        message = "the header is cut short"
        raise ValueError(message)
    return piece


def most_parts(size: int) -> int:
    """How many chunks, segments or boxes a file of so many bytes may have.

    Encoders put at least 4 to 8 KB of pixels into a part, and the few thousand parts of an animation or of metadata
    come on top. Files of hundreds of thousands of empty parts keep a decoder busy for seconds.
    """
    return _FEW_PARTS + size // _BYTES_PER_PART


def check_png_parts(data: bytes, size: int) -> None:
    """Count the chunks at hand.

    Args:
        data: the file, or its beginning.
        size: bytes of the whole file.

    Raises:
        ValueError: there are more than `most_parts`.
    """
    if next(islice(_png_chunks(data), most_parts(size), None), None) is not None:
        message = "too many chunks"
        raise ValueError(message)


def png_exif(data: bytes) -> bytes:
    """The EXIF block of a PNG, which may stand after the pixels; empty where there is none."""
    return next((bytes(body) for name, body, _ in _png_chunks(data) if name == b"eXIf"), b"")


def png_is_whole(data: bytes) -> bool:
    """Whether a PNG reaches its end chunk with every critical chunk's checksum right."""
    for name, body, checksum in _png_chunks(data):
        critical = name[:1].isupper()
        if critical and zlib.crc32(body, zlib.crc32(name)) != checksum:
            return False
        if name == b"IEND":
            return True
    return False


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview, int]]:
    """Name, body and stored checksum of each complete chunk."""
    view = memoryview(data)
    at = 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        end = at + 8 + length
        if end + 4 > len(data):
            return
        yield data[at + 4 : at + 8], view[at + 8 : end], int.from_bytes(data[end : end + 4], "big")
        at = end + 4


@dataclass(frozen=True, slots=True)
class GifLayout:
    """What a GIF's blocks say.

    Attributes:
        frames: frames whose header is complete.
        width: px, of the screen or the first frame's right edge, whichever is more.
        height: px, likewise.
    """

    frames: int
    width: int
    height: int


def gif_layout(data: bytes) -> GifLayout:
    """Walk the blocks of a GIF, up to where it ends or breaks off.

    Raises:
        ValueError: there are many more blocks than an encoder would make of so many bytes.
    """
    width, height = _pair(data, 6)
    frames = 0
    at = 13 + _palette_bytes(data[10:11])
    left = _FEW_PARTS + len(data) // _GIF_BYTES_PER_BLOCK
    while at < len(data):
        if data[at : at + 1] == b"!":
            at, left = _after_blocks(data, at + 2, left)
        elif data[at : at + 1] == b"," and at + 10 <= len(data):
            if not frames:
                (left_edge, top), (across, down) = _pair(data, at + 1), _pair(data, at + 5)
                width, height = max(width, left_edge + across), max(height, top + down)
            frames += 1
            at, left = _after_blocks(data, at + 11 + _palette_bytes(data[at + 9 : at + 10]), left)
        else:
            break
    return GifLayout(frames, width, height)


def _pair(data: bytes, at: int) -> tuple[int, int]:
    return int.from_bytes(data[at : at + 2], "little"), int.from_bytes(data[at + 2 : at + 4], "little")


def _palette_bytes(flags: bytes) -> int:
    packed = int.from_bytes(flags, "big")
    return 3 * 2 ** ((packed & 7) + 1) if packed & 0x80 else 0


def _after_blocks(data: bytes, at: int, left: int) -> tuple[int, int]:
    """Where the blocks that begin here end, and how many more may follow in the file."""
    while at < len(data) and data[at] and left > 0:
        at += data[at] + 1
        left -= 1
    if left <= 0:
        message = "too many blocks"
        raise ValueError(message)
    return at + 1, left - 1
