"""Bodies for Ark: the sizes, the emulator's field tables as an independent judge, and the overrides."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.catalog.load import catalog
from imagewright.errors import SettingsError
from imagewright.providers import open_provider
from imagewright.providers.ark.provider import Ark
from imagewright.providers.ark.routes import ALIKE, MODEL, PRICE, ROUTES, SIZES, ArkRoute
from imagewright.providers.base import ProviderConfig
from imagewright.providers.http.client import HttpClient
from tests.emulators.ark_models import MODELS, fields_of, in_china, size_of
from tests.support.provider_runs import AUTO, ENGINE_ARGUMENTS, PICTURES, effective, full_order, plain_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagewright.providers.base import Order

TOOL = ROUTES[0].tool
CHINA = "https://ark.cn-beijing.volces.com/api/v3"
PRO = next(name for name, model in MODELS.items() if not model.sets)


def _name(route: ArkRoute) -> str:
    limits = route.takes.get("images")
    return f"{route.operation}-{limits.min_items if limits else ''}"


def _problems(order: Order, model: str = MODEL) -> list[str]:
    assert isinstance(order.route, ArkRoute)
    known = fields_of(MODELS[model])
    return [f"{name}: {why}" for name, value in order.route.body(order).items() if (why := known[name](value))]


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


def test_every_size_has_its_ratio_and_sides_the_model_takes() -> None:
    operations = catalog()[TOOL].operations.values()
    ratios = {str(ratio) for one in operations for ratio in one.arguments["aspect_ratio"].values or () if ratio != AUTO}
    resolutions = {str(value) for one in operations for value in one.arguments["resolution"].values or ()}
    assert {ratio for ratio, _ in SIZES} == ratios
    for ratio in ratios:
        wide, high = (int(part) for part in ratio.split(":"))
        areas = []
        for resolution in sorted(resolutions):
            size = size_of(SIZES[ratio, resolution])
            assert size[0] * high == size[1] * wide
            assert all(1024 <= side <= 4096 for side in size)
            areas.append(size[0] * size[1])
        assert areas == sorted(areas)
        assert abs(areas[1] / 2048**2 - 1) < 0.05


@pytest.mark.parametrize("route", ROUTES, ids=_name)
def test_pictures_sent_and_made_stay_within_one_call(route: ArkRoute) -> None:
    most = effective(route)["images"].max_items if "images" in route.takes else 0
    assert (most or 0) + route.counts[-1] <= 15


def test_every_number_of_pictures_has_exactly_one_edit_route() -> None:
    edits = [effective(route)["images"] for route in ROUTES if "images" in route.takes]
    row = catalog()[TOOL].operations[ROUTES[1].operation].arguments["images"]
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


@pytest.mark.parametrize("model", MODELS)
def test_another_model_is_chosen_by_its_id_and_brings_its_price(model: str) -> None:
    changed = _routes({"model": model})
    assert {route.model for route in changed} == {model}
    assert all(route.price == {MODEL: PRICE, **ALIKE}[model] for route in changed)
    for route in changed:
        assert not _problems(full_order(route), model)


def test_a_model_without_sets_makes_one_picture_a_call() -> None:
    assert {route.counts for route in _routes({"model": PRO})} == {(1,)}


@pytest.mark.parametrize("model", MODELS)
def test_no_size_is_offered_that_the_model_does_not_make(model: str) -> None:
    for route in _routes({"model": model}):
        for resolution in effective(route)["resolution"].values or ():
            assert not _problems(plain_order(route, resolution=resolution), model)


def test_a_price_the_user_has_set_stays() -> None:
    assert {route.price.usd for route in _routes({"model": PRO, "usd": 0.07})} == {0.07}


def test_in_china_the_same_models_have_another_name_and_no_known_price() -> None:
    changed = _routes({}, CHINA)
    assert {route.model for route in changed} == {in_china(MODEL)}
    assert {route.price.usd for route in changed} == {None}
    assert {route.counts for route in _routes({"model": in_china(PRO)}, CHINA)} == {(1,)}


@pytest.mark.parametrize(("base", "names"), [(CHINA, [in_china]), ("", [str, in_china])])
def test_an_id_that_no_region_has_is_refused_with_those_it_may_be(base: str, names: list[Callable[[str], str]]) -> None:
    with pytest.raises(SettingsError) as caught:
        _routes({"model": f"doubao-{PRO}"}, base)
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
