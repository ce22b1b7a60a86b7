"""How a conversation opens: from the bytes of a stream to the messages that reach the SDK's server.

A line that is not a message is answered here, with what is wrong with it. The protocol era of a client is decided by
its first request other than `server/discover`. The SDK would take any first request as the client's choice of era, that
question too. Widely used clients ask it, wait a second for the answer and then shake hands; a server that takes longer
to start finds both in its pipe, and the SDK refuses the handshake. So the question is answered on a connection of its
own, and what follows decides.
"""

from __future__ import annotations

import codecs
import json
import logging
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import anyio
import mcp.types as t
from mcp.shared.message import ServerMessageMetadata, SessionMessage
from pydantic import ValidationError
from pydantic_core import from_json

from imagewright.surface.output import Exchange
from imagewright.text import is_whole

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable, Iterator

    from anyio.abc import TaskGroup
    from anyio.streams.memory import MemoryObjectSendStream
    from mcp.server import Server

    Incoming = AsyncIterable[list["Item"]]
    Requests = MemoryObjectSendStream[SessionMessage | Exception]

log = logging.getLogger(__name__)

DISCOVER = "server/discover"
INITIALIZE = "initialize"
CANCELLED = "notifications/cancelled"
MOST_LOGGED = 100
"""Refused lines that are logged. A client need not read our standard error, and once its pipe is full, we block."""
LONGEST_LINE = 256 * 1024 * 1024
"""Bytes: the largest call of any row, five pictures of 25 MiB as base64, has 175 MB."""
MOST_COMMAS = 50_000
"""Commas of a line, in texts too; the longest prompt of any row has room for 32,000. Between them stand the values, and
reading many keeps everything else waiting."""
MOST_MEMBERS = 200
"""Members of each object and list in the parameters, down to the second level, for the same reason. A tool's arguments
are not among them: the tool says better what is wrong with them."""
LONGEST_PING = 200
"""Bytes of a line that is looked at for a ping before its turn."""
LONGEST_NAME = 200
"""Characters of what is sent back as it came: a method's name, an id, a progress token."""


class Fault(NamedTuple):
    """A line that is not a message."""

    code: int
    """The protocol's error code."""
    why: str
    """What is wrong, without any of the line's content: it may hold a prompt."""
    request: t.RequestId | None
    """The id its sender gave it, where that can be read."""
    size: int
    """Bytes of the line."""

    def answer(self) -> t.JSONRPCError:
        """What the protocol answers."""
        error = t.ErrorData(code=self.code, message=self.why)
        return t.JSONRPCError(jsonrpc="2.0", id=self.request, error=error)


Item = t.JSONRPCMessage | Fault
"""What a line that is not blank holds."""


class LineReader:
    """Cuts a stream of bytes into lines and reads each; it never waits, so it runs where the bytes are read.

    A line of more than `longest` bytes is skipped without being kept, and is a fault.
    """

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._longest = longest
        self._begun = bytearray()
        self._size = 0

    def feed(self, chunk: bytes) -> list[Item]:
        """The lines that end in the next bytes of the stream."""
        return read_all(self.cut(chunk))

    def cut(self, chunk: bytes) -> list[bytes | Fault]:
        """The same lines, not read yet."""
        *ends, rest = chunk.split(b"\n")
        found = [self._end(end) for end in ends]
        self._add(rest)
        return found

    def finish(self) -> list[Item]:
        """The last line, where the stream ended without closing it."""
        return read_all([self._end(b"")])

    def _add(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._longest:
            self._begun = bytearray()
        else:
            self._begun += part

    def _end(self, part: bytes) -> bytes | Fault:
        if self._size:
            self._add(part)
            part, size = bytes(self._begun), self._size
            self._begun, self._size = bytearray(), 0
            if size > self._longest:
                return Fault(t.INVALID_REQUEST, f"the line is longer than {self._longest} bytes", None, size)
        return part


def may_be_ping(line: bytes | Fault) -> bool:
    """Whether a line looks like a ping."""
    return isinstance(line, bytes) and len(line) <= LONGEST_PING and b'"ping"' in line


def read_all(lines: Iterable[bytes | Item]) -> list[Item]:
    """The messages of lines, some of which may be read already."""
    read = (read_line(line) if isinstance(line, bytes) else line for line in lines)
    return [item for item in read if item is not None]


def read_line(line: bytes) -> Item | None:
    """The message a line holds, or what is wrong with it; None for a blank line.

    The JSON is read once and only then compared with the kinds of message: each of them would read it anew.
    """
    text = line.removeprefix(codecs.BOM_UTF8).strip()
    if not text:
        return None
    if text.count(b",") > MOST_COMMAS:
        return Fault(t.INVALID_REQUEST, f"the message has more than {MOST_COMMAS} commas", None, len(text))
    try:
        raw = from_json(text, allow_inf_nan=text.startswith(b"{"))
    except ValueError as error:
        return Fault(t.PARSE_ERROR, f"the message is not JSON: {error}", _id_in(text), len(text))
    try:
        message, why = t.jsonrpc_message_adapter.validate_python(raw, by_name=False), _excess(raw)
    except ValidationError:
        # a client that could not read a line of ours may say so without an id, and needs no answer
        is_report = isinstance(raw, dict) and isinstance(raw.get("error"), dict) and "id" not in raw
        message, why = None, "" if is_report else next(_wrongs(raw))
    if why:
        return Fault(t.INVALID_REQUEST, why, _id(raw), len(text))
    if isinstance(message, t.JSONRPCNotification) and "id" in raw:
        return _with_odd_id(raw, message, len(text))
    return message


def _excess(raw: dict[str, Any]) -> str:
    """What of a message is more than the SDK should read, or longer than is sent back; empty where nothing is."""
    params = raw.get("params") or {}
    meta = params.get("_meta")
    names = [raw.get("method"), raw.get("id"), meta.get("progressToken") if isinstance(meta, dict) else None]
    if any(map(_is_long, names)):
        return f"a method, an id or a progress token is longer than {LONGEST_NAME} characters"
    has_own_check = raw.get("method") == "tools/call" and isinstance(params.get("arguments"), dict)
    groups = [value for name, value in params.items() if not (has_own_check and name == "arguments")]
    if len(params) <= MOST_MEMBERS:
        groups += [inner for value in groups if isinstance(value, dict) for inner in [*value.values()][:MOST_MEMBERS]]
    if any(isinstance(one, dict | list) and len(one) > MOST_MEMBERS for one in (params, *groups)):
        return f"params holds an object or a list of more than {MOST_MEMBERS} members"
    return ""


def _is_long(name: object) -> bool:
    return isinstance(name, str | int) and len(str(name)) > LONGEST_NAME


def _with_odd_id(raw: dict[str, Any], message: t.JSONRPCNotification, size: int) -> Item:
    """A message whose id has a type that the SDK would ignore, so that its sender would wait for ever."""
    match raw["id"]:
        case None if message.method.startswith("notifications/"):
            return message
        case float() as number if number.is_integer():
            return t.JSONRPCRequest(jsonrpc="2.0", id=int(number), method=message.method, params=message.params)
        case _:
            return Fault(t.INVALID_REQUEST, "id must be a text or a whole number", None, size)


def _id_in(text: bytes) -> t.RequestId | None:
    """The id in a line that is not JSON. More is taken here than the protocol does, such as half a surrogate pair."""
    try:
        return _id(json.loads(text.decode("utf-8", "replace"), strict=False))
    except (ValueError, RecursionError):
        return None


def _id(raw: Any) -> t.RequestId | None:
    """The id of what was meant as a request. The id of an answer is one of ours, and must not be sent back."""
    if not isinstance(raw, dict) or "result" in raw or "error" in raw:
        return None
    found = raw.get("id")
    if not isinstance(found, str | int) or isinstance(found, bool) or _is_long(found):
        return None
    return found if is_whole(str(found)) else None


def _wrongs(raw: Any) -> Iterator[str]:
    """What keeps well-formed JSON from being a message, the plainest first."""
    if isinstance(raw, list):
        yield "batches are not part of this protocol; send one message at a time"
    if not isinstance(raw, dict):
        yield "a message must be a JSON object"
        return
    if raw.get("jsonrpc") != "2.0":
        yield 'jsonrpc must be "2.0"'
    if "method" in raw and not isinstance(raw["method"], str):
        yield "method must be a text"
    if not isinstance(raw.get("params", {}), dict):
        yield "params must be an object"
    yield "the message is neither a request nor a notification nor an answer"


class Answers(Protocol):
    """Where messages to the client go."""

    async def send(self, item: SessionMessage, /) -> None:
        """Write one."""

    def send_at_once(self, item: SessionMessage) -> bool:
        """Write one if nothing waits to be written. Return whether that was so."""

    def send_beside(self, item: SessionMessage) -> bool:
        """Write one from another thread, before those that wait. Return whether that can be done."""

    async def room(self) -> None:
        """Return once not too much waits to be written."""


class Opening:
    """Hands a client's messages to the SDK's server, once its era is known.

    Args:
        server: answers `server/discover` before the era is known, each time on a connection of its own.
        requests: to the server that the conversation is with; closed when the client has no more to say.
        answers: to the client.
        exchange: what those who answer have to know, too.
    """

    def __init__(
        self, server: Server[Any], requests: Requests, answers: Answers, exchange: Exchange | None = None
    ) -> None:
        self._server = server
        self._requests = requests
        self._answers = answers
        self._decided = False
        self._takes_pings = False
        self._refused = 0
        self._asked: dict[t.RequestId, anyio.CancelScope] = {}
        self._exchange = exchange or Exchange()
        self._relaying = anyio.CancelScope()

    async def relay(self, incoming: Incoming) -> None:
        """Until the client has no more to say.

        What was in the pipe together is read together, so that a handshake after a question is seen before the question
        is answered.
        """
        async with self._requests:
            with self._relaying:
                async with anyio.create_task_group() as group:
                    async for batch in incoming:
                        for item in batch:
                            await self._answers.room()
                            await self._take(item, group)
                    self._exchange.over = True

    def stop(self) -> None:
        """Deal with nothing more, not even with what was read already."""
        self._exchange.over = True
        self._relaying.cancel()

    def answer_ping(self, item: Item, *, beside: bool = False) -> bool:
        """Answer a plain ping of the handshake era, ahead of all other work; whether it was one, and is answered.

        On its way through the SDK it would wait for half a dozen rounds of the event loop, each of which takes
        longest when most is going on. The later era has no pings. With `beside`, it is called from another thread, and
        waits for no round at all: one can take a third of a second while 1,000 jobs begin or end.
        """
        match item:
            case t.JSONRPCRequest(method="ping") if self._takes_pings and not item.params and not self._exchange.over:
                answer = t.JSONRPCResponse(jsonrpc="2.0", id=item.id, result={})
                send = self._answers.send_beside if beside else self._answers.send_at_once
                return send(SessionMessage(answer))
        return False

    async def _take(self, item: Item, group: TaskGroup) -> None:
        match item:
            case Fault():
                self._log(item)
                await self._answer(SessionMessage(item.answer()))
                return
            case t.JSONRPCRequest() if (error := self._exchange.begin(item)) is not None:
                await self._answer(SessionMessage(error))
                return
            case t.JSONRPCRequest(method=method) if not self._decided and method == DISCOVER and _is_enveloped(item):
                scope = self._asked[item.id] = anyio.CancelScope()
                group.start_soon(self._discover, item, scope)
                return
            case t.JSONRPCRequest(method=method):
                if method == INITIALIZE and not self._decided:
                    await self._decline_questions()
                if not self._decided:
                    self._takes_pings = method == INITIALIZE or not _is_enveloped(item)
                self._decided = True
            case t.JSONRPCNotification(method=method, params={"requestId": str() | int() as request}):
                if method == CANCELLED and request in self._asked:
                    self._asked.pop(request).cancel()
        metadata = None
        if isinstance(item, t.JSONRPCRequest):
            metadata = ServerMessageMetadata(on_request_unanswered=partial(self._exchange.settled, item.id))
        await self._requests.send(SessionMessage(item, metadata))

    async def _discover(self, request: t.JSONRPCRequest, scope: anyio.CancelScope) -> None:
        with scope:
            answer = await self._answer_apart(request)
        if scope.cancelled_caught:
            self._exchange.answered(request.id)
            return
        self._asked.pop(request.id, None)
        self._exchange.answered(request.id)
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
        """A client that shakes hands has given up its question, which is answered as a server of that era would."""
        for request, scope in list(self._asked.items()):
            scope.cancel()
            self._exchange.answered(request)
            error = t.ErrorData(code=t.METHOD_NOT_FOUND, message="Method not found", data=DISCOVER)
            await self._answer(SessionMessage(t.JSONRPCError(jsonrpc="2.0", id=request, error=error)))
        self._asked.clear()

    async def _answer(self, answer: SessionMessage) -> None:
        # A client that no longer reads needs no answer. Where answers are written, this ends the conversation.
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
