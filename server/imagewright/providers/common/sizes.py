"""Sizes in px that have a wanted shape and keep to what a model makes."""

from __future__ import annotations

import math
from dataclasses import dataclass

ROOM = 8
"""Steps by which a width may leave the ideal, for the sake of an exact shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeRule:
    """What sizes a model makes."""

    least_pixels: int
    """Width times height, at least."""
    most_pixels: int
    """Width times height, at most."""
    step: int = 1
    """Sides are multiples of it, in px."""
    longest: int = 1_000_000
    """Pixels of the longer side, at most."""
    shortest: int = 1
    """Pixels of the shorter side, at least."""
    widest: float = math.inf
    """The longer side over the shorter, at most."""

    def like(self, width: float, height: float, pixels: int) -> tuple[int, int]:
        """The size that is closest in shape to width over height, of about so many pixels.

        A shape longer than the model makes comes out as the longest it makes. A turned shape has the turned size.
        """
        if width < height:
            return self.like(height, width, pixels)[::-1]
        shape = min(max(width / height, 1 / self.widest), self.widest)
        area = min(max(pixels, self.least_pixels), self.most_pixels)
        ideal = min(math.sqrt(area * shape), self.longest, self.longest * shape)
        sizes = [self._sized(round(ideal / self.step) + steps, shape) for steps in range(-ROOM, ROOM + 1)]
        able = [size for size in sizes if self.allows(*size)] or [self._at_the_end(shape)]
        return min(able, key=lambda size: (round(abs(size[0] / size[1] / shape - 1), 3), abs(size[0] - ideal)))

    def allows(self, width: int, height: int) -> bool:
        """Whether the model makes that size."""
        long, short = max(width, height), min(width, height)
        return (
            short >= max(self.shortest, 1)
            and long <= self.longest
            and long <= self.widest * short
            and self.least_pixels <= width * height <= self.most_pixels
        )

    def _sized(self, steps: int, shape: float) -> tuple[int, int]:
        width = max(steps, 1) * self.step
        return width, max(round(width / shape / self.step), 1) * self.step

    def _at_the_end(self, shape: float) -> tuple[int, int]:
        """The longest size that the bounds allow, for a shape that rounding to steps has pushed outside of them."""
        short = self.step * max(
            1, math.ceil(max(self.shortest, math.sqrt(self.least_pixels / self.widest)) / self.step)
        )
        ratio = min(max(shape, 1 / shape), self.widest)
        long = min(int(short * ratio), self.longest) // self.step * self.step
        return (long, short) if shape >= 1 else (short, long)
