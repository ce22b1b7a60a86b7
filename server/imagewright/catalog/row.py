"""The data model of a capability row: immutable, refusing unknown keys, and without any vendor.

A row file holds under `[arguments]` the limits of each argument in every operation that takes it, and per operation
the list of what it takes and where its limits differ. Loading merges the two, so that an `Operation` carries complete
`Argument`s.
"""

from __future__ import annotations

import math
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from imagewright.text import LONGEST_COMPARED, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

Scalar = str | int | float | bool
AUTO = "auto"
"""The aspect ratio of the first input picture; resolved by the engine for vendors that do not know the word."""
MODEL = "model"
"""The argument by which a caller names an edition. Operations that take it are served by the row's editions."""
_SIGNED = re.compile(r"[\s_]*[-+][\s_-]*\d")  # names ignore hyphens, and yet -1 is not 1

Kind = Literal["text", "choice", "integer", "number", "boolean", "picture", "pictures", "path"]
PICTURE_KINDS: frozenset[Kind] = frozenset({"picture", "pictures"})


class KindFacts(NamedTuple):
    """What the parts of the program need to know of a kind. A new kind is a word in `Kind` and a line in `KINDS`."""

    words: str
    """What a value must be, continuing "must be ..."."""
    json_type: str
    """The type in a JSON Schema. A choice among numbers is a number or an integer there instead."""
    types: tuple[type, ...]
    """The Python types of a value that fits."""
    metavar: str
    """What stands for the value in the help of the command line; empty for a switch, which has none."""

    def fits(self, value: Any) -> bool:
        """Whether a value has a right type. `True` is not a number, although it is an `int`; a number is finite."""
        if isinstance(value, bool):
            return bool in self.types
        infinite = self.json_type == "number" and isinstance(value, float) and not math.isfinite(value)
        return isinstance(value, self.types) and not infinite


KINDS: dict[Kind, KindFacts] = {
    "text": KindFacts("a text", "string", (str,), "TEXT"),
    "choice": KindFacts("one of the listed values", "string", (str, int, float), "CHOICE"),
    "integer": KindFacts("a whole number", "integer", (int,), "N"),
    "number": KindFacts("a number", "number", (int, float), "X"),
    "boolean": KindFacts("true or false", "boolean", (bool,), ""),
    "picture": KindFacts("a text: an absolute path, a URL, a data URI or a picture id", "string", (str,), "PICTURE"),
    "pictures": KindFacts('a list of texts, such as ["/home/me/cat.png"]', "array", (list,), "PICTURE"),
    "path": KindFacts("a text: a file name or an absolute path", "string", (str,), "PATH"),
}
"""Every kind of argument there is."""


class OperationName(StrEnum):
    """What can be done to or with a picture."""

    GENERATE = "generate"
    EDIT = "edit"
    UPSCALE = "upscale"
    REMOVE_BACKGROUND = "remove_background"
    REFRAME = "reframe"


def verb(operation: OperationName) -> str:
    """The operation as people say it: `remove background`."""
    return operation.value.replace("_", " ")


class Strict(BaseModel):
    """Base of everything read from a row file: unknown keys are refused, and nothing changes after loading."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Limits(Strict):
    """Bounds on one argument. Absent means unbounded."""

    values: tuple[Scalar, ...] | None = None
    """The allowed values, in the order they are offered."""
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    """Characters of a text, after surrounding white space is ignored."""
    max_length: int | None = None
    """Characters of a text, surrounding white space included."""
    min_items: int | None = None
    """Number of pictures in a list."""
    max_items: int | None = None

    def within(self, own: Limits) -> Limits:
        """These limits as far as the others allow: a row may be narrowed already, to what the providers in use can."""
        values = tuple(one for one in self.values or () if own.values is None or one in own.values)
        changes: dict[str, object] = {} if self.values is None else {"values": values}
        for low, high in BOUNDS.items():
            for bound, pick in ((low, max), (high, min)):
                found = [one for one in (getattr(self, bound), getattr(own, bound)) if one is not None]
                changes[bound] = pick(found, default=None)
        return self.model_copy(update=changes)


BOUNDS = {"minimum": "maximum", "min_length": "max_length", "min_items": "max_items"}
"""By a lower bound, the upper one that belongs to it."""
ANY = Limits()
"""No bounds of its own."""


class Argument(Limits):
    """One argument of one operation, complete with its limits."""

    kind: Kind
    describe: str
    """A few words for the schema."""
    also: tuple[str, ...] = ()
    """What other tools and vendors call it. A call that uses such a name is refused and led here."""
    required: bool = False
    default: Scalar | None = None
    compared: bool = False
    """Whether what arrives is held against it: its default says more when it is given than when it is left out."""
    one_picture: bool = False
    """Whether it works only with one input picture although the operation takes several: the offer says so, no row."""
    source: str = ""
    """Where a non-obvious limit was read."""
    checked: str = ""
    """The day it was read, as YYYY-MM-DD."""
    counted: bool = True
    """Of a list of pictures: whether the capability table states how many; false where only "several" is promised."""


class PictureLimits(Strict):
    """What an input picture may be."""

    formats: tuple[str, ...]
    """Accepted real formats, lower case: png, jpeg, webp, gif, avif, heic, tiff, bmp."""
    max_bytes: int
    max_megapixels: float | None = None
    """Millions of pixels."""
    min_side: int = 1
    """Pixels."""
    max_side: int | None = None
    """Pixels."""
    source: str = ""
    checked: str = ""


class Operation(Strict):
    """One thing the model does, with the arguments it takes there."""

    rank: int
    """Place in the order of choice among the models that do this; lower is offered first."""
    when: str
    """For which requests this model is the one to take here; continues the sentence "take it for"."""
    selected_by: tuple[str, ...] = ()
    """The arguments whose presence chooses this operation; the first operation that matches wins."""
    arguments: dict[str, Argument]


class Edition(Strict):
    """One generation of a model: what it has less of than the whole row, when it came and when it ends.

    The row holds what all its editions can do together. An edition only narrows it, as a route narrows an edition.
    """

    title: str
    """Its name for people, such as "Seedream 4.5"."""
    also: tuple[str, ...] = ()
    """Other names that people and vendors give it, in lower case: a caller may write one of them too. How a name is
    written does not matter, see `bare`, so none is listed in two ways."""
    released: str = ""
    """The day it came out, as YYYY-MM-DD; empty when not known."""
    ends: str = ""
    """The first day on which its maker serves it no more, as YYYY-MM-DD; empty while the maker has named none."""
    successor: str = ""
    """The edition to take instead, once it ends; empty for none."""
    source: str = ""
    """Where its limits and days were read."""
    checked: str = ""
    """The day they were read, as YYYY-MM-DD."""
    without: tuple[str, ...] = ()
    """The row's arguments that it does not take."""
    limits: dict[str, Limits] = Field(default_factory=dict)
    """Tighter limits of its arguments, in every operation."""
    operations: dict[OperationName, dict[str, Limits]] = Field(default_factory=dict)
    """Tighter limits of one operation's arguments, over those of `limits`."""

    def narrow(self, name: OperationName, operation: Operation, *, strict: bool = False) -> Operation:
        """The operation as this edition has it.

        Raises:
            ValueError: a limit is wider than the operation's, if that is `strict`ly judged.
        """
        own = self.limits | self.operations.get(name, {})
        arguments = {
            key: narrowed(argument, own[key] if strict else own[key].within(argument)) if key in own else argument
            for key, argument in operation.arguments.items()
            if key not in self.without
        }
        return operation.model_copy(update={"arguments": arguments})


class Rule(Strict):
    """A rule across arguments, checked by the engine and never part of the schema.

    It applies when every argument of `when` is given with that value ("*" for any value); then the arguments of
    `items` must have exactly that many pictures, and those of `values` one of these values.
    """

    when: dict[str, Scalar]
    items: dict[str, int] = Field(default_factory=dict)
    values: dict[str, tuple[Scalar, ...]] = Field(default_factory=dict)
    say: str
    """What to tell the caller, as one sentence without its subject's name."""


class Row(Strict):
    """One model: everything that is true of it, whichever provider serves it."""

    tool: str = Field(pattern=r"^[a-z][a-z0-9_]{1,40}$")
    title: str
    place: int
    """Where it stands in lists and tables; lower is first."""
    character: str
    """What the model is good at, as one clause."""
    first_choice: str
    """What it is the first choice for; continues the sentence "Best for"."""
    caution: str = ""
    """What surprises people, as one sentence; may be empty."""
    pictures: PictureLimits
    rules: tuple[Rule, ...] = ()
    operations: dict[OperationName, Operation]
    editions: dict[str, Edition] = Field(default_factory=dict)
    """Its editions by the name a caller writes, the default first; empty for a model that has only one."""

    @model_validator(mode="after")
    def _defaults_are_valid(self) -> Self:
        for name, operation in self.operations.items():
            for argument_name, argument in operation.arguments.items():
                if argument.default is not None and (why := outside(argument, argument.default)):
                    raise ValueError(f"operations.{name}.{argument_name}.default: {argument.default!r} is {why}")
        return self

    @model_validator(mode="after")
    def _editions_fit(self) -> Self:
        known = self.arguments()
        for name, edition in self.editions.items():
            named = {*edition.without, *edition.limits, *(key for own in edition.operations.values() for key in own)}
            if strays := sorted(named - set(known)):
                raise ValueError(f"editions.{name}: no operation takes {strays[0]}")
            if edition.successor and edition.successor not in self.editions:
                raise ValueError(f"editions.{name}.successor: there is no edition {edition.successor!r}")
            for operation_name, operation in self.operations.items():
                if MODEL in operation.arguments:
                    try:
                        edition.narrow(operation_name, operation, strict=True)
                    except ValueError as error:
                        raise ValueError(f"editions.{name}.{operation_name}: {error}") from error
        return self

    def in_edition(self, name: str) -> Row:
        """The row as one edition has it; the whole row where there is no edition of that name."""
        edition = self.editions.get(name)
        if edition is None:
            return self
        operations = {
            key: edition.narrow(key, operation) if MODEL in operation.arguments else operation
            for key, operation in self.operations.items()
        }
        return self.model_copy(update={"operations": operations})

    @property
    def in_default_edition(self) -> Row:
        """The row as its default edition has it."""
        return self.in_edition(next(iter(self.editions), ""))

    @property
    def newest(self) -> str:
        """The edition that came out last; the first in order of several from one day; empty without editions."""
        return max(self.editions, key=lambda name: self.editions[name].released, default="")

    def editions_for(self, name: OperationName, given: Mapping[str, Any]) -> tuple[str, ...]:
        """The editions a caller can name that take all these arguments in an operation, in order.

        A default may be given to any. Empty for an operation that is served by no edition.
        """
        arguments = self.operations[name].arguments
        asked = {
            key: value
            for key, value in given.items()
            if key in arguments and key != MODEL and value != arguments[key].default
        }

        def takes(edition: Edition) -> bool:
            own = edition.narrow(name, self.operations[name]).arguments
            return all(key in own and not outside(own[key], value) for key, value in asked.items())

        return tuple(key for key in self.editions_named(name) if takes(self.editions[key]))

    def editions_named(self, name: OperationName) -> tuple[str, ...]:
        """The editions a caller can name in an operation; without those that had ended when they were read."""
        model = self.operations[name].arguments.get(MODEL)
        return () if model is None else tuple(key for key in self.editions if key in (model.values or ()))

    def edition_called(self, text: str) -> str | None:
        """The edition that a caller means by a text: its name, its title or another of its names, however written.

        None when it means none of them, is a number with a sign, or has more than 100 characters.
        """
        if len(text) > LONGEST_COMPARED or _SIGNED.match(text):
            return None
        wanted = bare(text)
        for name, edition in self.editions.items():
            if wanted in map(bare, (name, edition.title, *edition.also)):
                return name
        return None

    def arguments(self) -> dict[str, tuple[Argument, ...]]:
        """Every argument of the tool, in order, with its form in each operation that takes it."""
        found: dict[str, list[Argument]] = {}
        for operation in self.operations.values():
            for name, argument in operation.arguments.items():
                found.setdefault(name, []).append(argument)
        return {name: tuple(forms) for name, forms in found.items()}

    def operation_for(self, given: set[str]) -> OperationName:
        """The operation that follows from which arguments are given."""
        for name, operation in self.operations.items():
            if operation.selected_by and given.issuperset(operation.selected_by):
                return name
        plain = [name for name, operation in self.operations.items() if not operation.selected_by]
        return plain[0] if plain else next(reversed(self.operations))


def bare(name: str) -> str:
    """A name without case, blanks, hyphens and underscores: "Nano Banana Pro" and "nano-banana-pro" are one."""
    return re.sub(r"[\s_-]+", "", name).lower()


def outside(limits: Limits, value: Any) -> str:
    """Why a value breaks the limits, as a clause continuing "is ..."; empty when it does not."""
    if limits.values is not None and not any(value == one and type(value) is type(one) for one in limits.values):
        return f"not one of {', '.join(str(one) for one in limits.values)}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        if limits.minimum is not None and value < limits.minimum:
            return f"below the minimum {shown(limits.minimum)}"
        if limits.maximum is not None and value > limits.maximum:
            return f"above the maximum {shown(limits.maximum)}"
    if isinstance(value, list):
        if limits.min_items is not None and len(value) < limits.min_items:
            return f"{len(value)} pictures; at least {limits.min_items} needed"
        if limits.max_items is not None and len(value) > limits.max_items:
            return f"{len(value)} pictures; at most {limits.max_items} allowed"
    return _text_outside(limits, value) if isinstance(value, str) else ""


def _text_outside(limits: Limits, text: str) -> str:
    if limits.max_length is not None and len(text) > limits.max_length:
        return f"longer than {limits.max_length} characters"
    if limits.min_length is not None and len(text.strip()) < limits.min_length:
        return f"shorter than {limits.min_length} characters"
    return ""


def narrowed(argument: Argument, limits: Limits) -> Argument:
    """The argument under tighter limits.

    Raises:
        ValueError: a limit is wider than the argument's own, or shuts out its default.
    """
    if not (changes := {key: value for key, value in limits if value is not None}):
        return argument
    for key, value in changes.items():
        own = getattr(argument, key)
        wider = {
            "values": own is not None and not set(value) <= set(own) if key == "values" else False,
            "min": key.startswith("min") and own is not None and value < own,
            "max": key.startswith("max") and own is not None and value > own,
        }
        if any(wider.values()):
            raise ValueError(f"{key}={value!r} is wider than the row's {own!r}")
    tight = argument.model_copy(update=changes)
    if tight.default is not None and (why := outside(tight, tight.default)):
        raise ValueError(f"the row's default {tight.default!r} is {why}")
    return tight
