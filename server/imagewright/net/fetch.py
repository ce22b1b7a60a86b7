"""Fetch a file from an address that may lead anywhere: a caller's picture URL, or a vendor's result link.

Redirects are followed by hand and each address is checked when it is connected to: only public ones are fetched from,
also where an IPv6 address carries an IPv4 one. A body may be packed with one coding at most, and is unpacked in steps:
a few thousand bytes can unpack to gigabytes, so the reader checks its limit after each step.

Imports httpx, so it is imported with the first request.
"""

from __future__ import annotations

import ipaddress
import socket
import zlib
from contextlib import asynccontextmanager, nullcontext
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import anyio
import anyio.to_thread
import httpx

from imagewright.errors import ImagewrightError
from imagewright.net import DEFAULT_PORTS, NAT64, REFUSED
from imagewright.text import byte_size, clip

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
    from contextlib import AbstractAsyncContextManager

    from imagewright.net import Resolver

FetchReason = Literal[
    "address", "unresolved", "private", "unreachable", "redirects", "status", "coding", "too_large", "too_slow"
]

PASSING: frozenset[FetchReason] = frozenset({"unresolved", "unreachable", "too_slow"})
PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
MAX_REDIRECTS = 5
CONNECT_SECONDS = 10.0
STALL_SECONDS = 30.0
"""A connection that brings nothing for this long is given up."""
LAST_PORT = 65535
HEADERS = {"User-Agent": "imagewright", "Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"}

STEP = 1_000_000
"""Bytes that are unpacked in one step at most: about 4 ms of work."""
_DEFLATED = 8  # the method in the low half of a zlib stream's first byte (RFC 1950)
_CHECK = 31  # its first two bytes, read as one number, are a multiple of this
_HEAD = 2

# Words that stand in the header although the bytes are not packed: stores such as S3 return what was set when the file
# was uploaded.
_PLAIN = frozenset({"", "identity", "aws-chunked", "binary", "none", "utf-8"})


def codings_of(header: str) -> list[str]:
    """What a body is packed with by its `Content-Encoding`, in the order of the packing; nothing where it is not."""
    return [word for part in header.split(",") if (word := part.strip().lower()) not in _PLAIN]


class CodingError(Exception):
    """A body is packed in a way that is not taken, or is damaged; the text says how."""


def coding_of(header: str) -> str:
    """The one coding of a body that can be unpacked: `gzip`, `deflate`, or nothing where it is not packed.

    Raises:
        CodingError: it is packed more than once, or in another way.
    """
    codings = codings_of(header)
    if not codings:
        return ""
    shown = clip(", ".join(codings))
    if len(codings) > 1:
        raise CodingError(f"it is packed more than once ({shown})")
    if codings[0] in ("gzip", "x-gzip"):
        return "gzip"
    if codings[0] == "deflate":
        return "deflate"
    raise CodingError(f"it is packed in a way that was not asked for ({shown})")


class Inflater:
    """Unpacks one body, block by block, from a coding that `coding_of` returned."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._head = b""
        self._stream: zlib._Decompress | None = None  # typeshed's name for what `decompressobj` makes

    def feed(self, block: bytes) -> Iterator[bytes]:
        """What a block unpacks to, at most `STEP` bytes at a time; nothing is unpacked before it is asked for.

        Raises:
            CodingError: the body is damaged, or goes on after its end.
        """
        if not self._coding:
            yield block
            return
        block, self._head = self._head + block, b""
        if self._stream is None and len(block) < _HEAD:
            self._head = block
            return
        self._stream = self._stream or zlib.decompressobj(_window(self._coding, block))
        if self._stream.eof and block:
            raise CodingError(f"its {self._coding} goes on after its end")
        while True:
            try:
                unpacked = self._stream.decompress(block, STEP)
            except zlib.error as error:
                raise CodingError(f"its {self._coding} is damaged ({error})") from error
            block = self._stream.unconsumed_tail
            yield unpacked
            if self._stream.unused_data:
                raise CodingError(f"its {self._coding} goes on after its end")
            if self._stream.eof or not (block or len(unpacked) == STEP):
                return

    def close(self) -> None:
        """Note that the body has ended. An empty body counts as whole.

        Raises:
            CodingError: it was cut short.
        """
        begun = self._head or self._stream is not None
        if begun and not (self._stream is not None and self._stream.eof):
            raise CodingError(f"its {self._coding} is cut short")


def _window(coding: str, head: bytes) -> int:
    """Which of its three containers zlib is to expect."""
    if coding == "gzip":
        return 16 + zlib.MAX_WBITS
    # `deflate` means a zlib stream (RFC 9110), but some servers send it bare, without its head
    is_zlib = head[0] % 16 == _DEFLATED and (head[0] * 256 + head[1]) % _CHECK == 0
    return zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS


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


async def look_up(host: str, port: int) -> list[str]:
    """The addresses of a host, from the system, most preferred first.

    Raises:
        OSError: there are none.
    """
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class PinnedTransport(httpx.AsyncBaseTransport):
    """Looks a host up once, checks every address, and connects to one of those it checked.

    A second look-up between check and connection could give another answer (DNS rebinding); here there is none: the
    address takes the host's place in the URL, while the `Host` header and the name that TLS verifies stay. Connections
    are never kept: two hosts can share one address, and the certificate was checked for one of them.
    """

    def __init__(self, verify: ssl.SSLContext, look_up: Resolver, *, allow_loopback: bool) -> None:
        self._inner = httpx.AsyncHTTPTransport(verify=verify, limits=httpx.Limits(max_keepalive_connections=0))
        self._look_up = look_up
        self._allow_loopback = allow_loopback

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request, trying the host's addresses in turn.

        Raises:
            NotFoundError: the host has no address.
            NotPublicError: one of its addresses is not public.
            httpx.TransportError: it is not an http(s) address, no address answers, or the connection broke.
        """
        host, usual_port = request.url.host, DEFAULT_PORTS.get(request.url.scheme)
        if usual_port is None:
            raise httpx.UnsupportedProtocol("this is not an http(s) address", request=request)
        addresses = await self._checked(host, request.url.port or usual_port)
        for address in addresses[:-1]:
            try:
                return await self._inner.handle_async_request(_aimed(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._inner.handle_async_request(_aimed(request, addresses[-1]))

    async def _checked(self, host: str, port: int) -> list[str]:
        try:
            addresses = [address.partition("%")[0] for address in await self._look_up(host, port)]
        except (OSError, UnicodeError) as error:
            raise NotFoundError(str(error)) from error
        if not addresses:
            raise NotFoundError
        for address in addresses:
            if not is_public(address, allow_loopback=self._allow_loopback):
                raise NotPublicError(address)
        return addresses

    async def aclose(self) -> None:
        """Close what is open."""
        await self._inner.aclose()


@asynccontextmanager
async def open_public(
    url: str,
    *,
    allow_loopback: bool,
    look_up: Resolver = look_up,
    verify: ssl.SSLContext | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
    taken: Collection[int] = (httpx.codes.OK,),
    through: Callable[[PinnedTransport], AbstractAsyncContextManager[httpx.AsyncBaseTransport]] = nullcontext,
) -> AsyncIterator[httpx.Response]:
    """The answer to a GET at the end of all redirects, its body not yet read; arguments are as for `fetch_public`.

    Certificates are checked against `verify`, by default the usual authorities. `headers` are sent besides the usual
    ones, and `taken` are the statuses of an answer that is returned. `through` may send requests another way.

    Raises:
        FetchError: refused, unreachable, too many redirects, or another answer than those.
    """
    context = await anyio.to_thread.run_sync(usual_authorities) if verify is None else verify
    pinned = PinnedTransport(context, look_up, allow_loopback=allow_loopback)
    async with pinned, through(pinned) as transport:
        response = await _follow(transport, url, {**HEADERS, **headers})
        try:
            if response.status_code not in taken:
                message = f"{clip(response.url.host)} answers with HTTP {response.status_code} for this file"
                raise FetchError(message, "status", response.status_code)
            yield response
        finally:
            await response.aclose()


async def read_blocks(response: httpx.Response, max_bytes: int, before: int = 0) -> AsyncIterator[bytes]:
    """The body as it came, block by block. It was asked for unpacked; nothing is unpacked here.

    The file may have `max_bytes`, of which `before` have come already.

    Raises:
        FetchError: packed, larger than `max_bytes`, cut short, or the connection broke.
    """
    host = clip(response.url.host)
    if codings := codings_of(response.headers.get("Content-Encoding", "")):
        packed = clip(", ".join(codings))
        raise FetchError(f"{host} sends this file packed ({packed}), although it was asked not to", "coding")
    too_large = f"the file at {host} is larger than {byte_size(max_bytes)}, the most that is taken"
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and before + int(announced) > max_bytes:
        raise FetchError(too_large, "too_large")
    come = before
    try:
        async for block in response.aiter_raw():
            come += len(block)
            if come > max_bytes:
                raise FetchError(too_large, "too_large")
            yield block
    except httpx.TimeoutException as error:
        raise FetchError(f"{host} stopped sending for {STALL_SECONDS:g} s", "too_slow") from error
    except (httpx.TransportError, httpx.DecodingError) as error:
        raise FetchError(f"the file at {host} was cut short after {come} bytes", "unreachable") from error


async def _follow(transport: httpx.AsyncBaseTransport, url: str, headers: Mapping[str, str]) -> httpx.Response:
    """The first answer that is not a redirect; each address on the way is checked like the first."""
    address = _checked_url(url)
    for _ in range(MAX_REDIRECTS + 1):
        response = await _get(transport, address, headers)
        if not response.has_redirect_location:
            return response
        await response.aclose()
        address = _checked_url(response.headers["Location"], address)
    raise FetchError(f"the address redirects more than {MAX_REDIRECTS} times", "redirects")


async def _get(transport: httpx.AsyncBaseTransport, url: httpx.URL, headers: Mapping[str, str]) -> httpx.Response:
    """One GET. Straight through the transport: a client would look into the redirect itself, and keep cookies."""
    host = clip(url.host)
    timeout = httpx.Timeout(STALL_SECONDS, connect=CONNECT_SECONDS).as_dict()
    request = httpx.Request("GET", url, headers=dict(headers), extensions={"timeout": timeout})
    try:
        response = await transport.handle_async_request(request)
    except NotFoundError as error:
        raise FetchError(f"the host {host!r} cannot be found", "unresolved") from error
    except NotPublicError as error:
        leads = "is" if str(error) == url.host else f"leads to {error},"
        raise FetchError(
            f"{host!r} {leads} not a public address; only public ones are fetched from", "private"
        ) from error
    except httpx.TimeoutException as error:
        raise FetchError(f"{host} does not answer", "too_slow") from error
    except httpx.TransportError as error:
        raise FetchError(f"{host} cannot be reached: {error or type(error).__name__}", "unreachable") from error
    response.request = request
    return response


def _checked_url(text: str, base: httpx.URL | None = None) -> httpx.URL:
    """The URL, if it is of the kind that is fetched.

    Raises:
        FetchError: not http(s), without a host, or with credentials in it.
    """
    try:
        url = httpx.URL(text) if base is None else base.join(text)
        check_place(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise FetchError("this is not a whole http(s) address", "address") from error
    if url.scheme not in ("http", "https") or not url.host:
        scheme = clip(url.scheme) or "without a scheme"
        raise FetchError(f"this is not an http(s) address, but {scheme}", "address")
    if url.userinfo:
        raise FetchError("the address holds a user name or password; give one without", "address")
    return url


def check_place(url: httpx.URL) -> None:
    """Refuse a host or port that nothing can connect to and that the libraries let pass.

    Raises:
        ValueError: the host's name stands for nothing, as `xn--` does, or the port is beyond the last.
    """
    if not 0 <= (url.port or 0) <= LAST_PORT:
        raise ValueError(f"there is no port above {LAST_PORT}")
    _ = url.host  # decodes the name


@cache
def usual_authorities() -> ssl.SSLContext:
    """What certificates are checked against: SSL_CERT_FILE where it is set, else the usual authorities."""
    return httpx.create_ssl_context()


def no_cookies() -> CookieJar:
    """A jar that keeps nothing."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


def _aimed(request: httpx.Request, address: str) -> httpx.Request:
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.host},
    )
