"""Subject or background, decided on a small copy of the picture."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, ImageFilter

from imagewright.imaging.planes import (
    Planes,
    barriers,
    border_of,
    clamped,
    compute,
    likelihood,
    numbers,
    plane_of,
    to_lab,
)

if TYPE_CHECKING:
    from imagewright.imaging.planes import Plane

SIDE = 192
"""Longest side of the small copy, in pixels."""

FAMILIAR = 9.0
"""A border pixel with no pixel this similar (as `to_lab` measures) on the other three sides is taken for a subject
that runs out of the picture."""

SURE = 0.66
"""Share from which a pixel is the subject's without further look; below its complement, the background's."""
UNSURE = 0.18
"""Share of the picture between the two from which the outline is not sure. Of 43 pictures, those with a calm background
had at most 0.14, and nearly all an outline like a trained model's; those with a busy one had 0.22 to 0.65, and most
another outline."""
KNOTS = 12
"""Places along each side between which the backdrop of a picture is taken to change evenly."""
ROUNDS = 3
"""How often the colours of subject and background are learnt anew."""

LEAST = 0.003
MOST = 0.985
"""Shares of the picture between which a subject must lie to be one."""

CRUMB = 0.035
"""Parts that weigh less than this share of the heaviest are crumbs and go."""
HOLE = 0.0015
"""Gaps in the subject larger than this share of the picture stay open."""


def small_copy(image: Image.Image) -> Image.Image:
    """The RGB picture at most `SIDE` px on its longest side."""
    shrink = min(1.0, SIDE / max(image.size))
    size = (max(8, round(image.width * shrink)), max(8, round(image.height * shrink)))
    return image.resize(size, Image.Resampling.BOX if shrink < 1 else Image.Resampling.BICUBIC)


@dataclass(frozen=True, slots=True)
class Subject:
    """What stands out from the border of a picture."""

    mask: Image.Image
    """255 on the subject."""
    undecided: float
    """Share of the picture, 0 to 1, whose pixels were neither clearly the subject's nor clearly the background's before
    the areas around them decided."""

    @property
    def is_sure(self) -> bool:
        """Whether the outline can be relied upon."""
        return self.undecided < UNSURE


def subject_of(small: Image.Image) -> Subject | None:
    """The subject of a picture from `small_copy`; None when nothing stands out from its border."""
    calm = small.filter(ImageFilter.MedianFilter(3))
    width, height = calm.size
    lab = to_lab(calm)
    seeds = _seeds(lab, width, height)
    distance = _stands_out(lab, calm, seeds)
    ordered = sorted(distance)
    top = ordered[int(len(ordered) * 0.98)]
    if top < FAMILIAR:
        return None
    # Roots, because one bright part must not make all else look like background.
    cut = _otsu([min(value, top) ** 0.5 for value in distance]) ** 2
    prior = plane_of((value / (value + cut) for value in distance), calm.size)
    share = _learnt(lab, prior)
    mask = _tidied(_grown(lab, share, seeds), width, height)
    if mask is None:
        return None
    undecided = sum(1 - SURE <= value <= SURE for value in numbers(share))
    return Subject(mask, undecided / (width * height))


def _seeds(lab: Planes, width: int, height: int) -> list[int]:
    """Border pixels that are background, because a similar colour is also found on another side."""
    colours = list(zip(*(numbers(plane) for plane in lab), strict=True))
    sides = border_of(width, height)
    seeds = []
    for number, side in enumerate(sides):
        others = [colours[place] for other, along in enumerate(sides) if other != number for place in along[::2]]
        for place in side:
            lightness, a, b = colours[place]
            nearest = min((lightness - x) ** 2 + (a - y) ** 2 + (b - z) ** 2 for x, y, z in others)
            if nearest < FAMILIAR**2:
                seeds.append(place)
    return seeds or [place for side in sides for place in side]


def _stands_out(lab: Planes, calm: Image.Image, seeds: list[int]) -> list[float]:
    """How far every pixel stands out from the border, over the picture itself or over its smooth backdrop."""
    width, height = calm.size
    backdrop = to_lab(_between_borders(calm))
    least: list[float] = []
    for flat in (False, True):
        total = [0.0] * (width * height)
        for plane, behind in zip(lab, backdrop, strict=True):
            level = compute(lambda given: given["one"] - given["other"], one=plane, other=behind) if flat else plane
            channel = barriers(numbers(level), width, height, seeds)
            total = [sum_so_far + value for sum_so_far, value in zip(total, channel, strict=True)]
        least = total if not flat else [min(pair) for pair in zip(least, total, strict=True)]
    return least


def _between_borders(image: Image.Image) -> Image.Image:
    """A smooth picture with the same border (a Coons patch), as a backdrop that changes evenly would be."""
    width, height = image.size
    box, smooth = Image.Resampling.BOX, Image.Resampling.BICUBIC
    top, bottom = (image.crop((0, y, width, y + 3)).resize((KNOTS, 1), box) for y in (0, height - 3))
    left, right = (image.crop((x, 0, x + 3, height)).resize((1, KNOTS), box) for x in (0, width - 3))
    corners = Image.new("RGB", (2, 2))
    for row, edge in enumerate((top, bottom)):
        corners.paste(edge.crop((0, 0, 1, 1)), (0, row))
        corners.paste(edge.crop((KNOTS - 1, 0, KNOTS, 1)), (1, row))
    down = Image.linear_gradient("L").resize(image.size, smooth)
    along = Image.linear_gradient("L").rotate(90).resize(image.size, smooth)
    vertical = Image.composite(bottom.resize(image.size, smooth), top.resize(image.size, smooth), down)
    horizontal = Image.composite(right.resize(image.size, smooth), left.resize(image.size, smooth), along)
    between = corners.resize(image.size, Image.Resampling.BILINEAR, (0.5, 0.5, 1.5, 1.5))
    bands = [
        clamped(compute(lambda given: given["v"] + given["h"] - given["c"], v=v, h=h, c=c), 0, 255).convert("L")
        for v, h, c in zip(vertical.split(), horizontal.split(), between.split(), strict=True)
    ]
    return Image.merge("RGB", bands)


def _otsu(values: list[float]) -> float:
    """The value that parts the histogram into two groups with the least spread (N. Otsu, 1979)."""
    bins = 128
    highest = max(values) or 1.0
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, int(value / highest * bins))] += 1
    everything = sum(index * count for index, count in enumerate(counts))
    below, below_sum, best, cut = 0, 0, -1.0, bins // 2
    for index, count in enumerate(counts[:-1]):
        below += count
        below_sum += index * count
        above = len(values) - below
        if below and above:
            spread = below * above * (below_sum / below - (everything - below_sum) / above) ** 2
            if spread > best:
                best, cut = spread, index
    return (cut + 1) / bins * highest


def _learnt(lab: Planes, prior: Plane) -> Plane:
    """Shares from how much a pixel stands out, combined with which side its colour is more like."""
    share = prior
    for _ in range(ROUNDS):
        colours = likelihood(lab, share)
        if colours is None:
            break
        mixed = compute(lambda given: (given["prior"] + given["colours"]) * 127.5, prior=prior, colours=colours)
        soft = mixed.convert("L").filter(ImageFilter.GaussianBlur(1.2))
        share = compute(lambda given: given["soft"] / 255.0, soft=soft.convert("F"))
    return share


def _grown(lab: Planes, share: Plane, seeds: list[int]) -> list[int]:
    """1 (subject) or 0 for each pixel: the sure areas grow along the cheapest paths until they cover everything."""
    width, height = share.size
    lightness, greenred, blueyellow = (numbers(plane) for plane in lab)
    shares = numbers(share)
    total = width * height
    labels, cost = [0] * total, [1e9] * total
    queue: list[tuple[float, int]] = []
    for place, value in enumerate(shares):
        if value > SURE or value < 1 - SURE:
            labels[place], cost[place] = int(value > SURE), 0.0
            queue.append((0.0, place))
    for place in seeds:
        if shares[place] < SURE and cost[place]:
            cost[place] = 0.0
            queue.append((0.0, place))
    heapq.heapify(queue)
    while queue:
        spent, here = heapq.heappop(queue)
        if spent > cost[here]:
            continue
        column, label = here % width, labels[here]
        for there in (here - 1 if column else -1, here + 1 if column < width - 1 else -1, here - width, here + width):
            if 0 <= there < total:
                # A step costs its length, the edge it crosses, and how little the pixel looks like the label.
                step = (
                    0.6
                    + abs(lightness[here] - lightness[there])
                    + abs(greenred[here] - greenred[there])
                    + abs(blueyellow[here] - blueyellow[there])
                    + 14.0 * abs(shares[there] - label)
                )
                if spent + step < cost[there]:
                    cost[there], labels[there] = spent + step, label
                    heapq.heappush(queue, (spent + step, there))
    return labels


def _tidied(labels: list[int], width: int, height: int) -> Image.Image | None:
    """The subject without crumbs and pinholes; None when it is next to nothing or all there is."""
    total = width * height
    parts = _parts(labels, width, height)
    weights = [_weight(part, width, height) for part in parts]
    heaviest = max((weight for part, weight in zip(parts, weights, strict=True) if labels[part[0]]), default=0.0)
    for part, weight in zip(parts, weights, strict=True):
        if weight < heaviest * CRUMB if labels[part[0]] else len(part) < total * HOLE:
            for place in part:
                labels[place] = 1 - labels[place]
    if not LEAST * total <= sum(labels) <= MOST * total:
        return None
    return Image.frombytes("L", (width, height), bytes(255 * label for label in labels))


def _weight(part: list[int], width: int, height: int) -> float:
    """The size of a part; what lies far from the middle of the picture counts down to a quarter of it."""
    across = sum(place % width for place in part) / len(part) / width - 0.5
    down = sum(place // width for place in part) / len(part) / height - 0.5
    return len(part) * max(0.25, 1 - 1.7 * math.hypot(across, down))


def _parts(labels: list[int], width: int, height: int) -> list[list[int]]:
    """The connected areas of one label each."""
    total = width * height
    seen = bytearray(total)
    parts = []
    for start in range(total):
        if seen[start]:
            continue
        seen[start] = 1
        part, label = [start], labels[start]
        for here in part:
            column = here % width
            for there in (
                here - 1 if column else -1,
                here + 1 if column < width - 1 else -1,
                here - width,
                here + width,
            ):
                if 0 <= there < total and not seen[there] and labels[there] == label:
                    seen[there] = 1
                    part.append(there)
        parts.append(part)
    return parts
