"""Pictures decoded: results as they arrive, and kept ones that are shown again.

Kept files lie where users and other programs can change them. So each is opened as the library opens it for an
argument: no link is followed out of the roots, and no pipe is waited for. What is read is bounded by the file's size
now and not by the recorded one, and a file that is no picture any more is never handed out.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio.to_thread

from imagewright.errors import PictureError, StorageError
from imagewright.imaging.files import HEAD_READ, head_cost
from imagewright.imaging.limiter import DECODING, LOOK_BYTES, RESIZE_BYTES, decode
from imagewright.imaging.pixels import resize_exact
from imagewright.imaging.preview import Preview, fit_previews
from imagewright.imaging.preview import look as look_at
from imagewright.imaging.signatures import HEAD_BYTES, describe, recognise
from imagewright.text import byte_size, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from imagewright.imaging.files import PictureFacts
    from imagewright.storage.library import Library
    from imagewright.storage.records import PictureRecord

LARGEST_SHOWN = 300_000_000
"""Bytes of a file that is read for a preview: the most that is taken as a vendor's result."""
NAMED = 5
"""Pictures without a preview that are named with the reason; of more only the number is given."""
REASON_LENGTH = 240
"""Characters of one reason."""
SHRINKING_BYTES = 8
"""Memory for each pixel of the previews that are shrunk together: the picture and its smaller copy."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A result that lies whole on this machine."""

    file: Path
    digest: bytes
    """Of its bytes before it was decoded."""
    facts: PictureFacts
    preview: Preview
    """From the same decoding as the facts."""


async def look(file: Path) -> Arrived:
    """Decode a file once.

    Raises:
        PictureError: it is no whole picture of a known format.
    """

    def decoded(file: Path) -> Arrived:
        digest = digest_of(file)
        return Arrived(file, digest, *look_at(file))

    return await decode(decoded, file, per_pixel=LOOK_BYTES)


async def bring_down(file: Path, exact: Path, sides: tuple[int, int]) -> Arrived:
    """Write the picture in exactly that size, in px, into another file.

    Raises:
        PictureError: it cannot be resized.
    """

    def resize(file: Path) -> None:
        exact.write_bytes(resize_exact(file, *sides))

    await decode(resize, file, per_pixel=RESIZE_BYTES)
    return await look(exact)


def digest_of(file: Path) -> bytes:
    """A digest of the whole file. Blocks."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


async def whole_file(library: Library, record: PictureRecord, limit: int) -> tuple[bytes, str]:
    """A kept picture's file as it is now, and its real type.

    Args:
        library: where it was kept.
        record: of the picture.
        limit: bytes; never more is read.

    Raises:
        StorageError: it is gone, has been replaced by something else, or is larger than the limit.
    """
    return await _read(library, record, limit, f"read {record.uri}/preview, or open the file itself")


async def preview_of(library: Library, record: PictureRecord) -> Preview:
    """A preview of a kept picture.

    Raises:
        PictureError: its file is no whole picture any more.
        StorageError: as `whole_file`.
    """
    head, there = await library.head(record, HEAD_READ)
    async with DECODING.share(head_cost(head, there, LOOK_BYTES)):
        data, _ = await _read(library, record, LARGEST_SHOWN, "open the file itself")
        return (await anyio.to_thread.run_sync(look_at, data))[1]


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
    pixels = sum(preview.width * preview.height for preview in previews)
    return await DECODING.run(lambda: fit_previews(previews, budget=budget), cost=pixels * SHRINKING_BYTES)


async def _read(library: Library, record: PictureRecord, limit: int, instead: str) -> tuple[bytes, str]:
    head, there = await library.head(record, HEAD_BYTES)
    _type_of(head, record)
    if there > limit:
        raise StorageError(
            f"{_place(record)} has {byte_size(there)}, and at most {byte_size(limit)} are read: {instead}."
        )
    data = await library.read(record, limit)
    return data, _type_of(data[:HEAD_BYTES], record)


def _type_of(head: bytes, record: PictureRecord) -> str:
    """The type of a file that begins like this.

    Raises:
        StorageError: it is no picture.
    """
    if (name := recognise(head)) is not None:
        return name
    seems = describe(head) or "no picture" if head else "empty"
    raise StorageError(f"{_place(record)} is {seems} now: it is not the picture {record.id} any more.")


def _place(record: PictureRecord) -> str:
    return str(record.path or record.key)
