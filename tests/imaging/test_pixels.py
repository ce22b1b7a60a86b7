"""Files to pixels and back, exact sizes, and enlarging that adds nothing."""

from __future__ import annotations

import pytest
from PIL import Image, ImageChops, ImageCms, ImageDraw, ImageStat

from imagewright.errors import PictureError
from imagewright.imaging import pixels as module
from imagewright.imaging.files import probe
from imagewright.imaging.pixels import KEEPS_ALPHA, WRITABLE, encode, enlarge, open_picture, resize_exact
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


@pytest.mark.parametrize("name", WRITABLE)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1"])
def test_every_mode_can_be_written_in_every_format_twice_alike(name: str, mode: str) -> None:
    image = opened(photo(mode=mode))
    data = encode(image, name)
    assert encode(image, name) == data
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


FACTORS = [1, 2, 3, 4]


def _photo(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    image = Image.merge("RGB", [Image.linear_gradient("L").rotate(turn).resize(size) for turn in (0, 90, 180)])
    ImageDraw.Draw(image).ellipse((size[0] // 4, size[1] // 4, size[0] * 3 // 4, size[1] * 3 // 4), fill=(200, 60, 30))
    return image.convert(mode)


@pytest.mark.parametrize("size", [(40, 30), (1, 1), (3, 50)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("factor", FACTORS)
def test_every_side_grows_by_exactly_the_factor(factor: int, mode: str, size: tuple[int, int]) -> None:
    result = enlarge(_photo(size, mode), factor)
    assert (result.size, result.mode) == ((size[0] * factor, size[1] * factor), mode)


def test_once_is_the_picture_itself() -> None:
    image = _photo((40, 30))
    assert enlarge(image, 1).tobytes() == image.tobytes()


@pytest.mark.parametrize("factor", FACTORS[1:])
def test_an_edge_is_steeper_than_without_sharpening_and_has_no_rings(factor: int) -> None:
    image = Image.new("RGB", (40, 40), (70, 80, 90))
    image.paste((190, 180, 170), (20, 0, 40, 40))
    result = enlarge(image, factor)
    assert ImageStat.Stat(result).extrema == [(70, 190), (80, 180), (90, 170)]
    middle = 20 * factor
    across = (middle - 1, 0, middle + 1, 1)
    plain = image.resize(result.size, Image.Resampling.BICUBIC).crop(across)
    low, high = ImageStat.Stat(result.crop(across)).extrema[0]
    plain_low, plain_high = ImageStat.Stat(plain).extrema[0]
    assert high - low > plain_high - plain_low


@pytest.mark.parametrize("factor", FACTORS[1:])
def test_made_smaller_again_it_is_the_same_picture(factor: int) -> None:
    image = _photo((60, 40))
    back = enlarge(image, factor).resize(image.size, Image.Resampling.BOX)
    assert max(ImageStat.Stat(ImageChops.difference(back, image)).mean) < 2


def test_transparency_is_kept_and_brings_no_dark_rim() -> None:
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    image.paste((240, 120, 40, 255), (10, 10, 30, 30))
    result = enlarge(image, 3)
    alpha = result.getchannel("A")
    assert alpha.getpixel((3, 3)) == 0
    assert alpha.getpixel((60, 60)) == 255
    solid = alpha.point([0] * 200 + [255] * 56)
    rim = Image.composite(result.convert("RGB"), Image.new("RGB", result.size, (240, 120, 40)), solid)
    assert ImageStat.Stat(rim).extrema[0][0] > 200


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_strips_leave_no_seams(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image = _photo((50, 90), mode)
    whole = enlarge(image, 3)
    monkeypatch.setattr(module, "STRIP", 33)
    # Pillow rounds a part's weights a little differently from the whole's.
    assert all(high <= 3 for _, high in ImageStat.Stat(ImageChops.difference(enlarge(image, 3), whole)).extrema)
