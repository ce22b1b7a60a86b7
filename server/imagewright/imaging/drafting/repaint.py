"""New content exactly where a mask asks for it; all else keeps its pixels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from imagewright.imaging.drafting.colour import mix
from imagewright.imaging.drafting.lettering import CAPITALS, fitted, write_block
from imagewright.imaging.drafting.poster import MARK, Box
from imagewright.imaging.drafting.relight import mark_width, write_mark

if TYPE_CHECKING:
    from imagewright.imaging.drafting.palette import Palette

MARKS = (MARK, "DRAFT")
"""The mark, and its shorter form for narrow areas."""
GRID = 64
"""Cells the longer side is divided into to look for room for lettering."""
HATCH = 0.03
"""Distance of the hatching's lines, as a share of the shorter side."""


def repaint(image: Image.Image, mask: Image.Image, content: Image.Image, palette: Palette, words: str) -> Image.Image:
    """Fill the masked part of a picture with other content, hatched, outlined, and labelled where there is room.

    Args:
        image: RGB or RGBA.
        mask: of the same size; 255 is repainted, 0 is kept, in between is blended.
        content: RGB of the same size.
        palette: for hatching and label.
        words: the instruction.

    Returns:
        The picture, of the image's mode. Where the mask is 0, its pixels are the image's own.
    """
    short = min(image.size)
    fresh = content.convert("RGB")
    fresh.paste(mix(palette.paper, palette.sun, 0.3), mask=_hatching(image.size, short))
    # A box blur is full only where its whole window is: an erosion at the same speed for any width.
    core = mask.filter(ImageFilter.BoxBlur(max(1, short * 0.004))).point([0] * 255 + [255])
    rim = ImageChops.subtract(mask, core)
    fresh.paste(palette.accent, mask=rim)
    room = widest_room(mask)
    if room is not None:
        _label(fresh, room, palette, words, short)
    if image.mode == "RGBA":
        fresh.putalpha(255)
    return Image.composite(fresh, image, mask)


def _hatching(size: tuple[int, int], short: int) -> Image.Image:
    lines = Image.new("L", size)
    draw = ImageDraw.Draw(lines)
    step, thick = max(6, round(short * HATCH)), max(1, round(short * 0.002))
    for start in range(-size[1], size[0], step):
        draw.line((start, size[1], start + size[1], 0), fill=70, width=thick)
    return lines


def _label(image: Image.Image, room: Box, palette: Palette, words: str, short: int) -> None:
    """A card with the mark and as much of the instruction as the room holds; nothing where not even the mark fits."""
    small = max(7, round(short * 0.0175))
    pad = small * 1.1
    mark = next((text for text in MARKS if mark_width(text, small) + 2 * pad <= room.width), None)
    if mark is None or room.height < small * 3:
        return
    wide = max(min(room.width * 0.86, short * 0.5), mark_width(mark, small) + 2 * pad)
    height = min(room.height * 0.86, short * 0.3) - 3.2 * small - pad
    block = fitted(words, (wide - 2 * pad, height), short * 0.04, short * 0.0165) if height > small else None
    tall = 2 * pad + small * CAPITALS + (small * 1.1 + block.height + block.size * 0.2 if block else 0)
    left, top = room.left + (room.width - wide) / 2, room.top + (room.height - tall) / 2
    ImageDraw.Draw(image).rectangle(Box(left, top, wide, tall).corners, fill=palette.paper)
    write_mark(image, (left + pad, top + pad + small * CAPITALS), small, palette, mark)
    if block:
        write_block(image, (left + pad, top + pad + small * (CAPITALS + 1.1)), block, palette.ink)


def widest_room(mask: Image.Image) -> Box | None:
    """The largest upright rectangle that lies wholly in the mask, to the fineness of `GRID`; None if there is none."""
    cell = max(1.0, max(mask.size) / GRID)
    across, down = max(1, int(mask.width / cell)), max(1, int(mask.height / cell))
    cells = mask.resize((across, down), Image.Resampling.BOX).tobytes()
    best, found = 0, None
    heights = [0] * across
    for row in range(down):
        for column in range(across):
            heights[column] = heights[column] + 1 if cells[row * across + column] == 255 else 0  # noqa: PLR2004 - full
        for start in range(across):
            lowest = heights[start]
            for end in range(start, across):
                lowest = min(lowest, heights[end])
                if not lowest:
                    break
                # Lettering wants width more than height.
                size = lowest * (end - start + 1) ** 2
                if size > best:
                    best, found = size, (start, row - lowest + 1, end - start + 1, lowest)
    if found is None:
        return None
    wide, tall = mask.width / across, mask.height / down
    left, top = math.ceil(found[0] * wide), math.ceil(found[1] * tall)
    right, bottom = math.floor((found[0] + found[2]) * wide), math.floor((found[1] + found[3]) * tall)
    return Box(left, top, right - left, bottom - top)
