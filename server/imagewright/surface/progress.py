"""Progress while a call is taken, before there is a job: reading its pictures can take longer than a host waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mcp.server import ServerRequestContext

Result = TypeVar("Result")

READING = "reading the pictures; where other calls have many large ones, this waits until there is memory for its own"
EVERY = 5.0
"""Seconds between two notifications, the first included: hosts give up a silent call after 10 to 60."""
MOST_SHARE = 0.001
"""What the share stays below: that of the job goes on from there."""


async def telling(
    ctx: ServerRequestContext[Any], start: Callable[..., Awaitable[Result]], *, every: float = EVERY, **how: Any
) -> Result:
    """What `start` returns with these arguments. Until then, progress is sent: it rises strictly.

    Raises: as `start`.
    """

    async def tell() -> None:
        left = 1.0
        while True:
            await anyio.sleep(every)
            left *= 0.9
            await ctx.session.report_progress(MOST_SHARE * (1.0 - left), 1.0, READING)

    done: Result | None = None
    failed: Exception | None = None
    async with anyio.create_task_group() as group:
        group.start_soon(tell)
        try:
            done = await start(**how)
        except Exception as error:  # noqa: BLE001 - it is raised below, and not in a group of errors
            failed = error
        group.cancel_scope.cancel()
    if failed is not None:
        raise failed
    return cast("Result", done)
