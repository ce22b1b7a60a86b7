"""A calendar day where the user is, as the moments it lies between."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from imagewright.errors import Problem, Refusal
from imagewright.storage.spelling import shown


def bounds(day: date | str) -> tuple[datetime, datetime]:
    """The first moment of a local day and that of the next: 23, 24 or 25 hours apart.

    Args:
        day: a date, or `YYYY-MM-DD`, `today` or `yesterday`.

    Raises:
        Refusal: it is not a day.
    """
    today = datetime.now().astimezone().date()
    named = {"today": today, "yesterday": today - timedelta(days=1)}
    try:
        chosen = named.get(day.strip().lower()) or date.fromisoformat(day.strip()) if isinstance(day, str) else day
        return _start(chosen), _start(chosen + timedelta(days=1))
    except (ValueError, OverflowError, OSError):
        message = f"{shown(str(day))} is not a day of the calendar; write it as YYYY-MM-DD, such as {today}"
        raise Refusal(Problem("day", message)) from None


def _start(day: date) -> datetime:
    return datetime.combine(day, time.min).astimezone()
