"""Placeholders: exact sizes, the same pixels every time, nothing cut off, and plainly marked."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageColor, ImageDraw

import imagewright
from imagewright.catalog.load import catalog
from imagewright.imaging.placeholder import (
    BESIDE,
    PALETTES,
    STEP,
    Palette,
    draw_placeholder,
    placeholder_size,
    side_of,
    size_for,
)
from imagewright.imaging.reframe import ratio_of

FACTS = {"size": "1 x 1 px", "guidance": "2.5", "negative prompt": "blur, " * 40}
SHAPES = [(360, 360), (480, 205), (200, 560), (320, 240), (640, 90), (200, 200)]
PROMPTS = [
    "A fox",
    "A lighthouse on a rocky coast at dusk, waves breaking, gouache",
    "detail " * 430,
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
    "一只橘猫坐在窗台上看着窗外的雨" * 8,
    "قطة برتقالية تجلس على حافة النافذة",
    "Кот на крыше, 🎉 · \n\tand\x00 a naïve café — ½",
    "one\ntwo\n\nthree",
    "?",
    " ",
]


def _values(name: str) -> list[str]:
    """Every value that some row takes for an argument."""
    forms = [form for row in catalog().values() for form in row.arguments().get(name, ())]
    return sorted({str(value) for form in forms for value in form.values or ()})


RATIOS = [value for value in _values("aspect_ratio") if ratio_of(value)]


def _picture(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    image = Image.linear_gradient("L").resize(size).point([150 + value // 5 for value in range(256)]).convert(mode)
    ImageDraw.Draw(image).ellipse((size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 2), fill=(200, 60, 10))
    return image


def _disc(size: tuple[int, int]) -> Image.Image:
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).ellipse((size[0] // 3, size[1] // 5, size[0] * 9 // 10, size[1] * 4 // 5), fill=255)
    return mask


def _palette_of(image: Image.Image) -> Palette:
    corner = image.convert("RGB").getpixel((0, 0))
    return next(palette for palette in PALETTES if ImageColor.getrgb(palette.paper) == corner)


def _areas(image: Image.Image) -> dict[tuple[int, ...], int]:
    """How many pixels each colour has."""
    colours = image.convert("RGB").getcolors(maxcolors=image.width * image.height) or ()
    return {colour: count for count, colour in colours if isinstance(colour, tuple)}


@pytest.mark.parametrize("resolution", ["", *_values("resolution")])
@pytest.mark.parametrize("ratio", RATIOS)
def test_a_size_has_exactly_the_ratio_and_about_the_area_of_its_class(ratio: str, resolution: str) -> None:
    width, height = placeholder_size(None, ratio, resolution)
    across, down = ratio_of(ratio) or (0, 0)
    assert width * down == height * across
    assert width % STEP == height % STEP == 0
    assert width * height == pytest.approx((side_of(resolution) or 1024) ** 2, rel=0.1)


def test_every_size_class_of_the_catalog_is_understood() -> None:
    assert _values("resolution")
    assert all(side_of(one) for one in _values("resolution"))


@pytest.mark.parametrize(("ratio", "side"), [((1000, 999), 1024), ((7, 3), 64), ((1, 40), 512), ((4096, 4095), 8)])
def test_a_ratio_too_fine_for_whole_steps_is_met_to_half_a_pixel(ratio: tuple[int, int], side: int) -> None:
    width, height = size_for(ratio, side)
    exact = width * ratio[1] / ratio[0]
    assert abs(height - exact) <= max(0.5, 0.5 * ratio[1] / ratio[0]) + 0.5


@pytest.mark.parametrize(
    ("own", "ratio", "resolution", "size"),
    [
        ((640, 427), "", "", (640, 427)),
        ((640, 427), "auto", "", (640, 427)),
        ((900, 600), "3:2", "", (900, 600)),
        ((640, 480), "16:9", "", size_for((16, 9))),
        ((640, 480), "16:9", "2K", size_for((16, 9), 2048)),
        ((512, 512), "auto", "2K", (2048, 2048)),
        (None, "auto", "", (1024, 1024)),
    ],
)
def test_an_edit_keeps_its_pictures_size_until_another_is_asked_for(
    own: tuple[int, int] | None, ratio: str, resolution: str, size: tuple[int, int]
) -> None:
    assert placeholder_size(own, ratio, resolution) == size


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("pictures", [0, 1, 3])
@pytest.mark.parametrize("size", SHAPES)
def test_a_placeholder_has_its_size_and_nothing_in_its_margin(
    size: tuple[int, int], pictures: int, prompt: str
) -> None:
    image = draw_placeholder(size, prompt, FACTS, seed=3, images=[_picture((90, 60))] * pictures)
    assert image.size == size
    edge = round(min(size) * 0.05)
    inside = (edge, edge, size[0] - edge, size[1] - edge)
    blank = Image.new("RGB", size, _palette_of(image).paper)
    blank.paste(image.crop(inside), inside)
    assert ImageChops.difference(image, blank).getbbox() is None


@pytest.mark.parametrize("size", [*SHAPES, (96, 64), (64, 64), (1024, 1024)])
def test_a_placeholder_is_marked_in_its_picture(size: tuple[int, int]) -> None:
    image = draw_placeholder(size, "?", {}, seed=1)
    palette = _palette_of(image)
    # The mark stands below the margin, above the pattern or above the words beside it.
    left = size[0] * 0.62 if size[0] >= max(BESIDE * size[1], 360) else 0
    unit = min((size[0] * size[1]) ** 0.5 / 100, min(size) / 55)
    head = image.crop((round(left), 0, size[0], round(5.5 * unit + 0.7 * max(9, 1.9 * unit))))
    areas = _areas(head)
    assert areas[ImageColor.getrgb(palette.accent)] > 20
    assert areas[ImageColor.getrgb(palette.paper)] > head.width * head.height * 0.5
    assert sum(count for colour, count in areas.items() if sum(colour) < 450) > 20


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (16, 16)])
def test_the_smallest_placeholders_can_be_drawn_too(size: tuple[int, int]) -> None:
    assert draw_placeholder(size, "A fox", FACTS, seed=1).size == size
    assert draw_placeholder(size, "A fox", FACTS, seed=1, images=[_picture((9, 9))]).size == size


@pytest.mark.parametrize("change", [{"prompt": "a fox"}, {"seed": 8}, {"facts": {"steps": "4"}}])
def test_the_same_input_gives_the_same_pixels_and_any_other_does_not(change: dict[str, object]) -> None:
    given = {"prompt": "a harbour", "facts": {"steps": "3"}, "seed": 7}
    first = draw_placeholder((300, 300), **given).tobytes()  # type: ignore[arg-type] # a table
    assert draw_placeholder((300, 300), **given).tobytes() == first  # type: ignore[arg-type] # values of several types
    assert draw_placeholder((300, 300), **(given | change)).tobytes() != first  # type: ignore[arg-type] # values of several types


def test_a_placeholder_is_the_same_in_every_process() -> None:
    code = (
        "import hashlib\n"
        "from imagewright.imaging.placeholder import draw_placeholder\n"
        "print(hashlib.sha256(draw_placeholder((160, 120), 'a harbour', {}, seed=7).tobytes()).hexdigest())\n"
    )
    own = hashlib.sha256(draw_placeholder((160, 120), "a harbour", {}, seed=7).tobytes()).hexdigest()
    other = subprocess.run(  # noqa: S603 - this very interpreter
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": str(Path(imagewright.__file__).parent.parent), "PYTHONHASHSEED": "1"},
    )
    assert other.stdout.strip() == own


def test_variants_differ_in_colours_and_in_their_pattern() -> None:
    variants = [draw_placeholder((240, 240), "a harbour", {}, seed=seed) for seed in range(6)]
    assert all(_palette_of(one) != _palette_of(other) for one, other in pairwise(variants))
    for one, other in combinations(variants, 2):
        assert ImageChops.difference(one, other).convert("L").point([0] * 16 + [1] * 240).getbbox()


@pytest.mark.parametrize("size", [(360, 360), (480, 240)])
def test_a_transparent_placeholder_shows_through_the_ground_of_its_pattern(size: tuple[int, int]) -> None:
    alpha = draw_placeholder(size, "a harbour", FACTS, seed=1, transparent=True).getchannel("A")
    assert 0.05 < alpha.histogram()[0] / (size[0] * size[1]) < 0.6
    assert alpha.getpixel((0, 0)) == 255


@pytest.mark.parametrize("count", range(1, 11))
@pytest.mark.parametrize("size", [(400, 300), (200, 400), (600, 240)])
def test_an_edit_shows_every_picture_whole(count: int, size: tuple[int, int]) -> None:
    colours = [(20 * index, 255 - 20 * index, 128) for index in range(count)]
    shapes = [(64, 48), (48, 64), (60, 60)]
    pictures = [Image.new("RGB", shapes[index % 3], colour) for index, colour in enumerate(colours)]
    for picture in pictures:
        picture.paste((255, 0, 255), (0, picture.height * 3 // 4, picture.width, picture.height))
    areas = _areas(draw_placeholder(size, "put them together", FACTS, seed=4, images=pictures))
    least = size[0] * size[1] * 0.04 / count
    assert all(areas.get(colour, 0) > least for colour in colours)
    assert areas[255, 0, 255] > least / 4


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_masked_edit_fills_exactly_the_mask(mode: str) -> None:
    image, mask = _picture((300, 200), mode), _disc((300, 200))
    result = draw_placeholder(image.size, "a harbour at night", FACTS, images=[image], mask=mask, seed=2)
    assert (result.size, result.mode) == (image.size, mode)
    changed = ImageChops.difference(result.convert("RGB"), image.convert("RGB")).convert("L").point([0] + [255] * 255)
    assert ImageChops.multiply(changed, ImageChops.invert(mask)).getbbox() is None
    assert changed.histogram()[255] > 0.97 * mask.histogram()[255]


def test_an_empty_mask_changes_nothing() -> None:
    image = _picture((120, 80))
    result = draw_placeholder(image.size, "x", {}, images=[image], mask=Image.new("L", image.size), seed=2)
    assert result.tobytes() == image.tobytes()


@pytest.mark.parametrize("box", [(20, 20, 380, 280), (100, 20, 300, 280), (20, 120, 380, 180), (150, 130, 250, 150)])
def test_a_masked_region_is_labelled_where_a_label_fits(box: tuple[int, int, int, int]) -> None:
    image, mask = Image.new("RGB", (400, 300), (1, 2, 3)), Image.new("L", (400, 300))
    mask.paste(255, box)
    one, other = (
        draw_placeholder(image.size, "x", {}, images=[image], mask=mask, seed=2 + 10 * step) for step in (0, 1)
    )
    middle = (
        (box[0] + box[2]) // 2 - 20,
        (box[1] + box[3]) // 2 - 5,
        (box[0] + box[2]) // 2 + 20,
        (box[1] + box[3]) // 2 + 5,
    )
    fits = box[3] - box[1] > 40
    # With another pattern around it, the label alone is the same.
    assert (ImageChops.difference(one.crop(middle), other.crop(middle)).getbbox() is None) is fits


def test_a_masked_edit_of_another_shape_shows_the_filled_picture_in_a_poster() -> None:
    image, mask = Image.new("RGB", (200, 200), (1, 2, 3)), _disc((200, 200))
    result = draw_placeholder((640, 320), "x", {}, images=[image], mask=mask, seed=2)
    assert result.size == (640, 320)
    plain = draw_placeholder((640, 320), "x", {}, images=[image], seed=2)
    assert 0 < _areas(result)[1, 2, 3] < _areas(plain)[1, 2, 3]
