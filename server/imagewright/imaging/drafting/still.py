"""Close subjects: a table, a plant, a person, a pattern."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from imagewright.imaging.drafting.brush import Canvas, Point, curve
from imagewright.imaging.drafting.colour import Colour, lighter, mix

if TYPE_CHECKING:
    from imagewright.imaging.drafting.palette import Palette


def table(canvas: Canvas, palette: Palette) -> None:
    """A bowl of fruit, a jug and a cup before a round light."""
    width, height, unit = canvas.width, canvas.height, canvas.unit
    wall = mix(palette.sky[-1], palette.far, 0.25)
    canvas.backdrop((lighter(wall, -0.06), wall, lighter(wall, 0.05)))
    edge = height * canvas.span(0.66, 0.7)
    middle = width * canvas.span(0.44, 0.56)
    canvas.disc((middle, edge - unit * 0.27), unit * 0.31, (mix(palette.sun, wall, 0.1), mix(palette.sun, wall, 0.5)))
    top = mix(palette.far, palette.near, 0.5)
    canvas.fill(
        [(-2, edge), (width + 2, edge), (width + 2, height + 2), (-2, height + 2)],
        (lighter(top, 0.05), top, mix(top, palette.near, 0.5)),
    )
    side = 1 if canvas.rng.random() < 0.5 else -1  # noqa: PLR2004 - a coin
    foot = edge + (height - edge) * 0.32
    _jug(canvas, palette, (middle - side * unit * 0.21, foot - unit * 0.015), unit * canvas.span(0.36, 0.44), side)
    _bowl(canvas, palette, (middle + side * unit * 0.13, foot + unit * 0.03), unit * canvas.span(0.19, 0.23))
    _fruit(canvas, palette, (middle - side * unit * 0.33, foot + unit * 0.05), unit * 0.052)
    _fruit(canvas, palette, (middle - side * unit * 0.235, foot + unit * 0.075), unit * 0.046)


def _shade(canvas: Canvas, palette: Palette, foot: Point, wide: float) -> None:
    tone = mix(mix(palette.far, palette.near, 0.5), palette.near, 0.55)
    canvas.oval((foot[0] + wide * 0.3, foot[1]), wide * 1.15, wide * 0.13, tone)


def _lit(canvas: Canvas, outline: list[Point], tone: Colour, shadow: Colour, share: float) -> None:
    """A body lit from the left; `share` is how far the light reaches from the middle to the right rim."""
    canvas.fill(outline, (lighter(tone, 0.03), tone))
    middle = (min(x for x, _ in outline) + max(x for x, _ in outline)) / 2
    # The edge of the shadow is the left outline folded over, so it follows the form.
    canvas.fill([(x if x > middle else middle + (middle - x) * share, y) for x, y in outline], shadow)


def _jug(canvas: Canvas, palette: Palette, foot: Point, tall: float, side: int) -> None:
    x, y = foot
    _shade(canvas, palette, (x, y), tall * 0.3)
    profile = curve([(0.17, 0.0), (0.3, 0.16), (0.34, 0.36), (0.25, 0.6), (0.13, 0.76), (0.12, 0.88), (0.17, 1.0)])
    right = [(x + across * tall, y - up * tall) for across, up in profile]
    left = [(2 * x - px, py) for px, py in reversed(right)]
    tone = mix(palette.paper, palette.far, 0.18)
    handle = curve(
        [
            (x - side * tall * 0.14, y - tall * 0.9),
            (x - side * tall * 0.42, y - tall * 0.86),
            (x - side * tall * 0.46, y - tall * 0.6),
            (x - side * tall * 0.3, y - tall * 0.46),
        ]
    )
    canvas.line(handle, tall * 0.05, mix(tone, palette.near, 0.25))
    _lit(canvas, [*right, *left], tone, mix(tone, palette.near, 0.3), 0.12)
    canvas.oval((x, y - tall), tall * 0.17, tall * 0.03, mix(tone, palette.near, 0.55))
    stripe = [(px, py) for px, py in right if 0.24 < (y - py) / tall < 0.46]  # noqa: PLR2004 - where the belly is
    back = [(2 * x - px, py) for px, py in reversed(stripe)]
    _lit(canvas, [*stripe, *back], palette.accent, mix(palette.accent, palette.near, 0.35), 0.12)


def _bowl(canvas: Canvas, palette: Palette, foot: Point, wide: float) -> None:
    x, y = foot
    rim = y - wide * 0.72
    _shade(canvas, palette, foot, wide * 0.9)
    for across, up, size in (
        (-0.5, 0.12, 0.3),
        (0.5, 0.1, 0.29),
        (0.0, 0.2, 0.34),
        (-0.26, 0.42, 0.27),
        (0.3, 0.4, 0.28),
    ):
        _fruit(canvas, palette, (x + across * wide, rim - up * wide + size * wide), wide * size, shadow=False)
    half = [(math.cos(math.pi * step / 40), math.sin(math.pi * step / 40)) for step in range(41)]
    body = [(x + wide * across, rim + wide * 0.7 * abs(down) ** 0.8) for across, down in half]
    tone = mix(palette.near, palette.far, 0.4)
    _lit(canvas, body, tone, mix(tone, palette.near, 0.6), 0.16)
    canvas.fill(
        [
            (x - wide * 0.34, y - wide * 0.05),
            (x + wide * 0.34, y - wide * 0.05),
            (x + wide * 0.3, y + wide * 0.02),
            (x - wide * 0.3, y + wide * 0.02),
        ],
        mix(tone, palette.near, 0.6),
    )


def _fruit(canvas: Canvas, palette: Palette, foot: Point, radius: float, *, shadow: bool = True) -> None:
    x, y = foot[0], foot[1] - radius
    if shadow:
        _shade(canvas, palette, (x, foot[1]), radius * 0.9)
    tone = mix(palette.accent, palette.sun, round(canvas.span(0.0, 0.45), 2))
    around = [
        (x + radius * math.cos(i * math.tau / 60), y + radius * 0.96 * math.sin(i * math.tau / 60)) for i in range(60)
    ]
    _lit(canvas, around, tone, mix(tone, palette.near, 0.28), 0.2)
    canvas.oval((x - radius * 0.38, y - radius * 0.42), radius * 0.16, radius * 0.12, mix(tone, palette.paper, 0.55))
    canvas.line([(x, y - radius * 0.9), (x + radius * 0.08, y - radius * 1.16)], radius * 0.09, palette.near)


def plant(canvas: Canvas, palette: Palette) -> None:
    """Tall stems with leaves and blossoms before a round sun."""
    width, height, unit = canvas.width, canvas.height, canvas.unit
    canvas.backdrop((palette.sky[-1], mix(palette.sky[-1], palette.far, 0.3)))
    sun = (width * canvas.span(0.38, 0.62), height * canvas.span(0.36, 0.46))
    canvas.disc(sun, unit * canvas.span(0.26, 0.33), (palette.sun, mix(palette.sun, palette.far, 0.35)))
    stems = max(5, round(5 * width / unit))
    order = sorted(range(stems), key=lambda _: canvas.rng.random())
    for rank, slot in enumerate(order):
        share = rank / (stems - 1)
        foot = (width * (slot + canvas.span(0.25, 0.75)) / stems, height + unit * 0.03)
        tall = height * canvas.span(0.5, 0.82) * (1.05 - 0.3 * share)
        tone = mix(mix(palette.far, palette.near, 0.3), palette.near, round(share, 2))
        _stem(canvas, palette, foot, tall, tone)


def _stem(canvas: Canvas, palette: Palette, foot: Point, tall: float, tone: Colour) -> None:
    unit = canvas.unit
    bend = unit * canvas.span(-0.16, 0.16)
    spine = curve([foot, (foot[0] + bend * 0.2, foot[1] - tall * 0.45), (foot[0] + bend, foot[1] - tall)], 20)
    canvas.line(spine, unit * 0.006, tone)
    pairs = 5 + int(canvas.rng.random() * 4)
    kind = canvas.rng.random()
    for pair in range(pairs):
        share = (pair + 1) / (pairs + 1)
        at = spine[int(share * (len(spine) - 1))]
        long = unit * (0.19 - 0.12 * share) * canvas.span(0.85, 1.15)
        for side in (-1, 1):
            leaf(canvas, at, long, -math.pi / 2 + side * canvas.span(0.65, 1.0), tone)
    tip = spine[-1]
    if kind < 0.55:  # noqa: PLR2004 - the share of stems in bloom
        _blossom(canvas, palette, tip, unit * canvas.span(0.045, 0.07))
    else:
        leaf(canvas, tip, unit * 0.09, -math.pi / 2 + bend / unit, tone)


def leaf(canvas: Canvas, root: Point, long: float, angle: float, tone: Colour) -> None:
    """A pointed leaf in two halves, one lighter; `angle` in radians, 0 to the right and growing clockwise."""
    ahead, aside = (math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))

    def at(along: float, across: float) -> Point:
        x = root[0] + long * (along * ahead[0] + across * aside[0])
        return (x, root[1] + long * (along * ahead[1] + across * aside[1]))

    for way, paint in ((-1, lighter(tone, 0.035)), (1, tone)):
        edge = curve([at(0, 0), at(0.3, 0.17 * way), at(0.65, 0.13 * way), at(1, 0)], 10)
        canvas.fill([*edge, at(0, 0)], paint)


def _blossom(canvas: Canvas, palette: Palette, centre: Point, radius: float) -> None:
    petals = 7 + int(canvas.rng.random() * 4)
    turn = canvas.span(0, math.tau)
    for petal in range(petals):
        angle = turn + math.tau * petal / petals
        tone = lighter(palette.accent, 0.03 if petal % 2 else -0.02)
        reach = (centre[0] + radius * 0.62 * math.cos(angle), centre[1] + radius * 0.62 * math.sin(angle))
        canvas.disc(reach, radius * 0.4, tone)
    canvas.disc(centre, radius * 0.42, mix(palette.sun, palette.paper, 0.35))
