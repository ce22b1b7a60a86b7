"""Which route serves a call and at what price, and what is written down before anything is sent.

A plan holds the request, the vendor calls that serve it, and the alternatives if the first vendor refuses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, isclose
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from imagewright.catalog.load import row_in
from imagewright.catalog.nearest import nearest_hint, nearest_ratio
from imagewright.catalog.row import AUTO, MODEL, PICTURE_KINDS, OperationName, narrowed, outside
from imagewright.engine.job import RATIO_TOLERANCE, Asked, JobSpec
from imagewright.engine.offer import ENGINE_ARGUMENTS
from imagewright.engine.pictures import MASK, factor_of, is_reduced, prepare_all, too_large, without_pictures
from imagewright.errors import Refusal
from imagewright.providers.base import EVERY_EDITION, Order
from imagewright.storage.records import EXTENSIONS
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


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be sent, and where the call may go if that provider refuses without a charge."""

    route: Route
    """The route that serves it."""
    spec: JobSpec
    orders: tuple[Order, ...]
    """The vendor calls; together they make the pictures that were asked for."""
    notes: tuple[str, ...]
    """What the caller should know, one sentence each."""
    choice: tuple[str, ...] = ()
    """Why this route was taken and the others were not, one sentence each."""
    alternatives: tuple[Candidate, ...] = ()
    """The other routes the call may go to, best first; see `next_plan`."""
    job_id: str = ""
    """The id that its job gets, where pictures of it lie in the spool already; else empty."""

    @property
    def model(self) -> str:
        """The vendor's id of the model that will serve it."""
        return self.orders[0].model

    def in_spool(self, sources: Sequence[Source]) -> Plan:
        """The same without the bytes of any picture; `sources` are those of its alternatives, as the spool has them."""
        given = self.spec.request  # as it was given, without data URIs
        others = (
            replace(one, sources=tuple(sources), checked=replace(one.checked, given=given)) for one in self.alternatives
        )
        return replace(self, orders=tuple(map(without_pictures, self.orders)), alternatives=tuple(others))


async def first_plan(able: Sequence[Candidate], *, limited: bool) -> Plan:
    """The plan for the best candidate, with the others as its alternatives.

    Args:
        able: candidates that serve the call exactly, best first; at least one.
        limited: whether no later provider may cost more than the first: the user has set a limit, or is asked.

    Raises:
        Refusal: a picture cannot be brought into the form its vendor needs.
    """
    agreed = able[0].usd or 0.0
    others = (one for one in able[1:] if not limited or (one.usd is not None and one.usd <= agreed))
    return replace(await _plan(able[0]), alternatives=tuple(others))


async def next_plan(plan: Plan, *, gone: bool) -> Plan | None:
    """The plan for the best alternative whose vendor takes the call's pictures; None when there is none left.

    The same vendor is asked again only where the model is `gone` there: any other reason would stand again.
    """
    for place, candidate in enumerate(plan.alternatives, 1):
        if candidate.route.provider == plan.route.provider and not gone:
            continue
        try:
            following = await _plan(candidate)
        except Refusal:  # its pictures do not fit that vendor
            continue
        return replace(following, choice=plan.choice, alternatives=plan.alternatives[place:])
    return None


async def _plan(candidate: Candidate) -> Plan:
    """Prepare the pictures and split the call.

    Raises:
        Refusal: a picture cannot be brought into the form the vendor needs.
    """
    route, checked, sources = candidate.route, candidate.checked, candidate.sources
    images, mask, notes = await prepare_all(sources, route)
    arguments = dict(candidate.arguments)
    _settle_ratio(arguments, route, sources, notes)
    spec = _spec_of(checked, sources, route, arguments, count=candidate.count, usd=candidate.usd)
    if spec.exact_size is not None:
        more, asked = arguments["scale"], spec.asked.scale
        notes.append(f"Enlarged {more}x by {route.provider}, then brought down to exactly {asked}x.")
    orders = tuple(
        Order(
            route=route,
            arguments=_spread_seed(arguments, first, checked),
            model=model_for(route, arguments),
            count=share,
            images=images,
            mask=mask,
            first_variant=first,
        )
        for first, share in split(candidate.count, route.counts)
    )
    if len(orders) > 1:
        notes.append(f"{route.provider} makes this in {len(orders)} calls, each of them charged.")
        if "seed" in arguments:
            notes.append("The seed is counted up by one for each further call, so that the pictures differ.")
    return Plan(route, spec, orders, tuple(notes))


def split(count: int, sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(number of the first picture, how many) for each call: the largest possible first, 3 of (1, 2, 4) as 2 + 1."""
    done = 0
    while done < count:
        share = max(size for size in sizes if size <= count - done)
        yield done + 1, share
        done += share


def _spread_seed(arguments: dict[str, Any], first: int, checked: Checked) -> dict[str, Any]:
    if "seed" not in arguments or first == 1:
        return arguments
    largest = checked.arguments["seed"].maximum
    seed = arguments["seed"] + first - 1
    return arguments | {"seed": seed if largest is None or seed <= largest else seed - int(largest) - 1}


def _settle_ratio(arguments: dict[str, Any], route: Route, sources: Sequence[Source], notes: list[str]) -> None:
    """Replace `auto` by the nearest ratio the vendor has, unless the vendor knows the word."""
    if arguments.get("aspect_ratio") != AUTO or route.native_auto:
        return
    own = route.takes["aspect_ratio"].values
    ratios = tuple(str(value) for value in own or () if value != AUTO)
    first = sources[0].facts
    arguments["aspect_ratio"] = nearest = nearest_ratio(first.width, first.height, ratios)
    wide, high = map(float, nearest.split(":"))
    if not isclose(first.width * high, first.height * wide, rel_tol=RATIO_TOLERANCE):
        notes.append(f"Aspect ratio {nearest}: the nearest to the first picture's shape.")


def _spec_of(
    checked: Checked,
    sources: Sequence[Source],
    route: Route,
    arguments: Mapping[str, Any],
    *,
    count: int,
    usd: float | None,
) -> JobSpec:
    """The request of a call.

    Args:
        checked: the call.
        sources: its pictures.
        route: the route that serves it.
        arguments: what will be sent to the vendor.
        count: how many pictures it asks for.
        usd: what it is estimated to cost, in USD; None when unknown.
    """
    given = checked.given
    shown = {source.argument: source.request for source in sources}
    request = {
        name: [shown.get(f"{name}[{place}]", "") for place in range(len(value))]
        if isinstance(value, list)
        else shown.get(name, value)
        for name, value in given.items()
    }
    asked = _asked_of(checked, sources, route, arguments)
    return JobSpec(
        prompt=str(given.get("prompt", "")),
        request=request,
        save_as=given.get("save_as"),
        parents=tuple(dict.fromkeys(source.parent for source in sources if source.parent is not None)),
        count=count,
        usd=usd,
        exact_size=None if arguments.get("scale", asked.scale) == asked.scale else asked.size,
        edition=checked.edition if route.edition == EVERY_EDITION else route.edition,
        asked=asked,
    )


def _asked_of(checked: Checked, sources: Sequence[Source], route: Route, arguments: Mapping[str, Any]) -> Asked:
    """What the caller gave, and the defaults that the route takes; of `auto` what the route makes of it."""
    given = checked.given
    wanted = {**given, **arguments}
    own = next(((one.facts.width, one.facts.height) for one in sources if one.argument != MASK), None)
    ratio = str(wanted.get("aspect_ratio", ""))
    ending = _type_by_ending(given.get("save_as") or "")
    cut_out = checked.operation is OperationName.REMOVE_BACKGROUND
    scale = 0
    if checked.operation is OperationName.UPSCALE:
        scale = int(given.get("scale", checked.arguments["scale"].default or 1))
    backdrop = {"transparent": True, "opaque": False}.get(str(wanted.get("background")))
    return Asked(
        ratio="" if ratio == AUTO else ratio,
        like=own if ratio == AUTO and route.native_auto else None,
        # a mask asks for the picture it lies on, in its own size, unless another is named
        resolution=str((given if "mask" in given else wanted).get("resolution", "")),
        size=(own[0] * (scale or 1), own[1] * (scale or 1)) if own and (scale or cut_out) else None,
        scale=scale,
        format=str(given.get("output_format") or ending or wanted.get("output_format", "")),
        ending=ending,
        transparent=True if cut_out else backdrop,
        cut_out=cut_out,
    )


def _type_by_ending(save_as: str) -> str:
    """The file type that a name ends in; empty where it ends in none."""
    typed = PurePath(save_as).suffix.lower().removeprefix(".")
    return next((form for form, endings in EXTENSIONS.items() if typed in endings), "")
