"""The offer: rows narrowed to what the providers in use can do, and reasons for what is missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest

from imagewright.catalog.load import catalog
from imagewright.catalog.row import BOUNDS, MODEL, Limits
from imagewright.catalog.schema import input_schema
from imagewright.engine.config import all_routes, could_serve, provider_states
from imagewright.engine.offer import ENGINE_ARGUMENTS, effective_row, make_offer
from imagewright.errors import SettingsError
from imagewright.providers import KEY_VARIABLES
from imagewright.settings.load import load_settings
from imagewright.settings.toggles import Toggles

if TYPE_CHECKING:
    from imagewright.catalog.row import Edition, Row

TODAY = date(2026, 1, 1)
"""A day on which nothing that is built in has ended."""
ROUTES = all_routes()
WITH_KEY = {name: variables for name, variables in KEY_VARIABLES.items() if variables}


@pytest.mark.parametrize("row", catalog().values(), ids=catalog())
def test_offline_serves_the_row_whole(row: Row) -> None:
    own = [route for route in ROUTES if route.provider == "offline" and route.tool == row.tool]
    assert effective_row(row, own, TODAY) == row.model_copy(update={"editions": _offered(row)})


def _offered(row: Row) -> dict[str, Edition]:
    """The editions that a caller can name; one that had ended before is known besides, for its successor's sake."""
    values = {
        value
        for one in row.operations.values()
        if MODEL in one.arguments
        for value in one.arguments[MODEL].values or ()
    }
    return {name: edition for name, edition in row.editions.items() if name in values}


@pytest.mark.parametrize("provider", WITH_KEY)
@pytest.mark.parametrize("row", catalog().values(), ids=catalog())
def test_an_effective_row_never_exceeds_its_row_and_keeps_the_defaults(row: Row, provider: str) -> None:
    effective = effective_row(row, [one for one in ROUTES if (one.provider, one.tool) == (provider, row.tool)], TODAY)
    if effective is None:
        assert provider not in could_serve(row.tool)
        return
    assert set(effective.operations) <= set(row.operations)
    for name, operation in effective.operations.items():
        own = row.operations[name].arguments
        assert set(operation.arguments) <= set(own)
        assert {one for one in own if own[one].required} <= set(operation.arguments)
        assert ENGINE_ARGUMENTS & set(own) <= set(operation.arguments)
        for argument_name, argument in operation.arguments.items():
            assert argument.default == own[argument_name].default
            assert set(argument.values or ()) <= set(own[argument_name].values or ())
    assert input_schema(effective)["additionalProperties"] is False


@pytest.mark.parametrize("row", catalog().values(), ids=catalog())
def test_an_effective_row_allows_what_any_of_its_routes_allows_and_no_more(row: Row) -> None:
    routes = [one for one in ROUTES if one.tool == row.tool and one.provider != "offline"]
    effective = effective_row(row, routes, TODAY)
    assert effective is not None
    alone = [one for one in (effective_row(row, [route], TODAY) for route in routes) if one is not None]
    for name, operation in effective.operations.items():
        for argument_name, argument in operation.arguments.items():
            known = [one.operations[name].arguments for one in alone if name in one.operations]
            forms = [arguments[argument_name] for arguments in known if argument_name in arguments]
            assert set(argument.values or ()) == {value for form in forms for value in form.values or ()}
            for low, high in BOUNDS.items():
                lows, highs = ([getattr(form, bound) for form in forms] for bound in (low, high))
                assert getattr(argument, low) == (None if None in lows else min(lows))
                assert getattr(argument, high) == (None if None in highs else max(highs))


@pytest.mark.parametrize("tool", catalog())
def test_every_tool_has_a_provider_that_needs_no_key(tool: str) -> None:
    assert could_serve(tool)["offline"] == ()


@pytest.mark.parametrize(("provider", "variables"), WITH_KEY.items(), ids=WITH_KEY)
def test_a_key_brings_its_provider_and_sends_offline_home(provider: str, variables: tuple[str, ...]) -> None:
    states = provider_states(load_settings({variables[-1]: "k-0123456789"}))
    assert {name for name, state in states.items() if state.on} == {provider}
    assert variables[-1] in states[provider].because
    others = [name for name in WITH_KEY if name != provider]
    assert all(WITH_KEY[name][0] in states[name].because for name in others)


def test_with_no_key_offline_serves_and_only_it_serves() -> None:
    states = provider_states(load_settings({}))
    assert [name for name, state in states.items() if state.on] == ["offline"]
    offer = make_offer(Toggles(), [route for route in ROUTES if route.provider == "offline"], states, TODAY)
    assert offer.offline_only
    assert [row.operations for row in offer.rows] == [row.operations for row in catalog().values()]


@pytest.mark.parametrize("word", ["", "EMPTY", "none", "${input:key}"])
def test_an_address_of_ones_own_needs_no_key(word: str) -> None:
    settings = load_settings({"IMAGEWRIGHT_OPENAI_BASE_URL": "http://127.0.0.1:8000", "OPENAI_API_KEY": word})
    states = provider_states(settings)
    assert {name for name, state in states.items() if state.on} == {"openai"}


def test_the_users_order_decides_and_a_misspelt_provider_is_named() -> None:
    states = provider_states(load_settings({"KIE_API_KEY": "k", "IMAGEWRIGHT_PROVIDERS": "offline kie"}))
    assert [name for name, state in states.items() if state.on] == ["offline", "kie"]
    with pytest.raises(SettingsError, match="did you mean 'kie'"):
        provider_states(load_settings({"IMAGEWRIGHT_PROVIDERS": "kei"}))


def test_what_works_with_one_picture_only_at_the_providers_in_use_is_said_so() -> None:
    route = next(one for one in ROUTES if "images" in one.takes and "seed" in one.takes and one.provider != "offline")
    several = replace(route, takes={key: one for key, one in route.takes.items() if key != "seed"})
    single = replace(route, takes={**route.takes, "images": Limits(max_items=1)})
    for routes, words in (([route], ""), ([single], ""), ([several, single], "1 image only"), ([route, single], "")):
        row = effective_row(catalog()[route.tool], routes, TODAY)
        assert row is not None
        alone = row.operations[route.operation].arguments["seed"].one_picture
        assert alone == bool(words)
        assert (words in input_schema(row)["properties"]["seed"]["description"]) or not words
