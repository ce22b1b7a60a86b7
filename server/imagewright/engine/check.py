"""Arguments of every tool: all problems at once, each naming its limit and the nearest allowed value.

Those of a model's tool are held against its row, those of a helper tool against its `Argument`s. Nothing here does I/O;
pictures are looked at in `engine.inputs`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imagewright.catalog.facts import wanted_by
from imagewright.catalog.kinds import PICTURE_KINDS, Wanted, normalised
from imagewright.catalog.load import catalog
from imagewright.catalog.nearest import nearest
from imagewright.catalog.row import Argument, Limits, OperationName, Row, Rule, outside, verb
from imagewright.errors import MOST_PROBLEMS, Problem, Refusal
from imagewright.text import BROKEN_TEXT, did_you_mean, is_whole, listed, say

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

KIND_WORDS = {
    "text": "a text",
    "choice": "one of the listed values",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "picture": "a text: an absolute path, a URL, a data URI or a picture id",
    "pictures": 'a list of texts, such as ["/home/me/cat.png"]',
    "path": "a text: a file name or an absolute path",
}


@dataclass(frozen=True, slots=True)
class Checked:
    """A call as understood."""

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
        """What was given although the model has nothing of that name or of one like it.

        Names are compared only up to 20 unknown ones: it takes time, and no other tool takes more.
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
    def wished(self) -> dict[str, Any]:
        """What was given, without what means the same as leaving it out.

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
    """Understand a call and list everything that is wrong with it.

    Args:
        row: the model's full row, not the effective one: what only a vendor lacks is said when a route is chosen.
        arguments: what the client sent; anything at all.
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
    """The arguments of a helper tool, normalised, with the defaults filled in; what was sent empty is left out.

    Args:
        known: what the tool takes; none of it is required.
        sent: what the client sent.

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
    """Why each is not taken; those that no refusal will show are only counted, by one problem many times."""
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
    if not _fits_kind(argument, value):
        # "a whole number, not a number" would help nobody
        found = say(value) if isinstance(value, float) else _say_type(value)
        return [f"must be {KIND_WORDS[argument.kind]}, not {found}"]
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
    problems += [
        f"picture {place} {BROKEN_TEXT}"
        for place, one in enumerate(value, 1)
        if isinstance(one, str) and not is_whole(one)
    ]
    problems += [
        f"picture {place} must be {KIND_WORDS['picture']}" + ("" if isinstance(one, str) else f", not {_say_type(one)}")
        for place, one in enumerate(value, 1)
        if not isinstance(one, str) or not one.strip()
    ]
    return problems


def _fits_kind(argument: Argument, value: Any) -> bool:
    match argument.kind:
        case "text" | "picture" | "path":
            return isinstance(value, str)
        case "pictures":
            return isinstance(value, list)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return _is_number(value)
        case "choice":
            return isinstance(value, str | int | float) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


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
