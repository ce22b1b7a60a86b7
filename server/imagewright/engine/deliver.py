"""From a finished output to a picture in the library: fetch it, check it against what was asked, keep it.

The picture is paid for. So trouble with fetching it is only a pause with a reason, for as long as its vendor keeps the
result, see `trouble.Fetching`. What has arrived is removed only once it is in the library, or was kept elsewhere as it
came.

It is compared with what was asked for in the same way for every vendor, and a difference becomes a note. A file type
that was not asked for is changed only where nothing is lost by that, see `imaging.lossless`; everything else is kept as
it came.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import tempfile
import time
from dataclasses import dataclass, field, replace
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread

from imagewright.catalog.facts import PIXELS_PER_K
from imagewright.engine.elsewhere import take_fetched
from imagewright.engine.job import RATIO_TOLERANCE
from imagewright.engine.pictures import fetch_key, write_private
from imagewright.engine.trouble import LEAST_PATIENCE, BrokenResult, Tries, UnreadableResultError
from imagewright.engine.waiting import fetch
from imagewright.errors import PictureError, StorageError, why
from imagewright.imaging.files import check_pixels
from imagewright.imaging.headers import MAX_PIXELS
from imagewright.imaging.limiter import LOOK_BYTES, RESIZE_BYTES, decode
from imagewright.imaging.signatures import HEAD_BYTES, extension_of
from imagewright.imaging.workers import as_png, look, resize_exact
from imagewright.storage import ChangedFileError
from imagewright.storage.records import extension

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from imagewright.engine.job import Asked, Job, JobSpec
    from imagewright.engine.trouble import Fetching
    from imagewright.imaging.files import PictureFacts
    from imagewright.imaging.limiter import Piece, Preview
    from imagewright.storage.records import NewPicture, PictureRecord
    from imagewright.storage.stores import Stores

T = TypeVar("T")
log = logging.getLogger(__name__)

BROKEN_PAUSES = (1.0, 10.0, 60.0)
"""Seconds between tries at a file that arrives broken: a delivery network may not have the whole file yet."""
CLASS_FACTOR = 2.1
"""How many times more or fewer pixels than the square of its class a picture may have. Vendors mean different sizes by
one class: the smallest we know, 3840 x 2160 px for 4K, has the 2.02nd part of 4096 x 4096 px."""
PLAIN_TERM = 21
"""A ratio is written with whole numbers up to this one, the largest in the rows; any other as a number to 1."""
CHANGES = 3
"""How often a picture is fetched anew because its file was changed before it was saved."""
STORE_PATIENCE = 600.0
"""Seconds to go on trying to save a paid picture on a disk that is full or gone. One that is not here yet is waited
for as long as the vendor keeps it."""
STORE_PAUSE = 3.0
"""Seconds between two tries."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A result that lies whole on this machine."""

    file: Path
    digest: bytes
    """Of its bytes before it was decoded."""
    facts: PictureFacts
    preview: Preview
    """From the same decoding as the facts."""


async def arrived_as(file: Path, most_pixels: int = MAX_PIXELS) -> Arrived:
    """Decode a file once, unless its header promises more than so many pixels.

    Raises:
        PictureError: it is not a whole picture of a known format, or larger than that.
    """

    def work(piece: Piece, file: Path) -> Arrived:
        if piece.cost > most_pixels * LOOK_BYTES:  # what takes less memory has fewer pixels
            check_pixels(file, most_pixels)
        return Arrived(file, digest_of(file), *look(piece, file))

    return await decode(work, file, per_pixel=LOOK_BYTES)


def digest_of(file: Path) -> bytes:
    """A digest of the whole file. Blocks."""
    with file.open("rb", buffering=0) as stream:
        return hashlib.file_digest(stream, "sha256").digest()


async def as_asked(whole: Arrived, spec: JobSpec, folder: Path) -> tuple[Arrived, list[str]]:
    """The picture in the exact size and the file type that were asked for, as far as it can be brought into them.

    What is made anew is written into the folder; the file of `whole` is not changed.

    Returns:
        The picture, and what the caller should know: what was changed, and every difference that is left.

    Raises:
        OSError: the folder cannot be written.
    """
    sized, notes = await _at_exact_size(whole, spec.exact_size, folder / "exact")
    typed, more = await _in_type(sized, spec.asked, folder / "typed")
    return typed, [*notes, *more, *differences(spec.asked, typed.facts)]


async def _at_exact_size(whole: Arrived, size: tuple[int, int] | None, file: Path) -> tuple[Arrived, list[str]]:
    if size is None or size == (whole.facts.width, whole.facts.height):
        return whole, []
    try:
        made = await decode(resize_exact, whole.file, *size, per_pixel=RESIZE_BYTES)
        await anyio.to_thread.run_sync(write_private, file, made)
        return await arrived_as(file), []
    except PictureError as error:
        return whole, [f"It could not be brought down to {size[0]}x{size[1]} px and is kept as it came: {error}"]


async def _in_type(whole: Arrived, asked: Asked, file: Path) -> tuple[Arrived, list[str]]:
    came = whole.facts.format
    if asked.format in ("", came):
        if asked.ending in ("", came):
            return whole, []
        name = f"the name ends in .{extension(came)} and not in .{extension(asked.ending)}"
        return whole, [f"The picture is {came}, as asked; so {name}."]
    reason = "only a change to png loses nothing"
    if asked.format == "png":
        try:
            made = await decode(as_png, whole.file, per_pixel=RESIZE_BYTES)
            await anyio.to_thread.run_sync(write_private, file, made)
            changed = await arrived_as(file)
        except PictureError as error:
            reason = str(error)
        else:
            return changed, [f"Asked png, arrived {came}: turned into png, by which nothing is lost."]
    return whole, [f"Asked {asked.format}, arrived {came}: kept as it came, because {reason}."]


def differences(asked: Asked, facts: PictureFacts | PictureRecord) -> list[str]:
    """Every difference in shape, size and transparency, one sentence each, with both values.

    The shape may differ by 1 %, or by the one pixel that rounding makes. The size is compared exactly where exact sides
    were asked for. For a class such as 2K, only a picture is reported that is clearly smaller or larger: one that has
    2.1 times fewer or more pixels than a square with that many times 1,024 px a side.
    """
    return [*_of_sides(asked, facts), *_of_transparency(asked, facts)]


def _of_sides(asked: Asked, facts: PictureFacts | PictureRecord) -> Iterator[str]:
    sides = facts.width, facts.height
    came = f"arrived {_px(sides)}"
    if asked.size is not None and sides != asked.size:
        meant = f"{asked.scale}x" if asked.scale else "as large as the picture given"
        yield f"Asked {_px(asked.size)} ({meant}), {came}."
    if asked.ratio and not _same_shape(sides, _terms(asked.ratio)):
        yield f"Asked {asked.ratio}, {came} ({shape(sides)})."
    if asked.like is not None and not _same_shape(sides, asked.like):
        yield f"Asked the shape of the first picture ({_px(asked.like)}, {shape(asked.like)}), {came} ({shape(sides)})."
    if matched := re.fullmatch(r"([\d.]+)K", asked.resolution):
        usual, pixels = (float(matched[1]) * PIXELS_PER_K) ** 2, sides[0] * sides[1]
        if not usual / CLASS_FACTOR <= pixels <= usual * CLASS_FACTOR:
            yield f"Asked {asked.resolution} (about {_megapixels(usual)}), {came} ({_megapixels(pixels)})."


def _of_transparency(asked: Asked, facts: PictureFacts | PictureRecord) -> Iterator[str]:
    if asked.transparent is None or facts.transparent is None or facts.transparent == asked.transparent:
        return
    if asked.cut_out:
        yield "Asked a cut-out, arrived a picture without a transparent pixel: its background was not removed."
    elif asked.transparent:
        yield "Asked a transparent background, arrived a picture without a transparent pixel."
    else:
        yield "Asked an opaque background, arrived a picture with transparent pixels."


def _terms(ratio: str) -> tuple[int, int]:
    wide, high = ratio.split(":")
    return int(wide), int(high)


def _same_shape(sides: tuple[int, int], other: tuple[int, int]) -> bool:
    wide, high = sides
    ratio = other[0] / other[1]
    rounded = abs(wide - high * ratio) <= 1 or abs(high - wide / ratio) <= 1
    return rounded or abs(wide / high / ratio - 1) <= RATIO_TOLERANCE


def shape(sides: tuple[int, int]) -> str:
    """The ratio of two sides for people: `16:9`, or `1.37:1` where no small whole numbers make it."""
    wide, high = (side // gcd(*sides) for side in sides)
    if max(wide, high) <= PLAIN_TERM:
        return f"{wide}:{high}"
    return f"{wide / high:.3g}:1" if wide > high else f"1:{high / wide:.3g}"


def _px(sides: tuple[int, int]) -> str:
    return f"{sides[0]}x{sides[1]} px"


def _megapixels(pixels: float) -> str:
    return f"{pixels / 1e6:.3g} megapixels"


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
    folders: set[Path] = field(default_factory=set)
    """The folders in which it lay on the way, and which are removed here."""

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
                if spare or not self.ends_job:
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
            return Path(await anyio.to_thread.run_sync(lambda: os.path.realpath(tempfile.mkdtemp("", "imagewright-"))))
        key = fetch_key(self.job.id, self.new.variant)
        return await self.stores.blobs.workplace(f"{key}{self.stores.jobs.worker_id}")

    def _holds(self, folder: Path) -> bool:
        """Whether the folder holds something that was paid for."""
        files = (self.fetching.broken, None if self.whole is None else self.whole.file)
        return any(file is not None and file.parent == folder for file in files)

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
        try:
            if fetching.taken_over:
                tries.is_there = await take_fetched(self.stores.blobs, self.job.id, self.new.variant, file)
            while True:
                try:
                    if not tries.is_there:
                        await fetch(fetching.provider, fetching.output, file, lambda stage: self.job.tell(stage=stage))
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
        await self._remove(*self.folders)
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

    async def _remove(self, *folders: Path) -> None:
        for folder in folders:
            await anyio.to_thread.run_sync(lambda path: shutil.rmtree(path, ignore_errors=True), folder)


def _why(error: Exception) -> str:
    return why(error) if isinstance(error, OSError) else str(error)


def _extension_of(file: Path) -> str:
    with file.open("rb") as stream:
        return extension_of(stream.read(HEAD_BYTES)).removeprefix(".")
