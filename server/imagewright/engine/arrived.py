"""A result that lies whole on this machine: what one decoding of it shows, and its size brought down where asked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagewright.imaging.limiter import LOOK_BYTES, RESIZE_BYTES, decode
from imagewright.storage.private import write_file

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.imaging.files import PictureFacts
    from imagewright.imaging.preview import Preview


@dataclass(frozen=True, slots=True)
class Arrived:
    """A picture that lies whole on this machine.

    Attributes:
        file: where.
        digest: of its bytes before it was looked at.
        facts: what one decoding of it shows.
        preview: from the same decoding.
    """

    file: Path
    digest: bytes
    facts: PictureFacts
    preview: Preview


async def look(file: Path) -> Arrived:
    """Decode a file once.

    Raises:
        PictureError: it is no whole picture of a known format.
    """
    return await decode(_looked_at, file, per_pixel=LOOK_BYTES)


async def bring_down(file: Path, exact: Path, size: tuple[int, int]) -> Arrived:
    """Write the picture in exactly that size, in px, into another file.

    Raises:
        PictureError: it cannot be resized.
    """
    await decode(_resize, file, exact, size, per_pixel=RESIZE_BYTES)
    return await look(exact)


def digest_of(file: Path) -> bytes:
    """A digest of the whole file. Blocks."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def _looked_at(file: Path) -> Arrived:
    from imagewright.imaging import preview  # noqa: PLC0415 - Pillow is not on the start-up path

    digest = digest_of(file)
    return Arrived(file, digest, *preview.look(file))


def _resize(file: Path, exact: Path, size: tuple[int, int]) -> None:
    from imagewright.imaging.pixels import resize_exact  # noqa: PLC0415 - Pillow is not on the start-up path

    write_file(exact, resize_exact(file, *size))
