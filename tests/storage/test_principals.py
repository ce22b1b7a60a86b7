"""Two principals in one store: nothing of one is seen or changed by the other."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.errors import StorageError
from imagewright.storage.accounts import LOCAL, Principal
from imagewright.storage.base import JobStore, OverBudget, PictureIndex
from imagewright.storage.blobs import LocalBlobs
from imagewright.storage.library import Library
from imagewright.storage.paths.roots import AllowedRoots, ConfineError
from imagewright.storage.records import Cap
from imagewright.storage.states import CallState
from tests.storage.stores_bench import NOON, SOURCE, ended, job, picture, record, started
from tests.support.memory_library import MemoryPictureIndex

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from imagewright.storage.blob_store import BlobStore
    from imagewright.storage.records import PictureRecord
    from tests.storage.stores_bench import Workers
    from tests.support.clock import Clock

pytestmark = pytest.mark.anyio

ALICE, BOB = Principal("alice"), Principal("bob")
UNSCOPED = {
    "advance", "claim", "replan", "renew", "check_lease", "release",  # of the worker that holds the job
    "conclude", "stall",
    "reclaim", "known_handles", "get_unscoped",  # of all principals, and shown to none
    "take_slot", "slot_used", "slot_refused", "learn_pace", "durations",  # of the vendor's account, which all share
}  # fmt: skip
ASKED: dict[str, tuple[Callable[[JobStore, Principal], Awaitable[Any]], Any]] = {
    "repeated": (lambda store, who: store.repeated(who, "1", ""), None),
    "get": (lambda store, who: store.get(who, "job_1"), None),
    "newest": (lambda store, who: store.newest(who, 10), []),
    "spent": (lambda store, who: store.spent(who, 0.0), None),
    "costs": (lambda store, who: store.costs(who, 0.0), []),
    "reclaim_one": (lambda store, who: store.reclaim_one(who, "job_1"), None),
}
"""What can be asked, and the answer to whoever has nothing there."""


def test_every_method_is_held_against_two_principals() -> None:
    methods = {name for name in vars(JobStore) if not name.startswith("_")} - {"worker_id", "lease"}
    assert methods == UNSCOPED | set(ASKED) | {"open", "mark_seen", "request_cancel", "reopen"}
    asked = {name for name in vars(PictureIndex) if not name.startswith("_")}
    assert asked == {"add", "get", "of_job", "search", "newest_ids"} | {"keys_of_size", "check"}


@pytest.mark.parametrize("method", ASKED)
async def test_jobs_of_one_are_not_shown_to_the_other(workers: Workers, method: str) -> None:
    store = workers()
    await (ended if method == "costs" else started)(store, who=ALICE, reserved_usd=0.25)
    await store.release()
    ask, nothing = ASKED[method]
    bobs = await ask(store, BOB)
    assert (bobs.usd, bobs.jobs) == (0.0, 0) if method == "spent" else bobs == nothing
    alices = await ask(store, ALICE)
    assert alices != bobs


@pytest.mark.parametrize("key", ["", "k"])
async def test_identical_calls_of_two_are_two_jobs(workers: Workers, key: str) -> None:
    store = workers()
    first = await started(store, "1", who=ALICE, fingerprint="f", key=key)
    second = await started(store, "2", who=BOB, fingerprint="f", key=key)
    assert (first.principal, second.principal) == ("alice", "bob")


async def test_a_key_of_one_is_free_for_the_other(workers: Workers) -> None:
    store = workers()
    await started(store, "1", who=ALICE, key="k")
    await started(store, "2", who=BOB, key="k")


async def test_a_budget_counts_what_its_own_principal_spends(workers: Workers) -> None:
    store, cap = workers(), Cap("day", 0.0, 1.0)
    await started(store, "1", cap, who=ALICE, reserved_usd=1.0)
    await started(store, "2", cap, who=BOB, reserved_usd=1.0)
    assert isinstance(await store.open(BOB, job("3", reserved_usd=0.1), [cap]), OverBudget)


async def test_nobody_cancels_or_hears_anothers_job(workers: Workers, clock: Clock) -> None:
    store = workers()
    await started(store, "1", who=ALICE)
    await store.request_cancel(BOB, "job_1")
    assert (await store.renew(["job_1"])).cancelled == frozenset()
    await ended(store, "2", who=ALICE)
    await store.mark_seen(BOB, "job_2")
    assert await store.repeated(ALICE, "2", "") is not None
    await ended(store, "4", who=BOB, fingerprint="2")
    await store.mark_seen(ALICE, "job_2", 24.0)
    clock.wait(24)
    assert await store.repeated(ALICE, "2", "") is None  # the other's identical job has prolonged no doubt


async def test_a_worker_carries_on_for_everybody(workers: Workers) -> None:
    store = workers()
    for name, who in (("1", ALICE), ("2", BOB)):
        await started(store, name, who=who)
    for name in ("job_1", "job_2"):
        await store.advance(name, 0, CallState.SUBMITTING)
    assert await store.claim("job_1", 0, {"task": "t"})
    assert not await store.claim("job_2", 0, {"task": "t"})
    await store.release()
    taken = await workers("you").reclaim(["somebody"])
    assert {(one.id, one.principal) for one in taken} == {("job_1", "alice"), ("job_2", "bob")}
    found = await store.get_unscoped("job_2")
    assert found is not None
    assert found.principal == "bob"


async def test_pictures_of_one_are_not_found_by_the_other(index: PictureIndex) -> None:
    mother = record("fox")
    child = record("den", parents=(mother.id,), job_id="job_den", created=NOON + timedelta(hours=1))
    for one in (mother, child):
        await index.add(ALICE, one)
    for who, found in ((ALICE, True), (BOB, False), (LOCAL, False)):
        assert (await index.get(who, mother.id) is not None) == found
        assert bool(await index.of_job(who, "job_den")) == found
        assert len(await index.search(who, limit=10)) == 2 * found
        assert len(await index.search(who, words=["fox"], limit=10)) == found
        assert len(await index.search(who, parent=mother.id, limit=10)) == found
        assert len(await index.newest_ids(who, 10)) == 2 * found
    assert len(await index.keys_of_size(100)) == 2


async def test_a_library_keeps_them_apart(index: PictureIndex, blobs: BlobStore, tmp_path: Path, source: Path) -> None:
    library = Library(index, blobs, AllowedRoots([tmp_path / "kept" / "pictures"]))
    kept, _ = await library.keep(ALICE, source, picture(job_id="job_1", prompt="fox"))
    assert await library.get(ALICE, kept.id) == kept
    assert await library.get(BOB, kept.id) is None
    assert await library.find(BOB) == []
    assert await library.of_job(BOB, "job_1") == []
    assert await library.newest_ids(BOB, 10) == []
    assert await library.newest_ids(ALICE, 10) == [kept.id]


class Closed(MemoryPictureIndex):
    """Cannot be written."""

    async def add(self, who: Principal, record: PictureRecord) -> None:
        raise StorageError(f"nothing is written: {record.id} of {who.id}")


async def test_what_could_not_be_listed_yet_is_its_owners_all_the_same(
    blobs: BlobStore, tmp_path: Path, source: Path
) -> None:
    library = Library(Closed(), blobs, AllowedRoots([tmp_path / "kept" / "pictures"]))
    kept, (note,) = await library.keep(ALICE, source, picture(job_id="job_1"))
    assert "nothing is written" in note
    assert await library.get(ALICE, kept.id) == kept
    assert await library.get(BOB, kept.id) is None


async def test_each_reads_and_saves_in_folders_of_its_own(tmp_path: Path, source: Path) -> None:
    pictures, own, shared = tmp_path / "kept" / "pictures", tmp_path / "alice", tmp_path / "shared"
    for folder in (own, shared):
        folder.mkdir()
    roots = AllowedRoots([pictures, shared])
    library = Library(MemoryPictureIndex(), LocalBlobs(tmp_path / "kept", pictures, roots), roots)
    alice = replace(ALICE, roots=(own,))
    kept, notes = await library.keep(alice, source, picture(), save_as=str(own / "fox.png"))
    assert (kept.path, kept.key, notes) == (own / "fox.png", f"file:{(own / 'fox.png').as_posix()}", [])
    assert await library.read(kept, 10_000) == SOURCE
    for who, wanted in ((BOB, own), (alice, shared)):
        with pytest.raises(ConfineError, match="outside"):
            await library.target(who, str(wanted / "fox.png"))
        kept, (note,) = await library.keep(who, source, picture(), save_as=str(wanted / "fox.png"))
        assert kept.key.startswith("pictures/")
        assert "outside" in note
    assert await library.target(BOB, str(shared / "fox.png")) == (shared, "fox.png")


async def test_who_may_use_no_paths_names_no_file(tmp_path: Path, source: Path) -> None:
    pictures = tmp_path / "kept" / "pictures"
    roots = AllowedRoots([pictures])
    library = Library(MemoryPictureIndex(), LocalBlobs(tmp_path / "kept", pictures, roots), roots)
    guest = Principal("guest", may_use_paths=False)
    with pytest.raises(ConfineError, match="cannot be used here"):
        library.roots_of(guest)
    for check in (library.target(guest, "fox.png"), library.check_room(guest, "fox.png", 1)):
        with pytest.raises(ConfineError, match="cannot be used here"):
            await check
    await library.check_room(guest, None, 1)
    kept, (note,) = await library.keep(guest, source, picture(), save_as="fox.png")
    assert "cannot be used here" in note
    assert kept.path is not None
    assert kept.path.parent == pictures
