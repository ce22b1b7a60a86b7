"""What is written down before anything is sent: the caller's wish, the vendor calls that serve it, and who is next."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from imagewright.catalog.row import AUTO
from imagewright.engine.inputs import nearest_ratio, prepare_all
from imagewright.errors import Refusal
from imagewright.providers.base import Order

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imagewright.engine.check import Checked
    from imagewright.engine.choose import Candidate
    from imagewright.engine.inputs import Source
    from imagewright.providers.base import Route


@dataclass(frozen=True, slots=True)
class JobSpec:
    """The caller's wish, as the library keeps it: plain data, fit to be written down and read back."""

    prompt: str
    """As given; empty when there is none."""
    request: Mapping[str, Any]
    """The caller's arguments without data URIs and without the secrets of signed links."""
    save_as: str | None
    """Where the caller wants it; None for the default."""
    parents: tuple[str, ...]
    """Ids of the earlier pictures it is made from."""
    count: int
    """How many pictures were asked for."""
    usd: float | None
    """What the job is estimated to cost, in USD; None when unknown."""
    exact_size: tuple[int, int] | None
    """Sides in px the result is brought down to; None when it is kept as it comes."""

    def as_data(self) -> dict[str, Any]:
        """As JSON can hold it; `from_data` reads it back."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> JobSpec:
        """What `as_data` made."""
        size = data["exact_size"]
        return cls(**{**data, "parents": tuple(data["parents"]), "exact_size": tuple(size) if size else None})


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

    @property
    def model(self) -> str:
        """The vendor's id of the model that will serve it."""
        return self.route.model_for(self.orders[0].arguments)


async def first_plan(able: Sequence[Candidate], *, limited: bool) -> Plan:
    """The plan for the best candidate, with the others as its alternatives.

    Args:
        able: candidates that serve the call exactly, best first; at least one.
        limited: whether the user has set a budget, so that no later provider may cost more than the first.

    Raises:
        Refusal: a picture cannot be brought into the form its vendor needs.
    """
    agreed = able[0].usd or 0.0
    others = (one for one in able[1:] if not limited or (one.usd is not None and one.usd <= agreed))
    return replace(await _plan(able[0]), alternatives=tuple(others))


async def next_plan(plan: Plan) -> Plan | None:
    """The plan for the best alternative whose vendor takes the call's pictures; None when there is none left."""
    for place, candidate in enumerate(plan.alternatives, 1):
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
    exact_size = _exact_size(candidate, notes)
    _settle_ratio(arguments, route, sources, notes)
    orders = tuple(
        Order(
            route=route,
            arguments=_spread_seed(arguments, first, checked),
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
    return Plan(route, _spec(candidate, exact_size), orders, tuple(notes))


def _spec(candidate: Candidate, exact_size: tuple[int, int] | None) -> JobSpec:
    given, sources = candidate.checked.given, candidate.sources
    shown = {source.argument: source.request for source in sources}
    request = {
        name: [shown.get(f"{name}[{place}]", "") for place in range(len(value))]
        if isinstance(value, list)
        else shown.get(name, value)
        for name, value in given.items()
    }
    return JobSpec(
        prompt=str(given.get("prompt", "")),
        request=request,
        save_as=given.get("save_as"),
        parents=tuple(dict.fromkeys(source.parent for source in sources if source.parent is not None)),
        count=candidate.count,
        usd=candidate.usd,
        exact_size=exact_size,
    )


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


def _exact_size(candidate: Candidate, notes: list[str]) -> tuple[int, int] | None:
    """Sides in px to come down to, where the vendor enlarges by more than was asked for."""
    if (factor := candidate.arguments.get("scale")) is None:
        return None
    checked = candidate.checked
    asked = checked.given.get("scale", checked.arguments["scale"].default)
    if factor == asked:
        return None
    facts = candidate.sources[0].facts
    notes.append(f"Enlarged {factor}x by {candidate.route.provider}, then brought down to exactly {asked}x.")
    return facts.width * asked, facts.height * asked


def fingerprint(checked: Checked, sources: Sequence[Source]) -> str:
    """The same for two calls of one tool that are identical in every argument and in every byte of their pictures."""
    pictures = {source.argument: hashlib.sha256(source.data).hexdigest() for source in sources}
    plain = {
        name: value for name, value in checked.given.items() if name not in {one.split("[")[0] for one in pictures}
    }
    text = json.dumps([checked.row.tool, plain, pictures], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
