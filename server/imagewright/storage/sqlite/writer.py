"""One writer for a process: what waits to be written is written in one transaction, with one wait for the disk."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.to_thread

from imagewright.errors import StorageError
from imagewright.storage.sqlite.database import CORRUPT, primary_code

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imagewright.storage.sqlite.database import Database

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class _Request:
    """One write that somebody waits for."""

    action: Callable[[sqlite3.Connection], Any]
    taken: bool = False
    """Whether it is being written, or was."""
    result: Any = None
    error: Exception | None = None


class Writer:
    """Writes for all tasks of one event loop: SQLite has one writer at a time, so they queue here and not in threads.

    The first that waits takes all that wait along. Each write stands in a savepoint of its own, so that one that fails
    undoes itself alone; if the transaction fails as a whole, nothing was written and every one of them is told why.

    Args:
        database: where.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Request] = []
        self._turn = anyio.Lock()
        self._thread = anyio.CapacityLimiter(1)  # its own: decoding and copying must not keep the journal waiting

    async def write(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """Run an action in a write transaction; what it wrote is on disk when this returns.

        Whoever is cancelled meanwhile cannot know whether it was written. Nobody else notices.

        Args:
            action: called in a worker thread with the connection, once or, if this is cancelled in time, not at all.

        Raises:
            StorageError: nothing of it was written; says why.
            Exception: what the action raised; nothing of it was written.
        """
        request = _Request(action)
        self._waiting.append(request)
        try:
            async with self._turn:
                if not request.taken:
                    await self._write_all()
        finally:
            if not request.taken:
                self._waiting.remove(request)
        if request.error is not None:
            raise request.error
        result: T = request.result
        return result

    async def _write_all(self) -> None:
        batch, self._waiting = self._waiting, []
        for request in batch:
            request.taken = True
        with anyio.CancelScope(shield=True):  # the others of the batch wait for it as well
            try:
                await anyio.to_thread.run_sync(self._run, batch, limiter=self._thread)
            except Exception as error:  # noqa: BLE001 - every caller gets it, as if it had come from its own write
                _fail(batch, error)

    def _run(self, batch: Sequence[_Request]) -> None:
        with self._database.writing() as connection:
            for request in batch:
                connection.execute("SAVEPOINT one")
                try:
                    request.result = request.action(connection)
                except Exception as error:
                    if isinstance(error, sqlite3.Error):
                        if primary_code(error) in CORRUPT or not connection.in_transaction:
                            raise  # nothing of the whole batch can be kept
                        request.error = self._database.failure(error)
                    else:
                        request.error = error
                    connection.execute("ROLLBACK TO one")
                connection.execute("RELEASE one")


def _fail(batch: Sequence[_Request], error: Exception) -> None:
    """Hand everybody the error that undid all, each an instance of its own: tracebacks of tasks must not mix."""
    for request in batch:
        if request.error is None:
            request.error = type(error)(*error.args) if isinstance(error, StorageError) else error
            request.error.__cause__ = error.__cause__
