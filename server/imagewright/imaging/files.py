"""What a picture file really is, whether all of it is there, and the one place where it becomes a Pillow image.

A file is recognised and measured by its header alone, before a decoder sees it: several decoders take memory for all
pixels at once. Every failure is a `PictureError`.

The format's own Pillow class is opened directly and not through `Image.open`: that warns about large pictures
through the process-wide warnings filter, which threads share, and tries formats that are not wanted here. Pillow is
loaded with the first file that is opened, which a server leaves to its workers: it only measures.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from itertools import chain
from typing import TYPE_CHECKING, cast

from imagewright.errors import PictureError, StorageError
from imagewright.imaging.headers import (
    CEILINGS,
    MAX_PIXELS,
    PARTS,
    cost_of,
    declared_sides,
    gif_layout,
    is_plain,
    orientation_of,
    png_exif,
    png_is_whole,
)
from imagewright.imaging.signatures import (
    HEAD_BYTES,
    KINDS,
    SIDEWAYS,
    Unsupported,
    describe,
    known_formats,
    most_parts,
    recognise,
    titles,
)
from imagewright.text import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from PIL.ImageFile import ImageFile

    from imagewright.imaging.signatures import Sides

_OPENERS = {
    "png": ("PIL.PngImagePlugin", "PngImageFile"),
    "jpeg": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "webp": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "gif": ("PIL.GifImagePlugin", "GifImageFile"),
    "avif": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "heic": ("pillow_heif", "HeifImageFile"),
    "tiff": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "bmp": ("PIL.BmpImagePlugin", "BmpImageFile"),
}

HEAD_READ = 1 << 20
"""Bytes of a file on disk in which its sides are looked for; colour profiles and metadata may stand before them."""

BOMB = "DecompressionBombError"
"""The name of what Pillow raises at twice its own limit; only the name, as a server loads no Pillow. Pillow checks a
WebP before its size can be asked for."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a file's header says, before any decoder has seen the file."""

    format: str
    """Its real type."""
    width: int
    """Px, as stored: before the EXIF orientation."""
    height: int
    """Px, as stored."""
    size: int
    """Bytes of the file."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A picture whose header was read and whose pixels were not."""

    image: ImageFile
    """Its first frame, as stored; `loading()` goes around whatever decodes it."""
    data: bytes
    """The whole file."""
    format: str
    """Its real type."""
    orientation: int
    """EXIF orientation, 1 to 8; 1 where the decoder turns the picture upright, as those of HEIC and TIFF do."""
    frames: int
    """Number of frames, pages or pictures. A JPEG counts as one: what phones append to it is not part of the
    picture."""


def measure(data: bytes) -> Measured:
    """Recognise a picture by its bytes and read its sides from its header; no decoder is opened.

    Raises:
        PictureError: it is not a picture of a known format, or its header is damaged.
    """
    name = _format_of(data[:HEAD_BYTES])
    with loading(name, len(data)):
        width, height = declared_sides(name, data, len(data))[0]
    return Measured(name, width, height, len(data))


def check_pixels(file: Path, most: int) -> None:
    """Hold the sides in a file's header against the pixels it may have; no decoder is opened.

    Raises:
        PictureError: it has more, or is not a picture of a known format, or its header is damaged.
        StorageError: it cannot be read.
    """
    measured = measure(_bytes_of(file))
    width, height = measured.width, measured.height
    if width * height > most:
        title, megapixels = KINDS[measured.format].title, width * height / 1e6
        raise PictureError(
            f"the {title} picture is {width} x {height} px ({megapixels:,.0f} megapixels), far more than was ordered, "
            "and was not decoded for that"
        )


def only_picture(data: bytes, form: str) -> tuple[bytes, tuple[str, ...]]:
    """A file of that type without its metadata, see `metadata`, and what was left out, in words.

    A file in a format that no vendor gets as it came stays as it is: its pixels are written anew, without metadata.

    Raises:
        PictureError: its parts are damaged.
    """
    with loading(form, len(data)):
        if is_plain(form, data):
            return data, ()
        from imagewright.imaging.metadata import cleaned, held_by  # noqa: PLC0415 - not for one that holds nothing else

        return cleaned(form, data) if form in PARTS else (data, held_by(form, data))


def decoding_cost(source: bytes | Path, work: int, feed: Callable[[bytes], object] | None = None) -> int:
    """The most memory in bytes that work on a picture takes; 0 where no decoder will be opened for it.

    `work` is bytes for each pixel beyond those of decoding, see `limiter`. Of a file on disk only the beginning is
    read; with `feed`, all of it, and that is called with one piece after the other.

    Raises:
        StorageError: the file cannot be read.
    """
    if isinstance(source, bytes):
        return head_cost(source, len(source), work)
    with _opened(source) as (descriptor, size):
        pieces = _pieces(descriptor, size)
        head = next(pieces, b"")
        if feed is not None:
            for piece in chain((head,), pieces):
                feed(piece)
        return head_cost(head, size, work)


def head_cost(head: bytes, size: int, work: int) -> int:
    """As `decoding_cost`, from the first bytes of a file of `size` bytes; one MB is enough for nearly every picture."""
    name = recognise(head)
    if name not in known_formats():
        return 0
    most = CEILINGS.get(name, MAX_PIXELS)
    try:
        width, height = declared_sides(name, head, size)[0]
    except ValueError:
        # A damaged header is refused when the whole file is there; one that is only long may be a picture of any size.
        return 0 if len(head) == size else cost_of(name, most, size, work)
    return cost_of(name, min(width * height, most), size, work)


def open_lazily(source: bytes | Path) -> Opened:
    """Recognise a picture by its bytes and read its header.

    Raises:
        PictureError: it is not a picture of a known format, damaged, or larger than `MAX_PIXELS`.
        StorageError: the file cannot be read.
    """
    data = _bytes_of(source)
    name = _format_of(data[:HEAD_BYTES])
    with loading(name, len(data)):
        declared = declared_sides(name, data, len(data))
    _check_pixels(*declared[0], CEILINGS.get(name, MAX_PIXELS), name)
    module, factory = _OPENERS[name]
    with loading(name, len(data)):
        image = cast("ImageFile", getattr(import_module(module), factory)(BytesIO(data)))
        exif = png_exif(data) if name == "png" else image.info.get("exif") or b""
    if not _as_declared(image.size, declared, name):
        raise damaged(name, len(data))
    frames = 1
    if name == "gif":
        frames = gif_layout(data)[0]
    elif name == "tiff":
        from imagewright.imaging.boxes import tiff_pages  # noqa: PLC0415 - hardly any picture is one

        frames = tiff_pages(data)
    elif name in ("png", "webp", "avif", "heic"):
        # a PNG's header can promise two thousand million of them
        frames = min(int(getattr(image, "n_frames", 1)), most_parts(len(data)))
    return Opened(image, data, name, orientation_of(exif), frames)


@contextmanager
def loading(name: str, size: int) -> Iterator[None]:
    """Turn whatever a decoder raises inside into a `PictureError`, for a file of that format and size in bytes."""
    try:
        yield
    except PictureError:
        raise
    except Unsupported as error:
        raise PictureError(str(error)) from error
    except ImportError as error:
        raise PictureError(_without_decoder(name)) from error
    except MemoryError as error:
        raise PictureError("the picture does not fit into this machine's free memory: give a smaller one") from error
    except Exception as error:  # decoders raise nearly every built-in exception on damaged bytes
        if type(error).__name__ == BOMB:
            raise PictureError(
                f"the {KINDS[name].title} picture has more megapixels than are read here: give a smaller one"
            ) from error
        raise damaged(name, size) from error


def damaged(name: str, size: int) -> PictureError:
    """The error for a file that begins like a picture and cannot be decoded."""
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
    with _opened(source) as (descriptor, size):
        # A file of any size that is not a picture is refused on its head alone, before the rest is read.
        _format_of(os.read(descriptor, HEAD_BYTES))
        os.lseek(descriptor, 0, os.SEEK_SET)
        data = os.read(descriptor, size + 1)  # at once, as each piece beside the whole would be memory twice
        return data if len(data) == size else b"".join((data, *_pieces(descriptor, size - len(data))))


@contextmanager
def _opened(path: Path) -> Iterator[tuple[int, int]]:
    """A descriptor of a file, and its size in bytes. A pipe or device in its place is refused and never waited for."""
    # not a file object, which makes six system calls more
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        descriptor = os.open(path, flags)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise StorageError(f"cannot read {path}: it is not a regular file")
            yield descriptor, status.st_size
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error


def _pieces(descriptor: int, left: int) -> Iterator[bytes]:
    """What is left of a file, which should be so many bytes: then its end is known without asking for more."""
    while piece := os.read(descriptor, min(left + 1, HEAD_READ) if left >= 0 else HEAD_READ):
        yield piece
        left -= len(piece)
        if left == 0:
            return


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
        raise PictureError(_without_decoder(name))
    return name


def _without_decoder(name: str) -> str:
    others = listed([KINDS[other].title for other in known_formats() if other != name], "or")
    return f"{KINDS[name].title} pictures cannot be read on this machine: convert it to {others}"


def _check_pixels(width: int, height: int, limit: int, name: str) -> None:
    if width * height > limit:
        raise PictureError(
            f"the {KINDS[name].title} picture is {width} x {height} px ({width * height / 1e6:,.0f} megapixels): "
            f"at most {limit / 1e6:,.0f} megapixels are read, give a smaller one"
        )


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What a file's bytes say about it."""

    format: str
    """Real type, as in `known_formats`."""
    width: int
    """Px, after the EXIF orientation."""
    height: int
    """Px, after the EXIF orientation."""
    orientation: int
    """EXIF orientation, 1 (upright) to 8."""
    frames: int
    """1 for a still picture."""
    has_alpha: bool
    """Whether the file has an alpha channel or a transparent colour, used or not."""
    size: int
    """Bytes."""
    transparent: bool | None = None
    """Whether any pixel lets what is below it through; None where the pixels were not examined for that."""


def probe(source: bytes | Path, *, thorough: bool = True) -> PictureFacts:
    """Find out a picture's real type and size.

    With `thorough` every pixel of the first frame is decoded, so that a file that was cut short is noticed. Without it
    only the header is read.

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
    """The facts of a picture that was opened; call it before Pillow's `draft` mode changes the size.

    Raises:
        PictureError: it is damaged.
    """
    with loading(opened.format, len(opened.data)):
        has_alpha = opened.image.has_transparency_data  # a picture that lacks the palette it speaks of fails here
    width, height = opened.image.size
    if opened.orientation in SIDEWAYS:
        width, height = height, width
    return PictureFacts(
        format=opened.format,
        width=width,
        height=height,
        orientation=opened.orientation,
        frames=opened.frames,
        has_alpha=has_alpha,
        size=len(opened.data),
    )
