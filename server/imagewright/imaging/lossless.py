"""Another file type for a picture, where nothing of it is lost by that."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from PIL import PngImagePlugin

from imagewright.errors import PictureError
from imagewright.imaging.files import check_whole, loading, open_lazily
from imagewright.imaging.headers import jpeg_parts, webp_parts
from imagewright.imaging.pixels import PNG_EFFORT
from imagewright.imaging.signatures import KINDS

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.imaging.files import Opened

_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_JPEG_KEPT: dict[int, tuple[bytes, ...]] = {
    0xE0: (b"JFIF\0",),
    0xE1: (b"Exif\0\0", _XMP),
    0xE2: (b"ICC_PROFILE\0",),
    0xEE: (b"Adobe",),  # only says how the colours are stored
}
"""By marker, how the data begin that a PNG holds as well."""
_APP, _LAST_APP, _COMMENT, _JUMBF, _SCAN = 0xE0, 0xEF, 0xFE, 0xEB, 0xDA
"""Markers of a JPEG (ITU-T T.81, table B.1). Content credentials stand in JUMBF (C2PA 2.2, A.3.1)."""
_WEBP_KEPT = frozenset({b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ICCP", b"EXIF", b"XMP "})
_WEBP_CREDENTIAL = b"C2PA"
"""The chunk of a WebP that holds a content credential (C2PA 2.2, A.3.6)."""
_MODES = frozenset({"L", "RGB", "RGBA"})

CREDENTIAL = "its content credential would be lost"
OTHER_DATA = "it holds data that would be lost"


def as_png(source: bytes | Path) -> bytes:
    """A still JPEG or WebP as a PNG of the same pixels, with its colour profile, EXIF and XMP.

    It is not turned upright: the EXIF orientation goes on saying how it lies.

    Raises:
        PictureError: the picture is broken, or a PNG would lose some of it; then the text is the reason, a clause.
        StorageError: the file cannot be read.
    """
    opened = open_lazily(source)
    with loading(opened.format, len(opened.data)):
        why = _loss(opened)
    if why:
        raise PictureError(why)
    check_whole(opened)
    image, out = opened.image, BytesIO()
    with loading(opened.format, len(opened.data)):
        image.load()
        kept = image.info
        text = PngImagePlugin.PngInfo()
        if xmp := kept.get("xmp"):
            text.add_itxt("XML:com.adobe.xmp", xmp.decode() if isinstance(xmp, bytes) else xmp)
        image.info = {}
        image.save(
            out,
            "PNG",
            pnginfo=text,
            icc_profile=kept.get("icc_profile"),
            exif=kept.get("exif") or b"",
            compress_level=PNG_EFFORT,
        )
    return out.getvalue()


def _loss(opened: Opened) -> str:
    """What a PNG would lose of the picture, as a clause; empty where it loses nothing."""
    if opened.format not in ("jpeg", "webp"):
        return f"{KINDS[opened.format].title} is not turned into PNG without loss here"
    if opened.frames > 1:
        return f"it moves: it has {opened.frames} frames"
    if opened.image.mode not in _MODES:
        return f"its colours are {opened.image.mode}, which a PNG does not hold"
    if b"c2pa" in (xmp := opened.image.info.get("xmp") or b"") or b"dcterms:provenance" in xmp:
        return CREDENTIAL
    return _loss_of_jpeg(opened.data) if opened.format == "jpeg" else _loss_of_webp(opened.data)


def _loss_of_jpeg(data: bytes) -> str:
    for name, start, _ in jpeg_parts(data):
        marker = name[0]
        if marker == _SCAN:
            break
        if marker == _JUMBF:
            return CREDENTIAL
        is_data = _APP <= marker <= _LAST_APP or marker == _COMMENT
        if is_data and not data.startswith(_JPEG_KEPT.get(marker, ()), start + 4):
            return OTHER_DATA
    return ""


def _loss_of_webp(data: bytes) -> str:
    for name, _, _ in webp_parts(data):
        if name == _WEBP_CREDENTIAL:
            return CREDENTIAL
        if name not in _WEBP_KEPT:
            return OTHER_DATA
    return ""
