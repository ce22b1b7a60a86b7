"""From a checked call and a route to the vendor calls that serve it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imagewright.catalog.row import AUTO
from imagewright.engine.choose import count_of, estimate, filled
from imagewright.engine.preparing import prepare_all
from imagewright.engine.sizes import nearest_ratio
from imagewright.engine.spec import make_spec
from imagewright.errors import Refusal
from imagewright.providers.base import Order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imagewright.engine.check import Checked
    from imagewright.engine.inputs import Source
    from imagewright.engine.spec import JobSpec
    from imagewright.providers.base import Route


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be sent.

    Attributes:
        route: the route that serves it.
        spec: the caller's wish.
        orders: the vendor calls; together they make the pictures that were asked for.
        notes: what the caller should know, one sentence each.
        choice: why this route was taken and the others were not, one sentence each.
    """

    route: Route
    spec: JobSpec
    orders: tuple[Order, ...]
    notes: tuple[str, ...]
    choice: tuple[str, ...] = ()

    @property
    def model(self) -> str:
        """The vendor's id of the model that will serve it."""
        return self.route.model_for(self.orders[0].arguments)


class Planner:
    """The plans for one call, provider after provider.

    Args:
        checked: the call.
        sources: its pictures.
        routes: those that serve it exactly, best first.
        limited: whether the user has set a budget, so that no later provider may cost more than the first.
    """

    def __init__(self, checked: Checked, sources: list[Source], routes: list[Route], *, limited: bool) -> None:
        self._checked = checked
        self._sources = sources
        self._left = list(routes)
        self._agreed = estimate(checked, routes[0])
        self._limited = limited

    async def first(self) -> Plan:
        """The plan for the best route.

        Raises:
            Refusal: a picture cannot be brought into the form its vendor needs.
        """
        return await make_plan(self._checked, self._sources, self._left.pop(0))

    async def following(self) -> Plan | None:
        """The plan for the next provider, if it costs no more than was agreed to; None when there is none."""
        while self._left:
            usd = estimate(self._checked, self._left[0])
            if self._limited and (usd is None or usd > (self._agreed or 0.0)):
                self._left.pop(0)
                continue
            try:
                return await self.first()
            except Refusal:  # its pictures do not fit that vendor
                continue
        return None


async def make_plan(checked: Checked, sources: Sequence[Source], route: Route) -> Plan:
    """Prepare the pictures and split the call.

    Raises:
        Refusal: a picture cannot be brought into the form the vendor needs.
    """
    images, mask, notes = await prepare_all(sources, route)
    arguments = filled(checked, route)
    exact_size = None
    if "scale" in arguments:
        exact_size = _fit_scale(arguments, route, sources, notes)
    _settle_ratio(arguments, route, sources, notes)
    count = count_of(checked)
    orders = tuple(
        Order(
            route=route,
            arguments=_spread_seed(arguments, first, checked),
            count=share,
            images=images,
            mask=mask,
            first_variant=first,
        )
        for first, share in split(count, route.counts)
    )
    if len(orders) > 1:
        notes.append(f"{route.provider} makes this in {len(orders)} calls, each of them charged.")
        if "seed" in arguments:
            notes.append("The seed is counted up by one for each further call, so that the pictures differ.")
    usd = route.price.estimate(arguments, count)
    return Plan(route, make_spec(checked, sources, count=count, usd=usd, exact_size=exact_size), orders, tuple(notes))


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
    arguments["aspect_ratio"] = nearest_ratio(first.width, first.height, ratios)
    notes.append(f"Aspect ratio {arguments['aspect_ratio']}: the nearest to the first picture's shape.")


def _fit_scale(
    arguments: dict[str, Any], route: Route, sources: Sequence[Source], notes: list[str]
) -> tuple[int, int] | None:
    asked = arguments["scale"]
    factor = min(own for own in route.scales if own >= asked)
    if factor == asked:
        return None
    arguments["scale"] = factor
    facts = sources[0].facts
    size = (facts.width * asked, facts.height * asked)
    notes.append(f"Enlarged {factor}x by {route.provider}, then brought down to exactly {asked}x.")
    return size
