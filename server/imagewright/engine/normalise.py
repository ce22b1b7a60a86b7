"""What a client sent, in the form that an argument asks for.

Real clients send `2.0` or `"2"` for 2, `"true"` for true, an empty text or list for an argument they did not mean to
give, a list as JSON text, one text where a list is wanted, a path in quotes or behind `@`, and an edition by its full
name. What can only mean one thing is taken as that. What could mean two things stays as it came, and is refused by the
check. This is done here and nowhere else: the fingerprint of a call and the plan see the normalised arguments.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from imagewright.catalog.row import MODEL
from imagewright.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagewright.catalog.row import Kind, Row

EXACT = 2**53
"""A float above this cannot hold every whole number, so it is not known which one was meant."""
QUOTES = "\"'`"
_WHOLE = re.compile(r"[+-]?[0-9]{1,20}(?:\.0{1,20})?")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})")
_NEXT_SOURCE = re.compile(
    r"[\s,;][\"'`@]*(?:[/~]|[a-z]:[\\/]|https?://|file:|data:|image://|img_)", re.ASCII | re.IGNORECASE
)
"""Where the next picture begins in a text that names several. It matches one separator and not a run of them: a long
run of blanks would be searched again from each blank, which takes minutes."""


class Wanted(NamedTuple):
    """What an argument should be."""

    kind: Kind
    values: tuple[str | float, ...] = ()
    """Of a choice: the values of all operations."""


def wanted_by(row: Row) -> dict[str, Wanted]:
    """Every argument of the tool with its kind and, for a choice, the values of all operations."""
    return {
        name: Wanted(takes[0].kind, tuple(dict.fromkeys(value for one in takes for value in one.values or ())))
        for name, takes in row.arguments().items()
    }


def normalised(given: Mapping[Any, Any], known: Mapping[str, Wanted]) -> dict[str, Any]:
    """What the client sent, in the form that was asked for, without what was sent empty.

    An argument that is not known keeps its value and is left out only when it is null.
    """
    found = {}
    for key, value in given.items():
        name = str(key)
        form = known.get(name)
        meant = value if form is None else _meant(form, value)
        if meant is not None and (form is None or not _is_empty(meant)):
            found[name] = meant
    return found


def normalised_for(row: Row, given: Mapping[Any, Any]) -> dict[str, Any]:
    """The arguments of a model's tool as `normalised`, with an edition under its own name."""
    found = normalised(given, wanted_by(row))
    if isinstance(asked := found.get(MODEL), str) and (edition := row.edition_called(asked)) is not None:
        found[MODEL] = edition
    return found


def _meant(form: Wanted, value: Any) -> Any:
    read = READERS.get(form.kind)
    meant = value if read is None else read(value)
    return _one_of(form.values, meant) if form.values else meant


def _is_empty(value: Any) -> bool:
    return value == [] or (isinstance(value, str) and not value.strip())


def _one_of(values: tuple[str | float, ...], value: Any) -> Any:
    """The one value that is written like this one; the value as it is where there is none or more than one."""
    number = _number(value)
    if isinstance(number, str | int | float):
        for text in (shown(value).strip(), shown(number)):
            if same := [one for one in values if shown(one) == text]:
                return same[0] if len(same) == 1 else value
    return value


def _integer(value: Any) -> Any:
    """`2.0`, `"2"` and `"2.0"` as 2, with white space around or not; `1.5`, `"two"` and true as they are."""
    if isinstance(value, float):
        return _plain(value)
    if isinstance(value, str) and _WHOLE.fullmatch(text := value.strip()):
        return int(text.partition(".")[0])
    return value


def _number(value: Any) -> Any:
    """`"1.5"` as 1.5; whole ones as integers, so that `7`, `7.0` and `"7"` are the same call."""
    whole = _integer(value)
    if isinstance(whole, str) and _DECIMAL.fullmatch(text := whole.strip()):
        return _plain(float(text))
    return whole


def _plain(value: float) -> int | float:
    return int(value) if value.is_integer() and abs(value) <= EXACT else value


def _boolean(value: Any) -> Any:
    words = {"true": True, "false": False}
    return words.get(value.strip().lower(), value) if isinstance(value, str) else value


def _picture(value: Any) -> Any:
    """A path, address or id without its quotes, its `@` or the list that holds only it."""
    opened = _from_json(value)
    if isinstance(opened, list) and len(opened) == 1 and isinstance(opened[0], str):
        opened = opened[0]
    return _source(opened) if isinstance(opened, str) else opened


def _pictures(value: Any) -> Any:
    """A list, also from JSON text or from a text that names one picture. A text that names several stays a text."""
    opened = _from_json(value)
    if isinstance(opened, list):
        return [_source(one) if isinstance(one, str) else one for one in opened]
    if not isinstance(opened, str) or opened.lstrip().startswith("[") or _names_several(opened):
        return opened
    source = _source(opened)
    return [source] if source else source


def _from_json(value: Any) -> Any:
    """The list that a JSON text holds; anything else as it is. No path, address or id begins with a bracket."""
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return value
    try:
        opened = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return opened if isinstance(opened, list) else value


def _source(text: str) -> str:
    """Without quotes and `@` around it: no absolute path, address or id begins with one of them."""
    text = text.strip()
    if text[:1] == "@" and len(text) > 1:
        return _unquoted(text[1:].strip())
    bare = _unquoted(text)
    return bare[1:].strip() if bare is not text and bare[:1] == "@" and len(bare) > 1 else bare


def _names_several(text: str) -> bool:
    text = text.strip()
    if text[:5].lower() == "data:":
        return "," in text.partition(",")[2]  # base64 has none; it may have line breaks and slashes
    return _NEXT_SOURCE.search(text) is not None


def _path(value: Any) -> Any:
    """A path without its quotes. A leading `@` stays, as it may be part of a file's name."""
    if not isinstance(value, str):
        return value
    stripped = value.strip()
    bare = _unquoted(stripped)
    return value if bare is stripped else bare


def _unquoted(text: str) -> str:
    """The text between a pair of quotes; the same object where there is no pair, so that callers can tell."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in QUOTES and text[0] not in text[1:-1]:
        return text[1:-1].strip()
    return text


READERS: dict[Kind, Callable[[Any], Any]] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "picture": _picture,
    "pictures": _pictures,
    "path": _path,
}
"""By kind, what brings a client's value into the form it can only mean, and returns any other as it is."""
