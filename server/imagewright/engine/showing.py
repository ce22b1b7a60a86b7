"""Kept pictures shown again.

Their files lie where users and other programs can change them. So each is opened as the library opens it for an
argument: no link is followed out of the roots, and no pipe is waited for. What is read is bounded by the file's size
now and not by the recorded one, and a file that is no picture any more is never handed out.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

import anyio.to_thread

from imagewright.errors import PictureError, StorageError
from imagewright.imaging.limiter import DECODING, LOOK_BYTES
from imagewright.storage.confine import read_within
from imagewright.storage.reasons import why
from imagewright.text import byte_size, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imagewright.imaging.preview import Preview
    from imagewright.storage.library import Library
    from imagewright.storage.record import PictureRecord

LARGEST_SHOWN = 300_000_000
"""Bytes of a file that is read for a preview: the most that is taken as a vendor's result."""
NAMED = 5
"""Pictures without a preview that are named with the reason; of more only the number is given."""
REASON_LENGTH = 240
"""Characters of one reason."""
SHRINKING_BYTES = 8
"""Memory for each pixel of the previews that are shrunk together: the picture and its smaller copy."""


async def whole_file(library: Library, record: PictureRecord, limit: int) -> tuple[bytes, str]:
    """A kept picture's file as it is now, and its real type.

    Args:
        library: where it was kept.
        record: of the picture.
        limit: bytes; never more is read.

    Raises:
        StorageError: it is gone, has been replaced by something else, or is larger than the limit.
    """
    instead = f"read {record.uri}/preview, or open the file itself"
    return await anyio.to_thread.run_sync(_whole_file, library, record, limit, instead)


async def preview_of(library: Library, record: PictureRecord) -> Preview:
    """A preview of a kept picture.

    Raises:
        PictureError: its file is no whole picture any more.
        StorageError: as `whole_file`.
    """
    cost = await anyio.to_thread.run_sync(_cost, library, record)
    return await DECODING.run(_preview, library, record, cost=cost)


async def first_previews(
    library: Library, records: Sequence[PictureRecord], made: Mapping[str, Preview]
) -> tuple[list[Preview], list[str]]:
    """The previews of several pictures, and one sentence on each that has none.

    Args:
        library: where they were kept.
        records: of the pictures.
        made: previews that are there already, by id.
    """
    previews: list[Preview] = []
    missing: list[str] = []
    for record in records:
        try:
            ready = made.get(record.id)
            previews.append(await preview_of(library, record) if ready is None else ready)
        except (PictureError, StorageError) as error:
            missing.append(f"No preview of {record.id}: {shortened(str(error), REASON_LENGTH)}")
    more = len(missing) - NAMED
    return previews, missing if more <= 0 else [*missing[:NAMED], f"No preview of {more} more, for like reasons."]


async def fitted(previews: Sequence[Preview], budget: int) -> tuple[list[Preview], bool]:
    """The previews within a budget of encoded bytes, and whether any was shrunk or left out: see `fit_previews`."""
    from imagewright.imaging.preview import fit_previews  # noqa: PLC0415 - Pillow is not on the start-up path

    pixels = sum(preview.width * preview.height for preview in previews)
    return await DECODING.run(lambda: fit_previews(previews, budget=budget), cost=pixels * SHRINKING_BYTES)


@contextmanager
def _opened(library: Library, record: PictureRecord) -> Iterator[BinaryIO]:
    try:
        with library.roots.open_recorded(record.path) as stream:
            yield stream
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StorageError(f"{record.path} has been deleted or moved.") from error
    except OSError as error:
        raise StorageError(f"{record.path} cannot be read: {why(error)}.") from error


def _whole_file(library: Library, record: PictureRecord, limit: int, instead: str) -> tuple[bytes, str]:
    from imagewright.imaging.signatures import HEAD_BYTES, describe, recognise  # noqa: PLC0415 - as above

    with _opened(library, record) as stream:
        head = stream.read(HEAD_BYTES)
        name = recognise(head)
        if name is None:
            seems = describe(head) or "no picture" if head else "empty"
            raise StorageError(f"{record.path} is {seems} now: it is not the picture {record.id} any more.")
        there = os.fstat(stream.fileno()).st_size
        if there > limit:
            raise StorageError(
                f"{record.path} has {byte_size(there)}, and at most {byte_size(limit)} are read: {instead}."
            )
        stream.seek(0)
        return read_within(stream, record.path, limit), name


def _cost(library: Library, record: PictureRecord) -> int:
    from imagewright.imaging.files import HEAD_READ, head_cost  # noqa: PLC0415 - as above

    with _opened(library, record) as stream:
        return head_cost(stream.read(HEAD_READ), os.fstat(stream.fileno()).st_size, LOOK_BYTES)


def _preview(library: Library, record: PictureRecord) -> Preview:
    from imagewright.imaging.preview import look  # noqa: PLC0415 - as above

    data, _ = _whole_file(library, record, LARGEST_SHOWN, "open the file itself")
    return look(data)[1]
