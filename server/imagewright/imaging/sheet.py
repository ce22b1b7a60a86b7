"""A contact sheet: many pictures on one page, each with its title, as a photographer would lay them out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFilter

from imagewright.imaging.lettering import CAPITALS, lettered
from imagewright.imaging.pixels import encode, open_picture

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PAPER, INK, ACCENT, QUIET, LINE = "#f6f3ec", "#23262b", "#d9532c", "#75767a", "#d0cec8"
CHECKS = ("#ffffff", "#e7e4dd")

CELL = 460
"""Longest side of a picture on the sheet, in pixels."""
MARGIN = 72
GAP = 40
HEAD = 128
"""Rows the heading takes."""
FOOT = 78
"""Rows below a picture for its title and caption."""
CHECK = 12
"""Side of a square of the checkerboard that shows transparency."""
COLUMNS = (4, 5, 3)
"""Widths of the grid, the most pleasant first; that with the fewest empty places is taken."""


@dataclass(frozen=True, slots=True)
class SheetEntry:
    """One picture of a contact sheet."""

    picture: bytes | Path
    """The whole file, or where it is."""
    title: str
    """In ink below it."""
    caption: str
    """In grey below the title."""


def contact_sheet(entries: Sequence[SheetEntry], *, heading: str) -> bytes:
    """A PNG file of all the pictures, one or more, in a grid in their order, with a heading above them.

    Raises:
        PictureError: a picture cannot be read.
        StorageError: a file cannot be read.
    """
    thumbnails = [_thumbnail(entry) for entry in entries]
    count = len(entries)
    columns = count if count <= min(COLUMNS) else min(COLUMNS, key=lambda columns: -count % columns)
    rows = [thumbnails[start : start + columns] for start in range(0, len(thumbnails), columns)]
    # A row is as tall as its tallest picture, so that flat pictures do not leave holes.
    heights = [max(one.height for one in row) + FOOT for row in rows]
    width = 2 * MARGIN + columns * CELL + (columns - 1) * GAP
    height = MARGIN + HEAD + sum(heights) + GAP * (len(rows) - 1) + MARGIN // 2
    sheet = Image.new("RGB", (width, height), PAPER)
    _head(sheet, heading, len(entries))
    top = MARGIN + HEAD
    for number, (row, tall) in enumerate(zip(rows, heights, strict=True)):
        for column, thumbnail in enumerate(row):
            left = MARGIN + column * (CELL + GAP)
            index = number * columns + column
            _place(sheet, thumbnail, (left, top + tall - FOOT - thumbnail.height))
            _label(sheet, (left, top + tall - FOOT), index + 1, entries[index])
        top += tall + GAP
    return encode(sheet, "png")


def _thumbnail(entry: SheetEntry) -> Image.Image:
    image = open_picture(entry.picture)
    shrink = CELL / max(image.size)
    size = (max(1, round(image.width * shrink)), max(1, round(image.height * shrink)))
    small = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    if small.mode != "RGBA":
        return small
    ground = _checkerboard(size)
    ground.paste(small, mask=small.getchannel("A"))
    return ground


def _checkerboard(size: tuple[int, int]) -> Image.Image:
    tile = Image.new("RGB", (2 * CHECK, 2 * CHECK), CHECKS[0])
    for corner in ((0, 0), (CHECK, CHECK)):
        tile.paste(CHECKS[1], (*corner, corner[0] + CHECK, corner[1] + CHECK))
    board = Image.new("RGB", size)
    for top in range(0, size[1], tile.height):
        for left in range(0, size[0], tile.width):
            board.paste(tile, (left, top))
    return board


def _head(sheet: Image.Image, heading: str, count: int) -> None:
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((MARGIN, MARGIN, MARGIN + 18, MARGIN + 18), fill=ACCENT)
    counted = f"{count} pictures" if count != 1 else "1 picture"
    edge = sheet.width - MARGIN - lettered(counted).width(counted, 22)
    _write(sheet, (edge, MARGIN + 62), counted, 22, QUIET, edge=sheet.width)
    _write(sheet, (MARGIN, MARGIN + 62), heading, 38, INK, edge=edge - GAP)
    draw.rectangle((MARGIN, MARGIN + HEAD - 42, sheet.width - MARGIN, MARGIN + HEAD - 41), fill=LINE)


def _place(sheet: Image.Image, picture: Image.Image, at: tuple[int, int]) -> None:
    """The picture with a faint shadow, so that the edge of a white one can be seen."""
    reach = 14
    shadow = Image.new("L", (picture.width + 2 * reach, picture.height + 2 * reach))
    shadow.paste(64, (reach, reach + 4, reach + picture.width, reach + 4 + picture.height))
    sheet.paste(INK, (at[0] - reach, at[1] - reach), shadow.filter(ImageFilter.GaussianBlur(5)))
    sheet.paste(picture, at)


def _label(sheet: Image.Image, at: tuple[int, int], number: int, entry: SheetEntry) -> None:
    x, y, edge = at[0], at[1] + 20 + round(22 * CAPITALS), at[0] + CELL
    after = _write(sheet, (x, y), f"{number:02d}", 22, ACCENT, edge=edge) + 12
    _write(sheet, (after, y), entry.title, 22, INK, edge=edge)
    _write(sheet, (after, y + 27), entry.caption, 18, QUIET, edge=edge)


def _write(sheet: Image.Image, at: tuple[float, float], line: str, size: int, colour: str, *, edge: float) -> float:
    """Write a line that ends before the edge (a pixel column), and return the column behind its last letter."""
    text = lettered(line)
    shown = text.shortened(" ".join(text.paragraphs), size, edge - at[0])
    end = at[0] + text.width(shown, size)
    text.draw(sheet, (end if text.leftwards else at[0], at[1]), shown, size, colour)
    return end
