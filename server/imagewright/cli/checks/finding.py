"""One thing the doctor has found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How a finding is to be taken; only `BROKEN` makes the doctor fail."""

    OK = "ok"
    OFF = "off"
    NOTE = "note"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, fit to be shown to anybody: it never holds a key.

    Attributes:
        area: what it is about, such as "keys".
        level: how it is to be taken.
        says: one sentence.
        advice: what to do about it; empty when nothing need be done.
    """

    area: str
    level: Level
    says: str
    advice: str = ""
