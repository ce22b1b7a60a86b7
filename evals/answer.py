"""The answers: for each request the calls that a model made, or none, as JSON Lines.

{"id": "q1c9a02", "tool": "nano_banana", "arguments": {"prompt": "A cat on a sofa"}}
{"id": "q77e0b1", "tool": "none", "text": "Which picture do you mean?"}
{"id": "q0d54fe", "calls": [{"tool": "recraft", "arguments": {...}}, {"tool": "recraft", "arguments": {...}}]}
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from evals.request import NONE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Call(BaseModel):
    """One call of a tool."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tool: str
    arguments: Any = {}
    """What was sent: an object, unless the model sent something else."""


class Answer(BaseModel):
    """What a model answered to one request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    """The request's key."""
    calls: tuple[Call, ...] = ()
    """All calls that were made at once; none for an answer in words."""
    text: str | None = ""
    """What it wrote besides."""
    looked_up: tuple[str, ...] = ()
    """The topics of the guide that it read before."""

    @model_validator(mode="before")
    @classmethod
    def _one_call(cls, data: Any) -> Any:
        """Take `tool` and `arguments` for the one call."""
        if not isinstance(data, dict) or "tool" not in data:
            return data
        if "calls" in data:
            raise ValueError("an answer has `tool` or `calls`, not both")
        rest = {name: value for name, value in data.items() if name not in {"tool", "arguments"}}
        if data["tool"] in {NONE, None, ""}:
            return rest
        return rest | {"calls": ({"tool": data["tool"], "arguments": data.get("arguments") or {}},)}


def read_answers(files: Iterable[Path]) -> dict[str, Answer]:
    """The answers of these files by the keys of their requests; the last of several to one request holds.

    Raises:
        ValueError: a line is not an answer; the message says which.
    """
    found: dict[str, Answer] = {}
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip() or line.startswith("```"):
                continue
            try:
                answer = Answer.model_validate(json.loads(line))
            except (ValidationError, json.JSONDecodeError) as error:
                raise ValueError(f"{file}, line {number}: {error}") from error
            found[answer.id] = answer
    return found
