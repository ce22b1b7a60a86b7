"""Two users of one engine: nothing of one is seen, joined, spent or used by the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imagewright.catalog.load import catalog
from imagewright.catalog.row import OperationName
from imagewright.engine.engine import open_engine
from imagewright.errors import Refusal
from imagewright.settings.load import load_settings
from imagewright.storage.accounts import Principal
from tests.support.engine_bench import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from imagewright.engine.engine import Engine

pytestmark = pytest.mark.anyio

ANN, BOB = Principal("ann"), Principal("bob", may_use_paths=False)
EDITOR = next(
    row.tool for row in catalog().values() if {OperationName.GENERATE, OperationName.EDIT} <= set(row.operations)
)
CALL: dict[str, Any] = {"prompt": "a heron"}


@pytest.fixture
async def engine(home: Path) -> AsyncIterator[Engine]:
    env = {"IMAGEWRIGHT_HOME": str(home), "IMAGEWRIGHT_BUDGET_PER_DAY": "5"}
    async with open_engine(load_settings(env, working_directory=home)) as opened:
        yield opened


async def made(engine: Engine, who: Principal, key: str = "") -> tuple[str, str]:
    """The ids of a job and of its picture."""
    job = await engine.start(who, EDITOR, CALL, key=key)
    assert await engine.wait(job, PATIENCE)
    return job.id, job.pictures[0].id


async def test_the_same_call_of_another_is_a_job_of_its_own(engine: Engine) -> None:
    """The answer was not seen yet: a second call of the same user would be joined to the first job."""
    of_ann, _ = await made(engine, ANN)
    assert (await made(engine, ANN))[0] == of_ann
    assert (await made(engine, BOB))[0] != of_ann


async def test_the_same_key_of_another_neither_joins_nor_clashes(engine: Engine) -> None:
    of_ann, _ = await made(engine, ANN, "key")
    with pytest.raises(Refusal, match="idempotency key"):
        await engine.start(ANN, EDITOR, CALL | {"prompt": "a crane"}, key="key")
    assert (await made(engine, BOB, "key"))[0] != of_ann


async def test_jobs_pictures_and_sums_are_those_of_the_one_who_asks(engine: Engine) -> None:
    job_id, picture_id = await made(engine, ANN)
    for who, count in ((ANN, 1), (BOB, 0)):
        assert len(await engine.newest(who, 10)) == count
        assert len(await engine.gallery(who)) == count
        assert len((await engine.costs(who, "1970-01-02"))[1]) == count
        assert (await engine.find(who, job_id) is not None) == bool(count)
        assert (await engine.picture(who, picture_id) is not None) == bool(count)
    with pytest.raises(Refusal, match=f'there is no job "{job_id}"; the newest are: none yet'):
        await engine.get(BOB, job_id)


async def test_the_picture_of_another_cannot_be_edited(engine: Engine) -> None:
    _, picture_id = await made(engine, ANN)
    with pytest.raises(Refusal, match=f"there is no picture {picture_id}; the newest are: none yet"):
        await engine.start(BOB, EDITOR, CALL | {"images": [picture_id]})
    edited = await engine.start(ANN, EDITOR, CALL | {"images": [picture_id]})
    assert await engine.wait(edited, PATIENCE)
    assert edited.pictures[0].parents == (picture_id,)


@pytest.mark.parametrize("argument", ["images", "save_as"])
async def test_who_may_use_no_paths_can_name_none(engine: Engine, argument: str, home: Path) -> None:
    place = str(home / "pictures" / "heron.png")
    call = CALL | {argument: [place] if argument == "images" else place}
    with pytest.raises(Refusal, match="Paths of the server's machine cannot be used here"):
        await engine.start(BOB, EDITOR, call)
