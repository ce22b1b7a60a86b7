"""The picture table: records in, records out. Another kind of database would stand here in its place."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagewright.storage.database import Database, SetAsideError
from imagewright.storage.naming import plain
from imagewright.storage.record import PictureRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_TEXTS = ("id", "tool", "operation", "provider", "model", "prompt", "cost_basis", "format", "job_id")
_NUMBERS = ("cost_usd", "width", "height", "bytes", "variant")
_MADE = ("path", "words", "arguments", "seed", "created")

_COLUMNS = _TEXTS + _NUMBERS + _MADE
_INSERT = (
    f"INSERT OR IGNORE INTO picture ({', '.join(_COLUMNS)}) "  # noqa: S608 - only the names above are put in
    f"VALUES ({', '.join(':' + name for name in _COLUMNS)})"
)
_INSERT_PARENT = "INSERT OR IGNORE INTO lineage (child, position, parent) VALUES (?, ?, ?)"
_SELECT = (
    f"SELECT {', '.join(_COLUMNS)}, (SELECT group_concat(parent, ' ') FROM "  # noqa: S608 - as above
    "(SELECT parent FROM lineage WHERE child = picture.id ORDER BY position)) FROM picture"
)
_NEWEST_FIRST = "ORDER BY created DESC, number DESC LIMIT ? OFFSET ?"


class PictureTable:
    """The index of the library. Every method raises `StorageError` when the database cannot be used."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, records: Sequence[PictureRecord]) -> list[str]:
        """Add records, all or none; one that is there already stays as it is.

        Returns:
            What the user should know: that the database was corrupt and they are the first in a new one.
        """
        try:
            self._insert(records)
        except SetAsideError as error:
            self._insert(records)
            return [str(error)]
        return []

    def by_id(self, picture_id: str) -> PictureRecord | None:
        """The record of that id, if there is one."""
        found = self._records(f"{_SELECT} WHERE id = ?", [picture_id])
        return found[0] if found else None

    def look_up(self, picture_id: str) -> tuple[PictureRecord | None, list[str]]:
        """As `by_id`, with what the user should know, as `add` returns it."""
        try:
            return self.by_id(picture_id), []
        except SetAsideError as error:
            return None, [str(error)]

    def of_size(self, size: int) -> list[tuple[str, Path]]:
        """Id and path of the pictures that were saved with so many bytes."""
        return [(row[0], Path(row[1])) for row in self._rows("SELECT id, path FROM picture WHERE bytes = ?", [size])]

    def search(
        self,
        *,
        words: Sequence[str],
        tool: str,
        created: tuple[datetime, datetime] | None,
        parent: str,
        limit: int,
        offset: int,
    ) -> list[PictureRecord]:
        """Records that meet every condition, newest first; an empty condition is met by all.

        Args:
            words: each stands somewhere in the prompt, as `naming.plain` makes both.
            tool: name of the row.
            created: from the first moment, and before the second.
            parent: id of a picture they were made from directly.
            limit: how many at most.
            offset: how many to leave out first.
        """
        conditions = ["instr(words, ?) > 0" for _ in words]
        values: list[str | int] = list(words)
        if tool:
            conditions.append("tool = ?")
            values.append(tool)
        if created:
            conditions.append("created >= ? AND created < ?")
            values += [_ticks(created[0]), _ticks(created[1])]
        if parent:
            conditions.append("id IN (SELECT child FROM lineage WHERE parent = ?)")
            values.append(parent)
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        return self._records(f"{_SELECT} {where} {_NEWEST_FIRST}", [*values, limit, offset])

    def of_job(self, job_id: str) -> list[PictureRecord]:
        """The records of one job, in the order of their variants."""
        return self._records(f"{_SELECT} WHERE job_id = ? ORDER BY variant", [job_id])

    def ids_from(self, prefix: str, limit: int) -> list[str]:
        """Ids that start like this, newest first."""
        query = f"SELECT id FROM picture WHERE instr(id, ?) = 1 {_NEWEST_FIRST}"  # noqa: S608 - a constant is put in
        return [str(row[0]) for row in self._rows(query, [prefix, limit, 0])]

    def check(self) -> None:
        """Find out whether the table can be written, without writing."""
        with self.database.writing():
            pass

    def _insert(self, records: Sequence[PictureRecord]) -> None:
        with self.database.writing() as connection:
            for record in records:
                connection.execute(_INSERT, _values(record))
                parents = [(record.id, position, parent) for position, parent in enumerate(record.parents)]
                connection.executemany(_INSERT_PARENT, parents)

    def _rows(self, query: str, values: Sequence[str | int]) -> list[tuple[Any, ...]]:
        if not self.database.exists():
            return []
        with self.database.reading() as connection:
            return connection.execute(query, values).fetchall()

    def _records(self, query: str, values: Sequence[str | int]) -> list[PictureRecord]:
        return [_record(row) for row in self._rows(query, values)]


def _values(record: PictureRecord) -> dict[str, Any]:
    values: dict[str, Any] = {name: _storable(getattr(record, name)) for name in _TEXTS}
    values |= {name: getattr(record, name) for name in _NUMBERS}
    # What engine and vendors put among the arguments must not cost a paid picture its entry: anything has a text.
    values["arguments"] = json.dumps(record.arguments, separators=(",", ":"), default=str)
    values["path"] = _storable(str(record.path))
    values["words"] = _storable(plain(record.prompt))
    values["seed"] = None if record.seed is None else str(record.seed)
    values["created"] = _ticks(record.created)
    return values


def _record(row: tuple[Any, ...]) -> PictureRecord:
    *own, parents = row
    values = dict(zip(_COLUMNS, own, strict=True))
    return PictureRecord(
        **{name: values[name] for name in _TEXTS + _NUMBERS},
        path=Path(values["path"]),
        arguments=json.loads(values["arguments"]),
        seed=None if values["seed"] is None else int(values["seed"]),
        created=_EPOCH + values["created"] * _TICK,
        parents=tuple((parents or "").split()),
    )


def _storable(text: str) -> str:
    """The text with half characters, which JSON can carry and a database cannot, replaced by `?`."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _ticks(moment: datetime) -> int:
    """Microseconds since 1970 in UTC."""
    return (moment - _EPOCH) // _TICK
