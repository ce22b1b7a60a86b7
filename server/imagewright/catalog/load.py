"""Read the rows from the package and refuse a wrong one, naming its file and key."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from imagewright.catalog.row import MODEL, Row
from imagewright.errors import CatalogError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


@cache
def catalog() -> dict[str, Row]:
    """Every row by tool name, sorted by `place`.

    Raises:
        CatalogError: a row file is wrong; the message names file and key.
    """
    return load_rows(files("imagewright.catalog"))


@cache
def row_in(tool: str, edition: str) -> Row:
    """A tool's row as one of its editions has it, see `Row.in_edition`."""
    return catalog()[tool].in_edition(edition)


def load_rows(folder: Traversable) -> dict[str, Row]:
    """The rows of one folder: `arguments.toml` beside `rows/*.toml`.

    Raises:
        CatalogError: as in `catalog`.
    """
    words = _toml(folder / "arguments.toml")
    found = [entry for entry in (folder / "rows").iterdir() if entry.name.endswith(".toml")]
    rows = [parse_row(entry.name, _toml(entry), words) for entry in found]
    return {row.tool: row for row in sorted(rows, key=lambda row: (row.place, row.tool))}


def _toml(entry: Traversable) -> dict[str, Any]:
    try:
        return tomllib.loads(entry.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, OSError) as error:
        raise CatalogError(f"{entry.name}: {error}") from error


def parse_row(file: str, raw: dict[str, Any], words: dict[str, Any]) -> Row:
    """One row from the parsed TOML of its file, with the words that all tools share filled in from `arguments.toml`.

    Raises:
        CatalogError: an unknown or missing key, a limit without its argument, a default outside its own bound.
    """
    own = raw.pop("arguments", {})
    if MODEL in own:
        living = [name for name, one in raw.get("editions", {}).items() if not _had_ended(one)]
        own[MODEL] = {"values": living} | own[MODEL]
    operations = raw.get("operations")
    if not isinstance(operations, dict) or not operations:
        raise CatalogError(f"{file}: operations: a row needs at least one operation")
    for name, operation in operations.items():
        takes, limits = operation.pop("takes", None), operation.pop("limits", {})
        where = f"{file}: operations.{name}"
        if not isinstance(takes, list):
            raise CatalogError(f"{where}.takes: missing")
        if stray := sorted(set(limits) - set(takes)):
            raise CatalogError(f"{where}.limits.{stray[0]}: not among what it takes")
        if missing := [one for one in takes if one not in own]:
            raise CatalogError(f"{where}.takes: {missing[0]} is not in [arguments]")
        operation["arguments"] = {one: words.get(one, {}) | own[one] | limits.get(one, {}) for one in takes}
    if unused := sorted(set(own) - {one for operation in operations.values() for one in operation["arguments"]}):
        raise CatalogError(f"{file}: arguments.{unused[0]}: no operation takes it")
    try:
        row = Row.model_validate(raw)
    except ValidationError as error:
        raise CatalogError("; ".join(f"{file}: {_where(one)}{one['msg']}" for one in error.errors())) from error
    if f"{row.tool}.toml" != file:
        raise CatalogError(f"{file}: tool: the file must be called {row.tool}.toml")
    return row


def _had_ended(edition: dict[str, Any]) -> bool:
    """Whether an edition had ended when its facts were read: it is only known so that its successor can be named."""
    ends, checked = str(edition.get("ends", "")), str(edition.get("checked", ""))
    return "" < ends <= checked


def _where(error: Any) -> str:
    return "".join(f"{part}." for part in error["loc"])[:-1] + ": " if error["loc"] else ""
