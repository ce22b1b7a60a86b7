"""A job: one call to a tool, from its acceptance to its pictures."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from imagewright.catalog.row import OperationName
    from imagewright.errors import ImagewrightError
    from imagewright.imaging.preview import Preview
    from imagewright.storage.record import CostBasis, PictureRecord

SHARE_MADE = 0.9
"""How far a job is when all its pictures are made and only have to be fetched."""


class JobStatus(StrEnum):
    """Where a job stands."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})


def new_job_id() -> str:
    """`job_` and 16 characters nobody can guess."""
    return f"job_{secrets.token_hex(8)}"


@dataclass(slots=True)
class Job:
    """The state of one job; only the engine changes it, and `changed` is set and renewed each time.

    Attributes:
        tool: the model's tool.
        operation: what is being done.
        provider: who does it.
        model: the vendor's id of the model.
        expected: how many pictures were asked for.
        status: where it stands.
        share: 0 to 1, never going down.
        stage: a few words for people, such as "queued".
        troubles: by what is held up, a call or a picture: what is in the way and what to do about it, sentences for
            the caller. Nothing that passes by itself stands here, and the job goes on.
        pictures: what has arrived so far.
        previews: first previews of the pictures by id, made when they were looked at; dropped once a caller has them.
        cost_usd: what it cost or is estimated to; None when unknown.
        cost_basis: how sure that figure is.
        notes: what the caller should know, one sentence each.
        choice: why this provider was taken and the others were not, one sentence each.
        error: why it failed, if it did.
        id: unguessable.
        created: when it was begun, seconds since 1970, UTC.
        started: monotonic clock, seconds.
        finished: the same, None while running.
        mine: whether this process works on it.
        cancel_asked: whether someone wants it stopped, as against a process that merely ends.
    """

    tool: str
    operation: OperationName
    provider: str
    model: str
    expected: int
    status: JobStatus = JobStatus.RUNNING
    share: float = 0.0
    stage: str = "starting"
    troubles: dict[str, str] = field(default_factory=dict)
    pictures: list[PictureRecord] = field(default_factory=list)
    cost_usd: float | None = None
    cost_basis: CostBasis = "unknown"
    previews: dict[str, Preview] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    choice: tuple[str, ...] = ()
    error: ImagewrightError | None = None
    id: str = field(default_factory=new_job_id)
    created: float = field(default_factory=time.time)
    started: float = field(default_factory=time.monotonic)
    finished: float | None = None
    changed: anyio.Event = field(default_factory=anyio.Event)
    cancel_asked: bool = False
    mine: bool = True
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    @property
    def done(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in FINAL

    @property
    def elapsed(self) -> float:
        """Seconds since the start, up to the end."""
        return (self.finished if self.finished is not None else time.monotonic()) - self.started

    @property
    def trouble(self) -> str:
        """All its troubles, each once; empty where there is none."""
        return " ".join(dict.fromkeys(self.troubles.values()))

    def held_up(self, what: str, trouble: str) -> None:
        """Note what is in the way of a call or a picture; an empty text takes it back. Seen at the next `tell`."""
        if trouble:
            self.troubles[what] = trouble
        else:
            self.troubles.pop(what, None)

    def tell(self, *, share: float | None = None, stage: str | None = None) -> None:
        """Report progress to whoever waits; a share below the last one is ignored."""
        if share is not None:
            self.share = max(self.share, min(share, 1.0))
        if stage is not None:
            self.stage = stage
        self.changed.set()
        self.changed = anyio.Event()

    async def ended(self) -> None:
        """Return when nothing will change any more."""
        while not self.done:
            await self.changed.wait()

    def finish(self, status: JobStatus) -> None:
        """Enter a final state."""
        self.status = status
        self.finished = time.monotonic()
        self.troubles.clear()
        self.tell(share=1.0 if status is JobStatus.COMPLETED else None, stage=status.value)
