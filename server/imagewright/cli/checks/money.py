"""Budgets, and what is spent of them."""

from __future__ import annotations

import math
from contextlib import closing
from typing import TYPE_CHECKING

from imagewright.cli.checks.finding import Finding, Level
from imagewright.engine.choose import caps
from imagewright.errors import StorageError
from imagewright.settings.load import BudgetTable
from imagewright.storage.database import Database
from imagewright.storage.journal import Journal

if TYPE_CHECKING:
    from imagewright.settings.load import Settings

AREA = "budget"
PERIODS = {"day": "today", "month": "this month"}


def check_money(settings: Settings) -> list[Finding]:
    """The limits, and what is spent or set aside today and this month over all processes."""
    budget = settings.budget
    limits = {"day": budget.per_day, "month": budget.per_month}
    found: list[Finding] = []
    try:
        with closing(Database(settings.folders.database)) as database:
            journal = Journal(database)
            # without a limit only the moments are wanted: since when the day and the month count
            moments = caps(BudgetTable(per_day=math.inf, per_month=math.inf))
            found += [_spending(cap.name, journal.spent(cap.since).usd, limits[cap.name]) for cap in moments]
    except StorageError as error:
        found.append(Finding(AREA, Level.NOTE, f"what was spent cannot be read: {error}"))
    each = "no limit per call" if budget.per_call is None else f"at most ${budget.per_call:g} per call"
    asked = (
        "nobody is asked about prices"
        if budget.confirm_above is None
        else f"you are asked about calls above ${budget.confirm_above:g}"
    )
    return [*found, Finding(AREA, Level.OK, f"{each}; {asked}")]


def _spending(name: str, usd: float, limit: float | None) -> Finding:
    spent = f"{PERIODS[name]}: ${usd:.4g} spent or set aside"
    if limit is None:
        return Finding(AREA, Level.OK, f"{spent}, no limit")
    if usd >= limit:
        return Finding(AREA, Level.NOTE, f"{spent} of ${limit:g}", "Calls that cost anything are refused: raise it.")
    return Finding(AREA, Level.OK, f"{spent} of ${limit:g}")
