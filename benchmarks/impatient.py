"""Clients that give up without a word and call again, against a vendor that takes its time: what is paid, what arrives.

    python benchmarks/impatient.py

For each vendor's time, client's limit and pause before the next try: real servers, the emulated vendor kie, and a
client that never reads an answer after its limit. When it has heard its picture, someone wants another of the same:
at once, and when that gave the first picture again, once more. Every combination runs at the same time as the others.
"""

from __future__ import annotations

import argparse
import queue
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "server"), str(ROOT)]

from tests.support.kill_runs import House, plain_route  # noqa: E402 - found on the path set above
from tests.support.raw_client import LEGACY, RawClient  # noqa: E402 - as above
from tests.support.slow_vendors import SlowKie  # noqa: E402 - as above

VENDOR_SECONDS = (2.0, 4.0, 5.0, 6.0, 8.0, 12.0)
LIMITS = (5.0, 10.0)
PAUSES = (0.0, 3.0)
MOST_TRIES = 8
LOOKS = 20.0
"""Seconds for which a person looks at a picture before asking for another."""


@dataclass(frozen=True)
class Outcome:
    """What became of one picture that somebody wanted."""

    tries: int | None
    """How often the client called until it heard its picture; None when it gave up for good."""
    charges: int
    """What the vendor had charged by then."""
    again: int
    """How often the first picture was given again to someone who wanted another."""


class Impatient(RawClient):
    """A client that stops listening for an answer after its limit without a word."""

    limit = 60.0

    def hear(self, request: int) -> dict[str, Any] | None:
        """The job in the answer to this request, if it comes within the limit."""
        end = time.monotonic() + self.limit
        while (left := end - time.monotonic()) > 0:
            try:
                message = self._answers.get(timeout=left)
            except queue.Empty:
                return None
            if message["id"] == request:
                job: dict[str, Any] = message["result"]["structuredContent"]
                return job
        return None


def want(vendor_seconds: float, limit: float, pause: float) -> Outcome:
    """Want one picture, and then another of the same."""
    with tempfile.TemporaryDirectory() as folder, SlowKie() as kie:
        house = House(Path(folder), kie)
        kie.seconds = vendor_seconds
        tool = plain_route("kie").tool
        with Impatient(LEGACY[-1], env=house.environment()) as client:
            client.limit = limit

            def want(pause: float) -> tuple[str, int] | None:
                for tries in range(1, MOST_TRIES + 1):
                    job = client.hear(client.begin("tools/call", {"name": tool, "arguments": {"prompt": "a heron"}}))
                    if job is not None and job["images"]:
                        return job["job_id"], tries
                    time.sleep(pause)
                return None

            first = want(pause)
            charges = len(kie.charges)
            again = 0
            time.sleep(LOOKS)
            while first is not None and again < MOST_TRIES and (second := want(pause)) and second[0] == first[0]:
                again += 1
    return Outcome(first[1] if first else None, charges, again)


def main() -> int:
    """Print a row for each combination; 1 when one of them paid twice, got nothing, or gave the first again twice."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    combinations = list(product(VENDOR_SECONDS, LIMITS, PAUSES))
    with ThreadPoolExecutor(len(combinations)) as pool:
        outcomes = list(pool.map(lambda one: want(*one), combinations))
    print("vendor s  client s  pause s  tries  charges  first given again")
    for (vendor, limit, pause), outcome in zip(combinations, outcomes, strict=True):
        print(f"{vendor:8g} {limit:9g} {pause:8g} {outcome.tries or 'never':>6} {outcome.charges:8} {outcome.again:18}")
    well = all(one.tries is not None and one.charges == 1 and one.again <= 1 for one in outcomes)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
