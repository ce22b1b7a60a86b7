"""Bodies for DashScope: sizes, the emulator's tables as an independent judge, limits on pictures, and the overrides."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.catalog.row import OperationName
from imagewright.errors import RequestRejected, SettingsError
from imagewright.providers import open_provider
from imagewright.providers.base import Prepared, ProviderConfig
from imagewright.providers.dashscope.routes import OTHERS, ROUTES, SIZES, DashScopeRoute, size_like
from imagewright.providers.http.client import HttpClient
from tests.emulators.dashscope_models import (
    MODELS,
    parameters_of,
    prompt_problem,
    size_by_pixels,
    size_by_sides,
    size_of,
)
from tests.support.provider_runs import ENGINE_ARGUMENTS, PICTURES, effective, full_order, picture, plain_order

if TYPE_CHECKING:
    from imagewright.providers.base import Order

TOOL = ROUTES[0].tool
GENERATE, EDIT = ROUTES
EVERY = (*ROUTES, *OTHERS)


def _name(route: DashScopeRoute) -> str:
    return f"{route.operation}-{route.model}"


def _sized(order: Order, width: int = 400, height: int = 400) -> Order:
    return replace(order, images=tuple(replace(one, width=width, height=height) for one in order.images))


def _problems(order: Order) -> list[str]:
    assert isinstance(order.route, DashScopeRoute)
    model, body = MODELS[order.route.model], order.route.body(_sized(order))
    known = parameters_of(model)
    found = [f"{name}: {why}" for name, value in body["parameters"].items() if (why := known[name](value))]
    if order.route.as_task:
        assert model.tasks
        prompt, pictures = body["input"]["prompt"], 0
    else:
        (message,) = body["input"]["messages"]
        *images, text = message["content"]
        prompt, pictures = text["text"], len(images)
    if not model.images[0] <= pictures <= model.images[1]:
        found.append(f"{pictures} images")
    return [*found, *filter(None, [prompt_problem(model, prompt)])]


def _routes(table: dict[str, Any]) -> list[DashScopeRoute]:
    provider = open_provider(
        "dashscope", ProviderConfig(key="k", addresses={}, overrides={TOOL: table}, http=HttpClient())
    )
    return [route for route in provider.routes if isinstance(route, DashScopeRoute)]


@pytest.mark.parametrize("route", EVERY, ids=_name)
def test_the_vendor_takes_every_value_the_route_offers(route: DashScopeRoute) -> None:
    for name, argument in effective(route).items():
        if name in (*ENGINE_ARGUMENTS, *PICTURES):
            continue
        values: list[Any] = list(argument.values or ())
        values += [int(bound) for bound in (argument.minimum, argument.maximum) if bound is not None]
        values += ["x" * argument.max_length] if argument.max_length else []
        assert values
        for value in values:
            assert not _problems(plain_order(route, **{name: value})), (name, value)
    for count in route.counts:
        assert not _problems(replace(full_order(route), count=count)), count


def test_the_routes_cover_both_operations_with_every_known_model() -> None:
    assert {route.model for route in EVERY} == set(MODELS)
    able = {(route.model, route.operation) for route in EVERY}
    assert able == {
        (name, operation)
        for name, model in MODELS.items()
        for operation in (OperationName.GENERATE, OperationName.EDIT)
        if (model.images[0] == 0 if operation is OperationName.GENERATE else model.images[1] > 0)
    }


def test_every_size_has_its_ratio_and_suits_all_models_that_take_any() -> None:
    for ratio, size in SIZES.items():
        wide, high = (int(part) for part in str(ratio).split(":"))
        sides = size_of(size)
        assert sides is not None
        assert sides[0] * high == sides[1] * wide
        assert not size_by_sides(size)
        assert not size_by_pixels(size)


@pytest.mark.parametrize("least", [1, 512])
@pytest.mark.parametrize(
    ("width", "height"),
    [
        (384, 384),
        (3072, 3072),
        (900, 600),
        (1001, 751),
        (1000, 750),
        (750, 1000),
        (3072, 2048),
        (1920, 1080),
        (1600, 400),
        (400, 1600),
    ],
)
def test_a_result_has_the_shape_of_the_first_picture(width: int, height: int, least: int) -> None:
    size = size_like(Prepared(b"", "png", width, height), least)
    sides = size_of(size)
    assert sides is not None
    assert sides[0] / sides[1] == pytest.approx(width / height, rel=0.005)
    assert not size_by_pixels(size)
    assert not size_by_sides(size)


@pytest.mark.parametrize(("width", "height"), [(3072, 384), (384, 3072), (2700, 400)])
def test_a_very_long_picture_stays_within_what_the_model_makes(width: int, height: int) -> None:
    long = Prepared(b"", "png", width, height)
    assert not size_by_pixels(size_like(long))
    assert not size_by_sides(size_like(long, 512))


def test_of_several_pictures_the_first_gives_the_shape() -> None:
    wide, tall = replace(picture(), width=2000, height=1000), replace(picture(), width=1000, height=2000)
    order = replace(plain_order(EDIT), images=(wide, tall))
    size = size_of(EDIT.body(order)["parameters"]["size"])
    assert size is not None
    assert size[0] > size[1]


@pytest.mark.parametrize(("width", "height"), [(383, 500), (500, 383), (3073, 500), (500, 4000)])
def test_a_picture_the_vendor_would_not_take_is_refused_before_anything_is_sent(width: int, height: int) -> None:
    order = plain_order(EDIT)
    EDIT.check(_sized(order, 384, 3072))
    with pytest.raises(RequestRejected, match="384 to 3072 px") as caught:
        EDIT.check(replace(order, images=(*_sized(order).images, replace(picture(), width=width, height=height))))
    assert caught.value.charged is False
    assert f"picture 2 is {width}x{height} px" in str(caught.value)


@pytest.mark.parametrize("route", OTHERS, ids=_name)
def test_another_model_is_chosen_by_its_id_and_brings_its_limits(route: DashScopeRoute) -> None:
    changed = _routes({str(route.operation): {"model": route.model}})
    assert [one for one in changed if one.operation == route.operation] == [route]
    assert [one.model for one in changed if one.operation != route.operation] == [GENERATE.model]


def test_a_model_for_both_operations_is_set_once() -> None:
    both = next(one for one in OTHERS if len([other for other in OTHERS if other.model == one.model]) > 1)
    assert {route.model for route in _routes({"model": both.model})} == {both.model}


@pytest.mark.parametrize("model", [name for name, one in MODELS.items() if one.images[0] > 0 or one.images[1] == 0])
def test_a_model_that_can_do_one_of_both_is_refused_for_the_other(model: str) -> None:
    with pytest.raises(SettingsError, match=rf"^routes\.{TOOL}\.dashscope\.model: {model} can only"):
        _routes({"model": model})


def test_the_price_is_that_of_the_model() -> None:
    assert {route.price.usd for route in ROUTES} == {0.03}
    assert {route.price.usd for route in _routes({"model": "qwen-image-2.0-pro"})} == {0.075}
    assert {route.price.usd for route in _routes({"model": "qwen-image-3.0-pro"})} == {None}
    assert {route.price.usd for route in _routes({"model": "qwen-image-3.0-pro", "usd": 0.1})} == {0.1}


def test_no_route_puts_a_watermark_on_the_picture() -> None:
    assert all(route.body(_sized(plain_order(route)))["parameters"]["watermark"] is False for route in EVERY)
