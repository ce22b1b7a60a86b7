"""The server's instructions: short, ordered by the rows, and true of any subset of them."""

from __future__ import annotations

import re

import pytest

from imagewright.catalog.load import catalog
from imagewright.catalog.row import OperationName, Row
from imagewright.guide.describe import instructions

ROWS = tuple(catalog().values())
MOST_CHARACTERS = 2_200
PROMISED_TOOLS = 7


def test_they_are_brief() -> None:
    allowed = MOST_CHARACTERS * max(len(ROWS), PROMISED_TOOLS) // PROMISED_TOOLS
    assert 1_000 < len(instructions(ROWS, offline_only=False)) <= allowed


def test_every_operation_lists_its_tools_in_the_order_of_their_ranks() -> None:
    lines = instructions(ROWS, offline_only=False).splitlines()
    for operation in OperationName:
        word = operation.value.replace("_", " ").capitalize()
        ranked = sorted(
            (row for row in ROWS if operation in row.operations), key=lambda row: row.operations[operation].rank
        )
        place = next(number for number, line in enumerate(lines) if line.startswith(f"{word}:"))
        words = lines[place].removeprefix(f"{word}:").strip()
        if words:
            assert words == ", then ".join(row.tool for row in ranked)
        else:
            expected = [f"- {row.tool}: {row.operations[operation].when}" for row in ranked]
            assert lines[place + 1 : place + 1 + len(ranked)] == expected


@pytest.mark.parametrize(
    "needed",
    ["absolute path", "URL", "img_", "never base64", "attached to the chat", "ask for its path", "preview", "charged"],
)
def test_they_say_how_pictures_and_failures_are_handled(needed: str) -> None:
    assert needed in instructions(ROWS[:1], offline_only=False)


@pytest.mark.parametrize(
    ("argument", "words"), [("variants", "most variants in one call {}"), ("scale", "most enlargement {}x")]
)
def test_the_furthest_end_is_named_with_its_tool(argument: str, words: str) -> None:
    ends = {
        row.tool: max(
            (one.arguments[argument].maximum or 0 for one in row.operations.values() if argument in one.arguments),
            default=0,
        )
        for row in ROWS
    }
    most = max(ends.values())
    tools = [tool for tool, end in ends.items() if end == most]
    text = instructions(ROWS, offline_only=False)
    assert f"{words.format(int(most))} ({' and '.join(tools)})" in text
    fewer = [row for row in ROWS if row.tool not in tools]
    assert f"{words.format(int(most))} (" not in instructions(fewer, offline_only=False)


def test_tools_that_reach_the_same_size_stand_together() -> None:
    sizes = re.findall(r"largest size (\S+) \(", instructions(ROWS, offline_only=False))
    assert sizes
    assert len(sizes) == len(set(sizes))


def holders(argument: str) -> list[Row]:
    return [row for row in ROWS if any(argument in one.arguments for one in row.operations.values())]


def test_an_argument_that_only_one_tool_has_is_reported_with_its_tool() -> None:
    words = instructions(ROWS, offline_only=False).split("Only one tool has: ")[1].split(".\n")[0]
    parts = {
        part.split(" (")[1].rstrip(")"): set(re.split(", | and ", part.split(" (")[0])) for part in words.split("; ")
    }
    makers = [row for row in ROWS if {OperationName.GENERATE, OperationName.EDIT} & set(row.operations)]
    for row in makers:
        chosen_by = {name for one in row.operations.values() for name in one.selected_by}
        taken = {name for one in row.operations.values() for name in one.arguments}
        assert parts.get(row.tool, set()) == {name for name in taken - chosen_by if holders(name) == [row]}
    assert set(parts) <= {row.tool for row in makers}


@pytest.mark.parametrize(("argument", "word"), [("mask", "mask"), ("scale", "upscaling"), ("seed", "seed")])
def test_a_request_that_no_tool_on_offer_serves_is_reported(argument: str, word: str) -> None:
    def denied(rows: list[Row]) -> str:
        return instructions(rows, offline_only=False).partition("no tool that is on offers ")[2].split(". ")[0]

    assert word in denied([row for row in ROWS if row not in holders(argument)])
    assert word not in denied(list(ROWS))


def test_one_tool_is_not_called_the_only_one_of_its_kind() -> None:
    for row in ROWS:
        assert "Only one tool has" not in instructions([row], offline_only=False)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.tool)
def test_drafts_are_announced_for_what_is_on(row: Row) -> None:
    text = instructions([row], offline_only=True).removeprefix(instructions([row], offline_only=False))
    assert "offline" in text
    assert ("Placeholders" in text) == bool({OperationName.GENERATE, OperationName.EDIT} & set(row.operations))
    for operation in OperationName:
        assert (operation.value.replace("_", " ") in text) == (operation in row.operations)
    assert "offline" not in instructions([row], offline_only=False)


def test_helpers_are_named_only_when_they_are_given() -> None:
    text = instructions(ROWS, offline_only=False, helpers={"image_gallery": "finds earlier pictures"})
    assert "Free: image_gallery finds earlier pictures." in text
    for name in ("image_gallery", "image_guide", "image_job"):
        assert name not in instructions(ROWS, offline_only=True)


def test_with_every_tool_off_they_say_so() -> None:
    assert "off" in instructions([], offline_only=False)
    assert "image_gallery finds" in instructions(
        [], offline_only=True, helpers={"image_gallery": "finds earlier pictures"}
    )
