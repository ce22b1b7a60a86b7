"""A server process that keeps pictures from several threads: started by the tests, several at once.

Arguments: folder of the library, source file, number of threads, pictures per thread, and the job where they are all
the same picture of one. Prints the kept ids and paths.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from imagewright.settings.folders import Folders
from imagewright.storage.library import Library
from imagewright.storage.record import NewPicture


def main(base: Path, source: Path, threads: int, each: int, job_id: str = "") -> None:
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
        prompt="fox",
        job_id=job_id,
    )

    def work(number: int) -> list[tuple[str, str, list[str]]]:
        kept = []
        for turn in range(each):
            record, notes = library.keep(source, new, save_as="fox.png" if job_id or (number + turn) % 2 else None)
            kept.append((record.id, str(record.path), notes))
        return kept

    with Library(folders) as library, ThreadPoolExecutor(threads) as pool:
        print(json.dumps([one for kept in pool.map(work, range(threads)) for one in kept]))  # noqa: T201 - its answer


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), *sys.argv[5:])
