"""Orders that try all a route offers, one value at a time, for emulators to judge; and masks in a route's form."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imagewright.imaging.prepare import convert_mask
from tests.support.provider_runs import AUTO, ENGINE_ARGUMENTS, PICTURES, effective, full_order, mask, plain_order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagewright.catalog.row import Argument
    from imagewright.providers.base import Order, Route


def every_offer(route: Route) -> Iterator[Order]:
    """An order for every value of every argument, both ends of every range, and every count."""
    for name, argument in effective(route).items():
        if name not in (*ENGINE_ARGUMENTS, *PICTURES):
            yield from (plain_order(route, **{name: value}) for value in _values(route, name, argument))
    for count in route.counts:
        yield replace(full_order(route), count=count)


def _values(route: Route, name: str, argument: Argument) -> list[Any]:
    if name == "scale":
        return list(route.scales)
    values: list[Any] = [value for value in argument.values or () if value != AUTO or route.native_auto]
    bounds = [bound for bound in (argument.minimum, argument.maximum) if bound is not None]
    values += [int(bound) if argument.kind == "integer" else bound for bound in bounds]
    values += [True, False] if argument.kind == "boolean" else []
    return values + (["x" * argument.max_length] if argument.max_length else [])


def masked_order(route: Route) -> Order:
    """A full order whose mask, in the route's own form, asks for the right half to be repainted."""
    assert route.pictures.mask is not None
    drawn = mask()  # white, which a caller means to be repainted, on its right half
    return replace(full_order(route), mask=replace(drawn, data=convert_mask(drawn.data, route.pictures.mask)))
