"""A real disk that fills up, or turns read-only, between the vendor's work and the saving of its picture."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import imagewright

pytestmark = pytest.mark.skipif(
    os.name == "nt" or shutil.which("unshare") is None, reason="mounting a small disk needs unshare"
)
SCRIPT = Path(__file__).with_name("disk_trouble.py")
PATHS = (str(Path(imagewright.__file__).parents[1]), str(SCRIPT.parents[2]))
MOUNT = 'mount -t tmpfs -o size=2m tmpfs "$0" && exec "$@"'


@pytest.mark.parametrize(("what", "words"), [("full", "the disk is full"), ("read-only", "read-only")])
def test_a_paid_picture_is_saved_once_the_disk_is_well_again(home: Path, what: str, words: str) -> None:
    home.mkdir(parents=True)
    command = ["unshare", "-rm", "sh", "-c", MOUNT, str(home), sys.executable, str(SCRIPT), str(home), what]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(PATHS)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - our own words
    if done.returncode and "Traceback" not in done.stderr:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert words in found["stage"]
    assert what != "full" or words in found["refused"]
    assert found["submits"] == 2
    assert found["ends"] == ["completed", "kept"]
    assert found["kept"] == [True]
    assert found["again"] == "completed"
