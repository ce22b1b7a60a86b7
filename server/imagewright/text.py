"""Text that others have written, made fit to be shown: prompts, vendors' words, file names.

`plain` keeps every script readable and takes out what acts on the reader's screen or hides from the reader's eye;
`shortened` is the same for a list. `quoted` is for words that stand inside a sentence of ours: they cannot end their
quotation, and markup in them is no markup any more. Structured content keeps what was written as it was.

`say` and `clip` repeat what a caller sent, so that it is known again: cut with its length, and otherwise as it came.
"""

from __future__ import annotations

import unicodedata
from typing import Final

READ_AHEAD: Final = 8
"""Of a text that will be cut, this many times as much is looked at: the rest could be megabytes."""
ZWNJ, ZWJ = "\u200c", "\u200d"
FILLERS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\ufff9\ufffa\ufffb")
"""Letters and marks that nobody sees, besides those whose category says so."""
HIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Controls (C0 with ESC and NUL, C1), format characters (bidi controls, zero-width, tags), half surrogates, line and
paragraph separators. Unassigned ones stay: they are next year's emoji to an old Python."""
VISIBLE_FORMATS: Final = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u08e2")
"""Format characters that are drawn: Arabic signs of number, year and verse."""
JOINING: Final = ((0x0600, 0x109F), (0x1780, 0x18AF), (0x1900, 0x1CFF), (0xA840, 0xABFF), (0xFB50, 0xFEFC))
"""Scripts whose spelling needs joiners and non-joiners: Arabic to Myanmar, Khmer to Mongolian and their relatives."""
EMOJI_CATEGORIES: Final = frozenset({"So", "Sk", "Cn"})
VARIATION_SELECTORS: Final = ((0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
"""They choose a form of the character before them. A run of them shows nothing and can carry a hidden text."""
INSIDE_QUOTES: Final = str.maketrans({"'": "\u2019", '"': "\u201d", "<": "\u2039", ">": "\u203a"})
"""Look-alikes for what could end a quotation or open a tag."""
SHOWN_LENGTH: Final = 60
"""Characters of a caller's name or value that a message repeats."""
MOST_BITS: Final = 180
"""Bits of a whole number that is shown with all its digits: about 54 of them. Python refuses to write out 4,300."""
DIGITS_PER_BIT: Final = 0.30103
"""The decimal logarithm of two."""
BROKEN_TEXT: Final = "holds half of a character (a lone surrogate); send whole characters"
"""What is wrong with a text that is not `is_whole`."""


def plain(text: str) -> str:
    """The text on one line, with every character that acts or hides replaced by a space; all else stays as it was.

    Fit for whole messages and paths, which have to be copied as they are.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(one if _is_shown(text, place) else " " for place, one in enumerate(text))


def shortened(text: str, most: int) -> str:
    """As `plain`, with single spaces and at most so many characters, the mark that it was cut among them."""
    read = text[: most * READ_AHEAD]
    line = " ".join(plain(read).split())
    return line if len(line) <= most and read == text else f"{line[: most - 1].rstrip()}…"


def quoted(text: str, most: int) -> str:
    """As `shortened`, in single quotation marks that nothing in it can end, its markup made harmless."""
    return f"'{shortened(text, most).translate(INSIDE_QUOTES).replace('](', '] (')}'"


def clip(text: str, longest: int = SHOWN_LENGTH) -> str:
    """The beginning of a text, and how long it is where that is not all of it."""
    return _writable(text) if len(text) <= longest else f"{_writable(text[:longest])}… ({len(text)} characters)"


def say(value: object) -> str:
    """A caller's value as a message shows it: texts in quotes, long ones cut with their length, never a whole list."""
    if isinstance(value, str):
        longer = len(value) > SHOWN_LENGTH
        return _writable(f'"{value[:SHOWN_LENGTH]}…" ({len(value)} characters)' if longer else f'"{value}"')
    if isinstance(value, list | tuple | dict):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        return f"a number of about {round(value.bit_length() * DIGITS_PER_BIT)} digits"
    return clip(str(value))


def is_whole(text: str) -> bool:
    """Whether a text can be written down: half of a surrogate pair, which JSON can carry, can stand in no file."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def _writable(text: str) -> str:
    """The text with lone halves of a character, which no encoding can hold, written out as their number."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _is_shown(text: str, place: int) -> bool:
    one = text[place]
    if one.isascii():
        return one.isprintable()
    if one in (ZWNJ, ZWJ):
        return _joins(text, place)
    if _within(one, VARIATION_SELECTORS):
        before = text[place - 1 : place]
        return bool(before) and before != ZWJ and not before.isspace() and not _within(before, VARIATION_SELECTORS)
    hidden = unicodedata.category(one) in HIDDEN_CATEGORIES and one not in VISIBLE_FORMATS
    return not hidden and one not in FILLERS


def _joins(text: str, place: int) -> bool:
    """Whether a joiner stands where spelling needs it: in a word of a joining script, or inside an emoji."""
    before, after = text[place - 1 : place], text[place + 1 : place + 2]
    if not before or not after:
        return False
    if _within(before, JOINING) and _within(after, JOINING):
        return True
    return text[place] == ZWJ and _is_emoji(after) and (_is_emoji(before) or _within(before, VARIATION_SELECTORS))


def _is_emoji(one: str) -> bool:
    return unicodedata.category(one) in EMOJI_CATEGORIES or one in "\u2640\u2642"


def _within(one: str, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(low <= ord(one) <= high for low, high in ranges)
