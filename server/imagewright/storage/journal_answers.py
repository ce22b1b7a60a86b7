"""What the journal answers: leases renewed, money spent, a job opened or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagewright.storage.journal_entry import JobEntry


@dataclass(frozen=True, slots=True)
class Renewed:
    """What the renewal of leases brought to light.

    Attributes:
        cancelled: jobs that someone asked to cancel.
        lost: jobs that another process has taken over, or settled.
    """

    cancelled: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent or set aside since a moment, in USD.

    Attributes:
        usd: the sum.
        jobs: how many jobs it is the sum of.
    """

    usd: float
    jobs: int


@dataclass(frozen=True, slots=True)
class Cap:
    """A budget over time.

    Attributes:
        name: what to call it, such as "day".
        since: the moment from which spending counts, seconds since 1970.
        usd: the limit.
    """

    name: str
    since: float
    usd: float


@dataclass(frozen=True, slots=True)
class Opened:
    """What became of an attempt to open a job: exactly one of the four is set.

    Attributes:
        entry: the job as written; it is this process's to carry out.
        joined: the earlier job this call is a repetition of.
        clashing: the earlier job that was given the same key for another call.
        over: the budget that has no room, with what is spent of it.
    """

    entry: JobEntry | None = None
    joined: JobEntry | None = None
    clashing: JobEntry | None = None
    over: tuple[Cap, Spent] | None = None
