"""One job through its states: its vendor calls, from the state in the journal to pictures in the library.

Every step is written down before the next is taken, so that another process can go on from there.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread

from imagewright.engine.deliver import Delivery, differences
from imagewright.engine.elsewhere import Answer
from imagewright.engine.job import SHARE_MADE, CallRun, call_run_of, cost_each, most_taken, within_reason
from imagewright.engine.trouble import (
    Fetching,
    UnreadableResultError,
    as_ours,
    ask_to_stop,
    recover,
    too_old,
)
from imagewright.errors import ImagewrightError, StorageError, UnknownOutcome, error_data
from imagewright.providers.base import CanRecover, Finished, Handle, Running, Sending, UploadsInputs
from imagewright.storage.base import LostLeaseError
from imagewright.storage.states import FINAL, CallState

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Unpack

    from imagewright.engine.config import ProviderRegistry
    from imagewright.engine.elsewhere import Spool
    from imagewright.engine.job import Job, JobSpec
    from imagewright.engine.plan import Plan
    from imagewright.engine.waiting import Poller
    from imagewright.providers.base import Order, Provider
    from imagewright.storage.base import CallChanges
    from imagewright.storage.stores import Stores

log = logging.getLogger(__name__)

LAST_FETCH_SECONDS = 60.0
"""Bound on fetching what was made already when the job was cancelled."""
STALE_HOURS = 1.0
"""A call of a job that is older than this is not sent any more: its caller has left long ago."""
FOUND = "The answer to the request was never heard; it was found among {name}'s recent calls and not sent again."
SURPLUS = "{name} made more than it was asked for: {count} more, kept as well."
SHARE_SUBMITTED = 0.05
"""The share of a call that is done once its vendor has it."""


@dataclass(slots=True)
class Attempt:
    """A job at one provider."""

    job: Job
    spec: JobSpec
    """The caller's request."""
    provider: Provider
    stores: Stores
    spool: Spool
    plan: Plan | None
    """With the orders, where this process made the plan; None for a job that another process began."""
    registry: Callable[[], ProviderRegistry]
    """Returns the providers in use now."""
    poller: Poller
    """Asks vendors about all tasks of this process."""
    call_runs: list[CallRun] = field(default_factory=list)
    """Its calls."""

    async def carry_out(self) -> None:
        """Carry every call to its end. Errors are kept in the calls.

        Raises:
            LostLeaseError: another process has the job now.
        """
        self.call_runs = [call_run_of(call) for call in self.job.record.calls]
        with self.job.scope:
            async with anyio.create_task_group() as group:
                for call_run in self.call_runs:
                    if call_run.state not in FINAL:
                        group.start_soon(self._carry_out_call, call_run)

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
        except Exception as error:  # noqa: BLE001 - a bug in one vendor's file must end this job and not the server
            await self._fail(call_run, as_ours(error, call_run, self.job.record))

    async def _steps(self, call_run: CallRun) -> None:
        await anyio.lowlevel.checkpoint()  # a job that was cancelled meanwhile stops here
        match call_run.state:
            case CallState.PLANNED:
                await self._submit(call_run)
            case CallState.SUBMITTING:
                stopped = UnknownOutcome(self.provider.name, "the server stopped while it was sending")
                await self._recover(call_run, stopped)
        if call_run.state is CallState.SUBMITTED and (handle := self._handle(call_run)) is not None:
            self._progress(call_run, Running(SHARE_SUBMITTED, "submitted"))
            tell = partial(self._progress, call_run)
            try:
                finished, took = await self.poller.poll_until_done(
                    self.provider,
                    handle,
                    tell,
                    self.job.record.created,
                    self._provider_now,
                    model=self.job.record.model,
                    submitted=call_run.submitted,
                )
            finally:  # when it ends, its trouble must not stay in the way of the other calls
                self.job.held_up(call_run.place, "")
            with anyio.CancelScope(shield=True):  # it is paid for: a cancel that comes now must not lose it
                await self._made(call_run, finished, took)
        await self._deliver_all(call_run)

    async def _submit(self, call_run: CallRun) -> None:
        """Send a call: as this process planned it, else as it was written down.

        Raises:
            ImagewrightError: the job is older than `STALE_HOURS`; no money is spent for a caller who has left.
            StorageError: the provider has no such route any more, or an input picture is gone.
            UnknownOutcome: the vendor may have it, and it was not found again.
        """
        record, number = self.job.record, call_run.call.number
        if (hours := (time.time() - record.created) / 3600) > STALE_HOURS:
            raise too_old(hours)
        order = await self._order(call_run)
        if order.images and isinstance(self.provider, UploadsInputs):
            self._progress(call_run, Running(stage="uploading the pictures"))
            order = await self.provider.upload_inputs(order)
        signature = None
        if isinstance(self.provider, CanRecover):
            signature = await anyio.to_thread.run_sync(self.provider.signature, order)
        unheard: UnknownOutcome | None = None
        with anyio.CancelScope() as scope:

            async def begin() -> None:
                # a cancel from here on would leave the outcome unknown; what follows has time limits of its own
                scope.shield = True
                if call_run.state is CallState.PLANNED:
                    # written down before anything is sent: if it cannot be written, nothing is sent
                    await self.stores.jobs.advance(self.job.id, number, CallState.SUBMITTING, signature=signature)
                    call_run.call = replace(call_run.call, state=CallState.SUBMITTING, signature=signature)
                    call_run.sent = True

            try:
                await self._accepted(call_run, await self.provider.submit(order, Sending(begin, number=number)))
            except UnknownOutcome as error:
                unheard = error
        if unheard is not None:
            await self._recover(call_run, unheard)

    async def _order(self, call_run: CallRun) -> Order:
        """What a call asks for: as this process planned it, else as it was written down."""
        if self.plan is not None:
            return self.plan.orders[call_run.call.number]
        return await self.spool.read_order(self.job.record, call_run.call, self.provider.routes)

    async def _accepted(self, call_run: CallRun, answer: Handle | Finished) -> None:
        """Write down what the vendor answered to a call."""
        if isinstance(answer, Handle):
            call_run.submitted = anyio.current_time()
            await self._note(call_run, CallState.SUBMITTED, handle=dict(answer.data))
        else:
            await self._made(call_run, answer)

    async def _recover(self, call_run: CallRun, unheard: UnknownOutcome) -> None:
        """Find a call again whose answer was never heard: on disk, or at a vendor that lists recent calls.

        Raises:
            UnknownOutcome: the vendor has no such list, or did not show the call in it.
        """
        if await self._is_on_disk(call_run):
            return
        call, tell = call_run.call, partial(self._progress, call_run)
        handle = await recover(self._provider_now, self.job.id, call, self.stores.jobs, tell, unheard=unheard)
        call_run.call = replace(call, state=CallState.SUBMITTED, handle=handle.data)
        self.job.note(FOUND.format(name=self.provider.name))

    async def _is_on_disk(self, call_run: CallRun) -> bool:
        """Whether the answer to a call lies on disk: its process died before the journal was written."""
        call, record = call_run.call, self.job.record
        variants = [record.variant_of(call, place) for place in range(most_taken(call.count))]
        answer = await self.spool.read_answer(record.id, call.number, variants)
        if answer is None:
            return False
        self.job.note(*answer.notes)
        await self._note(call_run, CallState.MADE, outputs=answer.outputs, cost_usd=answer.cost_usd)
        return True

    async def _made(self, call_run: CallRun, finished: Finished, took: float | None = None) -> None:
        """Write the results down. Bytes that came with the answer go to disk first, or stay in memory."""
        call, job_id = call_run.call, self.job.id
        finished = within_reason(finished, call.count)
        call_run.outputs = finished.outputs
        self.job.note(*finished.notes)
        try:
            outputs = tuple(
                [
                    await self.spool.keep_output(job_id, self.job.record.variant_of(call, place), output)
                    for place, output in enumerate(finished.outputs)
                ]
            )
            if call.handle is None:
                await self.spool.keep_answer(job_id, call.number, Answer(outputs, finished.cost_usd, finished.notes))
        except StorageError as error:
            # the journal may only say `made` once another process could find the pictures
            log.error("job %s: its pictures stay in memory: %s", job_id, error)  # noqa: TRY400 - known, and reported in full
            call_run.call = replace(call, state=CallState.MADE, cost_usd=finished.cost_usd)
        else:
            timed: CallChanges = {} if took is None else {"took": took}
            await self._note(call_run, CallState.MADE, outputs=outputs, cost_usd=finished.cost_usd, **timed)

    async def _deliver_all(self, call_run: CallRun) -> None:
        """Deliver every picture of a call; one that fails does not stop the others.

        Raises:
            ImagewrightError: none came; the trouble with the first.
            LostLeaseError: another process has the job now.
        """
        self._progress(call_run, Running(SHARE_MADE, "fetching"))
        places = range(call_run.made)
        failed: dict[int, Exception] = {}
        async with anyio.create_task_group() as group:
            for place in places:
                group.start_soon(self._deliver_one, call_run, place, failed)
        for error in failed.values():
            if isinstance(error, LostLeaseError):
                raise error
        call_run.safe = all(isinstance(error, UnreadableResultError) for error in failed.values())
        trouble = as_ours(failed[min(failed)], call_run, self.job.record) if failed else None
        if trouble is not None and len(failed) == len(places):
            raise trouble
        call_run.error = trouble
        if (surplus := len(places) - call_run.call.count) > 0:
            self.job.note(SURPLUS.format(name=self.provider.name, count=surplus))
        if call_run.call.outputs is None:
            await self._note(call_run, CallState.MADE, outputs=(), cost_usd=call_run.call.cost_usd)
        await self._note(call_run, CallState.KEPT, error=None if trouble is None else error_data(trouble))

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
            output = await self.spool.read_output((call_run.call.outputs or ())[place])
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
            blobs=self.stores.blobs,
        )
        picture, notes = await Delivery(fetching, self.job, new, spec, self.stores).run()
        self.job.pictures.append(picture)
        self.job.pictures.sort(key=lambda one: one.variant)
        self.job.note(*notes)
        self.job.tell()

    async def _stop(self, call_run: CallRun) -> None:
        """End a call because a cancel was requested. What is made already is paid for, and is delivered."""
        match call_run.state:
            case CallState.PLANNED:
                await self._note(call_run, CallState.CANCELLED)
            case CallState.SUBMITTING if not await self._is_on_disk(call_run):
                await self._fail(
                    call_run, UnknownOutcome(self.provider.name, "cancelled while it was being searched for")
                )
            case CallState.SUBMITTED if (handle := self._handle(call_run)) is not None:
                self.job.note(await ask_to_stop(self.provider, handle))
                await self._note(call_run, CallState.CANCELLED)
        if call_run.state is CallState.MADE:
            await self._last_fetch(call_run)

    async def _last_fetch(self, call_run: CallRun) -> None:
        error: ImagewrightError = StorageError("the picture was made, but could not be fetched in time")
        with anyio.move_on_after(LAST_FETCH_SECONDS):
            try:
                await self._deliver_all(call_run)
            except ImagewrightError as trouble:
                error = trouble
        if call_run.state is CallState.MADE:
            await self._fail(call_run, error)

    async def _fail(self, call_run: CallRun, error: ImagewrightError) -> None:
        call_run.error = error
        unknown = isinstance(error, UnknownOutcome) and call_run.state is CallState.SUBMITTING
        await self._note(call_run, CallState.UNKNOWN if unknown else CallState.FAILED, error=error_data(error))

    async def _note(self, call_run: CallRun, state: CallState, **changes: Unpack[CallChanges]) -> None:
        """Write a step down, also while the job is being stopped. If it cannot be written now, it is written later."""
        values: dict[str, Any] = {name: value for name, value in changes.items() if name != "took"} | {"state": state}
        call_run.call = replace(call_run.call, **values)
        # a process that carries the job on knows only what is written down
        changes["notes"] = self.job.record.notes
        with anyio.CancelScope(shield=True):
            await self.stores.jobs.note(self.job.id, call_run.call.number, state, **changes)

    def _handle(self, call_run: CallRun) -> Handle | None:
        data = call_run.call.handle
        return None if data is None else Handle(self.provider.name, data)

    def _provider_now(self) -> Provider:
        """The provider as it is configured now; if it is not in use any more, the one the job began with."""
        self.provider = self.registry().providers.get(self.job.record.provider, self.provider)
        return self.provider

    def _progress(self, call_run: CallRun, running: Running, trouble: str = "") -> None:
        if running.share is not None:
            call_run.share = max(call_run.share, min(running.share, SHARE_MADE))
        total = sum(one.share for one in self.call_runs) / len(self.call_runs)
        self.job.held_up(call_run.place, trouble)
        self.job.tell(share=total, stage=running.stage)
