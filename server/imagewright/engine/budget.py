"""What a call may cost: the limits that the user has set, and the estimate that is held against them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, islice
from typing import TYPE_CHECKING

from imagewright.errors import ConfirmationNeededError, Problem, Refusal
from imagewright.storage.base import is_over
from imagewright.storage.records import Cap
from imagewright.text import counted, listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagewright.engine.choose import Candidate
    from imagewright.settings.load import BudgetTable
    from imagewright.storage.base import OverBudget

LESS = "Ask for fewer variants or a smaller resolution, or have the user raise the budget"


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a call would be, if it were made now."""

    provider: str
    """Who would serve it."""
    model: str
    """The vendor's id of the model."""
    count: int
    """How many pictures it asks for."""
    usd: float | None
    """What it would cost, in USD; None when unknown."""


def is_limited(budget: BudgetTable) -> bool:
    """Whether there is a limit to keep, which is impossible for a call of unknown price."""
    return any(limit is not None for limit in (budget.per_call, budget.per_day, budget.per_month))


def check_call(budget: BudgetTable, candidate: Candidate, *, confirmed: bool) -> None:
    """Check one call against the limits per call; `confirmed` says that the user agreed to the price.

    Raises:
        Refusal: over the limit per call, or of unknown price where a limit has to be kept.
        ConfirmationNeededError: the user has to be asked first.
    """
    route, usd = candidate.route, candidate.usd
    if usd is None and is_limited(budget):
        # of an operation, the price would be that of the vendor's other editions too
        of = f'"{route.model}"' if route.edition else route.operation
        entry = f"[routes.{route.tool}.{route.provider}] {of}"
        text = f"the price of {route.model} at {route.provider} is not known, so the budget cannot be kept"
        raise Refusal(Problem("", f"{text}; have the user set it in the configuration: {entry} = {{ usd = ... }}"))
    if usd is not None and budget.per_call is not None and is_over(usd, budget.per_call):
        text = f"this call would cost about ${usd:.4g}; the limit per call is ${budget.per_call:.4g}"
        raise Refusal(Problem("", f"{text}. {LESS}"))
    if budget.confirm_above is not None and not confirmed and (usd is None or is_over(usd, budget.confirm_above)):
        price = "an unknown sum" if usd is None else f"about ${usd:.4g}"
        several = f"These {candidate.count} pictures cost {price} at {route.provider}. Make them?"
        alone = f"This picture costs {price} at {route.provider}. Make it?"
        raise ConfirmationNeededError(alone if candidate.count == 1 else several, usd)


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


def over_budget(over: OverBudget, usd: float) -> Refusal:
    """The refusal of a call that a budget has no room for."""
    cap, spent = over.cap, over.spent
    text = f"this call would cost about ${usd:.4g}, and of the ${cap.usd:.4g} for this {cap.name}"
    text += f" ${spent.usd:.4g} are spent or set aside. {LESS}"
    return Refusal(Problem("", text))


def total(estimates: Sequence[Estimate]) -> float | None:
    """What these calls are estimated to cost together, in USD; None where one price is not known."""
    known = [one.usd for one in estimates if one.usd is not None]
    return sum(known, 0.0) if len(known) == len(estimates) else None


def check_together(estimates: Sequence[Estimate], budget: BudgetTable, spent: Mapping[str, float]) -> None:
    """Check calls that are to be made one after the other against the limits over time, before the first.

    `spent` is what `Engine.spent` gives.

    Raises:
        Refusal: a limit has no room for all of them.
    """
    problems = []
    usd = total(estimates) or 0.0
    for name, limit, variable in (
        ("day", budget.per_day, "IMAGEWRIGHT_BUDGET_PER_DAY"),
        ("month", budget.per_month, "IMAGEWRIGHT_BUDGET_PER_MONTH"),
    ):
        if limit is None or not is_over(spent[name] + usd, limit):
            continue
        sums = accumulate((one.usd or 0.0 for one in estimates), initial=spent[name])
        room = sum(not is_over(one, limit) for one in islice(sums, 1, None))
        text = f"these {counted(len(estimates), 'call')} would cost about ${usd:.4g}, and of the ${limit:.4g} for this "
        text += f"{name} ${spent[name]:.4g} are spent or set aside: there is room for {room}. Name fewer pictures, or "
        problems.append(Problem("", f"{text}raise {variable}"))
    if problems:
        raise Refusal(*problems, note="nothing was begun")


def question(estimates: Sequence[Estimate], budget: BudgetTable) -> ConfirmationNeededError | None:
    """What the user has to agree to before these calls are made; None where they need not be asked."""
    usd, limit = total(estimates), budget.confirm_above
    if limit is None or not estimates or (usd is not None and not is_over(usd, limit)):
        return None
    price = "an unknown sum" if usd is None else f"about ${usd:.4g}"
    providers = listed(dict.fromkeys(one.provider for one in estimates))
    return ConfirmationNeededError(
        f"These {counted(len(estimates), 'call')} cost {price} at {providers}. Make them?", usd
    )
