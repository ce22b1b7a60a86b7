"""Another aspect ratio without cropping: the canvas grows, the picture's own pixels stay as they are.

A canvas grows in one direction only, so one routine serves all four sides: it continues a picture to the right,
and the picture is flipped or turned around it.
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from PIL import Image, ImageChops, ImageFilter

from imagewright.errors import PictureError

if TYPE_CHECKING:
    from collections.abc import Callable

SEAM = 0.1
"""Share of the shorter side over which new ground takes over from the mirrored edge."""

DEPTH = 0.12
"""Share of the picture, from its edge inward, that its reflection shows at most."""
SLICES = 48
"""Pieces the reflection is drawn out in."""
TILE = 128
"""Side of the tile grain is repeated from, in pixels: small enough for PNG to find the repetition, which makes
files a third of the size, and too fine to be seen."""


@dataclass(frozen=True, slots=True)
class Look:
    """How new ground is finished."""

    softness: float = 1.0
    """Factor on every blur."""
    grain: int = 3
    """Amplitude of its grain, in 8-bit steps; 0 for none."""
    flat: int = 0
    """Number of flat colours it is reduced to; 0 keeps them all."""


LOOKS = {
    "general": Look(softness=1.5),
    "realistic": Look(softness=0.5, grain=7),
    "design": Look(grain=0, flat=7),
}
"""What a style asks for; any other is the plain look."""

COARSENESS = {"turbo": 4, "quality": 1}
"""How many times smaller new ground is worked out for a rendering speed; 2 for any other."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Where a picture lies on its larger canvas, in pixels."""

    width: int
    """Of the canvas."""
    height: int
    """Of the canvas."""
    left: int
    """Columns before the picture."""
    top: int
    """Rows above it."""


def ratio_of(text: str) -> tuple[int, int] | None:
    """`16:9` as (16, 9), in lowest terms; None for anything else, such as `auto`."""
    found = re.fullmatch(r"\s*(\d{1,5})\s*:\s*(\d{1,5})\s*", text)
    if not found or not int(found[1]) or not int(found[2]):
        return None
    across, down = int(found[1]), int(found[2])
    shared = math.gcd(across, down)
    return across // shared, down // shared


def growth_for(size: tuple[int, int], ratio: tuple[int, int]) -> Growth:
    """The smallest canvas of that ratio (width to height) that holds the picture, with it in the middle.

    The ratio is met to within half a pixel of the side that grows.
    """
    width, height = size
    across, down = ratio
    if width * down >= height * across:
        tall = max(height, (2 * width * down + across) // (2 * across))
        return Growth(width, tall, 0, (tall - height) // 2)
    wide = max(width, (2 * height * across + down) // (2 * down))
    return Growth(wide, height, (wide - width) // 2, 0)


def reframed(
    image: Image.Image, aspect_ratio: str, *, seed: int = 0, style: str = "auto", effort: str = "balanced"
) -> Image.Image:
    """As `extend`, for an aspect ratio such as "16:9".

    Raises:
        PictureError: it is not an aspect ratio.
    """
    ratio = ratio_of(aspect_ratio)
    if ratio is None:
        raise PictureError(f"{aspect_ratio!r} is not an aspect ratio: write width:height, such as 16:9")
    return extend(image, ratio, seed=seed, style=style, effort=effort)


def extend(
    image: Image.Image, ratio: tuple[int, int], *, seed: int = 0, style: str = "auto", effort: str = "balanced"
) -> Image.Image:
    """Grow the canvas to an aspect ratio and paint what is new; the image's pixels in its middle are unchanged.

    The image is RGB or RGBA; transparency continues as it is at the edge. The seed chooses among the four ways of
    painting (its remainder by four) and varies the chosen one. A style that is not in `LOOKS` is the plain look, an
    effort that is not in `COARSENESS` the middle one.
    """
    growth = growth_for(image.size, ratio)
    if (growth.width, growth.height) == image.size:
        return image.copy()
    if growth.height > image.height:
        turned = extend(image.transpose(Image.Transpose.TRANSPOSE), ratio[::-1], seed=seed, style=style, effort=effort)
        return turned.transpose(Image.Transpose.TRANSPOSE)
    canvas = Image.new(image.mode, (growth.width, growth.height))
    canvas.paste(image, (growth.left, 0))
    task = Task(LOOKS.get(style, Look()), COARSENESS.get(effort, 2), seed)
    right = growth.width - growth.left - image.width
    canvas.paste(_continued(image, right, task), (growth.left + image.width, 0))
    if growth.left:
        flip = Image.Transpose.FLIP_LEFT_RIGHT
        canvas.paste(_continued(image.transpose(flip), growth.left, task).transpose(flip), (0, 0))
    return canvas


@dataclass(frozen=True, slots=True)
class Task:
    """What holds for all new ground of one canvas."""

    look: Look
    coarseness: int
    seed: int

    def chance(self) -> random.Random:
        """The same numbers for every side of the canvas."""
        return random.Random(self.seed)  # noqa: S311 - chance that can be repeated, not secrecy


def _continued(image: Image.Image, wide: int, task: Task) -> Image.Image:
    """New ground of `wide` columns to the right of the picture."""
    colours = image.convert("RGB")
    mirror = _mirrored(colours, wide)
    coarse = task.coarseness
    small = (max(1, wide // coarse), max(1, image.height // coarse))
    reduced = colours.resize((max(1, image.width // coarse), small[1]), Image.Resampling.BOX)
    ground = way_of(task.seed).paint(reduced, small, task)
    if task.look.flat:
        ground = ground.quantize(task.look.flat, dither=Image.Dither.NONE).convert("RGB")
    ground = ground.resize(mirror.size, Image.Resampling.BICUBIC)
    if task.look.grain:
        ground = grained(ground, task.look.grain)
    reach = min(wide, max(2, round(min(image.size) * SEAM * task.look.softness)))
    strip = Image.composite(ground, mirror, _ramp(mirror.size, reach))
    if image.mode == "RGBA":
        edge = image.getchannel("A").crop((image.width - 1, 0, image.width, image.height))
        strip.putalpha(edge.resize(strip.size, Image.Resampling.NEAREST))
    return strip


def _mirrored(image: Image.Image, wide: int) -> Image.Image:
    """The picture reflected at its right edge, and drawn out ever more with the distance.

    A plain reflection would bring the whole subject back; slowed down, it stays within `DEPTH` of the edge.
    """
    deepest = max(1.0, image.width * DEPTH)
    slices = min(wide, SLICES)
    bounds = [round(wide * number / slices) for number in range(slices + 1)]
    mesh = []
    for start, end in pairwise(bounds):
        near, far = (image.width - deepest * (1 - math.exp(-x / deepest)) for x in (start, end))
        mesh.append(((start, 0, end, image.height), (near, 0, near, image.height, far, image.height, far, 0)))
    return image.transform((wide, image.height), Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)


def _ramp(size: tuple[int, int], reach: int) -> Image.Image:
    """A mask that eases from 0 at the left edge to 255 after `reach` columns."""
    eased = [round(255 * (3 - 2 * value / 255) * (value / 255) ** 2) for value in range(256)]
    rising = Image.linear_gradient("L").rotate(90).point(eased)
    mask = Image.new("L", size, 255)
    mask.paste(rising.resize((reach, size[1]), Image.Resampling.BILINEAR))
    return mask


def _reflection(image: Image.Image, size: tuple[int, int], task: Task) -> Image.Image:
    """The mirrored picture, softer the further it is from the edge."""
    strip = _mirrored(image, size[0])
    reach = size[1] * task.look.softness * (0.03 + 0.03 * task.chance().random())
    result = strip
    for level, radius in enumerate((reach * 0.3, reach)):
        blurred = strip.filter(ImageFilter.GaussianBlur(radius))
        away = _ramp(strip.size, max(2, round(size[0] * (0.5 + 0.5 * level))))
        result = Image.composite(blurred, result, away)
    return result


def _streaks(image: Image.Image, size: tuple[int, int], task: Task) -> Image.Image:
    """The edge's colours drawn outward, running into each other with the distance."""
    depth = max(1, round(image.width * (0.01 + 0.02 * task.chance().random())))
    edge = image.crop((image.width - depth, 0, image.width, image.height)).resize((1, size[1]), Image.Resampling.BOX)
    result = edge.resize(size, Image.Resampling.NEAREST)
    for level, share in enumerate((0.02, 0.06, 0.16)):
        soft = edge.resize((8, size[1])).filter(ImageFilter.GaussianBlur(size[1] * share * task.look.softness))
        away = _ramp(size, max(2, round(size[0] * (0.35 + 0.32 * level))))
        result = Image.composite(soft.resize(size, Image.Resampling.NEAREST), result, away)
    return result


def grained(image: Image.Image, amplitude: int) -> Image.Image:
    """The RGB picture with an even grain over it, which also hides the steps of its gradients."""
    tile = _grain(amplitude)
    sheet = Image.new("L", image.size)
    for top in range(0, image.height, TILE):
        for left in range(0, image.width, TILE):
            sheet.paste(tile, (left, top))
    return ImageChops.add(image, Image.merge("RGB", (sheet, sheet, sheet)), 1, -128)


@lru_cache(maxsize=4)
def _grain(amplitude: int) -> Image.Image:
    """Grain around mid grey, the same every time; amplitude in 8-bit steps to either side."""
    rough = Image.frombytes("L", (TILE, TILE), random.Random(TILE).randbytes(TILE * TILE))  # noqa: S311 - texture
    fine = rough.filter(ImageFilter.GaussianBlur(0.7))
    return fine.point([max(0, min(255, round(128 + (value - 128) * amplitude / 60))) for value in range(256)])


def _backdrop(image: Image.Image, size: tuple[int, int], task: Task) -> Image.Image:
    """The whole picture behind itself: enlarged, out of focus, a little darker outward."""
    zoom = 1.2 + 0.5 * task.chance().random()
    height = min(image.height / zoom, image.width * size[1] / size[0])
    wide = min(image.width, max(1, round(height * size[0] / size[1])))
    tall = min(image.height, max(1, round(height)))
    top = (image.height - tall) // 2
    part = image.crop((image.width - wide, top, image.width, top + tall)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    soft = part.resize(size, Image.Resampling.BICUBIC).filter(
        ImageFilter.GaussianBlur(size[1] * 0.06 * task.look.softness)
    )
    shade = ImageChops.multiply(soft, Image.new("RGB", size, (176, 176, 182)))
    return Image.composite(shade, soft, _ramp(size, size[0]))


def _wash(image: Image.Image, size: tuple[int, int], task: Task) -> Image.Image:
    """A smooth sheet of the edge's main colours, top to bottom, turning to one tone outward."""
    edge = image.crop((image.width - max(1, image.width // 8), 0, image.width, image.height))
    column = edge.resize((1, 5), Image.Resampling.BOX)
    turn = task.chance().random()
    end = 0 if turn < 0.5 else 4  # noqa: PLR2004 - the uppermost or the lowest of the five, by chance
    tone = Image.blend(edge.resize((1, 1), Image.Resampling.BOX), column.crop((0, end, 1, end + 1)), 0.5)
    # Up to 26 of 255 steps darker or 18 lighter than the picture.
    far = tone.point([max(0, min(255, round(value - 26 + 44 * turn))) for value in range(256)] * 3).resize(size)
    near = column.resize(size, Image.Resampling.BICUBIC)
    return Image.composite(far, near, _ramp(size, size[0]))


@dataclass(frozen=True, slots=True)
class Way:
    """A way to paint new ground."""

    paint: Callable[[Image.Image, tuple[int, int], Task], Image.Image]
    """Makes ground of a size in px to the right of a picture."""
    words: str
    """What the new ground is, for people."""


WAYS = (
    Way(_wash, "a smooth sheet of the edge's main colours"),
    Way(_streaks, "the colours of the edge, drawn outward"),
    Way(_backdrop, "the picture itself, enlarged and out of focus"),
    Way(_reflection, "the picture mirrored at its edge, softer with the distance"),
)
"""The first is the softest: its new ground has the least contrast between pixels that are near each other. The seed
chooses, so that four neighbouring seeds show them all."""


def way_of(seed: int) -> Way:
    """The way that a seed chooses."""
    return WAYS[seed % len(WAYS)]
