"""What open-air scenes share: skies, clouds, crests."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from imagewright.imaging.drafting.colour import Colour, lightness, mix

if TYPE_CHECKING:
    from imagewright.imaging.drafting.brush import Canvas, Point
    from imagewright.imaging.drafting.palette import Palette

DARK_SKY = 0.45
"""OKLab lightness of the upper sky below which stars show."""


def sky(canvas: Canvas, palette: Palette, sun: Point, radius: float) -> None:
    """Gradient, stars where it is dark, and the sun with its light."""
    canvas.backdrop(palette.sky)
    if lightness(palette.sky[0]) < DARK_SKY:
        stars(canvas, palette, canvas.height * 0.55)
    canvas.light(sun, radius * 3.4, palette.sun, 0.55)
    canvas.disc(sun, radius, (palette.sun, mix(palette.sun, palette.sky[-1], 0.25)))


def stars(canvas: Canvas, palette: Palette, depth: float) -> None:
    """Small points of light, fewer towards `depth`."""
    for _ in range(int(canvas.width * depth / canvas.unit**2 * 110)):
        place = (canvas.span(0, canvas.width), depth * canvas.rng.random() ** 1.5)
        shine = canvas.rng.random() ** 3
        tone = mix(palette.sky[0], palette.sun, round(0.45 + 0.55 * shine, 2))
        canvas.disc(place, canvas.unit * (0.0009 + 0.0022 * shine), tone)


def clouds(canvas: Canvas, palette: Palette, level: float) -> None:
    """A few flat clouds above `level`."""
    tone = mix(palette.sky[-1], palette.sun, 0.5)
    for _ in range(4):
        y = level * canvas.span(0.2, 0.82)
        x, long = canvas.width * canvas.rng.random(), canvas.unit * canvas.span(0.18, 0.5)
        thick = canvas.unit * canvas.span(0.008, 0.016)
        for offset, part in ((0.0, 1.0), (0.3, 0.55)):
            left = x - long / 2 + long * offset
            bar(canvas, (left, y - thick * 1.6 * (part < 1)), long * part, thick, mix(palette.sky[1], tone, 0.6))


def bar(canvas: Canvas, start: Point, long: float, thick: float, tone: Colour) -> None:
    """A level stroke to the right that tapers at both ends."""
    left, y = start
    upper = [(left + long * i / 12, y - thick * math.sin(math.pi * i / 12) ** 0.6 / 2) for i in range(13)]
    lower = [(x, 2 * y - py) for x, py in reversed(upper)]
    canvas.fill([*upper, *lower], tone)


def ridge(canvas: Canvas, level: float, height: float, across: float, *, peaks: bool = False) -> list[Point]:
    """A crest from left to right, around `level`.

    Args:
        canvas: whose width it spans and whose chance it takes.
        level: its middle.
        height: how far the broadest swell rises and falls.
        across: how long that swell is.
        peaks: pointed as mountains are, and rougher.
    """
    finer = 0.5 if peaks else 0.34
    waves = [(height * finer**octave, 2**octave / across, canvas.span(0, math.tau)) for octave in range(6)]
    step = max(2.0, canvas.unit / 260)
    points = []
    for index in range(int(canvas.width / step) + 2):
        turn = math.tau * index * step
        if peaks:
            lift = sum(size * (1 - 2 * abs(math.sin(turn * pace / 2 + phase))) for size, pace, phase in waves)
        else:
            lift = sum(size * math.sin(turn * pace + phase) for size, pace, phase in waves)
        points.append((index * step, level - lift))
    return points


def down(canvas: Canvas, crest: list[Point]) -> list[Point]:
    """The crest closed along the bottom of the picture."""
    return [*crest, (canvas.width + 2, canvas.height + 2), (-2, canvas.height + 2)]
