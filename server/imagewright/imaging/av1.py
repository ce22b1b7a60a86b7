"""The size of the pictures that AV1 data holds, read from its sequence headers (AV1 specification, section 5.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagewright.imaging.headers import big

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagewright.imaging.headers import Sides

_SEQUENCE_HEADER = 1
"""The `obu_type` of a sequence header."""
_HEADER_BYTES = 512
"""More than the longest sequence header has up to its size."""
_TIERED = 7
"""Levels above this have a tier."""


def coded_sides(data: memoryview, spend: Callable[[], None]) -> list[Sides]:
    """The largest frame size of every sequence header, in px.

    Args:
        data: open bitstream units, one after the other; the last may be cut off.
        spend: called for each unit; raises where there are too many.

    Raises:
        ValueError: a sequence header is cut short.
    """
    found: list[Sides] = []
    at = 0
    while at < len(data):
        spend()
        head = data[at]
        at += 2 if head & 0b100 else 1
        length = len(data) - at
        if head & 0b10:
            length, at = _leb128(data, at)
        if head >> 3 & 0xF == _SEQUENCE_HEADER:
            found.append(_sides(_Bits(bytes(data[at : at + min(length, _HEADER_BYTES)]))))
        at += length
    return found


def _leb128(data: memoryview, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, the lowest first, and where it ends."""
    value = 0
    for place in range(8):
        byte = big(data, at + place, 1)
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:  # noqa: PLR2004 - the top bit says that there is more
            return value, at + place + 1
    message = "a length has more than eight bytes"
    raise ValueError(message)


class _Bits:
    """Reads numbers of any count of bits, the first bit highest."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> int:
        end = self._at + count
        first, last = self._at // 8, (end + 7) // 8
        value = big(self._data, first, last - first) >> last * 8 - end
        self._at = end
        return value & (1 << count) - 1

    def skip_uvlc(self) -> None:
        zeros = 0
        while not self.take(1):
            zeros += 1
        self.take(min(zeros, 32))


def _sides(bits: _Bits) -> Sides:
    bits.take(3 + 1)  # seq_profile, still_picture
    if bits.take(1):  # reduced_still_picture_header
        bits.take(5)
    else:
        _skip_operating_points(bits, _delay_bits(bits))
    across, down = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(across) + 1, bits.take(down) + 1


def _delay_bits(bits: _Bits) -> int:
    """Skip the timing; how many bits a buffer delay has, 0 where there is no decoder model."""
    if not bits.take(1):  # timing_info_present_flag
        return 0
    bits.take(32 + 32)
    if bits.take(1):  # equal_picture_interval
        bits.skip_uvlc()
    if not bits.take(1):  # decoder_model_info_present_flag
        return 0
    delay = bits.take(5) + 1
    bits.take(32 + 5 + 5)
    return delay


def _skip_operating_points(bits: _Bits, delay: int) -> None:
    display_delay = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > _TIERED:
            bits.take(1)
        if delay and bits.take(1):
            bits.take(2 * delay + 1)
        if display_delay and bits.take(1):
            bits.take(4)
