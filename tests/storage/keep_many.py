"""A server process that keeps pictures in several tasks: started by the tests, several at once.

Arguments: folder of the library, source file, number of tasks, pictures per task, and the job where they are all the
same picture of one. Prints the kept ids and paths.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import anyio

from imagewright.settings.folders import Folders
from imagewright.storage.accounts import LOCAL
from imagewright.storage.records import NewPicture
from imagewright.storage.stores import open_stores
from imagewright.text import Foreign


async def main(base: Path, source: Path, tasks: int, each: int, job_id: str) -> None:
    pictures = base / "pictures"
    folders = Folders(pictures, base / "imagewright.db", base / "config.toml", base / "keys.toml", (pictures,))
    new = NewPicture(
        tool="some_tool",
        operation="generate",
        provider="p",
        model="m",
        format="png",
        width=1,
        height=1,
        prompt=Foreign("fox"),
        job_id=job_id,
    )
    stores = open_stores(folders, lease=10)
    kept = []

    async def work(number: int) -> None:
        for turn in range(each):
            save_as = "fox.png" if job_id or (number + turn) % 2 else None
            record, notes = await stores.library.keep(LOCAL, source, new, save_as=save_as)
            kept.append((record.id, str(record.path), notes))

    async with anyio.create_task_group() as group:
        for number in range(tasks):
            group.start_soon(work, number)
    await stores.close()
    print(json.dumps(kept))  # noqa: T201 - its answer


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), "".join(sys.argv[5:]))
