"""Picture files made by hand, byte by byte: what no encoder writes, and small files that promise many pixels."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from tests.support.pictures import photo, quarters, saved

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from PIL import Image

GREY, COLOUR, PALETTE = 0, 2, 3
"""PNG colour types."""
MEGA = 1_000_000
ADLER = 65_521
"""What the sums of a zlib checksum are taken by; of zeros, the first stays 1 and the second counts them (RFC 1950)."""
PNG_MARK = b"\x89PNG\r\n\x1a\n"


def chunk(name: bytes, body: bytes = b"") -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_of(size: tuple[int, int], depth: int, kind: int, rows: Sequence[bytes], *extra: bytes) -> bytes:
    """A PNG of any kind.

    Args:
        size: px.
        depth: bits per channel.
        kind: colour type.
        rows: the packed pixels of each row.
        extra: chunks before the pixels.
    """
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, 0))
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return PNG_MARK + header + b"".join(extra) + chunk(b"IDAT", pixels) + chunk(b"IEND")


def hollow_png(width: int, height: int) -> bytes:
    """A PNG header that promises far more pixels than the file has."""
    return png_of((width, height), 8, COLOUR, [b""])


def flat_png(side: int) -> bytes:
    """A square PNG whose pixels are all there, one bit each."""
    return png_of((side, side), 1, GREY, [bytes((side + 7) // 8)] * side)


def zeros(count: int) -> bytes:
    """A zlib stream of so many zeros, which are never in memory together."""
    packer = zlib.compressobj(9, wbits=-15)
    mega = packer.compress(bytes(MEGA)) + packer.flush(zlib.Z_FULL_FLUSH)
    rest = packer.compress(bytes(count % MEGA)) + packer.flush()
    checksum = count % ADLER << 16 | 1
    return b"\x78\x9c" + mega * (count // MEGA) + rest + struct.pack(">I", checksum)


def black_png(width: int, height: int) -> bytes:
    """A whole RGB PNG of any size, whose file has about a thousandth of its pixels' bytes."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, COLOUR, 0, 0, 0))
    return PNG_MARK + header + chunk(b"IDAT", zeros(height * (1 + 3 * width))) + chunk(b"IEND")


def png_with(*chunks: bytes) -> bytes:
    """A whole small PNG with these chunks before its pixels."""
    whole = photo()
    return whole[:33] + b"".join(chunks) + whole[33:]


def busy_png(chunks: int) -> bytes:
    """A small PNG with many empty chunks before its pixels."""
    return png_with(chunk(b"teSt") * chunks)


def hollow_jpeg(width: int, height: int, before: bytes = b"", *, progressive: bool = False) -> bytes:
    """A whole JPEG whose frame header promises another size; `before` stands before that header."""
    whole = saved(quarters(64, 48), "jpeg", quality=95, progressive=True) if progressive else photo(format="jpeg")
    at = whole.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    return whole[:at] + before + whole[at : at + 5] + struct.pack(">HH", height, width) + whole[at + 9 :]


def hollow_webp(width: int, height: int) -> bytes:
    """The header of an extended WebP and nothing else."""
    body = b"WEBP" + riff(b"VP8X", bytes(4) + _three(width - 1, height - 1))
    return b"RIFF" + struct.pack("<I", len(body)) + body


def lossless_webp(width: int, height: int) -> bytes:
    """A whole lossless WebP whose header promises another size."""
    body = bytearray(b"WEBP" + riff(b"VP8L", b"\x2f" + struct.pack("<I", width - 1 | height - 1 << 14) + bytes(12)))
    return b"RIFF" + struct.pack("<I", len(body)) + bytes(body)


def solid_webp(width: int, height: int) -> bytes:
    """A whole lossless WebP of one colour: its five codes have one word each, so that no pixel takes a bit."""
    codes = "".join("1000" for _ in range(5))  # a simple code, of one word, of one bit, which is 0
    bits = f"{0:04b}" + "000" + codes  # alpha and version; no transform, no cache, one group of codes
    packed_bits = int(bits[::-1], 2) << 28 | height - 1 << 14 | width - 1
    body = b"WEBP" + riff(b"VP8L", b"\x2f" + packed_bits.to_bytes(16, "little"))
    return b"RIFF" + struct.pack("<I", len(body)) + body


def moving_webp(width: int, height: int) -> bytes:
    """A whole animation of 64 x 48 px whose canvas promises another size."""
    whole = photo(format="webp", frames=3)
    at = whole.index(b"VP8X") + 12
    return whole[:at] + _three(width - 1, height - 1) + whole[at + 6 :]


def hollow_gif(screen: tuple[int, int], frame: tuple[int, int]) -> bytes:
    """A GIF's headers without pixels."""
    return b"GIF89a" + struct.pack("<HH", *screen) + bytes(3) + b"," + struct.pack("<HHHH", 0, 0, *frame) + b"\0\2\0;"


def busy_gif(frames: int) -> bytes:
    """A whole animation of so many frames of one pixel."""
    head = b"GIF89a\1\0\1\0\x80\0\0" + bytes(6)
    return head + (b"," + bytes(4) + b"\1\0\1\0\0\2\2\x44\1\0") * frames + b";"


def hollow_avif(width: int, height: int) -> bytes:
    """A whole AVIF whose item promises another size."""
    whole = photo(format="avif")
    at = whole.index(b"ispe") + 8
    return whole[:at] + struct.pack(">II", width, height) + whole[at + 8 :]


def padded_avif(width: int, height: int) -> bytes:
    """A whole AVIF of that size whose item promises 16 x 12 px."""
    whole = photo(width, height, "avif")
    at = whole.index(b"ispe") + 8
    return whole[:at] + struct.pack(">II", 16, 12) + whole[at + 8 :]


def hollow_heic(width: int, height: int) -> bytes:
    """A whole HEIC whose item promises another size."""
    whole = photo(640, 480, format="heic")
    at = whole.index(b"ispe") + 8
    return whole[:at] + struct.pack(">II", width, height) + whole[at + 8 :]


def padded_heic(width: int, height: int) -> bytes:
    """A HEIC that promises 16 x 12 px, and whose only data are a parameter set of another size."""
    unit = parameter_set(width, height, 0)
    arrays = b"\1\x21" + struct.pack(">HH", 1, len(unit)) + unit
    config = box(b"hvcC", bytes(22) + arrays)
    props = box(b"iprp", box(b"ipco", box(b"ispe", bytes(4), struct.pack(">II", 16, 12)), config))
    info = box(b"iinf", bytes(4), b"\0\1", box(b"infe", b"\2\0\0\0", b"\0\1\0\0hvc1\0"))
    return box(b"ftyp", b"heic\0\0\0\0") + box(b"meta", bytes(4), info, props)


def parameter_set(width: int, height: int, layers: int) -> bytes:
    """An HEVC sequence parameter set of that size, with so many further layers in time that have a profile."""
    fields = [(0, 4), (layers, 3), (1, 1), (0, 88), (93, 8)]
    if layers:
        fields += [(0b11, 2)] * layers + [(0, 2)] * (8 - layers) + [(0, 96)] * layers
    plain = "".join(f"{value:0{count}b}" for value, count in fields)
    bits = plain + "".join(_golomb(value) for value in (0, 1, width, height)) + "1"
    body = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    return b"\x42\1" + body.replace(b"\0\0", b"\0\0\3")


def _golomb(value: int) -> str:
    digits = f"{value + 1:b}"
    return "0" * (len(digits) - 1) + digits


def hollow_bmp(width: int, height: int) -> bytes:
    """A BMP header without pixels."""
    return b"BM" + bytes(12) + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


def bmp_with_alpha(image: Image.Image) -> bytes:
    """An RGBA image as the BMP that Windows makes of it, with a header of version 4."""
    pixels = image.tobytes("raw", "BGRA", 0, -1)
    head = struct.pack("<IiiHHIIiiII", 108, *image.size, 1, 32, 3, len(pixels), 0, 0, 0, 0)
    head = (head + struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)).ljust(108, b"\0")
    return b"BM" + struct.pack("<IHHI", 14 + 108 + len(pixels), 0, 0, 14 + 108) + head + pixels


TIFF_UNITS = {1: "B", 3: "H", 4: "L"}
"""Types of TIFF tags."""


def tiff_of(
    size: tuple[int, int],
    *extra: tuple[int, int, Sequence[int]],
    pixels: bytes = b"",
    bits: int = 8,
    channels: int = 3,
    colours: int = 2,
    order: str = "<",
    shared: bool = False,
    begins: bytes = b"",
) -> bytes:
    """A TIFF of one strip.

    Args:
        size: px.
        extra: further tags: number, type, values.
        pixels: of the strip, uncompressed.
        bits: per channel.
        channels: for each pixel.
        colours: how they are stored: 1 grey, 2 RGB, 5 CMYK.
        order: `<` or `>`.
        shared: whether all tags have their values at the same place.
        begins: what stands between the head and the tags.
    """
    plain = [(256, 4, [size[0]]), (257, 4, [size[1]]), (258, 3, [bits] * channels), (259, 3, [1]), (262, 3, [colours])]
    rest = [(273, 4, [0]), (277, 3, [channels]), (278, 4, [size[1]]), (279, 4, [len(pixels)])]
    tags = sorted([*plain, *rest, *extra])
    first = 8 + len(begins)
    start = first + 2 + 12 * len(tags) + 4
    lengths = [struct.calcsize("=" + TIFF_UNITS[kind]) * len(values) for _, kind, values in tags]
    ends = start if shared else start + sum(length for length in lengths if length > 4)
    entries, values_part = b"", b""
    for tag, kind, values in tags:
        packed_values = struct.pack(order + TIFF_UNITS[kind] * len(values), *([ends] if tag == 273 else values))
        place = packed_values.ljust(4, b"\0")
        if len(packed_values) > 4:
            place = struct.pack(order + "L", start + (0 if shared else len(values_part)))
            values_part = packed_values if shared else values_part + packed_values
        entries += struct.pack(order + "HHL", tag, kind, len(values)) + place
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "L", first) + begins
    return head + struct.pack(order + "H", len(tags)) + entries + bytes(4) + values_part + pixels


def changed_tiff(data: bytes, **tags: int) -> bytes:
    """A TIFF as Pillow writes it with other values of the tags `t256`, `t257` ..."""
    found = bytearray(data)
    (first,) = struct.unpack("<L", data[4:8])
    (count,) = struct.unpack("<H", data[first : first + 2])
    for at in range(first + 2, first + 2 + 12 * count, 12):
        (tag,) = struct.unpack("<H", data[at : at + 2])
        if (value := tags.get(f"t{tag}")) is not None:
            found[at + 8 : at + 12] = value.to_bytes(4, "little")
    return bytes(found)


def sequence(width: int, height: int, *before: tuple[int, int]) -> bytes:
    """An AV1 sequence header of that size.

    Args:
        width: px.
        height: px.
        before: what stands before the size: (value, count of bits) each.
    """
    fields = [*before, (15, 4), (15, 4), (width - 1, 16), (height - 1, 16)]
    bits = "".join(f"{value:0{count}b}" for value, count in fields)
    body = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big") + bytes(4)
    return bytes([1 << 3 | 2, len(body)]) + body


def riff(name: bytes, body: bytes) -> bytes:
    """A chunk of a RIFF file."""
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def box(name: bytes, *bodies: bytes) -> bytes:
    """A box of ISO 14496-12."""
    body = b"".join(bodies)
    return struct.pack(">I", len(body) + 8) + name + body


def ispe_of(width: int, height: int) -> bytes:
    """The box that promises a size."""
    return box(b"ispe", bytes(4), width.to_bytes(4, "big"), height.to_bytes(4, "big"))


def item_file(data: bytes, *, places: bytes | None = None, version: int = 0, kind: bytes = b"av01") -> bytes:
    """A file whose only item is in `mdat`, and says that it has 16 x 12 px."""
    entry = box(b"infe", b"\2\0\0\0", b"\0\1\0\0" + kind + b"\0")
    info = box(b"iinf", bytes(4), b"\0\1", entry)
    props = box(b"iprp", box(b"ipco", ispe_of(16, 12)))
    head = box(b"ftyp", b"avif\0\0\0\0")
    method = b"\0\0" if version else b""

    def file(start: int) -> bytes:
        one = b"\0\1" + struct.pack(">II", start, len(data))
        table = bytes([version, 0, 0, 0]) + b"\x44\0\0\1\0\1" + method + b"\0\0" + (places or one)
        return head + box(b"meta", bytes(4), info, box(b"iloc", table), props) + box(b"mdat", data)

    return file(len(file(0)) - len(data))


def _three(*values: int) -> bytes:
    return b"".join(value.to_bytes(3, "little") for value in values)


def packed(values: Iterable[int], depth: int) -> bytes:
    """A row of PNG pixels of one channel."""
    bits = "".join(f"{value:0{depth}b}" for value in values)
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
