"""Files to pixels, pixels to files, and pixels to more or fewer pixels.

Decoding gives the first frame, upright, as RGB or RGBA. Encoding the same pixels and options always gives the same
bytes.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import reduce
from importlib import import_module
from io import BytesIO
from typing import IO, TYPE_CHECKING

from PIL import Image, ImageChops, ImageCms, ImageFilter, features

from imagewright.errors import PictureError
from imagewright.imaging.files import check_whole, facts_of, loading, open_lazily
from imagewright.imaging.headers import MAX_PIXELS
from imagewright.imaging.signatures import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from PIL.PngImagePlugin import PngImageFile

    from imagewright.imaging.files import Opened

Picture = Image.Image
"""Pixels in memory, for those who pass them on without touching them."""
OPAQUE = 255
"""Alpha of a pixel that hides what is below it."""

_GREY, _COLOUR = 0, 2
"""PNG's colour types that have a transparent colour and no palette."""
_DEEP = 16
_EIGHT = 8

_UPRIGHT_BY = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation."""

WRITABLE = ("png", "webp", "jpeg")
"""Formats that can be written, those that lose nothing first."""

KEEPS_ALPHA = frozenset({"png", "webp"})
"""Formats that can be written with transparency."""

DEFAULT_QUALITY = 92
"""For JPEG and lossy WebP: losses are not seen at full size."""

HIGH_QUALITY = 95
"""Where a picture is only passed on in another form."""

FULL_COLOUR_QUALITY = 90
"""From here up a JPEG keeps colour at full resolution, so that coloured edges and text stay sharp."""

_MAX_SIDE = {"jpeg": 65_500, "webp": 16_383}
"""Px; libjpeg's own bound, and the 14 bits a WebP header has."""

_MODES = {
    "png": frozenset({"1", "L", "LA", "P", "RGB", "RGBA"}),
    "jpeg": frozenset({"L", "RGB"}),
    "webp": frozenset({"RGB", "RGBA"}),
}
PNG_EFFORT = 4
"""zlib level. Measured on 4 MP pictures: files 0 to 2 % larger than at 6, in a third to three quarters of the time."""

STRIP = 1024
"""Rows that are worked out at a time: enlarged pictures are large, and so are the planes between the steps."""

MARGIN = 4
"""Rows of the original read above and below a strip, more than Lanczos reaches."""

SHARPENING = ImageFilter.UnsharpMask(radius=0.9, percent=90, threshold=1)
"""Makes up for the softness of Lanczos; done before enlarging, where it costs least."""


def open_picture(source: bytes | Path) -> Image.Image:
    """Decode the first frame, upright, as RGB, or as RGBA where the file can be transparent.

    Palette, grey, 16-bit and CMYK pictures are brought to 8 bits per channel. The only metadata kept is an RGB colour
    profile, as `info["icc_profile"]`; `encode` writes it back.

    Raises:
        PictureError: not a whole picture of a known format, or too large.
        StorageError: the file cannot be read.
    """
    opened = open_lazily(source)
    with loading(opened.format, len(opened.data)):
        return upright(decoded(opened), opened.orientation)


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """The image with its EXIF orientation undone."""
    method = _UPRIGHT_BY.get(orientation)
    return image if method is None else image.transpose(method)


def decoded(opened: Opened) -> Image.Image:
    """The first frame decoded, and then as `plain`; not turned upright. `loading` goes around it."""
    opened.image.load()
    alpha = _keyed_alpha(opened)
    if alpha is None:
        return plain(opened.image)
    opened.image.info.pop("transparency")
    result = plain(opened.image)
    result.putalpha(alpha)
    return result


def _keyed_alpha(opened: Opened) -> Image.Image | None:
    """What a decoded picture's transparent colour clears: an L image, 0 where the colour is and 255 elsewhere.

    Pillow hands the colour on at the depth of the file, but the pixels with 8 bits per channel. Compared like that, a
    colour of 16 bits clears other colours or none, and a grey of 2 or 4 bits clears nothing (PNG specification,
    11.3.2: only the exact value is transparent).

    None where Pillow's own reading is exact: no PNG, no such colour, a palette, or 8 bits per channel.
    """
    key = opened.image.info.get("transparency")
    if opened.format != "png" or key is None:
        return None
    depth, kind = opened.data[24], opened.data[25]
    if kind == _GREY and depth == _DEEP:
        raw, size = opened.image.tobytes(), opened.image.size
        high, low = (Image.frombytes("L", size, raw, "raw", order) for order in ("L;16", "L;16B"))
        return _unless([(high, key >> 8), (low, key & 0xFF)])
    if kind == _GREY and depth < _EIGHT and opened.image.mode == "L":
        most = 2**depth - 1
        return _unless([(opened.image, (key & most) * 255 // most)])
    if kind == _COLOUR and depth == _DEEP:
        low_bytes = _low_bytes(opened.data)
        high_pairs = zip(opened.image.split(), (value >> 8 for value in key), strict=True)
        low_pairs = zip(low_bytes.split(), (value & 0xFF for value in key), strict=True)
        return _unless([*high_pairs, *low_pairs])
    return None


def _low_bytes(data: bytes) -> Image.Image:
    """The lower byte of each channel of a 16-bit RGB PNG: Pillow's usual reading drops it."""
    image: PngImageFile = import_module("PIL.PngImagePlugin").PngImageFile(BytesIO(data))
    image.tile = [tile._replace(args="RGB;16L") for tile in image.tile]
    image.load()
    return image


def _unless(pairs: Iterable[tuple[Image.Image, int]]) -> Image.Image:
    """255 where any of the planes differs from its value."""
    planes = (plane.point([0 if level == value else 255 for level in range(256)]) for plane, value in pairs)
    return reduce(ImageChops.lighter, planes)


def plain(image: Image.Image) -> Image.Image:
    """The image as RGB, or as RGBA where it can be transparent, with no metadata but an RGB colour profile.

    An image that needs no conversion is returned itself, with its metadata removed.
    """
    profile = image.info.get("icc_profile") or b""
    result = image
    if result.mode.startswith("I;16"):
        # Pillow clips 16-bit grey at 255 where it should scale, and computes with one byte order only.
        result = result.convert("I") if result.mode == "I;16B" else result
        result = result.point(lambda value: value * (1 / 257)).convert("L")
    if result.mode == "CMYK":
        result = in_srgb(result, profile)
    target = "RGBA" if result.has_transparency_data else "RGB"
    if result.mode != target:
        result = result.convert(target)
    result.info = {"icc_profile": profile} if _space(profile) == b"RGB " else {}
    return result


def in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """The colours brought from an ICC profile to sRGB, as RGB or RGBA.

    Where the profile is broken, for another kind of picture, or Pillow was built without colour management, the
    numbers are converted without it, as browsers do.
    """
    target = "RGBA" if image.mode == "RGBA" else "RGB"
    matches = _space(profile) == (b"CMYK" if image.mode == "CMYK" else b"RGB ")
    if matches and features.check_module("littlecms2"):
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            converted = ImageCms.profileToProfile(
                image, source, ImageCms.createProfile("sRGB"), outputMode="RGB" if target == "RGB" else None
            )
        except (ImageCms.PyCMSError, OSError):
            converted = None
        if converted is not None:
            converted.info.pop("icc_profile", None)
            return converted
    return image.convert(target)


def is_transparent(image: Image.Image) -> bool:
    """Whether any pixel of an RGB or RGBA image lets what is below it through."""
    if image.mode != "RGBA":
        return False
    counts = image.getchannel("A").histogram()
    return counts[OPAQUE] < image.width * image.height


def _space(profile: bytes) -> bytes:
    """The colour space an ICC profile is for: bytes 16 to 19 of its header (ICC.1:2022, 7.2)."""
    return profile[16:20]


def encode(
    image: Image.Image,
    format: str,  # noqa: A002 - the argument's name on every tool
    *,
    quality: int | None = None,
    lossless: bool = False,
    effort: int = 4,
) -> bytes:
    """Write a picture file.

    Transparency is put on white where the format has none. An RGB colour profile in `info["icc_profile"]` is kept.

    Args:
        image: the pixels, upright.
        format: one of `WRITABLE`.
        quality: 1 to 100 for JPEG and lossy WebP, `DEFAULT_QUALITY` when None. PNG has none.
        lossless: whether a WebP loses nothing; PNG never does, JPEG always does.
        effort: 0 (fast) to 6 (small) for WebP.

    Raises:
        PictureError: the format cannot be written, or cannot hold a picture of that size.
    """
    if format not in WRITABLE:
        raise PictureError(f"{format} cannot be written: choose one of {', '.join(WRITABLE)}")
    if not holds(format, *image.size):
        raise PictureError(
            f"{KINDS[format].title} holds at most {_MAX_SIDE[format]:,} px per side and the picture is "
            f"{image.width} x {image.height} px: choose png"
        )
    ready = _in_mode_for(image, format)
    profile = image.info.get("icc_profile") if ready.mode in ("RGB", "RGBA") else None
    chosen = DEFAULT_QUALITY if quality is None else quality
    # Whatever else Pillow would take over from `info` (comment, transparency, dpi) is left behind. To copy all pixels
    # for that would take as long as half of a JPEG.
    info, ready.info = ready.info, {}
    out = _file_in_memory() if format == "jpeg" else BytesIO()
    try:
        if format == "png":
            ready.save(out, "PNG", icc_profile=profile, compress_level=PNG_EFFORT)
        elif format == "jpeg":
            subsampling = "4:4:4" if chosen >= FULL_COLOUR_QUALITY else "4:2:0"
            ready.save(out, "JPEG", quality=chosen, subsampling=subsampling, icc_profile=profile)
        else:
            # Effort, not loss, is what `quality` means to lossless WebP; exact keeps colours under full transparency.
            options = {"lossless": True, "quality": 0, "exact": True} if lossless else {"quality": chosen}
            ready.save(out, "WEBP", method=effort, icc_profile=profile or b"", **options)
        out.seek(0)
        return out.read()
    finally:
        ready.info = info
        out.close()


def _file_in_memory() -> IO[bytes]:
    """A file that is in memory alone. Into one of the system's own, Pillow writes without holding up other threads."""
    if sys.platform == "linux":
        with suppress(OSError):  # too many open files, or a sandbox forbids it
            return os.fdopen(os.memfd_create("imagewright"), "w+b")
    return BytesIO()


def holds(format: str, width: int, height: int) -> bool:  # noqa: A002 - the argument's name on every tool
    """Whether a picture of that size in px can be written in that format."""
    return format in WRITABLE and max(width, height) <= _MAX_SIDE.get(format, max(width, height))


def on_white(image: Image.Image) -> Image.Image:
    """The image as RGB, with white showing through where it is transparent."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    layered = image.convert("RGBA")
    sheet = Image.new("RGBA", layered.size, "white")
    sheet.alpha_composite(layered)
    return sheet.convert("RGB")


def without_idle_alpha(image: Image.Image) -> Image.Image:
    """An RGBA image that hides everything below it, as RGB; any other image itself."""
    return image.convert("RGB") if image.mode == "RGBA" and not is_transparent(image) else image


def _in_mode_for(image: Image.Image, name: str) -> Image.Image:
    if image.mode in _MODES[name] and "transparency" not in image.info:
        return image
    if name not in KEEPS_ALPHA:
        return on_white(image)
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def resize_exact(source: bytes | Path, width: int, height: int) -> bytes:
    """The picture at exactly that size in px, by Lanczos, in the format it had, with its transparency.

    A still picture that already has the size, upright, is returned byte for byte. A format that cannot be written (GIF,
    AVIF, HEIC) becomes PNG.

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


def enlarge(image: Image.Image, factor: int) -> Image.Image:
    """The RGB or RGBA picture exactly `factor` (1 or more) times as wide and as high.

    Every new pixel is held between the darkest and the lightest of the nine original pixels around it, so edges get
    crisp without the bright and dark lines beside them that sharpening is known for. Transparency is kept and not
    sharpened.
    """
    if factor == 1:
        return image.copy()
    colours = image.convert("RGB") if image.mode != "RGB" else image
    low, high = _around(colours, ImageChops.darker), _around(colours, ImageChops.lighter)
    sharp = colours.filter(SHARPENING)
    if image.mode == "RGBA":
        sharp.putalpha(image.getchannel("A"))
        # Premultiplied, so that what is transparent lends no colour to its neighbours.
        sharp = sharp.convert("RGBa")
    result = Image.new(image.mode, (image.width * factor, image.height * factor))
    rows = max(1, STRIP // factor)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        first, last = max(0, top - MARGIN), min(image.height, bottom + MARGIN)
        box, size = (0, first, image.width, last), (result.width, (last - first) * factor)
        # One direction at a time: Pillow picks the order by the shape, and strips of two orders would not match.
        wide = sharp.resize((size[0], last - first), Image.Resampling.LANCZOS, box)
        strip = wide.resize(size, Image.Resampling.LANCZOS)
        strip = strip if image.mode == "RGB" else strip.convert("RGBA")
        bounded = strip if image.mode == "RGB" else strip.convert("RGB")
        bounded = ImageChops.darker(bounded, high.resize(size, Image.Resampling.NEAREST, box))
        bounded = ImageChops.lighter(bounded, low.resize(size, Image.Resampling.NEAREST, box))
        if strip.mode == "RGBA":
            bounded.putalpha(strip.getchannel("A"))
        inner = (0, (top - first) * factor, result.width, (bottom - first) * factor)
        result.paste(bounded.crop(inner), (0, top * factor))
    return result


def _around(image: Image.Image, choose: Callable[[Image.Image, Image.Image], Image.Image]) -> Image.Image:
    """The darkest or lightest of each pixel and its eight neighbours, five times as fast as Pillow's rank filters."""
    across = reduce(choose, (_moved(image, step, 0) for step in (-1, 0, 1)))
    return reduce(choose, (_moved(across, 0, step) for step in (-1, 0, 1)))


def _moved(image: Image.Image, right: int, down: int) -> Image.Image:
    """The picture moved by a pixel, its first row or column standing in for what comes in."""
    moved = image.copy()
    moved.paste(image, (right, down))
    return moved
