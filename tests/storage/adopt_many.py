"""A server process that takes over what nobody works on: started by the tests, several at once.

Arguments: database, name of the owner. Says that it is ready, waits for a line, and prints the ids it got.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from imagewright.storage.database import Database
from imagewright.storage.journal import Journal

NOW = 100.0


def main(file: Path, owner: str) -> None:
    database = Database(file)
    journal = Journal(database)
    print("ready", flush=True)  # noqa: T201 - read by the test
    sys.stdin.readline()
    taken: list[str] = []
    while found := journal.expired(now=NOW, providers=("somebody",), most=7):
        taken += [entry.id for entry in journal.adopt(owner, found, now=NOW, lease_until=NOW + 1000)]
    database.close()
    print(json.dumps(taken))  # noqa: T201 - its answer


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
