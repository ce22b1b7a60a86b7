"""Many calls at once at a vendor that takes only so many requests in a time, and refuses the others.

    python benchmarks/burst.py --vendor kie --limit 20/10 --calls 60 --processes 1
    python benchmarks/burst.py --vendor kie --limit 20/10 --calls 60 --processes 4
    python benchmarks/burst.py --vendor openai --limit 5/60 --calls 12

The emulated vendor runs in a process of its own. Real servers on one home, each with an MCP client that makes its share
of the calls at once and asks `image_job` until each is done. One call more is made while the others wait; the client
looks at what it is told of its place, and cancels it, which must cost nothing and never reach the vendor.

What the rate allows is read in two ways: by windows, as the vendor counts (60 calls at 20 in 10 s: 20 at 0, 10 and
20 s), and by the mean rate (30 s). The last request must leave within 1.3 x the first, and the last picture be here
within 1.3 x the second and the time a picture takes; pictures against windows are printed as well, as that shows how
late an end is noticed on this machine.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import queue
import re
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "server"), str(ROOT)]

from tests.support.kill_runs import given, plain_route  # noqa: E402 - found on the path set above
from tests.support.raw_client import AS_A_USER, LEGACY, RawClient  # noqa: E402 - as above
from tests.support.slow_vendors import AnyVendor, SlowKie, SlowOpenAI, prompt_in  # noqa: E402 - as above
from tests.support.vendors import environment  # noqa: E402 - as above

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from multiprocessing.connection import Connection

VENDORS: dict[str, type[AnyVendor]] = {"kie": SlowKie, "openai": SlowOpenAI}


@dataclass(frozen=True)
class Usual:
    """What is tried at a vendor."""

    limit: tuple[int, float]
    calls: int
    known: bool
    """Whether its rate is known before the first call, so that few requests need be refused."""


USUAL = {"kie": Usual((20, 10.0), 60, known=True), "openai": Usual((5, 60.0), 12, known=False)}
TASK_SECONDS = 2.0
"""How long the vendor takes for a picture."""
MOST_REFUSED = 0.05
"""Share of the requests that may be refused for the rate, where the rate is known from the start."""
MOST_TIME = 1.3
"""Times what the rate allows."""
LONGEST = 900.0
"""Seconds after which a call that is not done is given up."""
WAIT = 55
"""Seconds of one `image_job`, as many as it takes."""
GLANCE = 0.1
"""Seconds between two looks for progress."""
EXTRA = "a kite that nobody wants any more"
"""The prompt of the call that is cancelled."""
EXTRA_AFTER = 3.0
"""Seconds after which that call is made."""
SHOWN = 8
"""Messages of a waiting call that are printed."""


@dataclass(frozen=True)
class Counts:
    """What the vendor saw."""

    begun: int
    """Tasks it began."""
    refused: int
    """Requests it refused for the rate."""
    begins: list[float]
    """When it began each, in seconds after the first request."""
    prompts: list[str]
    """The prompts of all requests for paid work."""


class Vendor:
    """The emulated vendor in a process of its own."""

    def __init__(self, name: str, calls: int, seconds: float) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, name, calls, seconds), daemon=True)
        self._process.start()
        self.variables: Mapping[str, str] = self._ours.recv()
        """What points a server at it."""

    def counts(self) -> Counts:
        """What it saw so far."""
        self._ours.send(None)
        counts: Counts = self._ours.recv()
        return counts

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ours.close()
        self._process.join(LONGEST)


def serve(theirs: Connection, name: str, calls: int, seconds: float) -> None:
    """Be the vendor until the other end of the pipe closes."""
    begins: list[float] = []
    with VENDORS[name]() as emulator:
        emulator.seconds = TASK_SECONDS
        emulator.limit(calls, seconds)
        theirs.send(environment({name: emulator}))
        threading.Thread(target=watch, args=(emulator, begins), daemon=True).start()
        while True:
            try:
                theirs.recv()
            except EOFError:
                return
            prompts = [prompt_in(one.json()) for one in emulator.received(emulator.submits)]
            theirs.send(Counts(emulator.begun, emulator.refused, [*begins], prompts))


def watch(emulator: AnyVendor, begins: list[float]) -> None:
    """Note when each task is begun, within some milliseconds."""
    first: float | None = None
    while True:
        now = time.monotonic()
        if first is None and emulator.received(emulator.submits):
            first = now
        begins += [now - (first or now)] * (emulator.begun - len(begins))
        time.sleep(0.01)


@dataclass
class Call:
    """One call, and what its client heard."""

    prompt: str
    job: str = ""
    """Its job, once the client knows it."""
    heard: list[tuple[float, str]] = field(default_factory=list)
    """What it heard while it waited, with seconds since the first call."""
    done: float | None = None
    """When it heard the end, in seconds since the first call."""
    status: str = ""
    images: int = 0
    usd: float = 0.0
    text: str = ""
    """The last answer's words."""


class Caller(RawClient):
    """A client that makes its calls at once and asks for each until it is done."""

    def __init__(self, tool: str, fixed: Mapping[str, Any], env: Mapping[str, str]) -> None:
        super().__init__(LEGACY[-1], env=dict(env), program=AS_A_USER)
        self.began = 0.0
        """When the first call of all was made."""
        self._tool, self._fixed = tool, fixed
        self._waiting: dict[int, Call] = {}

    def make(self, calls: Iterable[Call]) -> None:
        """Make these calls at once."""
        for call in calls:
            arguments = {**self._fixed, "prompt": call.prompt}
            request = self.begin("tools/call", {"name": self._tool, "arguments": arguments}, progress=True)
            self._waiting[request] = call

    def wait(self, call: Call | None = None) -> None:
        """Until this call has ended, or all have."""
        while self._waiting and not (call and call.done):
            self.listen(GLANCE)

    def listen(self, seconds: float) -> None:
        """Take what comes in so many seconds: answers, and the progress of calls that wait."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._hear()
            with suppress(queue.Empty):
                self._take(self._answers.get(timeout=min(left, GLANCE)))

    def look_and_cancel(self, call: Call) -> None:
        """Ask what becomes of a call of ours that waits, and cancel it."""
        # nobody has begun another since
        call.job = self._job(self.begin("tools/call", {"name": "image_job", "arguments": {}}))["job_id"]
        shown = {"name": "image_job", "arguments": {"job_id": call.job, "action": "show"}}
        message = self._await(self.begin("tools/call", shown))
        call.heard.append((self._now(), f"image_job: {_words(message)}"))
        cancel = {"name": "image_job", "arguments": {"job_id": call.job, "action": "cancel"}}
        self._waiting[self.begin("tools/call", cancel)] = call
        self.wait(call)

    def _job(self, request: int) -> dict[str, Any]:
        """The first job in an answer."""
        jobs: list[dict[str, Any]] = self._await(request)["result"]["structuredContent"]["jobs"]
        return jobs[0]

    def _await(self, request: int) -> dict[str, Any]:
        """The answer to this request; what comes before is taken as usual."""
        while (message := self._answers.get(timeout=LONGEST))["id"] != request:
            self._take(message)
        return message

    def _now(self) -> float:
        return time.monotonic() - self.began

    def _take(self, message: dict[str, Any]) -> None:
        """An answer: the end of a call, or the sign to ask again."""
        assert "ended" not in message, f"the server has ended: {''.join(self.log)}"  # noqa: S101 - nothing to go on with
        call = self._waiting.pop(message["id"])
        result = message.get("result", {})
        job = result.get("structuredContent") or {}
        job = job["jobs"][0] if "jobs" in job else job
        call.job = job.get("job_id", call.job)
        call.status, call.text = job.get("status", "failed"), _words(message)
        if call.status in {"running", "stalled"}:
            call.heard.append((self._now(), call.text))
            again = {"name": "image_job", "arguments": {"job_id": call.job, "wait": WAIT}}
            self._waiting[self.begin("tools/call", again, progress=True)] = call
            return
        call.done, call.images = self._now(), len(job.get("images", ()))
        call.usd = job.get("cost", {}).get("usd", 0.0)

    def _hear(self) -> None:
        """Take the progress that was sent."""
        while not self.notifications.empty():
            message = self.notifications.get()
            if message.get("method") == "notifications/progress":
                request = int(str(message["params"]["progressToken"]).rpartition("-")[2])
                if (call := self._waiting.get(request)) is not None:
                    call.heard.append((self._now(), message["params"].get("message", "")))


def _words(message: Mapping[str, Any]) -> str:
    """The text of an answer."""
    blocks = message.get("result", {}).get("content", [])
    return " ".join(block["text"] for block in blocks if "text" in block) or str(message)


def carry_out(words: argparse.Namespace, vendor: Vendor, home: str) -> tuple[list[Call], Call]:
    """All calls, and the one more that is cancelled."""
    route = plain_route(words.vendor)
    env = {"IMAGEWRIGHT_HOME": home, "HOME": home, **vendor.variables}
    calls = [Call(f"a kite, number {number}") for number in range(words.calls)]
    extra = Call(EXTRA)
    with ExitStack() as stack:
        callers = [stack.enter_context(Caller(route.tool, given(route, ""), env)) for _ in range(words.processes)]
        began = time.monotonic()
        threads = []
        for place, caller in enumerate(callers):
            caller.began = began
            share = calls[place :: words.processes]
            threads.append(threading.Thread(target=_make_and_wait, args=(caller, share, extra if not place else None)))
            threads[-1].start()
        for thread in threads:
            thread.join(LONGEST)
    return calls, extra


def _make_and_wait(caller: Caller, calls: list[Call], extra: Call | None) -> None:
    caller.make(calls)
    if extra is not None:
        caller.listen(EXTRA_AFTER)
        caller.make([extra])
        caller.listen(1.0)
        caller.look_and_cancel(extra)
    caller.wait()


def show_waiting(call: Call) -> None:
    """What a waiting call was told, without what only counts seconds."""
    shown: list[tuple[float, str]] = []
    for seconds, text in call.heard:
        plain = re.sub(r"[\d.]+ s\b", "", text)
        if not shown or re.sub(r"[\d.]+ s\b", "", shown[-1][1]) != plain:
            shown.append((seconds, text))
    kept = shown if len(shown) <= SHOWN else [*shown[: SHOWN // 2], *shown[-SHOWN // 2 :]]
    for seconds, text in kept:
        print(f"  {seconds:6.1f} s  {text[:300]}")


def report(words: argparse.Namespace, calls: list[Call], extra: Call, counts: Counts) -> list[str]:
    """Print what happened; what is not as it should be."""
    limit, window = words.limit
    done = [call for call in calls if call.done is not None and call.images]
    last = max((call.done or 0.0 for call in done), default=math.inf)
    by_windows, by_mean = (math.ceil(words.calls / limit) - 1) * window, words.calls / limit * window
    sent, all_here = max(counts.begins, default=0.0), by_mean + TASK_SECONDS
    refused = counts.refused / max(1, counts.begun + counts.refused)
    print(f"pictures: {sum(call.images for call in done)} of {words.calls} calls; tasks begun: {counts.begun}")
    print(f"requests refused for the rate: {counts.refused} of {counts.begun + counts.refused} ({refused:.1%})")
    print(f"the last task began after {sent:.1f} s; windows allow {by_windows:.1f} s ({sent / by_windows:.2f} x)")
    print(
        f"the last picture was here after {last:.1f} s; the mean rate allows {all_here:.1f} s ({last / all_here:.2f} x)"
    )
    print(f"  against windows and a picture's time: {last / (by_windows + TASK_SECONDS):.2f} x")
    print("\na call that waited, and what it was told:")
    show_waiting(max(calls, key=lambda call: call.done or 0.0))
    print("\na call that was cancelled while it waited:")
    show_waiting(extra)
    print(f"  then: {extra.status}, ${extra.usd:g}: {extra.text[:300]}")
    problems = {
        f"{words.calls - len(done)} calls have no picture": len(done) == words.calls,
        f"{counts.begun} tasks for {words.calls} calls": counts.begun == words.calls,
        f"{refused:.1%} of the requests were refused": not words.known or refused <= MOST_REFUSED,
        f"the last task began at {sent / by_windows:.2f} x": not words.known or sent <= MOST_TIME * by_windows,
        f"the last picture came at {last / all_here:.2f} x": not words.known or last <= MOST_TIME * all_here,
        f"the cancelled call is {extra.status}": extra.status == "cancelled",
        "the cancelled call was sent": extra.prompt not in counts.prompts,
        f"the cancelled call cost ${extra.usd:g}": not extra.usd,
    }
    failed = [call for call in calls if call not in done]
    return [words for words, holds in problems.items() if not holds] + [
        f"{call.prompt}: {call.status}: {call.text[:200]}" for call in failed[:3]
    ]


def rate(text: str) -> tuple[int, float]:
    """Calls and seconds, as in `20/10`."""
    calls, _, seconds = text.partition("/")
    return int(calls), float(seconds)


def main() -> None:
    """Run it; what does not hold ends it with an error."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--vendor", choices=VENDORS, default="kie", help="the emulated vendor (default: kie)")
    parser.add_argument("--limit", type=rate, help="calls/seconds (default: 20/10 for kie, 5/60 for openai)")
    parser.add_argument("--calls", type=int, help="calls at once (default: 60 for kie, 12 for openai)")
    parser.add_argument("--processes", type=int, default=1, help="servers on one home (default: 1)")
    words = parser.parse_args()
    usual = USUAL[words.vendor]
    words.limit = words.limit or usual.limit
    words.calls = words.calls or usual.calls
    words.known = usual.known
    with tempfile.TemporaryDirectory() as home, Vendor(words.vendor, *words.limit) as vendor:
        calls, extra = carry_out(words, vendor, home)
        counts = vendor.counts()
    problems = report(words, calls, extra, counts)
    for problem in problems:
        print(f"WRONG: {problem}")
    print("\nIt holds." if not problems else "\nIt does not hold.")
    if problems:
        sys.exit(1)


if __name__ == "__main__":
    main()
