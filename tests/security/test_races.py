"""A short form of `python -m tests.security.races`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.security import races

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _can_exchange() -> None:
    if os.name == "nt" or (reason := races.why_not()):
        pytest.skip("Windows exchanges no folders" if os.name == "nt" else reason)


async def test_nothing_gets_out_or_in_while_links_are_exchanged(tmp_path: Path) -> None:
    count = await races.run(tmp_path, 600)
    assert count.broken() == []
    total = {kind: sum(one[kind] for one in count.outcomes.values()) for kind in races.OUTCOMES}
    assert total["done"] > 50  # else nothing was tried
    assert total["refused"] > 5
