"""Clients that must send every argument, none of them null: what stands for the ones they do not mean changes nothing.

A strict converter (openai-agents, LangChain, pydantic-ai with `strict`) makes every property required.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from imagewright.catalog.load import catalog
from imagewright.catalog.row import Argument
from imagewright.catalog.schema import neutral, union
from imagewright.engine.check import check, read_arguments
from imagewright.engine.config import all_routes
from imagewright.engine.offer import effective_row
from imagewright.engine.pictures import fingerprint
from imagewright.surface.definitions import helper_arguments, tool_definitions
from tests.support.each import each
from tests.support.fitting_arguments import fitting

if TYPE_CHECKING:
    from imagewright.catalog.row import OperationName, Row

TODAY = date(2026, 1, 1)
ROWS = tuple(catalog().values())
HELPERS = helper_arguments(ROWS)
WAYS = [(row, operation) for row in ROWS for operation in row.operations]


def strict(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema as strict converters make it: every property is required, and no other is taken."""
    return schema | {"required": list(schema["properties"]), "additionalProperties": False}


def unset(listed: dict[str, Any], row: Row) -> dict[str, Any]:
    """Every optional argument of a listed tool with its neutral value."""
    return {name: union(row, name).unset for name in listed["properties"] if name not in listed.get("required", ())}


def narrowed(row: Row) -> list[Row]:
    """The row as it is listed where one provider serves, and as it is."""
    providers = dict.fromkeys(route.provider for route in all_routes() if route.tool == row.tool)
    found = [
        effective_row(row, [one for one in all_routes() if (one.tool, one.provider) == (row.tool, provider)], TODAY)
        for provider in providers
    ]
    return [row, *(one for one in found if one is not None)]


@each(WAYS, lambda row, operation: f"{row.tool}-{operation}")
def test_neutral_values_make_the_same_call(row: Row, operation: OperationName) -> None:
    least = fitting(row, operation)
    plain = check(row, least)
    assert plain.problems == ()
    for own in narrowed(row):
        if operation not in own.operations:
            continue
        (listed,) = tool_definitions([own], ())
        filled = unset(listed["inputSchema"], own)
        assert None not in filled.values(), "an optional argument without a neutral value"
        sent = filled | least
        assert list(Draft202012Validator(strict(listed["inputSchema"])).iter_errors(sent)) == []
        found = check(row, sent)
        assert (found.operation, found.given, found.problems) == (plain.operation, plain.given, ())
        assert fingerprint(found) == fingerprint(plain)
        for name, value in filled.items():
            assert check(row, {name: value} | least).given == plain.given, name


@pytest.mark.parametrize("tool", HELPERS)
def test_neutral_values_of_a_helper_tool_are_its_call_without_arguments(tool: str) -> None:
    listed = next(one for one in tool_definitions(ROWS) if one["name"] == tool)["inputSchema"]
    sent = {name: neutral(argument) for name, argument in HELPERS[tool].items()}
    assert None not in sent.values()
    assert list(Draft202012Validator(strict(listed)).iter_errors(sent)) == []
    assert read_arguments(HELPERS[tool], sent) == read_arguments(HELPERS[tool], {})


NEUTRAL = [
    (Argument(kind="text", describe="-"), ""),
    (Argument(kind="path", describe="-", min_length=1), ""),
    (Argument(kind="picture", describe="-"), ""),
    (Argument(kind="pictures", describe="-", min_items=1), []),
    (Argument(kind="choice", describe="-", values=("a", "b")), "auto"),
    (Argument(kind="choice", describe="-", values=("auto", "b")), None),
    (Argument(kind="choice", describe="-", values=("auto", "b"), default="b"), "b"),
    (Argument(kind="choice", describe="-", values=(1, 2)), 0),
    (Argument(kind="integer", describe="-", minimum=1), 0),
    (Argument(kind="integer", describe="-", minimum=1, default=2), 2),
    (Argument(kind="number", describe="-", minimum=0), -1),
    (Argument(kind="integer", describe="-"), None),
    (Argument(kind="boolean", describe="-"), None),
    (Argument(kind="boolean", describe="-", default=False), False),
    (Argument(kind="text", describe="-", required=True), None),
]


@pytest.mark.parametrize(("argument", "expected"), NEUTRAL)
def test_the_neutral_value_follows_from_the_argument(argument: Argument, expected: object) -> None:
    found = neutral(argument)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("sent", "understood"),
    [
        ({"seed": -1}, {}),
        ({"seed": "-1"}, {}),
        ({"seed": -1.0}, {}),
        ({"seed": 0}, {"seed": 0}),
        ({"seed": -2}, {"seed": -2}),
        ({"seed": False}, {"seed": False}),
        ({"model": " AUTO "}, {}),
        ({"aspect_ratio": "Auto"}, {}),
        ({"variants": True}, {"variants": True}),
        ({"variants": "1"}, {}),
    ],
)
def test_a_neutral_value_is_known_however_it_is_written(sent: dict[str, Any], understood: dict[str, Any]) -> None:
    row = next(row for row in ROWS if {"seed", "model", "variants"} <= row.arguments().keys())
    assert check(row, {"prompt": "a fox"} | sent).given == {"prompt": "a fox"} | understood


@each(WAYS, lambda row, operation: f"{row.tool}-{operation}")
def test_auto_is_told_where_the_tool_does_not_list_it(row: Row, operation: OperationName) -> None:
    listed = tool_definitions([row], ())[0]["inputSchema"]["properties"]
    choices = [name for name, one in row.operations[operation].arguments.items() if one.values and not one.required]
    found = check(row, fitting(row, operation) | dict.fromkeys(choices, " Auto"))
    assert found.problems == ()
    assert set(found.autos) == {name for name in choices if "auto" not in listed[name]["enum"]}
