from __future__ import annotations

from typing import Literal, get_args

import pytest
from PIL import Image, ImageDraw, ImageFilter

from imagewright.errors import PictureError
from imagewright.imaging.prepare import MaskForm, convert_mask, mask_coverage, read_mask
from imagewright.providers import base
from tests.support.pictures import Box, mask_of, opened, photo, quarters, saved

BOX: Box = (10, 5, 40, 30)
SIZE = (64, 48)
Style = Literal["white", "transparent", "hole"]
STYLES: tuple[Style, ...] = get_args(Style)
FORMS: tuple[MaskForm, ...] = get_args(MaskForm)


def region(data: bytes, form: MaskForm) -> Box | None:
    """Where a vendor that takes that form would repaint, read independently of our own reader."""
    image = opened(data)
    if form == "transparent_is_repainted":
        alpha = image.getchannel("A")
        return Image.eval(alpha, lambda value: 255 - value).getbbox()
    assert image.mode == "L"
    return (image if form == "white_is_repainted" else Image.eval(image, lambda value: 255 - value)).getbbox()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("style", STYLES)
def test_the_region_lands_in_the_same_place_in_every_form(style: Style, form: MaskForm) -> None:
    made = convert_mask(mask_of(*SIZE, BOX, style), form)
    assert opened(made).size == SIZE
    assert region(made, form) == BOX


@pytest.mark.parametrize("form", FORMS)
def test_a_converted_mask_holds_only_the_two_extremes(form: MaskForm) -> None:
    soft = opened(mask_of(*SIZE, BOX)).filter(ImageFilter.GaussianBlur(2))
    made = opened(convert_mask(saved(soft, "jpeg"), form))
    used = [count for count in made.getchannel(made.getbands()[-1]).histogram() if count]
    assert len(used) == 2


@pytest.mark.parametrize("style", STYLES)
def test_coverage_is_the_repainted_share(style: Style) -> None:
    assert mask_coverage(mask_of(*SIZE, BOX, style)) == pytest.approx(30 * 25 / (64 * 48))


@pytest.mark.parametrize(("box", "share"), [((0, 0, 0, 0), 0.0), ((0, 0, *SIZE), 1.0)])
def test_a_mask_of_nothing_and_of_everything_can_be_recognised(box: Box, share: float) -> None:
    assert mask_coverage(mask_of(*SIZE, box, "white")) == share
    assert mask_coverage(mask_of(*SIZE, box, "transparent")) == share


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
def test_a_black_and_white_mask_means_the_same_in_every_mode(mode: str) -> None:
    image = opened(mask_of(*SIZE, BOX))
    if mode == "I;16":
        image = Image.frombytes(mode, SIZE, b"".join(bytes((value, value)) for value in image.tobytes()))
    assert read_mask(saved(image.convert(mode), "png")).getbbox() == BOX


def test_white_and_transparent_are_both_repainted_in_a_drawn_mask() -> None:
    image = Image.new("RGBA", SIZE, "black")
    image.paste((0, 0, 0, 0), (0, 0, 16, 16))
    image.paste((255, 255, 255, 255), (16, 0, 32, 16))
    mask = read_mask(saved(image, "png"))
    assert mask.getbbox() == (0, 0, 32, 16)
    assert mask.histogram()[255] == 32 * 16


def test_white_that_is_part_of_a_picture_with_a_hole_is_kept() -> None:
    image = quarters(*SIZE).convert("RGBA")
    image.paste((255, 255, 255, 255), (0, 0, 64, 20))
    image.paste((0, 0, 0, 0), (20, 30, 30, 40))
    assert read_mask(saved(image, "png")).getbbox() == (20, 30, 30, 40)


def test_a_grey_photo_with_a_hole_is_no_drawn_mask() -> None:
    image = Image.linear_gradient("L").resize(SIZE).convert("LA")
    hole = Image.new("L", SIZE, 255)
    hole.paste(0, BOX)
    image.putalpha(hole)
    assert read_mask(saved(image, "png")).getbbox() == BOX


def test_the_soft_edge_of_a_brush_falls_to_the_nearer_side() -> None:
    image = Image.new("RGBA", SIZE, (0, 0, 0, 255))
    image.putalpha(Image.linear_gradient("L").resize(SIZE))
    mask = read_mask(saved(image, "png"))
    assert mask.getbbox() == (0, 0, 64, 24)


def test_a_picture_given_as_a_mask_is_refused_with_what_to_do() -> None:
    with pytest.raises(PictureError, match=r"not a mask.*black"):
        read_mask(photo(*SIZE))


def test_jpeg_noise_moves_no_pixel_far_from_the_edge() -> None:
    image = Image.new("RGB", (128, 128), "black")
    ImageDraw.Draw(image).rectangle((32, 32, 95, 95), fill="white")
    assert read_mask(saved(image, "jpeg", quality=60)).getbbox() == (32, 32, 96, 96)


def test_a_mask_is_turned_upright_like_its_picture() -> None:
    turned = opened(mask_of(*SIZE, BOX)).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    mask = read_mask(saved(turned, "png", exif=exif.tobytes()))
    assert (mask.size, mask.getbbox()) == (SIZE, BOX)


def test_the_forms_are_those_routes_can_ask_for() -> None:
    assert set(FORMS) == set(get_args(base.MaskForm))
