"""The one writer of a process. All writes that wait share one transaction, and so one wait for the disk."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

import anyio
import anyio.to_thread

from imagewright.errors import StorageError
from imagewright.storage.sqlite.database import CORRUPT, NOT_STORED, primary_code

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from imagewright.storage.sqlite.database import Database

P = ParamSpec("P")
S = TypeVar("S", bound="SqliteStore")
T = TypeVar("T")

PAUSE = 0.01
"""Seconds between two checks whether a thread has ended, if no task is left that waits for it."""


@dataclass(eq=False, slots=True)
class _Request:
    """One write, and its outcome."""

    action: Callable[[sqlite3.Connection], Any]
    taken: bool = False
    """Whether it is part of a transaction."""
    ended: bool = False
    """Whether that transaction has ended, one way or the other."""
    written: bool = False
    """Whether it is on disk."""
    result: Any = None
    error: Exception | None = None


class Writer:
    """Writes for all tasks of one event loop. SQLite allows one writer at a time, so tasks queue here.

    The task whose turn it is writes everything that waits, in one transaction. Each write has a savepoint of its own:
    if one fails, only that one is undone. If the whole transaction fails, every task gets the error.

    Args:
        database: the database to write to.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Request] = []
        self._turn = anyio.Lock()
        # a thread of its own, because decoding and copying can occupy all shared ones
        self._thread = anyio.CapacityLimiter(1)

    async def read(self, query: Callable[[sqlite3.Connection], T], missing: Callable[[], T]) -> T:
        """The result of a query, or of `missing` if there is no database yet. It waits for no writer.

        Raises:
            StorageError: the database could not be read.
        """

        def read() -> T:
            if not self._database.exists():
                return missing()
            with self._database.reading() as connection:
                return query(connection)

        return await anyio.to_thread.run_sync(read)

    async def exists(self) -> bool:
        """Whether there is a database yet."""
        return await anyio.to_thread.run_sync(self._database.exists)

    async def write(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """Run an action in a write transaction. What it wrote is on disk when this returns.

        If the caller is cancelled meanwhile, the action may or may not be carried out. Other callers are not affected.

        Args:
            action: called with the connection, once, in a worker thread.

        Raises:
            StorageError: the database could not be written. Nothing of the action was kept.
            Exception: what the action raised. Nothing of the action was kept.
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
        # asyncio's own cancel, which no shield stops, ends the task that writes this, but not its thread
        while not request.ended:  # noqa: ASYNC110 - only then, and no task is left that could set an event
            await anyio.sleep(PAUSE)
        if request.error is not None:
            raise request.error
        if not request.written:
            raise StorageError("The write was broken off together with others. Nothing of it was kept.")
        result: T = request.result
        return result

    async def _write_all(self) -> None:
        batch, self._waiting = self._waiting, []
        for request in batch:
            request.taken = True
        begun = threading.Lock()
        try:
            with anyio.CancelScope(shield=True):  # the other callers of this batch wait for it too
                await anyio.to_thread.run_sync(self._run, batch, begun, limiter=self._thread)
        finally:
            if begun.acquire(blocking=False):  # the thread has not begun, and will not begin any more
                for request in batch:
                    request.ended = True

    def _run(self, batch: Sequence[_Request], begun: threading.Lock) -> None:
        if not begun.acquire(blocking=False):
            return
        try:
            self._commit(batch)
        except Exception as error:  # noqa: BLE001 - each caller gets the error, as if from its own write
            _fail(batch, error)
        else:
            for request in batch:
                request.written = True
        finally:
            for request in batch:
                request.ended = True

    def _commit(self, batch: Sequence[_Request]) -> None:
        with self._database.writing() as connection:
            for request in batch:
                connection.execute("SAVEPOINT one")
                try:
                    request.result = request.action(connection)
                except Exception as error:
                    if isinstance(error, sqlite3.Error) and (
                        primary_code(error) in CORRUPT or not connection.in_transaction
                    ):
                        raise  # nothing of the batch can be kept
                    request.error = self._database.failure(error) if isinstance(error, NOT_STORED) else error
                    connection.execute("ROLLBACK TO one")
                connection.execute("RELEASE one")


def _fail(batch: Sequence[_Request], error: Exception) -> None:
    """Give each caller the error that undid the batch, as an object of its own, so that tracebacks do not mix."""
    for request in batch:
        if request.error is None:
            request.error = type(error)(*error.args) if isinstance(error, StorageError) else error
            request.error.__cause__ = error.__cause__


class SqliteStore:
    """What is stored in a database by methods that `reads` and `writes` make asynchronous.

    Args:
        writer: the writer of the database.
    """

    def __init__(self, writer: Writer) -> None:
        self.writer = writer


class _Decorator(Protocol):
    """Makes a method that is given a connection one that its callers wait for."""

    def __call__(
        self, method: Callable[Concatenate[S, sqlite3.Connection, P], T], /
    ) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]: ...


def nothing() -> None:
    """What most methods answer while there is no database."""


def reads(missing: Callable[[], Any]) -> _Decorator:
    """Run a method of a store in a thread, with a connection to read from.

    Args:
        missing: what it answers while there is no database.
    """

    def decorated(
        method: Callable[Concatenate[S, sqlite3.Connection, P], T], /
    ) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
        @wraps(method)
        async def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
            return await self.writer.read(lambda connection: method(self, connection, *args, **kwargs), missing)

        return call

    return decorated


def writes(missing: Callable[[], Any] | None = None) -> _Decorator:
    """Run a method of a store in a write transaction, see `Writer.write`.

    Args:
        missing: what it answers while there is no database; without it, one is made.
    """

    def decorated(
        method: Callable[Concatenate[S, sqlite3.Connection, P], T], /
    ) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
        @wraps(method)
        async def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
            if missing is not None and not await self.writer.exists():
                answer: T = missing()
                return answer
            return await self.writer.write(lambda connection: method(self, connection, *args, **kwargs))

        return call

    return decorated
