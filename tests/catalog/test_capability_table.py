"""The promise, field by field, against the generated table and against the limits themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

import pytest

from imagewright.catalog.facts import END, START, capability_table, forms, replace_between
from imagewright.catalog.load import catalog
from imagewright.catalog.row import Operation, OperationName, Row
from imagewright.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Promise(NamedTuple):
    """What one model can do."""

    generates: bool
    """Whether it makes pictures from text."""
    edits: bool
    """Whether it changes a picture."""
    images: tuple[int, int] | None
    """The fewest and the most pictures of one edit; None where one edit takes at most one."""
    removes_background: bool
    """Whether it cuts out the subject, and does nothing else."""
    shapes: Literal["no", "limited", "yes", "only this"]
    """Whether an aspect ratio can be asked for, `limited` where common ones are missing, or is the only change."""
    variants: tuple[int, int] | None
    """The fewest and the most pictures of one call; None where it is always one."""
    scale: tuple[int, int] | None
    """The least and the largest factor by which it enlarges; None where it does not."""
    counted: bool = True
    """Whether the table shows how many images there may be, or only that there may be several."""


PROMISE: Mapping[str, Promise] = {
    "bytedance_seedream": Promise(True, True, (1, 10), False, "yes", (1, 6), None),
    "qwen": Promise(True, True, (1, 3), False, "yes", (1, 4), None, counted=False),
    "flux_kontext": Promise(True, True, None, False, "yes", None, None),
    "openai_4o": Promise(True, True, (1, 5), False, "limited", (1, 4), None),
    "nano_banana": Promise(True, True, (1, 14), False, "yes", None, (1, 4), counted=False),
    "recraft": Promise(False, False, None, True, "no", None, None),
    "ideogram_reframe": Promise(False, False, None, False, "only this", (1, 4), None),
}
"""Typed by hand, once: everything else is derived. A new model needs its line here before its row is believed."""


def cells(table: str) -> dict[str, dict[str, str]]:
    """A Markdown table as rows by their first cell, each by column."""
    lines = [[cell.strip() for cell in line.strip("| ").split("|")] for line in table.strip().splitlines()]
    heading, _, *rows = lines
    return {row[0]: dict(zip(heading[1:], row[1:], strict=True)) for row in rows}


def in_words(promise: Promise) -> dict[str, str]:
    """The cells of the table that a promise comes to, by column."""

    def span(bounds: tuple[int, int] | None, unit: str = "") -> str:
        return f"{bounds[0]}{unit}-{bounds[1]}{unit}" if bounds else "no"

    return {
        "text-to-image": "yes" if promise.generates else "no",
        "single edit": "yes" if promise.edits else "no",
        "multi-image": span(promise.images) if promise.counted else "yes",
        "background removal": "only this" if promise.removes_background else "no",
        "aspect ratio": promise.shapes,
        "variants": span(promise.variants),
        "upscaling": span(promise.scale, "x"),
    }


GENERATED = cells(capability_table(catalog().values()))


@pytest.mark.parametrize("tool", catalog())
def test_every_model_is_promised(tool: str) -> None:
    assert tool in PROMISE, f"write the line of {tool} in PROMISE: what it must be able to do"


def test_no_promise_is_left_without_a_model() -> None:
    assert set(PROMISE) <= set(catalog()) == set(GENERATED)


@pytest.mark.parametrize("column", next(iter(GENERATED.values())))
@pytest.mark.parametrize("tool", catalog())
def test_the_generated_table_is_the_promise(tool: str, column: str) -> None:
    assert GENERATED[tool][column] == in_words(PROMISE[tool])[column]


@pytest.mark.parametrize("field", [field for field in Promise._fields if field != "counted"])
@pytest.mark.parametrize("tool", catalog())
def test_the_rows_keep_the_promise(tool: str, field: str) -> None:
    assert KEPT[field](catalog()[tool].in_default_edition) == getattr(PROMISE[tool], field)


def images(row: Row) -> tuple[int, int] | None:
    if OperationName.EDIT not in row.operations:
        return None
    found = row.operations[OperationName.EDIT].arguments["images"]
    return None if found.max_items == 1 else (found.min_items or 0, found.max_items or 0)


def shapes(row: Row) -> str:
    offered = {str(value) for one in forms(row, "aspect_ratio").values() for value in one.values or ()} - {"auto"}
    if set(row.operations) == {OperationName.REFRAME}:
        return "only this" if len(offered) > 1 else "no"
    return "no" if not offered else "yes" if offered >= {"1:1", "4:3", "3:4", "16:9", "9:16"} else "limited"


def variants(row: Row) -> tuple[float | None, float | None] | None:
    found = {(one.minimum, one.maximum) for one in forms(row, "variants").values()}
    assert len(found) <= 1, "one span for all operations"
    return found.pop() if found else None


def scale(row: Row) -> tuple[float | None, float | None] | None:
    if OperationName.UPSCALE not in row.operations:
        return None
    found = row.operations[OperationName.UPSCALE].arguments["scale"]
    return (found.minimum, found.maximum)


KEPT: Mapping[str, Callable[[Row], object]] = {
    "generates": lambda row: OperationName.GENERATE in row.operations,
    "edits": lambda row: OperationName.EDIT in row.operations,
    "images": images,
    "removes_background": lambda row: set(row.operations) == {OperationName.REMOVE_BACKGROUND},
    "shapes": shapes,
    "variants": variants,
    "scale": scale,
}
"""What a row's limits themselves say for each field, worked out apart from the code that makes the table."""


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
    once = replace_between(README, START, END, capability_table(catalog().values()))
    assert once.startswith(f"# Title\n\nbefore\n\n{START}\n| tool |")
    assert once.endswith(f" |\n{END}\n\nafter\n")
    assert "old" not in once
    assert replace_between(once, START, END, capability_table(catalog().values())) == once


@pytest.mark.parametrize("text", ["", START, END, f"{END} {START}", f"{START} {END} {START} {END}"])
def test_a_text_without_its_markers_is_refused(text: str) -> None:
    with pytest.raises(CatalogError, match="exactly once"):
        replace_between(text, START, END, "block")
