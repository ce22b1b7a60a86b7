"""What vendors say they charged: believed where it can be true, else unknown, and never an exception."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

import imagewright.providers
from imagewright.providers.common.fields import decimal, seed, usd
from imagewright.providers.kie.replies import read_market
from tests.support.poll_answers import LINK, LONG
from tests.support.replies import ended, reply
from tests.support.vendors import VENDORS

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


def test_a_charge_is_reported_in_usd_below_a_thousand() -> None:
    assert [usd(value) for value in (0, 999.99, 1000, 1e9, -1e-9, math.inf, None)] == [0.0, 999.99, *[None] * 5]
    assert usd("200000", per_unit=0.004) == 800.0
    assert usd("250000", per_unit=0.004) is None


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
