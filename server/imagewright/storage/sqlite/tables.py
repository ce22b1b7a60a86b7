"""The tables of the database: every step from an empty file to those of this release, and jobs as rows of them.

A released step is never changed. What reads and writes rows works inside the caller's transaction.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from imagewright.storage.base import NO_SENSE, UnreadableJobError
from imagewright.storage.paths.roots import resolved_path
from imagewright.storage.records import FILE, PICTURES, CallRecord, JobRecord, spooled_key
from imagewright.storage.states import OPEN, CallState, JobState

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence

    from imagewright.storage.records import NewJob

    Table = Literal["job", "call"]


MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # `seed` is text because vendors report seeds beyond 64 bits with a sign; `created` counts microseconds since
        # 1970 in UTC; `words` is the prompt as `comparable` makes it, because SQL folds the case of ASCII only.
        """
        CREATE TABLE picture (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            path TEXT NOT NULL,
            tool TEXT NOT NULL,
            operation TEXT NOT NULL,
            provider TEXT NOT NULL,
            model TEXT NOT NULL,
            prompt TEXT NOT NULL,
            words TEXT NOT NULL,
            arguments TEXT NOT NULL,
            seed TEXT,
            cost_usd REAL,
            cost_basis TEXT NOT NULL,
            width INTEGER NOT NULL,
            height INTEGER NOT NULL,
            format TEXT NOT NULL,
            bytes INTEGER NOT NULL,
            created INTEGER NOT NULL,
            job_id TEXT NOT NULL,
            variant INTEGER NOT NULL
        )
        """,
        "CREATE INDEX picture_by_time ON picture (created, number)",
        "CREATE INDEX picture_by_tool ON picture (tool, created, number)",
        """
        CREATE TABLE lineage (
            child TEXT NOT NULL REFERENCES picture (id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            parent TEXT NOT NULL,
            PRIMARY KEY (child, position)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX lineage_by_parent ON lineage (parent)",
    ),
    (
        # Times are seconds since 1970 in UTC. `seen` is the moment from which the job's end counts as
        # heard by a caller, see `JobStore.mark_seen`; 0 while no caller was given it.
        """
        CREATE TABLE job (
            id TEXT PRIMARY KEY,
            tool TEXT NOT NULL,
            operation TEXT NOT NULL,
            provider TEXT NOT NULL,
            model TEXT NOT NULL,
            state TEXT NOT NULL,
            key TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            plan TEXT NOT NULL,
            expected INTEGER NOT NULL,
            reserved_usd REAL NOT NULL,
            cost_usd REAL,
            cost_basis TEXT NOT NULL,
            notes TEXT NOT NULL,
            error TEXT,
            created REAL NOT NULL,
            finished REAL,
            owner TEXT NOT NULL,
            lease_until REAL NOT NULL,
            cancel_asked INTEGER NOT NULL,
            seen INTEGER NOT NULL
        ) WITHOUT ROWID
        """,
        "CREATE INDEX job_by_time ON job (created)",
        "CREATE INDEX job_by_state ON job (state, lease_until)",
        "CREATE INDEX job_by_fingerprint ON job (fingerprint)",
        "CREATE INDEX job_by_key ON job (key) WHERE key != ''",
        """
        CREATE TABLE call (
            job_id TEXT NOT NULL REFERENCES job (id) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            state TEXT NOT NULL,
            count INTEGER NOT NULL,
            first_variant INTEGER NOT NULL,
            arguments TEXT NOT NULL,
            handle TEXT,
            products TEXT,
            cost_usd REAL,
            error TEXT,
            PRIMARY KEY (job_id, number)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX picture_by_job ON picture (job_id, variant)",
    ),
    (
        "ALTER TABLE call ADD COLUMN trace TEXT",
        "CREATE INDEX call_by_handle ON call (handle) WHERE handle IS NOT NULL",
    ),
    (
        # Whose each row is, blob keys in place of absolute paths, and the field's names. A caller's look-ups go by
        # principal; stalled jobs and known handles are looked for over all of them.
        "ALTER TABLE job ADD COLUMN principal TEXT NOT NULL DEFAULT 'local'",
        "ALTER TABLE job RENAME COLUMN owner TO worker_id",
        "ALTER TABLE job RENAME COLUMN cancel_asked TO cancel_requested",
        "ALTER TABLE call RENAME COLUMN trace TO signature",
        "ALTER TABLE call RENAME COLUMN products TO outputs",
        "ALTER TABLE picture ADD COLUMN principal TEXT NOT NULL DEFAULT 'local'",
        "ALTER TABLE picture RENAME COLUMN path TO key",
        # The functions get bytes, because a damaged text would end the migration. What makes no sense stays.
        "UPDATE job SET plan = coalesce(plan_of_now(CAST(plan AS BLOB)), plan)",
        "UPDATE call SET outputs = coalesce(outputs_of_now(CAST(outputs AS BLOB)), outputs) WHERE outputs IS NOT NULL",
        "UPDATE picture SET key = coalesce(key_of_path(CAST(key AS BLOB)), key)",
        "DROP INDEX job_by_time",
        "DROP INDEX job_by_fingerprint",
        "DROP INDEX job_by_key",
        "DROP INDEX picture_by_time",
        "DROP INDEX picture_by_tool",
        "CREATE INDEX job_by_time ON job (principal, created)",
        "CREATE INDEX job_by_fingerprint ON job (principal, fingerprint, created)",
        "CREATE INDEX job_by_key ON job (principal, key, created) WHERE key != ''",
        "CREATE INDEX job_by_provider ON job (provider, created)",
        "CREATE INDEX picture_by_time ON picture (principal, created, number)",
        "CREATE INDEX picture_by_tool ON picture (principal, tool, created, number)",
    ),
    (
        # How long the lease was, to tell when the clock was set back: older rows get the longest that can be set.
        "ALTER TABLE job ADD COLUMN lease_seconds REAL NOT NULL DEFAULT 3600",
    ),
    (
        # Whether any pixel is transparent: 0 or 1, and nothing for the pictures of older releases.
        "ALTER TABLE picture ADD COLUMN transparent INTEGER",
    ),
    (
        # `grants` and `unsent` are moments as 8-byte floats of the machine's own byte order, oldest first, see
        # `storage.pace.Account`.
        """
        CREATE TABLE account (
            account TEXT PRIMARY KEY,
            provider TEXT NOT NULL,
            grants BLOB NOT NULL,
            unsent BLOB NOT NULL,
            share REAL NOT NULL,
            halved REAL NOT NULL,
            granted INTEGER NOT NULL,
            refusals INTEGER NOT NULL,
            not_before REAL NOT NULL,
            calls INTEGER,
            seconds REAL NOT NULL,
            running INTEGER
        ) WITHOUT ROWID
        """,
        # Budgets are summed up from the index alone: a job's row is long.
        "DROP INDEX job_by_time",
        "CREATE INDEX job_by_time ON job (principal, created, state, cost_usd, reserved_usd)",
        "CREATE INDEX call_at_vendor ON call (state) WHERE state IN ('submitting', 'submitted')",
        # How long the newest calls to each model took. A table of its own, because most calls of old jobs say nothing
        # of it, and looking for those that do would read them all.
        """
        CREATE TABLE duration (
            number INTEGER PRIMARY KEY,
            provider TEXT NOT NULL,
            model TEXT NOT NULL,
            seconds REAL NOT NULL
        )
        """,
        "CREATE INDEX duration_by_model ON duration (provider, model, number)",
        # Damaged rows of jobs and pictures: their texts as they were found, as JSON. The row of a job has the state
        # `aside` from then on, and is never read again.
        """
        CREATE TABLE aside (
            id TEXT PRIMARY KEY,
            reason TEXT NOT NULL,
            content TEXT NOT NULL,
            noticed REAL NOT NULL
        ) WITHOUT ROWID
        """,
    ),
)


def functions(pictures: Path) -> Mapping[str, Callable[[Any], Any]]:
    """What the steps call by name.

    Args:
        pictures: the library's folder: what lies in it gets a key below `pictures/`, everything else keeps its path.
    """
    folder = resolved_path(pictures)

    def key_of_path(data: bytes) -> str | None:
        try:
            path = data.decode()
        except NO_SENSE:
            return None
        if Path(path).is_relative_to(folder):
            return f"{PICTURES}/{Path(path).relative_to(folder).as_posix()}"
        return f"{FILE}{Path(path).as_posix()}"

    return {"key_of_path": key_of_path, "plan_of_now": _plan_of_now, "outputs_of_now": _outputs_of_now}


def _plan_of_now(text: bytes) -> str | None:
    """The plan of a job, in the names of this release; None for what makes no sense, which is reported when read."""
    try:
        plan = json.loads(text)
        spec = plan.pop("brief")
        spec["request"] = spec.pop("said")
        inputs = plan["inputs"]
        for picture in [*inputs["images"], *([inputs["mask"]] if inputs["mask"] else [])]:
            picture["file"] = spooled_key(picture["file"])
        return json.dumps({"spec": spec, **plan}, separators=(",", ":"))
    except NO_SENSE:
        return None


def _outputs_of_now(text: bytes) -> str | None:
    """The outputs of a call; as above."""
    try:
        outputs = json.loads(text)
        for output in outputs:
            output["file"] = spooled_key(output["file"])
        return json.dumps(outputs, separators=(",", ":"))
    except NO_SENSE:
        return None


_NEW_TEXTS = ("id", "tool", "operation", "provider", "model", "key", "fingerprint", "cost_basis")
_NEW_NUMBERS = ("expected", "reserved_usd", "cost_usd")
_NEW_JSON = ("plan", "notes")
_NEW = (*_NEW_TEXTS, *_NEW_NUMBERS, *_NEW_JSON)
_JOB = (*_NEW, "principal", "created", "state", "error", "finished", "worker_id", "cancel_requested")
_CALL_JSON = ("arguments", "signature", "handle", "outputs", "error")
_CALL = ("number", "state", "count", "first_variant", "cost_usd", *_CALL_JSON)
_JSON = frozenset((*_NEW_JSON, *_CALL_JSON))

EXPIRED = "(lease_until < :now OR lease_until > :now + 2 * lease_seconds)"
"""A lease has expired, or ends so late that the clock must have been set back: no process may be renewing it."""
_READ_JOB = f"SELECT {', '.join(_JOB)}, state = 'running' AND NOT {EXPIRED} FROM job WHERE id = :id"  # noqa: S608 - names of columns
_READ_CALLS = f"SELECT {', '.join(_CALL)} FROM call WHERE job_id = ? ORDER BY number"  # noqa: S608 - as above


OPEN_STATES = f"state IN {tuple(sorted(OPEN))}"
"""A job has not ended."""


def insert_job(connection: sqlite3.Connection, job: NewJob, **more: Any) -> None:
    """Write a job down with its calls.

    Args:
        connection: in a write transaction.
        job: the job.
        more: further columns of its row.
    """
    plain = {"state": "running", "cancel_requested": 0, "seen": 0}
    _insert(connection, "job", {name: getattr(job, name) for name in _NEW} | plain | more)
    _insert_calls(connection, job)


def replace_calls(connection: sqlite3.Connection, job: NewJob) -> None:
    """Replace the calls of a job."""
    connection.execute("DELETE FROM call WHERE job_id = ?", (job.id,))
    _insert_calls(connection, job)


def update(connection: sqlite3.Connection, table: Table, values: Mapping[str, Any], where: str, **known: Any) -> int:
    """Change columns of the rows that meet a condition, and return how many rows these are.

    Args:
        connection: in a write transaction.
        table: whose rows.
        values: new content by column.
        where: condition, with the names of `known` after a colon.
        known: what the condition compares with.
    """
    changes = ", ".join(f"{name} = :{name}" for name in values)
    query = f"UPDATE {table} SET {changes} WHERE {where}"  # noqa: S608 - names of columns
    return connection.execute(query, {**_stored(values), **known}).rowcount


def read_job(connection: sqlite3.Connection, job_id: str, now: float) -> JobRecord | None:
    """The job with this id and its calls; None if there is none.

    Args:
        connection: in a transaction.
        job_id: the job.
        now: seconds since 1970, to tell whether its lease has expired.

    Raises:
        UnreadableJobError: its rows are damaged.
    """
    row = connection.execute(_READ_JOB, {"now": now, "id": job_id}).fetchone()
    if row is None:
        return None
    calls = connection.execute(_READ_CALLS, (job_id,)).fetchall()
    try:
        if row[_JOB.index("state")] == "aside":
            raise ValueError(connection.execute("SELECT reason FROM aside WHERE id = ?", (job_id,)).fetchone()[0])
        return _record(row, calls)
    except NO_SENSE as error:
        raise UnreadableJobError(job_id, error) from error


def encoded(value: Any) -> str | None:
    """A value as the JSON text of its column."""
    # a vendor may answer with anything, and a paid picture must not be lost because JSON cannot hold it
    return None if value is None else json.dumps(value, separators=(",", ":"), default=str)


def decoded(text: str) -> Any:
    """The value of a JSON column.

    Raises:
        ValueError: it is no JSON, or a byte of it is damaged.
    """
    if "\ufffd" in text:  # `encoded` writes ASCII only, so this was put in place of a damaged byte
        raise ValueError("it is no UTF-8")
    return json.loads(text)


def _record(row: Sequence[Any], calls: Sequence[Sequence[Any]]) -> JobRecord:
    *columns, is_held = row
    values = _read(_JOB, columns)
    if values["state"] not in get_args(JobState):
        message = f"{values['state']!r} is not a state of a job"
        raise ValueError(message)
    if not calls:
        raise ValueError("it has no calls")
    _check(values, "created", "expected", "reserved_usd")
    if values["finished"] is not None:
        _check(values, "finished")
    values["notes"] = tuple(values["notes"] or ())
    values["cancel_requested"] = bool(values["cancel_requested"])
    return JobRecord(**values, is_held=bool(is_held), calls=tuple(_call(call) for call in calls))


def _call(row: Sequence[Any]) -> CallRecord:
    values = _read(_CALL, row)
    _check(values, "number", "count", "first_variant")
    values["state"] = CallState(values["state"])
    values["outputs"] = None if values["outputs"] is None else tuple(values["outputs"])
    return CallRecord(**values)


def _check(values: Mapping[str, Any], *names: str) -> None:
    """SQLite keeps a text in a column of numbers, if it is given one."""
    for name in names:
        if not isinstance(values[name], int | float) or not math.isfinite(values[name]):
            message = f"{name} is {values[name]!r}"
            raise ValueError(message)


def _insert_calls(connection: sqlite3.Connection, job: NewJob) -> None:
    for call in job.calls:
        _insert(connection, "call", {name: getattr(call, name) for name in _CALL} | {"job_id": job.id})


def _insert(connection: sqlite3.Connection, table: Table, values: Mapping[str, Any]) -> None:
    names = ", ".join(values)
    marks = ", ".join(f":{name}" for name in values)
    query = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - names of columns
    connection.execute(query, _stored(values))


def _stored(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: encoded(value) if name in _JSON else value for name, value in values.items()}


def _read(names: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    columns = zip(names, row, strict=True)
    return {name: decoded(value) if name in _JSON and value is not None else value for name, value in columns}
