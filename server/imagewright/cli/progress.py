"""Waiting for jobs: live progress on standard error, and what came of them as an exit code for scripts.

Progress is a bar on a terminal and a line per stage elsewhere. Ctrl-C ends the waiting and never a job, as what was
begun may be paid for.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from imagewright.cli import put_error
from imagewright.cli.options import for_person
from imagewright.cli.output import console, money
from imagewright.errors import UnknownOutcome
from imagewright.text import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from imagewright.engine.engine import Engine
    from imagewright.engine.job import Job

    Tell = Callable[[float, str], None]
    """Called with the share that is done, 0 to 1, and a few words."""

STALLED = "stalled"
"""The state of a job that did not end for so long that nobody works on it any more until somebody asks for it."""
BAR_WIDTH, NARROW_BAR_WIDTH = 24, 10
LONG_SECONDS = 100
"""What is left is said in minutes from here on."""
ROOMY = 80
"""Columns from which there is room for the wide bar."""
DONE, FAILED, CANCELLED, OPEN, SOME = 0, 1, 3, 4, 5
"""2 stands for a wrong call, as with every command."""
CODES = """exit codes:
  0    all pictures are there
  1    it failed and there is no picture, or something else went wrong
  2    the call or the configuration is wrong; nothing was begun
  3    it was cancelled, here or from elsewhere
  4    open: it runs, is stalled, or nobody knows whether the vendor took it and charges for it
  5    some of the pictures are there, and no more will come
  130  interrupted with Ctrl-C; the job goes on or can be carried on: imagewright jobs resume
"""
"""For the help of the commands that wait for jobs."""
WEIGHT = (FAILED, OPEN, CANCELLED, SOME, DONE)
"""Of several jobs the first of these that occurs is the code of all."""


class Reporter:
    """Shows what is being waited for. Made by `reporting`."""

    def __init__(self, bars: Progress | None, *, quiet: bool = False) -> None:
        self._bars = bars
        self._quiet = quiet

    @property
    def is_live(self) -> bool:
        """Whether bars are shown, and no lines."""
        return self._bars is not None

    def begin(self, name: str, *, lines: bool = True) -> Tell:
        """A new thing to wait for; call the result at each change. Without `lines` it shows on a terminal only."""
        if self._bars is None:
            return _lines(name) if lines and not self._quiet else lambda _share, _stage: None
        bars = self._bars
        task = bars.add_task("", total=1.0, name=name)

        def tell(share: float, stage: str) -> None:
            bars.update(task, completed=share, description=plain(stage))

        return tell

    def say(self, text: str) -> None:
        """Print a line that stays, above the bars."""
        if self._bars is not None:
            self._bars.console.print(plain(text), markup=False, highlight=False, soft_wrap=True)
        elif not self._quiet:
            put_error(f"{plain(text)}\n")


class Bars(Progress):
    """Lines that end before the edge of the screen, where the `^C` of a terminal would begin a new one.

    That new line would then be cleared, and the bar would stay.
    """

    def get_renderables(self) -> Iterable[RenderableType]:
        """As rich does, narrower."""
        return map(_Narrower, super().get_renderables())


@dataclass(frozen=True, slots=True)
class _Narrower:
    one: RenderableType

    def __rich_console__(self, screen: Console, options: ConsoleOptions) -> RenderResult:
        yield from screen.render(self.one, options.update(max_width=options.max_width - len("^C ")))


@contextmanager
def reporting(*, quiet: bool = False) -> Iterator[Reporter]:
    """A reporter for as long as the block lasts, which leaves nothing on the screen but the lines that stay."""
    screen = console(to_stderr=True)
    if quiet or not screen.is_terminal or screen.is_dumb_terminal:
        yield Reporter(None, quiet=quiet)
        return
    is_roomy = screen.width >= ROOMY
    columns = (
        SpinnerColumn(finished_text="•"),
        TextColumn("{task.fields[name]}"),
        BarColumn(BAR_WIDTH if is_roomy else NARROW_BAR_WIDTH),
        *([TimeElapsedColumn()] if is_roomy else []),
        # a vendor's words may stand in it; a line that were longer than the screen would leave remains
        TextColumn(
            "{task.description}",
            style="dim",
            markup=False,
            table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
        ),
    )
    with Bars(*columns, console=screen, transient=True, expand=True) as bars:
        yield Reporter(bars)


class Board:
    """Counts many calls as they end: one bar on a terminal, and a line for each elsewhere."""

    def __init__(self, reporter: Reporter, name: str, total: int) -> None:
        self._reporter = reporter
        self._tell = reporter.begin(name, lines=False)
        self._total = total
        self._start = time.monotonic()
        self._begun = self._over = self._failed = 0
        self._usd = 0.0
        self.stopped = False
        """Whether no further call is to begin, as it would fail like the last one."""

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self._reporter.say(text)

    def began(self) -> None:
        """Note that a call was begun."""
        self._begun += 1
        self._show()

    def ended(self, text: str, *, good: bool, usd: float) -> None:
        """Note that a call has ended, in words, whether well, and what it cost in USD."""
        self._over += 1
        self._failed += not good
        self._usd += usd
        if not self._reporter.is_live:
            self._reporter.say(f"{self._over}/{self._total} {text}")
        self._show()

    def _show(self) -> None:
        parts = [f"{self._over}/{self._total}"]
        parts += [f"{self._failed} failed"] if self._failed else []
        parts += [money(round(self._usd, 6))] if self._usd else []
        if 0 < self._over < self._total:
            left = (time.monotonic() - self._start) / self._over * (self._total - self._over)
            parts.append(f"about {left:.0f} s left" if left < LONG_SECONDS else f"about {left / 60:.0f} min left")
        parts.append(f"{self._begun - self._over} running")
        self._tell(self._over / self._total, ", ".join(parts))


def _lines(name: str) -> Tell:
    last = ""

    def tell(share: float, stage: str) -> None:
        nonlocal last
        if stage != last:
            put_error(f"{name}: {stage} ({share:.0%})\n")
            last = stage

    return tell


async def follow(
    engine: Engine, jobs: Sequence[Job], *, by_id: bool = False, quiet: bool = False, verbose: bool = False
) -> None:
    """Show how the jobs stand until all have ended or are stalled; with `by_id` by their ids, for several of one tool.

    With `quiet` nothing is shown, and with `verbose` also why the provider was taken, and when each stage was reached.

    Keys and configuration are watched meanwhile, so that a key that is corrected reaches a job that waits for it.
    """
    try:
        with reporting(quiet=quiet) as reporter:
            async with anyio.create_task_group() as watching:
                watching.start_soon(engine.follow_files)
                async with anyio.create_task_group() as group:
                    for job in jobs:
                        group.start_soon(_show, engine, job, reporter, job.id if by_id else job.record.tool, verbose)
                watching.cancel_scope.cancel()
    except anyio.get_cancelled_exc_class():
        for job in jobs:
            if not job.done:
                put_error(_left_running(job))
        raise


async def _show(engine: Engine, job: Job, reporter: Reporter, name: str, verbose: bool) -> None:  # noqa: FBT001 - a task gets no names
    tell, trouble, stage = reporter.begin(name, lines=not verbose), "", ""
    for reason in job.choice if verbose else ():
        reporter.say(f"{name}: {reason}")
    async for state in engine.watch(job):
        if state.trouble and state.trouble != trouble:
            reporter.say(f"imagewright: {job.id}: {for_person(state.trouble)}")
        trouble = state.trouble
        if verbose and state.stage != stage:
            reporter.say(f"{name}: {state.elapsed:6.2f} s  {state.stage} ({state.share:.0%})")
        stage = state.stage
        tell(state.share, stage)
        if state.record.state == STALLED:
            return


def _left_running(job: Job) -> str:
    """What happens to an unfinished job whose command was stopped, in one line."""
    fate = "is left unfinished and may be charged" if job.is_local else "goes on in another process"
    wait = "resume" if job.is_local else "watch"
    ways = f"to wait for it: imagewright jobs {wait} {job.id}; to stop it: imagewright jobs cancel {job.id}"
    return f"imagewright: {job.id} {fate}; {ways}\n"


def exit_code(jobs: Iterable[Job]) -> int:
    """The code for these jobs; without any, 0."""
    codes = {_code(job) for job in jobs} | {DONE}
    return next(code for code in WEIGHT if code in codes)


def _code(job: Job) -> int:
    if not job.done:
        return OPEN
    if job.record.state == "cancelled":
        return CANCELLED
    if job.record.state == "completed" and job.pictures:
        return DONE if len(job.pictures) >= job.record.expected else SOME
    # one that was read back from the journal has its category alone
    return OPEN if getattr(job.error, "category", "") == UnknownOutcome.category else FAILED
