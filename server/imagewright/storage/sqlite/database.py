"""One SQLite file, shared by every thread and every server process of a user. Nothing is created before the first use.

A file that has become corrupt is moved out of the way, once, however many processes find it so at the same time.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from imagewright.errors import StorageError, why
from imagewright.storage.base import SetAsideError
from imagewright.storage.paths import open_folder
from imagewright.storage.paths.files import make_empty
from imagewright.storage.sqlite.tables import MIGRATIONS, functions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Mark = tuple[int, int]

PATIENCE = 5.0
"""Seconds to wait for another process that is writing."""

CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""The result codes of a file whose content is not, or no longer, a database."""

NOT_STORED = (sqlite3.Error, OverflowError, UnicodeEncodeError)
"""What SQLite raises, also for a number or a text that no database can hold."""

_COMPANIONS = ("-wal", "-shm")  # what SQLite keeps beside a database; they belong to it

_READ, _WRITE = "BEGIN", "BEGIN IMMEDIATE"
_FULL = "PRAGMA synchronous = FULL"  # what is committed survives a power cut: it is paid work
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_ADVICE = {
    **dict.fromkeys(_BUSY, "another program has kept it locked; try again"),
    sqlite3.SQLITE_FULL: "the disk is full: free some space",
    sqlite3.SQLITE_READONLY: "it is read-only: make it and its folder writable, or set IMAGEWRIGHT_HOME",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: make it and its folder accessible, or set IMAGEWRIGHT_HOME",
    sqlite3.SQLITE_PERM: "access is denied: make it and its folder writable, or set IMAGEWRIGHT_HOME",
    sqlite3.SQLITE_IOERR: "the disk reports a fault, or is full",
}
_OF_A_FILE_MOVED = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL}
_MOVING = 0.1  # seconds within which a file and its companions are renamed
_RETRY = 0.01  # seconds between two tries at what SQLite does not wait for by itself
_MOST_IDLE = 8  # connections kept open for the next use
# One thread opens or moves a database at a time. SQLite keeps a file and its successor of the same name apart by locks
# that hold between processes only: two threads would map the same -shm, and one cut it short under the other.
_ALONE = threading.RLock()

_log = logging.getLogger(__name__)


class Database:
    """The file, opened by as many connections as are needed at once.

    Args:
        file: absolute path; made, with its folder, at the first use.
        migrations: the steps from an empty file to the tables of this release; `PRAGMA user_version` counts them.
        pictures: the library's folder; by default `pictures` beside the file. Older records name files by path.
        patience: seconds to wait for a lock.
    """

    def __init__(
        self,
        file: Path,
        migrations: Sequence[Sequence[str]] = MIGRATIONS,
        *,
        pictures: Path | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self.file = file
        self._migrations = migrations
        self._functions = functions(pictures or file.with_name("pictures"))
        self._patience = patience
        self._lock = threading.Lock()
        self._idle: list[tuple[sqlite3.Connection, Mark]] = []

    def exists(self) -> bool:
        """Whether there is a file yet; asking makes none."""
        try:
            self.file.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:  # opening it will say what is wrong
            return True
        return True

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A consistent view for several queries.

        Raises:
            SetAsideError: the file was corrupt.
            StorageError: it cannot be used; says why.
        """
        with self._transaction(_READ) as connection:
            yield connection

    @contextmanager
    def writing(self, *, lasting: bool = True) -> Iterator[sqlite3.Connection]:
        """A write transaction; only one runs at a time over all processes. It is undone if the block raises.

        Args:
            lasting: whether it must survive a power cut. If not, it waits for no disk.

        Raises:
            StorageError: as for `reading`.
        """
        with self._transaction(_WRITE, lasting=lasting) as connection:
            yield connection

    def check(self) -> None:
        """Raise as `reading` does if the file cannot be written. Makes it, writes nothing, and waits for no writer."""
        with self.reading():
            pass
        if not all(os.access(place, os.W_OK) for place in (self.file, self.file.parent)):
            raise StorageError(f"The database {self.file} failed: {_ADVICE[sqlite3.SQLITE_READONLY]}.")

    def trouble(self) -> str:
        """What is wrong with the file, for `doctor`; empty if nothing is, or if there is none yet. Changes nothing."""
        if not self.exists():
            return ""
        try:
            with closing(connect(self.file, "ro", timeout=self._patience)) as connection:
                (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.Error as error:
            return str(error)
        return "" if answer == "ok" else str(answer)

    def aside(self, since: float) -> list[tuple[str, str, float]]:
        """The damaged entries that were set aside since a moment, newest first: id, what is wrong, when. As above."""
        query = "SELECT id, reason, noticed FROM aside WHERE noticed >= ? ORDER BY noticed DESC"
        # nothing if `trouble` says why, or if there is no such table yet
        with suppress(sqlite3.Error), closing(connect(self.file, "ro", timeout=self._patience)) as connection:
            return connection.execute(query, (since,)).fetchall()
        return []

    def close(self) -> None:
        """Close the file. The next use opens it again."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            connection.close()

    @contextmanager
    def _transaction(self, begin: str, *, lasting: bool = True) -> Iterator[sqlite3.Connection]:
        connection, mark = self._borrow()
        try:
            if not lasting:
                connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(begin)
            self._version(connection)
            yield connection
            connection.execute("COMMIT")
            if not lasting:
                connection.execute(_FULL)
        except BaseException as error:
            with suppress(sqlite3.Error):  # closing undoes what could not be rolled back
                connection.rollback()
            connection.close()
            if not isinstance(error, NOT_STORED):
                raise
            raise (self._replaced() if self._is_replaced(error, mark) else self._failed(error, mark)) from error
        if begin == _WRITE and mark != _mark(self.file):
            connection.close()
            raise self._replaced()  # what was written went along with the file that was set aside
        self._give_back(connection, mark)

    def _borrow(self) -> tuple[sqlite3.Connection, Mark]:
        current = _mark(self.file)
        with self._lock:
            stale = [pair for pair in self._idle if pair[1] != current]
            self._idle = [pair for pair in self._idle if pair[1] == current]
            found = self._idle.pop() if self._idle else None
        for connection, _ in stale:
            connection.close()
        return found or self._open()

    def _give_back(self, connection: sqlite3.Connection, mark: Mark) -> None:
        with self._lock:
            if len(self._idle) < _MOST_IDLE:
                self._idle.append((connection, mark))
                return
        connection.close()

    def _open(self) -> tuple[sqlite3.Connection, Mark]:
        """A connection to the tables of this release, and the identity of the file it has open."""
        end = time.monotonic() + self._patience
        while True:
            with _ALONE:
                self._make_file()
                mark = _mark(self.file)
                try:
                    connection = self._connect(mark)
                except sqlite3.Error as error:
                    # Making the file and switching it to WAL are not always waited for by SQLite itself.
                    passing = primary_code(error) in _BUSY or self._is_replaced(error, mark)
                    if not passing or time.monotonic() > end:
                        raise self._failed(error, mark) from error
                else:
                    if mark is not None and mark == _mark(self.file):
                        return connection, mark
                    connection.close()  # it was replaced while it was being opened
                    if time.monotonic() > end:
                        raise StorageError(f"The database {self.file} keeps being replaced while it is opened.")
            time.sleep(_RETRY)

    def _make_file(self) -> None:
        try:
            make_empty(self.file)  # which only its owner can read: it holds prompts
        except OSError as error:
            raise StorageError(f"The database {self.file} cannot be made: {why(error)}.") from error

    def _connect(self, mark: Mark | None) -> sqlite3.Connection:
        """A connection, prepared if it is open on the file with this mark. The caller must check whether it is."""
        connection = connect(self.file, timeout=self._patience, isolation_level=None, check_same_thread=False)
        try:
            if mark == _mark(self.file):  # one that was moved would use its successor's companions
                self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        if not connection.execute("PRAGMA page_count").fetchone()[0]:
            # An empty file needs no rollback journal, and one on disk would be dangerous: a process that still has the
            # corrupt file of this name open would play it back into that file.
            connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(_FULL)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.text_factory = _text
        if self._version(connection) == len(self._migrations):
            return
        for name, function in self._functions.items():
            connection.create_function(name, 1, function, deterministic=True)
        connection.execute(_WRITE)
        try:
            version = self._version(connection)
            for step in self._migrations[version:]:
                for statement in step:
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {len(self._migrations)}")
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # closing undoes it too
                connection.rollback()
            raise

    def _version(self, connection: sqlite3.Connection) -> int:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > len(self._migrations):
            raise StorageError(
                f"The database {self.file} was made by a newer Imagewright (its version is {version}, this one knows "
                f"{len(self._migrations)}): upgrade, or set IMAGEWRIGHT_HOME to another folder."
            )
        return version

    def failure(self, error: Exception) -> StorageError:
        """The error for the caller."""
        return StorageError(f"The database {self.file} failed: {_ADVICE.get(primary_code(error), str(error))}.")

    def _failed(self, error: Exception, mark: Mark | None) -> StorageError:
        """As `failure`; a corrupt file is set aside on the way."""
        if primary_code(error) not in CORRUPT:
            return self.failure(error)
        self.close()
        with _ALONE:
            aside = set_aside(self.file, lambda: mark == _mark(self.file), self._patience)
        where = f"as {aside.name}, beside it" if aside else "by another process"
        message = (
            f"The database {self.file} was corrupt ({error}) and has been set aside {where}; the next call starts "
            "with an empty one. The pictures themselves are untouched."
        )
        _log.error(message)
        return SetAsideError(message)

    def _replaced(self) -> SetAsideError:
        return SetAsideError(f"The database {self.file} was replaced by another process: try again.")

    def _is_replaced(self, error: Exception, mark: Mark | None) -> bool:
        """Whether an error comes from another process that is just setting the file aside."""
        if primary_code(error) not in _OF_A_FILE_MOVED:
            return False
        end = time.monotonic() + _MOVING
        while mark == _mark(self.file) and time.monotonic() < end:
            time.sleep(_RETRY)
        return mark != _mark(self.file)


def _mark(file: Path) -> Mark | None:
    """What tells a file from one that replaced it; None when there is none."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def set_aside(file: Path, is_same: Callable[[], bool], patience: float) -> Path | None:
    """Rename the file and its companions to `<name>.corrupt-<date>-<time>`, beside it.

    Args:
        file: the database.
        is_same: whether the file is still the one that was found corrupt, and not its successor.
        patience: seconds to wait for another process that is doing the same.

    Returns:
        Where it is now; None when another process has replaced or removed it meanwhile.

    Raises:
        StorageError: it is corrupt but cannot be renamed, or is sound when it is checked again.
    """
    with _alone(file, patience):
        if not is_same():
            return None
        if _is_sound(file, patience):
            raise StorageError(f"The database {file} was read wrongly once, but is sound: try again.")
        aside = _free_name(file)
        try:
            with open_folder(Path(os.path.realpath(file.parent))) as folder:
                for ending in _COMPANIONS:  # before the file itself: else they would be taken for its successor's
                    with suppress(FileNotFoundError):  # SQLite removes them whenever a last connection is closed
                        folder.rename(f"{file.name}{ending}", f"{aside.name}{ending}")
                folder.rename(file.name, aside.name)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(
                f"The database {file} is corrupt and cannot be set aside: {why(error)}. Stop every Imagewright and "
                "move the file away by hand."
            ) from error
        return aside


@contextmanager
def _alone(file: Path, patience: float) -> Iterator[None]:
    """One process at a time. SQLite's own lock is used: it works everywhere and dies with the process."""
    try:
        make_empty(lock_file := file.with_name(f"{file.name}.lock"))  # SQLite would make one that all can read
        with closing(connect(lock_file, timeout=patience, isolation_level=None)) as lock:
            lock.execute("BEGIN EXCLUSIVE")
            yield
    except (sqlite3.Error, OSError) as error:
        raise StorageError(f"The database {file} is corrupt, and cannot be set aside: {error}.") from error


def _is_sound(file: Path, patience: float) -> bool:
    """Whether SQLite finds nothing wrong with it; a passing fault must not cost the user the library."""
    try:
        with closing(connect(file, timeout=patience)) as connection:
            return bool(connection.execute("PRAGMA integrity_check(1)").fetchone()[0] == "ok")
    except sqlite3.DatabaseError as error:
        if primary_code(error) in CORRUPT:
            return False
        raise


def _free_name(file: Path) -> Path:
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    names = (f"{file.name}.corrupt-{stamp}" + (f"-{number}" if number > 1 else "") for number in count(1))
    return next(path for name in names if not (path := file.with_name(name)).exists())


def connect(file: Path, mode: Literal["rw", "ro"] = "rw", **options: Any) -> sqlite3.Connection:
    """Open a database that exists. SQLite by itself would replace a missing one by an empty one that all can read.

    Args:
        file: absolute path.
        mode: whether it may be written.
        options: as for `sqlite3.connect`.
    """
    path = file.as_posix()
    address = f"file://{'' if path.startswith('/') else '/'}{quote(os.fsencode(path))}?mode={mode}"
    connection: sqlite3.Connection = sqlite3.connect(address, uri=True, **options)
    return connection


def _text(data: bytes) -> str:
    """A text of the database. A damaged byte must cost only its own row, not every query that reads the row."""
    return data.decode("utf-8", "replace")


def primary_code(error: Exception) -> int:
    """SQLite's primary result code; 0 for errors of Python, which have none."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
