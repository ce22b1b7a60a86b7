"""Follow one submitted call to its end: ask at the vendor's poll policy, put up with any trouble, keep the deadline."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import anyio

from imagewright.engine.trouble import LEAST_PATIENCE, Trouble
from imagewright.errors import ProviderError, TookTooLong
from imagewright.providers.base import Finished, Running, TaskEnded
from imagewright.text import duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagewright.providers.base import Handle, Provider


log = logging.getLogger(__name__)


async def poll_until_done(
    provider: Provider,
    handle: Handle,
    tell: Callable[[Running, str], None],
    begun: float,
    provider_now: Callable[[], Provider],
) -> Finished:
    """Poll until the vendor is done: at its poll policy, and rarely once it takes longer than anything should.

    Only the vendor's own word about the task ends this, or the deadline after which it keeps no result, and that not
    before it was asked for `LEAST_PATIENCE` here. Whatever else comes of a poll is trouble with asking, and is followed
    by another one, at most `PollPolicy.seldom` later.

    Args:
        provider: who was asked.
        handle: what `submit` returned.
        tell: receives, after each poll that was not the last, how it stands and what the caller must be told, which is
            empty unless there is trouble that does not pass by itself.
        begun: when the job was, seconds since 1970: whoever takes it over keeps the same deadline.
        provider_now: the provider as it is set up after trouble: its key may have been mended.

    Raises:
        TookTooLong: it was not done by the deadline; the task may still finish there.
        ProviderError: the task has ended without a picture.
    """
    poll_policy = provider.poll_policy
    # a clock that is set while this runs must not end the call: from here on only what has passed is counted
    began_here, age_before = anyio.current_time(), max(0.0, time.time() - begun)
    wait = pause = poll_policy.first
    troubles = doubts = 0
    what = ""
    while True:
        await anyio.sleep(pause)
        here = anyio.current_time() - began_here
        age = age_before + here
        over = age > poll_policy.deadline
        try:
            answer = await provider.poll(handle)
        except TaskEnded as ended:
            if ended.sure or over or doubts == len(poll_policy.doubts):
                raise ended.error from ended
            pause = poll_policy.doubts[doubts]
            doubts, troubles, what = doubts + 1, 0, ""
            tell(Running(stage=f"asking {provider.name} again{ended.error.words}"), "")
        except Exception as error:
            # whatever it is, it is not the vendor's word about the task, and that may be paid
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
            why = f"; {what}" if what else ""
            raise TookTooLong(provider.name, f"not finished after {duration(poll_policy.deadline)}{why}")
