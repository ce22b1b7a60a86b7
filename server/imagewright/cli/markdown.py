"""Guide pages on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markdown import Markdown, TableElement

from imagewright.cli.output import fitted

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult


class WholeTable(TableElement):
    """A table that loses nothing on a narrow terminal; rich's own cuts words short there."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self.header is None or self.header.row is None or self.body is None:
            return
        headings = [cell.content for cell in self.header.row.cells]
        rows = [[cell.content for cell in row.cells] for row in self.body.rows]
        yield fitted(console, options.max_width, headings, rows)


class Page(Markdown):
    """Markdown as rich renders it, with whole tables."""

    elements = Markdown.elements | {"table_open": WholeTable}
