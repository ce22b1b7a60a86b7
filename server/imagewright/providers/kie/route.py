"""Kie's kind of route: its body, its limits and its prices in credits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from imagewright.errors import RequestRejected
from imagewright.providers.base import Price
from imagewright.providers.common.fields import FieldsRoute, pair

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagewright.catalog.row import Limits, Scalar
    from imagewright.providers.base import Order

NAME = "kie"
USD_PER_CREDIT = 0.005
CHECKED = "2026-11-26"
LISTED = "kie's price list in a copy of 2026-09-24, at 0.005 USD a credit"


class Family(StrEnum):
    """Which of Kie's interfaces a model stands behind."""

    MARKET = "market"
    FLUX_KONTEXT = "flux_kontext"


@dataclass(frozen=True, slots=True, kw_only=True)
class KieRoute(FieldsRoute):
    """A route with Kie's spelling."""

    family: Family = Family.MARKET
    """The interface."""
    draws_seed: bool = False
    """Whether a seed is drawn where the caller gave none, as the model then takes the same one each time."""
    largest_side: int | None = None
    """Longest side in px of what an enlargement may come to; None when there is no limit."""

    def check(self, order: Order) -> None:
        """What only Kie limits and no row can say.

        Raises:
            RequestRejected: the enlarged picture would be larger than the vendor makes.
        """
        scale = order.arguments.get("scale", 1)
        sides = [side for picture in order.images for side in (picture.width, picture.height)]
        if self.largest_side is not None and max(sides, default=0) * scale > self.largest_side:
            side = max(sides) * scale
            raise RequestRejected(
                NAME, f"enlarged {scale}x the longer side would be {side} px; the limit is {self.largest_side} px"
            )

    def body(self, order: Order, urls: Sequence[str] = ()) -> dict[str, Any]:
        """The JSON body that starts the task, with the addresses of the pictures."""
        fields = self.inputs(order, urls)
        return {"model": order.model} | ({"input": fields} if self.family is Family.MARKET else fields)


def in_usd(credits_: float) -> float:
    """So many credits in USD."""
    return round(credits_ * USD_PER_CREDIT, 6)


def credits_of(each: float, source: str = LISTED, *, inputs: float = 0) -> Price:
    """The price of a picture in USD, from Kie's credits; `inputs` is what each input picture adds."""
    return Price(usd=in_usd(each), per_input=in_usd(inputs), source=source, checked=CHECKED)


def credits_by(argument: str, usual: Scalar, table: Mapping[Scalar, float], source: str = LISTED) -> Price:
    """The same by the values of an argument; `usual` is what is charged where the table lacks one."""
    usd = {value: in_usd(each) for value, each in table.items()}
    return Price.table_by(argument, usual, usd, source, CHECKED)


def both(
    tool: str, edition: str, ids: tuple[str, str], takes: Mapping[str, Limits], image_field: str, **more: Any
) -> tuple[KieRoute, ...]:
    """The routes that generate and edit with one edition; see `fields.pair`."""
    return pair(KieRoute, ids, takes, image_field, provider=NAME, tool=tool, edition=edition, **more)
