"""Orders for any route, made from the catalog, and a provider driven through a whole call."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from imagewright.catalog.load import row_in
from imagewright.catalog.row import Argument, narrowed
from imagewright.engine.choose import model_for
from imagewright.errors import TaskEnded
from imagewright.providers.base import Finished, Handle, Order, Prepared, UploadsInputs
from imagewright.providers.http.request import json_body
from tests.emulators.pictures import encode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from _pytest.mark import ParameterSet

    from imagewright.providers.base import Provider, Route, Running

PROMPT = "A red kite over the sea"
ENGINE_ARGUMENTS = ("variants", "save_as")
PICTURES = ("image", "images", "mask")
AUTO = "auto"
MOST_POLLS = 20


def as_sent(body: Any) -> Any:
    """The JSON body of a request, as its vendor reads it."""
    return json.loads(json_body(body))


@cache
def picture(width: int = 320, height: int = 256, shade: int = 90) -> Prepared:
    """An input picture."""
    return Prepared(encode(Image.new("RGB", (width, height), (shade, 120, 160)), "png"), "png", width, height)


@cache
def mask(width: int = 320, height: int = 256) -> Prepared:
    """A mask whose left half is black and whose right half is white."""
    drawn = Image.new("L", (width, height), 0)
    drawn.paste(255, (width // 2, 0, width, height))
    return Prepared(encode(drawn, "png"), "png", width, height)


def effective(route: Route) -> dict[str, Argument]:
    """The arguments of the route's edition as the route narrows them."""
    arguments = row_in(route.tool, route.edition).operations[route.operation].arguments
    return {name: narrowed(argument, route.takes[name]) for name, argument in arguments.items() if name in route.takes}


def plain_order(route: Route, **given: Any) -> Order:
    """The least that can be asked for: required arguments, the row's defaults, one picture."""
    arguments = {
        name: example(argument) if argument.default is None else argument.default
        for name, argument in effective(route).items()
        if name not in (*ENGINE_ARGUMENTS, *PICTURES) and (argument.required or argument.default is not None)
    }
    order = _order(route, together(route, arguments | given, given), count=1, pictures=_fewest_pictures(route))
    return replace(order, mask=mask()) if "mask" in route.needs else order


def full_order(route: Route, **given: Any) -> Order:
    """The most that can be asked for: every argument, away from its default, all pictures, the largest count."""
    taken = effective(route)
    arguments = {
        name: unusual(argument) for name, argument in taken.items() if name not in (*ENGINE_ARGUMENTS, *PICTURES)
    }
    arguments = together(route, arguments | given, given)
    if "mask" in taken:
        order = _order(route, arguments, count=route.counts[-1], pictures=1)
        return replace(order, mask=mask())
    most = taken["images"].max_items if "images" in taken else None
    return _order(route, arguments, count=route.counts[-1], pictures=most or _fewest_pictures(route))


def together(route: Route, arguments: Mapping[str, Any], kept: Collection[str] = ()) -> dict[str, Any]:
    """The arguments with one changed where the route cannot serve them together; those in `kept` stay, if possible."""
    changed, own = dict(arguments), effective(route)
    for clash in route.never:
        if all(changed.get(name) in some for name, some in clash.items()):
            name = next((one for one in clash if one not in kept), next(iter(clash)))
            free = (value for value in own[name].values or () if value not in (*clash[name], AUTO))
            changed[name] = next(free, AUTO)
    return changed


def _fewest_pictures(route: Route) -> int:
    if "images" in route.takes:
        return effective(route)["images"].min_items or 1
    return int("image" in route.takes)


def _order(route: Route, arguments: dict[str, Any], *, count: int, pictures: int) -> Order:
    if arguments.get("aspect_ratio") == AUTO and not route.native_auto:
        arguments["aspect_ratio"] = next(value for value in route.takes["aspect_ratio"].values or () if value != AUTO)
    if "scale" in arguments:
        arguments["scale"] = min(own for own in route.scales if own >= arguments["scale"])
    side = max(256, route.pictures.min_side)
    images = tuple(picture(side * 5 // 4, side, place) for place in range(pictures))
    return Order(route, arguments, model=model_for(route, arguments), count=count, images=images)


def example(argument: Argument) -> Any:
    """A value inside the limits."""
    if argument.values is not None:
        return argument.values[0]
    by_kind: Mapping[str, Any] = {"text": PROMPT, "boolean": True, "path": "kite.png"}
    return by_kind.get(argument.kind, int(argument.minimum or 0))


def unusual(argument: Argument) -> Any:
    """A value inside the limits that is not the default."""
    if argument.values is not None:
        others = (value for value in argument.values if value not in (argument.default, AUTO))
        return next(others, argument.values[0])
    if argument.kind == "boolean":
        return not argument.default
    if argument.kind in ("integer", "number"):
        value = argument.minimum if argument.maximum is None else argument.maximum
        return int(value or 0) if argument.kind == "integer" else float(value or 0)
    return example(argument)


@dataclass
class Driven:
    """What became of a call."""

    handle: Handle
    """What the submit returned."""
    finished: Finished
    """The last answer."""
    running: list[Running]
    """The answers before it."""
    files: list[Path]
    """The fetched pictures."""


async def handed_over(provider: Provider, order: Order) -> Order:
    """The order as `submit` wants it, its pictures uploaded where the vendor takes them first."""
    return await provider.upload_inputs(order) if isinstance(provider, UploadsInputs) else order


async def ordered(provider: Provider, order: Order) -> Handle | Finished:
    """What a submit returns after the pictures were uploaded."""
    return await provider.submit(await handed_over(provider, order))


async def submitted(provider: Provider, order: Order) -> Handle:
    """The handle of an order whose vendor takes its time."""
    handle = await ordered(provider, order)
    assert isinstance(handle, Handle)
    return handle


async def made(provider: Provider, order: Order) -> Finished:
    """The finished call, at once or after some polls; nothing is fetched."""
    answer = await ordered(provider, order)
    if isinstance(answer, Handle):
        answer, _ = await _ended(provider, answer)
    return answer


def whole_calls(defaults: Sequence[Route], others: Sequence[Route]) -> list[ParameterSet]:
    """(route, whether all it takes is asked for): both ways for the defaults, all of it for the others."""
    calls = [(route, most) for route in defaults for most in (False, True)] + [(route, True) for route in others]
    return [
        pytest.param(route, most, id=f"{route.tool}-{route.operation}-{route.model}-{'full' if most else 'plain'}")
        for route, most in calls
    ]


def check_picture(file: Path, order: Order) -> None:
    """Hold a picture to the order: whole, its type, its shape, and how much larger it was to become."""
    given = order.arguments
    with Image.open(file) as found:
        found.load()
        assert found.format == str(given.get("output_format", "png")).upper()
        if given.get("aspect_ratio", AUTO) != AUTO:
            wide, high = (int(part) for part in given["aspect_ratio"].split(":"))
            assert math.isclose(found.width * high, found.height * wide, rel_tol=0.02)
        if "scale" in given:
            assert found.width == order.images[0].width * given["scale"]


async def drive(provider: Provider, order: Order, folder: Path) -> Driven:
    """Submit, poll without waiting, fetch: what the engine does, without its patience."""
    return await followed(provider, await submitted(provider, order), folder)


async def followed(provider: Provider, handle: Handle, folder: Path) -> Driven:
    """The same from the handle on."""
    finished, running = await _ended(provider, handle)
    return Driven(handle, finished, running, await _fetch_all(provider, finished, folder))


async def _ended(provider: Provider, handle: Handle) -> tuple[Finished, list[Running]]:
    """The last answer, and those before it."""
    running: list[Running] = []
    for _ in range(MOST_POLLS):
        try:
            answer = await provider.poll(handle)
        except TaskEnded as ended:
            raise ended.error from ended
        if isinstance(answer, Finished):
            return answer, running
        running.append(answer)
    raise AssertionError(f"not finished after {MOST_POLLS} polls")


async def drive_at_once(provider: Provider, order: Order, folder: Path) -> tuple[Finished, list[Path]]:
    """Submit to a vendor that answers with the finished pictures, and fetch them."""
    answer = await ordered(provider, order)
    assert isinstance(answer, Finished)
    return answer, await _fetch_all(provider, answer, folder)


async def _fetch_all(provider: Provider, finished: Finished, folder: Path) -> list[Path]:
    files = [folder / f"{place}.picture" for place in range(len(finished.outputs))]
    for output, file in zip(finished.outputs, files, strict=True):
        await provider.fetch(output, file)
    return files
