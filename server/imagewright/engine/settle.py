"""The end of a job from what became of its calls: state, cost, notes. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagewright.engine.desk import RecordedError
from imagewright.engine.job import JobStatus
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

    from imagewright.engine.brief import Brief
    from imagewright.engine.errand import Errand
    from imagewright.engine.job import Job
    from imagewright.storage.record import CostBasis

ELSEWHERE = (BadKey, ModelUnavailable, OutOfCredit, RateLimited, VendorUnavailable)
"""What another provider may well not suffer from."""


def may_go_elsewhere(job: Job, errands: Sequence[Errand]) -> bool:
    """Whether another provider may be tried: nothing arrived, nothing was charged, and the trouble is this vendor's."""
    errors = [errand.error for errand in errands]
    return not job.pictures and all(isinstance(error, ELSEWHERE) and error.charged is False for error in errors)


def settle(job: Job, brief: Brief, errands: Sequence[Errand]) -> JobStatus:
    """Set cost, notes and error of a job whose calls have all ended, and return its final state."""
    job.cost_usd, job.cost_basis = _cost(brief, errands)
    errors = [errand.error for errand in errands if errand.error is not None]
    cancelled = job.cancel_asked and len(job.pictures) < job.expected
    if not job.pictures and not cancelled:
        job.error = errors[0] if errors else ProviderError(job.provider, "no picture came", charged=None)
    if len(job.pictures) < job.expected and (job.pictures or cancelled):
        job.notes.append(f"{len(job.pictures)} of {job.expected} pictures arrived.")
    said = {str(job.error), *job.notes}
    job.notes += [text for text in dict.fromkeys(str(error) for error in errors) if text not in said]
    if cancelled:
        return JobStatus.CANCELLED
    return JobStatus.COMPLETED if job.pictures else JobStatus.FAILED


def _cost(brief: Brief, errands: Sequence[Errand]) -> tuple[float | None, CostBasis]:
    """What was charged where the vendor says so, the estimate for the rest; what was never billed costs nothing."""
    total, sure = 0.0, True
    for errand in errands:
        if errand.cost is not None:
            total += errand.cost
        elif not _may_cost(errand):
            continue
        elif brief.usd is None:
            return None, "unknown"
        else:
            total += brief.usd / brief.count * errand.call.count
            sure = False
    return round(total, 6), "actual" if sure else "estimate"


def _may_cost(errand: Errand) -> bool:
    """Only what was never sent, and what the vendor says it did not charge, is certain to be free."""
    if isinstance(errand.error, ProviderError | RecordedError) and errand.error.charged is False:
        return False
    return errand.sent
