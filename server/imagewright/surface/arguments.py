"""Arguments of the helper tools against their own schemas, all problems at once.

The model tools' arguments are checked by the engine against their rows; these few by the schema they are listed with.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from imagewright.catalog.normalise import Wanted, normalised
from imagewright.engine.check import KIND_WORDS
from imagewright.errors import MOST_PROBLEMS, Problem, Refusal
from imagewright.text import BROKEN_TEXT, did_you_mean, is_whole, say

if TYPE_CHECKING:
    from imagewright.catalog.row import Kind

PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}
KINDS: dict[str, Kind] = {"string": "text", "integer": "integer", "number": "number", "boolean": "boolean"}
"""What the rows call a type of JSON Schema."""


def read_arguments(schema: dict[str, Any], given: dict[str, Any] | None) -> dict[str, Any]:
    """The arguments, normalised, with the schema's defaults filled in; what was sent empty counts as not given.

    Args:
        schema: a flat object schema of strings, numbers and booleans.
        given: what the client sent.

    Raises:
        Refusal: unknown argument, wrong type, value outside an enum, a bound or a pattern.
    """
    properties: dict[str, dict[str, Any]] = schema["properties"]
    sent = normalised(given or {}, {name: _wanted(part) for name, part in properties.items()})
    unknown = [name for name in sent if name not in properties]
    problems = [Problem(name, f"unknown argument{did_you_mean(name, properties)}") for name in unknown[:MOST_PROBLEMS]]
    problems += [Problem("", "unknown argument")] * len(unknown[MOST_PROBLEMS:])  # no refusal shows more: only counted
    problems += [
        Problem(name, why)
        for name, value in sent.items()
        if name in properties and (why := _wrong(properties[name], value))
    ]
    if problems:
        raise Refusal(*problems)
    return {name: part["default"] for name, part in properties.items() if "default" in part} | sent


def _wanted(part: dict[str, Any]) -> Wanted:
    return Wanted("choice", tuple(part["enum"])) if "enum" in part else Wanted(KINDS[part["type"]])


def _wrong(part: dict[str, Any], value: Any) -> str:
    wanted = part["type"]
    if not isinstance(value, PYTHON_TYPES[wanted]) or (isinstance(value, bool) and wanted != "boolean"):
        return f"must be {KIND_WORDS[KINDS[wanted]]}"
    return _wrong_text(part, value) if isinstance(value, str) else _wrong_number(part, value)


def _wrong_text(part: dict[str, Any], value: str) -> str:
    if not is_whole(value):
        return BROKEN_TEXT
    if "enum" in part and value not in part["enum"]:
        return f"{say(value)} is not one of {', '.join(part['enum'])}{did_you_mean(value, part['enum'])}"
    if "pattern" in part and not re.search(str(part["pattern"]), value):
        return f"{say(value)} does not have the form it needs ({part['description']})"
    return ""


def _wrong_number(part: dict[str, Any], value: Any) -> str:
    if "minimum" in part and not value >= part["minimum"]:
        return f"{say(value)} is below the minimum {part['minimum']}"
    if "maximum" in part and not value <= part["maximum"]:
        return f"{say(value)} is above the maximum {part['maximum']}"
    return ""
