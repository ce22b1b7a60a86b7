"""How late the end of a vendor's task is noticed, and how many polls that takes.

    python benchmarks/notice.py

For tasks of 2, 5, 20 and 60 s: a real server on a new home, and the emulated vendor kie in a process of its own. The
first jobs take a route that was never used, the second ones a route whose usual duration is known from the first.
Lateness is from the moment when the task was done to the first poll that was told so, by the vendor's clock.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "server"), str(ROOT)]

from benchmarks.many import TOOL, TimedClient, Vendor, environment  # noqa: E402 - found on the path set above

DURATIONS = (2.0, 5.0, 20.0, 60.0)
SHARE, SECONDS = 0.1, 0.5
"""The end has to be noticed within this share of the duration, and so many seconds more."""


def measure(duration: float, jobs: int) -> list[list[dict[str, Any]]]:
    """The tasks of that duration: of the first jobs, and of the second."""
    with tempfile.TemporaryDirectory() as home, Vendor(duration) as vendor:
        with TimedClient(environment(home, vendor)) as client:
            for part in ("first", "second"):
                calls = [
                    client.begin("tools/call", {"name": TOOL, "arguments": {"prompt": f"{part} heron {number}"}})
                    for number in range(jobs)
                ]
                client.until(calls)
        tasks = sorted(vendor.end()["tasks"], key=lambda task: task["began"])
    return [tasks[:jobs], tasks[jobs:]]


def main() -> int:
    """Print a line for each duration and route; 1 where an end was noticed too late."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=5, help="jobs at once, twice for each duration")
    jobs = parser.parse_args().jobs
    with ThreadPoolExecutor(len(DURATIONS)) as pool:
        measured = list(pool.map(lambda duration: measure(duration, jobs), DURATIONS))
    well = True
    print(" task s  route   allowed s  latest s  median s  polls a job")
    for duration, parts in zip(DURATIONS, measured, strict=True):
        allowed = duration * SHARE + SECONDS
        for route, tasks in zip(("new", "known"), parts, strict=True):
            late = sorted(task["seen"] - task["began"] - duration for task in tasks)
            polls = statistics.mean(task["polls"] for task in tasks)
            well = well and late[-1] <= allowed
            print(f"{duration:7g}  {route:6} {allowed:10.2f} {late[-1]:9.2f} {late[len(late) // 2]:9.2f} {polls:12.1f}")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
