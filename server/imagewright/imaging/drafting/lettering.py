"""Lettering in the one face every Pillow carries, and what stands in for the letters it lacks.

Drafts must look the same on every machine, so no system font is asked for. The embedded face (Aileron Regular) has
little more than ASCII: accents are taken off, and letters of other scripts are drawn as typographers indicate text
that is not there yet: as bars of the words' length.
"""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagewright.imaging.drafting.colour import Colour

DRAWN = frozenset(
    " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~©«°±´·»‘’“”…‹›™"  # noqa: RUF001 - the quotation marks are meant
)
"""The characters the embedded face has."""

_SPELT = str.maketrans(
    {
        "–": "-", "—": "-", "‒": "-", "−": "-", "‐": "-", "‑": "-", "•": "·", "×": "x", "ß": "ss", "æ": "ae",  # noqa: RUF001 - look-alikes are the point
        "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d",
        "þ": "th", "Þ": "Th", "ı": "i", "„": '"', "‚": "'", "′": "'", "″": '"', "€": "EUR ", "£": "GBP ",  # noqa: RUF001 - as above
    }
)  # fmt: skip

EXCERPT = 900
"""Characters of a long text that are looked at: more never fits a picture."""
MORE = "…"
_WIDE = frozenset("WF")


@lru_cache(maxsize=64)
def face(size: int) -> ImageFont.FreeTypeFont:
    """The embedded face at a size in pixels."""
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):  # pragma: no cover - only a Pillow built without FreeType
        raise TypeError("this Pillow was built without FreeType, so no lettering can be drawn")
    return font


def spelt(text: str) -> str:
    """The text in characters the face has, as far as spelling allows; white space runs become one space."""
    flat = " ".join(text[: EXCERPT * 2].split()).translate(_SPELT)
    apart = unicodedata.normalize("NFKD", flat)
    bare = "".join(one for one in apart if unicodedata.category(one) not in ("Mn", "Cc", "Cf", "Cs"))
    return unicodedata.normalize("NFC", bare)[:EXCERPT]


def _runs(text: str) -> Iterator[tuple[str, str]]:
    """The text in runs of one kind: drawn, wide (a block per character), bar."""
    for kind, run in groupby(text, _kind):
        yield kind, "".join(run)


def has_bars(text: str) -> bool:
    """Whether some of the text is drawn as bars."""
    return any(character not in DRAWN for character in spelt(text))


def _kind(character: str) -> str:
    if character in DRAWN:
        return "drawn"
    wide = unicodedata.east_asian_width(character) in _WIDE or unicodedata.category(character) == "So"
    return "wide" if wide else "bar"


def width_of(text: str, size: int) -> float:
    """How many pixels wide the line is."""
    return sum(_run_width(kind, run, size) for kind, run in _runs(text))


def _run_width(kind: str, run: str, size: int) -> float:
    if kind == "drawn":
        return face(size).getlength(run)
    return len(run) * size * (0.86 if kind == "wide" else 0.52)


def write(image: Image.Image, at: tuple[float, float], text: str, size: int, colour: Colour) -> float:
    """Write one line of `spelt` text; `at` is the left end of its baseline.

    Returns:
        The pixel column behind its last letter.
    """
    draw = ImageDraw.Draw(image)
    x, baseline = at
    for kind, run in _runs(text):
        wide = _run_width(kind, run, size)
        if kind == "drawn":
            draw.text((x, baseline), run, colour, face(size), anchor="ls")
        elif kind == "wide":
            for place in range(len(run)):
                _block(image, (x + place * size * 0.86, baseline - size * 0.72, size * 0.76, size * 0.74), colour)
        else:
            _block(image, (x + size * 0.03, baseline - size * 0.46, wide - size * 0.06, size * 0.4), colour)
        x += wide
    return x


def _block(image: Image.Image, box: tuple[float, float, float, float], colour: Colour) -> None:
    left, top, wide, tall = box
    fine = 4
    stamp = Image.new("L", (max(1, round(wide)) * fine, max(1, round(tall)) * fine))
    ends = (stamp.width - 1, stamp.height - 1)
    ImageDraw.Draw(stamp).rounded_rectangle((0, 0, *ends), radius=stamp.height * 0.3, fill=150)
    image.paste(colour, (round(left), round(top)), stamp.reduce(fine))


def write_spaced(image: Image.Image, at: tuple[float, float], text: str, size: int, colour: Colour) -> float:
    """Write a short label letter by letter with air between, as capitals want it; returns as `write`."""
    x, baseline = at
    for letter in text:
        x = write(image, (x, baseline), letter, size, colour) + size * SPACING
    return x - size * SPACING


def spaced_width(text: str, size: int) -> float:
    """How many pixels wide `write_spaced` makes the label."""
    return sum(width_of(letter, size) + size * SPACING for letter in text) - size * SPACING


SPACING = 0.14
"""Air between the letters of a label, in ems."""


def shortened(text: str, size: int, width: float) -> str:
    """The line cut with an ellipsis to what the width holds."""
    if width_of(text, size) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if width_of(text[:middle].rstrip() + MORE, size) <= width:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip(" ,;:-") + MORE


def wrapped(text: str, size: int, width: float) -> list[str]:
    """The text in lines no wider than `width`; words longer than a line are broken."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if width_of(longer, size) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        line = word
        while width_of(line, size) > width and len(line) > 1:
            cut = max(1, len(shortened(line, size, width)) - 1)
            lines.append(line[:cut])
            line = line[cut:]
    return [*lines, line] if line else lines


@dataclass(frozen=True, slots=True)
class Block:
    """Text that was fitted into a box.

    Attributes:
        lines: what to write.
        size: of the letters, in pixels.
        leading: from baseline to baseline, in pixels.
    """

    lines: tuple[str, ...]
    size: int
    leading: float

    @property
    def height(self) -> float:
        """Pixels from the top of the first line's capitals to the last baseline."""
        return self.size * CAPITALS + self.leading * (len(self.lines) - 1)


CAPITALS = 0.72
"""Height of the capitals, in ems."""
LEADING = 1.24
"""Baseline to baseline, in ems."""


def fitted(text: str, box: tuple[float, float], largest: float, smallest: float) -> Block:
    """The text as large as the box (width, height in pixels) allows; what does not fit ends in an ellipsis."""
    width, height = box
    ready = spelt(text)
    # A letter takes about half an em: no larger size than this can hold the text.
    guess = math.sqrt(max(1.0, width * height) / (max(1, len(ready)) * 0.42 * LEADING))
    size = max(1, round(min(largest, guess * 1.2)))
    floor = max(1, min(size, round(smallest)))
    while True:
        leading = size * LEADING
        room = max(1, int((height - size * CAPITALS) / leading) + 1)
        lines = wrapped(ready, size, width)
        if len(lines) <= room or size <= floor:
            break
        size = max(floor, int(size * 0.92))
    if len(lines) > room or len(text) > EXCERPT:
        lines = lines[:room]
        lines[-1] = _ended(lines[-1], size, width)
    return Block(tuple(lines), size, leading)


def _ended(line: str, size: int, width: float) -> str:
    bare = line.rstrip(MORE + " ,;:-")
    while bare and width_of(bare + MORE, size) > width:
        bare = bare[:-1].rstrip(" ,;:-")
    return bare + MORE


def write_block(image: Image.Image, at: tuple[float, float], block: Block, colour: Colour) -> None:
    """Write fitted text; `at` is the left top corner of its box."""
    x, y = at
    for number, line in enumerate(block.lines):
        write(image, (x, y + block.size * CAPITALS + number * block.leading), line, block.size, colour)
