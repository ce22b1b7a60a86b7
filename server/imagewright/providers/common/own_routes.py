"""A vendor's own routes: that an order is for one of them."""

from __future__ import annotations

from typing import TypeVar

from imagewright.providers.base import Order, Route

R = TypeVar("R", bound=Route)


def route_as(order: Order, kind: type[R]) -> R:
    """The order's route, as the vendor's own kind of route.

    Raises:
        TypeError: it is another vendor's.
    """
    if not isinstance(order.route, kind):
        raise TypeError(f"not a route of {kind.__module__}: {order.route!r}")
    return order.route
