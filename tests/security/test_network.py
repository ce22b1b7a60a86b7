"""In a network where every address leads to this machine, no special one is connected to through any door."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.security.made_up_network import why_not


def test_no_door_leads_to_a_special_address() -> None:
    if reason := why_not():
        pytest.skip(f"there can be no network of its own: {reason}")
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-m", "tests.security.network", "--short"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
