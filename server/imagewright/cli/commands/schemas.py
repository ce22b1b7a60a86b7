"""`imagewright schemas [--out DIR] [--check]`: every tool's schema as a file, for people and other programs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from imagewright.cli.parser import command_parser
from imagewright.cli.schema_files import FOLDER, Drift, checkout, drifts
from imagewright.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(words: Sequence[str]) -> int:
    """Write what differs, or with `--check` name it; always for all tools, whatever is switched off."""
    parser = command_parser("schemas")
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"folder to write to (default: {FOLDER})")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 and name each file that is not current"
    )
    text = parser.parse_args(words)
    here = Path.cwd()
    home = checkout(here)
    out: Path = text.out or (home or here) / FOLDER
    # another folder than the project's own is somebody else's copy, and no reason to touch the documents
    own = home if home and out.resolve() == (home / FOLDER).resolve() else None
    found = list(drifts(out, own))
    if text.check:
        return _report(found, out)
    _write(found)
    return 0


def _report(found: list[Drift], out: Path) -> int:
    for drift in found:
        sys.stdout.write(f"{drift.file}: {drift.what}\n")
    if found:
        sys.stderr.write("imagewright: not current; write them anew with: imagewright schemas\n")
        return 1
    sys.stdout.write(f"{out}: current\n")
    return 0


def _write(found: list[Drift]) -> None:
    for drift in found:
        if drift.wanted is None:
            sys.stdout.write(f"{drift.file}: belongs to no tool; left alone, delete it\n")
            continue
        try:
            drift.file.parent.mkdir(parents=True, exist_ok=True)
            drift.file.write_text(drift.wanted, encoding="utf-8", newline="\n")
        except OSError as error:
            raise StorageError(f"{drift.file}: cannot be written ({error.strerror or error})") from error
        sys.stdout.write(f"{drift.file}: written\n")
    if not found:
        sys.stdout.write("All current; nothing to write.\n")
