"""What each provider serves, as the tables of README.md and docs/providers.md, made from the routes."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from imagewright.catalog.load import catalog
from imagewright.catalog.row import MODEL, PICTURE_KINDS, verb
from imagewright.catalog.table import NO, YES
from imagewright.engine.offer import effective_row, end_of
from imagewright.providers import KEY_VARIABLES
from imagewright.text import listed, markdown_table, rate, shown, span

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imagewright.catalog.row import Argument, Operation
    from imagewright.providers.base import Route
    from imagewright.storage.records import Pace

ALL = date.min
"""A day on which nothing has ended, so that the tables stay the same from day to day."""
APART = (MODEL, "aspect_ratio", "resolution")
"""Arguments that have a column of their own, besides pictures."""
HEADINGS = ("tool", "operation", "editions", "shapes", "sizes", "pictures", "takes", "does not take")
PLAIN = ("prompt", "save_as")
"""Arguments that say nothing about a provider."""


def provider_table(routes: Iterable[Route]) -> str:
    """A line per tool and operation, a column per provider, in the order of the routes."""
    routes = tuple(routes)
    providers = list(dict.fromkeys(route.provider for route in routes))
    tools = list(dict.fromkeys(route.tool for route in routes))
    served: dict[tuple[str, str], set[str]] = {}
    for route in routes:
        served.setdefault((route.tool, verb(route.operation)), set()).add(route.provider)
    rows = sorted(served.items(), key=lambda row: tools.index(row[0][0]))
    return markdown_table(
        ["tool", "operation", *providers],
        ([*cell, *(YES if provider in by else NO for provider in providers)] for cell, by in rows),
    )


def key_tables(routes: Iterable[Route], paces: Mapping[str, Pace]) -> str:
    """A heading and a table per provider with a key: what `tools/list` offers where it is the only one.

    Below it stand what ends, and how many calls the vendor takes from an account.
    """
    routes = tuple(routes)
    blocks = []
    for name, variables in KEY_VARIABLES.items():
        own = [route for route in routes if route.provider == name]
        if variables and own:
            blocks.append(f"### {name} (`{variables[0]}`)\n\n{_table(own)}{_ends(own)}{_takes(paces[name])}")
    return "\n\n".join(blocks)


def _takes(pace: Pace) -> str:
    limits = rate(pace.calls, pace.seconds, pace.running)
    return f"\n\nTakes {limits}." if limits else ""


def _table(routes: Sequence[Route]) -> str:
    lines = []
    for tool, row in catalog().items():
        effective = effective_row(row, [route for route in routes if route.tool == tool], ALL)
        for name, operation in effective.operations.items() if effective else ():
            whole = row.operations[name]
            lacks = ", ".join(f"`{one}`" for one in whole.arguments if one not in operation.arguments)
            lines.append([f"`{tool}`", verb(name), *_cells(operation, whole), lacks])
    return markdown_table(HEADINGS, lines)


def _cells(operation: Operation, whole: Operation) -> list[str]:
    """Editions, shapes, sizes, input pictures, and what else it takes."""
    taken = operation.arguments
    pictures = [_pictures(argument) for argument in taken.values() if argument.kind in PICTURE_KINDS]
    others = [_other(name, one, whole.arguments[name]) for name, one in taken.items() if _is_other(name, one)]
    return [*(_values(taken.get(name)) for name in APART), " + ".join(pictures), ", ".join(others)]


def _is_other(name: str, argument: Argument) -> bool:
    return name not in (*APART, *PLAIN) and argument.kind not in PICTURE_KINDS


def _values(argument: Argument | None) -> str:
    return "" if argument is None else ", ".join(map(shown, argument.values or ()))


def _pictures(argument: Argument) -> str:
    if argument.kind == "pictures":
        return span(argument.min_items or 1, argument.max_items or 1)
    return "mask" if not argument.required else "1"


def _other(name: str, argument: Argument, whole: Argument) -> str:
    """The argument, with its values where they are fewer than the row's."""
    fewer = argument.values is not None and argument.values != whole.values
    return f"`{name}` ({listed(map(shown, argument.values or ()), 'or')})" if fewer else f"`{name}`"


def _ends(routes: Sequence[Route]) -> str:
    """A sentence on each edition here that will end."""
    ends = {(end, route.tool, route.edition) for route in routes if (end := end_of(route))}
    return "".join(f"\n\n`{tool}` {edition} ends on {end}." for end, tool, edition in sorted(ends))
