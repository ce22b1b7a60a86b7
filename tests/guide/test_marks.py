"""Placeholders, references and conditions in a page."""

from __future__ import annotations

import pytest

from imagewright.catalog.row import Argument, Operation, OperationName, PictureLimits, Row
from imagewright.errors import CatalogError
from imagewright.guide.render import Offered, overview, page, render


def made(tool: str, **operations: dict[str, Argument]) -> Row:
    return Row(
        tool=tool,
        title=tool.title(),
        place=1,
        character="plain",
        first_choice="tests",
        pictures=PictureLimits(formats=("png", "webp"), max_bytes=5_000_000, max_side=4096),
        operations={
            OperationName(name): Operation(rank=1, when=f"{tool} tests", arguments=arguments)
            for name, arguments in operations.items()
        },
    )


COUNT = Argument(kind="integer", describe="x", minimum=1, maximum=6, default=2)
SHAPE = Argument(kind="choice", describe="x", values=("1:1", "4:3", "3:4"))
IMAGES = Argument(kind="pictures", describe="x", min_items=1, max_items=10)
MASK = Argument(kind="picture", describe="x")
FULL = made("alpha", generate={"count": COUNT, "shape": SHAPE}, edit={"images": IMAGES, "mask": MASK})
NARROW = made("alpha", generate={"shape": SHAPE})
OTHER = made("beta", generate={"count": COUNT})


def rendered(text: str, row: Row | None, *rows: Row) -> str:
    known = {"alpha": FULL, "beta": OTHER}
    return render(text, Offered(page="test.md", row=row, rows={one.tool: one for one in rows}, known=known))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{generate.count.maximum}}", "6"),
        ("{{generate.count.default}} of {{generate.count.range}}", "2 of 1-6"),
        ("{{generate.shape.values}}", "1:1, 4:3 or 3:4"),
        ("{{edit.images.range}}", "1-10"),
        ("{{pictures.max_bytes}}, {{pictures.max_side}} px", "5 MB, 4096 px"),
        ("{{pictures.formats}}", "PNG or WebP"),
        ("{{title}} is `{{tool}}`", "Alpha is `alpha`"),
        ("{{beta:generate.count.maximum}}", "6"),
        ("see [[beta]]", "see `beta`"),
        ("see [[beta:generate.count]]", "see `beta`"),
        ("it takes one. {{only:edit.mask}}", "it takes one."),
        ("```\n{{untouched}}\n```", "```\n{{untouched}}\n```"),
        ("no marks", "no marks"),
    ],
)
def test_marks_stand_for_what_the_row_says(text: str, words: str) -> None:
    assert rendered(text, FULL, FULL, OTHER) == f"{words}\n"


@pytest.mark.parametrize(
    "line",
    [
        "{{generate.count.maximum}}",
        "{{edit.images.range}}",
        "line {{only:edit}}",
        "line {{only:edit.mask}}",
        "see [[beta]]",
        "{{beta:generate.count.maximum}}",
        "twice {{generate.shape.values}} and [[beta:generate]]",
    ],
)
def test_a_line_about_what_is_not_on_offer_is_dropped_whole(line: str) -> None:
    assert rendered(f"before\n- {line}\nafter", NARROW, NARROW) == "before\nafter\n"


@pytest.mark.parametrize(
    "mark",
    [
        "{{generate.cuont.maximum}}",
        "{{generate.count.maximun}}",
        "{{genrate.count.maximum}}",
        "{{reframe.count.maximum}}",
        "{{generate.shape.maximum}}",
        "{{generate.shape.default}}",
        "{{pictures.max_megapixels}}",
        "{{pictures.min_bytes}}",
        "{{titel}}",
        "{{}}",
        "{{gamma:generate.count.maximum}}",
        "{{beta:edit.images.range}}",
        "{{only:dream}}",
        "{{only:edit.maks}}",
        "{{sometimes:edit.mask}}",
        "[[gamma]]",
        "[[beta:edit]]",
        "[[beta:dream]]",
    ],
)
def test_a_mark_that_could_never_stand_for_anything_is_named(mark: str) -> None:
    with pytest.raises(CatalogError) as caught:
        rendered(f"text {mark}", FULL, FULL, OTHER)
    assert "guide/pages/test.md" in str(caught.value)
    assert mark in str(caught.value)


def test_the_overview_needs_the_tool_in_a_placeholder() -> None:
    assert rendered("{{alpha:edit.images.range}}", None, FULL) == "1-10\n"
    with pytest.raises(CatalogError, match="overview"):
        rendered("{{edit.images.range}}", None, FULL)


def test_a_condition_in_the_overview_asks_any_row() -> None:
    text = "a {{only:edit.mask}}\nb {{only:generate}}"
    assert rendered(text, None, FULL, OTHER) == "a\nb\n"
    assert rendered(text, None, NARROW, OTHER) == "b\n"


def test_a_condition_on_a_heading_decides_about_its_section() -> None:
    text = "# T\n\n## One {{only:edit}}\n\na\n\n### Sub\n\nb\n\n## Two\n\nc\n"
    assert rendered(text, FULL, FULL) == "# T\n\n## One\n\na\n\n### Sub\n\nb\n\n## Two\n\nc\n"
    assert rendered(text, NARROW, NARROW) == "# T\n\n## Two\n\nc\n"


def test_a_section_that_has_lost_all_its_lines_goes_with_them() -> None:
    text = "# T\n\n## One\n\n- [[beta]]\n\n## Two\n\n### Sub\n\n- [[beta]]\n\n## Three\n\nx\n"
    assert rendered(text, NARROW, NARROW) == "# T\n\n## Three\n\nx\n"


def test_a_hash_inside_a_fence_is_no_heading() -> None:
    text = "# T\n\n```\n# not a heading\n\n\n## nor this\n```\n"
    assert rendered(text, FULL, FULL) == text


def test_blocks_follow_the_rows_on_offer() -> None:
    choices = rendered("{{choices}}", None, FULL, OTHER)
    assert choices.index("`alpha`: alpha tests") < choices.index("`beta`: beta tests")
    assert "beta" not in rendered("{{models}}\n\n{{table}}\n\n{{choices}}\n\n{{limits}}", None, FULL)
    arguments = rendered("{{arguments}}", FULL, FULL)
    assert "| `count` | 1-6 | 2 | x |" in arguments
    assert "| `images` | 1-10 in a list | none | x |" in arguments
    assert "`count`" not in rendered("{{arguments}}", NARROW, NARROW)


def test_an_eighth_row_is_in_the_overview_by_itself_and_asks_for_its_page() -> None:
    text = overview([FULL])
    assert text.count("`alpha`") >= 2
    assert "| alpha |" in text
    with pytest.raises(CatalogError, match=r"guide/pages/alpha\.md"):
        page(FULL, [FULL])
