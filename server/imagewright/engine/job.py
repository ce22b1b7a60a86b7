"""A job as one process sees it: its record, and what is known of it only here while it runs."""

from __future__ import annotations

import logging
import secrets
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import anyio

from imagewright.catalog.row import OperationName
from imagewright.engine.outcome import error_data, read_error
from imagewright.engine.plan import JobSpec
from imagewright.errors import StorageError
from imagewright.storage.base import NO_SENSE, UnreadableJobError
from imagewright.storage.records import CallRecord, NewJob
from imagewright.storage.states import CallState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from imagewright.engine.plan import Plan
    from imagewright.errors import ImagewrightError
    from imagewright.imaging.preview import Preview
    from imagewright.storage.principal import Principal
    from imagewright.storage.records import JobRecord, PictureRecord
    from imagewright.storage.stores import Stores

    ProvidersInUse = Callable[[], Collection[str]]
    """Gives the names of the providers in use now."""

log = logging.getLogger(__name__)

SHARE_MADE = 0.9
"""How far a job is when all its pictures are made and only have to be fetched."""
LOOK_EVERY = 0.5
"""Seconds between two looks at a job that another process works on."""
AT_WORK = "at work in another process"
LEFT = "left behind, to be carried on"
NOBODY = (
    "No process works on this job: {name} is not among the providers in use, it has no key or was switched off. Set it "
    "up again, `imagewright doctor` says how: then the job is carried on and the picture arrives by itself. Do not "
    "call again: it may be paid for already. It can also be cancelled."
)


def new_job(job_id: str, plan: Plan, inputs: Mapping[str, Any], *, fingerprint: str, key: str) -> NewJob:
    """A job as it is written down before anything is sent.

    Args:
        job_id: from `new_job_id`.
        plan: what to send.
        inputs: what `Spool.read_order` needs to read its input pictures again.
        fingerprint: the same for identical calls.
        key: the caller's idempotency key, or empty.
    """
    spec, route = plan.spec, plan.route
    return NewJob(
        id=job_id,
        tool=route.tool,
        operation=route.operation.value,
        provider=route.provider,
        model=plan.model,
        key=key,
        fingerprint=fingerprint,
        plan={"spec": spec.as_data(), "inputs": inputs, "route": route.model, "choice": list(plan.choice)},
        expected=spec.count,
        reserved_usd=spec.usd or 0.0,
        cost_usd=spec.usd,
        cost_basis="unknown" if spec.usd is None else "estimate",
        notes=plan.notes,
        calls=tuple(
            CallRecord(number=number, count=one.count, first_variant=one.first_variant, arguments=dict(one.arguments))
            for number, one in enumerate(plan.orders)
        ),
    )


def new_job_id() -> str:
    """`job_` and 16 characters nobody can guess."""
    return f"job_{secrets.token_hex(8)}"


@dataclass(slots=True)
class Job:
    """One job; only the engine changes it, and `changed` is set and renewed each time."""

    record: JobRecord
    """What is known of it. While this process works on it, what is added here is written down with its end, and where
    its calls stand is in the store and in the attempt alone."""
    who: Principal
    """Whose it is."""
    is_local: bool = True
    """Whether this process works on it."""
    share: float = 0.0
    """How far it is, 0 to 1, never going down."""
    stage: str = "starting"
    """A few words for people, such as "queued"."""
    troubles: dict[str, str] = field(default_factory=dict)
    """By what is held up, a call or a picture: what is in the way and what to do about it, in sentences for the caller.
    Nothing that passes by itself stands here, and the job goes on."""
    pictures: list[PictureRecord] = field(default_factory=list)
    """What has arrived so far, in the order of the variants."""
    previews: dict[str, Preview] = field(default_factory=dict)
    """First previews of the pictures by id, made when they were looked at; dropped once a caller has them."""
    began: float = field(default_factory=time.monotonic)
    """Monotonic clock, seconds."""
    ended_at: float | None = None
    """The same; None while it runs."""
    changed: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    """Cancelled to stop the work in this process."""

    @property
    def id(self) -> str:
        """`job_...`, unguessable."""
        return self.record.id

    @property
    def done(self) -> bool:
        """Whether nothing will change any more."""
        return self.record.done

    @property
    def operation(self) -> OperationName:
        """What is being done."""
        return OperationName(self.record.operation)

    @property
    def choice(self) -> tuple[str, ...]:
        """Why this provider was taken and the others were not, one sentence each."""
        return tuple(self.record.plan["choice"])

    @property
    def spec(self) -> JobSpec:
        """What the caller wants, as it was written down.

        Raises:
            UnreadableJobError: what stands there makes no sense.
        """
        try:
            return JobSpec.from_data(self.record.plan["spec"])
        except NO_SENSE as error:
            raise UnreadableJobError(self.id, error) from error

    @property
    def error(self) -> ImagewrightError | None:
        """Why it failed, if it did."""
        return read_error(self.record.error)

    @property
    def elapsed(self) -> float:
        """Seconds since the start, up to the end."""
        return (self.ended_at if self.ended_at is not None else time.monotonic()) - self.began

    @property
    def trouble(self) -> str:
        """All its troubles, each once; empty where there is none."""
        return " ".join(dict.fromkeys(self.troubles.values()))

    def note(self, *notes: str) -> None:
        """Add what the caller should know, unless it is there already."""
        new = tuple(note for note in dict.fromkeys(notes) if note not in self.record.notes)
        if new:
            self.record = replace(self.record, notes=(*self.record.notes, *new))

    def request_cancel(self) -> None:
        """Note that someone wants it stopped; a process that merely ends leaves the job to the next."""
        self.record = replace(self.record, cancel_requested=True)

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

    def finish(self, record: JobRecord) -> None:
        """Enter the final state that the record has."""
        if self.ended_at is None:
            self.ended_at = time.monotonic()
        self.record = record
        self.troubles.clear()
        self.tell(share=1.0 if record.state == "completed" else None, stage=record.state)


async def job_from_record(record: JobRecord, who: Principal, stores: Stores, in_use: ProvidersInUse) -> Job:
    """The job of a record; no process is named as the one that works on it: whoever does says so.

    Args:
        record: as the store has it.
        who: whose it is.
        stores: where its pictures are.
        in_use: what is left behind of other providers waits for them.

    Raises:
        UnreadableJobError: what stands in the record makes no sense.
        StorageError: the library cannot be read.
    """
    try:
        took = max(0.0, (time.time() if record.finished is None else record.finished) - record.created)
        began = time.monotonic() - took
        job = Job(record, who, is_local=False, began=began, ended_at=began + took if record.done else None)
        await _take_in(job, record, stores, in_use)
    except NO_SENSE as error:
        raise UnreadableJobError(record.id, error) from error
    return job


async def observe(job: Job, stores: Stores, in_use: ProvidersInUse) -> None:
    """Keep a job up to date that another process works on, until it has ended or is ours."""
    logged = ""
    while not job.done and not job.is_local:
        await anyio.sleep(LOOK_EVERY)
        try:
            record = await stores.jobs.get(job.who, job.id)
            if record is not None:
                await _take_in(job, record, stores, in_use)
                continue
        except Exception as error:  # noqa: BLE001 - a row that makes no sense costs only its own job
            if str(error) != logged:
                logged = str(error)
                log.warning("job %s cannot be looked up: %s", job.id, error)
            continue
        if not job.is_local:
            gone = StorageError(f"The journal knows no {job.id} any more: it was replaced by a new one.")
            job.finish(replace(job.record, state="failed", error=error_data(gone)))


async def _take_in(job: Job, record: JobRecord, stores: Stores, in_use: ProvidersInUse) -> None:
    """Take over what the store knows of a job that another process works on."""
    # whoever shows the job reads these
    _ = OperationName(record.operation), tuple(record.plan["choice"]), read_error(record.error)
    pictures = await stores.library.of_job(job.who, record.id)
    if job.is_local:  # it became ours while we looked
        return
    job.pictures = pictures
    if record.done:
        job.finish(record)
        return
    job.record = record
    made = sum(call.state in (CallState.MADE, CallState.KEPT) for call in record.calls) / len(record.calls)
    nobody = not record.is_held and record.provider not in in_use()
    job.troubles.clear()
    job.held_up("provider", NOBODY.format(name=record.provider) if nobody else "")
    job.tell(share=made * SHARE_MADE, stage=AT_WORK if record.is_held else LEFT)
