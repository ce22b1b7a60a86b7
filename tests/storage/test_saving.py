from __future__ import annotations

import errno
import io
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from imagewright.errors import StorageError
from imagewright.storage.paths import HAS_HANDLES, OpenFolder, keeping, open_folder
from imagewright.storage.paths import files as saving

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import WriteableBuffer as Buffer

ways = pytest.mark.parametrize(
    "way", [saving.by_rename] if os.name == "nt" else [saving.by_link, saving.by_reservation]
)


class Failing(io.RawIOBase):
    """A download that breaks off after so many bytes."""

    def __init__(self, good: int, error: OSError) -> None:
        self._left = good
        self._error = error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer)
        if not self._left:
            raise self._error
        count = min(len(view), self._left)
        view[:count] = b"x" * count
        self._left -= count
        return count


class Scanned(type(Path())):  # type: ignore[misc] # the concrete class differs by platform
    """A new file that a virus scanner has open for the first tries to rename it."""

    tries = 0

    def rename(self, target: Path) -> Path:
        self.tries += 1
        if self.tries <= 2:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return Path(self).rename(target)


def keep(source: Path, target: Path) -> saving.Kept:
    with open_folder(target.parent, make=True) as folder:
        return keeping.keep(source, folder, target.name)


def publish(part: Path, target: Path, ways: tuple[saving.Way, ...] = (), ours: saving.Ours | None = None) -> Path:
    with open_folder(target.parent) as folder:
        return folder.path / saving.publish(folder, part.name, target.name, ways, ours)


def check_room(path: Path, needed_bytes: int) -> None:
    with open_folder(path, make=True) as folder:
        keeping.check_room(folder, needed_bytes)


class Sticky(OpenFolder):
    """A folder from which nothing can be removed."""

    def remove(self, name: str) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), name)


def everything(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_bytes_are_untouched_and_the_folder_is_made(source: Path, folder: Path) -> None:
    kept = keep(source, folder / "a" / "b" / "fox.png")
    assert kept == (folder / "a" / "b" / "fox.png", source.stat().st_size)
    assert kept.path.read_bytes() == source.read_bytes()
    assert everything(kept.path.parent) == ["fox.png"]
    assert source.exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no folders that can be flushed")
def test_what_is_kept_has_its_bytes_and_its_name_on_disk(source: Path, folder: Path, flushed: list[int]) -> None:
    path = keep(source, folder / "fox.png").path
    assert flushed == [path.stat().st_ino, folder.stat().st_ino]


def test_a_taken_name_gets_the_next_number(source: Path, folder: Path) -> None:
    (folder / "fox.png").write_bytes(b"the user's own")
    (folder / "fox-3.png").mkdir()
    names = [keep(source, folder / "fox.png").path.name for _ in range(3)]
    assert names == ["fox-2.png", "fox-4.png", "fox-5.png"]
    assert (folder / "fox.png").read_bytes() == b"the user's own"


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_link_in_place_of_the_name_is_neither_followed_nor_replaced(source: Path, folder: Path) -> None:
    (folder / "fox.png").symlink_to(folder / "nowhere")
    assert keep(source, folder / "fox.png").path.name == "fox-2.png"
    assert not (folder / "nowhere").exists()
    assert (folder / "fox.png").is_symlink()


@pytest.mark.skipif(os.name == "nt", reason="a rename does it there")
def test_a_name_is_there_only_with_its_whole_file(folder: Path) -> None:
    part = folder / "part"
    part.write_bytes(b"fox")
    assert publish(part, folder / "fox.png").samefile(part)  # a second name, never an empty file before


@ways
def test_many_threads_never_take_one_name(folder: Path, way: saving.Way) -> None:
    paths: list[Path] = []
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait()
        for turn in range(10):
            part = folder / f"part{number}"
            part.write_text(f"{number}.{turn}", encoding="utf-8")
            paths.append(publish(part, folder / "fox.png", (way,)))
            part.unlink(missing_ok=True)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(paths)) == 80
    assert {path.read_text(encoding="utf-8") for path in paths} == {f"{n}.{t}" for n in range(8) for t in range(10)}
    assert len(everything(folder)) == 80


def always(_: Path) -> bool:
    return True


@ways
@pytest.mark.parametrize("before", [0, 1, 3])
def test_a_first_copy_is_found_again_under_whichever_name_it_got(folder: Path, way: saving.Way, before: int) -> None:
    part = folder / "part"
    part.write_bytes(b"fox" * 1_000_000)
    names = ["fox.png", "fox-2.png", "fox-3.png", "fox-4.png"]
    for name in names[:before]:
        (folder / name).write_bytes(b"another")
    (folder / names[before]).write_bytes(part.read_bytes())
    inode = (folder / names[before]).stat().st_ino
    found = publish(part, folder / "fox.png", (way,), always)
    assert (found.name, found.stat().st_ino) == (names[before], inode)
    assert everything(folder) == sorted([*names[: before + 1], "part"])


@ways
def test_the_same_bytes_of_another_picture_are_left_to_it(folder: Path, way: saving.Way) -> None:
    (folder / "part").write_bytes(b"fox")
    (folder / "fox.png").write_bytes(b"fox")
    asked = []

    def another(path: Path) -> bool:
        asked.append(path.name)
        return False

    assert publish(folder / "part", folder / "fox.png", (way,), another).name == "fox-2.png"
    assert asked == ["fox.png"]


def other_bytes(path: Path) -> None:
    path.write_bytes(b"box" * 1_000_000)


def other_end(path: Path) -> None:
    path.write_bytes(b"fox" * 999_999 + b"box")


def longer(path: Path) -> None:
    path.write_bytes(b"fox" * 1_000_001)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def a_link(path: Path) -> None:
    path.with_name("elsewhere").write_bytes(b"fox" * 1_000_000)
    path.symlink_to(path.with_name("elsewhere"))


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


NOT_OURS = [other_bytes, other_end, longer, empty, Path.mkdir, *([a_link, a_pipe] if os.name != "nt" else [])]


@ways
@pytest.mark.parametrize("taken", NOT_OURS)
def test_what_is_not_the_same_is_never_taken_for_a_first_copy(
    folder: Path, way: saving.Way, taken: Callable[[Path], object]
) -> None:
    (folder / "part").write_bytes(b"fox" * 1_000_000)
    taken(folder / "fox.png")
    assert publish(folder / "part", folder / "fox.png", (way,), always).name == "fox-2.png"


def test_an_empty_file_is_nobodys_first_copy(folder: Path) -> None:
    for name in ("part", "fox.png"):
        (folder / name).write_bytes(b"")
    assert publish(folder / "part", folder / "fox.png", ours=always).name == "fox-2.png"


def test_what_is_published_is_saved_although_its_part_cannot_be_removed(source: Path, folder: Path) -> None:
    with Sticky(folder, open_folder(folder).handle) as sticky:
        kept = keeping.keep(source, sticky, "fox.png")
    assert kept.path.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("good", [0, 1, 3_000_000])
@pytest.mark.parametrize(
    ("code", "reason"), [(errno.ENOSPC, "disk is full"), (errno.EIO, "fault"), (errno.EDQUOT, "quota")]
)
def test_what_breaks_off_leaves_nothing(folder: Path, good: int, code: int, reason: str) -> None:
    reader = io.BufferedReader(Failing(good, OSError(code, os.strerror(code))))
    with pytest.raises(StorageError, match=reason) as caught, open_folder(folder / "new", make=True) as new:
        saving.write_new(reader, new, "fox.png")
    assert str(folder / "new") in str(caught.value)
    assert everything(folder / "new") == []


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS])
def test_a_disk_without_hard_links_is_served_another_way(folder: Path, code: int) -> None:
    def no_links(_folder: OpenFolder, part: str, name: str) -> None:
        raise OSError(code, os.strerror(code), part, None, name)

    part = folder / "part"
    part.write_bytes(b"fox")
    (folder / "fox.png").write_bytes(b"taken")
    path = publish(part, folder / "fox.png", (no_links, saving.by_reservation))
    assert (path.name, path.read_bytes()) == ("fox-2.png", b"fox")
    assert everything(folder) == ["fox-2.png", "fox.png"]


def test_another_failure_is_not_tried_another_way(folder: Path) -> None:
    def broken(_folder: OpenFolder, part: str, name: str) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), part, None, name)

    (folder / "part").write_bytes(b"fox")
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        publish(folder / "part", folder / "fox.png", (broken, saving.by_reservation))
    assert everything(folder) == ["part"]


def test_a_reservation_that_fails_is_given_back(folder: Path) -> None:
    with pytest.raises(FileNotFoundError), open_folder(folder) as opened:
        saving.by_reservation(opened, "no such part", "fox.png")
    assert everything(folder) == []


def test_a_file_that_a_scanner_has_open_is_renamed_once_it_lets_go(folder: Path) -> None:
    (folder / "part").write_bytes(b"fox")
    saving.by_rename(OpenFolder(Scanned(folder), None), "part", "fox.png")
    assert (folder / "fox.png").read_bytes() == b"fox"
    assert everything(folder) == ["fox.png"]


def test_a_source_that_is_not_there(folder: Path) -> None:
    with pytest.raises(StorageError, match="cannot be read"):
        keep(folder / "gone", folder / "fox.png")
    assert everything(folder) == []


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_no_link_on_the_way_to_the_source_is_followed(source: Path, folder: Path) -> None:
    (folder / "link").symlink_to(source)
    (folder / "links").symlink_to(source.parent)
    for through in (folder / "link", folder / "links" / source.name):
        with pytest.raises(StorageError, match="a link on the path"):
            keep(through, folder / "fox.png")
    assert everything(folder) == ["link", "links"]


@pytest.mark.parametrize("place", ["f" * 300 + ".png", "file/fox.png", "file/new/fox.png"])
def test_a_place_that_cannot_be(folder: Path, place: str) -> None:
    (folder / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot be saved in"):
        saving.save_new(b"fox", folder / place)
    assert everything(folder) == ["file"]


def test_room_is_found_and_nothing_left(folder: Path) -> None:
    check_room(folder / "a" / "b", 1000)
    assert everything(folder / "a" / "b") == []


def test_too_little_room_is_reported_in_figures(folder: Path) -> None:
    with pytest.raises(StorageError, match=r"Too little room in .*free, up to 1000 TB may be needed"):
        check_room(folder, 10**15)


def test_what_a_killed_process_left_is_swept_after_a_day(folder: Path) -> None:
    for name, age in ((".imagewright-old.part", 90_000), (".imagewright-new.part", 60), ("fox.part", 90_000)):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - age,) * 2)
    with open_folder(folder) as opened:
        saving.sweep(opened)
        assert everything(folder) == [".imagewright-new.part", "fox.part"]
        (folder / ".imagewright-new.part").unlink()
        (folder / "fox.part").unlink()
        folder.rmdir()
        saving.sweep(opened)  # it must not stand in the way of saving


@pytest.mark.skipif(os.name == "nt", reason="a folder that is held open is not moved there")
@pytest.mark.parametrize("handles", [True, False])
def test_a_folder_that_is_moved_while_a_picture_is_saved_is_noticed(
    source: Path, folder: Path, *, handles: bool
) -> None:
    moved, outside = folder / "moved", folder / "outside"
    outside.mkdir()

    def move(opened: OpenFolder, part: str, name: str) -> None:
        saving.by_link(opened, part, name)
        opened.path.rename(moved)
        opened.path.symlink_to(outside)

    (folder / "inner").mkdir()
    (folder / "inner" / "part").write_bytes(source.read_bytes())
    with (
        open_folder(folder / "inner", handles=handles) as opened,
        pytest.raises(OSError, match=r"moved|symbolic links"),
    ):
        saving.publish(opened, "part", "fox.png", (move,))
    assert everything(outside) == []
    assert everything(moved) == (["part"] if handles else ["fox.png", "part"])


@pytest.mark.parametrize("handles", sorted({HAS_HANDLES, False}))
def test_a_picture_is_saved_with_and_without_handles(source: Path, folder: Path, *, handles: bool) -> None:
    with open_folder(folder, handles=handles) as opened:
        names = [keeping.keep(source, opened, "fox.png").path.name for _ in range(2)]
        keeping.check_room(opened, 1000)
        saving.sweep(opened)
    assert everything(folder) == sorted(names) == ["fox-2.png", "fox.png"]
    assert (folder / "fox-2.png").read_bytes() == source.read_bytes()
