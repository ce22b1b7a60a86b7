"""No answer keeps the event loop from the others or fills the memory, at whichever door it is read."""

from __future__ import annotations

import sys

import pytest

from tests.support.attack_runs import run_attack

# the memory of a process is measured in other units elsewhere, or not at all
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts processor time and memory as Linux does")


def test_every_flood_is_refused_at_every_door() -> None:
    printed = run_attack("floods")
    assert " 0 wrong" in printed
