"""Bodies for Kie: the golden files, the field tables of the emulator as an independent judge, and the overrides."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.catalog.load import catalog
from imagewright.catalog.row import OperationName
from imagewright.engine.check import check
from imagewright.engine.choose import candidates, estimate, model_for
from imagewright.engine.pictures import Source
from imagewright.errors import SettingsError
from imagewright.imaging.files import PictureFacts
from imagewright.providers import open_provider
from imagewright.providers.base import ProviderConfig
from imagewright.providers.http.client import HttpClient
from imagewright.providers.kie.route import Family
from imagewright.providers.kie.routes import ROUTES
from tests.emulators.kie_editions import MARKET
from tests.emulators.kie_models import FLUX_KONTEXT, Model
from tests.providers.kie.cases import body
from tests.support.provider_runs import AUTO, effective, plain_order
from tests.support.route_orders import every_offer

if TYPE_CHECKING:
    from imagewright.catalog.row import Row
    from imagewright.providers.base import Route
    from imagewright.providers.kie.route import KieRoute


def _name(route: Route) -> str:
    return f"{route.tool}-{route.operation}-{route.model}"


def _judge(route: KieRoute) -> Model:
    """The emulator's own description of the route's model."""
    return MARKET[route.model] if route.family is Family.MARKET else FLUX_KONTEXT


def _fields(body: dict[str, Any], route: KieRoute) -> dict[str, Any]:
    assert ("input" in body) == (route.family is Family.MARKET)
    return dict(body.get("input", body))


def _problem(body: dict[str, Any], route: KieRoute) -> tuple[int, str] | None:
    return _judge(route).problems(_fields(body, route))


LACKING = {"bytedance_seedream": {"5.5"}, "qwen": {"2.0-pro"}, "openai_4o": {"2.6-flare", "2.6-sunburst", "1"}}
"""Editions whose ids or fields at Kie are not known, and the one that has ended."""


@pytest.mark.parametrize("row", [one for one in catalog().values() if one.editions], ids=lambda row: row.tool)
def test_every_edition_that_is_known_at_kie_is_made_and_edited(row: Row) -> None:
    for operation in (OperationName.GENERATE, OperationName.EDIT):
        served = {one.edition for one in ROUTES if (one.tool, one.operation) == (row.tool, operation)}
        assert served == set(row.editions) - LACKING.get(row.tool, set())


@pytest.mark.parametrize(
    ("tool", "given", "edition"),
    [
        ("bytedance_seedream", {}, "4.5"),
        ("bytedance_seedream", {"variants": 3}, "4.0"),
        ("bytedance_seedream", {"seed": 1}, "4.0"),
        ("bytedance_seedream", {"resolution": "3K"}, "5-lite"),
        ("bytedance_seedream", {"resolution": "1.5K"}, "5-flash"),
        ("qwen", {"images": ["/a.png"] * 3}, "3.0"),
        ("qwen", {"images": ["/a.png"] * 4}, "2.1"),
        ("qwen", {"images": ["/a.png"], "steps": 9}, "2025"),
        ("openai_4o", {"aspect_ratio": "16:9", "resolution": "4K"}, "2"),
        ("openai_4o", {"resolution": "4K"}, "2.5-flare"),
        ("openai_4o", {"images": ["/a.png"], "resolution": "2K"}, "2.5-flare"),
        ("openai_4o", {"aspect_ratio": "3:2", "resolution": "2K", "background": "transparent"}, "2.5-flare"),
        ("openai_4o", {"quality": "high"}, "1.5"),
        ("openai_4o", {"images": ["/a.png"], "mask": "/m.png"}, None),
        ("nano_banana", {"resolution": "4K"}, "2.1"),
        ("nano_banana", {"images": ["/a.png"] * 14}, "2"),
    ],
)
def test_a_call_is_served_by_the_first_edition_that_can(tool: str, given: dict[str, Any], edition: str | None) -> None:
    checked = check(catalog()[tool], {"prompt": "a kite over the sea", **given})
    first = candidates(checked, [one for one in ROUTES if one.tool == tool], None)[0]
    assert (None if first.against else first.route.edition) == edition


@pytest.mark.parametrize("route", ROUTES, ids=_name)
def test_kie_takes_every_value_the_route_offers(route: KieRoute) -> None:
    orders = list(every_offer(route))
    assert [(order.arguments, _problem(body(order, route), route)) for order in orders] == [
        (order.arguments, None) for order in orders
    ]
    assert len(orders) > 1 or not route.fields


@pytest.mark.parametrize("route", [route for route in ROUTES if route.never], ids=_name)
def test_what_kie_does_not_take_together_is_known(route: KieRoute) -> None:
    """Each combination that the route rules out is one that Kie refuses, so that nothing is ruled out for nothing."""
    for clash in route.never:
        for values in product(*clash.values()):
            together = dict(zip(clash, values, strict=True))
            order = plain_order(route)
            order = replace(order, arguments={**order.arguments, **together})
            assert _problem(body(order, route), route), together


@pytest.mark.parametrize("route", [route for route in ROUTES if "aspect_ratio" in route.takes], ids=_name)
def test_a_ratio_comes_out_in_the_shape_that_was_asked_for(route: KieRoute) -> None:
    for ratio in effective(route)["aspect_ratio"].values or ():
        if ratio != AUTO:
            fields = _fields(body(plain_order(route, aspect_ratio=ratio), route), route)
            width, height = _judge(route).size(fields, (320, 256))
            wide, high = (int(part) for part in str(ratio).split(":"))
            assert width / height == pytest.approx(wide / high, rel=0.02), ratio


@pytest.mark.parametrize("route", [route for route in ROUTES if "seed" in route.takes], ids=_name)
def test_a_seed_is_never_the_one_that_asks_for_a_random_one(route: KieRoute) -> None:
    least = effective(route)["seed"].minimum
    assert least is not None
    fields = _fields(body(plain_order(route, seed=int(least)), route), route)
    assert fields["seed"] == least != _judge(route).random_seed


@pytest.mark.parametrize("route", [route for route in ROUTES if route.makes_sets], ids=_name)
def test_a_set_names_its_number_in_the_prompt_where_there_is_room(route: KieRoute) -> None:
    longest = effective(route)["prompt"].max_length
    assert longest is not None
    for prompt, named in (("a kite", True), ("x" * longest, False)):
        order = replace(plain_order(route, prompt=prompt), count=route.counts[-1])
        assert _problem(body(order, route), route) is None
        assert (str(route.counts[-1]) in body(order, route)["input"]["prompt"]) == named
        assert body(replace(order, count=1), route)["input"]["prompt"] == prompt


@pytest.mark.parametrize("route", [route for route in ROUTES if route.native_auto], ids=_name)
def test_a_vendors_own_auto_is_its_word_or_silence(route: KieRoute) -> None:
    fields = _fields(body(plain_order(route, aspect_ratio=AUTO), route), route)
    assert fields.get("aspect_ratio", AUTO) == AUTO
    assert "aspectRatio" not in fields


@pytest.mark.parametrize(
    ("size", "scale", "usd"),
    [
        ((1024, 512), 2, 0.05),
        ((1025, 512), 2, 0.1),
        ((1024, 1024), 3, 0.1),
        ((2000, 2000), 4, 0.2),
        ((2049, 100), 4, 0.4),
        ((5000, 1000), 4, 0.8),
        ((5001, 100), 4, None),
        ((5001, 100), 3, None),
        ((10_000, 100), 2, 0.8),
        ((10_001, 100), 2, None),
    ],
)
def test_an_enlargement_is_priced_by_what_comes_out_and_refused_beyond_it(
    size: tuple[int, int], scale: int, usd: float | None
) -> None:
    """Kie makes 3 times as 4 times, and nothing of more than 20,000 px a side."""
    checked = check(catalog()["nano_banana"], {"images": ["/a.png"], "scale": scale})
    facts = PictureFacts("png", *size, orientation=1, frames=1, has_alpha=False, size=1000)
    (one,) = candidates(
        checked, [one for one in ROUTES if one.scales], None, [Source("images[0]", "/a.png", b"", facts)]
    )
    limit = 20_000 // one.arguments["scale"]
    if usd is None:
        (why,) = one.against
        assert f"is {size[0]}x{size[1]} px, and the limit is {limit:,} px per side" in why
    else:
        assert (one.usd, one.against) == (usd, ())


def _routes(tool: str, table: dict[str, Any]) -> list[Route]:
    config = ProviderConfig(key="k", addresses={}, overrides={tool: table}, http=HttpClient())
    return [route for route in open_provider("kie", config).routes if route.tool == tool]


SINGLE = next(route for route in ROUTES if [one.tool for one in ROUTES].count(route.tool) == 1)
"""The only route of its tool, so that everything can be set for the whole tool."""
TIERED = next(route for route in ROUTES if route.model_by)
COUNTED = next(route for route in ROUTES if len(route.counts) > 1)


@pytest.mark.parametrize("route", [one for one in ROUTES if one.edition], ids=_name)
def test_an_edition_is_preferred_by_its_id_and_priced_alone(route: KieRoute) -> None:
    changed = _routes(route.tool, {"model": route.model, route.model: {"usd": 0.5}})
    same = {one.edition for one in changed if one.preferred}
    assert same == {route.edition}
    assert {one.edition for one in changed if one.price.usd == 0.5} == same
    assert len(changed) == len([one for one in ROUTES if one.tool == route.tool])


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
    table = {COUNTED.model: {"counts": [1], "without": ["seed"]}}
    route = next(one for one in _routes(COUNTED.tool, table) if one.model == COUNTED.model)
    assert route.counts == (1,)
    assert "seed" not in route.takes


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
        (TIERED.tool, {"model": "x"}, f"table by {TIERED.model_by}"),
        (TIERED.tool, {"model": {"ultra": "x"}}, "pro, max"),
        (TIERED.tool, {"model": {"pro": 5}}, "as text"),
        (TIERED.tool, {"usd": {"pro": "x"}}, "USD"),
        (TIERED.tool, {"without": ["prompt"]}, "can be left out"),
        (TIERED.tool, {"without": [["prompt"]]}, "can be left out"),
        (COUNTED.tool, {COUNTED.model: {"counts": [2]}}, "list of 1"),
        (COUNTED.tool, {COUNTED.model: {"counts": [1, 9]}}, "1, 2, 3, 4, 5, 6"),
        (COUNTED.tool, {COUNTED.model: {"model": "x"}}, "are not known here"),
        (TIERED.tool, {"model": {"max": "x"}}, "are not known here"),
        (SINGLE.tool, {"model": "new/one"}, SINGLE.model),
        ("no_such_tool", {"usd": 1}, "does not serve it"),
    ],
)
def test_an_override_that_cannot_be_used_stops_the_start(tool: str, table: dict[str, Any], text: str) -> None:
    with pytest.raises(SettingsError, match=rf"^routes\.{tool}") as caught:
        _routes(tool, table)
    assert text in str(caught.value)
