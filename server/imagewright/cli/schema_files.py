"""`tool_schemas/<tool>.json` and the README's tables: what they should hold, and where they differ from it."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagewright.catalog.load import catalog
from imagewright.catalog.table import readme_with_table
from imagewright.cli.provider_table import readme_with_providers
from imagewright.engine.missing import all_routes
from imagewright.surface.definitions import all_definitions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER = "tool_schemas"
PARTS = ("name", "title", "description", "inputSchema", "outputSchema")
"""What of a tool's definition is written, in this order."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One file that is not as it should be.

    Attributes:
        file: which.
        what: `missing`, `differs` or `stray`.
        wanted: what it should hold; None for a stray file.
    """

    file: Path
    what: str
    wanted: str | None


def checkout(folder: Path) -> Path | None:
    """The project's own source folder at or above this one, or None when this is elsewhere."""
    return next((one for one in (folder, *folder.parents) if _is_ours(one)), None)


def _is_ours(folder: Path) -> bool:
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return False
    return project.get("name") == "imagewright" and (folder / "README.md").is_file()


def drifts(out: Path, readme: Path | None) -> Iterator[Drift]:
    """Every file that differs from what the rows say, is missing, or belongs to no tool.

    Args:
        out: the folder of the schemas.
        readme: the README with the generated tables, when there is one to look after.

    Raises:
        CatalogError: the README has lost the markers of a table.
    """
    wanted = {out / f"{tool['name']}.json": _text(tool) for tool in all_definitions()}
    for file, text in wanted.items():
        yield from _compare(file, text)
    for file in sorted(out.glob("*.json")):
        if file not in wanted:
            yield Drift(file, "stray", None)
    if readme is not None:
        text = readme_with_table(readme.read_text(encoding="utf-8"), catalog().values())
        yield from _compare(readme, readme_with_providers(text, all_routes()))


def _compare(file: Path, text: str) -> Iterator[Drift]:
    try:
        # universal newlines: a Windows checkout may have turned the line ends
        found = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        # whatever the reason, it is not there to be read, and writing it will tell
        yield Drift(file, "missing", text)
        return
    if found != text:
        yield Drift(file, "differs", text)


def _text(tool: dict[str, object]) -> str:
    return json.dumps({part: tool[part] for part in PARTS if part in tool}, indent=2, ensure_ascii=False) + "\n"
