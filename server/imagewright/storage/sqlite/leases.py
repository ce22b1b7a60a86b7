"""Which worker has which job, in SQLite: leases, jobs that nobody works on, and those whose rows are damaged."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imagewright.storage.base import ForgottenJobError, LostLeaseError, Renewed, UnreadableJobError
from imagewright.storage.sqlite.tables import EXPIRED, OPEN_STATES, read_job, update
from imagewright.storage.sqlite.writer import SqliteStore, nothing, reads, writes
from imagewright.storage.states import CallState

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Mapping, Sequence

    from imagewright.storage.accounts import Principal
    from imagewright.storage.records import JobRecord
    from imagewright.storage.sqlite.writer import Writer

log = logging.getLogger(__name__)

MOST_RECLAIMED = 50
"""How many jobs are reclaimed at once."""
GRACE = 0.5
"""A job is reclaimed only after its lease was seen to be expired for this share of the lease's length. After a laptop
has slept, all leases are expired at once, and each process that wakes up renews its own within a third of a lease."""
_OF_JOB = (("job", "id"), ("call", "job_id"))
_SET_ASIDE = "INSERT OR IGNORE INTO aside (id, reason, content, noticed) VALUES (?, ?, ?, ?)"


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


class SqliteLeases(SqliteStore):
    """The part of `SqliteJobStore` that several processes share out. The arguments are those of that class."""

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
        super().__init__(writer, clock)
        self._monotonic = monotonic
        self._run_out = SeenRunOut(lease, monotonic)
        self._watched = SeenRunOut(lease, monotonic)
        self._ended: dict[str, float] = {}

    @writes(Renewed, lasting=False)
    def renew(self, connection: sqlite3.Connection, job_ids: Collection[str]) -> Renewed:
        """See `JobStore.renew`."""
        marks = ", ".join("?" * len(job_ids))
        query = f"SELECT id, worker_id, cancel_requested FROM job WHERE id IN ({marks})"  # noqa: S608 - question marks
        cancelled, lost = set(), set()
        for job_id, holder, asked in connection.execute(query, tuple(job_ids)).fetchall():
            if holder != self.worker_id:
                lost.add(job_id)
                continue
            update(connection, "job", self._leased(), "id = :id", id=job_id)
            if asked:
                cancelled.add(job_id)
        return Renewed(frozenset(cancelled), frozenset(lost))

    async def reclaim(
        self, providers: Collection[str], *, but: Collection[str] = (), stalled: bool = False
    ) -> list[JobRecord]:
        """See `JobStore.reclaim`."""
        rows = await self._free(stalled)
        wanted = [(job_id, until) for job_id, until, name in rows if name in providers and job_id not in but]
        self._run_out.forget_all_but(wanted)
        free = [job_id for job_id, lease_until in wanted if self._run_out.long_enough(job_id, lease_until)]
        return await self._take(free[:MOST_RECLAIMED]) if free else []

    async def reclaim_one(self, who: Principal, job_id: str) -> JobRecord | None:
        """See `JobStore.reclaim_one`."""
        lease_until = await self._free_one(who, job_id)
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

    @writes(nothing, lasting=False)
    def release(self, connection: sqlite3.Connection) -> None:
        """See `JobStore.release`."""
        held = "worker_id = :worker AND state = 'running'"
        update(connection, "job", {"lease_until": 0.0}, held, worker=self.worker_id)

    @writes()
    def request_cancel(self, connection: sqlite3.Connection, who: Principal, job_id: str) -> None:
        """See `JobStore.request_cancel`."""
        where = f"id = :id AND principal = :who AND {OPEN_STATES}"
        update(connection, "job", {"cancel_requested": 1}, where, id=job_id, who=who.id)

    @writes()
    def stall(self, connection: sqlite3.Connection, job_id: str, notes: Sequence[str]) -> None:
        """See `JobStore.stall`."""
        free = {"state": "stalled", "worker_id": "", "lease_until": 0.0}
        self.update_own(connection, job_id, {**free, "notes": notes})

    @writes()
    def reopen(self, connection: sqlite3.Connection, who: Principal, job_id: str) -> bool:
        """See `JobStore.reopen`."""
        sent = "job_id = :id AND state = 'cancelled' AND coalesce(handle, outputs) IS NOT NULL"
        found = f"EXISTS (SELECT 1 FROM call WHERE {sent})"  # noqa: S608 - a constant
        ended = f"id = :id AND principal = :who AND state = 'cancelled' AND {found}"
        again = {"state": "running", "finished": None, "error": None, "cancel_requested": 0, "seen": 0}
        if not update(connection, "job", {**again, "lease_until": 0.0}, ended, id=job_id, who=who.id):
            return False
        update(
            connection, "call", {"state": CallState.MADE, "error": None}, f"{sent} AND outputs IS NOT NULL", id=job_id
        )
        update(connection, "call", {"state": CallState.SUBMITTED, "error": None}, sent, id=job_id)
        return True

    def update_own(self, connection: sqlite3.Connection, job_id: str, values: Mapping[str, Any]) -> None:
        """Change the row of a job that this worker has.

        Raises:
            LostLeaseError: another worker has it.
            ForgottenJobError: there is no such job.
        """
        if update(connection, "job", values, "id = :id AND worker_id = :worker", id=job_id, worker=self.worker_id):
            return
        known = connection.execute("SELECT 1 FROM job WHERE id = ?", (job_id,)).fetchone()
        raise LostLeaseError(job_id) if known else ForgottenJobError(job_id)

    def read(self, connection: sqlite3.Connection, job_id: str) -> JobRecord | None:
        """The job with this id, None if there is none. A damaged one is set aside with the next write.

        Raises:
            UnreadableJobError: its rows are damaged.
        """
        now = self.clock()
        try:
            return read_job(connection, job_id, now)
        except UnreadableJobError:
            self.writer.later(lambda connection: set_aside_job(connection, job_id, now))
            raise

    def readable(self, connection: sqlite3.Connection, job_id: str) -> JobRecord | None:
        """As `read`, but a damaged job is left out."""
        try:
            return self.read(connection, job_id)
        except UnreadableJobError:
            return None

    @reads(list)
    def _free(self, connection: sqlite3.Connection, stalled: bool) -> list[tuple[str, float, str]]:  # noqa: FBT001 - called through a decorator
        """Jobs whose lease has run out, oldest first: id, when it ran out, and provider."""
        states = OPEN_STATES if stalled else "state = 'running'"
        query = f"SELECT id, lease_until, provider FROM job WHERE {states} AND {EXPIRED} ORDER BY created"  # noqa: S608 - constants
        return connection.execute(query, {"now": self.clock()}).fetchall()

    @reads(nothing)
    def _free_one(self, connection: sqlite3.Connection, who: Principal, job_id: str) -> float | None:
        """When the lease of a job ran out, 0 if it was given up; None while it holds, or if the job has ended."""
        query = f"SELECT lease_until FROM job WHERE id = :id AND principal = :who AND {OPEN_STATES} AND {EXPIRED}"  # noqa: S608 - constants
        row = connection.execute(query, {"id": job_id, "who": who.id, "now": self.clock()}).fetchone()
        return None if row is None else row[0]

    @writes(lasting=False)
    def _take(self, connection: sqlite3.Connection, job_ids: Sequence[str]) -> list[JobRecord]:
        """Take over those of the jobs that can be read and that no other worker has taken meanwhile."""
        now = self.clock()
        values = {"state": "running", "worker_id": self.worker_id, **self._leased()}
        free = f"id = :id AND {OPEN_STATES} AND {EXPIRED}"
        taken = []
        for job_id in job_ids:
            try:
                job = read_job(connection, job_id, now)
            except UnreadableJobError:
                set_aside_job(connection, job_id, now)
                continue
            if job is not None and update(connection, "job", values, free, id=job_id, now=now):
                taken.append(replace(job, state="running", worker_id=self.worker_id, is_held=True))
        return taken

    def _leased(self) -> dict[str, float]:
        return {"lease_until": self.clock() + self.lease, "lease_seconds": self.lease}


def set_aside_job(connection: sqlite3.Connection, job_id: str, now: float) -> None:
    """Write down what a job's rows hold if they are damaged, and read them no more. Its reservation goes on counting.

    A job that a worker holds is left alone until it has ended: that worker needs no more of the rows than it has. So is
    one that can be read again: its worker has written it meanwhile.
    """
    try:
        read_job(connection, job_id, now)
    except UnreadableJobError as error:
        values = {"state": "aside", "worker_id": "", "lease_until": 0.0}
        rows = [_raw(connection, f"SELECT * FROM {table} WHERE {key} = ?", job_id) for table, key in _OF_JOB]  # noqa: S608 - names of ours
        where = f"id = :id AND state != 'aside' AND (worker_id = '' OR {EXPIRED})"
        if update(connection, "job", values, where, id=job_id, now=now):
            log.error("%s It was set aside.", error)  # noqa: TRY400 - known, and reported in full
            set_aside_row(connection, job_id, str(error.__cause__), rows, now)


def set_aside_row(connection: sqlite3.Connection, row_id: str, reason: str, content: Any, now: float) -> None:
    """Write down what a damaged row holds. One that was set aside before stays as it was found first.

    Args:
        connection: in a write transaction.
        row_id: the id of its job or picture.
        reason: what is wrong with it.
        content: what it holds.
        now: seconds since 1970.
    """
    connection.execute(_SET_ASIDE, (row_id, reason, json.dumps(content, default=repr), now))


def _raw(connection: sqlite3.Connection, query: str, job_id: str) -> list[dict[str, Any]]:
    factory = connection.text_factory
    connection.text_factory = lambda data: data.decode("utf-8", "backslashreplace")
    try:
        rows = connection.execute(query, (job_id,))
        return [dict(zip((column[0] for column in rows.description), row, strict=True)) for row in rows.fetchall()]
    finally:
        connection.text_factory = factory
