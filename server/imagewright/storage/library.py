"""The library: all pictures that were kept, their files and what is known about them."""

from __future__ import annotations

import logging
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from datetime import date, datetime, time, timedelta
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from imagewright.errors import Problem, Refusal, StorageError
from imagewright.storage.base import BlobGoneError, SetAsideError
from imagewright.storage.paths.path_syntax import numbered, shown
from imagewright.storage.paths.roots import AllowedRoots, ConfineError
from imagewright.storage.records import (
    FILE,
    PICTURES,
    NewPicture,
    PictureRecord,
    comparable,
    default_name,
    id_of,
    new_id,
    with_real_extension,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine, Iterator
    from pathlib import Path
    from typing import Any

    from imagewright.storage.accounts import Principal
    from imagewright.storage.base import PictureIndex
    from imagewright.storage.blob_store import BlobStore

    _Add = partial[Coroutine[Any, Any, tuple[str, int]]]

MOST_WORDS = 100
"""How many words can be searched for at once. SQLite allows conditions with 1,000 parts."""
BEYOND_ALL = 2**31
"""More pictures than any library has. SQLite takes no numbers above 2**63."""
UNREADABLE = "unreadable"
"""The folder inside the library for files of vendors that cannot be read as pictures."""

log = logging.getLogger(__name__)


class Library:
    """Keeps pictures and finds them again. Several processes can use the same index and files.

    Nothing is made on disk before the first picture is kept, or before `check_room`.

    Args:
        index: what is known about the pictures.
        blobs: their files.
        roots: the folders that principals without roots of their own may read and write.
    """

    def __init__(self, index: PictureIndex, blobs: BlobStore, roots: AllowedRoots) -> None:
        self._index = index
        self._blobs = blobs
        self._roots = roots
        self._unlisted: dict[str, tuple[Principal, PictureRecord]] = {}

    def roots_of(self, who: Principal) -> AllowedRoots:
        """The folders of this machine that a principal may read from and save into.

        Raises:
            ConfineError: the principal may not name files of this machine.
        """
        if not who.may_use_paths:
            raise ConfineError("Paths of the server's machine cannot be used here.")
        return self._roots if who.roots is None else AllowedRoots(who.roots)

    async def target(self, who: Principal, save_as: str) -> tuple[Path, str]:
        """The folder and the file name that a `save_as` means; the name is empty if it means a folder.

        Raises:
            ConfineError: it leads out of the roots, or cannot be the name of a file.
        """
        return await anyio.to_thread.run_sync(self.roots_of(who).target, save_as)

    async def check_room(self, who: Principal, save_as: str | None, needed_bytes: int) -> None:
        """Check that pictures can be saved and listed, before money is spent on them. Makes the folder.

        Args:
            who: the owner of the pictures.
            save_as: as for `keep`.
            needed_bytes: how many bytes they may take.

        Raises:
            ConfineError: `save_as` leads out of the roots, or cannot be the name of a file.
            StorageError: the folder or the database cannot be written, or the disk has too little room.
        """
        key = PICTURES
        if save_as is not None:
            folder, _ = await self.target(who, save_as)
            folder = await anyio.to_thread.run_sync(self.roots_of(who).make_folder, folder)
            key = f"{FILE}{folder.as_posix()}"
        await self._blobs.check_room(key, needed_bytes)
        await self._index.check()

    async def keep(
        self,
        who: Principal,
        source: Path,
        new: NewPicture,
        *,
        save_as: str | None = None,
        position: int = 1,
        of: int = 1,
        digest: bytes | None = None,
        is_new: bool = False,
    ) -> tuple[PictureRecord, list[str]]:
        """Save a picture, byte for byte and readable for its owner only (mode 0600), and add it to the index.

        The picture is saved even if the index cannot be written, and in the default folder if `save_as` cannot be used.
        A job's picture can be kept again, for example after a process was killed while it did this: it is added once,
        and a file that was saved already is used and not saved again. A cancelled caller waits until this is done.

        Args:
            who: the owner of the picture.
            source: the finished file, into which nothing is written any more, see `BlobStore.add`.
            new: what is known about the picture.
            save_as: the wanted path or name, or a folder; None for the default name in the default folder.
            position: its number within the call, from 1. If there are several, it becomes part of the name asked for.
            of: how many pictures the call makes.
            digest: the SHA-256 digest that the file had when it was checked; None if that does not matter.
            is_new: whether the caller is certain that it was not kept before. Then the index is not asked.

        Returns:
            The record, and what the caller should know, one sentence each.

        Raises:
            StorageError: it could not be saved anywhere.
            ChangedFileError: it has another digest now. Nothing was saved.
        """
        with anyio.CancelScope(shield=True):
            waiting = frozenset(self._unlisted)
            record, notes = await self.place(
                who, source, new, save_as=save_as, position=position, of=of, digest=digest, is_new=is_new
            )
            if record.id in self._unlisted.keys() - waiting:
                notes += await self._enter(who, record)
        return record, notes

    async def place(
        self,
        who: Principal,
        source: Path,
        new: NewPicture,
        *,
        save_as: str | None = None,
        position: int = 1,
        of: int = 1,
        digest: bytes | None = None,
        is_new: bool = False,
    ) -> tuple[PictureRecord, list[str]]:
        """As `keep`, but the caller adds the record to the index, see `JobStore.conclude`.

        Until then it is remembered here, and if the caller cannot add it, it is added with the next ones.
        """
        picture_id = id_of(new.job_id, new.variant) if new.job_id else new_id()
        with anyio.CancelScope(shield=True):
            found, notes = self._unlisted_of(who, picture_id), list[str]()
            if found is None and new.job_id and not is_new:
                try:
                    found = await self.get(who, picture_id)
                except SetAsideError as error:
                    notes = [str(error)]
                except StorageError:  # entering it will say why
                    pass
            if found is not None:
                return found, notes
            # without a job, the same picture is not kept again
            others = partial(self._others, picture_id) if new.job_id else None
            add = partial(self._blobs.add, source=source, others=others, digest=digest)
            usual = default_name(new, picture_id)
            key, size, more = await self._save(who, add, usual, save_as, new.format, position if of > 1 else 0)
            known = {one.name: getattr(new, one.name) for one in fields(NewPicture)}
            record = PictureRecord(**known, id=picture_id, key=key, path=self._blobs.path(key), bytes=size)
            self._unlisted[picture_id] = who, record
        return record, [*notes, *more]

    async def catch_up(self) -> None:
        """Add the records that were placed, or could not be added when they were kept, as far as possible."""
        async with anyio.create_task_group() as group:  # one transaction for all, and one that fails stops no other
            for who, record in self._unlisted.values():
                group.start_soon(self._enter_again, who, record)

    def listed(self, ids: Collection[str]) -> None:
        """Note that records which were placed are in the index now."""
        for picture_id in ids:
            self._unlisted.pop(picture_id, None)

    async def keep_unreadable(self, source: Path, new: NewPicture, extension: str) -> str:
        """Save a file that cannot be read as a picture, byte for byte, in a private folder. It is not in the index.

        It can be kept again, as in `keep`: a file with the same name and the same bytes is not saved again.

        Args:
            source: the file. It is not changed.
            new: what is known about it, with the job it belongs to.
            extension: the extension of its name, without a dot.

        Returns:
            Its path or key, for people.

        Raises:
            StorageError: it could not be saved.
        """
        name = default_name(replace(new, format=extension), id_of(new.job_id, new.variant))
        with anyio.CancelScope(shield=True):
            key, _ = await self._blobs.add(f"{PICTURES}/{UNREADABLE}/{name}", source, others=_no_others)
        return self._where(key)

    async def get(self, who: Principal, picture_id: str) -> PictureRecord | None:
        """The picture with this id; None if there is none, or if it belongs to somebody else.

        Raises:
            StorageError: the index cannot be read.
        """
        record = self._unlisted_of(who, picture_id) or await self._index.get(who, picture_id)
        return None if record is None else self._all_placed([record])[0]

    async def read(self, record: PictureRecord, limit: int) -> bytes:
        """The content of a picture's file, as it is now.

        Args:
            record: the picture.
            limit: bytes; never more is read.

        Raises:
            StorageError: it was deleted or moved, replaced by a link out of the roots, or is larger than the limit.
        """
        with _gone(record):
            return await self._blobs.read(record.key, limit)

    async def head(self, record: PictureRecord, count: int) -> tuple[bytes, int]:
        """The first `count` bytes of a picture's file as it is now, or fewer, and its size in bytes.

        Raises:
            StorageError: it was deleted or moved, or replaced by a link out of the roots.
        """
        with _gone(record):
            return await self._blobs.head(record.key, count)

    async def find(
        self,
        who: Principal,
        *,
        text: str = "",
        tool: str = "",
        day: date | str = "",
        parent: str = "",
        limit: int = 20,
        offset: int = 0,
    ) -> list[PictureRecord]:
        """Pictures that meet every condition, newest first, also if their files are gone.

        Args:
            who: the owner of the pictures.
            text: words that all must be in the prompt, in any order or inside others. Case and accents are ignored.
            tool: name of the row.
            day: the day on which they were made, in local time, see `day_bounds`.
            parent: id of a picture they were made from directly.
            limit: how many at most.
            offset: how many to leave out first.

        Raises:
            Refusal: `day` is not a day, or `text` has more than 100 words.
            StorageError: the index cannot be read.
        """
        if limit < 0 or offset < 0:
            message = f"limit and offset count from 0, not {limit} and {offset}"
            raise ValueError(message)
        created = day_bounds(day) if day else None
        words = comparable(text).split()
        if len(words) > MOST_WORDS:
            raise Refusal(Problem("text", f"has {len(words)} words; at most {MOST_WORDS} are looked for"))
        await self.catch_up()
        part = {"limit": min(limit, BEYOND_ALL), "offset": min(offset, BEYOND_ALL)}
        found = await self._index.search(who, words=words, tool=tool, created=created, parent=parent, **part)
        return self._all_placed(found)

    async def of_job(self, who: Principal, job_id: str) -> list[PictureRecord]:
        """The pictures of one job, in the order of their variants.

        Raises:
            StorageError: the index cannot be read.
        """
        await self.catch_up()
        return self._all_placed(await self._index.of_job(who, job_id))

    async def newest_ids(self, who: Principal, limit: int) -> list[str]:
        """The ids of the newest pictures, newest first.

        Raises:
            StorageError: the index cannot be read.
        """
        return await self._index.newest_ids(who, limit)

    async def _save(  # noqa: PLR0917 - what `keep` was given
        self, who: Principal, add: _Add, usual: str, save_as: str | None, real_type: str, position: int
    ) -> tuple[str, int, list[str]]:
        """Save the file: its key, its size, and notes on what differs from the request."""
        if save_as is None:
            return *await add(f"{PICTURES}/{usual}"), []
        try:
            folder, asked = await self.target(who, save_as)
            folder = await anyio.to_thread.run_sync(self.roots_of(who).make_folder, folder)
            real = with_real_extension(asked, real_type) if asked else usual
            wanted = numbered(real, position) if asked and position else real
            key, size = await add(f"{FILE}{(folder / wanted).as_posix()}")
        except StorageError as error:
            key, size = await add(f"{PICTURES}/{usual}")
            return key, size, [f"{error} It is saved as {self._where(key)} instead."]
        name = PurePosixPath(key).name
        return key, size, [] if name == wanted else [f"Saved as {name}: {wanted} is the name of another file."]

    async def _others(self, picture_id: str, size: int) -> list[str]:
        with anyio.CancelScope(shield=True):
            listed = await self._index.keys_of_size(size)
        listed += [(record.id, record.key) for _, record in self._unlisted.values()]
        return [key for listed_id, key in listed if listed_id != picture_id]

    async def _enter(self, who: Principal, record: PictureRecord) -> list[str]:
        """Add a record to the index. If that fails, a note says so, and it is tried again later."""
        notes = []
        try:
            try:
                await self._index.add(who, record)
            except SetAsideError as error:
                notes = [str(error)]
                await self._index.add(who, record)
        except StorageError as error:
            place = self._where(record.key)
            log.warning("%s is saved as %s, but not in the library's index: %s", record.id, place, error)
            return [*notes, f"It is saved as {place}, but could not be entered in the library: {error}"]
        self.listed([record.id])
        await self.catch_up()
        return notes

    async def _enter_again(self, who: Principal, record: PictureRecord) -> None:
        with suppress(StorageError):  # a note to the caller said so when the picture was kept
            await self._index.add(who, record)
            self.listed([record.id])

    def _unlisted_of(self, who: Principal, picture_id: str) -> PictureRecord | None:
        owner, record = self._unlisted.get(picture_id, (None, None))
        return record if owner is not None and owner.id == who.id else None

    def _all_placed(self, records: list[PictureRecord]) -> list[PictureRecord]:
        return [replace(record, path=self._blobs.path(record.key)) for record in records]

    def _where(self, key: str) -> str:
        """The path or key of a file, for people."""
        return str(self._blobs.path(key) or key)


async def _no_others(_: int) -> list[str]:
    return []


@contextmanager
def _gone(record: PictureRecord) -> Iterator[None]:
    try:
        yield
    except BlobGoneError as error:
        gone = f"{record.id} was saved as {record.path or record.key}, but that file has been deleted or moved since."
        raise StorageError(f"{gone} Put it back, or give its new path.") from error


def day_bounds(day: date | str) -> tuple[datetime, datetime]:
    """The first moment of a day in local time, and the first of the next. They are 23, 24 or 25 hours apart.

    Args:
        day: a date, `YYYY-MM-DD`, `today`, `yesterday`, or a weekday in English: the last one before today.

    Raises:
        Refusal: it is not a day.
    """
    today = datetime.now().astimezone().date()
    past = [today - timedelta(days=ago) for ago in range(1, 8)]
    named = {f"{one:%A}".lower(): one for one in past} | {"today": today, "yesterday": past[0]}
    try:
        chosen = named.get(day.strip().lower()) or date.fromisoformat(day.strip()) if isinstance(day, str) else day
        start, end = (datetime.combine(one, time.min) for one in (chosen, chosen + timedelta(days=1)))
        return start.astimezone(), end.astimezone()
    except (ValueError, OverflowError, OSError):
        forms = f"YYYY-MM-DD, such as {today}, or as today, yesterday or a whole weekday such as monday"
        message = f"{shown(str(day))} cannot be read as a day; write it as {forms}"
        raise Refusal(Problem("day", message)) from None
