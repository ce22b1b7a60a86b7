"""Lettering for pictures, in any script that a font on this machine has.

Text is set in the font that Pillow carries, so it looks the same everywhere. It has little more than ASCII: a text with
other letters is set in a font of the machine that has them, and letters that no font has are left out and counted.
"""

from __future__ import annotations

import math
import os
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, features

Colour = str | tuple[int, int, int]
"""`#rrggbb`, or red, green and blue, each 0 to 255."""

CAPITALS = 0.72
"""Height of the capitals of the embedded font, in ems."""
LEADING = 1.26
"""From baseline to baseline, in ems."""
SPACING = 0.14
"""Space between the letters of the mark, in ems."""
MORE = "…"
JOINERS = "\u200c\u200d"
"""Characters without a form of their own that keep letters apart or join them."""
MOST_SHOWN = 4000
"""Characters of a text that are looked at: more never fits a picture."""
MOST_FONTS = 400
"""Fonts of the machine that are tried for a text."""
LESS_LIKED = ("bold", "italic", "oblique", "mono", "cond", "light", "thin", "black", "medium", "serif", "math", "extra")
"""Parts of a font file's name that make it a second choice for a prompt."""
WIDE = "\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef"
"""Scripts that are written without spaces and may be broken after any character, as a range for `re`."""
WINDOWS_FONTS = (("WINDIR", "Fonts"), ("LOCALAPPDATA", "Microsoft/Windows/Fonts"))
"""Environment variables that name folders with fonts on Windows, and the folder within each."""
CLOSING = "\u3001\u3002\u300d\u300f\u30fc\uff01\uff09\uff0c\uff1f"
"""Signs of those scripts that never begin a line: commas, stops, closing brackets, the long vowel sign."""
PLAIN = str.maketrans("–—‑−•×\u00a0", "----·x ")  # noqa: RUF001 - the look-alikes are what is replaced
"""Common signs the embedded font lacks, and what is read the same."""


@lru_cache(maxsize=128)
def font(path: str, size: int) -> ImageFont.FreeTypeFont:
    """The font of that file at a size in pixels; the one Pillow carries when the path is empty.

    Raises:
        OSError: the file is not a scalable font.
    """
    loaded = ImageFont.truetype(path, size) if path else ImageFont.load_default(size)
    if not isinstance(loaded, ImageFont.FreeTypeFont):  # pragma: no cover - only a Pillow built without FreeType
        raise OSError("this Pillow was built without FreeType, so no text can be drawn")
    return loaded


def font_folders() -> tuple[Path, ...]:
    """Where this machine keeps its fonts."""
    home, env = Path.home(), os.environ
    shared = (env.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":")
    folders = [Path(one) / "fonts" for one in (env.get("XDG_DATA_HOME") or home / ".local/share", *shared)]
    folders += [home / "Library/Fonts", Path("/Library/Fonts"), Path("/System/Library/Fonts")]
    return (*folders, *(Path(env[name]) / rest for name, rest in WINDOWS_FONTS if env.get(name)))


def _font_files(folders: tuple[Path, ...]) -> list[str]:
    """The fonts in these folders, the most suitable for a prompt first."""
    files = {file for folder in folders for file in folder.rglob("*.[tToO][tT][fFcC]")}

    def rank(file: Path) -> tuple[int, bool, str]:
        name = file.stem.lower()
        return sum(part in name.replace("sans", "") for part in LESS_LIKED), "sans" not in name, str(file)

    # macOS has a font whose glyphs only name the script of a letter.
    return [str(file) for file in sorted(files, key=rank) if file.stem.lower() != "lastresort"][:MOST_FONTS]


@lru_cache(maxsize=16384)
def _has(path: str, letter: str) -> bool:
    """Whether the font draws the letter as anything but its sign for a missing one."""
    one = ImageFont.truetype(path, 16, layout_engine=ImageFont.Layout.BASIC) if path else font("", 16)
    drawn, missing = one.getmask(letter), one.getmask("\U0010ffff")
    return (drawn.size, bytes(drawn)) != (missing.size, bytes(missing))


@lru_cache(maxsize=64)
def _font_for(letters: frozenset[str], folders: tuple[Path, ...]) -> str:
    """The first font that has all the letters; else the one that has most of them."""
    rare = sorted(letter for letter in letters if not _has("", letter))
    best, fewest = "", len(rare)
    for path in _font_files(folders) if rare else ():
        try:
            # Most fonts lack a whole script, which a few letters tell.
            if any(_has(path, letter) for letter in rare[:: len(rare) // 8 + 1]):
                lacking = sum(not _has(path, letter) for letter in letters)
                best, fewest = (path, lacking) if lacking < fewest else (best, fewest)
        except OSError:  # a damaged file, or a font of pictures in fixed sizes
            continue
        if not fewest:
            break
    return best


@dataclass(frozen=True, slots=True)
class Text:
    """A text that is ready to be drawn. Make it with `lettered`."""

    paragraphs: tuple[str, ...]
    """Its lines as they were given, with what the font lacks left out; white space is one space each."""
    path: str
    """The font's file; empty for the embedded font."""
    leftwards: bool
    """Whether it reads from right to left."""
    missing: int
    """How many characters were left out because no font here has them."""

    def width(self, line: str, size: int) -> float:
        """Width in pixels of a line at that size of type."""
        return font(self.path, size).getlength(line, direction=self._direction)

    def draw(self, image: Image.Image, at: tuple[float, float], line: str, size: int, colour: Colour) -> None:
        """Draw one line; `at` is the left end of its baseline, or the right end for text that reads leftwards."""
        anchor = "rs" if self.leftwards else "ls"
        draw = ImageDraw.Draw(image)
        draw.text(at, line, colour, font(self.path, size), anchor, direction=self._direction)

    @property
    def _direction(self) -> str | None:
        # The embedded font is laid out without raqm, which knows no directions and needs none.
        return None if not self.path or not features.check("raqm") else "rtl" if self.leftwards else "ltr"

    def shortened(self, line: str, size: int, width: float, *, goes_on: bool = False) -> str:
        """The line, ended with an ellipsis where it is wider than that many pixels or the text goes on after it."""
        if not goes_on and self.width(line, size) <= width:
            return line
        more = MORE if _has(self.path, MORE) else "..."
        low, high = 0, len(line)
        while low < high:
            middle = (low + high + 1) // 2
            fits = self.width(line[:middle].rstrip() + more, size) <= width
            low, high = (middle, high) if fits else (low, middle - 1)
        return line[:low].rstrip(" ,;:-") + more

    def wrapped(self, size: int, width: float) -> list[str]:
        """The text in lines no wider than that many pixels; words longer than a line are broken."""
        lines: list[str] = []
        known: dict[str, float] = {}
        for paragraph in self.paragraphs:
            line, taken = "", 0.0
            for word in re.findall(rf"\s*(?:[{WIDE}][{CLOSING}]*|[^\s{WIDE}]+)", paragraph):
                known[word] = known.get(word) or self.width(word, size)
                if line and taken + known[word] > width:
                    lines.append(line)
                    line, taken = "", 0.0
                line, taken = (line + word).lstrip(), taken + known[word]
                while taken > width and len(line) > 1 and self.width(line, size) > width:
                    cut = max(1, len(self.shortened(line, size, width)) - 1)
                    while cut > 1 and unicodedata.category(line[cut]).startswith("M"):
                        cut -= 1
                    lines.append(line[:cut])
                    line = line[cut:]
                    taken = self.width(line, size)
            lines += [line] if line else []
        return lines


def lettered(text: str, folders: tuple[Path, ...] | None = None) -> Text:
    """The text with a font for it, from these folders or from this machine's own.

    Letters that the font lacks lose their accents or are left out. Line breaks are kept, control characters are not.
    """
    plain = unicodedata.normalize("NFC", text[:MOST_SHOWN].translate(PLAIN))
    lines = [" ".join("".join(filter(_is_visible, line)).split()) for line in plain.splitlines()]
    letters = frozenset("".join(lines)) - {" "}
    ready = {letter for letter in letters if features.check("raqm") or not _needs_shaping(letter)}
    path = _font_for(frozenset(ready), font_folders() if folders is None else folders)
    shown = dict.fromkeys(JOINERS, "") | {" ": " "} | {letter: letter for letter in ready if _has(path, letter)}
    for letter in ready - shown.keys():
        bare = unicodedata.normalize("NFKD", letter)[0]
        shown |= {letter: bare} if bare != letter and _has(path, bare) else {}
    kept = [" ".join("".join(shown.get(letter, "") for letter in line).split()) for line in lines]
    first = next((way for letter in plain if (way := unicodedata.bidirectional(letter)) in ("L", "R", "AL")), "L")
    missing = sum(letter not in shown for line in lines for letter in line)
    if missing * 2 > sum(map(len, lines)):  # what is left could not be understood
        kept = []
    return Text(tuple(line for line in kept if line), path, bool(path) and first != "L", missing)


def _is_visible(letter: str) -> bool:
    """False for control characters, except those that join letters, and for variation selectors."""
    hidden = unicodedata.category(letter) in ("Cc", "Cf", "Cs") or "\ufe00" <= letter <= "\ufe0f"
    return not hidden or letter in "\t" + JOINERS


def _needs_shaping(letter: str) -> bool:
    """Whether the letter's script is illegible when its letters are set one by one from left to right."""
    return unicodedata.bidirectional(letter) in ("R", "AL", "NSM") or "\u0900" <= letter <= "\u109f"


@dataclass(frozen=True, slots=True)
class Block:
    """A text that was fitted into a width."""

    text: Text
    lines: tuple[str, ...]
    size: int
    """Of the type, in pixels."""
    width: float
    """Of the box, in pixels."""

    @property
    def height(self) -> float:
        """Pixels from the top of the first line's capitals to the last baseline; 0 without a line."""
        return self.size * (CAPITALS + LEADING * (len(self.lines) - 1)) if self.lines else 0

    def draw(self, image: Image.Image, at: tuple[float, float], colour: Colour) -> None:
        """Draw it; `at` is the left top corner of its box."""
        x = at[0] + self.width if self.text.leftwards else at[0]
        for number, line in enumerate(self.lines):
            y = at[1] + self.size * (CAPITALS + LEADING * number)
            self.text.draw(image, (x, y), line, self.size, colour)


def fitted(text: Text, box: tuple[float, float], largest: float, smallest: float) -> Block:
    """The text as large as the box (width and height in pixels) allows; what does not fit ends in an ellipsis."""
    width, height = box
    ems = sum(text.width(line, 32) for line in text.paragraphs) / 32
    size = max(1, round(min(largest, 1.1 * math.sqrt(max(1.0, width * height) / max(1.0, ems * LEADING)))))
    floor = max(1, min(size, round(smallest)))
    while True:
        room = max(0, int((height / size - CAPITALS) / LEADING) + 1) if height >= size * CAPITALS else 0
        lines = text.wrapped(size, width)
        if len(lines) <= room or size <= floor:
            break
        size = max(floor, min(size - 1, int(size * max(0.85, math.sqrt(room / len(lines))))))
    if len(lines) > room:
        ended = [text.shortened(lines[room - 1], size, width, goes_on=True)] if room else []
        lines = lines[: max(0, room - 1)] + ended
    return Block(text, tuple(lines), size, width)
