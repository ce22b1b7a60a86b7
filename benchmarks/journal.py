"""What the journal costs a finished job: one of one call, from its opening to its end, on this machine's disk.

python benchmarks/journal.py --jobs 200
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "server")]

from imagewright.storage.database import Database  # noqa: E402 - found on the path set above
from imagewright.storage.journal import Journal  # noqa: E402 - as above
from imagewright.storage.journal_entry import CallEntry, JobEntry  # noqa: E402 - as above
from imagewright.storage.states import CallState  # noqa: E402 - as above

OWNER = "benchmark"


def one_job(journal: Journal, number: int) -> float:
    """Milliseconds of all writes of one job."""
    now = time.time()
    entry = JobEntry(
        id=f"job_{number}",
        tool="tool",
        operation="generate",
        provider="vendor",
        model="model",
        fingerprint=str(number),
        plan={"spec": {"prompt": "a lighthouse at dusk"}},
        expected=1,
        calls=(CallEntry(number=0),),
        created=now,
        owner=OWNER,
    )
    start = time.perf_counter()
    journal.open_job(entry, lease_until=now + 10, now=now)
    journal.move(entry.id, 0, CallState.SUBMITTING, owner=OWNER)
    journal.move(entry.id, 0, CallState.SUBMITTED, owner=OWNER, handle={"task": "task_1"})
    journal.move(entry.id, 0, CallState.MADE, owner=OWNER, products=({"url": "https://example.com/1.png"},))
    journal.move(entry.id, 0, CallState.KEPT, owner=OWNER)
    journal.finish(
        entry.id, "completed", owner=OWNER, now=now, cost_usd=0.02, cost_basis="actual", notes=[], error=None
    )
    journal.mark_seen(entry.id, now)
    return (time.perf_counter() - start) * 1000


def main() -> None:
    """Print the median, and the slowest of a hundred."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    text = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "journal.db")
        journal = Journal(database)
        times = sorted(one_job(journal, number) for number in range(text.jobs))
        database.close()
    slow = times[int(len(times) * 0.99)]
    print(f"{text.jobs} jobs: median {statistics.median(times):.2f} ms, 99th percentile {slow:.2f} ms")


if __name__ == "__main__":
    main()
