"""In a network where every address leads to this machine, no special one is connected to through any door."""

from __future__ import annotations

import pytest

from tests.security.made_up_network import why_not
from tests.support.attack_runs import run_attack


def test_no_door_leads_to_a_special_address() -> None:
    if reason := why_not():
        pytest.skip(f"there can be no network of its own: {reason}")
    run_attack("network", "--short")
