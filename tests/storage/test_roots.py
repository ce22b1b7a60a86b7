"""What may be read."""

from __future__ import annotations

import os
import subprocess
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from imagewright.errors import StorageError
from imagewright.storage.paths.roots import AllowedRoots, ConfineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.storage.conftest import Link

posix = pytest.mark.skipif(os.name == "nt", reason="made of things only POSIX has")


def readable(roots: AllowedRoots, text: str) -> Path:
    """The file that would be read."""
    stream, path = roots.open_readable(text)
    stream.close()
    return path


def writable(roots: AllowedRoots, text: str) -> Path:
    """The file that would be written, or the folder."""
    folder, name = roots.target(text)
    return folder / name if name else folder


@pytest.mark.parametrize(
    "spelt",
    [
        "{root}/cat.png",
        "{root}/inner/../cat.png",
        "{root}/./cat.png",
        "{root}//cat.png",
        "{uri}/cat.png",
        "{uri}/inner/%2e%2e/cat.png",
        "{uri}/%63at.png",
    ],
)
def test_every_spelling_of_a_file_inside_is_read(root: Path, spelt: str) -> None:
    text = spelt.format(root=root, uri=root.as_uri())
    roots = AllowedRoots([root])
    assert readable(roots, text) == root / "cat.png"
    assert roots.read_bytes(text, limit=3) == b"cat"
    stream, path = roots.open_readable(text)
    with stream:
        assert (stream.read(), path) == (b"cat", root / "cat.png")


@pytest.mark.parametrize(
    "spelt",
    [
        "{outside}/secret.txt",
        "{outside}/missing.txt",
        "{outside}",
        "{root}/../outside/secret.txt",
        "{root}/inner/../../outside/secret.txt",
        "{uri}/../outside/secret.txt",
        "{uri}/%2e%2e/outside/secret.txt",
        "{uri}/%2E%2E%2Foutside%2Fsecret.txt",
        "{root}-beside/secret.txt",
        "{root}/..",
        "~/secret.txt",
    ],
)
def test_outside_is_refused_and_says_nothing_about_what_is_there(root: Path, spelt: str) -> None:
    (root.parent / "root-beside").mkdir()
    (root.parent / "root-beside" / "secret.txt").write_bytes(b"secret")
    text = spelt.format(root=root, uri=root.as_uri(), outside=root.parent / "outside")
    with pytest.raises(ConfineError, match="outside the folders") as caught:
        AllowedRoots([root]).open_readable(text)
    assert str(root) in str(caught.value)
    assert "IMAGEWRIGHT_ROOTS" in str(caught.value)


@pytest.mark.parametrize("kind", ["file", "folder", "chain", "absolute in a folder"])
def test_links_out_of_the_root_are_refused(root: Path, link: Link, kind: str) -> None:
    outside = root.parent / "outside"
    text = {
        "file": lambda: link(root / "a", outside / "secret.txt"),
        "folder": lambda: link(root / "a", outside) / "secret.txt",
        "chain": lambda: link(root / "a", link(root / "b", outside / "secret.txt")),
        "absolute in a folder": lambda: link(root / "inner" / "a", outside) / "secret.txt",
    }[kind]()
    with pytest.raises(ConfineError, match="outside the folders"):
        readable(AllowedRoots([root]), str(text))


def test_a_link_that_stays_inside_is_followed(root: Path, link: Link) -> None:
    inside = link(root / "link", root / "inner")
    assert readable(AllowedRoots([root]), str(inside / "dog.png")) == root / "inner" / "dog.png"


def test_a_root_that_is_a_link_is_followed(root: Path, link: Link) -> None:
    alias = link(root.parent / "alias", root)
    for roots in (AllowedRoots([alias]), AllowedRoots([root])):
        assert roots.read_bytes(str(alias / "cat.png"), 3) == b"cat"
        assert roots.read_bytes(str(root / "cat.png"), 3) == b"cat"


def test_links_in_a_circle_are_refused(root: Path, link: Link) -> None:
    link(root / "a", root / "b")
    link(root / "b", root / "a")
    with pytest.raises(StorageError):
        readable(AllowedRoots([root]), str(root / "a"))


def test_a_folder_and_the_root_itself_are_no_files(root: Path) -> None:
    for folder in (root, root / "inner"):
        with pytest.raises(ConfineError, match="is a folder"):
            readable(AllowedRoots([root]), str(folder))


@posix
def test_pipes_and_devices_are_refused_without_waiting(root: Path) -> None:
    os.mkfifo(root / "pipe.png")
    with pytest.raises(ConfineError, match="not a regular file"):
        AllowedRoots([root]).open_readable(str(root / "pipe.png"))
    with pytest.raises(ConfineError, match="not a regular file"):
        AllowedRoots([Path("/dev")]).open_readable("/dev/zero")


@pytest.mark.parametrize(
    "text", ["", "a\0b", "file://host/a.png", "//host/share/a.png", "\\\\host\\share\\a.png", "/" + "a" * 5000]
)
def test_hostile_spellings_are_refused(root: Path, text: str) -> None:
    for look in (AllowedRoots([root]).open_readable, AllowedRoots([root]).target):
        with pytest.raises(ConfineError):
            look(text)


def test_names_longer_than_a_file_system_holds(root: Path) -> None:
    with pytest.raises(StorageError, match=r"too long|no file"):
        readable(AllowedRoots([root]), str(root / ("a" * 300)))


@posix
@pytest.mark.skipif(os.name != "nt" and os.geteuid() == 0, reason="nothing is denied to the superuser")
def test_a_file_that_may_not_be_read_says_so(root: Path) -> None:
    (root / "cat.png").chmod(0)
    with pytest.raises(StorageError, match=r"denied|denies"):
        AllowedRoots([root]).read_bytes(str(root / "cat.png"), 10)


def test_never_more_than_the_limit_is_read(root: Path) -> None:
    (root / "big.png").write_bytes(b"x" * 2_000_001)
    with pytest.raises(StorageError, match="the limit is 2 MB"):
        AllowedRoots([root]).read_bytes(str(root / "big.png"), 2_000_000)
    assert len(AllowedRoots([root]).read_bytes(str(root / "big.png"), 2_000_001)) == 2_000_001


def test_a_root_may_come_to_be_later(tmp_path: Path) -> None:
    roots = AllowedRoots([tmp_path / "later"])
    with pytest.raises(ConfineError, match="no folder"):
        readable(roots, str(tmp_path / "later" / "cat.png"))
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "cat.png").write_bytes(b"cat")
    assert roots.read_bytes(str(tmp_path / "later" / "cat.png"), 3) == b"cat"


def test_there_must_be_a_root() -> None:
    with pytest.raises(ValueError, match="at least one"):
        AllowedRoots([])


def test_unicode_names(root: Path) -> None:
    (root / "猫 🐈.png").write_bytes(b"neko")
    assert AllowedRoots([root]).read_bytes(str(root / "猫 🐈.png"), 10) == b"neko"


@pytest.mark.parametrize(
    ("real", "given"),
    [
        ("Shot at 4.05.01\u202fPM.png", "Shot at 4.05.01 PM.png"),
        (unicodedata.normalize("NFD", "Café.png"), unicodedata.normalize("NFC", "Café.png")),
        ("a\u00a0b.png", "a  b.png"),
    ],
)
def test_a_name_that_reads_the_same_is_found(root: Path, real: str, given: str) -> None:
    (root / real).write_bytes(b"found")
    assert AllowedRoots([root]).read_bytes(str(root / given), 10) == b"found"


def test_two_names_that_read_the_same_are_not_guessed_between(root: Path) -> None:
    for real in ("a\u00a0b.png", "a\u202fb.png"):
        (root / real).write_bytes(b"one of two")
    with pytest.raises(ConfineError, match="did you mean"):
        readable(AllowedRoots([root]), str(root / "a b.png"))


def test_a_look_alike_link_out_of_the_root_is_refused(root: Path, link: Link) -> None:
    link(root / "a\u00a0b.png", root.parent / "outside" / "secret.txt")
    with pytest.raises(ConfineError, match="outside the folders"):
        readable(AllowedRoots([root]), str(root / "a b.png"))


def test_a_missing_file_names_the_nearest(root: Path) -> None:
    with pytest.raises(ConfineError) as caught:
        readable(AllowedRoots([root]), str(root / "cat.jpg"))
    assert f"did you mean {root / 'cat.png'}?" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "meant"), [("cat.png", "cat.png"), ("inner/dog.png", "inner/dog.png"), ("work/cat.png", "cat.png")]
)
def test_a_relative_path_is_refused_with_the_one_meant(root: Path, text: str, meant: str) -> None:
    with pytest.raises(ConfineError, match="relative path") as caught:
        readable(AllowedRoots([root]), text)
    assert f"did you mean {root / meant}?" in str(caught.value)


def test_the_working_directory_is_looked_into_where_it_may_be_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root / "inner")
    with pytest.raises(ConfineError) as caught:
        readable(AllowedRoots([root]), "./dog.png")
    assert f"did you mean {root / 'inner' / 'dog.png'}?" in str(caught.value)


@pytest.mark.parametrize("text", ["secret.txt", "../outside/secret.txt", "nothing.png", ".."])
def test_a_relative_path_never_tells_what_is_outside(root: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root.parent / "outside")
    with pytest.raises(ConfineError) as caught:
        readable(AllowedRoots([root]), text)
    assert "did you mean" not in str(caught.value)
    assert str(root) in str(caught.value)


@posix
def test_a_working_directory_that_is_gone_does_no_harm(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = root / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(ConfineError, match="did you mean"):
        readable(AllowedRoots([root]), "cat.png")


def test_case_is_the_file_systems_affair(root: Path) -> None:
    other = root.parent / "ROOT" / "CAT.png"
    if other.exists():
        assert AllowedRoots([root]).read_bytes(str(other), 3) == b"cat"
    else:
        with pytest.raises(ConfineError, match="outside the folders"):
            readable(AllowedRoots([root]), str(other))


@pytest.fixture
def second_name(root: Path) -> Iterator[Callable[[], Path]]:
    """Makes the root reachable under a second path that is no link, as file systems that ignore case do."""
    other = root.parent / "second"
    other.mkdir()
    made = []

    def mount() -> Path:
        try:
            subprocess.run(["mount", "--bind", root, other], check=True, capture_output=True)  # noqa: S603, S607 - fixed words and our own folders
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"needs a bind mount: {error}")
        made.append(other)
        return other

    yield mount
    for path in made:
        subprocess.run(["umount", path], check=True)  # noqa: S603, S607 - as above


def test_a_root_under_another_name_is_recognised(root: Path, second_name: Callable[[], Path]) -> None:
    assert AllowedRoots([root]).read_bytes(str(second_name() / "inner" / "dog.png"), 3) == b"dog"


def test_a_folder_that_may_not_be_looked_at_does_not_shut_the_others(tmp_path: Path) -> None:
    """The links of another user's process, or of another process space, raise where those of files do not."""
    (tmp_path / "a.png").write_bytes(b"a")
    for other in ("/proc/1/root", "/proc/1/cwd/x"):
        roots = AllowedRoots([tmp_path, Path(other)])
        assert roots.read_bytes(str(tmp_path / "a.png"), 9) == b"a"
        with pytest.raises(StorageError):
            readable(AllowedRoots([tmp_path]), f"{other}/a.png")
        with pytest.raises(StorageError):
            AllowedRoots([tmp_path]).target(f"{other}/a.png")


def test_thousands_of_folders_are_not_made(tmp_path: Path) -> None:
    with pytest.raises(ConfineError, match="101 folders deep; at most 100"):
        writable(AllowedRoots([tmp_path]), "a/" * 100 + "x.png")
    assert writable(AllowedRoots([tmp_path]), "a/" * 99 + "x.png").name == "x.png"
