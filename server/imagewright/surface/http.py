"""Serve several clients over HTTP on this machine: one engine, and the SDK's own transport behind a door.

The door lets nobody in but who is on this machine, names it by a name of this machine, and has the token. What comes
in is read as on standard input, see `opening`.
"""

from __future__ import annotations

import hmac
import logging
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import mcp.types as t
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.datastructures import Headers
from starlette.responses import Response

from imagewright.surface.delivery import MOST_SESSIONS, Body, Delivery, Refused, Sessions, answer_of, read_body
from imagewright.surface.listening import CONNECTION, HttpServer
from imagewright.surface.opening import LONGEST_LINE, Fault
from imagewright.surface.output import BUSY, MOST_CHARACTERS, MOST_UNSENT, Garbage
from imagewright.surface.server import DELIVERY, McpServer
from imagewright.surface.stdio import SDK_LOG, serving
from imagewright.text import byte_size

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine, Iterator, Sequence

    from starlette.types import Message, Receive, Scope, Send

    from imagewright.settings.load import Settings
    from imagewright.surface.opening import Item

log = logging.getLogger(__name__)

NAMES = ("127.0.0.1", "localhost", "[::1]")
"""How this machine is called in an address."""
USUAL_PORT = 80
"""The port that an address need not name."""
BODY_SECONDS = 60.0
"""Seconds within which the body of a request must come: on one's own machine the largest takes two."""
LONG = 1_000_000
"""Bytes from which on a body is read in a thread, so that it does not keep other clients waiting."""
IDLE_SECONDS = 24 * 3600.0
"""Seconds after which a session of the handshake era ends that has no request and listens to nothing. Not every client
begins anew when its session has ended, and some are left open overnight."""
LAST_SECONDS = 0.8
"""Seconds for which the last answers are waited for when the server leaves."""
SESSION = "mcp-session-id"
"""The header with a session's id, as the protocol has it."""
LAST_EVENT = b"last-event-id"
"""The header with which a client asks for what it missed."""
LONGEST_HEAD = 16 * 1024
"""Bytes of the names and values in the head of a request. A longer one that comes in pieces is refused unread."""
LOGS = (SDK_LOG, "uvicorn.error", "mcp.server.streamable_http", "mcp.server.streamable_http_manager")
"""Where libraries log what any client causes as often as it likes."""
LOCKED = (
    "This server asks for its token, in the header `Authorization: Bearer TOKEN`. It stands in the file http-token "
    "beside the configuration of whoever runs the server; `imagewright connect CLIENT --http` tells a client of it."
)
MISMATCH = "This is not the token of this server. " + LOCKED.partition(". ")[2]
FULL = "too much was asked at once; ask again when there are answers"


class Door:
    """The ASGI application: who is let in, and what the SDK gets to read.

    Args:
        manager: the SDK's, which runs.
        port: the one that is listened on.
        path: the one address that is served.
        token: what every client must show; empty for none.
        listens: called with the id of a session that begins to listen for news.
    """

    def __init__(
        self,
        manager: StreamableHTTPSessionManager,
        port: int,
        path: str,
        token: str,
        listens: Callable[[str], Coroutine[Any, Any, None]],
    ) -> None:
        self._manager = manager
        self._listens = listens
        self._path = path
        self._token = token.encode()
        self._hosts = {f"{name}:{port}" for name in NAMES} | ({*NAMES} if port == USUAL_PORT else set())
        self._deliveries: set[Delivery] = set()
        self._owed: set[Delivery] = set()
        """Those that owe an answer."""
        self._sessions = Sessions()
        self._open: set[tuple[str, str]] = set()
        """The requests of each session that wait for their answers."""
        self._held = 0
        """Characters of the requests that wait for their answers."""
        self._garbage = Garbage()
        self._unsent = 0
        self._sent = anyio.Event()
        self._leaving = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Deal with one request."""
        headers = Headers(scope=scope)
        refused = self._check(scope, headers)
        scope[CONNECTION].is_let_in = refused is None
        if refused is not None:
            await refused.response()(scope, receive, send)
            return
        session = headers.get(SESSION, "")
        delivery = Delivery(scope[CONNECTION], receive, self._counted(send, session))
        self._deliveries.add(delivery)
        try:
            with self._sessions.using(session):
                await self._let_in({**scope, DELIVERY: delivery}, headers, delivery)
        finally:
            self._deliveries.discard(delivery)
            if scope["method"] == "DELETE":
                self._sessions.end(session)

    def _check(self, scope: Scope, headers: Headers) -> Refused | None:
        """Why this request is not let in; None where it is."""
        if sum(len(name) + len(value) for name, value in headers.raw) > LONGEST_HEAD:
            why = f"The head of this request is larger than {byte_size(LONGEST_HEAD)}."
            return Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, why)
        host, origins = headers.get("host", ""), headers.getlist("origin")
        if host.lower() not in self._hosts:
            why = "This server is only for programs on its own machine, and the Host of this request is not its name."
            return Refused(HTTPStatus.FORBIDDEN, why)
        if not all(map(_is_local, origins)):
            why = "This server takes no requests from web pages of other machines, and the Origin of this one is such."
            return Refused(HTTPStatus.FORBIDDEN, why)
        if (scope["path"].rstrip("/") or "/") != self._path:
            why = f"There is nothing here; this MCP server is at {self._path}."
            return Refused(HTTPStatus.NOT_FOUND, why)
        refused = self._check_token(headers.getlist("authorization")) if self._token else None
        if refused is None and self._leaving:
            return Refused(HTTPStatus.SERVICE_UNAVAILABLE, "The server is leaving; nothing was begun.", BUSY)
        return refused

    def _check_token(self, given: Sequence[str]) -> Refused | None:
        scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        shown = token.strip().encode() if scheme.lower() == "bearer" else b""
        if hmac.compare_digest(shown, self._token):
            return None
        challenge = 'Bearer realm="imagewright"' + (', error="invalid_token"' if shown else "")
        headers = {"WWW-Authenticate": challenge}
        return Refused(HTTPStatus.UNAUTHORIZED, MISMATCH if shown else LOCKED, headers=headers)

    async def _let_in(self, scope: Scope, headers: Headers, delivery: Delivery) -> None:
        if scope["method"] != "POST":
            kept = [(name, value) for name, value in scope["headers"] if name != LAST_EVENT]
            scope["headers"] = kept  # no event is kept that could be sent again, and the SDK breaks when asked for one
            await self._other_than_post(scope, headers.get(SESSION, ""), delivery)
            return
        with self._holding() as body:
            try:
                refused = await self._read(body, headers, delivery)
            except ConnectionResetError:
                return
            data = bytes(body.data)
            body.data.clear()
            item: Item | None = None
            if not refused:
                item, data = read_body(data) if len(data) < LONG else await anyio.to_thread.run_sync(read_body, data)
            if isinstance(item, Fault):
                log.info("refused a request of %d bytes: %s", item.size, item.why)
                refused_as = answer_of(item.answer(), HTTPStatus.BAD_REQUEST)
                await refused_as(scope, delivery.receive, delivery.send)
                return
            request = (headers.get(SESSION, ""), str(item.id)) if isinstance(item, t.JSONRPCRequest) else None
            if request and request[0] and request in self._open:
                refused = Refused(HTTPStatus.BAD_REQUEST, "a request with this id is not answered yet")
            if refused is not None:
                await refused.response()(scope, delivery.receive, delivery.send)
                return
            if item is None:
                await Response(status_code=HTTPStatus.ACCEPTED)(scope, delivery.receive, delivery.send)
                return
            await self._pass_on(scope, data, delivery, request)

    async def _other_than_post(self, scope: Scope, session: str, delivery: Delivery) -> None:
        """A stream to listen on, or the end of a session."""
        async with anyio.create_task_group() as group:

            async def send(message: Message) -> None:
                await delivery.send(message)
                begins = message["type"] == "http.response.start" and message["status"] == HTTPStatus.OK
                if begins and scope["method"] == "GET":
                    group.start_soon(self._listens, session)  # the SDK has started what takes the news before it

            await self._manager.handle_request(scope, delivery.receive, send)
            group.cancel_scope.cancel()

    async def _pass_on(self, scope: Scope, body: bytes, delivery: Delivery, request: tuple[str, str] | None) -> None:
        """To the SDK, which reads the body once more."""
        whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            return whole.pop() if whole else await delivery.receive()

        if request:
            if not request[0] and (surplus := self._sessions.surplus()):
                await self._end(scope, surplus)
            self._open.add(request)
            self._owed.add(delivery)
        try:
            await self._manager.handle_request(scope, receive, delivery.send)
        finally:
            delivery.settled.set()
            self._owed.discard(delivery)
            if request:
                self._open.discard(request)

    async def _end(self, scope: Scope, session: str) -> None:
        """End a session as its client could."""
        self._sessions.end(session)
        gone: Message = {"type": "http.disconnect"}

        async def receive() -> Message:
            return gone

        async def send(_message: Message) -> None:
            """Nobody waits for the answer."""

        await self._manager.handle_request(
            {**scope, "method": "DELETE", "headers": [(SESSION.encode(), session.encode())]}, receive, send
        )

    async def _read(self, body: Body, headers: Headers, delivery: Delivery) -> Refused | None:
        """Read the body of a request; why it is not taken, or None where it is.

        Raises:
            ConnectionResetError: the client has hung up.
        """
        declared = headers.get("content-length", "")
        too_large = Refused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"The body is larger than {byte_size(LONGEST_LINE)}.",
            headers={"Connection": "close"},
        )
        if declared.isdecimal() and int(declared) > LONGEST_LINE:
            return too_large
        try:
            with anyio.fail_after(BODY_SECONDS):
                while True:
                    message = await delivery.receive()
                    if message["type"] == "http.disconnect":
                        raise ConnectionResetError
                    part: bytes = message.get("body", b"")
                    if body.size + len(part) > LONGEST_LINE:
                        return too_large
                    if body.size and self._held + len(part) > MOST_CHARACTERS:
                        return Refused(HTTPStatus.SERVICE_UNAVAILABLE, FULL, BUSY, {"Connection": "close"})
                    body.data += part
                    body.size += len(part)
                    self._held += len(part)
                    if not message.get("more_body", False):
                        return None
        except TimeoutError:
            why = f"The body did not come within {BODY_SECONDS:.0f} s."
            return Refused(HTTPStatus.REQUEST_TIMEOUT, why, headers={"Connection": "close"})

    @contextmanager
    def _holding(self) -> Iterator[Body]:
        """The body of a request, which counts until the block ends."""
        body = Body()
        try:
            yield body
        finally:
            self._held -= body.size
            self._garbage.left_by(body.size)

    def _counted(self, send: Send, session: str) -> Send:
        """Count what waits to be written, and note which sessions begin and end."""

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] == HTTPStatus.NOT_FOUND:
                    self._sessions.end(session)
                elif message["status"] == HTTPStatus.OK and not session:
                    self._sessions.begin(Headers(raw=message["headers"]).get(SESSION, ""))
            size = len(message.get("body", b""))
            self._unsent += size
            try:
                await send(message)
            finally:
                self._unsent -= size
                self._sent.set()
                self._sent = anyio.Event()

        return counted

    async def room(self) -> None:
        """Return once no more waits to be written than clients may leave unread."""
        while self._unsent > MOST_UNSENT:
            await self._sent.wait()

    async def leave(self) -> None:
        """Let nobody in any more, and wait a moment until what can be answered is."""
        self._leaving = True
        for delivery in self._deliveries:
            delivery.end()
        with anyio.move_on_after(LAST_SECONDS):
            for delivery in [*self._owed]:
                await delivery.settled.wait()
        for delivery in [*self._deliveries]:
            delivery.drop_unread()


def _is_local(origin: str) -> bool:
    """Whether a web page is from this machine."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and (parts.hostname or "") in ("127.0.0.1", "localhost", "::1")


def make_manager(app: McpServer) -> StreamableHTTPSessionManager:
    """The SDK's transport for both eras. The door has checked what its own checks are for."""
    return StreamableHTTPSessionManager(
        app.server,
        session_idle_timeout=IDLE_SECONDS,
        max_sessions=2 * MOST_SESSIONS,  # where all are in use
        max_request_body_size=LONGEST_LINE,
    )


async def serve_http(settings: Settings, sockets: Sequence[socket.socket], path: str, token: str) -> bool:
    """Serve until a signal asks the server to leave, and leave as over standard output, see `stdio.serving`.

    A call that waits for its job is told that it goes on.

    Args:
        settings: as they are now; changed files are followed.
        sockets: that listen, see `listening.listen`.
        path: the one address that is served.
        token: what every client must show; empty for none.

    Returns:
        Whether it was Ctrl-C.

    Raises:
        SettingsError: a toggle names no tool, or a provider is unknown; nothing was served.
    """
    asked = anyio.Event()
    async with serving(settings, LOGS, asked.set) as (app, ending):
        await serve_on(app, sockets, path, token, asked)
    return ending.interrupted


async def serve_on(app: McpServer, sockets: Sequence[socket.socket], path: str, token: str, asked: anyio.Event) -> None:
    """Serve until `asked` is set, and then until what can be answered at once is. Arguments as `serve_http`."""
    manager = make_manager(app)
    door = Door(manager, sockets[0].getsockname()[1], path, token, app.begins_to_listen)
    app.wait_for(door.room)
    server = HttpServer(door)
    # the sessions end before the server does: what they listen to would keep it waiting
    async with anyio.create_task_group() as group, manager.run():
        group.start_soon(server.serve, [*sockets])
        await asked.wait()
        server.should_exit = True
        app.end_streams()
        await door.leave()
