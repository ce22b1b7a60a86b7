"""The promise, cell by cell, against the generated table and against the limits themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from imagewright.catalog.facts import forms
from imagewright.catalog.load import catalog
from imagewright.catalog.row import Operation, OperationName, Row
from imagewright.catalog.table import END, START, capability_table, readme_with_table, replace_between
from imagewright.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Callable

PROMISE = """
| tool | text-to-image | single edit | multi-image | background removal | aspect ratio | variants | upscaling |
|---|---|---|---|---|---|---|---|
| bytedance_seedream | yes | yes | 1-10 | no | yes | 1-6 | no |
| qwen | yes | yes | yes | no | yes | 1-4 | no |
| flux_kontext | yes | yes | no | no | yes | no | no |
| openai_4o | yes | yes | 1-5 | no | limited | 1-4 | no |
| nano_banana | yes | yes | yes | no | yes | no | 1x-4x |
| recraft | no | no | no | only this | no | no | no |
| ideogram_reframe | no | no | no | no | only this | 1-4 | no |
"""
"""Typed by hand, once: everything else is derived."""
DECIDED = {"qwen": (1, 3), "nano_banana": (1, 10)}
"""Where the promise says only that there are several images: how many was decided."""


def cells(table: str) -> dict[str, dict[str, str]]:
    """A Markdown table as rows by their first cell, each by column."""
    lines = [[cell.strip() for cell in line.strip("| ").split("|")] for line in table.strip().splitlines()]
    heading, _, *rows = lines
    return {row[0]: dict(zip(heading[1:], row[1:], strict=True)) for row in rows}


PROMISED = cells(PROMISE)
EVERY_CELL = [pytest.param(tool, column, id=f"{tool} {column}") for tool, row in PROMISED.items() for column in row]


@pytest.mark.parametrize(("tool", "column"), EVERY_CELL)
def test_the_generated_table_is_the_promise(tool: str, column: str) -> None:
    generated = cells(capability_table(catalog().values()))
    assert generated[tool][column] == PROMISED[tool][column]


@pytest.mark.parametrize(("tool", "column"), EVERY_CELL)
def test_the_rows_keep_the_promise(tool: str, column: str) -> None:
    assert kept(catalog()[tool], column) == PROMISED[tool][column]


def kept(row: Row, column: str) -> str:
    """What a row's limits themselves say for a column, worked out apart from the code that makes the table."""
    return BY_HAND[column](row)


def images(row: Row) -> str:
    if OperationName.EDIT not in row.operations:
        return "no"
    found = row.operations[OperationName.EDIT].arguments["images"]
    if row.tool in DECIDED:
        return "yes" if (found.min_items, found.max_items) == DECIDED[row.tool] else "not as decided"
    return "no" if found.max_items == 1 else f"{found.min_items}-{found.max_items}"


def shapes(row: Row) -> str:
    offered = {str(value) for one in forms(row, "aspect_ratio").values() for value in one.values or ()} - {"auto"}
    if set(row.operations) == {OperationName.REFRAME}:
        return "only this" if len(offered) > 1 else "no"
    return {0: "no", 3: "limited"}.get(len(offered), "yes")


def variants(row: Row) -> str:
    found = {f"{one.minimum:g}-{one.maximum:g}" for one in forms(row, "variants").values()}
    return found.pop() if len(found) == 1 else "no"


def upscaling(row: Row) -> str:
    if OperationName.UPSCALE not in row.operations:
        return "no"
    scale = row.operations[OperationName.UPSCALE].arguments["scale"]
    return f"{scale.minimum:g}x-{scale.maximum:g}x"


BY_HAND: dict[str, Callable[[Row], str]] = {
    "text-to-image": lambda row: "yes" if OperationName.GENERATE in row.operations else "no",
    "single edit": lambda row: "yes" if OperationName.EDIT in row.operations else "no",
    "multi-image": images,
    "background removal": lambda row: "only this" if set(row.operations) == {OperationName.REMOVE_BACKGROUND} else "no",
    "aspect ratio": shapes,
    "variants": variants,
    "upscaling": upscaling,
}


def test_no_tool_is_missing_from_the_promise_or_beyond_it() -> None:
    """An eighth row appears in the generated table by itself; the seven stay promised."""
    assert set(PROMISED) <= set(catalog())
    assert set(cells(capability_table(catalog().values()))) == set(catalog())


def test_a_narrowed_row_does_not_keep_an_old_promise() -> None:
    for row in catalog().values():
        for column, cell in cells(capability_table([row]))[row.tool].items():
            bare = row.model_copy(
                update={"operations": {n: o.model_copy(update={"arguments": {}}) for n, o in row.operations.items()}}
            )
            if re.search(r"\d", cell):
                assert not re.search(r"\d", cells(capability_table([bare]))[row.tool][column])


@pytest.mark.parametrize("lost", ["1:1", "4:3", "3:4", "16:9", "9:16"])
def test_a_model_without_one_of_the_common_shapes_is_limited(lost: str) -> None:
    for row in catalog().values():
        if cells(capability_table([row]))[row.tool]["aspect ratio"] == "yes":
            operations = {name: without_shape(operation, lost) for name, operation in row.operations.items()}
            narrow = row.model_copy(update={"operations": operations})
            assert cells(capability_table([narrow]))[row.tool]["aspect ratio"] == "limited"


def without_shape(operation: Operation, lost: str) -> Operation:
    arguments = dict(operation.arguments)
    if "aspect_ratio" in arguments:
        values = tuple(value for value in arguments["aspect_ratio"].values or () if value != lost)
        arguments["aspect_ratio"] = arguments["aspect_ratio"].model_copy(update={"values": values})
    return operation.model_copy(update={"arguments": arguments})


README = f"# Title\n\nbefore\n\n{START}\nold\n{END}\n\nafter\n"


def test_the_readme_gets_a_new_table_and_keeps_all_else() -> None:
    once = readme_with_table(README, catalog().values())
    assert once.startswith(f"# Title\n\nbefore\n\n{START}\n| tool |")
    assert once.endswith(f" |\n{END}\n\nafter\n")
    assert "old" not in once
    assert readme_with_table(once, catalog().values()) == once


@pytest.mark.parametrize("text", ["", START, END, f"{END} {START}", f"{START} {END} {START} {END}"])
def test_a_text_without_its_markers_is_refused(text: str) -> None:
    with pytest.raises(CatalogError, match="exactly once"):
        replace_between(text, START, END, "block")
