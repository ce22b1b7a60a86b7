"""Prices that follow the model: an id set in the configuration brings its own price with it, or none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from imagewright.providers.base import Price, Route
from imagewright.providers.common.overrides import SOURCE, undated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.catalog.row import Scalar

R = TypeVar("R", bound=Route)


def at_price(route: R, price: Price) -> R:
    """The route at that price, unless the user has set one."""
    return route if route.price.source == SOURCE else replace(route, price=price)


def price_of(model: str, prices: Mapping[str, Price]) -> Price:
    """The price of a model or of a snapshot of it; unknown where it is not listed."""
    return prices.get(model) or prices.get(undated(model)) or Price(usd=None)


def price_by_model(before: Route, models: Mapping[Scalar, str]) -> Price:
    """The price of a route with several models after others of its own were put in their places.

    Args:
        before: the built-in route; the argument that chooses its model is the one its price depends on.
        models: the ids by that argument's values, each one of the route's own.
    """
    each = {model: before.price.table[value] for value, model in before.models.items()}
    table = {value: each[undated(model)] for value, model in models.items()}
    usual = next(value for value, model in before.models.items() if model == before.model)
    return replace(before.price, usd=table[usual], table=table)
