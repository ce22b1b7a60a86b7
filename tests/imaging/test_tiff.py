"""TIFF and BMP: what cameras, scanners and Windows write into them."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageCms

from imagewright.errors import PictureError
from imagewright.imaging.boxes import tiff_pages
from imagewright.imaging.files import probe
from imagewright.imaging.pixels import open_picture
from imagewright.imaging.preview import look
from tests.support.crafted_files import bmp_with_alpha, tiff_of
from tests.support.pictures import QUARTERS, photo, quarters, saved

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZE = (64, 48)
CORNERS = ((8, 8), (56, 8), (8, 40), (56, 40))


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    found = [image.convert("RGBA").getpixel(corner) for corner in CORNERS]
    return [pixel for pixel in found if isinstance(pixel, tuple)]


def opaque(colours: Sequence[tuple[int, ...]]) -> list[object]:
    return [pytest.approx((*colour, 255), abs=6) for colour in colours]


LOSSLESS = ("raw", "tiff_lzw", "tiff_deflate", "packbits", "zstd")


@pytest.mark.parametrize(
    ("mode", "compression"),
    [*((mode, way) for mode in ("RGB", "RGBA", "CMYK") for way in LOSSLESS), ("RGB", "jpeg"), ("CMYK", "jpeg")],
)
def test_every_usual_compression_is_read(mode: str, compression: str) -> None:
    data = saved(quarters(*SIZE).convert(mode), "tiff", compression=compression)
    assert corners(open_picture(data)) == opaque(QUARTERS)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("mode", "colours", "extra"), [("L", 1, ()), ("RGB", 2, ()), ("RGBA", 2, ((338, 3, [2]),)), ("CMYK", 5, ())]
)
def test_sixteen_bits_are_read_in_either_order(
    mode: str, colours: int, extra: tuple[tuple[int, int, list[int]], ...], order: str
) -> None:
    image = quarters(*SIZE).convert(mode)
    pixels = b"".join(struct.pack(f"{order}H", value * 257) for value in image.tobytes())
    channels = len(image.getbands())
    data = tiff_of(SIZE, *extra, pixels=pixels, bits=16, channels=channels, colours=colours, order=order)
    wanted = opaque([corner[:3] for corner in corners(image.convert("RGB"))])
    assert corners(open_picture(data)) == wanted
    assert look(data)[0].width == SIZE[0]


def test_a_cmyk_profile_decides_the_colours() -> None:
    """Without a profile for printing at hand, one for another space must not break it."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = saved(quarters(*SIZE).convert("CMYK"), "tiff", icc_profile=profile)
    assert corners(open_picture(data)) == opaque(QUARTERS)


@pytest.mark.parametrize("turned", [2, 3, 4, 5, 6, 7, 8])
def test_a_turned_tiff_comes_upright(turned: int) -> None:
    plain = Image.open(BytesIO(photo(*SIZE, "jpeg", orientation=turned)))
    data = saved(plain, "tiff", tiffinfo={274: turned})
    facts = probe(data)
    assert (facts.width, facts.height) == SIZE
    assert corners(open_picture(data)) == [pytest.approx((*colour, 255), abs=40) for colour in QUARTERS]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (tiff_of(SIZE, (50_706, 1, [1, 4, 0, 0])), "raw photo"),
        (tiff_of(SIZE, (254, 4, [1])), "raw photo"),
        (tiff_of(SIZE, begins=b"CR\2\0"), "raw photo"),
        (tiff_of(SIZE, bits=32, channels=1, colours=1), "32 bits per channel"),
        (tiff_of(SIZE, (339, 3, [3, 3, 3])), "fractions"),
        (saved(Image.new("LAB", SIZE), "tiff"), "save it as RGB"),
        (tiff_of(SIZE, colours=32_803), "save it as RGB"),
    ],
    ids=["dng", "preview first", "cr2", "32 bits", "fractions", "lab", "sensor"],
)
def test_what_is_no_picture_for_eyes_is_refused_with_a_way_out(data: bytes, words: str) -> None:
    with pytest.raises(PictureError, match=words):
        probe(data)


def test_pages_are_counted_as_far_as_their_chain_leads() -> None:
    whole = photo(*SIZE, "tiff", frames=3)
    assert tiff_pages(whole) == 3
    end = 8 + 2 + 12 * struct.unpack("<H", whole[8:10])[0]
    assert tiff_pages(whole[:end] + struct.pack("<L", 8) + whole[end + 4 :]) == 1
    assert tiff_pages(whole[:end]) == 1


def test_a_bmp_with_alpha_is_transparent() -> None:
    image = Image.open(BytesIO(photo(*SIZE, "png", mode="RGBA")))
    data = bmp_with_alpha(image)
    assert probe(data).has_alpha
    assert [corner[3] for corner in corners(open_picture(data))] == [255, 255, 255, 0]
    assert corners(open_picture(data))[:3] == opaque(QUARTERS[:3])


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_every_usual_bmp_is_read(mode: str) -> None:
    image = quarters(*SIZE).convert(mode)
    assert corners(open_picture(saved(image, "bmp"))) == opaque([corner[:3] for corner in corners(image)])


@pytest.mark.parametrize("compression", [1, 2, 4, 5])
def test_a_compressed_bmp_is_refused_with_a_way_out(compression: int) -> None:
    data = bytearray(saved(quarters(*SIZE).convert("P"), "bmp"))
    data[30] = compression
    with pytest.raises(PictureError, match=r"compressed .* save it as PNG"):
        probe(bytes(data))
