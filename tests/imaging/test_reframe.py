"""Reframing: the exact shape, the picture untouched in its place, four ways to paint the rest."""

from __future__ import annotations

from importlib.resources import files
from itertools import combinations

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageStat

from imagewright.errors import PictureError
from imagewright.imaging.pixels import open_picture
from imagewright.imaging.reframe import COARSENESS, LOOKS, WAYS, extend, growth_for, reframed

SAMPLES = files("imagewright.imaging") / "samples"
RATIOS = [(1, 1), (4, 3), (3, 4), (16, 9), (9, 16), (21, 9), (1000, 999)]


def _scene(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    image = Image.merge("RGB", [Image.linear_gradient("L").rotate(turn).resize(size) for turn in (0, 90, 180)])
    draw = ImageDraw.Draw(image)
    for step in range(0, size[0], max(4, size[0] // 9)):
        draw.line((step, 0, size[0] - step, size[1]), fill=(step % 255, 200, 90), width=3)
    return image.convert(mode)


@pytest.mark.parametrize("size", [(120, 80), (80, 120), (100, 100), (301, 7), (9, 400)])
@pytest.mark.parametrize("ratio", RATIOS)
def test_the_canvas_has_the_ratio_and_holds_the_picture(size: tuple[int, int], ratio: tuple[int, int]) -> None:
    growth = growth_for(size, ratio)
    assert abs(growth.width - growth.height * ratio[0] / ratio[1]) <= 0.5 * max(1, ratio[0] / ratio[1])
    assert growth.width == size[0] or growth.height == size[1]
    assert 0 <= growth.left <= growth.width - size[0]
    assert 0 <= growth.top <= growth.height - size[1]


@pytest.mark.parametrize("way", range(len(WAYS)))
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("ratio", [(1, 1), (16, 9), (9, 16)])
def test_the_picture_stays_as_it_is_where_it_is(ratio: tuple[int, int], mode: str, way: int) -> None:
    image = _scene((120, 80), mode)
    growth = growth_for(image.size, ratio)
    result = extend(image, ratio, seed=way)
    assert (result.size, result.mode) == ((growth.width, growth.height), mode)
    box = (growth.left, growth.top, growth.left + image.width, growth.top + image.height)
    assert result.crop(box).tobytes() == image.tobytes()


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (8, 8)])
@pytest.mark.parametrize("way", range(len(WAYS)))
def test_tiny_and_narrow_pictures_can_be_extended_too(size: tuple[int, int], way: int) -> None:
    image = _scene(size)
    growth = growth_for(size, (16, 9))
    assert extend(image, (16, 9), seed=way, style="design").size == (growth.width, growth.height)


def test_four_neighbouring_seeds_paint_in_four_ways_and_again_the_same() -> None:
    image = _scene((160, 120))
    results = [extend(image, (16, 9), seed=seed) for seed in range(40, 44)]
    for one, other in combinations(results, 2):
        assert max(ImageStat.Stat(ImageChops.difference(one, other)).mean) > 1
    assert extend(image, (16, 9), seed=41).tobytes() == results[1].tobytes()


@pytest.mark.parametrize("way", range(len(WAYS)))
@pytest.mark.parametrize("ratio", [(16, 9), (9, 16)])
def test_the_seam_is_soft(way: int, ratio: tuple[int, int]) -> None:
    """The step across the seam is no larger than the picture's own steps."""
    image = Image.merge("RGB", [Image.linear_gradient("L").rotate(turn).resize((160, 160)) for turn in (0, 90, 180)])
    result = extend(image, ratio, seed=way)
    if ratio[0] < ratio[1]:
        result = result.transpose(Image.Transpose.TRANSPOSE)
    seam = (result.width - 160) // 2
    columns = [result.crop((x, 0, x + 1, 160)) for x in (seam - 1, seam, seam + 159, seam + 160)]
    for outer, inner in ((columns[0], columns[1]), (columns[3], columns[2])):
        assert max(ImageStat.Stat(ImageChops.difference(outer, inner)).mean) < 6


@pytest.mark.parametrize("name", ["vase.jpg", "fruit.jpg"])
@pytest.mark.parametrize("ratio", [(21, 9), (2, 1), (1, 2)])
def test_the_softest_way_comes_first(ratio: tuple[int, int], name: str) -> None:
    image = open_picture((SAMPLES / name).read_bytes())
    growth = growth_for(image.size, ratio)
    box = (0, 0, growth.left or growth.width, growth.top or growth.height)

    def contrast(way: int) -> float:
        new = extend(image, ratio, seed=way).crop(box).convert("L")
        return float(ImageStat.Stat(ImageChops.difference(new, new.filter(ImageFilter.GaussianBlur(3)))).mean[0])

    contrasts = [contrast(way) for way in range(len(WAYS))]
    assert contrasts[0] == min(contrasts)


@pytest.mark.parametrize("way", range(len(WAYS)))
def test_style_speed_and_seed_all_show(way: int) -> None:
    image = _scene((160, 120))
    plain = extend(image, (16, 9), seed=way)
    others = [extend(image, (16, 9), seed=way, style=style) for style in LOOKS]
    others += [extend(image, (16, 9), seed=way, effort=effort) for effort in COARSENESS]
    others.append(extend(image, (16, 9), seed=way + len(WAYS)))
    assert len({one.tobytes() for one in [plain, *others]}) == len(others) + 1


def test_transparency_goes_on_beyond_the_edge() -> None:
    image = _scene((100, 100), "RGBA")
    image.putalpha(Image.new("L", image.size, 255))
    image.paste((0, 0, 0, 0), (0, 0, 100, 40))
    alpha = extend(image, (2, 1)).getchannel("A")
    assert alpha.crop((0, 0, 200, 40)).getextrema() == (0, 0)
    assert alpha.crop((0, 40, 200, 100)).getextrema() == (255, 255)


def test_a_picture_of_that_shape_is_left_alone() -> None:
    image = _scene((160, 90))
    assert extend(image, (16, 9)).tobytes() == image.tobytes()


@pytest.mark.parametrize("text", ["auto", "", "16x9"])
def test_what_is_no_ratio_is_refused(text: str) -> None:
    with pytest.raises(PictureError, match="16:9"):
        reframed(_scene((16, 16)), text)
