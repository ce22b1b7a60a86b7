"""Jobs in SQLite. One file holds the jobs of all server processes of a user.

What the methods promise is written in `storage.base.JobStore`.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from imagewright.storage.base import (
    REPEAT_SECONDS,
    ForgottenJobError,
    Joined,
    KeyClash,
    LostLeaseError,
    OverBudget,
    Renewed,
    SeenRunOut,
    Started,
    UnreadableJobError,
)
from imagewright.storage.records import CostRow, JobRecord, NewJob, Spent
from imagewright.storage.sqlite.tables import EXPIRED, decoded, encoded, insert_job, read_job, replace_calls, update
from imagewright.storage.sqlite.writer import SqliteStore, nothing, reads, writes
from imagewright.storage.states import NEXT, CallState

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Unpack

    from imagewright.storage.base import CallChanges, JobEnd, Opened
    from imagewright.storage.principal import Principal
    from imagewright.storage.records import Cap
    from imagewright.storage.sqlite.writer import Writer
    from imagewright.storage.states import JobState

T = TypeVar("T")

log = logging.getLogger(__name__)

_MAY_HAVE_COST = "(state IN ('running', 'completed') OR cost_usd IS NULL OR cost_usd > 0)"
_SAME_KEY = (
    "SELECT id FROM job WHERE principal = :principal AND key = :key AND key != '' "  # noqa: S608 - a constant
    f"AND {_MAY_HAVE_COST} ORDER BY created DESC"
)
_SAME_CALL = (
    "SELECT id FROM job WHERE principal = :principal AND key = '' AND fingerprint = :fingerprint "  # noqa: S608 - as above
    "AND (state = 'running' OR "
    f"((seen > :now OR (seen = 0 AND finished >= :since)) AND {_MAY_HAVE_COST})) ORDER BY created DESC"
)
_MARK_SEEN = (
    "UPDATE job SET seen = min(CASE WHEN seen = 0 THEN 9e99 ELSE seen END, :now + :doubt * max(1, "  # noqa: S608 - as above
    "(SELECT count(*) FROM job AS same WHERE same.principal = job.principal AND same.key = '' "
    f"AND same.fingerprint = job.fingerprint AND finished >= :recent AND {_MAY_HAVE_COST}))) "
    "WHERE id = :id AND principal = :principal"
)
MOST_USD = 1e6
"""USD. A job that seems to have cost more has a damaged row: it is far more than any vendor charges for a call."""
MOST_RECLAIMED = 50
"""How many jobs are reclaimed at once."""


class SqliteJobStore(SqliteStore):
    """The jobs of one database file, as one process uses them.

    Args:
        writer: the writer of the database, which holds the pictures too.
        worker_id: the name of this process. No two processes have the same.
        lease: seconds after which another process may reclaim a job whose lease was not renewed.
        clock: seconds since 1970.
        monotonic: a clock in seconds that stops while the machine sleeps.
    """

    def __init__(
        self,
        writer: Writer,
        *,
        worker_id: str,
        lease: float,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.worker_id = worker_id
        self.lease = lease
        super().__init__(writer)
        self._clock = clock
        self._stalled = SeenRunOut(lease, monotonic)
        self._watched = SeenRunOut(lease, monotonic)
        self._reported: set[str] = set()

    @writes()
    def open(self, connection: sqlite3.Connection, who: Principal, job: NewJob, caps: Sequence[Cap] = ()) -> Opened:
        """See `JobStore.open`."""
        now = self._clock()
        if (earlier := _repeated(connection, who, job.fingerprint, job.key, now)) is not None:
            return earlier
        for cap in caps:
            spent = _spent(connection, who, cap.since)
            if spent.usd + job.reserved_usd > cap.usd + 1e-9:
                return OverBudget(cap, spent)
        own: dict[str, Any] = {"principal": who.id, "created": now, "worker_id": self.worker_id}
        insert_job(connection, job, **own, lease_until=now + self.lease, lease_seconds=self.lease)
        new = {one.name: getattr(job, one.name) for one in fields(NewJob)}
        return Started(JobRecord(**new, **own, is_held=True))

    @reads(nothing)
    def repeated(
        self, connection: sqlite3.Connection, who: Principal, fingerprint: str, key: str
    ) -> Joined | KeyClash | None:
        """See `JobStore.repeated`."""
        return _repeated(connection, who, fingerprint, key, self._clock())

    @writes()
    def advance(
        self, connection: sqlite3.Connection, job_id: str, number: int, state: CallState, **changes: Unpack[CallChanges]
    ) -> None:
        """See `JobStore.advance`."""
        self._advance(connection, job_id, number, state, changes)

    @writes()
    def claim(self, connection: sqlite3.Connection, job_id: str, number: int, handle: Mapping[str, str]) -> bool:
        """See `JobStore.claim`."""
        if connection.execute("SELECT 1 FROM call WHERE handle = ?", (encoded(handle),)).fetchone():
            return False
        self._advance(connection, job_id, number, CallState.SUBMITTED, {"handle": handle})
        return True

    @reads(list)
    def known_handles(self, connection: sqlite3.Connection, provider: str, seconds: float) -> list[Mapping[str, str]]:
        """See `JobStore.known_handles`."""
        query = (
            "SELECT call.handle FROM call JOIN job ON job.id = job_id "
            "WHERE provider = ? AND created >= ? AND call.handle IS NOT NULL"
        )
        handles = []
        for (handle,) in connection.execute(query, (provider, self._clock() - seconds)):
            with suppress(ValueError):  # reading its job reports it
                handles.append(decoded(handle))
        return handles

    @writes()
    def replan(self, connection: sqlite3.Connection, job: NewJob) -> None:
        """See `JobStore.replan`."""
        changes = {name: getattr(job, name) for name in ("provider", "model", "plan", "notes", "reserved_usd")}
        self._update_own(connection, job.id, changes)
        replace_calls(connection, job)

    @writes()
    def finish(self, connection: sqlite3.Connection, job_id: str, state: JobState, **end: Unpack[JobEnd]) -> None:
        """See `JobStore.finish`."""
        values = {"state": state, "finished": self._clock(), "worker_id": "", "error": None, **end}
        self._update_own(connection, job_id, values)

    @writes(Renewed)
    def renew(self, connection: sqlite3.Connection, job_ids: Collection[str]) -> Renewed:
        """See `JobStore.renew`."""
        query = f"SELECT id, worker_id, cancel_requested FROM job WHERE id IN ({_marks(job_ids)})"  # noqa: S608 - question marks
        cancelled, lost = set(), set()
        until = {"lease_until": self._clock() + self.lease, "lease_seconds": self.lease}
        for job_id, holder, asked in connection.execute(query, tuple(job_ids)).fetchall():
            if holder != self.worker_id:
                lost.add(job_id)
                continue
            update(connection, "job", until, "id = :id", id=job_id)
            if asked:
                cancelled.add(job_id)
        return Renewed(frozenset(cancelled), frozenset(lost))

    async def reclaim(self, providers: Collection[str], *, but: Collection[str] = ()) -> list[JobRecord]:
        """See `JobStore.reclaim`."""
        skipped = {*but, *self._reported}  # damaged ones must not stand in the way of the others
        rows = await self._run_out()
        wanted = [(job_id, until) for job_id, until, name in rows if name in providers and job_id not in skipped]
        self._stalled.forget_all_but(wanted)
        free = [job_id for job_id, lease_until in wanted if self._stalled.long_enough(job_id, lease_until)]
        return await self._take(free[:MOST_RECLAIMED]) if free else []

    async def reclaim_one(self, who: Principal, job_id: str) -> JobRecord | None:
        """See `JobStore.reclaim_one`."""
        lease_until = await self._run_out_one(who, job_id)
        if lease_until is None or not self._watched.long_enough(job_id, lease_until):
            return None
        taken = await self._take([job_id])
        return taken[0] if taken else None

    @reads(nothing)
    def check_lease(self, connection: sqlite3.Connection, job_id: str) -> None:
        """See `JobStore.check_lease`."""
        row = connection.execute("SELECT worker_id FROM job WHERE id = ?", (job_id,)).fetchone()
        if row is not None and row[0] != self.worker_id:
            raise LostLeaseError(job_id)

    @writes(nothing)
    def release(self, connection: sqlite3.Connection) -> None:
        """See `JobStore.release`."""
        held = "worker_id = :worker AND state = 'running'"
        update(connection, "job", {"lease_until": 0.0}, held, worker=self.worker_id)

    @writes()
    def request_cancel(self, connection: sqlite3.Connection, who: Principal, job_id: str) -> None:
        """See `JobStore.request_cancel`."""
        where = "id = :id AND principal = :who AND state = 'running'"
        update(connection, "job", {"cancel_requested": 1}, where, id=job_id, who=who.id)

    @writes()
    def mark_seen(self, connection: sqlite3.Connection, who: Principal, job_id: str, doubt: float = 0.0) -> None:
        """See `JobStore.mark_seen`."""
        now = self._clock()
        values = {"id": job_id, "principal": who.id, "now": now, "doubt": doubt, "recent": now - REPEAT_SECONDS}
        connection.execute(_MARK_SEEN, values)

    @reads(nothing)
    def get(self, connection: sqlite3.Connection, who: Principal, job_id: str) -> JobRecord | None:
        """See `JobStore.get`."""
        query = "SELECT 1 FROM job WHERE id = ? AND principal = ?"
        owned = connection.execute(query, (job_id, who.id)).fetchone()
        return read_job(connection, job_id, self._clock()) if owned else None

    @reads(nothing)
    def get_unscoped(self, connection: sqlite3.Connection, job_id: str) -> JobRecord | None:
        """See `JobStore.get_unscoped`."""
        return read_job(connection, job_id, self._clock())

    @reads(list)
    def newest(self, connection: sqlite3.Connection, who: Principal, limit: int) -> list[JobRecord]:
        """See `JobStore.newest`."""
        query = "SELECT id FROM job WHERE principal = ? ORDER BY created DESC, id LIMIT ?"
        rows = connection.execute(query, (who.id, limit)).fetchall()
        return [job for (job_id,) in rows if (job := self._readable(connection, job_id)) is not None]

    @reads(lambda: Spent(0.0, 0))
    def spent(self, connection: sqlite3.Connection, who: Principal, since: float) -> Spent:
        """See `JobStore.spent`."""
        return _spent(connection, who, since)

    @reads(list)
    def costs(self, connection: sqlite3.Connection, who: Principal, since: float) -> list[CostRow]:
        """See `JobStore.costs`."""
        query = (
            "SELECT created, tool, provider, coalesce(cost_usd, 0), cost_basis FROM job WHERE principal = ? "
            "AND created >= ? AND state != 'running' AND typeof(created) != 'text' "
            "AND coalesce(cost_usd, 0) BETWEEN 0 AND ? ORDER BY created"
        )
        values = (who.id, since, MOST_USD)
        return [CostRow(*row) for row in connection.execute(query, values)]

    def _advance(
        self, connection: sqlite3.Connection, job_id: str, number: int, state: CallState, changes: Mapping[str, Any]
    ) -> None:
        query = "SELECT call.state, job.worker_id FROM call JOIN job ON job.id = job_id WHERE job_id = ? AND number = ?"
        row = connection.execute(query, (job_id, number)).fetchone()
        if row is None:
            raise ForgottenJobError(job_id)
        if row[1] != self.worker_id:
            raise LostLeaseError(job_id)
        if state not in NEXT[CallState(row[0])]:
            message = f"{job_id} call {number}: no way from {row[0]} to {state}"
            raise ValueError(message)
        where = "job_id = :job_id AND number = :place"
        of_call = {name: value for name, value in changes.items() if name != "notes"}
        update(connection, "call", {**of_call, "state": state}, where, job_id=job_id, place=number)
        if "notes" in changes:
            update(connection, "job", {"notes": changes["notes"]}, "id = :id", id=job_id)

    def _update_own(self, connection: sqlite3.Connection, job_id: str, values: Mapping[str, Any]) -> None:
        """Change the row of a job that this worker has."""
        if update(connection, "job", values, "id = :id AND worker_id = :worker", id=job_id, worker=self.worker_id):
            return
        known = connection.execute("SELECT 1 FROM job WHERE id = ?", (job_id,)).fetchone()
        raise LostLeaseError(job_id) if known else ForgottenJobError(job_id)

    @reads(list)
    def _run_out(self, connection: sqlite3.Connection) -> list[tuple[str, float, str]]:
        """Running jobs whose lease has run out, oldest first: id, when it ran out, and provider."""
        query = f"SELECT id, lease_until, provider FROM job WHERE state = 'running' AND {EXPIRED} ORDER BY created"  # noqa: S608 - a constant
        return connection.execute(query, {"now": self._clock()}).fetchall()

    @reads(nothing)
    def _run_out_one(self, connection: sqlite3.Connection, who: Principal, job_id: str) -> float | None:
        """When the lease of a running job ran out; None while it has not."""
        query = f"SELECT lease_until FROM job WHERE id = :id AND principal = :who AND state = 'running' AND {EXPIRED}"  # noqa: S608 - a constant
        row = connection.execute(query, {"id": job_id, "who": who.id, "now": self._clock()}).fetchone()
        return None if row is None else row[0]

    @writes()
    def _take(self, connection: sqlite3.Connection, job_ids: Sequence[str]) -> list[JobRecord]:
        """Take over those of the jobs that can be read and that no other worker has taken meanwhile."""
        now = self._clock()
        values = {"worker_id": self.worker_id, "lease_until": now + self.lease, "lease_seconds": self.lease}
        free = f"id = :id AND state = 'running' AND {EXPIRED}"
        jobs = [job for job_id in job_ids if (job := self._readable(connection, job_id)) is not None]
        taken = [job for job in jobs if update(connection, "job", values, free, id=job.id, now=now)]
        return [replace(job, worker_id=self.worker_id, is_held=True) for job in taken]

    def _readable(self, connection: sqlite3.Connection, job_id: str) -> JobRecord | None:
        try:
            return read_job(connection, job_id, self._clock())
        except UnreadableJobError as error:
            if job_id not in self._reported:
                self._reported.add(job_id)
                log.error("%s", error)  # noqa: TRY400 - known, and reported in full
            return None


def _repeated(
    connection: sqlite3.Connection, who: Principal, fingerprint: str, key: str, now: float
) -> Joined | KeyClash | None:
    values = {"fingerprint": fingerprint, "principal": who.id, "now": now, "since": now - REPEAT_SECONDS, "key": key}
    row = connection.execute(_SAME_KEY if key else _SAME_CALL, values).fetchone()
    job = None if row is None else read_job(connection, row[0], now)
    if job is None:
        return None
    return Joined(job) if job.fingerprint == fingerprint else KeyClash(job.id)


def _spent(connection: sqlite3.Connection, who: Principal, since: float) -> Spent:
    """What jobs opened since a moment have cost, or have reserved while they run."""
    usd, jobs = connection.execute(
        # A damaged charge counts as what was reserved, because an infinite one would refuse every later call. So would
        # a damaged moment: SQLite takes a text for later than any number.
        "SELECT coalesce(sum(CASE WHEN state = 'running' THEN reserved_usd WHEN cost_usd IS NULL THEN 0 "
        "WHEN cost_usd BETWEEN 0 AND ? THEN cost_usd ELSE reserved_usd END), 0), "
        "count(*) FROM job WHERE principal = ? AND created >= ? AND typeof(created) != 'text'",
        (MOST_USD, who.id, since),
    ).fetchone()
    return Spent(float(usd), int(jobs))


def _marks(values: Collection[str]) -> str:
    return ", ".join("?" * len(values))
