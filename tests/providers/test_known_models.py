"""An id of the configuration is taken where its fields are known; any other is refused with those that are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imagewright.errors import SettingsError
from imagewright.providers import open_provider
from imagewright.providers.base import ProviderConfig
from imagewright.providers.http.client import HttpClient
from tests.support.vendors import VENDORS, routes_of

if TYPE_CHECKING:
    from imagewright.providers.base import Route

NEXT = "maker/next-of-all"
"""An id of the form every vendor takes, which no vendor has."""
ROUTES = [route for name in VENDORS for route in routes_of(name)]
SAME = [
    (name, default, model)
    for name, vendor in VENDORS.items()
    for default, models in vendor.alike.items()
    for model in models
]


def _name(route: Route) -> str:
    return f"{route.provider}-{route.tool}-{route.operation}-{route.model}"


def _set(route: Route, model: str) -> dict[str, Any]:
    """The table that sets the model of this route."""
    value: Any = {str(one): model for one in route.models} if route.model_by else model
    return {route.model: {"model": value}}


def _with(route: Route, table: dict[str, Any], **addresses: str) -> tuple[Route, ...]:
    config = ProviderConfig(key="k", addresses=addresses, overrides={route.tool: table}, http=HttpClient())
    return open_provider(route.provider, config).routes


@pytest.mark.parametrize("route", ROUTES, ids=_name)
def test_an_id_whose_fields_are_not_known_is_refused_with_those_that_are(route: Route) -> None:
    with pytest.raises(SettingsError, match=rf"^routes\.{route.tool}\.{route.provider}\.") as caught:
        _with(route, _set(route, NEXT))
    text = str(caught.value)
    assert f".{route.model}.model: " in text
    assert NEXT in text
    assert all(model in text.partition("can be set to")[2] for model in (route.model, *route.models.values()))


@pytest.mark.parametrize("route", ROUTES, ids=_name)
def test_setting_what_is_built_in_changes_nothing(route: Route) -> None:
    table: dict[str, Any] = {route.model: {"model": route.model}}
    if route.model_by:
        table = {route.model: {"model": {str(value): model for value, model in route.models.items()}}}
    assert _with(route, table) == routes_of(route.provider)


@pytest.mark.parametrize(("provider", "default", "model"), SAME)
def test_an_id_of_the_same_fields_is_taken(provider: str, default: str, model: str) -> None:
    route = next(one for one in ROUTES if (one.provider, one.model) == (provider, default))
    changed = _with(route, {route.model: {"model": model}})
    assert model in {one.model for one in changed}


@pytest.mark.parametrize(("provider", "default", "model"), SAME)
def test_an_entry_for_a_known_model_that_is_not_built_in_is_refused_with_the_one_to_write(
    provider: str, default: str, model: str
) -> None:
    """A configuration of the time when that model was the default must be easy to correct."""
    route = next(one for one in ROUTES if (one.provider, one.model) == (provider, default))
    with pytest.raises(SettingsError) as caught:
        _with(route, {model: {"usd": 0.05}})
    text = str(caught.value)
    assert text.startswith(f"routes.{route.tool}.{provider}: {model} is not built in here, ")
    assert f'"{default}" = {{ model = "{model}" }}' in text
    _with(route, {default: {"model": model, "usd": 0.05}})


@pytest.mark.parametrize("ending", ["-2026-04-21", ":" + "0f" * 32], ids=["a day", "a version"])
@pytest.mark.parametrize("provider", [name for name, vendor in VENDORS.items() if vendor.states])
def test_one_state_of_a_known_model_is_taken_at_its_price(provider: str, ending: str) -> None:
    route = next(one for one in ROUTES if one.provider == provider and not one.model_by and one.price.usd)
    changed = _with(route, {route.model: {"model": route.model + ending}})
    assert route.price in [one.price for one in changed if one.model == route.model + ending]


@pytest.mark.parametrize("model", [NEXT, "any-name"])
def test_a_server_of_ones_own_takes_any_id(model: str) -> None:
    """There the fields are the Images API's, whatever the weights are called."""
    route = next(one for one in ROUTES if one.provider == "openai")
    config = ProviderConfig(
        key="", addresses={"": "http://127.0.0.1:9/v1"}, overrides={route.tool: {"model": model}}, http=HttpClient()
    )
    own = open_provider("openai", config).routes
    assert {one.model for one in own} == {model}
    assert {one.price.usd for one in own} == {None}


@pytest.mark.parametrize("model", ["doubao-seedream-4-0-250828", "doubao-seedream-4-5-251128"])
@pytest.mark.parametrize("address", ["https://ark.cn-beijing.volces.com/api/v3", "https://gateway.example/api/v3"])
def test_the_names_of_the_chinese_region_are_known(model: str, address: str) -> None:
    route = next(one for one in ROUTES if one.provider == "ark")
    config = ProviderConfig(
        key="k", addresses={"": address}, overrides={route.tool: {"model": model}}, http=HttpClient()
    )
    own = open_provider("ark", config).routes
    assert {one.model for one in own} == {model}
    assert {one.price.usd for one in own} == {None}
