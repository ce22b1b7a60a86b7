"""The journal: every job is written here before a vendor is called, and every step of it before the next.

One SQLite file holds it for all server processes of a user. A job is leased by the process that works on it; a lease
that was not renewed in time lets another process adopt the job. All methods block and raise `StorageError`.
"""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imagewright.errors import StorageError
from imagewright.storage.journal_answers import Cap, Opened, Renewed, Spent
from imagewright.storage.journal_rows import (
    UnreadableJobError,
    encoded,
    insert_calls,
    insert_job,
    job_values,
    read_job,
    update,
)
from imagewright.storage.states import NEXT, CallState

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Mapping, Sequence

    from imagewright.storage.database import Database
    from imagewright.storage.journal_entry import JobEntry, JobState
    from imagewright.storage.record import CostBasis

__all__ = ["Cap", "ForgottenJobError", "Journal", "LostLeaseError", "Opened", "Renewed", "Spent", "UnreadableJobError"]

log = logging.getLogger(__name__)

_MAY_HAVE_COST = "(state IN ('running', 'completed') OR cost_usd IS NULL OR cost_usd > 0)"
_SAME_KEY = f"SELECT id FROM job WHERE key = :key AND {_MAY_HAVE_COST} ORDER BY created DESC"  # noqa: S608 - a constant
_SAME_CALL = (
    "SELECT id FROM job WHERE key = '' AND fingerprint = :fingerprint AND (state = 'running' "  # noqa: S608 - as above
    f"OR ((seen > :now OR (seen = 0 AND finished >= :since)) AND {_MAY_HAVE_COST})) ORDER BY created DESC"
)
_MARK_SEEN = (
    "UPDATE job SET seen = min(CASE WHEN seen = 0 THEN 9e99 ELSE seen END, :now + :doubt * max(1, "  # noqa: S608 - as above
    f"(SELECT count(*) FROM job AS same WHERE same.key = '' AND same.fingerprint = job.fingerprint "
    f"AND finished >= :recent AND {_MAY_HAVE_COST}))) WHERE id = :id"
)
REPEAT_SECONDS = 600.0
"""An identical call this soon after one whose end nobody was told repeats that call."""
MOST_USD = 1e6
"""USD; a row that says a job cost more makes no sense. Far above what a vendor is believed for one call."""


class LostLeaseError(Exception):
    """Another process has taken the job over: this one must leave it alone at once."""


class ForgottenJobError(StorageError):
    """The journal has no such job any more: it was corrupt and a new one was begun, or it was deleted."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"The journal knows no {job_id} any more: it was replaced by a new one while the job ran.")


class Journal:
    """The jobs of one user.

    Args:
        database: shared with the library.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reported: set[str] = set()

    def open_job(self, entry: JobEntry, *, lease_until: float, caps: Sequence[Cap] = (), now: float) -> Opened:
        """Write a job down, unless it repeats an earlier one or a budget has no room. One transaction for all that.

        Args:
            entry: the job, with its owner.
            lease_until: seconds since 1970.
            caps: budgets that must hold after this job's reservation.
            now: seconds since 1970. Without a key, an identical job joins one that still runs, one whose end was
                told to nobody and is at most `REPEAT_SECONDS` old, and one whose end may not have been heard, see
                `mark_seen`. One that failed or was cancelled is joined only where it may have been charged; the same
                holds for a key.
        """
        with self._database.writing() as connection:
            if (earlier := _repeated(connection, entry.fingerprint, entry.key, now)) is not None:
                return earlier
            for cap in caps:
                spent = _spent(connection, cap.since)
                if spent.usd + entry.reserved_usd > cap.usd + 1e-9:
                    return Opened(over=(cap, spent))
            insert_job(connection, entry, lease_until)
        return Opened(entry=entry)

    def repeated(self, fingerprint: str, key: str, now: float) -> Opened | None:
        """The job that such a call would repeat, or whose key it would take; None when it is a new one.

        Args:
            fingerprint: of the call.
            key: the caller's, or empty.
            now: as for `open_job`.
        """
        if not self._database.exists():
            return None
        with self._database.reading() as connection:
            return _repeated(connection, fingerprint, key, now)

    def move(self, job_id: str, number: int, state: CallState, *, owner: str, **changes: Any) -> None:
        """Take one call to its next state.

        Args:
            job_id: the job.
            number: the call's place in it.
            state: the next state.
            owner: the process that does it.
            changes: fields of `CallEntry` that change with it.

        Raises:
            LostLeaseError: the job belongs to another process.
            ForgottenJobError: the journal was replaced meanwhile.
            ValueError: there is no way from its state to that one.
        """
        with self._database.writing() as connection:
            _move(connection, (job_id, number), state, owner, changes)

    def claim(self, job_id: str, number: int, handle: Mapping[str, str], *, owner: str) -> bool:
        """Take a call whose answer was never heard to `submitted`, unless another call has that handle.

        Args:
            job_id: the job.
            number: the call's place in it.
            handle: the ticket of what was found at the vendor.
            owner: the process that does it.

        Raises:
            LostLeaseError: the job belongs to another process.
            ForgottenJobError: the journal was replaced meanwhile.
        """
        with self._database.writing() as connection:
            if connection.execute("SELECT 1 FROM call WHERE handle = ?", (encoded(handle),)).fetchone():
                return False
            _move(connection, (job_id, number), CallState.SUBMITTED, owner, {"handle": handle})
        return True

    def tickets(self, provider: str, since: float) -> list[Mapping[str, str]]:
        """The handles of a provider's calls in jobs begun since a moment, seconds since 1970: all that are read."""
        query = (
            "SELECT call.handle FROM call JOIN job ON job.id = job_id "
            "WHERE provider = ? AND created >= ? AND call.handle IS NOT NULL"
        )
        with self._database.reading() as connection:
            rows = connection.execute(query, (provider, since)).fetchall()
        found = []
        for (handle,) in rows:
            with suppress(ValueError):  # whoever reads its job says so
                found.append(json.loads(handle))
        return found

    def replan(self, entry: JobEntry) -> None:
        """Put calls to another provider in the place of those that were refused without a charge.

        Raises:
            LostLeaseError: the job belongs to another process.
            ForgottenJobError: the journal was replaced meanwhile.
        """
        changes = job_values(entry)
        changes = {name: changes[name] for name in ("provider", "model", "plan", "notes", "reserved_usd")}
        with self._database.writing() as connection:
            if not update(connection, "job", changes, "id = :id AND owner = :who", id=entry.id, who=entry.owner):
                raise _gone(connection, entry.id)
            connection.execute("DELETE FROM call WHERE job_id = ?", (entry.id,))
            insert_calls(connection, entry.id, entry.calls)

    def finish(
        self,
        job_id: str,
        state: JobState,
        *,
        owner: str,
        now: float,
        cost_usd: float | None,
        cost_basis: CostBasis,
        notes: Sequence[str],
        error: Mapping[str, Any] | None = None,
    ) -> None:
        """Settle a job: nothing of it changes after this.

        Raises:
            LostLeaseError: the job belongs to another process.
            ForgottenJobError: the journal was replaced meanwhile.
        """
        values = {
            "state": state,
            "finished": now,
            "cost_usd": cost_usd,
            "cost_basis": cost_basis,
            "notes": list(notes),
            "error": error,
            "owner": "",
        }
        with self._database.writing() as connection:
            if not update(connection, "job", values, "id = :id AND owner = :who", id=job_id, who=owner):
                raise _gone(connection, job_id)

    def renew(self, owner: str, job_ids: Collection[str], lease_until: float) -> Renewed:
        """Prolong the leases of the jobs a process is working on; a job it holds and does not name runs out.

        Args:
            owner: the process.
            job_ids: what it is working on.
            lease_until: seconds since 1970.
        """
        if not job_ids or not self._database.exists():
            return Renewed()
        marks = ", ".join("?" * len(job_ids))
        query = f"SELECT id, owner, cancel_asked FROM job WHERE id IN ({marks})"  # noqa: S608 - question marks
        cancelled, lost = set(), set()
        with self._database.writing() as connection:
            for job_id, holder, asked in connection.execute(query, tuple(job_ids)).fetchall():
                if holder != owner:
                    lost.add(job_id)
                    continue
                update(connection, "job", {"lease_until": lease_until}, "id = :id", id=job_id)
                if asked:
                    cancelled.add(job_id)
        return Renewed(frozenset(cancelled), frozenset(lost))

    def expired(self, *, now: float, providers: Sequence[str], most: int = 50) -> dict[str, float]:
        """Running jobs whose lease has run out, oldest first, each with when it ran out: 0 where it was given up.

        Args:
            now: seconds since 1970.
            providers: only jobs of these can be carried on.
            most: how many at most.
        """
        if not self._database.exists():
            return {}
        marks = ", ".join("?" * len(providers))
        query = (
            f"SELECT id, lease_until FROM job WHERE state = 'running' AND lease_until < ? AND provider IN ({marks}) "  # noqa: S608 - question marks
            "ORDER BY created LIMIT ?"
        )
        with self._database.reading() as connection:
            return dict(connection.execute(query, (now, *providers, most)).fetchall())

    def adopt(self, owner: str, job_ids: Collection[str], *, now: float, lease_until: float) -> list[JobEntry]:
        """Take over running jobs whose lease has run out; no two processes get the same one. Unreadable ones are left.

        Args:
            owner: the process that takes them.
            job_ids: those it wants, from `expired`; what another process has taken meanwhile is left out.
            now: seconds since 1970.
            lease_until: the same.
        """
        values = {"owner": owner, "lease_until": lease_until}
        free = "id = :id AND state = 'running' AND lease_until < :now"
        with self._database.writing() as connection:
            found = [entry for job_id in job_ids if (entry := self._readable(connection, job_id)) is not None]
            taken = [entry for entry in found if update(connection, "job", values, free, id=entry.id, now=now)]
        return [replace(entry, owner=owner) for entry in taken]

    def lease(self, job_id: str) -> tuple[str, float] | None:
        """Who works on a job, and until when in seconds since 1970: no name once it has ended, None if unknown."""
        if not self._database.exists():
            return None
        with self._database.reading() as connection:
            found = connection.execute("SELECT owner, lease_until FROM job WHERE id = ?", (job_id,)).fetchone()
        return None if found is None else (found[0], found[1])

    def report_unreadable(self, job_id: str, error: Exception) -> None:
        """Log once that a job's entry cannot be used; every other job is as well as ever."""
        if job_id not in self._reported:
            self._reported.add(job_id)
            log.error("%s", error)

    def release(self, owner: str) -> None:
        """Give up all leases of a process, so that the next one need not wait for them to run out."""
        if self._database.exists():
            with self._database.writing() as connection:
                update(connection, "job", {"lease_until": 0.0}, "owner = :who AND state = 'running'", who=owner)

    def ask_cancel(self, job_id: str) -> None:
        """Leave word for the job's owner, whichever process that is."""
        with self._database.writing() as connection:
            update(connection, "job", {"cancel_asked": 1}, "id = :id AND state = 'running'", id=job_id)

    def mark_seen(self, job_id: str, now: float, doubt: float = 0.0) -> None:
        """Note that a caller was given the end of the job: it counts as heard, and the same call is a new one.

        Args:
            job_id: the job.
            now: seconds since 1970.
            doubt: seconds for which it does not count as heard yet, because the answer came so late that its caller
                may have given up before. As many times longer as there were identical jobs in the last
                `REPEAT_SECONDS`: who calls again and again may be a client that hears none of the answers. Of several
                answers, the one whose doubt ends first counts.
        """
        with self._database.writing() as connection:
            connection.execute(_MARK_SEEN, {"id": job_id, "now": now, "doubt": doubt, "recent": now - REPEAT_SECONDS})

    def get(self, job_id: str) -> JobEntry | None:
        """The job of that id.

        Raises:
            UnreadableJobError: its entry makes no sense.
        """
        if not self._database.exists():
            return None
        with self._database.reading() as connection:
            return read_job(connection, job_id)

    def newest(self, limit: int) -> list[JobEntry]:
        """The newest jobs, newest first; without those whose entries cannot be read."""
        if not self._database.exists():
            return []
        with self._database.reading() as connection:
            rows = connection.execute("SELECT id FROM job ORDER BY created DESC, id LIMIT ?", (limit,)).fetchall()
            return [entry for (job_id,) in rows if (entry := self._readable(connection, job_id)) is not None]

    def _readable(self, connection: sqlite3.Connection, job_id: str) -> JobEntry | None:
        try:
            return read_job(connection, job_id)
        except UnreadableJobError as error:
            self.report_unreadable(job_id, error)
            return None

    def spent(self, since: float) -> Spent:
        """What jobs begun since a moment cost, or have set aside: each counts in the period in which it was begun."""
        if not self._database.exists():
            return Spent(0.0, 0)
        with self._database.reading() as connection:
            return _spent(connection, since)

    def costs(self, since: float) -> list[tuple[float, str, str, float, str]]:
        """(created, tool, provider, USD, basis) of every job since a moment whose cost makes sense, oldest first."""
        if not self._database.exists():
            return []
        with self._database.reading() as connection:
            return connection.execute(
                "SELECT created, tool, provider, coalesce(cost_usd, 0), cost_basis FROM job WHERE created >= ? "
                "AND state != 'running' AND typeof(created) != 'text' AND coalesce(cost_usd, 0) BETWEEN 0 AND ? "
                "ORDER BY created",
                (since, MOST_USD),
            ).fetchall()


def _repeated(connection: sqlite3.Connection, fingerprint: str, key: str, now: float) -> Opened | None:
    query = _SAME_KEY if key else _SAME_CALL
    values = {"key": key, "fingerprint": fingerprint, "now": now, "since": now - REPEAT_SECONDS}
    found = connection.execute(query, values).fetchone()
    entry = None if found is None else read_job(connection, found[0])
    if entry is None:
        return None
    return Opened(joined=entry) if entry.fingerprint == fingerprint else Opened(clashing=entry)


def _move(
    connection: sqlite3.Connection, call: tuple[str, int], state: CallState, owner: str, changes: Mapping[str, Any]
) -> None:
    job_id, number = call
    query = "SELECT call.state, job.owner FROM call JOIN job ON job.id = job_id WHERE job_id = ? AND number = ?"
    found = connection.execute(query, call).fetchone()
    if found is None:
        raise ForgottenJobError(job_id)
    if found[1] != owner:
        raise LostLeaseError(job_id)
    if state not in NEXT[CallState(found[0])]:
        message = f"{job_id} call {number}: no way from {found[0]} to {state}"
        raise ValueError(message)
    where = "job_id = :job_id AND number = :place"
    update(connection, "call", {**changes, "state": state}, where, job_id=job_id, place=number)


def _spent(connection: sqlite3.Connection, since: float) -> Spent:
    """What jobs begun since a moment cost, or what is set aside for those that run."""
    usd, jobs = connection.execute(
        # a charge that makes no sense counts as what was set aside: an infinite one would refuse every later call, and
        # so would a moment that is none, which is later than any number
        "SELECT coalesce(sum(CASE WHEN state = 'running' THEN reserved_usd WHEN cost_usd IS NULL THEN 0 "
        "WHEN cost_usd BETWEEN 0 AND ? THEN cost_usd ELSE reserved_usd END), 0), "
        "count(*) FROM job WHERE created >= ? AND typeof(created) != 'text'",
        (MOST_USD, since),
    ).fetchone()
    return Spent(float(usd), int(jobs))


def _gone(connection: sqlite3.Connection, job_id: str) -> Exception:
    """Why a job is not this process's any more."""
    known = connection.execute("SELECT 1 FROM job WHERE id = ?", (job_id,)).fetchone()
    return LostLeaseError(job_id) if known else ForgottenJobError(job_id)
