"""Enlarging: exact, crisp, without rings, and transparent where it was."""

from __future__ import annotations

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageStat

from imagewright.imaging import pixels as module
from imagewright.imaging.pixels import enlarge

FACTORS = [1, 2, 3, 4]


def _photo(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    image = Image.merge("RGB", [Image.linear_gradient("L").rotate(turn).resize(size) for turn in (0, 90, 180)])
    ImageDraw.Draw(image).ellipse((size[0] // 4, size[1] // 4, size[0] * 3 // 4, size[1] * 3 // 4), fill=(200, 60, 30))
    return image.convert(mode)


@pytest.mark.parametrize("size", [(40, 30), (1, 1), (3, 50)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("factor", FACTORS)
def test_every_side_grows_by_exactly_the_factor(factor: int, mode: str, size: tuple[int, int]) -> None:
    result = enlarge(_photo(size, mode), factor)
    assert (result.size, result.mode) == ((size[0] * factor, size[1] * factor), mode)


def test_once_is_the_picture_itself() -> None:
    image = _photo((40, 30))
    assert enlarge(image, 1).tobytes() == image.tobytes()


@pytest.mark.parametrize("factor", FACTORS[1:])
def test_an_edge_is_steeper_than_without_sharpening_and_has_no_rings(factor: int) -> None:
    image = Image.new("RGB", (40, 40), (70, 80, 90))
    image.paste((190, 180, 170), (20, 0, 40, 40))
    result = enlarge(image, factor)
    assert ImageStat.Stat(result).extrema == [(70, 190), (80, 180), (90, 170)]
    middle = 20 * factor
    across = (middle - 1, 0, middle + 1, 1)
    plain = image.resize(result.size, Image.Resampling.BICUBIC).crop(across)
    low, high = ImageStat.Stat(result.crop(across)).extrema[0]
    plain_low, plain_high = ImageStat.Stat(plain).extrema[0]
    assert high - low > plain_high - plain_low


@pytest.mark.parametrize("factor", FACTORS[1:])
def test_made_smaller_again_it_is_the_same_picture(factor: int) -> None:
    image = _photo((60, 40))
    back = enlarge(image, factor).resize(image.size, Image.Resampling.BOX)
    assert max(ImageStat.Stat(ImageChops.difference(back, image)).mean) < 2


def test_transparency_is_kept_and_brings_no_dark_rim() -> None:
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    image.paste((240, 120, 40, 255), (10, 10, 30, 30))
    result = enlarge(image, 3)
    alpha = result.getchannel("A")
    assert alpha.getpixel((3, 3)) == 0
    assert alpha.getpixel((60, 60)) == 255
    solid = alpha.point([0] * 200 + [255] * 56)
    rim = Image.composite(result.convert("RGB"), Image.new("RGB", result.size, (240, 120, 40)), solid)
    assert ImageStat.Stat(rim).extrema[0][0] > 200


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_strips_leave_no_seams(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image = _photo((50, 90), mode)
    whole = enlarge(image, 3)
    monkeypatch.setattr(module, "STRIP", 33)
    # Pillow rounds a part's weights a little differently from the whole's.
    assert all(high <= 3 for _, high in ImageStat.Stat(ImageChops.difference(enlarge(image, 3), whole)).extrema)
