"""PNGs of one colour, as most emulated pictures are, without compressing the same millions of bytes each time.

Each row is written as its difference to the row above, so that all but the first are the same whatever the colour is:
their compressed form is made once for a size. What a reader gets is an ordinary 8-bit RGB file.
"""

from __future__ import annotations

import struct
import zlib
from functools import cache

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB8 = bytes((8, 2, 0, 0, 0))
"""8 bits a channel, RGB, and the one way each there is to compress, to filter and to order."""
_LIKE_LEFT, _LIKE_ABOVE = b"\1", b"\2"
"""The filters: what a row's bytes are the difference to."""
_PRIME = 65521
"""What both halves of an Adler-32 sum are reckoned by."""


def plain_png(width: int, height: int, colour: bytes) -> bytes:
    """A file of that many pixels, all of that RGB."""
    first = _LIKE_LEFT + colour + bytes(3 * (width - 1))
    rest, length, rest_sum = _further_rows(width, height)
    begun = zlib.compressobj(1)
    body = begun.compress(first) + begun.flush(zlib.Z_FULL_FLUSH) + rest
    body += struct.pack(">I", _joined(zlib.adler32(first), rest_sum, length))
    header = struct.pack(">II", width, height) + _RGB8
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


@cache
def _further_rows(width: int, height: int) -> tuple[bytes, int, int]:
    """The compressed rows below the first, and the length and the Adler-32 sum of what they were before."""
    rows = (_LIKE_ABOVE + bytes(3 * width)) * (height - 1)
    packed = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)  # no header: they follow on what has one
    return packed.compress(rows) + packed.flush(), len(rows), zlib.adler32(rows)


def _joined(first: int, second: int, length: int) -> int:
    """The Adler-32 sum of two texts from their own sums and the length of the second."""
    low, high = first & 0xFFFF, first >> 16
    further_low, further_high = second & 0xFFFF, second >> 16
    return (low + further_low - 1) % _PRIME | (high + further_high + length * (low - 1)) % _PRIME << 16


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
