"""The bodies each vendor is sent, kept as files: a change of one word in a route shows in the diff.

`python -m tests.support.goldens` writes them anew; the test compares.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.vendors import VENDORS

FOLDER = Path(__file__).parents[1] / "golden"


def written(content: Any) -> str:
    """The content of a golden file."""
    return json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n"


def main() -> None:
    """Write all of them; files of routes that are gone are removed."""
    for name, vendor in VENDORS.items():
        folder = FOLDER / name
        folder.mkdir(parents=True, exist_ok=True)
        wanted = vendor.goldens()
        for old in folder.glob("*.json"):
            if old.name not in wanted:
                old.unlink()
        for file, content in wanted.items():
            (folder / file).write_text(written(content), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
