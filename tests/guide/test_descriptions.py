"""Tool descriptions: short, different, true to the row, and silent about other tools."""

from __future__ import annotations

import itertools
import json
import re

import pytest

from imagewright.catalog.facts import bounds, forms, most_images
from imagewright.catalog.load import catalog
from imagewright.catalog.row import OperationName, Row
from imagewright.guide.describe import VOCABULARY, description
from imagewright.surface.definitions import tool_definitions

ROWS = tuple(catalog().values())
EACH_ROW = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.tool)
BUDGET_BYTES = 8_600
"""For the seven tools that were promised, with all their editions."""
PROMISED_TOOLS = 7
FURTHER_TOOL_BYTES = 1_600
"""What one more tool may add: somewhat more than the largest of the seven has."""


def test_the_tool_list_stays_within_its_budget() -> None:
    tools = [
        {"name": one["name"], "description": one["description"], "inputSchema": one["inputSchema"]}
        for one in tool_definitions(ROWS, ())
    ]
    size = len(json.dumps(tools, separators=(",", ":"), ensure_ascii=False).encode())
    assert size <= BUDGET_BYTES + FURTHER_TOOL_BYTES * max(len(ROWS) - PROMISED_TOOLS, 0)


@EACH_ROW
def test_a_description_is_a_few_whole_sentences(row: Row) -> None:
    text = description(row)
    assert 60 <= len(text) <= 240
    assert text.endswith(".")
    assert "  " not in text
    assert ".." not in text
    assert "\n" not in text
    assert row.first_choice in text


def test_descriptions_tell_the_tools_apart_by_their_first_sentence() -> None:
    firsts = [set(re.findall(r"[a-z]{4,}", description(row).split(". ")[0].lower())) for row in ROWS]
    for one, other in itertools.combinations(firsts, 2):
        assert len(one & other) <= len(one | other) / 3, one & other


@EACH_ROW
def test_a_description_states_the_numbers_of_its_row(row: Row) -> None:
    text = description(row)
    variants = bounds(row, "variants")
    if variants and variants[1] > 1:
        assert f"{variants[0]:g}-{variants[1]:g} variants" in text
    if len(row.operations) > 1 and most_images(row) > 1:
        assert f"-{most_images(row)} images: edit" in text
    for form in forms(row, "resolution").values():
        assert all(str(value) in text for value in form.values or ())
    if len(row.operations) > 1:
        for operation, found in row.operations.items():
            assert f": {operation.value.replace('_', ' ')}" in text
            assert found.selected_by or "prompt alone" in text.lower()


@EACH_ROW
def test_a_description_says_what_the_row_lacks(row: Row) -> None:
    text = description(row)
    if {OperationName.GENERATE, OperationName.EDIT} & set(row.operations):
        denied = text.split(" No ")[1]
        for word, has in VOCABULARY.items():
            assert (word in denied) != has(row), word
    else:
        assert "nothing else" in text


@EACH_ROW
def test_a_description_follows_a_narrowed_row(row: Row) -> None:
    for name in row.operations:
        only = row.model_copy(update={"operations": {name: row.operations[name]}})
        text = description(only)
        assert "prompt alone" not in text.lower()
        if name in {OperationName.GENERATE, OperationName.EDIT}:
            assert "No " in text
    for lost in ("mask", "seed", "variants"):
        operations = {
            name: one.model_copy(update={"arguments": {k: v for k, v in one.arguments.items() if k != lost}})
            for name, one in row.operations.items()
        }
        text = description(row.model_copy(update={"operations": operations}))
        assert lost not in text.split(" No ")[0]
