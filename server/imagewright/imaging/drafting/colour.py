"""Colours as people see them: mixing and lightness in OKLab (B. Ottosson, 2020), values as 8-bit sRGB."""

from __future__ import annotations

from functools import lru_cache

Colour = tuple[int, int, int]
"""Red, green, blue, each 0 to 255."""
Lab = tuple[float, float, float]
"""OKLab: lightness 0 to 1, then green to red and blue to yellow, each about -0.4 to 0.4."""


def hexed(text: str) -> Colour:
    """The colour written as `rrggbb`."""
    return (int(text[0:2], 16), int(text[2:4], 16), int(text[4:6], 16))


_KNEE = 0.0031308
"""Linear light below which sRGB is a straight line (IEC 61966-2-1)."""


def _linear(value: int) -> float:
    share = value / 255
    return share / 12.92 if share <= _KNEE * 12.92 else float(((share + 0.055) / 1.055) ** 2.4)


_LINEAR = tuple(_linear(value) for value in range(256))


def _byte(value: float) -> int:
    share = 12.92 * value if value <= _KNEE else 1.055 * value ** (1 / 2.4) - 0.055
    return min(255, max(0, round(share * 255)))


def to_lab(colour: Colour) -> Lab:
    """The colour in OKLab."""
    red, green, blue = (_LINEAR[value] for value in colour)
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    medium = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


def from_lab(lab: Lab) -> Colour:
    """The nearest colour a screen can show."""
    lightness, a, b = lab
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        _byte(4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short),
        _byte(-1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short),
        _byte(-0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short),
    )


@lru_cache(maxsize=4096)
def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`one` at share 0, `other` at share 1, evenly to the eye in between."""
    first, second = to_lab(one), to_lab(other)
    lightness, a, b = (x + (y - x) * share for x, y in zip(first, second, strict=True))
    return from_lab((lightness, a, b))


def lightness(colour: Colour) -> float:
    """How light it looks, 0 to 1."""
    return to_lab(colour)[0]


def lighter(colour: Colour, by: float) -> Colour:
    """The same hue, lighter by that much OKLab lightness (darker when negative)."""
    first, a, b = to_lab(colour)
    return from_lab((min(1.0, max(0.0, first + by)), a, b))


def ramp(stops: tuple[Colour, ...], count: int) -> list[Colour]:
    """`count` colours from the first stop to the last, evenly to the eye."""
    if len(stops) == 1 or count == 1:
        return [stops[0]] * count
    spans = len(stops) - 1
    colours = []
    for index in range(count):
        place = index / (count - 1) * spans
        span = min(int(place), spans - 1)
        colours.append(mix(stops[span], stops[span + 1], round(place - span, 4)))
    return colours
