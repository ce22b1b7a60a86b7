"""Lettering: any script a font has, in lines that fit, with what is left out counted."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageChops, features

from imagewright.imaging.lettering import fitted, lettered

FOLDERS = (Path(__file__).parent,)
"""Holds blocks.ttf, whose glyphs are blocks: a to z, some punctuation, é and letters of five other scripts."""
NO_FOLDERS: tuple[Path, ...] = ()
RAQM = features.check("raqm")


@pytest.mark.parametrize(
    ("text", "folders", "paragraphs", "missing"),
    [
        ("A fox — 5 × 7", NO_FOLDERS, ("A fox - 5 x 7",), 0),  # noqa: RUF001 - the signs are what is replaced
        ("two  \t lines\r\n\n and\x00 one\u200b", NO_FOLDERS, ("two lines", "and one"), 0),
        ("naïve café", NO_FOLDERS, ("naive cafe",), 0),
        ("a cat 🎉 here", NO_FOLDERS, ("a cat here",), 1),
        ("Кот", NO_FOLDERS, (), 3),
        ("猫", NO_FOLDERS, (), 1),
        ("", NO_FOLDERS, (), 0),
        ("кот", FOLDERS, ("кот",), 0),
        ("café", FOLDERS, ("café",), 0),
        ("猫、cat", FOLDERS, ("猫、cat",), 0),
        ("cat 猫 🎉", FOLDERS, ("cat 猫",), 1),
        ("אבג" if RAQM else "cat", FOLDERS, ("אבג" if RAQM else "cat",), 0),
    ],
)
def test_a_text_is_set_with_what_the_fonts_have(
    text: str, folders: tuple[Path, ...], paragraphs: tuple[str, ...], missing: int
) -> None:
    ready = lettered(text, folders)
    assert (ready.paragraphs, ready.missing) == (paragraphs, missing)


@pytest.mark.parametrize(("text", "is_embedded"), [("a fox", True), ("кот", False)])
def test_a_font_of_the_machine_is_used_only_where_the_embedded_one_will_not_do(text: str, *, is_embedded: bool) -> None:
    assert (lettered(text, FOLDERS).path == "") is is_embedded


@pytest.mark.skipif(not RAQM, reason="without raqm, scripts that read leftwards are left out")
def test_hebrew_ends_at_the_left_edge_of_its_box_and_latin_begins_there() -> None:
    boxes = []
    for text in ("אבג", "cat"):
        image = Image.new("RGB", (200, 60))
        fitted(lettered(text, FOLDERS), (180, 40), 20, 20).draw(image, (10, 10), (255, 255, 255))
        boxes.append(image.getbbox() or (0, 0, 0, 0))
    assert boxes[0][0] > 100
    assert boxes[1][0] < 20


@pytest.mark.parametrize("folders", [NO_FOLDERS, FOLDERS])
@pytest.mark.parametrize(
    "text", ["A fox", "one, two, three. " * 60, "a" * 90, "猫、" * 200, "cat猫cat " * 40, "one\ntwo\n\nthree"]
)
@pytest.mark.parametrize("box", [(300.0, 90.0), (90.0, 300.0), (60.0, 14.0), (10.0, 3.0)])
def test_fitted_text_stays_in_its_box_and_is_whole_or_ends_in_an_ellipsis(
    box: tuple[float, float], text: str, folders: tuple[Path, ...]
) -> None:
    ready = lettered(text, folders)
    block = fitted(ready, box, 48, 9)
    assert block.height <= box[1]
    assert all(ready.width(line, block.size) <= box[0] * 1.02 for line in block.lines)
    shown, wanted = ("".join("".join(lines).split()) for lines in (block.lines, ready.paragraphs))
    assert shown == wanted or not block.lines or block.lines[-1].endswith(("…", "..."))
    assert wanted.startswith(shown.rstrip("…."))


def test_no_line_begins_with_a_comma_of_a_script_without_spaces() -> None:
    ready = lettered("猫猫、" * 60, FOLDERS)
    for width in range(60, 120, 7):
        assert not any(line.startswith("、") for line in ready.wrapped(20, width))


def test_drawing_puts_every_line_inside_the_block() -> None:
    image = Image.new("RGB", (400, 200), "white")
    block = fitted(lettered("A harbour at dusk, seen from the old wall above it"), (300, 120), 40, 10)
    block.draw(image, (50, 40), "#000000")
    left, top, right, bottom = ImageChops.invert(image).getbbox() or (0, 0, 0, 0)
    assert (left, top) >= (48, 38)
    assert right <= 352
    assert bottom <= 40 + block.height + block.size * 0.3
