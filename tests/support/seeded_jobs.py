"""Jobs written straight into a journal, as if they had been made and paid for."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import anyio

from imagewright.catalog.load import catalog
from imagewright.settings.folders import find_folders
from imagewright.storage.accounts import LOCAL
from imagewright.storage.base import Step
from imagewright.storage.records import CallRecord, NewJob
from imagewright.storage.states import CallState
from imagewright.storage.stores import open_stores
from tests.support.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Unpack

    from imagewright.storage.base import CallChanges, JobEnd, JobStore
    from imagewright.storage.records import CostBasis
    from imagewright.storage.states import JobState
    from imagewright.storage.stores import DeferredJobs


def job_of(job_id: str, *, provider: str = "offline", tool: str = "") -> NewJob:
    """A job as it stands before anything is sent: one picture of the first tool."""
    row = catalog()[tool] if tool else next(iter(catalog().values()))
    return NewJob(
        id=job_id,
        tool=row.tool,
        operation=next(iter(row.operations)).value,
        provider=provider,
        model="some-model",
        fingerprint=job_id,
        plan={"spec": {}, "inputs": {}, "route": "some-model", "choice": []},
        expected=1,
        calls=(CallRecord(number=0),),
    )


async def note(store: JobStore | DeferredJobs, job_id: str, number: int, state: CallState, **changes: Any) -> None:
    """Take one step of a call that has happened already."""
    await store.conclude(job_id, [Step(number, state, cast("CallChanges", changes))])


async def finish(store: JobStore | DeferredJobs, job_id: str, state: JobState, **end: Unpack[JobEnd]) -> None:
    """End a job without a step of its calls."""
    await store.conclude(job_id, (), end=(state, end))


def book(
    database: Path,
    job: NewJob,
    usd: float | None = None,
    basis: CostBasis = "actual",
    *,
    created: float | None = None,
    ended: bool = True,
    handle: Mapping[str, str] | None = None,
) -> None:
    """Write a job down, ended unless it is to look as if its process still ran; with `handle`, its vendor has it."""
    clock = Clock(now=time.time() if created is None else created)
    folders = replace(find_folders({"IMAGEWRIGHT_HOME": str(database.parent)}, database.parent), database=database)

    async def write() -> None:
        stores = open_stores(folders, lease=60.0 + time.time() - clock.now, clock=clock)
        await stores.jobs.open(LOCAL, job)
        clock.wait(1.0)
        if handle is not None:
            await note(stores.jobs, job.id, 0, CallState.SUBMITTING)
            await note(stores.jobs, job.id, 0, CallState.SUBMITTED, handle=handle)
        if ended:
            await finish(stores.jobs, job.id, "completed", cost_usd=usd, cost_basis=basis, notes=())
        await stores.close()

    anyio.run(write)


def spend(database: Path, *sums: float) -> None:
    """Book a job for each sum, in USD, as the vendor charged it."""
    for number, usd in enumerate(sums):
        # some clocks stand still between two
        book(database, job_of(f"job_{number:016}"), usd, created=time.time() + number / 1000)
