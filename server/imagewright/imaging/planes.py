"""Arithmetic on whole planes of numbers, one float per pixel, and what `segmentation` works out with it.

`barriers` says how hard it is to walk from the border to a pixel: the minimum barrier distance, after Zhang et al.,
"Minimum Barrier Salient Object Detection at 80 FPS", ICCV 2015. Over all paths from the border, it is the least
difference between the highest and the lowest value on the way. A smooth gradient or a fine texture is a low barrier
however long the way, an outline is a high one. `likelihood` learns the colours of subject and background from the
pixels thought to be theirs.
"""

from __future__ import annotations

import math
import random
from array import array
from functools import reduce
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageMath

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Plane = Image.Image
"""An image of mode F."""
Planes = tuple[Plane, Plane, Plane]

# Rows of the matrices from linear sRGB to cone responses, and from their cube roots to OKLab (B. Ottosson, 2020).
_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
# Lightness runs from 0 to 60; colour weighs three times as much, since shading changes lightness within one thing.
_OPPONENTS = (
    (12.62725532, 47.61706710, -0.24432281),
    (356.03972912, -437.14659690, 81.10672196),
    (4.66272668, 140.89911792, -145.56377880),
)

SWEEPS = 4
"""Raster sweeps in turn from the top and from the bottom; the paper finds three enough."""

GROUPS = 7
"""Groups of similar pixels on either side."""

SAMPLES = 300
"""Pixels the groups of one side are found from."""

NEARNESS = 22.0
"""What the whole longer side weighs against colour, as `to_lab` measures: groups stay in their part of the picture."""

DOUBT = 20.0
"""Squared distance within which a colour is as good as met."""

Feature = tuple[float, ...]


def compute(formula: Callable[[dict[str, Any]], Any], **planes: Plane) -> Plane:
    """A plane from others, pixel by pixel; the formula gets them by name and uses + - * / ** and abs.

    Planes of mode L are taken as numbers 0 to 255.
    """
    result: Plane = ImageMath.lambda_eval(formula, **planes)
    return result if result.mode == "F" else result.convert("F")


def clamped(plane: Plane, low: float = 0.0, high: float = 1.0) -> Plane:
    """The plane with its values brought into the range."""
    return compute(lambda given: given["min"](given["max"](given["plane"], low), high), plane=plane)


def as_mask(plane: Plane) -> Image.Image:
    """Shares 0 to 1 as a mask 0 to 255."""
    return compute(lambda given: given["plane"] * 255.0 + 0.5, plane=clamped(plane)).convert("L")


def numbers(plane: Plane) -> list[float]:
    """The values, row by row."""
    return array("f", plane.tobytes()).tolist()


def plane_of(values: Iterable[float], size: tuple[int, int]) -> Plane:
    """The plane with these values, row by row."""
    return Image.frombytes("F", size, array("f", values).tobytes())


def to_lab(image: Image.Image) -> Planes:
    """An RGB image as OKLab, in steps about as large as the eye sees them."""
    linear = [compute(lambda given: (given["band"] / 255.0) ** 2.2, band=band.convert("F")) for band in image.split()]
    roots = [compute(lambda given: (given["p"] + 1e-6) ** (1 / 3), p=_weighed(linear, row)) for row in _CONES]
    first, second, third = (_weighed(roots, row) for row in _OPPONENTS)
    return first, second, third


def _weighed(planes: list[Plane], weights: tuple[float, float, float]) -> Plane:
    one, two, three = weights
    first, second, third = planes
    return compute(lambda given: given["a"] * one + given["b"] * two + given["c"] * three, a=first, b=second, c=third)


def border_of(width: int, height: int) -> tuple[list[int], list[int], list[int], list[int]]:
    """Indices of the pixels along the top, the right, the bottom and the left."""
    last = (height - 1) * width
    return (
        list(range(width)),
        list(range(width - 1, width * height, width)),
        list(range(last, last + width)),
        list(range(0, width * height, width)),
    )


def barriers(values: list[float], width: int, height: int, seeds: list[int]) -> list[float]:
    """For each pixel the barrier that separates it from the seeds, in the unit of the values.

    `values` is one channel, row by row; `seeds` are indices of pixels known to be background, at least one.
    """
    total = width * height
    span = max(values) - min(values) + 1.0
    found = [span] * total
    highest, lowest = values[:], values[:]
    for seed in seeds:
        found[seed] = 0.0
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        rows = range(height) if forward else range(height - 1, -1, -1)
        beside = -1 if forward else 1
        for y in rows:
            columns = (
                range(y * width, y * width + width) if forward else range(y * width + width - 1, y * width - 1, -1)
            )
            before, above_exists = columns[0], 0 <= y + beside < height
            for here in columns:
                best = found[here]
                if best == 0.0:
                    continue
                value = values[here]
                if here != before:
                    there = here + beside
                    high, low = highest[there], lowest[there]
                    high = value if value > high else high  # noqa: FURB136 - max() is three times slower here
                    low = value if value < low else low  # noqa: FURB136 - as above
                    if high - low < best and found[there] < span:
                        best = found[here] = high - low
                        highest[here], lowest[here] = high, low
                if above_exists:
                    there = here + beside * width
                    high, low = highest[there], lowest[there]
                    high = value if value > high else high  # noqa: FURB136 - as above
                    low = value if value < low else low  # noqa: FURB136 - as above
                    if high - low < best and found[there] < span:
                        best = found[here] = high - low
                        highest[here], lowest[here] = high, low
    return found


def likelihood(lab: Planes, share: Plane) -> Plane | None:
    """How much nearer each pixel's colour is to the subject's groups than to the background's, 0 to 1.

    `share` is how much each pixel is thought to be the subject's, 0 to 1. None when a side has too few pixels to learn
    from.
    """
    width, height = share.size
    scale = NEARNESS / max(width, height)
    across = plane_of((index % width * scale for index in range(width * height)), share.size)
    down = plane_of((index // width * scale for index in range(width * height)), share.size)
    axes = (*lab, across, down)
    features = list(zip(*(numbers(axis) for axis in axes), strict=True))
    shares = numbers(share)
    ours = [feature for feature, value in zip(features, shares, strict=True) if value > 0.58]  # noqa: PLR2004 - rather yes
    theirs = [feature for feature, value in zip(features, shares, strict=True) if value < 0.42]  # noqa: PLR2004 - rather no
    if min(len(ours), len(theirs)) < GROUPS * 4:
        return None
    near, far = (_nearest(axes, _groups(side)) for side in (ours, theirs))
    return compute(
        lambda given: (given["far"] + DOUBT) / (given["near"] + given["far"] + 2 * DOUBT), near=near, far=far
    )


def _nearest(axes: tuple[Plane, ...], groups: list[Feature]) -> Plane:
    """The squared distance of each pixel to the nearest group."""
    return reduce(_least, (reduce(add, map(_squared, axes, group)) for group in groups))


def _squared(axis: Plane, middle: float) -> Plane:
    return compute(lambda given: (given["axis"] - middle) * (given["axis"] - middle), axis=axis)


def add(one: Plane, other: Plane) -> Plane:
    """The sum of two planes, pixel by pixel."""
    return compute(lambda given: given["one"] + given["other"], one=one, other=other)


def _least(one: Plane, other: Plane) -> Plane:
    return compute(lambda given: given["min"](given["one"], given["other"]), one=one, other=other)


def _groups(features: list[Feature]) -> list[Feature]:
    """Middles of groups (k-means, started from points far apart)."""
    points = features[:: max(1, len(features) // SAMPLES)]
    rng = random.Random(GROUPS)  # noqa: S311 - chance that can be repeated, not secrecy
    middles = [points[int(rng.random() * len(points))]]
    while len(middles) < GROUPS:
        middles.append(max(points, key=lambda point: min(math.dist(point, middle) for middle in middles)))
    for _ in range(5):
        members: list[list[Feature]] = [[] for _ in middles]
        for point in points:
            members[min(range(GROUPS), key=lambda index: math.dist(point, middles[index]))].append(point)
        middles = [
            tuple(sum(axis) / len(group) for axis in zip(*group, strict=True)) if group else middle
            for group, middle in zip(members, middles, strict=True)
        ]
    return middles
