"""What the vendors share that answer a submit with the finished pictures: nothing to ask about, nothing to stop."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

import anyio.to_thread

from imagewright.errors import ProviderError
from imagewright.providers.base import PollPolicy, TaskEnded
from imagewright.storage.private import write_file

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.base import Finished, Handle, Output, Running, Sender
    from imagewright.providers.http.request import Account

DATA_URI = "data:"


class SynchronousProvider:
    """Three of a provider's four calls; see `base.Provider` for what they promise."""

    name: str
    poll_policy = PollPolicy()
    seconds: float = 600.0
    """Longest wait for the answer to a submit. Generous: a picture whose answer was not waited for is paid and lost."""

    def __init__(self, account: Account, http: Sender) -> None:
        self._account = account
        self._http = http

    async def poll(self, handle: Handle) -> Running | Finished:  # noqa: ARG002 - the signature is the contract's
        """Nothing is ever left to ask about: a submit returns the pictures.

        Raises:
            TaskEnded: always.
        """
        why = "a call there ends with its answer; it cannot be asked for again"
        raise TaskEnded(ProviderError(self.name, why, charged=None))

    async def cancel(self, handle: Handle) -> bool:  # noqa: ARG002 - the signature is the contract's
        """There is no way to stop a call."""
        return False

    async def fetch(self, product: Output, into: Path) -> None:
        """Write what came with the answer; what came as a link is streamed to disk without the key."""
        if product.data is None:
            await self._http.download(self._account, product.url, into)
        else:
            await anyio.to_thread.run_sync(write_file, into, product.data)


def read_base64(text: object) -> bytes | None:
    """The file in a base64 text, of either alphabet, or in a data URI; None when there is none or it is damaged."""
    if not isinstance(text, str):
        return None
    if text.startswith(DATA_URI):
        text = text.partition(",")[2]
    try:
        alphabet = b"-_" if "-" in text or "_" in text else None
        return base64.b64decode("".join(text.split()), alphabet, validate=True) or None
    except (binascii.Error, ValueError):
        return None
