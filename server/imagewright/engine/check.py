"""Arguments of every tool: all problems at once, each naming its limit and the nearest allowed value.

Those of a model's tool are held against its row, those of a helper tool against its `Argument`s. Nothing here does I/O;
pictures are checked in `engine.pictures`.

Real clients send `2.0` or `"2"` for 2, `"true"` for true, an empty text or list for an argument they did not mean to
give, a list as JSON text, one text where a list is wanted, a path in quotes or behind `@`. What can only mean one thing
is taken as that. What could mean two things stays as it came, and is refused. This is done here and nowhere else: the
fingerprint of a call and the plan see the normalised arguments.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from imagewright.catalog.load import catalog
from imagewright.catalog.nearest import nearest
from imagewright.catalog.row import (
    KINDS,
    PICTURE_KINDS,
    Argument,
    Kind,
    Limits,
    OperationName,
    Row,
    Rule,
    outside,
    verb,
)
from imagewright.errors import MOST_PROBLEMS, Problem, Refusal
from imagewright.text import BROKEN_TEXT, did_you_mean, is_whole, listed, say, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

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
    """The arguments the caller gave, normalised: without those that were sent empty."""
    problems: tuple[Problem, ...]
    """What is wrong with them; empty when nothing is."""

    @property
    def strays(self) -> set[str]:
        """What was given although the model has no argument with that name or a similar one.

        Only up to 20 unknown names are compared: comparing takes time, and no tool takes more arguments.
        """
        own = self.row.arguments()
        unknown = {name for name in self.given if name not in own}
        if len(unknown) > MOST_PROBLEMS:
            return unknown
        return {name for name in unknown if not did_you_mean(name, own)}

    @property
    def arguments(self) -> Mapping[str, Argument]:
        """The operation's arguments with their limits."""
        return self.row.operations[self.operation].arguments

    @property
    def count(self) -> int:
        """How many pictures it asks for."""
        argument = self.arguments.get("variants")
        default = argument.default if argument is not None and isinstance(argument.default, int) else 1
        return int(self.given.get("variants", default))

    @property
    def beyond_defaults(self) -> dict[str, Any]:
        """What was given, without the values that mean the same as leaving them out.

        A client may fill in every default that the schema shows: that must not change which model serves the call.
        """
        own = self.arguments
        return {name: value for name, value in self.given.items() if name not in own or value != own[name].default}

    @property
    def names_pictures(self) -> bool:
        """Whether a picture is given, in whatever form."""
        return any(argument.kind in PICTURE_KINDS and name in self.given for name, argument in self.arguments.items())

    def sources(self) -> list[tuple[str, str]]:
        """Every picture given, as (argument, text) in order; a list is labelled `images[0]`, `images[1]` ..."""
        found: list[tuple[str, str]] = []
        known = self.arguments
        for name, value in self.given.items():
            argument = known.get(name)
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
    if not isinstance(arguments, dict):
        operation = row.operation_for(set())
        wrong = Problem("arguments", f"must be an object, not {_say_type(arguments)}")
        return Checked(row, operation, {}, () if arguments is None else (wrong,))
    given = normalised(arguments, wanted_by(row))
    operation = row.operation_for(set(given))
    known = row.operations[operation].arguments
    problems = _counted([name for name in given if name not in known], lambda name: _stray(row, operation, name))
    for name, argument in known.items():
        if name in given:
            problems += _problems(name, argument, given)
        elif argument.required:
            problems.append(Problem(name, f"is required to {verb(operation)}{_offer(argument)}"))
    problems += [problem for rule in row.rules if (problem := _broken(rule, known, given))]
    return Checked(row, operation, given, tuple(problems))


def read_arguments(known: Mapping[str, Argument], sent: Mapping[str, Any] | None) -> dict[str, Any]:
    """The arguments of a helper tool, of which none is required, normalised and with the defaults filled in.

    Raises:
        Refusal: every problem of the call.
    """
    given = normalised(sent or {}, {name: Wanted(one.kind, one.values or ()) for name, one in known.items()})
    problems = _counted([name for name in given if name not in known], lambda name: _unknown(name, known))
    problems += [problem for name, one in known.items() if name in given for problem in _problems(name, one, given)]
    if problems:
        raise Refusal(*problems)
    return {name: one.default for name, one in known.items() if one.default is not None} | given


def _problems(name: str, argument: Argument, given: Mapping[str, Any]) -> list[Problem]:
    return [Problem(name, text) for text in _value_problems(argument, given[name])]


def _unknown(name: str, known: Collection[str]) -> str:
    return f"unknown argument{did_you_mean(name, known)}"


def _counted(names: Sequence[str], why: Callable[[str], str]) -> list[Problem]:
    """Why each is not taken. Those beyond what a refusal shows only count: they share one problem."""
    shown = [Problem(name, why(name)) for name in names[:MOST_PROBLEMS]]
    return shown + [Problem("", "unknown argument")] * len(names[MOST_PROBLEMS:])


def _stray(row: Row, operation: OperationName, name: str) -> str:
    """Why an argument is not taken: unknown to all tools, not this tool's, or not for this operation."""
    homes = {home: other for home, other in row.operations.items() if name in other.arguments}
    if not homes:
        own = row.operations[operation].arguments
        known_elsewhere = not did_you_mean(name, own) and any(name in other.arguments() for other in catalog().values())
        return f"{row.tool} takes no {name}" if known_elsewhere else _unknown(name, own)
    chosen_by = row.operations[operation].selected_by
    lacking = dict.fromkeys(one for home in homes.values() for one in home.selected_by)
    if lacking and not chosen_by:
        return f"works only together with {listed(lacking)}"
    reason = f", which follows from giving {listed(chosen_by)}" if chosen_by else ""
    return f"works only to {listed(verb(home) for home in homes)}; this call is {verb(operation)}{reason}"


def _offer(argument: Argument) -> str:
    return f": {', '.join(str(value) for value in argument.values)}" if argument.values else ""


def _value_problems(argument: Argument, value: Any) -> list[str]:
    if not KINDS[argument.kind].fits(value):
        # "a whole number, not a number" would not help
        found = say(value) if isinstance(value, float) else _say_type(value)
        return [f"must be {KINDS[argument.kind].words}, not {found}"]
    if argument.kind == "pictures":
        return _list_problems(argument, value)
    if isinstance(value, str) and not is_whole(value):
        return [BROKEN_TEXT]
    if why := outside(argument, value):
        form = f" ({argument.describe})" if argument.pattern is not None else ""
        return [f"{say(value)} is {why}{form}{nearest_hint(argument, value)}"]
    return []


def _list_problems(argument: Argument, value: list[Any]) -> list[str]:
    problems = []
    if argument.min_items is not None and len(value) < argument.min_items:
        problems.append(f"has {len(value)} pictures; at least {argument.min_items} needed")
    if argument.max_items is not None and len(value) > argument.max_items:
        return [f"has {len(value)} pictures; at most {argument.max_items} allowed here"]
    texts = {place: one for place, one in enumerate(value, 1) if isinstance(one, str)}
    problems += [f"picture {place} {BROKEN_TEXT}" for place, one in texts.items() if not is_whole(one)]
    problems += [
        f"picture {place} must be {KINDS['picture'].words}" + ("" if place in texts else f", not {_say_type(one)}")
        for place, one in enumerate(value, 1)
        if not texts.get(place, "").strip()
    ]
    return problems


def nearest_hint(limits: Limits, value: Any) -> str:
    """`; nearest allowed: ...`, or nothing when nothing is near."""
    close = nearest(limits, value)
    return "" if close is None else f"; nearest allowed: {close}"


def _broken(rule: Rule, known: Mapping[str, Argument], given: Mapping[str, Any]) -> Problem | None:
    for name, wanted in rule.when.items():
        if name not in given or name not in known or (wanted != "*" and given[name] != wanted):
            return None
    subject = next(iter(rule.when))
    for name, count in rule.items.items():
        value = given.get(name)
        if isinstance(value, list) and len(value) != count:
            return Problem(subject, f"{rule.say}; {name} has {len(value)}")
    for name, allowed in rule.values.items():
        value = given.get(name, known[name].default if name in known else None)
        if value is not None and value not in allowed:
            return Problem(subject, f"{rule.say}: {name} {listed(map(str, allowed), 'or')}, not {say(value)}")
    return None


def _say_type(value: object) -> str:
    words = {str: "a text", bool: "true or false", int: "a whole number", float: "a number", list: "a list"}
    return words.get(type(value), "an object" if isinstance(value, dict) else "null")


class Wanted(NamedTuple):
    """What an argument should be."""

    kind: Kind
    values: tuple[str | float, ...] = ()
    """Of a choice: the values of all operations."""


def wanted_by(row: Row) -> dict[str, Wanted]:
    """Every argument of the tool with its kind and, for a choice, the values of all operations."""
    return {
        name: Wanted(takes[0].kind, tuple(dict.fromkeys(value for one in takes for value in one.values or ())))
        for name, takes in row.arguments().items()
    }


def normalised(given: Mapping[Any, Any], known: Mapping[str, Wanted]) -> dict[str, Any]:
    """What the client sent, in the form that was asked for, without what was sent empty.

    An argument that is not known keeps its value and is left out only when it is null.
    """
    found = {}
    for key, value in given.items():
        name = str(key)
        form = known.get(name)
        meant = value if form is None else _meant(form, value)
        if meant is not None and (form is None or not _is_empty(meant)):
            found[name] = meant
    return found


def _meant(form: Wanted, value: Any) -> Any:
    read = READERS.get(form.kind)
    meant = value if read is None else read(value)
    return _one_of(form.values, meant) if form.values else meant


def _is_empty(value: Any) -> bool:
    return value == [] or (isinstance(value, str) and not value.strip())


def _one_of(values: tuple[str | float, ...], value: Any) -> Any:
    """The one value that is written like this one; the value as it is where there is none or more than one."""
    number = _number(value)
    if isinstance(number, str | int | float):
        for text in (shown(value).strip(), shown(number)):
            if same := [one for one in values if shown(one) == text]:
                return same[0] if len(same) == 1 else value
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
    stripped = value.strip()
    bare = _unquoted(stripped)
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
