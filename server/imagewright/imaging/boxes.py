"""The sizes that an AVIF or HEIC file names: of its items and tracks, and of the AV1 data they hold.

The box structure is that of ISO/IEC 14496-12, its items that of ISO/IEC 23008-12, the AV1 data those of the AV1
specification, section 5.5.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    Box = tuple[bytes, memoryview]
    """Type and body."""
    from collections.abc import Callable

Sides = tuple[int, int]
"""Width and height in px, as stored: before any orientation."""

FEW_PARTS = 10_000
_BYTES_PER_PART = 1024
_MOST_EXTENTS = 64
"""Pieces one item may lie in; libavif writes one."""

_SEQUENCE_HEADER = 1
"""The `obu_type` of a sequence header."""

_HEADER_BYTES = 512
"""More than the longest sequence header has up to its size."""

_TIERED = 7
"""Levels above this have a tier."""


def big(data: bytes | memoryview, at: int, count: int) -> int:
    """A number of `count` bytes, the highest first.

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
        raise ValueError("the header is cut short")
    return piece


def most_parts(size: int) -> int:
    """How many chunks, segments or boxes a file of `size` bytes may have.

    Encoders put at least 4 to 8 KB of pixels into a part, and the few thousand parts of an animation or of metadata
    come on top. Files of hundreds of thousands of empty parts keep a decoder busy for seconds.
    """
    return FEW_PARTS + size // _BYTES_PER_PART


def iso_sides(data: bytes, size: int) -> list[Sides]:
    """The sides of every item (`ispe`), of every track (`tkhd`) and of every AV1 sequence header in px.

    Decoders take memory for what the AV1 data say, whatever the boxes around them promise. Sides count even where
    nothing uses them: the file is judged by the largest it names. HEVC data are not looked into.

    Args:
        data: the file, or its beginning.
        size: bytes of the whole file.

    Raises:
        ValueError: the structure is damaged, too large, or does not end within `data`.
    """
    walk = _Walk(memoryview(data), most_parts(size))
    for name, body in walk.boxes(walk.data):
        if name == b"meta":
            walk.read_items(body[4:])
        elif name == b"moov":
            for _, track in walk.all_in(body, b"trak"):
                walk.read_track(track)
    return walk.found


@dataclass(slots=True)
class _Walk:
    """One walk through a file."""

    data: memoryview
    """The file."""
    left: int
    """Boxes and units that may still be looked at."""
    found: list[Sides] = field(default_factory=list)
    """The sides so far."""
    copied: int = 0
    """Bytes of items that lie in several pieces."""

    def boxes(self, view: memoryview) -> Iterator[Box]:
        """Each box of several that follow each other; the last may be cut off."""
        at = 0
        while at + 8 <= len(view):
            self.spend()
            length, head = big(view, at, 4), 8
            if length == 1:
                length, head = big(view, at + 8, 8), 16
            elif length == 0:
                length = len(view) - at
            if length < head:
                raise ValueError("a box is shorter than its own head")
            yield bytes(view[at + 4 : at + 8]), view[at + head : at + length]
            at += length

    def all_in(self, view: memoryview, *path: bytes) -> Iterator[Box]:
        """The boxes at the end of a path of types."""
        for name, body in self.boxes(view):
            if name == path[0]:
                if len(path) == 1:
                    yield name, body
                else:
                    yield from self.all_in(body, *path[1:])

    def read_items(self, meta: memoryview) -> None:
        """What a `meta` box says of its items, and what the AV1 items hold."""
        self.found += [(big(body, 4, 4), big(body, 8, 4)) for _, body in self.all_in(meta, b"iprp", b"ipco", b"ispe")]
        coded = {_item_of(entry) for _, info in self.all_in(meta, b"iinf") for entry in self._entries(info)}
        store = next((body for _, body in self.all_in(meta, b"idat")), memoryview(b""))
        for _, places in self.all_in(meta, b"iloc"):
            for pieces in self._places(places, store, coded):
                self._read_coded(self._joined(pieces))

    def read_track(self, track: memoryview) -> None:
        """What a track says of its size, and what its first AV1 picture holds; no other is decoded."""
        self.found += [
            (big(head, len(head) - 8, 4) >> 16, big(head, len(head) - 4, 4) >> 16)
            for _, head in self.all_in(track, b"tkhd")
        ]
        for _, table in self.all_in(track, b"mdia", b"minf", b"stbl"):
            inside = dict(self.boxes(table))
            if bytes(inside.get(b"stsd", b"")[12:16]) != b"av01":
                continue
            start = big(inside[b"stco"], 8, 4) if b"stco" in inside else big(inside.get(b"co64", b""), 8, 8)
            sizes = inside.get(b"stsz", b"")
            length = big(sizes, 4, 4) or big(sizes, 12, 4)
            self._read_coded(_piece(self.data, start, length))

    def _read_coded(self, data: memoryview) -> None:
        self.found += coded_sides(data, self.spend)

    def _joined(self, pieces: list[memoryview]) -> memoryview:
        if len(pieces) == 1:
            return pieces[0]
        self.copied += sum(len(piece) for piece in pieces)
        if self.copied > len(self.data):
            raise ValueError("the items share their bytes")
        return memoryview(b"".join(pieces))

    def _entries(self, info: memoryview) -> Iterator[memoryview]:
        """The `infe` boxes of an `iinf`."""
        for name, body in self.boxes(info[8 if big(info, 0, 1) else 6 :]):
            if name == b"infe":
                yield body

    def _places(
        self, table: memoryview, store: memoryview, wanted: Container[int | None]
    ) -> Iterator[list[memoryview]]:
        """The bytes of each wanted item in an `iloc`."""
        version, widths = big(table, 0, 1), big(table, 4, 2)
        offset_bytes, length_bytes, base_bytes = widths >> 12, widths >> 8 & 0xF, widths >> 4 & 0xF
        index_bytes = widths & 0xF if version else 0
        number_bytes = 2 if version < 2 else 4  # noqa: PLR2004 - the version that widened it
        count, at = big(table, 6, number_bytes), 6 + number_bytes
        for _ in range(count):
            self.spend()
            item, at = big(table, at, number_bytes), at + number_bytes
            method, at = (big(table, at, 2) & 0xF, at + 2) if version else (0, at)
            base, at = big(table, at + 2, base_bytes), at + 2 + base_bytes
            extents, at = big(table, at, 2), at + 2
            if extents > _MOST_EXTENTS or method > 1:
                raise ValueError("an item lies in more pieces, or deeper, than is read")
            pieces = []
            for _ in range(extents):
                at += index_bytes
                start, length = base + big(table, at, offset_bytes), big(table, at + offset_bytes, length_bytes)
                at += offset_bytes + length_bytes
                if item in wanted:
                    pieces.append(_piece(store if method else self.data, start, length))
            if pieces:
                yield pieces

    def spend(self) -> None:
        """Count one more part.

        Raises:
            ValueError: there are too many.
        """
        self.left -= 1
        if self.left < 0:
            raise ValueError("too many boxes or units")


def _item_of(entry: memoryview) -> int | None:
    """The number of the item that an `infe` describes, if that is AV1 data."""
    wide = 4 if big(entry, 0, 1) > 2 else 2  # noqa: PLR2004 - version 3 widened the number
    kind = 4 + wide + 2
    return big(entry, 4, wide) if bytes(entry[kind : kind + 4]) == b"av01" else None


def _piece(view: memoryview, start: int, length: int) -> memoryview:
    """A stretch of the file; 0 stands for all of the rest. One that is cut off must at least have begun."""
    if start >= len(view):
        raise ValueError("an item lies outside the file")
    return view[start : start + length] if length else view[start:]


def coded_sides(data: memoryview, spend: Callable[[], None]) -> list[Sides]:
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
