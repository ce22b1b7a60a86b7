"""The pages as written: they render for every offer, own no number, and speak of nothing that is off."""

from __future__ import annotations

import itertools
import re
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from imagewright.catalog.load import catalog
from imagewright.catalog.row import Operation, OperationName, Row
from imagewright.engine.config import make_config
from imagewright.guide.describe import description, instructions
from imagewright.guide.render import MARK, OVERVIEW, overview, page, source
from imagewright.providers import KEY_VARIABLES, open_client
from imagewright.settings.load import load_settings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

ROWS = tuple(catalog().values())
EACH_ROW = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.tool)
NAMES = [OVERVIEW, *(f"{row.tool}.md" for row in ROWS)]
FENCED = re.compile(r"^```prompt\n.*?^```$", re.MULTILINE | re.DOTALL)
SECTIONS = ("## When to take it", "## Arguments", "## Common mistakes")
SPOKEN = ("mask", "seed", "steps", "guidance")
"""Arguments that prose may call by their plain name."""
VENDORS = [name for name in KEY_VARIABLES if not any(name in row.tool for row in ROWS)]
"""Without those whose name is in a tool's name: there it is the model's name too."""
FIELDS = ["image_size", "num_images", "image_urls"]
"""Words of vendors' forms."""


def texts(rows: Collection[Row]) -> Iterator[str]:
    """Everything an assistant is given to read for an offer."""
    yield instructions(rows, offline_only=False)
    yield instructions(rows, offline_only=True)
    yield overview(rows)
    for row in rows:
        yield description(row)
        yield page(row, rows)


@pytest.mark.parametrize("provider", KEY_VARIABLES)
def test_what_one_provider_alone_can_do_is_told(provider: str) -> None:
    settings = load_settings(dict.fromkeys(KEY_VARIABLES[provider][:1], "0123456789abcdef"))
    offer = make_config(settings, open_client()).offer
    for text in texts(list(offer.tools.values())):
        assert well_formed(text)


def names_of(row: Row) -> re.Pattern[str]:
    """The tool's name, the model's title, and the word the title begins with."""
    words = {row.tool, row.title, row.title.split()[0]}
    return re.compile("|".join(rf"(?<![\w]){re.escape(word)}(?![\w])" for word in sorted(words)), re.IGNORECASE)


@EACH_ROW
def test_every_row_has_its_page(row: Row) -> None:
    entry = files("imagewright.guide") / "pages" / f"{row.tool}.md"
    assert entry.is_file(), f"write guide/pages/{row.tool}.md"


def test_there_is_no_page_without_a_row() -> None:
    found = {entry.name for entry in (files("imagewright.guide") / "pages").iterdir()}
    assert found == set(NAMES)


@pytest.mark.parametrize("off", [(row,) for row in ROWS], ids=lambda off: off[0].tool)
def test_nothing_speaks_of_a_tool_that_is_off(off: tuple[Row, ...]) -> None:
    mentions(off)


@pytest.mark.parametrize("on", ROWS, ids=lambda row: row.tool)
def test_a_tool_alone_speaks_of_no_other(on: Row) -> None:
    mentions(tuple(row for row in ROWS if row is not on))


@pytest.mark.parametrize("off", list(itertools.combinations(ROWS, 2)), ids=lambda off: f"{off[0].tool}, {off[1].tool}")
def test_nothing_speaks_of_two_tools_that_are_off(off: tuple[Row, ...]) -> None:
    mentions(off)


def mentions(off: tuple[Row, ...]) -> None:
    on = [row for row in ROWS if row not in off]
    for text in texts(on):
        for row in off:
            assert not names_of(row).search(text), f"{row.tool} is off, and still: {text[:80]}"


@EACH_ROW
def test_names_would_be_found_where_they_are(row: Row) -> None:
    """The two tests above can fail: with every tool on, each is spoken of."""
    assert names_of(row).search(overview(ROWS))
    assert names_of(row).search(instructions(ROWS, offline_only=False))


@pytest.mark.parametrize("name", NAMES)
def test_a_page_types_no_number(name: str) -> None:
    """Outside its example prompts a page has no digit at all: every number is a mark, and so the row's."""
    prose = MARK.sub("", FENCED.sub("", source(name)))
    assert not re.findall(r".*\d.*", prose)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_names_no_vendor_no_price_and_no_tool_outside_its_marks(name: str) -> None:
    prose = MARK.sub("", source(name))
    assert not re.search(rf"\b({'|'.join(VENDORS + FIELDS)})\b", prose, re.IGNORECASE)
    assert not re.search(r"[$\u20ac]|\bcents?\b|\bUSD\b", prose)
    for row in ROWS:
        assert not names_of(row).search(prose), row.tool


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_written_evenly(name: str) -> None:
    text = source(name)
    assert text.startswith("# ")
    assert text.endswith("\n")
    assert text.count("\n# ") == 0
    assert text.count("```") == 2 * text.count("```prompt"), "an example stands in a prompt fence"
    assert not re.search(r"[ \t]$", text, re.MULTILINE)
    assert not re.search("[\u2013\u2014\u2018\u2019\u201c\u201d]", text), "plain quotation marks and dashes"
    for line in MARK.sub("", FENCED.sub("", text)).splitlines():
        assert line.count("`") % 2 == 0, line


@EACH_ROW
def test_a_page_says_what_is_needed(row: Row) -> None:
    text = page(row, ROWS)
    for heading in SECTIONS:
        assert f"\n{heading}\n" in text
    assert ("\n## Generating\n" in text) == (OperationName.GENERATE in row.operations)
    assert ("\n## Editing\n" in text) == (OperationName.EDIT in row.operations)
    edit = row.operations.get(OperationName.EDIT)
    assert ("\n## Masks\n" in text) == (edit is not None and "mask" in edit.arguments)
    assert text.count("\n## ") >= 6
    assert 2_000 <= len(text) <= 6_000
    if OperationName.GENERATE in row.operations:
        assert "\nWeak:\n" in text
        assert "\nStrong:\n" in text
    for name in {name for operation in row.operations.values() for name in operation.arguments}:
        assert f"| `{name}` |" in text


@pytest.mark.parametrize("count", [0, 1, 3, len(ROWS)])
def test_the_overview_stands_for_any_number_of_tools(count: int) -> None:
    text = overview(ROWS[:count])
    assert well_formed(text)
    assert len(text) <= 12_000
    for row in ROWS[:count]:
        assert f"(`{row.tool}`)" in text
        assert f"\n| {row.tool} |" in text


def well_formed(text: str) -> bool:
    """No mark left over, no section without content, no two empty lines outside a fence."""
    assert not MARK.search(text)
    assert "\n\n\n" not in text
    lines = [line for line in FENCED.sub("example", text).splitlines() if line]
    for line, below in itertools.pairwise([*lines, "# end"]):
        level = len(line) - len(line.lstrip("#"))
        below_level = len(below) - len(below.lstrip("#"))
        assert level <= 1 or not 0 < below_level <= level, f"{line} is empty"
        assert not line.endswith(":") or below_level == 0, f"{line} introduces nothing"
    return True


def narrowed(row: Row, keep: set[OperationName], drop: set[str]) -> Row:
    operations: dict[OperationName, Operation] = {}
    for name in keep:
        operation = row.operations[name]
        left = {key: one for key, one in operation.arguments.items() if key not in drop}
        operations[name] = operation.model_copy(update={"arguments": left})
    return row.model_copy(update={"operations": operations})


@EACH_ROW
def test_a_page_follows_its_narrowed_row(row: Row) -> None:
    optional = {
        name for one in row.operations.values() for name, argument in one.arguments.items() if not argument.required
    }
    for operation in row.operations:
        alone = narrowed(row, {operation}, set())
        assert well_formed(page(alone, [alone]))
    for name in optional:
        without = narrowed(row, set(row.operations), {name})
        text = page(without, [without])
        assert well_formed(text)
        assert f"`{name}`" not in text, name
        assert name not in SPOKEN or not re.search(rf"\b{name}s?\b", text), name
        assert well_formed(overview([without]))
    bare = narrowed(row, set(row.operations), optional)
    assert well_formed(page(bare, [bare]))
