"""All jobs of this process, and through the store those of other processes: begin, carry out, reclaim, find, cancel."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from imagewright.engine.elsewhere import (
    CARRIED_ON,
    LOOK_EVERY,
    REVIVED,
    STALLED,
    Spool,
    job_from_record,
    observe,
    taken_over,
)
from imagewright.engine.job import Job
from imagewright.engine.outcome import settle
from imagewright.engine.pictures import new_id
from imagewright.engine.plan import new_job
from imagewright.engine.run import Readiness, attempts
from imagewright.engine.waiting import Desk, Poller
from imagewright.errors import StorageError
from imagewright.storage.accounts import Principal
from imagewright.storage.base import (
    RENEWALS_PER_LEASE,
    Joined,
    KeyClash,
    LostLeaseError,
    OverBudget,
    Started,
    UnreadableJobError,
)
from imagewright.storage.states import CallState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from anyio.abc import TaskGroup

    from imagewright.engine.config import ProviderRegistry
    from imagewright.engine.plan import Plan
    from imagewright.engine.run import Attempt
    from imagewright.storage.records import Cap, JobRecord
    from imagewright.storage.stores import Stores

log = logging.getLogger(__name__)

KEPT_JOBS = 500  # finished jobs that are kept in memory; the store has all
CANCEL_SECONDS = 30.0
"""Bound on waiting for a cancelled job's end: a submit that is under way is not broken off, and may take its time."""
JOINED = "This call repeats an earlier one and was joined to its job; nothing more was charged."
AGAIN = "For another picture of the same, call once more or change the seed or the wording."


class Jobs:
    """All jobs. `registry` gives the providers in use now.

    A job keeps the provider it began with. When that gives trouble, it takes the one that is configured now.
    """

    def __init__(self, group: TaskGroup, stores: Stores, registry: Callable[[], ProviderRegistry]) -> None:
        self._group = group
        self.ready = Readiness(group)
        self._stores = stores
        self._spool = Spool(stores.blobs)
        self._registry = registry
        self.desk = Desk(stores, self._spool, registry, Poller(stores.jobs.durations))
        self._jobs: dict[str, Job] = {}
        self._keeping = False
        self._reclaiming = False
        self._asked_for: set[str] | None = set()
        self._swept = False
        self._running: set[str] = set()
        self._aside: set[str] = set()
        self._reported: set[str] = set()

    async def begin(
        self, plan: Plan, who: Principal, *, fingerprint: str, key: str, caps: Iterable[Cap], registry: ProviderRegistry
    ) -> Job | KeyClash | OverBudget:
        """Write a job down and start it, unless it repeats an earlier one or a budget has no room.

        Identical calls have the same fingerprint; the idempotency key is the caller's, or empty. An earlier job that
        the call repeats has a note that says so.

        Raises:
            StorageError: it could not be written down; nothing was sent.
        """
        self.ready.expect(registry.providers, [plan.route.provider])
        job_id = plan.job_id or new_id()
        opened: Started | Joined | KeyClash | OverBudget | None = None
        try:
            plan, inputs = await self._spool.keep_pictures(job_id, plan)
            new = new_job(job_id, plan, inputs, fingerprint=fingerprint, key=key)
            # a job that was written down is carried out, even if its caller has left
            with anyio.CancelScope(shield=True):
                opened = await self._stores.jobs.open(who, new, tuple(caps))
        finally:
            if not isinstance(opened, Started):
                with anyio.CancelScope(shield=True):
                    await self._spool.clear(job_id, whole=False)
        assert opened is not None  # noqa: S101 - for the type checker: a shielded scope swallows nothing
        if isinstance(opened, Joined):
            return await self._joined(opened, who)
        if not isinstance(opened, Started):
            return opened
        job = Job(opened.job, who)
        self._remember(job)
        if not self._keeping:
            self._group.start_soon(lambda: self.keep_leases(reclaiming=False))
        self._group.start_soon(self._run, job, registry, plan)
        return job

    async def repeated(self, who: Principal, fingerprint: str, key: str) -> Job | KeyClash | None:
        """The earlier job that such a call repeats, or whose key it would take; None when it is a new one."""
        found = await self._stores.jobs.repeated(who, fingerprint, key)
        if found is None or isinstance(found, KeyClash):
            return found
        return await self._joined(found, who)

    async def find(self, who: Principal, job_id: str) -> Job | None:
        """The job of that id, of any process; one that runs elsewhere is kept up to date.

        Raises:
            StorageError: it cannot be read.
        """
        if (known := self._known(who, job_id)) is not None and known.record.state != "cancelled":
            return known
        record = await self._stores.jobs.get(who, job_id)
        return known if record is None else await self._watched(record, who)

    async def newest(self, who: Principal, limit: int) -> list[Job]:
        """The newest jobs of all processes; without those whose records cannot be read."""
        found = []
        for record in await self._stores.jobs.newest(who, limit):
            try:
                found.append(self._known(who, record.id, record) or await self._from_record(record, who))
            except UnreadableJobError as error:
                self._report(error)
        return found

    async def cancel(self, job: Job) -> None:
        """Stop a job, whichever process works on it; returns when it has ended, or after `CANCEL_SECONDS`.

        One that no process works on is taken over and ended here, also where its provider is not in use any more.

        Raises:
            StorageError: the process that works on it could not be asked.
        """
        if job.done:
            return
        try:
            # also for a job of this process: another must know of it if it has to finish the job after a crash
            await self._stores.jobs.request_cancel(job.who, job.id)
        except StorageError:
            if not job.is_local:
                raise
        job.request_cancel()
        if job.is_local:
            job.scope.cancel()
        with anyio.move_on_after(CANCEL_SECONDS):
            async with anyio.create_task_group() as group:
                group.start_soon(self._take_over, job)
                await job.ended()
                group.cancel_scope.cancel()

    async def seen(self, job: Job, doubt: float = 0.0) -> None:
        """Note that a caller was given the end of the job; while it runs, nothing is noted.

        For `doubt` seconds the same call is answered with this job again, as the caller may have given up before.
        """
        if job.done:
            for picture in () if doubt else job.pictures:
                job.previews.pop(picture.id)
            try:
                await self._stores.jobs.mark_seen(job.who, job.id, doubt)
            except StorageError:
                log.warning("job %s could not be marked as seen", job.id)

    async def revive(self, job: Job) -> Job:
        """Carry on a job that is stalled, or that was cancelled although its vendor went on with the task.

        Returns:
            The job as it is now: it runs, or it has ended and there is nothing to fetch.

        Raises:
            StorageError: it cannot be read or written.
        """
        if job.record.state not in {"cancelled", "stalled"}:
            return job
        if job.record.state == "cancelled":
            await self._stores.jobs.reopen(job.who, job.id)
        if await self._taken(job, REVIVED.format(state=job.record.state)):
            self._group.start_soon(lambda: self.keep_leases(reclaiming=False))
        return await self.find(job.who, job.id) or job

    async def release(self) -> None:
        """Leave unfinished jobs to the next process at once."""
        try:
            await self._stores.jobs.release()
        except StorageError as error:
            log.warning("unfinished jobs are taken over only when their leases have run out: %s", error)

    async def reclaim(self) -> None:
        """Take over the jobs that no process works on any more."""
        asked, registry = self._asked_for, self._registry()
        busy = self._at_work() | self._aside | (asked or set())
        left = await self._stores.jobs.reclaim(registry.providers, but=busy, stalled=asked is not None)
        # stalled ones are asked for once by each server, in as many rounds as that takes
        self._asked_for = asked | {record.id for record in left} if asked is not None and left else None
        for record in left:
            await self._carry_on(record, Principal(record.principal), registry, CARRIED_ON)

    async def keep_leases(self, *, reclaiming: bool) -> None:
        """Renew leases, learn of cancellations and reclaim left jobs, for as long as the engine is open.

        An error only costs one round and a line in the log. Without this loop, other processes would take over jobs
        that run here.
        """
        self._reclaiming = self._reclaiming or reclaiming
        if self._keeping:
            return
        self._keeping = True
        logged = ""
        while True:
            try:
                await self.look_after_leases()
            except StorageError as error:
                log.warning("the journal cannot be used at the moment: %s", error)
            except Exception as error:
                # the traceback once, and then a line each time
                new = None if repr(error) == logged else error
                log.warning("a round of renewing leases failed, the next follows: %r", error, exc_info=new)
                logged = repr(error)
            await anyio.sleep(self._stores.jobs.lease / RENEWALS_PER_LEASE)

    async def look_after_leases(self) -> None:
        """One round of `keep_leases`.

        Raises:
            StorageError: the store cannot be used.
        """
        await self._renew()
        await self._stores.jobs.catch_up()
        if self._reclaiming:
            await self.reclaim()
            if not self._swept:
                self._swept = True
                self._group.start_soon(self._spool.sweep, self._stores.jobs.get_unscoped)

    async def _renew(self) -> None:
        at_work = self._at_work()
        if not at_work:
            return
        renewed = await self._stores.jobs.renew(at_work)
        for job_id in renewed.lost | renewed.cancelled:
            if (job := self._jobs.get(job_id)) is None or job.done or not job.is_local:
                continue
            if job_id in renewed.lost:
                job.is_local = False
            else:
                job.request_cancel()
            job.scope.cancel()

    def _at_work(self) -> frozenset[str]:  # the jobs whose leases this process needs
        return frozenset(self._running) | self._stores.jobs.unwritten

    async def _take_over(self, job: Job) -> None:
        """Take a job over once it is certain that no process works on it."""
        while not job.is_local:
            try:
                await self._taken(job)
            except StorageError as error:
                log.warning("job %s cannot be taken over now: %s", job.id, error)
            await anyio.sleep(LOOK_EVERY)

    async def _taken(self, job: Job, note: str = CARRIED_ON) -> bool:
        """Take a job over if no process works on it; whether that was so. Raises `StorageError` as `reclaim_one`."""
        await anyio.lowlevel.checkpoint()
        with anyio.CancelScope(shield=True):  # one that was taken must be carried on, even if its caller has left
            record = await self._stores.jobs.reclaim_one(job.who, job.id)
            if record is not None:
                await self._carry_on(record, job.who, self._registry(), note)
        return record is not None

    async def _carry_on(self, record: JobRecord, who: Principal, registry: ProviderRegistry, note: str) -> None:
        """Carry on a job that was taken over; one whose record makes no sense is left alone."""
        try:
            job = await taken_over(record, who, self._jobs, self._stores, lambda: self._registry().providers, note=note)
        except UnreadableJobError as error:
            self._aside.add(record.id)
            self._report(error)
            return
        except StorageError as error:
            # its lease is not renewed, so that it expires and the next round tries again
            log.warning("job %s cannot be carried on now: %s", record.id, error)
            return
        self._remember(job)
        self._group.start_soon(self._run, job, registry, None)

    async def _run(self, job: Job, registry: ProviderRegistry, plan: Plan | None) -> None:
        """Carry a job out and settle it. A bug on the way ends this job and not the server."""
        self._running.add(job.id)
        try:
            await self._carry_to_its_end(job, registry, plan)
        finally:
            self._running.discard(job.id)
            job.sent.set()
        if not job.is_local and job.record.state == "running":
            self._group.start_soon(observe, job, self._stores, lambda: self._registry().providers)

    async def _carry_to_its_end(self, job: Job, registry: ProviderRegistry, plan: Plan | None) -> None:
        attempt: Attempt | None = None
        try:
            attempt = await attempts(job, plan, registry, self.desk)
        except* LostLeaseError:
            job.is_local = False
        except* Exception:
            log.exception("job %s broke", job.id)
        if not job.is_local:
            return
        if attempt is None or any(call_run.state is CallState.STALLED for call_run in attempt.call_runs):
            await self._stall(job)
            return
        ended = settle(job.record, len(job.pictures), attempt.spec.usd, attempt.call_runs)
        with anyio.CancelScope(shield=True):
            try:
                is_kept = await attempt.conclude(ended)
            except LostLeaseError:  # the folder is the other process's now, and so is the end
                job.is_local = False
                return
            # a job that did not complete may be carried on at any time, and one that did is answered first
            later = is_kept and ended.state == "completed"
            if not later:
                await self._spool.clear(job.id, whole=is_kept)
        job.finish(ended)
        if later:
            self._group.start_soon(self._spool.clear_later, job.id)  # a task of its own: this one holds the results

    async def _stall(self, job: Job) -> None:
        """Leave a job until somebody asks for it or a server starts. It may be paid, and to go on now does not help."""
        try:
            with anyio.CancelScope(shield=True):
                await self._stores.jobs.stall(job.id, job.record.notes)
        except (LostLeaseError, StorageError) as error:
            log.warning("job %s is left to whoever takes it over: %s", job.id, error)
        self._jobs.pop(job.id, None)  # who asks for it next carries it on
        job.is_local, job.record = False, replace(job.record, state="stalled", is_held=False)
        job.held_up("stalled", STALLED.format(id=job.id))
        job.tell(stage="stalled")

    async def _joined(self, found: Joined, who: Principal) -> Job:
        """The earlier job that a call repeats, with a note that says so."""
        job = await self._watched(found.job, who)
        job.note(f"{JOINED} {AGAIN}" if job.done and not found.job.key else JOINED)
        return job

    async def _watched(self, record: JobRecord, who: Principal) -> Job:
        """The job of a record; one that runs in another process is kept up to date."""
        if (known := self._known(who, record.id, record)) is not None:
            return known
        job = await self._from_record(record, who)
        if (known := self._known(who, record.id, record)) is not None:  # taken over meanwhile
            return known
        if not job.done:
            self._remember(job)
            self._group.start_soon(observe, job, self._stores, lambda: self._registry().providers)
        return job

    async def _from_record(self, record: JobRecord, who: Principal) -> Job:
        return await job_from_record(record, who, self._stores, lambda: self._registry().providers)

    def _known(self, who: Principal, job_id: str, record: JobRecord | None = None) -> Job | None:
        """The job as this process knows it; None if it is carried on since it was cancelled, as its record says."""
        job = self._jobs.get(job_id)
        if job is None or job.who.id != who.id:
            return None
        return None if record is not None and job.record.state == "cancelled" != record.state else job

    def _report(self, error: UnreadableJobError) -> None:
        """Log once that a record cannot be read."""
        if (text := str(error)) not in self._reported:
            self._reported.add(text)
            log.error("%s", text)

    def _remember(self, job: Job) -> None:
        self._jobs[job.id] = job
        if (surplus := len(self._jobs) - KEPT_JOBS) > 0:
            finished = [one.id for one in self._jobs.values() if one.done]
            for old in finished[:surplus]:
                del self._jobs[old]
