"""What the journal costs a finished job, from opening to end: jobs one by one, and many whose writes go together.

python benchmarks/journal.py --jobs 200 --together 50
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import anyio

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "server")]

from imagewright.settings.folders import find_folders  # noqa: E402 - found on the path set above
from imagewright.storage.principal import LOCAL  # noqa: E402 - as above
from imagewright.storage.records import CallRecord, NewJob  # noqa: E402 - as above
from imagewright.storage.states import CallState  # noqa: E402 - as above
from imagewright.storage.stores import DeferredJobs, open_stores  # noqa: E402 - as above


async def one_job(jobs: DeferredJobs, number: int) -> float:
    """Milliseconds of all writes of one job."""
    job = NewJob(
        id=f"job_{number}",
        tool="tool",
        operation="generate",
        provider="vendor",
        model="model",
        fingerprint=str(number),
        plan={"spec": {"prompt": "a lighthouse at dusk"}},
        expected=1,
        calls=(CallRecord(number=0),),
    )
    start = time.perf_counter()
    await jobs.open(LOCAL, job)
    await jobs.advance(job.id, 0, CallState.SUBMITTING)
    await jobs.note(job.id, 0, CallState.SUBMITTED, handle={"task": "task_1"})
    await jobs.note(job.id, 0, CallState.MADE, outputs=({"url": "https://example.com/1.png"},))
    await jobs.note(job.id, 0, CallState.KEPT)
    await jobs.finish(job.id, "completed", cost_usd=0.02, cost_basis="actual", notes=[])
    await jobs.mark_seen(LOCAL, job.id)
    return (time.perf_counter() - start) * 1000


async def measured(count: int, together: int) -> None:
    """Print the median, the slowest of a hundred, and the whole, for jobs of which so many run at once."""
    with tempfile.TemporaryDirectory() as folder:
        stores = open_stores(find_folders({"IMAGEWRIGHT_HOME": folder}, Path(folder)), lease=10)
        times: list[float] = []
        numbers = iter(range(count))

        async def work() -> None:
            times.extend([await one_job(stores.jobs, number) for number in numbers])

        start = time.perf_counter()
        async with anyio.create_task_group() as group:
            for _ in range(together):
                group.start_soon(work)
        whole = time.perf_counter() - start
        await stores.close()
    slow = sorted(times)[int(len(times) * 0.99)]
    print(
        f"{count} jobs, {together} at once: median {statistics.median(times):.2f} ms, 99th percentile {slow:.2f} ms, "
        f"all in {whole:.2f} s"
    )


def main() -> None:
    """Measure one at a time, and many."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--together", type=int, default=50)
    given = parser.parse_args()
    for together in (1, given.together):
        anyio.run(measured, given.jobs, together)


if __name__ == "__main__":
    main()
