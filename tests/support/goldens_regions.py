"""Golden bodies of the makers in China; see `goldens`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imagewright.providers.ark.routes import ROUTES as ARK_ROUTES
from imagewright.providers.base import Prepared
from imagewright.providers.dashscope.routes import OTHERS as DASHSCOPE_OTHERS
from imagewright.providers.dashscope.routes import ROUTES as DASHSCOPE_ROUTES
from tests.support.provider_runs import full_order, plain_order

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.providers.base import Order, Route


def ark() -> dict[str, Any]:
    """Bodies of every Ark route."""
    return {
        f"{_name(route)}.json": {name: route.body(order) for name, order in _orders(route).items()}
        for route in ARK_ROUTES
    }


def dashscope() -> dict[str, Any]:
    """Bodies of every DashScope route, the alternatives too."""
    return {
        f"{_name(route)}.json": {name: route.body(order) for name, order in _orders(route).items()}
        for route in (*DASHSCOPE_ROUTES, *DASHSCOPE_OTHERS)
    }


def _orders(route: Route) -> Mapping[str, Order]:
    """The least and the most that can be asked for, with pictures whose bytes no encoder's version changes."""
    orders = {"plain": plain_order(route), "full": full_order(route)}
    return {name: replace(order, images=_in_words(order)) for name, order in orders.items()}


def _in_words(order: Order) -> tuple[Prepared, ...]:
    return tuple(Prepared(f"picture {place}".encode(), "png", 1024, 768) for place in range(len(order.images)))


def _name(route: Route) -> str:
    """Tool, operation and model; with the least number of pictures where routes differ by it."""
    limits = route.takes.get("images")
    least = f".from_{limits.min_items}" if limits is not None and limits.min_items else ""
    return f"{route.tool}.{route.operation}.{route.model}{least}"
