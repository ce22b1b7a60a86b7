"""How many results of one call are taken, whatever number the vendor names."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagewright.providers.base import Finished


def most_taken(ordered: int) -> int:
    """Twice as many results as were ordered, and eight."""
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
