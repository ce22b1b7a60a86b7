"""The guide's pages, rendered for what is on offer: an overview, and one page per model.

The pages are Markdown files of the package with marks for everything a row owns (see `guide.marks`). What does not
hold on this offer is left out: a line whose mark has nothing to stand for, a section without content.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from imagewright.catalog.load import catalog
from imagewright.errors import CatalogError
from imagewright.guide.blocks import FOR_ALL, FOR_ONE
from imagewright.guide.marks import MARK, AbsentError, Offered

if TYPE_CHECKING:
    from collections.abc import Collection

    from imagewright.catalog.row import Row

OVERVIEW = "overview.md"
FENCE = "```"


def overview(rows: Collection[Row]) -> str:
    """The page about choosing, prompting and passing pictures, for the tools that are on.

    Args:
        rows: their effective rows.

    Raises:
        CatalogError: the page has a mark that could never stand for anything; names page and mark.
    """
    return _render(OVERVIEW, None, rows)


def page(row: Row, rows: Collection[Row]) -> str:
    """The page of one model.

    Args:
        row: its effective row.
        rows: the effective rows of all tools that are on, this one among them.

    Raises:
        CatalogError: there is no such page, or as in `overview`.
    """
    return _render(f"{row.tool}.md", row, rows)


@cache
def source(name: str) -> str:
    """A page as written, marks and all.

    Raises:
        CatalogError: the file is missing from the package.
    """
    entry = files("imagewright.guide") / "pages" / name
    if not entry.is_file():
        raise CatalogError(f"guide/pages/{name}: missing; every row needs its page")
    return entry.read_text(encoding="utf-8")


def render(text: str, offered: Offered) -> str:
    """A page's text for an offer.

    Raises:
        CatalogError: as in `overview`.
    """
    lines: list[str] = []
    fenced = False
    dropped = 0
    for line in text.splitlines():
        if line.startswith(FENCE):
            fenced = not fenced
        level = 0 if fenced else _level(line)
        if dropped and not 0 < level <= dropped:
            continue
        dropped = 0
        try:
            lines += [line] if fenced else _rendered(line, offered)
        except AbsentError:
            dropped = level
    return _tidy(lines)


def _render(name: str, row: Row | None, rows: Collection[Row]) -> str:
    on = {one.tool: one for one in rows}
    return render(source(name), Offered(page=name, row=row, rows=on, known=on | catalog()))


def _rendered(line: str, offered: Offered) -> list[str]:
    name = line.removeprefix("{{").removesuffix("}}")
    if line == f"{{{{{name}}}}}" and name in FOR_ALL:
        return FOR_ALL[name](tuple(offered.rows.values())).splitlines()
    if line == f"{{{{{name}}}}}" and name in FOR_ONE and offered.row is not None:
        return FOR_ONE[name](offered.row).splitlines()
    return [offered.line(line).rstrip() if MARK.search(line) else line]


def _level(line: str) -> int:
    """1 to 6 for a heading, 0 for any other line."""
    marks = len(line) - len(line.lstrip("#"))
    return marks if line[marks : marks + 1] == " " else 0


def _tidy(lines: list[str]) -> str:
    """Without sections that have lost all their content, and without runs of empty lines."""
    kept: list[str] = []
    below = 1  # level of what follows, 0 for content; the end of the page ends every section
    fenced = False
    for line in reversed(lines):
        if line.startswith(FENCE):
            fenced = not fenced
        level = 0 if fenced else _level(line)
        empty_section = level > 1 and 0 < below <= level
        if empty_section or (not line and not fenced and not (kept and kept[-1])):
            continue
        kept.append(line)
        below = level if line else below
    return "\n".join(reversed(kept)).strip() + "\n"
