"""A person: head and shoulders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagewright.imaging.drafting.brush import Canvas, Point, curve
from imagewright.imaging.drafting.colour import Colour, lighter, mix

if TYPE_CHECKING:
    from imagewright.imaging.drafting.palette import Palette

# Outlines in heads: 1 is half a head's height, from the middle of the face, down and to the right.
LONG_HAIR = ((-1.04, -0.4), (-1.22, 0.8), (-1.3, 1.9), (0.0, 2.2), (1.3, 1.9), (1.22, 0.8), (1.04, -0.4), (0.0, -1.2))
SHOULDERS = ((-3.7, 6.0), (-2.75, 2.5), (-1.5, 1.85), (-0.5, 1.5), (0.5, 1.5), (1.5, 1.85), (2.75, 2.5), (3.7, 6.0))
NECK = ((-0.42, 0.6), (0.42, 0.6), (0.5, 1.6), (0.0, 2.15), (-0.5, 1.6))
SHADED_SIDE = ((0.0, -1.1), (0.3, -0.4), (0.12, 0.2), (0.26, 0.5), (0.05, 1.1), (0.55, 0.9), (0.84, 0.2), (0.8, -0.5))
LAPEL = ((0.5, 1.5), (1.05, 1.68), (0.66, 3.9), (0.04, 3.0))


def portrait(canvas: Canvas, palette: Palette) -> None:
    """Head and shoulders before a disc, half in light."""
    unit = canvas.unit
    canvas.backdrop((palette.sky[1], palette.sky[-1]))
    middle = canvas.width * canvas.span(0.47, 0.53)
    head = unit * 0.16
    face = (middle, canvas.height * 0.44)
    canvas.disc((middle, canvas.height * 0.46), unit * 0.37, (palette.sun, mix(palette.sun, palette.far, 0.3)))
    skin = mix(palette.far, palette.paper, round(canvas.span(0.1, 0.55), 2))
    shade = mix(skin, palette.near, 0.22)
    hair, coat = mix(palette.near, palette.far, 0.1), palette.accent

    def placed(outline: tuple[Point, ...], way: int = 1) -> list[Point]:
        return [(face[0] + way * x * head, face[1] + y * head) for x, y in outline]

    if canvas.rng.random() < 0.5:  # noqa: PLR2004 - a coin
        canvas.fill(curve(placed(LONG_HAIR)), (hair, lighter(hair, -0.03)))
    # The body goes on below the picture, whatever its shape.
    body = [
        *curve(placed(SHOULDERS)),
        (middle + head * 3.7, canvas.height + 2.0),
        (middle - head * 3.7, canvas.height + 2.0),
    ]
    canvas.fill(body, (coat, mix(coat, palette.near, 0.3)))
    canvas.fill(placed(NECK), shade)
    canvas.oval(face, head * 0.86, head * 1.12, skin)
    canvas.fill(curve(placed(SHADED_SIDE), 8), shade)
    _hair(canvas, face, head, hair)
    for way in (-1, 1):
        canvas.fill(placed(LAPEL, way), mix(coat, palette.near, 0.45))


def _hair(canvas: Canvas, face: Point, head: float, tone: Colour) -> None:
    parting = canvas.span(-0.5, 0.5)
    cap = [(-0.98, 0.25), (-1.04, -0.5), (-0.62, -1.2), (0.0, -1.36), (0.66, -1.2), (1.04, -0.5), (0.98, 0.25)]
    fringe = [(0.8, -0.25), (0.5, -0.62), (parting, -0.86), (-0.5, -0.6), (-0.8, -0.25), (-0.98, 0.25)]
    outline = curve([(face[0] + x * head, face[1] + y * head) for x, y in cap + fringe], 10)
    canvas.fill(outline, (lighter(tone, 0.06), tone))
