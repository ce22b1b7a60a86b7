"""The README's table of providers: which operation of which tool each of them serves. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagewright.catalog.row import verb
from imagewright.catalog.table import NO, YES, replace_between

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imagewright.providers.base import Route

START = "<!-- provider table: start -->"
END = "<!-- provider table: end -->"


def provider_table(routes: Iterable[Route]) -> str:
    """The table as Markdown: a line per tool and operation, a column per provider, in the order of the routes."""
    routes = tuple(routes)
    providers = list(dict.fromkeys(route.provider for route in routes))
    tools = list(dict.fromkeys(route.tool for route in routes))
    served: dict[tuple[str, str], set[str]] = {}
    for route in routes:
        served.setdefault((route.tool, verb(route.operation)), set()).add(route.provider)
    lines = [_line(["tool", "operation", *providers]), "|" + "---|" * (2 + len(providers))]
    for tool, operation in sorted(served, key=lambda cell: tools.index(cell[0])):
        by = served[tool, operation]
        lines.append(_line([tool, operation, *(YES if provider in by else NO for provider in providers)]))
    return "\n".join(lines)


def readme_with_providers(readme: str, routes: Iterable[Route]) -> str:
    """The README with the table of providers renewed between its markers.

    Raises:
        CatalogError: the two markers are not there, each once and in order.
    """
    return replace_between(readme, START, END, provider_table(routes))


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
