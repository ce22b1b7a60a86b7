"""A finished picture that is kept without copying it: by a hard link, where that is as good as a copy."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from imagewright.errors import StorageError
from imagewright.storage import ChangedFileError
from imagewright.storage.accounts import LOCAL
from imagewright.storage.paths import OpenFolder, files, keeping, open_folder
from imagewright.storage.stores import open_stores
from tests.storage.stores_bench import SOURCE, picture, place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imagewright.settings.folders import Folders

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows renames a copy")

DIGEST = hashlib.sha256(SOURCE).digest()
OTHER = bytes(reversed(SOURCE))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A finished download, as the server writes it."""
    made = tmp_path / "fetched"
    made.mkdir()
    files.write_file(made / "picture", SOURCE)
    return made / "picture"


def keep(source: Path, target: Path, digest: bytes | None = DIGEST, ours: files.Ours | None = None) -> Path:
    with open_folder(target.parent) as folder:
        kept = keeping.keep(source, folder, target.name, ours, digest=digest)
    assert kept.size == len(SOURCE)
    return kept.path


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat(follow_symlinks=False).st_mode)


def test_a_picture_gets_a_second_name_and_no_second_file(source: Path, folder: Path, flushed: list[int]) -> None:
    kept = keep(source, folder / "fox.png")
    assert kept.samefile(source)
    assert (names(folder), mode(kept)) == (["fox.png"], 0o600)
    assert flushed == [kept.stat().st_ino, folder.stat().st_ino]
    source.unlink()
    assert kept.read_bytes() == SOURCE
    assert kept.stat().st_nlink == 1


def open_to_others(source: Path) -> Path:
    source.chmod(0o640)
    return source


def read_only(source: Path) -> Path:
    source.chmod(0o400)
    return source


def with_another_name(source: Path) -> Path:
    source.with_name("another").hardlink_to(source)
    return source


def of_another_group(source: Path) -> Path:
    others = {*os.getgroups(), *([1] if os.geteuid() == 0 else [])} - {source.stat().st_gid}
    if not others:
        pytest.skip("this user has only one group")
    os.chown(source, -1, min(others))
    return source


def of_another_user(source: Path) -> Path:
    if os.geteuid() != 0:
        pytest.skip("only the superuser can give a file away")
    os.chown(source, 1, -1)
    return source


@pytest.mark.parametrize("prepare", [open_to_others, read_only, with_another_name, of_another_group, of_another_user])
def test_where_a_link_would_not_be_as_good_it_is_copied(
    source: Path, folder: Path, prepare: Callable[[Path], Path]
) -> None:
    kept = keep(prepare(source), folder / "fox.png")
    assert not kept.samefile(source)
    assert (names(folder), mode(kept), kept.read_bytes()) == (["fox.png"], 0o600, SOURCE)


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on another disk than the other files of a test."""
    for one in map(Path, ("/dev/shm", "/run", "/tmp")):  # noqa: S108 - nothing is taken from there
        if os.access(one, os.W_OK) and one.stat().st_dev != tmp_path.stat().st_dev:
            with tempfile.TemporaryDirectory(dir=one) as made:
                yield Path(made)
            return
    pytest.skip("there is only one disk")


def test_on_another_disk_it_is_copied(source: Path, other_disk: Path, flushed: list[int]) -> None:
    kept = keep(source, other_disk / "fox.png")
    assert flushed == [kept.stat().st_ino, other_disk.stat().st_ino]  # the source was not tried first
    assert (names(other_disk), mode(kept), kept.read_bytes()) == (["fox.png"], 0o600, SOURCE)


def test_what_nobody_has_checked_is_copied(source: Path, folder: Path) -> None:
    assert not keep(source, folder / "fox.png", digest=None).samefile(source)


class Meddled(OpenFolder):
    """A folder in which something happens right before or after a file is linked into it."""

    before: Callable[[], object] = staticmethod(lambda: None)
    after: Callable[[], object] = staticmethod(lambda: None)

    def link(self, name: str, new_name: str, folder: OpenFolder | None = None) -> None:
        if folder is not None:
            self.before()
        super().link(name, new_name, folder)
        if folder is not None:
            self.after()


def meddled(folder: Path) -> Meddled:
    return Meddled(folder, open_folder(folder).handle)


@pytest.mark.parametrize(
    "code",
    [errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS, errno.EACCES, errno.ENOENT, errno.EIO],
)
def test_where_a_link_is_refused_it_is_copied(source: Path, folder: Path, code: int) -> None:
    def refuse() -> None:
        raise OSError(code, os.strerror(code))

    with meddled(folder) as opened:
        opened.before = refuse
        (folder / "fox.png").write_bytes(b"taken")
        kept = keeping.keep(source, opened, "fox.png", digest=DIGEST)
    assert not kept.path.samefile(source)
    assert (kept.path.name, kept.size, kept.path.read_bytes()) == ("fox-2.png", len(SOURCE), SOURCE)
    assert names(folder) == ["fox-2.png", "fox.png"]


def write_into(source: Path) -> None:
    with source.open("r+b") as file:
        file.write(OTHER[:1])


def append(source: Path) -> None:
    with source.open("ab") as file:
        file.write(b"more")


def exchange(source: Path) -> None:
    files.write_file(source.with_name("new"), OTHER)
    os.utime(source.with_name("new"), (1000, 1000))
    source.with_name("new").rename(source)


def exchange_for_a_link(source: Path) -> None:
    files.write_file(source.with_name("new"), OTHER)
    source.unlink()
    source.symlink_to(source.with_name("new"))


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("change", [write_into, append])
def test_what_is_changed_after_the_check_is_not_kept(
    source: Path, folder: Path, change: Callable[[Path], object], when: str
) -> None:
    os.utime(source, (1000, 1000))
    with meddled(folder) as opened:
        setattr(opened, when, lambda: change(source))
        with pytest.raises(ChangedFileError):
            keeping.keep(source, opened, "fox.png", digest=DIGEST)
    assert names(folder) == []


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("change", [exchange, exchange_for_a_link, Path.unlink, os.utime])
def test_what_was_checked_is_kept_whatever_takes_its_place(
    source: Path, folder: Path, change: Callable[[Path], object], when: str
) -> None:
    os.utime(source, (1000, 1000))
    checked = source.stat().st_ino
    with meddled(folder) as opened:
        setattr(opened, when, lambda: change(source))
        kept = keeping.keep(source, opened, "fox.png", digest=DIGEST)
    assert (names(folder), kept.path.read_bytes(), mode(kept.path)) == (["fox.png"], SOURCE, 0o600)
    assert (kept.path.stat().st_ino == checked) == (when == "after" and change is not os.utime)


def test_a_file_with_another_digest_or_none_at_all_is_not_kept(source: Path, folder: Path) -> None:
    with pytest.raises(ChangedFileError):
        keep(source, folder / "fox.png", digest=hashlib.sha256(OTHER).digest())
    source.unlink()
    with pytest.raises(StorageError, match="cannot be read"):
        keep(source, folder / "fox.png")
    source.mkdir()
    with pytest.raises(StorageError, match="cannot be read"):
        keep(source, folder / "fox.png")
    assert names(folder) == []


@pytest.mark.parametrize("follow", [False, True], ids=["moved", "replaced by a link"])
def test_a_folder_that_is_moved_meanwhile_is_noticed(source: Path, folder: Path, *, follow: bool) -> None:
    inner, moved = folder / "inner", folder / "moved"
    inner.mkdir()

    def move() -> None:
        if inner.is_dir():
            inner.rename(moved)
        if follow:
            inner.symlink_to(moved)

    with meddled(inner) as opened:
        opened.after = move
        with pytest.raises(StorageError, match="cannot be saved"):
            keeping.keep(source, opened, "fox.png", digest=DIGEST)
    assert names(moved) == []
    assert source.stat().st_nlink == 1


def test_what_was_found_again_stays_in_a_folder_that_is_moved_meanwhile(source: Path, folder: Path) -> None:
    inner, moved = folder / "inner", folder / "moved"
    inner.mkdir()
    files.write_file(inner / "fox.png", SOURCE)

    def ours(_: Path) -> bool:
        inner.rename(moved)
        return True

    with open_folder(inner) as opened, pytest.raises(StorageError, match="cannot be saved"):
        keeping.keep(source, opened, "fox.png", ours, digest=DIGEST)
    assert names(moved) == ["fox.png"]


@pytest.mark.parametrize("anew", [False, True], ids=["drawn on", "saved anew"])
def test_what_the_user_changed_while_this_process_was_frozen_stays(source: Path, folder: Path, *, anew: bool) -> None:
    """Another process has ended the job meanwhile, and removed its files."""
    os.utime(source, (1000, 1000))

    def wake_up() -> None:
        source.unlink()
        if anew:
            (folder / "fox.png").unlink()
        (folder / "fox.png").write_bytes(OTHER)

    with meddled(folder) as opened, suppress(ChangedFileError):
        opened.after = wake_up
        keeping.keep(source, opened, "fox.png", digest=DIGEST)
    assert (folder / "fox.png").read_bytes() == OTHER


class Numbered(OpenFolder):
    """A folder of a file system that numbers each name, as some that are reached over a network do."""

    def status(self, name: str) -> os.stat_result:
        found = list(super().status(name))
        found[stat.ST_INO], found[stat.ST_NLINK] = 10**6 + len(name), 1
        return os.stat_result(found)


def test_where_a_link_cannot_be_told_from_another_file_it_is_copied(source: Path, folder: Path) -> None:
    with Numbered(folder, open_folder(folder).handle) as opened:
        kept = keeping.keep(source, opened, "fox.png", digest=DIGEST)
    assert not kept.path.samefile(source)
    assert (names(folder), kept.path.read_bytes()) == (["fox.png"], SOURCE)


def test_a_taken_name_gets_the_next_number(source: Path, folder: Path) -> None:
    (folder / "fox.png").write_bytes(b"the user's own")
    (folder / "fox-2.png").symlink_to(folder / "nowhere")
    (folder / "fox-3.png").mkdir()
    assert keep(source, folder / "fox.png") == folder / "fox-4.png"
    assert (folder / "fox.png").read_bytes() == b"the user's own"


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_first_copy_is_found_again(source: Path, folder: Path, *, is_ours: bool) -> None:
    (folder / "fox.png").write_bytes(OTHER)
    (folder / "fox-2.png").write_bytes(SOURCE)
    asked = list[str]()

    def ours(path: Path) -> bool:
        asked.append(path.name)
        return is_ours

    kept = keep(source, folder / "fox.png", ours=ours)
    assert asked == ["fox-2.png"]
    assert kept.name == ("fox-2.png" if is_ours else "fox-3.png")
    assert source.stat().st_nlink == (1 if is_ours else 2)


def test_a_picture_that_is_delivered_again_after_it_was_linked_is_found(source: Path, folder: Path) -> None:
    first = keep(source, folder / "fox.png", ours=lambda _: True)
    assert keep(source, folder / "fox.png", ours=lambda _: True) == first  # by the same process
    successors = source.with_name("taken over")
    files.write_file(successors, SOURCE)
    assert keep(successors, folder / "fox.png", ours=lambda _: True) == first
    assert names(folder) == ["fox.png"]


def test_many_threads_never_take_one_name(source: Path, folder: Path) -> None:
    start = threading.Barrier(8)
    kept = list[Path]()

    def work(number: int) -> None:
        start.wait()
        for turn in range(10):
            own = source.with_name(f"{number}-{turn}")
            files.write_file(own, SOURCE)
            kept.append(keep(own, folder / "fox.png"))
            own.unlink()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(kept)) == len(names(folder)) == 80
    assert {path.read_bytes() for path in kept} == {SOURCE}


def write_whole(path: Path) -> None:
    with open_folder(path.parent) as opened:
        files.write_whole(opened, path.name, OTHER, lasting=False)


def write_and_rename(path: Path) -> None:
    files.write_file(path.with_name("picture.part"), OTHER)
    files.rename_file(path.with_name("picture.part"), path.name)


def write_through(path: Path) -> None:
    with files.open_file(path, "wb") as file:
        file.write(OTHER)


def replace(path: Path) -> None:
    files.replace_file(path, OTHER, lambda _: None)


WRITERS = [write_whole, write_and_rename, write_through, replace, lambda path: files.write_file(path, OTHER)]


@pytest.mark.parametrize("write", WRITERS)
def test_nothing_that_writes_the_source_anew_changes_what_was_kept(
    source: Path, folder: Path, write: Callable[[Path], object]
) -> None:
    kept = keep(source, folder / "fox.png")
    write(source)
    assert (kept.read_bytes(), source.read_bytes()) == (SOURCE, OTHER)
    assert mode(source) == 0o600


@pytest.mark.anyio
@pytest.mark.parametrize("save_as", [None, "foxes/fox.png", "{project}/fox.png"])
async def test_a_kept_picture_stays_when_the_files_of_its_job_are_removed(
    folders: Folders, save_as: str | None
) -> None:
    stores = open_stores(folders, lease=10)
    wanted = save_as and save_as.format(project=folders.roots[1])
    fetched = await stores.blobs.workplace("incoming/job_1/fetch-1-me") / "picture"
    files.write_file(fetched, SOURCE)
    record, notes = await stores.library.keep(LOCAL, fetched, picture(job_id="job_1"), save_as=wanted, digest=DIGEST)
    assert notes == []
    assert place(record).samefile(fetched)
    assert not (folders.database.parent / "pictures" / "picture").exists()
    await stores.blobs.delete("incoming/job_1/")
    assert not fetched.parent.parent.exists()
    assert await stores.library.read(record, 10**6) == SOURCE
    assert (record.bytes, place(record).stat().st_nlink, mode(place(record))) == (len(SOURCE), 1, 0o600)
    await stores.close()
