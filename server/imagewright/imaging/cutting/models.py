"""The colours of subject and background, learnt from the pixels thought to be theirs."""

from __future__ import annotations

import math
import random
from functools import reduce
from typing import TYPE_CHECKING

from imagewright.imaging.cutting.planes import Planes, compute, numbers, plane_of

if TYPE_CHECKING:
    from imagewright.imaging.cutting.planes import Plane

GROUPS = 7
"""Groups of similar pixels on either side."""
SAMPLES = 300
"""Pixels the groups of one side are found from."""
NEARNESS = 22.0
"""What the whole longer side weighs against colour, as `to_lab` measures: groups stay in their part of the picture."""
DOUBT = 20.0
"""Squared distance within which a colour is as good as met."""

Feature = tuple[float, ...]


def likelihood(lab: Planes, share: Plane) -> Plane | None:
    """How much nearer each pixel is to the subject's groups than to the background's, 0 to 1.

    Args:
        lab: the picture.
        share: how much each pixel is thought to be the subject's, 0 to 1.

    Returns:
        None when one side has too few pixels to learn from.
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
    return reduce(_least, (reduce(_sum, map(_squared, axes, group)) for group in groups))


def _squared(axis: Plane, middle: float) -> Plane:
    return compute(lambda given: (given["axis"] - middle) * (given["axis"] - middle), axis=axis)


def _sum(one: Plane, other: Plane) -> Plane:
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
