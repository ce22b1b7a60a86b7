"""`imagewright jobs`: what runs, what came of it and what it cost; and the hand on jobs of every process."""

from __future__ import annotations

import sys
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import anyio

from imagewright.cli.costs import cost_data, print_costs
from imagewright.cli.following import follow
from imagewright.cli.job_views import described, print_list, summary
from imagewright.cli.outcomes import CODES, DONE, FAILED, exit_code
from imagewright.cli.output import print_json
from imagewright.cli.parser import command_parser, positive
from imagewright.cli.session import settings_for
from imagewright.engine.engine import open_engine
from imagewright.errors import Problem, Refusal
from imagewright.providers import KEY_VARIABLES
from imagewright.storage.calendar_day import bounds
from imagewright.surface.definitions import job_data
from imagewright.text import plain

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable, Sequence

    from imagewright.engine.engine import Engine
    from imagewright.engine.job import Job
    from imagewright.settings.load import Settings

    Action = Callable[[Engine, argparse.Namespace], Awaitable[int]]

LIMIT = 20
UNFINISHED_AMONG = 1000
"""How far back unfinished jobs are looked for: far beyond what is lost in one crash."""
NEAREST = 3
"""How many ids are named when one is not known."""


def main(words: Sequence[str]) -> int:
    """List jobs, or do one thing with one of them; for jobs that were waited for, a code of `cli.outcomes`."""
    parser = command_parser(
        "jobs",
        usage=(
            "imagewright jobs [list] [--limit N] [--json]\n"
            "       imagewright jobs watch|show|cancel ID [--json]\n"
            "       imagewright jobs resume [--json]\n"
            "       imagewright jobs --cost [--since DAY] [--json]"
        ),
        epilog="Jobs of all processes are shown: assistants' servers and commands share one journal.\n\n"
        f"watch and resume end with these {CODES}",
    )
    actions = ", ".join((*ACTIONS, *ONE_JOB))
    parser.add_argument(
        "action",
        nargs="?",
        choices=(*ACTIONS, *ONE_JOB),
        metavar="ACTION",
        help=f"one of {actions}; resume carries on what dead processes left behind and waits for all that runs",
    )
    parser.add_argument("id", nargs="?", metavar="ID", help="the job: job_...")
    parser.add_argument("--limit", type=positive, default=LIMIT, metavar="N", help=f"list at most (default: {LIMIT})")
    parser.add_argument("--cost", action="store_true", help="what was spent, by day, by tool and by provider")
    parser.add_argument(
        "--since", metavar="DAY", help="from this day: YYYY-MM-DD, today or yesterday (default: the first of the month)"
    )
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    message = parser.parse_intermixed_args(words)
    if message.cost and message.action:
        parser.error(f"--cost sums up all jobs; it goes with no action such as {message.action}")
    if message.since and not message.cost:
        parser.error("--since goes with --cost")
    if message.action in ONE_JOB and not message.id:
        parser.error(f"which job? imagewright jobs {message.action} ID; the ids are in: imagewright jobs")
    if message.action not in ONE_JOB and message.id:
        parser.error(f"{message.action} is about all jobs, not about {message.id}")
    action = _cost if message.cost else (ACTIONS | ONE_JOB)[message.action or "list"]
    return anyio.run(partial(_open_and, action), settings_for(message), message)


async def _open_and(action: Action, settings: Settings, message: argparse.Namespace) -> int:
    async with open_engine(settings) as engine:
        return await action(engine, message)


async def _list(engine: Engine, message: argparse.Namespace) -> int:
    jobs = await engine.newest(message.limit)
    if message.json:
        print_json([job_data(job) for job in jobs])
    else:
        print_list(jobs)
    return 0


async def _cost(engine: Engine, message: argparse.Namespace) -> int:
    now = datetime.now().astimezone()
    since, _ = bounds(message.since or now.date().replace(day=1))
    costs = await engine.costs(since.timestamp())
    if message.json:
        print_json(cost_data(costs, since))
    else:
        print_costs(costs, since)
    return 0


async def _show(engine: Engine, message: argparse.Namespace) -> int:
    job = await _known(engine, message.id)
    _print(job, described, as_json=message.json)
    await engine.answered(job)
    return 0


async def _watch(engine: Engine, message: argparse.Namespace) -> int:
    job = await _known(engine, message.id)
    return await _wait_for(engine, [job], as_json=message.json)


async def _cancel(engine: Engine, message: argparse.Namespace) -> int:
    job = await _known(engine, message.id)
    if job.done:
        sys.stderr.write(f"imagewright: {job.id} had ended already: {job.status}\n")
    else:
        await engine.cancel(job)
        if not job.done:
            sys.stderr.write(f"imagewright: {job.id} is marked, and whoever carries it on will stop it\n")
    _print(job, described, as_json=message.json)
    await engine.answered(job)
    return 0


async def _resume(engine: Engine, message: argparse.Namespace) -> int:
    """Carry on what nobody works on, and wait for that and for what others work on."""
    unfinished = [job for job in await engine.newest(UNFINISHED_AMONG) if not job.done]
    able = [job for job in unfinished if _is_on(engine, job)]
    for job in unfinished:
        if job not in able:
            sys.stderr.write(f"imagewright: {job.id} cannot be carried on: {_wanting(engine, job)}\n")
    if not able:
        if message.json:
            print_json([])
        else:
            sys.stdout.write("Nothing was left behind and nothing runs.\n" if not unfinished else "")
        return FAILED if unfinished else DONE
    code = await _wait_for(engine, able, as_json=message.json, several=True)
    return FAILED if len(able) < len(unfinished) else code


def _is_on(engine: Engine, job: Job) -> bool:
    state = engine.offer.providers.get(job.provider)
    return state is not None and state.on


def _wanting(engine: Engine, job: Job) -> str:
    """What keeps a provider from being used."""
    state = engine.offer.providers.get(job.provider)
    if state is None:
        return f"there is no provider {job.provider} any more"
    ways = KEY_VARIABLES.get(job.provider) or ("IMAGEWRIGHT_PROVIDERS",)
    return f"{job.provider} is off: {state.because} ({' or '.join(ways)})"


async def _wait_for(engine: Engine, jobs: Sequence[Job], *, as_json: bool, several: bool = False) -> int:
    """Wait for the jobs, adopting those nobody works on, and print what came of them."""
    await engine.resume()
    found = [await engine.find(job.id) or job for job in jobs]
    await follow(engine, found, by_id=True)
    if as_json:
        data = [job_data(job) for job in found]
        print_json(data if several else data[0])
    else:
        for job in found:
            sys.stdout.write(summary(job))
    for job in found:
        if job.error is not None:
            sys.stderr.write(f"imagewright: {job.id}: {plain(str(job.error))}\n")
        await engine.answered(job)
    return exit_code(found)


def _print(job: Job, text: Callable[[Job], str], *, as_json: bool) -> None:
    if as_json:
        print_json(job_data(job))
    else:
        sys.stdout.write(text(job))


async def _known(engine: Engine, job_id: str) -> Job:
    job = await engine.find(job_id.removeprefix("job://"))
    if job is None:
        newest = ", ".join(one.id for one in await engine.newest(NEAREST)) or "there are none"
        raise Refusal(Problem("", f"there is no job {job_id!r}; the newest are: {newest}"))
    return job


ACTIONS: dict[str, Action] = {"list": _list, "resume": _resume}
"""About all jobs."""
ONE_JOB: dict[str, Action] = {"watch": _watch, "show": _show, "cancel": _cancel}
"""About the one whose id follows."""
