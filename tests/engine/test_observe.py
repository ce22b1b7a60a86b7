"""Moved to the next provider: only where nothing can have been charged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imagewright.engine.job import JobStatus
from imagewright.errors import GenerationFailed, OutOfCredit, UnknownOutcome
from tests.support.engine_bench import Vendor, open_bench, plan_for, until

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.engine.plan import Plan

pytestmark = pytest.mark.anyio


def then(*plans: Plan) -> Any:
    left = list(plans)

    async def following() -> Plan | None:
        return left.pop(0) if left else None

    return following


async def test_a_refusal_without_a_charge_goes_to_the_next_provider(home: Path) -> None:
    poor, rich = Vendor("poor"), Vendor("rich")
    poor.then("submit", OutOfCredit("poor"))
    async with open_bench(home, poor, rich) as bench:
        job = await bench.done(await bench.begin(following=then(plan_for(rich))))
        entry = await bench.entry(job.id)
    assert (job.status, job.provider, entry.provider, entry.model) == (
        JobStatus.COMPLETED,
        "rich",
        "rich",
        "rich/model-1",
    )
    assert any("So rich was asked instead." in note for note in job.notes)
    assert [len(poor.orders), len(rich.orders)] == [1, 1]


async def test_the_next_one_can_refuse_too(home: Path) -> None:
    vendors = [Vendor("one"), Vendor("two"), Vendor("three")]
    for vendor in vendors[:2]:
        vendor.then("submit", OutOfCredit(vendor.name))
    async with open_bench(home, *vendors) as bench:
        plans = then(*(plan_for(vendor) for vendor in vendors[1:]))
        job = await bench.done(await bench.begin(following=plans))
    assert (job.status, job.provider) == (JobStatus.COMPLETED, "three")


@pytest.mark.parametrize("error", [UnknownOutcome("first"), GenerationFailed("first")])
async def test_what_may_have_been_charged_goes_nowhere_else(home: Path, error: Exception) -> None:
    first, second = Vendor("first"), Vendor("second")
    first.then("submit", error)
    async with open_bench(home, first, second) as bench:
        job = await bench.done(await bench.begin(following=then(plan_for(second))))
    assert job.status is JobStatus.FAILED
    assert second.orders == []


async def test_a_journal_that_cannot_be_written_keeps_the_next_from_being_asked(home: Path) -> None:
    first, second = Vendor("first"), Vendor("second")
    first.then("submit", OutOfCredit("first"))
    async with open_bench(home, first, second, patience=0.01) as bench:
        database = bench.stores.ledger.journal._database  # noqa: SLF001 - held as by another program
        lock = database.writing()

        async def following() -> Plan:
            lock.__enter__()
            return plan_for(second)

        job = await bench.begin(following=following)
        await until(lambda: any("second was not asked" in note for note in job.notes))
        lock.__exit__(None, None, None)
        await bench.done(job)
        assert second.orders == []
        assert job.status is JobStatus.FAILED
        assert (await bench.done(await bench.begin("another"))).status is JobStatus.COMPLETED
