"""Which network addresses may be fetched from: public ones only, also where an IPv6 address carries an IPv4 one."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio

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


def is_public(address: str, *, allow_loopback: bool = False) -> bool:
    """Whether an IPv4 or IPv6 address belongs to the public Internet; a scope such as `%eth0` is ignored.

    With `allow_loopback` this machine itself counts too.
    """
    return _is_public(ipaddress.ip_address(address.partition("%")[0]), allow_loopback=allow_loopback)


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address, *, allow_loopback: bool) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and (inner := _carried(address)):
        return all(_is_public(one, allow_loopback=allow_loopback) for one in inner)
    if address.is_loopback:
        return allow_loopback
    never = address.is_multicast or address.is_reserved or address.is_link_local or address.is_unspecified
    return address.is_global and not never and not any(address in network for network in REFUSED)


def _carried(address: ipaddress.IPv6Address) -> tuple[ipaddress.IPv4Address, ...]:
    """The IPv4 addresses that a packet to this IPv6 address is delivered to, if it carries any."""
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address in NAT64:
        return (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF),)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    return address.teredo or ()


def is_loopback_url(url: str) -> bool:
    """Whether a URL names this machine: `localhost` or a loopback address. Nothing is resolved."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def look_up(host: str, port: int) -> list[str]:
    """The addresses of a host, from the system, most preferred first.

    Raises:
        OSError: there are none.
    """
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
