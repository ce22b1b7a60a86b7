"""Where may be written, and what the library wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagewright.errors import StorageError
from imagewright.storage.paths.roots import AllowedRoots, ConfineError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.storage.conftest import Link


def writable(roots: AllowedRoots, text: str) -> Path:
    """The file that would be written, or the folder."""
    folder, name = roots.target(text)
    return folder / name if name else folder


@pytest.fixture
def roots(root: Path, tmp_path: Path) -> AllowedRoots:
    """A second root follows; `root` is the folder for bare names."""
    (tmp_path / "second").mkdir()
    return AllowedRoots([root, tmp_path / "second"])


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("fox.png", "root/fox.png"),
        ("fox", "root/fox"),
        ("./fox.png", "root/fox.png"),
        ("new/deep/fox.png", "root/new/deep/fox.png"),
        ("inner/fox.png", "root/inner/fox.png"),
        ("cat.png", "root/cat.png"),
        ("狐.png", "root/狐.png"),
        ("{top}/second/fox.png", "second/fox.png"),
        ("{top}/root/new/fox.png", "root/new/fox.png"),
        ("{uri}/second/my%20fox.png", "second/my fox.png"),
        ("inner", "root/inner"),
        ("new/", "root/new"),
        (".", "root"),
        ("{top}/second", "second"),
        ("{top}/second/", "second"),
    ],
)
def test_where_a_path_leads(roots: AllowedRoots, tmp_path: Path, text: str, path: str) -> None:
    assert writable(roots, text.format(top=tmp_path, uri=tmp_path.as_uri())) == tmp_path / path


@pytest.mark.parametrize(
    ("text", "name"), [("fox.png", "fox.png"), ("inner", ""), ("new/", ""), ("{top}/second", ""), ("{top}/root/a", "a")]
)
def test_a_folder_leaves_the_name_open(roots: AllowedRoots, tmp_path: Path, text: str, name: str) -> None:
    assert roots.target(text.format(top=tmp_path))[1] == name


@pytest.mark.parametrize(
    "text",
    [
        "{top}/outside/fox.png",
        "{top}/outside",
        "{top}/fox.png",
        "{top}",
        "../fox.png",
        "inner/../fox.png",
        "inner/../../fox.png",
        "{top}/second/../outside/fox.png",
        "{top}/second/../second/fox.png",
        "~/fox.png",
        "{uri}/second/%2e%2e/fox.png",
        "{uri}/second/fox%00.png",
        "file://host/fox.png",
        "https://example.org/fox.png",
        "fox.png:hidden",
        "CON",
        "aux.png",
        "fox.",
        "fox ",
        "lpt1/fox.png",
        "a?/fox.png",
        "fox\n.png",
        "f" * 241,
        "",
        "  ",
        r"\\host\share\fox.png",
    ],
)
def test_what_is_refused(roots: AllowedRoots, tmp_path: Path, text: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfineError):
        writable(roots, text.format(top=tmp_path, uri=tmp_path.as_uri()))
    assert sorted(tmp_path.rglob("*")) == before


def test_parent_links_are_resolved(roots: AllowedRoots, root: Path, tmp_path: Path, link: Link) -> None:
    link(root / "to_second", tmp_path / "second")
    link(root / "to_outside", tmp_path / "outside")
    assert writable(roots, "to_second/fox.png") == tmp_path / "second" / "fox.png"
    for text in ("to_outside/fox.png", "to_outside", "to_outside/", str(root / "to_outside" / "new" / "fox.png")):
        with pytest.raises(ConfineError, match="outside the folders"):
            writable(roots, text)


def test_a_root_that_is_not_there_yet_is_a_folder(tmp_path: Path) -> None:
    later = tmp_path / "later"
    assert AllowedRoots([later]).target(str(later)) == (later, "")
    assert AllowedRoots([later]).target(".") == (later, "")


def test_making_a_folder(roots: AllowedRoots, root: Path) -> None:
    made = roots.make_folder(root / "a" / "b")
    assert made == root / "a" / "b"
    assert made.is_dir()
    assert roots.make_folder(made) == made


def test_a_new_folder_has_a_name_that_can_be_seen_and_one_that_is_there_may_be_called_anything(
    roots: AllowedRoots, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    for name in ("fo\u200bx", "-rf", "fox\u2028img_fake"):
        for text in (f"{name}/fox.png", str(root / name / "fox.png"), str(root / "new" / name / "deeper" / "fox.png")):
            with pytest.raises(ConfineError, match="cannot be the name of a file"):
                roots.target(text)
        (root / name).mkdir()
        assert roots.target(str(root / name / "fox.png")) == (root / name, "fox.png")


def test_a_folder_outside_is_not_made(roots: AllowedRoots, tmp_path: Path) -> None:
    with pytest.raises(ConfineError, match="outside the folders"):
        roots.make_folder(tmp_path / "outside" / "a")
    assert not (tmp_path / "outside" / "a").exists()


def test_a_folder_below_a_file_cannot_be_made(roots: AllowedRoots, root: Path) -> None:
    with pytest.raises(StorageError, match="cannot be made"):
        roots.make_folder(root / "cat.png" / "a")


def test_what_was_written_is_read_wherever_the_roots_are_now(root: Path, tmp_path: Path) -> None:
    with AllowedRoots([tmp_path / "second"]).open_recorded(root / "cat.png") as stream:
        assert stream.read() == b"cat"


def test_what_was_written_and_has_become_a_link_must_stay_inside(
    roots: AllowedRoots, root: Path, tmp_path: Path, link: Link
) -> None:
    recorded = root / "was.png"
    link(recorded, root / "cat.png")
    with roots.open_recorded(recorded) as stream:
        assert stream.read() == b"cat"
    recorded.unlink()
    link(recorded, tmp_path / "outside" / "secret.txt")
    with pytest.raises(ConfineError, match="outside the folders"):
        roots.open_recorded(recorded)


def test_what_was_written_and_is_gone_or_a_folder(roots: AllowedRoots, root: Path) -> None:
    with pytest.raises(FileNotFoundError):
        roots.open_recorded(root / "gone.png")
    with pytest.raises(ConfineError, match="is a folder"):
        roots.open_recorded(root / "inner")
