"""The slots of a vendor account: when the next request that begins a task may be sent.

Every kind of store keeps an `Account` for each, and shares it among all workers.

A vendor that takes so many calls in so many seconds counts them in a sliding window, and so does this: the moments of
the recent grants are kept, and another one is given when fewer lie in the window than the vendor takes. A single next
moment (GCRA), which needs no list, gives a full burst and then a call as soon as each step has passed: up to twice the
count within one window, and what is too many is refused.

A refusal for the rate halves what is asked of the account, at most once in a window, because the requests that were on
their way meanwhile are refused too. It is won back slowly.

All moments are seconds since 1970 by the store's clock. If the clock is set back, they move back with it, so that the
account neither waits for the old time nor starts anew. If it is set forward, they lie behind it: then the account may
get one window's calls too many, which the vendor refuses without a charge.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imagewright.storage.accounts import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

SLACK_SHARE, SLACK_SECONDS = 0.05, 0.5
"""By how much the window is longer than the vendor's. Requests arrive later than they were granted, some more than
others: two that are granted ten seconds apart may arrive a little less than ten seconds apart."""
WON_BACK = 0.1
"""Share of the full rate that is won back with every window without a refusal."""
LONGEST = 3600.0
"""Seconds an account waits after a refusal at most, whatever the vendor says: a call is given up after an hour."""
MOST_GRANTS = 1000
"""How many grants are remembered if no limit is known."""
SAME_GRANT = 1.0
"""By how many seconds a grant may differ from when its worker took it: the two are measured by different clocks."""
ASK_AGAIN = 1.0
"""Seconds after which to ask again if as many tasks run as may. Nobody knows when one of them ends."""
UNSENT = 60.0
"""Seconds for which a grant counts as a running task if its call is not sent: its worker died, or was cancelled."""


@dataclass(slots=True)
class Account:
    """What is remembered of one vendor account."""

    provider: str = ""
    """Whose calls take its slots; empty until one is taken."""
    grants: list[float] = field(default_factory=list)
    """When slots were given, oldest first; those of the last window."""
    unsent: list[float] = field(default_factory=list)
    """When slots were given to calls that are not being sent yet, oldest first. Kept only where running tasks count."""
    share: float = 1.0
    """The share of the rate that was left by the last halving."""
    halved: float = 0.0
    """When that was; 0 if it never was."""
    granted: int = 0
    """How many slots had been given in the window when it was halved."""
    refusals: int = 0
    """How many requests have been refused since it was halved, in the same window."""
    not_before: float = 0.0
    """No slot is given before this moment."""
    learned: Pace = field(default_factory=Pace)
    """What the vendor said it takes."""

    def take(self, pace: Pace, now: float, at_vendor: Callable[[], int]) -> float:
        """Take a slot if there is one.

        Args:
            pace: what is known of the provider, or what the user has set.
            now: by the store's clock.
            at_vendor: counts the provider's calls that are being sent or that run. Called only if they are limited.

        Returns:
            0.0 if it was taken; else seconds after which to ask again.
        """
        self._follow(now)
        calls, running, window = self._limits(pace, now)
        self.grants = self.grants[bisect_right(self.grants, now - window) :][-max(MOST_GRANTS, calls or 0) :]
        self.unsent = self.unsent[bisect_right(self.unsent, now - UNSENT) :]
        if now < self.not_before <= now + LONGEST:
            return self.not_before - now
        if calls is not None and len(self.grants) >= calls:
            return max(self.grants[-calls] + window - now, SLACK_SHARE)
        if running is not None:
            if at_vendor() + len(self.unsent) >= running:
                return ASK_AGAIN
            self.unsent.append(now)
        self.grants.append(now)
        return 0.0

    def use(self, now: float, late: float) -> None:
        """Count a slot from now on, as the vendor does: its request leaves only `late` seconds after it was taken.

        Args:
            now: by the store's clock.
            late: seconds, such as those that the first connection of a process takes to open.
        """
        self._follow(now)
        nearest = min(self.grants, key=lambda one: abs(now - late - one), default=now)
        if abs(now - late - nearest) < SAME_GRANT and nearest in self.grants:
            self.grants.remove(nearest)
        self.grants.append(now)

    def refuse(self, pace: Pace, now: float, wait: float | None) -> None:
        """Note that the vendor refused a request for the rate.

        Args:
            pace: as for `take`.
            now: by the store's clock.
            wait: seconds the vendor asks to wait; None if it does not say.
        """
        self._follow(now)
        asked = min(wait, LONGEST) if wait is not None and wait > 0 else None
        _, _, window = self._limits(pace, now)
        if self.halved and now - self.halved < window:  # it was sent before the last halving, or could have been
            self.refusals += 1
        else:
            self.granted = len(self.grants) - bisect_right(self.grants, now - window)
            self.share = self._share(now, window) / 2
            self.halved, self.refusals = now, 1
            calls, _, _ = self._limits(pace, now)
            asked = window / (calls or 1) if asked is None else asked
        self.not_before = max(self.not_before, now + (asked or 0.0))

    def learn(self, pace: Pace, now: float) -> bool:
        """Remember what the vendor said. Returns whether that is new. What it did not say stays.

        The refusals that come with the first word of a limit halve nothing: what was sent before knew of no limit.
        """
        calls, seconds, running = self.learned.calls, self.learned.seconds, self.learned.running
        if pace.calls is not None:
            calls, seconds = max(1, pace.calls), pace.seconds
        if pace.running is not None:
            running = max(1, pace.running)
        before, self.learned = self.learned, Pace(calls, seconds, running)
        if calls is not None and before.calls is None and self.share >= 1:
            self.halved, self.refusals = now, 0
        return before != self.learned

    def _limits(self, pace: Pace, now: float) -> tuple[int | None, int | None, float]:
        """How many calls in a window and how many at once the account is asked to take now, and the window in seconds.

        If neither is known, a refusal shows that there is a limit. It is taken for half of what had been granted in the
        window before it, or for what had been granted and was not refused if that is less, and is forgotten once it
        was won back.
        """
        known = believed(pace, self.learned)
        calls, running = known.calls, known.running
        window = known.seconds * (1 + SLACK_SHARE) + SLACK_SECONDS
        share = self._share(now, window)
        if calls is None and running is None and share < 1:
            calls = min(self.granted, 2 * (self.granted - self.refusals))
        return _part(calls, share), _part(running, share), window

    def _share(self, now: float, window: float) -> float:
        quiet = (now - self.halved) // window if self.halved else 0
        return min(1.0, self.share + WON_BACK * quiet)

    def _follow(self, now: float) -> None:
        """Move all moments back with a clock that was set back."""
        ahead = max([self.halved, *self.grants[-1:], *self.unsent[-1:]]) - now
        if ahead > 0:
            self.grants = [one - ahead for one in self.grants]
            self.unsent = [one - ahead for one in self.unsent]
            self.halved = self.halved and self.halved - ahead
            self.not_before -= ahead


def believed(known: Pace, stated: Pace) -> Pace:
    """What counts of an account: what the user has set, else the lower of what is documented and what is stated."""
    if known.calls is None or stated.calls is None:
        rate = stated if known.calls is None else known
    else:
        is_lower = stated.calls * known.seconds < known.calls * stated.seconds
        rate = stated if is_lower and not known.is_users else known
    at_once = [one.running for one in (known, stated) if one.running is not None]
    running = known.running if known.is_users and known.running is not None else min(at_once, default=None)
    return Pace(rate.calls, rate.seconds, running, is_users=known.is_users)


def _part(limit: int | None, share: float) -> int | None:
    """A share of a limit, and at least one."""
    return None if limit is None else max(1, int(limit * share + 1e-9))
