"""Move a corrupt database out of the way, once, however many processes find it corrupt at the same time."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from imagewright.errors import StorageError
from imagewright.storage.reasons import why

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""The result codes of a file whose content is not, or no longer, a database."""

_COMPANIONS = ("-wal", "-shm")  # what SQLite keeps beside a database; they belong to it


def set_aside(file: Path, is_same: Callable[[], bool], patience: float) -> Path | None:
    """Rename the file and its companions to `<name>.corrupt-<date>-<time>`, beside it.

    Args:
        file: the database.
        is_same: whether the file is still the one that was found corrupt, and not its successor.
        patience: seconds to wait for another process that is doing the same.

    Returns:
        Where it is now; None when another process has replaced or removed it meanwhile.

    Raises:
        StorageError: it is corrupt but cannot be renamed, or is sound when looked at again.
    """
    with _alone(file, patience):
        if not is_same():
            return None
        if _is_sound(file, patience):
            raise StorageError(f"The database {file} was read wrongly once, but is sound: try again.")
        aside = _free_name(file)
        try:
            for ending in _COMPANIONS:  # before the file itself: left behind, they would be taken for its successor's
                with suppress(FileNotFoundError):  # SQLite removes them whenever a last connection is closed
                    Path(f"{file}{ending}").rename(f"{aside}{ending}")
            file.rename(aside)
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
        with closing(sqlite3.connect(f"{file}.lock", timeout=patience, isolation_level=None)) as lock:
            lock.execute("BEGIN EXCLUSIVE")
            yield
    except sqlite3.Error as error:
        raise StorageError(f"The database {file} is corrupt, and cannot be set aside: {error}.") from error


def _is_sound(file: Path, patience: float) -> bool:
    """Whether SQLite finds nothing wrong with it; a fault in passing must not cost the user the library."""
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


def connect(file: Path, **options: Any) -> sqlite3.Connection:
    """Open a database that is there; SQLite by itself would put an empty one, readable by all, in place of a moved one.

    Args:
        file: absolute path.
        options: as for `sqlite3.connect`.
    """
    path = file.as_posix()
    address = f"file://{'' if path.startswith('/') else '/'}{quote(os.fsencode(path))}?mode=rw"
    connection: sqlite3.Connection = sqlite3.connect(address, uri=True, **options)
    return connection


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 for errors of the Python layer, which have none."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
