"""`imagewright jobs`: list, show, watch, cancel and resume the jobs of every process, and sum up their costs."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

import click

from imagewright.cli import put, put_error
from imagewright.cli.options import Command, Group, option, positive
from imagewright.cli.output import cost_data, described, print_costs, print_error, print_json, print_list, summary
from imagewright.cli.progress import CODES, DONE, FAILED, STALLED, exit_code, follow
from imagewright.cli.session import complete_job_id, with_engine
from imagewright.engine.engine import job_data
from imagewright.errors import Refusal
from imagewright.providers import KEY_VARIABLES
from imagewright.storage.accounts import LOCAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagewright.engine.engine import Engine
    from imagewright.engine.job import Job

LIMIT = 20
UNFINISHED_AMONG = 1000
"""How many of the newest jobs are searched for unfinished ones: far more than one crash leaves."""

json_option = option("--json", "as_json", is_flag=True, help="the same as JSON")
limit_option = option("--limit", type=positive, default=LIMIT, metavar="N", help=f"list at most (default: {LIMIT})")


def _which(ctx: click.Context, _: click.Parameter, job_id: str | None) -> str:
    if job_id is None:
        raise click.UsageError("which job? Its id is in the list that is shown by: imagewright jobs", ctx)
    return job_id


job_argument = click.argument("job_id", metavar="ID", required=False, callback=_which, shell_complete=complete_job_id)


@click.group(
    cls=Group,
    invoke_without_command=True,
    epilog="Jobs of all processes are shown: assistants' servers and commands share one journal.\n\n"
    f"watch and resume end with these {CODES}",
)
@limit_option
@option("--cost", is_flag=True, help="what was spent, by day, by tool and by provider")
@option(
    "--since",
    metavar="DAY",
    help="from this day: YYYY-MM-DD, today, yesterday, a weekday (default: the first of the month)",
)
@json_option
@click.pass_context
def command(ctx: click.Context, *, limit: int, cost: bool, since: str | None, as_json: bool) -> int | None:
    """List jobs or sum up their costs, unless a command does something else with them."""
    if cost and ctx.invoked_subcommand:
        raise click.UsageError(f"--cost sums up all jobs; it does not go with {ctx.invoked_subcommand}", ctx)
    if since and not cost:
        raise click.UsageError("--since goes with --cost", ctx)
    if ctx.invoked_subcommand:
        return None
    return sum_costs(since, as_json=as_json) if cost else newest(limit=limit, as_json=as_json)


@with_engine
async def sum_costs(engine: Engine, day: str | None, *, as_json: bool) -> int:
    """Show what was spent since a day, or since the first of the month."""
    since, costs = await engine.costs(LOCAL, day or datetime.now().astimezone().date().replace(day=1))
    if as_json:
        print_json(cost_data(costs, since))
    else:
        print_costs(costs, since)
    return DONE


@with_engine
async def newest(engine: Engine, *, limit: int, as_json: bool) -> int:
    """List jobs, newest first; as without a command."""
    jobs = await engine.newest(LOCAL, limit)
    if as_json:
        print_json([job_data(job) for job in jobs])
    else:
        print_list(jobs)
    return DONE


command.command("list", cls=Command)(limit_option(json_option(newest)))


@command.command("show", cls=Command)
@job_argument
@json_option
@with_engine
async def show(engine: Engine, *, job_id: str, as_json: bool) -> int:
    """Show everything about the job of that id."""
    return await _show(engine, await engine.get(LOCAL, job_id), as_json=as_json)


@command.command("watch", cls=Command, epilog=CODES)
@job_argument
@json_option
@with_engine
async def watch(engine: Engine, *, job_id: str, as_json: bool) -> int:
    """Wait for the job of that id, carrying it on if no process works on it."""
    ended = await _wait_for(engine, [await engine.get(LOCAL, job_id)])
    if as_json:
        print_json(job_data(ended[0]))
    return await _conclude(engine, ended, as_json=as_json)


@command.command("cancel", cls=Command)
@job_argument
@json_option
@with_engine
async def cancel(engine: Engine, *, job_id: str, as_json: bool) -> int:
    """Stop the job of that id, whichever process works on it."""
    job = await engine.get(LOCAL, job_id)
    if job.done:
        put_error(f"imagewright: {job.id} had ended already: {job.record.state}\n")
    else:
        await engine.cancel(job)
        if not job.done:
            put_error(f"imagewright: {job.id} is marked; the process that works on it will stop it\n")
    return await _show(engine, job, as_json=as_json)


@command.command(
    "resume",
    cls=Command,
    epilog="A cancelled job, named by its id, is carried on too if its vendor could not be stopped:\n"
    f"what it made is fetched.\n\n{CODES}",
)
@click.argument("job_id", metavar="[ID]", required=False, shell_complete=complete_job_id)
@json_option
@with_engine
async def resume(engine: Engine, *, job_id: str | None, as_json: bool) -> int:
    """Carry on what was left behind or is stalled, and wait for all that runs; or do it for the job of that id."""
    if job_id is not None:
        unfinished = [await engine.revive(LOCAL, job_id)]
    else:
        unfinished = [job for job in await engine.newest(LOCAL, UNFINISHED_AMONG) if not job.done]
    missing = {job.id: why for job in unfinished if (why := _missing_for(engine, job))}
    for name, why in missing.items():
        put_error(f"imagewright: {name} cannot be carried on: {why}\n")
    able = [job for job in unfinished if job.id not in missing]
    ended = await _wait_for(engine, able) if able else []
    if as_json:
        print_json([job_data(job) for job in ended])
    elif not unfinished:
        put("Nothing was left behind and nothing runs.\n")
    code = await _conclude(engine, ended, as_json=as_json)
    return FAILED if missing else code


def _missing_for(engine: Engine, job: Job) -> str:
    """What keeps the job's provider from being used; empty where nothing does."""
    state = engine.offer.providers.get(job.record.provider)
    if state is None:
        return f"there is no provider {job.record.provider} any more"
    if state.on:
        return ""
    ways = KEY_VARIABLES.get(job.record.provider) or ("IMAGEWRIGHT_PROVIDERS",)
    return f"{job.record.provider} is off: {state.because} ({' or '.join(ways)})"


async def _wait_for(engine: Engine, jobs: Sequence[Job]) -> list[Job]:
    """Wait for the jobs, taking over those that no process works on; returns them as they have ended."""
    found = [await _taken_up(engine, job) for job in jobs]
    await engine.resume()
    await follow(engine, found, by_id=True)
    return found


async def _taken_up(engine: Engine, job: Job) -> Job:
    """The job as it is now; one that is stalled is carried on."""
    if job.record.state == STALLED:
        with suppress(Refusal):  # it has ended meanwhile
            return await engine.revive(LOCAL, job.id)
    return await engine.get(LOCAL, job.id)


async def _show(engine: Engine, job: Job, *, as_json: bool) -> int:
    if as_json:
        print_json(job_data(job))
    else:
        put(described(job))
    await engine.answered(job)
    return DONE


async def _conclude(engine: Engine, jobs: Sequence[Job], *, as_json: bool) -> int:
    """Print what the ended jobs have made; returns the exit code for all of them."""
    if not as_json:
        put("".join(map(summary, jobs)))
    for job in jobs:
        print_error(job, f"{job.id}: ")
        await engine.answered(job)
    return exit_code(jobs)
