"""The body of every route of every vendor is the one that was looked at and kept."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import goldens
from tests.support.vendors import VENDORS

BODIES = {name: vendor.goldens() for name, vendor in VENDORS.items()}


@pytest.mark.parametrize(
    ("vendor", "file", "body"),
    [(vendor, file, body) for vendor, bodies in BODIES.items() for file, body in bodies.items()],
    ids=[f"{vendor}-{file}" for vendor, bodies in BODIES.items() for file in bodies],
)
def test_bodies_are_those_of_the_golden_files(vendor: str, file: str, body: Any) -> None:
    kept = (goldens.FOLDER / vendor / file).read_text(encoding="utf-8")
    assert goldens.written(body) == kept, "run `python -m tests.support.goldens` and look at the diff"


@pytest.mark.parametrize("vendor", BODIES)
def test_no_golden_file_is_left_over(vendor: str) -> None:
    assert {file.name for file in (goldens.FOLDER / vendor).glob("*.json")} == set(BODIES[vendor])
