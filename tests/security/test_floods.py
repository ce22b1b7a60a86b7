"""No answer keeps the event loop from the others or fills the memory, at whichever door it is read."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# the memory of a process is measured in other units elsewhere, or not at all
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts processor time and memory as Linux does")


def test_every_flood_is_refused_at_every_door() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.security.floods"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert " 0 wrong" in done.stdout
