"""The calls of a batch: what was asked for, and how the call for each picture stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from imagewright.cli.options import as_typed, option_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from imagewright.catalog.row import Row
    from imagewright.cli.inputs import Input
    from imagewright.engine.budget import Estimate
    from imagewright.engine.job import Job
    from imagewright.errors import Refusal

AT_ONCE = 8
"""Calls that run at the same time; a vendor's rate is kept besides, whatever is asked for."""
SAVE_AS = "save_as"
"""The argument that names a result."""
TO_MAKE, BEGUN, MADE_BEFORE = "to make", "begun before", "made before"
PAID_BEFORE = "not made again"
"""It was charged, or may have been, and its pictures are not there."""
SAME = "same as another"
"""Its content is that of another picture of the batch, which is made once."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for on the command line."""

    row: Row
    given: Mapping[str, Any]
    """The arguments of every call, without its picture and the name to save as."""
    argument: str
    """The argument that takes the picture."""
    several: bool
    """Whether that is a list."""
    into: Path
    """The folder for the results, absolute."""
    at_once: int = AT_ONCE
    again: bool = False
    """Whether what was paid for and is not there any more is made anew."""
    skip: bool = False
    """Whether pictures that cannot be used are left out."""

    def arguments(self, item: Item) -> dict[str, Any]:
        """The arguments of the call for one picture."""
        picture = [item.source.given] if self.several else item.source.given
        return {**self.given, self.argument: picture, SAVE_AS: str(self.into / item.name)}

    def sentences(self, refusal: Refusal, item: Item) -> list[str]:
        """What is wrong with the call for one picture, without the names of the arguments that it was given here."""
        typed, own = as_typed(refusal, click.get_current_context()), (option_name(self.argument), option_name(SAVE_AS))
        texts = [one.message if one.argument.startswith(own) else str(one) for one in typed.problems]
        # the same for all, where it is about the folder
        texts = [text.replace(str(self.into / item.name), str(self.into)) for text in texts]
        return [*texts, *([f"can do it instead: {', '.join(typed.instead)}"] if typed.instead else [])]


@dataclass(slots=True)
class Item:
    """One picture and the call that is made for it."""

    source: Input
    name: str
    """The name of the result, without an extension."""
    key: str = ""
    """The idempotency key of its call."""
    standing: str = TO_MAKE
    """How it stood before anything was begun: one of the constants above."""
    job: Job | None = None
    """The job that serves it, once there is one."""
    estimate: Estimate | None = None
    """Of one that is to make."""
    problems: list[str] = field(default_factory=list)
    """Why there is no call, or no further one."""

    @property
    def is_made(self) -> bool:
        """Whether all its pictures are there."""
        return self.job is not None and is_there(self.job)

    @property
    def paid(self) -> float | None:
        """What its job cost in USD, once that has ended; None where it is not known."""
        return None if self.job is None or not self.job.done else self.job.record.cost_usd

    @property
    def state(self) -> str:
        """How it stands at the end, in a few words."""
        if self.standing not in {TO_MAKE, BEGUN}:
            return self.standing
        if self.job is None:
            return "refused" if self.problems else TO_MAKE
        return "made" if self.is_made else self.job.record.state

    @property
    def paths(self) -> list[Path]:
        """The files that were made."""
        return [one.path for one in self.job.pictures if one.path is not None] if self.job else []


def is_there(job: Job) -> bool:
    """Whether the job has ended with all its pictures, and their files are still there."""
    whole = job.record.state == "completed" and len(job.pictures) >= job.record.expected
    return whole and all(one.path is None or one.path.is_file() for one in job.pictures)
