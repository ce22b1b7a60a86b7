"""Prices that follow the model: an id set in the configuration brings its own price with it, or none."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from imagewright.providers.base import Price, Route
from imagewright.providers.sharing.overrides import SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

R = TypeVar("R", bound=Route)
SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")
"""The end of an id that names the day of a model's snapshot; the price is the model's."""


def priced(routes: Iterable[R], prices: Mapping[str, Price]) -> tuple[R, ...]:
    """The routes, each at the price of its model; one the user has set stays.

    Args:
        routes: after the user's overrides.
        prices: by model id; for any other id the price is unknown.
    """
    return tuple(
        route if route.price.source == SOURCE else replace(route, price=price_of(route.model, prices))
        for route in routes
    )


def price_of(model: str, prices: Mapping[str, Price]) -> Price:
    """The price of a model or of a snapshot of it."""
    return prices.get(model) or prices.get(SNAPSHOT.sub("", model)) or Price(usd=None)
