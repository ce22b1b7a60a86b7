"""The bodies of routes for golden files: the least and the most that can be asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from tests.support.provider_runs import full_order, plain_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imagewright.providers.base import Order, Route
    from imagewright.providers.common.fields import FieldsRoute
    from imagewright.providers.http.request import FilePart

R = TypeVar("R", bound="Route")
IMAGE, MASK = "https://files.example/{}.png", "https://files.example/mask.png"
"""Where the pictures of an order are taken to lie."""


def bodies(
    routes: Iterable[R], body: Callable[[R, Order], Any], *, name: Callable[[R], str] | None = None, **most: Any
) -> dict[str, Any]:
    """Bodies by file name; where two routes have the same name, the file is that of the later one.

    Args:
        routes: the routes.
        body: what is sent for an order of a route.
        name: the file's name without its ending; by default tool, operation and model.
        most: arguments of the fullest order, where what is unusual for each alone is forbidden together.
    """
    return {
        f"{(name or with_model)(route)}.json": {
            "plain": body(route, plain_order(route)),
            "full": body(route, full_order(route, **{one: value for one, value in most.items() if one in route.takes})),
        }
        for route in routes
    }


def with_model(route: Route) -> str:
    """Tool, operation and model."""
    return f"{route.tool}.{route.operation}.{route.model.replace('/', '_')}"


def without_model(route: Route) -> str:
    """Tool and operation, for vendors with one route for each."""
    return f"{route.tool}.{route.operation}"


def with_least_pictures(route: Route) -> str:
    """Tool, operation and model, with the least number of pictures where routes differ by it."""
    limits = route.takes.get("images")
    least = f".from_{limits.min_items}" if limits is not None and limits.min_items else ""
    return f"{route.tool}.{route.operation}.{route.model}{least}"


def in_words(order: Order, size: tuple[int, int] | None = None) -> Order:
    """The order with words in place of its pictures: encoded ones differ between versions of the encoder.

    Args:
        order: what is asked for.
        size: width and height in px that the pictures are taken to have, instead of their own.
    """
    numbered = [replace(one, data=f"picture {place}".encode()) for place, one in enumerate(order.images)]
    if size:
        numbered = [replace(one, width=size[0], height=size[1]) for one in numbered]
    return replace(order, images=tuple(numbered))


def links(order: Order) -> list[str]:
    """An address for each picture of the order."""
    return [IMAGE.format(place) for place in range(len(order.images))]


def named(parts: Iterable[FilePart]) -> list[list[str]]:
    """What is said of each file in a form."""
    return [[part.label, part.name, part.mime] for part in parts]


def inputs_of(order: Order, route: FieldsRoute) -> dict[str, Any]:
    """The input of a model at a vendor that hosts many of them."""
    return route.inputs(order, links(order), MASK if order.mask else "")


def fields_body(route: FieldsRoute, order: Order) -> dict[str, Any]:
    """The same under the id it is sent to."""
    return {"model": order.model, "input": inputs_of(order, route)}
