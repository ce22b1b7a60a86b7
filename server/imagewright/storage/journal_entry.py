"""What the journal knows of a job and of its vendor calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from imagewright.storage.states import CallState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.storage.record import CostBasis

JobState = Literal["running", "completed", "failed", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEntry:
    """One call to the vendor.

    Attributes:
        number: its place in the job, from 0.
        state: where it stands.
        count: how many pictures it makes.
        first_variant: the number of its first picture within the job, from 1.
        arguments: what is sent, under the row's names, without pictures.
        trace: what the vendor's list of recent calls would show it by, where it has one; written before it is sent.
        handle: the vendor's ticket, once there is one.
        products: the results' addresses or spooled files with their seeds, once they are made.
        cost_usd: what the vendor says it charged; None when it does not say.
        error: what went wrong, as the engine writes errors; None when nothing did.
    """

    number: int
    state: CallState = CallState.PLANNED
    count: int = 1
    first_variant: int = 1
    arguments: Mapping[str, Any] = field(default_factory=dict)
    trace: Mapping[str, str] | None = None
    handle: Mapping[str, str] | None = None
    products: tuple[Mapping[str, Any], ...] | None = None
    cost_usd: float | None = None
    error: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEntry:
    """One job.

    Attributes:
        id: `job_...`.
        tool: name of the row.
        operation: what is done.
        provider: who does it.
        model: the vendor's id of the model.
        state: where it stands as a whole.
        key: the caller's idempotency key; empty when it gave none.
        fingerprint: the same for two calls that are identical in every argument.
        plan: what carrying it out needs beside the calls, as JSON.
        expected: how many pictures were asked for.
        reserved_usd: what was set aside for it; 0 when the price is unknown.
        cost_usd: what it cost or is estimated to; None when unknown.
        cost_basis: how sure that is.
        notes: what the caller should know.
        error: why it failed; None when it did not.
        created: seconds since 1970, UTC.
        finished: the same; None while it runs.
        owner: the process that works on it; empty when nobody does.
        cancel_asked: whether someone wants it stopped.
        calls: its vendor calls, in order.
    """

    id: str
    tool: str
    operation: str
    provider: str
    model: str
    fingerprint: str
    plan: Mapping[str, Any]
    expected: int
    calls: tuple[CallEntry, ...]
    created: float
    state: JobState = "running"
    key: str = ""
    reserved_usd: float = 0.0
    cost_usd: float | None = None
    cost_basis: CostBasis = "unknown"
    notes: tuple[str, ...] = ()
    error: Mapping[str, Any] | None = None
    finished: float | None = None
    owner: str = ""
    cancel_asked: bool = False

    def variant_of(self, call: CallEntry, place: int) -> int:
        """The number of one picture of a call within the job, from 1: the same in every process, whatever has arrived.

        What a vendor made beyond the `count` it was asked for is numbered above `expected`: every call takes each
        n-th number there, n being how many calls the job has, so that no two pictures ever share one.

        Args:
            call: one of `calls`.
            place: which of its pictures, from 0.
        """
        if place < call.count:
            return call.first_variant + place
        return self.expected + 1 + call.number + (place - call.count) * len(self.calls)

    @property
    def done(self) -> bool:
        """Whether nothing will change any more."""
        return self.state != "running"
