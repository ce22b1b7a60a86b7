"""All jobs of this process, and through the journal those of every other: begin, carry out, adopt, find, cancel."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from imagewright.engine.attempt import Attempt
from imagewright.engine.config import provider_or_absent
from imagewright.engine.job import Job, JobStatus
from imagewright.engine.ledger import RENEWALS_PER_LEASE
from imagewright.engine.new_entry import new_entry
from imagewright.engine.observe import LOOK_EVERY, job_from_record, observe, spec_of
from imagewright.engine.plan import next_plan
from imagewright.engine.settle import may_go_elsewhere, settle
from imagewright.engine.stores import error_data
from imagewright.errors import ProviderError, StorageError
from imagewright.storage.journal import LostLeaseError, UnreadableJobError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from anyio.abc import TaskGroup

    from imagewright.engine.config import ProviderRegistry
    from imagewright.engine.plan import Plan
    from imagewright.engine.stores import Stores
    from imagewright.providers.base import Order, Provider
    from imagewright.storage.journal import Cap, Opened
    from imagewright.storage.journal_entry import CallEntry, JobEntry

    OrderOf = Callable[[CallEntry], Order]
    """The order of a call that was not sent yet."""

log = logging.getLogger(__name__)

KEPT_JOBS = 500
"""Finished jobs that are remembered in memory; the journal knows all."""
CANCEL_SECONDS = 30.0
"""Bound on waiting for a cancelled job's end: a submit that is under way is not broken off, and may take its time."""


class Jobs:
    """The register of jobs.

    Args:
        group: runs them, for as long as the engine is open.
        stores: library, journal and spool.
        registry: gives the providers in use now; a job keeps those it began with.
    """

    def __init__(self, group: TaskGroup, stores: Stores, registry: Callable[[], ProviderRegistry]) -> None:
        self._group = group
        self._stores = stores
        self._registry = registry
        self._jobs: dict[str, Job] = {}
        self._keeping = False
        self._adopting = False
        self._swept = False
        self._running: set[str] = set()
        self._aside: set[str] = set()

    async def begin(
        self,
        plan: Plan,
        *,
        fingerprint: str,
        key: str,
        caps: Iterable[Cap],
        registry: ProviderRegistry,
    ) -> Opened:
        """Write a job down and start it, unless it repeats an earlier one or a budget has no room.

        Args:
            plan: what to send.
            fingerprint: the same for identical calls.
            key: the caller's idempotency key, or empty.
            caps: budgets over time.
            registry: the providers these plans are for.

        Raises:
            StorageError: it could not be written down; nothing was sent.
        """
        job = Job(
            tool=plan.route.tool,
            operation=plan.route.operation,
            provider=plan.route.provider,
            model=plan.model,
            expected=plan.spec.count,
            notes=list(plan.notes),
            choice=plan.choice,
            cost_usd=plan.spec.usd,
            cost_basis="unknown" if plan.spec.usd is None else "estimate",
        )
        opened: Opened | None = None
        try:
            entry = await self._entry(job, plan, fingerprint, key)
            opened = await self._stores.ledger.open(entry, tuple(caps))
        finally:
            if opened is None or opened.entry is None:
                with anyio.CancelScope(shield=True):
                    await self._clear(job.id, whole=False)
        if opened.entry is None:
            return opened
        self._remember(job)
        if not self._keeping:
            self._group.start_soon(lambda: self.keep_leases(adopting=False))
        orders = dict(enumerate(plan.orders))
        self._group.start_soon(self._run, job, entry, registry, lambda call: orders[call.number], plan)
        return opened

    async def repeated(self, fingerprint: str, key: str) -> Opened | None:
        """The earlier job that such a call repeats, or whose key it would take; None when it is a new one."""
        return await self._stores.ledger.repeated(fingerprint, key)

    async def find(self, job_id: str) -> Job | None:
        """The job of that id, of any process; one that runs elsewhere is kept up to date.

        Raises:
            StorageError: it cannot be read.
        """
        if (known := self._jobs.get(job_id)) is not None:
            return known
        entry = await self._stores.ledger.get(job_id)
        if entry is None:
            return None
        job = await job_from_record(entry, self._stores, self._registry)
        if (known := self._jobs.get(job_id)) is not None:  # taken over while we looked
            return known
        if not job.done:
            self._remember(job)
            self._group.start_soon(observe, job, self._stores, self._registry)
        return job

    async def newest(self, limit: int) -> list[Job]:
        """The newest jobs of all processes; without those whose entries cannot be read."""
        found = []
        for entry in await self._stores.ledger.newest(limit):
            try:
                found.append(self._jobs.get(entry.id) or await job_from_record(entry, self._stores, self._registry))
            except UnreadableJobError as error:
                self._stores.ledger.journal.report_unreadable(entry.id, error)
        return found

    async def costs(self, since: float) -> list[tuple[float, str, str, float, str]]:
        """(created, tool, provider, USD, basis) of every job of all processes that has ended, oldest first.

        Args:
            since: only jobs begun at this moment or later, seconds since 1970.
        """
        return await self._stores.ledger.costs(since)

    async def cancel(self, job: Job) -> None:
        """Stop a job, whichever process works on it; returns when it has ended, or after `CANCEL_SECONDS`.

        One that no process works on is taken over and ended here, also where its provider is not in use any more.

        Raises:
            StorageError: no word could be left for the process that works on it.
        """
        if job.done:
            return
        try:
            # also of one's own: whoever has to finish the job after a crash must know of it
            await self._stores.ledger.ask_cancel(job.id)
        except StorageError:
            if not job.mine:
                raise
        job.cancel_asked = True
        if job.mine:
            job.scope.cancel()
        with anyio.move_on_after(CANCEL_SECONDS):
            async with anyio.create_task_group() as group:
                group.start_soon(self._take_over, job)
                await job.ended()
                group.cancel_scope.cancel()

    async def _take_over(self, job: Job) -> None:
        """Take a job over as soon as it is sure that no process works on it."""
        while not job.mine:
            try:
                for entry in await self._stores.ledger.take(job.id):
                    await self._carry_on(entry, self._registry())
            except StorageError as error:
                log.warning("job %s cannot be taken over now: %s", job.id, error)
            await anyio.sleep(LOOK_EVERY)

    async def seen(self, job: Job, doubt: float = 0.0) -> None:
        """Note that a caller was given the end of the job.

        Args:
            job: the job; nothing is noted while it runs.
            doubt: seconds for which the caller may have given up before it was told: until then the same call is
                answered with this job once more.
        """
        if job.done:
            if not doubt:
                job.previews.clear()
            await self._stores.ledger.mark_seen(job.id, doubt)

    async def release(self) -> None:
        """Leave unfinished jobs to the next process at once."""
        try:
            await self._stores.ledger.release()
        except StorageError as error:
            log.warning("the leases run out by themselves: %s", error)

    async def adopt(self) -> None:
        """Take over what nobody works on any more."""
        registry = self._registry()
        for entry in await self._stores.ledger.adopt(registry.names, but=self._at_work() | self._aside):
            await self._carry_on(entry, registry)

    async def _carry_on(self, entry: JobEntry, registry: ProviderRegistry) -> None:
        """Carry on a job that was taken over; one whose entry makes no sense is set aside and costs only itself."""
        try:
            found = await job_from_record(entry, self._stores, self._registry)
            spec_of(entry)
        except UnreadableJobError as error:
            self._aside.add(entry.id)
            self._stores.ledger.journal.report_unreadable(entry.id, error)
            return
        except StorageError as error:
            # its lease is not renewed, so that it runs out again and the next look may do better
            log.warning("job %s cannot be carried on now: %s", entry.id, error)
            return
        job = self._jobs.get(entry.id) or found
        job.mine, job.scope, job.pictures = True, anyio.CancelScope(), found.pictures
        job.cancel_asked = entry.cancel_asked
        job.troubles.clear()
        if entry.cancel_asked:
            job.scope.cancel()
        job.notes.append("The server that began this job has stopped; it was carried on by another.")
        self._remember(job)
        self._group.start_soon(self._run, job, entry, registry, self._order_reader(entry, registry), None)

    async def keep_leases(self, *, adopting: bool) -> None:
        """Renew leases, hear of cancellations and adopt what was left, for as long as the engine is open.

        Whatever goes wrong costs one round and one line in the log: without leases, other processes take paid calls
        that run here for dead.
        """
        self._adopting = self._adopting or adopting
        if self._keeping:
            return
        self._keeping = True
        logged = ""
        while True:
            try:
                await self._keep_once()
            except StorageError as error:
                log.warning("the journal cannot be used at the moment: %s", error)
            except Exception as error:
                # the traceback once, and then a line each time
                new = None if repr(error) == logged else error
                log.warning("a look after the leases broke, and the next goes on: %r", error, exc_info=new)
                logged = repr(error)
            await anyio.sleep(self._stores.ledger.lease / RENEWALS_PER_LEASE)

    async def _keep_once(self) -> None:
        await self._renew()
        await self._stores.ledger.catch_up()
        if self._adopting:
            await self.adopt()
            if not self._swept:
                self._swept = True
                self._group.start_soon(
                    anyio.to_thread.run_sync, self._stores.spool.sweep, self._stores.ledger.journal.get
                )

    async def _renew(self) -> None:
        at_work = self._at_work()
        if not at_work:
            return
        renewed = await self._stores.ledger.renew(at_work)
        for job_id in renewed.lost | renewed.cancelled:
            job = self._jobs.get(job_id)
            if job is None or job.done or not job.mine:
                continue
            if job_id in renewed.lost:
                job.mine = False
            else:
                job.cancel_asked = True
            job.scope.cancel()

    def _at_work(self) -> frozenset[str]:
        """The jobs whose leases this process needs."""
        return frozenset(self._running) | self._stores.ledger.behind

    async def _run(
        self, job: Job, entry: JobEntry, registry: ProviderRegistry, order_of: OrderOf, plan: Plan | None
    ) -> None:
        """Carry a job out and settle it; a bug on the way ends this job and not the server."""
        self._running.add(job.id)
        try:
            await self._see_to_its_end(job, entry, registry, order_of, plan)
        finally:
            self._running.discard(job.id)
        if not job.mine:
            self._group.start_soon(observe, job, self._stores, self._registry)

    async def _see_to_its_end(
        self, job: Job, entry: JobEntry, registry: ProviderRegistry, order_of: OrderOf, plan: Plan | None
    ) -> None:
        attempt: Attempt | None = None
        try:
            attempt = await self._attempts(job, entry, registry, order_of, plan)
        except* LostLeaseError:
            job.mine = False
        except* Exception:
            log.exception("job %s broke", job.id)
        if not job.mine:
            return
        if attempt is None:
            job.error = ProviderError(job.provider, "internal error; the server's log says more", charged=None)
            status = JobStatus.FAILED
        else:
            status = settle(job, attempt.spec, attempt.call_runs)
        with anyio.CancelScope(shield=True):
            await self._stores.ledger.finish(
                job.id,
                status.value,
                cost=(job.cost_usd, job.cost_basis),
                notes=job.notes,
                error=error_data(job.error),
            )
            # whoever takes over a job of which the journal knows too little must find here what is made
            written = job.id not in self._stores.ledger.behind
            home = attempt is not None and all(call_run.home for call_run in attempt.call_runs)
            await self._clear(job.id, whole=written and home)
        job.finish(status)

    async def _attempts(
        self, job: Job, entry: JobEntry, registry: ProviderRegistry, order_of: OrderOf, plan: Plan | None
    ) -> Attempt:
        """Carry a job out, at the next provider where one refuses without charging; the last attempt."""
        while True:
            spec = spec_of(entry)
            provider = provider_or_absent(registry, entry.provider)
            attempt = Attempt(job, entry, spec, provider, self._stores, order_of, self._provider_now)
            await attempt.carry_out()
            if job.cancel_asked or not job.mine or plan is None or not may_go_elsewhere(job, attempt.call_runs):
                return attempt
            plan = await next_plan(plan)
            if plan is None:
                return attempt
            why = f"{attempt.call_runs[0].error} So {plan.route.provider} was asked instead."
            try:
                entry, order_of = await self._move_elsewhere(job, entry, plan)
            except StorageError as error:
                job.notes.append(f"{plan.route.provider} was not asked instead: {error}")
                return attempt
            job.notes.append(why)

    def _provider_now(self, name: str) -> Provider:
        """The provider as it is set up now, its key mended perhaps. Raises KeyError where it is not in use any more."""
        return self._registry().provider(name)

    async def _clear(self, job_id: str, *, whole: bool) -> None:
        await anyio.to_thread.run_sync(lambda: self._stores.spool.clear(job_id, whole=whole))

    async def _move_elsewhere(self, job: Job, entry: JobEntry, plan: Plan) -> tuple[JobEntry, OrderOf]:
        renewed = await self._entry(job, plan, entry.fingerprint, entry.key)
        await self._stores.ledger.replan(renewed)
        job.provider, job.model = plan.route.provider, plan.model
        job.notes += [note for note in plan.notes if note not in job.notes]
        orders = dict(enumerate(plan.orders))
        return renewed, lambda call: orders[call.number]

    async def _entry(self, job: Job, plan: Plan, fingerprint: str, key: str) -> JobEntry:
        """The job as it is written down, its input pictures spooled beside the journal."""
        inputs = await anyio.to_thread.run_sync(self._stores.spool.keep_inputs, job.id, plan.orders[0])
        owner = self._stores.ledger.owner
        return new_entry(job, plan, inputs=inputs, fingerprint=fingerprint, key=key, owner=owner)

    def _order_reader(self, entry: JobEntry, registry: ProviderRegistry) -> OrderOf:
        """For calls of an adopted job that were never sent."""

        def read(call: CallEntry) -> Order:
            for route in provider_or_absent(registry, entry.provider).routes:
                same = (route.tool, route.operation.value, route.model)
                if same == (entry.tool, entry.operation, entry.plan["route"]):
                    return self._stores.spool.read_order(route, call, entry.plan["inputs"])
            raise StorageError(f"{entry.provider} has no {entry.plan['route']} any more; nothing was sent")

        return read

    def _remember(self, job: Job) -> None:
        self._jobs[job.id] = job
        finished = [one.id for one in self._jobs.values() if one.done]
        for old in finished[: max(0, len(self._jobs) - KEPT_JOBS)]:
            del self._jobs[old]
