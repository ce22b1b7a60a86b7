"""One vendor call being seen through: what the journal knew of it, and what has become of it since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imagewright.engine.stores import read_error
from imagewright.providers.base import Handle
from imagewright.storage.states import CallState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.errors import ImagewrightError
    from imagewright.providers.base import Output, Provider
    from imagewright.storage.journal_entry import CallEntry

SENT = frozenset({CallState.SUBMITTING, CallState.SUBMITTED, CallState.MADE, CallState.KEPT, CallState.UNKNOWN})


@dataclass(slots=True)
class CallRun:
    """One vendor call being seen through.

    Attributes:
        call: as the journal had it when the attempt began.
        state: where it stands now.
        cost: what the vendor says it charged.
        arrived: how many of its pictures are in the library.
        error: what went wrong.
        share: how far it is, 0 to 1.
        signature: by what the vendor's list of recent calls would show it.
        handle: what the vendor gave to ask by.
        sent: whether the vendor has it or may have it.
        outputs: what the vendor made, where this process was told.
        spooled: the same as the journal holds it; None until it is there.
        safe: whether each of its pictures is in the library, or kept elsewhere as it came.
    """

    call: CallEntry
    state: CallState
    cost: float | None
    arrived: int = 0
    error: ImagewrightError | None = None
    share: float = 0.0
    signature: Mapping[str, str] | None = None
    handle: Handle | None = None
    sent: bool = False
    outputs: tuple[Output, ...] | None = None
    spooled: tuple[Mapping[str, Any], ...] | None = None
    safe: bool = False

    @property
    def place(self) -> str:
        """What it is called among the job's troubles."""
        return f"call {self.call.number}"

    @property
    def home(self) -> bool:
        """Whether nothing of it is needed in the job's folder any more: it is safe, or nothing was ever made."""
        if self.state is CallState.UNKNOWN:  # an answer nobody waits for any more may still come to disk
            return False
        kept_before = self.state is CallState.KEPT and self.error is None
        return self.safe or kept_before or not (self.outputs or self.spooled)


def call_run_of(provider: Provider, call: CallEntry) -> CallRun:
    """A call from where the journal says it stands."""
    vendor_said = "charged" in (call.error or {})
    return CallRun(
        call,
        call.state,
        call.cost_usd,
        error=read_error(call.error),
        signature=call.trace,
        handle=None if call.handle is None else Handle(provider.name, call.handle),
        sent=call.handle is not None or vendor_said or call.state in SENT,
        spooled=call.products,
    )
