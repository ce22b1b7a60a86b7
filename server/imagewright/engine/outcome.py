"""What the calls of a job come to: how many pictures are taken, its end and its cost, and whether another is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from imagewright.engine.job import ARRIVED
from imagewright.errors import (
    BadKey,
    ModelUnavailable,
    OutOfCredit,
    ProviderError,
    RateLimited,
    RecordedError,
    StorageError,
    VendorUnavailable,
    error_data,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagewright.engine.job import CallRun
    from imagewright.providers.base import Finished
    from imagewright.storage.records import CostBasis, JobRecord

ELSEWHERE = (BadKey, ModelUnavailable, OutOfCredit, RateLimited, VendorUnavailable)
"""Errors that another provider may not have."""


def most_taken(ordered: int) -> int:
    """How many results of one call are fetched at most, however many the vendor names."""
    return 2 * ordered + 8


def within_reason(finished: Finished, ordered: int) -> Finished:
    """The answer with at most `most_taken` results.

    A vendor may make a few more than were ordered; they are kept. If it names thousands of links, that is a fault or an
    attack. A note says what is left out.
    """
    most = most_taken(ordered)
    surplus = len(finished.outputs) - most
    if surplus <= 0:
        return finished
    note = f"The vendor named {len(finished.outputs)} results for {ordered} ordered; {surplus} were not fetched."
    return replace(finished, outputs=finished.outputs[:most], notes=(*finished.notes, note))


def may_go_elsewhere(arrived: int, call_runs: Sequence[CallRun]) -> bool:
    """Whether another provider may be tried: nothing arrived, nothing was charged, and the trouble is this vendor's."""
    errors = [call_run.error for call_run in call_runs]
    return not arrived and all(isinstance(error, ELSEWHERE) and error.charged is False for error in errors)


def settle(record: JobRecord, arrived: int, usd: float | None, call_runs: Sequence[CallRun]) -> JobRecord:
    """The record of a job whose calls have all ended, with state, cost, notes, error and calls.

    `arrived` counts its pictures in the library; `usd` is what it was estimated to cost, None when unknown.
    """
    errors = [call_run.error for call_run in call_runs if call_run.error is not None]
    cancelled = record.cancel_requested and arrived < record.expected
    error = None
    if not arrived and not cancelled:
        error = errors[0] if errors else ProviderError(record.provider, "no picture came", charged=None)
    notes = [note for note in record.notes if not note.endswith(ARRIVED)]  # a cancelled job may have gone on
    if unsent := [one for one in call_runs if isinstance(one.error, StorageError) and not one.sent]:
        some = any(one.sent for one in call_runs)
        notes.append(f"{len(unsent)} of {len(call_runs)} calls were not sent." if some else "Nothing was sent.")
    if arrived < record.expected and (arrived or cancelled):
        notes.append(f"{arrived} of {record.expected}{ARRIVED}")
    words = {str(error), *notes}
    notes += [text for text in dict.fromkeys(str(error) for error in errors) if text not in words]
    cost_usd, basis = _cost(usd, record.expected, call_runs)
    return replace(
        record,
        state="cancelled" if cancelled else "completed" if arrived else "failed",
        cost_usd=cost_usd,
        cost_basis=basis,
        notes=tuple(notes),
        calls=tuple(call_run.call for call_run in call_runs),
        error=None if error is None else error_data(error),
    )


def cost_each(call_run: CallRun, usd: float | None, count: int) -> tuple[float | None, CostBasis]:
    """What one picture of a call cost in USD, and how sure that is; the job's `count` were estimated to cost `usd`."""
    if call_run.call.cost_usd is not None:
        return call_run.call.cost_usd / max(call_run.call.count, call_run.made), "actual"
    return (None, "unknown") if usd is None else (usd / count, "estimate")


def _cost(usd: float | None, count: int, call_runs: Sequence[CallRun]) -> tuple[float | None, CostBasis]:
    """What was charged where the vendor says so, the estimate for the rest; what was never billed costs nothing."""
    total, sure = 0.0, True
    for call_run in call_runs:
        if call_run.call.cost_usd is not None:
            total += call_run.call.cost_usd
        elif not _may_cost(call_run):
            continue
        elif usd is None:
            return None, "unknown"
        else:
            total += usd / count * call_run.call.count
            sure = False
    return round(total, 6), "actual" if sure else "estimate"


def _may_cost(call_run: CallRun) -> bool:
    """Whether it may have cost something: not if it was never sent, or if the vendor says that it was not charged."""
    if isinstance(call_run.error, ProviderError | RecordedError) and call_run.error.charged is False:
        return False
    return call_run.sent
