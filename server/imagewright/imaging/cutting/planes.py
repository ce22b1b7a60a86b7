"""Arithmetic on whole planes of numbers, one float per pixel, done by Pillow in C."""

from __future__ import annotations

from array import array
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
    linear = [_linear(band.convert("F")) for band in image.split()]
    roots = [_root(_weighed(linear, row)) for row in _CONES]
    first, second, third = (_weighed(roots, row) for row in _OPPONENTS)
    return first, second, third


def _linear(band: Plane) -> Plane:
    return compute(lambda given: (given["band"] / 255.0) ** 2.2, band=band)


def _root(plane: Plane) -> Plane:
    return compute(lambda given: (given["plane"] + 1e-6) ** (1 / 3), plane=plane)


def _weighed(planes: list[Plane], weights: tuple[float, float, float]) -> Plane:
    one, two, three = weights
    first, second, third = planes
    return compute(lambda given: given["a"] * one + given["b"] * two + given["c"] * three, a=first, b=second, c=third)
