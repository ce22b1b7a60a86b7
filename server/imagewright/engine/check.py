"""Understand a call: what each argument can only mean, whether it is allowed, and what the call is.

Those of a model's tool are held against its row, those of a helper tool against its `Argument`s. All problems come at
once; their words are made in `engine.refusals`. Nothing here does I/O; pictures are checked in `engine.pictures`.

Real clients send `2.0` or `"2"` for 2, `"true"` for true, an empty text or list for an argument they did not mean to
give, a list as JSON text, one text where a list is wanted, a path in quotes or behind `@`, and an edition by its full
name. Strict ones must send every argument: a default, or the neutral value that `catalog.schema` has for it. What
can only mean one thing is taken as that. What could mean two things stays as it came, and is refused. This is done here
and nowhere else: the fingerprint of a call and the plan see the normalised arguments.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from imagewright.catalog.load import catalog
from imagewright.catalog.row import AUTO, KINDS, MODEL, PICTURE_KINDS, outside
from imagewright.catalog.schema import stand_in, union
from imagewright.engine import refusals
from imagewright.errors import Problem, Refusal
from imagewright.text import is_whole, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from imagewright.catalog.row import Argument, Kind, OperationName, Row, Rule


EXACT = 2**53
"""A float above this cannot hold every whole number, so it is not known which one was meant."""
QUOTES = "\"'`"
_WHOLE = re.compile(r"[+-]?[0-9]{1,20}(?:\.0{1,20})?")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})")
_NEXT_SOURCE = re.compile(
    r"[\s,;][\"'`@]*(?:[/~]|[a-z]:[\\/]|https?://|file:|data:|image://|img_)", re.ASCII | re.IGNORECASE
)
"""Where the next picture begins in a text that names several. It matches one separator and not a run of them: a long
run of blanks would be searched again from each blank, which takes minutes."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A call as it was understood."""

    row: Row
    """The model's full row."""
    operation: OperationName
    """What is to be done."""
    given: Mapping[str, Any]
    """The arguments the caller gave, normalised: without those that were sent empty, with a neutral value, or with a
    default that says no more than leaving it out. A client may fill in every default that the schema shows."""
    problems: tuple[Problem, ...]
    """What is wrong with them; empty when nothing is."""
    arguments: Mapping[str, Argument]
    """The operation's arguments with their limits: those of the edition that was named."""
    edition: str = ""
    """The edition the caller named, where the row has it and the operation is served by editions; else empty."""
    autos: tuple[str, ...] = ()
    """The arguments that were sent as `auto` without it being listed, so that the schema does not say what it means."""

    @property
    def count(self) -> int:
        """How many pictures it asks for."""
        argument = self.arguments.get("variants")
        default = argument.default if argument is not None and isinstance(argument.default, int) else 1
        return int(self.given.get("variants", default))

    @property
    def images(self) -> int:
        """How many pictures it gives, without a mask."""
        return sum(1 for name, _ in self.sources() if name != "mask")

    @property
    def beyond_defaults(self) -> dict[str, Any]:
        """What was given, without any default: a default must not change which model serves the call."""
        own = self.row.operations[self.operation].arguments
        return {name: value for name, value in self.given.items() if name not in own or value != own[name].default}

    @property
    def names_pictures(self) -> bool:
        """Whether a picture is given, in whatever form."""
        return any(argument.kind in PICTURE_KINDS and name in self.given for name, argument in self.arguments.items())

    def sources(self) -> list[tuple[str, str]]:
        """Every picture given, as (argument, text) in order; a list is labelled `images[0]`, `images[1]` ..."""
        found: list[tuple[str, str]] = []
        for name, value in self.given.items():
            argument = self.arguments.get(name)
            if argument is None or argument.kind not in PICTURE_KINDS:
                continue
            if isinstance(value, str) and argument.kind == "picture":
                found.append((name, value))
            elif isinstance(value, list):
                found += [(f"{name}[{place}]", one) for place, one in enumerate(value) if isinstance(one, str)]
        return found


def check(row: Row, arguments: object) -> Checked:
    """Understand a call, whatever the client sent, and list everything that is wrong with it.

    The row is the model's full one and not the effective one: what only a vendor lacks is reported when a route is
    chosen.
    """
    arguments = {} if arguments is None else arguments
    if not isinstance(arguments, dict) or len(arguments) > refusals.MOST_GIVEN:
        operation = row.operation_for(set())
        wrong = (refusals.not_read(arguments, row.arguments()),)
        return Checked(row, operation, {}, wrong, row.operations[operation].arguments)
    given = normalised_for(row, arguments)
    operation = row.operation_for(set(given))
    known = row.operations[operation].arguments
    given = {name: value for name, value in given.items() if name not in known or not _says_nothing(known[name], value)}
    named = given.get(MODEL)
    edition = named if MODEL in known and isinstance(named, str) and named in row.editions else ""
    own = row.in_edition(edition).operations[operation].arguments
    problems = []
    if strays := [name for name in given if name not in known]:
        problems += refusals.strays(row, operation, strays, arguments.keys() - given.keys())
    for name, argument in known.items():
        if name not in given:
            if argument.required and not any(name in problem.meant for problem in problems):
                problems.append(refusals.missing(operation, name, argument, arguments.keys()))
        elif name not in own:
            if given[name] != argument.default:
                problems.append(Problem(name, f"{row.editions[edition].title} takes none"))
        elif not allows(own[name], given[name]):
            problems += refusals.of_value(name, own[name], given[name])
    problems += [problem for rule in row.rules if (problem := _broken(rule, known, given))]
    if not problems and not edition and MODEL in known and not row.editions_for(operation, given):
        problems.append(Problem(MODEL, refusals.no_edition(row, operation, given)))
    sent = {name: arguments.get(name) for name, one in own.items() if one.values and name not in given}
    autos = [name for name, value in sent.items() if str(value).strip().lower() == AUTO != union(row, name).unset]
    return Checked(row, operation, given, tuple(problems), own, edition, tuple(autos))


def read_arguments(known: Mapping[str, Argument], sent: Mapping[str, Any] | None) -> dict[str, Any]:
    """The arguments of a helper tool, of which none is required, normalised and with the defaults filled in.

    Raises:
        Refusal: every problem of the call.
    """
    if sent is not None and len(sent) > refusals.MOST_GIVEN:
        raise Refusal(refusals.not_read(sent, known))
    given = normalised(sent or {}, {name: _wanted((one,)) for name, one in known.items()})
    problems = []
    if strays := [name for name in given if name not in known]:
        problems += refusals.unknown(strays, known)
    for name, argument in known.items():
        if name in given and not allows(argument, given[name]):
            problems += refusals.of_value(name, argument, given[name])
    if problems:
        raise Refusal(*problems)
    return {name: one.default for name, one in known.items() if one.default is not None} | given


def allows(argument: Argument, value: Any) -> bool:
    """Whether an argument may have this value, which is normalised."""
    if not KINDS[argument.kind].fits(value) or outside(argument, value):
        return False
    texts = value if isinstance(value, list) else [value] if isinstance(value, str) else []
    in_list = isinstance(value, list)
    return all(
        isinstance(one, str) and not _is_endless(argument, one) and is_whole(one) and (not in_list or one.strip())
        for one in texts
    )


def _is_endless(argument: Argument, text: str) -> bool:
    """Whether a text is longer than any the argument can take; a data URI has a limit of its own, in bytes."""
    if argument.max_length is not None or len(text) <= refusals.LONGEST:
        return False
    return argument.kind not in PICTURE_KINDS or text[:5].lower() != "data:"


def _broken(rule: Rule, known: Mapping[str, Argument], given: Mapping[str, Any]) -> Problem | None:
    for name, wanted in rule.when.items():
        if name not in given or name not in known or (wanted != "*" and given[name] != wanted):
            return None
    for name, count in rule.items.items():
        if isinstance(value := given.get(name), list) and len(value) != count:
            return refusals.broken(rule, name, value)
    for name, allowed in rule.values.items():
        value = given.get(name, known[name].default if name in known else None)
        if value is not None and value not in allowed:
            return refusals.broken(rule, name, value)
    return None


class Wanted(NamedTuple):
    """What an argument should be."""

    kind: Kind
    values: tuple[str | float, ...] = ()
    """Of a choice: the values of all operations, and the neutral one."""
    neutral: Any = None
    """The value with which it counts as not given; None where only an empty one does. An operation's default counts
    as not given there in any case."""


def wanted_by(row: Row) -> dict[str, Wanted]:
    """What every argument of the tool should be."""
    return _wanted_by(row.tool) if catalog().get(row.tool) is row else _all_wanted(row)


@cache
def _wanted_by(tool: str) -> dict[str, Wanted]:
    return _all_wanted(catalog()[tool])


def _all_wanted(row: Row) -> dict[str, Wanted]:
    return {name: _wanted(forms, operations=len(row.operations)) for name, forms in row.arguments().items()}


def _wanted(forms: Sequence[Argument], operations: int = 1) -> Wanted:
    """What an argument should be that has these forms in so many operations."""
    needed = len(forms) == operations and all(form.required for form in forms)
    unset = None if needed else stand_in(forms)
    values = dict.fromkeys(value for form in forms for value in form.values or ())
    if values and isinstance(unset, str | int):
        values.setdefault(unset)
    return Wanted(forms[0].kind, tuple(values), unset)


def normalised(given: Mapping[Any, Any], known: Mapping[str, Wanted]) -> dict[str, Any]:
    """What the client sent, in the form that was asked for, without what was sent empty.

    An argument that is not known keeps its value and is left out only when it is null.
    """
    found = {}
    for key, value in given.items():
        name = str(key)
        form = known.get(name)
        meant = value if form is None or _is_long(form, value) else _meant(form, value)
        if meant is not None and (form is None or not _is_unset(form, meant)):
            found[name] = meant
    return found


def normalised_for(row: Row, given: Mapping[Any, Any]) -> dict[str, Any]:
    """The arguments of a model's tool as `normalised`, with an edition under its own name."""
    found = normalised(given, wanted_by(row))
    asked = found.get(MODEL)
    if isinstance(asked, int | float) and not isinstance(asked, bool):
        asked = found[MODEL] = shown(asked)  # 4.0 as a number is the edition that is also called 4
    if isinstance(asked, str) and (edition := row.edition_called(asked)) is not None:
        found[MODEL] = edition
    return found


def _meant(form: Wanted, value: Any) -> Any:
    read = READERS.get(form.kind)
    meant = value if read is None else read(value)
    return _one_of(form.values, meant) if form.values else meant


def _is_long(form: Wanted, value: Any) -> bool:
    """Whether a value is too large to be interpreted. It stays as it came and is refused, unless it is a prompt.

    Whole pictures can stand in a text, as data URIs: each has one comma, and one more stands before the next.
    """
    if isinstance(value, list):
        return len(value) > refusals.MOST_GIVEN
    if not isinstance(value, str) or len(value) <= refusals.LONGEST:
        return False
    holds_pictures = form.kind in PICTURE_KINDS and "data:" in value[: refusals.LONGEST].lower()
    return not holds_pictures or value.count(",") > 2 * refusals.MOST_GIVEN


def _is_unset(form: Wanted, value: Any) -> bool:
    """Whether an argument was sent and not given: with an empty text or list, or with its neutral value."""
    return value == [] or (isinstance(value, str) and (not value or value.isspace())) or _is(value, form.neutral)


def _says_nothing(argument: Argument, value: Any) -> bool:
    """Whether a value says no more than leaving the argument out."""
    return not argument.compared and _is(value, argument.default)


def _is(value: Any, wanted: Any) -> bool:
    """Whether a value is this one. True is not 1."""
    return bool(value == wanted) and isinstance(value, bool) == isinstance(wanted, bool)


def _one_of(values: tuple[str | float, ...], value: Any) -> Any:
    """The one value that is written like this one, small letters or capitals; the value itself where there is none."""
    number = _number(value)
    if isinstance(number, str | int | float):
        for text in (shown(value).strip(), shown(number)):
            if same := [one for one in values if shown(one) == text]:
                return same[0] if len(same) == 1 else value
        if len(same := [one for one in values if shown(one).lower() == shown(value).strip().lower()]) == 1:
            return same[0]
    return value


def _integer(value: Any) -> Any:
    """`2.0`, `"2"` and `"2.0"` as 2, with white space around or not; `1.5`, `"two"` and true as they are."""
    if isinstance(value, float):
        return _plain(value)
    if isinstance(value, str) and _WHOLE.fullmatch(text := value.strip()):
        return int(text.partition(".")[0])
    return value


def _number(value: Any) -> Any:
    """`"1.5"` as 1.5; whole ones as integers, so that `7`, `7.0` and `"7"` are the same call."""
    whole = _integer(value)
    if isinstance(whole, str) and _DECIMAL.fullmatch(text := whole.strip()):
        return _plain(float(text))
    return whole


def _plain(value: float) -> int | float:
    return int(value) if value.is_integer() and abs(value) <= EXACT else value


def _boolean(value: Any) -> Any:
    words = {"true": True, "false": False}
    return words.get(value.strip().lower(), value) if isinstance(value, str) else value


def _picture(value: Any) -> Any:
    """A path, address or id without its quotes, its `@` or the list that holds only it."""
    opened = _from_json(value)
    if isinstance(opened, list) and len(opened) == 1 and isinstance(opened[0], str):
        opened = opened[0]
    return _source(opened) if isinstance(opened, str) else opened


def _pictures(value: Any) -> Any:
    """A list, also from JSON text or from a text that names one picture. A text that names several stays a text."""
    opened = _from_json(value)
    if isinstance(opened, list):
        return [_source(one) if isinstance(one, str) else one for one in opened]
    if not isinstance(opened, str) or opened.lstrip().startswith("[") or _names_several(opened):
        return opened
    source = _source(opened)
    return [source] if source else source


def _from_json(value: Any) -> Any:
    """The list that a JSON text holds; anything else as it is. No path, address or id begins with a bracket."""
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return value
    try:
        opened = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return opened if isinstance(opened, list) else value


def _source(text: str) -> str:
    """Without quotes and `@` around it: no absolute path, address or id begins with one of them."""
    text = text.strip()
    if text[:1] == "@" and len(text) > 1:
        return _unquoted(text[1:].strip())
    bare = _unquoted(text)
    return bare[1:].strip() if bare is not text and bare[:1] == "@" and len(bare) > 1 else bare


def _names_several(text: str) -> bool:
    text = text.strip()
    if text[:5].lower() == "data:":
        return "," in text.partition(",")[2]  # base64 has none; it may have line breaks and slashes
    return _NEXT_SOURCE.search(text) is not None


def _path(value: Any) -> Any:
    """A path without its quotes. A leading `@` stays, as it may be part of a file's name."""
    if not isinstance(value, str):
        return value
    bare = _unquoted(stripped := value.strip())
    return value if bare is stripped else bare


def _unquoted(text: str) -> str:
    """The text between a pair of quotes; the same object where there is no pair, so that callers can tell."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in QUOTES and text[0] not in text[1:-1]:
        return text[1:-1].strip()
    return text


READERS: dict[Kind, Callable[[Any], Any]] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "picture": _picture,
    "pictures": _pictures,
    "path": _path,
}
"""By kind, what brings a client's value into the form it can only mean, and returns any other as it is."""
