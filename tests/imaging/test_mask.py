from __future__ import annotations

from typing import Literal, get_args

import pytest
from PIL import Image, ImageDraw, ImageFilter

from imagewright.errors import PictureError
from imagewright.imaging.prepare import MaskForm, convert_mask, mask_coverage, mask_doubt, read_mask
from imagewright.providers import base
from tests.support.pictures import Box, mask_of, opened, photo, quarters, saved

BOX: Box = (10, 5, 40, 30)
SIZE = (64, 48)
Style = Literal["white", "transparent", "hole"]
STYLES: tuple[Style, ...] = get_args(Style)
FORMS: tuple[MaskForm, ...] = get_args(MaskForm)
DOUBT = "it has transparent parts and is also drawn in black and white: only what is transparent is repainted"


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


def _hole(image: Image.Image) -> Image.Image:
    """With the box cut out."""
    alpha = Image.new("L", SIZE, 255)
    alpha.paste(0, BOX)
    image.putalpha(alpha)
    return image


def _drawn(mode: str, black: str | int = "black", white: str | int = "white") -> Image.Image:
    image = Image.new(mode, SIZE, black)
    image.paste(white, BOX)
    return image


def _both() -> Image.Image:
    """The box cut out of a mask that is drawn elsewhere."""
    image = Image.new("RGB", SIZE, "black")
    image.paste("white", (44, 5, 60, 30))
    return _hole(image)


FORMS_OF_ONE_MASK: dict[str, tuple[bytes, bool]] = {
    "grey": (saved(_drawn("L"), "png"), False),
    "one bit": (saved(_drawn("L").convert("1"), "png"), False),
    "colour": (saved(_drawn("RGB"), "png"), False),
    "palette": (saved(_drawn("L").convert("P"), "png"), False),
    "grey and alpha": (saved(_hole(Image.new("L", SIZE, 0)), "png"), False),
    "sixteen bits": (
        saved(Image.frombytes("I;16", SIZE, b"".join(bytes((v, v)) for v in _drawn("L").tobytes())), "png"),
        False,
    ),
    "dark and light grey": (saved(_drawn("L", 40, 200), "png"), False),
    "jpeg": (saved(_drawn("L"), "jpeg", quality=90), False),
    "webp": (saved(_drawn("RGB"), "webp", lossless=True), False),
    "black with a hole": (saved(_hole(Image.new("RGB", SIZE, "black")), "png"), False),
    "white with a hole": (saved(_hole(Image.new("RGB", SIZE, "white")), "png"), False),
    "photo with a hole": (saved(_hole(quarters(*SIZE)), "png"), False),
    "drawn and with a hole": (saved(_both(), "png"), True),
}
"""What people and programs give for the same area, and whether it could be read in another way too."""


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", FORMS_OF_ONE_MASK)
def test_every_form_of_a_mask_marks_the_same_area(kind: str, form: MaskForm) -> None:
    data, doubtful = FORMS_OF_ONE_MASK[kind]
    assert region(convert_mask(data, form), form) == BOX
    assert mask_coverage(data) == pytest.approx(30 * 25 / (64 * 48))
    assert mask_doubt(data) == (DOUBT if doubtful else "")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [(32, 24), (20, 15), (4, 3)])
def test_a_smaller_mask_stays_a_mask_and_loses_nothing_that_is_marked(size: tuple[int, int], form: MaskForm) -> None:
    line = Image.new("L", SIZE, 0)
    line.paste(255, (30, 0, 31, 48))
    for data in (saved(line, "png"), *(mask_of(*SIZE, BOX, style) for style in STYLES)):
        made = convert_mask(data, form, size)
        image = opened(made)
        assert image.size == size
        assert sum(1 for count in image.getchannel(image.getbands()[-1]).histogram() if count) == 2
        box = region(made, form)
        whole = region(convert_mask(data, form), form)
        assert box is not None
        assert whole is not None
        scale = SIZE[0] / size[0]
        wanted = (whole[0] // scale, whole[1] // scale, -(-whole[2] // scale), -(-whole[3] // scale))
        assert box == wanted


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
