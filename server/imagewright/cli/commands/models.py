"""`imagewright models`: what each model can do, from the rows; with `--prices`, what it costs where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from imagewright.catalog.facts import COLUMNS, NO, YES, cells, forms
from imagewright.catalog.load import catalog
from imagewright.catalog.row import MODEL, verb
from imagewright.catalog.schema import input_schema
from imagewright.cli.options import Command, option
from imagewright.cli.output import Listing, console, print_json, table
from imagewright.cli.session import offer_now, with_engine
from imagewright.engine.config import all_routes
from imagewright.engine.offer import WARNED_DAYS, end_of, endings
from imagewright.errors import ProviderError
from imagewright.providers.base import EVERY_EDITION, in_words
from imagewright.text import listed, plain, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imagewright.catalog.row import Row
    from imagewright.engine.engine import Engine
    from imagewright.engine.offer import Ending
    from imagewright.providers.base import Price, Route

EDITION_FACTS = {"title", "released", "ends", "successor"}
TABLE_WIDTH = 80
"""Columns of a screen from which the table of what each model can do has room."""
CLOSING = (
    "USD per picture with the models that are built in, as last read from the sources named; vendors change them "
    'without a word, and a price can be set in the configuration: [routes.TOOL.PROVIDER] "MODEL" = { usd = ... }; '
    "every single price is in imagewright models --prices --json"
)


@click.command(cls=Command)
@option("--json", "as_json", is_flag=True, help="the same as JSON, with every operation and argument")
@option("--prices", is_flag=True, help="what a picture costs at each provider instead")
@option("--ends", is_flag=True, help=f"what ends within {WARNED_DAYS} days instead, at any provider")
@option("--check", is_flag=True, help="ask the providers in use which of their models end instead; costs nothing")
def command(*, as_json: bool, prices: bool, ends: bool, check: bool) -> int:
    """Print the capability table, with what is off here marked."""
    if check:
        return check_ends(as_json=as_json)
    if ends:
        found = endings(all_routes(), datetime.now(UTC).date())
        print_json([one._asdict() for one in found]) if as_json else print_ends(found)
        return 0
    if prices:
        routes = all_routes()
        if as_json:
            print_json([price_data(route) for route in routes])
        else:
            print_prices(routes)
        return 0
    hidden = offer_now().hidden
    rows = catalog().values()
    if as_json:
        print_json([_described(row, hidden.get(row.tool, "")) for row in rows])
        return 0
    _print_models(list(rows), hidden)
    return 0


def _print_models(rows: Sequence[Row], hidden: Mapping[str, str]) -> None:
    """What each can do: as a table with a few words on each below it, as blocks, or as lines for another program."""
    screen = console()
    if not screen.is_terminal:
        records = [(row.tool, *cells(row), row.character, _editions(row), hidden.get(row.tool, "")) for row in rows]
        screen.print(table(("tool", *COLUMNS, "character", "editions", "off because"), records))
        return
    is_roomy = screen.width >= TABLE_WIDTH
    if is_roomy:
        screen.print(Listing(("tool", *COLUMNS), [_cells(row, off=row.tool in hidden) for row in rows], short=True))
        screen.print()
    words = Table.grid(padding=(0, 2))
    for row in rows:
        name, off = Text(row.tool, style="bold cyan"), plain(hidden.get(row.tool, ""))
        about = {"": row.character, "editions": _editions(row), "off": off}
        if is_roomy:
            lines = [Text.assemble(_label(label), f"{label and ' '}{text}") for label, text in about.items() if text]
            words.add_row(name, Text("\n").join(lines))
            continue
        screen.print(name)
        screen.print(Padding(_block({"for": about.pop(""), **_abilities(row), **about}), (0, 0, 0, 2)))
    if is_roomy:
        screen.print(words)


def _block(about: Mapping[str, str]) -> Table:
    """Words on one thing, each behind its label."""
    block = Table.grid(padding=(0, 2))
    for label, text in about.items():
        if text:
            block.add_row(_label(label), Text(text))
    return block


def _label(label: str) -> Text:
    return Text(label, style="red" if label == "off" else "dim")


def _abilities(row: Row) -> dict[str, str]:
    """What a model does and does not, by the columns of the table."""
    own = dict(zip(COLUMNS, cells(row), strict=True))
    does = [f"{name} {value}" if value[0].isdigit() else f"{name} ({value})" for name, value in own.items()]
    able = [words.removesuffix(f" ({YES})") for words, value in zip(does, own.values(), strict=True) if value != NO]
    return {"does": ", ".join(able), "not": ", ".join(name for name, value in own.items() if value == NO)}


def _editions(row: Row) -> str:
    """The editions a caller can name, in their order, with the days on which some end; empty for a tool without."""
    names = next((form.values or () for form in forms(row, MODEL).values()), ())
    ends = {name: row.editions[str(name)].ends for name in names}
    found = [f"{name} (until {end})" if end else str(name) for name, end in ends.items()]
    return ", ".join(found)


@with_engine
async def ask_ends(engine: Engine) -> dict[str, Mapping[str, str] | ProviderError | None]:
    """What the providers in use say of their models' ends."""
    return await engine.retirements()


def check_ends(*, as_json: bool) -> int:
    """Ask the providers in use which models end, and print it beside what is built in; 1 where one was not reached."""
    answers = ask_ends()
    own = {
        (route.provider, one): end_of(route) for route in all_routes() for one in (route.model, *route.models.values())
    }
    found = [
        {"provider": provider, "model": model, "ends": day, "built_in": own[provider, model]}
        for provider, days in answers.items()
        if isinstance(days, Mapping)
        for model, day in days.items()
        if (provider, model) in own
    ]
    failed = {provider: str(error) for provider, error in answers.items() if isinstance(error, ProviderError)}
    silent = [provider for provider, days in answers.items() if days is None]
    if as_json:
        print_json({"ends": found, "not_asked": failed, "publish_none": silent})
        return 1 if failed else 0
    screen = console()
    for one in found:
        known = "known here" if one["ends"] == one["built_in"] else f"here it says {one['built_in'] or 'nothing'}"
        screen.print(plain(f"{one['provider']}: {one['model']} ends on {one['ends']} ({known})"))
    for provider, days in answers.items():
        if isinstance(days, Mapping) and provider not in {one["provider"] for one in found}:
            screen.print(f"{provider}: names no end for the models that are built in")
    for provider, why in failed.items():
        screen.print(plain(f"{provider}: could not be asked: {why}"))
    if silent:
        screen.print(f"No ends are published by {listed(silent)}; imagewright models --ends prints what is known")
    return 1 if failed else 0


def print_ends(found: Sequence[Ending]) -> None:
    """What ends, the earliest first."""
    screen = console()
    if not found:
        screen.print(f"Nothing that is built in ends within {WARNED_DAYS} days.")
        return
    headings = ("ends", "tool", "edition", "instead", "providers", "models")
    rows = [
        (one.ends, one.tool, one.edition, one.successor, ", ".join(one.providers), ", ".join(one.models))
        for one in found
    ]
    screen.print(table(headings, rows, kept=("ends", "tool", "edition")))


def _cells(row: Row, *, off: bool) -> list[Text]:
    name = Text(row.tool, style="dim strike" if off else "bold cyan")
    return [name, *(Text(cell, style="dim" if cell == NO else "") for cell in cells(row))]


def _described(row: Row, off: str) -> dict[str, Any]:
    return {
        "tool": row.tool,
        "title": row.title,
        "on": not off,
        "off_because": off,
        "character": row.character,
        "first_choice": row.first_choice,
        "table": dict(zip(COLUMNS, cells(row), strict=True)),
        "editions": {name: one.model_dump(include=EDITION_FACTS) for name, one in row.editions.items()},
        "operations": {
            str(name): {"when": operation.when, "arguments": list(operation.arguments)}
            for name, operation in row.operations.items()
        },
        "input_schema": input_schema(row),
    }


def price_data(route: Route) -> dict[str, Any]:
    """One route's price as plain data."""
    return {
        "provider": route.provider,
        "tool": route.tool,
        "operation": str(route.operation),
        "edition": route.edition,
        "ends": end_of(route),
        "model": route.model,
        "models": {shown(value): model for value, model in route.models.items()},
        **asdict(route.price),
        "table": {in_words(value): usd for value, usd in route.price.table.items()},
    }


def print_prices(routes: Sequence[Route]) -> None:
    """Every route's price: piped, a line each with tabs between; on a terminal, a table per tool and the sources."""
    screen = console()
    if not screen.is_terminal:
        headings = ("provider", "tool", "operation", "edition", "model", "USD", "read on", "source")
        screen.print(table(headings, map(_whole, routes)))
        return
    by_tool = sorted(routes, key=lambda route: [one.tool for one in routes].index(route.tool))
    for tool, group in groupby(by_tool, key=lambda route: route.tool):
        screen.print(Text(tool, style="bold cyan"))
        screen.print(table(("provider", "edition", "does", "USD", "model"), _rows(group), kept=("provider", "edition")))
        screen.print()
    screen.print(Text("Where the prices come from", style="bold"))
    prices = [(route.provider, route.price.checked, route.price.source) for route in routes if route.price.source]
    screen.print(table(("provider", "read on", "source"), dict.fromkeys(prices), kept=("provider", "read on")))
    screen.print()
    console(prose=True).print(CLOSING)


def _rows(routes: Iterable[Route]) -> list[tuple[str, ...]]:
    """A row for each model and price; one that generates and edits at the same price has one."""
    does: dict[tuple[str, str, str, str], dict[str, None]] = {}
    for route in routes:
        key = route.provider, _edition(route), figure(route), "\n".join(_models(route))
        does.setdefault(key, {})[verb(route.operation)] = None
    return [(provider, edition, ", ".join(verbs), usd, ids) for (provider, edition, usd, ids), verbs in does.items()]


def _whole(route: Route) -> tuple[str, ...]:
    price, models = route.price, ", ".join(_models(route))
    names = route.provider, route.tool, str(route.operation), _edition(route), models
    return *names, figure(route), price.checked, price.source


def _edition(route: Route) -> str:
    return "all" if route.edition == EVERY_EDITION else route.edition


def figure(route: Route) -> str:
    """What a picture costs, and an input picture where it is charged for.

    Of a price that depends on several arguments, the least and the most for each value of the first are given.
    """
    price = route.price
    words = "unknown" if price.usd is None else f"{price.usd:g}"
    if price.table:
        words = f"{price.by[0]}: {', '.join(f'{value}={_span(usd)}' for value, usd in _by_first(price).items())}"
        words += f" by {listed(price.by[1:])}" if price.by[1:] else ""
    elif price.by_side:
        words = f"{price.by_side[0][1]:g} to {price.by_side[-1][1]:g} by the size it comes to"
    if price.per_input and not {"image", "images"}.isdisjoint(route.takes):
        free = {0: "", 1: " after the first"}.get(price.inputs_free, f" after the first {price.inputs_free}")
        words += f"; {price.per_input:g} for each input picture{free}"
    return words


def _by_first(price: Price) -> dict[str, list[float]]:
    """The prices by the value of the first argument that they depend on."""
    found: dict[str, list[float]] = {}
    for value, usd in price.table.items():
        found.setdefault(shown(value[0] if isinstance(value, tuple) else value), []).append(usd)
    return found


def _span(usd: Sequence[float]) -> str:
    return f"{min(usd):g}" if min(usd) == max(usd) else f"{min(usd):g}-{max(usd):g}"


def _models(route: Route) -> list[str]:
    return list(dict.fromkeys((route.model, *route.models.values())))
