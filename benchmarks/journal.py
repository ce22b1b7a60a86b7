"""What storage costs a job, from the check for room to the end that was heard: one by one, and many at once.

    python benchmarks/journal.py --jobs 200 --together 200
    python benchmarks/journal.py --history 10000 100000

The picture's file is small: writing it is the disk's work, and the same for every way of keeping records. With
`--history`, it also measures what is looked up and written beside so many finished jobs and pictures.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "server")]

from imagewright.settings.folders import find_folders  # noqa: E402 - found on the path set above
from imagewright.storage.accounts import LOCAL, Pace  # noqa: E402 - as above
from imagewright.storage.base import Step  # noqa: E402 - as above
from imagewright.storage.records import CallRecord, NewJob, NewPicture  # noqa: E402 - as above
from imagewright.storage.states import CallState  # noqa: E402 - as above
from imagewright.storage.stores import open_stores  # noqa: E402 - as above
from imagewright.text import Foreign  # noqa: E402 - as above

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from imagewright.storage.base import JobEnd
    from imagewright.storage.stores import Stores

PROMPT = "a lighthouse at dusk, seen from the sea"
PACE = Pace(10_000, 10.0, 5_000)
"""Nobody waits for a slot, but each is counted."""
END: JobEnd = {"cost_usd": 0.02, "cost_basis": "actual", "notes": ()}
TURNS = 30
"""How often each look-up is measured; the median is shown."""


def new_job(number: int) -> NewJob:
    """A job with the plan of a usual call."""
    return NewJob(
        id=f"job_{number:016x}",
        tool="tool",
        operation="generate",
        provider="vendor",
        model="model",
        fingerprint=f"{number:064x}",
        plan={"spec": {"prompt": PROMPT, "request": {"prompt": PROMPT}, "count": 1}, "choice": ["The only one."]},
        expected=1,
        calls=(CallRecord(number=0, arguments={"prompt": PROMPT}),),
        reserved_usd=0.02,
    )


def new_picture(job: NewJob, number: int) -> NewPicture:
    """The picture of a job."""
    return NewPicture(
        tool=job.tool,
        operation=job.operation,
        provider=job.provider,
        model=job.model,
        format="png",
        width=1024,
        height=1024,
        prompt=Foreign(f"{PROMPT} {number}"),
        arguments={"aspect_ratio": "1:1"},
        job_id=job.id,
        created=datetime.now(UTC),
    )


async def one_job(stores: Stores, number: int, source: Path) -> float:
    """Milliseconds of everything that storage does for one job."""
    job, jobs = new_job(number), stores.jobs
    start = time.perf_counter()
    await stores.library.check_room(LOCAL, None, 1000)
    await jobs.open(LOCAL, job)
    await jobs.take_slot("vendor-account", job.provider, PACE)
    await jobs.advance(job.id, 0, CallState.SUBMITTING)
    await jobs.conclude(job.id, [Step(0, CallState.SUBMITTED, {"handle": {"task": f"task_{number}"}})])
    await jobs.check_lease(job.id)
    record, _ = await stores.library.place(LOCAL, source, new_picture(job, number))
    steps = [
        Step(0, CallState.MADE, {"outputs": ({"url": "https://example.com/1.png"},), "took": 5.0}),
        Step(0, CallState.KEPT, {}),
    ]
    await jobs.conclude(job.id, steps, [record], ("completed", END))
    await jobs.mark_seen(LOCAL, job.id)
    return (time.perf_counter() - start) * 1000


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Stores, Path]]:
    """Stores in an empty folder, and a picture's file."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "picture")
        await anyio.Path(source).write_bytes(b"a picture" * 100)
        stores = open_stores(find_folders({"IMAGEWRIGHT_HOME": folder}, Path(folder)), lease=3600)
        yield stores, source
        await stores.close()


async def many(count: int, together: int) -> None:
    """Print times of jobs of which so many run at once."""
    times: list[float] = []
    numbers = iter(range(count))
    async with opened() as (stores, source):

        async def work() -> None:
            times.extend([await one_job(stores, number, source) for number in numbers])

        await one_job(stores, count, source)  # the file and its tables are made
        start, used = time.perf_counter(), time.process_time()
        async with anyio.create_task_group() as group:
            for _ in range(together):
                group.start_soon(work)
        whole, used = time.perf_counter() - start, time.process_time() - used
    slow = sorted(times)[int(len(times) * 0.99)]
    print(
        f"{count} jobs, {together} at once: median {statistics.median(times):.2f} ms, 99th percentile {slow:.2f} ms, "
        f"all in {whole:.2f} s, {used / count * 1000:.2f} ms of processor time a job"
    )


def seed(stores: Stores, count: int) -> None:
    """Finished jobs and pictures, copied within the database from one of each."""
    number = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
    with stores.database.writing() as connection:
        for table, changed in (
            ("job", {"id": "printf('job_%016x', 1000000 + i)", "fingerprint": "printf('%064x', 1000000 + i)",
                     "created": "created - i", "finished": "finished - i"}),
            ("call", {"job_id": "printf('job_%016x', 1000000 + i)", "handle": "printf('{\"task\":\"%d\"}', i)"}),
            ("picture", {"number": "1000000 - i", "id": "printf('img_%016x', i)", "created": "created - 1000000 * i",
                         "job_id": "printf('job_%016x', 1000000 + i)"}),
        ):  # fmt: skip
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            values = ", ".join(changed.get(name, name) for name in columns)
            one = f"(SELECT * FROM {table} LIMIT 1)"  # noqa: S608 - names of tables and columns
            query = f"{number} INSERT INTO {table} SELECT {values} FROM n, {one} WHERE n.i <= ?"  # noqa: S608 - as above
            connection.execute(query, (count, count))


async def history(count: int) -> dict[str, float]:
    """Milliseconds of each step beside so many finished jobs and pictures."""
    async with opened() as (stores, source):
        for number in range(25):
            await one_job(stores, number, source)
        await stores.close()
        await anyio.to_thread.run_sync(seed, stores, count)
        jobs, library = stores.jobs, stores.library
        slots = iter(range(1000))
        turns: dict[str, Callable[[], Awaitable[object]]] = {
            "open a job": lambda: jobs.open(LOCAL, new_job(5_000_000 + next(slots))),
            "take a slot": lambda: jobs.take_slot("vendor-account", "vendor", PACE),
            "durations": lambda: jobs.durations("vendor", "model"),
            "newest 20 jobs": lambda: jobs.newest(LOCAL, 20),
            "newest 20 pictures": lambda: library.find(LOCAL),
            "search for a word": lambda: library.find(LOCAL, text="lighthouse"),
            "search in vain": lambda: library.find(LOCAL, text="nowhere"),
            "look for lost jobs": lambda: jobs.reclaim(["vendor"]),
            "spent this month": lambda: jobs.spent(LOCAL, time.time() - 30 * 86_400),
            "one whole job": lambda: one_job(stores, 9_000_000 + next(slots), source),
        }
        found = {}
        for name, turn in turns.items():
            times = []
            for _ in range(TURNS):
                start = time.perf_counter()
                await turn()
                times.append((time.perf_counter() - start) * 1000)
            found[name] = statistics.median(times)
        return found


def main() -> None:
    """Measure one at a time and many, or beside finished jobs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--together", type=int, default=200)
    parser.add_argument("--history", type=int, nargs="*", default=[])
    given = parser.parse_args()
    if not given.history:
        for together in (1, given.together):
            anyio.run(many, given.jobs, together)
        return
    empty = anyio.run(history, 0)
    for count in given.history:
        print(f"beside {count} finished jobs and pictures (beside none):")
        for name, ms in anyio.run(history, count).items():
            print(f"  {name}: {ms:.2f} ms ({empty[name]:.2f} ms), x {ms / empty[name]:.2f}")


if __name__ == "__main__":
    main()
