"""The sizes that the rarer formats name: AVIF and HEIC, which are made of boxes, TIFF and BMP.

Of AVIF and HEIC, the sizes are those of items and tracks, and of the AV1 or HEVC data they hold. The box structure is
that of ISO/IEC 14496-12, its items that of ISO/IEC 23008-12. TIFF is by its revision 6.0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imagewright.imaging.bitstreams import av1_sides, hevc_configuration, hevc_sides
from imagewright.imaging.signatures import (
    ENTRY_BYTES,
    FEW_PARTS,
    ORIENTATION_TAG,
    SIDEWAYS,
    UPRIGHT,
    Sides,
    Unsupported,
    big,
    little,
    most_parts,
)
from imagewright.text import plain, say

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    Box = tuple[bytes, memoryview]
    """Type and body."""

_MOST_EXTENTS = 64
"""Pieces one item may lie in; libavif writes one."""

_MOST_TILES = 2048
"""Tiles of one grid; phones make them of 512 px, so their largest photo has 192."""

_MOST_SIZES = 256
"""Different sizes of items, and as many of coded pictures. Photos have a handful, and all are compared with all."""

_PADDING = 64
"""Px by which an encoder may round a side up: the largest block of HEVC."""

_IN_PHOTOS = frozenset({b"hvc1", b"grid", b"iden", b"tmap", b"Exif", b"mime", b"uri ", b"jpeg"})
"""Types of items that phones and cameras write into a HEIC: pictures, tiles, a picture turned, a map of brightness,
metadata, a small JPEG. The holes found in libheif in 2026 were in the others and in films (CVE-2026-32738, -32741,
-32882, -49271)."""

_CODED = frozenset({b"av01", b"hvc1"})
"""Types of items that hold a coded picture."""

_UNITS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of one value of each type of a TIFF tag (section 2)."""
_FEW_VALUES = 8
"""Values of a TIFF tag that are read; no tag needed here has more."""
_DEEPEST = 16
"""Bits per channel of a TIFF that are read; more are measurements and no picture for eyes."""
_COLOURS = frozenset({0, 1, 2, 3, 5, 6})
"""Ways to store colours in a TIFF that are read: grey, RGB, palette, CMYK, YCbCr; not Lab and sensor data."""
_TILE_PIXELS = 1024 * 1024
"""Pixels of a tile of a TIFF that no picture is too small for. A decoder takes memory for the whole tile."""
_SUBFILE_TAG, _WIDTH_TAG, _HEIGHT_TAG, _BITS_TAG, _COLOURS_TAG = 254, 256, 257, 258, 262
_TILE_WIDTH, _TILE_HEIGHT, _SAMPLES_TAG = 322, 323, 339
_EXIF_TAG, _GPS_TAG, _INTEROP_TAG, _DNG_TAG = 34_665, 34_853, 40_965, 50_706
_TIFF_TAGS = frozenset(
    {_SUBFILE_TAG, _WIDTH_TAG, _HEIGHT_TAG, _BITS_TAG, _COLOURS_TAG, ORIENTATION_TAG, _TILE_WIDTH}
    | {_TILE_HEIGHT, _SAMPLES_TAG, _EXIF_TAG, _GPS_TAG, _INTEROP_TAG, _DNG_TAG}
)
_RGB = 2

_PLAIN_BMP = frozenset({0, 3, 6})
"""Ways to store the pixels of a BMP that are read: as they are, or with masks. Pillow reads run lengths in Python."""
_OLD_BMP_HEADER = 12
"""Bytes of the header that OS/2 wrote, with sides of two bytes."""


def heic_sides(data: bytes, size: int) -> list[Sides]:
    """As `iso_sides`, of a file that holds nothing but what phones and cameras write.

    Raises:
        Unsupported: there is something else in it, which its decoder is kept from.
        ValueError: as `iso_sides`.
    """
    walk = _walked(data, size)
    others = sorted(kind.decode("latin-1").strip() for kind in {*walk.types.values()} - _IN_PHOTOS)
    if walk.tracks or others:
        what = "a film" if walk.tracks else f"a part of the type {say(plain(others[0]))}"
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


def metadata_of(data: bytes) -> Iterator[Box]:
    """The items of an AVIF or HEIC that hold EXIF (`Exif`, behind the offset of its header) or XMP data (`mime`).

    Raises:
        ValueError: as `iso_sides`; what came before is sound.
    """
    walk = _Walk(memoryview(data), most_parts(len(data)))
    for _, meta in walk.all_in(walk.data, b"meta"):
        types = dict(_item_of(entry) for _, info in walk.all_in(meta[4:], b"iinf") for entry in walk.entries(info))
        wanted = {item for item, kind in types.items() if kind in (b"Exif", b"mime")}
        store = next((body for _, body in walk.all_in(meta[4:], b"idat")), memoryview(b""))
        for _, places in walk.all_in(meta[4:], b"iloc"):
            for item, pieces in walk.places(places, store, wanted):
                yield types[item], pieces[0]


@dataclass(slots=True)
class _Walk:
    """One walk through a file."""

    data: memoryview
    """The file."""
    left: int
    """Boxes and units that may still be looked at."""
    found: set[Sides] = field(default_factory=set)
    """The sides that the boxes promise."""
    coded: set[Sides] = field(default_factory=set)
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
        self.found |= {(big(body, 4, 4), big(body, 8, 4)) for _, body in self.all_in(meta, b"iprp", b"ipco", b"ispe")}
        for _, body in self.all_in(meta, b"iprp", b"ipco", b"hvcC"):
            self.coded.update(hevc_configuration(body, self.spend))
        self.types = dict(_item_of(entry) for _, info in self.all_in(meta, b"iinf") for entry in self.entries(info))
        self._check_parts(meta)
        store = next((body for _, body in self.all_in(meta, b"idat")), memoryview(b""))
        for _, places in self.all_in(meta, b"iloc"):
            wanted = {item for item, kind in self.types.items() if kind in _CODED or kind == b"grid"}
            for item, pieces in self.places(places, store, wanted):
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
            self.found.add(_grid_sides(data))
        else:
            self.coded.update((av1_sides if kind == b"av01" else hevc_sides)(data, self.spend))

    def all_sides(self) -> list[Sides]:
        """What the boxes promise, and what the coded pictures have beyond that.

        Raises:
            ValueError: there are too many different ones.
        """
        if max(len(self.found), len(self.coded)) > _MOST_SIZES:
            raise ValueError("too many different sizes")
        return [*self.found, *(sides for sides in self.coded if not self._is_promised(sides))]

    def _is_promised(self, sides: Sides) -> bool:
        """Whether a box promises at least this size of a coded picture, not counting its padding."""
        width, height = sides[0] - _PADDING, sides[1] - _PADDING
        return any(width < wide and height < high for wide, high in self.found)

    def read_track(self, track: memoryview) -> None:
        """What a track says of its size, and what its first AV1 picture holds; no other is decoded."""
        self.found |= {
            (big(head, len(head) - 8, 4) >> 16, big(head, len(head) - 4, 4) >> 16)
            for _, head in self.all_in(track, b"tkhd")
        }
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

    def entries(self, info: memoryview) -> Iterator[memoryview]:
        """The `infe` boxes of an `iinf`."""
        for name, body in self.boxes(info[8 if big(info, 0, 1) else 6 :]):
            if name == b"infe":
                yield body

    def places(
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


def tiff_sides(data: bytes, size: int) -> list[Sides]:
    """The sides of the first page, as stored and, where it is turned, upright."""
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
    turned = tags.get(ORIENTATION_TAG, [UPRIGHT])[0] in SIDEWAYS
    return [(width, height), (height, width)] if turned else [(width, height)]


def _tiff_tags(data: bytes, at: int, size: int) -> dict[int, list[int]]:
    """The first whole numbers of each tag in the directory that begins there, by the number of the tag.

    Raises:
        ValueError: the tags hold more than the whole file, which a decoder would copy tag by tag, or the directory does
            not end within `data`.
    """
    found: dict[int, list[int]] = {}
    for place in range(_number(data, at, 2)):
        entry = at + 2 + place * ENTRY_BYTES
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
        end = at + 2 + _number(data, at, 2) * ENTRY_BYTES
        at = _number(data, end, 4) if end + 4 <= len(data) else 0
    return len(seen)


def _number(data: bytes, at: int, count: int) -> int:
    """A number in the byte order of a TIFF."""
    return little(data, at, count) if data.startswith(b"I") else big(data, at, count)


def bmp_sides(data: bytes, _size: int) -> list[Sides]:
    """The size, by whichever of its two kinds of header it has."""
    if little(data, 14, 4) == _OLD_BMP_HEADER:
        return [(little(data, 18, 2), little(data, 20, 2))]
    width, height = little(data, 18, 4), little(data, 22, 4)
    if little(data, 30, 4) not in _PLAIN_BMP:
        raise Unsupported("this BMP is compressed in a way that is not read here: save it as PNG")
    return [(width, min(height, 2**32 - height))]  # a negative height says that the rows begin at the top


READERS = {"avif": iso_sides, "heic": heic_sides, "tiff": tiff_sides, "bmp": bmp_sides}
"""By format, what reads the sizes that a file of so many bytes names from its beginning, or from all of it."""
