"""For whom calls are made, and how many a vendor takes from one account.

On the start-up path of the server, which needs none of the other records.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Principal:
    """The user for whom a call is made."""

    id: str
    """Unique among all users of the store."""
    roots: tuple[Path, ...] | None = None
    """The folders that this user may read from and save into; None for the configured ones."""
    may_use_paths: bool = True
    """Whether this user's arguments may name files of the server's machine."""


LOCAL = Principal("local")
"""The user of a server that runs on their own machine."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How many requests that begin a task a vendor takes from one account."""

    calls: int | None = None
    """How many within `seconds`; None while that is not known."""
    seconds: float = 60.0
    running: int | None = None
    """How many tasks may run at once; None for no known limit."""
    is_users: bool = False
    """Whether the user has set it. Otherwise a vendor that states fewer calls for this account is believed."""
