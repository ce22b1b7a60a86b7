"""Splitting a call, settling a ratio, who is asked next, and what makes two calls the same."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from imagewright.catalog.load import catalog
from imagewright.catalog.nearest import nearest_ratio
from imagewright.catalog.row import Limits, OperationName
from imagewright.engine.check import check
from imagewright.engine.choose import candidates, split
from imagewright.engine.pictures import Source, fingerprint
from imagewright.engine.plan import first_plan, next_plan
from imagewright.imaging.files import probe
from imagewright.providers.base import Price
from tests.support.engine_bench import candidate_for, route_of
from tests.support.pictures import photo

ROW = next(row for row in catalog().values() if OperationName.EDIT in row.operations)
CAT, DOG = photo(32, 24), photo(24, 32)


@pytest.mark.parametrize(
    ("count", "sizes", "shares"),
    [
        (1, (1,), [(1, 1)]),
        (3, (1, 2, 4), [(1, 2), (3, 1)]),
        (4, (1, 2, 4), [(1, 4)]),
        (4, (1,), [(1, 1), (2, 1), (3, 1), (4, 1)]),
        (6, (1, 2, 4), [(1, 4), (5, 2)]),
        (5, (1, 2, 3, 4, 5, 6), [(1, 5)]),
    ],
)
def test_variants_are_fanned_out_largest_first(
    count: int, sizes: tuple[int, ...], shares: list[tuple[int, int]]
) -> None:
    assert list(split(count, sizes)) == shares


@pytest.mark.parametrize(
    ("size", "ratio"),
    [
        ((1000, 1000), "1:1"),
        ((1920, 1080), "16:9"),
        ((1080, 1920), "9:16"),
        ((1600, 1200), "4:3"),
        ((5000, 400), "16:9"),
    ],
)
def test_the_nearest_ratio_is_nearest_by_proportion(size: tuple[int, int], ratio: str) -> None:
    assert nearest_ratio(*size, ("1:1", "4:3", "3:4", "16:9", "9:16")) == ratio


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("limited", "prices", "asked"),
    [
        (False, (0.1, 0.2, None), ["first", "second", "third"]),
        (True, (0.1, 0.2, 0.1), ["first", "third"]),
        (True, (0.1, None, 0.05), ["first", "third"]),
        (True, (None, 0.1, 0.0), ["first", "third"]),
    ],
)
async def test_with_a_budget_no_later_provider_may_cost_more_than_was_agreed(
    prices: tuple[float | None, ...], asked: list[str], *, limited: bool
) -> None:
    names = ("first", "second", "third")
    able = [candidate_for(route_of(name), usd=usd) for name, usd in zip(names, prices, strict=True)]
    plan = replace(await first_plan(able, limited=limited), choice=("why",))
    found = [plan]
    while (following := await next_plan(found[-1], gone=False)) is not None:
        found.append(following)
    assert [one.route.provider for one in found] == asked
    assert {one.choice for one in found} == {("why",)}


@pytest.mark.anyio
async def test_a_provider_whose_form_the_pictures_cannot_take_is_passed_over() -> None:
    source = Source("images[0]", "/cat.png", CAT, probe(CAT))
    first, small, last = (route_of(name) for name in ("first", "small", "last"))
    small = replace(small, pictures=replace(small.pictures, max_bytes=10))
    able = [replace(candidate_for(route), sources=(source,)) for route in (first, small, last)]
    following = await next_plan(await first_plan(able, limited=False), gone=False)
    assert following is not None
    assert following.route == last
    assert await next_plan(following, gone=False) is None


@pytest.mark.anyio
async def test_an_enlargement_is_priced_by_the_factor_the_vendor_has() -> None:
    row, operation = next(
        (row, name) for row in catalog().values() for name, one in row.operations.items() if "scale" in one.selected_by
    )
    checked = check(row, {"images": ["/cat.png"], "scale": 3})
    assert checked.problems == ()
    price = Price(usd=None, by=("scale",), table={2: 0.1, 4: 0.4})
    takes = dict.fromkeys(row.operations[operation].arguments, Limits())
    route = replace(route_of("vendor"), tool=row.tool, operation=operation, takes=takes, scales=(2, 4), price=price)
    source = Source("images[0]", "/cat.png", CAT, probe(CAT))
    able = candidates(checked, [route], None, [source])
    plan = await first_plan(able, limited=True)
    assert (able[0].usd, plan.spec.usd, plan.orders[0].arguments["scale"]) == (0.4, 0.4, 4)
    assert plan.spec.exact_size == (3 * 32, 3 * 24)


@pytest.mark.anyio
async def test_a_reply_says_what_auto_stands_for_where_the_vendor_has_the_argument() -> None:
    row, name, default = next(
        (row, name, one.default)
        for row in catalog().values()
        for name, one in row.operations.get(
            OperationName.GENERATE, ROW.operations[OperationName.EDIT]
        ).arguments.items()
        if one.values and not one.compared and one.default is not None
    )
    checked = check(row, {"prompt": "a kite", name: "auto"})
    notes = {}
    for taken in (("prompt", name), ("prompt",)):
        takes = dict.fromkeys(taken, Limits())
        route = replace(route_of("vendor"), tool=row.tool, operation=checked.operation, takes=takes)
        notes[taken] = (await first_plan(candidates(checked, [route], None), limited=False)).notes
    assert notes == {("prompt", name): (f"{name}: auto means {default} here.",), ("prompt",): ()}


def of(pictures: tuple[bytes, ...] = (), row: Any = ROW, text: str = "/cat.png", **given: Any) -> str:
    if pictures:
        given["images"] = [f"{text}{place}" for place in range(len(pictures))]
    sources = [
        Source(f"images[{place}]", text, b"", probe(data), digest=sha256(data).hexdigest())
        for place, data in enumerate(pictures)
    ]
    return fingerprint(check(row, given), sources)


def test_the_same_call_is_the_same_whatever_the_order_of_its_arguments() -> None:
    assert of(prompt="a fox", variants=2) == of(variants=2, prompt="a fox")


def test_a_picture_counts_by_its_bytes_and_not_by_its_address() -> None:
    assert of((CAT,), prompt="a fox") == of((CAT,), prompt="a fox", text="https://example.com/")
    assert of((CAT,), prompt="a fox") != of((DOG,), prompt="a fox")


def test_the_order_of_pictures_counts() -> None:
    assert of((CAT, DOG), prompt="a fox") != of((DOG, CAT), prompt="a fox")


@pytest.mark.parametrize(
    "changed", [{"prompt": "a fox."}, {"prompt": "a fox", "seed": 2}, {"prompt": "a fox", "save_as": "fox.png"}]
)
def test_any_other_argument_makes_another_call(changed: dict[str, Any]) -> None:
    assert of(prompt="a fox", seed=1) != of(**changed)


@pytest.mark.parametrize(
    "spelt",
    [
        {"variants": 2.0},
        {"variants": "2"},
        {"variants": " 2.0 "},
        {"save_as": '"fox.png"'},
        {"negative_prompt": "", "images": [], "aspect_ratio": None},
    ],
    ids=str,
)
def test_the_same_call_is_the_same_however_it_is_spelt(spelt: dict[str, Any]) -> None:
    plain: dict[str, Any] = {"prompt": "a fox", "variants": 2, "save_as": "fox.png"}
    spelt = {name: value for name, value in spelt.items() if name in ROW.arguments()}
    assert of(**plain | spelt) == of(**plain)


def test_another_tool_makes_another_call() -> None:
    other = next(row for row in catalog().values() if row is not ROW and OperationName.GENERATE in row.operations)
    assert of(prompt="a fox") != of(prompt="a fox", row=other)
