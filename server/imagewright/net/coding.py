"""Content codings: which are taken, and how a packed answer is inflated without ever holding more than is allowed.

A few thousand bytes can unpack to gigabytes, and more so where they are packed twice. So one coding is the most that
is taken, and it is unpacked in steps, so that the reader can check its limit after each.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from imagewright.text import clip

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCEPTED = "gzip, deflate"
"""What a vendor's answer may be packed with, as it stands in `Accept-Encoding`."""
STEP = 1_000_000
"""Most bytes of one step: about 4 ms of work."""

# Words that stand in the header although the bytes are not packed: stores such as S3 return what was set when the file
# was uploaded.
_PLAIN = frozenset({"", "identity", "aws-chunked", "binary", "none", "utf-8"})
_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS
_DEFLATED = 8  # the method in the low half of a zlib stream's first byte (RFC 1950)
_CHECK = 31  # its first two bytes, read as one number, are a multiple of this
_HEAD = 2


class CodingError(Exception):
    """A body is packed in a way that is not taken, or is damaged; the text says how."""


def codings_of(header: str) -> list[str]:
    """What a body is packed with by its `Content-Encoding`, in the order of the packing; nothing where it is not."""
    return [word for part in header.split(",") if (word := part.strip().lower()) not in _PLAIN]


def coding_of(header: str) -> str:
    """The one coding of a body that can be unpacked: `gzip`, `deflate`, or nothing where it is not packed.

    Raises:
        CodingError: it is packed more than once, or in another way.
    """
    codings = codings_of(header)
    if not codings:
        return ""
    shown = clip(", ".join(codings))
    if len(codings) > 1:
        raise CodingError(f"it is packed more than once ({shown})")
    if codings[0] in ("gzip", "x-gzip"):
        return "gzip"
    if codings[0] == "deflate":
        return "deflate"
    raise CodingError(f"it is packed in a way that was not asked for ({shown})")


class Inflater:
    """Unpacks one body, block by block, from a coding that `coding_of` returned."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._head = b""
        self._stream: zlib._Decompress | None = None  # typeshed's name for what `decompressobj` makes

    def feed(self, block: bytes) -> Iterator[bytes]:
        """What a block unpacks to, at most `STEP` bytes at a time; nothing is unpacked before it is asked for.

        Raises:
            CodingError: the body is damaged, or goes on after its end.
        """
        if not self._coding:
            yield block
            return
        block, self._head = self._head + block, b""
        if self._stream is None and len(block) < _HEAD:
            self._head = block
            return
        self._stream = self._stream or zlib.decompressobj(_window(self._coding, block))
        if self._stream.eof and block:
            raise CodingError(f"its {self._coding} goes on after its end")
        while True:
            try:
                unpacked = self._stream.decompress(block, STEP)
            except zlib.error as error:
                raise CodingError(f"its {self._coding} is damaged ({error})") from error
            block = self._stream.unconsumed_tail
            yield unpacked
            if self._stream.unused_data:
                raise CodingError(f"its {self._coding} goes on after its end")
            if self._stream.eof or not (block or len(unpacked) == STEP):
                return

    def close(self) -> None:
        """Say that the body is over. One without a single byte is whole.

        Raises:
            CodingError: it was cut short.
        """
        begun = self._head or self._stream is not None
        if begun and not (self._stream is not None and self._stream.eof):
            raise CodingError(f"its {self._coding} is cut short")


def _window(coding: str, head: bytes) -> int:
    """Which of its three containers zlib is to expect."""
    if coding == "gzip":
        return _GZIP
    # `deflate` means a zlib stream (RFC 9110), but some servers send it bare, without its head
    is_zlib = head[0] % 16 == _DEFLATED and (head[0] * 256 + head[1]) % _CHECK == 0
    return _ZLIB if is_zlib else _RAW
