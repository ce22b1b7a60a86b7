"""What a picture's header says, read before any decoder sees the file: its sides, EXIF orientation, parts, frames.

Some decoders (WebP, AVIF, HEIC) take memory for every pixel as soon as they open a file, so its sides must be known
before. Pillow answers the rest too, but warns through the process-wide warnings filter where a header is broken, and
allocates whole frames to count them; both are wrong for bytes from strangers in a threaded server.

How large a picture may be at all, and what memory its decoder takes, follow from the header as well.

Every walk is bounded. What cannot be read raises ValueError, which `files` turns into a `PictureError`.
"""

from __future__ import annotations

import re
import zlib
from itertools import islice
from typing import TYPE_CHECKING, Literal

from imagewright.imaging.signatures import (
    ENTRY_BYTES,
    FEW_PARTS,
    ORIENTATION_TAG,
    UPRIGHT,
    Sides,
    big,
    exactly,
    little,
    most_parts,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    Part = tuple[bytes, int, int]
    """A chunk or segment: its name, the place of its first byte, and the place behind its last."""

MAX_PIXELS = 16_384 * 16_384
"""Pixels of the largest picture that is decoded (268 MP, about 1 GB in memory): a 4096 px square enlarged four
times, the most any row can be asked for. Phones' largest sensors have 200 MP. Anything above is taken for a bomb."""

GIF_MAX_PIXELS = 64_000_000
"""A GIF's own ceiling, and a TIFF's. Pillow checks them itself and warns process-wide from 89 MP up."""

CEILINGS = {"gif": GIF_MAX_PIXELS, "tiff": GIF_MAX_PIXELS, "avif": 8192 * 8192, "heic": 8192 * 8192}
"""Pixels of the largest picture of a format that is decoded, where that is less than `MAX_PIXELS`. No model makes AVIF
or HEIC of more, and with a few hundred bytes they can ask for gigabytes."""

DECODED_BYTES = {"png": 4, "jpeg": 10, "gif": 4, "webp": 16, "avif": 12, "heic": 12, "tiff": 12, "bmp": 4}
"""Bytes a decoder holds for each pixel at its peak, measured with Pillow 13 and pillow-heif 1.8: a JPEG's is that of a
progressive one in full colour, a TIFF's that of one strip with 16 bits per channel. 8-bit HEIC takes 9."""

SHORT = 3
_BYTE_ORDERS: dict[bytes, Literal["little", "big"]] = {b"II*\0": "little", b"MM\0*": "big"}
_ORIENTATIONS = range(1, 9)

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

_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""A marker of a JPEG, but for those that stand inside its pixels."""

_JPEG_PIXELS = frozenset({*range(0xC0, 0xD0), *range(0xD9, 0xE0)})
"""Markers of a JPEG whose segments are needed for its pixels: frames, tables, scans (ITU-T T.81, table B.1)."""

_JPEG_SHOWN = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
"""By marker, how the segments begin that say how the pixels are shown."""

PLAIN_JFIF, PLAIN_ADOBE = 18, 16
"""Bytes of these segments where they hold nothing more, such as a thumbnail (JFIF 1.02; Adobe technical note 5116)."""

_PNG_SHOWN = frozenset(
    {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP", b"mDCV"}
    | {b"cLLI", b"bKGD", b"pHYs", b"acTL", b"fcTL", b"fdAT"}
)
"""Chunks of a PNG that are needed for its pixels, or say how they are shown (PNG, third edition, section 11)."""

_FRAME_HEAD = 24
"""Bytes of a frame of a moving WebP before its own chunks."""

_WEBP_SHOWN = frozenset({b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"})
"""The same of a WebP (RFC 9649, section 2)."""


def cost_of(name: str, pixels: int, size: int, work: int) -> int:
    """The memory in bytes that work on a picture of that format takes, from its pixels and the size of its file.

    `work` is bytes for each pixel beyond those of decoding: `PROBE_BYTES`, `LOOK_BYTES` ...
    """
    return pixels * (DECODED_BYTES[name] + work) + size


def orientation_of(exif: bytes) -> int:
    """The orientation in an EXIF block, with or without its prefix: 1 to 8; 1 (upright) where it names none."""
    value = exif_entries(exif).get((ORIENTATION_TAG, SHORT), UPRIGHT)
    return value if value in _ORIENTATIONS else UPRIGHT


def exif_entries(exif: bytes) -> dict[tuple[int, int], int]:
    """The first directory of an EXIF block, as far as it is there: by tag and type, each value as a short number."""
    block = exif.removeprefix(b"Exif\0\0")
    if (order := _BYTE_ORDERS.get(block[:4])) is None:
        return {}
    start = int.from_bytes(block[4:8], order)
    last = start + 2 + int.from_bytes(block[start : start + 2], order) * ENTRY_BYTES
    found: dict[tuple[int, int], int] = {}
    for at in range(start + 2, min(last, len(block) - ENTRY_BYTES + 1), ENTRY_BYTES):
        tag, kind, value = (int.from_bytes(block[at + by : at + by + 2], order) for by in (0, 2, 8))
        found.setdefault((tag, kind), value)
    return found


def check_png_parts(data: bytes, size: int) -> None:
    """Count the chunks in the beginning of a file of `size` bytes.

    Raises:
        ValueError: there are more than `most_parts`.
    """
    if next(islice(png_parts(data), most_parts(size), None), None) is not None:
        raise ValueError("too many chunks")


def png_exif(data: bytes) -> bytes:
    """The EXIF block of a PNG, which may stand after the pixels; empty where there is none."""
    return next((data[start + 8 : end - 4] for name, start, end in png_parts(data) if name == b"eXIf"), b"")


def png_is_whole(data: bytes) -> bool:
    """Whether a PNG reaches its end chunk with every critical chunk's checksum right."""
    view = memoryview(data)
    for name, start, end in png_parts(data):
        critical = name[:1].isupper()
        if critical and zlib.crc32(view[start + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            return False
        if name == b"IEND":
            return True
    return False


def png_parts(data: bytes) -> Iterator[Part]:
    """The complete chunks of a PNG, up to its end chunk."""
    at, name = 8, b""
    while at + 12 <= len(data) and name != b"IEND":
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            return
        name = data[at + 4 : at + 8]
        yield name, at, end
        at = end


def webp_parts(data: bytes) -> Iterator[Part]:
    """The chunks of a WebP, those inside its frames too; the last may be cut off.

    Raises:
        ValueError: there are too many.
    """
    at, end = 12, min(len(data), 8 + little(data, 4, 4))
    for _ in range(most_parts(len(data))):
        if at + 8 > end:
            return
        name, length = data[at : at + 4], little(data, at + 4, 4)
        stop = at + _FRAME_HEAD if name == b"ANMF" else at + 8 + length + length % 2
        yield name, at, min(stop, end)
        at = stop
    raise ValueError("too many chunks")


def jpeg_parts(data: bytes) -> Iterator[Part]:
    """The segments of a JPEG up to its end mark, which is the last, each by its marker; a scan is one with its pixels.

    Raises:
        ValueError: there are too many, or one is cut off.
    """
    at = 2
    for _ in range(most_parts(len(data))):
        if (found := _MARKER.search(data, at)) is None:
            return
        start, at, marker = found.start(), found.end(), data[found.start() + 1]
        if marker in _BARE:
            continue
        if marker != _END_OF_IMAGE:
            at += len(exactly(data, at, max(2, big(data, at, 2))))
        if marker == _START_OF_SCAN:
            following = _MARKER.search(data, at)
            at = len(data) if following is None else following.start()
        yield bytes((marker,)), start, at
        if marker == _END_OF_IMAGE:
            return
    raise ValueError("too many segments")


def is_shown(form: str, data: bytes, part: Part) -> bool:
    """Whether a part of a PNG, JPEG or WebP is needed for its pixels or says how they are shown."""
    name, start, end = part
    if form == "webp":
        return name in _WEBP_SHOWN and (name != b"VP8X" or start == PARTS[form][0])  # decoders pass over a later one
    if form == "png":
        return name in _PNG_SHOWN
    marker = name[0]
    return marker in _JPEG_PIXELS or (marker in _JPEG_SHOWN and data.startswith(_JPEG_SHOWN[marker], start + 4, end))


def is_plain(form: str, data: bytes) -> bool:
    """Whether a PNG, JPEG or WebP holds nothing but its pixels and how they are shown; false of all other formats.

    Raises:
        ValueError: as `jpeg_parts`.
    """
    walk = PARTS.get(form)
    if walk is None:
        return False
    begin, parts = walk
    for part in parts(data):
        name, start, end = part
        most = {b"\xe0": PLAIN_JFIF, b"\xee": PLAIN_ADOBE}.get(name, len(data))
        if start != begin or end - start > most or not is_shown(form, data, part):
            return False
        begin = end
    return begin == len(data)


PARTS = {"png": (8, png_parts), "jpeg": (2, jpeg_parts), "webp": (12, webp_parts)}
"""By format, where the first part begins, and the walk over all of them."""


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
    if (reader := _READERS.get(name)) is None:
        from imagewright.imaging.boxes import READERS  # noqa: PLC0415 - the rarer formats

        reader = READERS[name]
    found = reader(data, size)
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


_READERS = {"png": _png, "jpeg": _jpeg, "gif": _gif, "webp": _webp}
