"""How an order becomes a vendor's flat object of fields, as its route spells them. No I/O.

For vendors whose models take one JSON object each, with pictures as addresses in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from imagewright.catalog.row import ANY, AUTO, Limits, OperationName
from imagewright.providers.base import Route

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imagewright.catalog.row import Scalar
    from imagewright.providers.base import Order

F = TypeVar("F", bound="FieldsRoute")

COUNT: Final = "count"
"""As the source of a field: how many pictures the call makes."""
LEFT_OUT: Final = object()
"""As a word: the field is not sent, and the vendor does what that value means."""
PRESETS: Final[dict[Scalar, str]] = {
    "1:1": "square_hd",
    "4:3": "landscape_4_3",
    "3:4": "portrait_4_3",
    "16:9": "landscape_16_9",
    "9:16": "portrait_16_9",
}
"""Names of shapes at vendors that resell many makers' models. A portrait is named by its longer side first:
`portrait_4_3` is 3:4."""
UPPER: Final[dict[Scalar, str]] = {
    word: word.upper() for word in ("turbo", "balanced", "quality", "auto", "general", "realistic", "design")
}
"""Words for the speed and the style of a reframing that are the row's own in capitals."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a vendor's object."""

    name: str
    """The vendor's name of it."""
    of: str | tuple[str, ...]
    """The row's argument it is made from, or `COUNT`; several when it depends on them together, and then `words` has a
    key for every combination."""
    words: Mapping[Any, Any] = field(default_factory=dict)
    """The vendor's word for each value; a value that is not here is sent as it is."""
    text: bool = False
    """Whether a number is sent as a text."""

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
    """A route whose request is one flat object."""

    fields: Sequence[Field]
    """What is sent of the arguments."""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """What is sent with every call besides, by field: where the vendor's own default is not what is promised."""
    image_field: str = ""
    """Field of the input picture, or of the list of them; empty when there is none."""
    image_list: bool = False
    """Whether that field is a list."""
    mask_field: str = ""
    """Field of the mask; empty when there is none."""
    say_count: bool = False
    """Whether the prompt must name the number of pictures too, as the model makes "up to" it."""
    note: str = ""
    """What every caller of this route should know, one sentence; may be empty."""
    mask_note: str = ""
    """What a caller with a mask should know; may be empty."""

    def inputs(self, order: Order, pictures: Sequence[str] = (), mask: str = "") -> dict[str, Any]:
        """The model's input; `pictures` and `mask` are addresses or data URIs, and an empty mask stands for none."""
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


def same(*arguments: str) -> tuple[Field, ...]:
    """Fields that have the names of their arguments and are sent as they are."""
    return tuple(Field(name, name) for name in arguments)


def as_in_row(*arguments: str) -> dict[str, Limits]:
    """These arguments, with no tighter limits than the row's: a part of `Route.takes`."""
    return dict.fromkeys(arguments, ANY)


def ratios(known: Iterable[Any], *, auto: bool = False) -> Limits:
    """The aspect ratios a model has, with `auto` where the vendor or the engine finds a fitting one."""
    return Limits(values=(AUTO, *known) if auto else tuple(known))


def pair(
    kind: type[F],
    ids: tuple[str, str],
    takes: Mapping[str, Limits],
    image_field: str,
    *,
    edit: Mapping[str, Any] | None = None,
    **both: Any,
) -> tuple[F, F]:
    """The routes that generate and edit with one family of models.

    Args:
        kind: the vendor's kind of route.
        ids: the model ids that generate and edit.
        takes: what both take, and `images` and `mask` of the edit. Where ratios are listed, the edit takes `auto` too.
        image_field: field of the list of input pictures.
        edit: what only the route that edits has, or has differently.
        **both: what both routes have.
    """
    known = takes["aspect_ratio"].values
    shape = {} if known is None else {"aspect_ratio": ratios(known, auto=True)}
    plain = {name: limits for name, limits in takes.items() if name not in ("images", "mask")}
    edited: dict[str, Any] = {"takes": {**takes, **shape}, "image_field": image_field, "image_list": True}
    return (
        kind(operation=OperationName.GENERATE, model=ids[0], takes=plain, **both),
        kind(operation=OperationName.EDIT, model=ids[1], **both | edited | dict(edit or {})),
    )
