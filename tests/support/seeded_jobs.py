"""Jobs written straight into a journal, as if they had been made and paid for."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

from imagewright.catalog.load import catalog
from imagewright.storage.database import Database
from imagewright.storage.journal import Journal
from imagewright.storage.journal_entry import CallEntry, JobEntry

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.storage.record import CostBasis

OWNER = "a-process-of-the-test"


def job_entry(job_id: str, *, provider: str = "offline", tool: str = "", created: float | None = None) -> JobEntry:
    """A job as it stands before anything is sent: one picture of the first tool."""
    row = catalog()[tool] if tool else next(iter(catalog().values()))
    return JobEntry(
        id=job_id,
        tool=row.tool,
        operation=next(iter(row.operations)).value,
        provider=provider,
        model="some-model",
        fingerprint=job_id,
        plan={"spec": {}, "inputs": {}, "route": "some-model", "choice": []},
        expected=1,
        calls=(CallEntry(number=0),),
        created=time.time() if created is None else created,
        owner=OWNER,
    )


def book(
    database: Path, entry: JobEntry, usd: float | None = None, basis: CostBasis = "actual", *, ended: bool = True
) -> None:
    """Write a job down, ended unless it is to look as if its process still ran."""
    with closing(Database(database)) as opened:
        journal = Journal(opened)
        journal.open_job(entry, lease_until=time.time() + 60, now=time.time())
        if ended:
            journal.finish(
                entry.id, "completed", owner=OWNER, now=entry.created + 1, cost_usd=usd, cost_basis=basis, notes=()
            )


def spend(database: Path, *sums: float) -> None:
    """Book a job for each sum, in USD, as told by the vendor."""
    for number, usd in enumerate(sums):
        # some clocks stand still between two
        book(database, job_entry(f"job_{number:016}", created=time.time() + number / 1000), usd)
