"""Fetch a file from an address that may lead anywhere: a caller's picture URL, or a vendor's result link.

Redirects are followed by hand and each address is checked when it is connected to: only public ones are fetched from,
also where an IPv6 address carries an IPv4 one. The connections for all other requests are here too. Imports httpx.
"""

from __future__ import annotations

import time
from contextlib import aclosing, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import urlencode

import anyio
import anyio.to_thread
import httpcore
import httpx

from imagewright.net import (
    DEFAULT_PORTS,
    FetchError,
    NotFoundError,
    NotPublicError,
    checked_addresses,
    codings_of,
    look_up,
    named,
    unfetched,
    usual_authorities,
)
from imagewright.net.stream import FAILURES, IDLE_SECONDS, MOST_IDLE, NO_BODY, Connection, DroppedError, Pieces, connect
from imagewright.settings import LAST_PORT
from imagewright.text import byte_size, clip

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Collection, Mapping

    from imagewright.net import Guard, Resolver

    Send = Callable[[httpx.Request], Awaitable[httpx.Response]]
    """Sends a request, without following redirects; the body of the answer is not yet read. It has to be closed."""

MAX_REDIRECTS = 5
CONNECT_SECONDS = 10.0
STALL_SECONDS = 30.0  # a connection that brings nothing for this long is given up
MOST_COMMON = 256
"""Of so many kinds of questions is kept what the questions of each have in common."""
HEADERS = {"User-Agent": "imagewright", "Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"}
WAITS = httpx.Timeout(STALL_SECONDS, connect=CONNECT_SECONDS).as_dict()


class Place(NamedTuple):
    """Where a connection leads. Two requests share one only if all of this is the same."""

    scheme: str
    host: str
    """The name in the URL, which TLS verifies."""
    port: int
    address: str
    """What is connected to: an address of the host, or its name where the system is to look it up."""

    @classmethod
    def of(cls, url: httpx.URL, address: str = "") -> Place:
        """The place of a URL; `httpx.UnsupportedProtocol` where it is not an http(s) address."""
        if url.scheme not in DEFAULT_PORTS:
            raise httpx.UnsupportedProtocol("this is not an http(s) address")
        host = url.raw_host.decode("ascii")
        return cls(url.scheme, host, url.port or DEFAULT_PORTS[url.scheme], address or host)


class Pool:
    """Connections that carry one request at a time each, and are kept for the next request to the same place.

    A pool of httpx looks at each of its connections, and asks the system about the idle ones, whenever any request
    begins or ends. With hundreds of requests at once that took more time than all the rest. Here only the connection
    that is used next is looked at. No proxy is asked, and no cookie is kept.

    Args:
        verify: what certificates are checked against; None for the usual authorities, which are read in a thread with
            the first request that needs them: that takes 50 ms, for which a first request without TLS does not wait.
        most_idle: how many idle ones are kept.
        idle_seconds: for how long they are.
    """

    def __init__(
        self, verify: ssl.SSLContext | None = None, *, most_idle: int = MOST_IDLE, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self._verify = verify
        self._reading = anyio.Lock(fast_acquire=True)
        self._most_idle = most_idle
        self._idle_seconds = idle_seconds
        self._idle: dict[Connection, tuple[Place, float]] = {}
        """With the place of each and since when it is idle, the oldest first."""

    async def send(
        self, request: httpx.Request, place: Place, *, kept: bool = True, again: bool = False
    ) -> httpx.Response:
        """Send a request and return the answer, its body not yet read.

        Without `kept`, the connection is a new one. Where the server turns out to have dropped a kept one, another one
        is used if nothing was sent yet; with `again`, in any case: only for what may arrive twice.

        Raises:
            httpx.TransportError: the place does not answer, or the connection broke.
        """
        target = request.extensions.get("target", request.url.raw_path)  # older versions of httpcore do not look there
        url = httpcore.URL(scheme=place.scheme, host=place.address, port=place.port, target=target)
        ready = httpcore.Request(request.method, url, content=request.stream, extensions=request.extensions)
        ready.headers = request.headers.raw  # they are as they have to be, and are not looked at one by one again
        seconds = request.extensions.get("timeout", {}).get("connect")
        old = await self._take(place) if kept else None
        try:
            try:
                connection = old or await self._opened(place, seconds)
                answer = await connection.handle_async_request(ready)
            except (httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
                if not (old and (again or isinstance(error, DroppedError))):
                    raise
                connection = await self._opened(place, seconds)
                answer = await connection.handle_async_request(ready)
        except FAILURES as error:
            raise named(error) from error
        headers = httpx.Headers(answer.headers)
        headers.encoding = headers.encoding  # it is found out once, not for every header that is read
        body = _Body(cast("AsyncIterable[bytes]", answer.stream), self, place, connection, answer)
        return httpx.Response(answer.status, headers=headers, stream=body, request=request)

    async def _opened(self, place: Place, seconds: float | None) -> Connection:
        """A new connection. The connection itself and its encryption may take so many seconds each."""
        authorities = await self._authorities() if place.scheme == "https" else None
        stream = await connect(place.address, place.port, seconds)
        if authorities is not None:
            authorities.set_alpn_protocols(["http/1.1"])
            await stream.start_tls(authorities, place.host, seconds)
        return Connection(httpcore.Origin(place.scheme.encode(), place.address.encode(), place.port), stream)

    async def _authorities(self) -> ssl.SSLContext:
        async with self._reading:  # one reads for all
            if self._verify is None:
                try:
                    self._verify = await anyio.to_thread.run_sync(usual_authorities)
                except OSError as error:
                    raise httpcore.ConnectError(f"the authorities' certificates cannot be read: {error}") from error
            return self._verify

    async def _take(self, place: Place) -> Connection | None:
        """The newest connection to a place, if it can still be used."""
        await self._tidy()
        for connection in [one for one, (where, _) in reversed(self._idle.items()) if where == place]:
            if self._idle.pop(connection, None) is not None:  # else it was taken while another was closed
                if not connection.has_expired():
                    return connection
                await connection.aclose()
        return None

    async def give_back(self, place: Place, connection: Connection) -> None:
        """Keep a connection whose answer is closed, if another request can follow on it."""
        if connection.is_idle():
            self._idle[connection] = place, time.monotonic()
            await self._tidy()

    async def _tidy(self) -> None:
        oldest = time.monotonic() - self._idle_seconds
        while self._idle:
            connection, (_, since) = next(iter(self._idle.items()))
            if len(self._idle) <= self._most_idle and since > oldest:
                return
            del self._idle[connection]
            with anyio.CancelScope(shield=True):
                await connection.aclose()

    async def aclose(self) -> None:
        """Close those that are idle, and each of the others once its answer is closed."""
        self._most_idle = 0
        await self._tidy()


@dataclass(slots=True, eq=False)
class _Body(Pieces):
    """One whose closing gives the connection back."""

    pool: Pool
    place: Place
    connection: Connection | None
    answer: httpcore.Response

    async def aclose(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:  # what waits here is shielded by itself
            await self.answer.aclose()
            await self.pool.give_back(self.place, connection)


def pinned(pool: Pool, look_up: Resolver, guard: Guard) -> Send:
    """What looks a host up for each request, checks every address, and connects to one of those it checked, in turn.

    A second look-up between check and connection could give another answer (DNS rebinding); here there is none: the
    address takes the host's place in the connection, while the `Host` header and the name that TLS verifies stay. A
    connection is used again only by a GET for the same host, and if its address was checked just now: two hosts can
    share an address, and the certificate was checked for one of them.

    Raises:
        NotFoundError: the host has no address.
        NotPublicError: one of its addresses may not be connected to.
        httpx.TransportError: it is not an http(s) address, no address answers, or the connection broke.
    """

    async def send(request: httpx.Request) -> httpx.Response:
        url, free = request.url, request.method == "GET"
        addresses = await checked_addresses(look_up, url.host, Place.of(url), guard)
        for address in addresses[:-1]:
            try:
                return await pool.send(request, Place.of(url, address), kept=free, again=free)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await pool.send(request, Place.of(url, addresses[-1]), kept=free, again=free)

    return send


@asynccontextmanager
async def open_public(
    url: str,
    *,
    guard: Guard,
    look_up: Resolver = look_up,
    pool: Pool | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
    taken: Collection[int] = (httpx.codes.OK,),
    through: Callable[[Send], Send] = lambda send: send,
) -> AsyncIterator[httpx.Response]:
    """The answer to a GET at the end of all redirects, its body not yet read; arguments are as for `fetch_public`.

    Its connections are those of `pool`, by default of one for this file that checks against the usual authorities.
    `headers` are sent besides the usual ones, and `taken` are the statuses of an answer that is returned. `through` may
    send requests another way.

    Raises:
        FetchError: refused, unreachable, too many redirects, or another answer than those.
    """
    opened = nullcontext(pool) if pool else aclosing(Pool())
    async with opened as connections:
        send = through(pinned(connections, look_up, guard))
        response = await _follow(send, url, {**HEADERS, **headers})
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
    if (coding := response.headers.get("Content-Encoding")) and (codings := codings_of(coding)):
        packed = clip(", ".join(codings))
        raise FetchError(f"{host} sends this file packed ({packed}), although it was asked not to", "coding")
    too_large = f"the file at {host} is larger than {byte_size(max_bytes)}, the most that is taken"
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and before + int(announced) > max_bytes:
        raise FetchError(too_large, "too_large")
    come = before
    try:
        async for block in cast("AsyncIterable[bytes]", response.stream):
            come += len(block)
            if come > max_bytes:
                raise FetchError(too_large, "too_large")
            yield block
        await response.aclose()  # so that the connection is free while the last block is written
    except httpx.TimeoutException as error:
        raise FetchError(f"{host} stopped sending for {STALL_SECONDS:g} s", "too_slow") from error
    except (httpx.TransportError, httpx.DecodingError) as error:
        raise FetchError(f"the file at {host} was cut short after {come} bytes", "unreachable") from error


async def _follow(send: Send, url: str, headers: Mapping[str, str]) -> httpx.Response:
    """The first answer that is not a redirect; each address on the way is checked like the first."""
    address = _checked_url(url)
    for _ in range(MAX_REDIRECTS + 1):
        response = await _get(send, address, headers)
        if not response.has_redirect_location:
            return response
        await response.aclose()
        address = _checked_url(response.headers["Location"], address)
    raise FetchError(f"the address redirects more than {MAX_REDIRECTS} times", "redirects")


async def _get(send: Send, url: httpx.URL, headers: Mapping[str, str]) -> httpx.Response:
    """One GET. Without a client, which would look into the redirect itself, and keep cookies."""
    lines = [(b"Host", url.netloc), *((name.encode(), value.encode()) for name, value in headers.items())]
    request = httpx.Request("GET", url, headers=lines, stream=NO_BODY, extensions={"timeout": WAITS})
    try:
        return await send(request)
    except (NotFoundError, NotPublicError, httpx.TransportError) as error:
        raise unfetched(error, url.host) from error


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


def question(
    url: str, query: Mapping[str, str], headers: tuple[tuple[str, str], ...], waits: Mapping[str, float | None]
) -> httpx.Request:
    """A GET of an address without a query, with this one; see `in_full` for where it stands.

    What it has in common with others that differ in the query alone is made once for all. `waits` are httpx's timeouts.

    Raises:
        ValueError: nothing can be sent to such an address.
    """
    common, extensions = _common(url, headers), dict[str, Any](timeout=waits)
    if query:
        extensions["target"] = b"%b?%b" % (common.url.raw_path, urlencode(query).encode())
    return httpx.Request("GET", common.url, headers=common.headers, stream=NO_BODY, extensions=extensions)


def in_full(request: httpx.Request) -> httpx.Request:
    """The same request with its query in its address as well: for whoever sends it in another way than by a `Pool`."""
    if target := request.extensions.pop("target", None):
        request.url = request.url.copy_with(raw_path=target)
    return request


@lru_cache(MOST_COMMON)
def _common(url: str, headers: tuple[tuple[str, str], ...]) -> httpx.Request:
    made = httpx.Request("GET", url, headers=headers)
    check_place(made.url)
    add_login(made)
    return made


def add_login(request: httpx.Request) -> None:
    """Add the header for the user name and password of its address, such as a gateway's, if there are any."""
    if request.url.userinfo:
        next(httpx.BasicAuth(request.url.username, request.url.password).auth_flow(request))
