"""The one place where a file becomes a Pillow image: recognised, measured and opened, every failure a `PictureError`.

It is measured by its header alone, before a decoder sees it: several decoders take memory for all pixels at once.

The format's own Pillow class is opened directly and not through `Image.open`: that warns about large pictures
through the process-wide warnings filter, which threads share, and tries formats that are not wanted here.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, cast

from PIL import Image

from imagewright.errors import PictureError, StorageError
from imagewright.imaging.headers import gif_layout, orientation_of, png_exif
from imagewright.imaging.limiter import GIF_MAX_PIXELS, MAX_PIXELS, cost_of
from imagewright.imaging.sides import declared_sides
from imagewright.imaging.signatures import HEAD_BYTES, KINDS, describe, known_formats, recognise, titles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from PIL.ImageFile import ImageFile

    from imagewright.imaging.headers import Sides

_OPENERS = {
    "png": ("PIL.PngImagePlugin", "PngImageFile"),
    "jpeg": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "webp": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "gif": ("PIL.GifImagePlugin", "GifImageFile"),
    "avif": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "heic": ("pillow_heif", "HeifImageFile"),
}


HEAD_READ = 1 << 20
"""Bytes of a file on disk in which its sides are looked for; colour profiles and metadata may stand before them."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a file's header says, before any decoder has seen the file.

    Attributes:
        format: its real type.
        width: px, as stored: before the EXIF orientation.
        height: px, as stored.
        size: bytes of the file.
    """

    format: str
    width: int
    height: int
    size: int


@dataclass(frozen=True, slots=True)
class Opened:
    """A picture whose header was read and whose pixels were not.

    Attributes:
        image: its first frame, as stored; `loading()` goes around whatever decodes it.
        data: the whole file.
        format: its real type.
        orientation: EXIF orientation, 1 to 8.
        frames: number of frames. A JPEG counts as one: what phones append to it is not part of the picture.
    """

    image: ImageFile
    data: bytes
    format: str
    orientation: int
    frames: int


def measure(data: bytes) -> Measured:
    """Recognise a picture by its bytes and read its sides from its header; no decoder is opened.

    Raises:
        PictureError: it is no picture of a known format, or its header is damaged.
    """
    name = _format_of(data[:HEAD_BYTES])
    with loading(name, len(data)):
        width, height = declared_sides(name, data, len(data))[0]
    return Measured(name, width, height, len(data))


def decoding_cost(source: bytes | Path, work: int) -> int:
    """The memory that a piece of work on a picture takes at most, in bytes; 0 for what no decoder will be opened for.

    Args:
        source: the whole file, or where it is; of a file on disk only the beginning is read.
        work: bytes for each pixel beyond those of decoding, see `limiter`.

    Raises:
        StorageError: the file cannot be read.
    """
    if isinstance(source, bytes):
        return head_cost(source[:HEAD_READ], len(source), work)
    try:
        with _open_file(source) as stream:
            return head_cost(stream.read(HEAD_READ), os.fstat(stream.fileno()).st_size, work)
    except OSError as error:
        raise _unreadable(source, error) from error


def head_cost(head: bytes, size: int, work: int) -> int:
    """As `decoding_cost`, from the first bytes of a file.

    Args:
        head: the first bytes; one MB is enough for nearly every picture.
        size: bytes of the whole file.
        work: as for `decoding_cost`.
    """
    name = recognise(head)
    if name not in known_formats():
        return 0
    try:
        width, height = declared_sides(name, head, size)[0]
    except ValueError:
        # A damaged header is refused when the whole file is there; one that is only long may be a picture of any size.
        return 0 if len(head) == size else cost_of(name, MAX_PIXELS, size, work)
    return cost_of(name, width * height, size, work)


def open_lazily(source: bytes | Path) -> Opened:
    """Recognise a picture by its bytes and read its header.

    Raises:
        PictureError: it is no picture of a known format, damaged, or larger than `MAX_PIXELS`.
        StorageError: the file cannot be read.
    """
    data = _bytes_of(source)
    name = _format_of(data[:HEAD_BYTES])
    with loading(name, len(data)):
        declared = declared_sides(name, data, len(data))
    _check_pixels(*declared[0], GIF_MAX_PIXELS if name == "gif" else MAX_PIXELS, name)
    module, factory = _OPENERS[name]
    with loading(name, len(data)):
        image = cast("ImageFile", getattr(import_module(module), factory)(BytesIO(data)))
        exif = png_exif(data) if name == "png" else image.info.get("exif") or b""
    if not _as_declared(image.size, declared, name):
        raise damaged(name, len(data))
    frames = 1
    if name == "gif":
        frames = gif_layout(data).frames
    elif name in ("png", "webp", "avif"):
        frames = int(getattr(image, "n_frames", 1))
    return Opened(image, data, name, orientation_of(exif), frames)


@contextmanager
def loading(name: str, size: int) -> Iterator[None]:
    """Turn whatever a decoder raises inside into a `PictureError`.

    Args:
        name: the picture's format.
        size: bytes of its file.
    """
    try:
        yield
    except PictureError:
        raise
    except MemoryError as error:
        raise PictureError("the picture does not fit into this machine's free memory: give a smaller one") from error
    except Image.DecompressionBombError as error:
        # WebP is checked by Pillow before its size can be asked for, at twice its own limit.
        raise PictureError(
            f"the {KINDS[name].title} picture has more megapixels than are read here: give a smaller one"
        ) from error
    except Exception as error:  # decoders raise nearly every built-in exception on damaged bytes
        raise damaged(name, size) from error


def damaged(name: str, size: int) -> PictureError:
    """The error for a picture that starts well and does not go on so."""
    return PictureError(
        f"the {KINDS[name].title} file is cut short or damaged ({size:,} bytes): get it again, or give another picture"
    )


def _as_declared(size: Sides, declared: list[Sides], name: str) -> bool:
    """Whether a decoder opened what the header had promised. A HEIC may come out turned or cropped."""
    if name == "heic":
        return size[0] * size[1] <= declared[0][0] * declared[0][1]
    return size in declared


def _bytes_of(source: bytes | Path) -> bytes:
    if isinstance(source, bytes):
        return source
    try:
        with _open_file(source) as file:
            # A file of any size that is no picture is refused on its head alone, before the rest is read.
            _format_of(file.read(HEAD_BYTES))
            file.seek(0)
            return file.read()
    except OSError as error:
        raise _unreadable(source, error) from error


def _open_file(path: Path) -> BinaryIO:
    """Open a file for reading; a pipe or device in its place is refused and never waited for."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    stream = os.fdopen(os.open(path, flags), "rb")
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise StorageError(f"cannot read {path}: it is not a regular file")
    return stream


def _unreadable(path: Path, error: OSError) -> StorageError:
    return StorageError(f"cannot read {path}: {error.strerror or error}")


def _format_of(head: bytes) -> str:
    if not head:
        raise PictureError(f"the file is empty (0 bytes): give a picture ({titles()})")
    name = recognise(head)
    if name is None:
        seems = describe(head)
        if seems is None:
            raise PictureError(f"not a picture of a known type (it starts with {head[:4].hex(' ')}): give {titles()}")
        raise PictureError(f"this is {seems}: give a picture as {titles()}")
    if name not in known_formats():
        title = KINDS[name].title
        raise PictureError(f"{title} pictures cannot be read on this machine: convert it to {titles()}")
    return name


def _check_pixels(width: int, height: int, limit: int, name: str) -> None:
    if width * height > limit:
        raise PictureError(
            f"the {KINDS[name].title} picture is {width} x {height} px ({width * height / 1e6:,.0f} megapixels): "
            f"at most {limit / 1e6:,.0f} megapixels are read, give a smaller one"
        )
