"""Tiny pictures made in code, the same on every run, for all tests.

`photo` has a colour of its own in each quarter, so that a test can tell where the upright top left went.
"""

from __future__ import annotations

import random
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

import pillow_heif
from PIL import Image, features

if TYPE_CHECKING:
    from collections.abc import Mapping

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in px; right and bottom are outside."""

QUARTERS = ((220, 40, 40), (40, 180, 60), (40, 70, 210), (230, 200, 60))
"""RGB of top left, top right, bottom left, bottom right."""

KEPT = 64
"""Pictures of each kind that are remembered: most tests ask for the same few."""

STILL_FORMATS = (
    *("png", "jpeg", "webp", "gif", "heic", "tiff", "bmp"),
    *(("avif",) if features.check_module("avif") else ()),
)
"""Formats that tests can both write and read on this machine."""

NOT_PICTURES: Mapping[str, tuple[bytes, str]] = {
    "html": (b"<!DOCTYPE html>\n<html><body>404</body></html>", "HTML"),
    "svg": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    "json": (b'{"error": "not found"}', "JSON"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "PDF"),
    "text": ("a café, saved as picture.png".encode(), "text"),
    "utf16": ("just text".encode("utf-16"), "text"),
    "base64": (b"iVBORw0KGgoAAAANSUhEUgAAAAE", "base64"),
    "data_uri": (b"data:image/png;base64,iVBORw0KGgo=", "data URI"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
    "bm": (b"BM is how this text begins, as a BMP does", "text"),
    "bigtiff": (b"II+\0\x08\0\0\0", "BigTIFF"),
    "jxl": (b"\xff\x0a\xfa\x7f\x01", "JPEG XL"),
    "zip": (b"PK\x03\x04\x14\0\0\0", "ZIP"),
    "video": (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2", "video"),
}
"""Files that are not pictures, with the word by which a refusal must call them."""

_TURNED_BY = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How a camera stores an upright picture under each EXIF orientation."""

_ORIENTATION_TAG = 0x0112
_GREY_16 = "I;16"


@lru_cache(maxsize=KEPT)
def photo(
    width: int = 64,
    height: int = 48,
    format: str = "png",  # noqa: A002 - the argument's name on every tool
    *,
    mode: str = "RGB",
    orientation: int = 1,
    frames: int = 1,
) -> bytes:
    """A picture whose upright size is `width` x `height` px.

    Args:
        width: px, upright.
        height: px, upright.
        format: one of `STILL_FORMATS`.
        mode: Pillow's; with RGBA or LA the bottom right quarter is transparent. `I;16` for 16-bit grey.
        orientation: EXIF orientation 1 to 8; the pixels are stored turned accordingly.
        frames: more than 1 for an animation (gif, webp, png), pages (tiff) or pictures (heic); each further is darker.
    """
    image = quarters(width, height)
    if orientation in _TURNED_BY:
        image = image.transpose(_TURNED_BY[orientation])
    image = _in_mode(image, mode)
    options: dict[str, Any] = {"quality": 95} if format in ("jpeg", "webp", "avif", "heic") else {}
    if orientation != 1:
        exif = Image.Exif()
        exif[_ORIENTATION_TAG] = orientation
        options["exif"] = exif.tobytes()
    if frames > 1:
        darker = [image.point(lambda value, by=0.8**step: int(value * by)) for step in range(1, frames)]
        options |= {"save_all": True, "append_images": darker, "duration": 100}
    return saved(image, format, **options)


def quarters(width: int, height: int) -> Image.Image:
    """The pixels of `photo`, as RGB."""
    image = Image.new("RGB", (width, height), QUARTERS[3])
    image.paste(QUARTERS[0], (0, 0, width // 2, height // 2))
    image.paste(QUARTERS[1], (width // 2, 0, width, height // 2))
    image.paste(QUARTERS[2], (0, height // 2, width // 2, height))
    return image


@lru_cache(maxsize=KEPT)
def noise(width: int, height: int, format: str = "png", *, mode: str = "RGB", seed: int = 1) -> bytes:  # noqa: A002 - as above
    """A picture that no format can make small: about width x height x channels bytes as PNG."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    pixels = random.Random(seed).randbytes(width * height * channels)  # noqa: S311 - the same on every run
    return saved(Image.frombytes(mode, (width, height), pixels), format)


def mask_of(width: int, height: int, box: Box, style: Literal["white", "transparent", "hole"] = "white") -> bytes:
    """A PNG mask that marks `box` to be repainted.

    Args:
        width: px.
        height: px.
        box: what is repainted.
        style: white on black without alpha; transparent in opaque black; or a hole in a `photo`.
    """
    if style == "white":
        image = Image.new("L", (width, height), 0)
        image.paste(255, box)
        return saved(image, "png")
    image = Image.new("RGB", (width, height), 0) if style == "transparent" else quarters(width, height)
    image = image.convert("RGBA")
    image.paste((255, 255, 255, 0), box)
    return saved(image, "png")


def cut_short(data: bytes, keep: float = 0.7) -> bytes:
    """The first `keep` of a file, as an interrupted download leaves it."""
    return data[: int(len(data) * keep)]


def saved(image: Image.Image, format: str, **options: Any) -> bytes:  # noqa: A002 - as above
    """The image as a file, by Pillow alone: tests of our own encoder must not depend on it."""
    out = BytesIO()
    if format == "heic":
        more = options.pop("append_images", ())
        heif = pillow_heif.from_pillow(image)
        for one in more:
            heif.add_from_pillow(one)
        heif.save(out, **options)
    else:
        image.save(out, format.upper(), **options)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    """The file's pixels, by Pillow and its plug-in for HEIC alone."""
    if data[4:12] == b"ftypheic":
        return pillow_heif.open_heif(BytesIO(data)).to_pillow()
    image = Image.open(BytesIO(data))
    image.load()
    return image


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    width, height = image.size
    if mode == _GREY_16:
        grey = image.convert("L")
        return Image.frombytes(_GREY_16, grey.size, b"".join(bytes((value, value)) for value in grey.tobytes()))
    if mode in ("RGBA", "LA"):
        clear = Image.new("L", (width, height), 255)
        clear.paste(0, (width // 2, height // 2, width, height))
        image = image.convert(mode[:-1])
        image.putalpha(clear)
        return image
    return image.convert(mode)
