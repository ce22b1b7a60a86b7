"""The states of a job's vendor calls, and every step from one to the next.

   ┌─────────┐
   v         │
planned ──> submitting ──> submitted <──> stalled <──> made ──> kept
   │            │ │ └────────────│─────────────────────> │
   │            │ └──> unknown   │           │           │
   └────────────┴────────────────┴───────────┴───────────┴──> failed
   └─────────────────────────────┴───────────┴──> cancelled ──> submitted, made

planned     written down, nothing sent but pictures, which costs nothing: the worker that holds the job may send it,
            within the hour
submitting  about to be sent, or sent: after a crash it is not known which. An answer that lies on disk already makes it
            made. A vendor that lists its recent calls is asked for it; what is found there is submitted, everything
            else becomes unknown. One that was never sent, or was plainly refused for the rate, is planned again
submitted   the vendor has it and gave a handle: polled to its end by the worker that holds the job
made        finished, with its results' addresses or spooled files: fetched by the worker that holds the job
stalled     the vendor has it, or has made it, but for a long time nothing came of it. Nobody asks for it by itself; it
            is submitted or made again when someone asks for its job, or when a server starts
kept        the pictures are in the library
failed      the vendor refused it, or nothing of what it made could be fetched
cancelled   ended because someone asked for it, never while it is sent or fetched. If the vendor went on with it, or had
            made it already and it could not be fetched in time, the user may have it fetched after all: then it is
            submitted or made again
unknown     it may have been paid for; it is never sent again
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
