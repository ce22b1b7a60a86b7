"""The real type of a file, from its first bytes, and how numbers are read from them.

Its name and extension are never used.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import cache

from imagewright.text import listed

HEAD_BYTES = 1024
"""How much of a file is enough to recognise it; an SVG may carry a long preamble."""
Sides = tuple[int, int]
"""Width and height in px, as stored: before any orientation."""
ORIENTATION_TAG, UPRIGHT = 0x0112, 1
"""The tag of the orientation in EXIF and TIFF, and its value for a picture that is not turned."""
SIDEWAYS = frozenset({5, 6, 7, 8})
"""The orientations that swap width and height."""
ENTRY_BYTES = 12
"""Bytes of each entry in a directory of EXIF or TIFF."""
FEW_PARTS = 10_000
"""Chunks, segments or boxes that any file may have."""
_BYTES_PER_PART = 1024


class Unsupported(ValueError):
    """A whole picture of a known format, but of a kind that is not read here; its text says which and what to do."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of picture."""

    title: str
    """As people write it."""
    extension: str
    """With its dot."""


KINDS = {
    "png": Kind("PNG", ".png"),
    "jpeg": Kind("JPEG", ".jpg"),
    "webp": Kind("WebP", ".webp"),
    "gif": Kind("GIF", ".gif"),
    "avif": Kind("AVIF", ".avif"),
    "heic": Kind("HEIC", ".heic"),
    "tiff": Kind("TIFF", ".tif"),
    "bmp": Kind("BMP", ".bmp"),
}
"""Every type that can be recognised and, where this installation has its decoder, read."""

_STARTS = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
)

_ISO_BRANDS = {
    "avif": {b"avif", b"avis"},
    "heic": {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"},
}
"""Brands of ISO 14496-12 `ftyp` boxes. AVIF files may name `mif1` first, so AVIF is looked for first."""

_BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
"""Bytes of the second header of a BMP, by its version: "BM" alone could begin a text."""

UNKNOWN_EXTENSION = ".bin"

_OTHERS = (
    (0, b"%PDF-", "a PDF document", ".pdf"),
    (0, b"II+\0", "a BigTIFF picture", ".tif"),
    (0, b"MM\0+", "a BigTIFF picture", ".tif"),
    (0, b"\xff\x0a", "a JPEG XL picture", ".jxl"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL picture", ".jxl"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 picture", ".jp2"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture", ".jp2"),
    (0, b"\0\0\x01\0", "an icon file (ICO)", ".ico"),
    (0, b"8BPS", "a Photoshop document", ".psd"),
    (0, b"%!PS", "a PostScript document", UNKNOWN_EXTENSION),
    (0, b"PK\x03\x04", "a ZIP archive", ".zip"),
    (0, b"\x1f\x8b", "a gzip archive", UNKNOWN_EXTENSION),
    (0, b"\x1aE\xdf\xa3", "a WebM or Matroska video", UNKNOWN_EXTENSION),
    (8, b"WAVE", "a WAV sound", UNKNOWN_EXTENSION),
    (4, b"ftyp", "a video", UNKNOWN_EXTENSION),
    (0, b"MZ", "a Windows program", UNKNOWN_EXTENSION),
    (0, b"\x7fELF", "a program", UNKNOWN_EXTENSION),
)
"""Where a signature stands, the signature, what such a file is, and under which extension it is kept."""

_SVG = "an SVG drawing"
_TEXTS = (
    ("<!doctype html", "an HTML page"),
    ("<html", "an HTML page"),
    ("<svg", _SVG),
    ("<?xml", "an XML document"),
    ("{", "JSON text"),
    ("[", "JSON text"),
    ("data:image/", "a data URI saved as text"),
    ("ivborw0kggo", "base64 text of a picture, not the picture itself"),
    ("/9j/", "base64 text of a picture, not the picture itself"),
    ("version https://git-lfs", "a Git LFS pointer, not the file it stands for"),
)


@cache
def known_formats() -> tuple[str, ...]:
    """The formats this installation reads. AVIF depends on how Pillow was built, HEIC on `pillow_heif`."""
    modules = {"avif": "PIL._avif", "heic": "pillow_heif"}
    return tuple(name for name in KINDS if name not in modules or importlib.util.find_spec(modules[name]) is not None)


def titles() -> str:
    """The formats this installation reads, as a phrase: "PNG, JPEG, WebP or GIF"."""
    return listed([KINDS[name].title for name in known_formats()], "or")


def recognise(head: bytes) -> str | None:
    """The format whose signature a file carries in its first `HEAD_BYTES`, also if it cannot be read here; else None.

    `head` may be longer, and what is beyond them is not looked at.
    """
    if (begun := next((name for start, name in _STARTS if head.startswith(start)), None)) is not None:
        return begun
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "bmp"
    if head[4:8] == b"ftyp":
        box = head[: min(int.from_bytes(head[:4], "big"), HEAD_BYTES)]
        brands = {box[8:12], *(box[at : at + 4] for at in range(16, len(box), 4))}
        return next((name for name, known in _ISO_BRANDS.items() if brands & known), None)
    return None


def describe(head: bytes) -> str | None:
    """What bytes without a known picture's signature seem to be, with its article; None when nothing fits."""
    for at, magic, words, _ in _OTHERS:
        if head.startswith(magic, at):
            return words
    text = _as_text(head)
    if text is None:
        return None
    text = text.lstrip().lower()
    if text.startswith(("<?xml", "<!--", "<!doctype svg")) and "<svg" in text:
        return _SVG
    return next((words for start, words in _TEXTS if text.startswith(start)), "text")


def extension_of(head: bytes) -> str:
    """The extension that the first `HEAD_BYTES` call for, with its dot; `.bin` for what no picture program opens."""
    if name := recognise(head):
        return KINDS[name].extension
    known = (extension for at, magic, _, extension in _OTHERS if head.startswith(magic, at))
    return next(known, ".svg" if describe(head) == _SVG else UNKNOWN_EXTENSION)


def _as_text(head: bytes) -> str | None:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.decode("utf-16", errors="replace")
    try:
        # The head may end in the middle of a character: only its last 3 bytes may be an unfinished one.
        text = head.decode("utf-8-sig", errors="strict")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return None
        text = head[: error.start].decode("utf-8-sig")
    return text if all(character.isprintable() or character in "\t\n\r\f" for character in text) else None


def big(data: bytes | memoryview, at: int, count: int) -> int:
    """A number of `count` bytes, the highest first.

    Raises:
        ValueError: the data end before it does.
    """
    return int.from_bytes(exactly(data, at, count), "big")


def exactly(data: bytes | memoryview, at: int, count: int) -> bytes | memoryview:
    """That many bytes.

    Raises:
        ValueError: the data end before.
    """
    piece = data[at : at + count] if at >= 0 else b""
    if len(piece) < count:
        raise ValueError("the header is cut short")
    return piece


def little(data: bytes | memoryview, at: int, count: int) -> int:
    """A number of `count` bytes, the lowest first.

    Raises:
        ValueError: the data end before it does.
    """
    return int.from_bytes(exactly(data, at, count), "little")


def most_parts(size: int) -> int:
    """How many chunks, segments or boxes a file of `size` bytes may have.

    Encoders put at least 4 to 8 KB of pixels into a part, and the few thousand parts of an animation or of metadata
    come on top. Files of hundreds of thousands of empty parts keep a decoder busy for seconds.
    """
    return FEW_PARTS + size // _BYTES_PER_PART
