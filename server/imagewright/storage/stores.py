"""All that is kept, for one process: jobs, pictures and files, built by one function."""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from imagewright.errors import StorageError
from imagewright.storage.base import ForgottenJobError, LostLeaseError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from typing import Unpack

    from imagewright.settings.folders import Folders
    from imagewright.storage.base import BlobStore, CallChanges, JobStore
    from imagewright.storage.library_new import Library
    from imagewright.storage.records import CostBasis, JobState, NewJob
    from imagewright.storage.sqlite.database import Database
    from imagewright.storage.states import CallState

    Write = Callable[[], Awaitable[None]]

log = logging.getLogger(__name__)


class DeferredJobs:
    """A `JobStore` that keeps what it could not write, and writes it later: a full disk must not lose a paid picture.

    `advance` is for steps before money is spent: what cannot be written down is not begun. `note` and `finish` are for
    what happens after. What waits to be written is written before the job's next step, or by `catch_up`.

    Args:
        store: where jobs are kept.
    """

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._waiting: dict[str, deque[Write]] = {}
        self._flushing = anyio.Lock()
        self.worker_id, self.lease = store.worker_id, store.lease
        # the rest of the contract needs no queue
        self.open, self.repeated = store.open, store.repeated
        self.claim, self.known_handles = store.claim, store.known_handles
        self.renew, self.reclaim, self.reclaim_one = store.renew, store.reclaim, store.reclaim_one
        self.request_cancel, self.mark_seen = store.request_cancel, store.mark_seen
        self.get, self.get_unscoped, self.newest = store.get, store.get_unscoped, store.newest
        self.spent, self.costs = store.spent, store.costs

    @property
    def unwritten(self) -> frozenset[str]:
        """Jobs that are further than the store says, because it could not be written. Their leases must be renewed."""
        return frozenset(self._waiting)

    async def advance(self, job_id: str, number: int, state: CallState, **changes: Unpack[CallChanges]) -> None:
        """See `JobStore.advance`."""
        await self._flush(job_id)
        await self._store.advance(job_id, number, state, **changes)

    async def note(self, job_id: str, number: int, state: CallState, **changes: Unpack[CallChanges]) -> None:
        """As `advance`, after money was spent: what cannot be written now is written later, also after a cancel.

        Raises:
            LostLeaseError: another worker has the job now.
        """
        await self._now_or_later(job_id, lambda: self._store.advance(job_id, number, state, **changes))

    async def finish(
        self,
        job_id: str,
        state: JobState,
        *,
        cost_usd: float | None,
        cost_basis: CostBasis,
        notes: Sequence[str],
        error: Mapping[str, Any] | None = None,
    ) -> None:
        """Settle a job, now or later: its pictures are safe by then. One that was taken over is left alone."""
        values: dict[str, Any] = {"cost_usd": cost_usd, "cost_basis": cost_basis, "notes": tuple(notes), "error": error}
        try:
            await self._now_or_later(job_id, lambda: self._store.finish(job_id, state, **values))
        except LostLeaseError:
            log.warning("job %s was settled by another process", job_id)

    async def replan(self, job: NewJob) -> None:
        """See `JobStore.replan`."""
        await self._flush(job.id)
        if job.id in self._waiting:
            raise StorageError("the journal cannot be written")
        await self._store.replan(job)

    async def check_lease(self, job_id: str) -> None:
        """See `JobStore.check_lease`; where it cannot be looked up, the job goes on."""
        try:
            await self._store.check_lease(job_id)
        except StorageError as error:
            log.warning("job %s goes on, although its lease cannot be looked up: %s", job_id, error)

    async def release(self) -> None:
        """See `JobStore.release`."""
        await self.catch_up()
        await self._store.release()

    async def catch_up(self) -> None:
        """Write what could not be written when it happened, as far as that is possible now."""
        for job_id in list(self._waiting):
            try:
                await self._flush(job_id)
            except LostLeaseError:
                log.warning("job %s is another process's now", job_id)

    async def _now_or_later(self, job_id: str, write: Write) -> None:
        with anyio.CancelScope(shield=True):
            await self._flush(job_id)
            if (waiting := self._waiting.get(job_id)) is not None:
                waiting.append(write)
            elif not await self._written(job_id, write):
                self._waiting.setdefault(job_id, deque()).append(write)

    async def _flush(self, job_id: str) -> None:
        """Write what waits of a job, in its order, until it is written or cannot be.

        Raises:
            LostLeaseError: another worker has the job now.
        """
        if job_id not in self._waiting:
            return
        with anyio.CancelScope(shield=True):  # what was written must not stay in the queue
            async with self._flushing:
                waiting = self._waiting.get(job_id, deque())
                try:
                    while waiting and await self._written(job_id, waiting[0]):
                        waiting.popleft()
                except BaseException:
                    waiting.clear()
                    raise
                finally:
                    if not waiting:
                        self._waiting.pop(job_id, None)

    async def _written(self, job_id: str, write: Write) -> bool:
        """Whether it was written, or nobody can use it any more."""
        try:
            await write()
        except ForgottenJobError as error:
            log.error("%s Its pictures are kept all the same.", error)  # noqa: TRY400 - known, and told in full
        except StorageError as error:
            log.error("job %s goes on, although its journal cannot be written: %s", job_id, error)  # noqa: TRY400 - as above
            return False
        return True


@dataclass(frozen=True, slots=True)
class Stores:
    """All that is kept, as one process uses it. Made by `open_stores`."""

    jobs: DeferredJobs
    library: Library
    """Finished pictures: their files and what is known of them."""
    blobs: BlobStore
    """Files of running jobs, and those of the library."""
    database: Database
    """The file of jobs and index; its methods block."""

    async def trouble(self) -> str:
        """What is wrong with the database, for people; empty where nothing is. Changes nothing."""
        return await anyio.to_thread.run_sync(self.database.trouble)

    async def close(self) -> None:
        """Let go of the database. It opens again at the next use."""
        await anyio.to_thread.run_sync(self.database.close)


def open_stores(
    folders: Folders,
    *,
    lease: float,
    worker_id: str = "",
    patience: float = 5.0,
    clock: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
) -> Stores:
    """The stores in these folders: SQLite and plain files. Nothing is made on disk before the first use.

    Args:
        folders: where database and pictures are, and what may be read and written.
        lease: seconds after which a job of a silent process may be reclaimed by another.
        worker_id: the name of this process; empty for a new one.
        patience: seconds to wait for another process that is writing.
        clock: seconds since 1970.
        monotonic: seconds that do not pass while the machine sleeps, from any start.
    """
    from imagewright.storage.blobs import LocalBlobs  # noqa: PLC0415 - not on the start-up path
    from imagewright.storage.library_new import Library  # noqa: PLC0415 - as above
    from imagewright.storage.paths.roots import AllowedRoots  # noqa: PLC0415 - as above
    from imagewright.storage.sqlite.database import Database  # noqa: PLC0415 - SQLite is not on the start-up path
    from imagewright.storage.sqlite.jobs import SqliteJobStore  # noqa: PLC0415 - as above
    from imagewright.storage.sqlite.pictures import SqlitePictureIndex  # noqa: PLC0415 - as above
    from imagewright.storage.sqlite.writer import Writer  # noqa: PLC0415 - as above

    roots = AllowedRoots(folders.roots)
    database = Database(folders.database, pictures=folders.pictures, patience=patience)
    writer = Writer(database)
    blobs = LocalBlobs(folders.database.parent, folders.pictures, roots, clock=clock)
    name = worker_id or f"{os.getpid()}-{secrets.token_hex(4)}"
    jobs = SqliteJobStore(database, writer, worker_id=name, lease=lease, clock=clock, monotonic=monotonic)
    library = Library(SqlitePictureIndex(database, writer), blobs, roots)
    return Stores(DeferredJobs(jobs), library, blobs, database)
