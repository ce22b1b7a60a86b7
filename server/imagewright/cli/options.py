"""The options of `imagewright run <tool>`, made from the tool's row.

They only carry what was typed: whether a value is allowed is the engine's to say, which names everything that is
wrong at once. So nothing here is required, bounded or restricted to choices.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagewright.catalog.facts import argument_names
from imagewright.catalog.schema import union
from imagewright.errors import Problem, Refusal
from imagewright.text import listed, shown, span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagewright.catalog.row import Argument, Row

METAVAR = {
    "text": "TEXT",
    "choice": "CHOICE",
    "integer": "N",
    "number": "X",
    "picture": "PICTURE",
    "pictures": "PICTURE",
    "path": "PATH",
}
ID_START = "img_"
"""How the id of an earlier picture starts; with a file extension behind it, it is a file."""
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
"""Start of a URL or data URI; two letters at least, as one is a Windows drive."""


def option(argument: str) -> str:
    """`aspect_ratio` as `--aspect-ratio`."""
    return f"--{argument.replace('_', '-')}"


def row_options(row: Row) -> argparse.ArgumentParser:
    """A parser with one option per argument of the row, in the order of its schema; a parent of the command's."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    group = parser.add_argument_group(f"arguments of {row.tool}")
    for name in argument_names(row):
        joined = union(row, name)
        text = _help(joined.argument, joined.notes).replace("%", "%%")
        given: dict[str, Any] = {"dest": name, "default": None, "help": text}
        if joined.argument.kind == "boolean":
            group.add_argument(option(name), action=argparse.BooleanOptionalAction, **given)
        elif joined.argument.kind == "pictures":
            group.add_argument(option(name), action="extend", nargs="+", metavar=METAVAR["pictures"], **given)
        else:
            group.add_argument(option(name), metavar=METAVAR[joined.argument.kind], **given)
    return parser


def _help(argument: Argument, notes: Sequence[str]) -> str:
    parts = [argument.describe]
    if argument.values:
        parts.append(", ".join(shown(value) for value in argument.values))
    for low, high, unit in (
        (argument.minimum, argument.maximum, ""),
        (argument.min_items, argument.max_items, " pictures"),
    ):
        if low is not None and high is not None:
            parts.append(f"{span(low, high)}{unit if high != 1 else ' picture'}" if unit else span(low, high))
    if argument.max_length is not None:
        parts.append(f"at most {argument.max_length} characters")
    if argument.default is not None:
        parts.append(f"default {shown(argument.default)}")
    if argument.required:
        parts.append("required")
    return "; ".join([*parts, *notes])


def arguments(row: Row, message: Mapping[str, Any], unknown: Sequence[str]) -> dict[str, Any]:
    """The call's arguments from what was typed.

    Args:
        row: the tool's row.
        message: the parsed options, None where one was not given.
        unknown: the words no option took; `--like this` and `--like=this` become arguments for the engine to refuse.

    Raises:
        Refusal: a word stands without its option.
    """
    known = row.arguments()
    given = {name: _value(known[name][0], message[name]) for name in known if message.get(name) is not None}
    return given | _strangers(unknown, row.tool)


def _strangers(words: Sequence[str], tool: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    loose: list[str] = []
    name = ""
    for word in words:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            name = name.replace("-", "_")
            found[name] = value if equals else True
            if equals:
                name = ""
        elif name:
            found[name] = word
            name = ""
        else:
            loose.append(word)
    if loose:
        words_said = listed([repr(word) for word in loose])
        raise Refusal(Problem("", f"{words_said} belongs to no option; imagewright run {tool} --help lists them"))
    return found


def _value(argument: Argument, typed: Any) -> Any:
    """What was typed in the type the argument has, where nothing is lost by it; else as it was typed."""
    match argument.kind:
        case "integer":
            return _number(typed, int)
        case "number":
            return _number(typed, float)
        case "choice":
            return next((value for value in argument.values or () if shown(value) == typed), typed)
        case "picture":
            return _picture(typed)
        case "pictures":
            return [_picture(one) for one in typed]
        case _:
            return typed


def _number(typed: str, whole: type[int | float]) -> int | float | str:
    for kind in (whole, float):
        try:
            return kind(typed)
        except ValueError:
            continue
    return typed


def _picture(typed: str) -> str:
    """A path relative to where the user stands, made absolute; a URL, data URI or picture id as it is."""
    picture_id = typed.startswith(ID_START) and not Path(typed).suffix
    if picture_id or SCHEME.match(typed):
        return typed
    path = Path(typed).expanduser() if typed.startswith(("~/", "~\\")) else Path(typed)
    return str(Path.cwd() / path)
