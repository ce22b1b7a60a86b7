"""Several pictures on one: rows that fill the panel with as little cropping as can be."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageOps

from imagewright.imaging.drafting.lettering import CAPITALS, width_of, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagewright.imaging.drafting.palette import Palette

GAP = 0.012
"""Between the pictures, as a share of the panel's shorter side."""


def collage(pictures: Sequence[Image.Image], size: tuple[int, int], palette: Palette) -> Image.Image:
    """All the pictures in their order, each with its number.

    Args:
        pictures: RGB or RGBA, at least one.
        size: of the result, in pixels.
        palette: for the paper between them and the numbers.

    Returns:
        RGB of exactly that size.
    """
    sheet = Image.new("RGB", size, palette.paper)
    gap = max(1, round(min(size) * GAP))
    number = 0
    rows = _rows([picture.width / picture.height for picture in pictures], size[0] / size[1])
    natural = [1 / sum(picture.width / picture.height for picture in pictures[start:end]) for start, end in rows]
    room = size[1] - gap * (len(rows) - 1)
    y = 0.0
    for (start, end), share in zip(rows, natural, strict=True):
        tall = room * share / sum(natural)
        shapes = [picture.width / picture.height for picture in pictures[start:end]]
        wide = size[0] - gap * (len(shapes) - 1)
        x = 0.0
        for picture, shape in zip(pictures[start:end], shapes, strict=True):
            across = wide * shape / sum(shapes)
            box = (round(x), round(y), max(round(x) + 1, round(x + across)), max(round(y) + 1, round(y + tall)))
            number += 1
            _place(sheet, picture, box, palette)
            _number(sheet, box, str(number), palette)
            x += across + gap
        y += tall + gap
    return sheet


def _rows(shapes: list[float], panel: float) -> list[tuple[int, int]]:
    """Where each row starts and ends, so that the rows at full width are together as tall as the panel."""
    count = len(shapes)
    best, chosen = float("inf"), [(0, count)]
    for breaks in range(count):
        for inner in combinations(range(1, count), breaks):
            rows = list(pairwise((0, *inner, count)))
            heights = [1 / sum(shapes[start:end]) for start, end in rows]
            stretch = sum(heights) * panel
            areas = [
                tall * tall * shape
                for (start, end), tall in zip(rows, heights, strict=True)
                for shape in shapes[start:end]
            ]
            # Pictures of very different size look like an accident.
            cost = max(stretch, 1 / stretch) + 0.3 * (max(areas) / min(areas)) ** 0.5
            if cost < best:
                best, chosen = cost, rows
    return chosen


def _place(sheet: Image.Image, picture: Image.Image, box: tuple[int, int, int, int], palette: Palette) -> None:
    size = (box[2] - box[0], box[3] - box[1])
    fitted = ImageOps.fit(picture, size, Image.Resampling.LANCZOS)
    if fitted.mode == "RGBA":
        ground = Image.new("RGB", size, palette.sky[-1])
        ground.paste(fitted, mask=fitted.getchannel("A"))
        fitted = ground
    sheet.paste(fitted, box[:2])


def _number(sheet: Image.Image, box: tuple[int, int, int, int], text: str, palette: Palette) -> None:
    size = max(9, round(min(sheet.size) * 0.024))
    side = round(size * 1.7)
    right, bottom = box[2], box[3]
    ImageDraw.Draw(sheet).rectangle((right - side, bottom - side, right, bottom), fill=palette.paper)
    at = (right - side / 2 - width_of(text, size) / 2, bottom - side / 2 + size * CAPITALS / 2)
    write(sheet, at, text, size, palette.ink)
