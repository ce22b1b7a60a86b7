"""GET from public addresses, redirects followed by hand. Imports httpx: import this late; see `fetch` for the rules."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING

import anyio.to_thread
import httpx

from imagewright.net.addresses import look_up as system_look_up
from imagewright.net.coding import codings_of
from imagewright.net.fetch import FetchError
from imagewright.net.pinned import NotFoundError, NotPublicError, PinnedTransport
from imagewright.text import byte_size, clip

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from imagewright.net.addresses import Resolver

MAX_REDIRECTS = 5
CONNECT_SECONDS = 10.0
STALL_SECONDS = 30.0
"""A connection that brings nothing for this long is given up."""
LAST_PORT = 65535
HEADERS = {"User-Agent": "imagewright", "Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"}


@asynccontextmanager
async def open_public(
    url: str, *, allow_loopback: bool, look_up: Resolver = system_look_up, verify: ssl.SSLContext | None = None
) -> AsyncIterator[httpx.Response]:
    """The answer to a GET at the end of all redirects, its body not yet read.

    Args:
        url: http or https, without credentials in it.
        allow_loopback: whether this machine itself may be fetched from.
        look_up: finds a host's addresses.
        verify: what certificates are checked against; None for the usual authorities.

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
        message = f"there is no port above {LAST_PORT}"
        raise ValueError(message)
    _ = url.host  # decodes the name


@cache
def usual_authorities() -> ssl.SSLContext:
    """What certificates are checked against: SSL_CERT_FILE where it is set, else the usual authorities."""
    return httpx.create_ssl_context()


def no_cookies() -> CookieJar:
    """A jar that keeps nothing."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))
