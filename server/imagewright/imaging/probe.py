"""What a picture file really is, and whether all of it is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagewright.imaging.decode import SIDEWAYS
from imagewright.imaging.headers import png_is_whole
from imagewright.imaging.limiter import MAX_PIXELS
from imagewright.imaging.reading import Opened, damaged, loading, open_lazily
from imagewright.imaging.signatures import KINDS, known_formats

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MAX_PIXELS", "PictureFacts", "extension_for", "facts_of", "known_formats", "probe"]


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What a file's bytes say about it.

    Attributes:
        format: real type, as in `known_formats`.
        width: px, after the EXIF orientation.
        height: px, after the EXIF orientation.
        orientation: EXIF orientation, 1 (upright) to 8.
        frames: 1 for a still picture.
        has_alpha: whether the file has an alpha channel or a transparent colour, used or not.
        size: bytes.
    """

    format: str
    width: int
    height: int
    orientation: int
    frames: int
    has_alpha: bool
    size: int


def probe(source: bytes | Path, *, thorough: bool = True) -> PictureFacts:
    """Find out a picture's real type and size.

    Args:
        source: the whole file, or where it is.
        thorough: decode every pixel of the first frame, so that a file cut short is found out. Without it only
            the header is believed.

    Raises:
        PictureError: empty, not a picture, of an unknown type, larger than `MAX_PIXELS`, cut short or damaged.
        StorageError: the file cannot be read.
    """
    opened = open_lazily(source)
    facts = facts_of(opened)
    if thorough:
        check_whole(opened)
        decode_once(opened)
    return facts


def decode_once(opened: Opened) -> None:
    """Decode every pixel only to see whether that goes well; the image cannot be used afterwards.

    A JPEG is decoded at an eighth of its size: all of its data are read, and far less memory is taken.

    Raises:
        PictureError: the file is cut short or damaged.
    """
    with loading(opened.format, len(opened.data)):
        if opened.format == "jpeg":
            opened.image.draft(None, (1, 1))
        opened.image.load()


def check_whole(opened: Opened) -> None:
    """Find damage that decoding passes over.

    Raises:
        PictureError: the file is cut short or damaged.
    """
    if opened.format == "png" and not png_is_whole(opened.data):
        raise damaged(opened.format, len(opened.data))


def facts_of(opened: Opened) -> PictureFacts:
    """The facts of a picture that was opened; to be asked before its size is changed by a draft."""
    width, height = opened.image.size
    if opened.orientation in SIDEWAYS:
        width, height = height, width
    return PictureFacts(
        format=opened.format,
        width=width,
        height=height,
        orientation=opened.orientation,
        frames=opened.frames,
        has_alpha=opened.image.has_transparency_data,
        size=len(opened.data),
    )


def extension_for(format: str) -> str:  # noqa: A002 - the argument's name on every tool
    """The file name extension of a format, with its dot: ".jpg" for "jpeg".

    Raises:
        KeyError: the format is not one that can be recognised.
    """
    return KINDS[format].extension
