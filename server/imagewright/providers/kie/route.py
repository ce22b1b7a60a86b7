"""Kie's kind of route: its body, and its prices in credits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

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


def credits_by(
    argument: str,
    usual: Scalar,
    table: Mapping[Scalar, float],
    source: str = LISTED,
    *,
    inputs: float = 0,
    free: int = 0,
) -> Price:
    """The same by the values of an argument; `usual` is what is charged where the table lacks one.

    `inputs` is what each input picture adds after the first `free` ones.
    """
    usd = {value: in_usd(each) for value, each in table.items()}
    price = Price.table_by(argument, usual, usd, source, CHECKED)
    return replace(price, per_input=in_usd(inputs), inputs_free=free)


def by_side(*steps: tuple[int, float]) -> Price:
    """The price of an enlargement by the longer side in px of what comes out, ascending; see `Price.by_side`."""
    in_steps = tuple((side, in_usd(each)) for side, each in steps)
    return Price(usd=in_steps[0][1], by_side=in_steps, source=LISTED, checked=CHECKED)


def both(
    tool: str, edition: str, ids: tuple[str, str], takes: Mapping[str, Limits], image_field: str, **more: Any
) -> tuple[KieRoute, ...]:
    """The routes that generate and edit with one edition; see `fields.pair`."""
    return pair(KieRoute, ids, takes, image_field, provider=NAME, tool=tool, edition=edition, **more)
