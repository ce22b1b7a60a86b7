"""How numbers, times and lists are put into words, the same way wherever they are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imagewright.catalog.row import OperationName, Scalar

KILO = 1_000
MEGA = 1_000_000
UNITS = ((172_800.0, 86_400.0, "day"), (3600.0, 3600.0, "hour"), (60.0, 60.0, "minute"), (0.0, 1.0, "second"))
"""From how many seconds on a time is told in a unit, the unit's seconds, and its name."""


def exact(value: Scalar) -> Scalar:
    """The value with whole numbers as integers: TOML and pydantic make `1.0` of a bound that was written `1`."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def shown(value: Scalar) -> str:
    """One value as text: `2.5`, `4`, `true`, `16:9`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(exact(value))


def span(low: float, high: float) -> str:
    """`1-10`, or `3` where both ends are the same."""
    return shown(low) if low == high else f"{shown(low)}-{shown(high)}"


def listed(items: Iterable[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`; empty for none."""
    *most, end = [*items] or [""]
    return f"{', '.join(most)} {last} {end}" if most else end


def size(count: float) -> str:
    """Bytes for people, in decimal units: `312 kB`, `5 MB`, `26.2 MB`."""
    if count < KILO:
        return f"{count:.0f} bytes"
    if count < MEGA:
        return f"{count / KILO:.0f} kB"
    return f"{count / MEGA:.1f}".removesuffix(".0") + " MB"


def duration(seconds: float) -> str:
    """A time for people: `14 days`, `24 hours`, `1 hour`, `10 minutes`."""
    length, name = next((length, name) for least, length, name in UNITS if seconds >= least)
    count = seconds / length
    return f"{count:g} {name}{'' if count == 1 else 's'}"


def verb(operation: OperationName) -> str:
    """The operation as people say it: `remove background`."""
    return operation.value.replace("_", " ")
