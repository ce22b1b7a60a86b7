"""Picture files that are made to fill the memory, to keep a decoder busy, or to pass for what they are not.

`CRAFTED` has each with what its refusal says when it is given as an input picture; nothing where it is taken. None may
cost more than a picture of its format within the limits.
"""

from __future__ import annotations

import random
import struct
from functools import partial
from typing import TYPE_CHECKING

from imagewright.imaging.signatures import known_formats
from tests.support.crafted_files import (
    black_png,
    box,
    busy_gif,
    busy_png,
    changed_tiff,
    chunk,
    flat_png,
    hollow_avif,
    hollow_bmp,
    hollow_gif,
    hollow_heic,
    hollow_jpeg,
    hollow_png,
    hollow_webp,
    ispe_of,
    item_file,
    lossless_webp,
    moving_webp,
    padded_avif,
    padded_heic,
    parameter_set,
    png_with,
    riff,
    solid_webp,
    tiff_of,
    zeros,
)
from tests.support.pictures import photo, quarters, saved

if TYPE_CHECKING:
    from collections.abc import Callable

GIGA = 1_000_000_000
LARGEST = 65_535
"""What two bytes can say."""
PIXELS, DAMAGED, TAKEN = "megapixels", "cut short or damaged", ""

Crafted = tuple["Callable[[], bytes]", str]


def _exif(entries: bytes, count: int) -> bytes:
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", count) + entries


def _jpeg_with(marker: int, body: bytes, times: int = 1) -> bytes:
    whole = photo(format="jpeg")
    return whole[:2] + (bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body) * times + whole[2:]


def _deep_exif() -> bytes:
    """A directory whose tags all lead back to itself."""
    entries = b"".join(struct.pack("<HHLL", tag, 4, 1, 8) for tag in (34_665, 34_853, 40_965, 330)) * 1000
    return _jpeg_with(0xE1, _exif(entries + struct.pack("<L", 8), 4000))


def _wide_exif() -> bytes:
    """A tag that says that it has two thousand million values."""
    return _jpeg_with(0xE1, _exif(struct.pack("<HHLL", 0x9286, 7, 2**31, 26), 1))


def _moving_webp(frames: int) -> bytes:
    one = riff(b"ANMF", bytes(16) + riff(b"VP8L", solid_webp(1, 1)[20:37]))
    body = b"WEBP" + riff(b"VP8X", b"\2" + bytes(9)) + riff(b"ANIM", bytes(6)) + one * frames
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _tiff(compression: str, width: int, height: int) -> bytes:
    mode = "1" if compression == "group4" else "RGB"
    return changed_tiff(saved(quarters(64, 48).convert(mode), "tiff", compression=compression), t256=width, t257=height)


def _pages(count: int) -> bytes:
    """A TIFF of pages of one pixel, which all have the same."""
    first = tiff_of((1, 1), pixels=bytes(3))
    pages = bytearray(first)
    size = len(first) - 8
    tags = struct.unpack("<H", first[8:10])[0]
    for place in range(count):
        pages += first[8:]
        last = 8 + place * size + 2 + 12 * tags
        pages[last : last + 4] = struct.pack("<L", 8 + (place + 1) * size)
    return bytes(pages)


def _heic_of(kind: bytes, unit: bytes, count: int) -> bytes:
    units = (struct.pack(">I", len(unit)) + unit) * count
    return item_file(units, kind=kind).replace(b"ftypavif", b"ftypheic", 1)


def _long_number() -> bytes:
    """HEVC headers in which a number begins with 3,520 zeros."""
    return _heic_of(b"hvc1", b"\x42\1" + bytes(13) + bytes(440) + b"\xff" * 57, 9000)


def _many_sizes() -> bytes:
    """Thousands of sizes that are promised, and thousands that are coded."""
    units = b"".join(struct.pack(">I", len(one)) + one for one in (parameter_set(5000 + n, 9, 0) for n in range(4900)))
    promised = b"".join(ispe_of(1 + n % 100, 1 + n // 100) for n in range(2400))
    data = item_file(units, kind=b"hvc1").replace(b"ftypavif", b"ftypheic", 1)
    return data.replace(ispe_of(16, 12), promised)[: len(data) + len(promised)]


def _grid(rows: int, columns: int, width: int, height: int) -> bytes:
    body = struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, width, height)
    return item_file(body, kind=b"grid").replace(b"ftypavif", b"ftypheic", 1)


def _many_brands() -> bytes:
    brands = box(b"ftyp", b"avif\0\0\0\0", random.Random(1).randbytes(20_000_000))  # noqa: S311 - the same on every run
    return brands + box(b"meta", bytes(4), box(b"iprp", box(b"ipco", ispe_of(64, 48))))


def _film(samples: int) -> bytes:
    """A track that says that it has so many pictures of one byte."""
    stsd = box(b"stsd", bytes(4), b"\0\0\0\1", box(b"av01", bytes(8)))
    stsz = box(b"stsz", bytes(4), struct.pack(">II", 1, samples))
    stco = box(b"stco", bytes(4), b"\0\0\0\1", bytes(4))
    head = box(b"tkhd", bytes(76), struct.pack(">II", 64 << 16, 48 << 16))
    track = box(b"trak", head, box(b"mdia", box(b"minf", box(b"stbl", stsd, stco, stsz))))
    return box(b"ftyp", b"avis\0\0\0\0") + box(b"moov", track)


CRAFTED: dict[str, Crafted] = {
    # many pixels in few bytes
    "jpeg of 16000 px": (lambda: hollow_jpeg(16_000, 16_000), PIXELS),
    "jpeg of 65535 px": (lambda: hollow_jpeg(LARGEST, LARGEST), PIXELS),
    "progressive jpeg of 16000 px": (lambda: hollow_jpeg(16_000, 16_000, progressive=True), PIXELS),
    "png of 16384 px, whole": (lambda: black_png(16_384, 16_384), PIXELS),
    "png of 16384 px in one bit, whole": (lambda: flat_png(16_384), PIXELS),
    "png of 65535 px": (lambda: hollow_png(LARGEST, LARGEST), PIXELS),
    "png of 2147483647 px": (lambda: hollow_png(2**31 - 1, 2**31 - 1), PIXELS),
    "webp of 12000 px": (lambda: hollow_webp(12_000, 12_000), PIXELS),
    "webp of 16777216 px": (lambda: hollow_webp(2**24, 2**20), PIXELS),
    "webp of 16383 px, whole": (lambda: solid_webp(16_383, 16_383), PIXELS),
    "lossless webp of 16384 px": (lambda: lossless_webp(16_384, 16_384), PIXELS),
    "webp animation of 12000 px": (lambda: moving_webp(12_000, 12_000), PIXELS),
    "webp animation with one changed byte": (lambda: moving_webp(1_048_616, 30), DAMAGED),
    "gif whose screen has 65535 px": (lambda: hollow_gif((LARGEST, LARGEST), (1, 1)), PIXELS),
    "gif whose frame has 65535 px": (lambda: hollow_gif((1, 1), (LARGEST, LARGEST)), PIXELS),
    "heic of 16000 px": (lambda: hollow_heic(16_000, 16_000), PIXELS),
    "heic coded with 16000 px": (lambda: padded_heic(16_000, 16_000), PIXELS),
    "heic of a grid of 60000 px": (lambda: _grid(45, 45, 60_000, 60_000), PIXELS),
    "tiff of 16000 px": (lambda: tiff_of((16_000, 16_000)), PIXELS),
    "tiff of 4294967295 px": (lambda: tiff_of((2**32 - 1, 2**32 - 1)), PIXELS),
    "bmp of 16000 px": (lambda: hollow_bmp(16_000, -16_000), PIXELS),
    "bmp of 2147483647 px": (lambda: hollow_bmp(2**31 - 1, -(2**31)), PIXELS),
    # as many as an input may have, in few bytes
    "png at the limit without its pixels": (lambda: hollow_png(8192, 8192), DAMAGED),
    "jpeg at the limit, grey but for its corner": (lambda: hollow_jpeg(8192, 8192), TAKEN),
    "gif at the limit without its pixels": (lambda: hollow_gif((7999, 7999), (7999, 7999)), DAMAGED),
    "webp at the limit, whole": (lambda: solid_webp(5000, 5000), TAKEN),
    "lossless webp at the limit without its pixels": (lambda: lossless_webp(5000, 5000), DAMAGED),
    "heic at the limit without its pixels": (lambda: hollow_heic(7000, 7000), DAMAGED),
    "tiff at the limit without its pixels": (lambda: tiff_of((7000, 7000)), DAMAGED),
    "bmp at the limit without its pixels": (lambda: hollow_bmp(8192, -8192), DAMAGED),
    **{
        f"tiff at the limit, packed by {name}": (partial(_tiff, name, 7000, 7000), DAMAGED)
        for name in ("tiff_lzw", "tiff_deflate", "packbits", "jpeg", "group4")
    },
    # many parts
    "png of 300,000 empty chunks": (lambda: busy_png(300_000), DAMAGED),
    "jpeg of 200,000 empty segments": (lambda: hollow_jpeg(64, 48, b"\xff\xfe\0\2" * 200_000), DAMAGED),
    "jpeg of a million fill bytes": (lambda: hollow_jpeg(64, 48, b"\xff" * 1_000_000), DAMAGED),
    "gif of 250,000 frames": (lambda: busy_gif(250_000), DAMAGED),
    "webp of 100,000 frames": (lambda: _moving_webp(100_000), DAMAGED),
    "tiff of 50,000 pages": (lambda: _pages(50_000), TAKEN),
    "tiff of 65,000 tags": (lambda: tiff_of((64, 48), *((9, 4, [0]) for _ in range(65_000))), DAMAGED),
    "heic of 9,000 long numbers": (_long_number, DAMAGED),
    "heic of thousands of sizes": (_many_sizes, DAMAGED),
    "heic of a grid of 65,536 tiles": (lambda: _grid(256, 256, 64, 48), DAMAGED),
    "heic of 200,000 boxes": (lambda: _heic_of(b"hvc1", b"", 0) + box(b"free") * 200_000, DAMAGED),
    # what their headers say of themselves
    "apng of 2147483647 frames": (lambda: png_with(chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))), TAKEN),
    "heic of a film": (lambda: _film(2**32 - 1).replace(b"avis", b"hevc"), "a film"),
    "heic of pictures laid over each other": (lambda: _heic_of(b"iovl", bytes(64), 1), "iovl|damaged"),
    "heic of a type that no phone writes": (lambda: _heic_of(b"unci", bytes(64), 1), "unci"),
    "tiff of one huge tile": (lambda: tiff_of((64, 48), (322, 4, [20_000]), (323, 4, [20_000])), DAMAGED),
    "tiff whose tags share their bytes": (
        lambda: tiff_of((64, 48), *((tag, 1, [0] * 100) for tag in range(40_000, 40_200)), shared=True),
        DAMAGED,
    ),
    "tiff of 64 bits": (lambda: tiff_of((64, 48), bits=64), "64 bits"),
    "bmp of run lengths": (lambda: hollow_bmp(64, 48)[:30] + b"\1" + hollow_bmp(64, 48)[31:], "compressed"),
    # metadata
    "png with a packed text of a gigabyte": (lambda: png_with(chunk(b"zTXt", b"a\0\0" + zeros(GIGA))), DAMAGED),
    "png with a packed profile of a gigabyte": (lambda: png_with(chunk(b"iCCP", b"a\0\0" + zeros(GIGA))), DAMAGED),
    "png with an international text of a gigabyte": (
        lambda: png_with(chunk(b"iTXt", b"a\0\1\0\0\0" + zeros(GIGA))),
        DAMAGED,
    ),
    "png with 200 packed texts of 900 kB": (lambda: png_with(chunk(b"zTXt", b"a\0\0" + zeros(900_000)) * 200), DAMAGED),
    "png with a gigabyte behind its pixels": (lambda: black_png(64, 48).replace(zeros(48 * 193), zeros(GIGA)), DAMAGED),
    "jpeg with exif that leads back to itself": (_deep_exif, TAKEN),
    "jpeg with exif of 2147483648 values": (_wide_exif, TAKEN),
    "jpeg with 300 pieces of a profile": (
        lambda: _jpeg_with(0xE2, b"ICC_PROFILE\0\xff\xff" + bytes(60_000), 300),
        TAKEN,
    ),
    # what is no picture, or of no type that is read
    "ico": (lambda: b"\0\0\1\0\1\0" + bytes(200), "an icon"),
    "jpeg 2000": (lambda: b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(200), "JPEG 2000"),
    "jpeg xl": (lambda: b"\xff\x0a" + bytes(200), "JPEG XL"),
    "psd": (lambda: b"8BPS\0\1" + bytes(200), "Photoshop"),
    "postscript": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) (r) file\n", "PostScript"),
    "pdf": (lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "PDF"),
    "svg": (
        lambda: b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]><svg>&a;</svg>',
        "an SVG",
    ),
    "bigtiff": (lambda: b"II+\0\x08\0\0\0" + bytes(200), "BigTIFF"),
    "ppm": (lambda: b"P6\n60000 60000\n255\n" + bytes(200), "not a picture"),
    "tga": (lambda: bytes(2) + b"\2" + bytes(9) + b"\xff\xff\xff\xff\x18\0" + bytes(200), "not a picture"),
    "pcx": (lambda: b"\n\5\1\x08" + bytes(4) + b"\xff\xff\xff\xff" + bytes(200), "not a picture"),
    "icns": (lambda: b"icns\0\0\1\0" + bytes(200), "not a picture"),
    "dds": (lambda: b"DDS \x7c\0\0\0" + bytes(200), "not a picture"),
    "sgi": (lambda: b"\1\xda\0\1\0\3\xff\xff\xff\xff\0\3" + bytes(200), "not a picture"),
    "qoi": (lambda: b"qoif\xff\xff\xff\xff\xff\xff\xff\xff\4\0" + bytes(200), "not a picture"),
}
"""What makes each, and what its refusal as an input says."""
if "avif" in known_formats():
    CRAFTED |= {
        "avif of 16000 px": (lambda: hollow_avif(16_000, 16_000), PIXELS),
        "avif coded with more than it says": (lambda: padded_avif(640, 480), TAKEN),
        "avif at the limit, coded with less": (lambda: hollow_avif(5700, 5700), TAKEN),
        "avif of 5,000,000 brands": (_many_brands, DAMAGED),
        "avif of 4294967295 pictures": (lambda: _film(2**32 - 1), DAMAGED),
    }
