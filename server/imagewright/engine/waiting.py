"""Waiting for a vendor: until it has finished a task, and until its picture has come."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from imagewright.engine.trouble import LEAST_PATIENCE, Trouble, took_too_long
from imagewright.errors import ProviderError, TaskEnded
from imagewright.providers.base import PART, Finished, Running
from imagewright.text import byte_size

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imagewright.providers.base import Handle, Output, Provider

log = logging.getLogger(__name__)

SLOW_SECONDS = 5.0
"""After so long, and then as often, a fetch tells how much has come."""


async def poll_until_done(
    provider: Provider,
    handle: Handle,
    tell: Callable[[Running, str], None],
    begun: float,
    provider_now: Callable[[], Provider],
) -> Finished:
    """Poll until the vendor is done, by its poll policy; rarely once it takes longer than it should.

    Only the vendor's own statement about the task ends this, or the deadline after which it keeps no result, but not
    before it was asked for `LEAST_PATIENCE` here. After any other answer or error it is polled again, at most
    `PollPolicy.seldom` later, and the provider as it is configured now: its key may have been corrected.

    `tell` receives, after each poll but the last, how it stands and the trouble that does not pass by itself. `begun`
    is when the job began, seconds since 1970, so that a process that takes it over keeps the same deadline.

    Raises:
        TookTooLong: it was not done by the deadline; the task may still finish there.
        ProviderError: the task has ended without a picture.
    """
    poll_policy = provider.poll_policy
    deadline = max(poll_policy.keeps, poll_policy.give_up)  # nothing can be expected after that
    # setting the clock while this runs must not end the call: from here on only elapsed time counts
    began_here, age_before = anyio.current_time(), max(0.0, time.time() - begun)
    wait = pause = poll_policy.first
    troubles = doubts = 0
    what = ""
    while True:
        await anyio.sleep(pause)
        here = anyio.current_time() - began_here
        age = age_before + here
        over = age > deadline
        try:
            answer = await provider.poll(handle)
        except TaskEnded as ended:
            if ended.sure or over or doubts == len(poll_policy.doubts):
                raise ended.error from ended
            pause = poll_policy.doubts[doubts]
            doubts, troubles, what = doubts + 1, 0, ""
            tell(Running(stage=f"asking {provider.name} again{ended.error.words}"), "")
        except Exception as error:
            # whatever it is, it is not a statement about the task, which may be paid for
            trouble = Trouble(provider.name, error)
            pause = trouble.pause(poll_policy, troubles)
            troubles += 1
            if trouble.what != what:
                what = trouble.what
                log.warning("%s; asking again", what, exc_info=None if isinstance(error, ProviderError) else error)
            tell(Running(stage=trouble.stage), trouble.notice(poll_policy))
            provider = provider_now()
        else:
            if isinstance(answer, Finished):
                return answer
            tell(answer, "")
            troubles, doubts, what = 0, 0, ""
            wait = min(wait * poll_policy.factor, poll_policy.longest)
            pause = max(wait, poll_policy.seldom) if age > poll_policy.usual else wait
        if over and here > LEAST_PATIENCE:
            raise took_too_long(provider.name, deadline, what)


async def fetch(provider: Provider, output: Output, into: Path, tell: Callable[[str], None]) -> None:
    """Fetch a picture into a file. `tell` receives the stage of one that comes slowly: how much of it is here.

    Raises:
        Exception: what the provider raised.
    """
    trouble: Exception | None = None

    async def watch() -> None:
        come = 0
        while True:
            await anyio.sleep(SLOW_SECONDS)
            now = await anyio.to_thread.run_sync(_size_of, into.with_name(f"{into.name}{PART}"))
            if now > come:
                tell(f"fetching: {byte_size(now)} have come")
            come = now

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        try:
            await provider.fetch(output, into)
        except Exception as error:  # noqa: BLE001 - a group would wrap it
            trouble = error
        group.cancel_scope.cancel()
    if trouble is not None:
        raise trouble


def _size_of(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
