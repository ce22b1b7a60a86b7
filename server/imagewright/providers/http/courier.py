"""The courier: a process that sends the paid requests of one server, and lives on when that server ends.

    python -m imagewright.providers.http.courier

It reads requests from its standard input and sends each one once it is told to go; what it leaves on disk is described
in `reply_files`. Nothing but a request's own bound ends it after that, neither the end of the server nor a server that
does not read. It ends when its input has ended, or after some minutes without a request.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.to_thread

from imagewright import __version__
from imagewright.errors import why
from imagewright.processes import freeze_imports
from imagewright.providers.http.dispatch import (
    SMALL,
    STOPPED,
    Parcel,
    pack_frame,
    read_frames,
    spawn,
    write_frames,
)
from imagewright.providers.http.reply_files import (
    DISK,
    locked,
    mark,
    mark_unsent,
    obtain,
    pack_broken,
    reply_file,
    write,
)

if sys.platform != "win32":
    import resource

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from imagewright.providers.http.dispatch import Frame
    from imagewright.providers.http.exchange import Connections

IDLE_SECONDS = 300.0
"""After so long without a request it ends; the next request starts another."""
GO_SECONDS = 30.0
"""How long a request with an open connection waits for the word to go: the server is frozen, or its disk is."""
UNWRITTEN_SECONDS = 1.0
"""Between attempts to write an answer for which the disk has no room."""
UNWRITTEN_TRIES = 86_400
"""A day of them: what is paid for is not given up sooner."""
COLLECT_AFTER = 5_000, 5
"""New objects after which the youngest are looked through for garbage, and how often until the next older are looked
through, too; 700 and 10 by default, with which it took a tenth of the time of a request."""
START_SECONDS = 30.0
"""For a start, on a machine that is slow and cold."""
WAITING = "imagewright.cli.first_process"
"""In the words of a container's first process: it waits for couriers too."""
CONTAINER_FILES = ("/.dockerenv", "/run/.containerenv")
UNUSABLE = "its folder cannot be used: {}"
UNTOLD = f"the server did not say within {GO_SECONDS:g} s that it can be sent"


class _NotSent(Exception):
    """A request is not sent after all; the text says why."""


@dataclass(slots=True)
class _Errand:
    """A request that the courier has."""

    id: int
    parcel: Parcel
    waiting: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    """Everything that happens before the first byte leaves."""
    decided: anyio.Event = field(default_factory=anyio.Event)
    goes: bool | None = None
    """Whether it may be sent; None while that is open. Once it may, nothing but its own bound ends it."""
    sent: bool = False
    """Whether the vendor may have it."""

    def decide(self, *, goes: bool) -> None:
        """Send it or let it be, unless that is settled."""
        if self.goes is None:
            self.goes = goes
            self.decided.set()
            if not goes:
                self.waiting.cancel()


class Courier:
    """Reads messages, carries requests, and ends when nobody needs it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._errands: dict[int, _Errand] = {}
        self._outbox: SimpleQueue[tuple[bytes, bytes] | None] = SimpleQueue()
        self._inbox: asyncio.Queue[Frame | None] = asyncio.Queue()
        self._closing = False
        self._output = FileIO(os.dup(1), "w")
        os.dup2(2, 1)  # whatever else is printed must not stand between the messages

    async def run(self) -> None:
        """Work until the input has ended and nothing is under way, or nothing has come for `IDLE_SECONDS`."""
        for work in (self._listen, self._write):
            threading.Thread(target=work, daemon=True).start()
        connections = await anyio.to_thread.run_sync(connect)
        freeze_imports()
        gc.set_threshold(*COLLECT_AFTER)
        self._tell({"what": "up", "version": __version__})
        async with anyio.create_task_group() as group:
            while self._errands or not self._closing:
                try:
                    async with asyncio.timeout(None if self._errands else IDLE_SECONDS):
                        message = await self._inbox.get()
                except TimeoutError:
                    break
                if message is None:
                    self._close()
                elif message[0]["what"] == "send" and not self._closing:
                    errand = self._errand(*message)
                    group.start_soon(self._carry, connections, errand)
                elif (known := self._errands.get(message[0]["id"])) is not None and not self._closing:
                    known.decide(goes=message[0]["what"] == "go")
        await connections.aclose()

    def end(self) -> None:
        """Take no more requests, finish what was told to go, and end. Called from any thread or signal."""
        with suppress(RuntimeError):  # it has ended already
            self._loop.call_soon_threadsafe(self._inbox.put_nowait, None)

    def _close(self) -> None:
        self._closing = True
        self._outbox.put(None)  # a server that still runs takes another courier, and looks for these files
        for errand in self._errands.values():
            errand.decide(goes=False)

    def _errand(self, head: dict[str, Any], body: bytes) -> _Errand:
        fields = {name: value for name, value in head.items() if name not in ("id", "what")}
        errand = self._errands[head["id"]] = _Errand(head["id"], Parcel(**fields, content=body))
        return errand

    async def _carry(self, connections: Connections, errand: _Errand) -> None:
        """Carry one request, and report it once its lock is free again."""
        done: dict[str, Any] = {"id": errand.id, "what": "done"}
        folder, number = Path(errand.parcel.folder), errand.parcel.number
        try:
            data = b""
            with errand.waiting:
                async with locked(folder, number, make=True) as lock:
                    data = await self._send(connections, errand, lock)
                    done["at"] = time.monotonic()
                    with anyio.CancelScope(shield=True):
                        if not errand.sent:
                            mark_unsent(errand.parcel, lock, data)
                        elif not await self._kept(errand, data):
                            return
            if data:
                self._tell(done, data if len(data) <= SMALL else b"")
        except OSError as error:  # nothing was sent
            self._tell(done, pack_broken(errand.parcel, UNUSABLE.format(why(error)), reached=False))
        finally:
            del self._errands[errand.id]
            if not self._errands:
                self._inbox.put_nowait(({"id": 0, "what": "over"}, b""))

    async def _send(self, connections: Connections, errand: _Errand, lock: int) -> bytes:
        """What the file of its reply will hold; it does not raise."""
        parcel = errand.parcel

        async def begin() -> None:
            self._tell({"id": errand.id, "what": "ready"})
            with anyio.move_on_after(GO_SECONDS):
                await errand.decided.wait()
            errand.decide(goes=False)
            if not errand.goes:
                raise _NotSent(UNTOLD)
            try:
                mark(parcel, lock)
            except OSError as error:
                raise _NotSent(UNUSABLE.format(why(error))) from error
            errand.sent = True

        try:
            return await obtain(connections, parcel, begin)
        except _NotSent as error:
            return pack_broken(parcel, str(error), reached=False)
        except anyio.get_cancelled_exc_class():  # only what is dropped before it is sent
            return pack_broken(parcel, STOPPED, reached=False)
        except Exception as error:  # noqa: BLE001 - a bug that one answer meets must not end the others
            return pack_broken(parcel, f"what sends it failed ({type(error).__name__})", reached=errand.sent)

    async def _kept(self, errand: _Errand, data: bytes) -> bool:
        """Write a reply down; whether the server has yet to be told. Without room on the disk it goes to the server.

        It is tried again for a day, as the server may have ended.
        """
        path = reply_file(Path(errand.parcel.folder), errand.parcel.number)
        reported = False
        for _ in range(UNWRITTEN_TRIES):
            try:
                await DISK.run(write, path, data)
            except OSError as error:
                if not reported:
                    self._tell({"id": errand.id, "what": "done"}, data)
                    reported = True
                if isinstance(error, FileNotFoundError):  # its folder was removed, so nobody will look there
                    break
                await anyio.sleep(UNWRITTEN_SECONDS)
            else:
                break
        return not reported

    def _tell(self, head: Mapping[str, Any], body: bytes = b"") -> None:
        self._outbox.put(pack_frame(head, body))

    def _listen(self) -> None:
        with suppress(OSError, ValueError, RuntimeError), open(0, "rb", 0, closefd=False) as pipe:
            for frames in read_frames(pipe):
                self._loop.call_soon_threadsafe(self._take_in, frames)
        self.end()

    def _take_in(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            self._inbox.put_nowait(frame)

    def _write(self) -> None:
        with suppress(OSError):  # the server has ended: nobody reads it any more
            write_frames(self._output, self._outbox)


def connect() -> Connections:
    """The connections to vendors. Blocks, as importing httpx takes long."""
    from imagewright.providers.http.exchange import Connections  # noqa: PLC0415 - whoever only collects needs no httpx

    return Connections()


def try_out() -> str:
    """Why no courier can be started here, found out by starting one; empty if it can.

    Blocks for about half a second.
    """
    try:
        process = spawn()
    except OSError as error:
        return str(error)
    killer = threading.Timer(START_SECONDS, process.kill)
    killer.daemon = True
    killer.start()
    try:
        with cast("FileIO", process.stdout) as output:
            is_up = any(read_frames(output))
    except ValueError:
        return "something else prints to its standard output"
    finally:
        cast("FileIO", process.stdin).close()
        process.wait()
        killer.cancel()
    return "" if is_up else "it ends as soon as it is started"


def ends_along() -> str:
    """What ends a courier together with its server on this machine; empty where nothing is known to."""
    if sys.platform == "win32":
        try:
            subprocess.run([sys.executable, "-c", ""], creationflags=subprocess.CREATE_BREAKAWAY_FROM_JOB, check=False)
        except PermissionError:
            return "the job object of Windows in which this runs lets no process leave it"
        return ""
    first, group = (_text(f"/proc/{name}") for name in ("1/cmdline", "self/cgroup"))
    contained = any(map(os.path.exists, CONTAINER_FILES))
    return what_ends_along(os.getpid(), os.getppid(), first, group, contained=contained)


def what_ends_along(pid: int, parent: int, first: str, group: str, *, contained: bool) -> str:
    """As `ends_along`, from a process's number and its parent's, the words of process 1, and the control group.

    `contained` is whether this runs in a container.
    """
    if WAITING in first:
        return ""
    if pid == 1 or "imagewright" in first or (contained and parent == 1):
        return "the container ends with its first process, and that is the server or waits for it"
    service = group.strip().rpartition("/")[2]
    if service.endswith(".service"):
        return f"systemd may end all processes of {service} with the first one"
    return ""


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:  # no Linux, or it is hidden
        return ""


async def _serve() -> None:
    courier = Courier()
    # in the session of its own nobody interrupts it; the system may ask it to end, and what is paid for is finished
    for name in ("SIGINT", "SIGHUP", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: courier.end())
    if sys.platform != "win32":
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        with suppress(OSError, ValueError):  # each request has a lock and a connection open
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    await courier.run()


def serve() -> None:
    """Be a courier."""
    # httpx loads its own command line with all that belongs to it; it does without where that is missing
    sys.modules["httpx._main"] = None  # type: ignore[assignment]  # this is how an import is made to fail
    anyio.run(_serve)


if __name__ == "__main__":
    serve()
