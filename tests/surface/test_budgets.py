"""Budgets as a client meets them: what does not fit is refused with the sums, and the vendor never hears of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import mcp.types as t
import pytest
from mcp import Client

from imagewright.engine.engine import open_engine
from imagewright.settings.load import load_settings
from imagewright.surface import elicit
from imagewright.surface.server import McpServer
from tests.support.kill_runs import House, given, plain_route
from tests.support.slow_vendors import SlowKie
from tests.support.vendors import environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CALLS, ROOM = 50, 20
ROUTE = plain_route(SlowKie.name)
PRICE = ROUTE.price.usd or 0.0


@pytest.fixture
def kie() -> Iterator[SlowKie]:
    with SlowKie() as emulator:
        emulator.lags = {}
        yield emulator


@pytest.fixture
def house(kie: SlowKie, home: Path) -> House:
    return House(home, kie)


def texts(answers: dict[int, dict[str, Any]]) -> list[str]:
    """The refusals among the answers."""
    return [one["result"]["content"][0]["text"] for one in answers.values() if one["result"].get("isError")]


@pytest.mark.parametrize("period", ["DAY", "MONTH"])
def test_racing_calls_of_one_server_never_overshoot(house: House, period: str) -> None:
    limit = {f"IMAGEWRIGHT_BUDGET_PER_{period}": f"{PRICE * (ROOM + 0.5):.6f}", "IMAGEWRIGHT_WAIT": "0.1"}
    with house.server(**limit) as server:
        answers = server.answers([house.begin(server, f"kite {number}") for number in range(CALLS)])
        house.wait_until_settled(ROOM)
    refusals = texts(answers)
    assert len(refusals) == CALLS - ROOM
    assert all(f"for this {period.lower()}" in text and "nothing was spent" in text for text in refusals)
    audit = house.audit()
    audit.check()
    assert sum(audit.submits.values()) == len(audit.charges) == ROOM


def test_one_call_too_dear_is_refused_and_a_cheaper_one_is_made(house: House) -> None:
    with house.server(IMAGEWRIGHT_BUDGET_PER_CALL=f"{PRICE * 1.5:.6f}") as server:
        dear, cheap = house.begin(server, "dear", variants=2), house.begin(server, "cheap")
        answers = server.answers([dear, cheap])
    (refusal,) = texts(answers)
    assert "the limit per call is" in refusal
    assert "fewer variants" in refusal
    assert not answers[cheap]["result"].get("isError")
    assert set(house.audit().submits) == {"cheap"}


def test_money_that_was_not_spent_is_there_again(house: House, kie: SlowKie) -> None:
    kie.fail_task_next("500", "internal error")
    with house.server(IMAGEWRIGHT_BUDGET_PER_DAY=f"{PRICE * 1.5:.6f}") as server:
        first = server.call(ROUTE.tool, given(ROUTE, "one"))
        assert first["isError"] is True
        (job,) = house.jobs()
        assert job.cost_usd == 0.0
        assert not server.call(ROUTE.tool, given(ROUTE, "two")).get("isError")
        assert server.call(ROUTE.tool, given(ROUTE, "three"))["isError"] is True
    assert len(kie.charges) == 1


@pytest.mark.anyio
async def test_a_user_who_says_nothing_has_not_agreed(
    kie: SlowKie, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elicit, "ASK_SECONDS", 0.1)

    async def think_for_ever(context: Any, params: Any) -> t.ElicitResult:  # noqa: ARG001 - the client's names
        await anyio.sleep_forever()
        raise AssertionError

    env = environment({"kie": kie}) | {"IMAGEWRIGHT_HOME": str(home), "IMAGEWRIGHT_CONFIRM_ABOVE": "0"}
    with anyio.fail_after(60):
        async with (
            open_engine(load_settings(env)) as engine,
            Client(McpServer(engine).server, mode="legacy", elicitation_callback=think_for_ever) as client,
        ):
            result = await client.call_tool(ROUTE.tool, given(ROUTE, "a kite"))
    assert result.is_error
    assert isinstance(result.content[0], t.TextContent)
    assert "the user did not agree to the price" in result.content[0].text
    assert kie.requests == []
