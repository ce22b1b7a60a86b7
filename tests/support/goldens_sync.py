"""Golden bodies of the vendors that answer at once; see `goldens`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imagewright.providers.base import Prepared
from imagewright.providers.google.body import ROUTES as GOOGLE_ROUTES
from imagewright.providers.openai.routes import routes_for
from tests.support.provider_runs import full_order, plain_order

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.providers.base import Order, Route


def openai() -> dict[str, Any]:
    """Fields and files of every route of the Images API, and of one tool that goes to a server of the user's own."""
    overrides = {"qwen": {"model": "maker/weights"}}
    found: dict[str, Any] = {}
    for route in routes_for(overrides, own_server=True):
        found[_file_name(route)] = {
            name: {
                "fields": route.fields(order),
                "files": [[part.label, part.name, part.mime] for part in route.files(order)],
            }
            for name, order in _orders(route).items()
        }
    return found


def google() -> dict[str, Any]:
    """Bodies of every Gemini route."""
    return {
        _file_name(route): {name: route.body(order) for name, order in _orders(route).items()}
        for route in GOOGLE_ROUTES
    }


def _orders(route: Route) -> Mapping[str, Order]:
    """The least and the most that can be asked for, with pictures whose bytes no encoder's version changes."""
    # what is unusual for each argument alone is forbidden together: a JPEG has no transparent background
    extra = {"output_format": "webp"} if "background" in route.takes else {}
    orders = {"plain": plain_order(route), "full": full_order(route, **extra)}
    return {name: replace(order, images=_in_words(order)) for name, order in orders.items()}


def _in_words(order: Order) -> tuple[Prepared, ...]:
    return tuple(Prepared(f"picture {place}".encode(), "png", 8, 8) for place in range(len(order.images)))


def _file_name(route: Route) -> str:
    return f"{route.tool}.{route.operation}.{route.model.replace('/', '_')}.json"
