"""Jobs as text: the list, one job whole, and what came of a call."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from rich.text import Text

from imagewright.catalog.row import verb
from imagewright.cli.output import console, fitted
from imagewright.engine.job import JobStatus
from imagewright.text import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagewright.engine.job import Job

STYLES = {
    JobStatus.RUNNING: "cyan",
    JobStatus.COMPLETED: "green",
    JobStatus.FAILED: "red",
    JobStatus.CANCELLED: "dim",
}
HEADINGS = ("id", "begun", "tool", "status", "made", "cost")


def print_list(jobs: Sequence[Job]) -> None:
    """The jobs as a table."""
    screen = console()
    if not jobs:
        screen.print("No job yet. Begin one with: imagewright run TOOL --prompt ...")
        return
    screen.print(fitted(screen, screen.width, [Text(heading) for heading in HEADINGS], map(_cells, jobs)))


def _cells(job: Job) -> list[Text]:
    status = Text(job.status, style=STYLES[job.status])
    if not job.done and job.share:
        status.append(f" {job.share:.0%}")
    cells = (job.id, begun(job), job.tool, status, f"{len(job.pictures)}/{job.expected}", money(job.cost_usd))
    return [cell if isinstance(cell, Text) else Text(cell) for cell in cells]


def begun(job: Job) -> str:
    """When the job began, local time, to the minute."""
    return f"{datetime.fromtimestamp(job.created).astimezone():%Y-%m-%d %H:%M}"


def money(usd: float | None) -> str:
    """A sum in USD, as exact as it is known."""
    return "unknown" if usd is None else f"${usd:.6g}"


def described(job: Job) -> str:
    """Everything about one job; ends with a line break."""
    facts = {
        "job": job.id,
        "begun": begun(job),
        "does": f"{verb(job.operation)} with {job.tool}",
        "provider": f"{job.provider} ({plain(job.model)})",
        "status": job.status if job.done else f"{job.status}, {job.share:.0%}, {job.stage}",
        "took" if job.done else "so far": f"{job.elapsed:.1f} s",
        "cost": f"{money(job.cost_usd)} ({job.cost_basis})",
        "pictures": f"{len(job.pictures)} of {job.expected}",
    }
    lines = [f"{what:<9} {value}" for what, value in facts.items()]
    lines += pictures(job)
    lines += [f"why: {plain(reason)}" for reason in job.choice]
    lines += [f"note: {plain(note)}" for note in job.notes]
    if job.trouble:
        lines.append(f"held up: {plain(job.trouble)}")
    if job.error is not None:
        lines.append(f"error: {plain(str(job.error))}")
    return "".join(f"{line}\n" for line in lines)


def summary(job: Job) -> str:
    """The saved paths, each with what it is, and what the job cost; ends with a line break."""
    lines = pictures(job)
    cost = "cost unknown" if job.cost_usd is None else f"{money(job.cost_usd)} ({job.cost_basis})"
    lines.append(f"{job.status} by {job.provider} ({plain(job.model)}) in {job.elapsed:.1f} s, {cost}")
    lines += [f"note: {plain(note)}" for note in job.notes]
    return "".join(f"{line}\n" for line in lines)


def pictures(job: Job) -> list[str]:
    """Two lines per picture: its path alone, as it is there to be copied, and what it is."""
    lines = []
    for record in job.pictures:
        seed = "" if record.seed is None else f", seed {record.seed}"
        lines += [plain(str(record.path)), f"  {record.id}, {record.width} x {record.height} {record.format}{seed}"]
    return lines
