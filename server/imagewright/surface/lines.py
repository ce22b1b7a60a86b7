"""From the bytes of a stream to messages of the protocol, one a line; a line that is no message says what is wrong.

Nothing here waits: the functions are called where the bytes are read, away from the event loop.
"""

from __future__ import annotations

import codecs
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mcp.types as t
from pydantic import ValidationError

from imagewright.text import is_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_LINE = 256 * 1024 * 1024
"""Bytes: the largest call of any row, five pictures of 25 MiB as base64, has 175 MB."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A line that is no message.

    Attributes:
        code: the protocol's error code.
        why: what is wrong, without any of the line's content: it may hold a prompt.
        request: the id its sender gave it, where that can be read.
        size: bytes of the line.
    """

    code: int
    why: str
    request: t.RequestId | None
    size: int

    def answer(self) -> t.JSONRPCError:
        """What the protocol answers."""
        error = t.ErrorData(code=self.code, message=self.why)
        return t.JSONRPCError(jsonrpc="2.0", id=self.request, error=error)


Item = t.JSONRPCMessage | Fault
"""What a line that is not blank holds."""


class LineReader:
    """Cuts a stream of bytes into lines and reads each.

    Args:
        longest: bytes a line may have; a longer one is skipped without being kept, and is a fault.
    """

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._longest = longest
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[Item]:
        """The lines that end in the next bytes of the stream."""
        *ends, rest = chunk.split(b"\n")
        found = [item for end in ends if (item := self._end(end)) is not None]
        self._add(rest)
        return found

    def finish(self) -> list[Item]:
        """The last line, where the stream ended without closing it."""
        item = self._end(b"")
        return [] if item is None else [item]

    def _add(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._longest:
            self._parts.clear()
        elif part:
            self._parts.append(part)

    def _end(self, part: bytes) -> Item | None:
        self._add(part)
        line, size = b"".join(self._parts), self._size
        self._parts, self._size = [], 0
        if size > self._longest:
            return Fault(t.INVALID_REQUEST, f"the line is longer than {self._longest} bytes", None, size)
        return read_line(line)


def read_line(line: bytes) -> Item | None:
    """The message a line holds, or what is wrong with it; None for a blank line."""
    text = line.removeprefix(codecs.BOM_UTF8).strip()
    if not text:
        return None
    try:
        message = t.jsonrpc_message_adapter.validate_json(text, by_name=False)
    except ValidationError as error:
        return _fault(text, error)
    if isinstance(message, t.JSONRPCNotification) and b'"id"' in text:
        return _with_odd_id(text, message)
    return message


def _with_odd_id(text: bytes, message: t.JSONRPCNotification) -> Item:
    """A message whose id the SDK would ignore as being of a wrong type, so that its sender waited for ever."""
    raw = json.loads(text)
    match raw.get("id"):
        case None if "id" not in raw or message.method.startswith("notifications/"):
            return message
        case float() as number if number.is_integer():
            return t.JSONRPCRequest(jsonrpc="2.0", id=int(number), method=message.method, params=message.params)
        case _:
            return Fault(t.INVALID_REQUEST, "id must be a text or a whole number", None, len(text))


def _fault(text: bytes, error: ValidationError) -> Fault:
    try:
        # takes more than the protocol does, such as half a surrogate pair, so the id can be read for the answer
        raw = json.loads(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raw = None
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        if detail["type"] == "json_invalid":
            why = detail["msg"].removeprefix("Invalid JSON: ")
            return Fault(t.PARSE_ERROR, f"the line is not JSON: {why}", _id(raw), len(text))
    return Fault(t.INVALID_REQUEST, next(_wrongs(raw)), _id(raw), len(text))


def _id(raw: Any) -> t.RequestId | None:
    """The id of what was meant as a request. That of an answer is one of ours, and must not come back to its sender."""
    if not isinstance(raw, dict) or "result" in raw or "error" in raw:
        return None
    found = raw.get("id")
    return found if isinstance(found, str | int) and not isinstance(found, bool) and is_whole(str(found)) else None


def _wrongs(raw: Any) -> Iterator[str]:
    """What keeps well-formed JSON from being a message, the plainest first."""
    if isinstance(raw, list):
        yield "batches are not part of this protocol; send one message a line"
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
