"""The one place where a file becomes a Pillow image: recognised, measured and opened, every failure a `PictureError`.

The format's own Pillow class is opened directly and not through `Image.open`: that warns about large pictures
through the process-wide warnings filter, which threads share, and tries formats that are not wanted here.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, cast

from PIL import Image

from imagewright.errors import PictureError, StorageError
from imagewright.imaging.headers import gif_layout, orientation_of, png_exif
from imagewright.imaging.signatures import HEAD_BYTES, KINDS, describe, known_formats, recognise, titles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from PIL.ImageFile import ImageFile

MAX_PIXELS = 16_384 * 16_384
"""Pixels of the largest picture that is decoded (268 MP, about 1 GB in memory): a 4096 px square enlarged four
times, the most any row can be asked for. Phones' largest sensors have 200 MP. Anything above is taken for a bomb."""

GIF_MAX_PIXELS = 64_000_000
"""GIF's own ceiling. Pillow checks GIF frames itself and warns process-wide from 89 MP up."""

_OPENERS = {
    "png": ("PIL.PngImagePlugin", "PngImageFile"),
    "jpeg": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "webp": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "gif": ("PIL.GifImagePlugin", "GifImageFile"),
    "avif": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "heic": ("pillow_heif", "HeifImageFile"),
}


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


def open_lazily(source: bytes | Path) -> Opened:
    """Recognise a picture by its bytes and read its header.

    Raises:
        PictureError: it is no picture of a known format, damaged, or larger than `MAX_PIXELS`.
        StorageError: the file cannot be read.
    """
    data = _bytes_of(source)
    name = _format_of(data[:HEAD_BYTES])
    frames = 1
    if name == "gif":
        layout = gif_layout(data)
        frames = layout.frames
        _check_pixels(layout.width, layout.height, GIF_MAX_PIXELS, name)
    module, factory = _OPENERS[name]
    with loading(name, len(data)):
        image = cast("ImageFile", getattr(import_module(module), factory)(BytesIO(data)))
    _check_pixels(*image.size, MAX_PIXELS, name)
    if name in ("png", "webp", "avif"):
        frames = int(getattr(image, "n_frames", 1))
    exif = png_exif(data) if name == "png" else image.info.get("exif") or b""
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


def _bytes_of(source: bytes | Path) -> bytes:
    if isinstance(source, bytes):
        return source
    try:
        with source.open("rb") as file:
            # A file of any size that is no picture is refused on its head alone, before the rest is read.
            _format_of(file.read(HEAD_BYTES))
            file.seek(0)
            return file.read()
    except OSError as error:
        raise StorageError(f"cannot read {source}: {error.strerror or error}") from error


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
