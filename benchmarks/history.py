"""What a long history costs: the start, the tool list, the gallery and the list of jobs, beside a home with one page.

    python benchmarks/history.py --jobs 10000
    python benchmarks/history.py --jobs 100000

So many finished jobs, each with its picture's record, are written into a home; the files themselves are not made. The
other home has as many as one answer shows: an answer that shows nothing would be no comparison. The two are measured in
turn, so that a machine whose speed drifts does not decide the ratio.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "server"), str(ROOT)]

from imagewright.settings.folders import find_folders  # noqa: E402 - found on the path set above
from imagewright.storage.accounts import LOCAL  # noqa: E402 - as above
from imagewright.storage.records import PictureRecord  # noqa: E402 - as above
from imagewright.storage.sqlite import SqlitePictureIndex, Writer  # noqa: E402 - as above
from imagewright.storage.stores import open_stores  # noqa: E402 - as above
from imagewright.text import Foreign  # noqa: E402 - as above
from tests.support.raw_client import AS_A_USER, LEGACY, RawClient  # noqa: E402 - as above
from tests.support.seeded_jobs import finish, job_of  # noqa: E402 - as above

if TYPE_CHECKING:
    from collections.abc import Callable

TOGETHER = 500
"""Jobs that are written in one transaction."""
PAGE = 20
"""Jobs and pictures in the other home."""
LIMIT = 1.2
"""How many times as long as in the other home anything may take."""


async def seed(home: Path, count: int) -> None:
    """Write so many finished jobs and pictures."""
    stores = open_stores(find_folders({"IMAGEWRIGHT_HOME": str(home)}, home), lease=60)
    writer = Writer(stores.database)
    pictures, begun = SqlitePictureIndex(writer), datetime.now(UTC) - timedelta(days=300)

    async def one(number: int) -> None:
        prompt = f"a heron at the lake, number {number}"
        job = replace(job_of(f"job_{number:016x}"), plan={"spec": {"prompt": prompt}, "choice": [], "inputs": {}})
        await stores.jobs.open(LOCAL, job)
        await finish(stores.jobs, job.id, "completed", cost_usd=0.02, cost_basis="actual", notes=())
        picture = PictureRecord(
            id=f"img_{number:016x}",
            key=f"pictures/{number}.png",
            bytes=1_000_000 + number,
            tool=job.tool,
            operation=job.operation,
            provider=job.provider,
            model=job.model,
            prompt=Foreign(prompt),
            format="png",
            width=1024,
            height=1024,
            job_id=job.id,
            created=begun + timedelta(minutes=number),
        )
        await pictures.add(LOCAL, picture)

    for first in range(0, count, TOGETHER):
        async with anyio.create_task_group() as group:
            for number in range(first, min(first + TOGETHER, count)):
                group.start_soon(one, number)
    await stores.close()


STEPS: dict[str, tuple[str, dict[str, Any]]] = {
    "gallery": ("image_gallery", {"previews": False}),
    "gallery, words": ("image_gallery", {"text": "heron lake", "previews": False}),
    "gallery, a rare word": ("image_gallery", {"text": "77", "previews": False}),
    "list of jobs": ("image_job", {}),
}


def measure(home: Path) -> dict[str, float]:
    """Seconds of each step, in one server."""
    found = {}
    begun = time.perf_counter()
    env = {"IMAGEWRIGHT_HOME": str(home), "IMAGEWRIGHT_PROVIDERS": "offline"}
    with RawClient(LEGACY[-1], env=env, program=AS_A_USER) as client:
        client.ask("tools/list")
        found["start to tools/list"] = time.perf_counter() - begun
        found["tools/list again"] = timed(lambda: client.ask("tools/list"))
        client.call("image_job", {})  # what is imported with the first call is no matter of the history
        for name, (tool, arguments) in STEPS.items():
            found[name] = min(timed(lambda: client.call(tool, arguments)) for _ in range(5))  # noqa: B023 - called at once
    return found


def timed(step: Callable[[], object]) -> float:
    """Seconds of one step."""
    begun = time.perf_counter()
    step()
    return time.perf_counter() - begun


def main() -> int:
    """Print the medians and their ratios; 1 where one of them is too high."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as few, tempfile.TemporaryDirectory() as full:
        anyio.run(seed, Path(few), PAGE)
        anyio.run(seed, Path(full), given.jobs)
        pairs = [(measure(Path(few)), measure(Path(full))) for _ in range(given.runs)]
    well = True
    print(f"{'':26} {PAGE} jobs ms  {given.jobs} jobs ms  ratio")
    for name in pairs[0][0]:
        before, after = (statistics.median(pair[place][name] for pair in pairs) for place in (0, 1))
        ratio = statistics.median(pair[1][name] / pair[0][name] for pair in pairs)
        well = well and ratio <= LIMIT
        print(f"{name:26} {before * 1000:10.1f} {after * 1000:{len(str(given.jobs)) + 9}.1f} {ratio:6.2f}")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
