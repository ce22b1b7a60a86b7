from __future__ import annotations

import pytest
from PIL import ImageCms

from imagewright.errors import PictureError
from imagewright.imaging.files import probe
from imagewright.imaging.pixels import resize_exact
from tests.support.pictures import cut_short, noise, opened, photo, quarters, saved


@pytest.mark.parametrize("size", [(96, 72), (33, 21), (128, 1), (130, 100)])
@pytest.mark.parametrize(
    ("name", "mode", "becomes"),
    [
        ("png", "RGB", "png"),
        ("jpeg", "RGB", "jpeg"),
        ("webp", "RGB", "webp"),
        ("png", "RGBA", "png"),
        ("gif", "P", "png"),
    ],
)
def test_the_size_is_exact_and_format_and_alpha_stay(name: str, mode: str, becomes: str, size: tuple[int, int]) -> None:
    facts = probe(resize_exact(photo(128, 96, name, mode=mode), *size))
    assert (facts.format, facts.width, facts.height) == (becomes, *size)
    assert facts.has_alpha == (mode == "RGBA")


def test_the_picture_is_the_same_picture() -> None:
    small = opened(resize_exact(photo(128, 96), 64, 48))
    wanted = quarters(64, 48)
    for place in [(10, 10), (50, 10), (10, 40), (50, 40)]:
        assert small.getpixel(place) == wanted.getpixel(place)


def test_transparent_pixels_do_not_bleed_into_the_edge() -> None:
    image = quarters(64, 64).convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 64, 32))
    image.paste((255, 255, 255, 255), (0, 32, 64, 64))
    small = opened(resize_exact(saved(image, "png"), 21, 21))
    edge = [pixel for pixel in zip(*[iter(small.tobytes())] * 4, strict=True) if 0 < pixel[3] < 255]
    assert edge
    assert all(min(pixel[:3]) > 240 for pixel in edge)


def test_a_picture_of_that_size_is_handed_back_untouched() -> None:
    data = photo(64, 48, "jpeg")
    assert resize_exact(data, 64, 48) == data


def test_a_turned_picture_is_resized_upright() -> None:
    facts = probe(resize_exact(photo(64, 48, "jpeg", orientation=6), 64, 48))
    assert (facts.width, facts.height, facts.orientation) == (64, 48, 1)


def test_the_colour_profile_stays() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = saved(quarters(64, 48), "png", icc_profile=profile)
    assert opened(resize_exact(data, 32, 24)).info["icc_profile"] == profile


@pytest.mark.parametrize("size", [(0, 10), (10, -1), (100_000, 100_000)])
def test_an_impossible_size_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(PictureError, match="at least 1 px"):
        resize_exact(photo(), *size)


def test_a_damaged_picture_is_refused() -> None:
    with pytest.raises(PictureError, match="cut short"):
        resize_exact(cut_short(noise(64, 64)), 10, 10)
