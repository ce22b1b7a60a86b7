"""Carries one job out: each of its vendor calls, from its state in the journal to pictures in the library.

Every step is written down before the next is taken, so that another process can go on from there.
"""

from __future__ import annotations

import logging
import math
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

import anyio
import anyio.lowlevel

from imagewright.engine.arrived import differences
from imagewright.engine.config import AbsentProvider
from imagewright.engine.deliver import Delivery
from imagewright.engine.inputs import INPUTS, READING_COPIES, WAITING
from imagewright.engine.job import SHARE_MADE, CallRun, call_run_of
from imagewright.engine.outcome import cost_each, may_go_elsewhere
from imagewright.engine.pictures import forget_frames
from imagewright.engine.plan import new_job, next_plan
from imagewright.engine.sending import VendorCalls
from imagewright.engine.trouble import Fetching, UnreadableResultError, ask_to_stop
from imagewright.errors import (
    ImagewrightError,
    ModelUnavailable,
    ProviderError,
    StorageError,
    UnknownOutcome,
    error_data,
)
from imagewright.imaging.workers import WORKERS
from imagewright.providers.base import GetsReady, Running
from imagewright.storage.base import LostLeaseError
from imagewright.storage.states import FINAL, CallState

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from anyio.abc import TaskGroup

    from imagewright.engine.config import ProviderRegistry
    from imagewright.engine.job import Job
    from imagewright.engine.plan import Plan
    from imagewright.engine.waiting import Desk
    from imagewright.storage.base import JobEnd
    from imagewright.storage.records import JobRecord

T = TypeVar("T")

log = logging.getLogger(__name__)

LAST_FETCH_SECONDS = 60.0
"""Bound on fetching what was made already when the job was cancelled."""
LAST_ANSWER_SECONDS = 660.0
"""Bound on waiting for the answer to what another process sent, if the job was cancelled: as long as a request may
take, and a minute."""
EXPECTED_EVERY = 1.0
"""Seconds between two starts of what the calls to one provider need."""
SENT_SECONDS = 0.7
"""How long it takes until a first request, or two hundred at once, are sent. A worker takes 0.1 s to start."""
WANTED_AFTER_ALL = "What was made is paid for. If it is wanted after all, `imagewright jobs resume {id}` fetches it."
SURPLUS = "{name} made more than it was asked for: {count} more, kept as well."


@dataclass(slots=True)
class Attempt(VendorCalls):
    """A job at one provider."""

    async def carry_out(self) -> None:
        """Carry every call to its end. Errors are kept in the calls.

        Raises:
            LostLeaseError: another process has the job now.
        """
        self.call_runs = [call_run_of(call) for call in self.job.record.calls]
        with self.job.scope:
            open_runs = [call_run for call_run in self.call_runs if call_run.state not in FINAL]
            await _each(self._carry_out_call, open_runs)

    async def conclude(self, ended: JobRecord) -> bool:
        """Write the end of the job down, with all that is not written yet. Raises `LostLeaseError` as `carry_out`.

        Returns whether its files may go: if the store could not be written, whoever takes it over must find them here.
        """
        steps = [step for call_run in self.call_runs for step in call_run.unwritten]
        pictures = [picture for call_run in self.call_runs for picture in call_run.unrecorded]
        jobs, names = self.desk.stores.jobs, ("cost_usd", "cost_basis", "notes", "error")
        values = cast("JobEnd", {name: getattr(ended, name) for name in names})
        await jobs.conclude(self.job.id, steps, pictures, (ended.state, values))
        unsaved = any(call_run.has_unsaved_output for call_run in self.call_runs)
        return not unsaved and self.job.id not in jobs.unwritten

    async def _carry_out_call(self, call_run: CallRun) -> None:
        try:
            await self._steps(call_run)
        except anyio.get_cancelled_exc_class():
            # only a requested cancel ends the vendor's work; a process that stops leaves the job to the next
            if self.job.record.cancel_requested:
                with anyio.CancelScope(shield=True):
                    await self._stop(call_run)
            raise
        except LostLeaseError:
            raise
        except Exception as error:  # noqa: BLE001 - a bug in one vendor's file must not end the server
            await self._end(call_run, error)

    async def _steps(self, call_run: CallRun) -> None:
        await anyio.lowlevel.checkpoint()  # a job that was cancelled meanwhile stops here
        try:
            if call_run.state is CallState.SUBMITTING:
                await self._hear(call_run)
            if call_run.state is CallState.PLANNED:
                await self._submit(call_run)
        except UnknownOutcome as unheard:
            if call_run.state is not CallState.SUBMITTING:
                raise
            await self._recover(call_run, unheard)
        if call_run.state is CallState.STALLED:
            was_made = call_run.call.outputs is not None
            await self._note(call_run, CallState.MADE if was_made else CallState.SUBMITTED)
        if call_run.state is CallState.SUBMITTED and (handle := self._handle(call_run)) is not None:
            await self._poll(call_run, handle)
        await self._deliver_all(call_run)

    async def _deliver_all(self, call_run: CallRun) -> None:
        """Deliver every picture of a call; one that fails does not stop the others.

        Raises:
            ImagewrightError: none came; the trouble with the first.
            LostLeaseError: another process has the job now.
        """
        self._progress(call_run, Running(SHARE_MADE, "fetching"))
        places = range(call_run.made)
        failed: dict[int, Exception] = {}
        await _each(lambda place: self._deliver_one(call_run, place, failed), places)
        if lost := [error for error in failed.values() if isinstance(error, LostLeaseError)]:
            raise lost[0]
        if stalling := [error for error in failed.values() if stalls(call_run, error)]:
            raise stalling[0]
        call_run.safe = all(isinstance(error, UnreadableResultError) for error in failed.values())
        trouble = as_ours(failed[min(failed)], call_run, self.job.record) if failed else None
        if trouble is not None and len(failed) == len(places):
            raise trouble
        call_run.error = trouble
        if (surplus := len(places) - call_run.call.count) > 0:
            self.job.note(SURPLUS.format(name=self.provider.name, count=surplus))
        if call_run.call.outputs is None:
            self._take(call_run, CallState.MADE, outputs=(), cost_usd=call_run.call.cost_usd)
        self._take(call_run, CallState.KEPT, error=None if trouble is None else error_data(trouble))
        if any(other.state not in FINAL for other in self.call_runs):  # else it is written with the job's end
            await self._write(call_run)

    async def _deliver_one(self, call_run: CallRun, place: int, failed: dict[int, Exception]) -> None:
        """Deliver one picture; an error goes into `failed`."""
        variant = self.job.record.variant_of(call_run.call, place)
        try:
            kept = next((one for one in self.job.pictures if one.variant == variant), None)
            if kept is None:
                await self._deliver(call_run, place, variant)
            else:  # by a process that may have stopped before it wrote down how the picture differs
                self.job.note(*differences(self.spec.asked, kept))
        except Exception as error:  # noqa: BLE001 - as in `_carry_out_call`
            failed[place] = error

    async def _deliver(self, call_run: CallRun, place: int, variant: int) -> None:
        record, spec = self.job.record, self.spec
        if call_run.outputs is not None:
            output = call_run.outputs[place]
        else:
            output = await self.desk.spool.read_output((call_run.call.outputs or ())[place])
        cost, basis = cost_each(call_run, spec.usd, spec.count)
        new = record.new_picture(
            variant,
            prompt=spec.prompt,
            arguments=dict(spec.request),
            seed=output.seed if output.seed is not None else call_run.call.arguments.get("seed"),
            cost_usd=cost,
            cost_basis=basis,
            parents=spec.parents,
        )
        fetching = Fetching(
            output,
            job=self.job,
            variant=variant,
            handle=self._handle(call_run),
            place=place,
            provider=self.provider,
            provider_now=self._provider_now,
            blobs=self.desk.stores.blobs,
            taken_over=self.plan is None,
        )
        alone = call_run.made == 1
        ends = alone and len(self.call_runs) == 1
        stores = self.desk.stores
        delivery = Delivery(fetching, self.job, new, spec, stores, recorded=not alone, ends_job=ends)
        picture, notes = await delivery.run()
        if alone:  # its record is written with the call's last steps
            call_run.unrecorded.append(picture)
        self.job.pictures.append(picture)
        self.job.pictures.sort(key=lambda one: one.variant)
        self.job.note(*notes)
        if not ends:  # where the job ends with it, its end is told at once
            self.job.tell()

    async def _stop(self, call_run: CallRun) -> None:
        """End a call because a cancel was requested. What is made already is paid for, and is delivered."""
        if call_run.state is CallState.SUBMITTING:
            unheard: ImagewrightError = UnknownOutcome(self.provider.name, "its answer did not come in time")
            try:
                with anyio.move_on_after(LAST_ANSWER_SECONDS):
                    await self._hear(call_run)  # a courier may be about to have the answer
            except ImagewrightError as error:
                unheard = error
            if call_run.state is CallState.SUBMITTING and not await self._is_on_disk(call_run, files_alone=True):
                await self._end(call_run, unheard)
        if call_run.state is CallState.PLANNED:
            await self._note(call_run, CallState.CANCELLED)
        if call_run.state is CallState.STALLED and call_run.call.outputs is not None:
            await self._note(call_run, CallState.MADE)
        if (
            call_run.state in {CallState.SUBMITTED, CallState.STALLED}
            and (handle := self._handle(call_run)) is not None
        ):
            self.job.note(await ask_to_stop(self.provider, handle, self.job.id))
            await self._note(call_run, CallState.CANCELLED)
        if call_run.state is CallState.MADE:
            await self._last_fetch(call_run)

    async def _last_fetch(self, call_run: CallRun) -> None:
        error: Exception = StorageError("the picture was made, but could not be fetched in time")
        with anyio.move_on_after(LAST_FETCH_SECONDS):
            try:
                await self._deliver_all(call_run)
            except LostLeaseError:
                raise
            except Exception as trouble:  # noqa: BLE001 - as in `_carry_out_call`
                error = trouble
        if call_run.state is CallState.MADE:
            await self._end(call_run, error)
        if call_run.state is CallState.STALLED:
            await self._leave_to_resume(call_run)

    async def _leave_to_resume(self, call_run: CallRun) -> None:
        self.job.note(WANTED_AFTER_ALL.format(id=self.job.id))
        await self._note(call_run, CallState.CANCELLED)

    async def _end(self, call_run: CallRun, trouble: Exception) -> None:
        """End a call that did not go well; one whose picture can still be had only stalls."""
        if stalls(call_run, trouble):
            self.job.note(str(as_ours(trouble, call_run, self.job.record)))
            await self._note(call_run, CallState.STALLED)
            if self.job.record.cancel_requested:  # it may fail before the cancel reaches it
                await self._leave_to_resume(call_run)
            return
        error = call_run.error = as_ours(trouble, call_run, self.job.record)
        forget_frames(trouble)
        unknown = isinstance(error, UnknownOutcome) and call_run.state is CallState.SUBMITTING
        await self._note(call_run, CallState.UNKNOWN if unknown else CallState.FAILED, error=error_data(error))


async def _each(work: Callable[[T], Coroutine[Any, Any, None]], items: Sequence[T]) -> None:
    """Do the same with all items at the same time. Of most calls there is one, which needs no task of its own."""
    if len(items) == 1:
        await work(items[0])
        return
    async with anyio.create_task_group() as group:
        for item in items:
            group.start_soon(work, item)


def stalls(call_run: CallRun, error: Exception) -> bool:
    """Whether the picture of a call can still be had after this error: the vendor has it, or it lies on the disk.

    Then only the vendor's own words end the call. Trouble on this side (a full disk, a bug) does not.
    """
    reachable = call_run.call.handle is not None or call_run.call.outputs is not None
    paid = call_run.state in {CallState.SUBMITTED, CallState.MADE}
    return paid and reachable and not isinstance(error, ProviderError)


def as_ours(error: Exception, call_run: CallRun, job: JobRecord) -> ImagewrightError:
    """The error for the caller. A bug counts as a fault of the vendor's file, and may have cost something."""
    if isinstance(error, ImagewrightError):
        return error
    log.error("job %s broke", job.id, exc_info=error)
    kind = UnknownOutcome if call_run.state is CallState.SUBMITTING else ProviderError
    return kind(job.provider, f"internal error: {type(error).__name__}", charged=None if call_run.sent else False)


class Readiness:
    """Starts what calls need, at most once a second for each provider; the group runs that."""

    def __init__(self, group: TaskGroup) -> None:
        self._group = group
        self._begun: dict[str, float] = {}

    def expect(self, providers: Mapping[str, object], names: Sequence[str]) -> None:
        """Start what a call needs that one of these names will serve; of several, only if each needs something."""
        now = anyio.current_time()
        if now - self._begun.get(names[0], -math.inf) < EXPECTED_EVERY:
            return
        if len(set(names)) == 1 or all(isinstance(providers.get(name), GetsReady) for name in names):
            self._begun[names[0]] = now
            self._group.start_soon(get_ready, providers.get(names[0]))


async def get_ready(provider: object) -> None:
    """Start what a first call needs, beside all that has to be written down for it. Never raises.

    A worker is started a moment later: it is needed for what the vendor makes, and must not hold up what is sent.
    """
    if isinstance(provider, GetsReady):
        try:
            await provider.get_ready()
        except Exception as error:  # noqa: BLE001 - the first request says what is wrong
            log.info("what the first request needs could not be started ahead of it: %r", error)
            return
        await anyio.sleep(SENT_SECONDS)
    WORKERS.warm_up()


async def attempts(job: Job, plan: Plan | None, registry: ProviderRegistry, desk: Desk) -> Attempt:
    """Carry a job out, at the next provider where one refuses without charging; the last attempt.

    A job that another process began has no plan and stays with its provider: the caller's own pictures, which a plan
    for another is made from, are not written down.

    Args:
        job: the job.
        plan: with the orders and the alternatives.
        registry: the providers it began with.
        desk: what it shares with other jobs.

    Raises:
        LostLeaseError: another process has the job now.
    """
    while True:
        name = job.record.provider
        attempt = Attempt(job, job.spec, registry.providers.get(name) or AbsentProvider(name), plan, desk)
        await attempt.carry_out()
        if plan is None or job.record.cancel_requested or not job.is_local:
            return attempt
        if not may_go_elsewhere(len(job.pictures), attempt.call_runs):
            return attempt
        refused, was = attempt.call_runs[0].error, plan.spec.edition
        following = None
        with job.scope:  # whoever cancels it does not wait for memory
            following = await _next(job, plan, desk, gone=isinstance(refused, ModelUnavailable))
        if following is None:
            return attempt
        plan = following
        other = f", for edition {plan.spec.edition}" if plan.spec.edition != was else ""
        job.note(f"{refused} So {plan.route.provider} was asked instead{other}.")


async def _next(job: Job, plan: Plan, desk: Desk, *, gone: bool) -> Plan | None:
    """The plan for another provider, which has the job now, see `next_plan`; None where nobody can be asked."""

    async def waits() -> None:
        job.tell(stage=WAITING)

    sources = plan.alternatives[0].sources if plan.alternatives else ()
    share = INPUTS.share(READING_COPIES * sum(one.facts.size for one in sources), waits)
    async with share if sources else nullcontext():
        following: Plan | None = None
        try:
            following = await next_plan(plan, gone=gone)
            return None if following is None else await _replan(job, following, desk)
        except StorageError as error:
            name = (
                "Another provider" if following is None else following.route.provider
            )  # the caller's pictures are gone
            job.note(f"{name} was not asked instead: {error}")
            return None


async def _replan(job: Job, plan: Plan, desk: Desk) -> Plan:
    """Write down that another provider has the job now; the plan without its pictures.

    Raises:
        StorageError: that cannot be done.
    """
    old = job.record
    # the files of the plans before stay: this one leaves fewer alternatives than they did
    plan, inputs = await desk.spool.keep_pictures(old.id, plan, f"{len(plan.alternatives)}-")
    new = new_job(old.id, plan, inputs, fingerprint=old.fingerprint, key=old.key)
    with anyio.CancelScope(shield=True):  # the record here is the same as in the journal
        await desk.stores.jobs.replan(replace(new, notes=old.notes))
    changes = {name: getattr(new, name) for name in ("provider", "model", "plan", "calls", "reserved_usd")}
    job.record = replace(job.record, **changes)  # a note or a cancel may have come meanwhile
    job.note(*plan.notes)
    return plan
