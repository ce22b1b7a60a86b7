"""What commands print: tables, JSON, and jobs as text.

Colours stand only on a terminal and without `NO_COLOR`; what is piped has whole lines.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from imagewright.catalog.row import verb
from imagewright.cli import put_error
from imagewright.cli.options import for_person
from imagewright.text import counted, plain, plain_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from rich.console import ConsoleOptions, RenderableType

    from imagewright.engine.job import Job
    from imagewright.storage.records import CostRow

    Cell = Text | str

PIPED_WIDTH = 4000
"""Columns for output that no terminal shows: nothing is cut or wrapped, so that grep sees whole lines."""
READING_WIDTH = 100
"""Columns beyond which prose gets hard to read."""
STYLES = {"running": "cyan", "stalled": "yellow", "completed": "green", "failed": "red", "cancelled": "dim"}
HEADINGS = ("id", "begun", "tool", "status", "made", "cost")
BASES = ("actual", "estimate", "unknown")
COST_HEADINGS = ("jobs", "USD", "actual", "estimate", "unknown")
KINDS: dict[str, Callable[[CostRow], str]] = {
    "day": lambda cost: f"{datetime.fromtimestamp(cost.created).astimezone():%Y-%m-%d}",
    "tool": lambda cost: cost.tool,
    "provider": lambda cost: cost.provider,
}
"""What is summed by, and where a cost stands in it."""


class QuietPipe(Console):
    """A console that lets the entry point handle a reader who went away (`| head`).

    Only its own styles act on the terminal: nothing that a text holds does.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """As rich does, with every text made plain."""
        for one in super().render(renderable, options):
            yield one if one.control or one.text == "\n" else Segment(plain_lines(one.text), one.style)

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
        made.add_row(*(Text(plain(cell)) if isinstance(cell, str) else cell for cell in row))
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


def print_list(jobs: Sequence[Job]) -> None:
    """The jobs as a table."""
    screen = console()
    if not jobs:
        screen.print("No job yet. Begin one with: imagewright run TOOL --prompt ...")
        return
    screen.print(fitted(screen, HEADINGS, map(_cells, jobs)))
    if stalled := sum(job.record.state == "stalled" for job in jobs):
        screen.print(f"{counted(stalled, 'job')} stalled: `imagewright jobs resume` carries on.")


def _cells(job: Job) -> tuple[Text | str, ...]:
    status = Text(job.record.state, style=STYLES[job.record.state])
    if not job.done and job.share:
        status.append(f" {job.share:.0%}")
    return (
        job.id,
        begun(job),
        job.record.tool,
        status,
        f"{len(job.pictures)}/{job.record.expected}",
        money(job.record.cost_usd),
    )


def begun(job: Job) -> str:
    """When the job began, local time, to the minute."""
    return f"{datetime.fromtimestamp(job.record.created).astimezone():%Y-%m-%d %H:%M}"


def money(usd: float | None) -> str:
    """A sum in USD, as exact as it is known."""
    return "unknown" if usd is None else f"${usd:.6g}"


def described(job: Job) -> str:
    """Everything about one job; ends with a line break."""
    facts = {
        "job": job.id,
        "begun": begun(job),
        "does": f"{verb(job.operation)} with {job.record.tool}",
        "provider": f"{job.record.provider} ({plain(job.record.model)})",
        "status": job.record.state if job.done else _standing(job),
        "took" if job.done else "so far": f"{job.elapsed:.1f} s",
        "cost": f"{money(job.record.cost_usd)} ({job.record.cost_basis})",
        "pictures": f"{len(job.pictures)} of {job.record.expected}",
    }
    lines = [f"{what:<9} {value}" for what, value in facts.items()]
    lines += pictures(job)
    lines += [f"why: {plain(reason)}" for reason in job.choice]
    lines += [f"note: {_read(note)}" for note in job.record.notes]
    if job.trouble:
        lines.append(f"held up: {_read(job.trouble)}")
    if job.error is not None:
        lines.append(f"error: {_read(str(job.error))}")
    return "".join(f"{line}\n" for line in lines)


def _standing(job: Job) -> str:
    """How a job stands that has not ended."""
    stage = "" if job.stage == job.record.state else f", {job.stage}"
    return f"{job.record.state}, {job.share:.0%}{stage}"


def summary(job: Job) -> str:
    """The saved paths, each with what it is, and what the job cost; ends with a line break."""
    lines = pictures(job)
    cost = "cost unknown" if job.record.cost_usd is None else f"{money(job.record.cost_usd)} ({job.record.cost_basis})"
    lines.append(
        f"{job.record.state} by {job.record.provider} ({plain(job.record.model)}) in {job.elapsed:.1f} s, {cost}"
    )
    lines += [f"note: {_read(note)}" for note in job.record.notes]
    return "".join(f"{line}\n" for line in lines)


def print_error(job: Job, before: str = "") -> None:
    """Print to standard error why a job failed, if it did."""
    if job.error is not None:
        put_error(f"imagewright: {before}{_read(str(job.error))}\n")


def pictures(job: Job) -> list[str]:
    """Two lines per picture: its path alone, so that it can be copied, and what it is."""
    lines = []
    for record in job.pictures:
        seed = "" if record.seed is None else f", seed {record.seed}"
        lines += [plain(str(record.path)), f"  {record.id}, {record.width} x {record.height} {record.format}{seed}"]
    return lines


def _read(text: str) -> str:
    """A sentence of the engine on one line, for a person."""
    return plain(for_person(text))


def cost_data(costs: Sequence[CostRow], since: datetime) -> dict[str, Any]:
    """The costs summed in all, by day, by tool and by provider, each with how sure it is, as plain data."""
    sums: dict[str, Any] = {"since": since.isoformat(), **_sum(costs)}
    for kind, place in KINDS.items():
        names = dict.fromkeys(map(place, costs))
        sums[f"by_{kind}"] = [{kind: name} | _sum([one for one in costs if place(one) == name]) for name in names]
    return sums


def _sum(costs: Sequence[CostRow]) -> dict[str, Any]:
    def of(some: Sequence[CostRow]) -> dict[str, Any]:
        return {"usd": round(sum((cost.usd for cost in some), 0.0), 6), "jobs": len(some)}

    return of(costs) | {basis: of([cost for cost in costs if cost.basis == basis]) for basis in BASES}


def print_costs(costs: Sequence[CostRow], since: datetime) -> None:
    """The sums as tables."""
    screen, sums = console(), cost_data(costs, since)
    if not costs:
        screen.print(f"No job has ended since {since:%Y-%m-%d}, so nothing was spent.")
        return
    for kind in KINDS:
        rows = [(one[kind], *_sum_cells(one)) for one in sums[f"by_{kind}"]]
        screen.print(fitted(screen, (kind, *COST_HEADINGS), rows))
        screen.print()
    screen.print(
        Text(f"${sums['usd']:.4f} for {counted(len(costs), 'job')} since {since:%Y-%m-%d}", style="bold"),
        Text("actual: as the vendor reported; estimate: from its price list; unknown: jobs not in the sum"),
        Text("Jobs that still run count when they have ended."),
        sep="\n",
    )


def _sum_cells(one: Mapping[str, Any]) -> tuple[str, ...]:
    money = (one["usd"], one["actual"]["usd"], one["estimate"]["usd"])
    return (str(one["jobs"]), *(f"{usd:.4f}" for usd in money), str(one["unknown"]["jobs"]))
