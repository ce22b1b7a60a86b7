"""The index of pictures in SQLite. What the methods promise is written in `storage.base.PictureIndex`."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from imagewright.storage.base import NO_SENSE
from imagewright.storage.records import PictureRecord, comparable
from imagewright.storage.sqlite.leases import set_aside_row
from imagewright.storage.sqlite.writer import SqliteStore, nothing, reads, writes
from imagewright.text import Foreign

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from imagewright.storage.accounts import Principal
    from imagewright.storage.sqlite.writer import Writer

log = logging.getLogger(__name__)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_TEXTS = ("id", "key", "tool", "operation", "provider", "model", "cost_basis", "format", "job_id")
_NUMBERS = ("cost_usd", "width", "height", "bytes", "variant")
_MADE = ("prompt", "arguments", "seed", "created", "transparent")

_COLUMNS = _TEXTS + _NUMBERS + _MADE
_INSERT = (
    f"INSERT OR IGNORE INTO picture (principal, words, {', '.join(_COLUMNS)}) "  # noqa: S608 - only the names above are put in
    f"VALUES (:principal, :words, {', '.join(':' + name for name in _COLUMNS)})"
)
_INSERT_PARENT = "INSERT OR IGNORE INTO lineage (child, position, parent) VALUES (?, ?, ?)"
_SELECT = (
    f"SELECT {', '.join(_COLUMNS)}, (SELECT group_concat(parent, ' ') FROM "  # noqa: S608 - as above
    "(SELECT parent FROM lineage WHERE child = picture.id ORDER BY position)) FROM picture WHERE principal = ?"
)
_NEWEST_FIRST = "ORDER BY created DESC, number DESC LIMIT ? OFFSET ?"


class SqlitePictureIndex(SqliteStore):
    """The pictures of one database file.

    Args:
        writer: the writer of the database, which holds the jobs too.
    """

    def __init__(self, writer: Writer) -> None:
        super().__init__(writer)
        self._reported: set[str] = set()

    @writes()
    def add(self, connection: sqlite3.Connection, who: Principal, record: PictureRecord) -> None:
        """See `PictureIndex.add`."""
        insert_picture(connection, who.id, record)

    @reads(nothing)
    def get(self, connection: sqlite3.Connection, who: Principal, picture_id: str) -> PictureRecord | None:
        """See `PictureIndex.get`."""
        records = self._records(connection, f"{_SELECT} AND id = ?", [who.id, picture_id])
        return records[0] if records else None

    @reads(list)
    def of_job(self, connection: sqlite3.Connection, who: Principal, job_id: str) -> list[PictureRecord]:
        """See `PictureIndex.of_job`."""
        return self._records(connection, f"{_SELECT} AND job_id = ? ORDER BY variant", [who.id, job_id])

    @reads(list)
    def search(
        self,
        connection: sqlite3.Connection,
        who: Principal,
        *,
        words: Sequence[str] = (),
        tool: str = "",
        created: tuple[datetime, datetime] | None = None,
        parent: str = "",
        limit: int,
        offset: int = 0,
    ) -> list[PictureRecord]:
        """See `PictureIndex.search`."""
        query, values = _SELECT, list[str | int]([who.id, *words])
        query += " AND instr(words, ?) > 0" * len(words)
        if tool:
            query += " AND tool = ?"
            values.append(tool)
        if created:
            query += " AND created >= ? AND created < ?"
            values += [_ticks(created[0]), _ticks(created[1])]
        if parent:
            query += " AND id IN (SELECT child FROM lineage WHERE parent = ?)"
            values.append(parent)
        return self._records(connection, f"{query} {_NEWEST_FIRST}", [*values, limit, offset])

    @reads(list)
    def newest_ids(self, connection: sqlite3.Connection, who: Principal, limit: int) -> list[str]:
        """See `PictureIndex.newest_ids`."""
        query = f"SELECT id FROM picture WHERE principal = ? {_NEWEST_FIRST}"  # noqa: S608 - a constant is put in
        return [row[0] for row in connection.execute(query, (who.id, limit, 0))]

    @reads(list)
    def keys_of_size(self, connection: sqlite3.Connection, size: int) -> list[tuple[str, str]]:
        """See `PictureIndex.keys_of_size`."""
        return connection.execute("SELECT id, key FROM picture WHERE bytes = ?", (size,)).fetchall()

    def _records(self, connection: sqlite3.Connection, query: str, values: Sequence[str | int]) -> list[PictureRecord]:
        """The records of these rows. A damaged one is left out, and logged once."""
        records = []
        for row in connection.execute(query, values):
            try:
                records.append(_record(row))
            except NO_SENSE as error:
                if row[0] not in self._reported:
                    self._reported.add(row[0])
                    log.error("The library's entry of %s cannot be read and is left as it is: %r.", row[0], error)  # noqa: TRY400 - known, and reported in full
                    self.writer.later(_aside(row, str(error), self.clock()))
        return records


def insert_picture(connection: sqlite3.Connection, principal: str, record: PictureRecord) -> None:
    """Add a record to the index, unless its id is there already."""
    connection.execute(_INSERT, _values(record) | {"principal": principal})
    parents = [(record.id, position, parent) for position, parent in enumerate(record.parents)]
    connection.executemany(_INSERT_PARENT, parents)


def _aside(row: tuple[Any, ...], reason: str, now: float) -> Callable[[sqlite3.Connection], None]:
    """Writes down what a damaged row holds."""
    content = dict(zip((*_COLUMNS, "parents"), row, strict=True))
    return lambda connection: set_aside_row(connection, str(row[0]), reason, content, now)


def _values(record: PictureRecord) -> dict[str, Any]:
    values: dict[str, Any] = {name: _storable(getattr(record, name)) for name in _TEXTS}
    values |= {name: getattr(record, name) for name in _NUMBERS}
    # Arguments can hold anything, and a paid picture must not be left out because JSON cannot hold it.
    values["arguments"] = json.dumps(record.arguments, separators=(",", ":"), default=str)
    values["prompt"] = _storable(record.prompt.raw)
    values["words"] = _storable(comparable(record.prompt.raw))
    values["seed"] = None if record.seed is None else str(record.seed)
    values["created"] = _ticks(record.created)
    values["transparent"] = record.transparent
    return values


def _record(row: tuple[Any, ...]) -> PictureRecord:
    *columns, parents = row
    values = dict(zip(_COLUMNS, columns, strict=True))
    return PictureRecord(
        **{name: values[name] for name in _TEXTS + _NUMBERS},
        prompt=Foreign(values["prompt"]),
        arguments=json.loads(values["arguments"]),
        seed=None if values["seed"] is None else int(values["seed"]),
        created=_EPOCH + values["created"] * _TICK,
        transparent=None if values["transparent"] is None else bool(values["transparent"]),
        parents=tuple((parents or "").split()),
    )


def _storable(text: str) -> str:
    """The text with `?` in place of half characters, which a database cannot hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _ticks(moment: datetime) -> int:
    """Microseconds since 1970 in UTC."""
    return (moment - _EPOCH) // _TICK
