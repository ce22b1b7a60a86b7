"""The server over HTTP on one's own machine: both eras, several clients, and nothing lost when one hangs up."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Literal

import anyio
import httpx2
import mcp.types as t
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage

from imagewright.engine.engine import open_engine
from imagewright.settings.load import load_settings
from imagewright.surface.server import CHANGES, McpServer
from tests.support.kill_runs import Aim, House, given, plain_route
from tests.support.raw_client import ERAS, MODERN
from tests.support.raw_http import HttpProcess, RawHttp, events
from tests.support.slow_vendors import SlowKie

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROMPT = "a heron"
ASKED = {"prompt": PROMPT, "seed": 3}
ABLE: dict[str, Any] = {"elicitation": {}}
SOON = 60.0
"""Seconds; a server ends within tenths of one, but the machine may be busy."""


@pytest.fixture
def house(home: Path) -> Iterator[House]:
    with SlowKie() as kie:
        kie.seconds = 0.0
        yield House(home, kie)


def serve(house: House, port: int = 0, **env: str) -> HttpProcess:
    return HttpProcess(port=port, **{**house.environment(), "IMAGEWRIGHT_LEASE": "1", **env})


def data(answer: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = answer["result"]["structuredContent"]
    return found


def picture(house: House, client: RawHttp) -> dict[str, Any]:
    route = plain_route(house.vendor.name)
    return data(client.answer(client.begin("tools/call", {"name": route.tool, "arguments": given(route, PROMPT)})))


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpProcess]:
    with HttpProcess(IMAGEWRIGHT_HOME=str(tmp_path_factory.mktemp("shared")), IMAGEWRIGHT_WAIT="30") as server:
        yield server


@pytest.mark.parametrize("revision", ["2025-03-26", *ERAS])
def test_each_era_lists_calls_reads_and_completes(offline: HttpProcess, revision: str) -> None:
    client = offline.client(revision)
    assert client.hello["capabilities"]["tools"] == {"listChanged": True}
    assert client.hello["capabilities"]["resources"] == {"listChanged": True, "subscribe": False}
    assert len(client.ask("tools/list")["tools"]) == 10
    reply = client.call("qwen", ASKED, progress=True)
    assert [block["type"] for block in reply["content"]] == ["image", "text"]
    shares = [one["params"]["progress"] for one in client.notifications]
    assert shares == sorted(set(shares))
    assert shares, "progress comes before the answer"
    picture = reply["structuredContent"]["images"][0]
    read = client.ask("resources/read", {"uri": picture["uri"]})
    assert read["contents"][0]["mimeType"] == f"image/{picture['format']}"
    argument = {
        "ref": {"type": "ref/resource", "uri": "guide://tools/{tool}"},
        "argument": {"name": "tool", "value": "q"},
    }
    assert client.ask("completion/complete", argument)["completion"]["values"] == ["qwen"]
    again = client.call("qwen", ASKED)["structuredContent"]
    assert again["job_id"] != reply["structuredContent"]["job_id"], "an answer that was read is not given again"


def test_clients_of_both_eras_that_listen_hear_of_a_change(home: Path) -> None:
    with HttpProcess(IMAGEWRIGHT_HOME=str(home)) as server:
        legacy, modern, other = (server.client(revision) for revision in (ERAS[0], MODERN, ERAS[0]))
        stream = events(legacy.listen())
        wanted = {"notifications": {"toolsListChanged": True}}
        heard = events(modern.response(modern.begin("subscriptions/listen", wanted)))
        assert next(heard)["method"] == "notifications/subscriptions/acknowledged"
        (home / "config.toml").write_text('[tools]\ndisable = ["qwen"]\n', encoding="utf-8")
        for events_of in (stream, heard):
            assert next(events_of)["method"] == "notifications/tools/list_changed"
        after = server.client(MODERN)
        late = events(after.response(after.begin("subscriptions/listen", wanted)))
        heard_late = [next(late)["method"], next(late)["method"]]
        assert heard_late == ["notifications/subscriptions/acknowledged", "notifications/tools/list_changed"]
        other_late = events(other.listen())
        assert [next(other_late)["method"].split("/")[1] for _ in CHANGES] == ["tools", "resources", "prompts"]
        for client in (legacy, modern, other):
            assert "qwen" not in [tool["name"] for tool in client.ask("tools/list")["tools"]]
        refused = other.call("qwen", ASKED)
        assert refused["isError"]
        assert "qwen is off" in refused["content"][0]["text"]


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_sdks_own_client_calls_and_hears(offline: HttpProcess, mode: Literal["auto", "legacy"]) -> None:
    shares: list[float] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        assert (total, message is None) == (1.0, False)
        shares.append(progress)

    headers = {"Authorization": f"Bearer {offline.token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=SOON) as http,
        Client(streamable_http_client(offline.url, http_client=http), mode=mode) as client,
    ):
        assert client.protocol_version == (MODERN if mode == "auto" else ERAS[0])
        reply = await client.call_tool("qwen", {"prompt": f"a kite, {mode}"}, progress_callback=note)
        assert not reply.is_error
        assert shares


@pytest.mark.anyio
async def test_a_client_that_does_not_read_keeps_no_other_from_the_news(home: Path) -> None:
    async with (
        open_engine(load_settings({"IMAGEWRIGHT_HOME": str(home)})) as engine,
        anyio.create_task_group() as group,
    ):
        app = McpServer(engine)
        readers, used = [], ExitStack()
        for _ in ("deaf", "other"):
            send, read = anyio.create_memory_object_stream[SessionMessage | Exception]()
            write, received = anyio.create_memory_object_stream[SessionMessage]()
            for stream in (send, read, write, received):
                used.enter_context(stream)
            group.start_soon(app.server.run, read, write, app.server.create_initialization_options())
            info = {"name": "raw", "version": "1"}
            hello = {"protocolVersion": ERAS[0], "capabilities": {}, "clientInfo": info}
            await send.send(SessionMessage(t.JSONRPCRequest(jsonrpc="2.0", id=1, method="initialize", params=hello)))
            await received.receive()
            await send.send(SessionMessage(t.JSONRPCNotification(jsonrpc="2.0", method="notifications/initialized")))
            await send.send(SessionMessage(t.JSONRPCRequest(jsonrpc="2.0", id=2, method="ping")))
            await received.receive()  # by now it counts among those that hear of changes
            readers.append(received)
        group.start_soon(app.offer_changed)
        with anyio.fail_after(SOON):
            news = [(await readers[1].receive()).message for _ in range(3)]
        assert all(isinstance(one, t.JSONRPCNotification) for one in news)
        group.cancel_scope.cancel()
    used.close()


@pytest.mark.parametrize("revision", ERAS)
@pytest.mark.parametrize("aim", [Aim.SUBMITTING, Aim.SUBMITTED])
def test_who_hangs_up_and_calls_again_gets_the_picture_of_the_first_call(house: House, revision: str, aim: Aim) -> None:
    route = plain_route(house.vendor.name)
    with serve(house) as server:
        client = server.client(revision)
        with house.held(aim):
            request = client.begin("tools/call", {"name": route.tool, "arguments": given(route, PROMPT)}, progress=True)
            house.wait_for(aim)
            client.hang_up(request)
        house.wait_until_settled(1)
        found = picture(house, client)
        assert (found["status"], len(found["images"])) == ("completed", 1)
        assert picture(house, client)["job_id"] != found["job_id"], "it was heard now"
        house.wait_until_settled(2)
    assert len(house.audit().charges) == 2


@pytest.mark.parametrize("ends_session", [False, True])
def test_a_call_that_its_client_cancels_or_whose_session_ends_loses_nothing(
    house: House, *, ends_session: bool
) -> None:
    route = plain_route(house.vendor.name)
    with serve(house) as server:
        client = server.client(ERAS[0])
        with house.held(Aim.SUBMITTED):
            request = client.begin("tools/call", {"name": route.tool, "arguments": given(route, PROMPT)})
            house.wait_for(Aim.SUBMITTED)
            if ends_session:
                assert client.leave() == 200
                assert client.post({"jsonrpc": "2.0", "id": 99, "method": "ping"}) == 404
                client = server.client(ERAS[0])
            else:
                assert client.tell("notifications/cancelled", {"requestId": request}) == 202
                assert client.answer(request)["error"]["code"] == -32800
        found = picture(house, client)
    assert (found["status"], len(found["images"])) == ("completed", 1)
    audit = house.audit()
    audit.check()
    assert len(audit.jobs) == len(audit.charges) == 1


def test_a_killed_server_loses_nothing_and_the_next_one_on_its_port_has_the_same_token(house: House) -> None:
    route = plain_route(house.vendor.name)
    with serve(house) as server:
        first = server.token
        client = server.client(MODERN)
        with house.held(Aim.SUBMITTED):
            client.begin("tools/call", {"name": route.tool, "arguments": given(route, PROMPT)})
            house.wait_for(Aim.SUBMITTED)
            server.process.kill()
            server.process.wait(SOON)
    with serve(house, server.port) as server:
        assert server.token == first
        found = picture(house, server.client(ERAS[0]))
    assert (found["status"], len(found["images"])) == ("completed", 1)
    audit = house.audit()
    audit.check()
    assert len(audit.jobs) == len(audit.charges) == 1


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize("revision", ERAS)
def test_after_term_calls_that_wait_are_told_that_they_go_on_and_what_is_being_sent_is_heard(
    house: House, revision: str
) -> None:
    route = plain_route(house.vendor.name)
    with serve(house, IMAGEWRIGHT_LEASE="3600") as server:
        client, listener = server.client(revision), server.client(revision)
        if revision == MODERN:
            stream = listener.response(
                listener.begin("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
            )
        else:
            stream = listener.listen()
        with house.held(Aim.SUBMITTING):
            request = client.begin("tools/call", {"name": route.tool, "arguments": given(route, PROMPT)})
            house.wait_for(Aim.SUBMITTING)
            os.kill(server.process.pid, signal.SIGTERM)
            assert "nothing is lost" in client.answer(request)["error"]["message"]
        assert server.process.wait(SOON) == 0
        last = [message for message in events(stream) if "method" not in message]
        assert len(last) == (revision == MODERN), "the later era has an end of its own"
    assert len(server.log) == 1, server.log
    with serve(house) as server:
        assert picture(house, server.client(revision))["status"] == "completed"
    audit = house.audit()
    audit.check()
    assert len(audit.jobs) == len(audit.charges) == 1


@pytest.mark.parametrize("revision", ERAS)
@pytest.mark.parametrize("agrees", [True, False])
def test_the_user_is_asked_about_the_price(house: House, revision: str, *, agrees: bool) -> None:
    route = plain_route(house.vendor.name)
    params: dict[str, Any] = {"name": route.tool, "arguments": given(route, PROMPT)}
    response = {"action": "accept", "content": {"agree": agrees}}
    with serve(house, IMAGEWRIGHT_CONFIRM_ABOVE="0") as server:
        client = RawHttp(server, revision, ABLE)
        request = client.begin("tools/call", params)
        if revision == MODERN:
            asked = client.answer(request)["result"]["inputRequests"]
            found = client.ask("tools/call", {**params, "inputResponses": dict.fromkeys(asked, response)})
        else:
            stream = events(client.response(request))
            question = next(stream)
            assert question["method"] == "elicitation/create"
            # another client's word counts for nothing, whichever it is
            other = {"action": "accept", "content": {"agree": not agrees}}
            RawHttp(server, revision, ABLE).post({"jsonrpc": "2.0", "id": question["id"], "result": other})
            assert client.post({"jsonrpc": "2.0", "id": question["id"], "result": response}) == 202
            found = next(one for one in stream if one.get("id") == request)["result"]
    assert found.get("isError", False) is not agrees
    assert len(house.audit().charges) == agrees
