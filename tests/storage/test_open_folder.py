"""What is opened, made, written and removed below a folder is there, whatever is put in its place meanwhile."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from imagewright.storage.paths import HAS_HANDLES, OpenFolder, files, open_folder, remove_tree, tree

if TYPE_CHECKING:
    from pathlib import Path

    from tests.storage.conftest import Link

ways = pytest.mark.parametrize("handles", sorted({HAS_HANDLES, False}))
with_handles = pytest.mark.skipif(not HAS_HANDLES, reason="needs handles of folders")


def content(folder: Path, name: str, *, handles: bool) -> bytes:
    with open_folder(folder, handles=handles) as opened, os.fdopen(opened.open(name), "rb") as stream:
        return stream.read()


@ways
@pytest.mark.parametrize("place", ["cat.png", "inner/dog.png"])
def test_files_below_are_opened(root: Path, place: str, *, handles: bool) -> None:
    path = root / place
    assert content(path.parent, path.name, handles=handles) == path.name[:3].encode()


@ways
def test_a_link_in_the_way_is_not_followed(root: Path, link: Link, *, handles: bool) -> None:
    outside = root.parent / "outside"
    (outside / "deep").mkdir()
    (outside / "dog.png").write_bytes(b"secret")
    (root / "inner").rename(root / "moved")
    link(root / "inner", outside)
    for place in ("inner", "inner/deep"):
        for make in (False, True):
            with pytest.raises(OSError, match="symbolic links"):
                open_folder(root / place, make=make, handles=handles)
    with open_folder(root, handles=handles) as opened:
        for make in (False, True):
            with pytest.raises(OSError, match="symbolic links"):
                opened.child("inner", make=make)
        (root / "cat.png").unlink()
        link(root / "cat.png", outside / "secret.txt")
        for flags in (os.O_RDONLY, os.O_WRONLY | os.O_CREAT | os.O_TRUNC):
            with pytest.raises(OSError, match="symbolic links"):
                opened.open("cat.png", flags)
    assert (outside / "secret.txt").read_bytes() == b"secret"


@with_handles
def test_what_takes_the_place_of_an_open_folder_is_left_alone(root: Path, link: Link) -> None:
    outside = root.parent / "outside"
    with open_folder(root / "inner") as opened:
        (root / "inner").rename(root / "moved")
        link(root / "inner", outside)
        with opened.write("fox.png", "xb") as file:
            file.write(b"fox")
        opened.link("fox.png", "hare.png")
        opened.rename("fox.png", "secret.txt")
        opened.child("new", make=True).close()
        assert {entry.name for entry in opened.entries()} == {"dog.png", "hare.png", "secret.txt", "new"}
        assert stat.S_ISDIR(opened.status("new").st_mode)
        with pytest.raises(OSError, match="moved meanwhile"):
            opened.check_in_place()
        opened.remove("secret.txt")
    assert sorted(path.name for path in (root / "moved").iterdir()) == ["dog.png", "hare.png", "new"]
    assert [path.name for path in outside.iterdir()] == ["secret.txt"]


def test_without_handles_a_moved_folder_is_noticed(root: Path, link: Link) -> None:
    with open_folder(root / "inner", handles=False) as opened:
        opened.check_in_place()
        (root / "inner").rename(root / "moved")
        link(root / "inner", root.parent / "outside")
        for use in (opened.check_in_place, lambda: opened.open("secret.txt")):
            with pytest.raises(OSError, match="symbolic links"):
                use()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "../a", "a/"])
def test_a_name_leads_nowhere_else(root: Path, name: str) -> None:
    with open_folder(root) as opened:
        for use in (opened.open, opened.status, opened.remove, opened.remove_folder, opened.child):
            with pytest.raises(OSError, match="not the name"):
                use(name)


@pytest.mark.skipif(os.name == "nt", reason="pipes in folders are POSIX")
@ways
def test_a_pipe_is_not_waited_on(root: Path, *, handles: bool) -> None:
    os.mkfifo(root / "pipe")
    with open_folder(root, handles=handles) as opened:
        os.close(opened.open("pipe"))


@ways
def test_missing_folders_are_made(root: Path, *, handles: bool) -> None:
    with pytest.raises(FileNotFoundError):
        open_folder(root / "a" / "b", handles=handles)
    open_folder(root / "a" / "b", make=True, handles=handles).close()
    assert (root / "a" / "b").is_dir()
    for place in ("cat.png", "cat.png/a", "cat.png/a/b"):
        with pytest.raises(NotADirectoryError):
            open_folder(root / place, make=True, handles=handles)


@with_handles
def test_a_folder_is_opened_step_by_step_where_the_system_does_not_tell_its_path(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(_: str) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(os, "readlink", without)  # as where there is no /proc
    with open_folder(root / "inner") as opened:
        assert [entry.name for entry in opened.entries()] == ["dog.png"]


@with_handles
@pytest.mark.skipif(os.name == "nt", reason="there are no modes on Windows")
def test_a_folder_that_may_not_be_listed_can_be_written(root: Path) -> None:
    (root / "inner").chmod(0o300)
    with open_folder(root / "inner") as opened, opened.write("fox.png", "xb") as file:
        file.write(b"fox")
    assert (root / "inner" / "fox.png").read_bytes() == b"fox"


def test_a_tree_is_listed_and_removed_without_what_is_behind_links(root: Path, link: Link) -> None:
    link(root / "inner" / "out", root.parent / "outside")
    with open_folder(root) as opened:
        assert {name for name, _ in tree(opened)} == {"cat.png", "inner", "inner/dog.png"}
        remove_tree(opened, "inner")
        remove_tree(opened, "nothing")
        assert {name for name, _ in tree(opened)} == {"cat.png"}
    assert [path.name for path in (root.parent / "outside").iterdir()] == ["secret.txt"]


def test_a_closed_folder_is_not_used(root: Path) -> None:
    opened = OpenFolder(root, open_folder(root).handle)
    opened.close()
    opened.close()
    if HAS_HANDLES:
        with pytest.raises(OSError, match="descriptor"):
            opened.open("cat.png")


def test_what_is_given_by_its_path_is_reached_through_no_link(root: Path, link: Link) -> None:
    outside = root.parent / "outside"
    link(root / "out", outside)
    link(root / "secret.txt", outside / "secret.txt")
    through = root / "out" / "secret.txt"
    for path in (through, root / "secret.txt"):
        for use in (
            lambda path: files.open_file(path, "wb"),
            lambda path: files.open_file(path, "ab"),
            lambda path: files.write_file(path, b"x"),
            lambda path: files.read_file(path, 10),
        ):
            with pytest.raises(OSError, match="symbolic links"):
                use(path)
    for use in (
        files.remove_file,
        lambda path: files.rename_file(path, "x"),
        lambda path: files.make_folder(path / "x"),
    ):
        with pytest.raises(OSError, match=r"symbolic links"):
            use(through)
    files.remove_folder(through.parent)
    files.remove_file(root / "secret.txt")  # the link itself
    files.remove_file(root / "secret.txt")
    assert [(path.name, path.read_bytes()) for path in outside.iterdir()] == [("secret.txt", b"secret")]
