"""`imagewright models`: what each model can do, from the rows; with `--prices`, what it costs where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from imagewright.catalog.load import catalog
from imagewright.catalog.schema import input_schema
from imagewright.catalog.table import COLUMNS, NO
from imagewright.cli.output import console, fitted, print_json
from imagewright.cli.parser import command_parser
from imagewright.cli.prices import price_data, print_prices
from imagewright.cli.session import offer_for, settings_for
from imagewright.engine.config import all_routes
from imagewright.text import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagewright.catalog.row import Row


def main(words: Sequence[str]) -> int:
    """Print the capability table, with what is off here marked."""
    parser = command_parser("models")
    parser.add_argument("--json", action="store_true", help="the same as JSON, with every operation and argument")
    parser.add_argument("--prices", action="store_true", help="what a picture costs at each provider instead")
    message = parser.parse_args(words)
    if message.prices:
        routes = all_routes()
        if message.json:
            print_json([price_data(route) for route in routes])
        else:
            print_prices(routes)
        return 0
    hidden = offer_for(settings_for(message)).hidden
    rows = catalog().values()
    if message.json:
        print_json([_described(row, hidden.get(row.tool, "")) for row in rows])
        return 0
    screen = console()
    headings = [Text(heading) for heading in ("tool", *COLUMNS)]
    listing = fitted(screen, screen.width, headings, [_cells(row, off=row.tool in hidden) for row in rows])
    screen.print(listing)
    screen.print()
    for row in rows:
        off = f" Off: {plain(hidden[row.tool])}." if row.tool in hidden else ""
        screen.print(Text.assemble((row.tool, "bold"), f": {row.character}.", (off, "red")))
    return 0


def _cells(row: Row, *, off: bool) -> list[Text]:
    cells = [cell(row) for cell in COLUMNS.values()]
    name = Text(row.tool, style="dim strike" if off else "bold cyan")
    return [name, *(Text(cell, style="dim" if cell == NO else "") for cell in cells)]


def _described(row: Row, off: str) -> dict[str, Any]:
    return {
        "tool": row.tool,
        "title": row.title,
        "on": not off,
        "off_because": off,
        "character": row.character,
        "first_choice": row.first_choice,
        "table": {heading: cell(row) for heading, cell in COLUMNS.items()},
        "operations": {
            str(name): {"when": operation.when, "arguments": list(operation.arguments)}
            for name, operation in row.operations.items()
        },
        "input_schema": input_schema(row),
    }
