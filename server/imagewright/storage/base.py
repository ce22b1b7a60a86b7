"""The contract between the engine and whatever keeps jobs, pictures and files.

`JobStore` holds jobs, `PictureIndex` holds what is known about pictures, `BlobStore` in `blob_store` holds files. Every
method that reads or changes a user's data takes a `Principal` and works on that user's data only. Times are seconds
since 1970, UTC, by the store's own clock, so that leases, budgets and pace never compare the clocks of two machines.

Records name files by blob key, see `records.INCOMING` and what follows there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, NotRequired, Protocol, TypedDict

from imagewright.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime
    from typing import Unpack

    from imagewright.storage.accounts import Pace, Principal
    from imagewright.storage.records import Cap, CostBasis, CostRow, JobRecord, NewJob, PictureRecord, Spent
    from imagewright.storage.states import CallState, JobState

REPEAT_SECONDS = 600.0
"""An identical call joins a job that ended at most this many seconds ago, if no caller was given its end."""
RENEWALS_PER_LEASE = 3
"""A lease is renewed this many times before it would expire, so that one slow renewal loses no job."""
NO_SENSE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""The errors that reading a damaged record can raise."""


class LostLeaseError(Exception):
    """Another worker has taken the job over, or it has ended. This worker must stop working on it at once."""


class ForgottenJobError(StorageError):
    """The store does not know the job any more: the store was corrupt and was replaced by an empty one."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"The journal knows no {job_id} any more: it was replaced by a new one while the job ran.")


class UnreadableJobError(StorageError):
    """The record of one job is damaged. Other jobs are not affected."""

    def __init__(self, job_id: str, error: Exception) -> None:
        advice = "`imagewright doctor` says what to do."
        super().__init__(f"The journal's entry of {job_id} cannot be read: {error!r}. {advice}")


class SetAsideError(StorageError):
    """The store was corrupt and was moved aside. The same call, made again, uses an empty new one."""


class BlobGoneError(StorageError):
    """There is no file with this key, or it was deleted."""


class CallChanges(TypedDict, total=False):
    """Fields of `CallRecord` that can change together with its state, and what else is written down with it."""

    signature: Mapping[str, str] | None
    handle: Mapping[str, str] | None
    outputs: Sequence[Mapping[str, Any]] | None
    cost_usd: float | None
    error: Mapping[str, Any] | None
    notes: Sequence[str]
    """All notes of its job."""
    took: float
    """Seconds from `submitted` to finished, as well as they are known. `durations` returns them."""


class Step(NamedTuple):
    """One call's step to its next state."""

    number: int
    """The number of the call within its job."""
    state: CallState
    changes: CallChanges


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


def is_over(usd: float, limit: float) -> bool:
    """Whether a sum in USD is above a limit; not for what adding up has rounded, as 40 times 0.005 is above 0.2."""
    return usd > limit + 1e-9


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
        repeats an identical job of the same principal without a key in three cases: the job has not ended; it ended at
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

    async def conclude(
        self,
        job_id: str,
        steps: Sequence[Step],
        pictures: Sequence[PictureRecord] = (),
        end: tuple[JobState, JobEnd] | None = None,
    ) -> None:
        """Take steps of a job's calls, add its pictures to the index, and end it, in one transaction: all or nothing.

        Args:
            job_id: the job.
            steps: taken in this order, each as by `advance`.
            pictures: records of its owner's. One whose id is in the index already stays as it is there.
            end: its last state and the rest of its end; None if it goes on. A job that has ended does not change any
                more, unless it is reopened.

        Raises:
            ValueError: there is no such step.
        """

    async def stall(self, job_id: str, notes: Sequence[str]) -> None:
        """Set a job aside that waits for its vendor for too long, with all its notes. No worker holds it then."""

    async def reopen(self, who: Principal, job_id: str) -> bool:
        """Carry on a cancelled job with those of its calls that were cancelled although the vendor had them.

        The job is running again, the calls are submitted, or made if they were, and any worker may reclaim it at once.

        Returns:
            False if there is nothing to fetch: the job is not this principal's, was not cancelled, or no cancelled call
            has a handle or outputs.
        """

    async def renew(self, job_ids: Collection[str]) -> Renewed:
        """Renew this worker's leases of these jobs. Its other leases are left to expire."""

    async def reclaim(
        self, providers: Collection[str], *, but: Collection[str] = (), stalled: bool = False
    ) -> list[JobRecord]:
        """Take over running jobs that no worker works on, of all principals, oldest first.

        No two workers get the same job. A lease must be seen expired twice: by an earlier call of this method, and by
        one that comes `GRACE` of a lease later, by a clock that stops while the machine sleeps. Released jobs are
        taken at once. A lease that ends later than it could, because the clock was set back, is expired too. Jobs whose
        records are damaged are left, and logged once.

        Args:
            providers: only jobs of these providers are taken.
            but: ids of jobs that this worker is working on: their leases expire too while a laptop sleeps.
            stalled: whether stalled jobs are taken too. They are running then.
        """

    async def reclaim_one(self, who: Principal, job_id: str) -> JobRecord | None:
        """As `reclaim`, for one job of any provider, also a stalled one.

        Returns:
            The job; None if it has ended, or while a worker may be working on it.
        """

    async def check_lease(self, job_id: str) -> None:
        """Check that this worker still has the job, before a step that only one worker may take.

        Raises:
            LostLeaseError: another worker has it now, or it has ended. An unknown job is not an error.
        """

    async def release(self) -> None:
        """Give up all leases of this worker, so that another need not wait for them to expire."""

    async def request_cancel(self, who: Principal, job_id: str) -> None:
        """Ask for a job to be cancelled that has not ended. Its worker, if it has one, learns of it by `renew`."""

    async def mark_seen(self, who: Principal, job_id: str, doubt: float = 0.0) -> None:
        """Note that a caller was given the end of the job. From then on, an identical call is a new job.

        It need not be on disk when this returns. Other workers may learn of it a second later.

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
        """What jobs opened since a moment have cost, or have reserved while they have not ended."""

    async def costs(self, who: Principal, since: float) -> list[CostRow]:
        """What each job cost that was opened since a moment and has ended, oldest first."""

    async def durations(self, provider: str, model: str, limit: int = 20) -> list[float]:
        """How many seconds the newest calls to a model took, see `CallChanges`, newest first; of all principals."""

    async def take_slot(self, account: str, provider: str, pace: Pace) -> float:
        """Take one of an account's slots, which are shared by all workers. Each is for one request that begins a task.

        A rate that the user has set counts; else the slower one of `pace` and what was learned. If neither is known, a
        slot is always given. Refusals slow down all of these for a while, see `pace`.

        Args:
            account: the vendor account, such as provider and a hash of its key.
            provider: whose calls are counted for `pace.running`: those that are being sent or are submitted, in jobs
                with a live lease.
            pace: what the provider is known to take, or what the user has set for it.

        Returns:
            0.0 if a slot was taken; else seconds after which to ask again.
        """

    async def slot_refused(self, account: str, pace: Pace, *, wait: float | None) -> None:
        """Note that the vendor refused a request for the rate: the account's rate is halved, at most once in a window.

        Args:
            account: as for `take_slot`.
            pace: as for `take_slot`.
            wait: seconds for which the vendor asks to send nothing, an hour at most; None if it does not say.
        """

    async def slot_used(self, account: str, late: float) -> None:
        """Note that a request leaves now, `late` seconds after its slot was taken: the vendor counts it from now on."""

    async def learn_pace(self, account: str, pace: Pace) -> None:
        """Remember what an answer says the vendor takes. What it does not say stays as it was."""


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
            words: each must occur in the prompt; words and prompt are compared after `records.comparable`.
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
