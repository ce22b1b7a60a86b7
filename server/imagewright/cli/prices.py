"""What a picture costs at each provider, with where and when the price was read."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.text import Text

from imagewright.catalog.row import verb
from imagewright.cli.output import console, table
from imagewright.text import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from imagewright.providers.base import Price, Route

CLOSING = (
    "USD per picture with the models that are built in, as last read from the sources named; vendors change them "
    "without a word, and a price can be set in the configuration: [routes.TOOL.PROVIDER] OPERATION = { usd = ... }"
)


def price_data(route: Route) -> dict[str, Any]:
    """One route's price as plain data."""
    price = route.price
    return {
        "provider": route.provider,
        "tool": route.tool,
        "operation": str(route.operation),
        "model": route.model,
        "models": {shown(value): model for value, model in route.models.items()},
        "usd": price.usd,
        "by": price.by,
        "table": {shown(value): usd for value, usd in price.table.items()},
        "source": price.source,
        "checked": price.checked,
    }


def print_prices(routes: Sequence[Route]) -> None:
    """Every route's price: one wide table when piped, a table per tool with the sources below on a terminal."""
    screen = console()
    if not screen.is_terminal:
        _print_wide(screen, routes)
        return
    by_tool = sorted(routes, key=lambda route: [one.tool for one in routes].index(route.tool))
    for tool, group in groupby(by_tool, key=lambda route: route.tool):
        screen.print(Text(tool, style="bold cyan"))
        listing = table("provider", "does", "USD", "model", kept=("provider", "does"))
        for route in group:
            listing.add_row(route.provider, verb(route.operation), figure(route.price), "\n".join(_models(route)))
        screen.print(listing)
        screen.print()
    screen.print(Text("Where the prices come from", style="bold"))
    sources = dict.fromkeys((route.provider, route.price.source, route.price.checked) for route in routes)
    listing = table("provider", "read on", "source", kept=("provider", "read on"))
    for provider, source, checked in sources:
        if source:
            listing.add_row(provider, checked, source)
    screen.print(listing)
    screen.print()
    console(prose=True).print(CLOSING)


def _print_wide(screen: Console, routes: Sequence[Route]) -> None:
    listing = table("provider", "tool", "operation", "model", "USD", "read on", "source")
    for route in routes:
        listing.add_row(
            route.provider,
            route.tool,
            str(route.operation),
            ", ".join(_models(route)),
            figure(route.price),
            route.price.checked,
            route.price.source,
        )
    screen.print(listing)


def figure(price: Price) -> str:
    """The price of a picture, or of each value of the argument it depends on."""
    if price.table:
        return f"{price.by}: {', '.join(f'{shown(value)}={usd:g}' for value, usd in price.table.items())}"
    return "unknown" if price.usd is None else f"{price.usd:g}"


def _models(route: Route) -> list[str]:
    return list(dict.fromkeys((route.model, *route.models.values())))
