"""A route with Replicate's spelling, and how one is made."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from imagewright.catalog.row import AUTO
from imagewright.providers.base import Price
from imagewright.providers.common.fields import FieldsRoute, pair

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagewright.catalog.row import Limits, OperationName, Scalar
    from imagewright.providers.base import Order

NAME = "replicate"
CHECKED = "2026-11-26"
BILLED = "the billing on the model's page, in a copy of 2026-10-05"
READ = "the model's page, as read by third parties, September and October 2026"
ROUGHLY = "about, from one third party's list"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicateRoute(FieldsRoute):
    """A route with Replicate's spelling."""

    versioned: bool = False
    """Whether the model is a community's: it is run by the id of its version, which is looked up."""
    shapes: tuple[str, ...] = ()
    """For a model that has no word for the first picture's shape: the ratios of which the nearest is asked for."""

    def inputs(self, order: Order, pictures: Sequence[str] = (), mask: str = "") -> dict[str, Any]:
        """The model's input, with a ratio for `auto` where the model needs one."""
        if self.shapes and order.arguments["aspect_ratio"] == AUTO:
            first = order.images[0]
            nearest = min(self.shapes, key=lambda ratio: abs(math.log(first.width / first.height / _shape(ratio))))
            order = replace(order, arguments={**order.arguments, "aspect_ratio": nearest})
        return FieldsRoute.inputs(self, order, pictures, mask)  # a class with slots has no bare super()


def _shape(ratio: str) -> float:
    """Width over height."""
    wide, high = ratio.split(":")
    return int(wide) / int(high)


def one(tool: str, operation: OperationName, model: str, **more: Any) -> ReplicateRoute:
    """One route."""
    return ReplicateRoute(provider=NAME, tool=tool, operation=operation, model=model, **more)


def both(
    tool: str, model: str, takes: Mapping[str, Limits], image_field: str, **more: Any
) -> tuple[ReplicateRoute, ReplicateRoute]:
    """The routes that generate and edit with one model; see `common.fields.pair`."""
    return pair(ReplicateRoute, (model, model), takes, image_field, provider=NAME, tool=tool, **more)


def flat(usd: float, source: str = READ) -> Price:
    """The price of every picture, in USD."""
    return Price(usd=usd, source=source, checked=CHECKED)


def by(argument: str, usual: Scalar, table: Mapping[Any, float], source: str = READ) -> Price:
    """A price in USD that depends on an argument; `usual` is the value that stands for those not in the table."""
    return Price.table_by(argument, usual, table, source, CHECKED)
