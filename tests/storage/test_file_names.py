from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from imagewright.catalog.load import catalog
from imagewright.storage.paths.path_syntax import LONGEST_NAME, check_name, nearest_name, numbered
from imagewright.storage.records import (
    EXTENSIONS,
    LONGEST_SLUG,
    comparable,
    default_name,
    extension,
    new_id,
    slug,
    with_real_extension,
)
from tests.storage.stores_bench import picture

PROMPTS = {
    "A red fox, in deep snow!": "a-red-fox-in-deep-snow",
    "  tabs\tand\nlines ": "tabs-and-lines",
    "Ünïcödé straße Łódź Ærø": "unicode-strasse-lodz-aero",
    "the sailor's parrot": "the-sailors-parrot",
    "a fox 狐 in the снег": "a-fox-in-the",
    "4K photo": "4k-photo",
    "../../etc/passwd": "etc-passwd",
    "CON": "con",
    "a very long prompt that goes on and on about nothing": "a-very-long-prompt-that-goes-on-and-on",
    "x" * 100: "x" * LONGEST_SLUG,
    "狐": "",
    "лиса в снегу": "",
    "ثعلب": "",
    "🦊🦊": "",
    "": "",
    "\0\x1b[31m": "31m",
}


@pytest.mark.parametrize(("prompt", "words"), PROMPTS.items())
def test_slug(prompt: str, words: str) -> None:
    assert slug(prompt) == words


@pytest.mark.parametrize("prompt", [*PROMPTS, "\ud800"])
@pytest.mark.parametrize("tool", catalog())
def test_the_default_name_suits_every_platform(tool: str, prompt: str) -> None:
    name = default_name(picture(tool=tool, operation="remove_background", prompt=prompt, format="jpeg"), new_id())
    check_name(name)
    assert re.fullmatch(rf"\d{{8}}-\d{{6}}_{tool}_[a-z0-9-]{{1,40}}_[a-z2-7]{{6}}\.jpg", name)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("holiday 2024.small", "holiday 2024.small"),
        ("fu\u0308r", "fu\u0308r"),
        ("star*", "star_"),
        ('a<b>:"/\\|?*', "a_b________"),
        ("line\nbreak\x1b", "line_break_"),
        ("hidden\u202egnp", "hidden_gnp"),
        ("\udcff", "_"),
        ("--dash", "dash"),
        (" dots. .", "dots"),
        ("con", "_con"),
        ("...", "_"),
        ("", "_"),
        ("狐" * 100, "狐" * 77),
    ],
)
def test_the_nearest_name_suits_every_platform(name: str, nearest: str) -> None:
    assert nearest_name(name) == nearest
    check_name(nearest)
    assert len(nearest.encode()) < LONGEST_NAME - len("-100")


def test_default_names_sort_by_time_and_never_agree() -> None:
    moments = [datetime(2026, 1, 2, 3, 4, second, tzinfo=UTC) for second in range(50)]
    names = [default_name(picture(created=moment, prompt="fox"), new_id()) for moment in moments]
    assert names == sorted(names)
    same = {default_name(picture(created=moments[0], prompt="fox"), new_id()) for _ in range(50)}
    assert len(same) == 50


@pytest.mark.parametrize(
    ("name", "form", "real"),
    [
        ("cat.png", "jpeg", "cat.jpg"),
        ("cat.PNG", "png", "cat.PNG"),
        ("cat.jpeg", "jpeg", "cat.jpeg"),
        ("cat.jfif", "jpeg", "cat.jfif"),
        ("cat.jpg", "webp", "cat.webp"),
        ("cat.svg", "png", "cat.png"),
        ("cat", "png", "cat.png"),
        ("cat.v2", "png", "cat.v2.png"),
        ("v1.2.png", "webp", "v1.2.webp"),
        (".png", "png", ".png.png"),
        (".bashrc", "png", ".bashrc.png"),
        ("cat.exe", "png", "cat.exe.png"),
        ("cat.heif", "heic", "cat.heif"),
        ("cat.png", "jxl", "cat.jxl"),
    ],
)
def test_the_extension_follows_the_real_type(name: str, form: str, real: str) -> None:
    assert with_real_extension(name, form) == real


def test_every_format_a_row_accepts_has_an_extension() -> None:
    formats = {form for row in catalog().values() for form in row.pictures.formats}
    assert formats <= set(EXTENSIONS)
    assert extension("jpeg") == "jpg"


@pytest.mark.parametrize(("name", "second"), [("fox.png", "fox-2.png"), ("a.b.png", "a.b-2.png"), ("fox", "fox-2")])
def test_numbered(name: str, second: str) -> None:
    assert numbered(name, 2) == second


@pytest.mark.parametrize(
    ("one", "other"), [("ÉCLAIR", "eclair"), ("Straße", "STRASSE"), ("ﬁne", "fine"), ("\uff21", "a"), ("한국", "한국")]
)
def test_comparable_makes_forms_of_a_word_one(one: str, other: str) -> None:
    assert comparable(one) == comparable(other)
