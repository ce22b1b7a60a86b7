"""The engine: everything a server or a command needs, opened once, owning all jobs."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from imagewright.catalog.load import catalog
from imagewright.catalog.row import verb
from imagewright.engine.check import check
from imagewright.engine.config import make_config
from imagewright.errors import Problem, Refusal, StorageError
from imagewright.providers.http.client import HttpClient
from imagewright.settings.load import BudgetTable, load_settings
from imagewright.text import did_you_mean, say

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from anyio.abc import TaskGroup

    from imagewright.engine.check import Checked
    from imagewright.engine.config import Config
    from imagewright.engine.inputs import Source
    from imagewright.engine.job import Job
    from imagewright.engine.jobs import Jobs
    from imagewright.engine.offer import Offer
    from imagewright.engine.registry import ProviderRegistry
    from imagewright.providers.base import Sender
    from imagewright.settings.load import Settings
    from imagewright.storage.journal import Opened
    from imagewright.storage.library import Library
    from imagewright.storage.record import PictureRecord

log = logging.getLogger(__name__)

ROOM_PER_PICTURE = 40_000_000
"""Bytes that must be free per picture before anything is spent: a 4K PNG with grain is about 35 MB."""
JOINED = "This call repeats an earlier one and was joined to its job; nothing more was charged."
NOT_LOOKED_AT = "The pictures were not looked at yet: nothing is opened or fetched before the arguments are right."
AGAIN = "For another picture of the same, call once more or change the seed or the wording."
DOUBT = 3.0
"""How long a late answer counts as unheard, as a multiple of the time it took; see `Engine.answered`."""
PICKUP_DELAY = 1.0
"""Seconds after the start before left-over jobs are looked for: the first `tools/list` comes first."""


class Engine:
    """Takes calls, runs jobs, finds pictures. Made by `open_engine`."""

    def __init__(self, config: Config, group: TaskGroup, http: Sender) -> None:
        self._config = config
        self._group = group
        self._http = http
        self._jobs: Jobs | None = None
        self._library: Library | None = None

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._config.settings

    @property
    def offer(self) -> Offer:
        """What is on now."""
        return self._config.offer

    @property
    def registry(self) -> ProviderRegistry:
        """The providers in use now."""
        return self._config.registry

    @property
    def library(self) -> Library:
        """The library, opened at the first need: the start does not pay for SQLite."""
        if self._library is None:
            self._open_storage()
        assert self._library is not None  # noqa: S101 - for the type checker; opened just above
        return self._library

    @property
    def jobs(self) -> Jobs:
        """The register of jobs, opened like the library."""
        if self._jobs is None:
            self._open_storage()
        assert self._jobs is not None  # noqa: S101 - for the type checker; opened just above
        return self._jobs

    def _open_storage(self) -> None:
        from imagewright.engine.jobs import Jobs  # noqa: PLC0415 - as above
        from imagewright.engine.ledger import Ledger  # noqa: PLC0415 - as above
        from imagewright.engine.spool import Spool  # noqa: PLC0415 - as above
        from imagewright.engine.stores import Stores  # noqa: PLC0415 - SQLite is not on the start-up path
        from imagewright.storage.database import Database  # noqa: PLC0415 - as above
        from imagewright.storage.library import Library  # noqa: PLC0415 - as above

        folders = self.settings.folders
        database = Database(folders.database)
        self._library = Library(folders, database)
        stores = Stores(self._library, Ledger(database, self.settings.lease), Spool(folders.database.parent))
        self._jobs = Jobs(self._group, stores, lambda: self.registry)

    async def reload(self) -> bool:
        """Read the configuration and the keys again; whether the offer has changed.

        Calls that come after this go by the new ones. Jobs that run keep the provider they began with.

        Raises:
            SettingsError: something in the files cannot be used; everything stays as it was.
        """
        before = self._config

        def read() -> Config:
            return make_config(load_settings(before.settings.environment, before.settings.command_line), self._http)

        self._config = await anyio.to_thread.run_sync(read)
        return self._config.offer != before.offer

    async def close(self) -> None:
        """Leave unfinished jobs to the next process, and let go of the database."""
        if self._jobs is not None:
            await self._jobs.release()
        if self._library is not None:
            await anyio.to_thread.run_sync(self._library.close)

    async def start(self, tool: str, arguments: object, *, key: str = "", confirmed: bool = False) -> Job:
        """Accept a call and begin it. Returns at once; the job goes on whatever becomes of the caller.

        Args:
            tool: the model's tool.
            arguments: what the client sent.
            key: the caller's idempotency key: a second call with the same key is the same job.
            confirmed: whether the user has agreed to the price.

        Raises:
            Refusal: every problem of the call; nothing was spent and nothing written.
            ConfirmationNeededError: it costs more than the user wants spent without being asked.
            StorageError: it could not be written down; nothing was sent.
        """
        from imagewright.engine.choose import (  # noqa: PLC0415 - not before the first call
            candidates,
            caps,
            check_call,
            choose,
            explain,
            refuse_over,
        )
        from imagewright.engine.plan import fingerprint, first_plan  # noqa: PLC0415 - as above

        config = self._config
        checked = _understand(config.offer, tool, arguments)
        sources, problems = await self._look_at_pictures(checked)
        call = "" if problems else fingerprint(checked, sources)
        if not problems and (earlier := await self.jobs.repeated(call, key)) is not None:
            return await self._job_of(earlier)  # made and paid for already: neither price nor room are asked about
        problems += await self._room_problems(checked, refused=bool(problems))
        if problems:
            note = NOT_LOOKED_AT if checked.problems and checked.names_pictures else ""
            raise Refusal(*problems, instead=_instead(config.offer, checked), note=note)
        others = config.offer.others(checked.operation, but=tool, taking=checked.wished)
        order = config.settings.providers
        examined = candidates(checked, config.offer.routes(tool), order, sources)
        able = choose(examined, checked, others)
        budget = config.settings.budget
        check_call(budget, able[0], confirmed=confirmed)
        plan = await first_plan(able, limited=budget != BudgetTable())
        plan = replace(plan, choice=explain(examined, ordered=order is not None))
        opened = await self.jobs.begin(plan, fingerprint=call, key=key, caps=caps(budget), registry=config.registry)
        if opened.over is not None:
            raise refuse_over(*opened.over, plan.spec.usd or 0.0)
        return await self._job_of(opened)

    async def _job_of(self, opened: Opened) -> Job:
        """The job a call has come to, its own or an earlier one.

        Raises:
            Refusal: its idempotency key belongs to another call.
        """
        if opened.clashing is not None:
            message = f"this key was given to another call before, {opened.clashing.id}: take a new key for a new call"
            raise Refusal(Problem("idempotency key", message))
        known = opened.entry or opened.joined
        job = await self.jobs.find(known.id) if known is not None else None
        if job is None:
            raise StorageError("the job was written down and cannot be found again")
        if opened.joined is not None:
            note = f"{JOINED} {AGAIN}" if job.done and not opened.joined.key else JOINED
            job.notes += [] if note in job.notes else [note]
        return job

    def explain(self, tool: str, arguments: object) -> tuple[str, ...]:
        """Which route a call would take and why not the others, without taking it; pictures are not looked at.

        Raises:
            Refusal: the arguments are wrong, or the tool is off.
        """
        from imagewright.engine.choose import candidates, explain  # noqa: PLC0415 - not before the first call

        config = self._config
        checked = _understand(config.offer, tool, arguments)
        if checked.problems:
            raise Refusal(*checked.problems, instead=_instead(config.offer, checked))
        order = config.settings.providers
        examined = candidates(checked, config.offer.routes(tool), order)
        return explain(examined, ordered=order is not None)

    async def _look_at_pictures(self, checked: Checked) -> tuple[list[Source], list[Problem]]:
        """The call's pictures, and all that is wrong with the call by now.

        Nothing is opened or fetched for a call that is refused by its arguments: a refusal must be cheap, and must
        not send requests to whatever addresses it names.
        """
        if checked.problems:
            return [], list(checked.problems)
        given = checked.sources()
        if not given:
            return [], []
        from imagewright.engine.inputs import resolve  # noqa: PLC0415 - loads Pillow: not before the first picture

        return await resolve(given, checked.row.pictures, self.library)

    async def _room_problems(self, checked: Checked, *, refused: bool) -> list[Problem]:
        """Whether there is room and leave to write, said before anything is spent."""
        save_as = checked.given.get("save_as")
        if save_as is not None and not isinstance(save_as, str):
            return []  # said already
        try:
            if save_as:
                await anyio.to_thread.run_sync(self.library.roots.target, save_as)
            if not refused:  # nothing is written for a call that is refused anyway, not even a probe
                needed = ROOM_PER_PICTURE * checked.count
                await anyio.to_thread.run_sync(self.library.check_room, save_as, needed)
        except StorageError as error:
            return [Problem("save_as" if save_as else "", str(error))]
        return []

    async def answered(self, job: Job, took: float) -> None:
        """Note that a call was answered with the end of a job, `took` seconds after it was made.

        Clients give up after 5, 10, 30 or 60 s, and many do so without a word, so an answer that came late may have
        reached nobody. Whoever did not hear it calls again soon; a person who did hear it and wants another picture
        looks at the first one before. So an answer within `sure_wait` counts as heard at once. A later one counts as
        unheard for `DOUBT` times as long as it took, since more clients have given up by then, and again as long for
        each identical job of the last minutes, so that a client that never hears anything does not pay each time.
        Until then the same call is answered with this job. Being answered in time ends the doubt, so that nobody is
        given an earlier picture more than once in place of a new one.
        """
        late = took > self.settings.sure_wait
        await self.jobs.seen(job, DOUBT * took if late else 0.0)

    async def wait(self, job: Job, seconds: float) -> bool:
        """Wait until the job is done, at most that long; whether it is done."""
        with anyio.move_on_after(seconds):
            async for _ in self.watch(job):
                pass
        return job.done

    async def watch(self, job: Job) -> AsyncIterator[Job]:
        """The job, now and at each change, until it is done."""
        while True:
            changed = job.changed
            yield job
            if job.done:
                return
            await changed.wait()

    async def gallery(
        self, *, text: str = "", tool: str = "", day: str = "", parent: str = "", limit: int = 20, offset: int = 0
    ) -> list[PictureRecord]:
        """Earlier pictures, newest first; see `Library.find`."""
        return await anyio.to_thread.run_sync(
            lambda: self.library.find(text=text, tool=tool, day=day, parent=parent, limit=limit, offset=offset)
        )

    async def picture(self, picture_id: str) -> PictureRecord | None:
        """The record of one picture."""
        return await anyio.to_thread.run_sync(self.library.get, picture_id)


def _understand(offer: Offer, tool: str, arguments: object) -> Checked:
    """The call against its row, without looking at any picture.

    Raises:
        Refusal: there is no such tool, or it is switched off or not served.
    """
    row = catalog().get(tool)
    if row is None:
        raise Refusal(Problem("tool", f"there is no {say(tool)}{did_you_mean(tool, offer.names)}"))
    checked = check(row, arguments)
    if tool not in offer.tools:
        able = offer.others(checked.operation, but=tool)
        because = offer.hidden.get(tool, "not listed")
        nobody = "" if able else f"; no tool that is on can {verb(checked.operation)}"
        raise Refusal(Problem("", f"{tool} is off: {because}{nobody}"), instead=able)
    return checked


def _instead(offer: Offer, checked: Checked) -> tuple[str, ...]:
    """Tools that are on and take what this one cannot; none where mending the call is enough."""
    row = offer.tools[checked.row.tool]
    if checked.operation not in row.operations:
        return offer.others(checked.operation, but=row.tool)
    return offer.takers(checked.strays, but=row.tool) if checked.strays else ()


@asynccontextmanager
async def open_engine(
    settings: Settings, *, on_change: Callable[[], Awaitable[None]] | None = None
) -> AsyncIterator[Engine]:
    """A engine for as long as the block lasts; unfinished jobs are left to the next process.

    Args:
        settings: decided settings.
        on_change: a server's: called after the offer has changed because the configuration file did. With it, the
            file is watched and jobs that dead processes left behind are carried on.

    Raises:
        SettingsError: the settings name something that does not exist, or hold a value that cannot be used.
    """
    http = HttpClient()
    config = make_config(settings, http)
    engine: Engine | None = None
    try:
        async with anyio.create_task_group() as group:
            engine = Engine(config, group, http)
            if on_change is not None:
                from imagewright.engine.watch import watch_config  # noqa: PLC0415 - only servers watch

                group.start_soon(_logged, watch_config, engine, on_change)
                group.start_soon(_logged, _pick_up, engine)
            yield engine
            group.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await http.aclose()
            if engine is not None:
                await engine.close()


async def _logged(task: Callable[..., Awaitable[None]], *args: object) -> None:
    """Run a task of the background; a bug in it is logged and must not take the server and its jobs down."""
    try:
        await task(*args)
    except Exception:
        log.exception("%s stopped", getattr(task, "__name__", task))


async def _pick_up(engine: Engine) -> None:
    await anyio.sleep(PICKUP_DELAY)
    await engine.jobs.keep_leases(adopting=True)
