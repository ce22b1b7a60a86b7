"""Pure shapes: a grid of quarter circles, discs, triangles and stripes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from imagewright.imaging.drafting.colour import Colour, mix

if TYPE_CHECKING:
    from imagewright.imaging.drafting.brush import Canvas, Point
    from imagewright.imaging.drafting.palette import Palette


def pattern(canvas: Canvas, palette: Palette) -> None:
    """A tiling in the palette's colours, each tile another figure."""
    across = max(3, round(4 * canvas.width / canvas.unit))
    cell = canvas.width / across
    rows = math.ceil(canvas.height / cell)
    sky = mix(palette.sky[0], palette.far, 0.3)
    tones = (palette.accent, palette.near, palette.far, palette.sun, palette.paper, sky)
    canvas.backdrop((palette.paper, palette.paper))
    top = (canvas.height - rows * cell) / 2
    ground = 0
    for index in range(rows * across):
        # Never the colour of the tile before, and never a figure in the colour of its ground.
        ground = _other(canvas, ground, len(tones))
        figure = _other(canvas, ground, len(tones))
        tile = Tile(((index % across) * cell, top + (index // across) * cell), cell, int(canvas.rng.random() * 4))
        canvas.fill(tile.square, tones[ground])
        draw = FIGURES[int(canvas.rng.random() * len(FIGURES))]
        draw(canvas, tile, tones[figure], mix(tones[ground], tones[figure], 0.5))


def _other(canvas: Canvas, index: int, count: int) -> int:
    return (index + 1 + int(canvas.rng.random() * (count - 1))) % count


class Tile:
    """One cell of the grid.

    Attributes:
        side: its side in pixels.
        turn: quarter turns its figure is rotated by.
        square: its corners; the first is the one the figure starts from.
        middle: its centre.
    """

    def __init__(self, corner: Point, side: float, turn: int) -> None:
        (x, y), over = corner, side + 0.5  # half a pixel over, so that no seam shows
        corners = [(x, y), (x + over, y), (x + over, y + over), (x, y + over)]
        self.side, self.turn = side, turn
        self.square = corners[turn:] + corners[:turn]
        self.middle = (x + side / 2, y + side / 2)

    def along(self, edge: int, share: float) -> Point:
        """A point on an edge of the square, `share` of the way along it."""
        (x, y), (to_x, to_y) = self.square[edge % 4], self.square[(edge + 1) % 4]
        return (x + (to_x - x) * share, y + (to_y - y) * share)

    def sector(self, centre: Point, radius: float, start: int, quarters: int) -> list[Point]:
        """Part of a circle, from `start` quarter turns on."""
        angles = [math.pi / 2 * (start + quarters * step / 30) for step in range(31)]
        arc = [(centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle)) for angle in angles]
        return [centre, *arc]


def _quarters(canvas: Canvas, tile: Tile, tone: Colour, between: Colour) -> None:
    for share, paint in ((1.0, tone), (0.5, between)):
        canvas.fill(tile.sector(tile.square[0], tile.side * share, tile.turn, 1), paint)


def _rings(canvas: Canvas, tile: Tile, tone: Colour, between: Colour) -> None:
    for share, paint in ((1.0, tone), (0.7, between), (0.4, tone)):
        canvas.fill(tile.sector(tile.square[0], tile.side * share, tile.turn, 1), paint)


def _target(canvas: Canvas, tile: Tile, tone: Colour, between: Colour) -> None:
    canvas.disc(tile.middle, tile.side * 0.36, tone)
    canvas.disc(tile.middle, tile.side * 0.15, between)


def _triangle(canvas: Canvas, tile: Tile, tone: Colour, _: Colour) -> None:
    canvas.fill(tile.square[:3], tone)


def _halves(canvas: Canvas, tile: Tile, tone: Colour, between: Colour) -> None:
    canvas.fill(tile.sector(tile.along(0, 0.5), tile.side / 2, tile.turn, 2), tone)
    canvas.fill(tile.sector(tile.along(2, 0.5), tile.side / 2, tile.turn + 2, 2), between)


def _stripes(canvas: Canvas, tile: Tile, tone: Colour, _: Colour) -> None:
    for step in range(4):
        start, end = step / 4, (step + 0.5) / 4
        canvas.fill([tile.along(0, start), tile.along(2, 1 - start), tile.along(2, 1 - end), tile.along(0, end)], tone)


FIGURES = (_quarters, _target, _triangle, _halves, _rings, _stripes)
