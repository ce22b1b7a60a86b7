"""Serve one client over standard input and output; everything else goes to standard error."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import select
import signal
import sys
import threading
from collections import deque
from concurrent.futures import CancelledError
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, cast

import anyio
import anyio.lowlevel
import anyio.to_thread
from anyio import from_thread
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCRequest

from imagewright.engine.engine import open_engine
from imagewright.settings.load import log_at
from imagewright.surface.opening import MOST_LOGGED, LineReader, Opening, may_be_ping, read_all
from imagewright.surface.output import (
    Errors,
    Exchange,
    First,
    Output,
    WithoutFarewell,
    standard_output,
    without_waiting,
)
from imagewright.surface.server import McpServer
from imagewright.text import log_to

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

    from anyio.lowlevel import EventLoopToken

    from imagewright.settings.load import Settings
    from imagewright.surface.opening import Fault, Item

log = logging.getLogger(__name__)

CHUNK = 65_536
"""Bytes read at once; what a pipe holds on Linux."""
READ_AHEAD = 64 * CHUNK
"""Bytes that are read before the first is dealt with; a ping behind them is seen in time."""
READ_AT_ONCE = 20
"""Lines that are read before it is looked whether more have come: some 2 ms of work."""
MOST_UNREAD = 4000
"""Lines that may wait to be read while more are taken."""
ITEM_BYTES = 1024
"""What a line counts for at least: the shortest has two bytes, and what is made of it several hundred."""
SDK_LOG = "mcp.server.runner"
"""Where the SDK logs each notification whose parameters are odd."""
OVER = (RuntimeError, CancelledError, anyio.ClosedResourceError)
"""What a thread gets when it passes something on after the conversation has ended."""
LEAVE_SECONDS = 1.5
"""Seconds for which the answer to a request that is being sent is waited for, if a courier hears it after that. The MCP
SDKs send TERM 2 s after they closed our input, and closing takes a moment. Without couriers it is waited for longer."""
TERM_SECONDS = 3.9
"""Seconds after the first signal until the process ends, whatever is left to do; Docker sends KILL after 10."""
HURRIED_SECONDS = 1.9
"""The same if the input had ended before the signal: the MCP SDKs then send KILL 2 s after TERM."""
LOADED_SECONDS = 2.0
"""Seconds after which all is loaded that a server needs before its first call."""
COLLECT_AFTER = 5_000, 5, 80
"""New objects after which the youngest are looked through, and how often until the next older are looked through, too;
700, 10 and 10 by default. All others wait for that: at 20 in the middle, for 40 ms while 1,000 calls begin."""
SWITCH_SECONDS = 0.0002
"""Seconds after which a thread that computes lets another one run; 5 ms by default. Among 1,000 calls, the slowest ping
waited 20 to 47 ms in six runs, with 1 ms here 36 to 80 in nine; the calls took as long."""
ENDING_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
"""The signals after which it leaves: Ctrl-C, TERM of clients and service managers, a closed terminal, Ctrl-Break."""


async def serve_stdio(settings: Settings) -> bool:
    """Serve until the client closes its end, or a signal asks the server to leave. Then nothing more is read.

    Returns:
        Whether it was Ctrl-C.

    Raises:
        SettingsError: as `serving`.
        BrokenPipeError: the client no longer reads.
    """
    lines = Lines()
    with _standard_input() as wire:
        async with serving(settings, [SDK_LOG], lines.stop) as (app, ending):
            try:
                token = anyio.lowlevel.current_token()
                threading.Thread(target=lines.read, args=(wire, token), name="stdin", daemon=True).start()
                await _converse(app, lines)
            finally:
                lines.stop()
    return ending.interrupted


@asynccontextmanager
async def serving(
    settings: Settings, logs: Iterable[str], stop: Callable[[], None]
) -> AsyncIterator[tuple[McpServer, Ending]]:
    """A server over an open engine, whatever it speaks through, and how it ends. After a signal it begins no call.

    At the end of the block jobs go on and keep their leases until no request is being sent any more, so that no answer
    that was paid for is lost. The next process carries the jobs on.

    Args:
        settings: as they are now; changed files are followed.
        logs: where libraries log what any client causes as often as it likes.
        stop: called after a signal, to end the block soon.

    Raises:
        SettingsError: a toggle names no tool, or a provider is unknown; nothing was served.
    """
    log_to(Errors(2), "%(levelname)s %(name)s: %(message)s")
    log_at(settings.log)
    for name in logs:
        logging.getLogger(name).addFilter(First(MOST_LOGGED))
    sys.setswitchinterval(SWITCH_SECONDS)
    app: McpServer | None = None

    async def announce() -> None:
        if app is not None:
            await app.offer_changed()

    async with anyio.create_task_group() as group:
        async with open_engine(settings, on_change=announce) as engine:
            app = McpServer(engine)
            ending = Ending(app.stop, stop)
            group.start_soon(_watch_signals, ending)
            group.start_soon(_spare_the_loaded)
            try:
                yield app, ending
            finally:
                ending.is_leaving = True
                with anyio.CancelScope(shield=True):
                    await engine.leave(LEAVE_SECONDS)
        group.cancel_scope.cancel()


class Ending:
    """How the server ends: at the end of its input as soon as it can, and after a signal within seconds."""

    def __init__(self, *stops: Callable[[], None]) -> None:
        self.interrupted = False
        """Whether the first signal was Ctrl-C."""
        self.is_leaving = False
        """Whether it is ending already, as its input has ended."""
        self._stops = stops
        self._received: set[int] = set()

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
        seconds = HURRIED_SECONDS if self.is_leaving else TERM_SECONDS
        # with the exit code that shells report for a signal
        last = threading.Timer(seconds, os._exit, (128 + number,))
        last.daemon = True
        last.start()
        for stop in self._stops:
            stop()


class Lines:
    """What the client sends, from the thread that reads it to the event loop: batches of what was read together."""

    opening: Opening | None = None
    """Set once there is somebody to talk to."""

    def __init__(self) -> None:
        self._batches: deque[tuple[int, list[Item]]] = deque()
        self._bytes = 0
        self._lock = threading.Lock()  # of the two above, which the thread fills
        self._ended = False
        self._changed = anyio.Event()

    def read(self, wire: int, token: EventLoopToken) -> None:
        """Pass on all lines, from a thread of its own.

        A thread can wait for input on every platform, and a daemon does not keep the process from ending.
        """
        reader, has_more = LineReader(), _looking(wire)
        waiting: deque[bytes | Item] = deque()
        with suppress(*OVER):
            try:
                while True:
                    if not waiting or (len(waiting) < MOST_UNREAD and has_more()):
                        if not (chunk := _chunk(wire)):
                            break
                        waiting.extend(self._pings_first(reader.cut(chunk)))
                    self._pass_some_on(waiting, token)
                while waiting:
                    self._pass_some_on(waiting, token)
                self._pass_on(0, reader.finish(), token)
            finally:
                from_thread.run_sync(self._end, token=token)

    def _pings_first(self, lines: list[bytes | Fault]) -> Iterator[bytes | Item]:
        """Answer the pings among lines, ahead of all that is to be read before them; the others, in their order."""
        for line in lines:
            opening = self.opening
            if opening is None or not may_be_ping(line):
                yield line
            else:
                yield from (item for item in read_all([line]) if not opening.answer_ping(item, beside=True))

    def _pass_some_on(self, waiting: deque[bytes | Item], token: EventLoopToken) -> None:
        """Read the first lines that wait, and pass them on. To read hundreds at once, a ping behind them would wait."""
        some: list[bytes | Item] = []
        size = 0
        while waiting and len(some) < READ_AT_ONCE and size < CHUNK:
            some.append(line := waiting.popleft())
            size += len(line) if isinstance(line, bytes) else 0
        if some:
            self._pass_on(size, read_all(some), token)

    def _pass_on(self, size: int, items: list[Item], token: EventLoopToken) -> None:
        """Answer the pings among them, and pass the rest on without waiting for the event loop where there is room."""
        if (opening := self.opening) is not None:
            items = [item for item in items if not opening.answer_ping(item, beside=True)]
            has_pings = any(isinstance(one, JSONRPCRequest) and one.method == "ping" for one in items)
            if not has_pings and self._put(size, items):
                if items:
                    loop = cast("asyncio.AbstractEventLoop", token.native_token)
                    loop.call_soon_threadsafe(self._has_changed)
                return
        if not from_thread.run_sync(self._take, size, items, token=token):
            from_thread.run(self._take_when_room, size, items, token=token)

    def _take(self, size: int, items: list[Item]) -> bool:
        """Answer the pings among them and take the rest. Return whether there was room; else the rest has to wait."""
        if self.opening is not None:
            items[:] = [item for item in items if not self.opening.answer_ping(item)]
        has_room = self._put(size, items)
        if has_room and items:
            self._has_changed()
        return has_room

    def _put(self, size: int, items: list[Item]) -> bool:
        """Take them if there is room. Return whether there was."""
        if self._ended:
            raise anyio.ClosedResourceError
        weight = max(size, len(items) * ITEM_BYTES)
        with self._lock:
            if self._batches and self._bytes + weight > READ_AHEAD:
                return False
            if items:
                self._batches.append((weight, items))
                self._bytes += weight
        return True

    async def _take_when_room(self, size: int, items: list[Item]) -> None:
        while not self._take(size, items):
            await self._changed.wait()

    async def __aiter__(self) -> AsyncIterator[list[Item]]:
        """Each batch in its turn, until the input has ended."""
        while self._batches or not self._ended:
            if not self._batches:
                await self._changed.wait()
                continue
            with self._lock:
                weight, items = self._batches.popleft()
                self._bytes -= weight
            self._has_changed()
            yield items

    def _end(self) -> None:
        self._ended = True
        self._has_changed()

    def stop(self) -> None:
        """Pass on nothing more, not even what was read already."""
        self._ended = True
        with self._lock:
            self._batches.clear()
        self._end()
        if self.opening is not None:
            self.opening.stop()

    def _has_changed(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


def _chunk(wire: int) -> bytes:
    try:
        return os.read(wire, CHUNK)
    except OSError as error:  # such as a terminal that was closed
        log.warning("standard input cannot be read any more: %s", error)
        return b""


def _looking(wire: int) -> Callable[[], bool]:
    """What tells whether a read would not wait. Windows does not say that of a pipe, so it is never so there."""
    if sys.platform == "win32":
        return lambda: False
    poll = select.poll()
    poll.register(wire, select.POLLIN)
    return lambda: any(event & (select.POLLIN | select.POLLHUP) for _, event in poll.poll(0))


async def _converse(app: McpServer, lines: Lines) -> None:
    """Until the client has no more to say."""
    server = app.server
    with standard_output() as wire, without_waiting(wire) as write_some:
        async with anyio.create_task_group() as group:
            output = Output(wire, write_some)
            group.start_soon(output.run)
            app.wait_for(output.room)
            async with anyio.create_task_group() as conversation:
                requests, read = anyio.create_memory_object_stream[SessionMessage | Exception]()
                exchange = Exchange()
                lines.opening = opening = Opening(server, requests, output, exchange)
                conversation.start_soon(opening.relay, lines)
                write = WithoutFarewell(output, exchange)
                await server.run(read, write, server.create_initialization_options())
            await output.drained()
            group.cancel_scope.cancel()


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


async def _spare_the_loaded() -> None:
    """Turn the garbage collector on, without what is loaded: to look through that in a burst of calls took 70 ms.

    It also runs less often: 18 times instead of 144 for 200 calls, half as long in all, and 10 ms at most, not 17.
    """
    gc.enable()
    gc.set_threshold(*COLLECT_AFTER)
    gc.freeze()
    await anyio.sleep(LOADED_SECONDS)
    gc.freeze()


async def _watch_signals(ending: Ending) -> None:
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
