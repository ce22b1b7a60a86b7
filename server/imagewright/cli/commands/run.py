"""`imagewright run TOOL ...`: one call, in this process, with the options of the tool's row."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import anyio

from imagewright.catalog.load import catalog
from imagewright.cli.following import follow
from imagewright.cli.job_views import summary
from imagewright.cli.options import arguments, row_options
from imagewright.cli.outcomes import CODES, exit_code
from imagewright.cli.output import print_json
from imagewright.cli.parser import command_parser, take_name
from imagewright.cli.session import settings_for
from imagewright.engine.engine import open_engine
from imagewright.engine.job import JobStatus
from imagewright.errors import ConfirmationNeededError, Problem, Refusal
from imagewright.surface.definitions import job_data
from imagewright.text import did_you_mean, plain

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from imagewright.catalog.row import Row
    from imagewright.settings.load import Settings

THRESHOLD = "IMAGEWRIGHT_CONFIRM_ABOVE"
YES = frozenset({"y", "yes"})


def main(words: Sequence[str]) -> int:
    """Call the tool, wait for its pictures, and say where they are; the codes are in `cli.outcomes`."""
    tool, rest = take_name(words)
    if tool is None:
        return _ask_for_tool(rest)
    row = catalog().get(tool)
    if row is None:
        raise Refusal(
            Problem("", f"there is no tool {tool!r}{did_you_mean(tool, catalog())}. There are: {', '.join(catalog())}")
        )
    message, unknown = tool_parser(row).parse_known_args(rest)
    given = arguments(row, vars(message), unknown)
    settings = settings_for(message)
    if message.explain:
        reasons = anyio.run(_explain, settings, tool, given)
        if message.json:
            print_json(list(reasons))
        else:
            sys.stdout.write("".join(f"{plain(reason)}\n" for reason in reasons))
        return 0
    done = anyio.run(_carry_out, settings, tool, given, message)
    if isinstance(done, ConfirmationNeededError):
        if not _agrees(done):
            sys.stderr.write("imagewright: not made, and nothing was spent\n")
            return 1
        message.yes = True
        done = anyio.run(_carry_out, settings, tool, given, message)
    if isinstance(done, ConfirmationNeededError):  # never asked for twice
        raise done
    return done


def tool_parser(row: Row) -> argparse.ArgumentParser:
    """The parser of `imagewright run <tool>`."""
    parser = command_parser(
        "run",
        usage=f"imagewright run {row.tool} [OPTIONS]",
        description=f"{row.title}: {row.character}. {row.caution}".strip(),
        epilog=CODES,
        first=[row_options(row)],
    )
    group = parser.add_argument_group("about the call")
    group.add_argument(
        "--explain", action="store_true", help="say which provider would serve it and why not the others; do nothing"
    )
    group.add_argument("--yes", action="store_true", help=f"agree to the price beforehand, whatever {THRESHOLD} says")
    group.add_argument(
        "--key", default="", metavar="KEY", help="idempotency key: a second call with the same key is the same job"
    )
    group.add_argument("--json", action="store_true", help="the result as JSON")
    return parser


def _ask_for_tool(words: Sequence[str]) -> int:
    lines = "".join(f"  {row.tool:<20} {row.first_choice}\n" for row in catalog().values())
    parser = command_parser(
        "run",
        usage="imagewright run TOOL [OPTIONS]",
        epilog=(
            f"tools, and what each is the first choice for:\n{lines}\n"
            f"Options of one: imagewright run TOOL --help\n\n{CODES}"
        ),
    )
    parser.parse_args(words)
    parser.print_help(sys.stderr)
    return 2


async def _explain(settings: Settings, tool: str, given: dict[str, Any]) -> tuple[str, ...]:
    async with open_engine(settings) as engine:
        return await engine.explain(tool, given)


async def _carry_out(
    settings: Settings, tool: str, given: dict[str, Any], message: argparse.Namespace
) -> int | ConfirmationNeededError:
    """Make the call and print what came of it; returns the question where the user has to be asked first."""
    async with open_engine(settings) as engine:
        try:
            job = await engine.start(tool, given, key=message.key, confirmed=message.yes)
        except ConfirmationNeededError as needed:
            return needed
        await follow(engine, [job])
        if message.json:
            print_json(job_data(job))
        else:
            sys.stdout.write(summary(job))
        await engine.answered(job)
    if job.error is not None:
        sys.stderr.write(f"imagewright: {plain(str(job.error))}\n")
    elif job.status is not JobStatus.COMPLETED:
        sys.stderr.write(f"imagewright: {job.id} is {job.status}: {len(job.pictures)} of {job.expected} pictures\n")
    return exit_code([job])


def _agrees(needed: ConfirmationNeededError) -> bool:
    """Ask the user; anything but yes is no.

    Raises:
        Refusal: there is nobody to ask.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Refusal(Problem("", f"{needed} Nobody is here to ask: agree with --yes, or raise {THRESHOLD}"))
    sys.stderr.write(f"{needed} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in YES
