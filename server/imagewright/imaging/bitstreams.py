"""The picture sizes inside AV1 and HEVC data: what a decoder takes memory for, whatever the file around them promises.

AV1 by its specification, section 5.5; HEVC by ITU-T H.265, sections 7.3.1 and 7.3.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagewright.imaging.signatures import Sides, big

if TYPE_CHECKING:
    from collections.abc import Callable

_SEQUENCE_HEADER = 1
"""The `obu_type` of a sequence header."""

_HEADER_BYTES = 512
"""More than the longest header has up to its size."""

_TIERED = 7
"""Levels above this have a tier."""

_PARAMETER_SET = 33
"""The `nal_unit_type` of a sequence parameter set, which holds the size."""

_PROFILE_BITS, _LEVEL_BITS = 88, 8
"""What one layer has in a `profile_tier_level`."""

_MOST_LAYERS = 8

_MOST_ZEROS = 31
"""Zeros before the first 1 of an Exp-Golomb number: all below 2**32 - 1 (H.265, 9.2; AV1, 4.10.3 and 5.5.3)."""

_FULL_COLOUR = 3
"""The `chroma_format_idc` of 4:4:4."""


def hevc_sides(data: memoryview, spend: Callable[[], None]) -> list[Sides]:
    """The size in px in every sequence parameter set among HEVC units that are preceded by lengths of 4 bytes.

    The last unit may be cut off. `spend` is called for each unit and raises where there are too many.

    Raises:
        ValueError: a parameter set is cut short or damaged.
    """
    found: list[Sides] = []
    at = 0
    while at + 4 <= len(data):
        spend()
        length = big(data, at, 4)
        found += unit_sides(data[at + 4 : at + 4 + length])
        at += 4 + length
    return found


def hevc_configuration(body: memoryview, spend: Callable[[], None]) -> list[Sides]:
    """As `hevc_sides`, of the units in an `hvcC` box (ISO/IEC 14496-15, 8.3.3.1)."""
    found: list[Sides] = []
    at = 23
    for _ in range(big(body, 22, 1)):
        count, at = big(body, at + 1, 2), at + 3
        for _ in range(count):
            spend()
            length, at = big(body, at, 2), at + 2
            found += unit_sides(body[at : at + length])
            at += length
    return found


def unit_sides(unit: memoryview) -> list[Sides]:
    """The size of one HEVC unit that is a sequence parameter set; none of any other, or of a further view."""
    if len(unit) < 2 or unit[0] >> 1 & 0x3F != _PARAMETER_SET:  # noqa: PLR2004 - a unit's head
        return []
    if (unit[0] & 1) << 5 | unit[1] >> 3:  # nuh_layer_id: decoders for still pictures leave out all but the first
        return []
    # Behind two zero bytes a 3 is only there so that no start code comes about.
    bits = _Bits(bytes(unit[2:_HEADER_BYTES]).replace(b"\0\0\3", b"\0\0"))
    bits.take(4)
    layers = bits.take(3)
    bits.take(1 + _PROFILE_BITS + _LEVEL_BITS)
    present = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    bits.take(2 * (_MOST_LAYERS - layers) if layers else 0)
    for profile, level in present:
        bits.take(profile * _PROFILE_BITS + level * _LEVEL_BITS)
    bits.take_golomb()  # sps_seq_parameter_set_id
    bits.take(bits.take_golomb() == _FULL_COLOUR)  # separate_colour_plane_flag
    return [(bits.take_golomb(), bits.take_golomb())]


def av1_sides(data: memoryview, spend: Callable[[], None]) -> list[Sides]:
    """The largest frame size in px of every sequence header in open bitstream units; the last unit may be cut off.

    `spend` is called for each unit and raises where there are too many.

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
    raise ValueError("a length has more than eight bytes")


class _Bits:
    """Reads numbers of any count of bits, the first bit highest."""

    def __init__(self, data: bytes) -> None:
        self._bits = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise ValueError("the header is cut short")
        return self._bits >> self._left & (1 << count) - 1

    def take_golomb(self) -> int:
        """An Exp-Golomb number: as many bits follow the first 1 as there were zeros before it.

        Raises:
            ValueError: it is cut short, or has more bits than a number in these headers.
        """
        rest = self._bits & (1 << self._left) - 1
        zeros = self._left - rest.bit_length()
        if zeros > _MOST_ZEROS and rest:
            raise ValueError("a number has too many bits")
        self.take(zeros)
        return self.take(1 + zeros) - 1


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
        bits.take_golomb()
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
