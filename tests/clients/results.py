"""What the last runs found, and the table that is made of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from imagewright.catalog.facts import replace_between
from imagewright.cli.pages import markers
from imagewright.text import markdown_table
from tests.clients.rows import ABILITIES, HERE, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RESULTS = HERE / "results.json"
PAGE = HERE.parents[1] / "docs" / "clients.md"
START, END = markers("clients")
SILENT = "its driver ended without a word about it"
NONE, UNTRIED = "-", "not tried"


class Cell(BaseModel):
    """What came of one ability."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    outcome: Literal["ok", "fails", "absent", "untried"]
    """`absent`: the client has no such thing. `untried`: it may have it, and nothing here can make it show."""
    detail: str = ""
    """What was seen, or how it failed."""
    note: str = ""
    """One or two words for the table, beside `ok`."""


class Result(BaseModel):
    """What came of one client."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    packages: tuple[str, ...]
    """What was installed."""
    day: str
    """When it was run, as year-month-day."""
    cells: dict[str, Cell]
    """By ability."""

    def cell(self, ability: str) -> Cell:
        """What came of an ability."""
        return self.cells.get(ability, Cell(outcome="fails", detail=SILENT))


def load_results(file: Path = RESULTS) -> dict[str, Result]:
    """The results that are kept, by client."""
    if not file.exists():
        return {}
    content = json.loads(file.read_text(encoding="utf-8"))
    return {name: Result.model_validate(result) for name, result in content.items()}


def save_results(results: dict[str, Result], rows: Rows, file: Path = RESULTS) -> None:
    """Keep them, in the order of the rows; what has no row any more is dropped."""
    kept = {name: results[name].model_dump(exclude_defaults=True) for name in rows.clients if name in results}
    file.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def faults(rows: Rows, results: dict[str, Result]) -> Iterator[str]:
    """What is not as it must be: a failure that nobody has explained, a reason that no longer holds, a missing run."""
    for name, client in rows.clients.items():
        if name not in results:
            yield f"{name}: it was never run"
            continue
        result = results[name]
        if result.packages != client.packages:
            yield f"{name}: it was run with {', '.join(result.packages)}"
        for ability in ABILITIES:
            cell, reason = result.cell(ability), rows.reason(name, ability)
            if cell.outcome == "fails" and not reason:
                yield f"{name}: {ability} fails: {cell.detail}"
            if cell.outcome in {"ok", "untried"} and reason:
                yield f"{name}: {ability} does not fail, but has a reason why it does: {reason}"


def table(rows: Rows, results: dict[str, Result]) -> str:
    """The table in Markdown, with the reasons below it."""
    reasons: dict[str, int] = {}
    lines = []
    for name, client in rows.clients.items():
        if name in results:
            cells = [_shown(rows, name, ability, results[name].cell(ability), reasons) for ability in ABILITIES]
            lines.append([client.name, client.era or NONE, *cells])
    notes = [f"{number}. {text}" for text, number in reasons.items()]
    headings = ["client", "protocol", *ABILITIES.values()]
    return "\n\n".join(filter(None, [markdown_table(headings, lines), "\n".join(notes)]))


def _shown(rows: Rows, name: str, ability: str, cell: Cell, reasons: dict[str, int]) -> str:
    """One cell; what explains it gets a number."""
    text = {"ok": "ok", "fails": "fails", "absent": NONE, "untried": UNTRIED}[cell.outcome]
    if cell.outcome == "ok":
        return f"ok ({cell.note})" if cell.note else text
    reason = rows.reason(name, ability) or (cell.detail if cell.outcome == "untried" else "")
    if not reason:
        return text.upper() if cell.outcome == "fails" else text
    number = reasons.setdefault(reason, len(reasons) + 1)
    return f"{text}: client [{number}]" if cell.outcome == "fails" else f"{text} [{number}]"


def page_with(text: str, rows: Rows, results: dict[str, Result]) -> str:
    """The page with the table as it is now."""
    return replace_between(text, START, END, table(rows, results))
