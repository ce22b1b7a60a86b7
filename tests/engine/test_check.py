"""Every argument of every operation of every row: its limits pass, one beyond is refused and named."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.catalog.load import catalog
from imagewright.catalog.row import Argument
from imagewright.engine.check import check, wanted_by
from tests.support.each import each
from tests.support.fitting_arguments import fitting, sample

if TYPE_CHECKING:
    from imagewright.catalog.row import OperationName, Row

CELLS = [
    (row, operation, name, argument)
    for row in catalog().values()
    for operation, form in row.operations.items()
    for name, argument in form.arguments.items()
]
FITTING: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "picture": (str,),
    "path": (str,),
    "choice": (str,),
    "pictures": (str,),
    "boolean": (bool,),
    "integer": (),
    "number": (float,),
}
"""The types among the wrong values below that are right for a kind after all."""
EMPTY: tuple[object, ...] = (None, "", "  ", [])
OPERATIONS = [(row, operation) for row in catalog().values() for operation in row.operations]


def _name(row: Row, operation: OperationName, *more: object) -> str:
    return "-".join((row.tool, operation, *(repr(one) for one in more if not isinstance(one, Argument))))


def problems(row: Row, arguments: object) -> list[str]:
    return [str(problem) for problem in check(row, arguments).problems]


def beyond(row: Row, name: str, argument: Argument) -> list[tuple[Any, str]]:
    """Values just outside the limits, each with what the refusal must say."""
    found: list[tuple[Any, str]] = []
    if argument.values is not None:
        found.append(("no such value", str(argument.values[0])))
    if argument.minimum is not None:
        least = f"{argument.minimum:.15g}"
        unset = wanted_by(row)[name].neutral
        below = next(one for one in (int(argument.minimum) - 1, int(argument.minimum) - 2) if one != unset)
        found.append((below, f"below the minimum {least}; nearest allowed: {least}"))
    if argument.maximum is not None:
        most = f"{argument.maximum:.15g}"
        found.append((int(argument.maximum) + 1, f"above the maximum {most}; nearest allowed: {most}"))
    if argument.max_length is not None:
        found.append(("x" * (argument.max_length + 1), str(argument.max_length)))
    if argument.max_items is not None:
        found.append((["/a.png"] * (argument.max_items + 1), str(argument.max_items)))
    if argument.required:
        found += [("", "required"), (" \n\t", "required"), ([], "required")]
    return found


def at_limit(argument: Argument) -> list[Any]:
    found: list[Any] = list(argument.values or ())
    found += [int(bound) for bound in (argument.minimum, argument.maximum) if bound is not None]
    if argument.max_length is not None:
        found.append("x" * argument.max_length)
    if argument.max_items is not None:
        found.append(["/a.png"] * argument.max_items)
    return found


@each(OPERATIONS, _name)
def test_the_operation_follows_from_the_arguments(row: Row, operation: OperationName) -> None:
    checked = check(row, fitting(row, operation))
    assert checked.operation == operation
    assert not checked.problems


@each(CELLS, _name)
def test_the_limit_itself_passes(row: Row, operation: OperationName, name: str, argument: Argument) -> None:
    for value in at_limit(argument):
        assert problems(row, fitting(row, operation) | {name: value}) == [], value


@each(CELLS, _name)
def test_beyond_the_limit_is_refused_with_the_limit(
    row: Row, operation: OperationName, name: str, argument: Argument
) -> None:
    for value, words in beyond(row, name, argument):
        call = fitting(row, operation) | {name: value}
        if name in row.operations[operation].selected_by and value in ([], "", " \n\t"):
            continue  # what is sent empty was not given, and another operation follows
        found = problems(row, call)
        assert any(text.startswith(name) and words in text for text in found), (value, found)


@each([(*cell, value) for cell in CELLS for value in ({"a": 1}, 1.5, True, [1], "three")], _name)
def test_wrong_types_are_refused_in_words(
    row: Row, operation: OperationName, name: str, argument: Argument, value: object
) -> None:
    if type(value) in FITTING[argument.kind] or str(value) in (argument.values or ()):
        return
    found = problems(row, fitting(row, operation) | {name: value})
    assert any(text.startswith(name) and " " in text for text in found), found


@each(OPERATIONS, _name)
def test_all_problems_come_at_once_and_nulls_count_as_absent(row: Row, operation: OperationName) -> None:
    required = list(fitting(row, operation))
    selected = row.operations[operation].selected_by
    call: dict[str, Any] = {name: sample(row.operations[operation].arguments[name]) for name in selected}
    call |= {"colour_of_sky": "blue", "frobnicate": 1, "save_as": None}
    found = problems(row, call)
    assert [text for text in found if text.startswith("colour_of_sky")]
    assert [text for text in found if text.startswith("frobnicate")]
    assert len(found) == 2 + len(set(required) - set(selected))


@each([(*one, empty) for one in OPERATIONS for empty in EMPTY], _name)
def test_every_optional_argument_of_the_tool_may_be_sent_empty(
    row: Row, operation: OperationName, empty: object
) -> None:
    least = fitting(row, operation)
    strict = dict.fromkeys(row.arguments(), empty) | least
    checked = check(row, strict)
    assert (checked.operation, dict(checked.given), checked.problems) == (operation, least, ())


@pytest.mark.parametrize("row", catalog().values(), ids=lambda row: row.tool)
def test_no_arguments_at_all_lack_what_is_required(row: Row) -> None:
    assert problems(row, None) == problems(row, {}) != []


def test_a_wrong_number_is_named_as_it_was_sent() -> None:
    row = next(row for row in catalog().values() if "variants" in row.arguments())
    operation = next(name for name, form in row.operations.items() if "variants" in form.arguments)
    for value, words in ((1.5, "1.5"), (1e300, "1e+300"), ("two", "a text"), (True, "true or false")):
        found = problems(row, fitting(row, operation) | {"variants": value})
        assert found == [f"variants: must be a whole number, not {words}"]


@pytest.mark.parametrize(
    ("one", "words"), [("", "an empty one"), (" ", "an empty one"), (None, "null"), ([], "a list")]
)
def test_a_picture_of_several_that_is_none_is_named(one: object, words: str) -> None:
    row, operation = next(
        (row, name) for row in catalog().values() for name in row.operations if "images" in row.arguments()
    )
    (found,) = problems(row, fitting(row, operation) | {"images": ["/pictures/a.png", one]})
    assert found.startswith("images: picture 2 must be a text: ")
    assert found.endswith(f", not {words}")


@each(CELLS, _name)
def test_a_misspelt_argument_names_the_nearest(
    row: Row, operation: OperationName, name: str, argument: Argument
) -> None:
    misspelt = f"{name}s" if not name.endswith("s") else name[:-1]
    if misspelt in row.arguments():
        return  # the misspelling is an argument itself
    found = problems(row, fitting(row, operation) | {misspelt: sample(argument)})
    assert found == [f"{misspelt}: unknown argument (did you mean {name!r}?)"]


@pytest.mark.parametrize("row", catalog().values(), ids=catalog())
@pytest.mark.parametrize("nonsense", ["text", 3, [], True])
def test_arguments_that_are_no_object(row: Row, nonsense: object) -> None:
    assert problems(row, nonsense)[0].startswith("arguments: must be an object")


RULES = [pytest.param(row, rule, id=f"{row.tool}-{rule.say}") for row in catalog().values() for rule in row.rules]


@pytest.mark.parametrize(("row", "rule"), RULES)
def test_rules_across_arguments(row: Row, rule: Any) -> None:
    operation = next(
        name for name, form in row.operations.items() if {*rule.when, *rule.items, *rule.values} <= set(form.arguments)
    )
    arguments = row.operations[operation].arguments
    base = fitting(row, operation)
    base |= {name: sample(arguments[name]) if value == "*" else value for name, value in rule.when.items()}
    kept = base | {name: ["/a.png"] * count for name, count in rule.items.items()}
    kept |= {name: values[0] for name, values in rule.values.items()}
    assert problems(row, kept) == []
    for name, count in rule.items.items():
        assert rule.say in problems(row, kept | {name: ["/a.png"] * (count + 1)})[0]
    for name, values in rule.values.items():
        other = next(value for value in arguments[name].values or () if value not in values)
        assert rule.say in problems(row, kept | {name: other})[0]


@pytest.mark.parametrize(
    ("row", "name"),
    [(row, name) for row in catalog().values() for name in row.editions if re.fullmatch(r"[\d.]+", name)],
    ids=lambda one: one if isinstance(one, str) else one.tool,
)
def test_an_edition_may_be_named_by_a_number(row: Row, name: str) -> None:
    """Models write 4.0 without quotes, and JSON knows no difference between 4.0 and 4."""
    for number in {float(name), int(float(name)) if float(name).is_integer() else float(name)}:
        assert check(row, {"prompt": "a kite", "model": number}).given["model"] == name
