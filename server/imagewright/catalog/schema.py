"""The JSON Schema of a tool's input: one flat object that every maker's function calling takes unchanged.

It is the union over the tool's operations, so it is looser than any one of them: what only one operation allows or
lacks is said in a few generated words, and the engine's check holds the call to the operation that follows from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagewright.catalog.facts import argument_names
from imagewright.catalog.union import union
from imagewright.text import exact

if TYPE_CHECKING:
    from imagewright.catalog.row import Argument, Row

TYPES = {
    "text": "string",
    "path": "string",
    "picture": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
}
KEYWORDS = {
    "pattern": "pattern",
    "minimum": "minimum",
    "maximum": "maximum",
    "min_length": "minLength",
    "max_length": "maxLength",
    "min_items": "minItems",
    "max_items": "maxItems",
}


def input_schema(row: Row) -> dict[str, Any]:
    """The schema of the tool's arguments.

    Only `type`, `properties`, `required`, `additionalProperties`, `enum`, bounds, lengths, `items`, `default` and
    `description` occur: no reference, no alternative, no list of types. It validates under JSON Schema 2020-12.
    `required` is left out where nothing is: draft-04 forbids an empty list.
    """
    properties = {}
    required = []
    for name in argument_names(row):
        found = union(row, name)
        properties[name] = argument_schema(found.argument, found.notes)
        if found.argument.required:
            required.append(name)
    schema = {"type": "object", "properties": properties}
    return schema | ({"required": required} if required else {}) | {"additionalProperties": False}


def argument_schema(argument: Argument, notes: tuple[str, ...] = ()) -> dict[str, Any]:
    """The schema of one argument, its limits and notes put into the description."""
    schema: dict[str, Any] = {"type": _type(argument)}
    if argument.kind == "pictures":
        schema["items"] = {"type": "string"}
    if argument.values is not None:
        schema["enum"] = [exact(value) for value in argument.values]
    for bound, keyword in KEYWORDS.items():
        if (value := getattr(argument, bound)) is not None:
            schema[keyword] = exact(value)
    if argument.default is not None:
        schema["default"] = exact(argument.default)
    schema["description"] = "; ".join((argument.describe, *notes))
    return schema


def _type(argument: Argument) -> str:
    if argument.kind == "pictures":
        return "array"
    if argument.kind != "choice":
        return TYPES[argument.kind]
    values = argument.values or ()
    if all(isinstance(value, str) for value in values):
        return "string"
    return "integer" if all(isinstance(exact(value), int) for value in values) else "number"
