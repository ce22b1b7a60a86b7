"""Wait for a job on behalf of a call: progress notifications meanwhile, patience bounded."""

from __future__ import annotations

import math
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from mcp.server import ServerRequestContext

    from imagewright.engine.engine import Engine
    from imagewright.engine.job import Job

HEARTBEAT = 5.0
"""Seconds without news after which progress is sent all the same: hosts count silence as death after 10 to 60."""
SHORTEST_GAP = 0.1
"""Seconds between two notifications, so that a talkative vendor does not flood the client."""


async def wait_with_progress(ctx: ServerRequestContext[Any], engine: Engine, job: Job, seconds: float) -> None:
    """Return when the job is done or the seconds are over; progress rises strictly and stays below 1 until then.

    It returns at once where a person has to know of trouble: waiting would not help, and the job goes on by itself.

    A client that goes away cancels only this wait: the job belongs to the engine.
    """
    sent = 0.0
    with anyio.move_on_after(seconds):
        async with aclosing(engine.watch(job, heartbeat=HEARTBEAT, gap=SHORTEST_GAP)) as changes:
            async for _ in changes:
                if job.done or job.trouble:
                    return
                sent = _next(sent, job.share)
                await ctx.session.report_progress(sent, 1.0, f"{job.stage}, {job.elapsed:.0f} s")


def _next(sent: float, share: float) -> float:
    """A figure above the last one: the true share when it has grown, else a small step that never reaches 1."""
    if share > sent:
        return min(share, math.nextafter(1.0, 0.0))
    return sent + (1.0 - sent) * 0.002
