"""Numbers in vendors' answers, believed only where they make sense. Nothing here raises, whatever stands there."""

from __future__ import annotations

import math
from typing import Any

MOST_USD = 1000.0
"""A call that is said to have cost this much or more is a slip: the dearest here costs a few dollars."""
LARGEST_SEED = 2**63 - 1
"""The largest whole number the library's database can keep."""


def decimal(value: Any) -> float | None:
    """A finite number, also one that is written as a text; None for anything else, true and false among it."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def usd(value: Any, *, per_unit: float = 1.0) -> float | None:
    """What a vendor says it charged, in USD; None, which is unknown, where that cannot be true.

    A budget is counted with it: what is negative would make room in it, and what is not finite would close it for good.

    Args:
        value: as it stands in the answer, in the vendor's own units.
        per_unit: USD of one unit.
    """
    units = decimal(value)
    if units is None or units < 0:
        return None
    money = round(units * per_unit, 6)
    return money if money < MOST_USD else None


def seed(value: Any) -> int | None:
    """The seed a vendor reports; None for what is none, or could not be kept."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value <= LARGEST_SEED else None
