"""Files to pixels: first frame, upright, RGB or RGBA."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image, ImageCms, features

from imagewright.imaging.reading import loading, open_lazily
from imagewright.imaging.transparent import keyed_alpha

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.imaging.reading import Opened

Picture = Image.Image
"""Pixels in memory, for those who pass them on without touching them."""
OPAQUE = 255
"""Alpha of a pixel that hides what is below it."""

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

SIDEWAYS = frozenset({5, 6, 7, 8})
"""EXIF orientations that swap width and height."""


def open_picture(source: bytes | Path) -> Image.Image:
    """Decode the first frame, turned upright.

    Palette, grey, 16-bit and CMYK pictures are brought to 8 bits per channel. The only metadata kept is an RGB
    colour profile, as `info["icc_profile"]`; `encode` writes it back.

    Returns:
        An image of mode RGB, or RGBA where the file can be transparent.

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
    alpha = keyed_alpha(opened)
    if alpha is None:
        return plain(opened.image)
    opened.image.info.pop("transparency")
    result = plain(opened.image)
    result.putalpha(alpha)
    return result


def plain(image: Image.Image) -> Image.Image:
    """The image as RGB, or as RGBA where it can be transparent, with no metadata but an RGB colour profile.

    An image that needs no conversion is handed back itself, with its metadata removed.
    """
    profile = image.info.get("icc_profile") or b""
    result = image
    if result.mode.startswith("I;16"):
        # Pillow clips 16-bit grey at 255 where it should scale.
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
