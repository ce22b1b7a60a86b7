"""How many pixels a wish for a shape and a size class means."""

from __future__ import annotations

import math
import re

STEP = 8
"""Sides are multiples of this many pixels, as image models make them."""
CLASS = 1024
"""Pixels that `1K` stands for: the side of the square whose area a picture of the class comes nearest to."""


def ratio_of(text: str) -> tuple[int, int] | None:
    """`16:9` as (16, 9), in lowest terms; None for anything else, such as `auto`."""
    found = re.fullmatch(r"\s*(\d{1,5})\s*:\s*(\d{1,5})\s*", text)
    if not found or not int(found[1]) or not int(found[2]):
        return None
    across, down = int(found[1]), int(found[2])
    shared = math.gcd(across, down)
    return across // shared, down // shared


def side_of(text: str) -> int | None:
    """The side of a size class in pixels: 2048 for `2K`, half of it for `0.5K`; None for anything else."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*[kK]\s*", text)
    return round(float(found[1]) * CLASS) if found and float(found[1]) else None


def size_for(ratio: tuple[int, int], side: int = CLASS) -> tuple[int, int]:
    """Width and height of exactly that ratio, both multiples of `STEP`, with the area nearest to `side` squared.

    16:9 in the 2K class is 2688 x 1512 px, 1:1 is 2048 x 2048 px. A ratio too fine for that (1000:999) is met to
    within half a pixel.
    """
    across, down = ratio
    times = side / math.sqrt(across * down)
    unit = round(times / STEP) * STEP
    if unit and abs(unit / times - 1) < 1 / STEP:
        return across * unit, down * unit
    return max(1, round(across * times)), max(1, round(down * times))


def resized_to(size: tuple[int, int], side: int) -> tuple[int, int]:
    """A size of the same shape with the area of a square of that side."""
    times = side / math.sqrt(size[0] * size[1])
    return max(1, round(size[0] * times)), max(1, round(size[1] * times))


def has_ratio(size: tuple[int, int], ratio: tuple[int, int]) -> bool:
    """Whether the size has that ratio to within a pixel."""
    return abs(size[0] * ratio[1] - size[1] * ratio[0]) < max(ratio)
