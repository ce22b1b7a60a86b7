"""Serve one client over standard input and output; everything else goes to standard error."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import select
import signal
import stat
import sys
import threading
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, cast

import anyio
import anyio.to_thread
import mcp.types as t
from anyio.from_thread import BlockingPortal
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage

from imagewright.engine.engine import open_engine
from imagewright.surface.opening import LineReader, Opening
from imagewright.surface.server import McpServer

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
    from mcp.shared._stream_protocols import WriteStream

    from imagewright.engine.engine import Engine
    from imagewright.settings.load import Settings
    from imagewright.surface.opening import Item

log = logging.getLogger(__name__)

PIPE_BUF = 512 if sys.platform == "win32" else select.PIPE_BUF
CHUNK = 65_536
"""Bytes read at once; what a pipe holds on Linux."""
OVER = (RuntimeError, CancelledError, anyio.ClosedResourceError, anyio.BrokenResourceError)
"""What a thread gets when it passes something on after the conversation has ended."""
LEAVE_SECONDS = 1.5
"""Seconds for which the answer to a request that is being sent is waited for, if a courier hears it after that. The MCP
SDKs send TERM 2 s after they closed our input, and closing takes a moment. Without couriers it is waited for longer."""
TERM_SECONDS = 3.9
"""Seconds after the first signal until the process ends, whatever is left to do; Docker sends KILL after 10."""
HURRIED_SECONDS = 1.9
"""The same if the input had ended before the signal: the MCP SDKs then send KILL 2 s after TERM."""
ENDING_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
"""The signals after which the server leaves, as far as the system has them: Ctrl-C; what clients and service managers
send; a terminal that was closed; Ctrl-Break on Windows."""


async def serve_stdio(settings: Settings) -> bool:
    """Serve until the client closes its end, or a signal asks the server to leave.

    Then nothing more is read. Jobs go on and keep their leases until no request is being sent any more, so that no
    answer that was paid for is lost. The next process carries the jobs on.

    Returns:
        Whether it was Ctrl-C.

    Raises:
        SettingsError: a toggle names no tool, or a provider is unknown; nothing was served.
        BrokenPipeError: the client no longer reads.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    app: McpServer | None = None

    async def announce() -> None:
        if app is not None:
            await app.offer_changed()

    async with anyio.create_task_group() as group:
        async with open_engine(settings, on_change=announce) as engine:
            app = McpServer(engine)
            with _standard_input() as wire:
                lines, incoming = anyio.create_memory_object_stream[list["Item"]]()
                ending = _Ending(lines.close)
                group.start_soon(_watch_signals, ending)
                try:
                    async with BlockingPortal() as portal, incoming, lines:
                        threading.Thread(target=_read, args=(wire, portal, lines), name="stdin", daemon=True).start()
                        await _converse(app, incoming)
                finally:
                    with anyio.CancelScope(shield=True):
                        await ending.leave(engine)
        group.cancel_scope.cancel()
    return ending.interrupted


class _Ending:
    """How the server ends: at the end of its input as soon as it can, and after a signal within seconds."""

    def __init__(self, stop_reading: Callable[[], None]) -> None:
        self.interrupted = False
        """Whether the first signal was Ctrl-C."""
        self._stop_reading = stop_reading
        self._received: set[int] = set()
        self._leaving = False

    def take(self, number: int) -> None:
        """Take a signal. The first starts the end. The same again ends the process at once."""
        if number in self._received:
            # a terminal that closes, and a service manager that stops a session, may send this one more than once
            if number != getattr(signal, "SIGHUP", None):
                signal.signal(number, signal.SIG_DFL)
                signal.raise_signal(number)
                os._exit(128 + number)  # the first process of a container is not ended by a signal of its own
            return
        self._received.add(number)
        if len(self._received) > 1:
            return
        self.interrupted = number == signal.SIGINT
        seconds = HURRIED_SECONDS if self._leaving else TERM_SECONDS
        # with the exit code that shells report for a signal
        last = threading.Timer(seconds, os._exit, (128 + number,))
        last.daemon = True
        last.start()
        self._stop_reading()

    async def leave(self, engine: Engine) -> None:
        """Wait until the answers to what is being sent are written down, or will be by others."""
        self._leaving = True
        await engine.leave(LEAVE_SECONDS)


async def _converse(app: McpServer, incoming: MemoryObjectReceiveStream[list[Item]]) -> None:
    """Until the client has no more to say. The SDK's own transport is used for standard output alone."""
    server = app.server
    stdin = anyio.wrap_file(io.StringIO())
    with _standard_output() as wire:
        async with stdio_server(stdin, cast("anyio.AsyncFile[str]", _Output(wire))) as (nothing, write):
            await nothing.aclose()
            async with write.clone() as answers, anyio.create_task_group() as group:
                requests, read = anyio.create_memory_object_stream[SessionMessage | Exception]()
                opening = Opening(server, requests, answers)
                group.start_soon(opening.relay, incoming)
                await server.run(read, _WithoutFarewell(write, opening), server.create_initialization_options())


class _WithoutFarewell:
    """The SDK's stream to the client, without the errors it writes for calls in flight when the client has hung up.

    They say "Connection closed" to the client that closed it, and clients on mcp 1.x end with a traceback because of
    them.
    """

    def __init__(self, inner: WriteStream[SessionMessage], opening: Opening) -> None:
        self._inner = inner
        self._opening = opening

    async def send(self, item: SessionMessage, /) -> None:
        answer = item.message
        if self._opening.over and isinstance(answer, t.JSONRPCError) and answer.error.code == t.CONNECTION_CLOSED:
            return
        await self._inner.send(item)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()


class _Output:
    """Standard output.

    What the client can take at once is written at once. Only for the rest a thread waits, of its own: decoding and
    saving can occupy all shared ones for seconds.
    """

    def __init__(self, wire: int) -> None:
        self._wire = wire
        self._waiting = b""
        self._thread = anyio.CapacityLimiter(1)
        self._poll: select.poll | None = None
        if sys.platform != "win32" and stat.S_ISFIFO(os.fstat(wire).st_mode):
            self._poll = select.poll()
            self._poll.register(wire, select.POLLOUT)

    async def write(self, text: str) -> None:
        self._waiting += text.encode()

    async def flush(self) -> None:
        rest, self._waiting = memoryview(self._waiting), b""
        # a pipe that is ready takes so many bytes without waiting (POSIX)
        while rest and self._poll is not None and self._poll.poll(0):
            rest = rest[os.write(self._wire, rest[:PIPE_BUF]) :]
        if rest:
            await anyio.to_thread.run_sync(self._write, rest, limiter=self._thread)

    def _write(self, rest: memoryview) -> None:
        while rest:
            rest = rest[os.write(self._wire, rest) :]


@contextmanager
def _standard_output() -> Iterator[int]:
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
def _standard_input() -> Iterator[int]:
    """A descriptor with what the client sends.

    While the block runs, descriptor 0 is empty, so that nothing else in this process or in one it starts reads from the
    client. The descriptor is never closed, because a thread may still wait for it.
    """
    if sys.platform == "win32":
        wire = os.dup(0)
    else:
        # The number is above the standard ones, as the parent may have closed some. It may also have left it
        # non-blocking.
        wire = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 3)
        os.set_blocking(wire, True)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    try:
        yield wire
    finally:
        os.dup2(wire, 0)


def _read(wire: int, portal: BlockingPortal, lines: MemoryObjectSendStream[list[Item]]) -> None:
    """Pass on all lines, from a thread of its own.

    A thread can wait for input on every platform, and a daemon does not keep the process from ending.
    """
    reader = LineReader()
    with suppress(*OVER):
        try:
            while chunk := _chunk(wire):
                if items := reader.feed(chunk):
                    portal.call(lines.send, items)
            if items := reader.finish():
                portal.call(lines.send, items)
        finally:
            portal.call(lines.close)


def _chunk(wire: int) -> bytes:
    try:
        return os.read(wire, CHUNK)
    except OSError as error:  # such as a terminal that was closed
        log.warning("standard input cannot be read any more: %s", error)
        return b""


async def _watch_signals(ending: _Ending) -> None:
    """Take the signals that ask the server to leave, until cancelled. Those that are ignored on purpose stay ignored.

    On Windows these are Ctrl-C and Ctrl-Break. Nothing can be done there when a client ends the server's job object, as
    the Python SDK does, or when its console window is closed.
    """
    named = [getattr(signal, name) for name in ENDING_SIGNALS if hasattr(signal, name)]
    # a shell starts background processes with Ctrl-C ignored, and nohup does it with SIGHUP
    numbers = [number for number in named if signal.getsignal(number) is not signal.SIG_IGN]
    if sys.platform == "win32":
        # an event loop cannot listen for signals there, but a handler wakes it up
        wake = asyncio.get_running_loop().call_soon_threadsafe
        for number in numbers:
            signal.signal(number, lambda received, _frame: wake(ending.take, received))
        return
    try:
        with anyio.open_signal_receiver(*numbers) as signals:
            async for number in signals:
                ending.take(number)
    finally:
        # all is closed by now, and what comes while the process ends must not look like a death
        for number in numbers:
            signal.signal(number, lambda *_: os._exit(128 + signal.SIGINT if ending.interrupted else 0))
