"""A vendor that cannot be asked how a task stands: the caller hears of it at once, and the picture comes by itself."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING, Any

import anyio
import mcp.types as t
import pytest
from mcp import Client

from imagewright.engine import waiting
from imagewright.engine.engine import open_engine
from imagewright.providers.kie.provider import Kie
from imagewright.settings.load import load_settings
from imagewright.storage.accounts import LOCAL
from imagewright.surface.server import McpServer
from tests.emulators.kie import KieEmulator, envelope
from tests.emulators.messages import Answer
from tests.support.kill_runs import plain_route
from tests.support.vendors import environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from imagewright.engine.engine import Engine

pytestmark = pytest.mark.anyio
TOOL, CALL = plain_route("kie").tool, {"prompt": "a lighthouse"}
WAIT = "120"
"""Seconds a call may wait for its picture: who waits for them meets `PATIENCE`."""
PATIENCE = 60.0
"""Seconds after which a test fails that should take less than one."""
ONCE: dict[str, Answer] = {
    "key": envelope(401, "You do not have access permissions"),
    "money": envelope(402, "Credits insufficient"),
    "status 400": Answer(400),
    "status 403": Answer(403, b"<html>Blocked</html>"),
    "status 407": Answer(407),
    "status 410": Answer(410),
    "status 418": Answer(418),
    "sign-in": Answer(302, b"", {"Location": "https://portal.example/"}),
    "page": Answer(200, b"<html>Sign in</html>", {"Content-Type": "text/html"}),
    "nested": Answer(200, b"[" * 100_000),
}


@pytest.fixture
def kie() -> Iterator[KieEmulator]:
    with KieEmulator() as emulator:
        emulator.seconds = 0.0
        yield emulator


@asynccontextmanager
async def connected(kie: KieEmulator, seldom: float) -> AsyncIterator[tuple[Client, Engine]]:
    """A client of a server that asks Kie often, and at least that often while there is trouble."""
    env = {**os.environ, **environment({"kie": kie}), "IMAGEWRIGHT_WAIT": WAIT}
    async with open_engine(load_settings(env)) as engine:
        engine.config.registry.providers["kie"].poll_policy = replace(
            Kie.poll_policy, first=0.01, longest=0.01, seldom=seldom
        )
        async with Client(McpServer(engine).server) as client:
            with anyio.fail_after(PATIENCE):
                yield client, engine


def _read(result: Any) -> tuple[dict[str, Any], str]:
    """The job and the words of a reply."""
    assert not result.is_error
    data = result.structured_content
    text = "\n".join(block.text for block in result.content if isinstance(block, t.TextContent))
    return (data["jobs"][0] if "jobs" in data else data), text


async def test_the_caller_hears_of_it_at_once_and_once_the_key_is_corrected_waiting_works_as_before(
    kie: KieEmulator,
) -> None:
    async with connected(kie, seldom=0.05) as (client, engine):
        kie.fail_next("poll", ONCE["key"], times=10_000)
        data, text = _read(await client.call_tool(TOOL, CALL))
        assert data["status"] == "running"
        (note,) = [note for note in data["notes"] if "API key" in note]
        for part in (
            "kie did not accept the API key; the vendor says: 'You do not have access",
            "Fix the key",
            "14 days",
        ):
            assert part in note
        assert note in text
        assert text.count(note) == 1
        for part in ("Still running, but held up", "arrives by itself: do not call again", data["job_id"]):
            assert part in text
        assert data["next"] in text, "a model may be shown the data alone"
        # waiting again, or calling again all the same, is answered as soon, and nothing is sent
        for tool, arguments in (("image_job", {"job_id": data["job_id"]}), (TOOL, CALL)):
            again, _ = _read(await client.call_tool(tool, arguments))
            assert (again["job_id"], again["status"]) == (data["job_id"], "running")
            assert note in again["notes"]
        kie.heal("poll")
        job = await engine.find(LOCAL, data["job_id"])
        assert job is not None
        while job.trouble:
            await job.changed.wait()
        data, text = _read(await client.call_tool("image_job", {"job_id": data["job_id"]}))
    assert (data["status"], len(data["images"])) == ("completed", 1)
    assert note not in data["notes"]
    assert note not in text
    assert "next" not in data
    assert len(kie.received("create")) == len(kie.charges) == 1


async def test_a_stalled_job_says_so_and_goes_on_when_it_is_waited_for(
    kie: KieEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    kie.seconds = 10_000.0
    async with connected(kie, seldom=0.05) as (client, engine):
        provider = engine.config.registry.providers["kie"]
        with monkeypatch.context() as patient:
            patient.setattr(waiting, "LEAST_PATIENCE", 0.0)
            provider.poll_policy = replace(provider.poll_policy, patience=0.0)
            data, text = _read(await client.call_tool(TOOL, CALL))
        assert data["status"] == "stalled"
        (note,) = [note for note in data["notes"] if "do not call again" in note]
        for part in ("Stalled (it began ", note, "kie was asked for ", f'Its job_id is "{data["job_id"]}".'):
            assert part in text
        looked_at, _ = _read(await client.call_tool("image_job", {"job_id": data["job_id"], "action": "show"}))
        assert looked_at["status"] == "stalled"
        provider.poll_policy = replace(provider.poll_policy, patience=Kie.poll_policy.patience)
        kie.seconds = 0.0
        data, _ = _read(await client.call_tool("image_job", {"job_id": data["job_id"]}))
    assert (data["status"], len(data["images"])) == ("completed", 1)
    assert len(kie.received("create")) == len(kie.charges) == 1


@pytest.mark.parametrize("row", ONCE)
async def test_one_bad_answer_is_reported_and_the_picture_arrives(row: str, kie: KieEmulator) -> None:
    answered = Event()
    async with connected(kie, seldom=0.05) as (client, _):
        kie.fail_next("poll", ONCE[row])
        kie.fail_next("poll", lambda own: replace(own, until=answered))
        data, _ = _read(await client.call_tool(TOOL, CALL))
        assert any("do not call again" in note for note in data["notes"])
        answered.set()
        while data["status"] == "running":
            data, _ = _read(await client.call_tool("image_job", {"job_id": data["job_id"]}))
    assert (data["status"], len(data["images"])) == ("completed", 1)
    assert not any("do not call again" in note for note in data["notes"])
    assert len(kie.received("create")) == 1


@pytest.mark.parametrize(
    "answer",
    [envelope(429, "slow"), Answer(503), Answer.reset(), envelope(422, "recordInfo is null"), envelope(501, "failed")],
    ids=["rate", "down", "reset", "not visible", "a doubtful end"],
)
async def test_ordinary_trouble_is_waited_through(answer: Answer, kie: KieEmulator) -> None:
    async with connected(kie, seldom=0.05) as (client, engine):
        provider = engine.config.registry.providers["kie"]
        provider.poll_policy = replace(provider.poll_policy, doubts=(0.01,) * 3)
        kie.fail_next("poll", answer, times=3)
        data, _ = _read(await client.call_tool(TOOL, CALL))
    assert (data["status"], len(data["images"])) == ("completed", 1)
    assert len(kie.received("poll")) == 4
