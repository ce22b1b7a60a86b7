"""Reach public addresses on the Internet safely, also where a stranger named them. No vendor is known here."""

from __future__ import annotations

import ipaddress
from importlib import import_module
from typing import TYPE_CHECKING, Literal

import anyio
import anyio.to_thread

from imagewright.errors import ImagewrightError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
    """(host, port) to the addresses it stands for, as text, most preferred first."""

DEFAULT_PORTS = {"http": 80, "https": 443}
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""RFC 6052: the last 32 bits are an IPv4 address, reached through the network's translator."""
REFUSED = (
    ipaddress.ip_network("100.64.0.0/10"),  # RFC 6598: inside a carrier's network
    ipaddress.ip_network("168.63.129.16/32"),  # Azure's platform: keys and settings of the machine that asks
    ipaddress.ip_network("192.0.0.0/24"),  # RFC 6890: protocol assignments; Oracle Cloud's metadata is at 192.0.0.192
    ipaddress.ip_network("192.31.196.0/24"),  # RFC 7535: nameservers that answer for private addresses (AS112)
    ipaddress.ip_network("192.52.193.0/24"),  # RFC 7450: the nearest multicast relay (AMT)
    ipaddress.ip_network("192.88.99.0/24"),  # RFC 7526: relays of a retired tunnel
    ipaddress.ip_network("192.175.48.0/24"),  # RFC 7534: AS112 again
    ipaddress.ip_network("64:ff9b:1::/48"),  # RFC 8215: translation inside one network
    ipaddress.ip_network("2001::/23"),  # RFC 2928: protocol assignments, AMT and AS112 among them; no public hosts
    ipaddress.ip_network("2620:4f:8000::/48"),  # RFC 7534: AS112 again
    ipaddress.ip_network("3fff::/20"),  # RFC 9637: documentation
    ipaddress.ip_network("fec0::/10"),  # RFC 3879: retired, but still inside one site
)
"""Not public, or no place where a picture can be, although some Python versions call them global."""
FetchReason = Literal[
    "address", "unresolved", "private", "unreachable", "redirects", "status", "coding", "too_large", "too_slow"
]

PASSING: frozenset[FetchReason] = frozenset({"unresolved", "unreachable", "too_slow"})
PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


class FetchError(ImagewrightError):
    """A file could not be fetched; the text is fit for the person who gave the address."""

    def __init__(self, message: str, reason: FetchReason, status: int | None = None) -> None:
        super().__init__(message)
        self.reason: FetchReason = reason
        """Why, as a stable word."""
        self.status = status
        """The HTTP status where `reason` is `status`, else None."""

    @property
    def passing(self) -> bool:
        """Whether the same address may well work a little later."""
        return self.reason in PASSING or self.status in PASSING_STATUS


class NotPublicError(Exception):
    """A host stands for an address that is not public; the text is that address."""


class NotFoundError(Exception):
    """A host stands for no address."""


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
        raise FetchError(f"the file did not arrive within {seconds:g} s", "too_slow") from error


def carried(address: ipaddress.IPv6Address) -> tuple[ipaddress.IPv4Address, ...]:
    """The IPv4 addresses that a packet to this IPv6 address is delivered to, if it carries any."""
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address in NAT64:
        return (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF),)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    return address.teredo or ()
