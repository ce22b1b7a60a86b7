"""Which route serves a call, what it costs there, why the others do not serve it, and what the budget says to that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from imagewright.catalog.row import AUTO, PICTURE_KINDS, narrowed, outside
from imagewright.engine.check import nearest_hint
from imagewright.engine.inputs import pixels_problem
from imagewright.engine.offer import ENGINE_ARGUMENTS
from imagewright.errors import ConfirmationNeededError, Problem, Refusal
from imagewright.storage.records import Cap
from imagewright.text import say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagewright.catalog.row import Argument
    from imagewright.engine.check import Checked
    from imagewright.engine.inputs import Source
    from imagewright.providers.base import Route
    from imagewright.settings.load import BudgetTable
    from imagewright.storage.base import OverBudget

LESS = "Ask for fewer variants or a smaller resolution"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A call at one route: what would be sent there and what that would cost, or why it cannot serve the call."""

    checked: Checked
    """The call."""
    sources: tuple[Source, ...]
    """Its pictures."""
    route: Route
    against: tuple[str, ...]
    """Why the route cannot serve the call exactly; empty when it can."""
    arguments: Mapping[str, Any]
    """What was given plus the row's defaults for what the route takes, without pictures and engine arguments.

    `scale` is the next factor that the vendor has: that is what it is paid for.
    """
    count: int
    """How many pictures the call asks for."""
    usd: float | None
    """What the call is estimated to cost there, in USD; None when unknown."""


def candidates(
    checked: Checked, routes: Sequence[Route], order: Sequence[str] | None, sources: Sequence[Source] = ()
) -> list[Candidate]:
    """Every route, best first: those that serve the call exactly, in the user's order, else cheapest first.

    Args:
        checked: the call, without problems.
        routes: those of its tool.
        order: the user's order of providers; None for none.
        sources: its pictures; none where they were not looked at.
    """
    examined = [_examine(checked, route, tuple(sources)) for route in routes if route.operation == checked.operation]

    def place(candidate: Candidate) -> tuple[bool, int, float]:
        preference = list(order).index(candidate.route.provider) if order else 0
        return bool(candidate.against), preference, float("inf") if candidate.usd is None else candidate.usd

    return sorted(examined, key=place)


def _examine(checked: Checked, route: Route, sources: tuple[Source, ...]) -> Candidate:
    against = (*_against(checked, route), *_too_large(sources, route))
    arguments = _filled(checked, route)
    if "scale" in arguments and not against:
        arguments["scale"] = min(own for own in route.scales if own >= arguments["scale"])
    usd = route.price.estimate(arguments, checked.count)
    return Candidate(checked, sources, route, against, arguments, checked.count, usd)


def explain(examined: Sequence[Candidate], *, ordered: bool) -> tuple[str, ...]:
    """Why the first candidate was taken and the others were not, one sentence each.

    Args:
        examined: from `candidates`.
        ordered: whether the user has set an order of providers.
    """
    words = []
    for place, one in enumerate(examined):
        name = f"{one.route.provider} ({one.route.model})"
        price = "price unknown" if one.usd is None else f"about ${one.usd:.4g}"
        if one.against:
            words.append(f"{name}: cannot serve it exactly: {'; '.join(one.against)}")
        elif place == 0:
            reason = "first in your order" if ordered else "cheapest that serves it exactly"
            words.append(f"{name}: taken, {reason}, {price}")
        else:
            words.append(f"{name}: {'later in your order' if ordered else 'not cheaper'}, {price}")
    return tuple(words)


def refuse_all(examined: Sequence[Candidate], checked: Checked, others: Sequence[str]) -> Refusal:
    """The refusal of a call that no route serves exactly: it says why not, route by route.

    Args:
        examined: from `candidates`.
        checked: the call, without problems.
        others: enabled tools that do the same operation.
    """
    if not examined:
        problem = Problem("", f"no configured provider offers {checked.operation} with {checked.row.tool}")
        return Refusal(problem, instead=tuple(others))
    words = dict.fromkeys(
        Problem("", f"{one.route.provider} ({one.route.model}) cannot do this: {'; '.join(one.against)}")
        for one in examined
    )
    return Refusal(*words, instead=tuple(others))


def _filled(checked: Checked, route: Route) -> dict[str, Any]:
    plain = {
        name: argument
        for name, argument in checked.arguments.items()
        if name in route.takes and name not in ENGINE_ARGUMENTS and argument.kind not in PICTURE_KINDS
    }
    defaults = {name: argument.default for name, argument in plain.items() if argument.default is not None}
    return defaults | {name: checked.given[name] for name in plain if name in checked.given}


def _against(checked: Checked, route: Route) -> list[str]:
    against = [f"it serves only calls with {name}" for name in route.needs if name not in checked.given]
    for name, value in checked.wished.items():
        if name in ENGINE_ARGUMENTS:
            continue
        if name not in route.takes:
            against.append(f"it takes no {name}")
        elif why := _limit_broken(checked.arguments[name], route, name, value):
            against.append(why)
    return against


def _too_large(sources: Sequence[Source], route: Route) -> list[str]:
    most = route.pictures.max_pixels
    if most is None:
        return []
    return [f"{one.argument} {why}" for one in sources if (why := pixels_problem(one.facts, most))]


def _limit_broken(argument: Argument, route: Route, name: str, value: Any) -> str:
    limits = route.takes[name]
    if value == AUTO:
        return ""
    if isinstance(value, list):
        least, most = limits.min_items, limits.max_items
        if most is not None and len(value) > most:
            return f"it takes {most} of {name} at most, not {len(value)}"
        return f"it takes {least} of {name} at least" if least is not None and len(value) < least else ""
    tight = narrowed(argument, limits)
    why = outside(tight, value)
    return f"its {name} {say(value)} is {why}{nearest_hint(tight, value)}" if why else ""


def check_call(budget: BudgetTable, candidate: Candidate, *, confirmed: bool) -> None:
    """Hold one call against the limits that look at it alone.

    Args:
        budget: the limits.
        candidate: where it would be served, with its price.
        confirmed: whether the user has agreed to the price.

    Raises:
        Refusal: over the limit per call, or of unknown price where a limit has to be kept.
        ConfirmationNeededError: the user has to be asked first.
    """
    route, usd = candidate.route, candidate.usd
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


def refuse_over(over: OverBudget, usd: float) -> Refusal:
    """The refusal of a call that a budget has no room for."""
    cap, spent = over.cap, over.spent
    text = f"this call would cost about ${usd:.4g}, and of the ${cap.usd:.4g} for this {cap.name}"
    text += f" ${spent.usd:.4g} are spent or set aside. {LESS}, or have the user raise the budget"
    return Refusal(Problem("", text))
