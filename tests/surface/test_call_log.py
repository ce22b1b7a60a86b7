"""The log: one line for each call, without the prompt unless the user asks for it, and never a key."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

import pytest
from mcp import Client

from imagewright.engine.engine import open_engine
from imagewright.settings.load import load_settings, log_at
from imagewright.storage.accounts import LOCAL
from imagewright.surface.server import McpServer
from tests.support.vendors import environment, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("hurried")]

PROMPT = "a secret kite\nERROR forged"


@pytest.fixture(autouse=True)
def usual_level() -> Iterator[None]:
    """The process's log is as a server sets it up, and as before afterwards."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.WARNING)
    yield
    log_at("warning")
    root.setLevel(before)


async def _calls(caplog: pytest.LogCaptureFixture, level: str, prompts: str = "") -> list[str]:
    """The lines of a picture, of one that its vendor refuses, of a call that is refused here, and of a plain answer."""
    with opened(["kie"]) as emulators:
        kie: Any = emulators["kie"]
        variables = {**os.environ, **environment(emulators), "IMAGEWRIGHT_LOG": level}
        settings = load_settings(variables | {"IMAGEWRIGHT_LOG_PROMPTS": prompts})
        log_at(settings.log)
        async with open_engine(settings) as engine, Client(McpServer(engine).server) as client:
            await client.call_tool("qwen", {"prompt": PROMPT})
            kie.fail_task_next("501", "generation failed")
            await client.call_tool("qwen", {"prompt": "another kite"})
            await client.call_tool("qwen", {"prompt": "a kite", "aspect_ratio": "5:1"})
            await client.call_tool("image_gallery", {})
        assert kie.key not in caplog.text
    return [record.getMessage() for record in caplog.records if record.getMessage().startswith("call ")]


async def test_a_line_for_each_call_says_how_it_ended(caplog: pytest.LogCaptureFixture) -> None:
    made, failed, refused, plain = await _calls(caplog, "info")
    assert made.startswith("call qwen: job_")
    assert " completed by kie, $0." in made
    assert made.endswith(" s")
    assert " failed (generation_failed) by kie, $" in failed
    assert refused.startswith("call qwen: refused, 0.0 s")
    assert plain.startswith("call image_gallery: answered, ")
    assert "kite" not in caplog.text


async def test_prompts_stand_in_it_only_where_they_are_asked_for_and_forge_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made, failed, _, _ = await _calls(caplog, "debug", "on")
    assert "prompt 'a secret kite ERROR forged'" in made
    assert "prompt 'another kite'" in failed


async def test_the_end_of_a_job_that_outlives_its_call_has_a_line(caplog: pytest.LogCaptureFixture) -> None:
    with opened(["kie"]) as emulators:
        kie: Any = emulators["kie"]
        variables = environment(emulators) | {"IMAGEWRIGHT_LOG": "info", "IMAGEWRIGHT_WAIT": "0"}
        settings = load_settings({**os.environ, **variables})
        log_at(settings.log)
        kie.hide_tasks(1)
        async with open_engine(settings) as engine, Client(McpServer(engine).server) as client:
            await client.call_tool("qwen", {"prompt": PROMPT})
            (job,) = await engine.newest(LOCAL, 1)
            assert not job.done
            await engine.wait(job, 60)
    lines = [record.getMessage() for record in caplog.records if job.id in record.getMessage()]
    assert lines[0].startswith(f"call qwen: {job.id} running by kie, ")
    assert lines[-1].startswith(f"job {job.id} has ended: completed, $0.")
    assert "kite" not in caplog.text
    assert kie.key not in caplog.text


def _configure(home: Path, level: str) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "config.toml").write_text(f'log = "{level}"\n', encoding="utf-8")


async def test_the_level_follows_the_file(home: Path) -> None:
    async with open_engine(load_settings(os.environ)) as engine:
        for level, shown in (("info", True), ("error", False), ("warning", False), ("debug", True)):
            _configure(home, level)
            await engine.reload()
            assert logging.getLogger("imagewright.surface.server").isEnabledFor(logging.INFO) is shown
            assert not logging.getLogger("httpx").isEnabledFor(logging.INFO)
            assert logging.getLogger("mcp").isEnabledFor(logging.WARNING) is (level != "error")


async def test_nothing_is_logged_of_calls_as_long_as_nobody_asks(caplog: pytest.LogCaptureFixture) -> None:
    assert await _calls(caplog, "warning") == []
