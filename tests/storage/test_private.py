"""What is made is its owner's alone, under any umask; what is there already stays as it is."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import imagewright
from imagewright.storage.accounts import LOCAL
from imagewright.storage.paths import files, keeping, open_folder
from imagewright.storage.paths.roots import AllowedRoots
from imagewright.storage.stores import open_stores
from tests.storage.stores_bench import job, picture

if TYPE_CHECKING:
    from imagewright.settings.folders import Folders

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there are no modes on Windows")

UMASKS = pytest.mark.parametrize("umask", [0o000, 0o077], ids=oct)
CALL = """
import os, sys
os.umask(int(sys.argv[1], 8))
from imagewright.cli.main import main
sys.exit(main(sys.argv[2:]))
"""


def run(umask: int, *words: str) -> None:
    """A command in a process of its own: the umask is the whole process's."""
    env = {**os.environ, "PYTHONPATH": str(Path(imagewright.__file__).parents[1])}
    command = [sys.executable, "-c", CALL, f"{umask:o}", *words]
    subprocess.run(command, check=True, timeout=60, env=env, capture_output=True)  # noqa: S603 - our own interpreter


def modes(*folders: Path) -> dict[str, int]:
    """The modes of the folders and of all that is in them, by path."""
    found = [one for folder in folders for one in (folder, *folder.rglob("*"))]
    return {str(path): stat.S_IMODE(path.stat(follow_symlinks=False).st_mode) for path in found}


def open_to_others(*folders: Path) -> dict[str, str]:
    return {path: oct(mode) for path, mode in modes(*folders).items() if mode & 0o077}


@UMASKS
def test_a_whole_call_leaves_nothing_for_others(umask: int, home: Path) -> None:
    run(umask, "run", "flux_kontext", "--prompt", "a kite", "--save-as", "kites/first.png")
    pictures = home / "pictures"
    (saved,) = pictures.rglob("*.png")
    assert saved.relative_to(pictures) == Path("kites/first.png")
    assert saved.stat().st_mode & 0o777 == 0o600
    assert not open_to_others(home)


@pytest.fixture(params=[0o000, 0o077], ids=oct)
def _umask(request: pytest.FixtureRequest) -> object:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_umask")
def test_folders_and_those_that_lead_to_them(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    files.make_folder(tmp_path / "a" / "b" / "c")
    files.make_folder(tmp_path / "a" / "b" / "c")
    assert set(modes(tmp_path / "a").values()) == {0o700}
    assert tmp_path.stat().st_mode & 0o777 == 0o755


@pytest.mark.usefixtures("_umask")
def test_files(tmp_path: Path) -> None:
    files.write_file(tmp_path / "a", b"1")
    with files.open_file(tmp_path / "a", "ab") as file:
        file.write(b"2")
    assert (tmp_path / "a").read_bytes() == b"12"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        files.open_file(tmp_path / "a", "xb")


@pytest.mark.parametrize("way", [files.by_link, files.by_reservation])
@pytest.mark.usefixtures("_umask")
def test_pictures_in_a_folder_of_the_users_own(way: files.Way, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    theirs.chmod(0o755)
    source = tmp_path / "source"
    source.write_bytes(b"picture")
    source.chmod(0o644)
    with open_folder(theirs / "new", make=True) as folder:
        kept = keeping.keep(source, folder, "fox.png")
    assert modes(theirs / "new") == {str(theirs / "new"): 0o700, str(kept.path): 0o600}
    part = theirs / "part"
    files.write_file(part, b"picture")
    with open_folder(theirs) as folder:
        assert files.publish(folder, "part", "hare.png", (way,)) == "hare.png"
    assert (theirs / "hare.png").stat().st_mode & 0o777 == 0o600
    assert theirs.stat().st_mode & 0o777 == 0o755


@pytest.mark.usefixtures("_umask")
def test_folders_inside_the_roots(tmp_path: Path) -> None:
    made = AllowedRoots([tmp_path]).make_folder(tmp_path / "2026-11" / "26")
    assert set(modes(tmp_path / "2026-11").values()) == {0o700}
    assert made.is_dir()


@pytest.mark.anyio
@pytest.mark.usefixtures("_umask")
async def test_what_is_stored_while_jobs_run(folders: Folders, source: Path) -> None:
    stores = open_stores(folders, lease=10)
    await stores.jobs.open(LOCAL, job())
    await stores.blobs.put("incoming/job_1/input-0", b"in")
    await stores.blobs.workplace("incoming/job_1/fetch-1-me")
    await stores.library.keep(LOCAL, source, picture(), save_as="kites/first.png")
    await stores.library.keep_unreadable(source, picture(job_id="job_1"), "bin")
    base = folders.database.parent
    names = {Path(path).name for path in modes(base)}
    assert names > {"incoming", "job_1", "input-0", "fetch-1-me", "imagewright.db", "imagewright.db-wal", "first.png"}
    assert not open_to_others(base)
    await stores.close()


def test_a_folder_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for folder in (tmp_path / "file", tmp_path / "file" / "b", tmp_path / "file" / "b" / "c"):
        with pytest.raises((FileExistsError, NotADirectoryError)):
            files.make_folder(folder)
