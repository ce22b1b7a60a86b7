"""The states of a job's vendor calls, and every step from one to the next.

planned <──> submitting ──> submitted ──> made ──> kept
                 │ │            ^          ^ ^
                 │ └────────────│──────────┘ │
                 v              v            │
              unknown        stalled <───────┘

Every state before `kept` can end in failed. Planned, submitted and stalled can end in cancelled, and a cancelled call
that the vendor has, or had made, can become submitted or made again.

planned     written down and not sent; its input pictures may be uploaded, which costs nothing. The worker that holds
            the job sends it when it is its turn, within an hour
submitting  about to be sent, or sent: after a crash it is not known which. An answer on the disk shows what became of
            it, and a vendor that lists its recent calls is asked for it; otherwise it becomes unknown. One that was
            never sent, or was plainly refused for the rate, is planned again
submitted   the vendor has it and gave a handle. The worker that holds the job polls it
made        finished, with its results' addresses or spooled files. The worker that holds the job fetches them
stalled     the vendor has it or has made it, but going on does not help now. No worker holds the job. It is submitted
            or made again when somebody waits for the job, and once at each start of a server
kept        the pictures are in the library
failed      the vendor refused it, or nothing of what it made could be fetched
cancelled   ended because somebody asked for it, but never while it is being sent or fetched. If the vendor went on with
            it, or had made it and it could not be fetched in time, the user can have it fetched after all
unknown     it may have been paid for, and is never sent again
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

JobState = Literal["running", "stalled", "completed", "failed", "cancelled"]
"""Where a job stands; the states of its calls are below. A stalled job has not ended, but no worker holds it."""
OPEN: frozenset[JobState] = frozenset({"running", "stalled"})
"""The states of a job that has not ended."""


class CallState(StrEnum):
    """Where one vendor call stands."""

    PLANNED = "planned"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    MADE = "made"
    STALLED = "stalled"
    KEPT = "kept"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


NEXT: dict[CallState, frozenset[CallState]] = {
    CallState.PLANNED: frozenset({CallState.SUBMITTING, CallState.FAILED, CallState.CANCELLED}),
    CallState.SUBMITTING: frozenset(
        {CallState.PLANNED, CallState.SUBMITTED, CallState.MADE, CallState.FAILED, CallState.UNKNOWN}
    ),
    CallState.SUBMITTED: frozenset({CallState.MADE, CallState.STALLED, CallState.FAILED, CallState.CANCELLED}),
    CallState.MADE: frozenset({CallState.KEPT, CallState.STALLED, CallState.FAILED}),
    CallState.STALLED: frozenset({CallState.SUBMITTED, CallState.MADE, CallState.FAILED, CallState.CANCELLED}),
    CallState.KEPT: frozenset(),
    CallState.FAILED: frozenset(),
    CallState.CANCELLED: frozenset({CallState.SUBMITTED, CallState.MADE}),
    CallState.UNKNOWN: frozenset(),
}
"""Every allowed step. A step that is not here is a bug, and is refused."""
FINAL = frozenset({CallState.KEPT, CallState.FAILED, CallState.CANCELLED, CallState.UNKNOWN})
"""The states of a call that has ended. Only the user leads out of one of them: a cancelled call can be fetched."""


def cost_in_words(usd: float | None, basis: str) -> str:
    """What a job has cost, for a line of the log: `$0.024 (actual)`."""
    return "cost unknown" if usd is None else f"${usd:.6g} ({basis})"
