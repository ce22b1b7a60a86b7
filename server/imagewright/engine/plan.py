"""What is written down before anything is sent.

A plan holds the request, the vendor calls that serve it, and the alternatives if the first vendor refuses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isclose
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from imagewright.catalog.nearest import nearest_ratio
from imagewright.catalog.row import AUTO, OperationName
from imagewright.engine.choose import model_for, split
from imagewright.engine.job import RATIO_TOLERANCE, Asked, JobSpec
from imagewright.engine.pictures import MASK, prepare_all, without_pictures
from imagewright.errors import Refusal
from imagewright.providers.base import EVERY_EDITION, Order
from imagewright.storage.records import EXTENSIONS, CallRecord, NewJob
from imagewright.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagewright.engine.check import Checked
    from imagewright.engine.choose import Candidate
    from imagewright.engine.pictures import Source
    from imagewright.providers.base import Route


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
    notes += [f"{name}: auto means {shown(arguments[name])} here." for name in checked.autos if name in arguments]
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


def new_job(job_id: str, plan: Plan, inputs: Mapping[str, Any], *, fingerprint: str, key: str) -> NewJob:
    """A job as it is written down before anything is sent; `inputs` is what `Spool.keep_inputs` returned."""
    spec, route = plan.spec, plan.route
    return NewJob(
        id=job_id,
        tool=route.tool,
        operation=route.operation.value,
        provider=route.provider,
        model=plan.model,
        key=key,
        fingerprint=fingerprint,
        plan={"spec": spec.as_data(), "inputs": inputs, "route": route.model, "choice": list(plan.choice)},
        expected=spec.count,
        reserved_usd=spec.usd or 0.0,
        cost_usd=spec.usd,
        cost_basis="unknown" if spec.usd is None else "estimate",
        notes=plan.notes,
        calls=tuple(
            CallRecord(number=number, count=one.count, first_variant=one.first_variant, arguments=dict(one.arguments))
            for number, one in enumerate(plan.orders)
        ),
    )
