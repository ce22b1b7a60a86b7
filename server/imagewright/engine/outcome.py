"""What became of a job's calls: the job's state, cost, notes and error, and errors as plain data. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from imagewright.errors import (
    BadKey,
    ImagewrightError,
    ModelUnavailable,
    OutOfCredit,
    ProviderError,
    RateLimited,
    VendorUnavailable,
)
from imagewright.storage.states import CallState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagewright.providers.base import Finished, Output
    from imagewright.storage.records import CallRecord, CostBasis, JobRecord

ELSEWHERE = (BadKey, ModelUnavailable, OutOfCredit, RateLimited, VendorUnavailable)
"""What another provider may well not suffer from."""
SENT = frozenset({CallState.SUBMITTING, CallState.SUBMITTED, CallState.MADE, CallState.KEPT, CallState.UNKNOWN})


@dataclass(slots=True)
class CallRun:
    """One vendor call that is being carried out."""

    call: CallRecord
    """As it stands now, see `_note` in `engine.run`: also where the store could not be written."""
    sent: bool
    """Whether the vendor has it or may have it."""
    error: ImagewrightError | None = None
    """What went wrong."""
    share: float = 0.0
    """How far it is, 0 to 1."""
    outputs: tuple[Output, ...] | None = None
    """What the vendor made, where this process heard it; `call.outputs` is the same as it was written down."""
    arrived: int = 0
    """How many of its pictures are in the library."""
    safe: bool = False
    """Whether each of its pictures is in the library, or kept elsewhere as it came."""

    @property
    def state(self) -> CallState:
        """Where it stands."""
        return self.call.state

    @property
    def place(self) -> str:
        """What it is called among the job's troubles."""
        return f"call {self.call.number}"

    @property
    def made(self) -> int:
        """How many pictures the vendor made."""
        return len(self.outputs or self.call.outputs or ())

    @property
    def has_unsaved_output(self) -> bool:
        """Whether something of it may be needed in the job's folder: what was made and is not safe."""
        if self.state is CallState.UNKNOWN:  # an answer nobody waits for any more may still come to disk
            return True
        kept_before = self.state is CallState.KEPT and self.error is None
        return bool(self.made) and not self.safe and not kept_before


def call_run_of(call: CallRecord) -> CallRun:
    """A call from where the store says it stands."""
    vendor_answered = "charged" in (call.error or {})
    return CallRun(
        call,
        sent=call.handle is not None or vendor_answered or call.state in SENT,
        error=read_error(call.error),
    )


def most_taken(ordered: int) -> int:
    """How many results of one call are taken, whatever number the vendor names."""
    return 2 * ordered + 8


def within_reason(finished: Finished, ordered: int) -> Finished:
    """The answer with at most `most_taken` results.

    A vendor that makes a few more than were ordered has made them for us, and they are kept. One that names thousands
    of links has lost count, or means us to fetch for it. What is left out is said in a note.

    Args:
        finished: what the vendor says it made.
        ordered: how many pictures this call was to bring.
    """
    most = most_taken(ordered)
    surplus = len(finished.outputs) - most
    if surplus <= 0:
        return finished
    note = f"The vendor named {len(finished.outputs)} results for {ordered} ordered; {surplus} were not fetched."
    return replace(finished, outputs=finished.outputs[:most], notes=(*finished.notes, note))


def may_go_elsewhere(arrived: int, call_runs: Sequence[CallRun]) -> bool:
    """Whether another provider may be tried: nothing was charged, and the trouble is this vendor's.

    Args:
        arrived: how many of the job's pictures are in the library; with any of them the job stays where it is.
        call_runs: all its calls.
    """
    errors = [call_run.error for call_run in call_runs]
    return not arrived and all(isinstance(error, ELSEWHERE) and error.charged is False for error in errors)


def settle(record: JobRecord, arrived: int, usd: float | None, call_runs: Sequence[CallRun]) -> JobRecord:
    """The record of a job whose calls have all ended, with state, cost, notes, error and calls.

    Args:
        record: the job.
        arrived: how many of its pictures are in the library.
        usd: what it was estimated to cost; None when unknown.
        call_runs: all its calls.
    """
    errors = [call_run.error for call_run in call_runs if call_run.error is not None]
    cancelled = record.cancel_requested and arrived < record.expected
    error = None
    if not arrived and not cancelled:
        error = errors[0] if errors else ProviderError(record.provider, "no picture came", charged=None)
    notes = list(record.notes)
    if arrived < record.expected and (arrived or cancelled):
        notes.append(f"{arrived} of {record.expected} pictures arrived.")
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
    """What one picture of a call cost, and how sure that is.

    Args:
        call_run: its call.
        usd: what the job was estimated to cost; None when unknown.
        count: how many pictures that is for.
    """
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
    """Only what was never sent, and what the vendor says it did not charge, is certain to be free."""
    if isinstance(call_run.error, ProviderError | RecordedError) and call_run.error.charged is False:
        return False
    return call_run.sent


class RecordedError(ImagewrightError):
    """An error as it was written down."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.category: str = data["kind"]
        """Its stable word for programs."""
        self.charged: bool | None = data.get("charged")
        """Whether the vendor took money; None when that is not known, or the error is not the vendor's."""
        self.retryable: bool | None = data.get("retryable")
        """Whether the same call can succeed later without a change; None when the error is not the vendor's."""
        self.data = dict(data)
        """As `error_data` gave it."""
        super().__init__(data["text"])


def error_data(error: ImagewrightError) -> dict[str, Any]:
    """An error as plain data, fit to be written down; `read_error` reads it back."""
    if isinstance(error, RecordedError):
        return dict(error.data)
    data: dict[str, Any] = {"kind": "failed", "text": str(error)}
    if isinstance(error, ProviderError):
        data |= {"kind": error.category, "retryable": error.retryable, "charged": error.charged}
    return data


def read_error(data: Mapping[str, Any] | None) -> ImagewrightError | None:
    """The error that `error_data` wrote down."""
    return None if data is None else RecordedError(data)
