"""A server that is frozen for longer than its lease, and wakes up when another has its jobs, does no harm.

All states, many times and at random, are tried by `benchmarks/freeze.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.freeze_runs import play
from tests.support.slow_vendors import AnyVendor, SlowKie, SlowOpenAI

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("moment", "vendor"),
    [
        ("sending", SlowOpenAI),
        ("sending", SlowKie),
        ("in the middle of a file", SlowKie),
        ("saving", SlowOpenAI),
    ],
)
def test_a_frozen_server_loses_nothing_and_sends_nothing_twice(
    moment: str, vendor: type[AnyVendor], tmp_path: Path
) -> None:
    outcome = play(moment, vendor, "0", tmp_path)
    assert not outcome.problems
    assert outcome.kept == outcome.paid > 0
