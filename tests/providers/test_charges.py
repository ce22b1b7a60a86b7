"""Numbers that vendors report, of money above all: believed where they can be true, else unknown, and no exception."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import imagewright.providers
from imagewright.errors import ProviderError
from imagewright.providers.ark.replies import read_images
from imagewright.providers.base import Running
from imagewright.providers.bfl.replies import read_standing
from imagewright.providers.common.fields import MOST_USD, decimal, seed, usd
from imagewright.providers.dashscope.replies import read_submitted
from imagewright.providers.fal.replies import read_result
from imagewright.providers.ideogram.replies import read_made
from imagewright.providers.kie.replies import read_flux_kontext, read_market
from tests.support.poll_answers import LINK, LONG
from tests.support.provider_runs import effective
from tests.support.replies import ended, finished, reply
from tests.support.vendors import VENDORS, routes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagewright.providers.base import Route
    from imagewright.providers.http.request import Reply

    Read = Callable[[str], object]
    """Reads an answer in which a number stands so."""

CANNOT_BE = (
    '"NaN"', "NaN", "1e400", "-1e400", "Infinity", '"inf"', '"1e308"', "1e308", "-3", "-1000", '"-0.5"', "true",
    "false", "null", LONG, f'"{LONG}"', f"-{LONG}", '""', '"free"', "[5]", '{"usd": 5}', "1000000",
)  # fmt: skip
"""As they stand in the answer's JSON."""
CAN_BE = {"5": 5.0, "4.5": 4.5, '"5.0"': 5.0, "0": 0.0, '"0"': 0.0, "4.8": 4.8}


CHARGES = {
    f"{name}, {kind}" if kind else name: charge
    for name, vendor in VENDORS.items()
    for kind, charge in vendor.charges.items()
}
"""USD of one of its units, and how its answer is read, by vendor."""
BY_TOKENS = "openai"
"""It reports no money and no units of it, but tokens of three prices; see its own tests."""


def test_no_vendor_that_reports_a_cost_is_missing() -> None:
    folder = Path(imagewright.providers.__file__).parent
    reporting = {file.parent.name for file in folder.glob("*/replies.py") if "cost_usd" in file.read_text("utf-8")}
    assert reporting == {BY_TOKENS, *(name for name, vendor in VENDORS.items() if vendor.charges)}


@pytest.mark.parametrize("name", CHARGES)
def test_a_charge_that_cannot_be_true_is_unknown_and_the_picture_is_kept(name: str) -> None:
    per_unit, read = CHARGES[name]
    assert {units: read(units).cost_usd for units in CANNOT_BE} == dict.fromkeys(CANNOT_BE)
    assert {units: read(units).cost_usd for units in CAN_BE} == pytest.approx(
        {units: number * per_unit for units, number in CAN_BE.items()}
    )
    assert read(LONG).outputs[0].url == LINK


@pytest.mark.parametrize(("units", "charged"), [("0", False), ("4", True), ("-4", None), ("NaN", None), (LONG, None)])
def test_whether_a_failed_task_was_charged_is_not_taken_from_an_absurd_number(units: str, charged: bool | None) -> None:  # noqa: FBT001 - a column
    body = f'{{"code": 200, "data": {{"state": "fail", "failCode": "500", "creditsConsumed": {units}}}}}'
    assert ended(read_market(reply(body.encode("ascii")))).charged is charged


def test_a_charge_is_reported_in_usd_below_a_hundred() -> None:
    assert [usd(value) for value in (0, 99.99, 100, 1e9, -1e-9, math.inf, None)] == [0.0, 99.99, *[None] * 5]
    assert usd("20000", per_unit=0.004) == 80.0
    assert usd("25000", per_unit=0.004) is None


def test_no_call_of_any_route_comes_near_the_most_that_is_believed() -> None:
    dearest = max(_most(route) for name in VENDORS for route in routes_of(name))
    assert 10 * dearest < MOST_USD < 100 * dearest


def _most(route: Route) -> float:
    """USD of the largest call of a route, with all the pictures it takes."""
    prices = (route.price.usd, *route.price.table.values(), *(price for _, price in route.price.by_side))
    known = [one for one in prices if one is not None]
    most = effective(route)["images"].max_items if "images" in route.takes else 1
    return max(known, default=0.0) * max(route.counts) + route.price.per_input * (most or 1)


@pytest.mark.parametrize(
    ("value", "number"),
    [(5, 5.0), ("0.25", 0.25), (-3, -3.0), (True, None), ("soon", None), (10**400, None), (math.nan, None), ([], None)],
)
def test_a_number_is_finite_or_none(value: Any, number: float | None) -> None:
    assert decimal(value) == number


@pytest.mark.parametrize(
    ("value", "kept"),
    [(0, 0), (2**63 - 1, 2**63 - 1), (2**63, None), (-1, None), (True, None), ("7", None), (7.0, None)],
)
def test_a_seed_is_one_that_can_be_kept(value: Any, kept: int | None) -> None:
    assert seed(value) == kept


def _seeds(reader: Callable[[Reply], object], body: str) -> Read:
    return lambda number: finished(reader(reply((body % number).encode("ascii")))).outputs[0].seed


SEEDS: Mapping[str, Read] = {
    "bfl": _seeds(
        lambda answer: read_standing(answer, None),
        f'{{"status": "Ready", "result": {{"sample": "{LINK}", "seed": %s}}}}',
    ),
    "fal": _seeds(read_result, f'{{"images": [{{"url": "{LINK}"}}], "seed": %s}}'),
    "ideogram": _seeds(read_made, f'{{"data": [{{"url": "{LINK}", "is_image_safe": true, "seed": %s}}]}}'),
}
"""Reads the seed of an answer, by vendor."""


def _share(reader: Callable[[Reply], object], body: str) -> Read:
    def read(number: str) -> object:
        answer = reader(reply((body % number).encode("ascii")))
        assert isinstance(answer, Running)
        return answer.share

    return read


SHARES: Mapping[str, Read] = {
    "bfl": _share(lambda answer: read_standing(answer, None), '{"status": "Generating", "progress": %s}'),
    "kie": _share(read_flux_kontext, '{"code": 200, "data": {"successFlag": 0, "progress": %s}}'),
}
"""Reads how far a task is, by vendor."""


def _charged(reader: Callable[[Reply], object], body: str) -> Read:
    def read(number: str) -> object:
        answer = reader(reply((body % number).encode("ascii")))
        assert isinstance(answer, ProviderError)
        return answer.charged

    return read


COUNTS: Mapping[str, Read] = {
    "ark": _charged(read_images, '{"data": [], "usage": {"generated_images": %s}}'),
    "dashscope": _charged(read_submitted, '{"output": {"choices": []}, "usage": {"image_count": %s}}'),
}
"""Reads whether a call without a picture was charged, from the number of pictures that the answer counts."""
NO_NUMBER = ('"NaN"', "NaN", "1e400", "-1e400", "Infinity", "-3", "true", "false", "null", '""', '"free"', "[5]", "{}")
NO_COUNT = (*NO_NUMBER, LONG, f"-{LONG}", f'"{LONG}"')
REPORTED: Mapping[str, tuple[Mapping[str, Read], Mapping[str, object]]] = {
    "seeds": (
        SEEDS,
        {**dict.fromkeys((*NO_COUNT, "1.5", "7.0", str(2**63))), "0": 0, "7": 7, str(2**63 - 1): 2**63 - 1},
    ),
    "shares": (SHARES, {**dict.fromkeys((*NO_COUNT, "1", "50", "-0.1")), "0": 0.0, "0.25": 0.25, '"0.5"': 0.5}),
    "counts": (COUNTS, {**dict.fromkeys(NO_COUNT), "0": False, "1": True, '"2"': True}),
}


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, (readers, _) in REPORTED.items() for name in readers]
)
def test_a_number_that_cannot_be_true_is_unknown(kind: str, name: str) -> None:
    readers, expected = REPORTED[kind]
    found = {number: readers[name](number) for number in expected}
    assert found == expected
    assert {number: type(value) for number, value in found.items()} == {
        number: type(value) for number, value in expected.items()
    }


@pytest.mark.parametrize("kind", REPORTED)
def test_no_vendor_that_reports_such_a_number_is_missing(kind: str) -> None:
    folder, reader = Path(imagewright.providers.__file__).parent, rf"(?<!\.)\b{kind.removesuffix('s')}\("
    reading = {file.parent.name for file in folder.glob("*/replies.py") if re.search(reader, file.read_text("utf-8"))}
    assert reading - {BY_TOKENS} == set(REPORTED[kind][0])
