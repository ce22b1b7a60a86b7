"""The library: every picture that was ever kept, on disk and in the index."""

from __future__ import annotations

import dataclasses
import logging
import threading
from functools import partial
from typing import TYPE_CHECKING, Self

from imagewright.errors import Problem, Refusal, StorageError
from imagewright.storage import saving
from imagewright.storage.calendar_day import bounds
from imagewright.storage.confine import Roots, read_within
from imagewright.storage.naming import default_name, numbered, plain, with_real_extension
from imagewright.storage.record import NewPicture, PictureRecord, id_of, new_id

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from imagewright.settings.folders import Folders
    from imagewright.storage.database import Database
    from imagewright.storage.pictures import PictureTable
    from imagewright.storage.saving import Kept, Ours

MOST_WORDS = 100
"""Words that are looked for at once; SQLite takes no condition of more than 1,000 parts."""
BEYOND_ALL = 2**31
"""More pictures than any library has; SQLite takes no number above 2**63."""

_log = logging.getLogger(__name__)

UNREADABLE = "unreadable"
"""Folder among the pictures for what a vendor made and nothing here can read."""


class Library:
    """Keeps pictures and finds them again. Safe from many threads, and from many processes on the same folders.

    Nothing is made on disk before the first picture is kept or room for one is looked for. All methods block.

    Args:
        folders: where pictures and database are, and the allowed roots.
        database: where it is shared with other tables; else one on `folders.database`.

    Attributes:
        roots: what may be read and written.
    """

    def __init__(self, folders: Folders, database: Database | None = None) -> None:
        self.roots = Roots(folders.roots)
        self._folders = folders
        self._database = database
        self._lock = threading.Lock()
        self._opened: PictureTable | None = None
        self._unlisted: dict[str, PictureRecord] = {}
        self._swept: set[Path] = set()

    def check_room(self, save_as: str | None, needed_bytes: int) -> None:
        """Find out whether pictures could be saved and listed, before money is spent on them. Makes the folder.

        Args:
            save_as: as for `keep`.
            needed_bytes: how much they may take, in bytes.

        Raises:
            ConfineError: `save_as` leads out of the roots, or cannot be the name of a file.
            StorageError: the folder or the database cannot be written, or the disk has too little room.
        """
        folder, _ = self._target(save_as)
        saving.check_room(self.roots.make_folder(folder), needed_bytes)
        self._table.check()

    def keep(
        self, source: Path, new: NewPicture, *, save_as: str | None = None, position: int = 1, of: int = 1
    ) -> tuple[PictureRecord, list[str]]:
        """Save a picture, byte for byte and for its owner's eyes only (mode 0600), and enter it in the index.

        It is saved whatever happens to the index, and in the default folder where `save_as` has become impossible.
        A job's picture can be kept again, as by the successor of a process that was killed in here: it is listed
        once, and what was saved of it already is taken and not saved again.

        Args:
            source: the finished file; it is left where it is.
            new: what is known of it.
            save_as: the wanted path or name, or a folder; None for the default name in the default folder.
            position: which picture of the call, from 1; with several, it becomes part of the name in `save_as`.
            of: how many pictures the call makes.

        Returns:
            The record, and what the caller should know, one sentence each.

        Raises:
            StorageError: it could be saved nowhere; `source` is untouched.
        """
        picture_id = id_of(new.job_id, new.variant) if new.job_id else new_id()
        listed, spoken = self._listed(picture_id) if new.job_id else (None, [])
        if listed:
            return listed, spoken
        kept, notes = self._save(source, new, picture_id, save_as, position if of > 1 else 0)
        known = {one.name: getattr(new, one.name) for one in dataclasses.fields(NewPicture)}
        record = PictureRecord(**known, id=picture_id, path=kept.path, bytes=kept.size)
        return record, [*spoken, *notes, *self._enter(record)]

    def keep_unreadable(self, source: Path, new: NewPicture, extension: str) -> Path:
        """Save a file that cannot be read as a picture, byte for byte, in a private folder; it is not listed.

        It can be kept again, as by the successor of a process that was killed in here: the same bytes under the same
        name are taken for it and not saved again.

        Args:
            source: the file; it is left where it is.
            new: what is known of it, with the job it belongs to.
            extension: what its name ends with, without a dot.

        Raises:
            StorageError: it could not be saved; `source` is untouched.
        """
        folder = self.roots.make_folder(self._folders.pictures / UNREADABLE)
        name = default_name(dataclasses.replace(new, format=extension), id_of(new.job_id, new.variant))
        return saving.keep(source, folder / name, lambda _: True).path

    def get(self, picture_id: str) -> PictureRecord | None:
        """The picture of that id; None when there is none.

        Raises:
            StorageError: the index cannot be read.
        """
        with self._lock:
            unlisted = self._unlisted.get(picture_id)
        return unlisted or self._table.by_id(picture_id)

    def read(self, record: PictureRecord, limit: int) -> bytes:
        """The file of a picture, as it is now.

        Args:
            record: from `get`, `find` or `keep`.
            limit: bytes; never more is read.

        Raises:
            StorageError: it was deleted or moved, replaced by a link out of the roots, or is larger than the limit.
        """
        try:
            with self.roots.open_recorded(record.path) as stream:
                return read_within(stream, record.path, limit)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise StorageError(
                f"{record.id} was saved as {record.path}, but that file has been deleted or moved since. Put it back, "
                "or give its new path."
            ) from error

    def find(
        self,
        *,
        text: str = "",
        tool: str = "",
        day: date | str = "",
        parent: str = "",
        limit: int = 20,
        offset: int = 0,
    ) -> list[PictureRecord]:
        """Pictures that meet every condition, newest first; those whose files are gone as well.

        Args:
            text: words that must all stand in the prompt, in any order, also as a part of a longer word; case and
                accents make no difference.
            tool: name of the row that made it.
            day: local calendar day, as a date, `YYYY-MM-DD`, `today` or `yesterday`.
            parent: id of a picture it was made from directly.
            limit: how many at most.
            offset: how many to leave out first.

        Raises:
            Refusal: `day` is not a day, or `text` has more than 100 words.
            StorageError: the index cannot be read.
        """
        if limit < 0 or offset < 0:
            message = f"limit and offset count from 0, not {limit} and {offset}"
            raise ValueError(message)
        created = bounds(day) if day else None
        words = plain(text).split()
        if len(words) > MOST_WORDS:
            raise Refusal(Problem("text", f"has {len(words)} words; at most {MOST_WORDS} are looked for"))
        self._catch_up()
        limit, offset = min(limit, BEYOND_ALL), min(offset, BEYOND_ALL)
        return self._table.search(words=words, tool=tool, created=created, parent=parent, limit=limit, offset=offset)

    def of_job(self, job_id: str) -> list[PictureRecord]:
        """The pictures of one job, in the order of their variants.

        Raises:
            StorageError: the index cannot be read.
        """
        self._catch_up()
        return self._table.of_job(job_id)

    def recent_ids(self, prefix: str = "", limit: int = 20) -> list[str]:
        """Ids that start like this, newest first.

        Raises:
            StorageError: the index cannot be read.
        """
        return self._table.ids_from(prefix, limit)

    def close(self) -> None:
        """Let go of the database. It opens again at the next use."""
        with self._lock:
            if self._opened:
                self._opened.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _table(self) -> PictureTable:
        with self._lock:
            if self._opened is None:
                from imagewright.storage.database import Database  # noqa: PLC0415 - SQLite is not loaded at start-up
                from imagewright.storage.pictures import PictureTable  # noqa: PLC0415 - as above

                self._opened = PictureTable(self._database or Database(self._folders.database))
            return self._opened

    def _target(self, save_as: str | None) -> tuple[Path, str]:
        """Folder and name, which is empty for the usual one."""
        return (self._folders.pictures, "") if save_as is None else self.roots.target(save_as)

    def _save(
        self, source: Path, new: NewPicture, picture_id: str, save_as: str | None, position: int
    ) -> tuple[Kept, list[str]]:
        """Save where the caller wants it, or else in the default folder, with notes on what differs."""
        usual = default_name(new, picture_id)
        # without a job there is no successor who would keep the picture again
        ours = partial(self._is_unlisted, picture_id) if new.job_id else None
        if save_as is None:
            return self._write(source, self._folders.pictures, usual, ours), []
        try:
            folder, asked = self._target(save_as)
            real = with_real_extension(asked, new.format) if asked else usual
            wanted = numbered(real, position) if asked and position else real
            kept = self._write(source, folder, wanted, ours)
        except StorageError as error:
            kept = self._write(source, self._folders.pictures, usual, ours)
            return kept, [f"{error} It is saved as {kept.path} instead."]
        notes = []
        if asked and not real.startswith(asked):
            notes.append(f"Saved as {kept.path.name}, not as {asked}: the picture is {new.format.upper()}.")
        elif kept.path.name != wanted:
            notes.append(f"Saved as {kept.path.name}: {wanted} is the name of another file.")
        return kept, notes

    def _write(self, source: Path, folder: Path, name: str, ours: Ours | None) -> Kept:
        folder = self.roots.make_folder(folder)
        with self._lock:
            is_new = folder not in self._swept
            self._swept.add(folder)
        if is_new:
            saving.sweep(folder)
        return saving.keep(source, folder / name, ours)

    def _listed(self, picture_id: str) -> tuple[PictureRecord | None, list[str]]:
        """The picture of that id where it was kept before, and what the caller should know."""
        with self._lock:
            unlisted = self._unlisted.get(picture_id)
        if unlisted:
            return unlisted, []
        try:
            return self._table.look_up(picture_id)
        except StorageError:  # entering it will say why
            return None, []

    def _is_unlisted(self, picture_id: str, path: Path) -> bool:
        """Whether a file is that of no picture but this one. One that cannot be looked up may be another's."""
        with self._lock:
            known = [(record.id, record.path) for record in self._unlisted.values()]
        try:
            known += self._table.of_size(path.stat().st_size)
        except (OSError, StorageError):
            return False
        return not any(_same_file(other, path) for listed, other in known if listed != picture_id)

    def _enter(self, record: PictureRecord) -> list[str]:
        """Enter the record; say it when that fails, and try again at the next occasion."""
        try:
            notes = self._table.add([record])
        except StorageError as error:
            with self._lock:
                self._unlisted[record.id] = record
            _log.warning("%s is saved as %s, but not in the library's index: %s", record.id, record.path, error)
            return [f"It is saved as {record.path}, but could not be entered in the library: {error}"]
        self._catch_up()
        return notes

    def _catch_up(self) -> None:
        """Enter the records that could not be entered when they were kept, as far as that can be done now."""
        with self._lock:
            waiting = list(self._unlisted.values())
        for record in waiting:
            try:
                self._table.add([record])
            except StorageError:  # it was said when the picture was kept
                return
            with self._lock:
                self._unlisted.pop(record.id, None)


def _same_file(one: Path, other: Path) -> bool:
    """Whether two paths are of one file; names can differ in case, or lead over links of folders."""
    try:
        return one.samefile(other)
    except OSError:  # one of them is gone
        return False
