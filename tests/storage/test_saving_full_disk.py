"""Real refusals of a real kernel, each in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import imagewright

pytestmark = pytest.mark.skipif(os.name == "nt", reason="limits and small disks are made with POSIX means")

TRY = """
import json, shutil, sys
from hashlib import sha256
from pathlib import Path
from imagewright.errors import StorageError, why
from imagewright.storage.paths import files, keeping, open_folder

def attempt(action, *arguments):
    try:
        action(*arguments)
    except StorageError as error:
        return str(error)
    return "no error"

def keep(source, target, digest=None):
    with open_folder(target.parent) as folder:
        keeping.keep(source, folder, target.name, digest=digest)

def check_room(path, needed):
    try:
        with open_folder(path, make=True) as folder:
            keeping.check_room(folder, needed)
    except OSError as error:
        raise StorageError(why(error)) from error

folder, source = Path(sys.argv[1]), Path(sys.argv[2])
said = {}
"""

SMALL_FILES_ONLY = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
said["keep"] = attempt(keep, source, folder / "fox.png")
"""

FULL = """
said["too little"] = attempt(check_room, folder, 10_000_000)
said["enough"] = attempt(check_room, folder, 10_000)
said["big"] = attempt(keep, source, folder / "fox.png")
said["after big"] = sorted(path.name for path in folder.iterdir())
(folder / "made").mkdir()
files.write_file(folder / "made" / "picture", b"x" * 9000)
with (folder / "filler").open("wb", buffering=0) as filler:
    try:
        while filler.write(b"x" * 4096):
            pass
    except OSError:
        pass
said["full"] = attempt(check_room, folder, 0)
said["new folder"] = attempt(check_room, folder / "a" / "b", 0)
said["there"] = attempt(keep, folder / "made" / "picture", folder / "fox.png", sha256(b"x" * 9000).digest())
said["kept"] = (folder / "fox.png").read_bytes() == b"x" * 9000
(folder / "fox.png").unlink()
shutil.rmtree(folder / "made")
said["small"] = attempt(keep, Path("/dev/null"), folder / "empty.png")
(folder / "empty.png").unlink(missing_ok=True)
(folder / "filler").unlink()
"""

READ_ONLY = """
said["room"] = attempt(check_room, folder, 1)
said["keep"] = attempt(keep, source, folder / "fox.png")
"""

REPORT = """
said["left"] = sorted(path.name for path in folder.iterdir())
print(json.dumps(said))
"""


def run(code: str, folder: Path, source: Path, mount: str = "") -> dict[str, Any]:
    script = TRY + code + REPORT
    command = [sys.executable, "-c", script, str(folder), str(source)]
    if mount:
        # A mount namespace of its own: nothing is left mounted, and no privilege is needed where users may have one.
        command = ["unshare", "-rm", "sh", "-c", f'{mount} "$0" && exec "$@"', str(folder), *command]
    source_root = str(Path(imagewright.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([source_root, os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if mount and done.returncode and "Traceback" not in done.stderr:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture
def big(tmp_path: Path) -> Path:
    file = tmp_path / "big"
    file.write_bytes(b"x" * 300_000)
    return file


needs_mounts = pytest.mark.skipif(shutil.which("unshare") is None, reason="mounting a small disk needs unshare")


def test_a_write_that_fails_half_way_leaves_nothing(folder: Path, big: Path) -> None:
    words = run(SMALL_FILES_ONLY, folder, big)
    assert "the file is larger than" in words["keep"]
    assert words["left"] == []


@needs_mounts
def test_a_tiny_full_disk(folder: Path, big: Path) -> None:
    words = run(FULL, folder, big, mount="mount -t tmpfs -o size=128k tmpfs")
    assert "Too little room" in words["too little"]
    assert words["enough"] == "no error"
    assert f"cannot be saved in {folder}: the disk is full" in words["big"]
    assert words["after big"] == []
    assert "the disk is full" in words["full"]
    assert "the disk is full" in words["new folder"]
    assert (words["there"], words["kept"]) == ("no error", True)  # what is on the disk already needs no more room
    assert words["small"] == "no error"
    assert set(words["left"]) <= {"a"}


@needs_mounts
def test_a_read_only_disk(folder: Path, big: Path) -> None:
    words = run(READ_ONLY, folder, big, mount="mount -t tmpfs -o ro tmpfs")
    assert "read-only" in words["room"]
    assert "read-only" in words["keep"]
    assert words["left"] == []
