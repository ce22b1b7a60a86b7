"""Reach public addresses on the Internet safely, also where a stranger named them. No vendor is known here.

Which addresses are not public is data, see addresses.toml beside this file: what Python's `ipaddress` calls global
differs between its versions.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from contextlib import suppress
from functools import cache, lru_cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from imagewright.errors import ImagewrightError
from imagewright.settings import AllowedHost
from imagewright.text import clip

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Sequence

    import httpx

    from imagewright.net.fetch import Place

    Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
    """(host, port) to the addresses it stands for, as text, most preferred first."""

DEFAULT_PORTS = {"http": 80, "https": 443}
BITS = {4: 32, 6: 128}
"""How many bits an address has, by the version of the protocol."""
MOST_INTERIM = 20
"""Answers of 1xx before the one that counts. Servers send one or two."""
HEAD_BYTES, HEAD_LINES = 64_000, 500
"""Size of an answer's head, several times what any server is known to send."""
IN_ONE_GO = 64
"""Pieces of a body that are read before others have their turn."""
MOST_PIECES, LEAST_PIECE = 20_000, 16
"""A body may come in that many pieces, and in one more for each so many bytes: reading one takes some 50 us."""
_END = re.compile(rb"\n\r?\n")
_INTERIM = re.compile(rb"HTTP/\S+ 1(?!01)\d\d")  # not 101, after which there is no other
CALLERS_LOOK_UPS, LOOK_UP_SECONDS = 8, 10.0
"""How many hosts that callers have named are looked up at the same time, and for how long each. The system's own limit
is often a minute, and the threads in which vendors are looked up are few."""
_LOOK_UPS = anyio.CapacityLimiter(CALLERS_LOOK_UPS)
CACHE_SIZE = 1024
"""Hosts, addresses and URLs for which each function here remembers what it has found."""
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
    """A host stands for an address that may not be connected to."""

    def __init__(self, address: str, host: str, port: int, block: Block) -> None:
        from imagewright.settings.table import ALLOW_HOSTS  # noqa: PLC0415 - the whole table, for this hint alone

        super().__init__(address)
        self.address = address
        self.block = block
        """Why."""
        allowed = str(AllowedHost(_plain(host), port))
        self.way = f" (the user can allow it: {ALLOW_HOSTS.variable}={allowed})" if block.is_home else ""
        """A hint how the user can allow it, which begins with a blank; empty where that would be unwise."""


class NotFoundError(Exception):
    """A host stands for no address."""


class Block(NamedTuple):
    """Addresses that belong together and are not public, or carry an IPv4 address that may not be."""

    name: str
    """What they are for, in a few words."""
    first: int
    last: int
    is_loopback: bool = False
    """Whether they are this machine."""
    is_home: bool = False
    """Whether a host of the user's own can be there."""
    ipv4_at: tuple[int, ...] = ()
    """From which bits on they carry an IPv4 address."""
    ipv4_inverted_at: tuple[int, ...] = ()
    """From which bits on they carry one with every bit inverted."""

    def carried(self, number: int) -> list[int]:
        """The IPv4 addresses that packets to one of its IPv6 addresses go to."""
        plain = [number >> BITS[6] - BITS[4] - place & 0xFFFFFFFF for place in self.ipv4_at]
        return plain + [~number >> BITS[6] - BITS[4] - place & 0xFFFFFFFF for place in self.ipv4_inverted_at]


@cache
def blocks() -> dict[int, tuple[Block, ...]]:
    """All blocks by the version of the protocol, the smallest first, so that the first that fits is the most special.

    The first call reads a file, which takes some 20 ms.
    """
    import tomllib  # noqa: PLC0415 - a courier, which all first calls wait for, comes here only for what a vendor names
    from importlib.resources import files  # noqa: PLC0415 - as above

    content = tomllib.loads((files("imagewright.net") / "addresses.toml").read_text(encoding="utf-8"))
    found: dict[int, list[Block]] = {4: [], 6: []}
    for row in content["special"]:
        network = ipaddress.ip_network(row["network"])
        found[network.version].append(_block(row, int(network.network_address), int(network.broadcast_address)))
    return {version: tuple(sorted(some, key=lambda one: one.last - one.first)) for version, some in found.items()}


def _block(row: dict[str, Any], first: int, last: int) -> Block:
    return Block(
        row["name"],
        first,
        last,
        is_loopback=row.get("loopback", False),
        is_home=row.get("home", False),
        ipv4_at=tuple(row.get("ipv4_at", ())),
        ipv4_inverted_at=tuple(row.get("ipv4_inverted_at", ())),
    )


@lru_cache(CACHE_SIZE)
def block_of(address: str) -> Block | None:
    """The block that keeps an IPv4 or IPv6 address from being public; None for one that is public.

    A scope such as `%eth0` is ignored. An address that carries IPv4 addresses is as public as the least public of them.

    Raises:
        ValueError: it is no address.
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    return _block_of(parsed.version, int(parsed))


def _block_of(version: int, number: int) -> Block | None:
    for block in blocks()[version]:
        if block.first <= number <= block.last:
            inner = block.carried(number)
            if not inner:
                return block
            return next((found for one in inner if (found := _block_of(4, one)) is not None), None)
    return None


def block_at(host: str) -> Block | None:
    """The block of a host that is an address, as `block_of`; None for a name, which is not looked up."""
    try:
        return block_of(host)
    except ValueError:
        return None


class Guard(NamedTuple):
    """What may be connected to: public addresses, and what the user has opened."""

    loopback: bool = False
    """Whether this machine may be."""
    allowed: tuple[AllowedHost, ...] = ()
    """What the user has allowed by host and port."""

    def opens(self, url: str) -> bool:
        """Whether a URL leads to what the user has opened: this machine or an allowed host."""
        try:
            parts = urlsplit(url)
            port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
        except ValueError:
            return False
        return self.allows(parts.hostname or "", port) or (self.loopback and is_loopback_url(url))

    def allows(self, host: str, port: int) -> bool:
        """Whether the user has allowed that host at that port."""
        return any(name == _plain(host) and its_port in (port, None) for name, its_port in self.allowed)


@lru_cache(CACHE_SIZE)
def barring(guard: Guard, host: str, port: int, address: str) -> Block | None:
    """The block that keeps an address of a host from being connected to; None where it may be.

    `host` is as it stands in the URL, in ASCII: what was allowed is that host, not whatever else has its address.
    """
    found = block_of(address)
    if found is None or (guard.loopback and found.is_loopback):
        return None
    if guard.allowed and guard.allows(host, port) and (found.is_home or _plain(host) == _plain(address)):
        return None
    return found


def _plain(host: str) -> str:
    """A host in the one spelling that is compared: that of `AllowedHost`."""
    return literal(host) or host.lower().rstrip(".")


PUBLIC = Guard()
"""Public addresses alone."""


class Heads:
    """What comes before the body of an answer, where that is more than one short head.

    A library reads a head, and each interim answer before it, in one go with everything that has come. Endless ones
    would keep the event loop from everything else.
    """

    def __init__(self) -> None:
        self._come = b""
        self._interim = 0

    def end_with(self, data: bytes) -> bool:
        """Whether the head that counts is whole with these bytes.

        Raises:
            httpcore.RemoteProtocolError: it is longer than any server's, or too many interim answers came before it.
        """
        import httpcore  # noqa: PLC0415 - not for the start, and there when an answer comes

        come = self._come + data
        while (end := _END.search(come)) and _INTERIM.match(come):
            self._interim += 1
            if self._interim > MOST_INTERIM:
                raise httpcore.RemoteProtocolError(f"it sent more than {MOST_INTERIM} interim answers")
            come = come[end.end() :]
        size = end.start() if end else len(come)
        if size > HEAD_BYTES or come.count(b"\n", 0, size) > HEAD_LINES:
            raise httpcore.RemoteProtocolError("the head of its answer is too long")
        self._come = come
        return end is not None


def unfetched(error: Exception, host: str) -> FetchError:
    """What is said of a file whose host could not be spoken to."""
    import httpx  # noqa: PLC0415 - as above

    shown = clip(host)
    if isinstance(error, NotFoundError):
        return FetchError(f"the host {shown!r} cannot be found", "unresolved")
    if isinstance(error, NotPublicError):
        leads = "is" if error.address == host else f"leads to {error.address},"
        words = f"{shown!r} {leads} not a public address ({error.block.name})"
        return FetchError(f"{words}; only public ones are fetched from{error.way}", "private")
    if isinstance(error, httpx.TimeoutException):
        return FetchError(f"{shown} does not answer", "too_slow")
    return FetchError(f"{shown} cannot be reached: {error or type(error).__name__}", "unreachable")


async def checked_addresses(look_up: Resolver, host: str, place: Place, guard: Guard) -> list[str]:
    """The addresses of a place's host, each of which may be connected to. `host` is as the resolver wants it.

    Raises:
        NotFoundError: there are none.
        NotPublicError: one of them may not be connected to.
    """
    try:
        known = literal(place.host)
        addresses = [known] if known else [one.partition("%")[0] for one in await look_up(host, place.port)]
    except (OSError, UnicodeError) as error:
        raise NotFoundError(str(error)) from error
    if not addresses:
        raise NotFoundError
    for address in addresses:
        if (block := barring(guard, place.host, place.port, address)) is not None:
            raise NotPublicError(address, place.host, place.port, block)
    return addresses


def named(error: Exception) -> httpx.TransportError:
    """The error of httpx that has the same name as one of httpcore."""
    import httpx  # noqa: PLC0415 - as above

    kind: type[httpx.TransportError] = getattr(httpx, type(error).__name__)
    return kind(str(error))


@cache
def usual_authorities() -> ssl.SSLContext:
    """What certificates are checked against: SSL_CERT_FILE where it is set, else the usual authorities. Blocks."""
    import httpx  # noqa: PLC0415 - as above

    return httpx.create_ssl_context()


# Words that stand in the header although the bytes are not packed: stores such as S3 return what was set when the file
# was uploaded.
_PLAIN = frozenset({"", "identity", "aws-chunked", "binary", "none", "utf-8"})


def codings_of(header: str) -> list[str]:
    """What a body is packed with by its `Content-Encoding`, in the order of the packing; nothing where it is not."""
    return [word for part in header.split(",") if (word := part.strip().lower()) not in _PLAIN]


@lru_cache(CACHE_SIZE)
def literal(host: str) -> str:
    """The address that a host is, in its usual spelling; empty where it is a name, or spelled in a way of its own."""
    with suppress(ValueError):
        return str(ipaddress.ip_address(host))
    return ""


@lru_cache(CACHE_SIZE)
def is_loopback_url(url: str) -> bool:
    """Whether a URL names this machine: `localhost` or a loopback address. Nothing is looked up."""
    host = _plain(urlsplit(url).hostname or "")
    found = block_at(host)
    return host == "localhost" or (found is not None and found.is_loopback)


async def look_up(host: str, port: int) -> list[str]:
    """The addresses of a host, from the system, most preferred first.

    Raises:
        OSError: there are none.
    """
    with suppress(ValueError):  # not an address, but a name
        return [str(ipaddress.ip_address(host))]
    return _addresses(await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM))


async def look_up_for_caller(host: str, port: int) -> list[str]:
    """As `look_up`, for a host that a caller has named: its server may be slow, and must not hold up vendors.

    Raises:
        OSError: there are none, or the answer did not come within `LOOK_UP_SECONDS`.
    """
    import httpx  # noqa: PLC0415 - as above

    find = partial(socket.getaddrinfo, httpx.URL(scheme="http", host=host).raw_host, port, type=socket.SOCK_STREAM)
    async with _LOOK_UPS:
        with anyio.fail_after(LOOK_UP_SECONDS):
            # the thread goes on when the time is over; the system ends it
            found = await anyio.to_thread.run_sync(find, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1))
    return _addresses(found)


def _addresses(found: Sequence[tuple[Any, ...]]) -> list[str]:
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _prepare() -> None:
    """Import httpx and read the list of addresses, which takes long."""
    blocks()
    import_module("imagewright.net.fetch")


async def fetch_public(
    url: str, *, max_bytes: int, seconds: float, guard: Guard = PUBLIC, look_up: Resolver = look_up_for_caller
) -> bytes:
    """The content of a caller's http(s) URL without credentials, at most `max_bytes` of it, within that many seconds.

    The time includes redirects. `guard` says what is fetched from besides public addresses. `look_up` finds a host's
    addresses, by default as the system does.

    Raises:
        FetchError: not an http(s) URL, not public, unreachable, another status than 200, too large or too slow.
    """
    await anyio.to_thread.run_sync(_prepare)
    from imagewright.net import fetch  # noqa: PLC0415 - httpx is not for the start

    try:
        with anyio.fail_after(seconds):
            opened = fetch.open_public(url, guard=guard, look_up=look_up)
            async with opened as response:
                return b"".join([block async for block in fetch.read_blocks(response, max_bytes)])
    except TimeoutError as error:
        raise FetchError(f"the file did not arrive within {seconds:g} s", "too_slow") from error
