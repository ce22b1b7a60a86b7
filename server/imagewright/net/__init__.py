"""Reach public addresses on the Internet safely, also where a stranger named them. No vendor is known here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
    """(host, port) to the addresses it stands for, as text, most preferred first."""

DEFAULT_PORTS = {"http": 80, "https": 443}


async def fetch_public(
    url: str, *, max_bytes: int, seconds: float, allow_loopback: bool = False, look_up: Resolver | None = None
) -> bytes:
    """The content of a public http(s) URL without credentials, at most `max_bytes` of it, within that many seconds.

    The time includes redirects. With `allow_loopback` this machine itself may be fetched from. `look_up` finds a host's
    addresses; None leaves that to the system.

    Raises:
        FetchError: not an http(s) URL, not public, unreachable, another status than 200, too large or too slow.
    """
    # in a thread, as importing httpx takes long
    await anyio.to_thread.run_sync(import_module, "imagewright.net.fetch")
    from imagewright.net import fetch  # noqa: PLC0415 - httpx is not for the start

    try:
        with anyio.fail_after(seconds):
            opened = fetch.open_public(url, allow_loopback=allow_loopback, look_up=look_up or fetch.look_up)
            async with opened as response:
                return b"".join([block async for block in fetch.read_blocks(response, max_bytes)])
    except TimeoutError as error:
        raise fetch.FetchError(f"the file did not arrive within {seconds:g} s", "too_slow") from error
