"""Follow one submitted call to its end: poll at the vendor's rhythm, put up with passing trouble, keep the deadline."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio

from imagewright.errors import RateLimited, TookTooLong, VendorUnavailable
from imagewright.providers.base import Finished

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagewright.providers.base import Handle, Provider, Running


async def follow(provider: Provider, handle: Handle, tell: Callable[[Running], None], begun: float) -> Finished:
    """Poll until the vendor is done: at its rhythm, and rarely once it takes longer than anything should.

    Args:
        provider: who was asked.
        handle: what `submit` returned.
        tell: receives each answer that is not the last.
        begun: when the job was, seconds since 1970: whoever takes it over keeps the same deadline.

    Raises:
        TookTooLong: the vendor says after its deadline that it is still at work; the task may still finish there.
        ProviderError: the task failed, or could not be asked about for longer than the rhythm's patience.
    """
    rhythm = provider.rhythm
    wait = rhythm.first
    trouble_since: float | None = None
    while True:
        await anyio.sleep(wait)
        wait = min(wait * rhythm.factor, rhythm.longest)
        try:
            answer = await provider.poll(handle)
        except (RateLimited, VendorUnavailable) as error:
            trouble_since = anyio.current_time() if trouble_since is None else trouble_since
            if anyio.current_time() - trouble_since > rhythm.patience:
                raise
            wait = max(wait, error.retry_after or 0.0)
            continue
        trouble_since = None
        if isinstance(answer, Finished):
            return answer
        tell(answer)
        age = time.time() - begun
        if age > rhythm.give_up:
            raise TookTooLong(provider.name, f"not finished after {rhythm.give_up / 3600:g} hours")
        if age > rhythm.usual:
            wait = max(wait, rhythm.seldom)
