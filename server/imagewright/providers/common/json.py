"""Read vendors' JSON without trusting it: nothing here raises, and a value that makes no sense is left out."""

from __future__ import annotations

import base64
import binascii
import math
from typing import TYPE_CHECKING, Any

from imagewright.providers.base import Output

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_USD = 1000.0
"""A reported cost of this much or more is a slip: the dearest call here costs a few dollars."""
LARGEST_SEED = 2**63 - 1
"""The largest whole number the library's database can keep."""
DATA_URI = "data:"
DEPTH = 5
"""How far lists and tables inside each other are read for words."""


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is an object; else an empty one."""
    return value if isinstance(value, dict) else {}


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """The objects in a list; none if it is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def text_in(body: Mapping[str, Any], *names: str) -> str:
    """The first of these fields that is a text and not empty; else an empty text."""
    return next((value for name in names if isinstance(value := body.get(name), str) and value), "")


def joined(body: Mapping[str, Any], *names: str) -> str:
    """The texts of these fields, such as `code: message`."""
    return ": ".join(value for name in names if (value := text_in(body, name).strip()))


def error_words(body: Mapping[str, Any], *names: str) -> str:
    """The words of the first of these fields that has any, see `words_in`."""
    return next((words for name in names if (words := words_in(body.get(name)))), "")


def words_in(value: Any, depth: int = DEPTH) -> str:
    """What a vendor's JSON says, in plain words without a program's brackets and quotation marks.

    The value is a text, a list, a table, or a problem such as `{"loc": ["body", "n"], "msg": "..."}`, read `depth`
    levels deep.
    """
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool) or value is None or not depth:
        return ""
    if isinstance(value, list):
        return "; ".join(words for one in value if (words := words_in(one, depth - 1)))
    if not isinstance(value, dict):
        return str(value)
    if isinstance(message := value.get("msg"), str):
        parts = value["loc"] if isinstance(value.get("loc"), list) else []
        place = ".".join(str(part) for part in parts if part != "body" and isinstance(part, str | int))
        return f"{place}: {message}" if place else message
    return "; ".join(f"{name}: {words}" for name, one in value.items() if (words := words_in(one, depth - 1)))


def decimal(value: Any) -> float | None:
    """A finite number, also one that is written as a text; None for anything else, true and false among it."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def whole(value: Any) -> int | None:
    """A number without its fraction, also one that is written as a text; None for anything else."""
    number = decimal(value)
    return None if number is None else int(number)


def usd(value: Any, *, per_unit: float = 1.0) -> float | None:
    """What a vendor says it charged, in USD; None, which means unknown, where that cannot be true.

    `value` is in the vendor's own units, `per_unit` the USD of one. Budgets add it up: a negative amount would make
    room in them, and an infinite one would use them up for good.
    """
    units = decimal(value)
    if units is None or units < 0:
        return None
    money = round(units * per_unit, 6)
    return money if money < MOST_USD else None


def seed(value: Any) -> int | None:
    """The seed a vendor reports; None where it is no seed, or too large to be kept."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value <= LARGEST_SEED else None


def read_base64(value: object) -> bytes | None:
    """The file in a base64 text, of either alphabet, or in a data URI; None when there is none or it is damaged."""
    if not isinstance(value, str):
        return None
    if value.startswith(DATA_URI):
        value = value.partition(",")[2]
    try:
        alphabet = b"-_" if "-" in value or "_" in value else None
        return base64.b64decode("".join(value.split()), alphabet, validate=True) or None
    except (binascii.Error, ValueError):
        return None


def picture_in(item: Mapping[str, Any]) -> Output | None:
    """The picture of an entry: in base64, as a link, or as a data URI where the link should be; None for none."""
    url = text_in(item, "url")
    if data := read_base64(item.get("b64_json")) or (url.startswith(DATA_URI) and read_base64(url)):
        return Output(data=data)
    return None if not url or url.startswith(DATA_URI) else Output(url=url)
