"""Words for people and for models, each made in one place: suggested names, sizes, times, lists, foreign text.

Text that others have written (prompts, vendors' words, file names) is a `Foreign`, which is made fit to be shown in one
of three forms. What leaves for a terminal, a log or a reply passes `plain_lines` once more, whatever it is. `say` and
`clip` repeat what a caller sent, cut with its length. Structured content keeps the text as it was. Last come the
spellings of a secret, see `providers.http.redact`.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed import SupportsWrite

READ_AHEAD: Final = 8
"""Of a text that will be cut to a length, this many times the length is read: the rest could be megabytes."""
ZWNJ, ZWJ = "\u200c", "\u200d"
JOINERS: Final = f" {ZWNJ}{ZWJ}"
"""What is taken off the end of a text that was cut: there is nothing to join it to."""
FILLERS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\ufff9\ufffa\ufffb")
"""Invisible letters and marks whose category does not say so."""
HIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Controls (C0 with ESC and NUL, C1), format characters (bidi controls, zero-width, tags), half surrogates, line and
paragraph separators. Unassigned ones stay: an old Python does not know the newest emoji."""
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
LONGEST_COMPARED: Final = 100
"""Characters of a name that others are compared with: comparing takes as long as the name is."""
ALIKE: Final = 0.61
"""How alike two names must be, 0 to 1, before one is offered for the other. With less, the guess is useless: at 0.6,
`mask` would be suggested for `images`."""
KILO: Final = 1000
SIZE_UNITS: Final = ("kB", "MB", "GB", "TB")
TIME_UNITS: Final = ((172_800.0, 86_400.0, "day"), (3600.0, 3600.0, "hour"), (60.0, 60.0, "minute"))
"""From how many seconds on a time is given in a unit, the unit's seconds, and its name. Two days, as 24 hours read
better than 1 day."""
HIDDEN: Final = "[key]"
"""What stands in place of a secret."""
SEAL: Final = "~key."
"""Begins a secret that was sealed, see `providers.http.redact`."""
NOT_COMPARED: Final = bytes(code for code in range(128) if not chr(code).isalnum())
"""ASCII that does not count when a text is searched for a key: separators, quotation marks, controls."""
LOWERED: Final = bytes(range(128)).lower() + bytes(range(128, 256))
SHORTEST_SECRET: Final = 8
"""Letters and digits a key needs for it to be searched for in every spelling. Shorter ones stand in other words."""
LONG_SECRET: Final = 16
"""Letters and digits a key needs for its parts to be searched for as well."""
PART_OF_SECRET: Final = 12
"""Letters and digits in a row that count as a part of such a key."""
ESCAPES: Final = ("%", "=", "&", "<", "\\u", "\\x", "\\0", "\\1", "\\2", "\\3", "\0")
"""Begin codes of percent-encoding, quoted-printable, HTML, JSON and C; the last stands between all signs in UTF-16."""
BLANKS: Final = rb"\\[bfnrtv]"
"""Blank signs as JSON and C write them, with a letter that is no part of a key; else a backslash before one that is."""
LONGEST_LINK: Final = 8_000
"""Characters of an id or a link, at most. Only words, which are cut, and pictures in base64 are longer."""
BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_="
"""Signs of base64 in either alphabet."""
BROKEN_TEXT: Final = "holds half of a character (a lone surrogate); send whole characters"
"""What is wrong with a text that is not `is_whole`."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'qwen'?)` for the known name that is most like this one; empty when none is like it."""
    found = closest(name, known)
    return f" (did you mean {found[0]!r}?)" if found else ""


def closest(name: str, known: Iterable[str], most: int = 1) -> list[str]:
    """The known names that are most like this one, the best first; upper and lower case count as the same.

    Nothing is like a name of more than 100 characters.
    """
    if len(name) > LONGEST_COMPARED:
        return []
    from difflib import get_close_matches  # noqa: PLC0415 - only a wrong name needs it, the start does not

    by_lower: dict[str, str] = {}
    for one in known:
        by_lower.setdefault(one.lower(), one)
    return [by_lower[one] for one in get_close_matches(name.strip().lower(), by_lower, n=most, cutoff=ALIKE)]


def exact(value: str | float) -> str | float:
    """The value with whole numbers as integers: TOML and pydantic make `1.0` of a bound that was written `1`."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def shown(value: str | float) -> str:
    """One value as text: `2.5`, `4`, `true`, `16:9`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(exact(value))


def rate(calls: int | None, seconds: float, running: int | None) -> str:
    """A rate in words, such as `20 calls in 10 s, at most 100 of them at once`; empty where nothing is known."""
    often = "" if calls is None else f"{counted(calls, 'call')} in {seconds:g} s"
    if running is None:
        return often
    return f"{often}, at most {running} of them at once" if often else f"at most {counted(running, 'call')} at once"


def span(low: float, high: float) -> str:
    """`1-10`, or `3` where both ends are the same."""
    return shown(low) if low == high else f"{shown(low)}-{shown(high)}"


def listed(items: Iterable[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`; empty for none."""
    *most, end = [*items] or [""]
    return f"{', '.join(most)} {last} {end}" if most else end


def counted(count: float, noun: str) -> str:
    """`1 picture`, `3 pictures`, `2.5 hours`."""
    return f"{shown(round(count, 2))} {noun}{'' if count == 1 else 's'}"


def markdown_table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown, ending without a line break."""
    top = [*headings]
    lines = [f"| {' | '.join(cells)} |" for cells in (top, *rows)]
    return "\n".join([lines[0], f"|{'---|' * len(top)}", *lines[1:]])


def byte_size(count: float) -> str:
    """A number of bytes in powers of 1000, to three digits: `999 bytes`, `1.55 MB`, `312 kB`, `4 GB`."""
    if count < KILO:
        return counted(count, "byte")
    unit = ""
    for unit in SIZE_UNITS:  # noqa: B007 - the unit at which the loop stopped is the answer
        count /= KILO
        if round(count) < KILO:
            break
    return f"{count:.3g} {unit}" if round(count) < KILO else f"{count:.0f} {unit}"


def duration(seconds: float) -> str:
    """A time in its largest fitting unit: `14 days`, `24 hours`, `10 minutes`, `45 seconds`."""
    length, noun = next(((length, noun) for least, length, noun in TIME_UNITS if seconds >= least), (1.0, "second"))
    return counted(seconds / length, noun)


def plain(text: str) -> str:
    """The text on one line, with every character that acts or hides replaced by a space; all else stays as it was.

    Fit for whole messages and paths, which have to be copied as they are.
    """
    if text.isascii() and text.isprintable():
        return text
    line: list[str] = []
    before = ""
    for place, one in enumerate(text, 1):
        before = one if _is_shown(before, one, text[place : place + 1]) else " "
        line.append(before)
    return "".join(line)


def shortened(text: str, most: int) -> str:
    """As `plain`, with single spaces, cut to at most `most` characters including the `…` that shows the cut."""
    read = text[: most * READ_AHEAD]
    line = " ".join(plain(read).split())
    return line if len(line) <= most and read == text else f"{line[: most - 1].rstrip(JOINERS)}…"


def quoted(text: str, most: int) -> str:
    """As `shortened`, in single quotation marks that nothing in it can end, its markup made harmless."""
    return f"'{shortened(text, most).translate(INSIDE_QUOTES).replace('](', '] (')}'"


def plain_lines(text: str) -> str:
    """As `plain`, line by line. Line feeds are ours: foreign text is on one line before it comes to a sentence."""
    return "\n".join(map(plain, text.split("\n")))


@dataclass(frozen=True, slots=True)
class Foreign:
    """Text that others have written: a prompt, a vendor's words, a file's name.

    It is no `str`, so nobody puts it into a sentence, a table or a path by mistake: whoever shows it takes the form
    that fits. In an f-string it is `quoted`.
    """

    raw: str
    """As it was written: for the store, for structured content and for the vendor."""

    def __bool__(self) -> bool:
        return bool(self.raw)

    def __str__(self) -> str:
        return self.quoted()

    @property
    def whole(self) -> str:
        """All of it on one line, see `plain`: for paths, which have to be copied as they are."""
        return plain(self.raw)

    def line(self, most: int = SHOWN_LENGTH) -> str:
        """At most so many characters of it on one line, see `shortened`: for a cell or a line of its own."""
        return shortened(self.raw, most)

    def quoted(self, most: int = SHOWN_LENGTH) -> str:
        """As `line`, in quotation marks that it cannot end, see `quoted`: for a sentence of ours."""
        return quoted(self.raw, most)


class LogLines(logging.Formatter):
    """Makes log lines that nothing in them can break or forge.

    A message is one line, and the lines of a traceback are indented.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is the library's
        """The message on one line."""
        return plain(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - as above
        """The traceback, indented."""
        return "\n".join(f"  {plain(line)}" for line in super().formatException(ei).split("\n"))


def log_to(stream: SupportsWrite[str], form: str) -> None:
    """Log warnings and worse to a stream, unless a log is set up already."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LogLines(form))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)


def clip(text: str, longest: int = SHOWN_LENGTH) -> str:
    """The text; a longer one is cut, and its length is given."""
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
    """Whether a text can be written down: half of a surrogate pair can come in JSON, but no file can hold it."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def _writable(text: str) -> str:
    """The text with lone halves of a character, which no encoding can hold, written out as their number."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _is_shown(before: str, one: str, after: str) -> bool:
    """Whether a character is one that readers see: `before` it stands what they see, `after` it what may be hidden."""
    if one.isascii():
        return one.isprintable()
    if one in (ZWNJ, ZWJ):
        return _joins(before, one, after)
    if _within(one, VARIATION_SELECTORS):
        return bool(before) and before != ZWJ and not before.isspace() and not _within(before, VARIATION_SELECTORS)
    return not _is_hidden(one)


def _is_hidden(one: str) -> bool:
    hidden = unicodedata.category(one) in HIDDEN_CATEGORIES and one not in VISIBLE_FORMATS
    return hidden or one in FILLERS


def _joins(before: str, one: str, after: str) -> bool:
    """Whether a joiner stands where spelling needs it: in a word of a joining script, or inside an emoji."""
    if not before or not after or _is_hidden(after):
        return False
    if _within(before, JOINING) and _within(after, JOINING):
        return True
    return one == ZWJ and _is_emoji(after) and (_is_emoji(before) or _within(before, VARIATION_SELECTORS))


def _is_emoji(one: str) -> bool:
    return unicodedata.category(one) in EMOJI_CATEGORIES or one in "\u2640\u2642"


def _within(one: str, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(low <= ord(one) <= high for low, high in ranges)


class Spelling(NamedTuple):
    """One way to write a secret."""

    text: str
    """Its letters and digits in lower case."""
    least: int
    """How many of them in a row count as a part of it."""

    @property
    def step(self) -> int:
        """The length of its pieces: of `least` signs in a row, one whole piece is a part."""
        return (self.least + 1) // 2

    @property
    def pieces(self) -> list[str]:
        """The text in pieces, without a shorter one at its end."""
        last = len(self.text) - self.step
        return [self.text[place : place + self.step] for place in range(0, last + 1, self.step)]


def folded(text: str) -> str:
    """The letters and digits of a text, without differences of case, accents, width and style."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text).casefold()))


@lru_cache(maxsize=64)
def spellings(secret: str) -> tuple[Spelling, ...]:
    """The secret, and each of its parts between colons: as it is, reversed, in hexadecimal, decimal and base64.

    Base64 has three forms, by where in the encoded text the secret begins; together they find it in `Bearer <key>`
    too. Percent-encoding and its relatives are undone before the comparison.
    """
    found: dict[Spelling, None] = {}
    for one in dict.fromkeys((secret, *secret.split(":"))):
        letters, data = folded(one), one.encode()
        if len(letters) < SHORTEST_SECRET:
            continue
        forms = [letters, letters[::-1], data.hex(), "".join(map(str, data)), "".join(f"0x{code:02x}" for code in data)]
        for before in range(3):
            encoded = b64encode(bytes(before) + data).decode("ascii")
            sure = encoded[(before * 4 + 2) // 3 : (before + len(data)) * 4 // 3]
            forms.append(folded(sure))
        for form in forms:
            part = round(len(form) * PART_OF_SECRET / len(letters))
            found[Spelling(form, part if len(letters) >= LONG_SECRET else len(form))] = None
    return tuple(found)


WINDOW = 1_000_000
"""Bytes that are searched at once: a few milliseconds."""
OVERLAP = 50_000  # bytes by which windows overlap: no spelling of a key is longer


@lru_cache(maxsize=64)
def pieces_of(secret: str) -> tuple[str, ...]:
    """The pieces of all its spellings. Where none of them stands, the secret does not either."""
    return tuple(dict.fromkeys(piece for one in spellings(secret) for piece in one.pieces))


def may_hold(data: bytes, secret: str) -> bool:
    """Whether the secret may stand in this, in any of its spellings. It takes microseconds, and may err by yes alone.

    Base64 of more than `LONGEST_LINK` signs counts as a picture, and is not looked at.
    """
    if len(data) > LONGEST_LINK:
        data = b'"'.join(one for one in data.split(b'"') if not is_base64(one))
    # in windows, as each step holds up all other threads
    return any(_holds(data[at : at + WINDOW + OVERLAP], secret) for at in range(0, len(data), WINDOW))


def _holds(data: bytes, secret: str) -> bool:
    text = data.decode("latin-1")  # a text is searched in half the time
    if not data.isascii() or any(map(text.__contains__, ESCAPES)) or (len(secret) > 1 and secret in text):
        return True
    readings = (one.translate(LOWERED, NOT_COMPARED).decode() for one in {data, re.sub(BLANKS, b"", data)})
    return any(any(map(one.__contains__, pieces_of(secret))) for one in readings)


def is_base64(data: bytes) -> bool:
    """Whether this is a picture as text: long, and nothing but base64, behind `data:...,` or not."""
    if len(data) <= LONGEST_LINK:
        return False
    start = data.find(b",", 0, SHOWN_LENGTH) + 1 if data.startswith(b"data:") else 0
    return not data[start:].replace(rb"\/", b"/").translate(None, BASE64)  # JSON may write a slash in this way
