"""`imagewright run TOOL ...`: one call, in this process, with the options of the tool's row."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import anyio

from imagewright.catalog.load import catalog
from imagewright.cli.options import arguments, row_options
from imagewright.cli.output import print_json
from imagewright.cli.parser import command_parser, take_name
from imagewright.cli.progress import reporting
from imagewright.cli.session import settings_for
from imagewright.engine.workshop import open_workshop
from imagewright.errors import Problem, Refusal
from imagewright.settings.toggles import nearest
from imagewright.surface.structured import job_data

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from imagewright.catalog.row import Row
    from imagewright.engine.job import Job
    from imagewright.engine.workshop import Workshop
    from imagewright.settings.load import Settings


def main(words: Sequence[str]) -> int:
    """Call the tool, wait for its pictures, and say where they are."""
    tool, rest = take_name(words)
    if tool is None:
        return _ask_for_tool(rest)
    row = catalog().get(tool)
    if row is None:
        raise Refusal(
            Problem("", f"there is no tool {tool!r}{nearest(tool, catalog())}. There are: {', '.join(catalog())}")
        )
    said, unknown = tool_parser(row).parse_known_args(rest)
    given = arguments(row, vars(said), unknown)
    return anyio.run(_carry_out, settings_for(said), tool, given, said.json)


def tool_parser(row: Row) -> argparse.ArgumentParser:
    """The parser of `imagewright run <tool>`."""
    parser = command_parser(
        "run",
        usage=f"imagewright run {row.tool} [OPTIONS]",
        description=f"{row.title}: {row.character}. {row.caution}".strip(),
        first=[row_options(row)],
    )
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    return parser


def _ask_for_tool(words: Sequence[str]) -> int:
    lines = "".join(f"  {row.tool:<20} {row.first_choice}\n" for row in catalog().values())
    parser = command_parser(
        "run",
        usage="imagewright run TOOL [OPTIONS]",
        epilog=f"tools, and what each is the first choice for:\n{lines}\nOptions of one: imagewright run TOOL --help",
    )
    parser.parse_args(words)
    parser.print_help(sys.stderr)
    return 2


async def _carry_out(settings: Settings, tool: str, given: dict[str, Any], as_json: bool) -> int:  # noqa: FBT001 - anyio.run passes by position
    async with open_workshop(settings) as workshop:
        job = await workshop.start(tool, given)
        await _follow(workshop, job)
    if as_json:
        print_json(job_data(job))
    else:
        sys.stdout.write(summary(job))
    if job.error is not None:
        raise job.error
    return 0


async def _follow(workshop: Workshop, job: Job) -> None:
    try:
        with reporting() as reporter:
            tell = reporter.begin(job.tool)
            async for state in workshop.watch(job):
                tell(state.share, state.stage)
    except anyio.get_cancelled_exc_class():
        with anyio.CancelScope(shield=True):
            await workshop.jobs.cancel(job)
            # what was begun may be charged: that must not go unsaid
            sys.stderr.write("".join(f"imagewright: {note}\n" for note in job.notes))
        raise


def summary(job: Job) -> str:
    """The saved paths, each with what it is, and what the job cost; ends with a line break."""
    lines = []
    for record in job.pictures:
        seed = "" if record.seed is None else f", seed {record.seed}"
        lines += [str(record.path), f"  {record.id}, {record.width} x {record.height} {record.format}{seed}"]
    cost = "cost unknown" if job.cost_usd is None else f"${job.cost_usd:g} ({job.cost_basis})"
    lines.append(f"{job.status} by {job.provider} ({job.model}) in {job.elapsed:.1f} s, {cost}")
    lines += [f"note: {note}" for note in job.notes]
    return "".join(f"{line}\n" for line in lines)
