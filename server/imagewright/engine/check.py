"""Arguments of every tool: all problems at once, each naming its limit and the nearest allowed value.

Those of a model's tool are held against its row, those of a helper tool against its `Argument`s. Nothing here does I/O;
pictures are checked in `engine.pictures`.

What a client sent is first brought into the form that was asked for, see `engine.normalise`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imagewright.catalog.load import catalog
from imagewright.catalog.nearest import nearest
from imagewright.catalog.row import (
    KINDS,
    MODEL,
    PICTURE_KINDS,
    Argument,
    Limits,
    OperationName,
    Row,
    Rule,
    outside,
    verb,
)
from imagewright.engine.normalise import Wanted, normalised, normalised_for
from imagewright.errors import MOST_PROBLEMS, Problem, Refusal
from imagewright.text import BROKEN_TEXT, did_you_mean, is_whole, listed, say

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence


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
    edition: str = ""
    """The edition the caller named, where the row has it and the operation is served by editions; else empty."""

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
        """The operation's arguments with their limits: those of the edition that was named."""
        return self.row.in_edition(self.edition).operations[self.operation].arguments

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
        """What was given, without the values that mean the same as leaving them out.

        A client may fill in every default that the schema shows: that must not change which model serves the call.
        """
        own = self.row.operations[self.operation].arguments
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
    given = normalised_for(row, arguments)
    operation = row.operation_for(set(given))
    known = row.operations[operation].arguments
    named = given.get(MODEL)
    edition = named if MODEL in known and isinstance(named, str) and named in row.editions else ""
    own = row.in_edition(edition).operations[operation].arguments
    problems = _counted([name for name in given if name not in known], lambda name: _stray(row, operation, name))
    for name, argument in known.items():
        if name in given and name in own:
            problems += _problems(name, own[name], given, _elsewhere(row, operation, edition, name, given[name]))
        elif name in given and given[name] != argument.default:
            others = _elsewhere(row, operation, edition, name, given[name])
            problems.append(Problem(name, f"{row.editions[edition].title} takes none{others}"))
        elif argument.required:
            problems.append(Problem(name, f"is required to {verb(operation)}{_offer(argument)}"))
    problems += [problem for rule in row.rules if (problem := _broken(rule, known, given))]
    if not problems and not edition and MODEL in known and not row.editions_for(operation, given):
        problems.append(Problem(MODEL, _no_edition(row, operation, given)))
    return Checked(row, operation, given, tuple(problems), edition)


def _elsewhere(row: Row, operation: OperationName, edition: str, name: str, value: Any) -> str:
    """`; ... takes it`: the other editions that take a value the named one does not; empty without any."""
    if not edition:
        return ""
    able = row.editions_for(operation, {name: value})
    if not able or edition in able:
        return ""
    return f"; model {listed(able, 'or')} takes {say(value) if not isinstance(value, list) else 'them'}"


def _no_edition(row: Row, operation: OperationName, given: Mapping[str, Any]) -> str:
    """Why no edition serves the call: which of them take each argument that not all take."""
    able = {name: row.editions_for(operation, {name: value}) for name, value in given.items()}
    parts = [
        f"{name} {len(given[name])}" if isinstance(given[name], list) else f"{name} {say(given[name])}"
        for name, some in able.items()
        if len(some) < len(row.editions)
    ]
    takers = [listed(some) or "none" for some in able.values() if len(some) < len(row.editions)]
    needs = "; ".join(f"{what} with {who}" for what, who in zip(parts, takers, strict=True))
    return f"no edition takes all of this in one call: {needs}"


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


def _problems(name: str, argument: Argument, given: Mapping[str, Any], hint: str = "") -> list[Problem]:
    return [Problem(name, f"{text}{hint}") for text in _value_problems(argument, given[name])]


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
