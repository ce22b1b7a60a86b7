"""Every fuzz target, shortly: with its seeds, and with inputs of the right form and odd contents.

The inputs are the same in every run. Longer runs, which look for new ones, are `python -m tests.fuzz`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.replies import READERS
from tests.fuzz.target import Broken, Target, examine
from tests.fuzz.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable

SEEDS = Path(__file__).parent / "seeds"
EXAMPLES = 60
"""Inputs for each target."""
LARGEST_SEED = 3000
"""Bytes."""


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_of_a_target_hold(name: str) -> None:
    seeds = sorted((SEEDS / name).iterdir())
    assert seeds
    for seed in seeds:
        data = seed.read_bytes()
        assert len(data) <= LARGEST_SEED
        examine(TARGETS[name], data)


@pytest.mark.parametrize("name", TARGETS)
def test_odd_inputs_of_a_target_hold(name: str) -> None:
    target = TARGETS[name]

    @settings(max_examples=EXAMPLES, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(target.inputs)
    def holds(data: bytes) -> None:
        examine(target, data)

    holds()


def test_every_folder_of_seeds_has_a_target() -> None:
    assert {folder.name for folder in SEEDS.iterdir()} == set(TARGETS)


def test_every_reader_of_every_vendor_is_tried() -> None:
    assert {vendor: [name for name in names if "read_" in name] != [] for vendor, names in READERS.items()} == (
        dict.fromkeys(READERS, True)
    )


@pytest.mark.parametrize(
    ("check", "raised"),
    [
        (lambda data: data.decode(), UnicodeDecodeError),
        (lambda _: sum(range(10**6)), Broken),
        (lambda data: data * 100_000_000, Broken),
    ],
    ids=["a foreign exception", "too long", "too much memory"],
)
def test_what_goes_wrong_is_noticed(check: Callable[[bytes], None], raised: type[Exception]) -> None:
    with pytest.raises(raised):
        examine(Target(check, st.binary()), b"\xff", seconds=0.001, memory=1_000_000)
