"""A vendor's fields: what an order becomes, and how values are read from an answer in JSON.

An order becomes one flat object of fields, as its route spells them, with pictures as addresses in it; a size in px
has the wanted shape and keeps to what the model makes. An answer is read without trusting it: nothing raises, and a
value that makes no sense is left out.
"""

from __future__ import annotations

import base64
import binascii
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from imagewright.catalog.row import ANY, AUTO, Limits, OperationName
from imagewright.providers.base import Order, Output, Route

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imagewright.catalog.row import Scalar
    from imagewright.providers.http.request import Inline

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
REFRAMED: Final[Mapping[Scalar, tuple[int, int]]] = {
    "1:1": (1024, 1024),
    "4:3": (1152, 864),
    "3:4": (864, 1152),
    "3:2": (1248, 832),
    "2:3": (832, 1248),
    "5:4": (1120, 896),
    "4:5": (896, 1120),
    "16:9": (1312, 736),
    "9:16": (736, 1312),
    "21:9": (1472, 640),
    "2:1": (1408, 704),
    "1:2": (704, 1408),
}
"""Width and height in px by ratio, for a reframing that takes sizes: of the 69 that its model makes, the closest to the
ratio at about the usual number of pixels. None is within 1 % of 21:9."""
MOST_USD = 100.0
"""A reported cost of this much or more is a slip or a lie: it is thirty times the dearest call of any route, ten large
pictures of GPT Image 2 for 3.18 USD."""
LARGEST_SEED = 2**63 - 1
"""The largest whole number the library's database can keep."""
DATA_URI = "data:"
SET_OF = "\n\nMake a set of {} separate images."  # for the prompt of several pictures
DEPTH = 5
"""How far lists and tables inside each other are read for words."""
WIDTH_STEPS = 8
"""Steps by which a width may leave the ideal, for the sake of an exact shape."""
ONE_SIZE: Final = ""
"""As a resolution: that of an edition which has only one."""
SIDES: Final[Mapping[Scalar, int]] = {"1K": 1024, "1.5K": 1536, "2K": 2048, "3K": 3072, "4K": 4096, ONE_SIZE: 1024}
"""Pixels of a side of the square of that size."""
FLOOR_ROOM = 1.125
"""Times the fewest pixels of a model that a size may have at least: at the floor itself only one shape would fit."""


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
class SizeRule:
    """What sizes a model makes."""

    least_pixels: int
    """Width times height, at least."""
    most_pixels: int
    """Width times height, at most."""
    step: int = 1
    """Sides are multiples of it, in px."""
    longest: int = 1_000_000
    """Pixels of the longer side, at most."""
    shortest: int = 1
    """Pixels of the shorter side, at least."""
    widest: float = math.inf
    """The longer side over the shorter, at most."""

    def like(self, width: float, height: float, pixels: int) -> tuple[int, int]:
        """The size that is closest in shape to width over height, of about so many pixels.

        A shape longer than the model makes comes out as the longest it makes. A turned shape has the turned size.
        """
        if width < height:
            return self.like(height, width, pixels)[::-1]
        shape = min(max(width / height, 1 / self.widest), self.widest)
        area = min(max(pixels, self.least_pixels), self.most_pixels)
        ideal = min(math.sqrt(area * shape), self.longest, self.longest * shape)
        sizes = [self._sized(round(ideal / self.step) + steps, shape) for steps in range(-WIDTH_STEPS, WIDTH_STEPS + 1)]
        able = [size for size in sizes if self.allows(*size)] or [self._at_the_end(shape)]
        return min(able, key=lambda size: (round(abs(size[0] / size[1] / shape - 1), 3), abs(size[0] - ideal)))

    def allows(self, width: int, height: int) -> bool:
        """Whether the model makes that size."""
        long, short = max(width, height), min(width, height)
        return (
            short >= max(self.shortest, 1)
            and long <= self.longest
            and long <= self.widest * short
            and self.least_pixels <= width * height <= self.most_pixels
        )

    def _sized(self, steps: int, shape: float) -> tuple[int, int]:
        width = max(steps, 1) * self.step
        return width, max(round(width / shape / self.step), 1) * self.step

    def _at_the_end(self, shape: float) -> tuple[int, int]:
        """The longest size that the bounds allow, for a shape that rounding to steps has pushed outside of them."""
        short = self.step * max(
            1, math.ceil(max(self.shortest, math.sqrt(self.least_pixels / self.widest)) / self.step)
        )
        ratio = min(max(shape, 1 / shape), self.widest)
        long = min(int(short * ratio), self.longest) // self.step * self.step
        return (long, short) if shape >= 1 else (short, long)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The sizes that a model is asked for, by shape and resolution."""

    rule: SizeRule
    """What the vendor says of its sizes."""
    known: Mapping[tuple[Scalar, Scalar], tuple[int, int]] = field(default_factory=dict)
    """Width and height in px by ratio and resolution, where the maker has usual ones."""
    sides: Mapping[Scalar, int] = field(default_factory=lambda: SIDES)
    """Pixels of a side of the square by resolution. No size has more pixels than that square, as the price depends on
    it; only a model that makes no fewer has `FLOOR_ROOM`."""

    def asked(self, order: Order) -> tuple[int, int]:
        """Width and height in px of an order; for `auto`, of the first picture's shape."""
        ratio, resolution = order.arguments["aspect_ratio"], order.arguments.get("resolution", ONE_SIZE)
        if size := self.known.get((ratio, resolution)):
            return size
        if ratio == AUTO:
            shape = (order.images[0].width, order.images[0].height)
        else:
            wide, high = ratio.split(":")
            shape = (int(wide), int(high))
        area = self.sides[resolution] ** 2
        most = min(self.rule.most_pixels, max(area, int(FLOOR_ROOM * self.rule.least_pixels)))
        return replace(self.rule, most_pixels=most).like(*shape, area)


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
    size_field: str = ""
    """Field of an object with the width and height in px, where there are `sizes`."""
    sizes: Sizes | None = None
    """The size in px that an order asks for; None where another field or nothing says the shape."""
    note: str = ""
    """What every caller of this route should know, one sentence; may be empty."""
    mask_note: str = ""
    """What a caller with a mask should know; may be empty."""

    def inputs(self, order: Order, pictures: Sequence[str | Inline] = (), mask: str = "") -> dict[str, Any]:
        """The model's input; `pictures` and `mask` are addresses or data URIs, an empty mask stands for none."""
        values = {**order.arguments, COUNT: order.count}
        if self.makes_sets and order.count > 1:  # the model makes "up to" the number, so the prompt names it too
            longer, most = values["prompt"] + SET_OF.format(order.count), self.takes["prompt"].max_length
            values["prompt"] = values["prompt"] if most is not None and len(longer) > most else longer
        made = dict(self.fixed)
        for one in self.fields:
            made |= one.spell(values)
        if self.image_field:
            made[self.image_field] = list(pictures) if self.image_list else pictures[0]
        if mask:
            made[self.mask_field] = mask
        if self.sizes is not None:
            made[self.size_field] = pixels(*self.sizes.asked(order))
        return made

    def notes_for(self, order: Order) -> tuple[str, ...]:
        """What the caller of this order should know besides the pictures."""
        notes = (self.note, self.mask_note if order.mask is not None else "")
        return tuple(note for note in notes if note)


def pixels(width: int, height: int) -> dict[str, int]:
    """A size in px as an object."""
    return {"width": width, "height": height}


def turned(ratio: Scalar) -> str:
    """The ratio on end: `9:16` for `16:9`."""
    return ":".join(reversed(str(ratio).split(":")))


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


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is an object; else an empty one."""
    return value if isinstance(value, dict) else {}


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """The objects in a list; none if it is not a list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def text_in(body: Mapping[str, Any], *names: str) -> str:
    """The first of these fields that is a text and not empty; else an empty text."""
    return next((value for name in names if isinstance(value := body.get(name), str) and value), "")


def joined(body: Mapping[str, Any], *names: str) -> str:
    """The texts of these fields, such as `code: message`."""
    return ": ".join(value for name in names if (value := text_in(body, name).strip()))


def error_words(body: Mapping[str, Any], *names: str) -> str:
    """The words of the first of these fields that has any, see `words_in`."""
    return next((words for name in names if (words := words_in(body.get(name)))), "")


def words_in(value: Any, depth: int = DEPTH) -> str:
    """What a vendor's JSON says, in plain words without a program's brackets and quotation marks.

    The value is a text, a list, a table, or a problem such as `{"loc": ["body", "n"], "msg": "..."}`, read `depth`
    levels deep.
    """
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool) or value is None or not depth:
        return ""
    if isinstance(value, list):
        return "; ".join(words for one in value if (words := words_in(one, depth - 1)))
    if not isinstance(value, dict):
        return str(value)
    if isinstance(message := value.get("msg"), str):
        parts = value["loc"] if isinstance(value.get("loc"), list) else []
        place = ".".join(str(part) for part in parts if part != "body" and isinstance(part, str | int))
        return f"{place}: {message}" if place else message
    return "; ".join(f"{name}: {words}" for name, one in value.items() if (words := words_in(one, depth - 1)))


def decimal(value: Any) -> float | None:
    """A finite number, also one that is written as a text; None for anything else, true and false among it."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def whole(value: Any) -> int | None:
    """A number without its fraction, also one that is written as a text; None for anything else, or beyond 2**63."""
    number = decimal(value)
    return None if number is None or abs(number) > LARGEST_SEED else int(number)


def count(value: Any) -> int | None:
    """How many of something there are; None where that cannot be true."""
    return number if (number := whole(value)) is not None and number >= 0 else None


def share(value: Any) -> float | None:
    """How much of a task is done, from 0 to below 1; None for more, as 1 may be all of it or one in a hundred."""
    return number if (number := decimal(value)) is not None and 0 <= number < 1 else None


def usd(value: Any, *, per_unit: float = 1.0) -> float | None:
    """What a vendor says it charged, in USD; None, which means unknown, where that cannot be true.

    `value` is in the vendor's own units, `per_unit` the USD of one. Budgets add it up: a negative amount would make
    room in them, and an infinite one would use them up for ever.
    """
    units = decimal(value)
    if units is None or units < 0:
        return None
    money = round(units * per_unit, 6)
    return money if money < MOST_USD else None


def seed(value: Any) -> int | None:
    """The seed a vendor reports; None where it is not a seed, or too large to be kept."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value <= LARGEST_SEED else None


def read_base64(value: object) -> bytes | None:
    """The file in a base64 text, of either alphabet, or in a data URI; None when there is none or it is damaged."""
    if not isinstance(value, str):
        return None
    if value.startswith(DATA_URI):
        value = value.partition(",")[2]
    try:
        alphabet = b"-_" if "-" in value or "_" in value else None
        return base64.b64decode("".join(value.split()), alphabet, validate=True) or None
    except (binascii.Error, ValueError):
        return None


def picture_in(item: Mapping[str, Any]) -> Output | None:
    """The picture of an entry: in base64, as a link, or as a data URI where the link should be; None for none."""
    url = text_in(item, "url")
    if data := read_base64(item.get("b64_json")) or (url.startswith(DATA_URI) and read_base64(url)):
        return Output(data=data)
    return None if not url or url.startswith(DATA_URI) else Output(url=url)
