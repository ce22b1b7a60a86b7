"""Many calls at once against a vendor that takes its time: when all are done, how long a ping waits, what it takes.

    python benchmarks/many.py --calls 200 --seconds 5
    python benchmarks/many.py --calls 1000

A real server that has been up for some seconds and has had no call, and the emulated vendor kie in a process of its own
on the same cores, without its limit for the rate. All calls are sent at once by one client, which sends a ping on the
same connection every 20 ms meanwhile. Memory is given for the server and its courier. Runs on Linux, as it reads /proc.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self, cast

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "server"), str(ROOT)]

from tests.emulators.base import address_variables  # noqa: E402 - found on the path set above
from tests.emulators.kie import KieEmulator, Task  # noqa: E402 - as above
from tests.support.raw_client import AS_A_USER, LEGACY, RawClient  # noqa: E402 - as above

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from PIL import Image

    from tests.emulators.messages import Received

PING_EVERY = 0.02
CALM_SECONDS = 2.0
"""How long is waited after the calls, and then how long a ping alone is measured."""
UP_SECONDS = 3.0
"""How long the server is up before the calls come."""
LONGEST = 600.0
"""Seconds after which the benchmark gives up."""
STARTS_AFTER = 0.2
"""The share of a task's time after which the emulated vendor begins with its picture."""
TICKS = os.sysconf("SC_CLK_TCK")
TOOL = "nano_banana"
ANSWER = re.compile(rb'\{"jsonrpc":"2\.0","id":(\d+),"(?:result|error)"')
"""What the server's answers begin with."""


@dataclass
class Noticed:
    """A task of the emulated vendor."""

    began: float
    """When it was created, in seconds of the emulator's clock."""
    polls: int = 0
    """How often it was asked about."""
    seen: float | None = None
    """When a poll was first told that it is done."""


class MeasuredKie(KieEmulator):
    """Kie, which notes when each task began and when a poll first found it done."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds=seconds)
        self.credits = 1e9
        self.noticed: dict[str, Noticed] = {}
        self._at_work: dict[str, Callable[[], None]] = {}

    def _work_on(self, task: Task, form: str, make: Callable[[], list[Image.Image]]) -> None:
        """Make the pictures of a task while it runs, as vendors do, and not before its creation is answered."""
        self._at_work[task.id] = partial(super()._work_on, task, form, make)
        if self._loop is not None:
            self._loop.call_later((self.seconds or 0.0) * STARTS_AFTER, self._finish, task.id)

    def _finish(self, task_id: str) -> None:
        if (work := self._at_work.pop(task_id, None)) is not None:
            work()

    def _stand(self, received: Received, family: str) -> tuple[Task, int]:
        task, place = super()._stand(received, family)
        seen = self.noticed.setdefault(task.id, Noticed(task.began))
        seen.polls += 1
        if task.settled:
            self._finish(task.id)
        if task.settled and seen.seen is None:
            seen.seen = time.monotonic()
        return task, place


def serve(seconds: float) -> None:
    """Serve until standard input ends, and then print what happened as one line of JSON."""
    with MeasuredKie(seconds) as kie:
        variables = address_variables("kie", kie.addresses) | {"KIE_API_KEY": kie.key}
        print(json.dumps(variables), flush=True)
        sys.stdin.read()
        doors = Counter(one.label for one in kie.requests)
        happened = {
            "doors": doors,
            "connections": kie.connections,
            "tasks": [asdict(one) for one in kie.noticed.values()],
            "processor": time.process_time(),
        }
        print(json.dumps(happened), flush=True)


class Vendor:
    """An emulated Kie in a process of its own, whose tasks take so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, str(Path(__file__).resolve()), "--serve", str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        self.variables: dict[str, str] = json.loads(self._line())
        """What points a server at it."""

    def _line(self) -> str:
        return next(self._process.stdout or iter(()))

    def end(self) -> dict[str, Any]:
        """End it; what happened: `doors`, `connections`, `tasks` and `processor` seconds."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        happened: dict[str, Any] = json.loads(self._line())
        self._process.wait(LONGEST)
        return happened

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


class TimedClient(RawClient):
    """A client that notes when each answer came. While it does, it reads no more of a line than the id."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.arrived: dict[int, float] = {}
        self._lines: dict[int, bytes] = {}
        """The answers as they came."""
        self._change = threading.Condition()
        self._sending = threading.Lock()
        super().__init__(LEGACY[-1], env=dict(env), program=AS_A_USER)

    def _read(self) -> None:
        # to read the JSON of a thousand replies with pictures in them would keep the answers to pings waiting
        with open(cast("IO[str]", self.process.stdout).fileno(), "rb", closefd=False) as lines:
            for line in lines:
                now = time.monotonic()
                if (found := ANSWER.match(line)) is None:
                    continue
                request = int(found[1])
                with self._change:
                    self.arrived[request], self._lines[request] = now, line
                    self._change.notify_all()

    def begin(self, method: str, params: dict[str, Any] | None = None, *, progress: bool = False) -> int:
        """Send a request and return its id; of one thread at a time, as ids are counted."""
        with self._sending:
            return super().begin(method, params, progress=progress)

    def answer(self, request: int) -> dict[str, Any]:
        """The answer to a request."""
        self.until([request])
        message: dict[str, Any] = json.loads(self._lines[request])
        return message

    def status(self, request: int) -> str:
        """How the job of a call ended."""
        return str(self.answer(request).get("result", {}).get("structuredContent", {}).get("status", "no job"))

    def until(self, requests: Iterable[int]) -> None:
        """Return when all these are answered."""
        wanted = set(requests)
        with self._change:
            if not self._change.wait_for(lambda: wanted <= self.arrived.keys(), LONGEST):
                raise TimeoutError(f"{len(wanted - self.arrived.keys())} answers are missing")


class Pings:
    """Sends a ping every 20 ms for as long as the block lasts."""

    def __init__(self, client: TimedClient) -> None:
        self._client = client
        self._end = threading.Event()
        self._sent: dict[int, float] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._end.wait(PING_EVERY):
            now = time.monotonic()  # before sending: a server that does not read is slow too
            self._sent[self._client.begin("ping")] = now

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self._client.until(self._sent)

    def waits(self) -> list[float]:
        """Seconds until each was answered, in ascending order."""
        return sorted(self._client.arrived[request] - sent for request, sent in self._sent.items())


def environment(home: str, vendor: Vendor) -> dict[str, str]:
    """The variables of a server at that vendor, without a limit for the rate and for the wait of a call."""
    return {
        "IMAGEWRIGHT_HOME": home,
        "IMAGEWRIGHT_WAIT": "600",
        "IMAGEWRIGHT_KIE_RATE": "10000/10/10000",
        **vendor.variables,
    }


def family(root: int) -> set[int]:
    """The ids of a process and of all that it has started, also in sessions of their own."""
    parents = {}
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError, IndexError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(") ")[2].split()[1])
    found, size = {root}, 0
    while len(found) > size:
        size = len(found)
        found |= {child for child, parent in parents.items() if parent in found}
    return found


def usage(root: int) -> tuple[float, dict[int, float]]:
    """Processor seconds of a server and its helpers, and the most memory that each has taken, in MB."""
    seconds, memory = 0.0, {}
    for process in sorted(family(root)):
        folder = Path("/proc") / str(process)
        fields = (folder / "stat").read_text().rpartition(") ")[2].split()
        seconds += sum(map(int, fields[11:15])) / TICKS  # its own and those of children that have ended
        peak = next((line for line in (folder / "status").read_text().splitlines() if line.startswith("VmHWM")), "")
        memory[process] = int(peak.split()[1]) / 1000 if peak else 0.0
    return seconds, memory


def burst(calls: int, seconds: float) -> bool:
    """Print what so many calls at once come to; whether all brought their picture."""
    with tempfile.TemporaryDirectory() as home, Vendor(seconds) as vendor:
        with TimedClient(environment(home, vendor)) as client:
            client.answer(client.begin("tools/list"))
            time.sleep(UP_SECONDS)
            spent, _ = usage(client.process.pid)
            begun = time.monotonic()
            with Pings(client) as pings:
                requests = [
                    client.begin("tools/call", {"name": TOOL, "arguments": {"prompt": f"heron number {number}"}})
                    for number in range(calls)
                ]
                client.until(requests)
            took = max(client.arrived[request] for request in requests) - begun
            total, memory = usage(client.process.pid)
            time.sleep(CALM_SECONDS)
            calm, _ = usage(client.process.pid)
            with Pings(client) as alone:
                time.sleep(CALM_SECONDS)
            each = (usage(client.process.pid)[0] - calm) / len(alone.waits())
            states = Counter(client.status(request) for request in requests)
        happened = vendor.end()
    waits = pings.waits()
    began = sorted(task["began"] for task in happened["tasks"])
    seen = sorted(task["seen"] - task["began"] - seconds for task in happened["tasks"] if task["seen"])
    doors = happened["doors"]
    print(
        f"{calls} calls of {seconds:g} s: {dict(states)}, all done after {took:.2f} s\n"
        f"the last task was created {began[-1] - began[0]:.2f} s after the first; ends were noticed after "
        f"{seen[len(seen) // 2]:.2f} s (median), {seen[-1]:.2f} s (last)\n"
        f"ping: slowest {waits[-1] * 1000:.0f} ms, 99th percentile {waits[int(len(waits) * 0.99)] * 1000:.0f} ms, "
        f"median {waits[len(waits) // 2] * 1000:.1f} ms, {len(waits)} of them\n"
        f"most memory: {', '.join(f'{one:.0f}' for one in memory.values())} MB\n"
        f"processor time: ours {(total - spent - each * len(waits)) / calls * 1000:.1f} ms a job and {each * 1000:.1f} "
        f"ms a ping, the emulator's {happened['processor'] / calls * 1000:.1f} ms a job\n"
        f"polls a job: {doors.get('poll', 0) / calls:.2f}, connections {happened['connections']}; "
        f"load of the machine: {os.getloadavg()[0]:.1f}"
    )
    return states == {"completed": calls}


def main() -> int:
    """Measure; 1 when a call brought no picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each takes at the vendor")
    parser.add_argument("--serve", type=float, metavar="SECONDS", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve is not None:
        serve(given.serve)
        return 0
    return 0 if burst(given.calls, given.seconds) else 1


if __name__ == "__main__":
    sys.exit(main())
