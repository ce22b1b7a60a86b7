"""The generated schemas, judged by an independent validator."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from imagewright.catalog.facts import argument_names, forms
from imagewright.catalog.load import catalog
from imagewright.catalog.schema import input_schema, union, with_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from imagewright.catalog.row import Argument, Operation, OperationName, Row

ROWS = tuple(catalog().values())
EACH_ROW = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.tool)
ALLOWED = {
    "type",
    "properties",
    "required",
    "additionalProperties",
    "enum",
    "items",
    "default",
    "description",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
}
MOST_WORDS = 110
"""Characters of one argument's description."""


def without_operation(row: Row, operation: OperationName) -> Row:
    left = {name: one for name, one in row.operations.items() if name != operation}
    return row.model_copy(update={"operations": left})


def with_arguments(row: Row, keep: Any) -> Row:
    """The row with each operation's arguments passed through `keep`, which gives a new form or None."""
    narrow: dict[OperationName, Operation] = {}
    for name, operation in row.operations.items():
        forms_left = {key: form for key, one in operation.arguments.items() if (form := keep(one)) is not None}
        narrow[name] = operation.model_copy(update={"arguments": forms_left})
    return row.model_copy(update={"operations": narrow})


def first_value_only(argument: Argument) -> Argument:
    if argument.values is None:
        return argument
    value = argument.values[0] if argument.default is None else argument.default
    return argument.model_copy(update={"values": (value,)})


def narrowings() -> Iterator[Any]:
    """Every row as it is, without each operation, with required arguments only, and with one value per choice."""
    for row in ROWS:
        yield pytest.param(row, id=row.tool)
        if len(row.operations) > 1:
            for name in row.operations:
                yield pytest.param(without_operation(row, name), id=f"{row.tool} without {name}")
        yield pytest.param(with_arguments(row, lambda one: one if one.required else None), id=f"{row.tool} bare")
        yield pytest.param(with_arguments(row, first_value_only), id=f"{row.tool} one value each")


def sample(argument: Argument) -> Any:
    """A value the argument allows."""
    if argument.default is not None:
        return argument.default
    if argument.values is not None:
        return argument.values[0]
    if argument.kind == "pictures":
        return ["/a.png"] * (argument.min_items or 1)
    if argument.kind in {"integer", "number"}:
        return argument.minimum or 0
    return "x"


def at_limits(argument: Argument) -> Iterator[tuple[Any, Any]]:
    """Pairs of a value at a limit and one just beyond it."""
    if argument.values is not None:
        yield argument.values[-1], "none of these"
    yield from LIMITS_BY_KIND[argument.kind](argument)


def at_bounds(argument: Argument) -> Iterator[tuple[Any, Any]]:
    step = 1 if argument.kind == "integer" else 0.01
    if argument.minimum is not None:
        yield argument.minimum, argument.minimum - step
    if argument.maximum is not None:
        yield argument.maximum, argument.maximum + step


def at_whole_bounds(argument: Argument) -> Iterator[tuple[Any, Any]]:
    yield from at_bounds(argument)
    yield argument.minimum or 0, (argument.minimum or 0) + 0.5


def at_lengths(argument: Argument) -> Iterator[tuple[Any, Any]]:
    if argument.max_length is not None:
        yield "x" * argument.max_length, "x" * (argument.max_length + 1)
    yield "x", 5


def at_counts(argument: Argument) -> Iterator[tuple[Any, Any]]:
    assert argument.max_items is not None
    yield ["/a.png"] * argument.max_items, ["/a.png"] * (argument.max_items + 1)
    yield ["/a.png"], "/a.png"


LIMITS_BY_KIND: dict[str, Callable[[Argument], Iterable[tuple[Any, Any]]]] = {
    "text": at_lengths,
    "path": at_lengths,
    "choice": lambda _: (),
    "integer": at_whole_bounds,
    "number": at_bounds,
    "boolean": lambda _: [(True, "true")],
    "picture": lambda _: [("/a.png", ["/a.png"])],
    "pictures": at_counts,
}


def keywords(schema: Any, *, names: bool = False) -> Iterator[str]:
    """Every keyword of a schema, however deep; the names of properties are none."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if not names:
                yield key
            if key not in {"enum", "default"}:
                yield from keywords(value, names=key == "properties" and not names)


@pytest.mark.parametrize("row", tuple(narrowings()))
def test_a_schema_is_valid_flat_and_closed(row: Row) -> None:
    schema = input_schema(row)
    Draft202012Validator.check_schema(schema)
    assert set(keywords(schema)) <= ALLOWED
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert set(schema.get("required", ())) <= set(schema["properties"])
    assert schema.get("required") != []
    assert list(schema["properties"]) == argument_names(row)
    for name, found in schema["properties"].items():
        assert isinstance(found["type"], str), name
        assert 0 < len(found["description"]) <= MOST_WORDS, name
        assert found["type"] != "array" or found["items"] == {"type": "string"}
        assert "default" not in found or name not in schema.get("required", ())
        assert "properties" not in found
    assert json.loads(json.dumps(schema)) == schema


@pytest.mark.parametrize("row", tuple(narrowings()))
def test_the_least_call_of_each_operation_passes(row: Row) -> None:
    validator = Draft202012Validator(input_schema(row))
    for operation in row.operations.values():
        least = {name: sample(one) for name, one in operation.arguments.items() if one.required}
        assert not list(validator.iter_errors(least))
        whole = {name: sample(one) for name, one in operation.arguments.items()}
        assert not list(validator.iter_errors(whole))


@EACH_ROW
def test_each_limit_passes_and_one_beyond_fails(row: Row) -> None:
    properties = input_schema(row)["properties"]
    for name, schema in properties.items():
        validator = Draft202012Validator(schema)
        found = union(row, name)
        pairs = list(at_limits(with_value(found.argument, found.unset)))
        assert pairs, f"{name} has no limit to test"
        for at, beyond in pairs:
            assert validator.is_valid(at), (name, at)
            assert not validator.is_valid(beyond), (name, beyond)


@EACH_ROW
def test_unknown_and_missing_arguments_fail(row: Row) -> None:
    schema = input_schema(row)
    operation = next(iter(row.operations.values()))
    call = {name: sample(one) for name, one in operation.arguments.items()}
    validator = Draft202012Validator(schema)
    assert not validator.is_valid(call | {"no_such_argument": 1})
    for name in schema.get("required", ()):
        assert not validator.is_valid({key: value for key, value in call.items() if key != name})


@EACH_ROW
def test_a_default_in_the_schema_is_the_default_of_every_operation(row: Row) -> None:
    for name, schema in input_schema(row)["properties"].items():
        defaults = {one.default for one in forms(row, name).values()}
        everywhere = len(forms(row, name)) == len(row.operations)
        if "default" in schema:
            assert defaults == {schema["default"]}
            assert everywhere
        else:
            compared = any(one.compared for one in forms(row, name).values())
            assert len(defaults) > 1 or defaults == {None} or not everywhere or compared


@EACH_ROW
def test_numbers_are_written_as_the_row_means_them(row: Row) -> None:
    text = json.dumps(input_schema(row))
    assert ".0," not in text
    assert ".0}" not in text
