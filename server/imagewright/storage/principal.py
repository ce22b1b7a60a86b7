"""Whose jobs and pictures they are. Apart from the records, so that the start of a server does not load those."""

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
