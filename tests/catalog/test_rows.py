"""Rows are read strictly: what is wrong is named by file and key, and what is right is true everywhere."""

from __future__ import annotations

import copy
import re
import tomllib
from datetime import date
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.catalog.load import catalog, load_rows, parse_row
from imagewright.catalog.row import Limits, OperationName, narrowed, outside
from imagewright.errors import CatalogError
from imagewright.providers import KEY_VARIABLES
from tests.support.each import each

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imagewright.catalog.row import Argument, Row

ROWS = tuple(catalog().values())
ARGUMENTS = [
    (f"{row.tool}.{operation}.{name}", argument)
    for row in ROWS
    for operation, found in row.operations.items()
    for name, argument in found.arguments.items()
]
each_row = each([(row,) for row in ROWS], lambda row: row.tool)
each_argument = each(ARGUMENTS, lambda where, _argument: where)
WORDS: dict[str, Any] = {
    "prompt": {"kind": "text", "describe": "What to make"},
    "images": {"kind": "pictures", "describe": "Paths"},
    "steps": {"kind": "integer", "describe": "Steps"},
}
SOUND: dict[str, Any] = {
    "tool": "sound",
    "title": "Sound",
    "place": 1,
    "character": "plain",
    "first_choice": "tests",
    "pictures": {"formats": ["png"], "max_bytes": 1000},
    "arguments": {
        "prompt": {"required": True, "max_length": 10},
        "images": {"required": True, "max_items": 2},
        "steps": {"minimum": 1, "maximum": 9, "default": 5},
    },
    "operations": {
        "edit": {
            "selected_by": ["images"],
            "rank": 1,
            "when": "edits",
            "takes": ["prompt", "images", "steps"],
            "limits": {"steps": {"maximum": 7}},
        },
        "generate": {"rank": 1, "when": "new ones", "takes": ["prompt", "steps"]},
    },
}
REMOVE = "(removed)"


def changed(path: str, value: Any) -> dict[str, Any]:
    """A copy of the sound row with one key set, or removed."""
    row = copy.deepcopy(SOUND)
    *way, last = path.split(".")
    table = row
    for key in way:
        table = table.setdefault(key, {})
    if value is REMOVE:
        del table[last]
    else:
        table[last] = value
    return row


BROKEN = [
    ("colour", "red", "colour"),
    ("tool", REMOVE, "tool"),
    ("title", REMOVE, "title"),
    ("pictures", REMOVE, "pictures"),
    ("operations", REMOVE, "operations"),
    ("operations", {}, "operations"),
    ("tool", "Sound!", "tool"),
    ("tool", "other", "other.toml"),
    ("pictures.max_bites", 5, "pictures.max_bites"),
    ("pictures.max_bytes", "many", "pictures.max_bytes"),
    ("pictures.formats", REMOVE, "pictures.formats"),
    ("operations.generate.rank", REMOVE, "operations.generate.rank"),
    ("operations.generate.when", REMOVE, "operations.generate.when"),
    ("operations.generate.takes", REMOVE, "operations.generate.takes"),
    ("operations.generate.takes", ["prompt", "stops"], "stops"),
    ("operations.edit.limits.seed", {"minimum": 1}, "operations.edit.limits.seed"),
    ("operations.edit.limits.steps.maximun", 7, "operations.edit.arguments.steps.maximun"),
    ("operations.dream", {"rank": 1, "when": "x", "takes": ["prompt"]}, "operations.dream"),
    ("arguments.unused", {"kind": "text", "describe": "x"}, "arguments.unused"),
    ("arguments.steps.default", 0, "steps.default"),
    ("arguments.steps.default", 10, "steps.default"),
    ("arguments.steps.default", 8, "operations.edit.steps.default"),
    ("arguments.steps.values", [1, 2], "steps.default"),
    ("arguments.steps.kind", "whole", "steps.kind"),
    ("arguments.prompt.default", "far too long a text", "prompt.default"),
]


def test_the_row_that_the_broken_ones_are_made_from_is_sound() -> None:
    row = parse_row("sound.toml", copy.deepcopy(SOUND), WORDS)
    assert row.operations[OperationName.EDIT].arguments["steps"].maximum == 7
    assert row.operations[OperationName.GENERATE].arguments["steps"].maximum == 9


@pytest.mark.parametrize(("path", "value", "named"), BROKEN, ids=[f"{path}={value}" for path, value, _ in BROKEN])
def test_a_broken_row_is_refused_by_file_and_key(path: str, value: Any, named: str) -> None:
    with pytest.raises(CatalogError) as caught:
        parse_row("sound.toml", changed(path, value), WORDS)
    assert "sound.toml" in str(caught.value)
    assert named in str(caught.value)


def test_a_file_that_is_no_toml_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "arguments.toml").write_text("", encoding="utf-8")
    (tmp_path / "rows" / "torn.toml").write_text("tool = ", encoding="utf-8")
    with pytest.raises(CatalogError, match=r"torn\.toml"):
        load_rows(tmp_path)


@each_argument
def test_every_default_is_valid_in_each_operation(where: str, argument: Argument) -> None:
    if argument.default is not None:
        assert not outside(argument, argument.default), where
        assert not argument.required, "a required argument with a default is a contradiction"


@each_argument
def test_every_number_says_where_and_when_it_was_read(where: str, argument: Argument) -> None:
    numbers = (argument.maximum, argument.max_length, argument.max_items)
    if any(number is not None for number in numbers):
        assert argument.source, where
        assert date.fromisoformat(argument.checked) >= date(2026, 1, 1)


@each_row
def test_picture_limits_say_where_and_when_they_were_read(row: Row) -> None:
    assert row.pictures.source
    assert date.fromisoformat(row.pictures.checked) >= date(2026, 1, 1)


@each_argument
def test_choices_have_values_and_bounds_are_in_order(where: str, argument: Argument) -> None:
    assert (argument.kind == "choice") == (argument.values is not None), where
    for low, high in (("minimum", "maximum"), ("min_length", "max_length"), ("min_items", "max_items")):
        least, most = getattr(argument, low), getattr(argument, high)
        assert least is None or most is None or least <= most
    assert (argument.max_items is not None) == (argument.kind == "pictures")


@each_row
def test_the_operation_follows_from_the_arguments_it_requires(row: Row) -> None:
    for name, operation in row.operations.items():
        required = {one for one, argument in operation.arguments.items() if argument.required}
        assert row.operation_for(required) == name
        assert required.issuperset(operation.selected_by)


@each_row
def test_the_texts_promise_nothing_that_a_provider_may_lack(row: Row) -> None:
    """A row may lose its optional arguments to narrowing; its texts stay. Counting and naming are the engine's own."""
    optional = {
        name
        for operation in row.operations.values()
        for name, argument in operation.arguments.items()
        if not argument.required and name not in {"variants", "save_as"}
    }
    texts = [row.character, row.first_choice, row.caution, *(one.when for one in row.operations.values())]
    words = " ".join(texts).lower()
    for name in optional - {"aspect_ratio", "resolution"}:
        assert not re.search(rf"\b{name.replace('_', '[ _]')}\b", words), name
    assert not re.search(r"\d", words), "numbers stand in the limits"


def test_no_two_rows_stand_at_the_same_place_in_an_order_of_choice() -> None:
    for operation in OperationName:
        ranks = [row.operations[operation].rank for row in ROWS if operation in row.operations]
        assert len(ranks) == len(set(ranks)), operation


def test_a_row_names_no_vendor() -> None:
    tools = {row.tool for row in ROWS}  # where a maker's name is in a tool's name, it is the model's name too
    vendors = {name for name in KEY_VARIABLES if not any(name in tool for tool in tools)} | {"topaz", "gemini", "azure"}
    folder = files("imagewright.catalog") / "rows"
    for entry in folder.iterdir():
        lines = entry.read_text(encoding="utf-8").lower().splitlines()
        # what people also call an edition, and the maker's own client in which it was found, are no vendors here
        text = "\n".join(line for line in lines if not line.startswith(("also =", "source =")))
        assert tomllib.loads(text)
        assert not [vendor for vendor in vendors if re.search(rf"\b{vendor}\b", text)], entry.name


@pytest.mark.parametrize(
    ("limit", "over"),
    [
        ("maximum", lambda value: value + 1),
        ("minimum", lambda value: value - 1),
        ("max_items", lambda value: value + 1),
    ],
)
def test_narrowing_never_widens(limit: str, over: Callable[[float], float]) -> None:
    for row in ROWS:
        for operation in row.operations.values():
            for argument in operation.arguments.values():
                value = getattr(argument, limit)
                if value is not None:
                    with pytest.raises(ValueError, match="wider"):
                        narrowed(argument, Limits(**{limit: over(value)}))
