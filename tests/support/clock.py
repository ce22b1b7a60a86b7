"""A clock that a test sets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Clock:
    """Seconds since 1970, and seconds for which the machine was awake."""

    now: float = 100.0
    awake: float = 0.0

    def __call__(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.awake

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        self.awake += seconds

    def sleep(self, seconds: float) -> None:
        """Let time pass while the machine sleeps."""
        self.now += seconds
