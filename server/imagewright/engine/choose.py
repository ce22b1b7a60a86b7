"""Which route serves a call, and why not the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imagewright.catalog.row import AUTO, PICTURE_KINDS, narrowed, outside
from imagewright.engine.check import nearest_hint
from imagewright.engine.offer import ENGINE_ARGUMENTS
from imagewright.engine.sizes import pixels_problem
from imagewright.errors import Problem, Refusal
from imagewright.text import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagewright.catalog.row import Argument
    from imagewright.engine.check import Checked
    from imagewright.engine.inputs import Source
    from imagewright.providers.base import Route


@dataclass(frozen=True, slots=True)
class Candidate:
    """A route that was looked at.

    Attributes:
        route: the route.
        against: why it cannot serve this call exactly; empty when it can.
        usd: what the call is estimated to cost there; None when unknown.
    """

    route: Route
    against: tuple[str, ...]
    usd: float | None


def candidates(
    checked: Checked, routes: Sequence[Route], order: Sequence[str] | None, sources: Sequence[Source] = ()
) -> list[Candidate]:
    """Every route, best first: those that serve the call exactly, in the user's order, else cheapest first.

    Args:
        checked: the call.
        routes: those of its tool.
        order: the user's order of providers; None for none.
        sources: its pictures; none where they were not looked at.
    """
    examined = [
        Candidate(route, (*_against(checked, route), *_too_large(sources, route)), estimate(checked, route))
        for route in routes
        if route.operation == checked.operation
    ]

    def place(candidate: Candidate) -> tuple[bool, int, float]:
        preference = list(order).index(candidate.route.provider) if order else 0
        return bool(candidate.against), preference, float("inf") if candidate.usd is None else candidate.usd

    return sorted(examined, key=place)


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


def choose(examined: Sequence[Candidate], checked: Checked, others: Sequence[str]) -> list[Route]:
    """The routes that serve the call exactly, best first.

    Args:
        examined: from `candidates`.
        checked: the call, without problems.
        others: enabled tools that do the same operation, for the refusal.

    Raises:
        Refusal: no route serves it; says why not, route by route.
    """
    able = [candidate.route for candidate in examined if not candidate.against]
    if able:
        return able
    if not examined:
        problem = Problem("", f"no configured provider offers {checked.operation} with {checked.row.tool}")
        raise Refusal(problem, instead=tuple(others))
    words = dict.fromkeys(
        Problem("", f"{one.route.provider} ({one.route.model}) cannot do this: {'; '.join(one.against)}")
        for one in examined
    )
    raise Refusal(*words, instead=tuple(others))


def estimate(checked: Checked, route: Route) -> float | None:
    """USD the call is expected to cost on that route; None when its price is not known."""
    return route.price.estimate(filled(checked, route), count_of(checked))


def count_of(checked: Checked) -> int:
    """How many pictures the call asks for."""
    argument = checked.arguments.get("variants")
    default = argument.default if argument is not None and isinstance(argument.default, int) else 1
    return int(checked.given.get("variants", default))


def filled(checked: Checked, route: Route) -> dict[str, Any]:
    """What was given plus the row's defaults for what the route takes, without pictures and engine arguments."""
    plain = {
        name: argument
        for name, argument in checked.arguments.items()
        if name in route.takes and name not in ENGINE_ARGUMENTS and argument.kind not in PICTURE_KINDS
    }
    defaults = {name: argument.default for name, argument in plain.items() if argument.default is not None}
    return defaults | {name: checked.given[name] for name in plain if name in checked.given}


def wished(checked: Checked) -> dict[str, Any]:
    """What was given, without what means the same as leaving it out.

    A client may fill in every default that the schema shows: that must not change which model serves the call.
    """
    return {
        name: value
        for name, value in checked.given.items()
        if name not in checked.arguments or value != checked.arguments[name].default
    }


def _against(checked: Checked, route: Route) -> list[str]:
    against = [f"it serves only calls with {name}" for name in route.needs if name not in checked.given]
    for name, value in wished(checked).items():
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
