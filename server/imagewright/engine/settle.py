"""The end of a job from what became of its calls: state, cost, notes. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagewright.engine.job import JobStatus
from imagewright.engine.stores import RecordedError
from imagewright.errors import (
    BadKey,
    ModelUnavailable,
    OutOfCredit,
    ProviderError,
    RateLimited,
    VendorUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagewright.engine.call_run import CallRun
    from imagewright.engine.job import Job
    from imagewright.engine.plan import JobSpec
    from imagewright.storage.record import CostBasis

ELSEWHERE = (BadKey, ModelUnavailable, OutOfCredit, RateLimited, VendorUnavailable)
"""What another provider may well not suffer from."""


def may_go_elsewhere(job: Job, call_runs: Sequence[CallRun]) -> bool:
    """Whether another provider may be tried: nothing arrived, nothing was charged, and the trouble is this vendor's."""
    errors = [call_run.error for call_run in call_runs]
    return not job.pictures and all(isinstance(error, ELSEWHERE) and error.charged is False for error in errors)


def settle(job: Job, spec: JobSpec, call_runs: Sequence[CallRun]) -> JobStatus:
    """Set cost, notes and error of a job whose calls have all ended, and return its final state."""
    job.cost_usd, job.cost_basis = _cost(spec, call_runs)
    errors = [call_run.error for call_run in call_runs if call_run.error is not None]
    cancelled = job.cancel_asked and len(job.pictures) < job.expected
    if not job.pictures and not cancelled:
        job.error = errors[0] if errors else ProviderError(job.provider, "no picture came", charged=None)
    if len(job.pictures) < job.expected and (job.pictures or cancelled):
        job.notes.append(f"{len(job.pictures)} of {job.expected} pictures arrived.")
    words = {str(job.error), *job.notes}
    job.notes += [text for text in dict.fromkeys(str(error) for error in errors) if text not in words]
    if cancelled:
        return JobStatus.CANCELLED
    return JobStatus.COMPLETED if job.pictures else JobStatus.FAILED


def _cost(spec: JobSpec, call_runs: Sequence[CallRun]) -> tuple[float | None, CostBasis]:
    """What was charged where the vendor says so, the estimate for the rest; what was never billed costs nothing."""
    total, sure = 0.0, True
    for call_run in call_runs:
        if call_run.cost is not None:
            total += call_run.cost
        elif not _may_cost(call_run):
            continue
        elif spec.usd is None:
            return None, "unknown"
        else:
            total += spec.usd / spec.count * call_run.call.count
            sure = False
    return round(total, 6), "actual" if sure else "estimate"


def _may_cost(call_run: CallRun) -> bool:
    """Only what was never sent, and what the vendor says it did not charge, is certain to be free."""
    if isinstance(call_run.error, ProviderError | RecordedError) and call_run.error.charged is False:
        return False
    return call_run.sent
