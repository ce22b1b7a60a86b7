"""What commands print: colours only on a terminal and without `NO_COLOR`, whole lines when piped."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Cell = Text | str

PIPED_WIDTH = 4000
"""Columns for output that no terminal shows: nothing is cut or wrapped, so that grep sees whole lines."""
READING_WIDTH = 100
"""Columns beyond which prose gets hard to read."""


class QuietPipe(Console):
    """A console that lets the entry point handle a reader who went away (`| head`)."""

    def on_broken_pipe(self) -> None:
        """Let `BrokenPipeError` through."""
        raise  # noqa: PLE0704 - rich calls this while it handles that very error


def console(*, prose: bool = False, to_stderr: bool = False) -> Console:
    """A console for standard output, or for standard error, where progress and problems go.

    With `prose` lines are kept short enough to read, on a wide terminal too.
    """
    stream = sys.stderr if to_stderr else sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        # a character that the code page lacks must not cost the whole answer
        stream.reconfigure(errors="replace")
    made = QuietPipe(file=stream, highlight=False, emoji=False, markup=False, soft_wrap=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = PIPED_WIDTH
    if prose:
        made.width = min(made.width, READING_WIDTH)
    return made


def table(
    headings: Sequence[Cell], rows: Iterable[Sequence[Cell]], *, kept: Iterable[str] = (), tight: bool = False
) -> Table:
    """A table in the house style; what is too long for its column continues below, whole.

    The `kept` columns are never broken. `tight` leaves one space between columns, for a table that would not fit
    otherwise.
    """
    padding = (0, 0) if tight else (0, 1)
    made = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False, padding=padding)
    for heading in headings:
        made.add_column(heading, overflow="fold", no_wrap=str(heading) in kept)
    for row in rows:
        # as texts: rich takes square brackets in a string for its own marks
        made.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    return made


def fitted(screen: Console, headings: Sequence[Cell], rows: Iterable[Sequence[Cell]], width: int = 0) -> Table:
    """A table of many short columns, the first never broken; tight where it would be wider than the screen, or `width`.

    Headings are broken at every space and hyphen when it gets tight.
    """
    rows, first = [*rows], [str(headings[0])]
    roomy = table(headings, rows, kept=first)
    if Measurement.get(screen, screen.options.update(max_width=PIPED_WIDTH), roomy).maximum <= (width or screen.width):
        return roomy
    return table([re.sub(" |(?<=-)", "\n", str(heading)) for heading in headings], rows, kept=first, tight=True)


def print_json(value: Any) -> None:
    """The value as indented JSON; in ASCII where the output cannot hold more.

    What would act on a terminal is written as an escape of JSON, so that the value stays what it is.
    """
    wide = (sys.stdout.encoding or "ascii").lower().replace("-", "").startswith("utf")
    text = json.dumps(value, indent=2, ensure_ascii=not wide)
    safe = "".join(one if one.isprintable() or one == "\n" else json.dumps(one)[1:-1] for one in text)
    sys.stdout.write(f"{safe}\n")
