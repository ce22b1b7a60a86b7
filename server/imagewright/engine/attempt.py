"""One attempt at a job: its vendor calls from wherever the journal says they stand to pictures in the library.

Every step is written down before the next is taken, so that whoever picks the job up can go on from there.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from imagewright.engine.call_run import CallRun, call_run_of
from imagewright.engine.delivery import Delivery
from imagewright.engine.job import SHARE_MADE
from imagewright.engine.polling import poll_until_done
from imagewright.engine.recover import search
from imagewright.engine.spool import Answer
from imagewright.engine.stores import error_data
from imagewright.engine.surplus import most_taken, within_reason
from imagewright.engine.unreadable import UnreadableResultError
from imagewright.errors import ImagewrightError, ProviderError, StorageError, UnknownOutcome
from imagewright.providers.base import CanRecover, Finished, Handle, Running, UploadsInputs
from imagewright.storage.journal import LostLeaseError
from imagewright.storage.record import NewPicture
from imagewright.storage.states import CallState, is_final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from imagewright.engine.job import Job
    from imagewright.engine.plan import JobSpec
    from imagewright.engine.stores import Stores
    from imagewright.providers.base import Order, Output, Provider
    from imagewright.storage.journal_entry import CallEntry, JobEntry
    from imagewright.storage.record import CostBasis

log = logging.getLogger(__name__)

CANCEL_SECONDS = 5.0
"""Bound on telling a vendor to stop."""
LAST_FETCH_SECONDS = 60.0
"""Bound on bringing home what was made already when the job was cancelled."""
STALE_HOURS = 1.0
"""How old a job may be of which something is still to be sent: nobody waits for it any more."""
FOUND = "The answer to the request was never heard; it was found among {name}'s recent calls and not sent again."
SURPLUS = "{name} made more than it was asked for: {count} more, kept as well."
SHARE_SUBMITTED = 0.05


@dataclass(slots=True)
class Attempt:
    """A job in the hands of one provider.

    Attributes:
        job: its live state.
        entry: as written in the journal.
        spec: the caller's wish.
        provider: who does it.
        stores: where things are kept.
        order_of: the order of a call that was not sent yet.
        find_provider: the provider of a name as it is set up now; raises where it is not in use any more.
        call_runs: its calls.
    """

    job: Job
    entry: JobEntry
    spec: JobSpec
    provider: Provider
    stores: Stores
    order_of: Callable[[CallEntry], Order]
    find_provider: Callable[[str], Provider]
    call_runs: list[CallRun] = field(default_factory=list)

    async def carry_out(self) -> None:
        """See every call through. What went wrong stands in the calls.

        Raises:
            LostLeaseError: another process has the job now.
        """
        self.call_runs = [call_run_of(self.provider, call) for call in self.entry.calls]
        with self.job.scope:
            async with anyio.create_task_group() as group:
                for call_run in self.call_runs:
                    if not is_final(call_run.state):
                        group.start_soon(self._see_through, call_run)

    async def _see_through(self, call_run: CallRun) -> None:
        try:
            await self._steps(call_run)
        except anyio.get_cancelled_exc_class():
            # only a cancel that was asked for ends the vendor's work; a process that stops leaves the job to the next
            if self.job.cancel_asked:
                with anyio.CancelScope(shield=True):
                    await self._stop(call_run)
            raise
        except LostLeaseError:
            raise
        except Exception as error:  # noqa: BLE001 - a bug in one vendor's file must end this job and not the server
            await self._fail(call_run, self._told(call_run, error))

    async def _steps(self, call_run: CallRun) -> None:
        match call_run.state:
            case CallState.PLANNED:
                self._check_age()
                await self._submit(call_run)
            case CallState.SUBMITTING:
                stopped = UnknownOutcome(self.provider.name, "the server stopped while it was sending")
                await self._search(call_run, stopped)
        if call_run.state is CallState.SUBMITTED and call_run.handle is not None:
            self._progress(call_run, Running(SHARE_SUBMITTED, "submitted"))
            tell = partial(self._progress, call_run)
            try:
                finished = await poll_until_done(
                    self.provider, call_run.handle, tell, self.job.created, self._provider_now
                )
            finally:  # its end is none of the other calls' trouble
                self.job.held_up(call_run.place, "")
            await self._made(call_run, finished)
        await self._bring_all(call_run)

    def _check_age(self) -> None:
        """Keep money from being spent on a wish of long ago.

        Raises:
            ImagewrightError: whoever made the call has left long since.
        """
        hours = (time.time() - self.job.created) / 3600
        if hours > STALE_HOURS:
            raise ImagewrightError(
                f"Nothing was sent and nothing was charged: the server stopped before it could send this, {hours:.0f} "
                "hours ago. Call again if it is still wanted."
            )

    async def _submit(self, call_run: CallRun) -> None:
        order = await anyio.to_thread.run_sync(self.order_of, call_run.call)
        if order.pictures and isinstance(self.provider, UploadsInputs):
            self._progress(call_run, Running(stage="handing over the pictures"))
            order = await self.provider.upload_inputs(order)
        if isinstance(self.provider, CanRecover):
            call_run.signature = await anyio.to_thread.run_sync(self.provider.signature, order)
        await self.stores.ledger.step(
            self.job.id, call_run.call.number, CallState.SUBMITTING, trace=call_run.signature
        )
        call_run.state, call_run.sent = CallState.SUBMITTING, True
        unheard: UnknownOutcome | None = None
        # a cancel in the middle of a submit would leave its outcome unknown, and it is bounded by itself
        with anyio.CancelScope(shield=True):
            try:
                answer = await self.provider.submit(order)
            except UnknownOutcome as error:
                unheard = error
            else:
                if isinstance(answer, Handle):
                    call_run.handle = answer
                    await self._note(call_run, CallState.SUBMITTED, handle=dict(answer.data))
                else:
                    await self._made(call_run, answer)
        if unheard is not None:
            await self._search(call_run, unheard)

    async def _search(self, call_run: CallRun, unheard: UnknownOutcome) -> None:
        """Find a call again whose answer was never heard: on disk, or at a vendor that lists recent calls.

        Raises:
            UnknownOutcome: the vendor has no such list, or did not show the call in it.
        """
        name = self.provider.name
        if await self._lies_on_disk(call_run):
            return
        if not call_run.signature or not isinstance(self.provider, CanRecover):
            raise unheard
        call, tell = (self.job.id, call_run.call.number), partial(self._progress, call_run)
        call_run.handle = await search(self._provider_now, call, call_run.signature, self.stores, tell)
        if call_run.handle is None:
            seconds = f"{self.provider.poll_policy.search:g} s"
            advice = f"{name} did not show it among its recent calls within {seconds}. {UnknownOutcome.advice}"
            raise UnknownOutcome(name, unheard.detail, spoken=unheard.spoken, advice=advice) from unheard
        call_run.state = CallState.SUBMITTED
        self.job.notes.append(FOUND.format(name=name))

    async def _lies_on_disk(self, call_run: CallRun) -> bool:
        """Whether the answer to a call lies in the job's folder: its process died before the journal was written."""
        most = range(most_taken(call_run.call.count))
        variants = [self.entry.variant_of(call_run.call, place) for place in most]
        spool = self.stores.spool
        answer = await anyio.to_thread.run_sync(spool.read_answer, self.job.id, call_run.call.number, variants)
        if answer is None:
            return False
        call_run.spooled, call_run.cost = answer.outputs, answer.cost_usd
        self._add_notes(answer.notes)
        with anyio.CancelScope(shield=True):
            await self._note_made(call_run)
        return True

    def _add_notes(self, notes: Iterable[str]) -> None:
        self.job.notes += [note for note in notes if note not in self.job.notes]

    async def _made(self, call_run: CallRun, finished: Finished) -> None:
        """Write the results down; bytes that came at once go to disk with the same breath, or stay in memory."""
        finished = within_reason(finished, call_run.call.count)
        call_run.outputs, call_run.cost = finished.outputs, finished.cost_usd
        self._add_notes(finished.notes)
        spool, job_id, call = self.stores.spool, self.job.id, call_run.call

        def keep_all() -> tuple[Mapping[str, Any], ...]:
            places = enumerate(finished.outputs)
            outputs = [spool.keep_output(job_id, self.entry.variant_of(call, place), one) for place, one in places]
            if call_run.handle is None:
                spool.keep_answer(job_id, call.number, Answer(tuple(outputs), finished.cost_usd, finished.notes))
            return tuple(outputs)

        try:
            call_run.spooled = await anyio.to_thread.run_sync(keep_all)
        except StorageError as error:
            # the journal may only say that they are made once another process could find them
            log.error("job %s: its pictures stay in memory: %s", self.job.id, error)  # noqa: TRY400 - known, and told in full
            call_run.state = CallState.MADE
        else:
            await self._note_made(call_run)

    async def _note_made(self, call_run: CallRun) -> None:
        await self._note(call_run, CallState.MADE, products=call_run.spooled, cost_usd=call_run.cost)

    async def _bring_all(self, call_run: CallRun) -> None:
        """Bring every picture of a call home; one that cannot be had does not keep the others from it.

        Raises:
            ImagewrightError: none came; the trouble with the first.
            LostLeaseError: another process has the job now.
        """
        self._progress(call_run, Running(SHARE_MADE, "fetching"))
        places = range(len(call_run.outputs or call_run.spooled or ()))
        failed: dict[int, Exception] = {}
        async with anyio.create_task_group() as group:
            for place in places:
                group.start_soon(self._bring_one, call_run, place, failed)
        for error in failed.values():
            if isinstance(error, LostLeaseError):
                raise error
        call_run.arrived = len(places) - len(failed)
        call_run.safe = all(isinstance(error, UnreadableResultError) for error in failed.values())
        trouble = self._told(call_run, failed[min(failed)]) if failed else None
        if trouble is not None and not call_run.arrived:
            raise trouble
        call_run.error = trouble
        if (surplus := len(places) - call_run.call.count) > 0:
            self._add_notes([SURPLUS.format(name=self.provider.name, count=surplus)])
        if call_run.spooled is None:
            call_run.spooled = ()
            await self._note_made(call_run)
        await self._note(call_run, CallState.KEPT, error=error_data(trouble))

    async def _bring_one(self, call_run: CallRun, place: int, failed: dict[int, Exception]) -> None:
        """Bring one picture home; what went wrong goes into `failed`."""
        variant = self.entry.variant_of(call_run.call, place)
        try:
            if not any(one.variant == variant for one in self.job.pictures):
                await self._bring(call_run, place, variant)
        except Exception as error:  # noqa: BLE001 - as in `_see_through`
            failed[place] = error

    async def _fresh(self, call_run: CallRun, place: int) -> Output | None:
        """The output with its link of now, where the vendor gave a ticket to ask by; None where it gives no other.

        Raises:
            Exception: the vendor cannot be asked, as with any poll.
        """
        if call_run.handle is None:
            return None
        answer = await self._provider_now().poll(call_run.handle)
        if not isinstance(answer, Finished) or place >= len(answer.outputs):
            return None
        return answer.outputs[place]

    async def _output(self, call_run: CallRun, place: int) -> Output:
        if call_run.outputs is not None:
            return call_run.outputs[place]
        spooled = (call_run.spooled or ())[place]
        return await anyio.to_thread.run_sync(self.stores.spool.read_output, spooled)

    async def _bring(self, call_run: CallRun, place: int, variant: int) -> None:
        output = await self._output(call_run, place)
        cost, basis = self._cost_each(call_run)
        new = NewPicture(
            tool=self.entry.tool,
            operation=self.entry.operation,
            provider=self.entry.provider,
            model=self.entry.model,
            prompt=self.spec.prompt,
            arguments=dict(self.spec.request),
            seed=output.seed if output.seed is not None else call_run.call.arguments.get("seed"),
            cost_usd=cost,
            cost_basis=basis,
            parents=self.spec.parents,
            width=0,
            height=0,
            format="",
            job_id=self.job.id,
            variant=variant,
            created=datetime.fromtimestamp(self.job.created, UTC),
        )
        renew = partial(self._fresh, call_run, place)
        delivery = Delivery(output, new, self.job, self.spec, self.provider, self.stores, renew, self._provider_now)
        record, notes = await delivery.run()
        self.job.pictures.append(record)
        self.job.pictures.sort(key=lambda one: one.variant)
        self.job.notes += notes
        self.job.tell()

    def _cost_each(self, call_run: CallRun) -> tuple[float | None, CostBasis]:
        if call_run.cost is not None:
            made = len(call_run.outputs or call_run.spooled or ())
            return call_run.cost / max(call_run.call.count, made), "actual"
        if self.spec.usd is not None:
            return self.spec.usd / self.spec.count, "estimate"
        return None, "unknown"

    async def _stop(self, call_run: CallRun) -> None:
        """End a call because someone asked for it; what is made already is paid for and brought home."""
        match call_run.state:
            case CallState.PLANNED:
                await self._note(call_run, CallState.CANCELLED)
            case CallState.SUBMITTING if not await self._lies_on_disk(call_run):
                await self._fail(
                    call_run, UnknownOutcome(self.provider.name, "cancelled while it was being looked for")
                )
            case CallState.SUBMITTED if call_run.handle is not None:
                await self._tell_vendor(call_run.handle)
                await self._note(call_run, CallState.CANCELLED)
        if call_run.state is CallState.MADE:
            await self._last_fetch(call_run)

    async def _last_fetch(self, call_run: CallRun) -> None:
        error: ImagewrightError = StorageError("the picture was made, but could not be fetched in time")
        with anyio.move_on_after(LAST_FETCH_SECONDS):
            try:
                await self._bring_all(call_run)
            except ImagewrightError as trouble:
                error = trouble
        if call_run.state is CallState.MADE:
            await self._fail(call_run, error)

    async def _tell_vendor(self, handle: Handle) -> None:
        name = self.provider.name
        note = f"{name} has no way to stop a task: it goes on there and may be charged."
        try:
            with anyio.fail_after(CANCEL_SECONDS):
                if await self.provider.cancel(handle):
                    note = f"{name} was told to stop; what it had begun may still be charged."
        except (ImagewrightError, TimeoutError) as error:
            why = str(error) or f"no answer within {CANCEL_SECONDS:g} s"
            note = f"{name} could not be told to stop: the task goes on there and may be charged. {why}"
        if note not in self.job.notes:
            self.job.notes.append(note)

    def _told(self, call_run: CallRun, error: Exception) -> ImagewrightError:
        """The error as the caller is told it: a bug is the vendor file's, and may have cost something."""
        if isinstance(error, ImagewrightError):
            return error
        log.error("job %s broke", self.job.id, exc_info=error)
        kind = UnknownOutcome if call_run.state is CallState.SUBMITTING else ProviderError
        return kind(self.provider.name, f"internal error: {error!r}", charged=None if call_run.sent else False)

    async def _fail(self, call_run: CallRun, error: ImagewrightError) -> None:
        call_run.error = error
        unknown = isinstance(error, UnknownOutcome) and call_run.state is CallState.SUBMITTING
        if isinstance(error, StorageError) and call_run.state is CallState.PLANNED:
            self.job.notes.append("Nothing was sent.")
        await self._note(call_run, CallState.UNKNOWN if unknown else CallState.FAILED, error=error_data(error))

    async def _note(self, call_run: CallRun, state: CallState, **changes: object) -> None:
        """Write a step down, also while the job is being stopped."""
        call_run.state = state
        with anyio.CancelScope(shield=True):
            await self.stores.ledger.note(self.job.id, call_run.call.number, state, **changes)

    def _provider_now(self) -> Provider:
        """The provider as it is set up now; where it is not in use any more, the one the job began with goes on."""
        with suppress(LookupError, ImagewrightError):
            self.provider = self.find_provider(self.entry.provider)
        return self.provider

    def _progress(self, call_run: CallRun, running: Running, trouble: str = "") -> None:
        if running.share is not None:
            call_run.share = max(call_run.share, min(running.share, SHARE_MADE))
        total = sum(one.share for one in self.call_runs) / len(self.call_runs)
        self.job.held_up(call_run.place, trouble)
        self.job.tell(share=total, stage=running.stage)
