"""`imagewright guide [TOOL]`: the guidance an assistant gets, for the tools that are on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.markdown import Markdown, TableElement

from imagewright.catalog.load import catalog
from imagewright.cli import put
from imagewright.cli.options import Command, completing
from imagewright.cli.output import Listing, console
from imagewright.cli.session import offer_now
from imagewright.errors import Problem, Refusal
from imagewright.guide.render import overview, page
from imagewright.text import did_you_mean, say

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult


@click.command(cls=Command)
@click.argument("tool", required=False, metavar="[TOOL]", shell_complete=completing(catalog))
def command(tool: str | None) -> int:
    """Print the overview or one tool's page: formatted on a terminal, Markdown as it is when piped."""
    offer = offer_now()
    if tool is None:
        text = overview(offer.rows)
    elif tool in offer.tools:
        text = page(offer.tools[tool], offer.rows)
    elif tool in offer.hidden:
        raise Refusal(Problem("", f"{tool} is off: {offer.hidden[tool]}"))
    else:
        pages = ", ".join(offer.tools)
        meant = did_you_mean(tool, offer.tools)
        raise Refusal(Problem("", f"there is no page {say(tool)}{meant}. There are pages for: {pages}"))
    screen = console(prose=True)
    if screen.is_terminal:
        screen.print(Page(text))
    else:
        put(text if text.endswith("\n") else f"{text}\n")
    return 0


class WholeTable(TableElement):
    """A table that loses nothing on a narrow terminal; rich's own cuts words short there."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self.header is None or self.header.row is None or self.body is None:
            return
        headings = [cell.content for cell in self.header.row.cells]
        rows = [[cell.content for cell in row.cells] for row in self.body.rows]
        yield Listing(headings, rows)


class Page(Markdown):
    """Markdown as rich renders it, with whole tables."""

    elements = Markdown.elements | {"table_open": WholeTable}
