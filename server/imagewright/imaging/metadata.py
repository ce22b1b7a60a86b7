"""What a picture file tells beside the picture: where, when and with what it was taken, who made it, and how.

It is taken out of PNG, JPEG and WebP files part by part, and the pixels stay as they were written. These are the
formats in which a vendor gets a file as it came. Of any other format a vendor gets the pixels and their colour profile,
written anew.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

from imagewright.imaging.headers import (
    PARTS,
    PLAIN_ADOBE,
    PLAIN_JFIF,
    SHORT,
    exif_entries,
    is_shown,
    orientation_of,
)
from imagewright.imaging.signatures import ORIENTATION_TAG, UPRIGHT, big, little

if TYPE_CHECKING:
    from imagewright.imaging.headers import Part

EXIF = "EXIF data"
PLACE = "EXIF data with the place where it was taken"
XMP = "XMP data"
IPTC = "IPTC data"
TEXTS = "comments"
CREDENTIAL = "a content credential"
THUMBNAIL = "a thumbnail"
OTHER = "other data"
BEHIND = "data after its end"

_GPS_TAG = 0x8825
_EXIF_HEAD, _XMP_HEAD = b"Exif\0\0", b"http://ns.adobe.com/"
_JPEG_WORDS = {b"\xe0": THUMBNAIL, b"\xe1": OTHER, b"\xeb": CREDENTIAL, b"\xed": IPTC, b"\xfe": TEXTS}
_WORDS = {
    "png": {b"iTXt": TEXTS, b"tEXt": TEXTS, b"zTXt": TEXTS, b"caBX": CREDENTIAL},
    "webp": {b"XMP ": XMP, b"C2PA": CREDENTIAL},
}
"""By name of the part, what it holds: C2PA 2.2, A.3, for content credentials."""
_XMP_TEXT = b"XML:com.adobe.xmp\0"
_EXIF_PARTS = {"png": b"eXIf", "webp": b"EXIF"}
_HAS_EXIF, _HAS_XMP = 0x08, 0x04
"""Flags of an extended WebP (RFC 9649, section 2.7)."""
_VP8X_BYTES = 18
_TIFF_WORDS = {
    PLACE: {_GPS_TAG},
    EXIF: {0x8769},
    XMP: {700},
    IPTC: {33_723, 34_377},
    TEXTS: {270, 271, 272, 305, 306, 315, 316, 33_432},
}
"""By what they hold, the tags of a TIFF: 34377 is Photoshop's, the texts are description, maker, model and the like."""


def cleaned(form: str, data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """A PNG, JPEG or WebP without what is not part of the picture, and what that was, in words.

    The orientation stays, in an EXIF block that says nothing else; whoever prepares such a picture turns it upright.

    Raises:
        ValueError: the file has too many parts, or one is cut off.
    """
    begin, parts = PARTS[form]
    pieces: list[bytes | memoryview] = [data[:begin]]
    view, words, exif = memoryview(data), dict[str, None](), b""
    frame = frame_end = 0
    scanned = False
    for part in parts(data):
        name, start, end = part
        if data[begin:start].strip(b"\xff"):  # between the segments of a JPEG; bytes that only fill are nothing
            words[OTHER] = None
        begin = end
        if is_shown(form, data, part):
            scanned = scanned or name == b"\xda"
            piece = _plain(form, data, part)
            if piece is not None:
                words[THUMBNAIL if name == b"\xe0" else OTHER] = None
            if name == b"ANMF":
                frame, frame_end = len(pieces), start + 8 + little(data, start + 4, 4)
            pieces.append(view[start:end] if piece is None else piece)
            continue
        body = _exif_in(form, data, part)
        exif = exif or (b"" if scanned else body)  # what stands behind the pixels of a JPEG turns nothing
        words[_word(form, data, part) if not body else _exif_word(body)] = None
        if start < frame_end:
            pieces[frame] = _shorter(bytes(pieces[frame]), end - start)
    if data[begin:].strip(b"\0"):
        words[BEHIND] = None
    orientation = orientation_of(exif) if form != "webp" or _has_exif(data) else UPRIGHT
    if orientation != UPRIGHT:
        _put_back(form, pieces, orientation)
    if form == "webp":
        _finish_webp(pieces, turned=orientation != UPRIGHT)
    return b"".join(pieces), tuple(words)


def held_by(form: str, data: bytes) -> tuple[str, ...]:
    """What a file in a format that vendors get written anew holds beside the picture, in words; of others nothing."""
    words = dict[str, None]()
    if form == "tiff":  # it begins as an EXIF block does
        tags = {tag for tag, _ in exif_entries(data)}
        words |= dict.fromkeys(word for word, those in _TIFF_WORDS.items() if tags & those)
    elif form in ("avif", "heic"):
        from imagewright.imaging.boxes import metadata_of  # noqa: PLC0415 - loaded already, to measure the file

        with suppress(ValueError):  # this is for a note; the decoder finds out whether the picture is sound
            for kind, body in metadata_of(data):
                words[_exif_word(bytes(body[4 + big(body, 0, 4) :])) if kind == b"Exif" else XMP] = None
    return tuple(word for word in words if word != EXIF or PLACE not in words)


def _plain(form: str, data: bytes, part: Part) -> bytes | None:
    """A segment of a JPEG without what it holds beside how the pixels are shown; None where it holds nothing more."""
    name, start, end = part
    if form != "jpeg":
        return None
    if name == b"\xe0" and end - start > PLAIN_JFIF:
        return b"\xff\xe0\0\x10" + data[start + 4 : start + PLAIN_JFIF - 2] + b"\0\0"
    if name == b"\xee" and end - start > PLAIN_ADOBE:
        return b"\xff\xee\0\x0e" + data[start + 4 : start + PLAIN_ADOBE]
    return None


def _exif_in(form: str, data: bytes, part: Part) -> bytes:
    """The EXIF block that a part holds; empty where it holds none."""
    name, start, end = part
    if form == "jpeg":
        return data[start + 4 : end] if name == b"\xe1" and data.startswith(_EXIF_HEAD, start + 4, end) else b""
    return data[start + 8 : end] if name == _EXIF_PARTS[form] else b""


def _has_exif(data: bytes) -> bool:
    """Whether a WebP says that it has an EXIF block: decoders do not look at one that it does not speak of."""
    return data[12:16] == b"VP8X" and bool(data[20] & _HAS_EXIF)


def _exif_word(exif: bytes) -> str:
    return PLACE if any(tag == _GPS_TAG for tag, _ in exif_entries(exif)) else EXIF


def _word(form: str, data: bytes, part: Part) -> str:
    name, start, end = part
    if form == "jpeg":
        is_xmp = name == b"\xe1" and data.startswith(_XMP_HEAD, start + 4, end)
        return XMP if is_xmp else _JPEG_WORDS.get(name, OTHER)
    if name == b"iTXt" and data.startswith(_XMP_TEXT, start + 8, end):
        return XMP
    return _WORDS[form].get(name, OTHER)


def _put_back(form: str, pieces: list[bytes | memoryview], orientation: int) -> None:
    """Add an EXIF block that names the orientation alone, where the format wants it."""
    entry = b"".join(value.to_bytes(size, "little") for value, size in ((ORIENTATION_TAG, 2), (SHORT, 2), (1, 4)))
    block = b"II*\0\x08\0\0\0\x01\0" + entry + orientation.to_bytes(4, "little") + bytes(4)
    if form == "jpeg":
        pieces.insert(1, b"\xff\xe1" + (len(block) + 8).to_bytes(2, "big") + _EXIF_HEAD + block)
    elif form == "png":
        checksum = zlib.crc32(b"eXIf" + block).to_bytes(4, "big")
        pieces.insert(2, len(block).to_bytes(4, "big") + b"eXIf" + block + checksum)
    else:
        pieces += [bytes(sum(map(len, pieces)) % 2), b"EXIF", len(block).to_bytes(4, "little"), block]


def _finish_webp(pieces: list[bytes | memoryview], *, turned: bool) -> None:
    """Bring the flags of an extended WebP, and the length of all, in line with what is left."""
    if len(pieces) > 1 and pieces[1][:4] == b"VP8X":
        whole = bytearray(pieces[1][:_VP8X_BYTES])
        flags = whole[8] & ~(_HAS_EXIF | _HAS_XMP) | (_HAS_EXIF if turned else 0)
        pieces[1] = bytes(whole[:4]) + (10).to_bytes(4, "little") + bytes((flags,)) + bytes(whole[9:])
    length = sum(map(len, pieces)) - 8
    pieces[0] = b"RIFF" + length.to_bytes(4, "little") + b"WEBP"


def _shorter(head: bytes, less: int) -> bytes:
    """The head of a frame of a moving WebP that has lost some bytes."""
    return head[:4] + (little(head, 4, 4) - less).to_bytes(4, "little") + head[8:]
