"""A server process that takes over what nobody works on: started by the tests, several at once.

Arguments: folder of the database, name of the worker. Says that it is ready, waits for a line, and prints the ids it
got.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import anyio
import anyio.to_thread

from imagewright.settings.folders import Folders
from imagewright.storage.stores import open_stores


async def main(base: Path, worker_id: str) -> None:
    folders = Folders(
        base / "pictures", base / "imagewright.db", base / "c.toml", base / "k.toml", (base / "pictures",)
    )
    stores = open_stores(folders, lease=1000, worker_id=worker_id)
    print("ready", flush=True)  # noqa: T201 - read by the test
    await anyio.to_thread.run_sync(sys.stdin.readline)
    taken: list[str] = []
    while jobs := await stores.jobs.reclaim(["somebody"]):
        taken += [job.id for job in jobs]
    await stores.close()
    print(json.dumps(taken))  # noqa: T201 - its answer


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), sys.argv[2])
