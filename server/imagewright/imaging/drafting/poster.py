"""The print a draft comes as: the picture, its prompt, what was asked for, and that it is a draft."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, ImageChops, ImageDraw

from imagewright.imaging.drafting.colour import mix
from imagewright.imaging.drafting.lettering import (
    CAPITALS,
    Block,
    fitted,
    has_bars,
    shortened,
    spaced_width,
    spelt,
    width_of,
    write,
    write_block,
    write_spaced,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imagewright.imaging.drafting.palette import Palette

MARK = "OFFLINE DRAFT"
"""What every draft says of itself, in the picture."""
ORIGIN = "A rehearsal: no model made this picture"
BARS = "Bars stand for letters this draft has no type for"

WIDE = 1.4
"""From this width to height on, the words stand beside the picture instead of below it."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of what was asked for.

    Attributes:
        name: of the argument.
        value: as it is shown.
        place: where the value lies between its least (0) and its greatest (1), when it has both.
    """

    name: str
    value: str
    place: float | None = None


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels."""

    left: float
    top: float
    width: float
    height: float

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom in whole pixels."""
        return (round(self.left), round(self.top), round(self.left + self.width), round(self.top + self.height))


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things stand on a print.

    Attributes:
        panel: the picture.
        words: left top corner of the prompt's box.
        block: the prompt, fitted.
        facts: what was asked for, as tall as it needs.
        pitch: from one fact to the next, in pixels.
    """

    panel: Box
    words: tuple[float, float]
    block: Block
    facts: Box
    pitch: float


def remarks(words: str, facts: Sequence[Fact]) -> list[str]:
    """What a draft says of itself in small type."""
    return [ORIGIN, BARS] if any(map(has_bars, (words, *(fact.value for fact in facts)))) else [ORIGIN]


def layout_for(size: tuple[int, int], words: str, rows: int) -> Layout:
    """Where things stand on a print of that size in pixels, with that prompt and number of lines beside it."""
    width, height = size
    short = min(size)
    margin, gap = short * 0.045, short * 0.042
    beside = width / height >= WIDE
    column = min(width * 0.31, short * 0.5) if beside else (width - 2 * margin) * 0.36
    tallest = (height - 2 * margin) * 0.5 if beside else min(height * 0.25, short * 0.3)
    pitch = min(tallest / rows, short * (0.045 if beside else 0.036))
    listed = pitch * rows
    if beside:
        left = width - margin - column
        block = fitted(words, (column, height - 2 * margin - gap - listed), short * 0.062, short * 0.019)
        panel = Box(margin, margin, left - gap - margin, height - 2 * margin)
        return Layout(panel, (left, margin), block, Box(left, height - margin - listed, column, listed), pitch)
    block = fitted(words, (width - 2 * margin - column - gap * 1.3, tallest), short * 0.062, short * 0.019)
    band = min(tallest, max(listed, block.height + block.size * 0.3))
    top = height - margin - band
    panel = Box(margin, margin, width - 2 * margin, top - gap - margin)
    return Layout(panel, (margin, top), block, Box(width - margin - column, top, column, listed), pitch)


def compose(
    size: tuple[int, int],
    palette: Palette,
    picture: Callable[[tuple[int, int]], Image.Image],
    words: str,
    facts: Sequence[Fact],
    *,
    transparent: bool = False,
) -> Image.Image:
    """Lay out a print.

    Args:
        size: of the whole print, in pixels.
        palette: for paper and ink.
        picture: makes the RGB picture for the panel, given the panel's size.
        words: the prompt or instruction.
        facts: what else was asked for.
        transparent: leave out the paper: the picture becomes an arch, the words stand on a card.

    Returns:
        RGB, or RGBA when transparent, of exactly that size.
    """
    text = remarks(words, facts)
    layout = layout_for(size, words, len(facts) + len(text))
    sheet = Image.new("RGB", size, palette.paper)
    left, top, right, bottom = layout.panel.corners
    sheet.paste(picture((right - left, bottom - top)), (left, top))
    write_block(sheet, layout.words, layout.block, palette.ink)
    _write_facts(sheet, layout, facts, text, palette)
    short = min(size)
    if not transparent:
        mark_corner(sheet, layout.panel, palette, short)
        return sheet
    _mark_foot(sheet, layout.panel, palette, short)
    pad, margin = short * 0.026, layout.panel.left
    (x, y), facts_box = layout.words, layout.facts
    end = min(size[1] - margin, max(y + layout.block.height, facts_box.top + facts_box.height))
    card = Box(x - pad, y - pad, size[0] - margin - x + 2 * pad, end - y + 2 * pad)
    sheet.putalpha(ImageChops.lighter(_arch(size, layout.panel), _rounded(size, card, short * 0.02)))
    return sheet


def mark_corner(sheet: Image.Image, panel: Box, palette: Palette, short: float) -> None:
    """The mark as a tab cut out of the panel's left top corner."""
    size = max(8, round(short * 0.0165))
    pad = size * 1.0
    wide, tall = spaced_width(MARK, size) + pad * 2.1, size * CAPITALS + pad * 1.5
    left, top, _, _ = panel.corners
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((left, top, left + wide, top + tall), fill=palette.paper)
    dot = size * 0.62
    y = top + (tall - pad * 0.35) / 2
    draw.rectangle((left, y - dot / 2, left + dot, y + dot / 2), fill=palette.accent)
    write_spaced(sheet, (left + dot + size * 0.55, y + size * CAPITALS / 2), MARK, size, palette.ink)


def _mark_foot(sheet: Image.Image, panel: Box, palette: Palette, short: float) -> None:
    """The mark on a label at the foot of the panel, where an arch is widest."""
    size = max(8, round(short * 0.0165))
    wide, tall = spaced_width(MARK, size) + size * 2.4, size * 2.2
    middle, top = panel.left + panel.width / 2, panel.top + panel.height - tall * 1.6
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((middle - wide / 2, top, middle + wide / 2, top + tall), fill=palette.paper)
    at = (middle - spaced_width(MARK, size) / 2, top + tall / 2 + size * CAPITALS / 2)
    write_spaced(sheet, at, MARK, size, palette.ink)


def _write_facts(
    sheet: Image.Image, layout: Layout, facts: Sequence[Fact], text: Sequence[str], palette: Palette
) -> None:
    """Name and value above a hairline each, then the remarks."""
    short, box, pitch = min(sheet.size), layout.facts, layout.pitch
    size = max(7, int(pitch * 0.56))
    hair = max(1, round(short / 1000))
    faint, quiet = mix(palette.ink, palette.paper, 0.8), mix(palette.ink, palette.paper, 0.42)
    draw = ImageDraw.Draw(sheet)
    right = box.left + box.width
    for number, fact in enumerate(facts):
        baseline = box.top + pitch * number + size * CAPITALS
        start = write(sheet, (box.left, baseline), fact.name, size, quiet) + size
        value = shortened(spelt(fact.value), size, right - start)
        edge = right - width_of(value, size)
        write(sheet, (edge, baseline), value, size, palette.ink)
        rule = round(baseline + (pitch - size * CAPITALS) / 2)
        draw.rectangle((box.left, rule, right, rule + hair - 1), fill=faint)
        if fact.place is not None:
            room = Box(start, baseline - size * 0.34, edge - start - size, size)
            _slider(sheet, room, fact.place, palette)
    small = max(6, round(size * 0.86))
    for number, remark in enumerate(text, start=len(facts)):
        line = box.top + pitch * number + size * CAPITALS
        write(sheet, (box.left, line), shortened(remark, small, box.width), small, quiet)


def _slider(sheet: Image.Image, box: Box, place: float, palette: Palette) -> None:
    """A fine line with a knob at the value's place, right-aligned in its box."""
    size = box.height
    wide = min(box.width, size * 5.5)
    if wide < size * 2:
        return
    left = box.left + box.width - wide
    draw = ImageDraw.Draw(sheet)
    hair = max(1, round(size * 0.07))
    draw.rectangle((left, box.top, left + wide, box.top + hair), fill=mix(palette.ink, palette.paper, 0.6))
    fine = 4
    radius = max(2, round(size * 0.24))
    knob = Image.new("L", (radius * 2 * fine, radius * 2 * fine))
    ImageDraw.Draw(knob).ellipse((0, 0, knob.width - 1, knob.height - 1), fill=255)
    x = left + wide * min(1.0, max(0.0, place))
    sheet.paste(palette.accent, (round(x - radius), round(box.top + hair / 2 - radius)), knob.reduce(fine))


def _rounded(size: tuple[int, int], box: Box, radius: float) -> Image.Image:
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).rounded_rectangle(box.corners, radius, fill=255)
    return mask


def _arch(size: tuple[int, int], box: Box) -> Image.Image:
    """A doorway shape: a half circle on top, with a smooth edge."""
    fine = 2
    left, top, right, bottom = box.corners
    wide, tall = right - left, bottom - top
    large = Image.new("L", (wide * fine, tall * fine))
    ImageDraw.Draw(large).rounded_rectangle(
        (0, 0, wide * fine - 1, tall * fine * 2), min(wide, tall * 2) * fine * 0.5, fill=255
    )
    mask = Image.new("L", size)
    mask.paste(large.reduce(fine), (left, top))
    return mask
