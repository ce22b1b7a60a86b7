"""A switch thrown while a server runs: news in both eras, then list, guide and refusals agree."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.catalog.load import catalog
from imagewright.cli.main import main
from imagewright.engine.offer import HELPER_TOOLS, tool_names
from wire import MODERN, PATIENCE, REVISIONS, RawClient

if TYPE_CHECKING:
    from pathlib import Path

PROMISE = 2.0
"""Seconds within which a running server follows a switch."""
NEWS = {
    "notifications/tools/list_changed",
    "notifications/resources/list_changed",
    "notifications/prompts/list_changed",
}


def collect(client: RawClient, wanted: set[str]) -> float:
    """Wait for these notifications; seconds until the last of them came."""
    start, missing = time.monotonic(), set(wanted)
    while missing:
        message = client.notifications.get(timeout=PATIENCE)
        assert "ended" not in message, "".join(client.log)
        missing.discard(message["method"])
    return time.monotonic() - start


def listen(client: RawClient) -> None:
    """Modern clients say what they want to hear; the acknowledgement comes first."""
    if client.revision == MODERN:
        kinds = {"toolsListChanged": True, "resourcesListChanged": True, "promptsListChanged": True}
        client.begin("subscriptions/listen", {"notifications": kinds})
        collect(client, {"notifications/subscriptions/acknowledged"})


def texts(client: RawClient) -> str:
    """Everything an assistant reads, except the running connection's first instructions."""
    listed: list[dict[str, Any]] = client.ask("tools/list")["tools"]
    parts = [str(listed)]
    guides = [one["uri"] for one in client.ask("resources/list")["resources"] if one["uri"].startswith("guide://")]
    parts += [client.ask("resources/read", {"uri": uri})["contents"][0]["text"] for uri in guides]
    if client.revision == MODERN:
        parts.append(client.ask("server/discover")["instructions"])
    parts += [str(client.ask("prompts/list"))]
    return "\n".join(parts)


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_running_server_follows_the_switch(revision: str, home: Path) -> None:
    victim = next(reversed(catalog()))
    with RawClient(revision) as client:
        listen(client)
        assert victim in texts(client)
        assert main(["tools", "disable", victim]) == 0
        assert collect(client, NEWS) < PROMISE
        assert victim not in texts(client)
        refusal = client.call(victim, {"prompt": "x"})
        assert refusal["isError"] is True
        assert f"{victim} is off: switched off by {home}" in refusal["content"][0]["text"]
        assert main(["tools", "enable", victim]) == 0
        assert collect(client, NEWS) < PROMISE
        assert victim in texts(client)


@pytest.mark.parametrize("victim", tool_names())
def test_each_of_the_ten_can_be_off_alone_and_a_late_call_names_the_alternatives(victim: str) -> None:
    with RawClient(MODERN, env={"IMAGEWRIGHT_DISABLE": victim}) as client:
        names = [tool["name"] for tool in client.ask("tools/list")["tools"]]
        assert names == [name for name in tool_names() if name != victim]
        if victim not in HELPER_TOOLS:
            assert victim not in texts(client)
        result = client.call(victim, {})
        assert result["isError"] is True
        text = result["content"][0]["text"]
        assert "IMAGEWRIGHT_DISABLE" in text
        if victim in catalog():
            operation = catalog()[victim].operation_for(set())
            able = [row.tool for row in catalog().values() if operation in row.operations and row.tool != victim]
            assert all(name in text for name in able)


def test_a_broken_configuration_changes_nothing_and_is_logged(home: Path) -> None:
    with RawClient(MODERN) as client:
        listen(client)
        config = home / "config.toml"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text('[tools]\ndisable = ["no_such_tool"]\n', encoding="utf-8")
        deadline = time.monotonic() + PATIENCE
        while not any("no_such_tool" in line for line in client.log):
            assert time.monotonic() < deadline
        assert [tool["name"] for tool in client.ask("tools/list")["tools"]] == list(tool_names())


@pytest.mark.parametrize(
    ("arguments", "env", "said"),
    [
        (("--tools", "qwen_"), {}, "qwen_"),
        ((), {"IMAGEWRIGHT_TOOLS": "recrat"}, "recraft"),
        ((), {"IMAGEWRIGHT_DISABLE": "image_gallary"}, "image_gallery"),
        (("--provider", "offlin"), {}, "offline"),
        ((), {"IMAGEWRIGHT_WAIT": "soon"}, "IMAGEWRIGHT_WAIT"),
        ((), {"IMAGEWRIGHT_ROOTS": "pictures"}, "absolute"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_line(
    arguments: tuple[str, ...], env: dict[str, str], said: str
) -> None:
    client = RawClient(MODERN, arguments, env)
    code = client.process.wait(PATIENCE)
    client.__exit__(None, None, None)
    assert code == 2
    assert client.stray == []
    assert len(client.log) == 1
    assert said in client.log[0]
