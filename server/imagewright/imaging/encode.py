"""Pixels to files: the same pixels, options and text always give the same bytes."""

from __future__ import annotations

import re
from io import BytesIO
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from PIL import Image, PngImagePlugin

from imagewright.errors import PictureError
from imagewright.imaging.decode import is_transparent
from imagewright.imaging.signatures import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

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

_PNG_EFFORT = 4
"""zlib level. Measured on 4 MP pictures: files 0 to 2 % larger than at 6, in a third to three quarters of the time."""

_JPEG_XMP_BYTES = 65_504
"""What one JPEG marker holds beside the name of the packet in it."""

_TEXT_NAMESPACE = "urn:imagewright:text#"


def encode(
    image: Image.Image,
    format: str,  # noqa: A002 - the argument's name on every tool
    *,
    quality: int | None = None,
    lossless: bool = False,
    effort: int = 4,
    text: Mapping[str, str] | None = None,
) -> bytes:
    """Write a picture file.

    Transparency is put on white where the format has none. An RGB colour profile in `info["icc_profile"]` is kept.

    Args:
        image: the pixels, upright.
        format: one of `WRITABLE`.
        quality: 1 to 100 for JPEG and lossy WebP, `DEFAULT_QUALITY` when None. PNG has none.
        lossless: whether a WebP loses nothing; PNG never does, JPEG always does.
        effort: 0 (fast) to 6 (small) for WebP.
        text: what to write into the metadata, by keyword (1 to 79 Latin-1 characters): text chunks in a PNG,
            properties of an XMP packet elsewhere, with `Description` as `dc:description`.

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
    # Whatever else Pillow would take over from `info` (comment, transparency, dpi) is left behind.
    ready = ready.copy() if ready is image else ready
    ready.info = {}
    if format == "png":
        return _png(ready, profile, text or {})
    chosen = DEFAULT_QUALITY if quality is None else quality
    xmp = _xmp(text) if text else b""
    out = BytesIO()
    if format == "jpeg":
        if len(xmp) > _JPEG_XMP_BYTES:
            raise PictureError(f"JPEG holds {_JPEG_XMP_BYTES:,} bytes of text and this is {len(xmp):,}: choose png")
        subsampling = "4:4:4" if chosen >= FULL_COLOUR_QUALITY else "4:2:0"
        ready.save(out, "JPEG", quality=chosen, subsampling=subsampling, icc_profile=profile, xmp=xmp)
    else:
        # Effort, not loss, is what `quality` means to lossless WebP; exact keeps colours under full transparency.
        options = {"lossless": True, "quality": 0, "exact": True} if lossless else {"quality": chosen}
        ready.save(out, "WEBP", method=effort, icc_profile=profile or b"", xmp=xmp, **options)
    return out.getvalue()


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


def _png(image: Image.Image, profile: bytes | None, text: Mapping[str, str]) -> bytes:
    chunks = PngImagePlugin.PngInfo()
    for keyword, value in text.items():
        # Falls back to iTXt (UTF-8) by itself where Latin-1 cannot hold the value.
        chunks.add_text(keyword, value)
    out = BytesIO()
    image.save(out, "PNG", pnginfo=chunks, icc_profile=profile, compress_level=_PNG_EFFORT)
    return out.getvalue()


def _xmp(text: Mapping[str, str]) -> bytes:
    """An XMP packet (ISO 16684-1) holding the text."""
    properties = []
    for keyword, value in text.items():
        # Control characters have no place in XML 1.0, not even escaped.
        safe = escape(re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "", value))
        if keyword == "Description":
            safe = f'<rdf:Alt><rdf:li xml:lang="x-default">{safe}</rdf:li></rdf:Alt>'
            properties.append(f"<dc:description>{safe}</dc:description>")
        else:
            name = re.sub(r"\W", "_", keyword, flags=re.ASCII)
            properties.append(f"<iw:{name}>{safe}</iw:{name}>")
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        f'xmlns:iw="{_TEXT_NAMESPACE}">{"".join(properties)}</rdf:Description>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    ).encode()
