"""A picture in another light: what stands for an edit that only a model could make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageChops, ImageDraw, ImageOps

from imagewright.imaging.drafting.brush import glow
from imagewright.imaging.drafting.colour import lighter, mix
from imagewright.imaging.drafting.lettering import (
    CAPITALS,
    fitted,
    shortened,
    spaced_width,
    spelt,
    wrapped,
    write,
    write_block,
    write_spaced,
)
from imagewright.imaging.drafting.poster import MARK, Fact, remarks

if TYPE_CHECKING:
    from imagewright.imaging.drafting.palette import Palette

MOST_LINES = 3
"""Of the arguments on a card."""
GRADE = 0.42
"""How much of the palette comes over the picture's own colours."""


def relight(image: Image.Image, palette: Palette, seed: int) -> Image.Image:
    """The RGB or RGBA picture graded towards a palette, lit from one of the upper corners; its alpha stays."""
    colours = image.convert("RGB")
    grey = ImageOps.grayscale(colours)
    black, white = lighter(palette.near, -0.04), mix(palette.sun, palette.paper, 0.45)
    toned = ImageOps.colorize(grey, black, white, mid=mix(palette.far, palette.accent, 0.12))
    graded = Image.blend(colours, toned, GRADE)
    reach = round(max(image.size) * 1.5)
    lamp = Image.new("L", image.size)
    corner = (image.width if seed % 2 else 0, 0)
    lamp.paste(glow(reach), (corner[0] - reach // 2, corner[1] - reach // 2))
    sunlit = ImageChops.screen(graded, Image.new("RGB", image.size, palette.sun))
    result = Image.composite(sunlit, graded, lamp.point([round(value * 0.55) for value in range(256)]))
    if image.mode == "RGBA":
        result.putalpha(image.getchannel("A"))
    return result


def caption(image: Image.Image, palette: Palette, words: str, facts: list[Fact]) -> None:
    """Put a card with the mark, the instruction and what else was asked for on the lower left of a picture."""
    short = min(image.size)
    margin, pad = short * 0.045, short * 0.032
    small, wide = max(7, round(short * 0.0175)), min(image.width - 2 * margin, short * 0.72)
    room = wide - 2 * pad
    block = fitted(words, (room, short * 0.2), short * 0.05, short * 0.019)
    asked = "  ·  ".join(f"{fact.name} {spelt(fact.value)}" for fact in facts)
    lines = [*_lines(asked, small, room), *remarks(words, facts)]
    tall = pad * 2 + small * 2.1 + block.height + block.size * 0.35 + small * 1.5 * len(lines)
    left, top = margin, max(0.0, image.height - margin - tall)
    card = (round(left), round(top), round(left + wide), round(top + tall))
    draw = ImageDraw.Draw(image)
    draw.rectangle(card, fill=palette.paper)
    write_mark(image, (left + pad, top + pad + small * CAPITALS), small, palette)
    y = top + pad + small * 2.1
    write_block(image, (left + pad, y), block, palette.ink)
    y += block.height + block.size * 0.35 + small * 1.5
    quiet = mix(palette.ink, palette.paper, 0.35)
    for line in lines:
        write(image, (left + pad, y), shortened(line, small, room), small, quiet)
        y += small * 1.5


def write_mark(image: Image.Image, at: tuple[float, float], size: int, palette: Palette, text: str = MARK) -> None:
    """The mark on one line with its square; `at` is the left end of the baseline."""
    dot, (x, baseline) = size * 0.62, at
    y = baseline - size * CAPITALS / 2
    ImageDraw.Draw(image).rectangle((x, y - dot / 2, x + dot, y + dot / 2), fill=palette.accent)
    write_spaced(image, (x + dot + size * 0.55, baseline), text, size, palette.ink)


def mark_width(text: str, size: int) -> float:
    """Pixels `write_mark` takes from left to right."""
    return size * 1.17 + spaced_width(text, size)


def _lines(text: str, size: int, width: float) -> list[str]:
    """The text in at most `MOST_LINES` lines, the last one shortened."""
    lines = wrapped(text, size, width)
    return (
        lines
        if len(lines) <= MOST_LINES
        else [*lines[: MOST_LINES - 1], shortened(" ".join(lines[MOST_LINES - 1 :]), size, width)]
    )
