# ruff: noqa: ASYNC220, ASYNC240 - a test may wait for the disk and for the processes it starts
"""A job's picture that is kept a second time: by the successor of a process that was killed, or by two at once."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import imagewright
from imagewright.errors import StorageError
from imagewright.storage.accounts import LOCAL
from imagewright.storage.blobs import LocalBlobs
from imagewright.storage.library import Library
from imagewright.storage.paths import OpenFolder
from imagewright.storage.paths import files as private_files
from imagewright.storage.paths.roots import AllowedRoots
from imagewright.storage.records import id_of, new_id
from imagewright.storage.sqlite.pictures import SqlitePictureIndex
from tests.storage.stores_bench import opened, picture, place
from tests.support.memory_library import MemoryPictureIndex

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagewright.settings.folders import Folders
    from imagewright.storage.accounts import Principal
    from imagewright.storage.records import NewPicture, PictureRecord

pytestmark = pytest.mark.anyio

MADE = datetime(2026, 11, 22, 12, tzinfo=UTC)
WAYS = [private_files.by_rename] if os.name == "nt" else [private_files.by_link, private_files.by_reservation, None]
"""How a copy takes its name; None where the file itself takes it."""


class Killed(BaseException):
    """Nothing after this happens in the process that meets it."""


@contextmanager
def killed_before(monkeypatch: pytest.MonkeyPatch, holder: type, step: str) -> Iterator[None]:
    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(holder, step, die)
        with pytest.raises(Killed):
            yield


def fetched_anew(source: Path, way: private_files.Way | None) -> bytes | None:
    """Make the source a file of its own once more, as each process fetches its own; the digest it is kept with."""
    if way is not None:
        return None
    data = source.read_bytes()
    source.unlink()
    private_files.write_file(source, data)
    return hashlib.sha256(data).digest()


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def of_job(variant: int = 1, job_id: str = "job_1") -> NewPicture:
    return picture(prompt="fox", job_id=job_id, variant=variant, created=MADE)


def test_the_id_of_a_jobs_picture_is_its_own_and_stays() -> None:
    ids = {id_of(job, variant) for job in ("job_1", "job_11") for variant in range(1, 200)}
    assert len(ids) == 398
    assert {len(one) for one in ids} == {len(new_id())}
    assert all(one.startswith("img_") and set(one[4:]) <= set("abcdefghijklmnopqrstuvwxyz234567") for one in ids)
    assert id_of("job_1", 1) == "img_ldgusjngzhinjufj"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("taken", [False, True])
@pytest.mark.parametrize("save_as", [None, "foxes/", "fox.png", "deep/fox.jpg", "{outside}/fox.png"])
@pytest.mark.parametrize("of", [1, 2])
async def test_what_was_saved_before_a_kill_is_listed_and_not_saved_again(  # noqa: PLR0917 - the columns of the table
    folders: Folders,
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: private_files.Way | None,
    save_as: str | None,
    of: int,
    *,
    taken: bool,
) -> None:
    monkeypatch.setattr(private_files, "_WAYS", (way,))
    wanted = save_as and save_as.format(outside=source.parent)

    async def keep(library: Library, position: int, job_id: str = "job_1") -> PictureRecord:
        new, digest = of_job(position, job_id), fetched_anew(source, way)
        more: dict[str, Any] = {"save_as": wanted, "position": position, "of": of, "digest": digest}
        return (await library.keep(LOCAL, source, new, **more))[0]

    if taken:
        async with opened(folders) as library:
            for position in range(1, of + 1):
                await keep(library, position, "job_0")
    before = files(folders.pictures)
    async with opened(folders) as library:
        for position in range(1, of + 1):
            with killed_before(monkeypatch, SqlitePictureIndex, "add"):
                await keep(library, position)
    saved = files(folders.pictures)
    assert len(saved) == len(before) + of
    async with opened(folders) as library:
        assert await library.of_job(LOCAL, "job_1") == []
        for position in range(1, of + 1):
            record = await keep(library, position)
            assert place(record) in set(saved) - set(before)
            assert await library.get(LOCAL, record.id) == record
        assert [record.variant for record in await library.of_job(LOCAL, "job_1")] == list(range(1, of + 1))
        assert len({place(record) for record in await library.of_job(LOCAL, "job_1")}) == of
    assert files(folders.pictures) == saved


async def test_a_picture_that_is_listed_already_is_given_back_as_it_is(
    folders: Folders,
    library: Library,
    source: Path,
) -> None:
    record, _ = await library.keep(LOCAL, source, of_job(), save_as="fox.png")
    source.write_bytes(b"encoded anew")
    async with opened(folders) as another:
        for again in (library, another):
            assert await again.keep(LOCAL, source, of_job(), save_as="fox.png") == (record, [])
    assert files(folders.pictures) == [place(record)]
    assert await library.find(LOCAL) == [record]


async def test_a_picture_that_could_not_be_listed_yet_is_not_saved_again(
    folders: Folders,
    source: Path,
) -> None:
    folders.database.mkdir(parents=True)
    async with opened(folders) as library:
        record, (note,) = await library.keep(LOCAL, source, of_job(), save_as="fox.png")
        assert "could not be entered" in note
        assert await library.keep(LOCAL, source, of_job(), save_as="fox.png") == (record, [])
        other, _ = await library.keep(LOCAL, source, of_job(2), save_as="fox.png")
        assert (place(record).name, place(other).name) == ("fox.png", "fox-2.png")
        folders.database.rmdir()
        assert {one.id for one in await library.find(LOCAL)} == {record.id, other.id}


async def test_a_file_is_not_taken_while_nobody_can_tell_whose_it_is(
    folders: Folders, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise StorageError("the index cannot be read")

    async with opened(folders) as library:
        first, _ = await library.keep(LOCAL, source, of_job(), save_as="fox.png")
        monkeypatch.setattr(SqlitePictureIndex, "keys_of_size", broken)
        second, _ = await library.keep(LOCAL, source, of_job(2), save_as="fox.png")
    assert (place(first).name, place(second).name) == ("fox.png", "fox-2.png")


async def test_a_copy_of_the_users_own_is_left_alone_without_a_job(
    folders: Folders,
    library: Library,
    source: Path,
) -> None:
    folders.pictures.mkdir(parents=True)
    (folders.pictures / "fox.png").write_bytes(source.read_bytes())
    record, _ = await library.keep(LOCAL, source, picture(), save_as="fox.png")
    assert place(record).name == "fox-2.png"


async def test_a_listed_file_is_known_under_any_of_its_names(
    folders: Folders,
    library: Library,
    source: Path,
) -> None:
    first, _ = await library.keep(LOCAL, source, of_job(), save_as="fox.png")
    (folders.pictures / "Fox.png").hardlink_to(place(first))  # as a file system that ignores case would have it
    second, _ = await library.keep(LOCAL, source, of_job(2), save_as="Fox.png")
    assert place(second).name == "Fox-2.png"


async def test_a_reservation_that_a_kill_left_empty_is_nobodys(
    folders: Folders, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private_files, "_WAYS", (private_files.by_reservation,))
    async with opened(folders) as library:
        with killed_before(monkeypatch, OpenFolder, "rename"):
            await library.keep(LOCAL, source, of_job(), save_as="fox.png")
    async with opened(folders) as library:
        record, _ = await library.keep(LOCAL, source, of_job(), save_as="fox.png")
        assert await library.find(LOCAL) == [record]
    assert place(record).read_bytes() == source.read_bytes()
    assert (folders.pictures / "fox.png").read_bytes() == b""


async def test_a_corrupt_index_is_reported_once(folders: Folders, source: Path) -> None:
    folders.database.parent.mkdir()
    folders.database.write_bytes(b"no database" * 1000)
    async with opened(folders) as library:
        record, (note,) = await library.keep(LOCAL, source, of_job())
        assert "set aside as imagewright.db.corrupt-" in note
        assert await library.find(LOCAL) == [record]


async def test_processes_that_keep_the_same_picture_keep_one(folders: Folders, source: Path) -> None:
    script = Path(__file__).with_name("keep_many.py")
    command = [sys.executable, str(script), str(folders.database.parent), str(source), "4", "5", "job_1"]
    paths = (str(Path(imagewright.__file__).parents[1]), os.environ.get("PYTHONPATH", ""))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) for _ in range(3)]  # noqa: S603 - our own script
    kept = [one for process in running for one in json.loads(process.communicate()[0])]
    assert len(kept) == 60
    ids, paths_kept = {one[0] for one in kept}, {one[1] for one in kept}
    assert (len(ids), len(paths_kept)) == (1, 1)
    assert {str(path) for path in files(folders.pictures)} == paths_kept
    async with opened(folders) as library:
        assert [record.id for record in await library.find(LOCAL)] == list(ids)


class Late(MemoryPictureIndex):
    """Does not find what another process has just added."""

    async def get(self, who: Principal, picture_id: str) -> None:
        """Answers as it did before."""


async def test_what_another_process_adds_meanwhile_is_the_same_picture(folders: Folders, source: Path) -> None:
    roots = AllowedRoots(folders.roots)
    library = Library(Late(), LocalBlobs(folders.database.parent, folders.pictures, roots), roots)
    kept = [(await library.keep(LOCAL, source, of_job(), save_as="fox.png"))[0] for _ in range(2)]
    assert kept[0] == kept[1]
    assert files(folders.pictures) == [kept[0].path]


class Refusing(MemoryPictureIndex):
    """Takes no picture that is its job's first, and none at all at first."""

    full = True

    async def add(self, who: Principal, record: PictureRecord) -> None:
        if self.full or record.variant == 1:
            raise StorageError("nothing is written")
        await super().add(who, record)


async def test_a_picture_that_cannot_be_listed_keeps_no_other_from_it(folders: Folders, source: Path) -> None:
    roots, index = AllowedRoots(folders.roots), Refusing()
    library = Library(index, LocalBlobs(folders.database.parent, folders.pictures, roots), roots)
    first, second = [(await library.keep(LOCAL, source, of_job(variant)))[0] for variant in (1, 2)]
    index.full = False
    assert await library.find(LOCAL) == [second]
    assert await library.get(LOCAL, first.id) == first
