"""A job whose disk fails after the vendor was paid, on a small disk of its own: started by the tests.

Arguments: the home, which is a disk of its own; what happens to it (`full` or `read-only`). Prints what became of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from imagewright.engine import deliver
from imagewright.errors import StorageError
from tests.support.engine_bench import Vendor, folders_in, open_bench, place

if TYPE_CHECKING:
    from collections.abc import Callable


def fill(home: Path) -> None:
    with (home / "filler").open("wb", buffering=0) as filler:
        try:
            while filler.write(b"x" * 4096):
                pass
        except OSError:
            pass


def empty(home: Path) -> None:
    (home / "filler").unlink()


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)  # noqa: S603, S607 - our own words


def lock_pictures(home: Path) -> None:
    """The pictures alone, as a database that is open cannot be made read-only."""
    pictures = str(folders_in(home).pictures)
    mount("--bind", pictures, pictures)
    mount("-o", "remount,ro,bind", pictures)


def unlock_pictures(home: Path) -> None:
    mount("-o", "remount,rw,bind", str(folders_in(home).pictures))


TROUBLES: dict[str, tuple[Callable[[Path], None], Callable[[Path], None]]] = {
    "full": (fill, empty),
    "read-only": (lock_pictures, unlock_pictures),
}


async def main(home: Path, what: str) -> None:
    deliver.STORE_PAUSE = 0.05
    begin, end = TROUBLES[what]
    vendor = Vendor()
    text: dict[str, object] = {}

    async def fail() -> None:
        begin(home)

    async with open_bench(home, vendor) as bench:
        await bench.done(await bench.begin("before"))
        vendor.then("poll", fail)
        job = await bench.begin("amid")
        while "waiting to save" not in job.stage:
            await job.changed.wait()
        text["stage"] = job.stage
        if what == "full":
            try:
                await bench.open("refused")
            except StorageError as error:
                text["refused"] = str(error)
        text["submits"] = len(vendor.orders)
        end(home)
        await bench.done(job)
        entry = await bench.record(job.id)
        text["ends"] = [entry.state, *(call.state for call in entry.calls)]
        text["kept"] = [place(one).stat().st_size == one.bytes for one in await bench.pictures(job.id)]
        text["again"] = (await bench.done(await bench.begin("after"))).record.state
    print(json.dumps(text))  # noqa: T201 - its answer


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), sys.argv[2])
