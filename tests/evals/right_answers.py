"""For each request the answers that it calls right, made from its own conditions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from evals.answer import Answer, Call
from evals.request import NONE
from imagewright.catalog.load import catalog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evals.request import Condition, Request


def right_answers(request: Request) -> Iterator[Answer]:
    """One answer for each acceptable tool, with just the arguments that the conditions ask for."""
    for tool in request.accept:
        calls = () if tool == NONE else (Call(tool=tool, arguments=_arguments(request, tool)),)
        yield Answer(id=request.key, calls=calls)


def _arguments(request: Request, tool: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for condition in request.where:
        one = condition.any[0] if condition.any else condition
        if not one.absent and one.tool in {"", tool}:
            found[one.argument] = _joined(found.get(one.argument), _value(one))
    row = catalog().get(tool)
    if row is not None and row.operation_for(set(found)) != "upscale" and "prompt" in row.arguments():
        found.setdefault("prompt", "as the user says")
    return {name: value for name, value in found.items() if value != ""}


def _joined(before: Any, value: Any) -> Any:
    """Two conditions of one text are met by both texts one after the other."""
    return f"{before} {value}" if isinstance(before, str) and isinstance(value, str) else value


def _value(condition: Condition) -> Any:
    if condition.equals is not None:
        return condition.equals
    if condition.one_of is not None:
        return "" if "" in condition.one_of else condition.one_of[0]
    if condition.contains is not None:
        return condition.contains if condition.argument == "images" else " ".join(condition.contains)
    if condition.matches is not None:
        first = condition.matches.removeprefix("(?i)").split("|")[0]
        return re.sub(r"\\b|\\|\?|\$", "", first)
    return condition.at_least if condition.at_least is not None else condition.at_most
