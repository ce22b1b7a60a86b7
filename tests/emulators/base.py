"""The ground every emulator stands on: real sockets in a thread of their own, a log, and faults on demand.

A vendor's emulator lists its `Door`s. A door answers one method and path on one of the vendor's hosts; each host is
a port of its own, so that a key or a request that goes to the wrong one is seen. A fault is an `Answer` given in
place of the door's own, or made from it after the door has done its work (`after=True`): the work is then done and
charged, and only the answer is lost.

    with KieEmulator() as kie:
        kie.fail_next("create", Answer.reset(), after=True)

A limit holds for the requests that begin paid work, as the vendor's own would: `kie.limit(20, 10)` takes 20 of them in
any ten seconds. What is over it is answered in the vendor's own form; `begun` and `refused` count both.
"""

from __future__ import annotations

import asyncio
import re
import sys
import threading
import time
from collections import defaultdict, deque
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from tests.emulators.messages import Answer, Fault, Received, Refused
from tests.emulators.talk import Talk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

LOOPBACK = "127.0.0.1"
PATIENCE = 10.0
"""Seconds the server's thread may take to start or to stop."""


@dataclass(frozen=True)
class Door:
    """One way in."""

    label: str
    """Its name, for faults and the log."""
    host: str
    method: str
    pattern: str
    """Regular expression the whole path must match; named groups reach the handler."""
    handle: Callable[[Received], Answer]


@dataclass(frozen=True)
class _Planned:
    fault: Fault
    after: bool


@dataclass(frozen=True)
class Limit:
    """How many requests that begin paid work are taken."""

    calls: int | None = None
    """How many in any `seconds`, in what the vendor counts, see `Emulator.weight`; None for any number."""
    seconds: float = 60.0
    running: int | None = None
    """How many may be at work at once, in the same; None for any number."""


@dataclass(frozen=True)
class Answering:
    """A request that is being answered."""

    end: float
    """When its answer goes, by the clock of `time.monotonic`."""
    until: threading.Event | None
    """What holds it up; None for nothing."""
    weight: int
    """How much of the limit it takes."""

    def is_at_work(self, now: float) -> bool:
        """Whether its answer is still to come."""
        return now < self.end or (self.until is not None and not self.until.is_set())


class Emulator:
    """A vendor. A subclass gives `hosts` and `doors`."""

    hosts: tuple[str, ...] = ("api",)
    key = ""
    """The key it accepts."""
    begins: tuple[str, ...] = ("generate",)
    """Labels of the doors that begin paid work."""
    listens_at = LOOPBACK
    """The address of this machine at which it can be reached."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        """Everything that was received, in order."""
        self.connections = 0
        """How many were opened."""
        self.violations: list[str] = []
        """What a client must never do and did; leaving the `with` block fails for them."""
        self.begun = 0
        """How many requests began paid work."""
        self.refused = 0
        """How many were refused for the rate, or because too many were at work."""
        self._limit = Limit()
        self._taken: deque[float] = deque()
        self._answering: list[Answering] = []
        self._faults: dict[str, deque[_Planned]] = defaultdict(deque)
        self._ports: dict[str, int] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None

    def doors(self) -> Sequence[Door]:
        """Every way in; the first that fits is taken."""
        raise NotImplementedError

    def nowhere(self, received: Received) -> Answer:
        """The answer where no door fits."""
        return Answer.of({"error": f"no {received.method} {received.path} here"}, 404)

    def url(self, host: str = "api") -> str:
        """The base address of one of its hosts."""
        return f"http://{LOOPBACK}:{self._ports[host]}"

    @property
    def addresses(self) -> dict[str, str]:
        """What a provider is wired with to find it: its base addresses, by the part they are for."""
        return {"": self.url()}

    def limit(self, calls: int | None = None, seconds: float = 60.0, *, running: int | None = None) -> None:
        """From now on, take only so many requests that begin paid work; see `Limit`. Without anything, take any."""
        self._limit = Limit(calls, seconds, running)
        self._taken.clear()

    def left(self) -> tuple[Limit, int]:
        """The limit, and how much of its calls is left at the moment."""
        while self._taken and self._taken[0] <= time.monotonic() - self._limit.seconds:
            self._taken.popleft()
        return self._limit, (self._limit.calls or 0) - len(self._taken)

    def weight(self, received: Received) -> int:  # noqa: ARG002 - for vendors that count pictures
        """How much of the limit a request takes."""
        return 1

    def at_work(self) -> int:
        """How much is at work; here, that of the requests whose answers are still to come."""
        now = time.monotonic()
        self._answering = [one for one in self._answering if one.is_at_work(now)]
        return sum(one.weight for one in self._answering)

    def too_many(self, limit: Limit, wait: float | None) -> Answer:
        """The vendor's answer beyond its limit.

        Args:
            limit: what is taken.
            wait: seconds after which the same request would be taken; None where too many are at work.
        """
        raise NotImplementedError(f"{type(self).__name__} has no such limit")

    def fail_next(self, label: str, fault: Fault, *, times: int = 1, after: bool | None = None) -> None:
        """Spoil the next answers of a door.

        Args:
            label: the door.
            fault: what is sent, or how the door's own answer is spoilt.
            times: how many answers.
            after: whether the door does its work first; by default only for a spoiler, which needs its answer.
        """
        done = not isinstance(fault, Answer) if after is None else after
        self._faults[label].extend([_Planned(fault, done)] * times)

    def heal(self, label: str) -> None:
        """Forget the faults of a door that have not come to pass."""
        self._faults[label].clear()

    @property
    def is_silent(self) -> bool:
        """Whether a request is planned to get no answer."""
        planned = [one.fault for faults in self._faults.values() for one in faults]
        return any(isinstance(fault, Answer) and fault.ending == "hang" for fault in planned)

    def received(self, label: str) -> list[Received]:
        """The requests that came to one door."""
        return [one for one in self.requests if one.label == label]

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(PATIENCE):
            raise TimeoutError("the emulator did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE)
        if self._thread.is_alive() and kind is None:
            raise TimeoutError("the emulator did not stop")
        if self.violations and kind is None:
            raise AssertionError("; ".join(self.violations))

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        talks: set[asyncio.Task[None]] = set()

        def door_keeper(host: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
            def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                self.connections += 1
                talk = asyncio.ensure_future(Talk(self.answer, host, reader, writer).go_on())
                talks.add(talk)
                talk.add_done_callback(talks.discard)

            return welcome

        servers = [await asyncio.start_server(door_keeper(host), self.listens_at, 0) for host in self.hosts]
        for host, server in zip(self.hosts, servers, strict=True):
            self._ports[host] = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        for server in servers:
            server.close()
        for talk in list(talks):
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)

    def answer(self, received: Received) -> Answer:
        """What is sent back: through the door, and through the faults planned for it."""
        door, groups = self._door(received)
        if door is None:
            self.requests.append(received)
            return self.nowhere(received)
        received = replace(received, label=door.label, groups=groups)
        self.requests.append(received)
        try:
            return self._spoilt(door, received)
        except Exception as error:  # noqa: BLE001 - a bug of the emulator must fail the test, not pass for a fault
            self.violations.append(f"the emulator broke at {door.label}: {error!r}")
            return Answer.of({"error": "the emulator broke"}, 500)

    def _spoilt(self, door: Door, received: Received) -> Answer:
        planned = self._faults[door.label].popleft() if self._faults[door.label] else None
        if planned is not None and not planned.after and isinstance(planned.fault, Answer):
            return planned.fault
        own = self._through(door, received)
        if planned is None:
            return own
        return planned.fault if isinstance(planned.fault, Answer) else planned.fault(own)

    def _through(self, door: Door, received: Received) -> Answer:
        begins = door.label in self.begins
        if begins and (answer := self._over_limit(self.weight(received))):
            self.refused += 1
            return answer
        try:
            own = door.handle(received)
        except Refused as refused:
            return refused.answer
        if begins:
            self.begun += 1
            now, weight = time.monotonic(), self.weight(received)
            self._taken.extend([now] * weight)
            self._answering.append(Answering(now + own.seconds, own.until, weight))
        return own

    def _over_limit(self, weight: int) -> Answer | None:
        """The answer to a request that is too many; None where it is taken."""
        (limit, left), now = self.left(), time.monotonic()
        if limit.running is not None and self.at_work() + weight > limit.running:
            return self.too_many(limit, None)
        if limit.calls is None or weight <= left:
            return None
        if weight > limit.calls:
            return self.too_many(limit, limit.seconds)
        return self.too_many(limit, self._taken[weight - left - 1] + limit.seconds - now)

    def _door(self, received: Received) -> tuple[Door | None, dict[str, str]]:
        for door in self.doors():
            matched = re.fullmatch(door.pattern, received.path)
            if matched and (door.host, door.method) == (received.host, received.method):
                return door, matched.groupdict()
        return None, {}


def address_variables(vendor: str, addresses: Mapping[str, str]) -> dict[str, str]:
    """The variables that point the server at a vendor's addresses, given by their part of it."""
    return {
        "_".join(("imagewright", vendor, *([part] if part else []), "base_url")).upper(): address
        for part, address in addresses.items()
    }


def serve_by_hand(emulator: Emulator, vendor: str, key_variable: str) -> None:
    """Serve until Ctrl-C, after printing what to set in the environment."""
    with emulator:
        text = address_variables(vendor, emulator.addresses) | {key_variable: emulator.key}
        lines = [f"{variable}={value}" for variable, value in text.items()]
        sys.stdout.write("\n".join(lines) + "\n\nServing until Ctrl-C.\n")
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            while True:  # waits that end, because on Windows an endless one cannot be interrupted
                threading.Event().wait(1.0)


def seconds_given(usual: float = 5.0) -> float:
    """How long a task is to take, as the command line says."""
    return float(sys.argv[1]) if len(sys.argv) > 1 else usual
