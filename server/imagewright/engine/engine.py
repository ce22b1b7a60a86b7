"""The engine: everything a server or a command needs. It is opened once and owns all jobs.

Here is what the first `tools/list` needs: settings, providers and offer. All else is in `engine.calls`, which is
imported when it is first used.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from imagewright.engine.config import make_config, watch_files
from imagewright.errors import Problem, Refusal
from imagewright.providers import open_client
from imagewright.settings.load import load_settings, log_at, look
from imagewright.text import plain, say

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from datetime import date, datetime
    from typing import Any

    from anyio.abc import TaskGroup

    from imagewright.engine.budget import Estimate
    from imagewright.engine.calls import Calls
    from imagewright.engine.config import Config
    from imagewright.engine.job import Job
    from imagewright.engine.offer import Offer
    from imagewright.errors import ProviderError
    from imagewright.imaging.limiter import PreviewCache, Previews
    from imagewright.providers.http.client import Sender
    from imagewright.settings.load import Settings
    from imagewright.storage.accounts import Principal
    from imagewright.storage.records import CostRow, PictureRecord, Trouble
    from imagewright.storage.stores import Stores

log = logging.getLogger(__name__)

DOUBT = 3.0
"""How long a late answer counts as unheard, as a multiple of the time it took; see `Engine.answered`."""
PICKUP_DELAY = 1.0
"""Seconds after the start until left-over jobs are searched for: the first `tools/list` comes first."""
NAMED = 3
"""How many of the newest ids are named when one is not known."""


class Engine:
    """Takes calls, runs jobs, finds pictures: all that surface and command line use. Made by `open_engine`."""

    def __init__(self, config: Config, group: TaskGroup, http: Sender) -> None:
        self.config = config
        """The snapshot in force; `reload` puts another in its place."""
        self._group = group
        self._http = http
        self._opened: Calls | None = None

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.config.settings

    @property
    def offer(self) -> Offer:
        """What is on now."""
        return self.config.offer

    async def _calls(self) -> Calls:
        """Everything to do with calls, jobs and pictures; imported and opened when it is first needed."""
        if self._opened is None:
            # in a thread, as it takes a fifth of a second: pings are answered meanwhile
            calls, open_stores = await anyio.to_thread.run_sync(_load)
            if self._opened is None:  # no other task was quicker
                stores = open_stores(self.settings.folders, lease=self.settings.lease)
                self._opened = calls(self._group, stores, lambda: self.config.registry)
        return self._opened

    async def reload(self) -> bool:
        """Read the configuration and the keys again; whether the offer has changed.

        Calls that come after this go by the new ones. Jobs that run keep the provider they began with
        until it gives trouble, and then take what is configured now.

        Raises:
            SettingsError: something in the files cannot be used; everything stays as it was.
        """
        before = self.config

        def read() -> Config:
            return make_config(load_settings(before.settings.environment, before.settings.command_line), self._http)

        self.config = await anyio.to_thread.run_sync(read)
        log_at(self.config.settings.log)
        return self.config.offer != before.offer

    async def follow_files(self, on_change: Callable[[], Awaitable[None]] | None = None) -> None:
        """Reload whenever the configuration or the keys change, until cancelled; `on_change` follows a new offer."""

        async def reload() -> None:
            if await self.reload() and on_change is not None:
                # on its own: a client that is slow to take the news must not keep the next change away
                self._group.start_soon(_logged, on_change)

        settings = self.settings
        await watch_files(partial(look, settings.folders.followed), settings.seen, reload)

    async def leave(self, seconds: float) -> None:
        """Wait until what is being sent is answered, at most so many seconds. Later answers go to the courier."""
        if self._opened is not None:
            await self._opened.jobs.desk.leave(seconds, outlives=self._http.outlives)

    async def close(self) -> None:
        """Leave unfinished jobs to the next process, and close the database."""
        if self._opened is not None:
            await self._opened.close()

    async def start(
        self, who: Principal, tool: str, arguments: object, *, key: str = "", confirmed: bool = False
    ) -> Job:
        """Accept a call and begin it. Returns soon; the job goes on even if the caller, whose job it is, leaves.

        A second call with the same idempotency `key` is the same job. `confirmed`: the user has agreed to the price.

        Raises:
            Refusal: every problem of the call; nothing was spent and nothing written.
            ConfirmationNeededError: it costs more than the user wants spent without being asked.
            StorageError: it could not be written down; nothing was sent.
        """
        config = self.config
        return await (await self._calls()).start(who, config, tool, arguments, key=key, confirmed=confirmed)

    async def explain(self, tool: str, arguments: object) -> tuple[str, ...]:
        """Which route a call would take and why not the others, without taking it; pictures are not opened.

        Raises:
            Refusal: the arguments are wrong, or the tool is off.
        """
        config = self.config
        return (await self._calls()).explain(config, tool, arguments)

    async def estimate(self, who: Principal, tool: str, arguments: object) -> Estimate:
        """What a call would cost and who would serve it, its pictures opened and checked; nothing is begun or written.

        Raises:
            Refusal: as `start`; a limit per call counts, what is spent in a day or month does not.
        """
        config = self.config
        return await (await self._calls()).estimate(who, config, tool, arguments)

    async def keyed(self, who: Principal, key: str) -> Job | None:
        """The job that has this idempotency key and may have cost something, as `find`; None if there is none."""
        return await (await self._calls()).keyed(who, key)

    async def find(self, who: Principal, job_id: str) -> Job | None:
        """The job of that id, of any process; one that runs elsewhere is kept up to date.

        Raises:
            StorageError: it cannot be read.
        """
        return await (await self._calls()).jobs.find(who, job_id)

    async def get(self, who: Principal, job_id: str) -> Job:
        """As `find`, for an id or a `job://` address that a caller gave.

        Raises:
            Refusal: there is no such job; the newest are named.
            StorageError: it cannot be read.
        """
        job = await self.find(who, job_id.removeprefix("job://"))
        if job is None:
            recent = ", ".join(one.id for one in await self.newest(who, NAMED)) or "none yet"
            raise Refusal(Problem("job_id", f"there is no job {say(job_id)}; the newest are: {recent}"))
        return job

    async def newest(self, who: Principal, limit: int) -> list[Job]:
        """The newest jobs of all processes; without those whose entries cannot be read."""
        return await (await self._calls()).jobs.newest(who, limit)

    async def resume(self) -> None:
        """Carry on the jobs that no process works on any more, from now on and for as long as the engine is open."""
        jobs = (await self._calls()).jobs
        self._group.start_soon(_logged, partial(jobs.keep_leases, reclaiming=True))

    async def revive(self, who: Principal, job_id: str) -> Job:
        """Carry on a job that is stalled, or that was cancelled although its vendor went on with the task.

        Raises:
            Refusal: there is no such job, or there is nothing to fetch.
            StorageError: it cannot be read or written.
        """
        job = await self.get(who, job_id)
        if (revived := await (await self._calls()).jobs.revive(job)).done:
            raise Refusal(Problem("job_id", f"{job.id} has ended ({job.record.state}), and nothing is left to fetch"))
        return revived

    async def cancel(self, job: Job) -> None:
        """Stop a job, whichever process works on it; one that no process works on is taken over and ended here.

        Returns when it has ended, or after half a minute.

        Raises:
            StorageError: the process that works on it could not be asked.
        """
        jobs = (await self._calls()).jobs
        # a job that is taken over to be ended must not look left behind in the meantime
        self._group.start_soon(_logged, partial(jobs.keep_leases, reclaiming=False))
        await jobs.cancel(job)

    async def answered(self, job: Job, took: float = 0.0) -> None:
        """Note that a call was answered with the end of a job, `took` seconds after it was made.

        Clients give up after 5, 10, 30 or 60 s, many without a word, so a late answer may have reached nobody. A client
        that did not hear it calls again soon; a person who did, and wants another picture, looks at the first one
        before. So an answer within `sure_wait` counts as heard at once. A later one counts as unheard for `DOUBT` times
        as long as it took, since more clients have given up by then, and again as long for each identical job of the
        last minutes, so that a client that never hears an answer does not pay each time. Until then, the same call is
        answered with this job. An answer in time ends the doubt, so that nobody gets an earlier picture instead of a
        new one more than once.
        """
        late = took > self.settings.sure_wait
        await (await self._calls()).jobs.seen(job, DOUBT * took if late else 0.0)

    async def wait(self, job: Job, seconds: float) -> bool:
        """Wait until the job is done, at most that long; whether it is done."""
        with anyio.move_on_after(seconds):
            await job.ended()
        return job.done

    async def watch(self, job: Job, *, heartbeat: float | None = None, gap: float = 0.0) -> AsyncGenerator[Job]:
        """The job, now and at each change, until it is done. One that is stalled is carried on.

        Args:
            job: which.
            heartbeat: seconds without a change after which it is given all the same; None for never.
            gap: seconds to let pass between two; the end and trouble come at once.
        """
        if job.record.state == "stalled":
            job = await (await self._calls()).jobs.revive(job)
        while True:
            changed = job.changed
            yield job
            if job.done:
                return
            with anyio.move_on_after(heartbeat):
                await changed.wait()
            if gap:
                with anyio.move_on_after(gap):
                    while not job.done and not job.trouble:
                        await job.changed.wait()

    async def costs(self, who: Principal, day: date | str) -> tuple[datetime, list[CostRow]]:
        """The first moment of a day, and what every ended job of all processes cost that was begun since, oldest first.

        Raises:
            Refusal: the day is none, see `storage.library.day_bounds`.
        """
        return await (await self._calls()).costs(who, day)

    async def spent(self, who: Principal) -> dict[str, float]:
        """USD spent or set aside in the running `day` and `month`, over all processes.

        Raises:
            StorageError: the journal cannot be read.
        """
        return await (await self._calls()).spent(who)

    async def trouble(self) -> list[Trouble]:
        """What is wrong with the database and its entries. Changes nothing, not even a broken one."""
        _, open_stores = await anyio.to_thread.run_sync(_load)
        return await open_stores(self.settings.folders, lease=self.settings.lease).trouble()

    async def retirements(self) -> dict[str, Mapping[str, str] | ProviderError | None]:
        """What the vendors themselves say of their models' ends; see `ProviderRegistry.retirements`."""
        return await self.config.registry.retirements()

    async def gallery(
        self,
        who: Principal,
        *,
        text: str = "",
        tool: str = "",
        day: str = "",
        parent: str = "",
        limit: int = 20,
        offset: int = 0,
    ) -> list[PictureRecord]:
        """Earlier pictures, newest first; see `Library.find`."""
        library = (await self._calls()).library
        return await library.find(who, text=text, tool=tool, day=day, parent=parent, limit=limit, offset=offset)

    async def picture(self, who: Principal, picture_id: str) -> PictureRecord | None:
        """The record of one picture."""
        return await (await self._calls()).library.get(who, picture_id)

    async def previews(
        self, records: Sequence[PictureRecord], budget: int, made: PreviewCache | None = None
    ) -> Previews:
        """Previews of files that are still the same, in `budget` bytes of JSON; `made` has what is there already."""
        return await (await self._calls()).previews(records, budget, made)

    async def whole_file(self, record: PictureRecord, limit: int) -> tuple[bytes, str]:
        """A picture's file as it is now, and its real type.

        Raises:
            StorageError: it is gone, has been replaced by something else, or has more than `limit` bytes.
        """
        return await (await self._calls()).whole_file(record, limit)


def _load() -> tuple[type[Calls], Callable[..., Stores]]:
    from imagewright.engine.calls import Calls  # noqa: PLC0415 - SQLite and Pillow are not for the start
    from imagewright.storage.stores import open_stores  # noqa: PLC0415 - as above

    return Calls, open_stores


@asynccontextmanager
async def open_engine(
    settings: Settings, *, on_change: Callable[[], Awaitable[None]] | None = None
) -> AsyncIterator[Engine]:
    """An engine for as long as the block lasts; unfinished jobs are left to the next process.

    With `on_change`, a server's, the configuration file is watched and jobs that dead processes left behind are carried
    on; it is called after the offer has changed.

    Raises:
        SettingsError: the settings name something that does not exist, or hold a value that cannot be used.
    """
    http = open_client()
    config = make_config(settings, http)
    engine: Engine | None = None
    try:
        async with anyio.create_task_group() as group:
            engine = Engine(config, group, http)
            if on_change is not None:
                group.start_soon(_logged, engine.follow_files, on_change)
                group.start_soon(_logged, _pick_up, engine)
            yield engine
            group.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await http.aclose()
            if engine is not None:
                await engine.close()


async def _logged(task: Callable[..., Awaitable[None]], *args: object) -> None:
    """Run a background task; a bug in it is logged and does not end the server and its jobs."""
    try:
        await task(*args)
    except Exception:
        log.exception("%s stopped", getattr(task, "__name__", task))


async def _pick_up(engine: Engine) -> None:
    await anyio.sleep(PICKUP_DELAY)
    await engine.resume()


def job_data(job: Job) -> dict[str, Any]:
    """A job as plain data, in the form of `JOB_SCHEMA` in `surface.definitions`."""
    record = job.record
    usd = {} if record.cost_usd is None else {"usd": record.cost_usd}
    return {
        "job_id": job.id,
        "status": record.state,
        "model": record.tool,
        "operation": str(job.operation),
        "provider": record.provider,
        "provider_model": record.model,
        **({"edition": job.edition} if job.edition else {}),
        "images": [picture_data(picture) for picture in job.pictures],
        "cost": usd | {"basis": record.cost_basis},
        "elapsed_seconds": round(job.elapsed, 2),
        "progress": round(job.share, 3),
        "notes": [plain(note) for note in (*record.notes, *([job.trouble] if job.trouble else []))],
        "choice": list(job.choice),
    }


def place_of(record: PictureRecord) -> str:
    """Where a picture is: its path, or the address of its resource where files are not kept on this machine."""
    return record.uri if record.path is None else str(record.path)


def picture_data(record: PictureRecord) -> dict[str, Any]:
    """A picture as plain data, in the form of `PICTURE_SCHEMA` there."""
    names = ("uri", "width", "height", "format", "bytes")
    data = {"id": record.id, "path": place_of(record), **{name: getattr(record, name) for name in names}}
    known = {"transparent": record.transparent, "seed": record.seed}
    return data | {name: value for name, value in known.items() if value is not None}
