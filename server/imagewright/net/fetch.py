"""Fetch a file from an address nobody here vouches for: a caller's picture URL, or a vendor's result link.

Only http and https, only public addresses, checked where the connection is made and again at each redirect, no
credentials, no cookies, bounded in size and time. Proxies of the environment are not used: a proxy would look the
host up again, out of our sight, and could be led into the network it stands in.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Literal

import anyio
import anyio.to_thread

from imagewright.errors import ImagewrightError
from imagewright.net.addresses import look_up as system_look_up

if TYPE_CHECKING:
    from imagewright.net.addresses import Resolver

FetchReason = Literal[
    "address", "unresolved", "private", "unreachable", "redirects", "status", "coding", "too_large", "too_slow"
]
PASSING: frozenset[FetchReason] = frozenset({"unresolved", "unreachable", "too_slow"})
PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


class FetchError(ImagewrightError):
    """A file could not be fetched; the text is fit for whoever gave the address.

    Attributes:
        reason: why, as a stable word.
        status: the HTTP status where `reason` is `status`, else None.
    """

    def __init__(self, message: str, reason: FetchReason, status: int | None = None) -> None:
        super().__init__(message)
        self.reason: FetchReason = reason
        self.status = status

    @property
    def passing(self) -> bool:
        """Whether the same address may well work a little later."""
        return self.reason in PASSING or self.status in PASSING_STATUS


async def fetch_public(
    url: str, *, max_bytes: int, seconds: float, allow_loopback: bool = False, look_up: Resolver = system_look_up
) -> bytes:
    """The content of a public URL.

    Args:
        url: http or https, without credentials in it.
        max_bytes: most bytes that are taken.
        seconds: most time that is spent, redirects included.
        allow_loopback: whether this machine itself may be fetched from.
        look_up: finds a host's addresses.

    Raises:
        FetchError: not an http(s) URL, not public, unreachable, another status than 200, too large or too slow.
    """
    await load("imagewright.net.public")
    from imagewright.net.public import open_public, read_blocks  # noqa: PLC0415 - httpx is not for the start-up

    try:
        with anyio.fail_after(seconds):
            async with open_public(url, allow_loopback=allow_loopback, look_up=look_up) as response:
                return b"".join([block async for block in read_blocks(response, max_bytes)])
    except TimeoutError as error:
        raise FetchError(f"the file did not arrive within {seconds:g} s", "too_slow") from error


async def load(module: str) -> None:
    """Import a module that is slow to import without holding up the event loop."""
    await anyio.to_thread.run_sync(import_module, module)
