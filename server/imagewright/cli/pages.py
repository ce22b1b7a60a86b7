"""What stands between the markers of pages in docs/, made from rows, routes and the schemas of results.

It is for readers who have no server at hand: everything that all providers together can do, whatever is switched off.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from imagewright.catalog.load import catalog
from imagewright.catalog.row import PICTURE_KINDS
from imagewright.engine.config import all_routes
from imagewright.engine.offer import effective_row
from imagewright.guide.describe import peculiarities
from imagewright.guide.render import FOR_ALL, FOR_ONE, argument_table
from imagewright.surface.definitions import HELPERS, JOB_SCHEMA, helper_arguments
from imagewright.text import listed, markdown_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from imagewright.catalog.row import Edition, Row
    from imagewright.providers.base import Route

ALL = date.min
"""A day on which nothing has ended, so that the pages stay the same from day to day."""


def markers(page: str) -> tuple[str, str]:
    """What the generated part of a page stands between."""
    return f"<!-- {page}: start -->", f"<!-- {page}: end -->"


def _rows() -> list[Row]:
    """Every row as all providers together serve it."""
    routes = all_routes()
    found = (effective_row(row, (one for one in routes if one.tool == tool), ALL) for tool, row in catalog().items())
    return [row for row in found if row is not None]


def tools() -> str:
    """A section per tool: what it is for, what it takes, which pictures."""
    rows = _rows()
    blocks = []
    for row in rows:
        about = " ".join(filter(None, (f"{row.title}. Best for {row.first_choice}.", row.caution)))
        blocks += [f"## `{row.tool}`", about, FOR_ONE["arguments"](row), _pictures(row)]
    for tool, arguments in helper_arguments(rows).items():
        blocks += [f"## `{tool}`", HELPERS[tool][1], argument_table(arguments)]
    return "\n\n".join(filter(None, blocks))


def _pictures(row: Row) -> str:
    takes = any(one.kind in PICTURE_KINDS for forms in row.arguments().values() for one in forms)
    return FOR_ONE["pictures"](row) if takes else ""


def choosing() -> str:
    """Which tool to take for what, and where all of them end."""
    rows = _rows()
    return f"{FOR_ALL['choices'](rows)}\n\n## Where it ends\n\n{FOR_ALL['limits'](rows)}"


def editions() -> str:
    """A table per tool that has editions, the default first."""
    routes = all_routes()
    headings = ("`model`", "name", "since", "until", "then", "differs by", "served by")
    blocks = []
    for row in _rows():
        if row.editions:
            lines = (_edition(row, name, edition, routes) for name, edition in row.editions.items())
            blocks.append(f"## `{row.tool}`\n\n{markdown_table(headings, lines)}")
    return "\n\n".join(blocks)


def _edition(row: Row, name: str, edition: Edition, routes: tuple[Route, ...]) -> list[str]:
    able = dict.fromkeys(one.provider for one in routes if one.tool == row.tool and one.edition == name)
    days = (edition.released, edition.ends, edition.successor)
    return [f"`{name}`", edition.title, *days, "; ".join(peculiarities(row, edition)), ", ".join(able)]


def results() -> str:
    """The fields of `structuredContent` of a call that makes pictures."""
    return markdown_table(("field", "type", "meaning"), _fields(JOB_SCHEMA, ""))


def _fields(schema: Mapping[str, Any], above: str) -> Iterator[tuple[str, str, str]]:
    for name, one in schema["properties"].items():
        inner = one.get("items", one)
        kind = f"list of {inner['type']}s" if one["type"] == "array" else one["type"]
        meaning = one.get("description", listed(one.get("enum", ()), "or"))
        yield f"`{above}{name}`", kind, meaning
        if "properties" in inner:
            yield from _fields(inner, f"{above}{name}{'[]' if one['type'] == 'array' else ''}.")


GENERATED: dict[str, Callable[[], str]] = {
    "tools": tools,
    "choosing": choosing,
    "editions": editions,
    "results": results,
}
"""By the name of a page in docs/, what makes the part between its markers."""
