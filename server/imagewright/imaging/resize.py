"""Bringing a finished picture to an exact size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

from imagewright.errors import PictureError
from imagewright.imaging.decode import decoded, upright
from imagewright.imaging.encode import HIGH_QUALITY, WRITABLE, encode
from imagewright.imaging.limiter import MAX_PIXELS
from imagewright.imaging.probe import check_whole, facts_of
from imagewright.imaging.reading import loading, open_lazily

if TYPE_CHECKING:
    from pathlib import Path


def resize_exact(source: bytes | Path, width: int, height: int) -> bytes:
    """The picture at exactly that size, by Lanczos, in the format it had, with its transparency.

    A still picture that already has the size, upright, is handed back byte for byte. A format that cannot be
    written (GIF, AVIF, HEIC) becomes PNG.

    Args:
        source: the whole file, or where it is.
        width: px, at least 1.
        height: px, at least 1.

    Raises:
        PictureError: not a whole picture of a known format, or the size is impossible.
        StorageError: the file cannot be read.
    """
    if width < 1 or height < 1 or width * height > MAX_PIXELS:
        raise PictureError(
            f"a picture cannot be brought to {width} x {height} px: "
            f"each side has at least 1 px, and both together make at most {MAX_PIXELS / 1e6:,.0f} megapixels"
        )
    opened = open_lazily(source)
    facts = facts_of(opened)
    check_whole(opened)
    with loading(opened.format, len(opened.data)):
        opened.image.load()
        if (facts.width, facts.height, facts.orientation, facts.frames) == (width, height, 1, 1):
            return opened.data
        image = upright(decoded(opened), opened.orientation)
    resized = image.resize((width, height), Image.Resampling.LANCZOS)
    return encode(resized, opened.format if opened.format in WRITABLE else "png", quality=HIGH_QUALITY)
