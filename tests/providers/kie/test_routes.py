"""Bodies for Kie: the golden files, the field tables of the emulator as an independent judge, and the overrides."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.engine.plan import estimate, model_for
from imagewright.errors import RequestRejected, SettingsError
from imagewright.providers import open_provider
from imagewright.providers.base import ProviderConfig
from imagewright.providers.http.client import HttpClient
from imagewright.providers.kie.routes import OTHERS, ROUTES, Family
from tests.emulators.kie_models import FLUX_KONTEXT, GPT4O, Model
from tests.emulators.kie_others import EVERY
from tests.support.provider_runs import AUTO, ENGINE_ARGUMENTS, PICTURES, effective, full_order, picture, plain_order

if TYPE_CHECKING:
    from imagewright.providers.base import Order, Route
    from imagewright.providers.kie.routes import KieRoute

ALL = (*ROUTES, *OTHERS)


def _name(route: Route) -> str:
    return f"{route.tool}-{route.operation}-{route.model}"


def _body(order: Order, route: KieRoute) -> dict[str, Any]:
    urls = tuple(f"https://files.example/{place}.png" for place in range(len(order.images)))
    return route.body(order, urls, "https://files.example/mask.png" if order.mask else "")


def _judge(route: KieRoute) -> Model:
    """The emulator's own description of the route's model."""
    if route.family is Family.MARKET:
        return EVERY[route.model]
    return FLUX_KONTEXT if route.family is Family.FLUX_KONTEXT else GPT4O


def _fields(body: dict[str, Any], route: KieRoute) -> dict[str, Any]:
    assert ("input" in body) == (route.family is Family.MARKET)
    return dict(body.get("input", body))


def _problem(body: dict[str, Any], route: KieRoute) -> tuple[int, str] | None:
    return _judge(route).problems(_fields(body, route))


@pytest.mark.parametrize("route", ALL, ids=_name)
def test_kie_takes_every_value_the_route_offers(route: KieRoute) -> None:
    tried = 0
    for name, argument in effective(route).items():
        if name in (*ENGINE_ARGUMENTS, *PICTURES):
            continue
        values: list[Any] = [value for value in argument.values or () if value != AUTO or route.native_auto]
        bounds = [bound for bound in (argument.minimum, argument.maximum) if bound is not None]
        values += [int(bound) if argument.kind == "integer" else bound for bound in bounds]
        values = [value for value in values if name != "scale" or value in route.scales]
        values += [True, False] if argument.kind == "boolean" else []
        values += ["x" * argument.max_length] if argument.max_length else []
        for value in values:
            tried += 1
            assert _problem(_body(plain_order(route, **{name: value}), route), route) is None, (name, value)
    for count in route.counts:
        full = replace(full_order(route), count=count)
        assert _problem(_body(full, route), route) is None, count
    assert tried or not route.fields


@pytest.mark.parametrize("route", [route for route in ALL if "aspect_ratio" in route.takes], ids=_name)
def test_a_ratio_comes_out_in_the_shape_that_was_asked_for(route: KieRoute) -> None:
    for ratio in effective(route)["aspect_ratio"].values or ():
        if ratio != AUTO:
            fields = _fields(_body(plain_order(route, aspect_ratio=ratio), route), route)
            width, height = _judge(route).size(fields, (320, 256))
            wide, high = (int(part) for part in str(ratio).split(":"))
            assert width / height == pytest.approx(wide / high, rel=0.02), ratio


@pytest.mark.parametrize("route", [route for route in ALL if "seed" in route.takes], ids=_name)
def test_a_seed_is_never_the_one_that_asks_for_a_random_one(route: KieRoute) -> None:
    least = effective(route)["seed"].minimum
    assert least is not None
    fields = _fields(_body(plain_order(route, seed=int(least)), route), route)
    assert fields["seed"] == least != _judge(route).random_seed


@pytest.mark.parametrize("route", [route for route in ROUTES if route.makes_sets], ids=_name)
def test_a_prompt_at_its_limit_has_room_for_the_count(route: KieRoute) -> None:
    longest = effective(route)["prompt"].max_length
    assert longest is not None
    order = replace(plain_order(route, prompt="x" * longest), count=route.counts[-1])
    assert _problem(_body(order, route), route) is None
    assert str(route.counts[-1]) in _body(order, route)["input"]["prompt"]
    assert _body(replace(order, count=1), route)["input"]["prompt"] == "x" * longest


@pytest.mark.parametrize("route", [one for one in ALL if one.family is not Family.MARKET and not one.needs], ids=_name)
def test_what_is_no_longer_documented_is_sent_only_when_asked_for(route: KieRoute) -> None:
    assert not {"nVariants", "maskUrl"} & set(_body(plain_order(route), route))


@pytest.mark.parametrize("route", [route for route in ALL if route.native_auto], ids=_name)
def test_a_vendors_own_auto_is_its_word_or_silence(route: KieRoute) -> None:
    body = _body(plain_order(route, aspect_ratio=AUTO), route)
    fields = body.get("input", body)
    assert fields.get("aspect_ratio", AUTO) == AUTO
    assert "aspectRatio" not in fields


@pytest.mark.parametrize("route", [route for route in ROUTES if route.largest_side], ids=_name)
def test_an_enlargement_beyond_the_vendors_limit_is_refused_before_anything_is_sent(route: KieRoute) -> None:
    order = plain_order(route, scale=route.scales[-1])
    route.check(order)
    side = (route.largest_side or 0) // route.scales[-1] + 1
    with pytest.raises(RequestRejected, match="20000 px") as caught:
        route.check(replace(order, images=(replace(picture(), width=side),)))
    assert caught.value.charged is False


def _routes(tool: str, table: dict[str, Any]) -> list[Route]:
    config = ProviderConfig(key="k", addresses={}, overrides={tool: table}, http=HttpClient())
    return [route for route in open_provider("kie", config).routes if route.tool == tool]


SINGLE = next(route for route in ROUTES if [one.tool for one in ROUTES].count(route.tool) == 1)
"""The only route of its tool, so that everything can be set for the whole tool."""
TIERED = next(route for route in ROUTES if route.model_by)
MASKED = next(route for route in ROUTES if route.pictures.mask)
DOUBLED = next(
    route
    for route in ROUTES
    if len({one.model for one in ROUTES if (one.tool, one.operation) == (route.tool, route.operation)}) > 1
    and route.family is Family.MARKET
)
"""A route that shares its operation with another one."""


@pytest.mark.parametrize("other", OTHERS, ids=_name)
def test_a_known_alternative_is_chosen_by_its_id(other: KieRoute) -> None:
    """For an operation where one model serves it, for one of its models where there are several."""
    before = [one for one in ROUTES if (one.tool, one.operation) == (other.tool, other.operation)]
    for replaced in before:
        key = str(other.operation) if len(before) == 1 else replaced.model
        changed = _routes(other.tool, {key: {"model": other.model}})
        if replaced.model != other.model:
            assert [one for one in changed if one == other] == [other]
        assert len(changed) == len([one for one in ROUTES if one.tool == other.tool])


def test_what_else_was_set_stays_with_an_alternative() -> None:
    other = next(one for one in OTHERS if one.operation == "generate" and len(one.counts) > 1)
    before = next(one for one in ROUTES if (one.tool, one.operation) == (other.tool, other.operation))
    (route,) = [
        one
        for one in _routes(other.tool, {before.model: {"model": other.model, "counts": [1], "usd": 0.5}})
        if one.operation == other.operation
    ]
    assert (route.model, estimate(route.price, {}, 1)) == (other.model, 0.5)


def test_a_table_of_models_is_set_value_by_value() -> None:
    value = next(one for one in TIERED.models if TIERED.models[one] == TIERED.model)
    dearer = next(one for one in TIERED.models.values() if one != TIERED.model)
    changed = _routes(TIERED.tool, {"model": {str(value): dearer}})
    assert {model_for(route, {TIERED.model_by: value}) for route in changed} == {dearer}
    assert {estimate(route.price, {TIERED.model_by: value}, 1) for route in changed} == {
        max(TIERED.price.table.values())
    }


def test_a_price_can_be_set() -> None:
    changed = _routes(SINGLE.tool, {"usd": 0.5})
    assert estimate(changed[0].price, {}, 2) == 1.0
    assert changed[0].price.source == "your configuration"
    by_value = _routes(TIERED.tool, {"usd": {str(next(iter(TIERED.models))): 0.7}})
    assert estimate(by_value[0].price, {TIERED.price.by[0]: next(iter(TIERED.models))}, 1) == 0.7


def test_what_a_vendor_has_dropped_can_be_switched_off() -> None:
    route = next(
        one
        for one in _routes(MASKED.tool, {MASKED.model: {"counts": [1]}, "edit": {"without": ["mask"]}})
        if (one.operation, one.model) == (MASKED.operation, MASKED.model)
    )
    assert route.counts == (1,)
    assert "mask" not in route.takes
    assert route.pictures.mask is None


@pytest.mark.parametrize(
    ("tool", "table", "text"),
    [
        (SINGLE.tool, {"modle": "x"}, "did you mean 'model'"),
        (SINGLE.tool, {"model": ""}, "vendor's id"),
        (SINGLE.tool, {"model": {"pro": "x"}}, "vendor's id"),
        (SINGLE.tool, {"usd": "cheap"}, "USD"),
        (SINGLE.tool, {"usd": -1}, "USD"),
        (SINGLE.tool, {"usd": True}, "USD"),
        (SINGLE.tool, {str(SINGLE.operation): 5}, "must be a table"),
        (SINGLE.tool, {str(SINGLE.operation): {"mode": "x"}}, "did you mean 'model'"),
        (DOUBLED.tool, {"model": "x"}, "different models"),
        (DOUBLED.tool, {str(DOUBLED.operation): {"model": "x"}}, f'"{DOUBLED.model}"'),
        (TIERED.tool, {"model": "x"}, f"table by {TIERED.model_by}"),
        (TIERED.tool, {"model": {"ultra": "x"}}, "pro, max"),
        (TIERED.tool, {"model": {"pro": 5}}, "as text"),
        (TIERED.tool, {"usd": {"pro": "x"}}, "USD"),
        (TIERED.tool, {"without": ["prompt"]}, "can be left out"),
        (TIERED.tool, {"without": [["prompt"]]}, "can be left out"),
        (MASKED.tool, {MASKED.model: {"counts": [2]}}, "list of 1"),
        (MASKED.tool, {MASKED.model: {"counts": [1, 9]}}, "1, 2, 4"),
        (MASKED.tool, {MASKED.model: {"model": "x"}}, "are not known here"),
        (TIERED.tool, {"model": {"max": "x"}}, "are not known here"),
        (SINGLE.tool, {"model": "new/one"}, SINGLE.model),
        ("no_such_tool", {"usd": 1}, "does not serve it"),
    ],
)
def test_an_override_that_cannot_be_used_stops_the_start(tool: str, table: dict[str, Any], text: str) -> None:
    with pytest.raises(SettingsError, match=rf"^routes\.{tool}") as caught:
        _routes(tool, table)
    assert text in str(caught.value)
