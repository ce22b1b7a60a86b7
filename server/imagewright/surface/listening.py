"""Connections over HTTP on this machine: the sockets, and how long each step of a connection may take."""

from __future__ import annotations

import errno
import logging
import socket
import struct
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from imagewright import __version__
from imagewright.errors import SettingsError, why
from imagewright.settings.table import HTTP_PORT

if sys.platform != "win32":
    import resource

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from starlette.types import ASGIApp
    from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope

HOSTS = {"localhost": ("127.0.0.1", "::1"), "127.0.0.1": ("127.0.0.1",), "::1": ("::1",)}
"""The addresses that are listened on, by the name that is given for them."""
CONNECTION = "imagewright.connection"
"""Where a request has its `Connection`, in its ASGI scope."""
HEAD_SECONDS = 20.0
"""Seconds within which the head of a request must come; who sends it byte by byte would hold a connection for ever."""
IDLE_SECONDS = 130
"""Seconds for which a connection is kept without a request: longer than clients keep one, so that none of them sends a
request into a connection that is being closed."""
MOST_CONNECTIONS = 1000
"""At once. A client may open one for each of its calls. Beyond them, the one ends that has been without a request for
longest and has shown no token; at worst the new one."""
FILES = 4096
"""Files that may be open, where the system allows it: macOS allows 256 unless asked."""
FIRST_OPEN_PORT = 1024
"""Lower ports are for the system's own programs."""
AT_ONCE = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
"""For SO_LINGER: nothing is sent any more after a connection is closed."""
LEAVE_SECONDS = 1
"""Seconds for which answers that are being written are waited for when the server leaves."""


class TakenError(SettingsError):
    """Another program listens on the port."""


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on a port of this machine; with port 0, on one that is free.

    Args:
        host: a key of `HOSTS`. Where there is no IPv6, its address is left out.
        port: 0 to 65535.

    Raises:
        TakenError: another program has the port.
        SettingsError: it cannot be listened on for another reason.
    """
    found: list[socket.socket] = []
    try:
        for address in HOSTS[host]:
            number = found[0].getsockname()[1] if found else port
            try:
                found.append(_socket(address, number))
            except OSError as error:
                # a machine without IPv6 has no ::1, and needs none
                if not (found and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)):
                    raise
    except OSError as error:
        for one in found:
            one.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES) and port >= FIRST_OPEN_PORT:
            raise TakenError(f"another program has the port {port}; choose another with --port") from error
        raise SettingsError(
            f"port {port} of {host} cannot be used: {why(error)}; choose another with --port or {HTTP_PORT.variable}"
        ) from error
    return found


def _socket(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio sends at once only where it is named
    try:
        if sys.platform == "win32":  # SO_REUSEADDR would let two programs have the port there
            made.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((address, port))
        made.listen(socket.SOMAXCONN)
    except OSError:
        made.close()
        raise
    return made


class Connection(H11Protocol):
    """One connection, which is ended where a client does not send or read what it began."""

    is_lost = False
    """Whether it has ended, so that nothing more can be written."""
    is_let_in = False
    """Whether its last request was let in. Where it was not, the next one is waited for no longer than the first."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.deadline: asyncio.TimerHandle | None = None
        """When it ends for want of a request; None while it has one, and where its last one was let in."""
        app = self.app

        async def with_connection(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
            await app(cast("Scope", {**scope, CONNECTION: self}), receive, send)

        self.app: ASGI3Application = with_connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """As uvicorn's; what is written counts as written once the system has taken it."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)
        self._set_deadline()
        if len(self.connections) > MOST_CONNECTIONS:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        """As uvicorn's."""
        super().data_received(data)
        self._set_deadline()

    def on_response_complete(self) -> None:
        """As uvicorn's; a head that was begun behind the last request is waited for as any other."""
        super().on_response_complete()
        if self.conn.trailing_data[0] or not self.is_let_in:
            self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn's."""
        self.is_lost = True
        self._drop_deadline()
        super().connection_lost(exc)

    def timeout_keep_alive_handler(self) -> None:
        """End a connection that has no request, also where its last answer was never read."""
        if not self.drop_unread():
            super().timeout_keep_alive_handler()

    def send_400_response(self, msg: str) -> None:
        """As uvicorn's; what makes no sense behind an answer ends the connection without another."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()

    async def flushed(self) -> bool:
        """Return when all is written, and whether the system has taken it."""
        await self.flow.drain()
        return not self.is_lost

    def abort(self) -> None:
        """End it at once; what the client has not read is dropped, also by the system."""
        with suppress(OSError):  # the client was quicker
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        self._drop_deadline()
        self.connections.discard(self)
        self.transport.abort()

    def drop_unread(self) -> bool:
        """End it at once if the client has not read all that was written. Return whether that was so."""
        is_unread = self.transport.get_write_buffer_size() > 0
        if is_unread:
            self.abort()
        return is_unread

    def _make_room(self) -> None:
        """End the connection that has been waited for longest; at worst this one."""
        waiting = (one for one in self.connections if isinstance(one, Connection) and one.deadline)
        min(waiting, key=lambda one: one.deadline.when() if one.deadline else 0.0).abort()

    def _set_deadline(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._drop_deadline()
        elif self.deadline is None:
            self.deadline = self.loop.call_later(HEAD_SECONDS, self.abort)

    def _drop_deadline(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None


class HttpServer(uvicorn.Server):
    """uvicorn's server for one ASGI application. It leaves signals to others, and ends when `should_exit` is set."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                cast("ASGI3Application", app),
                http=Connection,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                headers=[("server", f"imagewright/{__version__}")],
                timeout_keep_alive=IDLE_SECONDS,
                timeout_graceful_shutdown=LEAVE_SECONDS,
            )
        )
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        _allow_files()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take no signal."""
        yield


def _allow_files() -> None:
    """Have as many files open at once as the connections and the jobs need, where the system allows it."""
    if sys.platform == "win32":
        return
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if most == resource.RLIM_INFINITY else min(FILES, most)
    if now != resource.RLIM_INFINITY and now < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
