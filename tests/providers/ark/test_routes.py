"""Bodies for Ark: the sizes, the emulator's field tables as an independent judge, and the overrides."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.catalog.load import row_in
from imagewright.catalog.row import OperationName
from imagewright.engine.choose import estimate
from imagewright.errors import SettingsError
from imagewright.providers import open_provider
from imagewright.providers.ark.provider import Ark
from imagewright.providers.ark.routes import ALIKE, ENDS, MOST_TOGETHER, ROUTES, ArkRoute
from imagewright.providers.base import Prepared, ProviderConfig
from imagewright.providers.http.client import HttpClient
from tests.emulators.ark_models import MODELS, SERVED_IN_CHINA, fields_of, in_china, size_of
from tests.support.provider_runs import AUTO, ENGINE_ARGUMENTS, PICTURES, as_sent, effective, plain_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagewright.providers.base import Order

TOOL = ROUTES[0].tool
CHINA = "https://ark.cn-beijing.volces.com/api/v3"
EDITIONS = row_in(TOOL, "").editions
EDITS = [route for route in ROUTES if route.operation is OperationName.EDIT]


def _name(route: ArkRoute) -> str:
    limits = route.takes.get("images")
    return f"{route.operation}-{route.edition}-{limits.min_items if limits else ''}"


def _problems(order: Order) -> list[str]:
    assert isinstance(order.route, ArkRoute)
    known = fields_of(MODELS[order.route.model])
    body = as_sent(order.route.body(order))
    return [f"{name}: {why}" for name, value in body.items() if (why := known[name](value))]


def _routes(table: dict[str, Any], base: str = "") -> list[ArkRoute]:
    addresses = {"": base} if base else {}
    provider = open_provider(
        "ark", ProviderConfig(key="k", addresses=addresses, overrides={TOOL: table}, http=HttpClient())
    )
    return [route for route in provider.routes if isinstance(route, ArkRoute)]


@pytest.mark.parametrize("route", ROUTES, ids=_name)
def test_the_vendor_takes_every_value_the_route_offers(route: ArkRoute) -> None:
    for name, argument in effective(route).items():
        if name in (*ENGINE_ARGUMENTS, *PICTURES):
            continue
        values: list[Any] = [value for value in argument.values or () if value != AUTO]
        values += ["x" * argument.max_length] if argument.max_length else []
        assert values
        for value in values:
            assert not _problems(plain_order(route, **{name: value})), (name, value)


def test_every_edition_makes_and_edits() -> None:
    assert {(route.edition, route.operation) for route in ROUTES} == {
        (edition, operation) for edition in EDITIONS for operation in (OperationName.GENERATE, OperationName.EDIT)
    }


@pytest.mark.parametrize("route", ROUTES, ids=_name)
def test_every_size_has_its_ratio_and_more_pixels_than_the_one_before(route: ArkRoute) -> None:
    own = effective(route)
    for ratio in own["aspect_ratio"].values or ():
        if ratio == AUTO:
            continue
        wide, high = (int(part) for part in str(ratio).split(":"))
        areas = []
        for resolution in own["resolution"].values or ():
            body = route.body(plain_order(route, aspect_ratio=ratio, resolution=resolution))
            size = size_of(MODELS[route.model], body["size"])
            assert size[0] / size[1] == pytest.approx(wide / high, rel=0.01)
            areas.append(size[0] * size[1])
        assert areas == sorted(set(areas))


@pytest.mark.parametrize("shape", [(1001, 751), (3000, 200), (200, 3000), (160, 10), (777, 777), (1170, 2532)])
@pytest.mark.parametrize("route", EDITS, ids=_name)
def test_a_result_has_the_shape_of_the_first_picture(route: ArkRoute, shape: tuple[int, int]) -> None:
    for resolution in route.takes["resolution"].values or ():
        order = plain_order(route, aspect_ratio=AUTO, resolution=resolution)
        order = replace(order, images=(Prepared(b"", "png", *shape), *order.images[1:]))
        size = route.body(order)["size"]
        assert not fields_of(MODELS[route.model])["size"](size)
        wide, high = size_of(MODELS[route.model], size)
        assert wide / high == pytest.approx(shape[0] / shape[1], rel=0.005)


@pytest.mark.parametrize("route", ROUTES, ids=_name)
def test_pictures_sent_and_made_stay_within_one_call(route: ArkRoute) -> None:
    most = effective(route)["images"].max_items if "images" in route.takes else 0
    assert (most or 0) + route.counts[-1] <= MOST_TOGETHER
    assert route.makes_sets == MODELS[route.model].sets == (route.counts != (1,))


@pytest.mark.parametrize("edition", EDITIONS)
def test_every_number_of_pictures_has_exactly_one_edit_route(edition: str) -> None:
    edits = [effective(route)["images"] for route in EDITS if route.edition == edition]
    row = row_in(TOOL, edition).operations[OperationName.EDIT].arguments["images"]
    for count in range(row.min_items or 1, (row.max_items or 0) + 1):
        assert len([one for one in edits if (one.min_items or 1) <= count <= (one.max_items or 0)]) == 1


def test_a_set_is_asked_for_in_the_field_and_in_the_prompt() -> None:
    order = replace(plain_order(ROUTES[0], prompt="Kites"), count=4)
    body = ROUTES[0].body(order)
    assert body["sequential_image_generation"] == "auto"
    assert body["sequential_image_generation_options"] == {"max_images": 4}
    assert "4" in body["prompt"]
    alone = ROUTES[0].body(replace(order, count=1))
    assert alone["prompt"] == "Kites"
    assert "sequential_image_generation" not in alone


def test_no_route_puts_a_watermark_on_the_picture() -> None:
    assert all(route.body(plain_order(route))["watermark"] is False for route in ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=_name)
def test_the_price_is_the_one_the_vendor_charges(route: ArkRoute) -> None:
    model, most = MODELS[route.model], effective(route)["images"].max_items or 0 if "images" in route.takes else 0
    for resolution in effective(route)["resolution"].values or ():
        for sent in {0 if most == 0 else 1, most}:
            order = plain_order(route, aspect_ratio="1:1", resolution=resolution)
            size = size_of(model, route.body(order)["size"])
            usd = estimate(route.price, order.arguments, 1, sides=[1024] * sent)
            assert usd == pytest.approx(model.price(size, sent))


@pytest.mark.parametrize(("route", "model"), [(route, one) for route in ROUTES for one in ALIKE[route.model]])
def test_another_id_of_the_same_fields_is_preferred_and_brings_its_price(route: ArkRoute, model: str) -> None:
    changed = [one for one in _routes({"model": model}) if one.model == model]
    assert {one.edition for one in changed} == {route.edition}
    assert all(one.preferred and one.price == ALIKE[route.model][model] for one in changed)


def test_a_price_the_user_has_set_stays() -> None:
    changed = _routes({"model": SERVED_IN_CHINA[0], "usd": 0.07})
    assert {route.price.usd for route in changed if route.preferred} == {0.07}
    entry = {SERVED_IN_CHINA[0]: {"model": in_china(SERVED_IN_CHINA[0])}}
    assert {route.price.usd for route in _routes({"usd": 0.07, **entry})} == {0.07}


def test_in_china_the_same_models_have_another_name_and_no_known_price() -> None:
    changed = _routes({}, CHINA)
    assert [route.model for route in changed] == [in_china(route.model) for route in ROUTES]
    assert {route.price.usd for route in changed} == {None}
    assert {route.model for route in changed if not route.ends} == {in_china(name) for name in SERVED_IN_CHINA}


@pytest.mark.parametrize("base", [CHINA, "https://gateway.example/api/v3"])
@pytest.mark.parametrize("place", range(len(ROUTES)))
def test_an_endpoint_of_the_users_own_takes_the_place_of_the_model_it_is_for(place: int, base: str) -> None:
    endpoint, before = "ep-20261001120000-abcde", _routes({}, base)
    model = before[place].model
    changed = _routes({model: {"model": endpoint}}, base)
    assert changed == [replace(one, model=endpoint) if one.model == model else one for one in before]


def test_an_endpoint_that_no_model_is_named_for_is_refused_with_the_entry_to_write() -> None:
    endpoint = "ep-20261001120000-abcde"
    for table in ({"model": endpoint}, {"edit": {"model": endpoint}}):
        with pytest.raises(SettingsError) as caught:
            _routes(table)
        assert f'"{ROUTES[0].model}" = {{ model = "{endpoint}" }}' in str(caught.value)


@pytest.mark.parametrize("model", ENDS)
@pytest.mark.parametrize("base", [CHINA, "https://gateway.example/api/v3"])
def test_what_has_ended_in_china_has_its_day_wherever_it_is_chosen(base: str, model: str) -> None:
    changed = [route for route in _routes({"model": model}, base) if route.model == model]
    assert {route.ends for route in changed} == {ENDS[model]}
    assert not any(route.ends for route in _routes({}))


@pytest.mark.parametrize(("base", "names"), [(CHINA, [in_china]), ("", [str, in_china])])
def test_an_id_that_no_region_has_is_refused_with_those_it_may_be(base: str, names: list[Callable[[str], str]]) -> None:
    with pytest.raises(SettingsError) as caught:
        _routes({"model": f"doubao-{SERVED_IN_CHINA[0]}"}, base)
    known = str(caught.value).partition("can be set to")[2]
    assert set(re.findall(r"[a-z]+-[a-z0-9-]+", known)) == {name(model) for name in names for model in MODELS}


@pytest.mark.parametrize(
    ("address", "base"),
    [
        ("https://gateway.example", "https://gateway.example/api/v3"),
        ("https://gateway.example/", "https://gateway.example/api/v3"),
        (CHINA, CHINA),
        ("http://127.0.0.1:9/ark/", "http://127.0.0.1:9/ark"),
    ],
)
def test_an_address_without_a_path_gets_the_usual_one(address: str, base: str) -> None:
    assert Ark.base_of(address) == base


def test_an_override_that_cannot_be_used_stops_the_start() -> None:
    with pytest.raises(SettingsError, match=rf"^routes\.{TOOL}\.ark\.counts"):
        _routes({"counts": [9]})
