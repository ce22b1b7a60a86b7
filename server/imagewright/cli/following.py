"""Wait for jobs with live progress. Ctrl-C ends the waiting and never the job: what was begun may be paid for."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import anyio

from imagewright.cli.progress import reporting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagewright.cli.progress import Reporter
    from imagewright.engine.engine import Engine
    from imagewright.engine.job import Job


async def follow(engine: Engine, jobs: Sequence[Job], *, by_id: bool = False) -> None:
    """Show how the jobs stand until all have ended.

    Keys and configuration are watched meanwhile, so that a key that is mended reaches a job that waits for it.

    Args:
        engine: where they are known.
        jobs: what to wait for.
        by_id: name them by their ids, as tools' names do not tell several apart.
    """
    try:
        with reporting() as reporter:
            async with anyio.create_task_group() as watching:
                watching.start_soon(engine.follow_files)
                async with anyio.create_task_group() as group:
                    for job in jobs:
                        group.start_soon(_show, engine, job, reporter, job.id if by_id else job.tool)
                watching.cancel_scope.cancel()
    except anyio.get_cancelled_exc_class():
        for job in jobs:
            if not job.done:
                sys.stderr.write(_left_running(job))
        raise


async def _show(engine: Engine, job: Job, reporter: Reporter, name: str) -> None:
    tell, trouble = reporter.begin(name), ""
    async for state in engine.watch(job):
        if state.trouble and state.trouble != trouble:
            reporter.say(f"imagewright: {job.id}: {state.trouble}")
        trouble = state.trouble
        tell(state.share, state.stage)


def _left_running(job: Job) -> str:
    """What becomes of an unfinished job whose command was stopped; ends with a line break."""
    fate = "is left unfinished, and may be charged" if job.mine else "goes on in another process"
    ways = {
        "wait for it": "resume" if job.mine else f"watch {job.id}",
        "stop it": f"cancel {job.id}",
    }
    lines = [f"{job.id} {fate}", *(f"to {what}: imagewright jobs {words}" for what, words in ways.items())]
    return "".join(f"imagewright: {line}\n" for line in lines)
