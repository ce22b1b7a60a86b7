"""Sends the calls of a job to its vendor, each once, and polls them until the vendor has made the pictures.

Every step is written down before the next is taken, so that another process can go on from there.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from imagewright.engine.elsewhere import Answer
from imagewright.engine.inputs import INLINE_COPIES, UPLOAD_COPIES, WAITING
from imagewright.engine.job import SHARE_MADE, CallRun
from imagewright.engine.outcome import within_reason
from imagewright.engine.pictures import forget_frames, without_pictures
from imagewright.engine.trouble import recover, too_old
from imagewright.errors import NotSent, ProviderError, RateLimited, StorageError, UnknownOutcome
from imagewright.imaging.workers import WORKERS
from imagewright.providers.base import CanRecover, Finished, Handle, Running, UploadsInputs
from imagewright.providers.sending import Sending
from imagewright.storage.base import Step
from imagewright.storage.records import INCOMING
from imagewright.storage.states import CallState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager
    from typing import Unpack

    from imagewright.engine.job import Job, JobSpec
    from imagewright.engine.pacing import Turn
    from imagewright.engine.plan import Plan
    from imagewright.engine.waiting import Desk
    from imagewright.providers.base import Order, Provider
    from imagewright.storage.base import CallChanges

log = logging.getLogger(__name__)

STALE_SECONDS = 3600.0
"""A call of a job that is older than this is not sent any more: its caller has left long ago."""
FOUND = "The answer to the request was never heard; it was found among {name}'s recent calls and not sent again."
LATE = 0.2
"""Seconds between slot and request after which the slot counts from the request on, because the vendor counts what
arrives: the first request of a process starts a courier and opens a connection, which takes longer than this."""
UNREADABLE_PAUSES = (1.0, 5.0, 30.0, 60.0)
"""Seconds before each further try at a paid answer that the disk does not give, or that a courier cannot write yet."""
UNREADABLE_SECONDS = 86_400.0
"""For so long it is tried: a courier goes on trying to write it for a day."""
LONGEST_QUEUE = 60.0
"""Seconds that an answer may have waited for its turn in this process; one that waited longer counts from now on."""
SHARE_SUBMITTED = 0.05
"""The share of a call that is done once its vendor has it."""


@dataclass(slots=True)
class VendorCalls:
    """The calls of a job at one provider."""

    job: Job
    spec: JobSpec
    """The caller's request."""
    provider: Provider
    plan: Plan | None
    """With the orders, where this process made the plan; None for a job that another process began."""
    desk: Desk
    """What all calls of this process share."""
    call_runs: list[CallRun] = field(default_factory=list)
    """Its calls."""

    async def _poll(self, call_run: CallRun, handle: Handle) -> None:
        self._progress(call_run, Running(SHARE_SUBMITTED, "submitted"))
        desk, warmed = self.desk, False

        def tell(running: Running, trouble: str) -> None:
            nonlocal warmed
            if not warmed:  # there is time for it now, and there may be none once the pictures come
                warmed = True
                WORKERS.warm_up(desk.polled)
            self._progress(call_run, running, trouble)

        desk.polled += 1
        try:
            finished, took = await desk.poller.poll_until_done(
                self.provider,
                handle,
                tell,
                self.job.record.created,
                self._provider_now,
                model=self.job.record.model,
                submitted=call_run.submitted,
            )
        finally:
            desk.polled -= 1
            self.job.held_up(call_run.place, "")  # its trouble must not stay in the way of the other calls
        with anyio.CancelScope(shield=True):  # it is paid for: a cancel that comes now must not lose it
            await self._made(call_run, finished, took)

    async def _submit(self, call_run: CallRun) -> None:
        """Send a call: as this process planned it, else as it was written down. It waits for its turn at the vendor.

        Raises:
            ImagewrightError: the job is older than `STALE_SECONDS`; no money is spent for a caller who has left.
            ProviderError: the vendor refused it.
            StorageError: the provider has no such route any more, or an input picture is gone.
            UnknownOutcome: the vendor may have it.
        """
        if (left := STALE_SECONDS - self.job.elapsed) < 0:
            raise too_old(self.job.elapsed)
        until = anyio.current_time() + left
        order = self._order_of(call_run)
        provider, refusals = self.provider, 0
        inline = bool(order.images)
        while inline and isinstance(provider, UploadsInputs):
            self._progress(call_run, Running(stage="uploading the pictures"))
            try:
                async with self._with_pictures(call_run, order, until, UPLOAD_COPIES) as whole:
                    order, inline = without_pictures(await provider.upload_inputs(whole[0])), False
            except RateLimited as too_many:
                forget_frames(too_many)
                await self._turn(call_run, until).after_upload(too_many)
        signature = None
        if isinstance(provider, CanRecover):
            signature = await anyio.to_thread.run_sync(provider.signature, order)
        while True:
            if provider.account and (
                provider.account in self.desk.lines
                or await self.desk.stores.jobs.take_slot(provider.account, provider.name, self.desk.pace_of(provider))
            ):
                await self._turn(call_run, until).wait()
            slot = anyio.current_time()
            if inline:
                async with self._with_pictures(call_run, order, until, INLINE_COPIES) as whole:
                    refused = await self._send(call_run, whole[0], signature, slot=slot)
            else:
                refused = await self._send(call_run, order, signature, slot=slot)
            if isinstance(refused, StorageError):  # that may last, so no memory is held any more
                refused = await self._hear_later(call_run, refused)
            if refused is None:
                return
            await self._turn(call_run, until).after(refused, refusals)
            refusals += 1

    def _with_pictures(
        self, call_run: CallRun, order: Order, until: float, copies: int
    ) -> AbstractAsyncContextManager[list[Order]]:
        """The order with its pictures, see `Spool.with_pictures`; it is given up at `until`, by the loop's clock."""

        async def waits() -> None:
            if anyio.current_time() > until:
                raise too_old(self.job.elapsed)
            self._progress(call_run, Running(stage=WAITING))

        return self.desk.spool.with_pictures(order, self.job.record.plan["inputs"], copies, waits)

    def _turn(self, call_run: CallRun, until: float) -> Turn:
        from imagewright.engine.pacing import Turn  # noqa: PLC0415 - not for a call that gets its slot at once

        self.job.sent.set()  # it waits itself now
        return Turn(self.desk, self.provider, partial(self._progress, call_run), until)

    async def _send(
        self,
        call_run: CallRun,
        order: Order,
        signature: Mapping[str, str] | None,
        *,
        slot: float = math.inf,
        again: bool = False,
    ) -> ProviderError | StorageError | None:
        """Send a call once and write down the answer; with `again`, the answer to what another process sent.

        Args:
            call_run: the call.
            order: what it asks for.
            signature: how to find it again in the vendor's list.
            slot: when it got its slot, by the event loop's clock.
            again: whether another process began to send it.

        Returns:
            Why the vendor took no request just now; the call is planned again. None where it took it. A `StorageError`
            where the disk does not give the answer now.

        Raises:
            ProviderError: it was refused, and nothing runs there.
            StorageError: nothing was sent, as what sending needs could not be written; or it was sent by another.
            UnknownOutcome: the vendor may have it.
        """
        number = call_run.call.number
        folder = await self.desk.stores.blobs.workplace(f"{INCOMING}/{self.job.id}")
        with anyio.CancelScope() as scope:

            async def begin() -> None:
                if self.desk.has_left:
                    scope.shield = False  # of a second request; the first was refused
                    await anyio.sleep_forever()  # this process is about to end, and sends nothing more
                # a cancel from here on would leave the outcome unknown; what follows has time limits of its own
                scope.shield = True
                if (late := anyio.current_time() - slot) > LATE and self.provider.account:
                    await self.desk.stores.jobs.slot_used(self.provider.account, late)
                if call_run.state is CallState.PLANNED:
                    # written down before anything is sent: if it cannot be written, nothing is sent
                    await self.desk.stores.jobs.advance(self.job.id, number, CallState.SUBMITTING, signature=signature)
                    call_run.call = replace(call_run.call, state=CallState.SUBMITTING, signature=signature)
                    call_run.sent = True
                    self.job.sent.set()
                else:  # a second request of the same call, by a process that may have been frozen since the first
                    await self.desk.stores.jobs.check_lease(self.job.id)

            sending = Sending(begin, folder, number, again)
            self.desk.sending.add(scope)
            try:
                answer = await self.provider.submit(order, sending)
                scope.shield = True
                await self._accepted(call_run, answer, sending.answered)
            except ProviderError as error:
                if not (sending.refused_for_now or isinstance(error, NotSent)) or call_run.state is CallState.PLANNED:
                    raise
                await self._plan_again(call_run)
                forget_frames(error)
                return error
            except StorageError as error:
                scope.shield = False  # whatever was sent, its answer comes to the disk
                forget_frames(error)
                return await self._not_stored(call_run, sending, error)
            finally:
                self.desk.sending.discard(scope)
                if sending.limits is not None:
                    self.desk.limits[self.provider.account] = sending.limits
        return None

    async def _not_stored(self, call_run: CallRun, sending: Sending, error: StorageError) -> StorageError:
        """As `_send`, where the disk does not take, or does not give, what sending needs."""
        if sending.gone:
            return error
        if call_run.state is CallState.SUBMITTING and not sending.again:
            await self._plan_again(call_run)
        raise error

    async def _hear_later(self, call_run: CallRun, error: StorageError) -> NotSent | None:
        """Go on where the disk does not give the answer to what was sent. Returns and raises as `_send`."""
        log.warning("job %s: what %s answered cannot be read now: %s", self.job.id, self.provider.name, error)
        await self._hear(call_run)
        return NotSent(self.provider.name, str(error), charged=False) if call_run.state is CallState.PLANNED else None

    async def _plan_again(self, call_run: CallRun) -> None:
        await self._note(call_run, CallState.PLANNED)
        call_run.sent = False

    async def _hear(self, call_run: CallRun) -> None:
        """Read the answer to a call that another process began to send. One that never left is planned again.

        Raises: as `_send`.
        """
        if await self._is_on_disk(call_run):
            return
        self._progress(call_run, Running(stage=f"waiting for what {self.provider.name} has answered"))
        try:
            order = self._order_of(call_run, to_hear=True)
        except StorageError as error:  # without it, the answer cannot be read
            raise UnknownOutcome(self.provider.name, f"the server stopped while it was sending; {error}") from error
        # nothing is sent, so nothing is uploaded either
        order = replace(order, links=("",) * (len(order.images) + (order.mask is not None)))
        last = anyio.current_time() + UNREADABLE_SECONDS
        for pause in chain(UNREADABLE_PAUSES, repeat(UNREADABLE_PAUSES[-1])):
            try:
                await self._send(call_run, order, call_run.call.signature, again=True)
            except StorageError as error:  # the answer cannot be read now, or is not written yet
                if anyio.current_time() > last:
                    raise UnknownOutcome(self.provider.name, f"what it answered cannot be read: {error}") from error
                log.warning("job %s: %s", self.job.id, error)
                await anyio.sleep(pause)
            else:
                return

    async def _is_on_disk(self, call_run: CallRun, *, files_alone: bool = False) -> bool:
        """Whether the answer to a call lies on disk: its process died before the journal was written."""
        answer = await self.desk.spool.read_answer(self.job.record, call_run.call, files_alone=files_alone)
        if answer is not None:
            self.job.note(*answer.notes)
            await self._note(call_run, CallState.MADE, outputs=answer.outputs, cost_usd=answer.cost_usd)
        return answer is not None

    def _order_of(self, call_run: CallRun, *, to_hear: bool = False) -> Order:
        """What a call asks for, with empty pictures: as planned here, or as written down, see `Spool.read_order`."""
        if self.plan is not None:
            return self.plan.orders[call_run.call.number]
        return self.desk.spool.read_order(self.job.record, call_run.call, self.provider.routes, to_hear=to_hear)

    async def _accepted(self, call_run: CallRun, answer: Handle | Finished, answered: float = 0.0) -> None:
        """Write down what the vendor answered to a call, and when, if that is known better than by now."""
        if isinstance(answer, Handle):
            now = anyio.current_time()
            # with many calls at once, the answer waits for its turn here while the task runs
            call_run.submitted = answered if now - LONGEST_QUEUE < answered < now else now
            await self._note(call_run, CallState.SUBMITTED, handle=dict(answer.data))
        else:
            await self._made(call_run, answer)

    async def _recover(self, call_run: CallRun, unheard: UnknownOutcome) -> None:
        """Find a call again whose answer was never heard: on disk, or at a vendor that lists recent calls.

        Raises:
            UnknownOutcome: the vendor has no such list, or did not show the call in it.
        """
        if await self._is_on_disk(call_run, files_alone=True):
            return
        call, tell = call_run.call, partial(self._progress, call_run)
        handle = await recover(self._provider_now, self.job.id, call, self.desk.stores.jobs, tell, unheard=unheard)
        call_run.call = replace(call, state=CallState.SUBMITTED, handle=handle.data)
        self.job.note(FOUND.format(name=self.provider.name))

    async def _made(self, call_run: CallRun, finished: Finished, took: float | None = None) -> None:
        """Write the results down. Bytes that came with the answer go to disk first, or stay in memory."""
        call, job_id = call_run.call, self.job.id
        finished = within_reason(finished, call.count)
        call_run.outputs = finished.outputs
        self.job.note(*finished.notes)
        try:
            outputs = tuple(
                [
                    await self.desk.spool.keep_output(job_id, self.job.record.variant_of(call, place), output)
                    for place, output in enumerate(finished.outputs)
                ]
            )
            if call.handle is None:
                await self.desk.spool.keep_answer(
                    job_id, call.number, Answer(outputs, finished.cost_usd, finished.notes)
                )
        except StorageError as error:
            # the journal may only say `made` once another process could find the pictures
            log.error("job %s: its pictures stay in memory: %s", job_id, error)  # noqa: TRY400 - known, and reported in full
            call_run.call = replace(call, state=CallState.MADE, cost_usd=finished.cost_usd)
        else:
            changes: CallChanges = {"outputs": outputs, "cost_usd": finished.cost_usd}
            self._take(call_run, CallState.MADE, **(changes if took is None else {**changes, "took": took}))

    async def _note(self, call_run: CallRun, state: CallState, **changes: Unpack[CallChanges]) -> None:
        """Take a step and write it down, also while the job is being stopped; if that fails, it is written later."""
        self._take(call_run, state, **changes)
        await self._write(call_run)

    def _take(self, call_run: CallRun, state: CallState, **changes: Unpack[CallChanges]) -> None:
        """Take a step that is written down with the next: until then, another process comes to the same."""
        values: dict[str, Any] = {name: value for name, value in changes.items() if name != "took"}
        call_run.call = replace(call_run.call, **values, state=state)
        call_run.unwritten.append(Step(call_run.call.number, state, changes))

    async def _write(self, call_run: CallRun) -> None:
        """Write the steps of a call down, with the records of its pictures."""
        steps, pictures = call_run.unwritten, call_run.unrecorded
        call_run.unwritten, call_run.unrecorded = [], []
        # a process that carries the job on knows only what is written down
        steps[-1].changes["notes"] = self.job.record.notes
        with anyio.CancelScope(shield=True):
            await self.desk.stores.jobs.conclude(self.job.id, steps, pictures)

    def _handle(self, call_run: CallRun) -> Handle | None:
        data = call_run.call.handle
        return None if data is None else Handle(self.provider.name, data)

    def _provider_now(self) -> Provider:
        """The provider as it is configured now; if it is not in use any more, the one the job began with."""
        self.provider = self.desk.registry().providers.get(self.job.record.provider, self.provider)
        return self.provider

    def _progress(self, call_run: CallRun, running: Running, trouble: str = "") -> None:
        if running.share is not None:
            call_run.share = max(call_run.share, min(running.share, SHARE_MADE))
        total = sum(one.share for one in self.call_runs) / len(self.call_runs)
        self.job.held_up(call_run.place, trouble)
        self.job.tell(share=total, stage=running.stage)
