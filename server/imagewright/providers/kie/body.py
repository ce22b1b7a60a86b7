"""How a request body for Kie is built from an order, following a route's spelling. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from imagewright.errors import RequestRejected
from imagewright.providers.base import Route

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.catalog.row import Scalar
    from imagewright.providers.base import Order

NAME = "kie"


class Family(StrEnum):
    """Which of Kie's three interfaces a model stands behind."""

    MARKET = "market"
    FLUX_KONTEXT = "flux_kontext"
    GPT4O = "gpt4o"


@dataclass(frozen=True, slots=True)
class Spelling:
    """How one argument of a row is written for Kie.

    Attributes:
        name: Kie's name of the field.
        words: Kie's word for each value; empty to send the value as it is. A value spelt "" is left out of the
            body: Kie then does what that value means.
        text: whether a number is sent as a text, which some models insist on.
    """

    name: str
    words: Mapping[Scalar, str] = field(default_factory=dict)
    text: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KieRoute(Route):
    """A route with Kie's spelling.

    Attributes:
        family: the interface.
        spelt: field for each argument that is sent.
        fixed: fields that are always sent, with their values.
        image_field: field of the input picture, or of the list of them.
        image_list: whether that field is a list.
        mask_field: field of the mask; empty when there is none.
        count_field: how the number of pictures is written; None where the model makes one.
        say_count: whether the prompt must name the number too, as the model makes "up to" it.
        largest_side: longest side in px of what an enlargement may come to; None when there is no limit.
    """

    family: Family = Family.MARKET
    spelt: Mapping[str, Spelling]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    image_field: str = ""
    image_list: bool = False
    mask_field: str = ""
    count_field: Spelling | None = None
    say_count: bool = False
    largest_side: int | None = None

    def check(self, order: Order) -> None:
        """What only Kie limits and no row can say.

        Raises:
            RequestRejected: the enlarged picture would be larger than the vendor makes.
        """
        scale = order.arguments.get("scale", 1)
        sides = [side for picture in order.images for side in (picture.width, picture.height)]
        if self.largest_side is not None and max(sides, default=0) * scale > self.largest_side:
            side = max(sides) * scale
            message = f"enlarged {scale}x the longer side would be {side} px; the limit is {self.largest_side} px"
            raise RequestRejected(NAME, message)

    def body(self, order: Order, urls: tuple[str, ...] = (), mask_url: str = "") -> dict[str, Any]:
        """The JSON body that starts the task.

        Args:
            order: what to make.
            urls: Kie's addresses of the input pictures, in order.
            mask_url: Kie's address of the mask; empty for none.
        """
        fields: dict[str, Any] = dict(self.fixed)
        for name, spelling in self.spelt.items():
            if name in order.arguments:
                fields |= _spell(spelling, order.arguments[name])
        if self.say_count and order.count > 1:
            fields["prompt"] += count_sentence(order.count)
        if self.count_field is not None:
            fields |= _spell(self.count_field, order.count)
        if self.image_field:
            fields[self.image_field] = list(urls) if self.image_list else urls[0]
        if mask_url:
            fields[self.mask_field] = mask_url
        model = self.model_for(order.arguments)
        if self.family is Family.MARKET:
            return {"model": model, "input": fields}
        return {"model": model, **fields} if self.family is Family.FLUX_KONTEXT else fields


def count_sentence(count: int) -> str:
    """What is added to a prompt for a set of pictures."""
    return f"\n\nMake a set of {count} separate images."


def _spell(spelling: Spelling, value: Any) -> dict[str, Any]:
    word = spelling.words.get(value, str(value) if spelling.text else value)
    return {} if word == "" else {spelling.name: word}
