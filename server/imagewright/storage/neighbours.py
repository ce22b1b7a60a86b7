"""What was probably meant when a path leads nowhere. Looks only into one folder, and only at so many names."""

from __future__ import annotations

import os
import unicodedata
from itertools import islice
from pathlib import Path

from imagewright.text import closest, listed

MOST_NAMES = 5000
"""Names of one folder that are looked at: some 10 ms."""


def working_directory() -> Path | None:
    """Where the process was started; None when that folder has been removed."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None


def same_name(path: Path) -> Path | None:
    """The one file beside a missing path whose name reads the same.

    Names can look alike and differ: macOS puts a narrow no-break space into the names of screenshots, and accented
    letters have a composed and a decomposed form. A model that copies such a name rarely gets it right.
    """
    wanted = _as_read(path.name)
    alike = [name for name in _names(path.parent) if _as_read(name) == wanted]
    return path.parent / alike[0] if len(alike) == 1 else None


def nearest_names(path: Path) -> str:
    """The end of a sentence: the closest names in the folder of a missing path, or that the folder is missing."""
    if not os.path.isdir(path.parent):  # noqa: PTH112 - Path.is_dir raises on names too long
        return f": there is no folder {path.parent}."
    close = [str(path.parent / name) for name in closest(path.name, _names(path.parent), most=3)]
    return f"; did you mean {listed(close, 'or')}?" if close else "."


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in islice(entries, MOST_NAMES)]
    except OSError:  # a folder that cannot be listed has no neighbours to offer
        return []


def _as_read(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).split())
