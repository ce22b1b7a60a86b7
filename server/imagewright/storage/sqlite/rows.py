"""Convert jobs and calls to rows of their tables, and back. All functions work inside the caller's transaction."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, get_args

from imagewright.storage.base import NO_SENSE, UnreadableJobError
from imagewright.storage.records import CallRecord, JobRecord
from imagewright.storage.states import CallState, JobState

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from imagewright.storage.records import NewJob

    Table = Literal["job", "call"]

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
    values["notes"] = tuple(values["notes"] or ())
    values["cancel_requested"] = bool(values["cancel_requested"])
    return JobRecord(**values, is_held=bool(is_held), calls=tuple(_call(call) for call in calls))


def _call(row: Sequence[Any]) -> CallRecord:
    values = _read(_CALL, row)
    values["state"] = CallState(values["state"])
    values["outputs"] = None if values["outputs"] is None else tuple(values["outputs"])
    return CallRecord(**values)


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
