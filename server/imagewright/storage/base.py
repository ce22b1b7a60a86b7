"""The contract between the engine and whatever keeps jobs, pictures and files.

`JobStore` holds jobs, `PictureIndex` holds what is known about pictures, `BlobStore` holds files. Every method that
reads or changes a user's data takes a `Principal` and works on that user's data only. Times are seconds since 1970,
UTC, by the store's own clock, so that leases, budgets and repeated calls never compare the clocks of two machines.

Records name files by blob key, see `records.INCOMING` and what follows there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NotRequired, Protocol, TypedDict

from imagewright.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path
    from typing import Unpack

    from imagewright.storage.principal import Principal
    from imagewright.storage.records import Cap, CostBasis, CostRow, JobRecord, NewJob, PictureRecord, Spent
    from imagewright.storage.states import CallState, JobState

REPEAT_SECONDS = 600.0
"""An identical call joins a job that ended at most this many seconds ago, if no caller was given its end."""
GRACE = 0.5
"""A job is reclaimed only after its lease was seen to be expired for this share of the lease's length. After a laptop
has slept, all leases are expired at once, and each process that wakes up renews its own within a third of a lease."""
RENEWALS_PER_LEASE = 3
"""A lease is renewed this many times before it would expire, so that one slow renewal loses no job."""
NO_SENSE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""The errors that reading a damaged record can raise."""


class SeenRunOut:
    """Remembers since when each lease was seen to be expired. Every kind of store can use it.

    Args:
        lease: seconds.
        monotonic: a clock in seconds that stops while the machine sleeps.
    """

    def __init__(self, lease: float, monotonic: Callable[[], float]) -> None:
        self._grace = lease * GRACE
        self._monotonic = monotonic
        self._since: dict[tuple[str, float], float] = {}

    def long_enough(self, job_id: str, lease_until: float) -> bool:
        """Whether a job may be reclaimed: it was released, or its lease has been seen expired for `GRACE`."""
        now = self._monotonic()
        return not lease_until or now - self._since.setdefault((job_id, lease_until), now) >= self._grace

    def forget_all_but(self, leases: Collection[tuple[str, float]]) -> None:
        """Forget all leases but these, which are still expired."""
        self._since = {lease: since for lease, since in self._since.items() if lease in leases}


class LostLeaseError(Exception):
    """Another worker has taken the job over, or it has ended. This worker must stop working on it at once."""


class ForgottenJobError(StorageError):
    """The store does not know the job any more: the store was corrupt and was replaced by an empty one."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"The journal knows no {job_id} any more: it was replaced by a new one while the job ran.")


class UnreadableJobError(StorageError):
    """The record of one job is damaged. Other jobs are not affected."""

    def __init__(self, job_id: str, error: Exception) -> None:
        super().__init__(f"The journal's entry of {job_id} cannot be read and is left as it is: {error!r}.")


class SetAsideError(StorageError):
    """The store was corrupt and was moved aside. The same call, made again, uses an empty new one."""


class BlobGoneError(StorageError):
    """There is no file with this key, or it was deleted."""


class CallChanges(TypedDict, total=False):
    """Fields of `CallRecord` that can change together with its state, and `notes` of its job."""

    signature: Mapping[str, str] | None
    handle: Mapping[str, str] | None
    outputs: Sequence[Mapping[str, Any]] | None
    cost_usd: float | None
    error: Mapping[str, Any] | None
    notes: Sequence[str]


class JobEnd(TypedDict):
    """Fields of `JobRecord` that are written when a job ends."""

    cost_usd: float | None
    cost_basis: CostBasis
    notes: Sequence[str]
    error: NotRequired[Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Started:
    """The job was written down. This worker holds its lease and carries it out."""

    job: JobRecord


@dataclass(frozen=True, slots=True)
class Joined:
    """The call repeats this earlier job. Nothing was written."""

    job: JobRecord


@dataclass(frozen=True, slots=True)
class KeyClash:
    """The idempotency key was used before, for a different call. Nothing was written."""

    job_id: str


@dataclass(frozen=True, slots=True)
class OverBudget:
    """This budget has no room for the job. Nothing was written."""

    cap: Cap
    spent: Spent


Opened = Started | Joined | KeyClash | OverBudget


@dataclass(frozen=True, slots=True)
class Renewed:
    """What a worker learns when it renews its leases: ids of jobs."""

    cancelled: frozenset[str] = frozenset()
    """Jobs that somebody asked to cancel."""
    lost: frozenset[str] = frozenset()
    """Jobs that another worker has taken over, or that have ended."""


class JobStore(Protocol):
    """The jobs. A running job is leased by the worker that carries it out; one instance serves one worker.

    All methods raise `StorageError` if the store cannot be used. Methods that change a running job raise
    `LostLeaseError` if another worker holds it, and `ForgottenJobError` if the store does not know it.
    """

    worker_id: str
    """The name of this worker. No two workers have the same."""
    lease: float
    """Seconds after which another worker may reclaim a job whose lease was not renewed."""

    async def open(self, who: Principal, job: NewJob, caps: Sequence[Cap] = ()) -> Opened:
        """Write a job down, unless it repeats an earlier job or a budget has no room. This is one transaction.

        A call with an idempotency key repeats the job of the same principal that has this key. A call without a key
        repeats an identical job of the same principal without a key in three cases: the job still runs; it ended at
        most `REPEAT_SECONDS` ago and no caller was given its end; or its caller may not have heard the end, see
        `mark_seen`. A job that failed or was cancelled is repeated only if it may have been charged.

        Args:
            who: the owner of the job. Only their earlier jobs and spending count.
            job: the job.
            caps: budgets that must not be exceeded with this job's reservation added.
        """

    async def repeated(self, who: Principal, fingerprint: str, key: str) -> Joined | KeyClash | None:
        """What `open` would answer such a call if no budget stood in its way; None if the call is new."""

    async def advance(self, job_id: str, number: int, state: CallState, **changes: Unpack[CallChanges]) -> None:
        """Move one call to its next state. It is on disk when this returns.

        Raises:
            ValueError: `states.NEXT` has no step from its present state to this one.
        """

    async def claim(self, job_id: str, number: int, handle: Mapping[str, str]) -> bool:
        """Move a call whose answer was lost to `submitted`, with a handle found at the vendor.

        Returns:
            False if any call already has this handle. Calls of all principals are compared, because they share the
            vendor's account.
        """

    async def known_handles(self, provider: str, seconds: float) -> list[Mapping[str, str]]:
        """The handles of a provider's calls, from jobs of all principals that were opened in the last `seconds`."""

    async def replan(self, job: NewJob) -> None:
        """Replace a job's calls, which were refused without a charge, by calls to another provider."""

    async def finish(self, job_id: str, state: JobState, **end: Unpack[JobEnd]) -> None:
        """End a job. It does not change after this."""

    async def renew(self, job_ids: Collection[str]) -> Renewed:
        """Renew this worker's leases of these jobs. Its other leases are left to expire."""

    async def reclaim(self, providers: Collection[str], *, but: Collection[str] = ()) -> list[JobRecord]:
        """Take over running jobs that no worker works on, of all principals, oldest first.

        No two workers get the same job. A lease must be seen expired twice: by an earlier call of this method, and by
        one that comes `GRACE` of a lease later, by a clock that stops while the machine sleeps. Released jobs are
        taken at once. A lease that ends later than it could, because the clock was set back, is expired too. Jobs whose
        records are damaged are left, and logged once.

        Args:
            providers: only jobs of these providers are taken.
            but: ids of jobs that this worker is working on: their leases expire too while a laptop sleeps.
        """

    async def reclaim_one(self, who: Principal, job_id: str) -> JobRecord | None:
        """As `reclaim`, for one job of any provider. None if it has ended, or while a worker may be working on it."""

    async def check_lease(self, job_id: str) -> None:
        """Check that this worker still has the job, before a step that only one worker may take.

        Raises:
            LostLeaseError: another worker has it now, or it has ended. An unknown job is not an error.
        """

    async def release(self) -> None:
        """Give up all leases of this worker, so that another need not wait for them to expire."""

    async def request_cancel(self, who: Principal, job_id: str) -> None:
        """Ask for a running job to be cancelled. Its worker learns of it by `renew`."""

    async def mark_seen(self, who: Principal, job_id: str, doubt: float = 0.0) -> None:
        """Note that a caller was given the end of the job. From then on, an identical call is a new job.

        Args:
            who: the owner of the job.
            job_id: the job.
            doubt: seconds for which an identical call still joins this job, because the answer came so late that the
                caller may have given up before. This time is multiplied by the number of identical jobs that ended in
                the last `REPEAT_SECONDS`, because a client that calls again and again may hear none of the answers.
                If a job is marked several times, the mark whose time ends first counts.
        """

    async def get(self, who: Principal, job_id: str) -> JobRecord | None:
        """The job with this id; None if there is none, or if it belongs to somebody else.

        Raises:
            UnreadableJobError: its record is damaged.
        """

    async def get_unscoped(self, job_id: str) -> JobRecord | None:
        """As `get`, for jobs of all principals. For a worker's own cleaning up, never to answer a caller."""

    async def newest(self, who: Principal, limit: int) -> list[JobRecord]:
        """The newest jobs, newest first. Jobs whose records are damaged are left out, and logged once."""

    async def spent(self, who: Principal, since: float) -> Spent:
        """What jobs opened since a moment have cost, or have reserved while they run."""

    async def costs(self, who: Principal, since: float) -> list[CostRow]:
        """What each job cost that was opened since a moment and has ended, oldest first."""


class PictureIndex(Protocol):
    """What is known about the pictures that were kept. A damaged record is left out of every answer, and logged once.

    All methods raise `StorageError` if the index cannot be used, and its subclass `SetAsideError` if it was corrupt.
    """

    async def add(self, who: Principal, record: PictureRecord) -> None:
        """Add a record. If there is one with this id already, that one stays as it is."""

    async def get(self, who: Principal, picture_id: str) -> PictureRecord | None:
        """The record with this id; None if there is none, or if it belongs to somebody else."""

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
        """Records that meet every condition, newest first. A condition that is left out is met by all.

        Args:
            who: whose pictures.
            words: each must occur in the prompt; words and prompt are compared after `records.plain`.
            tool: name of the row.
            created: from the first moment, and before the second.
            parent: id of a picture they were made from directly.
            limit: how many at most.
            offset: how many to leave out first.
        """

    async def newest_ids(self, who: Principal, limit: int) -> list[str]:
        """The ids of the newest pictures, newest first."""

    async def keys_of_size(self, size: int) -> list[tuple[str, str]]:
        """Id and key of all principals' pictures with this size in bytes. Never to answer a caller."""

    async def check(self) -> None:
        """Check that the index can be written, without writing anything."""


@dataclass(frozen=True, slots=True)
class BlobFolder:
    """All files whose keys begin with `key` and a slash."""

    key: str
    idle: float
    """Seconds since any of them was changed, by the store's clock."""


class BlobStore(Protocol):
    """Files by key. Its methods take no principal, because keys are found only in records, and those are scoped.

    All methods raise `StorageError` if the store cannot be used, and its subclass `BlobGoneError` if there is no file
    with the key, or the text cannot be a key.
    """

    async def put(self, key: str, data: bytes, *, lasting: bool = True) -> None:
        """Write a file, whole or not at all. It replaces a file that has this key.

        Args:
            key: of the file.
            data: its content.
            lasting: whether the file must survive a power cut after this returns.
        """

    async def add(
        self, key: str, source: Path, *, others: Callable[[int], Coroutine[Any, Any, list[str]]] | None = None
    ) -> tuple[str, int]:
        """Copy a file to a free key, byte for byte, whole or not at all. It survives a power cut after this returns.

        Args:
            key: the wanted key. If it is taken, `-2`, `-3` ... is put before the extension.
            source: a file of this machine. It is not changed.
            others: returns the keys of all other pictures with a given size in bytes. It is called if the wanted key
                is taken by a file with exactly the same bytes. If that file is none of these pictures, it was written
                by a process that was killed before it could record it: then its key is returned, and nothing is
                written. With None, such a file is always taken for another picture.

        Returns:
            The key of the copy, and its size in bytes.
        """

    async def read(self, key: str, limit: int | None = None) -> bytes:
        """The content of a file. Raises `StorageError` if it has more than `limit` bytes, and never reads more."""

    async def head(self, key: str, count: int) -> tuple[bytes, int]:
        """The first `count` bytes of a file, or fewer if it is shorter, and its size in bytes."""

    async def fetch(self, key: str, into: Path) -> None:
        """Copy a file to a path of this machine, whole or not at all."""

    async def link(self, key: str, seconds: float) -> str | None:
        """A URL from which anybody can fetch the file for that many seconds; None if this store has no URLs."""

    def path(self, key: str) -> Path | None:
        """The path of a file on this machine, whether it exists or not; None if it is elsewhere or this is no key."""

    async def keys(self, prefix: str) -> list[str]:
        """The keys of all finished files that begin with this text, sorted. It need not end at a slash."""

    async def folders(self, key: str) -> list[BlobFolder]:
        """The folders directly below a key. Symbolic links are left out."""

    async def delete(self, prefix: str) -> None:
        """Remove all files whose keys begin with this text, unfinished ones too. What cannot be removed is left."""

    async def workplace(self, key: str) -> Path:
        """A private folder on this machine to work in. It is made if it is missing.

        If the store is on this machine, a file made in the folder has a key of its own: `<key>/<name>`.
        """

    async def check_room(self, key: str, needed_bytes: int) -> None:
        """Check that files can be written below a key, and that there is room for that many bytes."""
