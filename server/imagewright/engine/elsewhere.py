"""Jobs as journal and library know them: finished ones, and those another process works on."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from imagewright.catalog.row import OperationName
from imagewright.engine.brief import Brief
from imagewright.engine.desk import read_error
from imagewright.engine.job import SHARE_MADE, Job, JobStatus
from imagewright.errors import StorageError
from imagewright.storage.journal_rows import NO_SENSE, UnreadableJobError
from imagewright.storage.states import CallState

if TYPE_CHECKING:
    from imagewright.engine.desk import Desk
    from imagewright.storage.journal_entry import JobEntry

log = logging.getLogger(__name__)

LOOK_EVERY = 0.5
"""Seconds between two looks at a job that another process works on."""


async def read_back(entry: JobEntry, desk: Desk) -> Job:
    """The job of that entry, as nobody's: whoever wants to work on it says so.

    Raises:
        UnreadableJobError: what stands in the entry makes no sense.
        StorageError: the library cannot be read.
    """
    try:
        return await _read_back(entry, desk)
    except NO_SENSE as error:
        raise UnreadableJobError(entry.id, error) from error


def brief_of(entry: JobEntry) -> Brief:
    """The caller's wish, as it was written down.

    Raises:
        UnreadableJobError: what stands in the entry makes no sense.
    """
    try:
        return Brief.from_data(entry.plan["brief"])
    except NO_SENSE as error:
        raise UnreadableJobError(entry.id, error) from error


async def _read_back(entry: JobEntry, desk: Desk) -> Job:
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
    await _update(job, entry, desk)
    if job.done:
        job.finished = job.started + took
    return job


async def follow_elsewhere(job: Job, desk: Desk) -> None:
    """Keep a job up to date that another process works on, until it has ended or is ours."""
    logged = ""
    while not job.done and not job.mine:
        await anyio.sleep(LOOK_EVERY)
        try:
            entry = await desk.ledger.get(job.id)
            if entry is not None:
                await _update(job, entry, desk)
                continue
        except Exception as error:  # noqa: BLE001 - a row that makes no sense costs only its own job
            if str(error) != logged:
                logged = str(error)
                log.warning("job %s cannot be looked up: %s", job.id, error)
            continue
        if not job.mine:
            job.error = StorageError(f"The journal knows no {job.id} any more: it was replaced by a new one.")
            job.finish(JobStatus.FAILED)


async def _update(job: Job, entry: JobEntry, desk: Desk) -> None:
    pictures = await anyio.to_thread.run_sync(desk.library.of_job, entry.id)
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
        job.troubles.clear()
        job.tell(share=made * SHARE_MADE, stage="at work in another process")
