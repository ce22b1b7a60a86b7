"""Live progress on standard error: a bar on a terminal, a line per stage elsewhere."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from imagewright.cli.output import console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Tell = Callable[[float, str], None]
    """Called with the share done, 0 to 1, and a few words."""

NAME_WIDTH = 20
BAR_WIDTH = 24


class Reporter:
    """Shows what is being waited for. Made by `reporting`."""

    def __init__(self, bars: Progress | None) -> None:
        self._bars = bars

    def begin(self, name: str) -> Tell:
        """A new thing to wait for; call the result at each change."""
        if self._bars is None:
            return _lines(name)
        bars = self._bars
        task = bars.add_task("", total=1.0, name=name)

        def tell(share: float, stage: str) -> None:
            bars.update(task, completed=share, description=stage)

        return tell

    def say(self, text: str) -> None:
        """Print a line that stays, above the bars."""
        if self._bars is None:
            sys.stderr.write(f"{text}\n")
        else:
            self._bars.console.print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def reporting() -> Iterator[Reporter]:
    """A reporter for as long as the block lasts."""
    screen = console(to_stderr=True)
    if not screen.is_terminal:
        yield Reporter(None)
        return
    columns = (
        SpinnerColumn(finished_text="•"),
        TextColumn("{task.fields[name]:<" + str(NAME_WIDTH) + "}"),
        BarColumn(BAR_WIDTH),
        TimeElapsedColumn(),
        TextColumn("{task.description}", style="dim", markup=False),  # a vendor's words may stand in it
    )
    with Progress(*columns, console=screen) as bars:
        yield Reporter(bars)


def _lines(name: str) -> Tell:
    last = ""

    def tell(share: float, stage: str) -> None:
        nonlocal last
        if stage != last:
            sys.stderr.write(f"{name}: {stage} ({share:.0%})\n")
            last = stage

    return tell
