"""Which route serves a call and at what price, and why not another."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from imagewright.catalog.load import row_in
from imagewright.catalog.nearest import nearest_hint
from imagewright.catalog.row import AUTO, MODEL, PICTURE_KINDS, narrowed, outside
from imagewright.engine.offer import ENGINE_ARGUMENTS
from imagewright.engine.pictures import MASK, factor_of, is_reduced, too_large
from imagewright.providers.base import EVERY_EDITION
from imagewright.text import listed, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imagewright.catalog.row import Argument
    from imagewright.engine.check import Checked
    from imagewright.engine.pictures import Source
    from imagewright.providers.base import Price, Route


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
    reduced: bool = False
    """Whether a picture is too large for the route and would be made smaller for it."""


def candidates(
    checked: Checked,
    routes: Sequence[Route],
    order: Sequence[str] | None,
    sources: Sequence[Source] = (),
    *,
    limited: bool = False,
) -> list[Candidate]:
    """Every route of a tool, best first: those that serve the call exactly, in the user's order of providers.

    Among those come first the editions that the configuration prefers, then those that take the pictures without making
    them smaller, then for several variants the ones that make related sets, then those earlier in the row, then the
    cheapest. Where a budget is kept, `limited`, a known price comes before all that.

    The call must have no problems. Without `sources`, its pictures were not opened and do not count.
    """
    editions = list(checked.row.editions)
    examined = [_examine(checked, route, tuple(sources)) for route in routes if route.operation == checked.operation]

    def place(candidate: Candidate) -> tuple[bool, bool, int, bool, bool, bool, int, float]:
        route, usd = candidate.route, candidate.usd
        preference = list(order).index(route.provider) if order else 0
        edition = editions.index(route.edition) if route.edition in editions else 0
        unknown = limited and usd is None
        single = checked.count > 1 and not route.makes_sets
        price = inf if usd is None else usd
        against, reduced = bool(candidate.against), candidate.reduced
        return against, unknown, preference, not route.preferred, reduced, single, edition, price

    return sorted(examined, key=place)


def is_served(checked: Checked, routes: Sequence[Route], sources: Sequence[Source] = ()) -> bool:
    """Whether one of the routes serves a call exactly. The call must have no problems."""
    able = (route for route in routes if route.operation == checked.operation)
    return any(not _examine(checked, route, tuple(sources)).against for route in able)


def explain(examined: Sequence[Candidate], *, ordered: bool, limited: bool = False) -> tuple[str, ...]:
    """Why the first candidate was taken and the others were not.

    `ordered` says that the user has set an order, `limited` that a budget is kept and unknown prices came last for it.
    Of the editions that come later in the row than the one that was taken, only the names are given.
    """
    taken, words, later = examined[0], [], dict[str, None]()
    editions = list(taken.checked.row.editions)
    known = taken.route.edition in editions and not taken.against
    end = editions.index(taken.route.edition) if known else len(editions)
    for place, one in enumerate(examined):
        name = f"{one.route.provider} ({one.route.model})"
        price = "price unknown" if one.usd is None else f"about ${one.usd:.4g}"
        if place and one.route.edition in editions and editions.index(one.route.edition) > end:
            later[one.route.edition] = None
        elif one.against:
            words.append(f"{name}: cannot serve it exactly: {'; '.join(one.against)}")
        elif place == 0:
            skipped = limited and any(one.usd is None and not one.against for one in examined)
            known_only = " of those whose price is known" if skipped else ""
            words.append(f"{name}: taken, {_why_taken(taken, ordered=ordered)}{known_only}, {price}")
        else:
            reason = "a budget is kept" if limited and one.usd is None else _why_not(one, taken, ordered=ordered)
            words.append(f"{name}: {reason}, {price}")
    if later and not taken.checked.edition:
        words.append(f"not considered, as model was left out: {listed(later)}")
    return tuple(words)


def _why_taken(taken: Candidate, *, ordered: bool) -> str:
    if taken.route.preferred:
        return "first in your configuration"
    if ordered:
        return "first in your order"
    return "cheapest that makes a related set" if _makes_set(taken) else "cheapest that serves it exactly"


def _why_not(one: Candidate, taken: Candidate, *, ordered: bool) -> str:
    if one.reduced and not taken.reduced:
        return "a picture would be made smaller for it"
    if taken.route.preferred and not one.route.preferred:
        return "your configuration puts another first"
    if ordered and one.route.provider != taken.route.provider:
        return "later in your order"
    return "its pictures would be no related set" if _makes_set(taken) and not _makes_set(one) else "not cheaper"


def _makes_set(one: Candidate) -> bool:
    return one.count > 1 and one.route.makes_sets


def _examine(checked: Checked, route: Route, sources: tuple[Source, ...]) -> Candidate:
    arguments = _filled(checked, route)
    if "scale" in arguments:
        arguments["scale"] = factor_of(route, arguments["scale"])
    against = (*_against(checked, route), *too_large(sources, route, arguments.get("scale")))
    calls = sum(1 for _ in split(checked.count, route.counts))
    sides = [max(one.facts.width, one.facts.height) for one in sources if one.argument != MASK]
    usd = estimate(route.price, arguments, checked.count, calls=calls, sides=sides or [0] * checked.images)
    return Candidate(checked, sources, route, against, arguments, checked.count, usd, is_reduced(sources, route))


def estimate(
    price: Price, arguments: Mapping[str, Any], pictures: int, *, calls: int = 1, sides: Sequence[int] = ()
) -> float | None:
    """USD for that many pictures with these arguments; None when the price is not known.

    Args:
        price: what one picture costs.
        arguments: those of the call, defaults included.
        pictures: how many it makes.
        calls: how many calls of the vendor make them.
        sides: the longer sides in px of the input pictures, 0 for one that was not opened.
    """
    each = price.usd
    if price.table:
        values = tuple(arguments.get(name, "") for name in price.by)
        each = price.table.get(values if len(values) > 1 else values[0], price.usd)
    elif price.by_side and any(sides):
        longest = max(sides) * arguments.get("scale", 1)
        each = next((usd for side, usd in price.by_side if longest <= side), price.by_side[-1][1])
    if each is None:
        return None
    charged = max(0, len(sides) - price.inputs_free)
    times = pictures if price.inputs_in_each else calls
    return round(each * pictures + price.per_input * charged * times, 6)


def model_for(route: Route, arguments: Mapping[str, Any]) -> str:
    """The vendor's id of the model that serves a call with these arguments."""
    return route.models.get(arguments.get(route.model_by, ""), route.model)


def split(count: int, sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(number of the first picture, how many) for each call: the largest possible first, 3 of (1, 2, 4) as 2 + 1."""
    done = 0
    while done < count:
        share = max(size for size in sizes if size <= count - done)
        yield done + 1, share
        done += share


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
    if checked.edition and route.edition not in (EVERY_EDITION, checked.edition):
        known = checked.row.editions.get(route.edition)
        return [f"it is {known.title}" if known else "which edition it is, is not known"]
    own = row_in(route.tool, route.edition).operations[route.operation].arguments
    for name, value in checked.beyond_defaults.items():
        if name in ENGINE_ARGUMENTS or name == MODEL:
            continue
        if name not in route.takes or name not in own:
            against.append(f"it takes no {name}")
        elif why := _limit_broken(own[name], route, name, value):
            against.append(why)
    return against or [f"it does not take {listed(words)} together" for words in _clashes(checked, route)]


def _clashes(checked: Checked, route: Route) -> Iterator[list[str]]:
    """The arguments of a call, defaults included, that the route cannot serve together."""
    values = _filled(checked, route)
    for together in route.never:
        if all(values.get(name) in some for name, some in together.items()):
            yield [f"{name} {say(values[name])}" for name in together]


def _limit_broken(argument: Argument, route: Route, name: str, value: Any) -> str:
    if value == AUTO:
        return ""
    tight = narrowed(argument, route.takes[name])
    if not (why := outside(tight, value)):
        return ""
    if isinstance(value, list):
        few = tight.min_items is not None and len(value) < tight.min_items
        limit = f"{tight.min_items} of {name} at least" if few else f"{tight.max_items} of {name} at most"
        return f"it takes {limit}, not {len(value)}"
    return f"its {name} {say(value)} is {why}{nearest_hint(tight, value)}"
