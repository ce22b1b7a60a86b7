"""Generated files: `tool_schemas/<tool>.json` and the tables of README.md and docs/settings.md, and what differs."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagewright.catalog.load import catalog
from imagewright.catalog.table import readme_with_table, replace_between
from imagewright.cli.provider_table import readme_with_providers
from imagewright.engine.config import all_routes
from imagewright.providers import KEY_VARIABLES, OTHER_HOSTS
from imagewright.settings.table import settings_tables
from imagewright.surface.definitions import all_definitions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER = "tool_schemas"
START = "<!-- settings: start -->"
END = "<!-- settings: end -->"
"""What the tables of docs/settings.md stand between."""
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


def drifts(out: Path, home: Path | None) -> Iterator[Drift]:
    """Every file that differs from what it is generated from, is missing, or belongs to no tool.

    Args:
        out: the folder of the schemas.
        home: the checkout whose documents have generated tables; None leaves documents alone.

    Raises:
        CatalogError: a document has lost the markers of a table.
    """
    wanted = {out / f"{tool['name']}.json": _text(tool) for tool in all_definitions()}
    for file, text in wanted.items():
        yield from _compare(file, text)
    for file in sorted(out.glob("*.json")):
        if file not in wanted:
            yield Drift(file, "stray", None)
    if home is not None:
        readme, settings = home / "README.md", home / "docs" / "settings.md"
        text = readme_with_table(readme.read_text(encoding="utf-8"), catalog().values())
        yield from _compare(readme, readme_with_providers(text, all_routes()))
        text = settings.read_text(encoding="utf-8")
        yield from _compare(settings, replace_between(text, START, END, settings_tables(KEY_VARIABLES, OTHER_HOSTS)))


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
