"""A switch thrown while a server runs: news in both eras, then list, guide and refusals agree."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from mcp.server.subscriptions import ServerEvent, ToolsListChanged

from imagewright.catalog.load import catalog
from imagewright.cli.main import main
from imagewright.engine import config
from imagewright.engine.offer import HELPER_TOOLS, tool_names
from imagewright.surface.server import CHANGES, News
from tests.support.raw_client import AS_A_USER, ERAS, MODERN, PATIENCE, RawClient

if TYPE_CHECKING:
    from collections.abc import Iterator

PROMISE = 2.0
"""Seconds within which a running server follows a switch, on a machine that is not busy."""
NEWS = {
    "notifications/tools/list_changed",
    "notifications/resources/list_changed",
    "notifications/prompts/list_changed",
}


def collect(client: RawClient, wanted: set[str]) -> None:
    """Wait for these notifications."""
    missing = set(wanted)
    while missing:
        message = client.notifications.get(timeout=PATIENCE)
        assert "ended" not in message, "".join(client.log)
        missing.discard(message["method"])


def listen(client: RawClient) -> None:
    """Modern clients say what they want to hear; the acknowledgement comes first."""
    if client.revision == MODERN:
        kinds = {"toolsListChanged": True, "resourcesListChanged": True, "promptsListChanged": True}
        client.begin("subscriptions/listen", {"notifications": kinds})
        collect(client, {"notifications/subscriptions/acknowledged"})


def follow(client: RawClient, expected: list[str]) -> None:
    """Wait until these tools are listed; there is news before each question."""
    while [tool["name"] for tool in client.ask("tools/list")["tools"]] != expected:
        collect(client, {"notifications/tools/list_changed"})


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


@pytest.mark.parametrize("revision", ERAS)
def test_a_running_server_follows_the_switch(revision: str, home: Path) -> None:
    victim = next(reversed(catalog()))
    with RawClient(revision) as client:
        listen(client)
        assert victim in texts(client)
        assert main(["tools", "disable", victim]) == 0
        collect(client, NEWS)
        if revision == MODERN:
            listen(client)  # as one that listed the tools before the change, and listens only now
            collect(client, NEWS)
        assert victim not in texts(client)
        refusal = client.call(victim, {"prompt": "x"})
        assert refusal["isError"] is True
        assert f"{victim} is off: switched off by {home}" in refusal["content"][0]["text"]
        assert main(["tools", "enable", victim]) == 0
        collect(client, NEWS)
        assert victim in texts(client)


@pytest.mark.anyio
async def test_whoever_begins_to_listen_hears_of_what_has_changed_since_it_was_listed() -> None:
    async def listed(_ctx: object, params: str | None) -> str:
        if params is not None:
            raise ValueError(params)
        return "tools"

    async def heard_after(*requests: object) -> list[ServerEvent]:
        """What is heard at once by who begins to listen after the tools were listed for each of these requests."""
        for request in requests:
            seeing = news.seen_by(listed, ToolsListChanged())
            assert await seeing(SimpleNamespace(request=request), None) == "tools"  # type: ignore[arg-type]
        found: list[ServerEvent] = []
        news.subscribe(found.append)()
        return found

    news, over_http = News(), object()
    assert await heard_after() == []
    for change in reversed(CHANGES):
        await news.publish(change)
    assert await heard_after(over_http) == [*CHANGES], "somebody else may have asked"
    with pytest.raises(ValueError, match="no such page"):
        await news.seen_by(listed, ToolsListChanged())(SimpleNamespace(request=None), "no such page")  # type: ignore[arg-type]
    assert await heard_after() == [*CHANGES], "who was refused has not seen the list"
    assert await heard_after(None) == [*CHANGES[1:]]
    await news.publish(ToolsListChanged())
    assert await heard_after() == [*CHANGES]


def test_files_are_looked_at_often_enough_for_the_promise() -> None:
    assert config.LOOK_EVERY <= PROMISE / 2


@pytest.fixture(scope="module")
def switched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawClient]:
    """A server that is switched again and again: starting is what takes the time."""
    base = str(tmp_path_factory.mktemp("switched"))
    with RawClient(MODERN, env={"IMAGEWRIGHT_HOME": base, "HOME": base}, quick=True) as client:
        listen(client)
        yield client


def check_off(client: RawClient, victim: str, by: str) -> None:
    """The list lacks it, no text mentions it, and a late call learns who switched it off and what can do its work."""
    names = [tool["name"] for tool in client.ask("tools/list")["tools"]]
    assert names == [name for name in tool_names() if name != victim]
    if victim not in HELPER_TOOLS:
        assert victim not in texts(client)
    result = client.call(victim, {})
    assert result["isError"] is True
    text = result["content"][0]["text"]
    assert by in text
    if victim in catalog():
        operation = catalog()[victim].operation_for(set())
        able = [row.tool for row in catalog().values() if operation in row.operations and row.tool != victim]
        assert all(name in text for name in able)


@pytest.mark.parametrize("victim", tool_names())
def test_each_of_the_ten_can_be_off_alone_and_a_late_call_names_the_alternatives(
    victim: str, switched: RawClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = switched.env["IMAGEWRIGHT_HOME"]
    monkeypatch.setenv("IMAGEWRIGHT_HOME", home)
    assert main(["tools", "disable", victim]) == 0
    try:
        follow(switched, [name for name in tool_names() if name != victim])
        check_off(switched, victim, by=home)
    finally:
        assert main(["tools", "enable", victim]) == 0


def test_one_can_be_off_from_the_start() -> None:
    victim = next(iter(catalog()))
    with RawClient(MODERN, env={"IMAGEWRIGHT_DISABLE": victim}) as client:
        check_off(client, victim, by="IMAGEWRIGHT_DISABLE")


def test_a_broken_configuration_changes_nothing_and_is_logged(switched: RawClient) -> None:
    config = Path(switched.env["IMAGEWRIGHT_HOME"]) / "config.toml"
    follow(switched, list(tool_names()))
    good = config.read_text(encoding="utf-8") if config.exists() else ""
    config.write_text('[tools]\ndisable = ["no_such_tool"]\n', encoding="utf-8")
    try:
        deadline = time.monotonic() + PATIENCE
        while not any("no_such_tool" in line for line in switched.log):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert [tool["name"] for tool in switched.ask("tools/list")["tools"]] == list(tool_names())
    finally:
        config.write_text(good, encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "env", "words"),
    [
        (["--tools", "qwen_"], {}, "qwen_"),
        ([], {"IMAGEWRIGHT_TOOLS": "recrat"}, "recraft"),
        ([], {"IMAGEWRIGHT_DISABLE": "image_gallary"}, "image_gallery"),
        (["--provider", "offlin"], {}, "offline"),
        ([], {"IMAGEWRIGHT_WAIT": "soon"}, "IMAGEWRIGHT_WAIT"),
        ([], {"IMAGEWRIGHT_ROOTS": "pictures"}, "absolute"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_line(
    arguments: list[str],
    env: dict[str, str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for variable, value in env.items():
        monkeypatch.setenv(variable, value)
    assert main(arguments) == 2
    shown = capfd.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert words in line


def test_a_process_that_does_not_start_says_so_and_nothing_else() -> None:
    client = RawClient(MODERN, ("--tools", "qwen_"), program=AS_A_USER)
    code = client.process.wait(PATIENCE)
    client.__exit__(None, None, None)
    assert (code, client.stray, len(client.log)) == (2, [], 1)
    assert "qwen_" in client.log[0]
