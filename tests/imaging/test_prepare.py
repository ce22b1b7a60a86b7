from __future__ import annotations

import pytest

from imagewright.errors import PictureError
from imagewright.imaging.files import probe
from imagewright.imaging.pixels import open_picture
from imagewright.imaging.prepare import prepare
from tests.support.pictures import NOT_PICTURES, STILL_FORMATS, cut_short, noise, opened, photo

USUAL = ("png", "jpeg", "webp")


@pytest.mark.parametrize("name", USUAL)
def test_what_is_accepted_passes_untouched(name: str) -> None:
    data = photo(64, 48, name)
    made = prepare(data, formats=USUAL, max_bytes=len(data))
    assert (made.data, made.format, made.width, made.height, made.note) == (data, name, 64, 48, "")


@pytest.mark.parametrize(
    ("name", "first"), [(name, first) for name in STILL_FORMATS for first in USUAL if name != first]
)
def test_any_other_becomes_the_preferred_format(name: str, first: str) -> None:
    made = prepare(photo(64, 48, name), formats=(first,), max_bytes=None)
    facts = probe(made.data)
    assert made.format == facts.format == first
    assert (made.width, made.height) == (facts.width, facts.height) == (64, 48)
    assert "not taken here" in made.note


@pytest.mark.parametrize("first", ["png", "webp"])
def test_nothing_is_lost_where_the_format_can(first: str) -> None:
    data = noise(40, 30, "gif")
    assert open_picture(prepare(data, formats=(first,), max_bytes=None).data).tobytes() == open_picture(data).tobytes()


@pytest.mark.parametrize("name", ["gif", "webp", "png"])
def test_an_animation_is_sent_as_its_first_frame_and_that_is_reported(name: str) -> None:
    data = photo(format=name, frames=3)
    made = prepare(data, formats=USUAL, max_bytes=None)
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
    made = prepare(photo(64, 48, name, orientation=orientation), formats=formats, max_bytes=None)
    assert made.format == becomes
    assert (made.width, made.height) == opened(made.data).size == (64, 48)
    assert probe(made.data).orientation == 1
    assert "upright" in made.note


def test_too_large_a_png_goes_out_in_another_format_with_all_its_pixels() -> None:
    data = noise(120, 100, "png")
    made = prepare(data, formats=USUAL, max_bytes=len(data) // 2)
    assert made.format in ("jpeg", "webp")
    assert len(made.data) <= len(data) // 2
    assert (made.width, made.height) == opened(made.data).size == (120, 100)
    assert "quality 95" in made.note
    assert f"{len(data):,} bytes" in made.note
    assert f"{len(data) // 2:,} bytes" in made.note


def test_transparency_is_kept_where_any_accepted_format_can() -> None:
    made = prepare(noise(60, 60, "webp", mode="RGBA"), formats=("jpeg", "png"), max_bytes=None)
    assert made.format == "png"
    assert probe(made.data).has_alpha


def test_lost_transparency_is_reported() -> None:
    made = prepare(photo(64, 48, "png", mode="RGBA"), formats=("jpeg",), max_bytes=None)
    assert "transparent parts are now white" in made.note
    assert opened(made.data).crop((50, 40, 51, 41)).tobytes() == b"\xff\xff\xff"


def test_a_picture_too_large_in_every_format_is_refused_with_the_sizes() -> None:
    data = noise(120, 100, "png")
    with pytest.raises(PictureError, match=r"120 x 100 px.*1,000 bytes.*fewer pixels") as text:
        prepare(data, formats=USUAL, max_bytes=1000)
    assert "quality 95" in str(text.value)


def test_a_format_that_cannot_be_written_is_reported() -> None:
    with pytest.raises(PictureError, match="cannot be turned into HEIC"):
        prepare(photo(), formats=("heic",), max_bytes=None)


def test_a_picture_too_long_for_webp_goes_out_as_the_next_format() -> None:
    assert prepare(photo(16_400, 8, "gif"), formats=("webp", "png"), max_bytes=None).format == "png"


@pytest.mark.parametrize("data", [b"", cut_short(noise(64, 64, "jpeg")), NOT_PICTURES["text"][0]])
def test_what_is_no_whole_picture_is_refused(data: bytes) -> None:
    with pytest.raises(PictureError):
        prepare(data, formats=USUAL, max_bytes=None)
