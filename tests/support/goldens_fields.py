"""The bodies for the vendors that host many models, each one flat object of fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagewright.providers.fal.routes import OTHERS as FAL_OTHERS
from imagewright.providers.fal.routes import ROUTES as FAL_ROUTES
from imagewright.providers.replicate.routes import OTHERS as REPLICATE_OTHERS
from imagewright.providers.replicate.routes import ROUTES as REPLICATE_ROUTES
from tests.support.provider_runs import full_order, plain_order

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imagewright.providers.base import Order
    from imagewright.providers.common.fields import FieldsRoute


def fal() -> dict[str, Any]:
    """Inputs of every fal endpoint, the alternatives too."""
    return _bodies((*FAL_ROUTES, *FAL_OTHERS))


def replicate() -> dict[str, Any]:
    """Inputs of every model at Replicate."""
    return _bodies((*REPLICATE_ROUTES, *REPLICATE_OTHERS))


def _bodies(routes: Iterable[FieldsRoute]) -> dict[str, Any]:
    """By file name: the least and the most that can be asked for, under the id it is sent to."""
    return {
        f"{route.tool}.{route.operation}.{route.model.replace('/', '_')}.json": {
            name: {"model": route.model_for(order.arguments), "input": inputs_of(order, route)}
            for name, order in (("plain", plain_order(route)), ("full", full_order(route)))
        }
        for route in routes
    }


def inputs_of(order: Order, route: FieldsRoute) -> dict[str, Any]:
    """The model's input, with addresses for pictures."""
    links = [f"https://files.example/{place}.png" for place in range(len(order.images))]
    return route.inputs(order, links, "https://files.example/mask.png" if order.mask else "")
