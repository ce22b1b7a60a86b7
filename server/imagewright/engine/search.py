"""Find a call at the vendor whose answer was never heard: the connection broke, or the process that sent it died."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import anyio

from imagewright.errors import ProviderError, StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.engine.desk import Desk
    from imagewright.providers.base import Handle, ListsRecentCalls, Rhythm

log = logging.getLogger(__name__)

KNOWN_SECONDS = 86_400.0
"""How old a job may be whose calls are taken to stand in a list of recent ones."""


async def search(
    provider: ListsRecentCalls, rhythm: Rhythm, call: tuple[str, int], trace: Mapping[str, str], desk: Desk
) -> Handle | None:
    """Ask the vendor for its recent calls until ours is among them; nothing is sent again.

    What is found is written down as `submitted` before this returns, so that no other call takes it for its own.

    Args:
        provider: who may have the call.
        rhythm: how often it wants to be asked, and for how long this goes on.
        call: the job's id and the call's number.
        trace: what was written down before it was sent.
        desk: where the journal is.

    Returns:
        The handle; None when the vendor did not show such a call in time.

    Raises:
        LostLeaseError: another process has the job now.
    """
    end = anyio.current_time() + rhythm.search
    wait = rhythm.first
    while anyio.current_time() + wait <= end:
        # first of all, so that the answer to an equal call that is still under way is not taken for ours
        await anyio.sleep(wait)
        wait = min(wait * rhythm.factor, rhythm.longest)
        try:
            tickets = await desk.ledger.tickets(provider.name, time.time() - KNOWN_SECONDS)
            handle = await provider.find(trace, {ticket["task"] for ticket in tickets})
            if handle is not None and await desk.ledger.claim(*call, handle.ticket):
                return handle
        except (ProviderError, StorageError) as error:
            log.info("job %s: %s could not be searched: %s", call[0], provider.name, error)
    return None
