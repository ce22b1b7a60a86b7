"""All jobs of this process, and through the journal those of every other: begin, carry out, adopt, find, cancel."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from imagewright.engine.attempt import Attempt
from imagewright.engine.brief import Brief
from imagewright.engine.desk import error_data, read_error
from imagewright.engine.job import Job, JobStatus
from imagewright.engine.ledger import RENEWALS_PER_LEASE
from imagewright.engine.settle import may_go_elsewhere, settle
from imagewright.errors import ImagewrightError, StorageError
from imagewright.storage.journal import LostLeaseError
from imagewright.storage.journal_entry import CallEntry, JobEntry
from imagewright.storage.states import CallState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from anyio.abc import TaskGroup

    from imagewright.engine.desk import Desk
    from imagewright.engine.plan import Plan
    from imagewright.engine.staff import Staff
    from imagewright.providers.base import Order
    from imagewright.storage.journal import Cap, Opened

    NextPlan = Callable[[], Awaitable[Plan | None]]
    """The plan for the next provider; None when there is none left."""

log = logging.getLogger(__name__)

REPEAT_SECONDS = 600.0
"""An identical call this soon after one whose end nobody saw is the same wish again, not a second one."""
KEPT_JOBS = 500
"""Finished jobs that are remembered in memory; the journal knows all."""
LOOK_EVERY = 0.5
"""Seconds between two looks at a job that another process works on."""


class Jobs:
    """The register of jobs.

    Args:
        group: runs them, for as long as the workshop is open.
        desk: library, journal and spool.
        staff: the providers in use.
    """

    def __init__(self, group: TaskGroup, desk: Desk, staff: Staff) -> None:
        self._group = group
        self._desk = desk
        self._staff = staff
        self._jobs: dict[str, Job] = {}
        self._keeping = False

    async def begin(
        self, plan: Plan, *, fingerprint: str, key: str, caps: Iterable[Cap], following: NextPlan
    ) -> Opened:
        """Write a job down and start it, unless it repeats an earlier one or a budget has no room.

        Args:
            plan: what to send.
            fingerprint: the same for identical calls.
            key: the caller's idempotency key, or empty.
            caps: budgets over time.
            following: makes the plan for the next provider, should this one refuse without charging.

        Raises:
            StorageError: it could not be written down; nothing was sent.
        """
        job = Job(
            tool=plan.route.tool,
            operation=plan.route.operation,
            provider=plan.route.provider,
            model=plan.model,
            expected=plan.brief.count,
            notes=list(plan.notes),
            choice=plan.choice,
            cost_usd=plan.brief.usd,
            cost_basis="unknown" if plan.brief.usd is None else "estimate",
        )
        entry = await self._entry(job, plan, fingerprint, key)
        opened = await self._desk.ledger.open(entry, tuple(caps), time.time() - REPEAT_SECONDS)
        if opened.entry is None:
            await anyio.to_thread.run_sync(self._desk.spool.clear, job.id)
            return opened
        self._remember(job)
        self._keep_leases()
        orders = dict(enumerate(plan.orders))
        self._group.start_soon(self._run, job, entry, lambda call: orders[call.number], following)
        return opened

    async def find(self, job_id: str) -> Job | None:
        """The job of that id, of any process; one that runs elsewhere is kept up to date."""
        if (known := self._jobs.get(job_id)) is not None:
            return known
        entry = await self._desk.ledger.get(job_id)
        return None if entry is None else await self._view(entry)

    async def newest(self, limit: int) -> list[Job]:
        """The newest jobs of all processes."""
        entries = await self._desk.ledger.newest(limit)
        return [self._jobs.get(entry.id) or await self._view(entry, follow=False) for entry in entries]

    async def cancel(self, job: Job) -> None:
        """Stop a job, whichever process works on it; returns when it has ended."""
        if job.done:
            return
        job.cancel_asked = True
        if job.mine:
            job.scope.cancel()
        else:
            await self._desk.ledger.ask_cancel(job.id)
        while not job.done:
            await job.changed.wait()

    async def seen(self, job: Job) -> None:
        """Note that a caller was given the end of the job."""
        if job.done:
            await self._desk.ledger.mark_seen(job.id)

    async def release(self) -> None:
        """Leave unfinished jobs to the next process at once."""
        try:
            await self._desk.ledger.release()
        except StorageError as error:
            log.warning("the leases run out by themselves: %s", error)

    async def adopt(self) -> None:
        """Take over what nobody works on any more."""
        for entry in await self._desk.ledger.adopt(self._staff.names):
            job = await self._view(entry, follow=False)
            job.mine = True
            job.notes.append("The server that began this job has stopped; it was carried on by another.")
            self._jobs[job.id] = job
            self._group.start_soon(self._run, job, entry, self._order_reader(entry), None)

    async def keep_leases(self, *, adopting: bool) -> None:
        """Renew leases, hear of cancellations and adopt what was left, for as long as the workshop is open."""
        self._keeping = True
        while True:
            try:
                if adopting:
                    await self.adopt()
                for job_id, cancel in (await self._desk.ledger.renew()).items() if self._jobs else ():
                    job = self._jobs.get(job_id)
                    if cancel and job is not None and not job.done:
                        job.cancel_asked = True
                        job.scope.cancel()
            except StorageError as error:
                log.warning("the journal cannot be used at the moment: %s", error)
            await anyio.sleep(self._desk.ledger.lease / RENEWALS_PER_LEASE)

    def _keep_leases(self) -> None:
        if not self._keeping:
            self._keeping = True
            self._group.start_soon(lambda: self.keep_leases(adopting=False))

    async def _run(
        self, job: Job, entry: JobEntry, order_of: Callable[[CallEntry], Order], following: NextPlan | None
    ) -> None:
        """Carry a job out, at the next provider where one refuses without charging, and settle it."""
        try:
            while True:
                brief = Brief.from_data(entry.plan["brief"])
                provider = self._staff.provider(entry.provider)
                attempt = Attempt(job, entry, brief, provider, self._desk, order_of)
                await attempt.carry_out()
                elsewhere = not job.cancel_asked and following is not None and may_go_elsewhere(job, attempt.errands)
                plan = await following() if elsewhere and following is not None else None
                if plan is None:
                    break
                job.notes.append(f"{attempt.errands[0].error} So {plan.route.provider} was asked instead.")
                entry, order_of = await self._move_elsewhere(job, entry, plan)
        except* LostLeaseError:
            job.mine = False
        if not job.mine:
            self._group.start_soon(self._follow_elsewhere, job)
            return
        status = settle(job, brief, attempt.errands)
        with anyio.CancelScope(shield=True):
            await self._desk.ledger.finish(
                job.id,
                status.value,
                cost=(job.cost_usd, job.cost_basis),
                notes=job.notes,
                error=error_data(job.error),
            )
            await anyio.to_thread.run_sync(self._desk.spool.clear, job.id)
        job.finish(status)

    async def _move_elsewhere(
        self, job: Job, entry: JobEntry, plan: Plan
    ) -> tuple[JobEntry, Callable[[CallEntry], Order]]:
        job.provider, job.model = plan.route.provider, plan.model
        job.notes += [note for note in plan.notes if note not in job.notes]
        renewed = await self._entry(job, plan, entry.fingerprint, entry.key)
        await self._desk.ledger.replan(renewed)
        orders = dict(enumerate(plan.orders))
        return renewed, lambda call: orders[call.number]

    async def _entry(self, job: Job, plan: Plan, fingerprint: str, key: str) -> JobEntry:
        """The job as it is written down, its input pictures spooled beside the journal."""
        inputs = await anyio.to_thread.run_sync(self._desk.spool.keep_inputs, job.id, plan.orders[0])
        return JobEntry(
            id=job.id,
            tool=job.tool,
            operation=job.operation.value,
            provider=job.provider,
            model=plan.model,
            key=key,
            fingerprint=fingerprint,
            plan={"brief": plan.brief.as_data(), "inputs": inputs, "route": plan.route.model, "choice": job.choice},
            expected=job.expected,
            reserved_usd=plan.brief.usd or 0.0,
            cost_usd=job.cost_usd,
            cost_basis=job.cost_basis,
            notes=tuple(job.notes),
            created=time.time(),
            owner=self._desk.ledger.owner,
            calls=tuple(
                CallEntry(
                    number=number,
                    count=order.count,
                    first_variant=order.first_variant,
                    arguments=dict(order.arguments),
                )
                for number, order in enumerate(plan.orders)
            ),
        )

    def _order_reader(self, entry: JobEntry) -> Callable[[CallEntry], Order]:
        """For calls of an adopted job that were never sent."""

        def read(call: CallEntry) -> Order:
            for route in self._staff.provider(entry.provider).routes:
                same = (route.tool, route.operation.value, route.model)
                if same == (entry.tool, entry.operation, entry.plan["route"]):
                    return self._desk.spool.read_order(route, call, entry.plan["inputs"])
            raise StorageError(f"{entry.provider} has no {entry.plan['route']} any more; nothing was sent")

        return read

    async def _view(self, entry: JobEntry, *, follow: bool = True) -> Job:
        """A job as the journal and the library know it."""
        from imagewright.catalog.row import OperationName  # noqa: PLC0415 - cheap, and only here

        pictures = await anyio.to_thread.run_sync(self._desk.library.of_job, entry.id)
        job = Job(
            id=entry.id,
            tool=entry.tool,
            operation=OperationName(entry.operation),
            provider=entry.provider,
            model=entry.model,
            expected=entry.expected,
            pictures=pictures,
            cost_usd=entry.cost_usd,
            cost_basis=entry.cost_basis,
            notes=list(entry.notes),
            choice=tuple(entry.plan["choice"]),
            error=read_error(entry.error),
            cancel_asked=entry.cancel_asked,
            mine=False,
            started=time.monotonic() - max(0.0, (entry.finished or time.time()) - entry.created),
        )
        if entry.done:
            job.finish(JobStatus(entry.state))
            job.finished = job.started + max(0.0, (entry.finished or entry.created) - entry.created)
        elif follow:
            self._jobs[job.id] = job
            self._group.start_soon(self._follow_elsewhere, job)
        return job

    async def _follow_elsewhere(self, job: Job) -> None:
        """Keep a job up to date that another process works on, until it has ended or is ours."""
        job.mine = False
        while not job.done and not job.mine:
            await anyio.sleep(LOOK_EVERY)
            try:
                entry = await self._desk.ledger.get(job.id)
                if entry is None:
                    continue
                job.pictures = await anyio.to_thread.run_sync(self._desk.library.of_job, job.id)
            except ImagewrightError as error:
                log.warning("job %s cannot be looked up: %s", job.id, error)
                continue
            made = sum(call.state in (CallState.MADE, CallState.KEPT) for call in entry.calls) / len(entry.calls)
            job.notes, job.error = list(entry.notes), read_error(entry.error)
            job.cost_usd, job.cost_basis = entry.cost_usd, entry.cost_basis
            if entry.done:
                job.finish(JobStatus(entry.state))
            else:
                job.tell(share=made * 0.9, stage="at work in another process")

    def _remember(self, job: Job) -> None:
        self._jobs[job.id] = job
        finished = [one.id for one in self._jobs.values() if one.done]
        for old in finished[: max(0, len(self._jobs) - KEPT_JOBS)]:
            del self._jobs[old]
