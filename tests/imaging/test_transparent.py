"""A PNG's one transparent colour clears exactly itself, whatever the depth, on every way to the pixels."""

from __future__ import annotations

import struct
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from imagewright.imaging.files import probe
from imagewright.imaging.mask import mask_coverage
from imagewright.imaging.pixels import open_picture, resize_exact
from imagewright.imaging.prepare import prepare
from imagewright.imaging.preview import look
from tests.support.crafted_files import COLOUR, GREY, PALETTE, chunk, packed, png_of
from tests.support.pictures import opened

if TYPE_CHECKING:
    from PIL import Image

BAND = 16
"""Px of one colour; wide enough for the lossy ways."""


def banded(depth: int, kind: int, bands: list[tuple[int, ...]], *extra: bytes) -> bytes:
    """Upright bands of the given colours."""
    values = chain.from_iterable(colour * BAND for colour in bands)
    return png_of((BAND * len(bands), BAND), depth, kind, [packed(values, depth)] * BAND, *extra)


def keyed(*values: int) -> bytes:
    return chunk(b"tRNS", struct.pack(f">{len(values)}H", *values))


def alphas(image: Image.Image) -> list[int]:
    """The alpha in the middle of each band."""
    middles = range(BAND // 2, image.width, BAND)
    return [image.convert("RGBA").crop((x, 8, x + 1, 9)).tobytes()[3] for x in middles]


GREY_16 = banded(16, GREY, [(30000,), (30060,), (30120,), (30180,)], keyed(30000))
COLOUR_16 = banded(16, COLOUR, [(258, 772, 1286), (258, 772, 1287), (514, 1028, 1542)], keyed(258, 772, 1286))
PICTURES = {
    "grey 16, same high byte": (GREY_16, [0, 255, 255, 255]),
    "grey 16, last": (banded(16, GREY, [(0,), (257,), (65535,)], keyed(65535)), [255, 255, 0]),
    "grey 16, no such pixel": (banded(16, GREY, [(30060,), (30120,)], keyed(30000)), [255, 255]),
    "grey 8": (banded(8, GREY, [(1,), (2,), (3,)], keyed(2)), [255, 0, 255]),
    "grey 4": (banded(4, GREY, [(1,), (2,), (15,)], keyed(2)), [255, 0, 255]),
    "grey 4, white": (banded(4, GREY, [(1,), (2,), (15,)], keyed(15)), [255, 255, 0]),
    "grey 2": (banded(2, GREY, [(0,), (1,), (2,), (3,)], keyed(1)), [255, 0, 255, 255]),
    "grey 1": (banded(1, GREY, [(0,), (1,)], keyed(1)), [255, 0]),
    "colour 16, same high bytes": (COLOUR_16, [0, 255, 255]),
    "colour 16, low bytes of another": (
        banded(16, COLOUR, [(0x0101, 0, 0), (0x0201, 0, 0)], keyed(0x0201, 0, 0)),
        [255, 0],
    ),
    "colour 8": (banded(8, COLOUR, [(1, 2, 3), (1, 2, 4)], keyed(1, 2, 4)), [255, 0]),
    "palette, one clear": (
        banded(2, PALETTE, [(0,), (1,), (2,)], chunk(b"PLTE", bytes(range(9))), chunk(b"tRNS", b"\xff\0")),
        [255, 0, 255],
    ),
    "palette, soft": (
        banded(8, PALETTE, [(0,), (1,), (2,)], chunk(b"PLTE", bytes(range(9))), chunk(b"tRNS", b"\xff\x80\0")),
        [255, 128, 0],
    ),
}


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_only_the_exact_colour_is_clear(name: str) -> None:
    data, wanted = PICTURES[name]
    assert probe(data).has_alpha
    assert alphas(open_picture(data)) == wanted


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_every_way_to_the_pixels_sees_the_same(name: str) -> None:
    data, wanted = PICTURES[name]
    converted = prepare(data, formats=("webp",), max_bytes=None)
    assert alphas(opened(converted.data)) == wanted
    width, height = opened(data).size
    assert alphas(opened(resize_exact(data, width * 2, height * 2)).resize((width, height), 0)) == wanted
    _, preview = look(data)
    assert [abs(a - b) < 40 for a, b in zip(alphas(opened(preview.data)), wanted, strict=True)]


def test_a_preview_made_smaller_clears_only_the_exact_colour() -> None:
    _, preview = look(GREY_16, side=BAND * 2)
    alpha = opened(preview.data).convert("RGBA").getchannel("A")
    assert sum(value < 128 for value in alpha.tobytes()) * 4 == pytest.approx(alpha.width * alpha.height, rel=0.2)


@pytest.mark.parametrize(("data", "share"), [(GREY_16, 1 / 4), (COLOUR_16, 1 / 3)])
def test_a_mask_repaints_only_the_exact_colour(data: bytes, share: float) -> None:
    assert mask_coverage(data) == pytest.approx(share)
