"""Requests over HTTP: why one is refused, whether its answer is written and what follows then, and whose it is."""

from __future__ import annotations

import codecs
import logging
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import anyio
import mcp.types as t
from pydantic_core import to_json
from starlette.datastructures import Headers
from starlette.responses import Response

from imagewright.surface.opening import Fault, read_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from http import HTTPStatus

    from starlette.types import Message, Receive, Send

    from imagewright.surface.listening import Connection
    from imagewright.surface.opening import Item

log = logging.getLogger(__name__)

WRITE_SECONDS = 30.0
"""Seconds within which a client must take a part of an answer, such as a note of progress or a reply of 700 kB."""
MOST_SESSIONS = 500
"""At once; each takes about 50 kB. Beyond them, the one ends that has been without a request for longest: many clients
leave without a word, and must not keep others out for a day."""
ANSWER = re.compile(rb'"id":(?:"(?:[^"\\]|\\.)*"|-?\d+),"(?:result|error)":')
"""How a part of an event stream begins that answers a request, unlike those that tell of progress."""
ODD_ID = re.compile(rb'"id"\s*:\s*(?:null|-?\d+[.eE])')
"""Where a body may have an id that is taken on standard input, too, and that the SDK does not take for one."""
ANSWER_BEGINS = 2_000
"""Bytes in which that stands."""


class Refused(NamedTuple):
    """Why a request is not let in."""

    status: HTTPStatus
    why: str
    """A sentence for a person."""
    code: int = t.INVALID_REQUEST
    """The protocol's error code."""
    headers: Mapping[str, str] = {}

    def response(self) -> Response:
        """The answer, as the protocol has errors without a request."""
        error = t.JSONRPCError(jsonrpc="2.0", id=None, error=t.ErrorData(code=self.code, message=self.why))
        return answer_of(error, self.status, self.headers)


def answer_of(error: t.JSONRPCError, status: HTTPStatus, headers: Mapping[str, str] | None = None) -> Response:
    """An error of the protocol as an answer over HTTP."""
    body = error.model_dump_json(by_alias=True, exclude_unset=True)
    return Response(body, status, headers, media_type="application/json")


def read_body(data: bytes) -> tuple[Item | None, bytes]:
    """What the body of a request holds, as on standard input, and the bytes in which the SDK reads the same.

    None for a report that needs no answer.
    """
    data = data.removeprefix(codecs.BOM_UTF8)
    if not data or data.isspace():
        return Fault(t.PARSE_ERROR, "the body is empty", None, len(data)), data
    found = read_line(data)
    if isinstance(found, t.JSONRPCRequest | t.JSONRPCNotification) and ODD_ID.search(data):
        data = to_json(found.model_dump(by_alias=True, exclude_unset=True), inf_nan_mode="constants")
    return found, data


class Delivery:
    """One request and its answer: whether the client is still there, and what follows once the answer is written.

    An answer is written once the system has taken all of it for a client that is still connected.
    """

    def __init__(self, connection: Connection, receive: Receive, send: Send) -> None:
        self._connection = connection
        self._receive = receive
        self._send = send
        self._scopes: list[anyio.CancelScope] = []
        self._notes: list[Callable[[], Awaitable[None]]] = []
        self._is_json = False
        self._ended = False
        self.settled = anyio.Event()
        """Set when no answer is owed any more."""

    def wait_in(self, scope: anyio.CancelScope) -> None:
        """Cancel this scope when there is nobody to answer any more, or when the server leaves."""
        self._scopes.append(scope)
        if self._ended:
            scope.cancel()

    def when_written(self, note: Callable[[], Awaitable[None]]) -> None:
        """Call this after the answer is written, and never if it cannot be."""
        self._notes.append(note)

    def end(self) -> None:
        """Wait for nothing more."""
        self._ended = True
        for scope in self._scopes:
            scope.cancel()

    def drop_unread(self) -> None:
        """Hang up on a client that does not read."""
        self._connection.drop_unread()

    async def receive(self) -> Message:
        """What comes from the client, for the SDK."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.end()
        return message

    async def send(self, message: Message) -> None:
        """What goes to the client, from the SDK."""
        body: bytes = message.get("body", b"")
        if message["type"] == "http.response.start":
            self._is_json = Headers(raw=message["headers"]).get("content-type", "").startswith("application/json")
        is_answer = bool(body) and (self._is_json or ANSWER.search(body, 0, ANSWER_BEGINS) is not None)
        try:
            with anyio.fail_after(WRITE_SECONDS):
                await self._send(message)
                written = await self._connection.flushed() if body else not self._connection.is_lost
        except TimeoutError:
            log.info("a client has not read its answer for %.0f s: its connection is closed", WRITE_SECONDS)
            self._connection.abort()
            self.end()
            return
        if not is_answer:
            return
        if written:
            notes, self._notes = self._notes, []
            with anyio.CancelScope(shield=True):
                for note in notes:
                    await note()
        self.settled.set()


@dataclass(slots=True)
class Body:
    """The body of a request."""

    data: bytearray = field(default_factory=bytearray)
    """What has come of it; empty once it is passed on."""
    size: int = 0
    """How many bytes have come."""


class Sessions:
    """The sessions of the handshake era, and which of them has been without a request for longest."""

    def __init__(self) -> None:
        self._open: dict[str, int] = {}
        """How many requests each has, a stream that it listens to among them; the last used come last."""

    @contextmanager
    def using(self, session: str) -> Iterator[None]:
        """One of its requests is being dealt with; nothing is noted of a session that there is not."""
        if session not in self._open:
            yield
            return
        self._open[session] = self._open.pop(session) + 1
        try:
            yield
        finally:
            if session in self._open:
                self._open[session] = self._open.pop(session) - 1

    def begin(self, session: str) -> None:
        """Note a session that is new; empty for none."""
        if session:
            self._open[session] = 0

    def end(self, session: str) -> None:
        """Forget a session."""
        self._open.pop(session, None)

    def surplus(self) -> str:
        """The one to end before another begins; empty while there is room, or where all are in use."""
        if len(self._open) < MOST_SESSIONS:
            return ""
        return next((session for session, requests in self._open.items() if not requests), "")
