"""What commands print: tables, JSON, and jobs as text.

Colours stand only on a terminal and without `NO_COLOR`. What is piped has a line for each record, with nothing cut and
tabs between its fields, below a line with their names.
"""

from __future__ import annotations

import io
import json
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from imagewright.catalog.load import catalog
from imagewright.catalog.row import OperationName, verb
from imagewright.cli import put_error
from imagewright.cli.options import for_person
from imagewright.text import counted, plain, plain_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from rich.console import ConsoleOptions, RenderableType, RenderResult

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
            if one.control or one.text == "\n":
                yield one
            else:  # the tabs are ours: they stand between the fields of a record
                yield Segment("\t".join(map(plain_lines, one.text.split("\t"))), one.style)

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
    if not made.is_terminal:
        made.width = PIPED_WIDTH
    if prose:
        made.width = min(made.width, READING_WIDTH)
    return made


class Listing:
    """Records with named fields, shown as there is room for them.

    On a terminal they are a table in which no word is broken. Where the screen is too narrow even for one with broken
    headings, each record is a block of its own. In a pipe each is a line with tabs between its fields.

    Args:
        headings: the names of the fields.
        rows: the records.
        kept: names of fields that are never broken at all.
        short: whether no field may be broken, as they are all short.
    """

    def __init__(
        self,
        headings: Sequence[Cell],
        rows: Iterable[Sequence[Cell]],
        *,
        kept: Iterable[str] = (),
        short: bool = False,
    ) -> None:
        self._headings = [str(heading) for heading in headings]
        # as texts: rich takes square brackets in a string for its own marks
        self._rows = [[_text(cell) for cell in row] for row in rows]
        self._kept = frozenset(self._headings if short else kept)

    def __rich_console__(self, screen: Console, options: ConsoleOptions) -> RenderResult:
        """As the text above says."""
        if not screen.is_terminal:
            for row in (self._headings, *(map(str, row) for row in self._rows)):
                yield Segment("\t".join(plain(", ".join(cell.split("\n"))) for cell in row))
                yield Segment.line()
            return
        for headings, space in ((self._headings, 3), (self._headings, 1), (list(map(_broken, self._headings)), 1)):
            room = options.max_width - space * (len(headings) - 1)
            if (widths := self._widths(headings, room)) is not None:
                yield self._table(headings, widths, space)
                return
        for block in blocks(self._rows, options.max_width):
            yield from block

    def _widths(self, headings: Sequence[str], room: int) -> list[int] | None:
        """The columns that each field gets, the widest cut down to its longest word; None where that is not enough."""
        least, widths = [], []
        for name, heading, *cells in zip(self._headings, headings, *self._rows, strict=True):
            texts = [heading, *map(str, cells)]
            whole = max(cell_len(line) for text in texts for line in text.split("\n"))
            words = max((cell_len(word) for text in texts for word in text.split()), default=0)
            least.append(whole if name in self._kept else words)
            widths.append(whole)
        if sum(least) > room:
            return None
        while sum(widths) > room:
            # one by one: rich itself would cut columns to less than a word
            widest = max((one for one in range(len(widths)) if widths[one] > least[one]), key=widths.__getitem__)
            widths[widest] -= 1
        return widths

    def _table(self, headings: Sequence[str], widths: Sequence[int], space: int) -> Table:
        padding = (0, space // 2)
        made = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False, padding=padding)
        for heading, width in zip(headings, widths, strict=True):
            made.add_column(heading, overflow="fold", width=width)
        for row in self._rows:
            made.add_row(*row)
        return made


def table(headings: Sequence[Cell], rows: Iterable[Sequence[Cell]], *, kept: Iterable[str] = ()) -> Listing:
    """Records in the house style; what is too long for its column continues below. The `kept` are never broken."""
    return Listing(headings, rows, kept=kept)


def blocks(rows: Sequence[Sequence[Text]], width: int) -> Iterator[list[RenderableType]]:
    """Each record as a block of a few lines, broken at the same fields in all of them.

    Lines after the first are set in by two. A field that is wider than the screen has a line of its own.
    """
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    lines: list[list[int]] = [[]]
    room = width
    for place, wide in enumerate(widths):
        if lines[-1] and wide > room:
            lines.append([])
            room = width - 2
        lines[-1].append(place)
        room -= wide + 2
    for row in rows:
        block: list[RenderableType] = []
        for number, places in enumerate(lines):
            line = Text("  ").join(
                Text.assemble(row[place], " " * (0 if place == places[-1] else widths[place] - _width(row[place])))
                for place in places
            )
            if line.plain.strip():
                block.append(Padding(line, (0, 0, 0, 2 if number else 0)))
        yield block


def _width(cell: Text) -> int:
    """Columns of a terminal that the widest line of a cell takes."""
    return max(map(cell_len, cell.plain.split("\n")))


def clipped(text: str, width: int) -> str:
    """The text in at most so many columns of a terminal, cut between words where it has such, with `…` for the rest."""
    if cell_len(text) <= width:
        return text
    cut = set_cell_size(text, width - 1).rstrip()
    words, _, _ = cut.rpartition(" ")
    whole = text[len(cut) : len(cut) + 1].isspace()
    return f"{cut if whole or cell_len(words) < width // 2 else words.rstrip(' ,;:.')}…"


def _text(cell: Cell) -> Text:
    return Text("\n".join(map(plain, cell.split("\n")))) if isinstance(cell, str) else cell


def _broken(heading: str) -> str:
    """A heading with a line for each of its words."""
    return re.sub(" |(?<=-)", "\n", heading)


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
    if not jobs:
        hint(f"No job yet. Begin one with: {example()}")
        return
    screen = console()
    screen.print(Listing(HEADINGS, [_cells(job, short=screen.is_terminal) for job in jobs], short=True))
    if stalled := sum(job.record.state == "stalled" for job in jobs):
        hint(f"{counted(stalled, 'job')} stalled: `imagewright jobs resume` carries on.")


def example() -> str:
    """A command that makes a picture, as one can type it."""
    makers = [row for row in catalog().values() if OperationName.GENERATE in row.operations]
    first = min(makers, key=lambda row: row.operations[OperationName.GENERATE].rank)
    return f'imagewright run {first.tool} "a red fox"'


def hint(text: str, style: str = "") -> None:
    """Print what a person may want to know or do next; not among the records that another program reads."""
    screen = console(prose=True)
    (screen if screen.is_terminal else console(to_stderr=True)).print(Text(plain(text), style=style))


def closing(text: str) -> None:
    """Print where a list comes from, below it; not among the records that another program reads."""
    screen = console()
    (screen if screen.is_terminal else console(to_stderr=True)).print(
        Text(f"\n{plain(text)}", style="dim"), soft_wrap=True
    )


def _cells(job: Job, *, short: bool) -> tuple[Text | str, ...]:
    status = Text(job.record.state, style=STYLES[job.record.state])
    if not job.done and job.share:
        status.append(f" {job.share:.0%}")
    return (
        job.id,
        when(datetime.fromtimestamp(job.record.created, UTC), short=short),
        job.record.tool,
        status,
        f"{len(job.pictures)}/{job.record.expected}",
        money(job.record.cost_usd),
    )


def begun(job: Job) -> str:
    """When the job began, local time, to the minute."""
    return when(datetime.fromtimestamp(job.record.created, UTC))


def when(moment: datetime, *, short: bool = False) -> str:
    """A moment in local time, to the minute; where it may be `short`, without the part that is the same as today's."""
    local, now = moment.astimezone(), datetime.now().astimezone()
    if not short or local.year != now.year:
        return f"{local:%Y-%m-%d %H:%M}"
    return f"{local:%H:%M}" if local.date() == now.date() else f"{local:%b %d %H:%M}"


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
    """The sums as tables; in a pipe as lines, the last of which is for all."""
    screen, sums = console(), cost_data(costs, since)
    if not costs:
        hint(f"No job has ended since {since:%Y-%m-%d}, so nothing was spent.")
        return
    if not screen.is_terminal:
        records = [(kind, one[kind], *_sum_cells(one)) for kind in KINDS for one in sums[f"by_{kind}"]]
        screen.print(Listing(("by", "of", *COST_HEADINGS), [*records, ("all", "", *_sum_cells(sums))]))
        return
    for kind in KINDS:
        rows = [(one[kind], *_sum_cells(one)) for one in sums[f"by_{kind}"]]
        screen.print(Listing((kind, *COST_HEADINGS), rows, short=True))
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
