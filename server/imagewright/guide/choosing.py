"""Which of the tools on offer to take for what, and where all of them end: made from rows, for every reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagewright.catalog.facts import argument_names, bounds, forms, most_images, ranked
from imagewright.catalog.row import OperationName
from imagewright.guide.describe import VOCABULARY
from imagewright.text import listed, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from imagewright.catalog.row import Row

MAKING = frozenset({OperationName.GENERATE, OperationName.EDIT})
"""The operations in which a model invents what is seen, so that several models are a choice."""


def choices(rows: Collection[Row]) -> dict[OperationName, list[tuple[str, str]]]:
    """Per operation on offer the tools that do it, the first to offer first, each with what to take it for."""
    return {
        operation: [(row.tool, row.operations[operation].when) for row in able]
        for operation in OperationName
        if (able := ranked(rows, operation))
    }


def alone(rows: Collection[Row]) -> dict[str, list[str]]:
    """Per tool the arguments that no other tool has; only among several tools that make or edit."""
    makers = [row for row in rows if MAKING & set(row.operations)]
    found: dict[str, list[str]] = {}
    for row in makers if len(makers) > 1 else ():
        chosen_by = {name for operation in row.operations.values() for name in operation.selected_by}
        for name in argument_names(row):
            if name not in chosen_by and sum(bool(forms(other, name)) for other in rows) == 1:
                found.setdefault(row.tool, []).append(name)
    return found


def limits(rows: Collection[Row]) -> list[str]:
    """The ends of what any tool on offer can do, a clause each, naming who goes furthest."""
    ends = [
        _most(rows, lambda row: _high(row, "variants"), "most variants in one call"),
        _most(rows, most_images, "most images in one edit"),
        *_largest(rows),
        _most(rows, lambda row: _high(row, "scale"), "most enlargement", suffix="x"),
    ]
    missing = [word for word, has in VOCABULARY.items() if not any(has(row) for row in rows)]
    if missing:
        ends.append(f"no tool that is on offers {listed(missing, 'or')}")
    return [end for end in ends if end]


def _high(row: Row, name: str) -> float:
    found = bounds(row, name)
    return found[1] if found else 0


def _most(rows: Collection[Row], measure: Callable[[Row], float], what: str, suffix: str = "") -> str:
    most = max((measure(row) for row in rows), default=0)
    holders = [row.tool for row in rows if measure(row) == most]
    return f"{what} {shown(most)}{suffix} ({listed(holders)})" if most > 1 else ""


def _largest(rows: Collection[Row]) -> list[str]:
    """The largest size class of each row that has any; a row lists them from small to large."""
    return [
        f"largest size {shown(values[-1])} ({row.tool})"
        for row in rows
        if (values := next((form.values for form in forms(row, "resolution").values()), None))
    ]
