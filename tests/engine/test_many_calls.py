"""Many calls at once: the first are sent before the last are written down, and none waits for one that waits."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from imagewright.engine import calls
from imagewright.engine.engine import open_engine
from imagewright.imaging.limiter import DECODING, ROOM
from imagewright.settings.load import load_settings
from imagewright.storage.accounts import LOCAL
from tests.emulators.kie import KieEmulator
from tests.support.engine_bench import until
from tests.support.pictures import photo
from tests.support.vendors import environment

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.engine.engine import Engine
    from imagewright.engine.job import Job

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("hurried")]

CALLS = 24
HOUR = 3600.0
SOON = 30.0
"""Seconds; a safety net."""


def jobs_in(home: Path) -> int:
    with closing(sqlite3.connect(home / "imagewright.db")) as database:
        return int(database.execute("SELECT count(*) FROM job").fetchone()[0])


class CountingKie(KieEmulator):
    """Kie, which counts the jobs that were written down when it was given each task."""

    def __init__(self, home: Path) -> None:
        super().__init__()
        self.home = home
        self.written: list[int] = []

    def _work_on(self, *_: Any) -> None:  # nobody waits for the pictures
        self.written.append(jobs_in(self.home))


async def begun(engine: Engine) -> list[Job]:
    jobs: list[Job] = []

    async def begin(number: int) -> None:
        jobs.append(await engine.start(LOCAL, "qwen", {"prompt": f"kite {number} over the sea"}))

    async with anyio.create_task_group() as group:
        for number in range(CALLS):
            group.start_soon(begin, number)
    return jobs


async def cancel(engine: Engine, jobs: list[Job]) -> None:
    async with anyio.create_task_group() as group:
        for job in jobs:
            group.start_soon(engine.cancel, job)


async def test_the_first_calls_are_sent_before_the_last_are_written_down(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "AT_ONCE", 4)
    monkeypatch.setattr(calls, "GIVE_WAY_SECONDS", HOUR)
    with CountingKie(home) as kie:
        variables = {"IMAGEWRIGHT_HOME": str(home), "IMAGEWRIGHT_KIE_RATE": "1000/1", **environment({"kie": kie})}
        async with open_engine(load_settings(variables, working_directory=home)) as engine:
            jobs = await begun(engine)
            await until(lambda: len(kie.written) == CALLS)
            await cancel(engine, jobs)
    assert kie.written[0] <= CALLS / 2


async def test_no_call_waits_for_one_that_waits_for_its_turn_at_the_vendor(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "AT_ONCE", 4)
    monkeypatch.setattr(calls, "GIVE_WAY_SECONDS", SOON)
    with KieEmulator() as kie:
        variables = {"IMAGEWRIGHT_HOME": str(home), "IMAGEWRIGHT_KIE_RATE": "1/3600", **environment({"kie": kie})}
        async with open_engine(load_settings(variables, working_directory=home)) as engine:
            with anyio.fail_after(SOON):
                jobs = await begun(engine)
            assert jobs_in(home) == CALLS
            await cancel(engine, jobs)
    assert kie.begun <= 1


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """A picture that can be edited."""
    file = tmp_path / "given.png"
    file.write_bytes(photo(64, 48))
    return file


async def test_no_call_waits_for_one_whose_pictures_are_prepared(
    home: Path, given: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "AT_ONCE", 1)
    with KieEmulator() as kie, anyio.fail_after(SOON):
        variables = {"IMAGEWRIGHT_HOME": str(home), "IMAGEWRIGHT_ROOTS": str(given.parent), **environment({"kie": kie})}
        async with (
            open_engine(load_settings(variables, working_directory=home)) as engine,
            anyio.create_task_group() as group,
        ):
            edits: list[Job] = []
            looked_at, prepared = anyio.Event(), anyio.Event()

            async def edit() -> None:
                edits.append(await engine.start(LOCAL, "qwen", {"prompt": "a kite", "images": [str(given)]}))

            async def decode_another() -> None:
                async with DECODING.share(ROOM):
                    looked_at.set()
                    await prepared.wait()

            async with DECODING.share(ROOM):
                group.start_soon(edit)
                await anyio.wait_all_tasks_blocked()
                group.start_soon(decode_another)  # after the picture was looked at, and before it is prepared
                await anyio.wait_all_tasks_blocked()
            await looked_at.wait()
            await until(lambda: len(DECODING._waiting) == 1)  # noqa: SLF001 - nothing else tells that it is prepared now
            text = await engine.start(LOCAL, "qwen", {"prompt": "a kite over the sea"})
            assert edits == []
            prepared.set()
            await until(lambda: len(edits) == 1)
            await cancel(engine, [text, *edits])
