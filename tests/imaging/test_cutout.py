"""Background removal, against pictures whose true outline is known because they were put together here."""

from __future__ import annotations

import math
import random
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageStat

from imagewright.imaging import cutout as matte
from imagewright.imaging.cutout import Cutout, cut_out
from imagewright.imaging.files import probe
from imagewright.imaging.pixels import open_picture
from imagewright.imaging.planes import barriers, border_of
from imagewright.imaging.prepare import read_mask
from imagewright.imaging.segmentation import UNSURE, small_copy, subject_of

if TYPE_CHECKING:
    from collections.abc import Callable

Colour = tuple[int, int, int]
Outline = list[tuple[float, float]]

SIZE = (600, 480)
SAMPLES = files("imagewright.imaging") / "samples"
HALF = [0] * 128 + [255] * 128


def _noise(size: tuple[int, int], coarse: int, seed: int) -> Image.Image:
    small = (size[0] // coarse + 2, size[1] // coarse + 2)
    rough = Image.frombytes("L", small, random.Random(seed).randbytes(small[0] * small[1]))  # noqa: S311 - the same on every run
    return rough.resize(size, Image.Resampling.BICUBIC)


def _surface(size: tuple[int, int], light: Colour, dark: Colour, turn: int, seed: int) -> Image.Image:
    """A gradient with blotches and grain, as a wall or a body out of a camera has them."""
    ramp = Image.linear_gradient("L").rotate(turn).resize(size, Image.Resampling.BICUBIC)
    mottled = Image.blend(ramp, _noise(size, 60, seed), 0.18)
    bands = [
        mottled.point([round(a + (b - a) * v / 255) for v in range(256)]) for a, b in zip(light, dark, strict=True)
    ]
    grain = _noise(size, 1, seed + 1).point([round(118 + value / 13) for value in range(256)])
    return Image.merge("RGB", [ImageChops.add(band, grain, 1, -128) for band in bands])


def _star(points: int, inner: float) -> Outline:
    turns = [math.pi * step / points for step in range(2 * points)]
    return [
        (
            0.5 + 0.34 * (inner if step % 2 else 1) * math.sin(turn),
            0.5 - 0.4 * (inner if step % 2 else 1) * math.cos(turn),
        )
        for step, turn in enumerate(turns)
    ]


def _circle(x: float, y: float, radius: float) -> Outline:
    turns = [math.tau * step / 90 for step in range(90)]
    return [(x + radius * math.cos(turn), y + radius * 1.25 * math.sin(turn)) for turn in turns]


BUST: Outline = [
    *_circle(0.5, 0.36, 0.13)[8:82],
    (0.62, 0.62),
    (0.78, 0.72),
    (0.84, 1.01),
    (0.18, 1.01),
    (0.26, 0.7),
    (0.4, 0.62),
]

SHAPES = {"disc": _circle(0.5, 0.5, 0.27), "star": _star(5, 0.55), "bust": BUST, "off centre": _circle(0.3, 0.6, 0.2)}
PAIRINGS: dict[str, tuple[Colour, Colour, Colour, Colour]] = {
    "orange on blue": ((70, 95, 130), (130, 150, 175), (245, 160, 60), (160, 70, 20)),
    "teal on sand": ((225, 205, 175), (170, 145, 110), (30, 120, 120), (10, 60, 70)),
    "dark on light": ((238, 238, 235), (200, 202, 208), (60, 58, 66), (30, 26, 32)),
    "light on dark": ((25, 28, 34), (58, 52, 50), (240, 232, 220), (190, 176, 160)),
}


def _composed(shape: Outline, pairing: tuple[Colour, Colour, Colour, Colour]) -> tuple[Image.Image, Image.Image]:
    """The picture, and its true alpha."""
    fine = 4
    large = Image.new("L", (SIZE[0] * fine, SIZE[1] * fine))
    ImageDraw.Draw(large).polygon([(x * large.width, y * large.height) for x, y in shape], fill=255)
    alpha = large.reduce(fine).filter(ImageFilter.GaussianBlur(0.8))
    ground, body = _surface(SIZE, pairing[0], pairing[1], 0, 3), _surface(SIZE, pairing[2], pairing[3], 115, 9)
    return Image.composite(body, ground, alpha), alpha


def _overlap(one: Image.Image, other: Image.Image) -> float:
    first, second = one.point(HALF), other.point(HALF)
    return ImageChops.darker(first, second).histogram()[255] / ImageChops.lighter(first, second).histogram()[255]


def _away_from(alpha: Image.Image, pixels: int) -> Image.Image:
    """255 where no pixel within that distance is touched by the mask."""
    return alpha.point([0] + [255] * 255).filter(ImageFilter.BoxBlur(pixels)).point([255] + [0] * 255)


@cache
def _case(shape: str, pairing: str) -> tuple[Image.Image, Image.Image, Cutout]:
    image, alpha = _composed(SHAPES[shape], PAIRINGS[pairing])
    return image, alpha, cut_out(image)


CASES = [
    ("disc", "orange on blue"),
    ("star", "teal on sand"),
    ("bust", "dark on light"),
    ("off centre", "light on dark"),
]
each_case = pytest.mark.parametrize(("shape", "pairing"), CASES)


@each_case
def test_the_subject_is_found_within_its_outline(shape: str, pairing: str) -> None:
    image, truth, result = _case(shape, pairing)
    assert result.found
    assert (result.image.size, result.image.mode) == (image.size, "RGBA")
    assert _overlap(result.image.getchannel("A"), truth) > 0.97


@each_case
def test_the_edge_is_soft_and_follows_the_true_one(shape: str, pairing: str) -> None:
    _, truth, result = _case(shape, pairing)
    alpha = result.image.getchannel("A")
    soft = alpha.point([0] * 20 + [255] * 216 + [0] * 20).histogram()[255]
    truly_soft = truth.point([0] * 20 + [255] * 216 + [0] * 20).histogram()[255]
    assert soft > 0.4 * truly_soft
    assert ImageStat.Stat(ImageChops.difference(alpha, truth)).mean[0] < 2.5


@each_case
def test_the_background_leaves_no_veil_and_the_subject_no_hole(shape: str, pairing: str) -> None:
    _, truth, result = _case(shape, pairing)
    alpha = result.image.getchannel("A")
    far_out = _away_from(truth, 20)
    far_in = _away_from(ImageChops.invert(truth), 20)
    assert ImageChops.darker(alpha, far_out).getbbox() is None
    assert ImageChops.darker(ImageChops.invert(alpha), far_in).getbbox() is None


@each_case
def test_edge_colours_are_the_subjects_own(shape: str, pairing: str) -> None:
    """Where a pixel is half transparent its colour must not be half the background's."""
    image, truth, result = _case(shape, pairing)
    half = truth.point([0] * 90 + [255] * 76 + [0] * 90)
    body = _surface(SIZE, *PAIRINGS[pairing][2:], 115, 9)
    was = sum(ImageStat.Stat(ImageChops.difference(image, body), half).mean)
    now = sum(ImageStat.Stat(ImageChops.difference(result.image.convert("RGB"), body), half).mean)
    assert now < 0.5 * was


@each_case
def test_inside_the_subject_no_pixel_changes(shape: str, pairing: str) -> None:
    image, truth, result = _case(shape, pairing)
    inside = _away_from(ImageChops.invert(truth), 20)
    difference = ImageChops.difference(result.image.convert("RGB"), image)
    assert ImageStat.Stat(difference, inside).extrema == [(0, 0)] * 3


@pytest.mark.parametrize("name", ["vase.jpg", "fruit.jpg", "vase_mask.png"])
def test_the_sample_pictures_are_whole_small_and_of_one_size(name: str) -> None:
    facts = probe((SAMPLES / name).read_bytes())
    assert facts.size < 120_000
    assert (facts.width, facts.height) == (960, 720)


def test_the_sample_picture_is_cut_out_along_its_mask() -> None:
    mask = read_mask((SAMPLES / "vase_mask.png").read_bytes())
    alpha = cut_out(open_picture((SAMPLES / "vase.jpg").read_bytes())).image.getchannel("A")
    # The mask is drawn a little wider than the vase, and a little of the vase's shadow counts as the vase.
    assert _overlap(alpha, mask) > 0.85
    assert ImageStat.Stat(alpha, mask.filter(ImageFilter.MinFilter(21))).mean[0] > 250


def _collage(seed: int) -> Image.Image:
    """A picture that is busy all over: shapes in every colour upon each other."""
    chance = random.Random(seed)  # noqa: S311 - the same on every run
    image = Image.new("RGB", SIZE, (120, 120, 120))
    draw = ImageDraw.Draw(image)
    for number in range(250):
        x, y, side = chance.randrange(-40, SIZE[0]), chance.randrange(-40, SIZE[1]), chance.randrange(10, 110)
        colour = (chance.randrange(256), chance.randrange(256), chance.randrange(256))
        paint = draw.ellipse if number % 2 else draw.rectangle
        paint((x, y, x + side, y + side * chance.uniform(0.5, 1.5)), fill=colour)
    return image


def _on_a_collage(shape: str, seed: int) -> Image.Image:
    image, alpha = _composed(SHAPES[shape], PAIRINGS["orange on blue"])
    return Image.composite(image, _collage(seed), alpha)


def _meadow(seed: int) -> Image.Image:
    """Blades of many greens, with no subject."""
    bands = [_noise(SIZE, coarse, seed + coarse).point([round(v * share) for v in range(256)])
             for coarse, share in ((5, 0.7), (4, 1.0), (7, 0.4))]  # fmt: skip
    return Image.merge("RGB", bands)


def _sample(name: str) -> Image.Image:
    return open_picture((SAMPLES / name).read_bytes())


def _cut(shape: str, pairing: str) -> Cutout:
    return _case(shape, pairing)[2]


UNDECIDED: dict[str, tuple[Callable[[], Cutout], tuple[float, float]]] = {
    **{"-".join(case): (partial(_cut, *case), (0.0, 0.04)) for case in CASES},
    "vase": (lambda: cut_out(_sample("vase.jpg")), (0.0, 0.1)),
    "fruit": (lambda: cut_out(_sample("fruit.jpg")), (0.0, 0.16)),
    "collage 1": (lambda: cut_out(_collage(1)), (0.2, 0.7)),
    "collage 2": (lambda: cut_out(_collage(2)), (0.2, 0.7)),
    "collage 3": (lambda: cut_out(_collage(3)), (0.2, 0.7)),
    "disc on collage": (lambda: cut_out(_on_a_collage("disc", 4)), (0.2, 0.7)),
    "bust on collage": (lambda: cut_out(_on_a_collage("bust", 5)), (0.2, 0.7)),
    "meadow": (lambda: cut_out(_meadow(1)), (0.2, 0.9)),
}
"""What is cut out, and between which shares of its pixels are undecided: what was measured, with some room. It is 0.01
to 0.14 on calm backgrounds, and from 0.22 on busy ones."""


@pytest.mark.parametrize("name", UNDECIDED)
def test_a_calm_background_is_sure_and_a_busy_one_is_not(name: str) -> None:
    cut, (least, most) = UNDECIDED[name]
    result = cut()
    assert least <= result.undecided <= most
    assert result.is_sure == (most < UNSURE)


def _flat(image: Image.Image) -> Image.Image:
    return image


def _graded(image: Image.Image) -> Image.Image:
    return Image.merge("RGB", [Image.linear_gradient("L").resize(image.size)] * 3)


@pytest.mark.parametrize("kind", [_flat, _graded])
def test_where_nothing_stands_out_the_picture_stays(kind: Callable[[Image.Image], Image.Image]) -> None:
    image = kind(Image.new("RGB", (200, 150), (120, 130, 140)))
    result = cut_out(image)
    assert not result.found
    assert result.image.convert("RGB").tobytes() == image.tobytes()
    assert result.image.getchannel("A").getextrema() == (255, 255)


def test_what_was_transparent_stays_so() -> None:
    image, _ = _composed(SHAPES["disc"], PAIRINGS["teal on sand"])
    image.putalpha(255)
    image.paste((0, 0, 0, 0), (250, 200, 350, 300))
    alpha = cut_out(image).image.getchannel("A")
    assert alpha.crop((250, 200, 350, 300)).getextrema() == (0, 0)


@pytest.mark.parametrize("size", [(1, 1), (8, 600), (600, 8), (20, 20)])
def test_odd_sizes_pass(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).rectangle((size[0] // 3, size[1] // 3, size[0] // 2, size[1] // 2), fill="red")
    assert cut_out(image).image.size == size


def test_pieces_of_a_large_picture_leave_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    image, _ = _composed(SHAPES["star"], PAIRINGS["orange on blue"])
    subject = subject_of(small_copy(image))
    assert subject is not None
    whole = matte.cut_along(image, subject.mask)
    monkeypatch.setattr(matte, "TILE", 97)
    pieces = matte.cut_along(image, subject.mask)
    assert all(high <= 4 for _, high in ImageStat.Stat(ImageChops.difference(whole, pieces)).extrema)


def test_the_same_picture_is_cut_the_same_way_twice() -> None:
    image, _, result = _case(*CASES[0])
    assert cut_out(image).image.tobytes() == result.image.tobytes()


def test_a_barrier_is_the_least_climb_on_the_way_from_the_border() -> None:
    """A wall with a door: behind it, the door's height counts and not the wall's."""
    width, height = 7, 7
    values = [0.0] * 49
    for x in range(1, 6):
        for y in range(1, 6):
            if x in {1, 5} or y in {1, 5}:
                values[y * width + x] = 9.0
    values[3 * width + 1] = 4.0
    seeds = sorted({place for side in border_of(width, height) for place in side})
    found = barriers(values, width, height, seeds)
    assert found[3 * width + 3] == 4.0
    assert found[1 * width + 3] == 9.0
    assert found[0] == 0.0
