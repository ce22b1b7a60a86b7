"""Jobs as journal and library know them: finished ones, and those another process works on."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from imagewright.catalog.row import OperationName
from imagewright.engine.job import SHARE_MADE, Job, JobStatus
from imagewright.engine.plan import JobSpec
from imagewright.engine.stores import read_error
from imagewright.errors import StorageError
from imagewright.storage.journal_rows import NO_SENSE, UnreadableJobError
from imagewright.storage.states import CallState

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagewright.engine.config import ProviderRegistry
    from imagewright.engine.stores import Stores
    from imagewright.storage.journal_entry import JobEntry
    from imagewright.storage.record import PictureRecord

log = logging.getLogger(__name__)

LOOK_EVERY = 0.5
"""Seconds between two looks at a job that another process works on."""
AT_WORK = "at work in another process"
LEFT = "left behind, to be carried on"
NOBODY = (
    "No process works on this job: {name} is not among the providers in use, it has no key or was switched off. Set it "
    "up again, `imagewright doctor` says how: then the job is carried on and the picture arrives by itself. Do not "
    "call again: it may be paid for already. It can also be cancelled."
)


async def job_from_record(entry: JobEntry, stores: Stores, registry: Callable[[], ProviderRegistry]) -> Job:
    """The job of that entry, as nobody's: whoever wants to work on it says so.

    Args:
        entry: as the journal has it.
        stores: where its pictures are.
        registry: gives the providers in use now: what is left behind of others waits for them.

    Raises:
        UnreadableJobError: what stands in the entry makes no sense.
        StorageError: the library cannot be read.
    """
    try:
        return await _job_from_record(entry, stores, registry)
    except NO_SENSE as error:
        raise UnreadableJobError(entry.id, error) from error


def spec_of(entry: JobEntry) -> JobSpec:
    """The caller's wish, as it was written down.

    Raises:
        UnreadableJobError: what stands in the entry makes no sense.
    """
    try:
        return JobSpec.from_data(entry.plan["spec"])
    except NO_SENSE as error:
        raise UnreadableJobError(entry.id, error) from error


async def _job_from_record(entry: JobEntry, stores: Stores, registry: Callable[[], ProviderRegistry]) -> Job:
    ended = time.time() if entry.finished is None else entry.finished
    took = max(0.0, ended - entry.created)
    job = Job(
        id=entry.id,
        tool=entry.tool,
        operation=OperationName(entry.operation),
        provider=entry.provider,
        model=entry.model,
        expected=entry.expected,
        choice=tuple(entry.plan["choice"]),
        mine=False,
        created=entry.created,
        started=time.monotonic() - took,
    )
    await _update(job, entry, stores, registry)
    if job.done:
        job.finished = job.started + took
    return job


async def observe(job: Job, stores: Stores, registry: Callable[[], ProviderRegistry]) -> None:
    """Keep a job up to date that another process works on, until it has ended or is ours."""
    logged = ""
    while not job.done and not job.mine:
        await anyio.sleep(LOOK_EVERY)
        try:
            entry = await stores.ledger.get(job.id)
            if entry is not None:
                await _update(job, entry, stores, registry)
                continue
        except Exception as error:  # noqa: BLE001 - a row that makes no sense costs only its own job
            if str(error) != logged:
                logged = str(error)
                log.warning("job %s cannot be looked up: %s", job.id, error)
            continue
        if not job.mine:
            job.error = StorageError(f"The journal knows no {job.id} any more: it was replaced by a new one.")
            job.finish(JobStatus.FAILED)


async def _update(job: Job, entry: JobEntry, stores: Stores, registry: Callable[[], ProviderRegistry]) -> None:
    def look() -> tuple[list[PictureRecord], tuple[str, float] | None]:
        return stores.library.of_job(entry.id), stores.ledger.journal.lease(entry.id)

    pictures, lease = await anyio.to_thread.run_sync(look)
    if job.mine:  # it became ours while we looked
        return
    job.pictures = pictures
    job.notes, job.error = list(entry.notes), read_error(entry.error)
    job.cost_usd, job.cost_basis = entry.cost_usd, entry.cost_basis
    job.cancel_asked = entry.cancel_asked
    if entry.done:
        job.finish(JobStatus(entry.state))
    else:
        made = sum(call.state in (CallState.MADE, CallState.KEPT) for call in entry.calls) / len(entry.calls)
        at_work = lease is not None and lease[1] >= time.time()
        nobody = not at_work and entry.provider not in registry().names
        job.troubles.clear()
        job.held_up("provider", NOBODY.format(name=entry.provider) if nobody else "")
        job.tell(share=made * SHARE_MADE, stage=AT_WORK if at_work else LEFT)
