"""What is nearest to what was refused: the allowed value, the argument. It is only named and never used instead."""

from __future__ import annotations

import math
import re
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

from imagewright.catalog.facts import PIXELS_PER_K
from imagewright.catalog.row import Argument, bare
from imagewright.text import LONGEST_COMPARED, closest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from imagewright.catalog.row import Limits, Scalar

SHAPE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*[:x/\u00d7*]\s*(\d+(?:\.\d+)?)\s*(?:px)?\s*", re.IGNORECASE)
SIZE_CLASS = re.compile(r"\s*(\d+(?:\.\d+)?)\s*k\s*", re.IGNORECASE)
PLAIN_NUMBER = re.compile(r"\s*[-+]?\d+(?:\.\d+)?\s*(?:x|px|%)?\s*", re.IGNORECASE)
SPOKEN_SHAPES = {"square": 1.0, "landscape": 4 / 3, "portrait": 3 / 4, "widescreen": 16 / 9, "vertical": 9 / 16}
"""What people say instead of a ratio, as width over height."""
SMALLEST_SIDE = 64
"""Pixels. Two numbers below this are a ratio, not a size."""


def arguments_called(name: str, known: Mapping[str, Argument]) -> list[str]:
    """The arguments for which a name is another word, such as `n` for `variants`.

    Some words stand for several: `size` may be the shape or the resolution.
    """
    word = bare(name) if len(name) <= LONGEST_COMPARED else ""
    return [key for key, one in known.items() if word in _bare_words(one.also)]


@cache
def _bare_words(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(bare, words))


def nearest_hint(limits: Limits, value: Any) -> str:
    """`; nearest allowed: ...`, or nothing when nothing is near."""
    close = nearest(limits, value)
    return "" if close is None else f"; nearest allowed: {close}"


def nearest(limits: Limits, value: Any) -> Scalar | None:
    """The allowed value nearest to this one; None when nothing is near or the limits do not apply to such a value.

    Aspect ratios are compared by shape (5:3 is nearest to 16:9), size classes by pixels, numbers by distance, words
    by likeness. A number given as text counts as that number. Nothing is near to a text of more than 100 characters.
    """
    if isinstance(value, str) and len(value) > LONGEST_COMPARED:
        return None
    if limits.values is not None:
        return _of_values(limits.values, value)
    if isinstance(limits, Argument) and limits.kind == "boolean":
        return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(str(value).lower())
    if limits.minimum is None and limits.maximum is None:
        return None
    number = _number(value)
    if number is None:
        return None
    if limits.minimum is not None:
        number = max(number, limits.minimum)
    if limits.maximum is not None:
        number = min(number, limits.maximum)
    whole = isinstance(limits, Argument) and limits.kind == "integer"
    return round(number) if whole or float(number).is_integer() else number


def nearest_ratio(width: int, height: int, ratios: Iterable[str]) -> str:
    """The ratio, such as `16:9`, whose shape is closest to the picture's, judged by proportion.

    Raises:
        ValueError: there are no ratios.
    """

    def distance(ratio: str) -> float:
        wide, high = map(int, ratio.split(":"))
        return abs(math.log(wide / high * height / width))

    return min(ratios, key=distance)


def _of_values(values: tuple[Scalar, ...], value: Any) -> Scalar | None:
    for exact in values:
        if str(exact).lower() == str(value).strip().lower():
            return exact
    for measure in (_shape, _pixels, _number):
        if (close := _closest(values, value, measure)) is not None:
            return close
    by_text = {str(one): one for one in values}
    return next((by_text[one] for one in closest(str(value), by_text)), None)


def _closest(values: Iterable[Scalar], value: Any, measure: Callable[[Any], float | None]) -> Scalar | None:
    """The value at the smallest distance; None when the wanted value or all of the allowed ones have no measure."""
    wanted = measure(value)
    measured = [(one, size) for one in values if (size := measure(one)) is not None]
    if wanted is None or not measured:
        return None
    return min(measured, key=lambda pair: abs(pair[1] - wanted))[0]


def _shape(value: Any) -> float | None:
    """Logarithm of width over height, so that 2:1 is as far from 1:1 as 1:2 is."""
    if not isinstance(value, str):
        return None
    if value.strip().lower() in SPOKEN_SHAPES:
        return math.log(SPOKEN_SHAPES[value.strip().lower()])
    found = SHAPE.fullmatch(value)
    if not found or float(found[1]) == 0 or float(found[2]) == 0:
        return None
    return math.log(float(found[1])) - math.log(float(found[2]))


def _pixels(value: Any) -> float | None:
    """Logarithm of the longer side that a size class, a size or a number of pixels stands for."""
    if isinstance(value, str) and (found := SIZE_CLASS.fullmatch(value)):
        side = float(found[1]) * PIXELS_PER_K
    elif isinstance(value, str) and (found := SHAPE.fullmatch(value)):
        side = max(float(found[1]), float(found[2]))
    else:
        side = _number(value) or 0.0
    return math.log(side) if side >= SMALLEST_SIDE else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and PLAIN_NUMBER.fullmatch(value):
        value = float(value.strip().lower().removesuffix("px").rstrip("x%").strip())
    if isinstance(value, int):  # JSON's may have more digits than a float can hold
        return max(min(value, sys.float_info.max), -sys.float_info.max)
    return value if isinstance(value, float) and math.isfinite(value) else None
