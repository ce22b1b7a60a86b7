"""Every route of every provider stays inside its row."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from imagewright.catalog.load import catalog, row_in
from imagewright.catalog.row import MODEL, narrowed
from imagewright.providers import KEY_VARIABLES, open_provider
from imagewright.providers.base import EVERY_EDITION, ProviderConfig
from imagewright.providers.http.client import HttpClient
from tests.support.each import each

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.catalog.row import Argument
    from imagewright.providers.base import Route

AUTO = "auto"
ROUTES = [
    route
    for name in KEY_VARIABLES
    for route in open_provider(name, ProviderConfig(key="", addresses={}, overrides={}, http=HttpClient())).routes
]


def _arguments(route: Route) -> Mapping[str, Argument]:
    """The arguments of the operation as the route's edition has them."""
    return row_in(route.tool, route.edition).operations[route.operation].arguments


def _name(route: Route) -> str:
    return f"{route.provider}-{route.tool}-{route.operation}-{route.model}"


each_route = each([(route,) for route in ROUTES], _name)


@each_route
def test_a_route_takes_only_what_its_row_has_and_within_its_limits(route: Route) -> None:
    arguments = _arguments(route)
    assert set(route.takes) <= set(arguments)
    for name, limits in route.takes.items():
        narrowed(arguments[name], limits)  # raises where it is wider, or shuts out the row's default


@each_route
def test_a_route_takes_what_is_required_and_what_the_engine_serves(route: Route) -> None:
    arguments = _arguments(route)
    required = {name for name, argument in arguments.items() if argument.required}
    assert required | ({"variants", "save_as"} & set(arguments)) <= set(route.takes)


@each_route
def test_a_route_has_the_values_that_rules_and_pages_speak_of_or_not_the_argument(route: Route) -> None:
    """What the words for the argument promise ("transparent") would be refused where only its other values are had."""
    arguments = _arguments(route)
    for rule in catalog()[route.tool].rules:
        for name, value in rule.when.items():
            if value != "*" and name in route.takes and name in arguments:
                assert value in (narrowed(arguments[name], route.takes[name]).values or (value,))


@each_route
def test_a_route_counts_up_from_one_and_not_beyond_its_row(route: Route) -> None:
    variants = _arguments(route).get("variants")
    most = 1 if variants is None or variants.maximum is None else int(variants.maximum)
    assert route.counts[0] == 1
    assert list(route.counts) == sorted(set(route.counts))
    assert route.counts[-1] <= most


@each_route
def test_a_route_that_enlarges_reaches_the_rows_largest_factor(route: Route) -> None:
    scale = _arguments(route).get("scale")
    assert bool(route.scales) == (scale is not None)
    if scale is not None and scale.maximum is not None:
        assert list(route.scales) == sorted(set(route.scales))
        assert route.scales[-1] >= scale.maximum


@each_route
def test_a_route_has_a_form_for_the_mask_exactly_where_it_takes_one(route: Route) -> None:
    assert (route.pictures.mask is not None) == ("mask" in route.takes)


@each_route
def test_a_route_knows_what_auto_becomes(route: Route) -> None:
    ratio = _arguments(route).get("aspect_ratio")
    if ratio is not None and AUTO in (ratio.values or ()) and "aspect_ratio" in route.takes and not route.native_auto:
        assert [value for value in route.takes["aspect_ratio"].values or () if value != AUTO]


@each_route
def test_a_price_says_where_and_when_it_was_read(route: Route) -> None:
    price = route.price
    if price.usd is not None or price.table:
        assert price.source
        assert route.provider == "offline" or price.checked
    if price.by:
        taken = [narrowed(_arguments(route)[name], route.takes[name]).values or () for name in price.by]
        words = set(product(*taken)) if len(taken) > 1 else set(taken[0])
        assert all(word in price.table for word in words if not _never(route, word)), "each has its price"
        assert set(price.table) <= words, "none is of a value that the route does not take"


def _never(route: Route, word: object) -> bool:
    """Whether the route cannot serve these values of the arguments its price depends on; `auto` has no price."""
    values = dict(zip(route.price.by, word if isinstance(word, tuple) else (word,), strict=True))
    return AUTO in values.values() or any(
        all(values.get(name) in some for name, some in together.items()) for together in route.never
    )


@each_route
def test_a_route_serves_an_edition_that_its_row_has_and_that_the_operation_takes(route: Route) -> None:
    row = catalog()[route.tool]
    served_by_editions = MODEL in row.operations[route.operation].arguments
    assert route.edition in ({*row.editions, EVERY_EDITION} if served_by_editions else {""})
    assert MODEL not in route.takes


@each_route
def test_what_a_route_cannot_do_together_it_takes_alone(route: Route) -> None:
    for together in route.never:
        assert len(together) > 1
        for name, some in together.items():
            own = narrowed(_arguments(route)[name], route.takes[name]).values or ()
            assert set(some) < set(own), f"{name} could be left out of what the route takes"


@each_route
def test_the_defaults_of_a_route_go_together(route: Route) -> None:
    defaults = {name: one.default for name, one in _arguments(route).items() if name in route.takes}
    for together in route.never:
        assert not all(defaults.get(name) in some for name, some in together.items())


@each_route
def test_a_table_of_models_covers_the_argument_that_chooses(route: Route) -> None:
    if route.model_by:
        values = _arguments(route)[route.model_by].values
        assert set(route.models) == set(values or ())
        assert route.model in route.models.values()
