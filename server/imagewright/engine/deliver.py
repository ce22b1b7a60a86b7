"""From a finished output to a picture in the library: fetch it, check it against what was asked, keep it.

The picture is paid for. So trouble with fetching it is only a pause with a reason, for as long as its vendor keeps the
result. What has arrived is removed only once it is in the library, or was kept elsewhere as it came.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread

from imagewright.engine.arrived import arrived_as, as_asked, digest_of
from imagewright.engine.pictures import job_key
from imagewright.engine.trouble import LEAST_PATIENCE, Trouble
from imagewright.errors import ImagewrightError, PictureError, ProviderError, ResultLost, StorageError, TaskEnded, why
from imagewright.imaging.signatures import HEAD_BYTES, extension_of
from imagewright.storage.base import BlobGoneError
from imagewright.text import duration

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import NoReturn

    from imagewright.engine.arrived import Arrived
    from imagewright.engine.job import Job
    from imagewright.engine.spec import JobSpec
    from imagewright.providers.base import Output, Provider
    from imagewright.storage.records import NewPicture, PictureRecord
    from imagewright.storage.stores import Stores

    Renew = Callable[[], Awaitable[Output | None]]
    """Asks the vendor for a fresh link to the output; None if it gives no other. Raises as a poll does."""

T = TypeVar("T")

log = logging.getLogger(__name__)

BROKEN_PAUSES = (1.0, 10.0, 60.0)
"""Seconds between tries at a file that arrives broken: a delivery network may not have the whole file yet."""
FETCH_PAUSE = 20.0
"""Seconds between two tries while the vendor cannot be reached: each try has pauses of its own already."""
TROUBLE_PAUSE = 1.0
"""Seconds before the first new try at a link that does not lead to its picture; each later one takes twice as long."""
LONGEST_PAUSE = 60.0
"""Seconds at most between two such tries."""
TELL_AFTER = 2
"""From this many failures in a row on, the caller sees the trouble: a single one is often over a second later."""
CHANGES = 3
"""How often a picture is fetched anew because its file was changed before it was saved."""
STORE_PATIENCE = 600.0
"""Seconds to go on trying to save a paid picture on a disk that is full or gone. One that is not here yet is waited
for as long as the vendor keeps it."""
STORE_PAUSE = 3.0
"""Seconds between two tries."""


class UnreadableResultError(ResultLost):
    """What the vendor made was fetched and cannot be read as a picture; its file was kept as it came."""

    meaning = "made the picture, but its file cannot be read as one"

    def __init__(self, provider: str, why: str, path: str) -> None:
        # the path stands outside the quotation of `why`, which changes some characters
        advice = f"The vendor's file was kept as {path}: open it with another program."
        super().__init__(provider, why, charged=True, advice=advice)


class _ChangedError(Exception):
    """The file is not the one that was checked."""


class _Broken(Exception):
    """The file cannot be read as a picture, and trying again did not help."""

    def __init__(self, file: Path, why: str) -> None:
        self.file = file
        super().__init__(why)


@dataclass(slots=True)
class Delivery:
    """The delivery of one picture."""

    output: Output
    """What the vendor made."""
    new: NewPicture
    """What is known of it; format and sides are filled in here."""
    job: Job
    """The job, which shows when it has to wait."""
    spec: JobSpec
    """Where to save it, and what was asked of it."""
    provider: Provider
    """The provider that fetches it."""
    stores: Stores
    renew: Renew
    """Asks the vendor for a fresh link."""
    provider_now: Callable[[], Provider]
    """The provider as it is configured now: some links need its key, which may have been corrected."""
    whole: Arrived | None = None
    """The picture as the vendor made it, once it is here."""
    broken: Path | None = None
    """What arrived of it and cannot be read; it is kept if nothing better comes."""
    no_link: str = ""
    """Why no fresh link could be asked for last, and what to do about it; empty where one could."""
    folders: set[Path] = field(default_factory=set)
    """The folders in which it lay on the way."""

    async def run(self) -> tuple[PictureRecord, list[str]]:
        """Fetch the picture and keep it.

        Returns:
            The record, and what the caller should know.

        Raises:
            UnreadableResultError: it cannot be read as a picture, and was kept as it came.
            ResultLost: the vendor keeps it no longer, and it could not be fetched before.
            StorageError: it could be saved nowhere; the text says where the file is left, if it got that far.
            LostLeaseError: another process has the job now, and delivers it.
        """
        for _ in range(CHANGES):
            try:
                return await self._deliver()
            except _Broken as broken:
                raise await self._keep_broken(broken) from broken
            except _ChangedError:
                log.warning("job %s: a picture was changed on the way by another program: again", self.job.id)
                self.whole = None
        raise StorageError("Another program keeps changing the finished picture before it can be saved.")

    async def _deliver(self) -> tuple[PictureRecord, list[str]]:
        arrived, notes = await self._fetched_to_disk()
        facts = arrived.facts
        new = replace(
            self.new,
            format=facts.format,
            width=facts.width,
            height=facts.height,
            transparent=facts.transparent,
        )
        # a process that was frozen may find that its job was done by another meanwhile
        await self.stores.jobs.check_lease(self.job.id)
        record, more = await self._patiently(lambda: self._keep(arrived, new), arrived.file)
        self.job.previews[record.id] = arrived.preview
        await self._remove(*self.folders)
        return record, [*notes, *more]

    async def _fetched_to_disk(self) -> tuple[Arrived, list[str]]:
        """The finished file, in the job's own folder or, where that cannot be written, in the system's temporary one.

        Raises StorageError where neither can be written.
        """
        patience = anyio.current_time() + max(self._kept_for(), STORE_PATIENCE)
        spare = False
        while True:
            folder: Path | None = None
            try:
                folder = await self._workplace(spare=spare)
                self.folders.add(folder)
                if self.whole is None:
                    self.whole = await self._fetch(folder / "picture")
                return await as_asked(self.whole, self.spec, folder)
            except (OSError, StorageError) as error:
                if folder is not None and not self._holds(folder):
                    await self._remove(folder)
                reason = _why(error)
                if anyio.current_time() > patience:
                    left = f" What arrived is left in {folder}." if folder is not None and self._holds(folder) else ""
                    text = f"The finished picture could not be fetched to this machine: {reason}{left}"
                    raise StorageError(text) from error
                self.job.tell(stage=f"waiting to save: {reason}")
                if spare:
                    await anyio.sleep(STORE_PAUSE)
                spare = not spare

    async def _workplace(self, *, spare: bool) -> Path:
        """A folder of this process's own: one that was frozen must not write into its successor's file."""
        if spare:
            return Path(await anyio.to_thread.run_sync(lambda: tempfile.mkdtemp(prefix="imagewright-")))
        return await self.stores.blobs.workplace(f"{self._fetched}{self.stores.jobs.worker_id}")

    @property
    def _fetched(self) -> str:
        """What the keys of all processes' fetches of this picture begin with."""
        return job_key(self.job.id, f"fetch-{self.new.variant}-")

    def _holds(self, folder: Path) -> bool:
        """Whether the folder holds something that was paid for."""
        files = (self.broken, None if self.whole is None else self.whole.file)
        return any(file is not None and file.parent == folder for file in files)

    async def _fetch(self, file: Path) -> Arrived:
        """Fetch the whole picture. It is tried for as long as the vendor keeps it, whatever its link answers.

        Raises:
            _Broken: it arrived, and cannot be read as a picture.
            ResultLost: it could not be fetched for as long as the vendor keeps it, or is larger than is taken; or
                somebody has cancelled the job and its link does not lead to it.
        """
        patience = anyio.current_time() + max(self._kept_for(), LEAST_PATIENCE)
        broken_pauses = list(BROKEN_PAUSES if self.output.data is None else ())
        failures = 0
        try:
            while True:
                try:
                    await self.provider.fetch(self.output, file)
                    return await arrived_as(file)
                except PictureError as error:
                    self.broken = await anyio.to_thread.run_sync(file.replace, file.with_name("broken"))
                    if not broken_pauses:
                        raise _Broken(self.broken, str(error)) from error
                    log.info("%s: a result arrived broken and is fetched again: %s", self.provider.name, error)
                    self.job.tell(stage="made, and fetched again: it arrived broken")
                    await anyio.sleep(broken_pauses.pop(0))
                except Exception as error:
                    if _is_of_the_disk(error):
                        raise
                    lost = self._lost(error)
                    if (found := await self._left_by_another(file)) is not None:
                        return found
                    unwanted = self.job.record.cancel_requested and failures >= TELL_AFTER
                    if lost.final or unwanted or anyio.current_time() > patience:
                        await self._give_up(lost, file)
                    if lost.passing:
                        self._tell("", "made, and waiting for the network to fetch it")
                        await anyio.sleep(FETCH_PAUSE)
                        continue
                    failures += 1
                    trouble = self._trouble(lost) if failures >= TELL_AFTER else ""
                    self._tell(trouble, f"made, and waiting{lost.words}")
                    await anyio.sleep(min(TROUBLE_PAUSE * 2 ** min(failures - 1, 16), LONGEST_PAUSE))
                    self.provider = self.provider_now()
                    await self._renew_link()
        finally:
            self._tell("")

    def _kept_for(self) -> float:
        """Seconds for which the vendor keeps the result yet; not above 0 once it may be gone."""
        keeps = self.provider.poll_policy.keeps
        return min(keeps - (time.time() - self.job.record.created), keeps)

    async def _renew_link(self) -> None:
        """Take a fresh link, if there is one. The picture was made, so no answer about the task ends this."""
        self.no_link = ""
        try:
            self.output = await self.renew() or self.output
        except TaskEnded as ended:
            log.info("job %s: no fresh link: %s", self.job.id, ended)
        except Exception as error:  # noqa: BLE001 - as with a poll: it only means that the vendor could not be asked
            trouble = Trouble(self.provider.name, error)
            log.info("job %s: no fresh link: %s", self.job.id, trouble.what)
            if not trouble.passes:
                self.no_link = f" No fresh link can be asked for: {trouble.what}. {trouble.advice}"

    async def _left_by_another(self, file: Path) -> Arrived | None:
        """The whole picture if a process that has died had fetched it; None if there is none."""
        blobs = self.stores.blobs
        for key in await blobs.keys(self._fetched):
            if not key.endswith("/picture") or blobs.path(key) == file:
                continue
            with suppress(BlobGoneError, PictureError):  # its job was done meanwhile, or only half of it had come
                await blobs.fetch(key, file)
                return await arrived_as(file)
        return None

    def _lost(self, error: Exception) -> ResultLost:
        """What went wrong with fetching, as a vendor's failure."""
        if isinstance(error, ResultLost):
            return error
        if isinstance(error, ProviderError):
            return error.as_kind(ResultLost)
        detail = str(error)
        if not isinstance(error, ImagewrightError):
            log.error("job %s: fetching broke and is tried again", self.job.id, exc_info=error)
            detail = f"internal error: {error!r}"
        return ResultLost(self.provider.name, detail, spoken=False)

    async def _give_up(self, lost: ResultLost, file: Path) -> NoReturn:
        """End the fetching: raise `_Broken` where something arrived broken, else what was lost."""
        if self.broken is not None:
            raise _Broken(self.broken, lost.detail) from lost
        with suppress(OSError):  # a folder that is not empty stays
            await anyio.to_thread.run_sync(file.parent.rmdir)
        raise lost

    def _trouble(self, lost: ResultLost) -> str:
        name, keeps = self.provider.name, self.provider.poll_policy.keeps
        return (
            f"{name} has made the picture, and its link does not lead to it at the moment{lost.words}."
            f"{self.no_link} The job goes on: it is asked for again, at least once in {LONGEST_PAUSE:g} s, for as long "
            f"as {name} keeps it ({duration(keeps)}), and arrives by itself; do not call again."
        )

    def _tell(self, trouble: str, stage: str | None = None) -> None:
        """Report the stage and this picture's trouble. The troubles of other pictures of the job stay."""
        self.job.held_up(f"picture {self.new.variant}", trouble)
        self.job.tell(stage=stage)

    async def _keep_broken(self, broken: _Broken) -> UnreadableResultError:
        """Keep the unreadable file as it came, and return the error that says so."""
        await self.stores.jobs.check_lease(self.job.id)

        async def save() -> str:
            extension = await anyio.to_thread.run_sync(_extension_of, broken.file)
            return await self.stores.library.keep_unreadable(broken.file, self.new, extension)

        path = await self._patiently(save, broken.file)
        await self._remove(*self.folders)
        self.job.note(f"What {self.provider.name} made cannot be read as a picture and was kept as {path}.")
        return UnreadableResultError(self.provider.name, str(broken), path)

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
        if await anyio.to_thread.run_sync(digest_of, arrived.file) != arrived.digest:
            raise _ChangedError
        return await self.stores.library.keep(
            self.job.who,
            arrived.file,
            new,
            save_as=self.spec.save_as,
            position=new.variant,
            of=max(self.spec.count, new.variant),
        )

    async def _remove(self, *folders: Path) -> None:
        for folder in folders:
            await anyio.to_thread.run_sync(lambda path: shutil.rmtree(path, ignore_errors=True), folder)


def _is_of_the_disk(error: Exception) -> bool:
    """Whether the trouble is with this machine's disk, and neither with the vendor nor with the network."""
    network = isinstance(error, ConnectionError | TimeoutError)
    return isinstance(error, StorageError) or (isinstance(error, OSError) and not network)


def _why(error: Exception) -> str:
    return why(error) if isinstance(error, OSError) else str(error)


def _extension_of(file: Path) -> str:
    with file.open("rb") as stream:
        return extension_of(stream.read(HEAD_BYTES)).removeprefix(".")
