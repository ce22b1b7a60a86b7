"""Every setting of the file, changed under a running server: the next call goes by it, or its help says it does not."""

from __future__ import annotations

import base64
import os
from io import BytesIO
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from mcp import Client
from PIL import Image

from imagewright.engine.engine import open_engine
from imagewright.settings.load import load_settings, log_at
from imagewright.settings.table import NAMES
from imagewright.storage.accounts import LOCAL
from imagewright.surface.server import McpServer
from tests.support.raw_client import PATIENCE
from tests.support.vendors import environment, opened, submitted_to

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("hurried")]

PLAIN = ("qwen", {"prompt": "a kite"})
PICTURE = "a picture"
DRAFT = {"image": PICTURE}
CALLS: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "wait": ("wait = 0", *PLAIN, "Still running"),
    "reply_budget": ("reply_budget = 20000", *PLAIN, "Previews were shrunk"),
    "resource_links": ("resource_links = true", *PLAIN, '"resource_link"'),
    "keep_metadata": (
        "keep_metadata = false",
        "nano_banana",
        {"prompt": "a kite", "images": [PICTURE]},
        "]: EXIF data",
    ),
    "cutout_model": ('providers = ["offline"]\ncutout_model = "/none.onnx"', "recraft", DRAFT, "setting cutout_model"),
    "budget.per_call": ("budget.per_call = 0.001", *PLAIN, "the limit per call is $0.001"),
    "budget.per_day": ("budget.per_day = 0.001", *PLAIN, "of the $0.001 for this day"),
    "budget.per_month": ("budget.per_month = 0.001", *PLAIN, "of the $0.001 for this month"),
    "budget.confirm_above": ("budget.confirm_above = 0.001", *PLAIN, "cannot ask the user"),
    "log_prompts": ('log = "info"\nlog_prompts = true', *PLAIN, "prompt 'a kite 2'"),
}
"""Settings that show in a call, or in its line of the log: lines of the file, the call, and what is there only then."""
SHOWN_ELSEWHERE = {
    "test_live_toggles": {"tools.allow", "tools.disable"},
    "test_reload": {"providers", "addresses", "routes"},
    "test_call_log": {"log"},
    "test_allowed": {"allow_hosts"},
    "test_following": {"rates"},
}
"""The others that are followed, by the tests that show it."""
AT_START = "read when a server starts"
"""In the help of what a running server does not follow."""
BEFORE = 'keep_metadata = true\nlog = "info"'
"""The file when the server starts: all else has its default."""


@pytest.fixture(autouse=True)
def usual_level() -> Iterator[None]:
    """The log as it was before."""
    yield
    log_at("warning")


async def test_each_setting_is_followed_or_its_help_says_that_it_is_not() -> None:
    elsewhere = [name for names in SHOWN_ELSEWHERE.values() for name in names]
    assert sorted([*CALLS, *elsewhere]) == sorted(name for name, one in NAMES.items() if AT_START not in one.help)


@pytest.mark.parametrize("name", CALLS)
async def test_the_next_call_goes_by_a_changed_setting(
    name: str, home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines, tool, arguments, words = CALLS[name]

    async def shown(client: Client, number: int) -> str:
        caplog.clear()
        given = {key: fill(value, number) for key, value in arguments.items()}
        reply = await client.call_tool(tool, given)
        return reply.model_dump_json() + caplog.text

    write(home, BEFORE)
    with opened(["kie"]) as emulators:
        settings = load_settings({**os.environ, **environment(emulators)}, working_directory=tmp_path)
        log_at(settings.log)
        async with open_engine(settings) as engine, Client(McpServer(engine).server) as client:
            before = await shown(client, 1)
            write(home, lines)
            await engine.reload()
            after = await shown(client, 2)
    assert words not in before
    assert words in after


async def test_a_changed_rate_makes_the_next_calls_wait(home: Path) -> None:
    with opened(["kie"]) as emulators:
        async with open_engine(load_settings({**os.environ, **environment(emulators)})) as engine:
            write(home, 'rates.kie = "1/3600"')
            await engine.reload()
            job = await engine.start(LOCAL, "qwen", {"prompt": "kites", "variants": 2})
            with anyio.fail_after(PATIENCE):
                async for state in engine.watch(job):
                    if "for a turn at kie, which takes 1 request in 3600 s" in state.stage:
                        break
        assert submitted_to("kie", emulators["kie"]) <= 1


def write(home: Path, text: str) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "config.toml").write_text(text, encoding="utf-8")


def fill(value: Any, number: int) -> Any:
    """The value for this call: no two are the same, as a repeated call is answered with the first one's job."""
    if isinstance(value, list):
        return [fill(one, number) for one in value]
    return with_exif(number) if value == PICTURE else f"{value} {number}"


def with_exif(number: int) -> str:
    """Another picture for each number."""
    exif = Image.Exif()
    exif[0x010E] = "where it was taken"
    with BytesIO() as stream:
        Image.new("RGB", (320, 320), (90, 90, 90 + number)).save(stream, "jpeg", exif=exif)
        return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
