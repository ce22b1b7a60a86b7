"""A route of fal, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imagewright.providers.base import Price
from imagewright.providers.common.fields import FieldsRoute, pair

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.catalog.row import Limits

NAME = "fal"
CHECKED = "2026-11-26"
PAGE = "the vendor's model page"
PAGE_COPIED = f"{PAGE}, in LiteLLM's table"
CATALOGUE = "the vendor's public catalogue, copied in August 2026"


@dataclass(frozen=True, slots=True, kw_only=True)
class FalRoute(FieldsRoute):
    """A route with fal's spelling; its model is the endpoint's id."""

    size_field: str = "image_size"
    inline_bytes: int = 4_000_000
    """Most bytes of all input pictures together that go into the request as data URIs, as many models take them; larger
    ones are uploaded. No limit is published: this keeps a request small."""


def flat_price(usd: float, source: str = PAGE) -> Price:
    """The same USD for every picture."""
    return Price(usd=usd, source=source, checked=CHECKED)


def price_by(names: str | tuple[str, ...], usual: Any, table: Mapping[Any, float], source: str = PAGE) -> Price:
    """USD of a picture by the values of some arguments, see `Price.table_by`."""
    return Price.table_by(names, usual, table, source, CHECKED)


def pair_of(tool: str, ids: tuple[str, str], takes: Mapping[str, Limits], **more: Any) -> tuple[FalRoute, ...]:
    """The routes that generate and edit with one model, see `fields.pair`."""
    return pair(FalRoute, ids, takes, "image_urls", provider=NAME, tool=tool, **more)
