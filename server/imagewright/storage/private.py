"""Folders and files that only their owner can look into, whatever the umask: pictures and prompts are nobody else's.

What is there already keeps its mode.
"""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

FOLDER_MODE = 0o700
FILE_MODE = 0o600


def make_folder(folder: Path) -> None:
    """Make a folder and its missing parents, all of them private: `Path.mkdir` gives its mode to the last one alone.

    Raises:
        OSError: it cannot be made.
    """
    missing = []
    for one in (folder, *folder.parents):
        if os.path.isdir(one):  # noqa: PTH112 - Path.is_dir raises on names too long
            break
        missing.append(one)
    for one in reversed(missing):
        one.mkdir(mode=FOLDER_MODE, exist_ok=True)


def open_file(path: Path, mode: Literal["wb", "xb", "ab"]) -> IO[bytes]:
    """Open a file for writing; one that is made by this is private.

    Raises:
        OSError: it cannot be opened.
    """
    return open(path, mode, opener=_private)


def write_file(path: Path, data: bytes) -> None:
    """As `Path.write_bytes`; a file that is made by this is private.

    Raises:
        OSError: it cannot be written.
    """
    with open_file(path, "wb") as file:
        file.write(data)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, FILE_MODE)
