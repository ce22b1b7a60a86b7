"""Input pictures and the limits of a route: who can take them as they are, and what they are turned into."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.catalog.load import catalog
from imagewright.catalog.row import ANY, OperationName
from imagewright.engine.check import check
from imagewright.engine.choose import candidates, explain
from imagewright.engine.inputs import READ_BYTES, READ_BYTES_TOGETHER, reading_limits
from imagewright.engine.pictures import EXACT, Source, form_of, form_problems, is_reduced, prepare_all, too_large
from imagewright.errors import Refusal
from imagewright.imaging.files import PictureFacts, probe
from imagewright.providers.base import PictureForm, Price, Route
from tests.support.pictures import mask_of, noise, opened, photo, saved

if TYPE_CHECKING:
    from imagewright.catalog.row import Row

EXACT_ROWS = [(row, operation) for row in catalog().values() for operation in row.operations if operation in EXACT]
TOOL = next(row.tool for row in catalog().values() if OperationName.EDIT in row.operations)
WAY_OUT = "it would do"
PLAIN = PictureForm(formats=("png", "jpeg"))


def route_of(form: PictureForm, operation: OperationName = OperationName.EDIT, provider: str = "vendor") -> Route:
    row = next((row for row, one in EXACT_ROWS if one is operation), catalog()[TOOL])
    takes = dict.fromkeys(row.operations[operation].arguments, ANY)
    return Route(
        provider=provider,
        tool=row.tool,
        operation=operation,
        edition=next(iter(row.editions), ""),
        model=f"{provider}/model-1",
        takes={name: limits for name, limits in takes.items() if name != "model"},
        pictures=form,
        price=Price(usd=0.1),
    )


def source_of(data: bytes, argument: str = "images[0]") -> Source:
    return Source(argument, "photo", data, probe(data))


def facts_of(width: int, height: int, size: int = 1000) -> PictureFacts:
    return PictureFacts("png", width, height, orientation=1, frames=1, has_alpha=False, size=size)


@pytest.mark.parametrize(
    ("form", "facts", "exact", "reduced"),
    [
        (PLAIN, facts_of(5000, 5000), "", False),
        (replace(PLAIN, max_pixels=1_000_000), facts_of(1000, 1000), "", False),
        (
            replace(PLAIN, max_pixels=1_000_000),
            facts_of(1000, 1001),
            "is 1000x1001 px, 1,001,000 pixels in all, and the limit is 1,000,000: made smaller, to 999x999 px, "
            + WAY_OUT,
            True,
        ),
        (
            replace(PLAIN, max_side=1000),
            facts_of(2000, 500),
            "is 2000x500 px, and the limit is 1,000 px per side: made smaller, to 1000x250 px, " + WAY_OUT,
            True,
        ),
        (
            replace(PLAIN, max_bytes=2_000_000),
            facts_of(1000, 1000, 3_000_000),
            "has 3 MB, and the limit is 2 MB: saved as JPEG or WebP it may do",
            True,
        ),
        (replace(PLAIN, max_bytes=2_000_000), replace(facts_of(1000, 1000, 3_000_000), format="heic"), "", False),
    ],
    ids=["no limit", "just small enough", "pixels", "side", "bytes", "bytes of what is converted anyway"],
)
@pytest.mark.parametrize("operation", [OperationName.EDIT, OperationName.UPSCALE])
def test_a_limit_rules_a_route_out_only_where_every_pixel_counts(
    operation: OperationName, form: PictureForm, facts: PictureFacts, exact: str, *, reduced: bool
) -> None:
    route = route_of(form, operation)
    sources = [Source("images[0]", "photo", b"", facts)]
    assert form_problems(sources, route, None) == ([f"images[0] {exact}"] if exact and operation in EXACT else [])
    assert is_reduced(sources, route) == reduced


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((300, 300), ""),
        ((300, 299), "is 300x299 px, and each side needs at least 300 px"),
        ((4000, 500), "is 4000x500 px, made smaller 2000x250 px, and each side needs at least 300 px"),
    ],
)
def test_a_picture_that_is_or_would_be_too_small_is_never_made_larger(size: tuple[int, int], words: str) -> None:
    sources = [Source("images[0]", "photo", b"", facts_of(*size))]
    found = form_problems(sources, route_of(replace(PLAIN, min_side=300, max_side=2000)), None)
    assert found == ([f"images[0] {words}"] if words else [])


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((1600, 100), ""),
        ((100, 1600), ""),
        ((1601, 100), "is 1601x100 px, and the limit is 16 times as long as wide: cut to such a shape, it would do"),
        ((100, 1700), "is 100x1700 px, and the limit is 16 times as long as wide: cut to such a shape, it would do"),
    ],
)
def test_a_picture_may_be_too_long_for_a_route(size: tuple[int, int], words: str) -> None:
    sources = [Source("images[0]", "photo", b"", facts_of(*size))]
    found = too_large(sources, route_of(replace(PLAIN, widest=16)), None)
    assert found == ([f"images[0] {words}"] if words else [])


@pytest.mark.parametrize(
    ("limits", "size", "scale", "words"),
    [
        ({"max_output_pixels": 1_000_000}, (600, 400), 2, ""),
        (
            {"max_output_pixels": 1_000_000},
            (600, 400),
            3,
            "is 600x400 px, 240,000 pixels in all, and the limit is 111,",
        ),
        ({"max_output_side": 2000}, (600, 400), 3, ""),
        ({"max_output_side": 2000}, (600, 400), 4, "is 600x400 px, and the limit is 500 px per side: made smaller, to"),
        # the vendor makes four times the sides, whatever less was asked for
        ({"max_output_side": 2000, "scales": (1, 4)}, (600, 400), 2, "is 600x400 px, and the limit is 500 px per side"),
        # larger than any picture that is read here: it would be paid for and could not be opened
        ({}, (4096, 4096), 4, ""),
        ({}, (4096, 4097), 4, "is 4096x4097 px, 16,781,312 pixels in all, and the limit is 16,777,216: made smaller"),
        ({"max_output_pixels": 10**9}, (6000, 4000), 4, "is 6000x4000 px, 24,000,000 pixels in all, and the limit is"),
        ({"max_output_pixels": 10**9}, (6000, 4000), 3, ""),
        ({}, (16_384, 16_384), 1, ""),
    ],
)
def test_what_an_enlargement_may_come_to_limits_its_input(
    limits: dict[str, Any], size: tuple[int, int], scale: int, words: str
) -> None:
    route = replace(route_of(PLAIN, OperationName.UPSCALE), **({"scales": (1, 2, 3, 4)} | limits))
    found = form_problems([Source("images[0]", "photo", b"", facts_of(*size))], route, scale)
    assert [one[: len("images[0] ") + len(words)] for one in found] == ([f"images[0] {words}"] if words else [])


@pytest.mark.parametrize(
    ("size", "scales", "words"),
    [
        ((6000, 4000), (1, 2, 3, 4), "it would do; so would a scale of 3"),
        ((6000, 4000), (1, 2, 4), "it would do; so would a scale of 2"),
        ((6000, 4000), (4,), "it would do"),
        ((16_385, 16_384), (1, 2, 4), "it would do"),
    ],
)
def test_an_enlargement_that_would_be_too_large_is_led_to_a_smaller_one(
    size: tuple[int, int], scales: tuple[int, ...], words: str
) -> None:
    route = replace(route_of(PLAIN, OperationName.UPSCALE), scales=scales)
    (found,) = too_large([Source("images[0]", "photo", b"", facts_of(*size))], route, 4)
    assert found.endswith(f" px, {words}")


@pytest.mark.parametrize("row", catalog().values(), ids=lambda row: row.tool)
def test_a_route_is_held_to_the_limits_of_its_row(row: Row) -> None:
    limits = row.pictures
    form = form_of(replace(route_of(PictureForm(max_bytes=10**12, max_side=10**6)), tool=row.tool))
    assert form.max_bytes == limits.max_bytes
    assert form.max_side == (limits.max_side or 10**6)
    assert form.min_side == limits.min_side
    assert form.max_pixels == (limits.max_megapixels and int(limits.max_megapixels * 1_000_000))


@pytest.mark.parametrize("count", [1, 4, 14])
def test_more_is_read_than_is_sent_but_not_without_end(count: int) -> None:
    checked = check(catalog()[TOOL], {"prompt": "join them", "images": ["photo.png"] * count})
    limits = reading_limits(checked)
    assert limits.max_bytes * count <= max(READ_BYTES_TOGETHER, checked.row.pictures.max_bytes * count)
    assert checked.row.pictures.max_bytes <= limits.max_bytes <= READ_BYTES
    assert (limits.max_megapixels, limits.max_side) == (None, None)


@pytest.mark.parametrize(
    ("row", "operation"), EXACT_ROWS, ids=[f"{row.tool}-{operation}" for row, operation in EXACT_ROWS]
)
def test_where_every_pixel_counts_the_rows_limits_are_those_of_reading(row: Row, operation: OperationName) -> None:
    wanted = {"picture": "photo.png", "pictures": ["photo.png"]}
    arguments = row.operations[operation].arguments
    given = {name: wanted[one.kind] for name, one in arguments.items() if one.kind in wanted}
    checked = check(row, given | {name: 2 for name in arguments if name == "scale"})
    assert checked.operation is operation
    assert reading_limits(checked) == row.pictures


def test_a_route_that_takes_a_picture_as_it_is_comes_before_one_for_which_it_is_made_smaller() -> None:
    small = replace(route_of(replace(PLAIN, max_side=100), provider="cheap"), price=Price(usd=0.01))
    whole = route_of(PLAIN, provider="dear")
    checked = check(catalog()[TOOL], {"prompt": "add a kite", "images": ["photo.png"]})
    for size, first in (((100, 80), "cheap"), ((101, 80), "dear")):
        sources = [source_of(photo(*size))]
        examined = candidates(checked, [small, whole], None, sources)
        assert examined[0].route.provider == first
        assert not any(one.against for one in examined)
        later = explain(examined, ordered=False)[1]
        assert ("a picture would be made smaller for it" in later) == (first == "dear")
    in_order = candidates(checked, [small, whole], ["cheap", "dear"], [source_of(photo(101, 80))])
    assert in_order[0].route.provider == "cheap"


@pytest.mark.anyio
async def test_what_is_made_smaller_is_said_with_both_sizes_and_for_whom() -> None:
    sources = [source_of(photo(800, 600)), source_of(photo(300, 200), "images[1]")]
    images, _, notes = await prepare_all(sources, route_of(replace(PLAIN, max_side=400)))
    assert [(one.width, one.height) for one in images] == [(400, 300), (300, 200)]
    assert images[1].data == sources[1].data
    (note,) = notes
    assert note.startswith("images[0], for vendor: 800x600 px (0.5 megapixels) made smaller to 400x300 px, ")


@pytest.mark.anyio
@pytest.mark.parametrize("place", [0, 1])
async def test_a_mask_is_made_smaller_with_its_image(place: int) -> None:
    sources = [source_of(noise(320, 240))]
    sources.insert(place, source_of(mask_of(320, 240, (80, 40, 160, 120)), "mask"))
    form = replace(PLAIN, max_side=160, mask="black_is_repainted")
    (image,), mask, _ = await prepare_all(sources, route_of(form))
    assert mask is not None
    assert (mask.width, mask.height) == (image.width, image.height) == opened(mask.data).size == (160, 120)
    levels = opened(mask.data).histogram()
    assert (levels[0], levels[255]) == (40 * 40, 160 * 120 - 40 * 40)


@pytest.mark.anyio
async def test_a_mask_that_could_be_read_in_two_ways_is_said() -> None:
    both = opened(mask_of(64, 48, (10, 5, 40, 30), "transparent"))
    both.paste((255, 255, 255, 255), (44, 5, 60, 30))
    sources = [source_of(photo()), source_of(saved(both, "png"), "mask")]
    *_, notes = await prepare_all(sources, route_of(replace(PLAIN, mask="white_is_repainted")))
    (note,) = notes
    assert note.startswith("mask, for vendor: it has transparent parts and is also drawn in black and white: only ")


@pytest.mark.anyio
async def test_nothing_is_made_smaller_where_every_pixel_counts() -> None:
    route = route_of(replace(PLAIN, max_side=400), OperationName.UPSCALE)
    with pytest.raises(Refusal, match="not made smaller"):
        await prepare_all([source_of(photo(800, 600))], route)
