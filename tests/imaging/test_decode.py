from __future__ import annotations

import pytest
from PIL import Image, ImageCms

from imagewright.errors import PictureError
from imagewright.imaging.pixels import open_picture
from tests.support.pictures import QUARTERS, STILL_FORMATS, cut_short, noise, opened, photo, quarters, saved

PALETTE_STEP = 51
"""Most that the web palette, which Pillow takes for P, moves a channel; a lossy format moves less."""


def corner_colours(image: Image.Image) -> list[tuple[int, ...]]:
    width, height = image.size
    places = [(8, 8), (width - 8, 8), (8, height - 8), (width - 8, height - 8)]
    return [tuple(image.convert("RGB").crop((x, y, x + 1, y + 1)).tobytes()) for x, y in places]


def near(colours: list[tuple[int, ...]], wanted: tuple[tuple[int, ...], ...]) -> bool:
    pairs = zip(colours, wanted, strict=True)
    return all(abs(a - b) <= PALETTE_STEP for colour, other in pairs for a, b in zip(colour, other, strict=True))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["jpeg", "png", "webp"])
def test_every_orientation_is_turned_upright(name: str, orientation: int) -> None:
    image = open_picture(photo(64, 48, name, orientation=orientation))
    assert image.size == (64, 48)
    assert near(corner_colours(image), QUARTERS)


@pytest.mark.parametrize(
    ("name", "mode", "becomes"),
    [
        ("png", "RGB", "RGB"),
        ("png", "RGBA", "RGBA"),
        ("png", "L", "RGB"),
        ("png", "LA", "RGBA"),
        ("png", "P", "RGB"),
        ("png", "1", "RGB"),
        ("png", "I;16", "RGB"),
        ("jpeg", "CMYK", "RGB"),
        ("jpeg", "L", "RGB"),
        ("gif", "P", "RGB"),
        ("webp", "RGBA", "RGBA"),
    ],
)
def test_every_mode_becomes_rgb_or_rgba(name: str, mode: str, becomes: str) -> None:
    image = open_picture(photo(64, 48, name, mode=mode))
    assert image.mode == becomes
    if mode in ("RGB", "P", "CMYK", "RGBA"):
        assert near(corner_colours(image)[:3], QUARTERS[:3])


def test_sixteen_bit_grey_is_scaled_and_not_clipped() -> None:
    eight, sixteen = open_picture(photo(mode="L")), open_picture(photo(mode="I;16"))
    assert eight.tobytes() == sixteen.tobytes()


def test_a_transparent_colour_becomes_alpha() -> None:
    image = quarters(64, 48).quantize(8)
    data = saved(image, "png", transparency=image.getpixel((0, 0)))
    alpha = open_picture(data).getchannel("A")
    assert (alpha.getpixel((5, 5)), alpha.getpixel((60, 5))) == (0, 255)


@pytest.mark.parametrize("name", ["gif", "webp", "png"])
def test_an_animation_gives_its_first_frame(name: str) -> None:
    assert near(corner_colours(open_picture(photo(format=name, frames=3))), QUARTERS)


@pytest.mark.parametrize("name", STILL_FORMATS)
def test_a_damaged_file_is_a_picture_error(name: str) -> None:
    with pytest.raises(PictureError, match="cut short or damaged"):
        open_picture(cut_short(noise(64, 64, name)))


def test_only_an_rgb_profile_is_kept_of_the_metadata() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    kept = open_picture(saved(quarters(16, 16), "jpeg", icc_profile=profile, comment=b"secret", dpi=(72, 72)))
    assert kept.info == {"icc_profile": profile}
    grey = open_picture(saved(quarters(16, 16).convert("L"), "jpeg", icc_profile=profile.replace(b"RGB ", b"GRAY", 1)))
    assert grey.info == {}


def test_a_broken_cmyk_profile_is_done_without() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes().replace(b"RGB ", b"CMYK", 1)
    data = saved(quarters(64, 48).convert("CMYK"), "jpeg", icc_profile=profile[:200])
    assert near(corner_colours(open_picture(data)), QUARTERS)


def test_the_pixels_are_those_pillow_decodes() -> None:
    data = noise(32, 32, "png", mode="RGBA")
    assert open_picture(data).tobytes() == opened(data).tobytes()
