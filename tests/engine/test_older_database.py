"""Jobs that were running when an older release stopped: this one carries them on, each from where it stood."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from imagewright.storage.states import CallState
from tests.support.engine_bench import (
    PICTURE,
    Vendor,
    execute,
    folder_of,
    folders_in,
    left_of,
    open_bench,
    place,
    states,
)

if TYPE_CHECKING:
    from imagewright.storage.records import JobRecord

pytestmark = pytest.mark.anyio

SCRIPT = Path(__file__).parents[1] / "storage" / "database_version_3.sql"
"""Written by that release, its folders as `{base}`; the home is `{base}/home`."""
PLANNED, ANSWERED, SUBMITTED, MADE = (
    f"job_{name}" for name in ("77ff172a07630cd7", "6f36eeabae69f808", "39a76a6430c3c5bd", "59c08db1c4074d63")
)


@pytest.fixture
def old_home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    answer = {"url": "", "file": (folder_of(home, ANSWERED) / "result-1").as_posix(), "seed": 9}
    spooled = {
        PLANNED: {"input-0": b"input 0", "input-1": b"input 1"},
        ANSWERED: {
            "result-1": PICTURE,
            "answer-0.json": json.dumps({"products": [answer], "cost_usd": 0.07, "notes": ["A note."]}).encode(),
        },
        MADE: {"result-1": PICTURE},
    }
    for job_id, files in spooled.items():
        folder_of(home, job_id).mkdir(parents=True)
        for name, data in files.items():
            (folder_of(home, job_id) / name).write_bytes(data)
    with closing(sqlite3.connect(folders_in(home).database)) as connection:
        connection.executescript(SCRIPT.read_text(encoding="utf-8").replace("{base}", tmp_path.as_posix()))
        # as if it had stopped just now: what was never sent is not sent an hour later
        connection.execute("UPDATE job SET created = unixepoch()")
        connection.commit()
    return home


async def test_every_running_job_is_carried_on_and_nothing_is_sent_twice(old_home: Path) -> None:
    vendor = Vendor()
    async with open_bench(old_home, vendor) as bench:
        await bench.jobs.reclaim()
        jobs = {job_id: await bench.done(await bench.find(job_id)) for job_id in (PLANNED, ANSWERED, SUBMITTED, MADE)}
        records: list[JobRecord] = [await bench.record(job_id) for job_id in jobs]
    assert [states(record) for record in records] == [[CallState.KEPT]] * 4
    assert [len(job.pictures) for job in jobs.values()] == [1, 1, 1, 2]
    assert [place(picture).read_bytes() for picture in jobs[MADE].pictures] == [PICTURE, PICTURE]
    assert [[picture.data for picture in order.images] for order in vendor.orders] == [[b"input 0", b"input 1"]]
    answered = jobs[ANSWERED]
    assert (answered.pictures[0].seed, answered.record.cost_usd) == (9, 0.07)
    assert "A note." in answered.record.notes
    assert [handle.data["task"] for handle in vendor.asked][:1] == ["t1"]
    assert all(left_of(old_home, job_id) == set() for job_id in jobs)


async def test_an_old_plan_without_its_request_costs_only_its_job(old_home: Path) -> None:
    execute(old_home, "UPDATE job SET plan = json_remove(plan, '$.brief') WHERE id = :id", id=PLANNED)
    async with open_bench(old_home, Vendor()) as bench:
        await bench.jobs.reclaim()
        assert (await bench.done(await bench.find(MADE))).record.state == "completed"
        assert not (await bench.record(PLANNED)).done
