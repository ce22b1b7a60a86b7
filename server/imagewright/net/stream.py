"""The connections on which requests are sent: those of the event loop itself, with bounds on how an answer begins.

httpcore brings streams of anyio. These tell the system for each piece that is read to begin and to stop listening, and
make a scope for each bound on time, which took a fifth of the loop's time of a poll.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import ssl
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, cast
from urllib.request import getproxies

import anyio.lowlevel
import httpcore
import httpx

from imagewright.net import (
    HEAD_BYTES,
    HEAD_LINES,
    IN_ONE_GO,
    LEAST_PIECE,
    MOST_PIECES,
    Heads,
    literal,
    named,
    usual_authorities,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable

AHEAD = 1 << 18
"""Bytes that are read before somebody wants them; twice as many at most."""
BLOCK = 1_000_000  # bytes of a request that are given to a connection at once
FAILURES = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)
"""What goes wrong with a connection."""
MOST_IDLE = 32  # idle connections that a pool keeps
IDLE_SECONDS = 15.0
"""An idle connection goes after this time, well before servers drop theirs: a request that meets a connection just
dropped is one whose outcome is unknown."""
DIRECT = ("all://localhost", "all://127.0.0.1", "all://[::1]")
"""Never through the environment's proxy: it has another loopback."""
EYEBALLS = 0.25
"""Seconds after which the next address of a host is tried beside one that does not answer (RFC 8305)."""


async def _bounded(work: Awaitable[Any], seconds: float | None, late: type[Exception], failed: type[Exception]) -> Any:
    try:
        if seconds is None:
            return await work
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError as error:
        raise late(str(error)) from error
    except OSError as error:
        raise failed(_in_words(error)) from error


def _in_words(error: OSError) -> str:
    """What went wrong, for people: without the number of the error and the address of one attempt."""
    if isinstance(error, socket.gaierror):
        return "its host cannot be found"
    if error.errno is None or isinstance(error, ssl.SSLError):
        return str(error)
    return os.strerror(error.errno)


class Stream(httpcore.AsyncNetworkStream):
    """A connection on which answers begin within bounds, see `Heads`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._waiting = False
        """Whether the head of an answer is still to come."""
        self._odd: Heads | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - the library's
        """What has come, or what comes next; empty at the end."""
        seconds = None if self._has_come else timeout  # else it does not wait
        data: bytes = await _bounded(self._reader.read(max_bytes), seconds, httpcore.ReadTimeout, httpcore.ReadError)
        if self._waiting:
            end = data.find(b"\r\n\r\n", 0, HEAD_BYTES)
            short = self._odd is None and end > 0 and data.count(b"\n", 0, end) < HEAD_LINES
            if short and not data.startswith(b"HTTP/1.1 1"):
                self._waiting = False
            else:
                self._odd = self._odd or Heads()
                self._waiting = not self._odd.end_with(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as above
        """Write all of it."""
        self._waiting, self._odd = True, None
        if buffer:
            self._writer.write(buffer)
            seconds = timeout if self._writer.transport.get_write_buffer_size() else None  # as above
            await _bounded(self._writer.drain(), seconds, httpcore.WriteTimeout, httpcore.WriteError)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> httpcore.AsyncNetworkStream:
        """Encrypt it from now on."""
        starting = self._writer.start_tls(ssl_context, server_hostname=server_hostname)
        try:
            await _bounded(starting, timeout, httpcore.ConnectTimeout, httpcore.ConnectError)
        except BaseException:
            await self.aclose()
            raise
        return self

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks for: whether an idle connection has something to read, as one has that was closed."""
        if info == "is_readable":
            ended = self._reader.at_eof() or self._reader.exception() is not None
            return self._has_come or ended or _is_readable(self._writer.get_extra_info("socket"))
        return self._writer.get_extra_info({"server_addr": "peername", "client_addr": "sockname"}.get(info, info))

    @property
    def _has_come(self) -> bool:
        return bool(vars(self._reader)["_buffer"])  # there is no other way to ask

    async def aclose(self) -> None:
        """Close it, without waiting for the other side."""
        self._writer.close()
        await anyio.lowlevel.cancel_shielded_checkpoint()
        self._writer.transport.abort()


def _is_readable(socket: Any) -> bool:
    """Whether something has come that the event loop has not seen yet."""
    if sys.platform == "win32":
        return bool(select.select([socket], [], [], 0)[0])
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))


async def connect(host: str, port: int, seconds: float | None) -> Stream:
    """A connection to an address, or to a name that the system looks up."""
    opening = asyncio.open_connection(host, port, limit=AHEAD, happy_eyeballs_delay=None if literal(host) else EYEBALLS)
    return Stream(*await _bounded(opening, seconds, httpcore.ConnectTimeout, httpcore.ConnectError))


class DroppedError(httpcore.ConnectError):
    """A connection was dropped by the other side before anything of a request was sent on it."""


class Connection(httpcore.AsyncHTTP11Connection):
    """HTTP over such a connection, for one request at a time.

    The pool gives it to one request at a time, so the library's lock is left out: it is taken at the beginning and the
    end of each request, and lets the event loop go round once each time.
    """

    def __init__(self, origin: httpcore.Origin, stream: Stream) -> None:
        super().__init__(origin, stream)
        vars(self)["_state_lock"] = nullcontext()

    def has_expired(self) -> bool:
        """Whether no other request can follow: it was closed, or more has come than the answer.

        The library keeps what comes in one piece with an answer, and would take it for the answer to the next request.
        """
        return bool(self._h11_state.trailing_data[0]) or super().has_expired()

    async def _send_request_headers(self, request: httpcore.Request) -> None:
        # whoever is told right before the first byte can take long, while the other side drops what is idle; on a new
        # connection, what comes unasked is rather a part of its encryption
        waited = self._request_count > 1 and "trace" in request.extensions
        if waited and self._network_stream.get_extra_info("is_readable"):
            raise DroppedError("its connection was closed before anything was sent")
        await super()._send_request_headers(request)


@dataclass(slots=True, eq=False)
class Body(httpx.AsyncByteStream):
    """The body of a request, in blocks: the event loop copies what the connection does not take at once."""

    whole: bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for begin in range(0, len(self.whole), BLOCK):
            yield self.whole[begin : begin + BLOCK]


NO_BODY = Body(b"")


@dataclass(slots=True, eq=False)
class Pieces(httpx.AsyncByteStream):
    """The body of an answer, as it comes, in a bounded number of pieces."""

    blocks: AsyncIterable[bytes]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = size = 0
        try:
            async for block in self.blocks:
                pieces, size = pieces + 1, size + len(block)
                if not pieces % IN_ONE_GO:  # many can come without a pause
                    if pieces > MOST_PIECES + size // LEAST_PIECE:
                        raise httpcore.RemoteProtocolError("its answer comes in too many pieces")
                    await anyio.lowlevel.checkpoint()
                yield block
        except FAILURES as error:
            raise named(error) from error


class Proxied(Pieces):
    """One that comes through a proxy. Its head is bounded by the library alone, to 100 kB."""

    async def aclose(self) -> None:
        """Give its connection back to the library."""
        await cast("httpx.AsyncByteStream", self.blocks).aclose()


def through_proxies() -> httpx.AsyncClient | None:
    """What sends as the environment's proxies want it; None where it names none."""
    if not any(getproxies().get(kind) for kind in ("http", "https", "all")):
        return None
    return httpx.AsyncClient(
        verify=usual_authorities(),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=MOST_IDLE, keepalive_expiry=IDLE_SECONDS),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        follow_redirects=False,
        mounts=dict.fromkeys(DIRECT),
    )
