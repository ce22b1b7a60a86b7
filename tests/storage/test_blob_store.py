"""What every store of files promises, and what those of this machine promise beside."""

# ruff: noqa: ASYNC240 - a test may wait for the disk
from __future__ import annotations

import hashlib
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio
import pytest

from imagewright.errors import StorageError
from imagewright.storage import ChangedFileError
from imagewright.storage.base import BlobGoneError
from imagewright.storage.blobs import FRESH, LocalBlobs
from imagewright.storage.paths.roots import AllowedRoots, ConfineError
from tests.storage.stores_bench import SOURCE
from tests.support.clock import Clock

if sys.platform != "win32":
    import resource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imagewright.storage.blob_store import BlobStore
    from tests.storage.conftest import Link

pytestmark = pytest.mark.anyio

INPUT = "incoming/job_1/input-0"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "kept"


@pytest.fixture
def local(base: Path) -> LocalBlobs:
    return LocalBlobs(base, base / "pictures", AllowedRoots([base / "pictures"]))


async def no_others(_: int) -> list[str]:
    return []


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("lasting", [True, False])
async def test_what_was_put_is_read_and_put_anew(blobs: BlobStore, *, lasting: bool) -> None:
    for data in (b"one", b"another"):
        await blobs.put(INPUT, data, lasting=lasting)
        assert await blobs.read(INPUT) == data
    assert await blobs.keys("incoming/") == [INPUT]


async def test_no_more_is_read_than_is_wanted(blobs: BlobStore, tmp_path: Path) -> None:
    await blobs.put(INPUT, SOURCE)
    assert await blobs.read(INPUT, len(SOURCE)) == SOURCE
    with pytest.raises(StorageError, match="the limit is 100 bytes"):
        await blobs.read(INPUT, 100)
    assert await blobs.head(INPUT, 4) == (SOURCE[:4], len(SOURCE))
    into = tmp_path / "here"
    await blobs.fetch(INPUT, into)
    assert await anyio.Path(into).read_bytes() == SOURCE


async def test_what_is_gone_is_reported(blobs: BlobStore, tmp_path: Path) -> None:
    into = tmp_path / "here"
    for ask in (blobs.read(INPUT), blobs.head(INPUT, 1), blobs.fetch(INPUT, into)):
        with pytest.raises(BlobGoneError, match="deleted or moved"):
            await ask
    assert not await anyio.Path(into).exists()


async def test_a_file_never_takes_anothers_key(blobs: BlobStore, source: Path) -> None:
    added = [await blobs.add("pictures/fox.png", source) for _ in range(3)]
    assert added == [(f"pictures/fox{end}.png", len(SOURCE)) for end in ("", "-2", "-3")]
    assert [await blobs.read(key) for key, _ in added] == [SOURCE] * 3


async def test_a_file_that_a_killed_process_saved_is_taken_and_not_saved_again(blobs: BlobStore, source: Path) -> None:
    await blobs.add("pictures/fox.png", source)
    assert await blobs.add("pictures/fox.png", source, others=no_others) == ("pictures/fox.png", len(SOURCE))

    async def another(size: int) -> list[str]:
        return ["pictures/fox.png"] if size == len(SOURCE) else []

    assert (await blobs.add("pictures/fox.png", source, others=another))[0] == "pictures/fox-2.png"
    await anyio.Path(source).write_bytes(b"other bytes")
    assert (await blobs.add("pictures/fox.png", source, others=no_others))[0] == "pictures/fox-3.png"


async def test_keys_are_found_and_removed_by_how_they_begin(blobs: BlobStore) -> None:
    of_job = [f"incoming/job_1/{name}" for name in ("fetch-1-me/picture", "input-0", "input-1", "result-1")]
    for key in (*of_job, "incoming/job_10/input-0"):
        await blobs.put(key, b"x")
    assert await blobs.keys("incoming/job_1/") == of_job
    assert await blobs.keys("incoming/job_1/input-") == of_job[1:3]
    assert await blobs.keys("incoming/job_1/fetch-1-") == of_job[:1]
    await blobs.delete("incoming/job_1/input-")
    assert await blobs.keys("incoming/job_1/") == [of_job[0], of_job[3]]
    for _ in range(2):
        await blobs.delete("incoming/job_1/")
        assert await blobs.keys("incoming/") == ["incoming/job_10/input-0"]
    assert await blobs.keys("incoming/nobody/") == []


async def test_folders_are_as_old_as_what_was_changed_last(blobs: BlobStore) -> None:
    assert await blobs.folders("incoming") == []
    for key in (INPUT, "incoming/job_2/fetch-1-me/picture", "incoming/stray"):
        await blobs.put(key, b"x")
    folders = await blobs.folders("incoming")
    assert {one.key for one in folders} == {"incoming/job_1", "incoming/job_2"}
    assert all(-1 < one.idle < 60 for one in folders)


async def test_a_place_to_work_in_is_this_machines(blobs: BlobStore) -> None:
    folder = await blobs.workplace("incoming/job_1/fetch-1-me")
    made = anyio.Path(folder / "picture")
    await made.write_bytes(b"x")
    assert await blobs.workplace("incoming/job_1/fetch-1-me") == folder
    if blobs.path("incoming/job_1/fetch-1-me") is not None:
        assert await blobs.keys("incoming/job_1/") == ["incoming/job_1/fetch-1-me/picture"]


async def test_folders_within_folders_are_deleted_too(blobs: BlobStore) -> None:
    for name in ("picture", "deep/picture", "deep/deeper/picture"):
        await blobs.put(f"incoming/job_1/fetch-1-me/{name}", b"x")
    await blobs.put(INPUT, b"x")
    await blobs.delete("incoming/job_1/fetch-1-")
    assert await blobs.keys("incoming/") == [INPUT]
    if (path := blobs.path(INPUT)) is not None:
        assert list(path.parent.iterdir()) == [path]


async def test_a_file_that_was_changed_is_not_taken(blobs: BlobStore, source: Path) -> None:
    digest = hashlib.sha256(source.read_bytes()).digest()
    key, size = await blobs.add("pictures/fox.png", source, digest=digest)
    assert await blobs.read(key) == source.read_bytes()
    source.write_bytes(source.read_bytes() + b"x")
    with pytest.raises(ChangedFileError):
        await blobs.add("pictures/hare.png", source, digest=digest)
    assert await blobs.keys("pictures/") == [key]
    assert size == source.stat().st_size - 1
    if (path := blobs.path(key)) is not None:
        assert list(path.parent.iterdir()) == [path]


async def test_a_link_is_given_where_there_are_any(blobs: BlobStore) -> None:
    await blobs.put("pictures/fox.png", b"x")
    link = await blobs.link("pictures/fox.png", 60)
    assert (link is None) == (blobs.path("pictures/fox.png") is not None)


async def test_files_of_this_machine_lie_where_their_keys_say(local: LocalBlobs, base: Path, source: Path) -> None:
    await local.put(INPUT, b"x")
    await local.add("pictures/deep/fox.png", source)
    assert local.path(INPUT) == base / INPUT
    assert files(base) == {INPUT, "pictures/deep/fox.png"}
    modes = {path.stat().st_mode & 0o077 for path in base.rglob("*")}
    assert modes == {0} or os.name == "nt"


async def test_a_file_of_the_users_has_a_key_that_names_it(local: LocalBlobs, base: Path, source: Path) -> None:
    outside, inside = source.parent / "mine", base / "pictures"
    outside.mkdir()
    for folder, key in ((outside, f"file:{outside.as_posix()}/fox.png"), (inside, "pictures/fox.png")):
        assert (await local.add(f"file:{folder.as_posix()}/fox.png", source))[0] == key
        assert local.path(key) == folder / "fox.png"
        assert await local.read(key) == SOURCE


async def test_the_store_can_move_with_its_records(local: LocalBlobs, base: Path, tmp_path: Path) -> None:
    await local.put(INPUT, b"x")
    moved = tmp_path / "moved"
    base.rename(moved)
    assert await LocalBlobs(moved, moved / "pictures", AllowedRoots([moved])).read(INPUT) == b"x"


@pytest.mark.parametrize(
    "key",
    [
        "", "/etc/passwd", "elsewhere/x", "incoming/../x", "incoming/job_1/../../x", "incoming/./x",
        "file:x", "file:../x", "incoming/job_1/\0", "file:/x\0",
    ],
)  # fmt: skip
async def test_a_key_leads_nowhere_else(local: LocalBlobs, tmp_path: Path, key: str) -> None:
    assert local.path(key) is None
    for ask in (local.read(key), local.put(key, b"x"), local.fetch(key, tmp_path / "here"), local.workplace(key)):
        with pytest.raises(BlobGoneError, match="is no key"):
            await ask
    assert files(tmp_path) == set()


async def test_a_file_replaced_by_a_link_out_of_the_roots_is_not_read(
    local: LocalBlobs, source: Path, link: Link
) -> None:
    key, _ = await local.add("pictures/fox.png", source)
    path = local.path(key)
    assert path is not None
    path.unlink()
    link(path, source)
    with pytest.raises(ConfineError, match="outside"):
        await local.read(key)


async def test_unfinished_files_are_no_files_and_are_removed(local: LocalBlobs, base: Path) -> None:
    await local.put(INPUT, b"x")
    (base / "incoming/job_1/.input-1.part").write_bytes(b"half")
    assert await local.keys("incoming/") == [INPUT]
    await local.delete("incoming/job_1/input-")
    assert not (base / "incoming" / "job_1").exists()


async def test_nothing_is_followed_or_removed_behind_a_link(
    local: LocalBlobs, base: Path, tmp_path: Path, link: Link
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "dear").write_bytes(b"x")
    await local.put(INPUT, b"x")
    link(base / "incoming" / "job_2", elsewhere)
    link(base / "incoming" / "job_1" / "fetch-3", elsewhere)
    assert [one.key for one in await local.folders("incoming")] == ["incoming/job_1"]
    await local.delete("incoming/job_1/")
    assert files(elsewhere) == {"dear"}
    assert not (base / "incoming" / "job_1").exists()


async def test_an_empty_folder_is_seen_and_goes(base: Path) -> None:
    clock = Clock(now=5000.0)
    local = LocalBlobs(base, base / "pictures", AllowedRoots([base]), clock=clock)
    folder = base / "incoming" / "job_1"
    folder.mkdir(parents=True)
    os.utime(folder, (1000.0, 1000.0))
    (one,) = await local.folders("incoming")
    assert (one.key, one.idle) == ("incoming/job_1", 4000.0)
    await local.delete(f"{one.key}/")
    assert not folder.exists()


async def test_a_folder_in_the_way_is_reported(local: LocalBlobs, base: Path, source: Path) -> None:
    base.mkdir()
    for name in ("incoming", "pictures"):
        (base / name).write_bytes(b"in the way")
    for ask in (local.put(INPUT, b"x"), local.workplace("incoming/job_1"), local.add("pictures/fox.png", source)):
        with pytest.raises(StorageError):
            await ask
    assert await local.folders("incoming") == []
    await local.delete("incoming/job_1/")


async def test_no_more_is_copied_at_once_than_answers_can_be_looked_up(local: LocalBlobs, source: Path) -> None:
    """Every copy waits for an answer from the event loop, which needs a worker thread for it."""
    await local.add("pictures/fox.png", source)
    asked = []

    async def others(size: int) -> list[str]:
        asked.append(await anyio.to_thread.run_sync(lambda: size))
        return []

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            for _ in range(60):
                group.start_soon(lambda: local.add("pictures/fox.png", source, others=others))
    assert asked == [len(SOURCE)] * 60


async def test_what_replaced_a_folder_of_a_job_is_not_emptied(
    local: LocalBlobs, base: Path, tmp_path: Path, link: Link
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "dear").write_bytes(b"x")
    (base / "incoming").mkdir(parents=True)
    link(base / "incoming" / "job_1", elsewhere)
    await local.delete("incoming/job_1/")
    assert files(elsewhere) == {"dear"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no folders that can be flushed")
async def test_what_lasts_has_its_bytes_and_its_name_on_disk(local: LocalBlobs, base: Path, flushed: list[int]) -> None:
    await local.put("incoming/job_1/input-0", b"x", lasting=False)
    assert flushed == []
    await local.put("incoming/job_1/result-1", b"x")
    names = ("incoming/job_1/result-1", "incoming/job_1", "incoming")
    assert flushed == [(base / name).stat().st_ino for name in names]


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """As on a disk that gets full while it is written."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.skipif(os.name == "nt", reason="limits are set with POSIX means")
async def test_nothing_is_left_of_what_could_not_be_written(local: LocalBlobs, base: Path, tmp_path: Path) -> None:
    await local.put(INPUT, b"x" * 10000)
    for write in (local.put("incoming/job_1/result-1", b"x" * 10000), local.fetch(INPUT, tmp_path / "here")):
        with pytest.raises(StorageError, match="the file is larger than"), no_file_larger_than(5000):
            await write
    assert files(tmp_path) == {f"{base.name}/{INPUT}"}


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
async def test_what_is_put_goes_through_no_link(local: LocalBlobs, base: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "dear").write_bytes(b"dear")
    await local.put(INPUT, b"x")
    (base / "incoming" / "job_2").symlink_to(elsewhere)
    for ask in (local.put("incoming/job_2/input-0", b"x"), local.workplace("incoming/job_2/fetch-1-me")):
        with pytest.raises(StorageError, match="a link on the path"):
            await ask
    result = base / "incoming" / "job_1" / "result-1"
    result.symlink_to(elsewhere / "dear")
    await local.put("incoming/job_1/result-1", b"y")
    assert (result.read_bytes(), result.is_symlink()) == (b"y", False)
    assert files(elsewhere) == {"dear"}
    assert (elsewhere / "dear").read_bytes() == b"dear"
    assert await local.keys("incoming/job_2/") == []


async def test_a_folder_that_was_just_checked_is_not_probed_again(tmp_path: Path, clock: Clock) -> None:
    pictures = tmp_path / "kept" / "pictures"
    blobs = LocalBlobs(tmp_path / "kept", pictures, AllowedRoots([pictures]), monotonic=clock.monotonic)
    await blobs.check_room("pictures", 100)
    os.utime(pictures, (1000, 1000))
    await blobs.check_room("pictures", 100)
    with pytest.raises(StorageError, match="Too little room"):  # how much is free is looked up each time
        await blobs.check_room("pictures", 2**62)
    assert pictures.stat().st_mtime == 1000  # a file in it would have changed that
    clock.wait(FRESH)
    await blobs.check_room("pictures", 100)
    assert pictures.stat().st_mtime != 1000
    pictures.rmdir()
    pictures.write_bytes(b"in its place")
    words = "cannot be written: a part of the path is a file.* IMAGEWRIGHT_HOME can name another folder"
    with pytest.raises(StorageError, match=words):
        await blobs.check_room("pictures", 100)
