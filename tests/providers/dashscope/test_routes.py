"""Bodies for DashScope: sizes, the emulator's tables as an independent judge, and the overrides."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.catalog.row import OperationName
from imagewright.engine.choose import estimate
from imagewright.errors import SettingsError
from imagewright.providers import open_provider
from imagewright.providers.base import Prepared, ProviderConfig
from imagewright.providers.dashscope.routes import ROUTES, SIZES, DashScopeRoute
from imagewright.providers.http.client import HttpClient
from tests.emulators.dashscope_models import (
    INPUT_SIDES,
    MODELS,
    parameters_of,
    parameters_problem,
    prompt_problem,
    size_by_pixels,
    size_of,
)
from tests.support.provider_runs import ENGINE_ARGUMENTS, PICTURES, effective, full_order, picture, plain_order

if TYPE_CHECKING:
    from imagewright.providers.base import Order

TOOL = ROUTES[0].tool
GENERATE, EDIT = ROUTES[0], ROUTES[1]
EDITS = [route for route in ROUTES if route.operation is OperationName.EDIT]


def _name(route: DashScopeRoute) -> str:
    return f"{route.operation}-{route.edition}"


def _problems(order: Order) -> list[str]:
    assert isinstance(order.route, DashScopeRoute)
    model, body = MODELS[order.route.model], order.route.body(order)
    known = parameters_of(model)
    found = [f"{name}: {why}" for name, value in body["parameters"].items() if (why := known[name](value))]
    (message,) = body["input"]["messages"]
    *images, text = message["content"]
    if len(images) > model.images:
        found.append(f"{len(images)} images")
    together = parameters_problem(body["parameters"], len(images))
    return [*found, *filter(None, [prompt_problem(model, text["text"]), together])]


def _routes(table: dict[str, Any]) -> list[DashScopeRoute]:
    provider = open_provider(
        "dashscope", ProviderConfig(key="k", addresses={}, overrides={TOOL: table}, http=HttpClient())
    )
    return [route for route in provider.routes if isinstance(route, DashScopeRoute)]


@pytest.mark.parametrize("route", ROUTES, ids=_name)
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


def test_every_known_model_makes_and_edits() -> None:
    assert [(route.model, route.operation) for route in ROUTES] == [
        (route.model, operation) for route in ROUTES[::2] for operation in (OperationName.GENERATE, OperationName.EDIT)
    ]
    assert {route.model for route in ROUTES} == set(MODELS)


@pytest.mark.parametrize("ratio", SIZES)
def test_every_size_has_its_ratio_and_costs_what_the_route_says(ratio: str) -> None:
    wide, high = (int(part) for part in ratio.split(":"))
    for route in ROUTES:
        order = plain_order(route, aspect_ratio=ratio)
        size = size_of(route.body(order)["parameters"]["size"])
        assert size is not None
        assert size[0] / size[1] == pytest.approx(wide / high, rel=0.002)
        pictures = len(order.images)
        usd = estimate(route.price, order.arguments, 1, sides=[512] * pictures)
        assert usd == pytest.approx(MODELS[route.model].price(size, pictures))


@pytest.mark.parametrize(
    ("width", "height"),
    [
        (384, 384),
        (3072, 3072),
        (900, 600),
        (1001, 751),
        (750, 1000),
        (1920, 1080),
        (400, 1600),
        (3072, 384),
        (384, 3072),
    ],
)
def test_a_result_has_the_shape_of_the_first_picture(width: int, height: int) -> None:
    for route in EDITS:
        order = replace(plain_order(route), images=(Prepared(b"", "png", width, height), picture()))
        size = route.body(order)["parameters"]["size"]
        sides = size_of(size)
        assert sides is not None
        assert sides[0] / sides[1] == pytest.approx(width / height, rel=0.005)
        assert not size_by_pixels(size)
        assert route.price.usd == pytest.approx(MODELS[route.model].price(sides, 0)), "the size that costs more"


def test_the_form_of_a_picture_is_the_vendors() -> None:
    assert {(route.pictures.min_side, route.pictures.max_side) for route in EDITS} == {INPUT_SIDES}


@pytest.mark.parametrize("model", MODELS)
def test_a_model_is_preferred_by_its_id_and_the_others_stay(model: str) -> None:
    changed = _routes({"model": model})
    assert {route.model for route in changed if route.preferred} == {model}
    assert {route.model for route in changed} == set(MODELS)


@pytest.mark.parametrize("model", ["qwen-image", "qwen-image-plus", "qwen-image-edit-plus", "qwen-image-2.1"])
def test_an_id_that_is_gone_or_never_was_is_refused(model: str) -> None:
    with pytest.raises(SettingsError, match=rf"^routes\.{TOOL}\.dashscope\.model: .*'{model}' are not known"):
        _routes({"model": model})


def test_a_price_the_user_has_set_stays() -> None:
    table: dict[str, Any] = {"model": "qwen-image-3.0-pro", "usd": 0.1}
    assert {route.price.usd for route in _routes(table) if route.preferred} == {0.1}
    assert {route.price.usd for route in _routes({"usd": 0.1, table["model"]: {"model": table["model"]}})} == {0.1}


def test_no_route_rewrites_the_prompt_or_puts_a_watermark_on_the_picture() -> None:
    for route in ROUTES:
        parameters = route.body(plain_order(route))["parameters"]
        off = {"watermark", "prompt_extend"} | ({"enable_thinking"} if MODELS[route.model].thinks else set())
        assert {name for name, value in parameters.items() if value is False} == off
