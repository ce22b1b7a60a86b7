"""Above a price the user is asked through the client, in either protocol era; silence and trouble mean no."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import mcp.types as t
import pytest
from mcp import Client

from imagewright.catalog.load import catalog
from imagewright.engine.engine import open_engine
from imagewright.providers.base import PollPolicy
from imagewright.settings.load import load_settings
from imagewright.surface.server import McpServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.emulators.kie import KieEmulator

pytestmark = pytest.mark.anyio
TOOL, CALL = next(iter(catalog())), {"prompt": "a lighthouse"}
LITTLE, PLENTY = "0.001", "1"
"""USD below and above what one picture costs."""


@asynccontextmanager
async def connected(
    kie: KieEmulator, home: Path, mode: str, answer: t.ElicitResult | None, limit: str
) -> AsyncIterator[tuple[Client, list[str]]]:
    """A client in that era whose user gives this answer; None for a client that cannot ask."""
    asked: list[str] = []

    async def ask(_context: Any, params: Any) -> t.ElicitResult:
        asked.append(params.message)
        assert answer is not None
        return answer

    env = {
        "IMAGEWRIGHT_HOME": str(home),
        "IMAGEWRIGHT_CONFIRM_ABOVE": limit,
        "KIE_API_KEY": kie.key,
        "IMAGEWRIGHT_KIE_BASE_URL": kie.addresses[""],
        "IMAGEWRIGHT_KIE_UPLOAD_BASE_URL": kie.addresses["upload"],
    }
    async with open_engine(load_settings(env)) as engine:
        engine.config.registry.providers["kie"].poll_policy = PollPolicy(first=0.01, longest=0.01)
        able = {} if answer is None else {"elicitation_callback": ask}
        async with Client(McpServer(engine).server, mode=mode, **able) as client:  # type: ignore[arg-type]  # plain words
            yield client, asked


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize(
    ("answer", "made"),
    [
        pytest.param(t.ElicitResult(action="accept", content={"agree": True}), True, id="yes"),
        pytest.param(t.ElicitResult(action="accept", content={"agree": False}), False, id="no"),
        pytest.param(t.ElicitResult(action="accept", content={}), False, id="silence"),
        pytest.param(t.ElicitResult(action="decline"), False, id="declined"),
        pytest.param(t.ElicitResult(action="cancel"), False, id="closed"),
    ],
)
async def test_only_a_plain_yes_spends(
    kie: KieEmulator,
    home: Path,
    mode: str,
    answer: t.ElicitResult,
    made: bool,  # noqa: FBT001 - a column of the table
) -> None:
    async with connected(kie, home, mode, answer, LITTLE) as (client, asked):
        result = await client.call_tool(TOOL, CALL)
    assert len(asked) == 1
    assert "about $0.0" in asked[0]
    assert bool(result.is_error) is not made
    assert len(kie.charges) == int(made)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_that_cannot_ask_learns_how_to_allow_it(kie: KieEmulator, home: Path, mode: str) -> None:
    async with connected(kie, home, mode, None, LITTLE) as (client, _):
        result = await client.call_tool(TOOL, CALL)
    assert result.is_error
    assert isinstance(result.content[0], t.TextContent)
    assert "IMAGEWRIGHT_CONFIRM_ABOVE" in result.content[0].text
    assert kie.charges == []


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_below_the_threshold_nobody_is_asked(kie: KieEmulator, home: Path, mode: str) -> None:
    answer = t.ElicitResult(action="decline")
    async with connected(kie, home, mode, answer, PLENTY) as (client, asked):
        result = await client.call_tool(TOOL, CALL)
    assert not result.is_error
    assert asked == []
    assert len(kie.charges) == 1
