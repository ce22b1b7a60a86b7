"""Find a call at the vendor whose answer was never heard: the connection broke, or the process that sent it died."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import anyio

from imagewright.engine.trouble import Trouble
from imagewright.errors import StorageError
from imagewright.providers.base import CanRecover, Running
from imagewright.storage.journal import LostLeaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from imagewright.engine.stores import Stores
    from imagewright.providers.base import Handle, Provider

log = logging.getLogger(__name__)

KNOWN_SECONDS = 86_400.0
"""How old a job may be whose calls are taken to stand in a list of recent ones, and how long one is looked for."""


async def search(
    provider_now: Callable[[], Provider],
    call: tuple[str, int],
    signature: Mapping[str, str],
    stores: Stores,
    tell: Callable[[Running], None],
) -> Handle | None:
    """Ask the vendor for its recent calls until ours is among them; nothing is sent again.

    What is found is written down as `submitted` before this returns, so that no other call takes it for its own. Time
    in which the vendor cannot be reached does not count. A list that is refused is given up like one that does not show
    the call: not every key that may send may also list.

    Args:
        provider_now: who may have the call, as it is set up now; it lists recent calls.
        call: the job's id and the call's number.
        signature: what was written down before it was sent.
        stores: where the journal is.
        tell: receives after each look how it stands.

    Returns:
        The handle; None when the vendor did not show such a call in time.

    Raises:
        LostLeaseError: another process has the job now.
    """
    provider = provider_now()
    poll_policy, stage = provider.poll_policy, Running(stage=f"looking for it among {provider.name}'s recent calls")
    tell(stage)
    left, wait, last = poll_policy.search, poll_policy.first, anyio.current_time() + KNOWN_SECONDS
    while wait <= left and anyio.current_time() < last:
        began = anyio.current_time()
        # first of all, so that the answer to an equal call that is still under way is not taken for ours
        await anyio.sleep(wait)
        wait = min(wait * poll_policy.factor, poll_policy.longest)
        try:
            tickets = await stores.ledger.tickets(provider.name, time.time() - KNOWN_SECONDS)
            handle = await _find(provider_now(), signature, {ticket["task"] for ticket in tickets})
            if handle is not None and await stores.ledger.claim(*call, handle.data):
                return handle
        except LostLeaseError:
            raise
        except StorageError as error:
            log.info("job %s: %s's recent calls could not be compared: %s", call[0], provider.name, error)
            continue
        except Exception as error:  # noqa: BLE001 - as with a poll: whatever it is, it says nothing about the call
            trouble = Trouble(provider.name, error)
            log.info("job %s: %s could not be searched: %s", call[0], provider.name, trouble.what)
            tell(Running(stage=trouble.stage))
            if trouble.passes:
                continue
        else:
            tell(stage)
        left -= anyio.current_time() - began
    return None


async def _find(provider: Provider, signature: Mapping[str, str], known: Collection[str]) -> Handle | None:
    return await provider.recover(signature, known) if isinstance(provider, CanRecover) else None
