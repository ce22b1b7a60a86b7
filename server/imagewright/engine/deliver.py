"""From a finished output to a picture in the library: fetch it, check it against what was asked, keep it.

The picture is paid for. So trouble with fetching it is only a pause with a reason, for as long as its vendor keeps the
result, see `trouble.Fetching`. What has arrived is removed only once it is in the library, or was kept elsewhere as it
came. What is made of it here, and how it is compared with what was asked for, see `arrived`.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread

from imagewright.engine.arrived import arrived_as, as_asked
from imagewright.engine.elsewhere import take_fetched
from imagewright.engine.pictures import PICTURE, fetch_key, remove_fetched, spare_folder
from imagewright.engine.trouble import LEAST_PATIENCE, BrokenResult, Tries, UnreadableResultError
from imagewright.engine.waiting import fetch
from imagewright.errors import StorageError, why
from imagewright.imaging.signatures import HEAD_BYTES, extension_of
from imagewright.storage import ChangedFileError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from imagewright.engine.arrived import Arrived
    from imagewright.engine.job import Job, JobSpec
    from imagewright.engine.trouble import Fetching
    from imagewright.storage.records import NewPicture, PictureRecord
    from imagewright.storage.stores import Stores

T = TypeVar("T")
log = logging.getLogger(__name__)

BROKEN_PAUSES = (1.0, 10.0, 60.0)
"""Seconds between tries at a file that arrives broken: a delivery network may not have the whole file yet."""
CHANGES = 3
"""How often a picture is fetched anew because its file was changed before it was saved."""
STORE_PATIENCE = 600.0
"""Seconds to go on trying to save a paid picture on a disk that is full or gone. One that is not here yet is waited
for as long as the vendor keeps it."""
STORE_PAUSE = 3.0
"""Seconds between two tries."""


@dataclass(slots=True)
class Delivery:
    """The delivery of one picture."""

    fetching: Fetching
    """What has to be fetched, and from whom."""
    job: Job
    """The job, which shows when it has to wait."""
    new: NewPicture
    """What is known of the picture; format and sides are filled in here."""
    spec: JobSpec
    """Where to save it, and what was asked of it."""
    stores: Stores
    recorded: bool = True
    """Whether the picture's record is written here; else the caller does that with its own next step."""
    ends_job: bool = False
    """Whether the job ends with it, so that its file here is removed together with the job's others."""
    whole: Arrived | None = None
    """The picture as the vendor made it, once it is here."""
    files: set[Path] = field(default_factory=set)
    """Where it was put on the way, and is removed from here."""

    async def run(self) -> tuple[PictureRecord, list[str]]:
        """Fetch the picture and keep it.

        Returns:
            The record, and what the caller should know.

        Raises:
            UnreadableResultError: it cannot be read as a picture, and was kept as it came.
            ResultLost: the vendor keeps it no longer, and it could not be fetched before.
            Stalled: it could not be fetched for hours, and the vendor may keep it yet.
            StorageError: it could be saved nowhere; the text says where the file is left, if it got that far.
            LostLeaseError: another process has the job now, and delivers it.
        """
        for _ in range(CHANGES):
            try:
                return await self._deliver()
            except BrokenResult as broken:
                raise await self._keep_broken(broken) from broken
            except ChangedFileError:
                log.warning("job %s: a picture was changed on the way by another program: again", self.job.id)
                self.whole = None
        raise StorageError("Another program keeps changing the finished picture before it can be saved.")

    async def _deliver(self) -> tuple[PictureRecord, list[str]]:
        arrived, notes = await self._fetched_to_disk()
        facts = arrived.facts
        new = replace(
            self.new, format=facts.format, width=facts.width, height=facts.height, transparent=facts.transparent
        )
        # a process that was frozen may find that its job was done by another meanwhile
        await self.stores.jobs.check_lease(self.job.id)
        record, more = await self._patiently(lambda: self._keep(arrived, new), arrived.file)
        self.job.previews[record.id] = arrived.preview
        await self._remove(*self.files)
        return record, [*notes, *more]

    async def _fetched_to_disk(self) -> tuple[Arrived, list[str]]:
        """The finished file, in the job's own folder or, where that cannot be written, in the system's temporary one.

        Raises StorageError where neither can be written.
        """
        patience = anyio.current_time() + max(self._kept_for(), STORE_PATIENCE)
        # the folder from which this process sent the request is there
        spare, make = False, self.fetching.taken_over
        while True:
            file = held = None
            try:
                file = await self._place(spare=spare, make=make)
                if spare or not self.ends_job:
                    self.files.add(file)
                if self.whole is None:
                    self.whole = await self._fetch(file)
                return await as_asked(self.whole, self.spec, file)
            except (OSError, StorageError) as error:
                if file is not None and (held := self._held(file.parent)) is None:
                    await self._remove(file)
                if isinstance(error, FileNotFoundError) and not make:
                    make = True
                    continue
                reason = _why(error)
                if anyio.current_time() > patience:
                    left = "" if held is None else f" What arrived is left as {held}."
                    text = f"The finished picture could not be fetched to this machine: {reason}{left}"
                    raise StorageError(text) from error
                self.job.tell(stage=f"waiting to save: {reason}")
                if spare:
                    await anyio.sleep(STORE_PAUSE)
                spare, make = not spare, True

    async def _place(self, *, spare: bool, make: bool) -> Path:
        """A file of this process's own: one that was frozen must not write into its successor's.

        With `make`, its folder is made if it is missing.
        """
        key = f"{fetch_key(self.job.id, self.new.variant)}{self.stores.jobs.worker_id}{PICTURE}"
        folder, _, name = key.rpartition("/")
        if spare:
            return Path(await anyio.to_thread.run_sync(spare_folder), name)
        file = None if make else self.stores.blobs.path(key)
        return file or await self.stores.blobs.workplace(folder) / name

    def _held(self, folder: Path) -> Path | None:
        """The file in the folder that was paid for, if there is one."""
        files = (self.fetching.broken, None if self.whole is None else self.whole.file)
        return next((file for file in files if file is not None and file.parent == folder), None)

    async def _fetch(self, file: Path) -> Arrived:
        """Fetch the whole picture, whatever its link answers.

        Raises:
            BrokenResult: it arrived, and cannot be read as a picture.
            ResultLost: it could not be fetched for as long as the vendor keeps it, or is larger than is taken.
            Stalled: as `run`; or somebody has cancelled the job, and its link does not lead to it.
        """
        fetching = self.fetching
        now, policy = anyio.current_time(), fetching.provider.poll_policy
        tries = Tries(now + policy.patience, now + max(self._kept_for(), LEAST_PATIENCE), list(BROKEN_PAUSES))
        tries.begun = fetching.taken_over
        try:
            if fetching.taken_over:
                tries.is_there = await take_fetched(self.stores.blobs, self.job.id, self.new.variant, file)
            while True:
                try:
                    if not tries.is_there:
                        output, tell = fetching.output, lambda stage: self.job.tell(stage=stage)
                        await fetch(fetching.provider, output, file, tell, begun=tries.begun)
                    return await arrived_as(file, self.spec.most_pixels)
                except Exception as error:  # noqa: BLE001 - what cannot be helped is raised again
                    await fetching.after(error, file, tries)
        finally:
            if (place := f"picture {self.new.variant}") in self.job.troubles:
                self.job.held_up(place, "")
                self.job.tell()

    def _kept_for(self) -> float:
        """Seconds for which the vendor keeps the result yet; not above 0 once it may be gone."""
        keeps = self.fetching.provider.poll_policy.keeps
        return min(keeps - (time.time() - self.job.record.created), keeps)

    async def _keep_broken(self, broken: BrokenResult) -> UnreadableResultError:
        """Keep the unreadable file as it came, and return the error that says so."""
        await self.stores.jobs.check_lease(self.job.id)

        async def save() -> str:
            ending = await anyio.to_thread.run_sync(_extension_of, broken.file)
            return await self.stores.library.keep_unreadable(broken.file, self.new, ending)

        path = await self._patiently(save, broken.file)
        await self._remove(*self.files)
        self.job.note(f"What {self.fetching.provider.name} made cannot be read as a picture and was kept as {path}.")
        return UnreadableResultError(self.fetching.provider.name, str(broken), path)

    async def _patiently(self, save: Callable[[], Awaitable[T]], file: Path) -> T:
        """Save it, and try for minutes if necessary: it is paid for."""
        patience = anyio.current_time() + STORE_PATIENCE
        while True:
            try:
                return await save()
            except (OSError, StorageError) as error:
                reason = f"{file}: {_why(error)}." if isinstance(error, OSError) else str(error)
                if anyio.current_time() > patience:
                    raise StorageError(f"{reason} The finished picture is left as {file}.") from error
                self.job.tell(stage=f"waiting to save: {reason}")
                await anyio.sleep(STORE_PAUSE)

    async def _keep(self, arrived: Arrived, new: NewPicture) -> tuple[PictureRecord, list[str]]:
        keep = self.stores.library.keep if self.recorded else self.stores.library.place
        return await keep(
            self.job.who,
            arrived.file,
            new,
            save_as=self.spec.save_as,
            position=new.variant,
            of=max(self.spec.count, new.variant),
            digest=arrived.digest,
            # nobody else has had the job, and a cancel, after which a picture is delivered once more, was not asked for
            is_new=not (self.fetching.taken_over or self.job.record.cancel_requested),
        )

    async def _remove(self, *files: Path) -> None:
        for file in files:
            await anyio.to_thread.run_sync(remove_fetched, file)


def _why(error: Exception) -> str:
    return why(error) if isinstance(error, OSError) else str(error)


def _extension_of(file: Path) -> str:
    with file.open("rb") as stream:
        return extension_of(stream.read(HEAD_BYTES)).removeprefix(".")
