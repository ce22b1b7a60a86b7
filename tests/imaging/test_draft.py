"""Drafts: exact sizes, the same pixels every time, nothing outside its place, and plainly marked."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageChops, ImageDraw

import imagewright
from imagewright.catalog.load import catalog
from imagewright.imaging.draft import Fact, draft_size, draw_draft, draw_edit, edit_size
from imagewright.imaging.drafting.collage import collage
from imagewright.imaging.drafting.lettering import (
    DRAWN,
    face,
    fitted,
    has_bars,
    shortened,
    spelt,
    width_of,
    wrapped,
)
from imagewright.imaging.drafting.palette import BY_NAME, PALETTES, Palette
from imagewright.imaging.drafting.poster import layout_for
from imagewright.imaging.drafting.repaint import widest_room
from imagewright.imaging.drafting.scene import PAINTERS, UNASKED, paint_scene, palette_for
from imagewright.imaging.drafting.shape import STEP, ratio_of, side_of, size_for
from imagewright.imaging.drafting.words import PALETTE_WORDS, SCENE_WORDS

if TYPE_CHECKING:
    from imagewright.imaging.drafting.brush import Canvas

FACTS = [Fact("size", "1 x 1 px"), Fact("guidance", "2.5", 0.25), Fact("negative prompt", "blur, " * 40)]
SHAPES = [(360, 360), (480, 205), (200, 356), (320, 240), (236, 354)]
PROMPTS = [
    "A fox",
    "A lighthouse on a rocky coast at dusk, waves breaking, gouache",
    "detail " * 700,
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
    "一只橘猫坐在窗台上看着窗外的雨" * 8,
    "Кот на крыше, 🎉 · عربى\n\tand\x00 a naïve café — ½",
    "?",
]


def _ratios() -> list[str]:
    found = {
        str(value)
        for row in catalog().values()
        for form in row.arguments().get("aspect_ratio", ())
        for value in form.values or ()
    }
    return sorted(value for value in found if ratio_of(value))


def _classes() -> list[str]:
    found = {
        str(value)
        for row in catalog().values()
        for form in row.arguments().get("resolution", ())
        for value in form.values or ()
    }
    return sorted(found)


def _colours(image: Image.Image) -> int:
    return len(image.convert("RGB").getcolors(maxcolors=image.width * image.height) or ())


@pytest.mark.parametrize("resolution", ["", *_classes()])
@pytest.mark.parametrize("ratio", _ratios())
def test_a_size_has_exactly_the_ratio_and_about_the_area_of_its_class(ratio: str, resolution: str) -> None:
    width, height = draft_size(ratio, resolution)
    across, down = ratio_of(ratio) or (0, 0)
    assert width * down == height * across
    assert width % STEP == height % STEP == 0
    assert width * height == pytest.approx((side_of(resolution) or 1024) ** 2, rel=0.1)


def test_every_size_class_of_the_catalog_is_understood() -> None:
    assert _classes()
    assert all(side_of(one) for one in _classes())


@pytest.mark.parametrize(("ratio", "side"), [((1000, 999), 1024), ((7, 3), 64), ((1, 40), 512), ((4096, 4095), 8)])
def test_a_ratio_too_fine_for_whole_steps_is_met_to_half_a_pixel(ratio: tuple[int, int], side: int) -> None:
    width, height = size_for(ratio, side)
    exact = width * ratio[1] / ratio[0]
    assert abs(height - exact) <= max(0.5, 0.5 * ratio[1] / ratio[0]) + 0.5


@pytest.mark.parametrize("text", ["", "auto", "16:0", "0:9", "16/9", "1.5:1", "wide"])
def test_what_is_no_ratio_is_none(text: str) -> None:
    assert ratio_of(text) is None


@pytest.mark.parametrize(
    ("own", "ratio", "resolution", "size"),
    [
        ((640, 427), "", "", (640, 427)),
        ((640, 427), "auto", "", (640, 427)),
        ((900, 600), "3:2", "", (900, 600)),
        ((640, 480), "16:9", "", draft_size("16:9", "1K")),
        ((640, 480), "16:9", "2K", draft_size("16:9", "2K")),
        ((512, 512), "auto", "2K", (2048, 2048)),
    ],
)
def test_an_edit_keeps_its_pictures_size_until_another_is_asked_for(
    own: tuple[int, int], ratio: str, resolution: str, size: tuple[int, int]
) -> None:
    assert edit_size(own, ratio, resolution) == size


@pytest.mark.parametrize("size", [(240, 135), (96, 200), (150, 150)])
@pytest.mark.parametrize("words", SCENE_WORDS.values(), ids=SCENE_WORDS)
def test_every_scene_can_be_painted_in_every_shape(words: str, size: tuple[int, int]) -> None:
    image = paint_scene(size, words.split(maxsplit=1)[0], 5)
    assert image.size == size
    assert _colours(image) > 500


def test_the_tables_of_words_name_what_there_is() -> None:
    assert set(SCENE_WORDS) == set(PAINTERS)
    assert set(UNASKED) < set(PAINTERS)
    assert {name for _, names in PALETTE_WORDS for name in names.split()} <= set(BY_NAME)
    assert len(BY_NAME) == len(PALETTES)


@pytest.mark.parametrize("scene", SCENE_WORDS)
def test_a_scenes_words_paint_that_scene(scene: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its words alone, with any other scene's words taken out."""
    others = {word for name, words in SCENE_WORDS.items() if name != scene for word in words.split()}
    own = [word for word in SCENE_WORDS[scene].split() if word not in others]
    prompt = " ".join(own[:3])
    painted: list[str] = []

    def paint(canvas: Canvas, _: Palette) -> None:
        painted.append(scene)
        canvas.backdrop(((0, 0, 0),))

    monkeypatch.setitem(PAINTERS, scene, paint)
    paint_scene((60, 60), prompt, 1)
    assert painted == [scene]


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("size", SHAPES)
def test_a_print_has_its_size_and_a_clean_margin(size: tuple[int, int], prompt: str) -> None:
    image = draw_draft(size, prompt, FACTS, seed=3)
    paper = palette_for(prompt, 3).paper
    assert image.size == size
    edge = round(min(size) * 0.03)
    inside = (edge, edge, size[0] - edge, size[1] - edge)
    blank = Image.new("RGB", size, paper)
    blank.paste(image.crop(inside), inside)
    assert ImageChops.difference(image, blank).getbbox() is None


def test_the_same_prompt_and_seed_make_the_same_pixels_and_others_others() -> None:
    first = draw_draft((240, 240), "a harbour", [], seed=7)
    assert draw_draft((240, 240), "a harbour", [], seed=7).tobytes() == first.tobytes()
    assert draw_draft((240, 240), "a harbour", [], seed=8).tobytes() != first.tobytes()
    assert draw_draft((240, 240), "a harbour town", [], seed=7).tobytes() != first.tobytes()


def test_a_draft_is_the_same_in_every_process() -> None:
    code = (
        "import hashlib\n"
        "from imagewright.imaging.draft import draw_draft\n"
        "print(hashlib.sha256(draw_draft((160, 120), 'a harbour', [], seed=7).tobytes()).hexdigest())\n"
    )
    own = hashlib.sha256(draw_draft((160, 120), "a harbour", [], seed=7).tobytes()).hexdigest()
    other = subprocess.run(  # noqa: S603 - this very interpreter
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": str(Path(imagewright.__file__).parent.parent), "PYTHONHASHSEED": "1"},
    )
    assert other.stdout.strip() == own


@pytest.mark.parametrize("prompt", ["a harbour", "something", "night", "portrait"])
def test_neighbouring_seeds_never_share_their_colours(prompt: str) -> None:
    names = [palette_for(prompt, seed).name for seed in range(12)]
    assert all(one != other for one, other in pairwise(names))


def test_every_fact_shows() -> None:
    bare = draw_draft((400, 400), "a harbour", FACTS[:2], seed=1).tobytes()
    assert draw_draft((400, 400), "a harbour", FACTS, seed=1).tobytes() != bare
    assert draw_draft((400, 400), "a harbour", [FACTS[0], Fact("guidance", "2.5", 0.9)], seed=1).tobytes() != bare


@pytest.mark.parametrize("size", SHAPES)
def test_a_print_is_marked_in_its_picture(size: tuple[int, int]) -> None:
    palette = palette_for("a harbour", 1)
    image = draw_draft(size, "a harbour", FACTS, seed=1)
    left, top, _, _ = layout_for(size, "a harbour", len(FACTS) + 1).panel.corners
    short = min(size)
    tab = image.crop((left, top, left + round(short * 0.25), top + round(short * 0.03)))
    colours = {colour for _, colour in tab.getcolors(maxcolors=tab.width * tab.height) or ()}
    assert {palette.paper, palette.accent} <= colours
    assert any(isinstance(colour, tuple) and sum(colour) < sum(palette.paper) - 200 for colour in colours)


@pytest.mark.parametrize("size", SHAPES)
def test_a_transparent_draft_leaves_the_paper_out(size: tuple[int, int]) -> None:
    image = draw_draft(size, "a harbour", FACTS, seed=1, transparent=True)
    alpha = image.getchannel("A")
    assert alpha.getextrema() == (0, 255)
    assert all(alpha.getpixel(corner) == 0 for corner in ((0, 0), (size[0] - 1, 0), (0, size[1] - 1)))
    assert alpha.getpixel((size[0] // 3, size[1] // 3)) == 255


def test_the_face_has_the_letters_it_is_said_to_have() -> None:
    missing = bytes(face(40).getmask("\uffff"))
    assert all(bytes(face(40).getmask(one)) != missing for one in DRAWN if one != " ")


@pytest.mark.parametrize(
    ("text", "spelling", "bars"),
    [
        ("naïve café", "naive cafe", False),
        ("a — b – c", "a - b - c", False),  # noqa: RUF001 - dashes are meant
        ("two  \n\t lines", "two lines", False),
        ("Straße 5 × 7 €", "Strasse 5 x 7 EUR", False),  # noqa: RUF001 - as above
        ("Łódź\x00\u200b", "Lodz", False),
        ("Кот", "Кот", True),
        ("猫", "猫", True),
    ],
)
def test_text_is_spelt_with_what_the_face_has(text: str, spelling: str, bars: bool) -> None:  # noqa: FBT001 - a table
    assert spelt(text).strip() == spelling
    assert has_bars(text) is bars


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("box", [(300.0, 90.0), (90.0, 300.0), (40.0, 12.0)])
def test_fitted_text_stays_in_its_box(prompt: str, box: tuple[float, float]) -> None:
    block = fitted(prompt, box, 48, 9)
    assert block.lines
    assert all(width_of(line, block.size) <= box[0] for line in block.lines)
    assert block.height <= max(box[1], block.size)


def test_what_does_not_fit_ends_in_an_ellipsis() -> None:
    assert fitted("detail " * 700, (200, 60), 40, 12).lines[-1].endswith("…")
    assert fitted("short", (200, 60), 40, 12).lines == ("short",)
    assert shortened("a very long line of text", 20, 90).endswith("…")
    assert " ".join(wrapped("one two three four", 20, 90)) == "one two three four"


@pytest.mark.parametrize("count", range(1, 11))
@pytest.mark.parametrize("size", [(400, 300), (200, 400), (600, 240)])
def test_a_collage_shows_every_picture(count: int, size: tuple[int, int]) -> None:
    colours = [(20 * index, 255 - 20 * index, 128) for index in range(count)]
    shapes = [(64, 48), (48, 64), (60, 60)]
    pictures = [Image.new("RGB", shapes[index % 3], colour) for index, colour in enumerate(colours)]
    sheet = collage(pictures, size, PALETTES[0])
    assert sheet.size == size
    areas = {colour: number for number, colour in sheet.getcolors(maxcolors=size[0] * size[1]) or ()}
    assert all(areas.get(colour, 0) > size[0] * size[1] * 0.25 / count for colour in colours)


def _picture(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    image = Image.linear_gradient("L").resize(size).point([150 + value // 5 for value in range(256)]).convert(mode)
    ImageDraw.Draw(image).ellipse((size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 2), fill=(200, 60, 10))
    return image


def _disc(size: tuple[int, int]) -> Image.Image:
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).ellipse((size[0] // 3, size[1] // 5, size[0] * 9 // 10, size[1] * 4 // 5), fill=255)
    return mask


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_masked_edit_repaints_exactly_the_mask(mode: str) -> None:
    image, mask = _picture((300, 200), mode), _disc((300, 200))
    result = draw_edit([image], image.size, "a harbour at night", FACTS, mask=mask, seed=2)
    assert result.size == image.size
    assert result.mode == mode
    changed = ImageChops.difference(result.convert("RGB"), image.convert("RGB")).convert("L").point([0] + [255] * 255)
    assert ImageChops.multiply(changed, ImageChops.invert(mask)).getbbox() is None
    assert changed.histogram()[255] > 0.97 * mask.histogram()[255]


def test_an_empty_mask_changes_nothing() -> None:
    image = _picture((120, 80))
    result = draw_edit([image], image.size, "x", [], mask=Image.new("L", image.size), seed=2)
    assert result.tobytes() == image.tobytes()


def test_a_mask_follows_its_picture_into_another_shape() -> None:
    image, mask = Image.new("RGB", (200, 200), "gray"), _disc((200, 200))
    plain = draw_edit([image], (400, 200), "x", [], mask=Image.new("L", image.size), seed=2)
    result = draw_edit([image], (400, 200), "x", [], mask=mask, seed=2)
    left, _, right, _ = ImageChops.difference(plain, result).getbbox() or (0, 0, 0, 0)
    expected = mask.getbbox() or (0, 0, 0, 0)
    assert (left, right) == (expected[0] + 100, expected[2] + 100)


def test_further_pictures_show_through_the_mask() -> None:
    image, mask = _picture((300, 200)), _disc((300, 200))
    red = Image.new("RGB", (100, 100), (250, 10, 20))
    result = draw_edit([image, red], image.size, "put it there", [], mask=mask, seed=2)
    assert (250, 10, 20) in {colour for _, colour in result.getcolors(maxcolors=60_000) or ()}


def test_the_room_for_lettering_lies_wholly_in_the_mask() -> None:
    mask = _disc((300, 200))
    room = widest_room(mask)
    assert room is not None
    assert mask.crop(room.corners).getextrema()[0] == 255
    assert room.width * room.height > 0.3 * mask.histogram()[255]
    assert widest_room(Image.new("L", (300, 200))) is None


@pytest.mark.parametrize("pictures", [1, 3])
@pytest.mark.parametrize("size", [(300, 200), (160, 284), (420, 180)])
def test_an_edit_has_its_size_and_shows_its_instruction(size: tuple[int, int], pictures: int) -> None:
    images = [_picture((180, 120)), _picture((90, 120)), _picture((80, 80), "RGBA")][:pictures]
    one, other = (draw_edit(images, size, words, FACTS, seed=4) for words in ("make it blue", "make it red"))
    assert one.size == other.size == size
    assert one.tobytes() != other.tobytes()


@pytest.mark.parametrize("pictures", [1, 2])
def test_a_transparent_edit_is_cut_out_and_its_card_is_not(pictures: int) -> None:
    result = draw_edit([_picture((180, 120))] * pictures, (300, 200), "make it blue", FACTS, seed=4, transparent=True)
    assert (result.mode, result.size) == ("RGBA", (300, 200))
    assert result.getchannel("A").getextrema() == (0, 255)
