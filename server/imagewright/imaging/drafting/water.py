"""Water: the sea under a low sun."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagewright.imaging.drafting.air import bar, clouds, ridge, sky
from imagewright.imaging.drafting.brush import Canvas, Point, curve
from imagewright.imaging.drafting.colour import mix

if TYPE_CHECKING:
    from imagewright.imaging.drafting.palette import Palette


def sea(canvas: Canvas, palette: Palette) -> None:
    """Water under a low sun, its light on the waves, islands, a sail and a headland."""
    width, height, unit = canvas.width, canvas.height, canvas.unit
    level = height * canvas.span(0.52, 0.6)
    radius = unit * canvas.span(0.11, 0.17)
    sun = (width * canvas.span(0.28, 0.72), level - radius * canvas.span(0.35, 1.5))
    away = -1 if sun[0] > width / 2 else 1
    sky(canvas, palette, sun, radius)
    clouds(canvas, palette, level)
    for share in (0.2, 0.5):
        crest = ridge(canvas, level, unit * 0.03 * (1.4 - share), unit * canvas.span(1.0, 1.8), peaks=True)
        raised = [(x, min(y + unit * 0.03 * (0.4 + share), level)) for x, y in crest]
        tone = mix(palette.far, palette.near, round(share * 0.7, 2))
        canvas.fill([*raised, (width + 2, level), (-2, level)], tone)
    deep = mix(palette.near, palette.far, 0.3)
    surface = (mix(palette.far, palette.sky[-1], 0.45), mix(palette.far, deep, 0.5), deep, mix(deep, palette.near, 0.6))
    canvas.fill([(-2, level), (width + 2, level), (width + 2, height + 2), (-2, height + 2)], surface)
    _waves(canvas, palette, level)
    _glitter(canvas, palette, sun[0], level, radius)
    _sail(canvas, palette, (width * (0.5 + away * 0.27) + unit * canvas.span(-0.06, 0.06), level + unit * 0.055))
    _headland(canvas, palette, away, unit * canvas.span(0.2, 0.3))


def _waves(canvas: Canvas, palette: Palette, level: float) -> None:
    depth = canvas.height - level
    for _ in range(int(44 * canvas.width / canvas.unit)):
        share = canvas.rng.random() ** 0.8
        y = level + depth * (0.03 + 0.97 * share)
        long = canvas.unit * canvas.span(0.04, 0.16) * (0.4 + share)
        tone = mix(mix(palette.far, palette.near, round(0.2 + 0.6 * share, 2)), palette.sky[-1], 0.16)
        bar(canvas, (canvas.span(-long, canvas.width), y), long, max(1.2, canvas.unit * 0.006 * share), tone)


def _headland(canvas: Canvas, palette: Palette, away: int, tall: float) -> None:
    """A dark shore in the lower corner on the side given: -1 left, 1 right."""
    width, height = canvas.width, canvas.height
    near = width + 4.0 if away > 0 else -4.0
    steps = [(0.0, 1.0), (0.32, 0.86), (0.6, 0.8), (0.95, 0.46), (1.5, 0.3), (2.1, 0.06), (2.5, -0.1)]
    crest = curve([(near - away * tall * x, height - tall * y * canvas.span(0.92, 1.08)) for x, y in steps])
    canvas.fill([*crest, (near, height + 2.0)], (mix(palette.near, palette.far, 0.16), palette.near, palette.near))
    for _ in range(60):
        x, y = crest[int(canvas.rng.random() ** 1.6 * len(crest) * 0.62)]
        blade, lean = tall * canvas.span(0.05, 0.13), tall * canvas.span(-0.06, 0.06)
        canvas.line([(x, y + 2), (x + lean, y - blade)], max(1.0, canvas.unit * 0.0016), palette.near)


def _glitter(canvas: Canvas, palette: Palette, x: float, level: float, radius: float) -> None:
    depth = canvas.height - level
    rows = 26
    for row in range(rows):
        share = ((row + 0.6) / rows) ** 1.35
        y = level + depth * share * 0.92
        spread = radius * (1.0 - 0.45 * share) * canvas.span(0.35, 1.25)
        drift = radius * canvas.span(-0.3, 0.3)
        tone = mix(palette.sun, palette.far, round(0.15 + 0.55 * share, 2))
        bar(canvas, (x + drift - spread, y), spread * 2, max(1.5, canvas.unit * (0.003 + 0.011 * share)), tone)


def _sail(canvas: Canvas, palette: Palette, foot: Point) -> None:
    x, y = foot
    tall = canvas.unit * canvas.span(0.1, 0.14)
    cloth = mix(palette.paper, palette.sun, 0.3)
    main = curve([(x, y - tall), (x + tall * 0.28, y - tall * 0.5), (x + tall * 0.4, y - tall * 0.12)])
    canvas.fill([*main, (x, y - tall * 0.12)], cloth)
    jib = curve(
        [(x - tall * 0.03, y - tall * 0.92), (x - tall * 0.2, y - tall * 0.5), (x - tall * 0.3, y - tall * 0.14)]
    )
    canvas.fill([*jib, (x - tall * 0.03, y - tall * 0.12)], palette.accent)
    hull = [(x - tall * 0.36, y - tall * 0.08), (x + tall * 0.44, y - tall * 0.08), (x + tall * 0.3, y + tall * 0.04)]
    canvas.fill([*hull, (x - tall * 0.24, y + tall * 0.04)], palette.near)
