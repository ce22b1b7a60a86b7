from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from imagewright.catalog.row import AUTO
from imagewright.engine.elsewhere import YOUNG, Answer, Spool
from imagewright.engine.inputs import INPUTS
from imagewright.engine.pictures import without_pictures
from imagewright.errors import StorageError
from imagewright.providers.base import Order, Output, Prepared
from imagewright.settings.folders import Folders
from imagewright.storage.records import CallRecord, JobRecord
from imagewright.storage.states import CallState
from imagewright.storage.stores import open_stores
from tests.support.engine_bench import Vendor, folders_in, open_bench, route_of
from tests.support.provider_runs import effective, plain_order
from tests.support.vendors import VENDORS, routes_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from imagewright.storage.states import JobState

pytestmark = pytest.mark.anyio
ROUTE = route_of("vendor")
JOB = "job_1"


def spool_of(base: Path) -> Spool:
    folders = Folders(base / "pictures", base / "imagewright.db", base / "c.toml", base / "k.toml", (base,))
    return Spool(open_stores(folders, lease=1.0).blobs)


def order(images: int, *, mask: bool) -> Order:
    prepared = [Prepared(f"picture {place}".encode(), "png", 10 + place, 20) for place in range(images + mask)]
    return Order(
        route=ROUTE,
        arguments={"prompt": "fox", "seed": 7},
        model=ROUTE.model,
        count=2,
        images=tuple(prepared[:images]),
        mask=prepared[-1] if mask else None,
        first_variant=3,
    )


def entry(state: JobState, *calls: CallRecord, **plan: Any) -> JobRecord:
    return JobRecord(
        id=JOB,
        tool=ROUTE.tool,
        operation=ROUTE.operation.value,
        provider=ROUTE.provider,
        model=ROUTE.model,
        fingerprint="f",
        plan=plan,
        expected=1,
        calls=calls,
        created=0.0,
        principal="local",
        state=state,
    )


@pytest.mark.parametrize(("images", "mask"), [(0, False), (1, False), (1, True), (3, False)])
async def test_a_call_that_was_not_sent_can_be_sent_by_another_process(
    tmp_path: Path, images: int, *, mask: bool
) -> None:
    whole = order(images, mask=mask)
    inputs = await spool_of(tmp_path).keep_inputs(JOB, whole)
    call = CallRecord(number=1, count=2, first_variant=3, arguments=dict(whole.arguments))
    job = entry("running", call, route=ROUTE.model, inputs=inputs)
    other = replace(ROUTE, model="another")
    found = spool_of(tmp_path).read_order(job, call, (other, ROUTE))
    assert found == without_pictures(whole)
    async with spool_of(tmp_path).with_pictures(found, inputs, 1, anyio.lowlevel.checkpoint) as read:
        assert read == [whole]
    assert read == []
    with pytest.raises(StorageError, match="this was not sent"):
        spool_of(tmp_path).read_order(job, call, (other,))


async def test_a_call_is_sent_with_the_id_that_was_written_down(tmp_path: Path) -> None:
    spool, call = spool_of(tmp_path), CallRecord(number=0, arguments={"quality": "max"})
    job = replace(entry("running", call, route=ROUTE.model, inputs={"images": [], "mask": None}), model="dear")
    route = replace(ROUTE, model_by="quality", models={"max": "dear"})
    assert spool.read_order(job, call, (route,)).model == "dear"
    with pytest.raises(StorageError, match="no dear any more; this was not sent"):
        spool.read_order(job, call, (replace(route, models={"max": "dearer"}),))


async def test_what_an_older_release_did_not_write_down_gets_its_default(tmp_path: Path) -> None:
    left_out = 0
    for routes in map(routes_of, VENDORS):
        for route in routes:
            whole, known = plain_order(route), effective(route)
            # `auto` is not filled in: it was written down as the ratio that was taken for it
            needed = {name: one for name, one in whole.arguments.items() if one == AUTO or one != known[name].default}
            left_out += len(whole.arguments) - len(needed)
            call = CallRecord(number=0, arguments=needed)
            job = entry("running", call, route=route.model, inputs={"images": [], "mask": None})
            job = replace(job, tool=route.tool, operation=route.operation.value, model=whole.model)
            assert spool_of(tmp_path).read_order(job, call, routes).arguments == whole.arguments
    assert left_out


@pytest.mark.parametrize("place", ["image", "mask"])
@pytest.mark.parametrize(
    ("left", "words"), [(None, "has been deleted or moved"), (0, "has 0 bytes instead of 9"), (5, "has 5 bytes")]
)
async def test_an_input_that_is_gone_or_cut_off_is_named_and_not_sent(
    tmp_path: Path, left: int | None, words: str, place: str
) -> None:
    spool, whole = spool_of(tmp_path), order(1, mask=True)
    inputs = await spool.keep_inputs(JOB, whole)
    file = tmp_path / {"image": inputs["images"][0], "mask": inputs["mask"]}[place]["file"]
    if left is None:
        file.unlink()
    else:
        os.truncate(file, left)
    with pytest.raises(StorageError, match=words):
        async with spool.with_pictures(without_pictures(whole), inputs, 1, anyio.lowlevel.checkpoint):
            pytest.fail("it cannot be read")
    assert INPUTS.taken == 0


@pytest.mark.parametrize(
    "output", [Output(url="https://vendor.example/1.png", seed=5), Output(data=b"picture", seed=None)]
)
async def test_a_result_is_read_back_as_it_was(tmp_path: Path, output: Output) -> None:
    spool = spool_of(tmp_path)
    assert await spool.read_output(await spool.keep_output(JOB, 1, output)) == output
    assert (tmp_path / "incoming" / JOB).exists() == (output.data is not None)


async def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "incoming").write_bytes(b"in the way")
    with pytest.raises(StorageError, match="is a file and not a folder"):
        await spool_of(tmp_path).keep_output(JOB, 1, Output(data=b"picture"))


async def test_clearing_leaves_other_jobs_alone_and_can_be_repeated(tmp_path: Path) -> None:
    spool = spool_of(tmp_path)
    for job in (JOB, "job_2"):
        await spool.keep_output(job, 1, Output(data=b"picture"))
    await spool.clear(JOB, whole=True)
    await spool.clear(JOB, whole=True)
    assert [path.name for path in (tmp_path / "incoming").iterdir()] == ["job_2"]


async def test_clearing_what_is_not_whole_takes_only_its_inputs(tmp_path: Path) -> None:
    spool = spool_of(tmp_path)
    await spool.keep_inputs(JOB, order(2, mask=True))
    await spool.keep_output(JOB, 1, Output(data=b"picture"))
    await spool.clear(JOB, whole=False)
    assert left(tmp_path / "incoming" / JOB) == {"result-1"}
    await spool.clear(JOB, whole=True)
    assert not (tmp_path / "incoming" / JOB).exists()


@pytest.mark.parametrize("leaves", [False, True])
async def test_the_files_of_a_job_that_ended_well_go_later_or_when_the_server_leaves(
    tmp_path: Path, *, leaves: bool
) -> None:
    spool, folder = spool_of(tmp_path), tmp_path / "incoming" / JOB
    await spool.keep_output(JOB, 1, Output(data=b"picture"))
    async with anyio.create_task_group() as group:
        group.start_soon(spool.clear_later, JOB, 600.0 if leaves else 0.0)
        assert folder.exists()
        if leaves:
            group.cancel_scope.cancel()
    assert not folder.exists()


async def test_what_came_at_once_is_read_back_with_what_belongs_to_it(tmp_path: Path) -> None:
    spool, record = spool_of(tmp_path), entry("running", CallRecord(number=0), CallRecord(number=1, first_variant=2))
    assert await spool.read_answer(record, record.calls[0]) is None
    answer = Answer(({"url": "https://vendor.example/1", "file": "", "seed": 2**70},), 0.07, ("A note.",))
    await spool.keep_answer(JOB, 0, answer)
    assert await spool.read_answer(record, record.calls[0]) == answer
    assert await spool.read_answer(record, record.calls[1]) is None


KEPT, FAILED = CallRecord(number=0, state=CallState.KEPT), CallRecord(number=1, state=CallState.FAILED)
HALF_KEPT = replace(KEPT, error={"kind": "failed", "text": "the other picture could be saved nowhere"})
ALL = {"input-0", "input-1", "result-1", "fetch-2-dead.picture"}
PICTURES = {"result-1", "fetch-2-dead.picture"}


def known_as(record: JobRecord | None) -> Callable[[str], Awaitable[JobRecord | None]]:
    async def record_of(_: str) -> JobRecord | None:
        return record

    return record_of


def leave_files(folder: Path, *, age: float = YOUNG + 60, young: str = "") -> None:
    """What killed processes leave of a job; one file may be younger."""
    for name in ALL:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"bytes")
    long_ago = time.time() - age
    for path in (*folder.rglob("*"), folder):
        if path.name != young:
            os.utime(path, (long_ago, long_ago))


def left(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("known", "stays"),
    [
        (entry("running", KEPT), ALL),
        (entry("running", CallRecord(number=0)), ALL),
        (None, PICTURES),
        (entry("failed", FAILED), PICTURES),
        (entry("completed", KEPT, FAILED), PICTURES),
        (entry("completed", HALF_KEPT), PICTURES),
        (entry("cancelled", replace(FAILED, state=CallState.CANCELLED)), PICTURES),
        (entry("completed", KEPT, KEPT), set()),
    ],
)
async def test_only_what_nobody_can_need_is_swept(tmp_path: Path, known: JobRecord | None, stays: set[str]) -> None:
    folder = tmp_path / "incoming" / JOB
    leave_files(folder)
    asked = []

    async def record_of(job_id: str) -> JobRecord | None:
        asked.append(job_id)
        return known

    await spool_of(tmp_path).sweep(record_of)
    assert left(folder) == stays
    assert folder.exists() == bool(stays)
    assert asked == [JOB]


@pytest.mark.parametrize("young", ["input-1", "fetch-2-dead.picture", JOB])
async def test_nothing_young_is_swept(tmp_path: Path, young: str) -> None:
    folder = tmp_path / "incoming" / JOB
    leave_files(folder, young=young)
    await spool_of(tmp_path).sweep(known_as(entry("completed", KEPT)))
    assert left(folder) == ALL


async def test_an_empty_folder_goes_and_others_are_not_kept_from_it_by_one_in_trouble(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    base = tmp_path / "incoming"
    for name in ("job_a", "job_b", "job_c"):
        (base / name).mkdir(parents=True)
        os.utime(base / name, (1.0, 1.0))

    async def record_of(job_id: str) -> JobRecord | None:
        if job_id == "job_b":
            raise StorageError("the journal cannot be read")
        return None

    await spool_of(tmp_path).sweep(record_of)
    assert [path.name for path in base.iterdir()] == ["job_b"]
    assert "job_b could not be tidied up: the journal cannot be read" in caplog.text


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
async def test_a_sweep_follows_no_link(tmp_path: Path) -> None:
    leave_files(tmp_path / "elsewhere")
    leave_files(tmp_path / "incoming" / JOB)
    (tmp_path / "incoming" / "job_2").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "incoming" / JOB / "fetch-3").symlink_to(tmp_path / "elsewhere")
    os.utime(tmp_path / "incoming" / JOB / "fetch-3", (1.0, 1.0), follow_symlinks=False)
    os.utime(tmp_path / "incoming" / JOB, (1.0, 1.0))
    await spool_of(tmp_path).sweep(known_as(entry("completed", KEPT)))
    assert [path.name for path in (tmp_path / "incoming").iterdir()] == ["job_2"]
    assert left(tmp_path / "elsewhere") == ALL


async def test_without_folders_or_with_a_file_in_their_place_there_is_nothing_to_sweep(tmp_path: Path) -> None:
    await spool_of(tmp_path).sweep(known_as(None))
    (tmp_path / "incoming").write_bytes(b"in the way")
    await spool_of(tmp_path).sweep(known_as(None))


async def test_a_server_sweeps_once_it_looks_for_jobs_left_behind(home: Path) -> None:
    base = folders_in(home).database.parent / "incoming"
    async with open_bench(home, Vendor(), lease=0.1) as bench:
        job = await bench.done(await bench.begin())
        for name in (job.id, "job_unknown"):
            leave_files(base / name)
        bench.group.start_soon(lambda: bench.jobs.keep_leases(reclaiming=True))
        goes = [base / job.id, *(base / "job_unknown" / name for name in ALL - PICTURES)]
        with anyio.fail_after(10):
            while any(path.exists() for path in goes):
                await anyio.lowlevel.checkpoint()
    assert left(base) == {f"job_unknown/{name}" for name in PICTURES}
