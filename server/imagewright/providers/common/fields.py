"""How an order becomes a vendor's flat object of fields, following a route's spelling. No I/O.

For vendors whose models take one JSON object each, with pictures as addresses in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from imagewright.providers.base import Route

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagewright.providers.base import Order

COUNT: Final = "count"
"""As the source of a field: how many pictures the call makes."""
LEFT_OUT: Final = object()
"""As a word: the field is not sent, and the vendor does what that value means."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a vendor's object.

    Attributes:
        name: the vendor's name of it.
        of: the row's argument it is made from, or `COUNT`; several when it depends on them together, and then
            `words` has a key for every combination.
        words: the vendor's word for each value; a value that is not here is sent as it is.
        text: whether a number is sent as a text.
    """

    name: str
    of: str | tuple[str, ...]
    words: Mapping[Any, Any] = field(default_factory=dict)
    text: bool = False

    def spell(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The field with its value; nothing where the order says nothing about it."""
        if isinstance(self.of, tuple):
            if not all(one in values for one in self.of):
                return {}
            word = self.words[tuple(values[one] for one in self.of)]
        elif self.of in values:
            value = values[self.of]
            word = self.words.get(value, str(value) if self.text else value)
        else:
            return {}
        return {} if word is LEFT_OUT else {self.name: word}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldsRoute(Route):
    """A route whose request is one flat object.

    Attributes:
        fields: what is sent of the arguments.
        fixed: what is sent with every call besides, by field: where the vendor's own default is not what is promised.
        image_field: field of the input picture, or of the list of them; empty when there is none.
        image_list: whether that field is a list.
        mask_field: field of the mask; empty when there is none.
        say_count: whether the prompt must name the number of pictures too, as the model makes "up to" it.
        note: what every caller of this route should know, one sentence; may be empty.
        mask_note: what a caller with a mask should know; may be empty.
    """

    fields: Sequence[Field]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    image_field: str = ""
    image_list: bool = False
    mask_field: str = ""
    say_count: bool = False
    note: str = ""
    mask_note: str = ""

    def inputs(self, order: Order, pictures: Sequence[str] = (), mask: str = "") -> dict[str, Any]:
        """The model's input.

        Args:
            order: what to make.
            pictures: addresses or data URIs of the input pictures, in order.
            mask: the same of the mask; empty for none.
        """
        values = {**order.arguments, COUNT: order.count}
        if self.say_count and order.count > 1:
            values["prompt"] += count_sentence(order.count)
        made = dict(self.fixed)
        for one in self.fields:
            made |= one.spell(values)
        if self.image_field:
            made[self.image_field] = list(pictures) if self.image_list else pictures[0]
        if mask:
            made[self.mask_field] = mask
        return made

    def notes_for(self, order: Order) -> tuple[str, ...]:
        """What the caller of this order should know besides the pictures."""
        notes = (self.note, self.mask_note if order.mask is not None else "")
        return tuple(note for note in notes if note)


def count_sentence(count: int) -> str:
    """What is added to a prompt for a set of pictures."""
    return f"\n\nMake a set of {count} separate images."
