"""Paid requests that outlive this process: they are given to the courier, a small process of its own session.

A request goes through a pipe to the courier (`courier`), which opens the connection and says that it is ready. Only
then is it written down as being sent, and the courier told to go. The courier writes the answer into the job's folder
and reports it; whoever carries the job on finds it there if this process has ended. Its file lock says that it lives.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import struct
import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import partial
from io import BufferedWriter, BytesIO
from itertools import count
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.to_thread

from imagewright import __version__
from imagewright.processes import start_python
from imagewright.providers.http.classify import Broken
from imagewright.providers.http.request import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from io import FileIO
    from pathlib import Path

    from imagewright.providers.http.exchange import Connections
    from imagewright.providers.http.request import Request
    from imagewright.providers.sending import Sending

log = logging.getLogger(__name__)

MODULE = "imagewright.providers.http.courier"
LATE_SECONDS = 60.0
"""How much longer than the request itself may take the courier is waited for: it has a lock to wait for and a file to
write, and after a pause of the whole machine it needs a moment."""
SMALL = 32_000
"""Bytes of a reply up to which it comes through the pipe as well, which spares reading the file."""
PIPE_BYTES = 65_536
"""What the pipes of most systems hold."""
HEAD_BYTES = 1_000_000
"""Most bytes of what a message says."""
OF_A_CONNECTION = frozenset({"host", "connection", "content-length", "transfer-encoding"})
"""Headers that whoever sends a request makes for it."""
SECRET = re.compile(r"KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH|^IMAGEWRIGHT_", re.IGNORECASE)
"""Names of variables that the courier does not get: it needs neither keys nor settings."""
FILES_IN_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Variables that name a place, perhaps from this process's working directory, which the courier does not share."""
STOPPED = "the server stopped before it was sent"
SILENT = "the process that sends for this one does not answer"

_LENGTHS = struct.Struct(">II")  # of a frame's head and body, in bytes


@dataclass(slots=True)
class Parcel:
    """One request, ready to be sent by another process."""

    provider: str
    folder: str
    """Where its lock and its reply are."""
    number: int
    """As in `Sending`."""
    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    """All that are sent, with the key."""
    key: str = field(repr=False)
    """What must not stand in the file of the reply."""
    seconds: float
    """Longest wait for the whole exchange."""
    max_bytes: int
    """Most bytes of the reply."""
    content: bytes = field(repr=False)
    """The body."""


_IN_HEAD = tuple(one.name for one in fields(Parcel) if one.name != "content")

Frame = tuple[dict[str, Any], bytes]
"""One message: what it says, and the bytes that go with it."""


def pack_frame(head: Mapping[str, Any], body: bytes = b"") -> tuple[bytes, bytes]:
    """The bytes of a message, in two pieces so that a large body is not copied."""
    text = json.dumps(head).encode("ascii")
    return _LENGTHS.pack(len(text), len(body)) + text, body


def read_frames(pipe: FileIO) -> Iterator[list[Frame]]:
    """The messages of a raw pipe, in lists of those that came together, until it ends, also in the middle of one.

    Raises:
        ValueError: what comes is none: something else prints there.
    """
    buffer, large, missing = bytearray(), BytesIO(), 0
    head: dict[str, Any] = {}
    while block := pipe.read(min(missing, PIPE_BYTES) or PIPE_BYTES):
        frames, begin = list[Frame](), 0
        if missing:
            missing -= large.write(block)
            if not missing:
                frames.append((head, large.getvalue()))
                large = BytesIO()
        else:
            buffer += block
        while len(buffer) >= (text := begin + _LENGTHS.size):
            head_bytes, body_bytes = _LENGTHS.unpack_from(buffer, begin)
            if head_bytes > HEAD_BYTES:
                yield frames
                raise ValueError("what stands there is no message")
            if len(buffer) < (body := text + head_bytes):
                break
            head, end = json.loads(buffer[text:body]), body + body_bytes
            if (missing := max(0, end - len(buffer))) > 0:
                large.write(memoryview(buffer)[body:])  # what a body is gathered in is not copied when it is whole
            else:
                frames.append((head, bytes(memoryview(buffer)[body:end])))
            begin = min(end, len(buffer))
        del buffer[:begin]
        if frames:
            yield frames


def write_frames(pipe: FileIO, outbox: SimpleQueue[tuple[bytes, bytes] | None]) -> None:
    """Write messages until a None comes, however long that takes, and close the pipe. Small ones that wait go together.

    Raises:
        OSError: nobody reads it any more.
    """
    with BufferedWriter(pipe, PIPE_BYTES) as buffered:
        while (pieces := outbox.get()) is not None:
            for piece in pieces:
                buffered.write(piece)
            if outbox.empty():
                buffered.flush()
            del pieces, piece  # a body may be large, and the next may be long in coming


def read_reply(data: bytes, provider: str, *, begun: bool) -> Reply:
    """The answer that a reply file holds.

    Raises:
        Broken: no whole answer came; with `begun`, it was written down as being sent.
    """
    line, _, body = data.partition(b"\n")
    try:
        head = json.loads(line)
        if head["provider"] != provider:  # a job only goes on at another one if nothing was charged
            raise Broken(STOPPED, reached=False, unsent=begun)
        if (why := head.get("broken")) is None:
            return Reply(head["status"], head["headers"], body)
        reached, oversize = head["reached"], head["oversize"]
    except (ValueError, KeyError, TypeError) as error:
        raise Broken("what was kept of its answer cannot be read", reached=True) from error
    raise Broken(why, reached=reached, oversize=oversize, unsent=begun and not reached)


class Dispatch:
    """The courier of this process, started with the first request that is paid for."""

    def __init__(self) -> None:
        self._courier: _Courier | None = None
        self._starting = anyio.Lock()
        self.trouble = ""
        """Why no courier can be started; empty while nothing is known against it."""

    async def start(self) -> _Courier | None:
        """The courier; one that has ended is replaced. None where none can be started.

        It may not be up yet when this returns.
        """
        if self._courier is not None and not self._courier.ended:
            return self._courier
        async with self._starting:
            if self._courier is not None and not self._courier.ended:
                return self._courier
            if self.trouble:
                return None
            if self._courier is not None and not self._courier.was_up:
                self.trouble = "it ended as soon as it was started"
            else:
                try:
                    self._courier = _Courier(await anyio.to_thread.run_sync(spawn))
                except OSError as error:
                    self.trouble = f"it cannot be started ({error})"
                else:
                    return self._courier
            log.warning("there is no courier, so paid requests end with this process: %s", self.trouble)
            return None

    @staticmethod
    def pack(
        connections: Connections, request: Request[Any], headers: Mapping[str, str], *, folder: Path, **more: Any
    ) -> Parcel:
        """A request, ready for the courier. Blocks for as long as encoding its body takes.

        The connections encode it; `more` are `provider`, `number`, `key` and `seconds` of the parcel.

        Raises:
            Broken: nothing can be sent to such an address.
        """
        built = connections.build(request, headers)
        return Parcel(
            folder=str(folder),
            method=built.method,
            url=str(built.url),
            headers={name: value for name, value in built.headers.items() if name not in OF_A_CONNECTION},
            max_bytes=request.max_bytes,
            content=built.read(),
            **more,
        )

    async def exchange(self, parcel: Parcel, sending: Sending) -> Reply | float | None:
        """Send once by the courier.

        Returns:
            The answer; where it did not come through the pipe, for how many seconds to wait for its file; None where
            there is no courier, and nothing was sent.

        Raises:
            Broken: no whole answer came.
        """
        if (courier := await self.start()) is None:
            return None
        patience, begun = parcel.seconds + LATE_SECONDS, False
        waiter = courier.send(parcel)
        try:
            message = await waiter.next(patience)
            if message is not None and message[0]["what"] == "ready":
                await sending.begin()
                begun = sending.gone = True
                courier.put({"id": waiter.id, "what": "go"})
                parcel.content = b""  # the answer may be long in coming
                message = await waiter.next(patience)
        finally:
            if not begun:
                courier.put({"id": waiter.id, "what": "drop"})
            courier.forget(waiter)
        if message is not None and message[1]:
            sending.answered = float(message[0].get("at", 0.0))
            return read_reply(message[1], parcel.provider, begun=begun)
        if begun:
            # one that was asked to end goes on with what it has, but says no more
            return patience if courier.ended else LATE_SECONDS
        if courier.ended and not courier.was_up:
            return await self.exchange(parcel, sending)  # there it shows that there is none
        courier.close()  # one that says nothing is not asked again
        raise Broken(SILENT, reached=False)

    def close(self) -> None:
        """Let the courier end by itself, once it has nothing under way. It is not waited for."""
        if self._courier is not None:
            self._courier.close()
            self._courier = None


class _Waiter:
    """What the courier says of one request."""

    def __init__(self, number: int) -> None:
        self.id = number
        self._messages: deque[Frame | None] = deque()
        self._event = anyio.Event()

    def put(self, message: Frame | None) -> None:
        """Note a message; None where the courier has ended."""
        self._messages.append(message)
        self._event.set()

    async def next(self, seconds: float) -> Frame | None:
        """The next message; None where the courier has ended or says nothing for so long."""
        with anyio.move_on_after(seconds):
            while not self._messages:
                self._event = anyio.Event()
                await self._event.wait()
        return self._messages.popleft() if self._messages else None


class _Courier:
    """A running courier, as this process sees it. Two threads write to it and listen to it.

    They never keep this process from ending, and neither does a courier that reads nothing.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.ended = False
        """Whether it takes no more requests."""
        self.was_up = False
        """Whether it came so far as to say that it can send."""
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._outbox: SimpleQueue[tuple[bytes, bytes] | None] = SimpleQueue()
        self._waiters: dict[int, _Waiter] = {}
        self._ids = count(1)
        for target in (self._write, self._listen):
            threading.Thread(target=target, name=f"courier {process.pid}", daemon=True).start()

    def send(self, parcel: Parcel) -> _Waiter:
        """Hand a request over; the waiter gets what becomes of it."""
        waiter = _Waiter(next(self._ids))
        self._waiters[waiter.id] = waiter
        if self.ended:
            waiter.put(None)
        head = {name: getattr(parcel, name) for name in _IN_HEAD}
        self.put({"id": waiter.id, "what": "send", **head}, parcel.content)
        return waiter

    def put(self, head: Mapping[str, Any], body: bytes = b"") -> None:
        """Send a message, after those before it."""
        self._outbox.put(pack_frame(head, body))

    def forget(self, waiter: _Waiter) -> None:
        """Hear no more of a request."""
        self._waiters.pop(waiter.id, None)

    def close(self) -> None:
        """Give it no more requests; it ends by itself."""
        self.ended = True
        self._outbox.put(None)

    def _write(self) -> None:
        with suppress(OSError):
            write_frames(cast("FileIO", self._process.stdin), self._outbox)

    def _listen(self) -> None:
        # what is no message (`ValueError`) counts as the end
        with suppress(OSError, ValueError), cast("FileIO", self._process.stdout) as pipe:
            for frames in read_frames(pipe):
                self._tell(frames)
        self._outbox.put(None)
        self._tell([None])
        self._process.wait()  # so that nothing of it is left in the system's table

    def _tell(self, messages: Sequence[Frame | None]) -> None:
        with suppress(RuntimeError):  # the event loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._hear, messages)

    def _hear(self, messages: Sequence[Frame | None]) -> None:
        for message in messages:
            if message is None:
                self.ended = True
                for waiter in self._waiters.values():
                    waiter.put(None)
            elif message[0]["what"] == "up":
                # another version is an update of the package under a running server: it may use other messages
                self.was_up = message[0]["version"] == __version__
                if not self.was_up:
                    self.close()
                    self._hear([None])
            elif (known := self._waiters.get(message[0]["id"])) is not None:
                known.put(message)


def spawn() -> subprocess.Popen[bytes]:
    """Start a courier. Blocks for some milliseconds.

    Raises:
        OSError: it cannot be started.
    """
    # with all that belongs to the installation: packages that bring certificates of their own come in by its files
    start = partial(start_python, MODULE, environment(os.environ), own_session=True)
    if sys.platform == "win32":
        detached = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS
        try:
            return start(flags=detached | subprocess.CREATE_BREAKAWAY_FROM_JOB)
        except PermissionError:  # the job that this process is in keeps all of its processes
            return start(flags=detached)
    return start()


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """The courier's environment: proxies, certificates and whatever else the system needs, but no secret."""
    kept = {name: value for name, value in variables.items() if not SECRET.search(name)}
    for name in FILES_IN_VARIABLES:
        if kept.get(name):
            kept[name] = os.path.abspath(kept[name])  # noqa: PTH100 - as a string, and without resolving links
    paths = [os.path.abspath(one) for one in kept.get("PYTHONPATH", "").split(os.pathsep) if one]  # noqa: PTH100 - as above
    if paths:
        kept["PYTHONPATH"] = os.pathsep.join(paths)
    return kept
