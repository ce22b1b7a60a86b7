"""What a job's end says and costs, from how its calls ended."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import pytest

from imagewright.engine.job import CallRun
from imagewright.engine.outcome import ELSEWHERE, may_go_elsewhere, settle
from imagewright.engine.plan import new_job
from imagewright.errors import (
    BadKey,
    ContentRefused,
    GenerationFailed,
    ImagewrightError,
    ModelUnavailable,
    OutOfCredit,
    ProviderError,
    RateLimited,
    RecordedError,
    RequestRejected,
    ResultLost,
    StorageError,
    TookTooLong,
    UnknownOutcome,
    VendorUnavailable,
    error_data,
)
from imagewright.storage.records import CallRecord, JobRecord
from imagewright.storage.states import CallState
from tests.support.engine_bench import USD, Vendor, plan_for

if TYPE_CHECKING:
    from imagewright.storage.states import JobState

pytestmark = pytest.mark.anyio
KEPT, FAILED, CANCELLED, UNKNOWN = CallState.KEPT, CallState.FAILED, CallState.CANCELLED, CallState.UNKNOWN


def call_run(
    state: CallState,
    error: ImagewrightError | None = None,
    *,
    sent: bool = True,
    cost: float | None = None,
    count: int = 1,
) -> CallRun:
    return CallRun(CallRecord(number=0, state=state, count=count, cost_usd=cost), error=error, sent=sent)


def record_of(expected: int, *, cancelled: bool = False) -> JobRecord:
    new = new_job("job_1", plan_for(Vendor(), calls=(expected,)), {}, fingerprint="f", key="")
    known = {one.name: getattr(new, one.name) for one in fields(new)}
    return JobRecord(**known, principal="local", created=0.0, cancel_requested=cancelled)


@dataclass(frozen=True)
class Case:
    """Calls that have ended, and what comes of it."""

    call_runs: tuple[CallRun, ...]
    """How each ended."""
    pictures: int
    """How many of the job's pictures are there."""
    ends: JobState
    """The job's final state."""
    usd: float | None
    """What it cost."""
    basis: str = "estimate"
    """How sure that is."""
    cancelled: bool = False


DONE: JobState = "completed"
LOST: JobState = "failed"
STOPPED: JobState = "cancelled"
RECORDED = {"kind": "y", "text": "x"}
CASES = {
    "kept": Case((call_run(KEPT),), 1, DONE, USD),
    "kept, the vendor says the price": Case((call_run(KEPT, cost=0.03),), 1, DONE, 0.03, "actual"),
    "kept for nothing": Case((call_run(KEPT, cost=0.0),), 1, DONE, 0.0, "actual"),
    "one says the price, one does not": Case((call_run(KEPT, cost=0.03), call_run(KEPT)), 2, DONE, 0.03 + USD),
    "refused": Case((call_run(FAILED, BadKey("vendor")),), 0, LOST, 0.0, "actual"),
    "failed, and charged for": Case((call_run(FAILED, GenerationFailed("v", charged=True)),), 0, LOST, USD),
    "failed, and nobody knows": Case((call_run(FAILED, GenerationFailed("v")),), 0, LOST, USD),
    "failed for nothing": Case((call_run(FAILED, GenerationFailed("v", charged=False)),), 0, LOST, 0.0, "actual"),
    "unknown": Case((call_run(UNKNOWN, UnknownOutcome("v")),), 0, LOST, USD),
    "too slow": Case((call_run(FAILED, TookTooLong("v")),), 0, LOST, USD),
    "made and lost": Case((call_run(FAILED, ResultLost("v")),), 0, LOST, USD),
    "made and nowhere to put it": Case((call_run(FAILED, StorageError("full")),), 0, LOST, USD),
    "never sent": Case((call_run(FAILED, StorageError("full"), sent=False),), 0, LOST, 0.0, "actual"),
    "failed in another process": Case((call_run(FAILED, RecordedError(RECORDED)),), 0, LOST, USD),
    "refused in another process": Case(
        (call_run(FAILED, RecordedError(RECORDED | {"charged": False})),), 0, LOST, 0.0, "actual"
    ),
    "two of three": Case((call_run(KEPT), call_run(KEPT), call_run(FAILED, BadKey("v"))), 2, DONE, 2 * USD),
    "two of three, the third unknown": Case((call_run(KEPT), call_run(KEPT), call_run(UNKNOWN)), 2, DONE, 3 * USD),
    "a call for four": Case((call_run(KEPT, count=4),), 4, DONE, 4 * USD),
    "cancelled before it was sent": Case((call_run(CANCELLED, sent=False),), 0, STOPPED, 0.0, "actual", cancelled=True),
    "cancelled at the vendor": Case((call_run(CANCELLED),), 0, STOPPED, USD, cancelled=True),
    "cancelled, one there already": Case((call_run(KEPT), call_run(CANCELLED)), 1, STOPPED, 2 * USD, cancelled=True),
    "cancelled too late": Case((call_run(KEPT),), 1, DONE, USD, cancelled=True),
    "nothing came of it": Case((call_run(KEPT),), 0, LOST, USD),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_end(case: Case) -> None:
    expected = sum(one.call.count for one in case.call_runs)
    ended = settle(record_of(expected, cancelled=case.cancelled), case.pictures, expected * USD, case.call_runs)
    assert ended.state == case.ends
    assert ended.cost_usd == (None if case.usd is None else pytest.approx(case.usd))
    assert ended.cost_basis == case.basis
    assert (ended.error is None) == (case.ends is not LOST)
    text = "\n".join((*ended.notes, str(ended.error and RecordedError(ended.error))))
    for one in case.call_runs:
        assert one.error is None or str(one.error) in text
    short = 0 < case.pictures < expected or (case.ends is STOPPED)
    assert (f"{case.pictures} of {expected} pictures arrived." in ended.notes) == short


def test_a_price_that_is_not_known_stays_unknown() -> None:
    ended = settle(record_of(1), 0, None, [call_run(UNKNOWN, UnknownOutcome("v"))])
    assert (ended.cost_usd, ended.cost_basis) == (None, "unknown")
    ended = settle(record_of(1), 0, None, [call_run(FAILED, BadKey("v"))])
    assert (ended.cost_usd, ended.cost_basis) == (0.0, "actual")


ERRORS = (
    BadKey,
    ContentRefused,
    GenerationFailed,
    ModelUnavailable,
    OutOfCredit,
    RateLimited,
    RequestRejected,
    ResultLost,
    TookTooLong,
    UnknownOutcome,
    VendorUnavailable,
)


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("charged", [True, False, None])
def test_another_provider_is_asked_only_for_this_ones_troubles_and_where_nothing_was_charged(
    kind: type[ProviderError], *, charged: bool | None
) -> None:
    call_runs = [call_run(FAILED, kind("v", charged=charged))]
    assert may_go_elsewhere(0, call_runs) == (kind in ELSEWHERE and charged is False)


def test_another_provider_is_not_asked_where_anything_arrived_or_may_have_been_charged() -> None:
    refused = call_run(FAILED, OutOfCredit("v"))
    assert may_go_elsewhere(0, [refused, refused])
    assert not may_go_elsewhere(0, [refused, call_run(UNKNOWN, UnknownOutcome("v"))])
    assert not may_go_elsewhere(0, [refused, call_run(KEPT)])
    assert not may_go_elsewhere(1, [refused])


@pytest.mark.parametrize("charged", [True, False, None])
def test_an_error_comes_back_from_the_journal_with_what_it_says_of_the_money(*, charged: bool | None) -> None:
    error = GenerationFailed("vendor", "its words", charged=charged)
    read = RecordedError(error_data(error))
    assert (str(read), read.category, read.charged) == (str(error), error.category, charged)
    again = RecordedError(error_data(read))  # whoever takes over writes it down once more
    assert (str(again), again.category, again.charged) == (str(error), error.category, charged)
