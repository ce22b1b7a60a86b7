"""From a finished product to a picture in the library: fetch, look at it, bring it to size, keep it."""

from __future__ import annotations

import logging
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from imagewright.errors import PictureError, ResultLost, StorageError
from imagewright.imaging.limiter import LOOK_BYTES, RESIZE_BYTES, decode
from imagewright.storage.private import make_folder, write_file
from imagewright.storage.reasons import why

if TYPE_CHECKING:
    from imagewright.engine.brief import Brief
    from imagewright.engine.desk import Desk
    from imagewright.engine.job import Job
    from imagewright.imaging.preview import Preview
    from imagewright.imaging.probe import PictureFacts
    from imagewright.providers.base import Product, Provider
    from imagewright.storage.record import NewPicture, PictureRecord

    Seen = tuple[PictureFacts, Preview]
    """What one decoding of a picture shows."""

log = logging.getLogger(__name__)

FETCH_TRIES = 3
"""Fetching again is free, and what arrived broken once usually arrives whole the next time."""
FETCH_PAUSE = 20.0
"""Seconds between two tries while the vendor cannot be reached: each try has pauses of its own already."""
STORE_PATIENCE = 600.0
"""Seconds to go on trying to save a paid picture on a disk that is full or gone."""
STORE_PAUSE = 3.0
"""Seconds between two tries."""


async def deliver(
    product: Product, new: NewPicture, *, job: Job, brief: Brief, provider: Provider, desk: Desk
) -> tuple[PictureRecord, list[str]]:
    """Bring one picture home.

    Args:
        product: what the vendor made.
        new: what is known of it; format and sides are filled in here.
        job: told when it has to wait.
        brief: where to save it, and its exact size.
        provider: who fetches it.
        desk: where it is kept.

    Returns:
        The record, and what the caller should know.

    Raises:
        ResultLost: it could not be fetched whole.
        StorageError: it could be saved nowhere; the text says where the file is left, if it got that far.
    """
    file, (facts, preview) = await _bring_to_disk(
        product, new.variant, job=job, brief=brief, provider=provider, desk=desk
    )
    new = replace(new, format=facts.format, width=facts.width, height=facts.height)
    record, notes = await _keep(file, new, job, brief, desk)
    job.previews[record.id] = preview
    await anyio.to_thread.run_sync(_remove, file.parent)
    return record, notes


async def _bring_to_disk(
    product: Product, variant: int, *, job: Job, brief: Brief, provider: Provider, desk: Desk
) -> tuple[Path, Seen]:
    """The finished file, in the job's own folder or, where that cannot be written, in the system's temporary one."""
    patience = anyio.current_time() + STORE_PATIENCE
    spare = False
    while True:
        folder: Path | None = None
        try:
            folder = await anyio.to_thread.run_sync(_workplace, desk, job.id, variant, spare)
            return await _prepare(product, folder / "picture", job, brief, provider)
        except (OSError, StorageError) as error:
            if folder is not None:
                await anyio.to_thread.run_sync(_remove, folder)
            said = why(error) if isinstance(error, OSError) else str(error)
            if anyio.current_time() > patience:
                raise StorageError(f"The finished picture could not be fetched to this machine: {said}") from error
            job.tell(stage=f"waiting to save: {said}")
            if spare:
                await anyio.sleep(STORE_PAUSE)
            spare = not spare


def _workplace(desk: Desk, job_id: str, variant: int, spare: bool) -> Path:  # noqa: FBT001 - called through a thread
    if spare:
        return Path(tempfile.mkdtemp(prefix="imagewright-"))
    folder = desk.spool.file(job_id, f"fetch-{variant}")
    make_folder(folder)
    return folder


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


async def _prepare(product: Product, file: Path, job: Job, brief: Brief, provider: Provider) -> tuple[Path, Seen]:
    seen = await _fetch(product, file, job, provider)
    facts, _ = seen
    if brief.exact_size is None or brief.exact_size == (facts.width, facts.height):
        return file, seen
    exact = file.with_name("exact")
    await decode(_bring_down, file, exact, brief.exact_size, per_pixel=RESIZE_BYTES)
    return exact, await _look(exact)


async def _fetch(product: Product, file: Path, job: Job, provider: Provider) -> Seen:
    """Fetch it, again where it arrived broken, and for hours where the network is gone: it is paid for."""
    patience = anyio.current_time() + provider.rhythm.patience
    tries = 0
    while True:
        try:
            await provider.fetch(product, file)
            return await _look(file)
        except PictureError as error:
            tries += 1
            if tries == FETCH_TRIES:
                raise ResultLost(provider.name, f"what arrived is no whole picture: {error}") from error
            log.info("%s: a result arrived broken and is fetched again: %s", provider.name, error)
        except ResultLost as error:
            if not error.passing or anyio.current_time() > patience:
                raise
            job.tell(stage="made, and waiting for the network to fetch it")
            await anyio.sleep(FETCH_PAUSE)


async def _keep(file: Path, new: NewPicture, job: Job, brief: Brief, desk: Desk) -> tuple[PictureRecord, list[str]]:
    """Save it, for minutes if need be: it is paid for."""
    patience = anyio.current_time() + STORE_PATIENCE
    while True:
        try:
            return await anyio.to_thread.run_sync(
                lambda: desk.library.keep(file, new, save_as=brief.save_as, position=new.variant, of=brief.count)
            )
        except StorageError as error:
            if anyio.current_time() > patience:
                raise StorageError(f"{error} The finished picture is left as {file}.") from error
            job.tell(stage=f"waiting to save: {error}")
            await anyio.sleep(STORE_PAUSE)


async def _look(file: Path) -> Seen:
    from imagewright.imaging.preview import look  # noqa: PLC0415 - Pillow is not on the start-up path

    return await decode(look, file, per_pixel=LOOK_BYTES)


def _bring_down(file: Path, exact: Path, size: tuple[int, int]) -> None:
    from imagewright.imaging.resize import resize_exact  # noqa: PLC0415 - Pillow is not on the start-up path

    write_file(exact, resize_exact(file, *size))
