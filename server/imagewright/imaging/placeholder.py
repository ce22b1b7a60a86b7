"""Placeholders: what the offline provider makes where only a model could make the picture that was asked for.

A placeholder is a poster: an abstract pattern from the seed, the prompt in type, what else was asked for, and a mark
that says it is an offline draft. It never depicts the subject. An edit mounts its input pictures on the pattern; a
masked edit keeps its picture and fills the masked region with the pattern. The same input gives the same bytes.
"""

from __future__ import annotations

import math
import re
import zlib
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageFilter

from imagewright.catalog.facts import PIXELS_PER_K
from imagewright.imaging.lettering import CAPITALS, SPACING, fitted, lettered
from imagewright.imaging.reframe import ratio_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Panel = tuple[int, int, float, float]
    """Left, top, width and height in px."""
    Place = tuple[float, float, float]
    """Left, top and width in px."""

MARKS = ("OFFLINE DRAFT", "DRAFT")
"""What every placeholder is marked with: the first of these that there is room for."""
ORIGIN = "No model was used"
LONG = 400
"""Characters from which a prompt gets more room."""
BESIDE = 1.25
"""Width to height from which the words stand beside the pattern instead of below it."""
PITCH = 1.65
"""From one fact to the next, in ems of their type."""
SPARE = 160
"""Pictures with a shorter side than this many pixels list no facts, and those below twice as many list few."""
ROOMS = ((0.86, 0.86), (0.8, 0.4), (0.65, 0.65), (0.65, 0.3), (0.5, 0.5), (0.5, 0.2), (0.3, 0.3))
"""Shares of a mask's width and height that are tried for a label in its middle, the best first."""
NO_FONT = "The prompt is not shown: no font on this machine has its letters."

STEP = 8
"""Sides are multiples of this many pixels, as image models make them."""


def side_of(text: str) -> int | None:
    """The side of a size class in pixels: 2048 for `2K`, 512 for `0.5K`; None for anything else."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*[kK]\s*", text)
    return round(float(found[1]) * PIXELS_PER_K) if found and float(found[1]) else None


def size_for(ratio: tuple[int, int], side: int = PIXELS_PER_K) -> tuple[int, int]:
    """Width and height of exactly that ratio, both multiples of `STEP`, with the area nearest to `side` squared.

    16:9 in the 2K class is 2688 x 1512 px, 1:1 is 2048 x 2048 px. A ratio too fine for that (1000:999) is met to
    within half a pixel.
    """
    across, down = ratio
    times = side / math.sqrt(across * down)
    unit = round(times / STEP) * STEP
    if unit and abs(unit / times - 1) < 1 / STEP:
        return across * unit, down * unit
    return max(1, round(across * times)), max(1, round(down * times))


def _has_ratio(size: tuple[int, int], ratio: tuple[int, int]) -> bool:
    """Whether the size has that ratio to within a pixel."""
    return abs(size[0] * ratio[1] - size[1] * ratio[0]) < max(ratio)


def placeholder_size(own: tuple[int, int] | None, aspect_ratio: str, resolution: str) -> tuple[int, int]:
    """Width and height of a placeholder in px.

    Args:
        own: the first input picture's size; None without one.
        aspect_ratio: such as "16:9"; anything else keeps the input picture's shape, or means 1:1 without one.
        resolution: such as "2K"; anything else keeps the input picture's size with its shape, and means 1K otherwise.
    """
    ratio, side = ratio_of(aspect_ratio), side_of(resolution)
    if own is None:
        return size_for(ratio or (1, 1), side or PIXELS_PER_K)
    if ratio is not None and not _has_ratio(own, ratio):
        return size_for(ratio, side or PIXELS_PER_K)
    times = 1.0 if side is None else side / math.sqrt(own[0] * own[1])
    return max(1, round(own[0] * times)), max(1, round(own[1] * times))


class Palette(NamedTuple):
    """The colours of one placeholder, as `#rrggbb`."""

    paper: str
    ink: str
    accent: str
    shapes: tuple[str, ...]


PALETTES = tuple(
    Palette(paper, ink, accent, tuple(shapes))
    for paper, ink, accent, *shapes in map(
        str.split,
        (
            # paper, ink and accent, then from light to dark what the pattern is made of
            "#f7f1e8 #2d2a32 #e4572e #f0dcc0 #e9b892 #6f8f9b #2f4858",
            "#f5f4ec #16384a #ef6f53 #f2dfb4 #8fc1b5 #2a7f8e #174a5b",
            "#f6f4ea #2f3b30 #c8643c #e8dcb8 #b9c7a2 #7f9c86 #48624f",
            "#f6f0ee #35203a #e8743b #f0d9c4 #dfa9a6 #a0647f #553559",
            "#f4f6f7 #2a3a4c #c75b4d #e9dccf #b7cbd6 #7f9fb8 #436079",
            "#f9f1e2 #47271c #2f7f83 #f3d7a6 #e2a06c #b9633f #6e3626",
            "#fbf6e6 #25434d #e2483d #f6e0a0 #f2b266 #7fb7a6 #2f6670",
            "#f5f2ea #1f2124 #d8342b #e4ddcb #b9b2a3 #77777a #3a3c41",
            "#faf2ee #4a2338 #3f8f88 #f6d9cc #e8a9a6 #b9687f #6a3150",
            "#f6f6ea #203c34 #e2872e #f2e3a6 #a9cda0 #63a187 #275c50",
        ),
    )
)

FAMILIES = ("quarter leaf disc", "half quarter disc", "arcs quarter dot", "disc leaf half", "leaf dot arcs")
"""Shapes that go well together; a placeholder uses those of one family."""


def _mix(one: str, other: str, share: float) -> tuple[int, int, int]:
    """The first colour at share 0, the other at 1."""
    pairs = zip(ImageColor.getrgb(one), ImageColor.getrgb(other), strict=True)
    red, green, blue = (round(a + (b - a) * share) for a, b in pairs)
    return red, green, blue


TURNS = (None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)


def _tile(shape: str, size: tuple[int, int], turn: Image.Transpose | None) -> Image.Image:
    """The mask of one shape of the pattern, as large as its tile in pixels; 255 within the shape."""
    side = 2 * max(size)  # drawn at twice the size and more, then averaged, for smooth edges
    tile = Image.new("L", (side, side))
    draw = ImageDraw.Draw(tile)
    match shape:
        case "quarter":
            draw.ellipse((0, 0, 2 * side, 2 * side), fill=255)
        case "half":
            draw.ellipse((0, side / 2, side, side * 3 / 2), fill=255)
        case "leaf":
            draw.ellipse((0, 0, 2 * side, 2 * side), fill=255)
            other = Image.new("L", tile.size)
            ImageDraw.Draw(other).ellipse((-side, -side, side, side), fill=255)
            tile = ImageChops.darker(tile, other)
        case "arcs":
            for share, fill in ((1.0, 255), (0.75, 0), (0.5, 255), (0.25, 0)):
                draw.ellipse((side - side * share, side - side * share, side * 2, side * 2), fill=fill)
        case _:
            inset = side * (0.12 if shape == "disc" else 0.33)
            draw.ellipse((inset, inset, side - inset, side - inset), fill=255)
    turned = tile if turn is None else tile.transpose(turn)
    return turned.resize(size, Image.Resampling.BOX)


def _pattern(size: tuple[int, int], palette: Palette, chance: Random, across: int) -> tuple[Image.Image, Image.Image]:
    """A pattern with about `across` tiles on its shorter side, and the mask (L) of its shapes without their ground."""
    length = max(size) / max(1, min(size))
    # Of the counts nearby, that with which the tiles are closest to squares.
    across = min((across, across - 1, across + 1), key=lambda count: abs(round(count * length) / (count * length) - 1))
    columns, rows = (round(across * max(1, side / max(1, min(size)))) for side in size)
    xs = [round(size[0] * place / columns) for place in range(columns + 1)]
    ys = [round(size[1] * place / rows) for place in range(rows + 1)]
    shapes = chance.choice(FAMILIES).split()
    image, mask = Image.new("RGB", size), Image.new("L", size)
    places = [(column, row, 1) for row in range(rows) for column in range(columns)]
    loud = {chance.choice(places)}
    if min(columns, rows) > 2:  # noqa: PLR2004 - one tile of twice the size, where others remain around it
        loud.add((chance.randrange(columns - 1), chance.randrange(rows - 1), 2))
    # The large tile comes last and covers the four that it stands on.
    for column, row, spans in [*places, *sorted(loud, key=lambda place: place[2])]:
        box = (xs[column], ys[row], xs[column + spans], ys[row + spans])
        ground, colour = chance.sample(palette.shapes, 2)
        if (column, row, spans) in loud:
            colour = palette.accent
        shape = shapes[0] if spans > 1 else chance.choice(shapes)
        tile = _tile(shape, (max(1, box[2] - box[0]), max(1, box[3] - box[1])), chance.choice(TURNS))
        image.paste(ground, box)
        image.paste(colour, box[:2], tile)
        mask.paste(tile, box[:2])
    return image, mask


def draw_placeholder(
    size: tuple[int, int],
    prompt: str,
    facts: Mapping[str, str],
    *,
    seed: int,
    images: Sequence[Image.Image] = (),
    mask: Image.Image | None = None,
    transparent: bool = False,
) -> Image.Image:
    """A picture of exactly that size in px that stands for one only a model could make, marked as an offline draft.

    Args:
        size: width and height.
        prompt: shown, in part when it is long.
        facts: what else was asked for, by name; listed as far as there is room.
        seed: another seed gives another pattern and other colours; the same arguments give the same pixels.
        images: the input pictures of an edit, RGB or RGBA.
        mask: of the first picture's size, 255 where it is repainted. That picture is filled with a pattern there and
            keeps its own pixels elsewhere. It is the whole result unless another shape was asked for.
        transparent: leave out the ground of the pattern, so that the result is RGBA.
    """
    number = zlib.crc32(prompt.encode(errors="replace"))
    chance = Random(f"{number} {seed}")  # noqa: S311 - a pattern is not a secret
    # Neighbouring seeds have other colours, so that the variants of one call are easy to distinguish.
    palette = PALETTES[(number + seed) % len(PALETTES)]
    if images and mask is not None:
        filled = _filled(images[0], mask, palette, chance, prompt)
        if _has_ratio(filled.size, size):
            return filled if filled.size == size else filled.resize(size, Image.Resampling.LANCZOS)
        images = [filled]
    return _poster(size, prompt, facts, images, palette=palette, chance=chance, transparent=transparent)


def _poster(
    size: tuple[int, int],
    prompt: str,
    facts: Mapping[str, str],
    images: Sequence[Image.Image],
    *,
    palette: Palette,
    chance: Random,
    transparent: bool,
) -> Image.Image:
    """The pattern, and above and below it or beside it the mark, the prompt and the facts."""
    unit = min(math.sqrt(size[0] * size[1]) / 100, min(size) / 55)
    small, margin, gap = max(9, round(1.9 * unit)), 5.5 * unit, 4 * unit
    beside = size[0] >= max(BESIDE * size[1], small * 40)
    is_long = len(prompt) > LONG
    head = small * CAPITALS + (3.4 if beside else 2.4) * unit
    across, down = size[0] - 2 * margin, size[1] - 2 * margin

    text, quiet = lettered(prompt), _mix(palette.ink, palette.paper, 0.4)
    is_shown = bool(text.paragraphs) or not text.missing
    remarks = [f"{text.missing} characters have no font", ORIGIN] if is_shown and text.missing else [ORIGIN]
    rows = [*facts.items(), *((remark, "") for remark in remarks)] if min(size) >= SPARE else []
    pitch = small * PITCH
    # The room for words: their width, the height they may have, and whether the facts stand below the prompt.
    wide = across * ((0.5 if is_long else 0.36) if beside else 1)
    stacked = beside or is_long or wide * 0.36 < small * 13
    tall = down - head if beside else down * (0.66 if is_long else 0.52 if stacked else 0.42)
    tall = tall if beside else max(tall, min(down * 0.6, len(rows) * pitch))
    share = 1.0 if not stacked else 0.5 if is_long or min(size) < 2 * SPARE else 0.7
    listed = min(len(rows), int(tall * share / pitch))
    room = (wide, tall - listed * pitch - gap) if stacked else (wide * 0.56, tall)
    block = fitted(text if is_shown else lettered(NO_FONT), room, (8 if is_shown else 3) * unit, max(9, 1.7 * unit))
    taken = block.height + gap + listed * pitch if stacked else max(block.height + small * 0.4, listed * pitch)

    left = size[0] - margin - wide
    top = margin + head if beside else size[1] - margin - taken
    corner = round(margin), round(margin if beside else margin + head)
    panel = (across - wide - gap, down) if beside else (across, down - head - gap - taken)
    poster = Image.new("RGB", size, palette.paper)
    pattern, shapes = _pattern((max(1, round(panel[0])), max(1, round(panel[1]))), palette, chance, 4)
    poster.paste(pattern, corner)
    if transparent:
        alpha = Image.new("L", size, 255)
        alpha.paste(shapes, corner)
        poster.putalpha(alpha)
    _mount(poster, (*corner, *panel), images, palette, unit)
    _write_mark(poster, (left, margin), small, wide, palette)
    block.draw(poster, (left, top), palette.ink if is_shown else quiet)
    column = (left, size[1] - margin - listed * pitch, wide) if stacked else (left + wide * 0.64, top, wide * 0.36)
    _list(poster, column, [*rows[: listed - 1], *rows[-1:]] if listed else [], small, palette)
    return poster


def _list(poster: Image.Image, place: Place, rows: Sequence[tuple[str, str]], small: int, palette: Palette) -> None:
    """Each fact on a line of its own above a hairline; a remark has no value."""
    quiet, faint = _mix(palette.ink, palette.paper, 0.4), _mix(palette.ink, palette.paper, 0.82)
    left, top, wide = place
    for number, (name, value) in enumerate(rows):
        baseline = top + small * (CAPITALS + PITCH * number)
        label, text = lettered(name), lettered(value)
        label.draw(poster, (left, baseline), label.shortened(name, small, wide), small, quiet)
        room = wide - label.width(name, small) - 1.5 * small
        line = text.shortened(" ".join(text.paragraphs), small, room)
        start = left + wide - (0 if text.leftwards else text.width(line, small))
        text.draw(poster, (start, baseline), line, small, palette.ink)
        if value:
            rule = round(baseline + small * 0.5)
            box = left, rule, left + wide, rule + max(1, small // 18) - 1
            ImageDraw.Draw(poster).rectangle(box, fill=faint)


def _write_mark(image: Image.Image, at: tuple[float, float], size: int, room: float, palette: Palette) -> bool:
    """Write the mark behind a square, with space between its letters; `at` is its left top corner.

    False where `room`, in px from left to right, holds none of the marks.
    """
    text, (x, y), side = lettered(MARKS[0]), at, size * CAPITALS
    widths = {mark: [text.width(letter, size) + size * SPACING for letter in mark] for mark in MARKS}
    mark = next((one for one, steps in widths.items() if size * 1.3 + sum(steps) <= room), None)
    if mark is None:
        return False
    ImageDraw.Draw(image).rectangle((x, y, x + side, y + side), fill=palette.accent)
    x += size * 1.3
    for letter, step in zip(mark, widths[mark], strict=True):
        text.draw(image, (x, y + side), letter, size, palette.ink)
        x += step
    return True


def _mount(poster: Image.Image, panel: Panel, images: Sequence[Image.Image], palette: Palette, unit: float) -> None:
    """Lay the input pictures on the panel as prints, numbered where there are several."""
    shape = sum(image.width / image.height for image in images) / max(1, len(images))

    def cell_of(columns: int) -> tuple[float, float]:
        return panel[2] / columns, panel[3] / max(1, math.ceil(len(images) / columns))

    counts = range(1, len(images) + 1)
    columns = max(counts, key=lambda count: min(cell_of(count)[0] / shape, cell_of(count)[1]), default=1)
    cell = cell_of(columns)
    border, size = max(1, round(0.9 * unit)), max(9, round(1.9 * unit))
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        in_row = min(columns, len(images) - row * columns)
        share = min((cell[0] * 0.84 - 2 * border) / image.width, (cell[1] * 0.84 - 2 * border) / image.height)
        wide, tall = max(1, round(image.width * share)), max(1, round(image.height * share))
        left = round(panel[0] + panel[2] / 2 + (column - (in_row - 1) / 2) * cell[0] - wide / 2)
        top = round(panel[1] + (row + 0.5) * cell[1] - tall / 2)
        draw = ImageDraw.Draw(poster)
        draw.rectangle((left - border, top - border, left + wide + border - 1, top + tall + border - 1), palette.paper)
        small = image.resize((wide, tall), Image.Resampling.LANCZOS, reducing_gap=3.0)
        poster.paste(small.convert("RGB"), (left, top), small.getchannel("A") if small.mode == "RGBA" else None)
        if len(images) > 1:
            draw.rectangle((left - border, top - border, left + size * 1.5, top + size * 1.5), palette.paper)
            label, text = str(number + 1), lettered("1")
            at = (
                left + (size * 1.5 - border - text.width(label, size)) / 2,
                top + size * 0.75 - border / 2 + size * CAPITALS / 2,
            )
            text.draw(poster, at, label, size, palette.ink)


def _filled(image: Image.Image, mask: Image.Image, palette: Palette, chance: Random, prompt: str) -> Image.Image:
    """The picture with the masked region filled with a pattern, outlined, and labelled where a label fits in it."""
    short = min(image.size)
    fill, _ = _pattern(image.size, palette, chance, 9)
    # A box blur is full only where its whole window is, so what it leaves below 255 is a rim along the edge.
    core = mask.filter(ImageFilter.BoxBlur(max(1, short * 0.004))).point([0] * 255 + [255])
    fill.paste(palette.accent, mask=ImageChops.subtract(mask, core))
    left, top, right, bottom = mask.getbbox() or (0, 0, 0, 0)
    for across, down in ROOMS:
        label = _label((round((right - left) * across), round((bottom - top) * down)), palette, prompt, short)
        if label is not None:
            x, y = (left + right - label.width) // 2, (top + bottom - label.height) // 2
            # The label must lie wholly within the mask, as what lies outside is kept and would cut it off.
            if mask.crop((x, y, x + label.width, y + label.height)).getextrema()[0] == 255:  # noqa: PLR2004 - full
                fill.paste(label, (x, y))
                break
    if image.mode == "RGBA":
        fill.putalpha(255)
    return Image.composite(fill, image, mask)


def _label(room: tuple[int, int], palette: Palette, prompt: str, short: int) -> Image.Image | None:
    """A card with the mark and the prompt, as far as the room (pixels) holds it; None where it cannot hold the mark."""
    small = max(9, round(short * 0.019))
    pad, wide = small * 1.2, min(room[0], small * 24)
    head = pad + small * CAPITALS
    card = Image.new("RGB", (max(1, wide), max(1, min(room[1], small * 18))), palette.paper)
    if card.height < head + pad or not _write_mark(card, (pad, pad), small, wide - 2 * pad, palette):
        return None
    block = fitted(lettered(prompt), (wide - 2 * pad, card.height - head - 2 * pad), small * 2.2, small)
    block.draw(card, (pad, head + pad), palette.ink)
    end = head + (pad + block.height + block.size * 0.25 if block.lines else 0)
    return card.crop((0, 0, wide, min(card.height, round(end + pad))))
