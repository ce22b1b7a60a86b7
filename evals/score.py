"""Judges answers: the right tool, arguments that the engine takes, and arguments that are what was asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evals.request import LOOKING, NONE, PAID
from evals.shown import understood
from imagewright.text import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from evals.answer import Answer, Call
    from evals.request import Condition, Request
    from evals.shown import Understood

TOOL_AT_LEAST = 0.97
"""Share of the requests whose answer takes a right tool."""
PASS_AT_LEAST = 0.99
"""Share of the answers with calls whose arguments the engine would not refuse."""
ASKED_AT_LEAST = 0.95
"""Share of the answers with a right tool whose arguments are what was asked for."""
MOST_PAID = 0
"""Calls that may cost money where no such call fits."""
SHOWN_TEXT = 160
"""Characters of an answer's words in the list of misses."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one answer is worth."""

    request: Request
    answer: Answer | None
    """None where there is no answer."""
    tool: bool
    """Whether it takes a right tool, and no more calls than are right."""
    passes: bool | None
    """Whether the engine would take every call; None where no call was made."""
    asked: bool | None
    """Whether every condition holds; None where the tool is wrong or no condition concerns it."""
    paid: int
    """How many calls may cost money although none fits."""
    faults: tuple[str, ...] = ()
    """What is wrong, in words."""

    @property
    def right(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.faults


@dataclass
class Counts:
    """How many answers of a group are right in each respect."""

    requests: int = 0
    tool: int = 0
    calls: int = 0
    """Answers that make a call."""
    passes: int = 0
    conditions: int = 0
    """Answers with a right tool of which something is asked."""
    asked: int = 0
    paid: int = 0

    def add(self, verdict: Verdict) -> None:
        """Count one."""
        self.requests += 1
        self.tool += verdict.tool
        self.calls += verdict.passes is not None
        self.passes += bool(verdict.passes)
        self.conditions += verdict.asked is not None
        self.asked += bool(verdict.asked)
        self.paid += verdict.paid

    @property
    def good(self) -> bool:
        """Whether all four figures reach what they have to."""
        return (
            share(self.tool, self.requests) >= TOOL_AT_LEAST
            and share(self.passes, self.calls) >= PASS_AT_LEAST
            and share(self.asked, self.conditions) >= ASKED_AT_LEAST
            and self.paid <= MOST_PAID
        )


@dataclass
class Report:
    """All verdicts, counted."""

    verdicts: list[Verdict]
    whole: Counts = field(default_factory=Counts)
    kinds: dict[str, Counts] = field(default_factory=dict)
    tools: dict[str, Counts] = field(default_factory=dict)
    """By the first of the right tools."""

    def __post_init__(self) -> None:
        for verdict in self.verdicts:
            self.whole.add(verdict)
            self.kinds.setdefault(verdict.request.kind, Counts()).add(verdict)
            self.tools.setdefault(verdict.request.accept[0], Counts()).add(verdict)

    @property
    def misses(self) -> list[Verdict]:
        """Those with a fault."""
        return [verdict for verdict in self.verdicts if not verdict.right]


def share(some: int, of: int) -> float:
    """A share from 0 to 1; 1 of nothing."""
    return some / of if of else 1.0


def judge_all(requests: Iterable[Request], answers: Mapping[str, Answer], *, partial: bool = False) -> Report:
    """Judge the answers to these requests. One without an answer counts as wrong, or is left out where `partial`.

    Raises:
        ValueError: an answer belongs to no request.
    """
    requests = list(requests)
    if strange := sorted(answers.keys() - {request.key for request in requests}):
        raise ValueError(f"there is no request {listed(strange)}")
    return Report(
        [judge(request, answers.get(request.key)) for request in requests if not partial or request.key in answers]
    )


def judge(request: Request, answer: Answer | None) -> Verdict:
    """Judge one answer."""
    if answer is None:
        return Verdict(request, None, tool=False, passes=None, asked=None, paid=0, faults=("no answer",))
    faults = list(_tool_faults(request, answer.calls))
    tool = not faults
    free = PAID.isdisjoint(request.accept)
    paid = sum(call.tool in PAID for call in answer.calls) if free else 0
    passes, asked = None, None
    for call in answer.calls:
        found = understood(request.setup, call.tool, call.arguments)
        if found.refused:
            faults.append(f"refused: {found.refused}")
        passes = not found.refused and passes is not False
        if tool and call.tool in request.accept and (conditions := _conditions(request, call.tool)):
            unmet = [condition for condition in conditions if not holds(condition, found)]
            faults += [_unmet(condition, found) for condition in unmet]
            asked = not unmet and asked is not False
    return Verdict(request, answer, tool=tool, passes=passes, asked=asked, paid=paid, faults=tuple(faults))


def _tool_faults(request: Request, calls: tuple[Call, ...]) -> Iterator[str]:
    wanted = listed(request.accept, "or")
    if not calls:
        if NONE not in request.accept:
            yield f"no call; right is {wanted}"
        return
    if wrong := sorted({call.tool for call in calls} - request.right):
        yield f"{listed(wrong)}; right is {wanted}"
    # looking costs nothing, and may be done in several calls at once
    if (made := sum(call.tool not in LOOKING for call in calls)) > request.calls:
        yield f"{made} calls at once; right is {request.calls}"


def _conditions(request: Request, tool: str) -> list[Condition]:
    return [condition for condition in request.where if condition.tool in {"", tool}]


def holds(condition: Condition, found: Understood) -> bool:
    """Whether a condition holds of a call."""
    if condition.any:
        return any(holds(one, found) for one in condition.any)
    value = found.values.get(condition.argument)
    if condition.absent and value is not None and value != found.defaults.get(condition.argument):
        return False
    return all(test(value, wanted) for name, test in TESTS.items() if (wanted := getattr(condition, name)) is not None)


def _contains(value: Any, wanted: list[str]) -> bool:
    if isinstance(value, list):
        return all(one in value for one in wanted)
    return isinstance(value, str) and all(one.casefold() in value.casefold() for one in wanted)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "equals": lambda value, wanted: bool(value == wanted),
    "one_of": lambda value, wanted: ("" if value is None else value) in wanted,
    "contains": _contains,
    "matches": lambda value, wanted: re.search(wanted, str(value or "")) is not None,
    "at_least": lambda value, wanted: _is_number(value) and value >= wanted,
    "at_most": lambda value, wanted: _is_number(value) and value <= wanted,
}
"""What each operator of a condition asks of a value; the value is None where it was left out and has no default."""


def _unmet(condition: Condition, found: Understood) -> str:
    names = [one.argument for one in condition.any or [condition]]
    were = ", ".join(f"{name} {found.values.get(name)!r}" for name in dict.fromkeys(names))
    return f"not as asked: {were}; right is {condition}"


def table(report: Report) -> list[str]:
    """The figures by kind and by tool, and all together, as lines of text."""
    lines = [_line("", "requests", "right tool", "passes", "as asked", "paid in vain")]
    for title, groups in (("kind", report.kinds), ("first right tool", report.tools)):
        lines += ["", _line(f"by {title}:"), *(_counts_line(f"  {name}", one) for name, one in sorted(groups.items()))]
    return [*lines, "", _counts_line("all", report.whole)]


def _counts_line(name: str, counts: Counts) -> str:
    return _line(
        name,
        str(counts.requests),
        _part(counts.tool, counts.requests),
        _part(counts.passes, counts.calls),
        _part(counts.asked, counts.conditions),
        str(counts.paid),
    )


def _line(name: str, *cells: str) -> str:
    return (f"{name:<22}" + "".join(f" {cell:>20}" for cell in cells)).rstrip()


def _part(some: int, of: int) -> str:
    return f"{some} of {of} ({100 * share(some, of):.1f} %)" if of else "-"


def misses(report: Report) -> list[str]:
    """Each wrong answer with what is wrong, why the request has another one, and what the model wrote."""
    lines = []
    for one in report.misses:
        lines += [
            "",
            f"{one.request.key} {one.request.name}: {one.request.turns[-1].user.strip() or '(goes on after a result)'}",
        ]
        lines += [f"  {fault}" for fault in one.faults]
        lines.append(f"  why: {one.request.why}")
        if one.answer and one.answer.text:
            lines.append(f"  it wrote: {one.answer.text[:SHOWN_TEXT]}")
    return lines
