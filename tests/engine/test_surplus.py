"""A vendor that names more results than were ordered: a few are kept, thousands are not fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagewright.engine.surplus import within_reason
from imagewright.providers.base import Finished, Product
from workbench import Vendor, workbench

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("ordered", "named", "taken"), [(1, 0, 0), (1, 1, 1), (1, 10, 10), (1, 11, 10), (4, 16, 16), (4, 3000, 16)]
)
def test_how_many_are_taken(ordered: int, named: int, taken: int) -> None:
    products = tuple(Product(url=f"https://vendor.example/{place}") for place in range(named))
    finished = within_reason(Finished(products, cost_usd=1.0, notes=("Own.",)), ordered)
    assert finished.products == products[:taken]
    assert finished.cost_usd == 1.0
    note = f"The vendor named {named} results for {ordered} ordered; {named - taken} were not fetched."
    assert finished.notes == (("Own.",) if taken == named else ("Own.", note))


@pytest.mark.anyio
async def test_thousands_of_links_for_one_picture(home: Path) -> None:
    vendor = Vendor()

    async def many() -> Finished:
        return Finished(tuple(Product(url=f"https://vendor.example/{place}") for place in range(3000)))

    vendor.then("poll", many)
    async with workbench(home, vendor) as bench:
        job = await bench.done(await bench.begin())
    assert len(vendor.fetched) == len(job.pictures) == 10
    assert "The vendor named 3000 results for 1 ordered; 2990 were not fetched." in job.notes
