"""Jobs, pictures and files as one process uses them, and the function that opens them all."""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from imagewright.errors import StorageError
from imagewright.storage.base import ForgottenJobError, LostLeaseError, Started
from imagewright.storage.blobs import LocalBlobs
from imagewright.storage.library import Library
from imagewright.storage.paths.roots import AllowedRoots
from imagewright.storage.records import ID_PREFIX, INCOMING, Trouble
from imagewright.storage.states import cost_in_words

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence
    from typing import Unpack

    from imagewright.settings.folders import Folders
    from imagewright.storage.accounts import Principal
    from imagewright.storage.base import CallChanges, JobEnd, JobStore, Opened, Renewed, Step
    from imagewright.storage.blob_store import BlobStore
    from imagewright.storage.records import Cap, NewJob, PictureRecord
    from imagewright.storage.sqlite import Database, Writer
    from imagewright.storage.states import CallState, JobState

    Write = Callable[[], Awaitable[None]]

log = logging.getLogger(__name__)

LATELY = 30 * 86_400.0
"""Seconds for which a damaged entry that was set aside is named."""
MOST_NAMED = 20
"""How many of them are named."""
_MOVE_ASIDE = "Move the file aside; the pictures themselves are safe, and a new database starts empty."


class DeferredJobs:
    """A `JobStore` that can write steps later, so that a full disk does not lose a paid picture.

    `advance` is for steps before money is spent: it raises if it cannot write, and then the step must not be taken.
    `conclude` and `stall` are for what has happened already: if they cannot write, it waits in memory, and is written
    before the next step of the same job, or by `catch_up`. A cancelled caller waits for them too.

    Args:
        store: where jobs are kept.
        library: what remembers the pictures that `conclude` adds to the index; None if no picture is concluded.
        clock: seconds since 1970.
        monotonic: a clock in seconds that is never set.
    """

    def __init__(
        self,
        store: JobStore,
        library: Library | None = None,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._library = library
        self._clocks = clock, monotonic
        self._leased: dict[str, tuple[float, float]] = {}  # when leases were last taken or renewed, by both clocks
        self._waiting: dict[str, deque[Write]] = {}
        self._flushing = anyio.Lock()
        self.worker_id, self.lease = store.worker_id, store.lease
        # the rest of the contract needs no queue
        self.repeated = store.repeated
        self.claim, self.known_handles = store.claim, store.known_handles
        self.reclaim, self.reclaim_one = store.reclaim, store.reclaim_one
        self.request_cancel, self.mark_seen = store.request_cancel, store.mark_seen
        self.get, self.get_unscoped, self.newest = store.get, store.get_unscoped, store.newest
        self.spent, self.costs, self.durations = store.spent, store.costs, store.durations
        self.take_slot, self.slot_used = store.take_slot, store.slot_used
        self.slot_refused, self.learn_pace = store.slot_refused, store.learn_pace
        self.reopen = store.reopen

    @property
    def unwritten(self) -> frozenset[str]:
        """Ids of jobs with steps that are not written yet. Their leases must be renewed until they are."""
        return frozenset(self._waiting)

    async def open(self, who: Principal, job: NewJob, caps: Sequence[Cap] = ()) -> Opened:
        """See `JobStore.open`."""
        asked = self._now()
        opened = await self._store.open(who, job, caps)
        if isinstance(opened, Started):
            self._leased[opened.job.id] = asked
        return opened

    async def renew(self, job_ids: Collection[str]) -> Renewed:
        """See `JobStore.renew`."""
        asked = self._now()
        renewed = await self._store.renew(job_ids)
        later = {job_id: since for job_id, since in self._leased.items() if since[1] > asked[1]}
        self._leased = dict.fromkeys(frozenset(job_ids) - renewed.lost, asked) | later
        return renewed

    async def advance(self, job_id: str, number: int, state: CallState, **changes: Unpack[CallChanges]) -> None:
        """See `JobStore.advance`."""
        await self._flush(job_id)
        await self._store.advance(job_id, number, state, **changes)

    async def conclude(
        self,
        job_id: str,
        steps: Sequence[Step],
        pictures: Sequence[PictureRecord] = (),
        end: tuple[JobState, JobEnd] | None = None,
    ) -> None:
        """See `JobStore.conclude`. If it cannot be written now, all of it is written later.

        The pictures are in the index even if the store has forgotten the job, or another worker has it: `Library.place`
        remembers them until they are.

        Raises:
            LostLeaseError: another worker has the job now.
        """
        # the caller's lists may grow before it is written
        steps, pictures = tuple(steps), tuple(pictures)
        if end is not None:
            self._leased.pop(job_id, None)
            end = end[0], {**end[1], "notes": tuple(end[1]["notes"])}

        async def write() -> None:
            try:
                await self._store.conclude(job_id, steps, pictures, end)
            except (ForgottenJobError, LostLeaseError):
                if self._library is not None:
                    await self._library.catch_up()
                raise
            if self._library is not None:
                self._library.listed([one.id for one in pictures])

        await self._now_or_later(job_id, write)
        if end is not None and log.isEnabledFor(logging.INFO):
            reason = f" ({error['kind']})" if (error := end[1].get("error")) else ""
            cost = cost_in_words(end[1]["cost_usd"], end[1]["cost_basis"])
            log.info("job %s has ended: %s%s, %s", job_id, end[0], reason, cost)

    async def stall(self, job_id: str, notes: Sequence[str]) -> None:
        """See `JobStore.stall`. If that cannot be written now, it is written later.

        Raises:
            LostLeaseError: another worker has the job now.
        """
        notes = tuple(notes)
        self._leased.pop(job_id, None)
        await self._now_or_later(job_id, lambda: self._store.stall(job_id, notes))
        log.info("job %s is stalled", job_id)

    async def replan(self, job: NewJob) -> None:
        """See `JobStore.replan`."""
        await self._flush(job.id)
        if job.id in self._waiting:
            raise StorageError("the journal cannot be written")
        await self._store.replan(job)

    async def check_lease(self, job_id: str) -> None:
        """See `JobStore.check_lease`. If the lease cannot be read, this is logged and the job goes on.

        The store is not asked if the lease was taken or renewed here less than its length ago, by both clocks: before
        that nobody can take the job over, as `JobStore.reclaim` and `reclaim_one` take only what has expired. One clock
        goes on while this process is frozen, and the other may be set, or go on while the machine sleeps.
        """
        if job_id in self._leased:
            now, since = self._now(), self._leased[job_id]
            if all(0 <= one - other < self.lease for one, other in zip(now, since, strict=True)):
                return
        try:
            await self._store.check_lease(job_id)
        except StorageError as error:
            log.warning("job %s goes on, although its lease cannot be looked up: %s", job_id, error)

    async def release(self) -> None:
        """See `JobStore.release`."""
        await self.catch_up()
        self._leased.clear()
        await self._store.release()

    async def catch_up(self) -> None:
        """Write the steps that could not be written when they happened, as far as possible."""
        for job_id in list(self._waiting):
            try:
                await self._flush(job_id)
            except LostLeaseError:
                log.warning("job %s is another process's now", job_id)

    def _now(self) -> tuple[float, float]:
        clock, monotonic = self._clocks
        return clock(), monotonic()

    async def _now_or_later(self, job_id: str, write: Write) -> None:
        with anyio.CancelScope(shield=True):
            await self._flush(job_id)
            if (waiting := self._waiting.get(job_id)) is not None:
                waiting.append(write)
            elif not await self._written(job_id, write):
                self._waiting.setdefault(job_id, deque()).append(write)

    async def _flush(self, job_id: str) -> None:
        """Write the waiting steps of a job in their order, up to the first that cannot be written.

        Raises:
            LostLeaseError: another worker has the job now.
        """
        if job_id not in self._waiting:
            return
        with anyio.CancelScope(shield=True):  # a step that was written must not stay in the queue
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
        """Whether a step needs no more tries: it was written, or the store has forgotten the job."""
        try:
            await write()
        except LostLeaseError:
            self._leased.pop(job_id, None)
            raise
        except ForgottenJobError as error:
            log.error("%s Its pictures are kept all the same.", error)  # noqa: TRY400 - known, and reported in full
        except StorageError as error:
            log.error("job %s goes on, although its journal cannot be written: %s", job_id, error)  # noqa: TRY400 - as above
            return False
        return True


@dataclass(frozen=True, slots=True)
class Stores:
    """Everything that is stored, as one process uses it. Made by `open_stores`."""

    jobs: DeferredJobs
    library: Library
    """The finished pictures."""
    blobs: BlobStore
    """The files of running jobs and of the library."""
    database: Database
    """The SQLite file of jobs and pictures. Its methods block."""
    writer: Writer
    """What writes to it."""

    async def trouble(self) -> list[Trouble]:
        """What is wrong with the database, and which damaged entries were set aside lately. Changes nothing."""
        if fault := await anyio.to_thread.run_sync(self.database.trouble):
            return [Trouble(fault, _MOVE_ASIDE)]
        entries = await anyio.to_thread.run_sync(self.database.aside, time.time() - LATELY)
        return [self._aside(*entry) for entry in entries[:MOST_NAMED]]

    def _aside(self, entry_id: str, reason: str, noticed: float) -> Trouble:
        day = datetime.fromtimestamp(noticed, UTC).astimezone().date()
        what = f"The entry of {entry_id} was damaged and was set aside on {day}: {reason}"
        if entry_id.startswith(ID_PREFIX):
            return Trouble(what, "Only the gallery lacks it; its file is still where it was saved.", is_broken=False)
        folder = self.blobs.path(f"{INCOMING}/{entry_id}")
        advice = (
            f"If it was sent, it may have been paid for. What came of it is in the gallery or in {folder}, and "
            "the rest may be found at the provider. The same call, made again, is a new one."
        )
        return Trouble(what, advice, is_broken=False)

    async def close(self) -> None:
        """Write what still waits, and close the database. The next use opens it again."""
        await self.writer.close()


def open_stores(
    folders: Folders,
    *,
    lease: float,
    worker_id: str = "",
    patience: float = 5.0,
    clock: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
) -> Stores:
    """Open the stores in these folders: SQLite and plain files. Nothing is made on disk before the first use.

    Args:
        folders: where database and pictures are, and which folders may be read and written.
        lease: seconds after which another process may reclaim a job whose lease was not renewed.
        worker_id: the name of this process; a new one is made if it is empty.
        patience: seconds to wait for another process that is writing.
        clock: seconds since 1970.
        monotonic: a clock in seconds that stops while the machine sleeps.
    """
    from imagewright.storage.sqlite import (  # noqa: PLC0415 - SQLite is not on the start-up path
        Database,
        SqliteJobStore,
        SqlitePictureIndex,
        Writer,
    )

    roots = AllowedRoots(folders.roots)
    database = Database(folders.database, pictures=folders.pictures, patience=patience)
    writer = Writer(database, monotonic=monotonic)
    blobs = LocalBlobs(folders.database.parent, folders.pictures, roots, clock=clock, monotonic=monotonic)
    name = worker_id or f"{os.getpid()}-{secrets.token_hex(4)}"
    store = SqliteJobStore(writer, worker_id=name, lease=lease, clock=clock, monotonic=monotonic)
    library = Library(SqlitePictureIndex(writer), blobs, roots)
    jobs = DeferredJobs(store, library, clock=clock, monotonic=monotonic)
    return Stores(jobs, library, blobs, database, writer)
