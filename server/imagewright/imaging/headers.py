"""What a picture's header says, read before any decoder sees the file: its sides, EXIF orientation, chunks, frames.

Some decoders (WebP, AVIF, HEIC) take memory for every pixel as soon as they open a file, so its sides must be known
before. Pillow answers the rest too, but warns through the process-wide warnings filter where a header is broken, and
allocates whole frames to count them; both are wrong for bytes from strangers in a threaded server.

How large a picture may be at all, and what memory its decoder takes, follow from the header as well.

Every walk is bounded. What cannot be read raises ValueError, which `files` turns into a `PictureError`.
"""

from __future__ import annotations

import zlib
from itertools import islice
from typing import TYPE_CHECKING, Literal

from imagewright.imaging.signatures import FEW_PARTS, Sides, Unsupported, big, little, most_parts

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PIXELS = 16_384 * 16_384
"""Pixels of the largest picture that is decoded (268 MP, about 1 GB in memory): a 4096 px square enlarged four
times, the most any row can be asked for. Phones' largest sensors have 200 MP. Anything above is taken for a bomb."""

GIF_MAX_PIXELS = TIFF_MAX_PIXELS = 64_000_000
"""Their own ceiling. Pillow checks them itself and warns process-wide from 89 MP up."""

DECODED_BYTES = {"png": 4, "jpeg": 10, "gif": 4, "webp": 16, "avif": 12, "heic": 12, "tiff": 12, "bmp": 4}
"""Bytes a decoder holds for each pixel at its peak, measured with Pillow 13 and pillow-heif 1.8: a JPEG's is that of a
progressive one in full colour, a TIFF's that of one strip with 16 bits per channel. 8-bit HEIC takes 9."""

_ORIENTATION_TAG = 0x0112
_SHORT = 3
_IFD_ENTRY_BYTES = 12
_PLAIN_BMP = frozenset({0, 3, 6})
"""Ways to store the pixels of a BMP that are read: as they are, or with masks. Pillow reads run lengths in Python."""
_UPRIGHT = 1
_ORIENTATIONS = range(1, 9)

SIDEWAYS = frozenset({5, 6, 7, 8})
"""EXIF orientations that swap width and height."""

_OLD_BMP_HEADER = 12
"""Bytes of the header that OS/2 wrote, with sides of two bytes."""

_UNITS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of one value of each type of a TIFF tag (TIFF 6.0, section 2)."""
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
    {_SUBFILE_TAG, _WIDTH_TAG, _HEIGHT_TAG, _BITS_TAG, _COLOURS_TAG, _ORIENTATION_TAG, _TILE_WIDTH}
    | {_TILE_HEIGHT, _SAMPLES_TAG, _EXIF_TAG, _GPS_TAG, _INTEROP_TAG, _DNG_TAG}
)
_RGB = 2

_GIF_BYTES_PER_BLOCK = 32
"""Encoders fill blocks of up to 255 bytes, some of 126."""

WEBP_SIDE = 16_383
"""Px; libwebp's WEBP_MAX_DIMENSION. The header of an animation could say more, but no encoder writes that."""

_JPEG_FILL = 65_536
"""Bytes between all markers of a JPEG together. The standard allows fill bytes, and cameras write a few of them."""

_NO_FRAME = frozenset({0xC4, 0xC8, 0xCC})
"""Markers among 0xC0 to 0xCF that do not begin a frame (ITU-T T.81, table B.1)."""

_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length: TEM, RST0 to RST7, SOI."""

_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9


def cost_of(name: str, pixels: int, size: int, work: int) -> int:
    """The memory in bytes that work on a picture of that format takes, from its pixels and the size of its file.

    `work` is bytes for each pixel beyond those of decoding: `PROBE_BYTES`, `LOOK_BYTES` ...
    """
    return pixels * (DECODED_BYTES[name] + work) + size


def orientation_of(exif: bytes) -> int:
    """The orientation in an EXIF block, with or without its prefix: 1 to 8; 1 (upright) where it names none."""
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


def check_png_parts(data: bytes, size: int) -> None:
    """Count the chunks in the beginning of a file of `size` bytes.

    Raises:
        ValueError: there are more than `most_parts`.
    """
    if next(islice(_png_chunks(data), most_parts(size), None), None) is not None:
        raise ValueError("too many chunks")


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


def gif_layout(data: bytes) -> tuple[int, Sides]:
    """How many frames of a GIF have a complete header, and its sides in px, from its blocks up to where they break off.

    The sides are those of the screen or the right and lower edge of the first frame, whichever is more.

    Raises:
        ValueError: there are many more blocks than an encoder would make of that many bytes.
    """
    width, height = _pair(data, 6)
    frames = 0
    at = 13 + _palette_bytes(data[10:11])
    left = FEW_PARTS + len(data) // _GIF_BYTES_PER_BLOCK
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
    return frames, (width, height)


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
        raise ValueError("too many blocks")
    return at + 1, left - 1


def declared_sides(name: str, data: bytes, size: int) -> list[Sides]:
    """Every size that the header declares, the largest first; only AVIF, HEIC and TIFF can declare more than one.

    `data` is the beginning of a file of `size` bytes, or all of it.

    Raises:
        ValueError: the header is damaged, or it does not end within `data`; `Unsupported` where it is whole.
    """
    found = _READERS[name](data, size)
    declared = sorted(found, key=lambda sides: sides[0] * sides[1], reverse=True)
    if not declared or 0 in declared[0]:
        raise ValueError("the header declares no size")
    return declared


def _png(data: bytes, size: int) -> list[Sides]:
    if data[12:16] != b"IHDR":
        raise ValueError("a PNG begins with its header chunk")
    check_png_parts(data, size)
    return [(big(data, 16, 4), big(data, 20, 4))]


def _gif(data: bytes, _size: int) -> list[Sides]:
    frames, sides = gif_layout(data)
    return [sides] if frames else []


def _jpeg(data: bytes, size: int) -> list[Sides]:
    """The first frame's sides; a file with several frames before its scan is found out when it is opened."""
    at, fill = 2, 0
    for _ in range(most_parts(size)):
        start = data.index(b"\xff", at)
        code = start + 1
        while big(data, code, 1) == 0xFF:  # noqa: PLR2004 - a fill byte looks like the start of a marker
            code += 1
            _check_fill(fill + code - at)
        fill += code - 1 - at
        _check_fill(fill)
        marker, at = big(data, code, 1), code + 1
        if marker in (_START_OF_SCAN, _END_OF_IMAGE):
            break
        if marker == 0 or marker in _BARE:
            continue
        if marker & 0xF0 == 0xC0 and marker not in _NO_FRAME:  # noqa: PLR2004 - SOF0 to SOF15
            return [(big(data, at + 5, 2), big(data, at + 3, 2))]
        at += big(data, at, 2)
    raise ValueError("no frame header was found")


def _check_fill(count: int) -> None:
    if count > _JPEG_FILL:
        raise ValueError("too many bytes between the markers")


def _webp(data: bytes, size: int) -> list[Sides]:
    kind = data[12:16]
    if kind == b"VP8X":
        canvas = little(data, 24, 3) + 1, little(data, 27, 3) + 1
        _check_frames(data, size, canvas)
        return [canvas]
    if kind == b"VP8L" and data[20:21] == b"\x2f":
        packed = little(data, 21, 4)
        return [((packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1)]
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        return [(little(data, 26, 2) & 0x3FFF, little(data, 28, 2) & 0x3FFF)]
    raise ValueError("no picture chunk was found")


def _check_frames(data: bytes, size: int, canvas: Sides) -> None:
    """Check the canvas against what an encoder can write, and each frame that is there against the canvas.

    A canvas of more pixels than that is left to the check of the pixels, which says why it is refused.
    """
    if max(canvas) > WEBP_SIDE and canvas[0] * canvas[1] <= WEBP_SIDE**2:
        raise ValueError("the canvas has a side that no encoder writes")
    at = 12
    for _ in range(most_parts(size)):
        if at + 20 > len(data):
            return
        if data[at : at + 4] == b"ANMF":
            right = 2 * little(data, at + 8, 3) + little(data, at + 14, 3) + 1
            bottom = 2 * little(data, at + 11, 3) + little(data, at + 17, 3) + 1
            if right > canvas[0] or bottom > canvas[1]:
                raise ValueError("a frame lies outside the canvas")
        length = little(data, at + 4, 4)
        at += 8 + length + length % 2
    raise ValueError("too many chunks")


def _bmp(data: bytes, _size: int) -> list[Sides]:
    if little(data, 14, 4) == _OLD_BMP_HEADER:
        return [_pair(data, 18)]
    width, height = little(data, 18, 4), little(data, 22, 4)
    if little(data, 30, 4) not in _PLAIN_BMP:
        raise Unsupported("this BMP is compressed in a way that is not read here: save it as PNG")
    return [(width, min(height, 2**32 - height))]  # a negative height says that the rows begin at the top


def _tiff(data: bytes, size: int) -> list[Sides]:
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
    turned = tags.get(_ORIENTATION_TAG, [_UPRIGHT])[0] in SIDEWAYS
    return [(width, height), (height, width)] if turned else [(width, height)]


def _tiff_tags(data: bytes, at: int, size: int) -> dict[int, list[int]]:
    """The first whole numbers of each tag in the directory that begins there, by the number of the tag.

    Raises:
        ValueError: the tags hold more than the whole file, which a decoder would copy tag by tag, or the directory does
            not end within `data`.
    """
    found: dict[int, list[int]] = {}
    for place in range(_number(data, at, 2)):
        entry = at + 2 + place * _IFD_ENTRY_BYTES
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
        end = at + 2 + _number(data, at, 2) * _IFD_ENTRY_BYTES
        at = _number(data, end, 4) if end + 4 <= len(data) else 0
    return len(seen)


def _number(data: bytes, at: int, count: int) -> int:
    """A number in the byte order of a TIFF."""
    return little(data, at, count) if data.startswith(b"I") else big(data, at, count)


def _avif(data: bytes, size: int) -> list[Sides]:
    from imagewright.imaging.boxes import iso_sides  # noqa: PLC0415 - most pictures have no boxes

    return iso_sides(data, size)


def _heic(data: bytes, size: int) -> list[Sides]:
    from imagewright.imaging.boxes import heic_sides  # noqa: PLC0415 - as above

    return heic_sides(data, size)


_READERS = {
    "png": _png,
    "jpeg": _jpeg,
    "gif": _gif,
    "webp": _webp,
    "avif": _avif,
    "heic": _heic,
    "tiff": _tiff,
    "bmp": _bmp,
}
