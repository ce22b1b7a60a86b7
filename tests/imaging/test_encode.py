from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from PIL import Image, ImageCms

from imagewright.errors import PictureError
from imagewright.imaging.files import probe
from imagewright.imaging.pixels import KEEPS_ALPHA, WRITABLE, encode, open_picture
from tests.support.pictures import noise, opened, photo, quarters

TEXT = {"Description": "a fox <at> dawn & a café", "Prompt": "狐, 4:3\nsecond line", "Seed": "42"}


@pytest.mark.parametrize("name", WRITABLE)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1"])
def test_every_mode_can_be_written_in_every_format_twice_alike(name: str, mode: str) -> None:
    image = opened(photo(mode=mode))
    data = encode(image, name, text=TEXT)
    assert encode(image, name, text=TEXT) == data
    facts = probe(data)
    assert (facts.format, facts.width, facts.height) == (name, *image.size)
    assert facts.has_alpha == (mode in ("RGBA", "LA") and name in KEEPS_ALPHA)


@pytest.mark.parametrize(("name", "lossless"), [("png", False), ("webp", True)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_lossless_means_every_pixel(name: str, mode: str, lossless: bool) -> None:  # noqa: FBT001 - a parameter of the table
    image = open_picture(noise(40, 30, mode=mode))
    assert open_picture(encode(image, name, lossless=lossless)).tobytes() == image.tobytes()


def test_transparency_is_put_on_white_in_jpeg() -> None:
    flat = opened(encode(opened(photo(64, 48, mode="RGBA")), "jpeg"))
    assert flat.crop((50, 40, 51, 41)).tobytes() == b"\xff\xff\xff"


@pytest.mark.parametrize("name", ["jpeg", "webp"])
def test_quality_decides_the_size(name: str) -> None:
    image = opened(noise(64, 64))
    sizes = [len(encode(image, name, quality=quality)) for quality in (30, 60, 95)]
    assert sizes == sorted(set(sizes))


def test_text_is_read_back_from_a_png() -> None:
    assert getattr(opened(encode(quarters(8, 8), "png", text=TEXT)), "text") == TEXT  # noqa: B009 - only PNG images have it


@pytest.mark.parametrize("name", ["jpeg", "webp"])
def test_text_is_read_back_from_xmp(name: str) -> None:
    packet = opened(encode(quarters(8, 8), name, text=TEXT | {"Odd key": "bell\x07"})).info["xmp"]
    root = ET.fromstring(packet)  # noqa: S314 - written by the line above
    found = {element.tag.rpartition("}")[2]: element.text for element in root.iter() if element.text}
    assert found == {"li": TEXT["Description"], "Prompt": TEXT["Prompt"], "Seed": "42", "Odd_key": "bell"}


def test_more_text_than_a_jpeg_holds_is_refused() -> None:
    with pytest.raises(PictureError, match=r"65,504.*choose png"):
        encode(quarters(8, 8), "jpeg", text={"Prompt": "x" * 70_000})


@pytest.mark.parametrize("name", WRITABLE)
def test_an_rgb_profile_survives_and_nothing_else(name: str) -> None:
    image = quarters(16, 16)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image.info = {"icc_profile": profile, "comment": b"secret", "exif": b"Exif\0\0secret", "xmp": b"secret"}
    data = encode(image, name)
    assert opened(data).info["icc_profile"] == profile
    assert b"secret" not in data
    assert image.info["comment"] == b"secret"


@pytest.mark.parametrize(("name", "side"), [("webp", 16_384), ("jpeg", 65_501)])
def test_a_picture_too_long_for_its_format_is_refused(name: str, side: int) -> None:
    with pytest.raises(PictureError, match=f"{side - 1:,} px per side.*choose png"):
        encode(Image.new("RGB", (side, 1)), name)


def test_an_unwritable_format_names_those_that_can_be_written() -> None:
    with pytest.raises(PictureError, match="png, webp, jpeg"):
        encode(quarters(8, 8), "gif")
