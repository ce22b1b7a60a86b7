"""A key in every spelling that a vendor may repeat it in, and a witness that finds one again without our own code."""

from __future__ import annotations

import base64
import json
import quopri
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WINDOW = 12
"""Letters and digits in a row that count as seen."""


def _each(form: str) -> Callable[[str], str]:
    return lambda key: "".join(form.format(code) for code in key.encode())


def _parted(by: str, size: int = 1) -> Callable[[str], str]:
    return lambda key: by.join(key[place : place + size] for place in range(0, len(key), size))


def _escaped(key: str) -> str:
    return "".join(f"\\u{ord(sign):04x}" for sign in key)


def _shifted(first: int, upper: int, lower: int) -> Callable[[str], str]:
    """The signs in another style of Unicode: digits from `first` on, letters from `upper` and `lower` on."""

    def styled(key: str) -> str:
        starts = (("0", "9", first), ("A", "Z", upper), ("a", "z", lower))
        return "".join(
            next((chr(start + ord(sign) - ord(low)) for low, high, start in starts if low <= sign <= high), sign)
            for sign in key
        )

    return styled


def _encoded(before: str, codec: Callable[[bytes], bytes]) -> Callable[[str], str]:
    return lambda key: codec(f"{before}{key}".encode()).decode("ascii").strip()


SPELLINGS: Mapping[str, Callable[[str], str]] = {
    "as it is": lambda key: key,
    "header": lambda key: f"Authorization: Bearer {key}",
    "upper case": str.upper,
    "lower case": str.lower,
    "swapped case": str.swapcase,
    "reversed": lambda key: key[::-1],
    "base64": _encoded("", base64.b64encode),
    "base64 without padding": lambda key: base64.b64encode(key.encode()).decode().rstrip("="),
    "base64 for addresses": _encoded("", base64.urlsafe_b64encode),
    "base64 of the Bearer header": _encoded("Bearer ", base64.b64encode),
    "base64 of the Key header": _encoded("Key ", base64.urlsafe_b64encode),
    "base64 of a user and the key": _encoded("me:", base64.b64encode),
    "base64 in lines": lambda key: "\r\n".join(re.findall(".{1,16}", base64.b64encode(key.encode()).decode())),
    "hexadecimal": lambda key: key.encode().hex(),
    "hexadecimal in capitals": lambda key: key.encode().hex().upper(),
    "hexadecimal with colons": lambda key: key.encode().hex(":"),
    "hexadecimal of the header": lambda key: f"Bearer {key}".encode().hex(),
    "hexadecimal numbers": lambda key: ", ".join(map(hex, key.encode())),
    "decimal numbers": lambda key: str(list(key.encode())),
    "percent": _each("%{:02X}"),
    "percent, of what has to be": lambda key: quote(f"Bearer {key}"),
    "percent, twice": _each("%25{:02x}"),
    "percent, here and there": lambda key: "".join(f"%{ord(one):02x}" if n % 3 else one for n, one in enumerate(key)),
    "HTML, decimal": _each("&#{};"),
    "HTML, hexadecimal": _each("&#x{:04x};"),
    "HTML, twice": _each("&amp;#{};"),
    "quoted-printable": _each("={:02X}"),
    "quoted-printable lines": lambda key: quopri.encodestring(b"=" + key.encode() * 2).decode() + "=\n",
    "quoted-printable, broken": _parted("=\r\n", 5),
    "JSON": _escaped,
    "JSON in JSON": lambda key: json.dumps(_escaped(key))[1:-1],
    "C, hexadecimal": _each("\\x{:02x}"),
    "C, octal": _each("\\{:03o}"),
    "full width": _shifted(0xFF10, 0xFF21, 0xFF41),
    "bold": _shifted(0x1D7CE, 0x1D400, 0x1D41A),
    "with accents": lambda key: "".join(f"{sign}\u0301" for sign in key),
    "split by spaces": _parted(" "),
    "split by a space": _parted(" ", 9),
    "split by dots": _parted(".", 4),
    "split by line ends": _parted("\n", 7),
    "split by line ends in JSON": _parted("\\n", 3),
    "split by line ends in JSON in JSON": _parted("\\\\r\\\\n", 2),
    "split by soft hyphens": _parted("\u00ad", 3),
    "split by zero-width signs": _parted("\u200b"),
    "split by bidi marks": _parted("\u202e", 5),
    "split by NUL": _parted("\x00"),
    "split by tags": _parted("<wbr>", 4),
    "split by entities": _parted("&shy;", 4),
    "in quotes and lists": lambda key: str(list(key)),
    "the end alone": lambda key: f"...{key[-20:]}",
    "the beginning alone": lambda key: f"{key[:20]}...",
    "the middle alone": lambda key: f"...{key[6:-6]}...",
}
"""How a vendor may write a key, by name."""


def bare(text: str) -> str:
    """The ASCII letters and digits of a text, in lower case."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def traces(key: str, *planted: str) -> set[str]:
    """What gives away the key or what was planted for it: every 12 letters and digits in a row; other signs, whole."""
    # what stands around the key is no secret
    around = bare(f"Authorization: Bearer {b'Bearer '.hex()}")
    parts = map(bare, (key, *planted))
    windows = {part[place : place + WINDOW] for part in parts for place in range(len(part) - WINDOW + 1)}
    return {one for one in windows if one not in around} | {one for one in planted if not one.isascii()}


def seen(text: str, traces: set[str]) -> set[str]:
    """Which of them stand in a text."""
    letters = bare(text)
    # no set of all windows: some texts are whole logs and databases
    windows = (letters[place : place + WINDOW] for place in range(len(letters) - WINDOW + 1))
    found = {window for window in windows if window in traces}
    return found | {one for one in traces if not one.isascii() and one in text}


def shows(text: str, planted: str, key: str) -> bool:
    """Whether a text shows the key, or what was planted for it."""
    return bool(seen(text, traces(key, planted)))
