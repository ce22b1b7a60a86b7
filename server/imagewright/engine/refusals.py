"""What is wrong with the arguments of a call, in words: the limit, the nearest allowed value, the argument meant.

`engine.check` decides whether something is wrong and asks here only then. What else the caller can do is said by
`engine.alternatives`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagewright.catalog.load import catalog
from imagewright.catalog.nearest import arguments_called, nearest_hint
from imagewright.catalog.row import KINDS, outside, verb
from imagewright.errors import MOST_PROBLEMS, Problem
from imagewright.text import BROKEN_TEXT, closest, is_whole, listed, say

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from imagewright.catalog.row import Argument, OperationName, Row, Rule


LONGEST = 10_000
"""Characters of a text for which the row gives no limit: no path, address, id or name has as many."""
MOST_GIVEN = 100
"""Arguments of one call, and pictures in one list, that are looked at one by one: no tool takes as many."""


def not_read(arguments: object, known: Collection[str]) -> Problem:
    """Of arguments that are no JSON object, or more than are looked at."""
    if isinstance(arguments, dict):
        return Problem("arguments", f"are {len(arguments)}, and there are only {len(known)}: {listed(known)}")
    return Problem("arguments", f"must be an object, not {_say_type(arguments)}")


def unknown(names: Sequence[str], known: Mapping[str, Argument]) -> list[Problem]:
    """Of arguments that a helper tool does not take."""
    return _counted(names, lambda name: _unknown(name, arguments_called(name, known) or closest(name, known)))


def strays(row: Row, operation: OperationName, names: Sequence[str], empty: Collection[str]) -> list[Problem]:
    """Of arguments that an operation does not take; `empty` are the tool's arguments that were sent without a value."""
    return _counted(names, lambda name: _stray(row, operation, name, empty))


def _counted(names: Sequence[str], why: Callable[[str], Problem]) -> list[Problem]:
    """Why each is not taken. Those beyond what a refusal shows only count: they share one problem."""
    shown = [why(name) for name in names[:MOST_PROBLEMS]]
    return shown + [Problem("", "unknown argument")] * len(names[MOST_PROBLEMS:])


def _unknown(name: str, meant: Sequence[str]) -> Problem:
    hint = f" (did you mean {listed(map(repr, meant), 'or')}?)" if meant else ""
    return Problem(name, f"unknown argument{hint}", tuple(meant))


def _stray(row: Row, operation: OperationName, name: str, empty: Collection[str]) -> Problem:
    """Why an argument is not taken: unknown to all tools, not this tool's, or not for this operation."""
    homes = {home: other for home, other in row.operations.items() if name in other.arguments}
    if not homes:
        return _foreign(row, operation, name)
    chosen_by = row.operations[operation].selected_by
    lacking = dict.fromkeys(one for home in homes.values() for one in home.selected_by)
    if lacking and not chosen_by:
        sent = [one for one in lacking if one in empty]
        note = f"; {listed(sent)} was sent empty, which counts as not given" if sent else ""
        return Problem(name, f"works only together with {listed(lacking)}{note}")
    reason = f", which follows from giving {listed(chosen_by)}" if chosen_by else ""
    wanted = listed(verb(home) for home in homes)
    return Problem(name, f"works only to {wanted}; this call is {verb(operation)}{reason}")


def _foreign(row: Row, operation: OperationName, name: str) -> Problem:
    """Of an argument that the tool does not have: another word, one of other tools, a misspelt one, or one of no tool.

    Likeness comes last: `num_images` is like `images`, but means `variants`, which a tool may not have.
    """
    own = row.operations[operation].arguments
    whole = {key: forms[0] for key, forms in row.arguments().items()}
    if meant := arguments_called(name, own) or arguments_called(name, whole):
        return _unknown(name, meant)
    elsewhere = {key: forms[0] for other in catalog().values() for key, forms in other.arguments().items()}
    if name in elsewhere:
        return Problem(name, f"{row.tool} takes no {name}")
    if meant := arguments_called(name, elsewhere):
        return Problem(name, f"unknown argument; {row.tool} takes no {listed(meant, 'or')} either")
    return _unknown(name, closest(name, own) or closest(name, whole))


def missing(operation: OperationName, name: str, argument: Argument, empty: Collection[str]) -> Problem:
    """Of a required argument that was not given, or was sent empty."""
    values = f": {', '.join(map(str, argument.values))}" if argument.values else ""
    sent = "; it was sent empty" if name in empty else ""
    return Problem(name, f"is required to {verb(operation)}{values}{sent}")


def broken(rule: Rule, name: str, value: Any) -> Problem:
    """Of a rule across arguments that the value of `name` breaks."""
    subject = next(iter(rule.when))
    if name in rule.items:
        return Problem(subject, f"{rule.say}; {name} has {len(value)}")
    return Problem(subject, f"{rule.say}: {name} {listed(map(str, rule.values[name]), 'or')}, not {say(value)}")


def no_edition(row: Row, operation: OperationName, given: Mapping[str, Any]) -> str:
    """Why no edition serves the call: which of them take each argument that not all take."""
    able = {name: row.editions_for(operation, {name: value}) for name, value in given.items()}
    needs = [
        f"{amount(name, given[name])} only with {listed(some, 'or') or 'none'}"
        for name, some in able.items()
        if len(some) < len(row.editions_named(operation))
    ]
    return f"no edition takes all of this in one call: {'; '.join(needs)}"


def amount(name: str, value: Any) -> str:
    """An argument with its value: `5 images`, `seed 7`, `resolution "4K"`."""
    return f"{len(value)} {name}" if isinstance(value, list) else f"{name} {say(value)}"


def of_value(name: str, argument: Argument, value: Any) -> list[Problem]:
    """Of a value that an argument does not allow; at least one."""
    return [Problem(name, text) for text in _value_problems(argument, value)]


def _value_problems(argument: Argument, value: Any) -> list[str]:
    if not KINDS[argument.kind].fits(value):
        # "a whole number, not a number" would not help
        found = say(value) if isinstance(value, float) else _say_type(value)
        return [f"must be {KINDS[argument.kind].words}, not {found}"]
    if argument.kind == "pictures":
        return _list_problems(argument, value)
    if not (why := outside(argument, value)):  # then only the text itself can be wrong
        return [f"{say(value)} is longer than {LONGEST} characters" if is_whole(value) else BROKEN_TEXT]
    return [f"{say(value)} is {why}{nearest_hint(argument, value)}"]


def _list_problems(argument: Argument, value: list[Any]) -> list[str]:
    problems = []
    if argument.min_items is not None and len(value) < argument.min_items:
        problems.append(f"has {len(value)} pictures; at least {argument.min_items} needed")
    if argument.max_items is not None and len(value) > argument.max_items:
        return [f"has {len(value)} pictures; at most {argument.max_items} allowed here"]
    texts = {place: one for place, one in enumerate(value, 1) if isinstance(one, str)}
    paths = {place: one for place, one in texts.items() if one[:5].lower() != "data:"}
    problems += [
        f"picture {place} is longer than {LONGEST} characters" for place, one in paths.items() if len(one) > LONGEST
    ]
    problems += [f"picture {place} {BROKEN_TEXT}" for place, one in texts.items() if not is_whole(one)]
    problems += [
        f"picture {place} must be {KINDS['picture'].words}, not {'an empty one' if place in texts else _say_type(one)}"
        for place, one in enumerate(value, 1)
        if not texts.get(place, "").strip()
    ]
    return problems


def _say_type(value: object) -> str:
    words = {str: "a text", bool: "true or false", int: "a whole number", float: "a number", list: "a list"}
    return words.get(type(value), "an object" if isinstance(value, dict) else "null")
