"""Several steps, pictures and the end of a job in one transaction, and how long its calls took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imagewright.errors import StorageError
from imagewright.storage.accounts import LOCAL, Principal
from imagewright.storage.base import LostLeaseError, Step
from imagewright.storage.records import CallRecord
from imagewright.storage.states import CallState
from imagewright.storage.stores import open_stores
from tests.storage.stores_bench import LEASE, picture, record, started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from typing import Unpack

    from imagewright.settings.folders import Folders
    from imagewright.storage.base import CallChanges, JobEnd, JobStore
    from imagewright.storage.stores import Stores
    from tests.storage.stores_bench import Workers

pytestmark = pytest.mark.anyio

ALICE = Principal("alice")
END: JobEnd = {"cost_usd": 0.5, "cost_basis": "actual", "notes": ["Done."]}


def steps(*states: CallState, number: int = 0, **changes: Unpack[CallChanges]) -> list[Step]:
    """Steps of one call; the last one with these changes."""
    return [Step(number, state, changes if state is states[-1] else {}) for state in states]


async def sent(store: JobStore, name: str = "1", calls: int = 2, **changes: Any) -> None:
    await started(store, name, calls=tuple(CallRecord(number=number) for number in range(calls)), **changes)
    for number in range(calls):
        await store.advance(f"job_{name}", number, CallState.SUBMITTING)


async def test_all_of_it_is_written(workers: Workers) -> None:
    store = workers()
    await sent(store)
    both = [*steps(CallState.MADE, CallState.KEPT, cost_usd=0.5), *steps(CallState.FAILED, number=1)]
    await store.conclude("job_1", both, end=("completed", END))
    found = await store.get(LOCAL, "job_1")
    assert found is not None
    assert [call.state for call in found.calls] == [CallState.KEPT, CallState.FAILED]
    assert (found.state, found.cost_usd, found.notes, found.calls[0].cost_usd) == ("completed", 0.5, ("Done.",), 0.5)


async def test_a_job_can_go_on(workers: Workers) -> None:
    store = workers()
    await sent(store)
    await store.conclude("job_1", steps(CallState.MADE, notes=["One."]))
    found = await store.get(LOCAL, "job_1")
    assert found is not None
    assert (found.state, found.notes, found.is_held) == ("running", ("One.",), True)


async def test_of_a_step_that_does_not_exist_nothing_is_written(workers: Workers) -> None:
    store = workers()
    await sent(store)
    before = await store.get(LOCAL, "job_1")
    wrong = [*steps(CallState.MADE, took=4.0), *steps(CallState.KEPT, number=1)]
    with pytest.raises(ValueError, match="no way from submitting to kept"):
        await store.conclude("job_1", wrong, [record("fox")], ("completed", END))
    assert await store.get(LOCAL, "job_1") == before


async def test_whoever_has_lost_the_job_concludes_nothing(workers: Workers) -> None:
    store = workers()
    await sent(store)
    before = await store.get(LOCAL, "job_1")
    with pytest.raises(LostLeaseError):
        await workers("you").conclude("job_1", steps(CallState.MADE), (), ("completed", END))
    assert await store.get(LOCAL, "job_1") == before


async def test_durations_are_the_newest_of_one_model(workers: Workers) -> None:
    store = workers()
    assert await store.durations("somebody", "some/model-1") == []
    await sent(store, calls=30)
    for number in range(25):
        await store.advance("job_1", number, CallState.SUBMITTED, took=float(number))
    await sent(store, "2", calls=1, model="m2")
    await store.conclude("job_2", steps(CallState.MADE, took=7.5))
    for number, odd in enumerate((float("nan"), float("inf"), -1.0), 25):
        await store.advance("job_1", number, CallState.SUBMITTED, took=odd)
    assert await workers("you").durations("somebody", "some/model-1") == [float(number) for number in range(24, 4, -1)]
    assert await store.durations("somebody", "some/model-1", 3) == [24.0, 23.0, 22.0]
    assert await store.durations("somebody", "m2") == [7.5]
    assert await store.durations("another", "m2") == []


@pytest.fixture
async def stores(folders: Folders) -> AsyncIterator[Stores]:
    made = open_stores(folders, lease=LEASE, worker_id="me", patience=0.1)
    yield made
    await made.close()


async def test_a_picture_is_placed_and_then_concluded_with_its_job(stores: Stores, source: Path) -> None:
    await started(stores.jobs, who=ALICE)
    await stores.jobs.advance("job_1", 0, CallState.SUBMITTING)
    placed, notes = await stores.library.place(ALICE, source, picture(job_id="job_1"))
    assert notes == []
    assert await stores.library.get(ALICE, placed.id) == placed
    assert await stores.library.get(LOCAL, placed.id) is None
    await stores.jobs.conclude("job_1", steps(CallState.MADE, CallState.KEPT), [placed], ("completed", END))
    with stores.database.reading() as connection:
        assert connection.execute("SELECT id, principal FROM picture").fetchall() == [(placed.id, "alice")]
    assert await stores.library.find(ALICE) == [placed]
    assert await stores.library.place(ALICE, source, picture(job_id="job_1")) == (placed, [])


async def test_a_crash_between_file_and_record_leaves_one_picture(
    stores: Stores, folders: Folders, source: Path
) -> None:
    await started(stores.jobs)
    await stores.jobs.advance("job_1", 0, CallState.SUBMITTING)
    first, _ = await stores.library.place(LOCAL, source, picture(job_id="job_1"), save_as="fox.png")
    await stores.close()
    after = open_stores(folders, lease=LEASE, worker_id="me")
    again, notes = await after.library.place(LOCAL, source, picture(job_id="job_1"), save_as="fox.png")
    assert (again, notes) == (first, [])
    await after.jobs.conclude("job_1", steps(CallState.MADE, CallState.KEPT), [again], ("completed", END))
    assert await after.library.find(LOCAL) == [first]
    other, _ = await after.library.place(LOCAL, source, picture(job_id="job_2"), save_as="fox.png")
    assert other.key != first.key
    await after.close()


async def test_what_cannot_be_concluded_now_is_concluded_later_as_a_whole(stores: Stores, source: Path) -> None:
    await started(stores.jobs)
    await stores.jobs.advance("job_1", 0, CallState.SUBMITTING)
    placed, _ = await stores.library.place(LOCAL, source, picture(job_id="job_1"))
    with stores.database.writing():  # another program that keeps it locked
        await stores.jobs.conclude("job_1", steps(CallState.MADE, CallState.KEPT), [placed], ("completed", END))
        assert stores.jobs.unwritten == {"job_1"}
        assert await stores.library.get(LOCAL, placed.id) == placed
    await stores.jobs.catch_up()
    found = await stores.jobs.get(LOCAL, "job_1")
    assert found is not None
    assert (found.state, found.calls[0].state) == ("completed", CallState.KEPT)
    assert await stores.library.find(LOCAL) == [placed]


async def test_a_picture_of_a_job_that_is_known_no_more_is_in_the_library(stores: Stores, source: Path) -> None:
    placed, _ = await stores.library.place(LOCAL, source, picture(job_id="job_1"))
    await stores.jobs.conclude("job_1", steps(CallState.KEPT), [placed], ("completed", END))
    assert await stores.library.find(LOCAL) == [placed]
    with stores.database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM picture").fetchone() == (1,)


async def test_a_job_that_cannot_be_set_aside_now_is_set_aside_later(stores: Stores) -> None:
    await started(stores.jobs)
    with stores.database.writing():
        await stores.jobs.stall("job_1", ["It takes too long."])
        with pytest.raises(StorageError):
            await stores.jobs.advance("job_1", 0, CallState.SUBMITTING)
    await stores.jobs.catch_up()
    found = await stores.jobs.get(LOCAL, "job_1")
    assert found is not None
    assert (found.state, found.notes) == ("stalled", ("It takes too long.",))
