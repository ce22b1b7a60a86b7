"""An id of the configuration is taken where its fields are known; any other is refused with those that are."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.catalog.load import catalog
from imagewright.catalog.row import MODEL
from imagewright.engine.check import check
from imagewright.engine.choose import candidates
from imagewright.errors import SettingsError
from imagewright.providers import open_provider
from imagewright.providers.base import ProviderConfig, in_words
from imagewright.providers.http.client import HttpClient
from tests.support.each import each
from tests.support.fitting_arguments import sample
from tests.support.provider_runs import effective
from tests.support.vendors import VENDORS, routes_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imagewright.engine.choose import Candidate
    from imagewright.providers.base import Route

NEXT = "maker/next-of-all"
"""An id of the form every vendor takes, which no vendor has."""
PAGE = Path(__file__).parents[2] / "docs/editions.md"
ROUTES = [route for name in VENDORS for route in routes_of(name)]
NAMED = [route for route in ROUTES if route.edition]
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


def _best(route: Route, routes: Iterable[Route], **more: Any) -> Candidate:
    """What is taken of these routes for the least call of this one's operation."""
    given = {name: sample(one) for name, one in effective(route).items() if one.required or name in route.needs}
    checked = check(catalog()[route.tool], given | more)
    assert not checked.problems
    return candidates(checked, [one for one in routes if one.tool == route.tool], None)[0]


def _with(route: Route, table: dict[str, Any], **addresses: str) -> tuple[Route, ...]:
    config = ProviderConfig(key="k", addresses=addresses, overrides={route.tool: table}, http=HttpClient())
    return open_provider(route.provider, config).routes


@each([(route,) for route in ROUTES], _name)
def test_an_id_whose_fields_are_not_known_is_refused_with_those_that_are(route: Route) -> None:
    with pytest.raises(SettingsError, match=rf"^routes\.{route.tool}\.{route.provider}\.") as caught:
        _with(route, _set(route, NEXT))
    text = str(caught.value)
    assert f".{route.model}.model: " in text
    assert NEXT in text
    assert all(model in text.partition("can be set to")[2] for model in (route.model, *route.models.values()))


@each([(route,) for route in ROUTES], _name)
def test_setting_what_is_built_in_changes_nothing(route: Route) -> None:
    table: dict[str, Any] = {route.model: {"model": route.model}}
    if route.model_by:
        table = {route.model: {"model": {str(value): model for value, model in route.models.items()}}}
    assert _with(route, table) == routes_of(route.provider)


@each(SAME)
def test_an_id_of_the_same_fields_is_taken(provider: str, default: str, model: str) -> None:
    route = next(one for one in ROUTES if (one.provider, one.model) == (provider, default))
    changed = _with(route, {route.model: {"model": model}})
    assert model in {one.model for one in changed}


@each(SAME)
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
    own = _with(route, {"model": model}, **{"": address})
    preferred = [one for one in own if one.preferred]
    assert {one.model for one in preferred} == {model}
    assert {one.price.usd for one in preferred} == {None}
    assert {one.operation for one in preferred} == {one.operation for one in own}
    assert {one.edition for one in own} == {one.edition for one in routes_of("ark")}, "the others stay"


@each([(route,) for route in NAMED], _name)
def test_the_id_of_an_edition_is_taken_first_where_a_call_names_none(route: Route) -> None:
    own = _with(route, {"model": route.model})
    best = _best(route, own)
    assert (best.route.model, best.route.edition, best.against) == (route.model, route.edition, ())
    assert [replace(one, preferred=False) for one in own] == list(routes_of(route.provider)), "nothing else changes"


@each([(route,) for route in NAMED], _name)
def test_an_edition_that_a_call_names_is_taken_whatever_is_preferred(route: Route) -> None:
    siblings = (one for one in ROUTES if (one.provider, one.tool) == (route.provider, route.tool))
    for other in siblings:
        if other.operation == route.operation and other.edition != route.edition:
            best = _best(route, _with(route, {"model": other.model}), **{MODEL: route.edition})
            assert (best.route.edition, best.against) == (route.edition, ())


@each([(one,) for one in ROUTES if VENDORS[one.provider].states and not one.model_by], _name)
def test_an_entry_of_one_id_with_a_state_of_it_takes_its_place(route: Route) -> None:
    """Neither its edition nor its place among the others changes, and it is not put before them."""
    state = f"{route.model}-2026-04-21"
    changed = _with(route, {route.model: {"model": state}})
    before = routes_of(route.provider)
    assert len(changed) == len(before)
    for one, was in zip(changed, before, strict=True):
        replaced = (was.tool, was.model) == (route.tool, route.model)
        assert one == (replace(was, model=state) if replaced else was)


@each(sorted({(one.provider, one.tool) for one in ROUTES if not one.model_by}))
def test_an_unknown_id_for_a_whole_tool_is_refused_with_the_known_ones(provider: str, tool: str) -> None:
    own = [one for one in ROUTES if (one.provider, one.tool) == (provider, tool)]
    with pytest.raises(SettingsError) as caught:
        _with(own[0], {"model": NEXT})
    text = str(caught.value)
    assert text.startswith(f"routes.{tool}.{provider}.model: ")
    assert NEXT in text
    known = text.partition("can be set to")[2]
    assert [model for one in own for model in (one.model, *one.models.values()) if model not in known] == []


def test_what_the_page_on_editions_writes_puts_that_model_first() -> None:
    examples = [
        tomllib.loads(text) for text in re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    ]
    tables = [
        (tool, provider, table["model"])
        for example in examples
        for tool, providers in example.get("routes", {}).items()
        for provider, table in providers.items()
    ]
    assert tables
    for tool, provider, model in tables:
        for route in routes_of(provider):
            if (route.tool, route.model) == (tool, model):
                best = _best(route, _with(route, {"model": model}))
                assert (best.route.model, best.against) == (model, ())
                assert _best(route, routes_of(provider)).route.model != model, "it changes something"


@each(
    [(one, within) for one in ROUTES if not one.model_by for within in ("", "operation", "entry")],
    lambda route, within: f"{_name(route)}-{within}",
)
def test_a_price_beside_a_model_is_that_models_alone(route: Route, within: str) -> None:
    """Set for one model when a tool had one, it must not become the price of a dearer edition."""
    keys: dict[str, Any] = {"model": route.model, "usd": 7.5}
    others = [one for one in routes_of(route.provider) if one.tool == route.tool and one.model != route.model]
    entry = next((one.model for one in others if one.operation == route.operation), route.model)
    changed = _with(route, {"": keys, "operation": {str(route.operation): keys}, "entry": {entry: keys}}[within])
    own = [one for one in changed if one.tool == route.tool and one.model == route.model]
    assert 7.5 in {one.price.usd for one in own}
    assert all(one in others for one in changed if one.tool == route.tool and one.model != route.model)


BY_VALUE = [one for one in ROUTES if one.price.table]


@each([(route,) for route in BY_VALUE], _name)
def test_prices_by_value_are_taken_in_the_entry_of_a_model(route: Route) -> None:
    words = {in_words(word): 3.0 + place for place, word in enumerate(route.price.table)}
    (changed,) = [
        one
        for one in _with(route, {route.model: {"usd": words}})
        if (one.tool, one.operation, one.model) == (route.tool, route.operation, route.model)
    ]
    assert [*changed.price.table.values()] == [*words.values()]


@each([(route,) for route in BY_VALUE], _name)
def test_prices_by_value_for_models_that_are_priced_by_different_arguments_are_refused_with_the_entry_to_write(
    route: Route,
) -> None:
    own = [one for one in routes_of(route.provider) if one.tool == route.tool]
    table = {"usd": {in_words(word): usd for word, usd in route.price.table.items()}}
    if len({one.price.by for one in own}) == 1:
        _with(route, table)
        return
    with pytest.raises(SettingsError) as caught:
        _with(route, table)
    text = str(caught.value)
    assert text.startswith(f"routes.{route.tool}.{route.provider}.usd: these models are not priced by the same")
    entry = text.partition('"')[2].partition('"')[0]
    _with(route, {entry: table})
