"""The life of a job: carried out, left behind, taken over, moved elsewhere, never done twice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from imagewright.engine.job import JobStatus
from imagewright.errors import (
    ContentRefused,
    GenerationFailed,
    OutOfCredit,
    StorageError,
    UnknownOutcome,
)
from imagewright.storage.journal import Cap
from imagewright.storage.states import CallState
from workbench import USD, Vendor, plan_for, workbench

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from imagewright.engine.job import Job
    from imagewright.engine.plan import Plan
    from imagewright.storage.journal_entry import JobEntry

pytestmark = pytest.mark.anyio
KEPT, FAILED, UNKNOWN = CallState.KEPT, CallState.FAILED, CallState.UNKNOWN
PRODUCT = {"url": "https://vendor.example/t1/0", "file": "", "seed": None}


def states(entry: JobEntry) -> list[CallState]:
    return [call.state for call in entry.calls]


def cost(job: Job | JobEntry) -> tuple[float | None, str]:
    return (None if job.cost_usd is None else round(job.cost_usd, 6), job.cost_basis)


async def left_behind(home: Path, *steps: tuple[CallState, dict[str, Any]], calls: Sequence[int] = (1,)) -> str:
    """A job whose process died when its first call had come so far."""
    async with workbench(home, Vendor()) as dead:
        opened = await dead.open(calls=calls)
        assert opened.entry is not None
        dead.crash()
    for state, changes in steps:
        dead.desk.ledger.journal.move(opened.entry.id, 0, state, owner=dead.desk.ledger.owner, **changes)
    return opened.entry.id


SUBMITTING: tuple[CallState, dict[str, Any]] = (CallState.SUBMITTING, {})
SUBMITTED: tuple[CallState, dict[str, Any]] = (CallState.SUBMITTED, {"handle": {"task": "t1", "count": "1"}})
MADE: tuple[CallState, dict[str, Any]] = (CallState.MADE, {"products": [PRODUCT]})


class TestCarriedOut:
    async def test_a_job_ends_with_its_pictures_and_leaves_nothing_behind(self, home: Path) -> None:
        vendor = Vendor()
        async with workbench(home, vendor) as bench:
            job = await bench.done(await bench.begin(calls=(1, 2)))
            entry = await bench.entry(job.id)
            assert job.status is JobStatus.COMPLETED
            assert [record.variant for record in job.pictures] == [1, 2, 3]
            assert states(entry) == [KEPT, KEPT]
            assert (entry.state, entry.owner) == ("completed", "")
            assert cost(entry) == (0.3, "estimate")
            assert not bench.desk.spool.file(job.id, "").exists()

    async def test_what_the_vendor_charged_wins_over_the_estimate(self, home: Path) -> None:
        vendor = Vendor()
        vendor.cost = 0.07
        async with workbench(home, vendor) as bench:
            job = await bench.done(await bench.begin(calls=(1, 1)))
            assert cost(job) == (0.14, "actual")
            assert [record.cost_usd for record in job.pictures] == [0.07, 0.07]

    @pytest.mark.parametrize("method", ["submit", "poll", "fetch"])
    async def test_a_bug_in_a_vendors_file_ends_the_job_and_not_the_server(self, home: Path, method: str) -> None:
        vendor = Vendor()
        vendor.then(method, IndexError("no such thing"))
        async with workbench(home, vendor) as bench:
            job = await bench.done(await bench.begin("broken"))
            assert job.status is JobStatus.FAILED
            assert "internal error: IndexError" in str(job.error)
            assert "may have been charged" in str(job.error)
            assert states(await bench.entry(job.id)) == [UNKNOWN if method == "submit" else FAILED]
            assert cost(job) == (USD, "estimate")
            assert (await bench.done(await bench.begin("whole"))).status is JobStatus.COMPLETED

    async def test_an_unknown_outcome_is_never_sent_again(self, home: Path) -> None:
        vendor = Vendor()
        vendor.then("submit", UnknownOutcome("vendor", "the connection broke"))
        async with workbench(home, vendor) as bench:
            job = await bench.done(await bench.begin())
        assert len(vendor.orders) == 1
        assert job.error is not None
        assert "It was not sent again" in str(job.error)
        assert cost(job) == (USD, "estimate")

    async def test_one_call_of_several_fails(self, home: Path) -> None:
        vendor = Vendor()
        vendor.then("submit", None, ContentRefused("vendor", "not this one", charged=False))
        async with workbench(home, vendor) as bench:
            job = await bench.done(await bench.begin(calls=(1, 1, 1)))
            assert job.status is JobStatus.COMPLETED
            assert len(job.pictures) == 2
            assert "2 of 3 pictures arrived." in job.notes
            assert any("not this one" in note and "Nothing was charged" in note for note in job.notes)
            assert cost(job) == (0.2, "estimate")
            assert sorted(states(await bench.entry(job.id))) == [FAILED, KEPT, KEPT]

    async def test_a_journal_that_cannot_be_written_stops_the_call_before_it_is_sent(self, home: Path) -> None:
        vendor = Vendor()
        async with workbench(home, vendor, patience=0.01) as bench:
            await bench.done(await bench.begin("first"))
            with (
                bench.desk.ledger.journal._database.writing(),  # noqa: SLF001 - held as by another program
                pytest.raises(StorageError, match="kept it locked"),
            ):
                await bench.open("second")
            assert len(vendor.orders) == 1
            assert list(home.joinpath("incoming").glob("*")) == []


@dataclass(frozen=True)
class Left:
    """A dead process's job, and what becomes of it.

    Attributes:
        steps: how far its call had come.
        submits: how often it is sent by the next process.
        polls: whether it is asked about.
        ends: the state its call ends in.
    """

    steps: tuple[tuple[CallState, dict[str, Any]], ...]
    submits: int
    polls: bool
    ends: CallState


LEFT = {
    "planned": Left((), 1, True, KEPT),
    "submitting": Left((SUBMITTING,), 0, False, UNKNOWN),
    "submitted": Left((SUBMITTING, SUBMITTED), 0, True, KEPT),
    "made": Left((SUBMITTING, SUBMITTED, MADE), 0, False, KEPT),
}


class TestTakenOver:
    @pytest.mark.parametrize("left", LEFT.values(), ids=LEFT)
    async def test_from_every_state_on(self, home: Path, left: Left) -> None:
        job_id = await left_behind(home, *left.steps)
        vendor = Vendor()
        async with workbench(home, vendor) as bench:
            job = await bench.done(await bench.adopted(job_id))
            assert len(vendor.orders) == left.submits
            assert bool(vendor.asked) == left.polls
            assert states(await bench.entry(job_id)) == [left.ends]
            assert len(job.pictures) == len(bench.desk.library.of_job(job_id)) == (left.ends is KEPT)
            assert cost(job) == (USD, "estimate")
            assert any("carried on by another" in note for note in job.notes)
        if left.ends is UNKNOWN:
            assert "may or may not have received the request" in str(job.error)

    @pytest.mark.parametrize("end", [FAILED, UNKNOWN])
    async def test_a_job_whose_calls_had_all_ended_keeps_its_error_and_its_cost(
        self, home: Path, end: CallState
    ) -> None:
        error = {"kind": "some", "text": "the vendor's own words", "charged": None}
        job_id = await left_behind(home, SUBMITTING, (end, {"error": error}))
        async with workbench(home, Vendor()) as bench:
            job = await bench.done(await bench.adopted(job_id))
        assert job.status is JobStatus.FAILED
        assert str(job.error) == "the vendor's own words"
        assert cost(job) == (USD, "estimate")

    async def test_a_job_whose_pictures_were_all_kept_is_settled_with_its_cost(self, home: Path) -> None:
        vendor = Vendor()
        async with workbench(home, vendor) as first:
            done = await first.done(await first.begin())
            with first.desk.ledger.journal._database.writing() as connection:  # noqa: SLF001 - as if it died before this
                connection.execute("UPDATE job SET state = 'running', finished = NULL, owner = 'dead', lease_until = 0")
        async with workbench(home, Vendor()) as second:
            job = await second.done(await second.adopted(done.id))
        assert [record.id for record in job.pictures] == [record.id for record in done.pictures]
        assert job.status is JobStatus.COMPLETED
        assert cost(job) == (USD, "estimate")

    async def test_only_the_pictures_that_are_missing_are_fetched(self, home: Path) -> None:
        products = [PRODUCT, PRODUCT | {"url": "https://vendor.example/t1/1"}]
        first = Vendor()
        first.then("submit", None)
        async with workbench(home, first) as dead:
            first.then("fetch", None, anyio.sleep_forever)
            job = await dead.begin(calls=(2,))
            while not job.pictures:
                await job.changed.wait()
            dead.crash()
        second = Vendor()
        async with workbench(home, second) as bench:
            done = await bench.done(await bench.adopted(job.id))
        assert [record.variant for record in done.pictures] == [1, 2]
        assert second.fetched == [products[1]["url"]]

    async def test_a_cancelled_call_that_was_never_sent_is_not_sent(self, home: Path) -> None:
        job_id = await left_behind(home)
        vendor = Vendor()
        async with workbench(home, vendor) as bench:
            await bench.desk.ledger.ask_cancel(job_id)
            job = await bench.done(await bench.adopted(job_id))
        assert vendor.orders == []
        assert job.status is JobStatus.CANCELLED
        assert cost(job) == (0.0, "actual")

    async def test_a_cancelled_call_that_was_sent_is_stopped(self, home: Path) -> None:
        job_id = await left_behind(home, SUBMITTING, SUBMITTED)
        vendor = Vendor()
        async with workbench(home, vendor) as bench:
            await bench.desk.ledger.ask_cancel(job_id)
            job = await bench.done(await bench.adopted(job_id))
        assert [dict(handle.ticket) for handle in vendor.stopped] == [{"task": "t1", "count": "1"}]
        assert job.status is JobStatus.CANCELLED
        assert cost(job) == (USD, "estimate")

    async def test_a_cancelled_call_in_the_middle_of_sending_says_that_nobody_knows(self, home: Path) -> None:
        job_id = await left_behind(home, SUBMITTING)
        async with workbench(home, Vendor()) as bench:
            await bench.desk.ledger.ask_cancel(job_id)
            job = await bench.done(await bench.adopted(job_id))
            assert states(await bench.entry(job_id)) == [UNKNOWN]
        assert job.status is JobStatus.CANCELLED
        assert any("may or may not have received" in note for note in job.notes)

    async def test_a_job_of_a_provider_that_is_not_in_use_waits_for_it(self, home: Path) -> None:
        job_id = await left_behind(home, SUBMITTING, SUBMITTED)
        async with workbench(home, Vendor("another")) as bench:
            await bench.jobs.adopt()
            assert (await bench.entry(job_id)).state == "running"
        async with workbench(home, Vendor()) as bench:
            assert (await bench.done(await bench.adopted(job_id))).status is JobStatus.COMPLETED

    async def test_a_model_that_is_gone_is_said_and_nothing_is_sent(self, home: Path) -> None:
        job_id = await left_behind(home)
        vendor = Vendor()
        vendor.routes = (replace(vendor.routes[0], model="vendor/model-2"),)
        async with workbench(home, vendor) as bench:
            job = await bench.done(await bench.adopted(job_id))
        assert vendor.orders == []
        assert "no vendor/model-1 any more; nothing was sent" in str(job.error)
        assert job.cost_usd == 0.0


class TestLeases:
    async def test_after_a_sleep_nobody_takes_ones_own_work_up_a_second_time(self, home: Path) -> None:
        vendor = Vendor()
        gate = anyio.Event()
        vendor.then("poll", gate.wait)
        async with workbench(home, vendor) as bench:
            job = await bench.begin()
            await started(vendor)
            bench.desk.ledger.journal.release(bench.desk.ledger.owner)
            await bench.jobs.adopt()
            gate.set()
            await bench.done(job)
        assert len(vendor.asked) <= 2
        assert len(job.pictures) == 1
        assert not any("carried on" in note for note in job.notes)

    async def test_a_lease_that_ran_out_is_watched_for_a_while_before_it_is_taken(self, home: Path) -> None:
        vendor = Vendor()
        gate = anyio.Event()
        vendor.then("poll", gate.wait)
        async with workbench(home, vendor) as awake, workbench(home, Vendor()) as other:
            job = await awake.begin()
            await started(vendor)
            ledger = awake.desk.ledger
            ledger.journal.renew(ledger.owner, [job.id], 1.0)
            await other.jobs.adopt()
            assert (await other.entry(job.id)).owner == ledger.owner
            await ledger.renew([job.id])
            await other.jobs.adopt()
            assert (await other.entry(job.id)).owner == ledger.owner
            gate.set()
            await awake.done(job)

    async def test_a_dead_process_is_noticed_when_its_lease_has_run_out(self, home: Path) -> None:
        job_id = await left_behind(home, SUBMITTING, SUBMITTED)
        async with workbench(home, Vendor(), lease=0.1) as bench:
            ledger = bench.desk.ledger
            with ledger.journal._database.writing() as connection:  # noqa: SLF001 - a lease that was not given up
                connection.execute("UPDATE job SET lease_until = 1.0")
            bench.group.start_soon(lambda: bench.jobs.keep_leases(adopting=True))
            job = await bench.jobs.find(job_id)
            assert job is not None
            assert not job.mine
            assert (await bench.done(job)).status is JobStatus.COMPLETED

    async def test_whoever_loses_a_job_leaves_it_alone_and_keeps_looking(self, home: Path) -> None:
        slow, quick = Vendor(), Vendor()
        slow.then("poll", anyio.sleep_forever)
        async with workbench(home, slow, lease=0.1) as loser, workbench(home, quick) as winner:
            job = await loser.begin()
            await started(slow)
            taken = winner.desk.ledger.journal.adopt(winner.desk.ledger.owner, [job.id], now=9e9, lease_until=9e9)
            assert taken != []
            with anyio.fail_after(10):
                while job.mine:
                    await anyio.lowlevel.checkpoint()
            winner.desk.ledger.journal.release(winner.desk.ledger.owner)
            await winner.done(await winner.adopted(job.id))
            await loser.done(job)
        assert len(slow.fetched) == 0
        assert [record.variant for record in job.pictures] == [1]
        assert job.status is JobStatus.COMPLETED

    async def test_a_job_can_be_watched_and_cancelled_from_another_process(self, home: Path) -> None:
        vendor = Vendor()
        vendor.then("poll", anyio.sleep_forever)
        async with workbench(home, vendor, lease=0.1) as owner, workbench(home, Vendor()) as other:
            job = await owner.begin()
            await started(vendor)
            seen = await other.jobs.find(job.id)
            assert seen is not None
            await other.jobs.cancel(seen)
            assert seen.status is JobStatus.CANCELLED
            assert len(vendor.stopped) == 1


async def started(vendor: Vendor) -> None:
    """Return once the vendor has been asked about something."""
    with anyio.fail_after(10):
        while not vendor.asked:
            await anyio.lowlevel.checkpoint()


class TestElsewhere:
    def following(self, *plans: Plan) -> Any:
        left = list(plans)

        async def following() -> Plan | None:
            return left.pop(0) if left else None

        return following

    async def test_a_refusal_without_a_charge_goes_to_the_next_provider(self, home: Path) -> None:
        poor, rich = Vendor("poor"), Vendor("rich")
        poor.then("submit", OutOfCredit("poor"))
        async with workbench(home, poor, rich) as bench:
            job = await bench.done(await bench.begin(following=self.following(plan_for(rich))))
            entry = await bench.entry(job.id)
        assert (job.status, job.provider, entry.provider, entry.model) == (
            JobStatus.COMPLETED,
            "rich",
            "rich",
            "rich/model-1",
        )
        assert any("So rich was asked instead." in note for note in job.notes)
        assert [len(poor.orders), len(rich.orders)] == [1, 1]

    async def test_the_next_one_can_refuse_too(self, home: Path) -> None:
        vendors = [Vendor("one"), Vendor("two"), Vendor("three")]
        for vendor in vendors[:2]:
            vendor.then("submit", OutOfCredit(vendor.name))
        async with workbench(home, *vendors) as bench:
            plans = self.following(*(plan_for(vendor) for vendor in vendors[1:]))
            job = await bench.done(await bench.begin(following=plans))
        assert (job.status, job.provider) == (JobStatus.COMPLETED, "three")

    @pytest.mark.parametrize("error", [UnknownOutcome("first"), GenerationFailed("first")])
    async def test_what_may_have_been_charged_goes_nowhere_else(self, home: Path, error: Exception) -> None:
        first, second = Vendor("first"), Vendor("second")
        first.then("submit", error)
        async with workbench(home, first, second) as bench:
            job = await bench.done(await bench.begin(following=self.following(plan_for(second))))
        assert job.status is JobStatus.FAILED
        assert second.orders == []

    async def test_a_journal_that_cannot_be_written_keeps_the_next_from_being_asked(self, home: Path) -> None:
        first, second = Vendor("first"), Vendor("second")
        first.then("submit", OutOfCredit("first"))
        async with workbench(home, first, second, patience=0.01) as bench:
            database = bench.desk.ledger.journal._database  # noqa: SLF001 - held as by another program
            lock = database.writing()

            async def following() -> Plan:
                lock.__enter__()
                return plan_for(second)

            job = await bench.begin(following=following)
            with anyio.fail_after(10):
                while not any("second was not asked" in note for note in job.notes):
                    await anyio.lowlevel.checkpoint()
            lock.__exit__(None, None, None)
            await bench.done(job)
            assert second.orders == []
            assert job.status is JobStatus.FAILED
            assert (await bench.done(await bench.begin("another"))).status is JobStatus.COMPLETED


class TestRepeated:
    async def test_the_same_call_while_it_runs_is_the_same_job(self, home: Path) -> None:
        vendor = Vendor()
        async with workbench(home, vendor) as bench, workbench(home, Vendor()) as other:
            job = await bench.begin()
            for process in (bench, other):
                opened = await process.open()
                assert opened.joined is not None
                assert opened.joined.id == job.id
            await bench.done(job)
        assert len(vendor.orders) == 1
        assert list(home.joinpath("incoming").glob("*")) == []

    async def test_a_call_whose_end_was_seen_is_made_again(self, home: Path) -> None:
        vendor = Vendor()
        async with workbench(home, vendor) as bench:
            first = await bench.done(await bench.begin())
            assert (await bench.open()).joined is not None
            await bench.jobs.seen(first)
            assert (await bench.done(await bench.begin())).id != first.id
        assert len(vendor.orders) == 2

    async def test_an_unknown_outcome_nobody_has_heard_of_is_told_before_anything_is_sent_again(
        self, home: Path
    ) -> None:
        vendor = Vendor()
        vendor.then("submit", UnknownOutcome("vendor"))
        async with workbench(home, vendor) as bench:
            job = await bench.done(await bench.begin())
            opened = await bench.open()
            assert opened.joined is not None
            assert opened.joined.id == job.id
        assert len(vendor.orders) == 1


async def test_a_budget_without_room_sends_nothing(home: Path) -> None:
    vendor = Vendor()
    cap = Cap("day", 0.0, 1.5 * USD)
    async with workbench(home, vendor) as bench:
        await bench.done(await bench.begin("one", caps=[cap]))
        over = (await bench.open("two", caps=[cap])).over
        assert over is not None
        assert over[1].usd == pytest.approx(USD)
    assert len(vendor.orders) == 1


async def test_the_newest_jobs_of_all_processes_are_listed(home: Path) -> None:
    async with workbench(home, Vendor()) as one, workbench(home, Vendor()) as two:
        first = await one.done(await one.begin("first"))
        second = await two.done(await two.begin("second"))
        listed = await one.jobs.newest(5)
    assert [job.id for job in listed] == [second.id, first.id]
    assert [len(job.pictures) for job in listed] == [1, 1]
    assert all(job.done for job in listed)
