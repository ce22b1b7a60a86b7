"""The journal as the engine uses it: off the event loop, under this process's name, with leases kept alive."""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.to_thread

from imagewright.errors import StorageError
from imagewright.storage.journal import ForgottenJobError, Journal, LostLeaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from imagewright.storage.database import Database
    from imagewright.storage.journal import Cap, Opened, Renewed, Spent
    from imagewright.storage.journal_entry import JobEntry, JobState
    from imagewright.storage.record import CostBasis
    from imagewright.storage.states import CallState

T = TypeVar("T")

log = logging.getLogger(__name__)

RENEWALS_PER_LEASE = 3
"""A lease is renewed this often before it would run out, so that one slow moment loses nothing."""
GRACE = 0.5
"""Share of a lease for which it must be seen run out before its job is adopted: after a laptop's sleep all leases have
run out at once, and the processes that woke up renew theirs within one third."""


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
        self._unwritten: dict[str, deque[Callable[[], None]]] = {}
        self._expired: dict[tuple[str, float], float] = {}
        self._watched: dict[tuple[str, float], float] = {}

    @property
    def behind(self) -> frozenset[str]:
        """Jobs that are further than the journal says, because it could not be written."""
        return frozenset(self._unwritten)

    async def open(self, entry: JobEntry, caps: Sequence[Cap]) -> Opened:
        """See `Journal.open_job`."""
        return await self._write(
            partial(self.journal.open_job, entry, lease_until=self._until(), caps=caps, now=time.time())
        )

    async def repeated(self, fingerprint: str, key: str) -> Opened | None:
        """See `Journal.repeated`."""
        return await anyio.to_thread.run_sync(self.journal.repeated, fingerprint, key, time.time())

    async def step(self, job_id: str, number: int, state: CallState, **changes: Any) -> None:
        """Take a call to its next state before anything is sent: what cannot be written down is not begun.

        Raises:
            StorageError: it could not be written.
            LostLeaseError: another process has the job now.
        """
        await self._write(partial(self.journal.move, job_id, number, state, owner=self.owner, **changes))

    async def note(self, job_id: str, number: int, state: CallState, **changes: Any) -> None:
        """Take a call to its next state after money was spent: a disk that is full must not lose the picture.

        What cannot be written now is written with the job's next step, or by `catch_up`.

        Raises:
            LostLeaseError: another process has the job now.
        """
        await self._write_after_all(
            job_id, partial(self.journal.move, job_id, number, state, owner=self.owner, **changes)
        )

    async def claim(self, job_id: str, number: int, handle: Mapping[str, str]) -> bool:
        """See `Journal.claim`."""
        return await self._write(partial(self.journal.claim, job_id, number, handle, owner=self.owner))

    async def tickets(self, provider: str, since: float) -> list[Mapping[str, str]]:
        """See `Journal.tickets`."""
        return await anyio.to_thread.run_sync(self.journal.tickets, provider, since)

    async def replan(self, entry: JobEntry) -> None:
        """Put a job's calls to another provider in the place of those that were refused.

        Raises:
            StorageError: it could not be written.
            LostLeaseError: another process has the job now.
        """
        await self.catch_up()
        if entry.id in self._unwritten:
            raise StorageError("the journal cannot be written")
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
        """Settle a job; where the journal cannot be written, later. The pictures are safe by then."""
        settle = partial(
            self.journal.finish,
            job_id,
            state,
            owner=self.owner,
            now=time.time(),
            cost_usd=cost[0],
            cost_basis=cost[1],
            notes=tuple(notes),
            error=error,
        )
        try:
            await self._write_after_all(job_id, settle)
        except LostLeaseError:
            log.warning("job %s was settled by another process", job_id)

    async def catch_up(self) -> None:
        """Write what could not be written when it happened, as far as that is possible now."""
        for job_id in list(self._unwritten):
            try:
                await self._flush(job_id)
            except LostLeaseError:
                log.warning("job %s is another process's now", job_id)

    async def renew(self, job_ids: Collection[str]) -> Renewed:
        """Keep the leases of the jobs this process is working on."""
        return await self._write(partial(self.journal.renew, self.owner, tuple(job_ids), self._until()))

    async def adopt(self, providers: Sequence[str], *, but: Collection[str]) -> list[JobEntry]:
        """Take over jobs of these providers that nobody works on any more.

        Args:
            providers: those in use.
            but: jobs this process is working on: their leases run out as well while a laptop sleeps.
        """
        look = partial(self.journal.expired, now=time.time(), providers=tuple(providers))
        found = {pair for pair in (await anyio.to_thread.run_sync(look)).items() if pair[0] not in but}
        now = anyio.current_time()
        self._expired = {pair: self._expired.get(pair, now) for pair in found}
        grace = self.lease * GRACE
        free = [pair[0] for pair, since in self._expired.items() if not pair[1] or now - since >= grace]
        if not free:
            return []
        take = partial(self.journal.adopt, self.owner, free, now=time.time(), lease_until=self._until())
        return await self._write(take)

    async def take(self, job_id: str) -> list[JobEntry]:
        """Take over one job, of any provider, if nobody works on it; empty when somebody does, or may.

        As with `adopt`, a lease must be seen run out for a while: ask again until it is taken or has ended.
        """
        found = await anyio.to_thread.run_sync(self.journal.lease, job_id)
        if found is None or not found[0] or found[1] >= time.time():
            return []
        now = anyio.current_time()
        since = self._watched.setdefault((job_id, found[1]), now)
        if found[1] and now - since < self.lease * GRACE:
            return []
        take = partial(self.journal.adopt, self.owner, [job_id], now=time.time(), lease_until=self._until())
        return await self._write(take)

    async def check(self, job_id: str) -> None:
        """See that the job is still this process's: for what two processes must not both do.

        Raises:
            LostLeaseError: another process has it now.
        """
        try:
            found = await anyio.to_thread.run_sync(self.journal.lease, job_id)
        except StorageError as error:
            log.warning("job %s goes on, although its lease cannot be looked up: %s", job_id, error)
            return
        if found is not None and found[0] != self.owner:
            raise LostLeaseError(job_id)

    async def release(self) -> None:
        """Give up all leases at once: the next process need not wait."""
        await self.catch_up()
        await self._write(partial(self.journal.release, self.owner))

    async def ask_cancel(self, job_id: str) -> None:
        """Leave word for whoever works on the job."""
        await self._write(partial(self.journal.ask_cancel, job_id))

    async def mark_seen(self, job_id: str, doubt: float) -> None:
        """Note that a caller was given the end of the job, see `Journal.mark_seen`."""
        try:
            await self._write(partial(self.journal.mark_seen, job_id, time.time(), doubt))
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

    async def costs(self, since: float) -> list[tuple[float, str, str, float, str]]:
        """See `Journal.costs`."""
        return await anyio.to_thread.run_sync(self.journal.costs, since)

    def _until(self) -> float:
        return time.time() + self.lease

    async def _write(self, action: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(action, limiter=self._writer)

    async def _write_after_all(self, job_id: str, action: Callable[[], None]) -> None:
        """Write it after what is still to be written of the job, now or later."""
        self._unwritten.setdefault(job_id, deque()).append(action)
        await self._flush(job_id)

    async def _flush(self, job_id: str) -> None:
        """Write what is to be written of a job, in its order.

        Raises:
            LostLeaseError: another process has the job now.
        """
        waiting = self._unwritten.get(job_id)
        if waiting is None:
            return
        try:
            await self._write(partial(_in_order, waiting))
        except ForgottenJobError as error:
            log.error("%s Its pictures are kept all the same.", error)  # noqa: TRY400 - known, and told in full
            waiting.clear()
        except StorageError as error:
            log.error("job %s goes on, although its journal cannot be written: %s", job_id, error)  # noqa: TRY400 - as above
        except Exception:
            waiting.clear()
            raise
        finally:
            if not waiting and self._unwritten.get(job_id) is waiting:
                del self._unwritten[job_id]


def _in_order(waiting: deque[Callable[[], None]]) -> None:
    while waiting:
        waiting[0]()
        waiting.popleft()
