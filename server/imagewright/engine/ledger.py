"""The journal as the engine uses it: off the event loop, under this process's name, with leases kept alive."""

from __future__ import annotations

import logging
import os
import secrets
import time
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.to_thread

from imagewright.errors import StorageError
from imagewright.storage.journal import Journal, LostLeaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from imagewright.storage.database import Database
    from imagewright.storage.journal import Cap, Opened, Spent
    from imagewright.storage.journal_entry import CostBasis, JobEntry, JobState
    from imagewright.storage.states import CallState

T = TypeVar("T")

log = logging.getLogger(__name__)

RENEWALS_PER_LEASE = 3
"""A lease is renewed this often before it would run out, so that one slow moment loses nothing."""


class Ledger:
    """One process's hand in the journal.

    Args:
        database: shared with the library.
        lease: seconds after which a job of a silent process may be adopted by another.

    Attributes:
        owner: the name of this process in the journal.
        lease: as given.
    """

    def __init__(self, database: Database, lease: float) -> None:
        self.journal = Journal(database)
        self.lease = lease
        self.owner = f"{os.getpid()}-{secrets.token_hex(4)}"
        # one writer at a time: SQLite allows no more, and threads that wait for it would starve the others' work
        self._writer = anyio.CapacityLimiter(1)

    async def open(self, entry: JobEntry, caps: Sequence[Cap], repeat_since: float) -> Opened:
        """See `Journal.open_job`."""
        return await self._write(
            partial(self.journal.open_job, entry, lease_until=self._until(), caps=caps, repeat_since=repeat_since)
        )

    async def step(self, job_id: str, number: int, state: CallState, **changes: Any) -> None:
        """Take a call to its next state before anything is sent: what cannot be written down is not begun.

        Raises:
            StorageError: it could not be written.
            LostLeaseError: another process has the job now.
        """
        await self._write(partial(self.journal.move, job_id, number, state, owner=self.owner, **changes))

    async def note(self, job_id: str, number: int, state: CallState, **changes: Any) -> None:
        """Take a call to its next state after money was spent: a disk that is full must not lose the picture.

        Raises:
            LostLeaseError: another process has the job now.
        """
        try:
            await self.step(job_id, number, state, **changes)
        except StorageError:
            log.exception("job %s goes on, although its journal cannot be written", job_id)

    async def replan(self, entry: JobEntry) -> None:
        """Put a job's calls to another provider in the place of those that were refused."""
        await self._write(partial(self.journal.replan, entry))

    async def finish(
        self,
        job_id: str,
        state: JobState,
        *,
        cost: tuple[float | None, CostBasis],
        notes: Sequence[str],
        error: Mapping[str, Any] | None,
    ) -> None:
        """Settle a job; a journal that cannot be written is logged, as the pictures are safe by then."""
        settle = partial(
            self.journal.finish,
            job_id,
            state,
            owner=self.owner,
            now=time.time(),
            cost_usd=cost[0],
            cost_basis=cost[1],
            notes=notes,
            error=error,
        )
        try:
            await self._write(settle)
        except (StorageError, LostLeaseError):
            log.exception("the end of job %s could not be written down", job_id)

    async def renew(self) -> dict[str, bool]:
        """Keep this process's leases; its running jobs, each with whether someone asked to cancel it."""
        return await self._write(partial(self.journal.renew, self.owner, self._until()))

    async def adopt(self, providers: Sequence[str]) -> list[JobEntry]:
        """Take over jobs of these providers that nobody works on any more."""
        return await self._write(
            partial(
                self.journal.adopt, self.owner, now=time.time(), lease_until=self._until(), providers=tuple(providers)
            )
        )

    async def release(self) -> None:
        """Give up all leases at once: the next process need not wait."""
        await self._write(partial(self.journal.release, self.owner))

    async def ask_cancel(self, job_id: str) -> None:
        """Leave word for whoever works on the job."""
        await self._write(partial(self.journal.ask_cancel, job_id))

    async def mark_seen(self, job_id: str) -> None:
        """Note that a caller was given the end of the job."""
        try:
            await self._write(partial(self.journal.mark_seen, job_id))
        except StorageError:
            log.warning("job %s could not be marked as seen", job_id)

    async def get(self, job_id: str) -> JobEntry | None:
        """The job of that id, of any process."""
        return await anyio.to_thread.run_sync(self.journal.get, job_id)

    async def newest(self, limit: int) -> list[JobEntry]:
        """The newest jobs of all processes."""
        return await anyio.to_thread.run_sync(self.journal.newest, limit)

    async def spent(self, since: float) -> Spent:
        """What was spent since a moment, over all processes."""
        return await anyio.to_thread.run_sync(self.journal.spent, since)

    def _until(self) -> float:
        return time.time() + self.lease

    async def _write(self, action: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(action, limiter=self._writer)
