"""Moved to the next provider: only where nothing can have been charged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagewright.errors import GenerationFailed, OutOfCredit, UnknownOutcome
from tests.support.engine_bench import Lock, Vendor, open_bench, until

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.base import Handle

pytestmark = pytest.mark.anyio


async def test_a_refusal_without_a_charge_goes_to_the_next_provider(home: Path) -> None:
    poor, rich = Vendor("poor"), Vendor("rich")
    poor.then("submit", OutOfCredit("poor"))
    async with open_bench(home, poor, rich) as bench:
        job = await bench.done(await bench.begin(alternatives=[rich]))
        entry = await bench.record(job.id)
    assert (job.record.state, job.record.provider, entry.provider, entry.model) == (
        "completed",
        "rich",
        "rich",
        "rich/model-1",
    )
    assert any("So rich was asked instead." in note for note in job.record.notes)
    assert [len(poor.orders), len(rich.orders)] == [1, 1]


async def test_a_job_keeps_the_providers_it_began_with(home: Path) -> None:
    poor, rich = Vendor("poor"), Vendor("rich")
    poor.then("submit", OutOfCredit("poor"))
    async with open_bench(home, poor, rich) as bench:
        bench.registry.renew()  # as if all keys were taken away just now
        job = await bench.done(await bench.begin(alternatives=[rich]))
    assert (job.record.state, job.record.provider) == ("completed", "rich")


async def test_the_next_one_can_refuse_too(home: Path) -> None:
    vendors = [Vendor("one"), Vendor("two"), Vendor("three")]
    for vendor in vendors[:2]:
        vendor.then("submit", OutOfCredit(vendor.name))
    async with open_bench(home, *vendors) as bench:
        job = await bench.done(await bench.begin(alternatives=vendors[1:]))
    assert (job.record.state, job.record.provider) == ("completed", "three")


@pytest.mark.parametrize("error", [UnknownOutcome("first"), GenerationFailed("first")])
async def test_what_may_have_been_charged_goes_nowhere_else(home: Path, error: Exception) -> None:
    first, second = Vendor("first"), Vendor("second")
    first.then("submit", error)
    async with open_bench(home, first, second) as bench:
        job = await bench.done(await bench.begin(alternatives=[second]))
    assert job.record.state == "failed"
    assert second.orders == []


async def test_a_journal_that_cannot_be_written_keeps_the_next_from_being_asked(home: Path) -> None:
    first, second = Vendor("first"), Vendor("second")
    async with open_bench(home, first, second, patience=0.01) as bench:
        lock = Lock(home)

        async def refuse() -> Handle:
            await lock.hold()
            raise OutOfCredit("first")

        first.then("submit", refuse)
        job = await bench.begin(alternatives=[second])
        await until(lambda: any("second was not asked" in note for note in job.record.notes))
        await lock.let_go()
        await bench.done(job)
        assert second.orders == []
        assert job.record.state == "failed"
        assert (await bench.done(await bench.begin("another"))).record.state == "completed"
