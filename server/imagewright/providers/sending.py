"""What the engine and the providers' HTTP both know of one call: its request on the way, and how a file is named.

It stands alone, as a server that starts and a courier each need only one of the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from imagewright.storage.accounts import Pace

PART = ".part"
"""What is added to a file's name while it comes, and begins the names of what is kept beside it to go on later."""


def part_of(file: Path) -> Path:
    """Where a file lies while it comes."""
    return file.with_name(f"{file.name}{PART}")


@dataclass(slots=True)
class Sending:
    """One paid request on its way, and what became known of it."""

    begin: Callable[[], Awaitable[None]]
    """Awaited once, right before the first byte leaves, the connection being open. What it raises stops the request."""
    folder: Path | None = None
    """Where a courier writes the answer, so that it outlives this process; None: this process sends by itself."""
    number: int = 0
    """The number of the call within its job, by which its files in the folder are named."""
    again: bool = False
    """Whether another process began to send it. Then nothing is sent: what its courier got is awaited and read."""
    gone: bool = False
    """Set once a courier was told to send it: its answer comes to the folder, whatever goes wrong here."""
    collected: bool = False
    """Set once that was read. A further request of the same call, with `again`, was then never sent."""
    refused_for_now: bool = False
    """Set where the vendor plainly refused it and the same request may be sent a little later."""
    limits: Pace | None = None
    """Set where the answer says how many requests the vendor takes."""
    answered: float = 0.0
    """When a courier got the answer, by `time.monotonic`, which all processes of a machine share; 0 if not known."""
