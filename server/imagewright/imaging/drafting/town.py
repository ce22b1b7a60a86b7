"""What people build, and what is above it: a skyline, a planet."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from imagewright.imaging.drafting.air import DARK_SKY, sky, stars
from imagewright.imaging.drafting.colour import Colour, lighter, lightness, mix

if TYPE_CHECKING:
    from imagewright.imaging.drafting.brush import Canvas, Point
    from imagewright.imaging.drafting.palette import Palette


def city(canvas: Canvas, palette: Palette) -> None:
    """Towers behind towers, windows lit in the closest."""
    width, height, unit = canvas.width, canvas.height, canvas.unit
    horizon = palette.sky[-1]
    sun = (width * canvas.span(0.25, 0.75), height * canvas.span(0.26, 0.42))
    sky(canvas, palette, sun, unit * canvas.span(0.12, 0.2))
    layers = 4
    for layer in range(layers):
        share = layer / (layers - 1)
        tone = mix(mix(palette.far, horizon, 0.3), palette.near, round(share**1.1, 3))
        level = height * (0.6 + 0.22 * share)
        x = -unit * 0.05 * canvas.rng.random()
        while x < width:
            wide = unit * canvas.span(0.05, 0.11) * (0.75 + 0.5 * share)
            tall = unit * canvas.span(0.02, 0.24) * (1.25 - 0.55 * share)
            shape = (x, level - tall, x + wide, height + 2.0)
            _tower(canvas, palette, shape, tone, lit=share > 0.5)  # noqa: PLR2004 - the closer half
            x += wide + unit * canvas.span(0.0, 0.02) * share
        if layer < layers - 1:
            canvas.mist(level - unit * 0.06, height * 0.98, horizon, 0.42 * (1 - share))


def _tower(
    canvas: Canvas, palette: Palette, shape: tuple[float, float, float, float], tone: Colour, *, lit: bool
) -> None:
    left, top, right, bottom = (round(side) for side in shape)
    wide = right - left
    canvas.fill([(left, top), (right, top), (right, bottom), (left, bottom)], (lighter(tone, 0.03), tone))
    crown = canvas.rng.random()
    if crown < 0.22:  # noqa: PLR2004 - the share of stepped crowns
        for step in (1, 2):
            inset, rise = wide * 0.17 * step, wide * 0.22 * step
            canvas.fill(_block(left + inset, top - rise, right - inset, top + 1), lighter(tone, 0.03))
        canvas.line([(left + wide / 2, top), (left + wide / 2, top - wide * 1.1)], max(1.0, wide * 0.035), tone)
    elif crown < 0.36:  # noqa: PLR2004 - the share of slanted roofs
        canvas.fill([(left, top + 1), (right, top + 1), (right, top - wide * 0.45)], lighter(tone, 0.03))
    elif crown < 0.46:  # noqa: PLR2004 - the share of domes
        canvas.oval((left + wide / 2, top), wide * 0.36, wide * 0.36, lighter(tone, 0.03))
    if not lit:
        return
    columns = max(2, int(wide / (canvas.unit * 0.017)))
    cell = wide / (columns + 0.6)
    lit_ones: list[list[Point]] = []
    dim_ones: list[list[Point]] = []
    for row in range(int((canvas.height - top) / (cell * 1.45))):
        for column in range(columns):
            chance = canvas.rng.random()
            if chance < 0.62:  # noqa: PLR2004 - the share of windows that show at all
                x, y = left + cell * (0.52 + column), top + cell * (0.7 + row * 1.45)
                kind = lit_ones if chance < 0.2 else dim_ones  # noqa: PLR2004 - the share that is lit
                kind.append(_block(x, y, x + cell * 0.52, y + cell * 0.8))
    canvas.fill_all(dim_ones, mix(tone, palette.sun, 0.13))
    canvas.fill_all(lit_ones, mix(tone, mix(palette.sun, palette.accent, 0.15), 0.85))


def _block(left: float, top: float, right: float, bottom: float) -> list[Point]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def cosmos(canvas: Canvas, palette: Palette) -> None:
    """A ringed planet and its moons among stars."""
    width, height, unit = canvas.width, canvas.height, canvas.unit
    deep = palette.near if lightness(palette.sky[0]) >= DARK_SKY else palette.sky[0]
    haze = mix(deep, palette.far, 0.55)
    canvas.backdrop((lighter(deep, -0.05), deep, haze))
    canvas.light((width * canvas.span(0.1, 0.9), height * canvas.span(0.5, 0.9)), unit * 0.7, palette.accent, 0.2)
    canvas.light((width * canvas.span(0.1, 0.9), height * canvas.span(0.1, 0.5)), unit * 0.6, palette.far, 0.4)
    for _ in range(3):
        stars(canvas, palette, height * 1.0)
    centre = (width * canvas.span(0.42, 0.58), height * canvas.span(0.42, 0.52))
    radius = unit * canvas.span(0.2, 0.26)
    canvas.light(centre, radius * 1.9, palette.far, 0.35)
    tilt = canvas.span(-0.42, -0.2) * (1 if canvas.rng.random() < 0.5 else -1)  # noqa: PLR2004 - a coin
    wide = radius * canvas.span(1.75, 2.05)
    bands = (mix(palette.sun, palette.far, 0.2), mix(palette.accent, palette.far, 0.35), palette.sun)
    for half in (math.pi, 0.0):
        if half == 0.0:
            _globe(canvas, palette, centre, radius, tilt)
        for reach, thick, tone in ((1.0, 0.05, bands[0]), (0.88, 0.028, bands[1]), (0.8, 0.014, bands[2])):
            arc = _arc(centre, wide * reach, wide * reach * 0.24, tilt, half)
            inner = _arc(centre, wide * (reach - thick * 2), wide * (reach - thick * 2) * 0.24, tilt, half)
            canvas.fill([*arc, *reversed(inner)], tone)
    for _ in range(2):
        angle, far = canvas.span(0, math.tau), radius * canvas.span(1.5, 2.1)
        moon = (centre[0] + far * math.cos(angle), centre[1] + far * 0.85 * math.sin(angle))
        canvas.disc(moon, radius * canvas.span(0.05, 0.11), (palette.sun, mix(palette.sun, palette.near, 0.55)))


def _globe(canvas: Canvas, palette: Palette, centre: Point, radius: float, tilt: float) -> None:
    light, dark = mix(palette.accent, palette.sun, 0.35), mix(palette.near, palette.accent, 0.25)
    canvas.disc(centre, radius, (light, mix(light, palette.accent, 0.6), dark))
    for _ in range(6):
        offset = canvas.span(-0.85, 0.85)
        reach = radius * math.sqrt(1 - offset**2) * 0.985
        middle = (centre[0] + offset * radius * -math.sin(tilt), centre[1] + offset * radius * math.cos(tilt))
        thick = radius * canvas.span(0.02, 0.075)
        tone = mix(mix(light, dark, round(0.5 + offset * 0.5, 2)), palette.sun, round(canvas.span(0.05, 0.3), 2))
        band = [(math.cos(i * math.tau / 48), math.sin(i * math.tau / 48)) for i in range(48)]
        turned = [_turned((x * reach, y * thick), tilt) for x, y in band]
        canvas.fill([(middle[0] + x, middle[1] + y) for x, y in turned], tone)


def _arc(centre: Point, across: float, deep: float, tilt: float, start: float) -> list[Point]:
    """Half an ellipse turned by `tilt`."""
    angles = [start + math.pi * step / 40 for step in range(41)]
    turned = [_turned((across * math.cos(angle), deep * math.sin(angle)), tilt) for angle in angles]
    return [(centre[0] + x, centre[1] + y) for x, y in turned]


def _turned(point: Point, angle: float) -> Point:
    x, y = point
    return (x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle))
