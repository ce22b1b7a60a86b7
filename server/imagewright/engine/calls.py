"""Take a call: from what a client sent to a job that is written down and runs. Kept pictures are shown from here too.

The engine imports this module with the first call, and with it SQLite, Pillow and all that jobs need. So the imports
are ordinary ones, but for those of a refusal, and what the first `tools/list` needs stays in `engine.engine`.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from math import inf
from typing import TYPE_CHECKING

import anyio

from imagewright.catalog.load import catalog
from imagewright.catalog.row import MODEL
from imagewright.engine.budget import Estimate, caps, check_call, is_limited, over_budget
from imagewright.engine.check import check
from imagewright.engine.choose import candidates, explain, is_served
from imagewright.engine.inputs import PutAway, opened
from imagewright.engine.jobs import Jobs
from imagewright.engine.pictures import fingerprint
from imagewright.engine.plan import first_plan
from imagewright.errors import PictureError, Problem, Refusal, StorageError
from imagewright.imaging.files import HEAD_READ, head_cost
from imagewright.imaging.limiter import DECODING, LOOK_BYTES, Previews, in_worker
from imagewright.imaging.signatures import HEAD_BYTES, describe, recognise
from imagewright.imaging.workers import WORKERS, fit_previews, look
from imagewright.settings.load import BudgetTable
from imagewright.storage.base import KeyClash, OverBudget
from imagewright.storage.library import day_bounds
from imagewright.text import byte_size, did_you_mean, say, shortened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from datetime import date

    from anyio.abc import TaskGroup

    from imagewright.catalog.row import Row
    from imagewright.engine.check import Checked
    from imagewright.engine.choose import Candidate
    from imagewright.engine.config import Config, ProviderRegistry
    from imagewright.engine.job import Job
    from imagewright.engine.offer import Offer
    from imagewright.engine.pictures import Source
    from imagewright.imaging.limiter import Preview, PreviewCache
    from imagewright.storage.accounts import Principal
    from imagewright.storage.records import CostRow, PictureRecord
    from imagewright.storage.stores import Stores

AT_ONCE = 32
"""How many calls without pictures are on their way from the client to the vendor at a time; others of them wait. Of two
hundred that take each step together, none is sent before the last is written down, and then all results come
together."""
GIVE_WAY_SECONDS = 0.1
"""After so long a call that waits for something is no longer waited for."""
ROOM_PER_PICTURE = 40_000_000
"""Bytes that must be free per picture before anything is spent: a 4K PNG with grain is about 35 MB."""
LARGEST_SHOWN = 300_000_000
"""Bytes of a file that is read for a preview: the most that is taken as a vendor's result."""
NAMED = 5
"""Pictures without a preview that are named with the reason; of more only the number is given."""
REASON_LENGTH = 240
"""Characters of one reason."""
SHRINKING_BYTES = 8
"""Memory for each pixel of the previews that are shrunk together: the picture and its smaller copy."""
NOT_OPENED = "The pictures were not checked yet: nothing is opened or fetched before the arguments are right."


class Calls:
    """Takes calls, and owns the jobs they become.

    The group runs them, `registry` gives the providers in use now, and `today` the day by which models have ended.
    """

    def __init__(
        self,
        group: TaskGroup,
        stores: Stores,
        registry: Callable[[], ProviderRegistry],
        *,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        self._today = today
        self.library = stores.library
        self.jobs = Jobs(group, stores, registry)
        self._stores = stores
        self._way = anyio.Semaphore(AT_ONCE, fast_acquire=True)

    async def close(self) -> None:
        """Leave unfinished jobs to the next process, and close the database."""
        await self.jobs.release()
        await self._stores.close()

    async def start(
        self, who: Principal, config: Config, tool: str, arguments: object, *, key: str, confirmed: bool
    ) -> Job:
        """See `Engine.start`."""
        offer = offer_on(config.offer, self._today())
        checked = await self._checked(who, offer, tool, arguments)
        begin = partial(self._begin, who, config, offer, checked, key=key, confirmed=confirmed)
        if not checked.sources():
            return await self._in_turn(begin)
        # these come one by one anyway, and preparing pictures takes long: nobody else may wait for that
        async with self._opened(who, config, offer, checked) as (sources, put_away):
            return put_away.kept_for(await begin(sources, job_id=put_away.job_id))

    async def _in_turn(self, begin: Callable[[], Awaitable[Job]]) -> Job:
        """Begin a job when fewer than `AT_ONCE` are on their way; where others wait, it is sent before they begin."""
        async with self._way:
            job = await begin()
            if self._way.statistics().tasks_waiting and job.is_local:
                # the job runs, so a caller who leaves now is told about it
                with anyio.move_on_after(GIVE_WAY_SECONDS, shield=True):
                    await job.sent.wait()
        return job

    async def _begin(
        self,
        who: Principal,
        config: Config,
        offer: Offer,
        checked: Checked,
        sources: Sequence[Source] = (),
        *,
        job_id: str = "",
        key: str,
        confirmed: bool,
    ) -> Job:
        """Choose who serves a call, and begin its job, with that id where its pictures lie in the spool already."""
        names = [one.provider for one in offer.serving[checked.row.tool]]
        self.jobs.ready.expect(config.registry.providers, names)
        call = fingerprint(checked, sources)
        if (earlier := await self.jobs.repeated(who, call, key)) is not None:
            return _begun(earlier, None)  # made and paid for already: neither price nor room is checked
        if problems := await self._save_problems(who, checked, ROOM_PER_PICTURE * checked.count):
            raise _refusal(offer, checked, problems)
        budget = config.settings.budget
        kept = budget != BudgetTable()
        examined = _examined(config, offer, checked, sources)
        able = [one for one in examined if not one.against]
        if kept:
            check_call(budget, able[0], confirmed=confirmed)
        # `confirm_above` counts here too: the user agrees to this price and to no higher one
        plan = await first_plan(able, limited=kept)
        ordered = config.settings.providers is not None
        plan = replace(
            plan, job_id=job_id, choice=explain(examined, ordered=ordered, limited=kept and is_limited(budget))
        )
        begun = await self.jobs.begin(
            plan, who, fingerprint=call, key=key, caps=caps(budget) if kept else (), registry=config.registry
        )
        return _begun(begun, plan.spec.usd)

    async def _checked(self, who: Principal, offer: Offer, tool: str, arguments: object) -> Checked:
        """A call whose arguments are right. Raises `Refusal` with every problem of them."""
        checked = understand(offer, tool, arguments)
        # Nothing is opened or fetched for a call that its arguments refuse: a refusal must be cheap, and must not send
        # requests to whatever addresses the call names.
        if problems := [*checked.problems, *await self._save_problems(who, checked)]:
            raise _refusal(offer, checked, problems, NOT_OPENED if checked.names_pictures else "")
        if checked.sources():
            WORKERS.warm_up()  # it is up before the first picture is read
        return checked

    @asynccontextmanager
    async def _opened(
        self, who: Principal, config: Config, offer: Offer, checked: Checked
    ) -> AsyncIterator[tuple[list[Source], PutAway]]:
        """The pictures of a call that some route serves, while the block lasts. `Refusal` has every problem of them."""
        routes, spool = offer.serving[checked.row.tool], self.jobs.desk.spool
        if checked.sources() and not is_served(checked, routes):
            raise _refusal_by_all(offer, checked, candidates(checked, routes, config.settings.providers))
        async with opened(checked, config.settings, self.library, spool, who) as (sources, problems, put_away):
            if problems:
                raise _refusal(offer, checked, problems)
            yield sources, put_away

    async def estimate(self, who: Principal, config: Config, tool: str, arguments: object) -> Estimate:
        """See `Engine.estimate`."""
        offer = offer_on(config.offer, self._today())
        checked = await self._checked(who, offer, tool, arguments)
        async with self._opened(who, config, offer, checked) as (sources, _):
            taken = _examined(config, offer, checked, sources)[0]
        check_call(config.settings.budget, taken, confirmed=True)
        return Estimate(taken.route.provider, taken.route.model, taken.count, taken.usd)

    async def keyed(self, who: Principal, key: str) -> Job | None:
        """See `Engine.keyed`."""
        found = await self._stores.jobs.repeated(who, "", key)  # no call has an empty fingerprint
        return await self.jobs.find(who, found.job_id) if isinstance(found, KeyClash) else None

    def explain(self, config: Config, tool: str, arguments: object) -> tuple[str, ...]:
        """See `Engine.explain`."""
        offer = offer_on(config.offer, self._today())
        checked = understand(offer, tool, arguments)
        if checked.problems:
            raise _refusal(offer, checked, checked.problems)
        order = config.settings.providers
        limited = is_limited(config.settings.budget)
        examined = candidates(checked, offer.serving[tool], order, limited=limited)
        return explain(examined, ordered=order is not None, limited=limited)

    async def spent(self, who: Principal) -> dict[str, float]:
        """See `Engine.spent`."""
        moments = caps(BudgetTable(per_day=inf, per_month=inf))
        return {cap.name: (await self._stores.jobs.spent(who, cap.since)).usd for cap in moments}

    async def costs(self, who: Principal, day: date | str) -> tuple[datetime, list[CostRow]]:
        """See `Engine.costs`."""
        since, _ = day_bounds(day)
        return since, await self._stores.jobs.costs(who, since.timestamp())

    async def previews(self, records: Sequence[PictureRecord], budget: int, made: PreviewCache | None) -> Previews:
        """See `Engine.previews`."""
        found: list[Preview] = []
        missing: list[str] = []
        for record in records:
            try:
                ready = None if made is None else made.get(record.id)
                found.append(await self._preview_of(record) if ready is None else ready)
            except (PictureError, StorageError) as error:
                missing.append(f"No preview of {record.id}: {shortened(str(error), REASON_LENGTH)}")
        if (more := len(missing) - NAMED) > 0:
            missing = [*missing[:NAMED], f"No preview of {more} more, for similar reasons."]
        if not found:
            return Previews((), missing, left_out=0, shrunk=False)
        left = budget - len(json.dumps("\n".join(missing)))
        if sum(preview.encoded_size for preview in found) <= left:
            return Previews(found, missing, left_out=0, shrunk=False)
        cost = sum(preview.width * preview.height for preview in found) * SHRINKING_BYTES
        async with DECODING.share(cost):
            shown, shrunk = await in_worker(fit_previews, found, left, cost=cost)
        return Previews(shown, missing, left_out=len(found) - len(shown), shrunk=shrunk)

    async def _preview_of(self, record: PictureRecord) -> Preview:
        """A preview of a kept picture.

        Raises:
            PictureError: its file is not a whole picture any more.
            StorageError: as `whole_file`.
        """
        head, there = await self.library.head(record, HEAD_READ)
        cost = head_cost(head, there, LOOK_BYTES)
        async with DECODING.share(cost):
            data, _ = await self._read(record, min(there, LARGEST_SHOWN), "open the file itself")
            return (await in_worker(look, data, cost=cost))[1]

    async def whole_file(self, record: PictureRecord, limit: int) -> tuple[bytes, str]:
        """See `Engine.whole_file`."""
        return await self._read(record, limit, f"read {record.uri}/preview, or open the file itself")

    async def _read(self, record: PictureRecord, limit: int, instead: str) -> tuple[bytes, str]:
        """A kept picture's file and its real type; `instead` says what to do where it has more than `limit` bytes.

        Users and other programs can change kept files. So each is opened like the file of an argument: no link is
        followed out of the roots, and no pipe is waited for. What is read is bounded by the file's size now and not by
        the recorded one, and a file that is not a picture any more is never returned.
        """
        head, there = await self.library.head(record, HEAD_BYTES)
        _type_of(head, record)
        if there > limit:
            sizes = f"{byte_size(there)}, and at most {byte_size(limit)} are read"
            raise StorageError(f"{record.path or record.key} has {sizes}: {instead}.")
        data = await self.library.read(record, limit)
        return data, _type_of(data[:HEAD_BYTES], record)

    async def _save_problems(self, who: Principal, checked: Checked, needed: int = 0) -> list[Problem]:
        """What is wrong with the name to save under; with `needed` bytes, whether they could be written there, too."""
        save_as = checked.given.get("save_as")
        if any(one.argument == "save_as" for one in checked.problems):
            return []
        try:
            if needed:
                await self.library.check_room(who, save_as, needed)
            elif save_as:
                await self.library.target(who, save_as)
        except StorageError as error:
            return [Problem("save_as" if save_as else "", str(error))]
        return []


def _refusal_by_all(
    offer: Offer, checked: Checked, examined: Sequence[Candidate], sources: Sequence[Source] = ()
) -> Refusal:
    from imagewright.engine import alternatives  # noqa: PLC0415 - only a refusal needs it

    return alternatives.refusal_by_all(offer, checked, examined, sources)


def _refusal(offer: Offer, checked: Checked, problems: Sequence[Problem], note: str = "") -> Refusal:
    from imagewright.engine import alternatives  # noqa: PLC0415 - only a refusal needs it

    return alternatives.refusal(offer, checked, problems, note)


def _begun(found: Job | KeyClash | OverBudget, usd: float | None) -> Job:
    """The job that serves a call.

    Raises:
        Refusal: its key belongs to another call, or a budget has no room for `usd`.
    """
    match found:
        case KeyClash(job_id):
            message = f"this key was given to another call before, {job_id}: take a new key for a new call"
            raise Refusal(Problem("idempotency key", message))
        case OverBudget():
            raise over_budget(found, usd or 0.0)
        case _:
            return found


def _examined(config: Config, offer: Offer, checked: Checked, sources: Sequence[Source]) -> list[Candidate]:
    """As `candidates`, the first of which serves the call.

    Raises:
        Refusal: none of them does.
    """
    budget, routes = config.settings.budget, offer.serving[checked.row.tool]
    limited = budget != BudgetTable() and is_limited(budget)
    examined = candidates(checked, routes, config.settings.providers, sources, limited=limited)
    if not examined or examined[0].against:
        raise _refusal_by_all(offer, checked, examined, sources)
    return examined


def offer_on(offer: Offer, today: date) -> Offer:
    """The offer without what has ended since it was made."""
    return offer.on(today) if "" < offer.until <= today.isoformat() else offer


def understand(offer: Offer, tool: str, arguments: object) -> Checked:
    """The call against its row, without looking at any picture.

    Raises:
        Refusal: there is no such tool, or it is switched off or not served.
    """
    row = catalog().get(tool)
    if row is None:
        raise Refusal(Problem("tool", f"there is no {say(tool)}{did_you_mean(tool, offer.names)}"))
    checked = check(row, arguments)
    if tool not in offer.tools or _is_unserved(offer.tools[tool], checked):
        from imagewright.engine import alternatives  # noqa: PLC0415 - only a refusal needs it

        if tool not in offer.tools:
            raise alternatives.refusal_of_tool(offer, checked)
        others = [one for one in checked.problems if one.argument != MODEL]
        return replace(checked, problems=(alternatives.unserved_edition(offer, checked), *others))
    return checked


def _is_unserved(served: Row, checked: Checked) -> bool:
    """Whether the call names an edition that is not among those served."""
    own = served.operations.get(checked.operation)
    return bool(checked.edition) and own is not None and checked.edition not in (own.arguments[MODEL].values or ())


def _type_of(head: bytes, record: PictureRecord) -> str:
    """The type of a file that begins like this. Raises StorageError if it is no picture."""
    if (name := recognise(head)) is not None:
        return name
    seems = describe(head) or "no picture" if head else "empty"
    raise StorageError(f"{record.path or record.key} is {seems} now: it is not the picture {record.id} any more.")
