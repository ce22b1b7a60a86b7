from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import ImageCms

from imagewright.errors import PictureError
from imagewright.imaging.files import probe
from imagewright.imaging.limiter import Target, fitted
from imagewright.imaging.pixels import open_picture
from imagewright.imaging.prepare import prepare
from tests.support.pictures import (
    NOT_PICTURES,
    QUARTERS,
    STILL_FORMATS,
    cut_short,
    noise,
    opened,
    photo,
    quarters,
    saved,
)

USUAL = ("png", "jpeg", "webp")


@pytest.mark.parametrize("name", USUAL)
def test_what_is_accepted_passes_untouched(name: str) -> None:
    data = photo(64, 48, name)
    made = prepare(data, Target(formats=USUAL, max_bytes=len(data)))
    assert (made.data, made.format, made.width, made.height, made.note) == (data, name, 64, 48, "")


@pytest.mark.parametrize(
    ("name", "first"), [(name, first) for name in STILL_FORMATS for first in USUAL if name != first]
)
def test_any_other_becomes_the_preferred_format(name: str, first: str) -> None:
    made = prepare(photo(64, 48, name), Target(formats=(first,)))
    facts = probe(made.data)
    assert made.format == facts.format == first
    assert (made.width, made.height) == (facts.width, facts.height) == (64, 48)
    assert "not taken here" in made.note


@pytest.mark.parametrize("first", ["png", "webp"])
def test_nothing_is_lost_where_the_format_can(first: str) -> None:
    data = noise(40, 30, "gif")
    assert open_picture(prepare(data, Target(formats=(first,))).data).tobytes() == open_picture(data).tobytes()


@pytest.mark.parametrize("name", ["gif", "webp", "png"])
def test_an_animation_is_sent_as_its_first_frame_and_that_is_reported(name: str) -> None:
    data = photo(format=name, frames=3)
    made = prepare(data, Target(formats=USUAL))
    assert probe(made.data).frames == 1
    assert made.format == "png"
    assert "only the first of its 3 frames" in made.note


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize(
    ("name", "formats", "becomes"),
    [
        ("jpeg", USUAL, "jpeg"),
        ("jpeg", ("webp", "png"), "png"),
        ("jpeg", ("webp",), "webp"),
        ("png", USUAL, "png"),
        ("webp", USUAL, "png"),
    ],
)
def test_a_turned_picture_is_sent_upright(name: str, formats: tuple[str, ...], becomes: str, orientation: int) -> None:
    made = prepare(photo(64, 48, name, orientation=orientation), Target(formats=formats))
    assert made.format == becomes
    assert (made.width, made.height) == opened(made.data).size == (64, 48)
    assert probe(made.data).orientation == 1
    assert "upright" in made.note


def test_too_large_a_png_goes_out_in_another_format_with_all_its_pixels() -> None:
    data = noise(120, 100, "png")
    made = prepare(data, Target(formats=USUAL, max_bytes=len(data) // 2))
    assert made.format == "jpeg"
    assert len(made.data) <= len(data) // 2
    assert (made.width, made.height) == opened(made.data).size == (120, 100)
    assert "JPEG at quality 85" in made.note
    assert f"{len(data):,} bytes" in made.note
    assert f"{len(data) // 2:,} bytes" in made.note


def test_transparency_is_kept_where_any_accepted_format_can() -> None:
    made = prepare(noise(60, 60, "webp", mode="RGBA"), Target(formats=("jpeg", "png")))
    assert made.format == "png"
    assert probe(made.data).has_alpha


def test_lost_transparency_is_reported() -> None:
    made = prepare(photo(64, 48, "png", mode="RGBA"), Target(formats=("jpeg",)))
    assert "transparent parts are now white" in made.note
    assert opened(made.data).crop((50, 40, 51, 41)).tobytes() == b"\xff\xff\xff"


def test_a_picture_too_large_in_every_format_is_made_smaller_and_the_note_names_both_sizes() -> None:
    made = prepare(noise(120, 100, "png"), Target(formats=USUAL, max_bytes=1000))
    assert len(made.data) <= 1000
    assert (made.width, made.height) == opened(made.data).size
    assert made.width / made.height == pytest.approx(1.2, rel=0.05)
    assert made.note.startswith(f"120x100 px (0.0 megapixels) made smaller to {made.width}x{made.height} px, ")
    assert "over the limit of 1,000 bytes" in made.note


@pytest.mark.parametrize(
    ("source", "mode", "formats", "ways"),
    [
        ("tiff", "RGB", USUAL, ["PNG", "JPEG at quality 95", "JPEG at quality 85"]),
        ("heic", "RGB", USUAL, ["JPEG at quality 95", "JPEG at quality 85"]),
        ("tiff", "RGB", ("png", "webp"), ["PNG", "WebP at quality 95", "WebP at quality 85"]),
        ("tiff", "RGBA", USUAL, ["PNG", "WebP at quality 95", "WebP at quality 85"]),
        ("heic", "RGBA", USUAL, ["PNG", "WebP at quality 95", "WebP at quality 85"]),
        ("tiff", "RGBA", ("jpeg", "png"), ["PNG", "JPEG at quality 95", "JPEG at quality 85"]),
    ],
)
def test_less_quality_comes_before_fewer_pixels_and_transparency_goes_last(
    source: str, mode: str, formats: tuple[str, ...], ways: list[str]
) -> None:
    """Each limit is one byte less than what came before."""
    found, limit = [], 10**9
    while True:
        made = prepare(noise(160, 120, source, mode=mode), Target(formats=formats, max_bytes=limit))
        if (made.width, made.height) != (160, 120):
            break
        found.append(made.note.removeprefix("sent as ").partition(":")[0])
        limit = len(made.data) - 1
    assert found == ways
    assert f"sent as {ways[-1]}" in made.note


def test_where_nothing_helps_a_picture_is_refused_with_the_sizes() -> None:
    with pytest.raises(PictureError, match=r"120 x 100 px.*at most 20 bytes.*fewer pixels"):
        prepare(noise(120, 100, "png"), Target(formats=USUAL, max_bytes=20))


@pytest.mark.parametrize(
    ("target", "size", "reason"),
    [
        (Target(formats=USUAL, max_side=400), (400, 300), "at most 400 px per side are taken"),
        (Target(formats=USUAL, max_pixels=120_000), (400, 300), "at most 120,000 pixels in all are taken"),
        (
            Target(formats=USUAL, max_side=500, max_pixels=30_000),
            (200, 150),
            "at most 30,000 pixels in all are taken",
        ),
    ],
)
@pytest.mark.parametrize("name", STILL_FORMATS)
def test_a_picture_over_a_limit_is_made_smaller_in_its_own_shape(
    name: str, target: Target, size: tuple[int, int], reason: str
) -> None:
    made = prepare(photo(800, 600, name), target)
    assert (made.width, made.height) == opened(made.data).size == size
    assert f"800x600 px (0.5 megapixels) made smaller to {size[0]}x{size[1]} px" in made.note
    assert reason in made.note


def test_a_picture_made_smaller_keeps_its_transparency_and_its_colours() -> None:
    made = opened(prepare(photo(800, 600, "webp", mode="RGBA"), Target(formats=("png",), max_side=400)).data)
    assert made.getchannel("A").getextrema() == (0, 255)
    assert [made.getpixel(place)[3] for place in ((10, 10), (390, 290))] == [255, 0]  # type: ignore[index]  # RGBA


@pytest.mark.parametrize(
    "target",
    [
        Target(formats=USUAL, max_side=200),
        Target(formats=USUAL, max_pixels=25_000),
        Target(formats=USUAL, max_bytes=20_000),
    ],
)
@pytest.mark.parametrize("name", ["jpeg", "png"])
def test_an_exact_picture_is_refused_where_any_other_is_made_smaller(name: str, target: Target) -> None:
    with pytest.raises(PictureError, match=r"400 x 300 px .* not made smaller"):
        prepare(noise(400, 300, name), replace(target, exact=True))
    assert "made smaller" in prepare(noise(400, 300, name), target).note


@pytest.mark.parametrize("name", ["heic", "tiff", "bmp"])
def test_an_exact_picture_is_converted_where_its_format_is_not_taken(name: str) -> None:
    made = prepare(photo(800, 600, name), Target(formats=USUAL, exact=True))
    assert (made.width, made.height) == (800, 600)


@pytest.mark.parametrize(
    ("name", "mode", "becomes"),
    [
        ("heic", "RGB", "jpeg"),  # its losses are there already, and as a PNG it had many times the bytes
        ("heic", "RGBA", "png"),
        ("tiff", "RGB", "png"),
        ("tiff", "RGBA", "png"),
        ("bmp", "RGB", "png"),
    ],
)
def test_what_phones_and_scanners_make_becomes_what_vendors_take(name: str, mode: str, becomes: str) -> None:
    made = prepare(photo(640, 480, name, mode=mode), Target(formats=USUAL))
    assert (made.format, made.width, made.height) == (becomes, 640, 480)
    assert made.note.startswith(f"sent as {becomes.upper()}")
    assert f"{name.upper()} is not taken here" in made.note
    pixels = opened(made.data).convert("RGBA")
    for place, colour in zip([(10, 10), (630, 10), (10, 470)], QUARTERS, strict=False):
        assert pixels.getpixel(place) == pytest.approx((*colour, 255), abs=12)
    assert pixels.getchannel("A").getextrema()[0] == (0 if mode == "RGBA" else 255)


@pytest.mark.parametrize(
    ("name", "words"), [("heic", "only the main one of its 3 pictures"), ("tiff", "only the first of its 3 pages")]
)
def test_of_several_pictures_in_a_file_one_is_sent_and_that_is_reported(name: str, words: str) -> None:
    made = prepare(photo(640, 480, name, frames=3), Target(formats=("png",)))
    assert words in made.note
    assert opened(made.data).convert("RGB").getpixel((10, 10)) == pytest.approx(QUARTERS[0], abs=12)


def test_of_several_pictures_in_a_heic_the_main_one_is_sent() -> None:
    data = saved(quarters(640, 480), "heic", append_images=[quarters(320, 240)], primary_index=1)
    made = prepare(data, Target(formats=("png",)))
    assert (made.width, made.height) == (320, 240)


@pytest.mark.parametrize("turned", [3, 6, 8])
def test_a_photo_from_a_phone_held_upright_is_sent_upright(turned: int) -> None:
    made = prepare(photo(480, 640, "heic", orientation=turned), Target(formats=USUAL))
    assert (made.width, made.height) == (480, 640)
    pixels = opened(made.data).convert("RGB")
    for place, colour in zip([(10, 10), (470, 10), (10, 630), (470, 630)], QUARTERS, strict=True):
        assert pixels.getpixel(place) == pytest.approx(colour, abs=12)


@pytest.mark.parametrize("name", ["heic", "tiff"])
def test_the_colour_profile_goes_along(name: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    made = prepare(saved(quarters(640, 480), name, icc_profile=profile), Target(formats=("png",)))
    assert opened(made.data).info["icc_profile"] == profile


@pytest.mark.parametrize(
    ("size", "limits", "wanted"),
    [
        ((1000, 1000), (None, None), (1000, 1000)),
        ((1000, 1000), (1_000_000, 1000), (1000, 1000)),
        ((1000, 1001), (1_000_000, None), (999, 999)),
        ((2000, 1000), (1_000_000, None), (1414, 707)),
        ((1000, 4000), (1_000_000, None), (500, 2000)),
        ((1, 2_000_000), (1_000_000, None), (1, 1_000_000)),
        ((2_000_000, 1), (1_000_000, None), (1_000_000, 1)),
        ((6000, 4000), (None, 4096), (4096, 2730)),
        ((6000, 10), (None, 300), (300, 1)),
        ((4000, 6000), (1_000_000, 4096), (816, 1224)),
    ],
)
def test_the_largest_size_of_that_shape_that_would_do(
    size: tuple[int, int], limits: tuple[int | None, int | None], wanted: tuple[int, int]
) -> None:
    assert fitted(*size, max_pixels=limits[0], max_side=limits[1]) == wanted


def test_a_format_that_cannot_be_written_is_reported() -> None:
    with pytest.raises(PictureError, match="cannot be turned into HEIC"):
        prepare(photo(), Target(formats=("heic",)))


def test_a_picture_too_long_for_webp_goes_out_as_the_next_format() -> None:
    assert prepare(photo(16_400, 8, "gif"), Target(formats=("webp", "png"))).format == "png"


@pytest.mark.parametrize("data", [b"", cut_short(noise(64, 64, "jpeg")), NOT_PICTURES["text"][0]])
def test_what_is_no_whole_picture_is_refused(data: bytes) -> None:
    with pytest.raises(PictureError):
        prepare(data, Target(formats=USUAL))
