"""One attempt at a job: its vendor calls from wherever the journal says they stand to pictures in the library.

Every step is written down before the next is taken, so that whoever picks the job up can go on from there.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from imagewright.engine.delivery import deliver
from imagewright.engine.desk import error_data
from imagewright.engine.follow import follow
from imagewright.errors import ImagewrightError, ProviderError, StorageError, UnknownOutcome
from imagewright.providers.base import Finished, Handle, Running
from imagewright.storage.record import NewPicture
from imagewright.storage.states import CallState, is_final

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagewright.engine.brief import Brief
    from imagewright.engine.desk import Desk
    from imagewright.engine.job import CostBasis, Job
    from imagewright.providers.base import Order, Product, Provider
    from imagewright.storage.journal_entry import CallEntry, JobEntry

log = logging.getLogger(__name__)

CANCEL_SECONDS = 5.0
"""Bound on telling a vendor to stop."""
SHARE_SUBMITTED = 0.05
SHARE_MADE = 0.9


@dataclass(slots=True)
class Errand:
    """One vendor call being seen through.

    Attributes:
        call: as the journal had it when the attempt began.
        state: where it stands now.
        cost: what the vendor says it charged.
        arrived: how many of its pictures are in the library.
        error: what went wrong.
        share: how far it is, 0 to 1.
        handle: what the vendor gave to ask by.
    """

    call: CallEntry
    state: CallState
    cost: float | None
    arrived: int = 0
    error: ImagewrightError | None = None
    share: float = 0.0
    handle: Handle | None = None


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
        errands: its calls.
    """

    job: Job
    entry: JobEntry
    brief: Brief
    provider: Provider
    desk: Desk
    order_of: Callable[[CallEntry], Order]
    errands: list[Errand] = field(default_factory=list)

    async def carry_out(self) -> None:
        """See every call through. What went wrong stands in the errands.

        Raises:
            LostLeaseError: another process has the job now.
        """
        self.errands = [Errand(call, call.state, call.cost_usd) for call in self.entry.calls]
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
        except ImagewrightError as error:
            await self._fail(errand, error)
        except ExceptionGroup:
            raise
        except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
            # a bug in one vendor's file must end this job and not the server
            log.exception("job %s broke", self.job.id)
            await self._fail(errand, ProviderError(self.provider.name, f"internal error: {error!r}", charged=None))

    async def _steps(self, errand: Errand) -> None:
        call = errand.call
        products = call.products
        answer: Handle | Finished | None = None
        match errand.state:
            case CallState.PLANNED:
                answer = await self._submit(errand)
            case CallState.SUBMITTING:
                raise UnknownOutcome(self.provider.name, "the server stopped while it was sending")
            case CallState.SUBMITTED:
                answer = errand.handle = Handle(self.provider.name, call.handle or {})
        if isinstance(answer, Handle):
            self._progress(errand, Running(SHARE_SUBMITTED, "submitted"))
            answer = await follow(self.provider, answer, lambda running: self._progress(errand, running))
        if isinstance(answer, Finished):
            products = await self._made(errand, answer)
        self._progress(errand, Running(SHARE_MADE, "fetching"))
        for offset, product in enumerate(products or ()):
            variant = call.first_variant + offset
            if not any(one.variant == variant for one in self.job.pictures):
                await self._bring(errand, self.desk.spool.read_product(product), variant)
            errand.arrived += 1
        await self._note(errand, CallState.KEPT)

    async def _submit(self, errand: Errand) -> Handle | Finished:
        order = await anyio.to_thread.run_sync(self.order_of, errand.call)
        await self.desk.ledger.step(self.job.id, errand.call.number, CallState.SUBMITTING)
        errand.state = CallState.SUBMITTING
        # a cancel in the middle of a submit would leave its outcome unknown, and it is bounded by itself
        with anyio.CancelScope(shield=True):
            answer = await self.provider.submit(order)
            if isinstance(answer, Handle):
                errand.handle = answer
                await self._note(errand, CallState.SUBMITTED, handle=dict(answer.ticket))
            else:
                await self._made(errand, answer)
        return answer

    async def _made(self, errand: Errand, finished: Finished) -> tuple[dict[str, object], ...]:
        """Write the results down; bytes that came at once go to disk with the same breath."""
        first = errand.call.first_variant
        spool = self.desk.spool

        def keep_all() -> tuple[dict[str, object], ...]:
            products = enumerate(finished.products)
            return tuple(spool.keep_product(self.job.id, first + place, product) for place, product in products)

        products = await anyio.to_thread.run_sync(keep_all)
        if errand.state is not CallState.MADE:
            errand.cost = finished.cost_usd
            self.job.notes += [note for note in finished.notes if note not in self.job.notes]
            await self._note(errand, CallState.MADE, products=products, cost_usd=finished.cost_usd)
        return products

    async def _bring(self, errand: Errand, product: Product, variant: int) -> None:
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
        )
        record, notes = await deliver(
            product, new, job=self.job, brief=self.brief, provider=self.provider, desk=self.desk
        )
        self.job.pictures.append(record)
        self.job.pictures.sort(key=lambda one: one.variant)
        self.job.notes += notes
        self.job.tell()

    def _cost_each(self, errand: Errand) -> tuple[float | None, CostBasis]:
        if errand.cost is not None:
            return errand.cost / errand.call.count, "actual"
        if self.brief.usd is not None:
            return self.brief.usd / self.brief.count, "estimate"
        return None, "unknown"

    async def _stop(self, errand: Errand) -> None:
        """End a call because someone asked for it."""
        told = False
        if errand.state is CallState.SUBMITTED and errand.handle is not None:
            with anyio.move_on_after(CANCEL_SECONDS):
                told = await self.provider.cancel(errand.handle)
            name = self.provider.name
            self.job.notes.append(
                f"{name} was told to stop; what it had begun may still be charged."
                if told
                else f"{name} has no way to stop a task: it goes on there and may be charged."
            )
        if errand.state in (CallState.PLANNED, CallState.SUBMITTING, CallState.SUBMITTED):
            await self._note(errand, CallState.CANCELLED)

    async def _fail(self, errand: Errand, error: ImagewrightError) -> None:
        errand.error = error
        unknown = isinstance(error, UnknownOutcome) and errand.state is CallState.SUBMITTING
        if isinstance(error, StorageError) and errand.state is CallState.PLANNED:
            self.job.notes.append("Nothing was sent.")
        await self._note(errand, CallState.UNKNOWN if unknown else CallState.FAILED, error=error_data(error))

    async def _note(self, errand: Errand, state: CallState, **changes: object) -> None:
        errand.state = state
        await self.desk.ledger.note(self.job.id, errand.call.number, state, **changes)

    def _progress(self, errand: Errand, running: Running) -> None:
        if running.share is not None:
            errand.share = max(errand.share, min(running.share, SHARE_MADE))
        total = sum(one.share for one in self.errands) / len(self.errands)
        self.job.tell(share=total, stage=running.stage)
