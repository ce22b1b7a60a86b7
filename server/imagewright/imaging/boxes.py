"""The sizes that an AVIF or HEIC file names: of its items and tracks, and of the AV1 or HEVC data they hold.

The box structure is that of ISO/IEC 14496-12, its items that of ISO/IEC 23008-12.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imagewright.imaging.bitstreams import av1_sides, hevc_configuration, hevc_sides
from imagewright.imaging.signatures import Sides, Unsupported, big, most_parts
from imagewright.text import say

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    Box = tuple[bytes, memoryview]
    """Type and body."""

_MOST_EXTENTS = 64
"""Pieces one item may lie in; libavif writes one."""

_MOST_TILES = 2048
"""Tiles of one grid; phones make them of 512 px, so their largest photo has 192."""

_PADDING = 64
"""Px by which an encoder may round a side up: the largest block of HEVC."""

_IN_PHOTOS = frozenset({b"hvc1", b"grid", b"iden", b"tmap", b"Exif", b"mime", b"uri ", b"jpeg"})
"""Types of items that phones and cameras write into a HEIC: pictures, tiles, a picture turned, a map of brightness,
metadata, a small JPEG. The holes found in libheif in 2026 were in the others and in films (CVE-2026-32738, -32741,
-32882, -49271)."""

_CODED = frozenset({b"av01", b"hvc1"})
"""Types of items that hold a coded picture."""


def heic_sides(data: bytes, size: int) -> list[Sides]:
    """As `iso_sides`, of a file that holds nothing but what phones and cameras write.

    Raises:
        Unsupported: there is something else in it, which its decoder is kept from.
        ValueError: as `iso_sides`.
    """
    walk = _walked(data, size)
    others = sorted(kind.decode("latin-1").strip() for kind in {*walk.types.values()} - _IN_PHOTOS)
    if walk.tracks or others:
        what = "a film" if walk.tracks else f"a part of the type {say(others[0])}"
        raise Unsupported(f"this HEIC has {what} in it, as no photo of a phone has: save it as JPEG or PNG")
    return walk.all_sides()


def iso_sides(data: bytes, size: int) -> list[Sides]:
    """The sides of every item (`ispe`), grid and track (`tkhd`), and of all AV1 and HEVC data in px.

    Decoders take memory for what the coded data say, whatever the boxes around them promise. Sides count even where
    nothing uses them: the file is judged by the largest it names.

    Args:
        data: the file, or its beginning.
        size: bytes of the whole file.

    Raises:
        ValueError: the structure is damaged, too large, or does not end within `data`.
    """
    return _walked(data, size).all_sides()


def _walked(data: bytes, size: int) -> _Walk:
    walk = _Walk(memoryview(data), most_parts(size))
    for name, body in walk.boxes(walk.data):
        if name == b"meta":
            walk.read_items(body[4:])
        elif name == b"moov":
            for _, track in walk.all_in(body, b"trak"):
                walk.read_track(track)
                walk.tracks += 1
    return walk


@dataclass(slots=True)
class _Walk:
    """One walk through a file."""

    data: memoryview
    """The file."""
    left: int
    """Boxes and units that may still be looked at."""
    found: list[Sides] = field(default_factory=list)
    """The sides that the boxes promise."""
    coded: list[Sides] = field(default_factory=list)
    """The sides of the coded pictures."""
    types: dict[int, bytes] = field(default_factory=dict)
    """The type of each item."""
    tracks: int = 0
    """Tracks of a film."""
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
        """What a `meta` box says of its items, and the sides of the coded pictures in them."""
        self.found += [(big(body, 4, 4), big(body, 8, 4)) for _, body in self.all_in(meta, b"iprp", b"ipco", b"ispe")]
        for _, body in self.all_in(meta, b"iprp", b"ipco", b"hvcC"):
            self.coded += hevc_configuration(body, self.spend)
        self.types = dict(_item_of(entry) for _, info in self.all_in(meta, b"iinf") for entry in self._entries(info))
        self._check_parts(meta)
        store = next((body for _, body in self.all_in(meta, b"idat")), memoryview(b""))
        for _, places in self.all_in(meta, b"iloc"):
            wanted = {item for item, kind in self.types.items() if kind in _CODED or kind == b"grid"}
            for item, pieces in self._places(places, store, wanted):
                self._read_item(self.types[item], self._joined(pieces))

    def _check_parts(self, meta: memoryview) -> None:
        """Refuse pictures put together of pictures that are themselves put together.

        Such a file can be small and keep a decoder busy for ever.
        """
        if b"iovl" in self.types.values():
            raise ValueError("a picture is laid together of others")
        for _, references in self.all_in(meta, b"iref"):
            wide = 4 if big(references, 0, 1) else 2
            for name, body in self.boxes(references[4:]):
                if name != b"dimg" or self.types.get(big(body, 0, wide)) != b"grid":
                    continue
                count = big(body, wide, 2)
                tiles = {big(body, wide + 2 + wide * place, wide) for place in range(count)}
                if any(self.types.get(tile) not in _CODED for tile in tiles):
                    raise ValueError("a tile of a grid is no coded picture")

    def _read_item(self, kind: bytes, data: memoryview) -> None:
        if kind == b"grid":
            self.found.append(_grid_sides(data))
        else:
            self.coded += (av1_sides if kind == b"av01" else hevc_sides)(data, self.spend)

    def all_sides(self) -> list[Sides]:
        """What the boxes promise, and what the coded pictures have beyond that."""
        return self.found + [sides for sides in self.coded if not self._is_promised(sides)]

    def _is_promised(self, sides: Sides) -> bool:
        """Whether a box promises at least this size of a coded picture, not counting its padding."""
        width, height = sides[0] - _PADDING, sides[1] - _PADDING
        return any(width < wide and height < high for wide, high in self.found)

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
            self._read_item(b"av01", _piece(self.data, start, length))

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
        self, table: memoryview, store: memoryview, wanted: Container[int]
    ) -> Iterator[tuple[int, list[memoryview]]]:
        """The number and the bytes of each wanted item in an `iloc`."""
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
                yield item, pieces

    def spend(self) -> None:
        """Count one more part.

        Raises:
            ValueError: there are too many.
        """
        self.left -= 1
        if self.left < 0:
            raise ValueError("too many boxes or units")


def _item_of(entry: memoryview) -> tuple[int, bytes]:
    """The number and the type of the item that an `infe` describes."""
    wide = 4 if big(entry, 0, 1) > 2 else 2  # noqa: PLR2004 - version 3 widened the number
    kind = 4 + wide + 2
    return big(entry, 4, wide), bytes(entry[kind : kind + 4])


def _grid_sides(data: memoryview) -> Sides:
    """The size of a picture that is put together of tiles (ISO/IEC 23008-12, 6.6.2.3).

    Raises:
        ValueError: it has more tiles than any photo.
    """
    wide = 4 if big(data, 1, 1) & 1 else 2
    if (big(data, 2, 1) + 1) * (big(data, 3, 1) + 1) > _MOST_TILES:
        raise ValueError("a grid has too many tiles")
    return big(data, 4, wide), big(data, 4 + wide, wide)


def _piece(view: memoryview, start: int, length: int) -> memoryview:
    """A stretch of the file; 0 stands for all of the rest. One that is cut off must at least have begun."""
    if start >= len(view):
        raise ValueError("an item lies outside the file")
    return view[start : start + length] if length else view[start:]
