from __future__ import annotations

import logging
import os
import sqlite3
import sys
import threading
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from imagewright.errors import StorageError
from imagewright.storage.base import SetAsideError
from imagewright.storage.paths import OpenFolder
from imagewright.storage.sqlite import database as database_file
from imagewright.storage.sqlite.database import Database, connect, set_aside
from imagewright.storage.sqlite.tables import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ONE = (("CREATE TABLE note (text TEXT NOT NULL UNIQUE)",),)
TWO = (*ONE, ("ALTER TABLE note ADD COLUMN stars INTEGER NOT NULL DEFAULT 0", "UPDATE note SET stars = 5"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "down" / "notes.db"


@pytest.fixture
def open_database(file: Path) -> Iterator[Callable[..., Database]]:
    opened = []

    def make(migrations: tuple[tuple[str, ...], ...] = ONE, patience: float = 5.0) -> Database:
        opened.append(Database(file, migrations, patience=patience))
        return opened[-1]

    yield make
    for database in opened:
        database.close()


def write(database: Database, text: str) -> None:
    with database.writing() as connection:
        connection.execute("INSERT INTO note (text) VALUES (?)", [text])


def notes(database: Database) -> list[str]:
    with database.reading() as connection:
        return [row[0] for row in connection.execute("SELECT text FROM note ORDER BY rowid")]


def test_nothing_is_made_before_the_first_use(open_database: Callable[..., Database], file: Path) -> None:
    database = open_database()
    assert not database.exists()
    database.close()
    assert not file.parent.exists()


def test_what_is_written_stays(open_database: Callable[..., Database], file: Path) -> None:
    database = open_database()
    write(database, "one")
    database.close()
    write(database, "two")
    assert notes(open_database()) == ["one", "two"]
    with closing(sqlite3.connect(file)) as plain:
        assert plain.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_each_commit_waits_for_the_disk(open_database: Callable[..., Database]) -> None:
    with open_database().writing() as connection:
        full = 2
        assert connection.execute("PRAGMA synchronous").fetchone() == (full,)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_only_the_owner_can_read_it(open_database: Callable[..., Database], file: Path) -> None:
    write(open_database(), "secret prompt")
    assert {path.stat().st_mode & 0o077 for path in file.parent.iterdir()} == {0}


def test_an_exception_undoes_the_whole_block(open_database: Callable[..., Database]) -> None:
    database = open_database()
    with pytest.raises(ZeroDivisionError), database.writing() as connection:
        assert connection.execute("INSERT INTO note (text) VALUES ('half')").rowcount / 0
    assert notes(database) == []


def test_errors_of_sqlite_come_out_as_ours(open_database: Callable[..., Database], file: Path) -> None:
    database = open_database()
    write(database, "one")
    with pytest.raises(StorageError, match="UNIQUE") as caught:
        write(database, "one")
    assert str(file) in str(caught.value)
    assert notes(database) == ["one"]


def test_the_migrations_is_climbed_once_and_keeps_what_is_there(open_database: Callable[..., Database]) -> None:
    write(open_database(ONE), "old")
    for _ in range(2):
        with open_database(TWO).reading() as connection:
            assert connection.execute("SELECT text, stars FROM note").fetchall() == [("old", 5)]


def test_a_step_that_fails_leaves_the_step_before(open_database: Callable[..., Database]) -> None:
    write(open_database(ONE), "old")
    broken = (*ONE, ("ALTER TABLE note ADD COLUMN stars INTEGER", "nonsense"))
    with pytest.raises(StorageError, match="nonsense"), open_database(broken).reading():
        pass
    assert notes(open_database(TWO)) == ["old"]


def test_a_newer_database_is_left_alone(open_database: Callable[..., Database], file: Path) -> None:
    write(open_database(TWO), "from the future")
    with pytest.raises(StorageError, match="newer Imagewright"), open_database(ONE).writing():
        pass
    assert notes(open_database(TWO)) == ["from the future"]
    assert [path.name for path in file.parent.glob("*corrupt*")] == []


def test_the_released_migrations_builds(file: Path) -> None:
    database = Database(file)
    with database.writing() as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    database.close()


def test_threads_write_all_they_have(open_database: Callable[..., Database]) -> None:
    databases = [open_database(), open_database()]
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait()
        for turn in range(10):
            write(databases[number % 2], f"{number}.{turn}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(notes(databases[0])) == sorted(f"{n}.{t}" for n in range(8) for t in range(10))


def test_a_locked_database_is_waited_for_and_then_reported(open_database: Callable[..., Database]) -> None:
    holder, other = open_database(), open_database(patience=0.05)
    write(holder, "one")
    with holder.writing():
        with pytest.raises(StorageError, match="locked; try again"):
            write(other, "two")
        assert notes(other) == ["one"]
    write(other, "two")
    assert notes(holder) == ["one", "two"]


def damaged_header(file: Path) -> None:
    file.write_bytes(b"this is a text file, and no database at all\n" * 200)


def damaged_pages(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    file.write_bytes(bytes(content))


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:4196])


DAMAGE = pytest.mark.parametrize("damage", [damaged_header, damaged_pages, cut_short])


@DAMAGE
def test_a_corrupt_database_is_set_aside_and_never_overwritten(
    open_database: Callable[..., Database], file: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None]
) -> None:
    before = open_database()
    write(before, "lost")
    before.close()
    damage(file)
    content = file.read_bytes()
    with pytest.raises(SetAsideError) as caught, caplog.at_level(logging.ERROR):
        notes(open_database())
    (aside,) = file.parent.glob("notes.db.corrupt-*")
    assert aside.read_bytes() == content
    assert aside.name in str(caught.value)
    assert aside.name in caplog.text
    assert not file.exists()
    write(open_database(), "new")
    assert notes(before) == ["new"]


@DAMAGE
def test_many_that_find_it_corrupt_set_it_aside_once(
    open_database: Callable[..., Database], file: Path, damage: Callable[[Path], None]
) -> None:
    databases = [open_database() for _ in range(4)]
    for turn in range(100):
        write(databases[0], f"long enough to need several pages {turn} {'x' * 200}")
    databases[0].close()
    damage(file)
    start = threading.Barrier(8)
    failed = []

    def work(number: int) -> None:
        start.wait()
        for _ in range(3):
            try:
                write(databases[number % 4], f"new {number}")
            except SetAsideError:
                continue
            except StorageError as error:
                failed.append(str(error))
            return
        failed.append("never worked")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(list(file.parent.glob("notes.db.corrupt-*[0-9]"))) == 1
    assert sorted(notes(databases[0])) == sorted(f"new {number}" for number in range(8))


def test_a_sound_file_is_never_set_aside(open_database: Callable[..., Database], file: Path) -> None:
    database = open_database()
    write(database, "dear")
    with pytest.raises(StorageError, match="is sound"):
        set_aside(file, lambda: True, 1)
    assert notes(database) == ["dear"]


def test_a_successor_is_never_set_aside(file: Path) -> None:
    file.parent.mkdir(parents=True)
    damaged_header(file)
    assert set_aside(file, lambda: False, 1) is None
    assert file.exists()


@pytest.mark.parametrize("gone", ["-wal", "-shm", ""])
def test_what_vanishes_while_it_is_set_aside_is_not_missed(
    file: Path, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    file.parent.mkdir(parents=True)
    damaged_header(file)
    rename = OpenFolder.rename

    def rename_late(folder: OpenFolder, name: str, new_name: str) -> None:
        if name == f"{file.name}{gone}":  # what another thread's last connection does as it is closed
            folder.remove(name)
        rename(folder, name, new_name)

    with monkeypatch.context() as patch:
        patch.setattr(OpenFolder, "rename", rename_late)
        for ending in ("-wal", "-shm"):
            file.with_name(f"{file.name}{ending}").write_bytes(b"")
        aside = set_aside(file, lambda: True, 1)
    assert (aside is None) == (not gone)
    assert not file.exists()


class Recorder(sqlite3.Connection):
    """Remembers what it was called with."""

    message: ClassVar[list[str]] = []

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        self.message.append(sql)
        return super().execute(sql, *values)


def test_a_successor_begins_without_a_journal_that_others_would_undo_into_what_was_set_aside(
    open_database: Callable[..., Database], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_file, "connect", partial(sqlite3.connect, factory=Recorder))
    Recorder.message = []
    write(open_database(), "one")
    write(open_database(), "two")
    made = [words for words in Recorder.message if "journal_mode" in words]
    assert made == ["PRAGMA journal_mode = MEMORY", "PRAGMA journal_mode = WAL", "PRAGMA journal_mode = WAL"]
    assert file.stat().st_size


def test_opening_never_makes_a_file_that_others_can_read(file: Path) -> None:
    file.parent.mkdir(parents=True)
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        connect(file)
    assert list(file.parent.iterdir()) == []


ODD_NAMES = ["a#b%20 ü;.db", *(["a?mode=memory&b"] if os.name != "nt" else [])]


@pytest.mark.parametrize("name", [*ODD_NAMES, *(["not text \udcff.db"] if sys.platform == "linux" else [])])
def test_any_name_is_taken_as_it_is(tmp_path: Path, name: str) -> None:
    database = Database(tmp_path / name, ONE)
    write(database, "one")
    assert {path.name.removesuffix("-wal").removesuffix("-shm") for path in tmp_path.iterdir()} == {name}
    database.close()


def test_several_corrupt_files_of_one_second_keep_their_own_names(file: Path) -> None:
    file.parent.mkdir(parents=True)
    aside = set()
    for _ in range(3):
        damaged_header(file)
        aside.add(set_aside(file, lambda: True, 1))
    assert len(aside) == 3
    assert all(path and path.exists() for path in aside)


@pytest.mark.skipif(os.name == "nt", reason="Windows does not delete a file that is open")
def test_a_file_deleted_in_use_is_made_anew(open_database: Callable[..., Database], file: Path) -> None:
    database = open_database()
    write(database, "one")
    for path in list(file.parent.iterdir()):
        path.unlink()
    assert notes(database) == []
    write(database, "two")
    assert notes(open_database()) == ["two"]


def insert_and_move(connection: sqlite3.Connection, file: Path, moved: Path) -> None:
    connection.execute("INSERT INTO note (text) VALUES ('two')")
    file.rename(moved)


@pytest.mark.skipif(os.name == "nt", reason="Windows does not rename a file that is open")
def test_what_went_into_a_file_set_aside_meanwhile_counts_as_not_written(
    open_database: Callable[..., Database], file: Path
) -> None:
    database = open_database()
    write(database, "one")
    moved = file.with_name("aside")
    with pytest.raises(SetAsideError, match="try again"), database.writing() as connection:
        insert_and_move(connection, file, moved)
    write(database, "two")
    assert notes(database) == ["two"]


@pytest.mark.parametrize("what", ["folder", "below a file"])
def test_a_place_that_cannot_hold_a_database_is_reported(file: Path, what: str) -> None:
    if what == "folder":
        file.mkdir(parents=True)
    else:
        file.parent.parent.mkdir(parents=True)
        file.parent.write_bytes(b"")
    with pytest.raises(StorageError, match="database") as caught, Database(file, patience=0.2).writing():
        pass
    assert str(file) in str(caught.value)


@DAMAGE
def test_trouble_is_reported_and_nothing_is_changed(
    open_database: Callable[..., Database], file: Path, damage: Callable[[Path], None]
) -> None:
    database = open_database()
    assert database.trouble() == ""
    assert not file.exists()
    for turn in range(100):
        write(database, f"long enough to need several pages {turn} {'x' * 200}")
    assert database.trouble() == ""
    database.close()
    damage(file)
    content = file.read_bytes()
    assert database.trouble() != ""
    assert file.read_bytes() == content
