"""Arguments of the helper tools against their own schemas, all problems at once.

The model tools' arguments are checked by the engine against their rows; these few by the schema they are listed with.
"""

from __future__ import annotations

import re
from typing import Any

from imagewright.errors import Problem, Refusal
from imagewright.settings.toggles import nearest

PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def read_arguments(schema: dict[str, Any], given: dict[str, Any] | None) -> dict[str, Any]:
    """The arguments with the schema's defaults filled in; nulls count as not given.

    Args:
        schema: a flat object schema of strings, numbers and booleans.
        given: what the client sent.

    Raises:
        Refusal: unknown argument, wrong type, value outside an enum, a bound or a pattern.
    """
    properties: dict[str, dict[str, Any]] = schema["properties"]
    sent = {name: value for name, value in (given or {}).items() if value is not None}
    problems = [
        Problem(name, f"unknown argument{nearest(name, properties)}") for name in sent if name not in properties
    ]
    problems += [
        Problem(name, why)
        for name, value in sent.items()
        if name in properties and (why := _wrong(properties[name], value))
    ]
    if problems:
        raise Refusal(*problems)
    return {name: part["default"] for name, part in properties.items() if "default" in part} | sent


def _wrong(part: dict[str, Any], value: Any) -> str:
    wanted = part["type"]
    if not isinstance(value, PYTHON_TYPES[wanted]) or (isinstance(value, bool) and wanted != "boolean"):
        return f"must be a {wanted}"
    if "enum" in part and value not in part["enum"]:
        return f"{value!r} is not one of {', '.join(part['enum'])}{nearest(str(value), part['enum'])}"
    if "pattern" in part and not re.search(str(part["pattern"]), str(value)):
        return f"{value!r} does not have the form it needs ({part['description']})"
    if "minimum" in part and not value >= part["minimum"]:
        return f"{value} is below the minimum {part['minimum']}"
    if "maximum" in part and not value <= part["maximum"]:
        return f"{value} is above the maximum {part['maximum']}"
    return ""
