"""The one writer of a process. Writes that wait share a transaction, and so one wait for the disk."""

from __future__ import annotations

import logging
import math
import sqlite3
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread

from imagewright.errors import StorageError
from imagewright.storage.batches import Batches
from imagewright.storage.sqlite.database import CORRUPT, NOT_STORED, primary_code

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

from imagewright.storage.sqlite.database import Database

P = ParamSpec("P")
S = TypeVar("S", bound="SqliteStore")
T = TypeVar("T")

PAUSE = 0.01
"""Seconds between two checks whether a thread has ended, if no task is left that waits for it."""
READERS = 2
"""How many threads run queries. More would open a connection each, and wait for each other in Python."""
MOST_TOGETHER = 64
"""Writes of one transaction. Its thread lets go of Python for moments too short for others to take it, so that all of
them stand still meanwhile: for 50 to 150 ms where 1,000 jobs were opened together."""
FRESH = 1.0
"""Seconds for which a database that was written needs no other check that it can be."""
LATER = 0.5
"""Seconds after which a write for which nobody waits is written alone, if no other write took it along."""

log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _Request:
    """One write, and its outcome."""

    action: Callable[[sqlite3.Connection], Any]
    lasting: bool = True
    """Whether it must survive a power cut."""
    leads: bool = False
    """Whether it is the turn of its caller to write all that waits."""
    woken: anyio.Event = field(default_factory=anyio.Event)
    """Set when it is that, and when its transaction has ended."""
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

    The task whose turn it is writes what waits in one transaction, up to a bound. Each has a savepoint of its own:
    if one fails, only that one is undone. If the whole transaction fails, every task gets the error.

    Args:
        database: the database to write to.
        delay: seconds after which what `later` was given is written alone.
        monotonic: a clock in seconds that is never set.
    """

    def __init__(
        self, database: Database, *, delay: float = LATER, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._monotonic = monotonic
        self._delay = delay
        self._waiting: list[_Request] = []
        self._busy = False  # whether it is somebody's turn
        # a thread of its own, because decoding and copying can occupy all shared ones
        self._thread = anyio.CapacityLimiter(1)
        self._reading = Batches(READERS)
        self._later: list[_Request] = []
        self._timer: threading.Timer | None = None
        self._state = threading.Lock()  # of the two above, which threads share
        self._one = threading.Lock()  # held while a thread writes
        self._written = -math.inf  # when that was

    async def read(
        self, query: Callable[[sqlite3.Connection], T], missing: Callable[[], T], *, newest: bool = False
    ) -> T:
        """The result of a query, or of `missing` if there is no database yet. It waits for no writer.

        Args:
            query: called with a connection, in a worker thread.
            missing: called if there is no database.
            newest: whether the query has to see what `later` was given before, as far as that can be written now.

        Raises:
            StorageError: the database could not be read.
        """

        def read() -> T:
            if not self._database.exists():
                return missing()
            with self._database.reading() as connection:
                return query(connection)

        if newest and self._later:
            with suppress(StorageError):  # it is written later
                await self.write(lambda _: None, lasting=False)
        return await self._reading.run(read)

    async def exists(self) -> bool:
        """Whether there is a database yet."""
        return await self._reading.run(self._database.exists)

    async def check(self) -> None:
        """Check that there is a database, made now if need be, and that it can be written. Writes nothing.

        One that was written less than `FRESH` seconds ago is not looked at.

        Raises:
            StorageError: it cannot be used.
        """
        if self._monotonic() - self._written >= FRESH:
            await self._reading.run(self._database.check)

    def later(self, action: Callable[[sqlite3.Connection], object]) -> None:
        """Run an action in the next write transaction, or in one of its own after a delay. Any thread may ask.

        Nobody learns of it: an error is logged. It need not survive a power cut. `close` writes what still waits.
        """
        with self._state:
            self._later.append(_Request(action, lasting=False))
            if self._timer is None:
                self._timer = threading.Timer(self._delay, self.flush)
                self._timer.daemon = True
                self._timer.start()

    def flush(self) -> None:
        """Write what `later` was given, as far as possible; what is left goes with the next write. Blocks."""
        with self._state:
            self._timer = None
        if self._later:
            try:
                self._commit(())
            except Exception as error:  # noqa: BLE001 - it is written later, and the thread of a timer has no caller
                log.warning("%d marks could not be written yet: %s", len(self._later), error)

    async def close(self) -> None:
        """Write what still waits, and close the database. The next use opens it again."""
        with self._state:
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

        def close() -> None:
            self.flush()
            with self._one:  # a timer may be writing
                self._database.close()

        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(close)

    async def write(self, action: Callable[[sqlite3.Connection], T], *, lasting: bool = True) -> T:
        """Run an action in a write transaction. What it wrote is on disk when this returns.

        If the caller is cancelled meanwhile, the action may or may not be carried out. Other callers are not affected.

        Args:
            action: called with the connection, once, in a worker thread.
            lasting: whether it must survive a power cut. If not, it waits for no disk. It survives the end of the
                process in any case.

        Raises:
            StorageError: the database could not be written. Nothing of the action was kept.
            Exception: what the action raised. Nothing of the action was kept.
        """
        request = _Request(action, lasting)
        self._waiting.append(request)
        try:
            if self._busy:
                await request.woken.wait()
            else:
                self._busy = request.leads = True
                await anyio.lowlevel.checkpoint()  # others that are ready now come along
            if not request.taken:
                await self._write_all()
        finally:
            if not request.taken:
                self._waiting.remove(request)
            if request.leads:
                self._hand_over()
        # asyncio's own cancel, which no shield stops, ends the task that writes this, but not its thread
        while not request.ended:  # noqa: ASYNC110 - only then, and no task is left that could set an event
            await anyio.sleep(PAUSE)
        if request.error is not None:
            raise request.error
        if not request.written:
            raise StorageError("The write was broken off together with others. Nothing of it was kept.")
        result: T = request.result
        return result

    def _hand_over(self) -> None:
        self._busy = bool(self._waiting)
        if self._waiting:
            self._waiting[0].leads = True
            self._waiting[0].woken.set()

    async def _write_all(self) -> None:
        batch, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
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
            for request in batch:  # all in one round of the loop
                request.woken.set()

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
        with self._one:
            with self._state:
                later, self._later = self._later, []
            try:
                with self._database.writing(lasting=any(request.lasting for request in batch)) as connection:
                    for request in (*later, *batch):
                        self._run_one(connection, request)
            except BaseException:
                with self._state:
                    self._later = later + self._later
                raise
        self._written = self._monotonic()
        for request in later:
            if request.error is not None:
                log.error("A mark could not be written: %s", request.error)

    def _run_one(self, connection: sqlite3.Connection, request: _Request) -> None:
        connection.execute("SAVEPOINT one")
        try:
            request.result = request.action(connection)
        except Exception as error:
            if isinstance(error, sqlite3.Error) and (primary_code(error) in CORRUPT or not connection.in_transaction):
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
        clock: seconds since 1970.
    """

    def __init__(self, writer: Writer, clock: Callable[[], float] = time.time) -> None:
        self.writer = writer
        self.clock = clock

    async def check(self) -> None:
        """See `PictureIndex.check`."""
        await self.writer.check()


class _Decorator(Protocol):
    """Makes a method that is given a connection one that its callers wait for."""

    def __call__(
        self, method: Callable[Concatenate[S, sqlite3.Connection, P], T], /
    ) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]: ...


def nothing() -> None:
    """What most methods answer while there is no database."""


def reads(missing: Callable[[], Any], *, newest: bool = False) -> _Decorator:
    """Run a method of a store in a thread, with a connection to read from.

    Args:
        missing: what it answers while there is no database.
        newest: see `Writer.read`.
    """

    def decorated(
        method: Callable[Concatenate[S, sqlite3.Connection, P], T], /
    ) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
        @wraps(method)
        async def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
            return await self.writer.read(
                lambda connection: method(self, connection, *args, **kwargs), missing, newest=newest
            )

        return call

    return decorated


def writes(missing: Callable[[], Any] | None = None, *, lasting: bool = True) -> _Decorator:
    """Run a method of a store in a write transaction, see `Writer.write`.

    Args:
        missing: what it answers while there is no database; without it, one is made.
        lasting: whether what it writes must survive a power cut.
    """

    def decorated(
        method: Callable[Concatenate[S, sqlite3.Connection, P], T], /
    ) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
        @wraps(method)
        async def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
            if missing is not None and not await self.writer.exists():
                answer: T = missing()
                return answer
            return await self.writer.write(
                lambda connection: method(self, connection, *args, **kwargs), lasting=lasting
            )

        return call

    return decorated


def marks(
    method: Callable[Concatenate[S, sqlite3.Connection, float, P], None],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, None]]:
    """Run a method of a store with the next write, see `Writer.later`. It is given the moment of the call."""

    @wraps(method)
    async def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> None:
        now = self.clock()
        self.writer.later(lambda connection: method(self, connection, now, *args, **kwargs))

    return call
