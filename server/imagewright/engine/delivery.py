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

if TYPE_CHECKING:
    from imagewright.engine.brief import Brief
    from imagewright.engine.desk import Desk
    from imagewright.engine.job import Job
    from imagewright.imaging.probe import PictureFacts
    from imagewright.providers.base import Product, Provider
    from imagewright.storage.record import NewPicture, PictureRecord

log = logging.getLogger(__name__)

FETCH_TRIES = 3
"""Fetching again is free, and what arrived broken once usually arrives whole the next time."""
STORE_PATIENCE = 600.0
"""Seconds to go on trying to save a paid picture on a disk that is full or gone."""
STORE_PAUSE = 3.0
"""Seconds between two tries."""
LOOKERS = anyio.CapacityLimiter(2)
"""Pictures looked at at the same time: a 4096 px PNG takes about 170 MB while it is decoded."""


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
        StorageError: it could be saved nowhere; the text says where the file is left.
    """
    folder = await anyio.to_thread.run_sync(_workplace, desk, job.id, new.variant)
    file = folder / "picture"
    facts = await _fetch(product, file, provider)
    if brief.exact_size is not None and brief.exact_size != (facts.width, facts.height):
        await anyio.to_thread.run_sync(_bring_down, file, brief.exact_size, limiter=LOOKERS)
        facts = await _look(file)
    kept = await _keep(
        file, replace(new, format=facts.format, width=facts.width, height=facts.height), job, brief, desk
    )
    await anyio.to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))
    return kept


def _workplace(desk: Desk, job_id: str, variant: int) -> Path:
    """A folder to fetch into: the job's own, or the system's temporary one where that cannot be written."""
    folder = desk.spool.file(job_id, f"fetch-{variant}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="imagewright-"))
    return folder


async def _fetch(product: Product, file: Path, provider: Provider) -> PictureFacts:
    for _ in range(FETCH_TRIES - 1):
        await provider.fetch(product, file)
        try:
            return await _look(file)
        except PictureError as error:
            log.info("%s: a result arrived broken and is fetched again: %s", provider.name, error)
    await provider.fetch(product, file)
    try:
        return await _look(file)
    except PictureError as error:
        raise ResultLost(provider.name, f"what arrived is no whole picture: {error}") from error


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


async def _look(file: Path) -> PictureFacts:
    from imagewright.imaging.probe import probe  # noqa: PLC0415 - Pillow is not on the start-up path

    return await anyio.to_thread.run_sync(probe, file, limiter=LOOKERS)


def _bring_down(file: Path, size: tuple[int, int]) -> None:
    from imagewright.imaging.resize import resize_exact  # noqa: PLC0415 - Pillow is not on the start-up path

    file.write_bytes(resize_exact(file, *size))
