"""Which edition serves a call: the one that is named, else the first of the row that can; never one that has ended."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.catalog.facts import COLUMNS, cells
from imagewright.catalog.load import catalog
from imagewright.catalog.row import MODEL, OperationName
from imagewright.engine.check import check
from imagewright.engine.choose import candidates
from imagewright.engine.config import all_routes
from imagewright.engine.offer import effective_row, end_of, endings
from imagewright.providers import KEY_VARIABLES
from imagewright.providers.base import EVERY_EDITION
from tests.support.each import each
from tests.support.provider_runs import PICTURES, effective, example

if TYPE_CHECKING:
    from imagewright.catalog.row import Row
    from imagewright.engine.choose import Candidate
    from imagewright.providers.base import Route

ROUTES = [route for route in all_routes() if route.provider != "offline"]
ANCIENT = date(2026, 1, 1)
"""A day on which nothing that is built in has ended."""
SERVED = sorted({(route.tool, route.provider) for route in ROUTES})
WITH_EDITIONS = [route for route in ROUTES if route.edition]
FILES = {"image": "/pictures/a.png", "mask": "/pictures/mask.png"}
NARROWER = {
    ("qwen", "replicate", "multi-image"): "`qwen` 3.0 edits one picture",
    ("nano_banana", "google", "upscaling"): "`nano_banana`, without enlarging",
}
"""Cells of the promise that the default edition of one vendor does not keep alone, and how docs/providers.md says so in
that provider's line of its table of keys."""
PAGE = (Path(__file__).parents[2] / "docs/providers.md").read_text(encoding="utf-8")
NUMBERS = {5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten", 11: "eleven", 12: "twelve"}


def _name(route: Route) -> str:
    return f"{route.provider}-{route.tool}-{route.operation}-{route.edition}"


def _least(route: Route) -> dict[str, Any]:
    taken = effective(route)
    return {
        name: FILES.get(name) or (["/pictures/a.png"] * (one.min_items or 1) if name in PICTURES else example(one))
        for name, one in taken.items()
        if one.required or name in route.needs
    }


def _best(tool: str, given: dict[str, Any], routes: list[Route]) -> Candidate:
    checked = check(catalog()[tool], given)
    assert not checked.problems
    return candidates(checked, [route for route in routes if route.tool == tool], None)[0]


def _default(row: Row, routes: list[Route]) -> str:
    """The edition that a vendor serves a call with which names none and asks for nothing special."""
    return next((name for name in row.editions if any(route.edition == name for route in routes)), "")


@each(SERVED)
def test_the_promise_holds_for_the_default_edition_of_every_vendor(tool: str, provider: str) -> None:
    row = catalog()[tool]
    own = [route for route in ROUTES if (route.tool, route.provider) == (tool, provider)]
    default = _default(row, own)
    alone = effective_row(row, [route for route in own if route.edition in ("", default)], ANCIENT)
    assert alone is not None
    promised = dict(zip(COLUMNS, cells(row), strict=True))
    kept = {heading: cell(alone) for heading, cell in COLUMNS.items()}
    missing = {heading for heading, cell in kept.items() if cell != promised[heading]}
    assert missing == {heading for one, who, heading in NARROWER if (one, who) == (tool, provider)}, kept


@pytest.mark.parametrize("cell", NARROWER, ids="-".join)
def test_the_page_on_keys_says_which_promise_one_key_does_not_keep(cell: tuple[str, str, str]) -> None:
    assert NARROWER[cell] in _line(cell[1])


@each(SERVED)
def test_the_page_on_keys_says_where_one_key_has_no_mask_or_fewer_shapes(tool: str, provider: str) -> None:
    row = catalog()[tool]
    own = effective_row(row, [one for one in ROUTES if (one.tool, one.provider) == (tool, provider)], ANCIENT)
    assert own is not None
    lacks_mask = "mask" in row.arguments() and "mask" not in own.arguments()
    assert (f"`{tool}` without a mask" in _line(provider)) is lacks_mask
    whole, shapes = (one.operations.get(OperationName.REFRAME) for one in (row, own))
    if whole and shapes:
        values = shapes.arguments["aspect_ratio"].values or ()
        fewer = values != whole.arguments["aspect_ratio"].values
        assert (f"in {NUMBERS[len(values)]} shapes" in _line(provider)) is fewer


def _line(provider: str) -> str:
    """The provider's line in the page's table of keys."""
    return next(line for line in PAGE.splitlines() if line.startswith(f"| `{KEY_VARIABLES[provider][0]}`"))


@each([(route,) for route in WITH_EDITIONS], _name)
def test_an_edition_that_is_named_is_the_one_that_serves(route: Route) -> None:
    own = [one for one in ROUTES if one.provider == route.provider]
    best = _best(route.tool, _least(route) | {MODEL: route.edition}, own)
    assert not best.against
    assert best.route.edition == route.edition
    others = {one.route.edition for one in candidates(best.checked, own, None) if not one.against}
    assert others == {route.edition}


@each(SERVED)
def test_left_out_the_first_that_can_serves(tool: str, provider: str) -> None:
    row = catalog()[tool]
    own = [route for route in ROUTES if (route.tool, route.provider) == (tool, provider)]
    for operation in {route.operation for route in own if route.edition}:
        plain = [route for route in own if route.operation == operation]
        best = _best(tool, _least(plain[0]), own)
        assert best.route.edition == _default(row, plain)


@each([(route,) for route in WITH_EDITIONS], _name)
def test_what_only_later_editions_take_leads_to_the_first_of_them(route: Route) -> None:
    own = [one for one in ROUTES if one.provider == route.provider and one.tool == route.tool]
    order = list(catalog()[route.tool].editions)
    for name, argument in effective(route).items():
        for value in argument.values or ():
            given = _least(route) | {name: value}
            checked = check(catalog()[route.tool], given)
            able = [one.route for one in candidates(checked, own, None) if not one.against]
            if not checked.problems and able:
                assert able[0].edition == min((one.edition for one in able), key=order.index)


def test_an_edition_that_has_ended_is_not_offered_and_a_route_ends_alone() -> None:
    route = next(route for route in WITH_EDITIONS if not end_of(route))
    ending = replace(route, ends="2026-06-01")
    row = catalog()[route.tool]
    for today, there in ((date(2026, 5, 31), True), (date(2026, 6, 1), False)):
        living = [one for one in [ending] if end_of(one) > today.isoformat()]
        assert bool(living) == there
    assert [(one.tool, one.ends, one.models) for one in endings([ending], date(2026, 5, 1))] == [
        (route.tool, "2026-06-01", (route.model,))
    ]
    assert endings([ending], date(2026, 4, 1)) == []
    assert row.editions[route.edition].title


def test_the_user_s_order_of_providers_comes_before_the_order_of_editions() -> None:
    tool = WITH_EDITIONS[0].tool
    row = catalog()[tool]
    plain = [route for route in WITH_EDITIONS if route.tool == tool and route.operation is OperationName.GENERATE]
    checked = check(row, _least(plain[0]))
    names = list(dict.fromkeys(route.provider for route in plain))
    for order in (names, names[::-1]):
        assert candidates(checked, plain, order)[0].route.provider == order[0]


def test_what_the_configuration_prefers_comes_first_at_its_vendor() -> None:
    for route in WITH_EDITIONS:
        own = [one for one in ROUTES if (one.provider, one.tool) == (route.provider, route.tool)]
        wanted = [replace(one, preferred=one == route) for one in own]
        assert _best(route.tool, _least(route), wanted).route.model == route.model


def test_several_variants_go_first_to_what_makes_related_sets() -> None:
    makers = {(route.tool, route.provider) for route in ROUTES if route.makes_sets}
    assert makers
    for tool, provider in makers:
        own = [route for route in ROUTES if (route.tool, route.provider) == (tool, provider)]
        plain = next(route for route in own if route.operation is OperationName.GENERATE)
        assert _best(tool, _least(plain) | {"variants": 3}, own).route.makes_sets


def test_offline_serves_every_edition() -> None:
    own = [route for route in all_routes() if route.provider == "offline"]
    for row in catalog().values():
        forms = row.arguments().get(MODEL, ())
        for name in dict.fromkeys(value for form in forms for value in form.values or ()):
            operation = next(iter(OperationName))
            route = next(one for one in own if one.tool == row.tool and one.operation == operation)
            best = _best(row.tool, _least(route) | {MODEL: name}, own)
            assert (best.route.edition, best.against) == (EVERY_EDITION, ())
