"""Jobs and calls as rows of the journal's tables, and back. Every function works inside the caller's transaction."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, get_args

from imagewright.errors import StorageError
from imagewright.storage.journal_entry import CallEntry, JobEntry, JobState
from imagewright.storage.states import CallState

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    Table = Literal["job", "call"]

_JOB_TEXTS = ("id", "tool", "operation", "provider", "model", "state", "key", "fingerprint", "cost_basis", "owner")
_JOB_NUMBERS = ("expected", "reserved_usd", "cost_usd", "created", "finished")
_JOB_JSON = ("plan", "notes", "error")
_JOB = (*_JOB_TEXTS, *_JOB_NUMBERS, *_JOB_JSON, "cancel_asked")
_CALL_JSON = ("arguments", "trace", "handle", "products", "error")
_CALL = ("number", "state", "count", "first_variant", "cost_usd", *_CALL_JSON)
_JSON = frozenset((*_JOB_JSON, *_CALL_JSON))

_READ_JOB = f"SELECT {', '.join(_JOB)} FROM job WHERE id = ?"  # noqa: S608 - names of columns
_READ_CALLS = f"SELECT {', '.join(_CALL)} FROM call WHERE job_id = ? ORDER BY number"  # noqa: S608 - as above

NO_SENSE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What reading a row raises in which anything may stand."""


class UnreadableJobError(StorageError):
    """The row of one job, or of one of its calls, makes no sense; every other job is as well as ever."""

    def __init__(self, job_id: str, error: Exception) -> None:
        super().__init__(f"The journal's entry of {job_id} cannot be read and is left as it is: {error!r}.")


def insert_job(connection: sqlite3.Connection, entry: JobEntry, lease_until: float) -> None:
    """Write a job down with its calls."""
    _insert(connection, "job", job_values(entry) | {"lease_until": lease_until, "seen": 0})
    insert_calls(connection, entry.id, entry.calls)


def insert_calls(connection: sqlite3.Connection, job_id: str, calls: Sequence[CallEntry]) -> None:
    """Write calls of a job down."""
    for call in calls:
        _insert(connection, "call", {name: getattr(call, name) for name in _CALL} | {"job_id": job_id})


def job_values(entry: JobEntry) -> dict[str, Any]:
    """What a job's own row holds of it, by column."""
    return {name: getattr(entry, name) for name in _JOB}


def update(connection: sqlite3.Connection, table: Table, values: Mapping[str, Any], where: str, **known: Any) -> int:
    """Change columns of the rows that meet a condition; how many those are.

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


def read_job(connection: sqlite3.Connection, job_id: str) -> JobEntry | None:
    """The job of that id with its calls in order; None when there is none.

    Raises:
        UnreadableJobError: what stands there makes no sense.
    """
    row = connection.execute(_READ_JOB, (job_id,)).fetchone()
    if row is None:
        return None
    found = connection.execute(_READ_CALLS, (job_id,)).fetchall()
    try:
        return _entry(row, found)
    except NO_SENSE as error:
        raise UnreadableJobError(job_id, error) from error


def _entry(row: Sequence[Any], calls: Sequence[Sequence[Any]]) -> JobEntry:
    values = _read(_JOB, row)
    if values["state"] not in get_args(JobState):
        message = f"{values['state']!r} is no state of a job"
        raise ValueError(message)
    if not calls:
        raise ValueError("it has no calls")
    values["notes"] = tuple(values["notes"] or ())
    values["cancel_asked"] = bool(values["cancel_asked"])
    return JobEntry(**values, calls=tuple(_call(call) for call in calls))


def _call(row: Sequence[Any]) -> CallEntry:
    values = _read(_CALL, row)
    values["state"] = CallState(values["state"])
    values["products"] = None if values["products"] is None else tuple(values["products"])
    return CallEntry(**values)


def _insert(connection: sqlite3.Connection, table: Table, values: Mapping[str, Any]) -> None:
    names = ", ".join(values)
    marks = ", ".join(f":{name}" for name in values)
    query = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - names of columns
    connection.execute(query, _stored(values))


def _stored(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: encoded(value) if name in _JSON else value for name, value in values.items()}


def encoded(value: Any) -> str | None:
    """A value as its column holds it."""
    # what a vendor puts among its answers must not cost a paid picture its entry: anything has a text
    return None if value is None else json.dumps(value, separators=(",", ":"), default=str)


def _read(names: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    found = zip(names, row, strict=True)
    return {name: json.loads(value) if name in _JSON and value is not None else value for name, value in found}
