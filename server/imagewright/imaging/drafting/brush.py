"""The few strokes every scene is painted with: gradients, smooth-edged shapes, glows, grain."""

from __future__ import annotations

import math
import random
from functools import lru_cache
from typing import TYPE_CHECKING

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from imagewright.imaging.drafting.colour import Colour, ramp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Point = tuple[float, float]
Paint = Colour | tuple[Colour, ...]
"""One colour, or several from the top of the shape to its bottom."""

SMOOTHING = 2
"""Shapes are drawn this many times larger and averaged down, for smooth edges."""
STEPS = 96
"""Colours a gradient is computed with; the resampling fills in between."""
TILE = 128
"""Side of the tile grain is repeated from, in pixels: small enough for PNG to find the repetition, which makes
files a third of the size, and too fine to be seen."""


def gradient(size: tuple[int, int], stops: tuple[Colour, ...]) -> Image.Image:
    """A picture that runs through the colours from top to bottom."""
    strip = Image.new("RGB", (1, STEPS))
    strip.putdata(ramp(stops, STEPS))
    return strip.resize(size, Image.Resampling.BICUBIC)


def glow(diameter: int) -> Image.Image:
    """A soft round light as a mask: 255 in the middle, 0 at the rim."""
    light = ImageChops.invert(Image.radial_gradient("L"))
    # The built-in gradient reaches 0 only in the corners; this brings the rim of the circle to 0.
    eased = [round(255 * max(0.0, (value / 255 - 0.29) / 0.71) ** 2) for value in range(256)]
    return light.point(eased).resize((diameter, diameter), Image.Resampling.BICUBIC)


class Canvas:
    """A picture being painted; all measures in pixels.

    Attributes:
        image: what has been painted so far.
        width: its width.
        height: its height.
        unit: its shorter side, which sizes of things are given in.
        rng: the only source of chance.
    """

    def __init__(self, size: tuple[int, int], rng: random.Random) -> None:
        self.image = Image.new("RGB", size)
        self.width, self.height = size
        self.unit = min(size)
        self.rng = rng

    def span(self, low: float, high: float) -> float:
        """A number drawn between the two."""
        return low + (high - low) * self.rng.random()

    def backdrop(self, stops: tuple[Colour, ...]) -> None:
        """Cover everything with a gradient."""
        self.image = gradient(self.image.size, stops)

    def fill(self, outline: Sequence[Point], paint: Paint) -> None:
        """A closed shape."""
        self._stamp(bounds(outline), paint, lambda draw, place: draw.polygon(place(outline), fill=255))

    def fill_all(self, outlines: Sequence[Sequence[Point]], paint: Paint) -> None:
        """Many closed shapes in one stroke, which is quicker; a gradient spans them all."""

        def draw_each(draw: ImageDraw.ImageDraw, place: Callable[[Sequence[Point]], list[Point]]) -> None:
            for outline in outlines:
                draw.polygon(place(outline), fill=255)

        if outlines:
            self._stamp(bounds([point for outline in outlines for point in outline]), paint, draw_each)

    def oval(self, centre: Point, across: float, down: float, paint: Paint) -> None:
        """An ellipse with the given half axes."""
        box = [(centre[0] - across, centre[1] - down), (centre[0] + across, centre[1] + down)]
        self._stamp(bounds(box), paint, lambda draw, place: draw.ellipse(place(box), fill=255))

    def disc(self, centre: Point, radius: float, paint: Paint) -> None:
        """A circle."""
        self.oval(centre, radius, radius, paint)

    def line(self, points: Sequence[Point], width: float, paint: Paint) -> None:
        """A line through the points, with round joints."""
        box = bounds(points, width)
        thick = max(1, round(width * SMOOTHING))
        self._stamp(box, paint, lambda draw, place: draw.line(place(points), fill=255, width=thick, joint="curve"))

    def light(self, centre: Point, radius: float, colour: Colour, strength: float = 1.0) -> None:
        """A glow around a point; strength 0 to 1."""
        mask = glow(max(2, round(radius * 2))).point([round(value * strength) for value in range(256)])
        self.image.paste(colour, (round(centre[0] - radius), round(centre[1] - radius)), mask)

    def mist(self, top: float, bottom: float, colour: Colour, strength: float) -> None:
        """A veil that thickens from `top` to `bottom` and stays as thick below; strength 0 to 1."""
        first, last = round(top), max(round(top) + 1, round(bottom))
        veil = Image.new("L", (self.width, max(last, self.height) - first), round(255 * strength))
        eased = [round(255 * strength * (3 - 2 * value / 255) * (value / 255) ** 2) for value in range(256)]
        rising = Image.linear_gradient("L").point(eased)
        veil.paste(rising.resize((self.width, last - first), Image.Resampling.BICUBIC))
        self.image.paste(colour, (0, first), veil)

    def _stamp(
        self,
        box: tuple[int, int, int, int],
        paint: Paint,
        draw_on: Callable[[ImageDraw.ImageDraw, Callable[[Sequence[Point]], list[Point]]], None],
    ) -> None:
        left, top, right, bottom = box
        left, top, right, bottom = max(left, 0), max(top, 0), min(right, self.width), min(bottom, self.height)
        if right <= left or bottom <= top:
            return
        large = Image.new("L", ((right - left) * SMOOTHING, (bottom - top) * SMOOTHING))

        def place(points: Sequence[Point]) -> list[Point]:
            return [((x - left) * SMOOTHING, (y - top) * SMOOTHING) for x, y in points]

        draw_on(ImageDraw.Draw(large), place)
        self.image.paste(self._painted(box, (left, top, right, bottom), paint), (left, top), large.reduce(SMOOTHING))

    @staticmethod
    def _painted(whole: tuple[int, int, int, int], shown: tuple[int, int, int, int], paint: Paint) -> Image.Image:
        size = (shown[2] - shown[0], shown[3] - shown[1])
        if isinstance(paint[0], int):
            return Image.new("RGB", size, paint)
        column = gradient((1, whole[3] - whole[1]), paint)
        return column.crop((0, shown[1] - whole[1], 1, shown[3] - whole[1])).resize(size, Image.Resampling.NEAREST)


def bounds(points: Sequence[Point], margin: float = 0) -> tuple[int, int, int, int]:
    """The box in whole pixels around the points: left, top, right, bottom."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    low_x, low_y = math.floor(min(xs) - margin), math.floor(min(ys) - margin)
    return (low_x, low_y, math.ceil(max(xs) + margin) + 1, math.ceil(max(ys) + margin) + 1)


@lru_cache(maxsize=4)
def _tile(amplitude: int) -> Image.Image:
    """Paper grain around mid grey, the same every time; amplitude in 8-bit steps to either side."""
    rough = Image.frombytes("L", (TILE, TILE), random.Random(TILE).randbytes(TILE * TILE))  # noqa: S311 - texture
    fine = rough.filter(ImageFilter.GaussianBlur(0.7))
    return fine.point([max(0, min(255, round(128 + (value - 128) * amplitude / 60))) for value in range(256)])


def grained(image: Image.Image, amplitude: int = 4) -> Image.Image:
    """The RGB picture with an even grain over it, which also hides the steps of its gradients."""
    tile = _tile(amplitude)
    sheet = Image.new("L", image.size)
    for top in range(0, image.height, TILE):
        for left in range(0, image.width, TILE):
            sheet.paste(tile, (left, top))
    return ImageChops.add(image, Image.merge("RGB", (sheet, sheet, sheet)), 1, -128)


def curve(points: Sequence[Point], steps: int = 12) -> list[Point]:
    """A smooth line through all the points (Catmull-Rom)."""
    if len(points) < 3:  # noqa: PLR2004 - two points make a straight line
        return list(points)
    ends = [points[0], *points, points[-1]]
    smooth: list[Point] = []
    for before, start, end, after in zip(ends, ends[1:], ends[2:], ends[3:], strict=False):
        for step in range(steps):
            t = step / steps
            smooth.append(
                (
                    _between(before[0], start[0], end[0], after[0], t),
                    _between(before[1], start[1], end[1], after[1], t),
                )
            )
    return [*smooth, points[-1]]


def _between(before: float, start: float, end: float, after: float, t: float) -> float:
    return 0.5 * (
        2 * start
        + (end - before) * t
        + (2 * before - 5 * start + 4 * end - after) * t * t
        + (3 * start - before - 3 * end + after) * t * t * t
    )
