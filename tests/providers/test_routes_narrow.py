"""Every route of every provider stays inside its row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagewright.catalog.load import catalog
from imagewright.catalog.row import narrowed
from imagewright.providers import KEY_VARIABLES, open_provider
from imagewright.providers.base import ProviderConfig
from imagewright.providers.http.client import HttpClient

if TYPE_CHECKING:
    from imagewright.providers.base import Route

AUTO = "auto"
ROUTES = [
    route
    for name in KEY_VARIABLES
    for route in open_provider(name, ProviderConfig(key="", addresses={}, overrides={}, http=HttpClient())).routes
]


def _name(route: Route) -> str:
    return f"{route.provider}-{route.tool}-{route.operation}-{route.model}"


pytestmark = pytest.mark.parametrize("route", ROUTES, ids=_name)


def test_a_route_takes_only_what_its_row_has_and_within_its_limits(route: Route) -> None:
    arguments = catalog()[route.tool].operations[route.operation].arguments
    assert set(route.takes) <= set(arguments)
    for name, limits in route.takes.items():
        narrowed(arguments[name], limits)  # raises where it is wider, or shuts out the row's default


def test_a_route_takes_what_is_required_and_what_the_engine_serves(route: Route) -> None:
    arguments = catalog()[route.tool].operations[route.operation].arguments
    required = {name for name, argument in arguments.items() if argument.required}
    assert required | ({"variants", "save_as"} & set(arguments)) <= set(route.takes)


def test_a_route_has_the_values_that_rules_and_pages_speak_of_or_not_the_argument(route: Route) -> None:
    """What the words for the argument promise ("transparent") would be refused where only its other values are had."""
    arguments = catalog()[route.tool].operations[route.operation].arguments
    for rule in catalog()[route.tool].rules:
        for name, value in rule.when.items():
            if value != "*" and name in route.takes and name in arguments:
                assert value in (narrowed(arguments[name], route.takes[name]).values or (value,))


def test_a_route_counts_up_from_one_and_not_beyond_its_row(route: Route) -> None:
    variants = catalog()[route.tool].operations[route.operation].arguments.get("variants")
    most = 1 if variants is None or variants.maximum is None else int(variants.maximum)
    assert route.counts[0] == 1
    assert list(route.counts) == sorted(set(route.counts))
    assert route.counts[-1] <= most


def test_a_route_that_enlarges_reaches_the_rows_largest_factor(route: Route) -> None:
    scale = catalog()[route.tool].operations[route.operation].arguments.get("scale")
    assert bool(route.scales) == (scale is not None)
    if scale is not None and scale.maximum is not None:
        assert list(route.scales) == sorted(set(route.scales))
        assert route.scales[-1] >= scale.maximum


def test_a_route_has_a_form_for_the_mask_exactly_where_it_takes_one(route: Route) -> None:
    assert (route.pictures.mask is not None) == ("mask" in route.takes)


def test_a_route_knows_what_auto_becomes(route: Route) -> None:
    ratio = catalog()[route.tool].operations[route.operation].arguments.get("aspect_ratio")
    if ratio is not None and AUTO in (ratio.values or ()) and "aspect_ratio" in route.takes and not route.native_auto:
        assert [value for value in route.takes["aspect_ratio"].values or () if value != AUTO]


def test_a_price_says_where_and_when_it_was_read(route: Route) -> None:
    price = route.price
    if price.usd is not None or price.table:
        assert price.source
        assert route.provider == "offline" or price.checked
    if price.by:
        values = catalog()[route.tool].operations[route.operation].arguments[price.by[0]].values
        assert values is None or set(price.table) <= set(values)


def test_a_table_of_models_covers_the_argument_that_chooses(route: Route) -> None:
    if route.model_by:
        values = catalog()[route.tool].operations[route.operation].arguments[route.model_by].values
        assert set(route.models) == set(values or ())
        assert route.model in route.models.values()
