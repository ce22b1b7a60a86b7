"""The protocol's own suite judges the server over HTTP, for both eras; what is not offered is named with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.suite import (
    REVISIONS,
    WIRE,
    Baseline,
    Check,
    Known,
    Report,
    baseline,
    collapsed,
    required,
    run_suite,
    surprises,
    table,
)
from tests.support.official_tools import tool_folder

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Report]:
    tool_folder("conformance")
    return run_suite(tmp_path_factory.mktemp("conformance"))


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_scenario_ends_as_it_is_expected_to(reports: Mapping[str, Report], revision: str) -> None:
    assert surprises(reports[revision], revision, baseline(), required(revision)) == {}


OLD, NEW = REVISIONS
GOOD, BROKEN, WARNED = Check("SUCCESS", ""), Check("FAILURE", "no tools"), Check("WARNING", "slow")
LACKING = Known("tasks", "", {OLD: ["tasks", "mixed:lacking"]})
WEAK = Known("sound", "", {OLD: ["sound"]})
AS_KNOWN: Report = {
    "list": {"list": GOOD, WIRE: GOOD},
    "tasks": {"get": BROKEN, WIRE: GOOD},
    "mixed": {"lacking": WARNED, "there": GOOD},
    "sound": {WIRE: GOOD},
}


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        pytest.param({}, {}, id="as expected"),
        pytest.param({"list": {"list": BROKEN}}, {"list:list": "FAILURE: no tools"}, id="fails"),
        pytest.param({"list": {"list": GOOD, "fast": WARNED}}, {"list:fast": "WARNING: slow"}, id="warns"),
        pytest.param({"mixed": {"lacking": WARNED, "there": BROKEN}}, {"mixed:there": "FAILURE: no tools"}, id="more"),
        pytest.param({"list": None}, {"list": "did not run"}, id="left out"),
        pytest.param({"tasks": {"get": GOOD}}, {"tasks": "passes, and is named as not offered"}, id="mended"),
        pytest.param(
            {"mixed": {"lacking": GOOD, "there": GOOD}},
            {"mixed:lacking": "passes, and is named as not offered"},
            id="a part mended",
        ),
        pytest.param(
            {"list": {WIRE: GOOD}}, {"list": "passes without a check of its own, and is not named as weak"}, id="empty"
        ),
        pytest.param(
            {"sound": {"play": BROKEN}},
            {"sound:play": "FAILURE: no tools", "sound": "does not pass, and is named as weak"},
            id="weak and broken",
        ),
    ],
)
def test_whatever_is_not_as_expected_is_found(
    changed: dict[str, dict[str, Check] | None], found: dict[str, str]
) -> None:
    merged = AS_KNOWN | changed
    report = {name: checks for name, checks in merged.items() if checks is not None}
    assert surprises(report, OLD, Baseline([LACKING], [WEAK]), {*AS_KNOWN}) == found


@pytest.mark.parametrize(
    ("checks", "found"),
    [
        pytest.param([("SUCCESS", "hello")], "SUCCESS", id="good"),
        pytest.param(
            [("SUCCESS", "hello"), ("FAILURE", ""), ("SUCCESS", "hello")], "FAILURE", id="the worst of several"
        ),
        pytest.param([("INFO", ""), ("SUCCESS", "hello")], "SUCCESS", id="rather than a remark"),
        pytest.param(
            [("SUCCESS", "there is no tool 'test'; the tools are: qwen")], "FAILURE", id="for the wrong reason"
        ),
    ],
)
def test_checks_of_one_name_are_one(checks: list[tuple[str, str]], found: str) -> None:
    written = [{"id": "call", "status": status, "details": {"result": {"text": text}}} for status, text in checks]
    assert collapsed(written)["call"].status == found


def test_the_table_says_how_each_scenario_ended() -> None:
    assert list(table({OLD: AS_KNOWN, NEW: {"list": {"list": BROKEN}}}, Baseline([LACKING], [WEAK])))[2:] == [
        "| list | passes (2) | FAILS (1 of 1) | no tools |",
        "| mixed | passes (1), 1 not offered |  | tasks |",
        "| sound | passes (1) |  | weak: sound |",
        "| tasks | not offered |  | tasks |",
        "| all | 3 pass (5 checks), 1 not offered, 0 fail | 0 pass (0 checks), 0 not offered, 1 fail | |",
    ]
