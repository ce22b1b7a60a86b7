"""Limits on the size and sides of pictures."""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING

from imagewright.imaging.limiter import INPUT_MAX_PIXELS
from imagewright.text import byte_size

if TYPE_CHECKING:
    from imagewright.catalog.row import PictureLimits
    from imagewright.imaging.files import Measured, PictureFacts

MEGA = 1_000_000


def size_problems(measured: Measured, limits: PictureLimits) -> list[str]:
    """What is too large or too small about an input picture, one sentence each."""
    problems = []
    sides = f"is {measured.width}x{measured.height} px"
    pixels = measured.width * measured.height
    if measured.size > limits.max_bytes:
        problems.append(f"has {byte_size(measured.size)}; the limit is {byte_size(limits.max_bytes)}")
    if limits.max_megapixels is not None and pixels > limits.max_megapixels * MEGA:
        problems.append(f"{sides} ({pixels / MEGA:.1f} megapixels); the limit is {limits.max_megapixels:g} megapixels")
    elif pixels > (most := INPUT_MAX_PIXELS[measured.format]):
        problems.append(
            f"{sides} ({pixels / MEGA:.1f} megapixels); as {measured.format.upper()} at most {most / MEGA:.0f} "
            "megapixels are taken: give a smaller one"
        )
    if min(measured.width, measured.height) < limits.min_side:
        problems.append(f"{sides}; each side needs at least {limits.min_side} px")
    if limits.max_side is not None and max(measured.width, measured.height) > limits.max_side:
        problems.append(f"{sides}; each side may have at most {limits.max_side} px")
    return problems


def pixels_problem(facts: PictureFacts, most: int) -> str:
    """Why a picture has too many pixels for one vendor, with the largest size that would do; empty where it fits."""
    pixels = facts.width * facts.height
    if pixels <= most:
        return ""
    width = max(1, min(isqrt(most * facts.width // facts.height), most))
    height = max(1, min(width * facts.height // facts.width, most // width))
    return (
        f"is {facts.width}x{facts.height} px, {pixels:,} pixels in all, and the limit is {most:,}: "
        f"made smaller, to {width}x{height} px, it would do"
    )


def ratio_value(ratio: str) -> float:
    """`16:9` as a number."""
    width, height = ratio.split(":")
    return float(width) / float(height)


def nearest_ratio(width: int, height: int, ratios: tuple[str, ...]) -> str:
    """The ratio whose shape is closest to the picture's, judged by proportion."""
    shape = width / height
    return min(ratios, key=lambda ratio: max(ratio_value(ratio) / shape, shape / ratio_value(ratio)))
