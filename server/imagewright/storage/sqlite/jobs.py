"""Jobs in SQLite. One file holds the jobs of all server processes of a user.

What the methods promise is written in `storage.base.JobStore`.
"""

from __future__ import annotations

import math
from array import array
from contextlib import suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from imagewright.storage.accounts import Pace
from imagewright.storage.base import (
    NO_SENSE,
    REPEAT_SECONDS,
    ForgottenJobError,
    Joined,
    KeyClash,
    LostLeaseError,
    OverBudget,
    Started,
    is_over,
)
from imagewright.storage.pace import Account
from imagewright.storage.records import CostRow, JobRecord, NewJob, Spent
from imagewright.storage.sqlite.leases import SqliteLeases
from imagewright.storage.sqlite.pictures import insert_picture
from imagewright.storage.sqlite.tables import (
    EXPIRED,
    OPEN_STATES,
    decoded,
    encoded,
    insert_job,
    replace_calls,
    update,
)
from imagewright.storage.sqlite.writer import marks, nothing, reads, writes
from imagewright.storage.states import NEXT, CallState

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from imagewright.storage.accounts import Principal
    from imagewright.storage.base import CallChanges, JobEnd, Opened, Step
    from imagewright.storage.records import Cap, PictureRecord
    from imagewright.storage.states import JobState

_MAY_HAVE_COST = f"(state = 'completed' OR {OPEN_STATES} OR (state != 'aside' AND (cost_usd IS NULL OR cost_usd > 0)))"
_SAME_KEY = (
    "SELECT id FROM job WHERE principal = :principal AND key = :key AND key != '' "  # noqa: S608 - a constant
    f"AND {_MAY_HAVE_COST} ORDER BY created DESC"
)
# Of an end that nobody has heard, `ended` names those that this worker wrote down by a clock that stops while the
# machine sleeps. If the clock was set back, a moment until which somebody may not have heard it is none.
_SAME_CALL = (
    "SELECT id FROM job WHERE principal = :principal AND key = '' AND fingerprint = :fingerprint "  # noqa: S608 - as above
    f"AND ({OPEN_STATES} OR (((seen > :now AND finished <= :now) "
    f"OR (seen = 0 AND (finished >= :since OR instr(:ended, id)))) AND {_MAY_HAVE_COST})) ORDER BY created DESC"
)
_MARK_SEEN = (
    "UPDATE job SET seen = min(CASE WHEN seen = 0 THEN 9e99 ELSE seen END, :now + :doubt * max(1, "  # noqa: S608 - as above
    "(SELECT count(*) FROM job AS same WHERE same.principal = job.principal AND same.key = '' "
    f"AND same.fingerprint = job.fingerprint AND finished >= :recent AND {_MAY_HAVE_COST}))) "
    "WHERE id = :id AND principal = :principal"
)
MOST_USD = 1e6
"""USD. A job that seems to have cost more has a damaged row: it is far more than any vendor charges for a call."""
# What a vendor was never paid for is free; a damaged charge counts as what was reserved, because an infinite one would
# refuse every later call. So would a damaged moment: SQLite takes a text for later than any number.
_SPENT = (
    "SELECT coalesce(sum(CASE WHEN cost_usd BETWEEN 0 AND :most AND state NOT IN ('running', 'stalled') THEN cost_usd "
    "WHEN cost_usd IS NULL AND state IN ('completed', 'failed', 'cancelled') THEN 0 "
    "WHEN reserved_usd BETWEEN 0 AND :most THEN reserved_usd ELSE 0 END), 0), count(*) "
    "FROM job WHERE principal = :principal AND created >= :since AND typeof(created) != 'text'"
)
_AT_VENDOR = (
    # CROSS: first the few calls that run, and then their jobs, instead of all jobs that the provider ever had
    "SELECT count(*) FROM call CROSS JOIN job ON job.id = job_id WHERE call.state IN ('submitting', 'submitted') "  # noqa: S608 - as above
    f"AND provider = :provider AND job.state = 'running' AND NOT {EXPIRED}"
)
_SENDING = "UPDATE account SET unsent = substr(unsent, 9) WHERE provider = ? AND length(unsent) > 0"
_MOMENTS = ("grants", "unsent")
_NUMBERS = ("share", "halved", "granted", "refusals", "not_before")
_PACE = ("calls", "seconds", "running")
_ACCOUNT = ("provider", *_MOMENTS, *_NUMBERS, *_PACE)
_READ_ACCOUNT = f"SELECT {', '.join(_ACCOUNT)} FROM account WHERE account = ?"  # noqa: S608 - names of columns
_WRITE_ACCOUNT = f"REPLACE INTO account (account, {', '.join(_ACCOUNT)}) VALUES (?{', ?' * len(_ACCOUNT)})"  # noqa: S608 - as above
_FORGET_DURATIONS = (
    "DELETE FROM duration WHERE provider = ? AND model = ? AND number <= (SELECT number FROM duration "
    "WHERE provider = ? AND model = ? ORDER BY number DESC LIMIT 1 OFFSET ?)"
)
KEPT_DURATIONS = 50
"""How many durations are kept of each model."""


class SqliteJobStore(SqliteLeases):
    """The jobs of one database file, as one process uses them.

    Args:
        writer: the writer of the database, which holds the pictures too.
        worker_id: the name of this process. No two processes have the same.
        lease: seconds after which another process may reclaim a job whose lease was not renewed.
        clock: seconds since 1970.
        monotonic: a clock in seconds that stops while the machine sleeps.
    """

    @writes(lasting=False)  # nothing of it was sent; the step before that survives a power cut, and all before it
    def open(self, connection: sqlite3.Connection, who: Principal, job: NewJob, caps: Sequence[Cap] = ()) -> Opened:
        """See `JobStore.open`."""
        now = self.clock()
        if (earlier := self._repeated(connection, who, job.fingerprint, job.key)) is not None:
            return earlier
        for cap in caps:
            spent = _spent(connection, who, cap.since)
            if is_over(spent.usd + job.reserved_usd, cap.usd):
                return OverBudget(cap, spent)
        own: dict[str, Any] = {"principal": who.id, "created": now, "worker_id": self.worker_id}
        insert_job(connection, job, **own, **self._leased())
        new = {one.name: getattr(job, one.name) for one in fields(NewJob)}
        return Started(JobRecord(**new, **own, is_held=True))

    @reads(nothing, newest=True)  # what was marked as seen must show
    def repeated(
        self, connection: sqlite3.Connection, who: Principal, fingerprint: str, key: str
    ) -> Joined | KeyClash | None:
        """See `JobStore.repeated`."""
        return self._repeated(connection, who, fingerprint, key)

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
        for (handle,) in connection.execute(query, (provider, self.clock() - seconds)):
            with suppress(ValueError):  # reading its job reports it
                handles.append(decoded(handle))
        return handles

    @writes(lasting=False)  # as above
    def replan(self, connection: sqlite3.Connection, job: NewJob) -> None:
        """See `JobStore.replan`."""
        changes = {name: getattr(job, name) for name in ("provider", "model", "plan", "notes", "reserved_usd")}
        self.update_own(connection, job.id, changes)
        replace_calls(connection, job)

    @writes()
    def conclude(
        self,
        connection: sqlite3.Connection,
        job_id: str,
        steps: Sequence[Step],
        pictures: Sequence[PictureRecord] = (),
        end: tuple[JobState, JobEnd] | None = None,
    ) -> None:
        """See `JobStore.conclude`."""
        principal = self._own(connection, job_id)
        for step in steps:
            self._advance(connection, job_id, *step)
        for record in pictures:
            insert_picture(connection, principal, record)
        if end is not None:
            self._finish(connection, job_id, *end)

    @marks
    def mark_seen(
        self, connection: sqlite3.Connection, now: float, who: Principal, job_id: str, doubt: float = 0.0
    ) -> None:
        """See `JobStore.mark_seen`. It is written with the next step of any job, or alone a little later."""
        values = {"id": job_id, "principal": who.id, "now": now, "doubt": doubt, "recent": now - REPEAT_SECONDS}
        connection.execute(_MARK_SEEN, values)

    @reads(nothing)
    def get(self, connection: sqlite3.Connection, who: Principal, job_id: str) -> JobRecord | None:
        """See `JobStore.get`."""
        query = "SELECT 1 FROM job WHERE id = ? AND principal = ?"
        owned = connection.execute(query, (job_id, who.id)).fetchone()
        return self.read(connection, job_id) if owned else None

    @reads(nothing)
    def get_unscoped(self, connection: sqlite3.Connection, job_id: str) -> JobRecord | None:
        """See `JobStore.get_unscoped`."""
        return self.read(connection, job_id)

    @reads(list)
    def newest(self, connection: sqlite3.Connection, who: Principal, limit: int) -> list[JobRecord]:
        """See `JobStore.newest`."""
        query = "SELECT id FROM job WHERE principal = ? AND state != 'aside' ORDER BY created DESC, id LIMIT ?"
        rows = connection.execute(query, (who.id, limit)).fetchall()
        return [job for (job_id,) in rows if (job := self.readable(connection, job_id)) is not None]

    @reads(lambda: Spent(0.0, 0))
    def spent(self, connection: sqlite3.Connection, who: Principal, since: float) -> Spent:
        """See `JobStore.spent`."""
        return _spent(connection, who, since)

    @reads(list)
    def costs(self, connection: sqlite3.Connection, who: Principal, since: float) -> list[CostRow]:
        """See `JobStore.costs`."""
        query = (
            "SELECT created, tool, provider, coalesce(cost_usd, 0), cost_basis FROM job WHERE principal = ? "  # noqa: S608 - a constant
            f"AND created >= ? AND NOT {OPEN_STATES} AND state != 'aside' AND typeof(created) != 'text' "
            "AND coalesce(cost_usd, 0) BETWEEN 0 AND ? ORDER BY created"
        )
        values = (who.id, since, MOST_USD)
        return [CostRow(*row) for row in connection.execute(query, values)]

    @reads(list)
    def durations(self, connection: sqlite3.Connection, provider: str, model: str, limit: int = 20) -> list[float]:
        """See `JobStore.durations`. At most `KEPT_DURATIONS` are kept."""
        query = "SELECT seconds FROM duration WHERE provider = ? AND model = ? ORDER BY number DESC LIMIT ?"
        return [seconds for (seconds,) in connection.execute(query, (provider, model, limit))]

    @writes(lasting=False)
    def take_slot(self, connection: sqlite3.Connection, account: str, provider: str, pace: Pace) -> float:
        """See `JobStore.take_slot`."""
        known, now = _read_account(connection, account), self.clock()

        def at_vendor() -> int:
            return int(connection.execute(_AT_VENDOR, {"provider": provider, "now": now}).fetchone()[0])

        known.provider = provider
        wait = known.take(pace, now, at_vendor)
        _write_account(connection, account, known)
        return wait

    @writes(lasting=False)
    def slot_refused(self, connection: sqlite3.Connection, account: str, pace: Pace, *, wait: float | None) -> None:
        """See `JobStore.slot_refused`."""
        known = _read_account(connection, account)
        known.refuse(pace, self.clock(), wait)
        _write_account(connection, account, known)

    @writes(lasting=False)
    def slot_used(self, connection: sqlite3.Connection, account: str, late: float) -> None:
        """See `JobStore.slot_used`."""
        known = _read_account(connection, account)
        known.use(self.clock(), late)
        _write_account(connection, account, known)

    async def learn_pace(self, account: str, pace: Pace) -> None:
        """See `JobStore.learn_pace`."""
        if await self._knows_pace(account, pace):
            return

        def learn(connection: sqlite3.Connection) -> None:
            known = _read_account(connection, account)
            known.learn(pace, self.clock())
            _write_account(connection, account, known)

        await self.writer.write(learn, lasting=False)

    @reads(nothing)
    def _knows_pace(self, connection: sqlite3.Connection, account: str, pace: Pace) -> bool:
        return not _read_account(connection, account).learn(pace, self.clock())

    def _repeated(
        self, connection: sqlite3.Connection, who: Principal, fingerprint: str, key: str
    ) -> Joined | KeyClash | None:
        now, awake = self.clock(), self._monotonic()
        for job_id, ended in list(self._ended.items()):
            if awake - ended > REPEAT_SECONDS:
                self._ended.pop(job_id, None)  # several threads do this
        values = {
            "fingerprint": fingerprint,
            "principal": who.id,
            "now": now,
            "since": now - REPEAT_SECONDS,
            "key": key,
        }
        query = _SAME_KEY if key else _SAME_CALL
        row = connection.execute(query, {**values, "ended": " ".join(self._ended)}).fetchone()
        job = None if row is None else self.read(connection, row[0])
        if job is None:
            return None
        return Joined(job) if job.fingerprint == fingerprint else KeyClash(job.id)

    def _own(self, connection: sqlite3.Connection, job_id: str) -> str:
        """The principal of a job that this worker has."""
        row = connection.execute("SELECT worker_id, principal FROM job WHERE id = ?", (job_id,)).fetchone()
        if row is None:
            raise ForgottenJobError(job_id)
        if row[0] != self.worker_id:
            raise LostLeaseError(job_id)
        return str(row[1])

    def _advance(
        self, connection: sqlite3.Connection, job_id: str, number: int, state: CallState, changes: Mapping[str, Any]
    ) -> None:
        query = (
            "SELECT call.state, job.worker_id, provider, model FROM call JOIN job ON job.id = job_id "
            "WHERE job_id = ? AND number = ?"
        )
        row = connection.execute(query, (job_id, number)).fetchone()
        if row is None:
            raise ForgottenJobError(job_id)
        before, worker_id, provider, model = row
        if worker_id != self.worker_id:
            raise LostLeaseError(job_id)
        if state not in NEXT[CallState(before)]:
            message = f"{job_id} call {number}: no way from {before} to {state}"
            raise ValueError(message)
        where = "job_id = :job_id AND number = :place"
        of_call = {name: value for name, value in changes.items() if name not in {"notes", "took"}}
        update(connection, "call", {**of_call, "state": state}, where, job_id=job_id, place=number)
        if "notes" in changes:
            # mostly there are no new ones, and to write a job's row again takes longer than all else of a step
            update(connection, "job", {"notes": changes["notes"]}, "id = :id AND notes != :notes", id=job_id)
        if "took" in changes:
            _add_duration(connection, provider, model, changes["took"])
        if state is CallState.SUBMITTING:
            connection.execute(_SENDING, (provider,))

    def _finish(self, connection: sqlite3.Connection, job_id: str, state: JobState, end: Mapping[str, Any]) -> None:
        values = {"state": state, "finished": self.clock(), "worker_id": "", "error": None, **end}
        self.update_own(connection, job_id, values)
        self._ended[job_id] = self._monotonic()


def _spent(connection: sqlite3.Connection, who: Principal, since: float) -> Spent:
    """What jobs opened since a moment have cost, or have reserved while they have not ended."""
    usd, jobs = connection.execute(_SPENT, {"most": MOST_USD, "principal": who.id, "since": since}).fetchone()
    return Spent(float(usd), int(jobs))


def _add_duration(connection: sqlite3.Connection, provider: str, model: str, seconds: float) -> None:
    """Note how long a call took, and forget the oldest of its model."""
    if not (math.isfinite(seconds) and seconds >= 0):
        return
    connection.execute("INSERT INTO duration (provider, model, seconds) VALUES (?, ?, ?)", (provider, model, seconds))
    connection.execute(_FORGET_DURATIONS, (provider, model, provider, model, KEPT_DURATIONS))


def _read_account(connection: sqlite3.Connection, account: str) -> Account:
    """What is remembered of an account. A damaged row is as good as none: it costs a refusal, and no money."""
    row = connection.execute(_READ_ACCOUNT, (account,)).fetchone()
    if row is None:
        return Account()
    values = dict(zip(_ACCOUNT, row, strict=True))
    try:
        grants, unsent = (list(array("d", values[name])) for name in _MOMENTS)
        numbers = {name: values[name] + 0 for name in _NUMBERS}  # a text raises here
        learned = Pace(*(values[name] for name in _PACE))
        return Account(values["provider"], grants, unsent, **numbers, learned=learned)
    except NO_SENSE:
        return Account()


def _write_account(connection: sqlite3.Connection, account: str, known: Account) -> None:
    """Write an account down, unless its row holds exactly this."""
    moments = [array("d", getattr(known, name)).tobytes() for name in _MOMENTS]
    numbers = [getattr(known, name) for name in _NUMBERS]
    row = (known.provider, *moments, *numbers, *(getattr(known.learned, name) for name in _PACE))
    if connection.execute(_READ_ACCOUNT, (account,)).fetchone() != row:
        connection.execute(_WRITE_ACCOUNT, (account, *row))
