"""Messages on their way to the client, over standard output."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import select
import socket
import stat
import sys
import threading
from collections import deque
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import mcp.types as t

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from mcp.shared.message import SessionMessage

    Writing = Callable[[memoryview], int]

MOST_UNSENT = 8 * 1024 * 1024
"""Bytes that may wait for a client to read them before no more is taken from it: a dozen of the largest replies. In
memory they take up to eight times as much: 70 kB for a list of tools that has 9 kB."""
MOST_AT_ONCE = 5000
"""Requests that wait for their answers. No client has as many; each takes 20 to 50 kB while it is dealt with."""
MOST_CHARACTERS = 256 * 1024 * 1024
"""Characters that the arguments of all these may have together: more than the largest call of any row."""
BUSY = -32010
"""The error of a request that is refused because too many others wait: a code that the protocol leaves to servers."""
LARGE = 1_000_000
"""Characters of a call's arguments, or bytes of a request over HTTP, after which the garbage collector runs. After many
small calls it is soon enough by itself."""
COLLECT_SECONDS = 1.0
"""How long after a call it runs: once for those that end together, and not before their answers are written."""
PIPE_SIZE = 1 << 20
"""Bytes that the pipe to the client is to hold: a whole reply, so that it is written at once. Linux allows
users no more."""


class Output:
    """Standard output.

    A message is written where it is sent, as far as the client can take it at once: with a task for all messages, each
    would wait for several rounds of the event loop, and behind every other one. `run` writes what is left.
    """

    def __init__(self, wire: int, write_some: Writing | None) -> None:
        self._wire = wire
        self._write_some = write_some
        self._unsent: deque[tuple[memoryview, anyio.Event]] = deque()
        """What is not written yet, and what to set once it is."""
        self._unsent_bytes = 0
        self._more = anyio.Event()
        """Set when `run` has something to do."""
        self._thread = anyio.CapacityLimiter(1)
        """Of its own: decoding and saving can occupy all shared ones for seconds."""
        self._lock = threading.Lock()
        """Held while something is written, as `send_beside` may be called from another thread."""
        self._loop = asyncio.get_running_loop()

    async def send(self, item: SessionMessage, /) -> None:
        """Return when it is written, or when standard output is broken, which `run` reports."""
        await anyio.lowlevel.checkpoint_if_cancelled()
        written = self._add(item)
        if not written.is_set():
            await written.wait()

    def send_at_once(self, item: SessionMessage) -> bool:
        """Send it if nothing else waits to be written. Return whether that was so."""
        if self._unsent:
            return False
        self._add(item)
        return True

    def send_beside(self, item: SessionMessage) -> bool:
        """Send it from any thread, before what waits but not inside a line. Return whether that can be done."""
        rest = _line_of(item)
        with self._lock:
            if self._write_some is None or self._unsent_bytes > MOST_UNSENT:
                return False
            if not self._unsent:
                with suppress(OSError):  # it has to wait, or the other side is gone, which `run` finds out
                    rest = rest[self._write_some(rest) :]
            if rest:
                self._unsent.insert(1, (rest, anyio.Event()))  # the first of those that wait may be written in part
                self._unsent_bytes += len(rest)
                self._loop.call_soon_threadsafe(self._has_more)
        return True

    def _has_more(self) -> None:
        self._more.set()

    def _add(self, item: SessionMessage) -> anyio.Event:
        line, written = _line_of(item), anyio.Event()
        with self._lock:
            self._unsent.append((line, written))
            self._unsent_bytes += len(line)
            if len(self._unsent) > 1 or not self._write_what_fits():
                self._more.set()
        return written

    def _write_what_fits(self) -> bool:
        """Write what the client takes at once. Return whether nothing is left."""
        try:
            while self._unsent and self._write_some is not None:
                rest, _ = self._unsent[0]
                self._took(self._write_some(rest))
        except OSError:  # it would have to wait, or it is broken, which `run` finds out
            return False
        return not self._unsent

    def _took(self, size: int) -> None:
        rest, written = self._unsent[0]
        self._unsent_bytes -= size
        if size < len(rest):
            self._unsent[0] = rest[size:], written
        else:
            self._unsent.popleft()
            written.set()

    async def run(self) -> None:
        """Write what could not be written at once, until cancelled.

        Raises:
            BrokenPipeError: the client no longer reads.
        """
        while True:
            await self._more.wait()
            self._more = anyio.Event()
            while self._unsent:
                rest, _ = self._unsent[0]
                if self._write_some is None:
                    self._took(await anyio.to_thread.run_sync(os.write, self._wire, rest, limiter=self._thread))
                    continue
                try:
                    with self._lock:
                        self._took(self._write_some(rest))
                except BlockingIOError:
                    await anyio.wait_writable(self._wire)

    async def room(self) -> None:
        """Return once no more waits to be written than a client may leave unread."""
        while self._unsent_bytes > MOST_UNSENT:
            await self._unsent[0][1].wait()

    async def drained(self) -> None:
        """Return when all is written."""
        while self._unsent:
            await self._unsent[-1][1].wait()


def _line_of(item: SessionMessage) -> memoryview:
    return memoryview(item.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")


class Garbage:
    """Runs the garbage collector soon after a call of which much may be left.

    What is left of a call may refer to itself, above all of one that was cancelled while it read pictures. By itself
    the collector looks through everything seldom: it counts objects, and not what they hold.
    """

    def __init__(self) -> None:
        self._collection: asyncio.TimerHandle | None = None
        """Set while a collection is due."""

    def left_by(self, size: int) -> None:
        """Note that a call of this size has ended, in characters or bytes; after a large one it is collected soon."""
        if size > LARGE:
            self.collect_soon()

    def collect_soon(self) -> None:
        """Collect once, however often this is called until then."""
        if self._collection is None:
            self._collection = asyncio.get_running_loop().call_later(COLLECT_SECONDS, self._collect)

    def _collect(self) -> None:
        self._collection = None
        gc.collect()


class Exchange:
    """What both directions of a conversation know: which requests wait for their answers, and whether it is over.

    Args:
        most: requests that may wait at once.
        characters: what the arguments of all these may have together; one request alone may have more.
    """

    over = False
    """Whether the conversation is over: no further message of the client is dealt with."""

    def __init__(self, most: int = MOST_AT_ONCE, characters: int = MOST_CHARACTERS) -> None:
        self._most = most
        self._most_characters = characters
        self._waiting: dict[t.RequestId, int] = {}
        """The requests, and how many characters their arguments have."""
        self._characters = 0
        self._garbage = Garbage()

    def begin(self, request: t.JSONRPCRequest) -> t.JSONRPCError | None:
        """Count a request among those that wait; the error for one that cannot be dealt with beside them."""
        if request.id in self._waiting:
            # without an id: with this one, it would be taken for the answer to the first
            error = t.ErrorData(code=t.INVALID_REQUEST, message="a request with this id is not answered yet")
            return t.JSONRPCError(jsonrpc="2.0", id=None, error=error)
        size = _characters(request.params)
        is_full = len(self._waiting) >= self._most
        if is_full or (self._waiting and self._characters + size > self._most_characters):
            error = t.ErrorData(code=BUSY, message="too much was asked at once; ask again when there are answers")
            return t.JSONRPCError(jsonrpc="2.0", id=request.id, error=error)
        self._waiting[request.id] = size
        self._characters += size
        return None

    def answered(self, request: t.RequestId | None) -> None:
        """Forget a request that has its answer."""
        size = 0 if request is None else self._waiting.pop(request, 0)
        self._characters -= size
        self._garbage.left_by(size)

    async def settled(self, request: t.RequestId) -> None:
        """Forget a request that will have no answer, as the client has cancelled it."""
        self.answered(request)


def _characters(params: dict[str, Any] | None) -> int:
    """How many characters the texts of a call's arguments have, also those in lists."""
    arguments = (params or {}).get("arguments")
    if not isinstance(arguments, dict):
        return 0
    values = [one for value in arguments.values() for one in (value if isinstance(value, list) else (value,))]
    return sum(len(one) for one in values if isinstance(one, str))


class Errors:
    """Standard error, for a log that never waits: what its reader has no room for is left out.

    A client need not read it. Once its pipe is full, a write would keep the whole server waiting.
    """

    def __init__(self, wire: int) -> None:
        self._wire = wire
        self._open = ExitStack()
        """Never closed: there may be something to log until the process ends."""
        self._write_some = self._open.enter_context(without_waiting(wire))
        self._rest = memoryview(b"")
        """What is left of a line that was begun."""

    def write(self, text: str) -> None:
        """Write a line as far as there is room, or leave it out if there is none."""
        if self._rest and self._left_of(self._rest):
            return
        self._left_of(memoryview(text.encode(errors="backslashreplace")))

    def flush(self) -> None:
        """Nothing is kept back."""

    def _left_of(self, rest: memoryview) -> bool:
        """Write what there is room for. Return whether some of a line that was begun is left."""
        size = len(rest)
        try:
            while rest:
                rest = rest[self._write_some(rest) if self._write_some else os.write(self._wire, rest) :]
        except OSError:  # there is no room, or nobody reads it any more
            rest = rest if len(rest) < size or self._rest else memoryview(b"")
        self._rest = rest
        return bool(rest)


class First(logging.Filter):
    """Lets only the first records through: a client causes as many as it likes."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._left = most

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is among them, or an error."""
        self._left -= record.levelno < logging.ERROR
        return self._left >= 0 or record.levelno >= logging.ERROR


class WithoutFarewell:
    """The SDK's stream to the client, which knows what is answered, and ends without errors for calls in flight.

    The SDK writes these when the client has hung up. They say "Connection closed" to the client that closed it, and
    clients on mcp 1.x end with a traceback because of them.
    """

    def __init__(self, inner: Output, exchange: Exchange) -> None:
        self._inner = inner
        self._exchange = exchange

    async def send(self, item: SessionMessage, /) -> None:
        """Send it, unless it is such an error."""
        answer = item.message
        if isinstance(answer, t.JSONRPCResponse | t.JSONRPCError):
            self._exchange.answered(answer.id)
        if self._exchange.over and isinstance(answer, t.JSONRPCError) and answer.error.code == t.CONNECTION_CLOSED:
            return
        await self._inner.send(item)

    async def aclose(self) -> None:
        """Standard output outlives the conversation."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()


@contextmanager
def standard_output() -> Iterator[int]:
    """A descriptor that leads to the client. While the block runs, all that is printed goes to standard error.

    The descriptor is never closed, because a thread may still wait to write to it.
    """
    sys.stdout.flush()
    if sys.platform == "win32":
        wire = os.dup(1)
    else:
        wire = fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, 3)
        os.set_blocking(wire, True)
    os.dup2(2, 1)
    try:
        yield wire
    finally:
        sys.stdout.flush()
        os.dup2(wire, 1)


@contextmanager
def without_waiting(wire: int) -> Iterator[Writing | None]:
    """What writes as much as a reader has room for, and raises BlockingIOError where that is nothing.

    Whether a descriptor waits is a property of what was opened, which other processes may share. So that is left as it
    is. None where there is no such way: for files, terminals, and on Windows.
    """
    if sys.platform == "win32":
        yield None
        return
    kind = os.fstat(wire).st_mode
    if stat.S_ISSOCK(kind):  # what Node.js gives the servers it starts
        with socket.socket(fileno=os.dup(wire)) as own:
            yield lambda rest: own.send(rest, socket.MSG_DONTWAIT)
    elif not stat.S_ISFIFO(kind):
        yield None
    elif (pipe := _opened_once_more(wire)) is None:
        yield in_portions(wire)
    else:
        try:
            yield partial(os.write, pipe)
        finally:
            os.close(pipe)


def _opened_once_more(pipe: int) -> int | None:
    """A descriptor of the same pipe that never waits; None where the system has no such thing, as all but Linux."""
    if sys.platform != "linux":
        return None
    try:
        own = os.open(f"/proc/self/fd/{pipe}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # there is no /proc here, or nobody reads any more
        return None
    with suppress(OSError):  # the user's pipes hold too much already; then it is written in parts
        fcntl.fcntl(own, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    return own


def in_portions(pipe: int) -> Writing:
    """What does the same for a pipe that cannot be opened once more: it asks before each small part."""
    poll = select.poll()
    poll.register(pipe, select.POLLOUT)

    def write(rest: memoryview) -> int:
        if not poll.poll(0):
            raise BlockingIOError
        return os.write(pipe, rest[: select.PIPE_BUF])  # a pipe that is ready takes so many bytes at once (POSIX)

    return write
