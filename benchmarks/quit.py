"""Quit real servers as clients do, while a paid request is under way, and hold the vendor's books against the library.

    python benchmarks/quit.py --rounds 100 --vendor openai
    python benchmarks/quit.py --rounds 100 --vendor kie
    python benchmarks/quit.py --rounds 20 --vendor openai --other-server

In each round one call is begun at an emulated vendor that takes its time: openai answers a request with the picture
after 10 s, and Kie takes 5 s to accept a task. At a random moment the client quits as the MCP SDKs do: it closes
standard input; 2 s later it sends TERM to the process group, and 2 s after that KILL. Then the next server starts on
the same home and carries on what was left. In the end, what was charged is in the library. At Kie a task may be lost
whose acceptance never reached this machine, at most once in a hundred rounds, and its job says so.

With `--other-server`, another server is alive on the same home and nobody sends a signal: the server whose input has
ended has to end by itself, and its job must not be taken for dead while it does.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "server"), str(ROOT)]

from imagewright.storage.states import CallState  # noqa: E402 - found on the path set above
from tests.support.kill_runs import House  # noqa: E402 - as above
from tests.support.raw_client import MODERN, QUICK, RawClient  # noqa: E402 - as above
from tests.support.slow_vendors import SlowKie, SlowOpenAI  # noqa: E402 - as above

if TYPE_CHECKING:
    from collections.abc import Iterable

TAKES = {"openai": 10.0, "kie": 5.0}
"""Seconds a vendor takes to answer the request that is paid for."""
LATER = 1.5
"""Seconds after that time within which a client may still quit: a call waits while the server is still warming up."""
STEP = 2.0
"""Seconds from one step of a client's quitting to the next, as in the Python and TypeScript SDKs."""
LEASE = 2.0
"""Seconds; shorter than each vendor takes, so that a lease that is not renewed is noticed."""
SETTLED = 120.0
"""Seconds until the next server must have ended everything."""
LOOK_EVERY = 0.5
"""Seconds between two looks."""
LOST_OF_KIE = 0.01
"""Share of the rounds in which a task of Kie's may be lost, because its number never reached this machine."""


@dataclass(frozen=True)
class Round:
    """What came of one round."""

    sent: int
    """How many paid requests reached the vendor; one at most was wanted."""
    charged: int
    """How many pictures were charged, or will be: a task that was begun is paid for."""
    kept: int
    """How many pictures are in the library."""
    states: Counter[CallState]
    """The states of the calls, at the end."""
    stuck: int
    """How many jobs had not ended in time."""
    quitting: float
    """Seconds from closing the input to the end of the process."""
    code: int
    """How the server ended."""
    log: str
    """What it wrote to standard error, and what the next one wrote."""


@dataclass
class Rounds:
    """All rounds with one vendor."""

    vendor: str
    other: bool
    """Whether another server is alive on the same home, and nobody sends a signal."""
    done: list[Round] = field(default_factory=list)

    def run(self, rounds: int, seed: int, at_once: int) -> None:
        """Every round, several at once."""
        chance = random.Random(seed)  # noqa: S311 - repeatable, guards nothing
        moments = [chance.uniform(0.0, TAKES[self.vendor] + LATER) for _ in range(rounds)]
        with ThreadPoolExecutor(at_once) as pool:
            for one in pool.map(self._round, moments):
                self.done.append(one)
                say(f"\r{self.vendor}: {len(self.done)} of {rounds}")

    def _round(self, moment: float) -> Round:
        """One call, one quit `moment` seconds after the call, one successor."""
        with tempfile.TemporaryDirectory() as folder, _slow(self.vendor) as vendor:
            house = House(Path(folder) / "home", vendor)
            client = _server(house)
            others = [_server(house)] if self.other else []
            try:
                client.__enter__()
                for other in others:
                    other.__enter__()
                    other.ask("tools/list")
                house.begin(client, "a heron")
                time.sleep(moment)
                quitting, code = _quit(client, signals=not self.other)
                if not others:
                    others = [_server(house).__enter__()]
                stuck = _settle(house)
            finally:
                for one in (client, *others):
                    one.__exit__(None, None, None)
            jobs = house.jobs()
            return Round(
                sent=len(vendor.received(vendor.submits)),
                charged=len(vendor.tasks) if isinstance(vendor, SlowKie) else len(vendor.charges),
                kept=len(house.pictures()),
                states=Counter(call.state for job in jobs for call in job.calls),
                stuck=stuck,
                quitting=quitting,
                code=code,
                log="".join([*client.log, *(line for other in others for line in other.log)]),
            )

    def report(self) -> bool:
        """Print what came of them in one line; whether all is well."""
        done = self.done
        sent, charged, kept = (sum(getattr(one, name) for one in done) for name in ("sent", "charged", "kept"))
        unknown = sum(one.states[CallState.UNKNOWN] for one in done)
        twice = sum(max(0, one.sent - 1) for one in done)
        stuck = sum(one.stuck for one in done)
        lost = charged - kept
        quitting = [one.quitting for one in done]
        codes = Counter(one.code for one in done)
        say(
            f"\r{self.vendor}{' with another server' if self.other else ''}, {len(done)} rounds: {sent} requests sent, "
            f"{charged} charged, {kept} kept, {lost} lost, {unknown} of unknown outcome, {twice} sent twice, "
            f"{stuck} stuck; quitting took {statistics.median(quitting):.1f} s, at most {max(quitting):.1f} s; "
            f"exit codes: {_counts(codes)}\n"
        )
        for line in dict.fromkeys(line for one in done for line in one.log.splitlines() if "Traceback" in line):
            say(f"on standard error: {line}\n")
        # a task that nobody knows the number of must at least be said to be of unknown outcome
        may_be_lost = len(done) * LOST_OF_KIE if self.vendor == "kie" else 0
        unsaid = sum(one.charged > one.kept and not one.states[CallState.UNKNOWN] for one in done)
        return 0 <= lost <= may_be_lost and not unsaid and not twice and not stuck


def _slow(vendor: str) -> SlowOpenAI | SlowKie:
    """The emulated vendor, which takes its time over the request that is paid for."""
    if vendor == "openai":
        return SlowOpenAI(seconds=TAKES["openai"])
    kie = SlowKie()
    kie.lags = {kie.submits: TAKES["kie"]}
    return kie


def _server(house: House) -> RawClient:
    """A server as a client starts it, in a process group of its own."""
    env = house.environment() | {"IMAGEWRIGHT_LEASE": f"{LEASE:g}"}
    return RawClient(MODERN, env=env, program=QUICK)


def _quit(client: RawClient, *, signals: bool) -> tuple[float, int]:
    """Quit as the SDKs do: how many seconds it took, and the exit code."""
    process = client.process
    assert process.stdin is not None  # noqa: S101 - for the type checker
    began = time.monotonic()
    process.stdin.close()
    steps: Iterable[int] = (signal.SIGTERM, signal.SIGKILL) if signals else ()
    for step in steps:
        if _has_ended(client, STEP):
            break
        with suppress(ProcessLookupError):
            os.killpg(process.pid, step)
    code = process.wait(SETTLED)
    return time.monotonic() - began, code


def _has_ended(client: RawClient, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while client.process.poll() is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _settle(house: House) -> int:
    """Wait until every job has ended; how many had not in time."""
    deadline = time.monotonic() + SETTLED
    while left := sum(not job.done for job in house.jobs()):
        if time.monotonic() > deadline:
            return left
        time.sleep(LOOK_EVERY)
    return 0


def _counts(counted: Counter[int]) -> str:
    return ", ".join(f"{code} ({count} times)" for code, count in sorted(counted.items()))


def say(text: str) -> None:
    """Show it at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def main() -> int:
    """Run it; 1 where something was lost, sent twice or left undone."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100, help="how many quits (default: 100)")
    parser.add_argument("--vendor", choices=sorted(TAKES), default="openai", help="the vendor (default: openai)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments that are left to chance (default: 1)")
    parser.add_argument("--at-once", type=int, default=10, help="how many rounds run at a time (default: 10)")
    parser.add_argument("--other-server", action="store_true", help="with another server alive, and without a signal")
    words = parser.parse_args()
    rounds = Rounds(words.vendor, words.other_server)
    rounds.run(words.rounds, words.seed, words.at_once)
    return 0 if rounds.report() else 1


if __name__ == "__main__":
    sys.exit(main())
