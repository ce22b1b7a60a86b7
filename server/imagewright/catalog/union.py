"""One argument over all the operations of a tool: what its schema can say, and where the operations differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagewright.catalog.facts import forms, operations
from imagewright.catalog.row import verb
from imagewright.text import listed, shown, span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.catalog.row import Argument, OperationName, Row, Rule, Scalar

BOUNDS = {"minimum": "maximum", "min_length": "max_length", "min_items": "max_items"}
UNITS = {"min_length": " characters", "min_items": "", "minimum": ""}
FEW = 3
"""Up to this many values by which an operation differs are named; beyond, all that it has are listed."""


@dataclass(frozen=True, slots=True)
class Union:
    """An argument as wide as any operation of its tool allows.

    Attributes:
        argument: the widest limits; required only if every operation requires it; a default only where every
            operation has it, and the same: a client may fill it in without knowing which operation the call is.
        notes: what the operations have tighter or different and what it asks of others, a few words each.
    """

    argument: Argument
    notes: tuple[str, ...]


def union(row: Row, name: str) -> Union:
    """The union of an argument's forms.

    Raises:
        KeyError: no operation of the row takes it.
    """
    found = forms(row, name)
    if not found:
        raise KeyError(name)
    wide = _widest(row, found)
    rules = [note for rule in row.rules if (note := _rule(rule, name, row))]
    understood = len(found) == len(row.operations) or any(
        name in operation.selected_by or set(operation.selected_by) & _asked_for(row, name)
        for operation in row.operations.values()
    )
    notes = rules if understood else [_where(row, found), *rules]
    base = next(iter(found.values()))
    notes += [note for operation, form in found.items() if (note := _difference(operation, form, wide, base))]
    return Union(wide, tuple(notes))


def _widest(row: Row, found: Mapping[OperationName, Argument]) -> Argument:
    shapes = list(found.values())
    changes: dict[str, object] = {}
    for low, high in BOUNDS.items():
        for bound, pick in ((low, min), (high, max)):
            bounds = [getattr(form, bound) for form in shapes]
            changes[bound] = None if None in bounds else pick(bounds)
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
    if form.required and not base.required:
        tighter.append("required")
    default = []
    as_base = form is not base and form.default == base.default
    if form.default is not None and wide.default is None and not form.required and not as_base:
        default = [f"default {shown(form.default)}"]
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
    """The lists of pictures that a rule wants beside the argument: they say by themselves which operation it is."""
    return {other for rule in row.rules if name in rule.when for other in rule.items}


def _rule(rule: Rule, name: str, row: Row) -> str:
    """What a rule across arguments asks for when this argument is given, or nothing when it is about others."""
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
