"""The JSON Schema of a tool's input: one flat object that every maker's function calling takes unchanged.

It is the union over the tool's operations, so it is looser than any one of them. What only one operation allows or
lacks is added to the description in a few generated words, and the engine's check holds a call to its own operation.

Strict converters make every argument required and none of them null. So each optional argument has a neutral value that
the schema allows and that means the same as leaving it out.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from imagewright.catalog.facts import argument_names, forms, operations
from imagewright.catalog.load import catalog
from imagewright.catalog.row import AUTO, BOUNDS, KINDS, MODEL, outside, verb
from imagewright.text import exact, listed, shown, span

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from imagewright.catalog.row import Argument, Edition, Limits, OperationName, Row, Rule, Scalar

KEYWORDS = {
    "minimum": "minimum",
    "maximum": "maximum",
    "min_length": "minLength",
    "max_length": "maxLength",
    "min_items": "minItems",
    "max_items": "maxItems",
}
"""What JSON Schema calls a limit."""
NO_EMPTY = ("min_length", "min_items")
"""Limits that are not listed where they are 1: what is empty is not given, and `required` forbids that."""
UNITS = {"min_length": " characters", "min_items": "", "minimum": ""}
FEW = 3
"""An operation that differs by up to this many values names these; one that differs by more lists all that it has."""


def input_schema(row: Row) -> dict[str, Any]:
    """The schema of the tool's arguments.

    Only `type`, `properties`, `required`, `additionalProperties`, `enum`, bounds, lengths, `items`, `default` and
    `description` occur: no reference, no alternative, no list of types. It validates under JSON Schema 2020-12.
    `required` is left out where nothing is: draft-04 forbids an empty list.
    """
    properties = {}
    required = []
    for name in argument_names(row):
        found = union(row, name, auto=True)
        properties[name] = argument_schema(found.argument, found.notes, found.unset)
        if found.argument.required:
            required.append(name)
    schema = {"type": "object", "properties": properties}
    return schema | ({"required": required} if required else {}) | {"additionalProperties": False}


def argument_schema(
    argument: Argument, notes: tuple[str, ...] = (), unset: Scalar | list[str] | None = None
) -> dict[str, Any]:
    """The schema of one argument, its limits and notes put into the description, and its neutral value allowed."""
    # an empty text or list explains itself, but a mask is easily made up
    if unset != argument.default and (isinstance(unset, int | float) or argument.kind == "picture"):
        notes = (*notes, f"{json.dumps(unset)}: unset")
    argument = with_value(argument, unset)
    schema: dict[str, Any] = {"type": _type(argument)}
    if argument.kind == "pictures":
        schema["items"] = {"type": "string"}
    if argument.values is not None:
        schema["enum"] = [exact(value) for value in argument.values]
    for bound, keyword in KEYWORDS.items():
        value = getattr(argument, bound)
        if value is not None and not (bound in NO_EMPTY and value == 1):
            schema[keyword] = exact(value)
    if argument.default is not None:
        schema["default"] = exact(argument.default)
    schema["description"] = "; ".join((argument.describe, *notes))
    return schema


def _type(argument: Argument) -> str:
    values = [exact(value) for value in argument.values or ()]
    if all(isinstance(value, str) for value in values):
        return KINDS[argument.kind].json_type
    return "integer" if all(isinstance(value, int) for value in values) else "number"


def neutral(argument: Argument, forms: Sequence[Argument] = ()) -> Scalar | list[str] | None:
    """The value with which a listed argument counts as not given; None for a required one.

    It is the default, unless that says more when it is given, and else the `stand_in`. The forms are those of the
    model's full row: a provider may lack some values, and what a value means may not depend on that.
    """
    if argument.required or (argument.default is not None and not argument.compared):
        return argument.default
    return stand_in(forms or (argument,))


def stand_in(forms: Sequence[Argument]) -> Scalar | list[str] | None:
    """The value that stands for "not given" in all forms of an argument, whatever their defaults.

    It is an empty text or list, and `auto` for a choice among texts. For a number it is 0 if none of the forms takes 0
    or has a default, else -1. None where that value has a meaning of its own, and for true or false.
    """
    match _type(forms[0]):
        case "array":
            return []
        case "string":
            own = any(AUTO in (form.values or ()) and form.default != AUTO for form in forms)
            return "" if forms[0].values is None else None if own else AUTO
        case "boolean":
            return None
        case _:
            lowest = 0 if all(form.default is None and outside(form, 0) for form in forms) else -1
            return lowest if all(outside(form, lowest) for form in forms) else None


def with_value(argument: Argument, value: Scalar | list[str] | None) -> Argument:
    """The argument with this value among what it may be."""
    if value is None or value == argument.default:
        return argument
    changes: dict[str, object] = {"min_length": None, "min_items": None}
    if argument.values is not None and value not in argument.values:
        changes["values"] = (*argument.values, value)
    if argument.minimum is not None:
        changes["minimum"] = value
    return argument.model_copy(update=changes)


class Union(NamedTuple):
    """An argument as wide as any operation of its tool allows."""

    argument: Argument
    """The widest limits. Required only if every operation requires it. It has a default only if every operation has
    that default, since a client may fill it in without knowing which operation the call is."""
    notes: tuple[str, ...]
    """What is tighter or different in an operation, and which other arguments it needs, in a few words each."""
    unset: Scalar | list[str] | None
    """Its neutral value."""


def union(row: Row, name: str, *, auto: bool = False) -> Union:
    """The union of an argument's forms in the operations.

    With `auto`, a choice that has no one default, or is compared with what arrives, takes the word for "not given", and
    the notes say what it stands for.

    Raises:
        KeyError: no operation of the row takes it.
    """
    found = forms(row, name)
    if not found:
        raise KeyError(name)
    wide = _widest(row, found)
    unset = neutral(wide, tuple(forms(catalog().get(row.tool, row), name).values()))
    if auto and unset == AUTO != wide.default:
        wide = wide.model_copy(update={"default": None})
        found = {operation: with_value(form, AUTO) for operation, form in found.items()}
    rules = [note for rule in row.rules if (note := _rule(rule, name, row))]
    understood = len(found) == len(row.operations) or any(
        name in operation.selected_by or set(operation.selected_by) & _asked_for(row, name)
        for operation in row.operations.values()
    )
    notes = rules if understood else [_where(row, found), *rules]
    base = next(iter(found.values()))
    notes += [*([note] if (note := _editions(row, name)) else []), *_by_edition(row, name, wide)]
    notes += [note for operation, form in found.items() if (note := _difference(operation, form, wide, base))]
    return Union(wide, tuple(notes), unset)


def _editions(row: Row, name: str) -> str:
    """Which editions take an argument that not all take, where a word or two say it; of `model`, the newest one."""
    if name == MODEL:
        return f"newest {newest}" if (newest := row.newest) else ""
    able = [key for key, edition in row.editions.items() if name not in edition.without]
    lacking = [key for key in row.editions if key not in able]
    if not lacking or not able:
        return ""
    if len(able) < FEW:
        return f"{listed(able)} only"
    return f"not {listed(lacking, 'or')}" if len(lacking) < FEW else ""


def _by_edition(row: Row, name: str, wide: Argument) -> list[str]:
    """Which values only one edition takes, or only one lacks that lives on. In other cases a refusal names them."""
    if len(row.editions) < FEW or (wide.values is None and wide.max_items is None):
        return []
    limits = {key: _limits_in(row, edition, name) for key, edition in row.editions.items()}
    groups: dict[tuple[str, ...], list[str]] = {}
    for value in wide.values or ():
        lacking = tuple(
            key for key, own in limits.items() if own and all(one.values and value not in one.values for one in own)
        )
        groups.setdefault(lacking, []).append(shown(value))
    if wide.max_items is not None:
        most = {
            key: max((one.max_items or wide.max_items for one in own), default=wide.max_items)
            for key, own in limits.items()
        }
        low = tuple(key for key, count in most.items() if count < wide.max_items)
        if low:
            groups[low] = [f"over {max(most[key] for key in low)}"]
    notes = []
    for lacking, values in groups.items():
        able = [key for key in row.editions if key not in lacking]
        if len(able) == 1:
            notes.append(f"{listed(values)}: {able[0]} only")
        elif len(lacking) == 1 and not row.editions[lacking[0]].ends:
            notes.append(f"{listed(values)}: not {lacking[0]}")
    return notes


def _limits_in(row: Row, edition: Edition, name: str) -> list[Limits]:
    """What an edition sets for an argument, in each operation that takes it; empty where one has the row's limits."""
    own = [
        edition.operations.get(key, {}).get(name) or edition.limits.get(name)
        for key, operation in row.operations.items()
        if MODEL in operation.arguments and name in operation.arguments
    ]
    found = [one for one in own if one is not None]
    return found if len(found) == len(own) else []


def widest(forms: Sequence[Limits]) -> dict[str, object]:
    """The bounds that allow whatever any of the forms allows, without their lists of values."""
    changes: dict[str, object] = {}
    for low, high in BOUNDS.items():
        for bound, pick in ((low, min), (high, max)):
            found = [getattr(form, bound) for form in forms]
            changes[bound] = None if None in found else pick(found)
    return changes


def _widest(row: Row, found: Mapping[OperationName, Argument]) -> Argument:
    shapes = list(found.values())
    changes = widest(shapes)
    lists = [form.values for form in shapes]
    if None not in lists:
        changes["values"] = tuple(dict.fromkeys(value for values in lists for value in values or ()))
    else:
        changes["values"] = None
    everywhere = len(shapes) == len(row.operations)
    required = everywhere and all(form.required for form in shapes)
    agreed = everywhere and len({form.default for form in shapes}) == 1
    changes |= {"required": required, "default": shapes[0].default if agreed and not required else None}
    return shapes[0].model_copy(update=changes)


def _where(row: Row, found: Mapping[OperationName, Argument]) -> str:
    """Which operations take it, when not all do."""
    absent = [verb(operation) for operation in operations(row) if operation not in found]
    if len(found) == 1:
        return f"{verb(next(iter(found)))} only"
    if all(form.required for form in found.values()):
        return f"required unless {listed(absent, 'or')}"
    return f"not for {listed(absent, 'or')}"


def _difference(operation: OperationName, form: Argument, wide: Argument, base: Argument) -> str:
    """How one operation differs from the union and from the first operation that takes the argument."""
    tighter = [note for low, high in BOUNDS.items() for note in _bounds(form, wide, low, high)]
    tighter += ["1 image only"] if form.one_picture else []
    if form.required and not base.required:
        tighter.append("required")
    default = []
    as_base = form is not base and form.default == base.default
    if form.default is not None and wide.default is None and not form.required and not as_base:
        default = [_default(form.default, form.values or ())]
    if form is base:
        own = [f"{verb(operation)}: {', '.join(tighter)}"] if tighter else []
        return "; ".join(default + own)
    extra, missing = _values(form, base), _values(base, form)
    if len(extra) + len(missing) > FEW:
        tighter.append(f"only {listed(map(shown, form.values or ()), 'or')}")
    else:
        tighter += [f"not {listed(map(shown, missing), 'or')}"] if missing else []
        if extra:
            its = " (default)" if default and extra == [form.default] else ""
            tighter.append(f"also {listed(map(shown, extra), 'and')}{its}")
            default = [] if its else default
    parts = tighter + default
    return f"{verb(operation)}: {', '.join(parts)}" if parts else ""


def _default(default: Scalar, values: Collection[Scalar]) -> str:
    """What holds in an operation where the argument is not given, which `auto` says where it is one of the values."""
    if default == AUTO:
        return "as first image"
    return f"{'auto:' if AUTO in values else 'default'} {shown(default)}"


def _values(having: Argument, lacking: Argument) -> list[Scalar]:
    """The values one form has and the other lacks."""
    if having.values is None or lacking.values is None:
        return []
    return [value for value in having.values if value not in lacking.values]


def _bounds(form: Argument, wide: Argument, low: str, high: str) -> list[str]:
    lowest, highest = getattr(form, low), getattr(form, high)
    changed = {key for key in (low, high) if getattr(form, key) != getattr(wide, key)}
    if not changed:
        return []
    if lowest is not None and highest is not None and not UNITS[low]:
        return [span(lowest, highest)]
    words = {low: f"at least {lowest}", high: f"at most {highest}"}
    return [f"{words[key]}{UNITS[low]}" for key in (low, high) if key in changed]


def _asked_for(row: Row, name: str) -> set[str]:
    """The lists of pictures that a rule wants beside the argument. They already show which operation takes it."""
    return {other for rule in row.rules if name in rule.when for other in rule.items}


def _rule(rule: Rule, name: str, row: Row) -> str:
    """What a rule asks for when this argument is given; empty when the rule is about other arguments."""
    subject, wanted = next(iter(rule.when.items()))
    if subject != name:
        return ""
    needs = [
        f"exactly {count} {other.removesuffix('s') if count == 1 else other}"
        for other, count in rule.items.items()
        if forms(row, other)
    ]
    for other, allowed in rule.values.items():
        offered = {value for form in forms(row, other).values() for value in form.values or allowed}
        if left := [shown(value) for value in allowed if value in offered]:
            needs.append(f"{other} {listed(left, 'or')}")
    if not needs:
        return ""
    return f"{'' if wanted == '*' else f'{shown(wanted)} '}needs {listed(needs)}"
