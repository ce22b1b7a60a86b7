"""The states of a job's vendor calls, and every step from one to the next.

planned ──> submitting ──> submitted ──> made ──> kept
   │            │ │ └────────────│───────> │ │
   │            │ └──> unknown   │           └──> failed
   └────────────┴────────────────┴──> failed
   └─────────────────────────────┴──> cancelled

planned     written down, nothing sent but pictures, which costs nothing: the worker that holds the job may send it,
            within the hour
submitting  about to be sent, or sent: after a crash it is not known which. An answer that lies on disk already makes it
            made. A vendor that lists its recent calls is asked for it; what is found there is submitted, everything
            else becomes unknown
submitted   the vendor has it and gave a handle: polled to its end by the worker that holds the job
made        finished, with its results' addresses or spooled files: fetched by the worker that holds the job
kept        the pictures are in the library
failed      the vendor refused it, or nothing of what it made could be fetched
cancelled   ended because someone asked for it, never in the middle of sending and never once it is made
unknown     it may have been paid for; it is never sent again
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

JobState = Literal["running", "completed", "failed", "cancelled"]
"""Where a job stands; the states of its calls are below."""


class CallState(StrEnum):
    """Where one vendor call stands."""

    PLANNED = "planned"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    MADE = "made"
    KEPT = "kept"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


NEXT: dict[CallState, frozenset[CallState]] = {
    CallState.PLANNED: frozenset({CallState.SUBMITTING, CallState.FAILED, CallState.CANCELLED}),
    CallState.SUBMITTING: frozenset({CallState.SUBMITTED, CallState.MADE, CallState.FAILED, CallState.UNKNOWN}),
    CallState.SUBMITTED: frozenset({CallState.MADE, CallState.FAILED, CallState.CANCELLED}),
    CallState.MADE: frozenset({CallState.KEPT, CallState.FAILED}),
    CallState.KEPT: frozenset(),
    CallState.FAILED: frozenset(),
    CallState.CANCELLED: frozenset(),
    CallState.UNKNOWN: frozenset(),
}
"""Every allowed step. A step that is not here is a bug, and is refused."""
FINAL = frozenset(state for state, following in NEXT.items() if not following)
"""The states of a call that has ended."""
