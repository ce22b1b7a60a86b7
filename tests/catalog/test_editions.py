"""Editions in the rows: each inside its row, known by its names, and followed by one that lives on."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.catalog.load import catalog, parse_row, row_in
from imagewright.catalog.row import MODEL, Argument, Edition, Limits, Operation, OperationName, bare, outside
from imagewright.catalog.schema import input_schema
from imagewright.errors import CatalogError
from tests.support.each import each

if TYPE_CHECKING:
    from imagewright.catalog.row import Row

EDITIONS = [(row, name) for row in catalog().values() for name in row.editions]
each_edition = each(EDITIONS, lambda row, name: f"{row.tool} {name}")
WITH_EDITIONS = [row for row in catalog().values() if row.editions]


@each_edition
def test_an_edition_only_narrows_its_row_and_keeps_the_defaults(row: Row, name: str) -> None:
    for key, operation in row_in(row.tool, name).operations.items():
        whole = row.operations[key].arguments
        assert set(operation.arguments) <= set(whole)
        assert {one for one, argument in whole.items() if argument.required} <= set(operation.arguments)
        for argument_name, argument in operation.arguments.items():
            assert argument.default == whole[argument_name].default
            assert argument.default is None or not outside(argument, argument.default)
            assert set(argument.values or ()) <= set(whole[argument_name].values or ())


@each_edition
def test_an_edition_is_known_by_each_of_its_names_however_they_are_written(row: Row, name: str) -> None:
    edition = row.editions[name]
    for one in (name, edition.title, edition.title.upper(), *edition.also, edition.title.replace(" ", "-")):
        assert row.edition_called(one) == name


@each_edition
def test_a_number_with_a_sign_is_no_edition(row: Row, name: str) -> None:
    for one in (one for one in (name, *row.editions[name].also) if one[0].isdigit()):
        assert [row.edition_called(f"{sign}{one}") for sign in ("-", "+", " - ", "_-")] == [None] * 4


def test_no_name_stands_for_two_editions() -> None:
    for row in WITH_EDITIONS:
        names = [(name, *edition.also, edition.title) for name, edition in row.editions.items()]
        plain = [set(map(bare, own)) for own in names]
        assert sum(map(len, plain)) == len(set().union(*plain)), row.tool


@each_edition
def test_a_name_is_listed_only_where_it_is_not_known_already(row: Row, name: str) -> None:
    edition = row.editions[name]
    known = {bare(name), bare(edition.title)}
    also = [bare(one) for one in edition.also]
    assert len({*also}) == len(also)
    assert not known & {*also}


@each_edition
def test_the_days_of_an_edition_are_days_and_what_ends_has_a_successor_that_does_not_end_sooner(
    row: Row, name: str
) -> None:
    edition = row.editions[name]
    for day in (edition.released, edition.ends, edition.checked):
        assert not day or date.fromisoformat(day)
    assert edition.source
    assert edition.checked
    if edition.ends:
        ends = row.editions[edition.successor].ends
        assert not ends or ends > edition.ends


@pytest.mark.parametrize("row", WITH_EDITIONS, ids=lambda row: row.tool)
def test_the_default_edition_has_no_end(row: Row) -> None:
    assert not next(iter(row.editions.values())).ends


@pytest.mark.parametrize("row", WITH_EDITIONS, ids=lambda row: row.tool)
def test_what_all_take_is_taken_by_the_default_and_each_argument_by_some(row: Row) -> None:
    for operation in row.operations:
        if MODEL not in row.operations[operation].arguments:
            assert row.editions_for(operation, {}) == ()
            continue
        assert row.editions_for(operation, {}) == row.editions_named(operation)
        for name, argument in row.operations[operation].arguments.items():
            for value in argument.values or ():
                assert name == MODEL or row.editions_for(operation, {name: value}), (name, value)


def test_a_caller_can_name_every_edition_but_those_that_had_ended_when_they_were_read() -> None:
    for row in WITH_EDITIONS:
        values = {value for one in row.arguments()[MODEL] for value in one.values or ()}
        assert values == {name for name, one in row.editions.items() if not one.ends or one.ends > one.checked}


def _row(**editions: dict[str, Any]) -> dict[str, Any]:
    return {
        "tool": "kite",
        "title": "Kite",
        "place": 1,
        "character": "plain",
        "first_choice": "tests",
        "pictures": {"formats": ["png"], "max_bytes": 1000},
        "arguments": {
            "prompt": {"kind": "text", "describe": "x", "required": True, "max_length": 100},
            "size": {"kind": "choice", "describe": "x", "values": ["1K", "2K"], "default": "1K"},
            "model": {"kind": "choice", "describe": "x"},
        },
        "operations": {"generate": {"rank": 1, "when": "tests", "takes": ["prompt", "model", "size"]}},
        "editions": {name: {"title": f"Kite {name}", **one} for name, one in editions.items()},
    }


@pytest.mark.parametrize(
    ("edition", "why"),
    [
        ({"without": ["seed"]}, "editions.2: no operation takes seed"),
        ({"limits": {"size": {"values": ["4K"]}}}, "wider than the row's"),
        ({"limits": {"size": {"values": ["2K"]}}}, "the row's default '1K' is not one of 2K"),
        ({"limits": {"prompt": {"max_length": 200}}}, "wider than the row's"),
        ({"successor": "3"}, "editions.2.successor: there is no edition '3'"),
        ({"released": "2026-01-01", "price": 3}, "price"),
    ],
)
def test_a_wrong_edition_is_refused_with_its_place(edition: dict[str, Any], why: str) -> None:
    with pytest.raises(CatalogError) as caught:
        parse_row("kite.toml", _row(**{"1": {}, "2": edition}), {})
    assert why in str(caught.value)


def test_an_edition_has_limits_of_its_own_in_one_operation() -> None:
    limits = {"generate": {"prompt": {"max_length": 50}}}
    row = parse_row("kite.toml", _row(**{"1": {}, "2": {"operations": limits}}), {})
    long = {"prompt": "x" * 60}
    assert row.editions_for(OperationName.GENERATE, long) == ("1",)
    assert row.editions_for(OperationName.GENERATE, long | {"size": "1K"}) == ("1",)
    assert row.in_edition("2").operations[OperationName.GENERATE].arguments["prompt"].max_length == 50
    assert row.in_edition("") is row


def _notes(*editions: Edition) -> dict[str, str]:
    """What the schema says of each argument of a row with these editions, called 1, 2 and so on."""
    size = Argument(kind="choice", describe="Size", values=("1K", "2K", "4K"))
    model = Argument(kind="choice", describe="Edition", values=tuple(str(n) for n, _ in enumerate(editions, 1)))
    images = Argument(kind="pictures", describe="Paths", max_items=10)
    row = WITH_EDITIONS[0].model_copy(
        update={
            "rules": (),
            "editions": {str(n): one for n, one in enumerate(editions, 1)},
            "operations": {
                OperationName.EDIT: Operation(
                    rank=1, when="tests", arguments={MODEL: model, "resolution": size, "images": images}
                )
            },
        }
    )
    return {name: one["description"] for name, one in input_schema(row)["properties"].items()}


SMALL = {"resolution": Limits(values=("1K", "2K"))}
FEW_PICTURES = {"images": Limits(max_items=3)}


@pytest.mark.parametrize(
    ("limits", "ends", "size", "paths"),
    [
        ([{}, {}, {}], "", "Size", "Paths"),
        ([{}, SMALL, {}], "", "Size; 4K: not 2", "Paths"),
        ([SMALL, SMALL, {}], "", "Size; 4K: 3 only", "Paths"),
        ([SMALL, SMALL, {}, {}], "", "Size", "Paths"),
        ([{}, SMALL | FEW_PICTURES, {}], "2027-01-01", "Size", "Paths"),
        ([FEW_PICTURES, {}, FEW_PICTURES], "", "Size", "Paths; over 3: 2 only"),
        ([FEW_PICTURES, {}, {}], "", "Size", "Paths; over 3: not 1"),
    ],
)
def test_the_schema_says_in_few_words_what_only_one_edition_takes_or_lacks(
    limits: list[dict[str, Limits]], ends: str, size: str, paths: str
) -> None:
    found = _notes(*(Edition(title=f"Test {n}", limits=own, ends=ends) for n, own in enumerate(limits)))
    assert (found["resolution"], found["images"]) == (size, paths)


@pytest.mark.parametrize("row", WITH_EDITIONS, ids=lambda row: row.tool)
def test_the_schema_names_the_newest_of_the_editions_on_offer(row: Row) -> None:
    """Numbers mislead: Nano Banana 2.5 is older than 2.1. With the newest out of reach, the next is named."""

    def named(some: Row) -> str:
        return str(input_schema(some)["properties"][MODEL]["description"].rpartition("newest ")[2])

    last = max(edition.released for edition in row.editions.values())
    assert row.editions[named(row)].released == last
    older = {name: edition for name, edition in row.editions.items() if edition.released != last}
    assert named(row.model_copy(update={"editions": older})) in older
