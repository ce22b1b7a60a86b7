"""Another file type without loss: the same pixels and metadata, or a reason why not."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image, ImageCms

from imagewright.errors import PictureError
from imagewright.imaging.files import probe
from imagewright.imaging.lossless import CREDENTIAL, OTHER_DATA, as_png
from tests.support.pictures import cut_short, noise, opened, photo, quarters, saved

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF/></x:xmpmeta>'

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _exif(orientation: int = 6) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = "a kite"
    return exif.tobytes()


def _segment(marker: int, content: bytes) -> bytes:
    """A photo as a JPEG with one more segment at its beginning."""
    data = photo(format="jpeg")
    return data[:2] + bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content + data[2:]


def _chunk(name: bytes, content: bytes) -> bytes:
    """A photo as a WebP with one more chunk at its end."""
    data = photo(format="webp") + name + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) % 2)
    return data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:]


@pytest.mark.parametrize(
    ("form", "mode", "options"),
    [
        ("jpeg", "RGB", {"quality": 80, "subsampling": "4:2:0"}),
        ("jpeg", "RGB", {"progressive": True}),
        ("jpeg", "L", {}),
        ("webp", "RGB", {"quality": 80}),
        ("webp", "RGBA", {"quality": 80}),
        ("webp", "RGB", {"lossless": True}),
        ("webp", "RGBA", {"lossless": True, "exact": True}),
    ],
)
def test_pixels_profile_exif_and_xmp_are_kept(form: str, mode: str, options: dict[str, Any]) -> None:
    image = opened(noise(90, 60)).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    data = saved(image, form, icc_profile=PROFILE, exif=_exif(), xmp=XMP, **options)
    before, after = opened(data), opened(as_png(data))
    assert after.format == "PNG"
    assert (after.mode, after.tobytes()) == (before.mode, before.tobytes())
    assert after.info["icc_profile"] == PROFILE
    assert dict(after.getexif()) == dict(before.getexif())
    assert after.info["xmp"] == XMP
    facts = probe(as_png(data))
    assert (facts.orientation, facts.width, facts.height) == (6, 60, 90)


def test_a_plain_picture_gets_no_metadata() -> None:
    data = photo(format="jpeg")
    assert set(opened(as_png(data)).info) == set()
    assert as_png(data) == as_png(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (_segment(0xEB, b"JP\0\1\0\0\0\1\0\0\0\x20jumb"), CREDENTIAL),
        (_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x dcterms:provenance='https://c.example/1'/>"), CREDENTIAL),
        (_segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0more"), OTHER_DATA),
        (_segment(0xE2, b"MPF\0several pictures"), OTHER_DATA),
        (_segment(0xED, b"Photoshop 3.0\0"), OTHER_DATA),
        (_segment(0xFE, b"a comment"), OTHER_DATA),
        (_chunk(b"C2PA", b"jumb"), CREDENTIAL),
        (_chunk(b"XYZ ", b"odd"), OTHER_DATA),
        (photo(format="webp", frames=2), "it moves: it has 2 frames"),
        (saved(quarters(64, 48).convert("CMYK"), "jpeg"), "its colours are CMYK, which a PNG does not hold"),
        (photo(format="gif"), "GIF is not turned into PNG without loss here"),
        (cut_short(noise(90, 60, "jpeg")), "cut short"),
    ],
)
def test_what_would_lose_something_is_left_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(PictureError, match=reason):
        as_png(data)


def test_the_same_picture_with_nothing_to_lose_is_turned() -> None:
    for data in (_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>"), photo(format="webp")):
        assert probe(as_png(data)).format == "png"
