"""Every fal route from submission to file, through the unmodified provider and real sockets."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from imagewright.engine.choose import estimate
from imagewright.providers import open_provider
from imagewright.providers.base import ProviderConfig
from imagewright.providers.fal.routes import ALIKE, ROUTES
from imagewright.providers.http.client import HttpClient
from tests.emulators.fal_models import ENDPOINTS
from tests.support.golden_bodies import inputs_of
from tests.support.provider_runs import check_picture, drive, effective, full_order, picture, plain_order, submitted
from tests.support.route_orders import every_offer, masked_order

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.base import Provider, Route
    from imagewright.providers.fal.route import FalRoute
    from tests.emulators.fal import FalEmulator

pytestmark = pytest.mark.anyio

SAME = [replace(route, model=model) for route in ROUTES for model in ALIKE.get(route.model, ())]
PLAIN = next(route for route in ROUTES if not route.image_field and "resolution" not in route.takes)
WITH_PICTURES = next(route for route in ROUTES if route.image_list and route.native_auto)


def _name(route: Route) -> str:
    return f"{route.tool}-{route.operation}-{route.model}"


def _small(route: Route) -> dict[str, Any]:
    """The smallest size it makes: what is drawn here is thrown away. And a ratio that the oldest model keeps to."""
    taken = effective(route)
    sizes = taken["resolution"].values if "resolution" in taken else None
    small = {"resolution": sizes[0]} if sizes else {}
    return small | ({"aspect_ratio": "16:9"} if route.model.startswith("fal-ai/nano-banana") else {})


@pytest.mark.parametrize("most", [False, True], ids=["plain", "full"])
@pytest.mark.parametrize("route", ROUTES, ids=_name)
async def test_a_whole_call(
    route: FalRoute,
    most: bool,  # noqa: FBT001 - a parameter of the table
    emulator: FalEmulator,
    provider: Provider,
    tmp_path: Path,
) -> None:
    order = full_order(route, **_small(route)) if most else plain_order(route, **_small(route))
    order = masked_order(route) if order.mask else order

    driven = await drive(provider, order, tmp_path)

    assert len(driven.files) == order.count
    for file in driven.files:
        check_picture(file, order)
    assert all(isinstance(value, str) for value in driven.handle.data.values())
    assert [running.stage for running in driven.running] == ["queued", "generating"]
    assert len(emulator.received("submit")) == 1
    assert not emulator.received("upload")
    assert [pictures for _, pictures in emulator.charges] == [order.count]
    sides = [max(one.width, one.height) for one in order.images]
    usd = estimate(route.price, order.arguments, order.count, sides=sides)
    assert usd is None or usd >= emulator.usd[0] > 0
    assert driven.finished.cost_usd is None
    seeds = {output.seed for output in driven.finished.outputs}
    if "seed" in route.takes and ENDPOINTS[route.model].seeded:
        assert len(seeds) == 1
        assert order.arguments.get("seed") in {None, *seeds}
        assert None not in seeds


@pytest.mark.parametrize("route", [*ROUTES, *SAME], ids=_name)
def test_fal_takes_every_value_the_route_offers(route: FalRoute) -> None:
    orders = list(every_offer(route))
    assert orders
    for order in orders:
        model = order.model
        assert ENDPOINTS[model].wrong(inputs_of(order, route)) is None, order.arguments


@pytest.mark.parametrize("route", [route for route in ROUTES if route.pictures.mask], ids=_name)
async def test_the_region_the_mask_names_is_the_one_that_changes(
    route: FalRoute, provider: Provider, tmp_path: Path
) -> None:
    order = masked_order(route)

    driven = await drive(provider, order, tmp_path)

    with Image.open(io.BytesIO(order.images[0].data)) as before, Image.open(driven.files[0]) as after:
        result = after.convert("RGB").resize(before.size)
        left, right = (before.width // 4, before.height // 2), (before.width * 3 // 4, before.height // 2)
        assert result.getpixel(left) == pytest.approx(before.getpixel(left), abs=8)
        assert result.getpixel(right) == pytest.approx((255, 0, 0), abs=8)
    assert any("mask" in note for note in driven.finished.notes)


async def test_a_mask_goes_without_a_warning_where_there_is_none(provider: Provider, tmp_path: Path) -> None:
    route = next(route for route in ROUTES if route.pictures.mask)
    driven = await drive(provider, plain_order(route), tmp_path)
    assert driven.finished.notes == ()


@pytest.mark.parametrize("route", [route for route in ROUTES if route.note], ids=_name)
async def test_the_note_of_a_route_reaches_its_caller(route: FalRoute, provider: Provider, tmp_path: Path) -> None:
    driven = await drive(provider, plain_order(route), tmp_path)
    assert driven.finished.notes == (route.note,)


@pytest.mark.parametrize("route", [route for route in ROUTES if route.makes_sets], ids=_name)
def test_a_set_is_asked_for_by_its_number_and_in_the_prompt_where_there_is_room(route: FalRoute) -> None:
    longest = route.takes["prompt"].max_length
    assert longest is not None
    for count in route.counts:
        for length in (longest, longest - 100):
            order = replace(plain_order(route, prompt="x" * length), count=count)
            text = inputs_of(order, route)
            assert len(text["prompt"]) <= longest
            assert (f"set of {count}" in text["prompt"]) == (count > 1 and length < longest)
            assert text.get("max_images", 1) == count
            assert "num_images" not in text


@pytest.mark.parametrize("route", [route for route in ROUTES if route.makes_sets and route.image_list], ids=_name)
def test_pictures_in_and_out_stay_within_the_vendors_limit(route: FalRoute) -> None:
    assert len(full_order(route).images) + route.counts[-1] <= 15


async def test_large_pictures_are_handed_over_first_and_keep_their_order(
    emulator: FalEmulator, provider: Provider
) -> None:
    route = replace(WITH_PICTURES, inline_bytes=0)
    order = replace(plain_order(route), images=tuple(picture(shade=shade) for shade in range(5)))

    await submitted(provider, order)

    task = next(iter(emulator.tasks.values()))
    assert task.ending is None
    assert len(emulator.received("upload")) == len(emulator.received("put")) == 5
    stored = {received.groups["name"]: received.body for received in emulator.received("put")}
    start = f"{emulator.url('cdn')}/"
    names = [link.removeprefix(start) for link in task.fields[route.image_field]]
    assert [stored[name] for name in names] == [image.data for image in order.images]
    assert all(
        "86400" in received.headers["x-fal-object-lifecycle-preference"] for received in emulator.received("upload")
    )


async def test_pictures_go_along_up_to_the_limit_and_not_beyond(emulator: FalEmulator, provider: Provider) -> None:
    size = len(picture().data)
    for inline_bytes, uploads in ((size, 0), (size - 1, 1)):
        route = replace(WITH_PICTURES, inline_bytes=inline_bytes)
        await submitted(provider, replace(plain_order(route), images=(picture(),)))
        assert len(emulator.received("upload")) == uploads


async def test_a_gateway_that_hands_on_the_vendors_own_links_is_still_the_one_that_is_asked(
    emulator: FalEmulator, provider: Provider, tmp_path: Path
) -> None:
    def as_the_vendor(answer: Any) -> Any:
        return replace(answer, body=answer.body.replace(emulator.url("api").encode(), b"https://queue.fal.run"))

    emulator.fail_next("submit", as_the_vendor)
    driven = await drive(provider, plain_order(PLAIN), tmp_path)
    assert len(driven.files) == 1


async def test_links_that_are_missing_are_made_by_the_documented_rule(
    emulator: FalEmulator, provider: Provider, tmp_path: Path
) -> None:
    def without_links(answer: Any) -> Any:
        return replace(answer, body=answer.body.replace(b"_url", b"_gone"))

    for route in (PLAIN, next(route for route in ROUTES if route.model.count("/") > 2)):
        emulator.fail_next("submit", without_links)
        driven = await drive(provider, plain_order(route), tmp_path)
        assert await provider.cancel(driven.handle) is False
    assert len(emulator.received("cancel")) == 2


async def test_a_task_can_be_stopped(emulator: FalEmulator, provider: Provider) -> None:
    handle = await submitted(provider, plain_order(PLAIN))
    assert await provider.cancel(handle) is True
    assert not emulator.charges


async def test_a_task_that_is_over_or_unknown_cannot_be_stopped(
    emulator: FalEmulator, provider: Provider, tmp_path: Path
) -> None:
    driven = await drive(provider, plain_order(PLAIN), tmp_path)
    assert await provider.cancel(driven.handle) is False
    emulator.tasks.clear()
    assert await provider.cancel(driven.handle) is False


async def test_pictures_marked_as_not_safe_are_kept_with_a_word(
    emulator: FalEmulator, provider: Provider, tmp_path: Path
) -> None:
    emulator.unsafe = True
    driven = await drive(provider, plain_order(PLAIN), tmp_path)
    assert len(driven.files) == 1
    assert "not safe" in driven.finished.notes[0]


@pytest.mark.parametrize("route", [route for route in ROUTES if route.edition], ids=_name)
def test_an_edition_is_preferred_by_its_id(route: FalRoute) -> None:
    (first,) = [one for one in _routes(str(route.operation), {"model": route.model}, route.tool) if one.preferred]
    assert first == replace(route, preferred=True)


def _routes(operation: str, table: dict[str, Any], tool: str) -> tuple[Route, ...]:
    overrides = {tool: {operation: table}}
    routes = open_provider("fal", ProviderConfig(key="k", addresses={}, overrides=overrides, http=HttpClient())).routes
    return tuple(route for route in routes if (route.tool, str(route.operation)) == (tool, operation))


def test_an_edition_that_is_preferred_keeps_what_else_was_set() -> None:
    masked = [route for route in ROUTES if route.pictures.mask][-1]
    table = {"model": masked.model, "without": ["mask"], "counts": [1], "usd": 0.5}
    (route,) = [one for one in _routes(str(masked.operation), table, masked.tool) if one.model == masked.model]
    assert route.preferred
    assert "mask" not in route.takes
    assert route.pictures.mask is None
    assert route.counts == (1,)
    assert estimate(route.price, {}, 1) == 0.5


@pytest.mark.parametrize(("default", "model"), [(one, model) for one, models in ALIKE.items() for model in models])
def test_a_model_of_the_same_fields_brings_its_price(default: str, model: str) -> None:
    before = next(route for route in ROUTES if route.model == default)
    overrides = {before.tool: {before.model: {"model": model}}}
    routes = open_provider("fal", ProviderConfig(key="k", addresses={}, overrides=overrides, http=HttpClient())).routes
    assert replace(before, model=model, price=ALIKE[default][model]) in routes
