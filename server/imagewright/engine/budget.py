"""Money limits: per call, per day, per month, and the sum above which the user is asked."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from imagewright.errors import ConfirmationNeededError, Problem, Refusal
from imagewright.storage.journal import Cap

if TYPE_CHECKING:
    from imagewright.providers.base import Route
    from imagewright.settings.load import BudgetTable
    from imagewright.storage.journal import Spent
LESS = "Ask for fewer variants or a smaller resolution"


def check_call(budget: BudgetTable, route: Route, usd: float | None, *, confirmed: bool) -> None:
    """Hold one call against the limits that look at it alone.

    Args:
        budget: the limits.
        route: the route that would serve it.
        usd: what it is estimated to cost; None when unknown.
        confirmed: whether the user has said yes.

    Raises:
        Refusal: over the limit per call, or of unknown price where a limit has to be kept.
        ConfirmationNeededError: the user has to be asked first.
    """
    limited = budget.per_call, budget.per_day, budget.per_month
    if usd is None and any(limit is not None for limit in limited):
        entry = f"[routes.{route.tool}.{route.provider}] {route.operation} = {{ usd = ... }}"
        text = f"the price of {route.model} at {route.provider} is not known, so the budget cannot be kept"
        raise Refusal(Problem("", f"{text}; have the user set it in the configuration: {entry}"))
    if usd is not None and budget.per_call is not None and usd > budget.per_call:
        text = f"this call would cost about ${usd:.4g}; the limit per call is ${budget.per_call:.4g}"
        raise Refusal(Problem("", f"{text}. {LESS}, or have the user raise the budget"))
    if budget.confirm_above is not None and not confirmed and (usd is None or usd > budget.confirm_above):
        price = "an unknown sum" if usd is None else f"about ${usd:.4g}"
        raise ConfirmationNeededError(f"This picture costs {price} at {route.provider}. Make it?", usd)


def caps(budget: BudgetTable, now: datetime | None = None) -> tuple[Cap, ...]:
    """The limits over time, each with the moment from which spending counts, in local time."""
    now = now or datetime.now().astimezone()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    if budget.per_day is not None:
        found.append(Cap("day", midnight.timestamp(), budget.per_day))
    if budget.per_month is not None:
        found.append(Cap("month", midnight.replace(day=1).timestamp(), budget.per_month))
    return tuple(found)


def refuse_over(cap: Cap, spent: Spent, usd: float) -> Refusal:
    """The refusal of a call that a budget has no room for."""
    text = f"this call would cost about ${usd:.4g}, and of the ${cap.usd:.4g} for this {cap.name}"
    text += f" ${spent.usd:.4g} are spent or set aside. {LESS}, or have the user raise the budget"
    return Refusal(Problem("", text))
