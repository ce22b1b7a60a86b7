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

from imagewright.engine.delivery import Delivery
from imagewright.engine.desk import error_data
from imagewright.engine.errand import Errand, errand_of
from imagewright.engine.follow import follow
from imagewright.engine.job import SHARE_MADE
from imagewright.engine.search import search
from imagewright.engine.spool import Answer
from imagewright.engine.surplus import most_taken, within_reason
from imagewright.engine.unreadable import UnreadableResultError
from imagewright.errors import ImagewrightError, ProviderError, StorageError, UnknownOutcome
from imagewright.providers.base import Finished, Handle, ListsRecentCalls, Running, TakesPicturesFirst
from imagewright.storage.journal import LostLeaseError
from imagewright.storage.record import NewPicture
from imagewright.storage.states import CallState, is_final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from imagewright.engine.brief import Brief
    from imagewright.engine.desk import Desk
    from imagewright.engine.job import Job
    from imagewright.providers.base import Order, Product, Provider
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
        brief: the caller's wish.
        provider: who does it.
        desk: where things are kept.
        order_of: the order of a call that was not sent yet.
        find_provider: the provider of a name as it is set up now; raises where it is not in use any more.
        errands: its calls.
    """

    job: Job
    entry: JobEntry
    brief: Brief
    provider: Provider
    desk: Desk
    order_of: Callable[[CallEntry], Order]
    find_provider: Callable[[str], Provider]
    errands: list[Errand] = field(default_factory=list)

    async def carry_out(self) -> None:
        """See every call through. What went wrong stands in the errands.

        Raises:
            LostLeaseError: another process has the job now.
        """
        self.errands = [errand_of(self.provider, call) for call in self.entry.calls]
        with self.job.scope:
            async with anyio.create_task_group() as group:
                for errand in self.errands:
                    if not is_final(errand.state):
                        group.start_soon(self._see_through, errand)

    async def _see_through(self, errand: Errand) -> None:
        try:
            await self._steps(errand)
        except anyio.get_cancelled_exc_class():
            # only a cancel that was asked for ends the vendor's work; a process that stops leaves the job to the next
            if self.job.cancel_asked:
                with anyio.CancelScope(shield=True):
                    await self._stop(errand)
            raise
        except LostLeaseError:
            raise
        except Exception as error:  # noqa: BLE001 - a bug in one vendor's file must end this job and not the server
            await self._fail(errand, self._told(errand, error))

    async def _steps(self, errand: Errand) -> None:
        match errand.state:
            case CallState.PLANNED:
                self._check_age()
                await self._submit(errand)
            case CallState.SUBMITTING:
                stopped = UnknownOutcome(self.provider.name, "the server stopped while it was sending")
                await self._search(errand, stopped)
        if errand.state is CallState.SUBMITTED and errand.handle is not None:
            self._progress(errand, Running(SHARE_SUBMITTED, "submitted"))
            tell = partial(self._progress, errand)
            try:
                finished = await follow(self.provider, errand.handle, tell, self.job.created, self._provider_now)
            finally:  # its end is none of the other calls' trouble
                self.job.held_up(errand.place, "")
            await self._made(errand, finished)
        await self._bring_all(errand)

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

    async def _submit(self, errand: Errand) -> None:
        order = await anyio.to_thread.run_sync(self.order_of, errand.call)
        if order.pictures and isinstance(self.provider, TakesPicturesFirst):
            self._progress(errand, Running(stage="handing over the pictures"))
            order = await self.provider.hand_over(order)
        if isinstance(self.provider, ListsRecentCalls):
            errand.trace = await anyio.to_thread.run_sync(self.provider.trace, order)
        await self.desk.ledger.step(self.job.id, errand.call.number, CallState.SUBMITTING, trace=errand.trace)
        errand.state, errand.sent = CallState.SUBMITTING, True
        unheard: UnknownOutcome | None = None
        # a cancel in the middle of a submit would leave its outcome unknown, and it is bounded by itself
        with anyio.CancelScope(shield=True):
            try:
                answer = await self.provider.submit(order)
            except UnknownOutcome as error:
                unheard = error
            else:
                if isinstance(answer, Handle):
                    errand.handle = answer
                    await self._note(errand, CallState.SUBMITTED, handle=dict(answer.ticket))
                else:
                    await self._made(errand, answer)
        if unheard is not None:
            await self._search(errand, unheard)

    async def _search(self, errand: Errand, unheard: UnknownOutcome) -> None:
        """Find a call again whose answer was never heard: on disk, or at a vendor that lists recent calls.

        Raises:
            UnknownOutcome: the vendor has no such list, or did not show the call in it.
        """
        name = self.provider.name
        if await self._lies_on_disk(errand):
            return
        if not errand.trace or not isinstance(self.provider, ListsRecentCalls):
            raise unheard
        call, tell = (self.job.id, errand.call.number), partial(self._progress, errand)
        errand.handle = await search(self._provider_now, call, errand.trace, self.desk, tell)
        if errand.handle is None:
            seconds = f"{self.provider.rhythm.search:g} s"
            advice = f"{name} did not show it among its recent calls within {seconds}. {UnknownOutcome.advice}"
            raise UnknownOutcome(name, unheard.detail, spoken=unheard.spoken, advice=advice) from unheard
        errand.state = CallState.SUBMITTED
        self.job.notes.append(FOUND.format(name=name))

    async def _lies_on_disk(self, errand: Errand) -> bool:
        """Whether the answer to a call lies in the job's folder: its process died before the journal was written."""
        most = range(most_taken(errand.call.count))
        variants = [self.entry.variant_of(errand.call, place) for place in most]
        spool = self.desk.spool
        answer = await anyio.to_thread.run_sync(spool.read_answer, self.job.id, errand.call.number, variants)
        if answer is None:
            return False
        errand.spooled, errand.cost = answer.products, answer.cost_usd
        self._add_notes(answer.notes)
        with anyio.CancelScope(shield=True):
            await self._note_made(errand)
        return True

    def _add_notes(self, notes: Iterable[str]) -> None:
        self.job.notes += [note for note in notes if note not in self.job.notes]

    async def _made(self, errand: Errand, finished: Finished) -> None:
        """Write the results down; bytes that came at once go to disk with the same breath, or stay in memory."""
        finished = within_reason(finished, errand.call.count)
        errand.products, errand.cost = finished.products, finished.cost_usd
        self._add_notes(finished.notes)
        spool, job_id, call = self.desk.spool, self.job.id, errand.call

        def keep_all() -> tuple[Mapping[str, Any], ...]:
            places = enumerate(finished.products)
            products = [spool.keep_product(job_id, self.entry.variant_of(call, place), one) for place, one in places]
            if errand.handle is None:
                spool.keep_answer(job_id, call.number, Answer(tuple(products), finished.cost_usd, finished.notes))
            return tuple(products)

        try:
            errand.spooled = await anyio.to_thread.run_sync(keep_all)
        except StorageError as error:
            # the journal may only say that they are made once another process could find them
            log.error("job %s: its pictures stay in memory: %s", self.job.id, error)  # noqa: TRY400 - known, and told in full
            errand.state = CallState.MADE
        else:
            await self._note_made(errand)

    async def _note_made(self, errand: Errand) -> None:
        await self._note(errand, CallState.MADE, products=errand.spooled, cost_usd=errand.cost)

    async def _bring_all(self, errand: Errand) -> None:
        """Bring every picture of a call home; one that cannot be had does not keep the others from it.

        Raises:
            ImagewrightError: none came; the trouble with the first.
            LostLeaseError: another process has the job now.
        """
        self._progress(errand, Running(SHARE_MADE, "fetching"))
        places = range(len(errand.products or errand.spooled or ()))
        failed: dict[int, Exception] = {}
        async with anyio.create_task_group() as group:
            for place in places:
                group.start_soon(self._bring_one, errand, place, failed)
        for error in failed.values():
            if isinstance(error, LostLeaseError):
                raise error
        errand.arrived = len(places) - len(failed)
        errand.safe = all(isinstance(error, UnreadableResultError) for error in failed.values())
        trouble = self._told(errand, failed[min(failed)]) if failed else None
        if trouble is not None and not errand.arrived:
            raise trouble
        errand.error = trouble
        if (surplus := len(places) - errand.call.count) > 0:
            self._add_notes([SURPLUS.format(name=self.provider.name, count=surplus)])
        if errand.spooled is None:
            errand.spooled = ()
            await self._note_made(errand)
        await self._note(errand, CallState.KEPT, error=error_data(trouble))

    async def _bring_one(self, errand: Errand, place: int, failed: dict[int, Exception]) -> None:
        """Bring one picture home; what went wrong goes into `failed`."""
        variant = self.entry.variant_of(errand.call, place)
        try:
            if not any(one.variant == variant for one in self.job.pictures):
                await self._bring(errand, place, variant)
        except Exception as error:  # noqa: BLE001 - as in `_see_through`
            failed[place] = error

    async def _fresh(self, errand: Errand, place: int) -> Product | None:
        """The product with its link of now, where the vendor gave a ticket to ask by; None where it gives no other.

        Raises:
            Exception: the vendor cannot be asked, as with any poll.
        """
        if errand.handle is None:
            return None
        answer = await self._provider_now().poll(errand.handle)
        if not isinstance(answer, Finished) or place >= len(answer.products):
            return None
        return answer.products[place]

    async def _product(self, errand: Errand, place: int) -> Product:
        if errand.products is not None:
            return errand.products[place]
        spooled = (errand.spooled or ())[place]
        return await anyio.to_thread.run_sync(self.desk.spool.read_product, spooled)

    async def _bring(self, errand: Errand, place: int, variant: int) -> None:
        product = await self._product(errand, place)
        cost, basis = self._cost_each(errand)
        new = NewPicture(
            tool=self.entry.tool,
            operation=self.entry.operation,
            provider=self.entry.provider,
            model=self.entry.model,
            prompt=self.brief.prompt,
            arguments=dict(self.brief.said),
            seed=product.seed if product.seed is not None else errand.call.arguments.get("seed"),
            cost_usd=cost,
            cost_basis=basis,
            parents=self.brief.parents,
            width=0,
            height=0,
            format="",
            job_id=self.job.id,
            variant=variant,
            created=datetime.fromtimestamp(self.job.created, UTC),
        )
        renew = partial(self._fresh, errand, place)
        delivery = Delivery(product, new, self.job, self.brief, self.provider, self.desk, renew, self._provider_now)
        record, notes = await delivery.run()
        self.job.pictures.append(record)
        self.job.pictures.sort(key=lambda one: one.variant)
        self.job.notes += notes
        self.job.tell()

    def _cost_each(self, errand: Errand) -> tuple[float | None, CostBasis]:
        if errand.cost is not None:
            made = len(errand.products or errand.spooled or ())
            return errand.cost / max(errand.call.count, made), "actual"
        if self.brief.usd is not None:
            return self.brief.usd / self.brief.count, "estimate"
        return None, "unknown"

    async def _stop(self, errand: Errand) -> None:
        """End a call because someone asked for it; what is made already is paid for and brought home."""
        match errand.state:
            case CallState.PLANNED:
                await self._note(errand, CallState.CANCELLED)
            case CallState.SUBMITTING if not await self._lies_on_disk(errand):
                await self._fail(errand, UnknownOutcome(self.provider.name, "cancelled while it was being looked for"))
            case CallState.SUBMITTED if errand.handle is not None:
                await self._tell_vendor(errand.handle)
                await self._note(errand, CallState.CANCELLED)
        if errand.state is CallState.MADE:
            await self._last_fetch(errand)

    async def _last_fetch(self, errand: Errand) -> None:
        error: ImagewrightError = StorageError("the picture was made, but could not be fetched in time")
        with anyio.move_on_after(LAST_FETCH_SECONDS):
            try:
                await self._bring_all(errand)
            except ImagewrightError as trouble:
                error = trouble
        if errand.state is CallState.MADE:
            await self._fail(errand, error)

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

    def _told(self, errand: Errand, error: Exception) -> ImagewrightError:
        """The error as the caller is told it: a bug is the vendor file's, and may have cost something."""
        if isinstance(error, ImagewrightError):
            return error
        log.error("job %s broke", self.job.id, exc_info=error)
        kind = UnknownOutcome if errand.state is CallState.SUBMITTING else ProviderError
        return kind(self.provider.name, f"internal error: {error!r}", charged=None if errand.sent else False)

    async def _fail(self, errand: Errand, error: ImagewrightError) -> None:
        errand.error = error
        unknown = isinstance(error, UnknownOutcome) and errand.state is CallState.SUBMITTING
        if isinstance(error, StorageError) and errand.state is CallState.PLANNED:
            self.job.notes.append("Nothing was sent.")
        await self._note(errand, CallState.UNKNOWN if unknown else CallState.FAILED, error=error_data(error))

    async def _note(self, errand: Errand, state: CallState, **changes: object) -> None:
        """Write a step down, also while the job is being stopped."""
        errand.state = state
        with anyio.CancelScope(shield=True):
            await self.desk.ledger.note(self.job.id, errand.call.number, state, **changes)

    def _provider_now(self) -> Provider:
        """The provider as it is set up now; where it is not in use any more, the one the job began with goes on."""
        with suppress(LookupError, ImagewrightError):
            self.provider = self.find_provider(self.entry.provider)
        return self.provider

    def _progress(self, errand: Errand, running: Running, trouble: str = "") -> None:
        if running.share is not None:
            errand.share = max(errand.share, min(running.share, SHARE_MADE))
        total = sum(one.share for one in self.errands) / len(self.errands)
        self.job.held_up(errand.place, trouble)
        self.job.tell(share=total, stage=running.stage)
