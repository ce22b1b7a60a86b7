"""A route of fal: how its sizes are asked for, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from imagewright.catalog.row import AUTO, Scalar
from imagewright.providers.base import Price
from imagewright.providers.common.fields import FieldsRoute, pair

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagewright.catalog.row import Limits
    from imagewright.providers.base import Order
    from imagewright.providers.common.sizes import SizeRule

NAME = "fal"
CHECKED = "2026-11-26"
PAGE = "the vendor's model page"
PAGE_COPIED = f"{PAGE}, in LiteLLM's table"
CATALOGUE = "the vendor's public catalogue, copied in August 2026"
ONE_SIZE = ""
"""As a resolution: that of an edition which has only one."""
SIDES: Mapping[Scalar, int] = {"1K": 1024, "1.5K": 1536, "2K": 2048, "3K": 3072, "4K": 4096, ONE_SIZE: 1024}
"""Pixels of a side of the square of that size."""
ROOM = 1.125
"""Times the fewest pixels of a model that a size may have at least: at the floor itself only one shape would fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The sizes that a model is asked for, by shape and resolution."""

    rule: SizeRule
    """What the vendor says of its sizes."""
    known: Mapping[tuple[Scalar, Scalar], tuple[int, int]] = field(default_factory=dict)
    """Width and height in px by ratio and resolution, where the maker has usual ones."""
    sides: Mapping[Scalar, int] = field(default_factory=lambda: SIDES)
    """Pixels of a side of the square by resolution. No size has more pixels than that square, as the price depends on
    it; only a model that makes no fewer has `ROOM`."""

    def asked(self, order: Order) -> dict[str, int]:
        """The size of an order; for `auto`, one of the first picture's shape."""
        ratio, resolution = order.arguments["aspect_ratio"], order.arguments.get("resolution", ONE_SIZE)
        if size := self.known.get((ratio, resolution)):
            return pixels(*size)
        if ratio == AUTO:
            shape = (order.images[0].width, order.images[0].height)
        else:
            wide, high = ratio.split(":")
            shape = (int(wide), int(high))
        area = self.sides[resolution] ** 2
        most = min(self.rule.most_pixels, max(area, int(ROOM * self.rule.least_pixels)))
        return pixels(*replace(self.rule, most_pixels=most).like(*shape, area))


@dataclass(frozen=True, slots=True, kw_only=True)
class FalRoute(FieldsRoute):
    """A route with fal's spelling; its model is the endpoint's id."""

    inline_bytes: int = 4_000_000
    """Most bytes of all input pictures together that go into the request as data URIs, as many models take them; larger
    ones are uploaded. No limit is published: this keeps a request small."""
    sizes: Sizes | None = None
    """How `image_size` follows from the order; None where a field or nothing says the shape."""

    def inputs(self, order: Order, pictures: Sequence[str] = (), mask: str = "") -> dict[str, Any]:
        """As every route of fields, with the size in px where the model takes one."""
        # not by super(): the class that slots make is another than the one this method is written in
        made = FieldsRoute.inputs(self, order, pictures, mask)
        return made if self.sizes is None else {**made, "image_size": self.sizes.asked(order)}


def pixels(width: int, height: int) -> dict[str, int]:
    """A size as the vendor takes it."""
    return {"width": width, "height": height}


def flat_price(usd: float, source: str = PAGE) -> Price:
    """The same USD for every picture."""
    return Price(usd=usd, source=source, checked=CHECKED)


def price_by(names: str | tuple[str, ...], usual: Any, table: Mapping[Any, float], source: str = PAGE) -> Price:
    """USD of a picture by the values of some arguments, see `Price.table_by`."""
    return Price.table_by(names, usual, table, source, CHECKED)


def with_inputs(price: Price, each: float) -> Price:
    """The price of an edit where every input picture is charged: of one in each picture, of the others in the call."""
    table = {key: round(usd + each, 6) for key, usd in price.table.items()}
    usd = None if price.usd is None else round(price.usd + each, 6)
    return replace(price, usd=usd, table=table, per_input=each, inputs_free=1)


def pair_of(tool: str, ids: tuple[str, str], takes: Mapping[str, Limits], **more: Any) -> tuple[FalRoute, ...]:
    """The routes that generate and edit with one model, see `fields.pair`."""
    return pair(FalRoute, ids, takes, "image_urls", provider=NAME, tool=tool, **more)
