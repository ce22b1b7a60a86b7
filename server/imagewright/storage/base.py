"""The contract between the engine and whatever keeps jobs, pictures and files.

`JobStore` holds jobs, `PictureIndex` what is known of pictures, `BlobStore` the bytes. Every method that reads or
changes somebody's data takes a `Principal` and sees nothing of anybody else's. Times are seconds since 1970, UTC, by
the store's own clock: leases, budgets and repeated calls never compare the clocks of two machines.

Records name files by blob key, see `records.INCOMING` and what follows there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

from imagewright.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path
    from typing import Unpack

    from imagewright.storage.records import (
        Cap,
        CostBasis,
        CostRow,
        JobRecord,
        JobState,
        NewJob,
        PictureRecord,
        Principal,
        Spent,
    )
    from imagewright.storage.states import CallState

REPEAT_SECONDS = 600.0
"""An identical call this soon after the end of a job that nobody was given joins that job."""
GRACE = 0.5
"""Share of a lease for which it must be seen run out before its job is reclaimed: after a laptop's sleep all leases
have run out at once, and the processes that woke up renew theirs within one third."""
RENEWALS_PER_LEASE = 3
"""A lease is renewed this often before it would run out, so that one slow moment loses nothing."""
NO_SENSE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What reading a record raises in which anything may stand."""


class SeenRunOut:
    """For how long leases have been seen run out; any store can use it.

    Args:
        lease: seconds.
        monotonic: seconds that do not pass while the machine sleeps, from any start.
    """

    def __init__(self, lease: float, monotonic: Callable[[], float]) -> None:
        self._grace = lease * GRACE
        self._monotonic = monotonic
        self._since: dict[tuple[str, float], float] = {}

    def long_enough(self, job_id: str, lease_until: float) -> bool:
        """Whether a job may be reclaimed: its lease was seen run out before for the grace, or it was released."""
        now = self._monotonic()
        return not lease_until or now - self._since.setdefault((job_id, lease_until), now) >= self._grace

    def forget_all_but(self, leases: Collection[tuple[str, float]]) -> None:
        """Drop what is not run out any more."""
        self._since = {lease: since for lease, since in self._since.items() if lease in leases}


class LostLeaseError(Exception):
    """Another worker has taken the job over: this one must leave it alone at once."""


class ForgottenJobError(StorageError):
    """The store has no such job any more: it was corrupt and a new one was begun, or it was deleted."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"The journal knows no {job_id} any more: it was replaced by a new one while the job ran.")


class UnreadableJobError(StorageError):
    """The record of one job makes no sense; every other job is as well as ever."""

    def __init__(self, job_id: str, error: Exception) -> None:
        super().__init__(f"The journal's entry of {job_id} cannot be read and is left as it is: {error!r}.")


class SetAsideError(StorageError):
    """The store was corrupt and an empty one takes its place; the same call made again works on that."""


class BlobGoneError(StorageError):
    """There is no file of that key, or no longer."""


class CallChanges(TypedDict, total=False):
    """What can change with a call's state: fields of `CallRecord`."""

    signature: Mapping[str, str] | None
    handle: Mapping[str, str] | None
    outputs: Sequence[Mapping[str, Any]] | None
    cost_usd: float | None
    error: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Started:
    """The job is written down, and this worker's to carry out."""

    job: JobRecord


@dataclass(frozen=True, slots=True)
class Joined:
    """The call repeats this earlier job; nothing was written."""

    job: JobRecord


@dataclass(frozen=True, slots=True)
class KeyClash:
    """Its idempotency key was given to another call before; nothing was written."""

    job_id: str


@dataclass(frozen=True, slots=True)
class OverBudget:
    """This budget has no room for it; nothing was written."""

    cap: Cap
    spent: Spent


Opened = Started | Joined | KeyClash | OverBudget


@dataclass(frozen=True, slots=True)
class Renewed:
    """What the renewal of leases brought to light, as ids of jobs."""

    cancelled: frozenset[str] = frozenset()
    """Those that someone asked to cancel."""
    lost: frozenset[str] = frozenset()
    """Those that another worker has taken over, or that have ended."""


class JobStore(Protocol):
    """Jobs, leased by the worker that carries them out; an instance belongs to one worker.

    Methods raise `StorageError` where the store cannot be used. Those that change a running job raise
    `LostLeaseError` where another worker has it now, and `ForgottenJobError` where the store does not know it.
    """

    worker_id: str
    """The name of this worker, unlike any other's."""
    lease: float
    """Seconds after which a job of a silent worker may be reclaimed by another."""

    async def open(self, who: Principal, job: NewJob, caps: Sequence[Cap] = ()) -> Opened:
        """Write a job down, unless it repeats an earlier one or a budget has no room. One transaction for all that.

        Without a key, an identical call of the same principal joins a job that still runs, one whose end was given to
        nobody and is at most `REPEAT_SECONDS` old, and one whose end may not have been heard, see `mark_seen`. One that
        failed or was cancelled is joined only where it may have been charged; the same holds for a key.

        Args:
            who: whose job it is, and whose budgets and earlier jobs are looked at.
            job: what is written.
            caps: budgets that must hold with this job's reservation.
        """

    async def repeated(self, who: Principal, fingerprint: str, key: str) -> Joined | KeyClash | None:
        """What `open` would answer such a call, before any budget is looked at; None when it is a new one."""

    async def advance(self, job_id: str, number: int, state: CallState, **changes: Unpack[CallChanges]) -> None:
        """Take one call to its next state, before anything is sent: what cannot be written down is not begun.

        Raises:
            ValueError: there is no way from its state to that one.
        """

    async def claim(self, job_id: str, number: int, handle: Mapping[str, str]) -> bool:
        """Take a call whose answer was never heard to `submitted`, unless another call has that handle.

        Calls of every principal are compared: they share the vendor's account.
        """

    async def known_handles(self, provider: str, seconds: float) -> list[Mapping[str, str]]:
        """The handles of a provider's calls in jobs begun in the last so many seconds, of every principal."""

    async def replan(self, job: NewJob) -> None:
        """Put calls to another provider in the place of those that were refused without a charge."""

    async def finish(
        self,
        job_id: str,
        state: JobState,
        *,
        cost_usd: float | None,
        cost_basis: CostBasis,
        notes: Sequence[str],
        error: Mapping[str, Any] | None = None,
    ) -> None:
        """Settle a job: nothing of it changes after this."""

    async def renew(self, job_ids: Collection[str]) -> Renewed:
        """Prolong this worker's leases of these jobs; one it holds and does not name runs out."""

    async def reclaim(self, providers: Collection[str], *, but: Collection[str] = ()) -> list[JobRecord]:
        """Take over running jobs that nobody works on, of every principal, oldest first; no two workers get the same.

        A lease must have been seen run out for `GRACE` of its length, by a clock that stands still while the machine
        sleeps: jobs are taken by a later call than the one that first sees them. What was released is taken at once.
        Records that cannot be read are left, and logged once.

        Args:
            providers: only jobs of these can be carried on.
            but: jobs this worker is busy with: their leases run out as well while a laptop sleeps.
        """

    async def reclaim_one(self, who: Principal, job_id: str) -> JobRecord | None:
        """As `reclaim`, for one job of any provider; None while somebody works on it or may, and once it has ended."""

    async def check_lease(self, job_id: str) -> None:
        """See that the job is still this worker's: for what two workers must not both do. A forgotten job passes.

        Raises:
            LostLeaseError: another worker has it now, or it has ended.
        """

    async def release(self) -> None:
        """Give up all leases of this worker, so that the next one need not wait for them to run out."""

    async def request_cancel(self, who: Principal, job_id: str) -> None:
        """Leave word for the worker that has the job, whichever that is."""

    async def mark_seen(self, who: Principal, job_id: str, doubt: float = 0.0) -> None:
        """Note that a caller was given the end of the job: it counts as heard, and the same call is a new one.

        Args:
            who: whose job it is.
            job_id: the job.
            doubt: seconds for which it does not count as heard yet, because the answer came so late that its caller
                may have given up before. As many times longer as there were identical jobs in the last
                `REPEAT_SECONDS`: who calls again and again may be a client that hears none of the answers. Of several
                answers, the one whose doubt ends first counts.
        """

    async def get(self, who: Principal, job_id: str) -> JobRecord | None:
        """The job of that id; None when there is none, or it is somebody else's.

        Raises:
            UnreadableJobError: its record makes no sense.
        """

    async def get_unscoped(self, job_id: str) -> JobRecord | None:
        """As `get`, whosever it is: for a worker's own upkeep, never to answer a caller."""

    async def newest(self, who: Principal, limit: int) -> list[JobRecord]:
        """The newest jobs, newest first; without those whose records cannot be read."""

    async def spent(self, who: Principal, since: float) -> Spent:
        """What jobs begun since a moment cost, or have set aside: each counts in the period in which it was begun."""

    async def costs(self, who: Principal, since: float) -> list[CostRow]:
        """Every job begun since a moment that has ended, and whose cost makes sense, oldest first."""


class PictureIndex(Protocol):
    """What is known of every picture that was kept. Methods raise `StorageError` where it cannot be used.

    `add` and `get` may raise `SetAsideError`.
    """

    async def add(self, who: Principal, record: PictureRecord) -> None:
        """Enter a record; one of that id that is there already stays as it is."""

    async def get(self, who: Principal, picture_id: str) -> PictureRecord | None:
        """The record of that id; None when there is none, or it is somebody else's."""

    async def of_job(self, who: Principal, job_id: str) -> list[PictureRecord]:
        """The records of one job, in the order of their variants."""

    async def search(
        self,
        who: Principal,
        *,
        words: Sequence[str] = (),
        tool: str = "",
        created: tuple[datetime, datetime] | None = None,
        parent: str = "",
        limit: int,
        offset: int = 0,
    ) -> list[PictureRecord]:
        """Records that meet every condition, newest first; an empty condition is met by all.

        Args:
            who: whose pictures.
            words: each stands somewhere in the prompt, as `plain` makes both.
            tool: name of the row.
            created: from the first moment, and before the second.
            parent: id of a picture they were made from directly.
            limit: how many at most.
            offset: how many to leave out first.
        """

    async def ids_from(self, who: Principal, prefix: str, limit: int) -> list[str]:
        """Ids that start like this, newest first."""

    async def keys_of_size(self, size: int) -> list[tuple[str, str]]:
        """Id and blob key of every principal's pictures of so many bytes: to tell whose a file is, not for a caller."""

    async def check(self) -> None:
        """Find out whether it can be written, without writing."""


@dataclass(frozen=True, slots=True)
class BlobFolder:
    """What lies below a part of the keys."""

    key: str
    """Without a slash at its end."""
    idle: float
    """Seconds since anything in it was changed, by the store's clock."""


class BlobStore(Protocol):
    """Files by key. It asks for no principal: keys come from records, which are scoped, and are shown to nobody.

    Methods raise `StorageError` with the reason, and `BlobGoneError` where there is no such file.
    """

    async def put(self, key: str, data: bytes, *, lasting: bool = True) -> None:
        """Write a file, whole or not at all, in place of one that is there.

        Args:
            key: of the file.
            data: what it holds.
            lasting: whether it must survive a power cut once this returns.
        """

    async def add(
        self, key: str, source: Path, *, others: Callable[[int], Coroutine[Any, Any, list[str]]] | None = None
    ) -> tuple[str, int]:
        """Copy a file byte for byte to a key that is free: never over something else, whole or not at all, lasting.

        Args:
            key: the wanted one. If it is taken, `-2`, `-3` ... is put before the extension.
            source: a file of this machine; it is left where it is.
            others: asked where the key is taken by exactly the same bytes: the keys of all other pictures of that size
                in bytes. If it is none of them, it is this very file, saved by a process that was killed before it
                could tell anybody: then it is taken, and no second one written. None: that is never so.

        Returns:
            The key it has, and its size in bytes.
        """

    async def read(self, key: str, limit: int | None = None) -> bytes:
        """A whole file. Raises `StorageError` where it has more than `limit` bytes; never more is read."""

    async def head(self, key: str, count: int) -> tuple[bytes, int]:
        """The first bytes of a file, at most so many, and its whole size in bytes."""

    async def fetch(self, key: str, into: Path) -> None:
        """Copy a file to one of this machine, whole or not at all."""

    async def link(self, key: str, seconds: float) -> str | None:
        """A URL that anybody can fetch the file from for so long; None where files have none."""

    def path(self, key: str) -> Path | None:
        """Where the file is, or would be, on this machine; None where files are kept elsewhere."""

    async def keys(self, prefix: str) -> list[str]:
        """The keys of all whole files that begin like this, in order; a prefix need not end at a slash."""

    async def folders(self, key: str) -> list[BlobFolder]:
        """What lies directly below a key and has, or may have, keys below it; links are left out."""

    async def delete(self, prefix: str) -> None:
        """Remove every file whose key begins like this, unfinished ones too. What cannot go is left."""

    async def workplace(self, key: str) -> Path:
        """A private folder of this machine to make files in, made if need be.

        Where files are kept on this machine, what is made in it has a key: `<key>/<name>`.
        """

    async def check_room(self, key: str, needed_bytes: int) -> None:
        """Find out whether files could be written below a key, and whether there is room for so many bytes."""
