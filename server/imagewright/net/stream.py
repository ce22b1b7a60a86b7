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
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import anyio.lowlevel
import httpcore

from imagewright.net import HEAD_BYTES, HEAD_LINES, Heads

if TYPE_CHECKING:
    from collections.abc import Awaitable

AHEAD = 1 << 18
"""Bytes that are read before somebody wants them; twice as many at most."""
EYEBALLS = 0.25
"""Seconds after which the next address of a host is tried beside one that does not answer (RFC 8305)."""


async def _bounded(work: Awaitable[Any], seconds: float | None, late: type[Exception], failed: type[Exception]) -> Any:
    try:
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
        data: bytes = await _bounded(self._reader.read(max_bytes), timeout, httpcore.ReadTimeout, httpcore.ReadError)
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
            await _bounded(self._writer.drain(), timeout, httpcore.WriteTimeout, httpcore.WriteError)

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
            come = vars(self._reader)["_buffer"]  # there is no other way to ask
            ended = self._reader.at_eof() or self._reader.exception() is not None
            return bool(come) or ended or _is_readable(self._writer.get_extra_info("socket"))
        return self._writer.get_extra_info({"server_addr": "peername", "client_addr": "sockname"}.get(info, info))

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


class Network(httpcore.AsyncNetworkBackend):
    """Opens them."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
        *_: Any,
        **_named: Any,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to an address."""
        delay: float | None = EYEBALLS
        with suppress(ValueError):
            delay = None if ip_address(host) else EYEBALLS
        opening = asyncio.open_connection(host, port, limit=AHEAD, happy_eyeballs_delay=delay)
        return Stream(*await _bounded(opening, timeout, httpcore.ConnectTimeout, httpcore.ConnectError))

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
