"""How a conversation opens: which protocol era a client speaks is decided by its first request that is not a question.

The SDK takes the first request of a connection as the client's choice of era, also when that request is only
`server/discover`. Widely used clients ask that, wait a second for the answer and then shake hands; a server that takes
longer to start has both in its pipe, and the SDK refuses the handshake. So the question is answered apart, and whatever
follows it decides. Lines that are no message are answered here as well.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import mcp.types as t
from mcp.shared.message import SessionMessage

from imagewright.surface.lines import Fault

if TYPE_CHECKING:
    from anyio.abc import TaskGroup
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
    from mcp.server import Server

    from imagewright.surface.lines import Item

    Incoming = MemoryObjectReceiveStream[list[Item]]
    Requests = MemoryObjectSendStream[SessionMessage | Exception]

log = logging.getLogger(__name__)

DISCOVER = "server/discover"
INITIALIZE = "initialize"
CANCELLED = "notifications/cancelled"
MOST_LOGGED = 100
"""Refused lines that are logged: a client need not read our standard error, and a pipe that is full of it blocks us."""


class Answers(Protocol):
    """Where messages to the client go."""

    async def send(self, item: SessionMessage, /) -> None:
        """Write one."""


class Opening:
    """Hands a client's messages to the SDK's server, once its era is known.

    Args:
        server: answers `server/discover` before the era is known, each time on a connection of its own.
        requests: to the server that the conversation is with; closed when the client has no more to say.
        answers: to the client.

    Attributes:
        over: whether the client has no more to say.
    """

    def __init__(self, server: Server[Any], requests: Requests, answers: Answers) -> None:
        self._server = server
        self._requests = requests
        self._answers = answers
        self.over = False
        self._decided = False
        self._refused = 0
        self._asked: dict[t.RequestId, anyio.CancelScope] = {}

    async def relay(self, incoming: Incoming) -> None:
        """Until the client has no more to say.

        Args:
            incoming: what stood in the pipe together comes together, so that a handshake behind a question is seen
                before the question is answered.
        """
        async with self._requests, anyio.create_task_group() as group:
            async for batch in incoming:
                for item in batch:
                    await self._take(item, group)
            self.over = True

    async def _take(self, item: Item, group: TaskGroup) -> None:
        match item:
            case Fault():
                self._log(item)
                await self._answer(SessionMessage(item.answer()))
                return
            case t.JSONRPCRequest(method=method) if not self._decided and method == DISCOVER and _is_enveloped(item):
                scope = self._asked[item.id] = anyio.CancelScope()
                group.start_soon(self._discover, item, scope)
                return
            case t.JSONRPCRequest(method=method):
                if method == INITIALIZE and not self._decided:
                    await self._decline_questions()
                self._decided = True
            case t.JSONRPCNotification(method=method, params={"requestId": str() | int() as request}):
                if method == CANCELLED and request in self._asked:
                    self._asked.pop(request).cancel()
        await self._requests.send(SessionMessage(item))

    async def _discover(self, request: t.JSONRPCRequest, scope: anyio.CancelScope) -> None:
        with scope:
            answer = await self._answer_apart(request)
        if scope.cancelled_caught:
            return
        self._asked.pop(request.id, None)
        await self._answer(answer)

    async def _answer_apart(self, request: t.JSONRPCRequest) -> SessionMessage:
        """The server's answer on a connection that ends with it."""
        ask, asked = anyio.create_memory_object_stream[SessionMessage | Exception](1)
        answer, answered = anyio.create_memory_object_stream[SessionMessage](1)
        async with ask, asked, answer, answered, anyio.create_task_group() as group:
            group.start_soon(self._server.run, asked, answer, self._server.create_initialization_options())
            await ask.send(SessionMessage(request))
            found = await answered.receive()
            await ask.aclose()
        return found

    async def _decline_questions(self) -> None:
        """A client that shakes hands has given up its question: it gets the answer of a server of that era."""
        for request, scope in list(self._asked.items()):
            scope.cancel()
            error = t.ErrorData(code=t.METHOD_NOT_FOUND, message="Method not found", data=DISCOVER)
            await self._answer(SessionMessage(t.JSONRPCError(jsonrpc="2.0", id=request, error=error)))
        self._asked.clear()

    async def _answer(self, answer: SessionMessage) -> None:
        # a client that no longer reads needs no answer; that it went ends the conversation where answers are written
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await self._answers.send(answer)

    def _log(self, fault: Fault) -> None:
        self._refused += 1
        if self._refused <= MOST_LOGGED:
            log.warning("refused a line of %d bytes: %s", fault.size, fault.why)
        if self._refused == MOST_LOGGED:
            log.warning("more lines that are refused will not be logged")


def _is_enveloped(request: t.JSONRPCRequest) -> bool:
    meta = (request.params or {}).get("_meta")
    return isinstance(meta, dict) and t.PROTOCOL_VERSION_META_KEY in meta
