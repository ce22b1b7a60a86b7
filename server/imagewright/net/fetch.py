"""Fetch a file from an address that may lead anywhere: a caller's picture URL, or a vendor's result link.

Only http and https, only public addresses, checked where the connection is made and again at each redirect, no
credentials, no cookies, bounded in size and time. Proxies of the environment are not used: a proxy would look the
host up again, out of our sight, and could be led into the network it stands in.

This module imports httpx, so it is imported when the first file is fetched, see `imagewright.net.fetch_public`.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Literal

import anyio.to_thread
import httpx

from imagewright.errors import ImagewrightError
from imagewright.net.addresses import DEFAULT_PORTS, is_public
from imagewright.net.addresses import look_up as system_look_up
from imagewright.net.coding import codings_of
from imagewright.text import byte_size, clip

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from imagewright.net.addresses import Resolver

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
            httpx.TransportError: it is no http(s) address, no address answers, or the connection broke.
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
    url: str, *, allow_loopback: bool, look_up: Resolver = system_look_up, verify: ssl.SSLContext | None = None
) -> AsyncIterator[httpx.Response]:
    """The answer to a GET at the end of all redirects, its body not yet read; arguments are as for `fetch_public`.

    Certificates are checked against `verify`, by default the usual authorities.

    Raises:
        FetchError: refused, unreachable, too many redirects, or another answer than 200.
    """
    context = await anyio.to_thread.run_sync(usual_authorities) if verify is None else verify
    async with PinnedTransport(context, look_up, allow_loopback=allow_loopback) as transport:
        response = await _follow(transport, url)
        try:
            if response.status_code != httpx.codes.OK:
                message = f"{clip(response.url.host)} answers with HTTP {response.status_code} for this file"
                raise FetchError(message, "status", response.status_code)
            yield response
        finally:
            await response.aclose()


async def read_blocks(response: httpx.Response, max_bytes: int) -> AsyncIterator[bytes]:
    """The body as it came, block by block. It was asked for unpacked; nothing is unpacked here.

    Raises:
        FetchError: packed, larger than `max_bytes`, cut short, or the connection broke.
    """
    host = clip(response.url.host)
    if codings := codings_of(response.headers.get("Content-Encoding", "")):
        packed = clip(", ".join(codings))
        raise FetchError(f"{host} sends this file packed ({packed}), although it was asked not to", "coding")
    too_large = f"the file at {host} is larger than {byte_size(max_bytes)}, the most that is taken"
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise FetchError(too_large, "too_large")
    taken = 0
    try:
        async for block in response.aiter_raw():
            taken += len(block)
            if taken > max_bytes:
                raise FetchError(too_large, "too_large")
            yield block
    except httpx.TimeoutException as error:
        raise FetchError(f"{host} stopped sending for {STALL_SECONDS:g} s", "too_slow") from error
    except (httpx.TransportError, httpx.DecodingError) as error:
        raise FetchError(f"the file at {host} was cut short after {taken} bytes", "unreachable") from error


async def _follow(transport: PinnedTransport, url: str) -> httpx.Response:
    """The first answer that is no redirect; each address on the way is checked like the first."""
    address = _checked_url(url)
    for _ in range(MAX_REDIRECTS + 1):
        response = await _get(transport, address)
        if not response.has_redirect_location:
            return response
        await response.aclose()
        address = _checked_url(response.headers["Location"], address)
    raise FetchError(f"the address redirects more than {MAX_REDIRECTS} times", "redirects")


async def _get(transport: PinnedTransport, url: httpx.URL) -> httpx.Response:
    """One GET. Straight through the transport: a client would look into the redirect itself, and keep cookies."""
    host = clip(url.host)
    timeout = httpx.Timeout(STALL_SECONDS, connect=CONNECT_SECONDS).as_dict()
    request = httpx.Request("GET", url, headers=HEADERS, extensions={"timeout": timeout})
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
    """Refuse a host or port that no connection can be made to, and for which the libraries have no error of theirs.

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
