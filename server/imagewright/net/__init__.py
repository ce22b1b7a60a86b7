"""Reach public addresses on the Internet safely, also where a stranger named them. No vendor is known here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from imagewright.net.addresses import look_up as system_look_up

if TYPE_CHECKING:
    from imagewright.net.addresses import Resolver


async def fetch_public(
    url: str, *, max_bytes: int, seconds: float, allow_loopback: bool = False, look_up: Resolver = system_look_up
) -> bytes:
    """The content of a public http(s) URL without credentials, at most `max_bytes` of it, within that many seconds.

    The time includes redirects. With `allow_loopback` this machine itself may be fetched from. `look_up` finds a host's
    addresses.

    Raises:
        FetchError: not an http(s) URL, not public, unreachable, another status than 200, too large or too slow.
    """
    await load("imagewright.net.fetch")
    from imagewright.net.fetch import FetchError, open_public, read_blocks  # noqa: PLC0415 - httpx, not for the start

    try:
        with anyio.fail_after(seconds):
            async with open_public(url, allow_loopback=allow_loopback, look_up=look_up) as response:
                return b"".join([block async for block in read_blocks(response, max_bytes)])
    except TimeoutError as error:
        raise FetchError(f"the file did not arrive within {seconds:g} s", "too_slow") from error


async def load(module: str) -> None:
    """Import a module that is slow to import, in a thread, so that the event loop goes on meanwhile."""
    await anyio.to_thread.run_sync(import_module, module)
