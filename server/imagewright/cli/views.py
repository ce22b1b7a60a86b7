"""Jobs as text: the list, one job whole, what came of a call, and what all of them cost."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text

from imagewright.catalog.row import verb
from imagewright.cli.options import for_person
from imagewright.cli.output import console, fitted
from imagewright.text import counted, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from imagewright.engine.job import Job
    from imagewright.storage.records import CostRow

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
        sys.stderr.write(f"imagewright: {before}{_read(str(job.error))}\n")


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
