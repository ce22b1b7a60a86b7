"""How a conversation opens: a question decides nothing, and whatever follows it is served."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import anyio
import mcp.types as t
import pytest
from mcp.server import Server

from imagewright.surface.opening import MOST_LOGGED, Opening, read_line
from tests.support.raw_client import AS_A_USER, MODERN, PATIENCE, PREFIX, RawClient

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.surface.opening import Item

INITIALIZE = "initialize"
DISCOVER = "server/discover"
LIST = "tools/list"
ENVELOPE = {"_meta": {f"{PREFIX}/protocolVersion": MODERN, f"{PREFIX}/clientCapabilities": {}}}
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
SHAKEN = '{"jsonrpc":"2.0","method":"notifications/initialized"}'
REFUSED_ERA = -32022


def request(number: int, method: str, params: dict[str, Any] | None = None) -> str:
    own = HELLO if method == INITIALIZE else ENVELOPE if method == DISCOVER else {}
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": own if params is None else params})


def cancelled(number: int) -> str:
    return json.dumps({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": number}})


def outcome(answer: dict[str, Any]) -> Any:
    """An error's code, or what kind of result it is."""
    if "error" in answer:
        return answer["error"]["code"]
    return next(key for key in ("supportedVersions", "protocolVersion", "tools") if key in answer["result"])


ORDERS = [
    pytest.param(
        [[request(1, DISCOVER), request(2, INITIALIZE), SHAKEN, request(3, LIST)]],
        {1: t.METHOD_NOT_FOUND, 2: "protocolVersion", 3: "tools"},
        id="both in the pipe",
    ),
    pytest.param(
        [[request(1, DISCOVER)], [request(2, INITIALIZE)], [SHAKEN, request(3, LIST)]],
        {1: "supportedVersions", 2: "protocolVersion", 3: "tools"},
        id="answered before the handshake",
    ),
    pytest.param(
        [[request(1, DISCOVER), cancelled(1), request(2, INITIALIZE), SHAKEN], [request(3, LIST)]],
        {2: "protocolVersion", 3: "tools"},
        id="cancelled before the handshake",
    ),
    pytest.param(
        [[request(1, DISCOVER), request(2, DISCOVER), request(3, INITIALIZE), SHAKEN, request(4, LIST)]],
        {1: t.METHOD_NOT_FOUND, 2: t.METHOD_NOT_FOUND, 3: "protocolVersion", 4: "tools"},
        id="asked twice",
    ),
    pytest.param(
        [[request(1, DISCOVER, {}), request(2, INITIALIZE), SHAKEN, request(3, LIST)]],
        {1: t.METHOD_NOT_FOUND, 2: "protocolVersion", 3: "tools"},
        id="asked without an envelope",
    ),
    pytest.param(
        [[request(1, INITIALIZE), SHAKEN], [request(2, DISCOVER)], [request(3, LIST)]],
        {1: "protocolVersion", 2: t.INVALID_REQUEST, 3: "tools"},
        id="asked after the handshake",
    ),
    pytest.param(
        [[request(1, DISCOVER), request(2, LIST, ENVELOPE)], [request(3, DISCOVER)], [request(4, LIST, ENVELOPE)]],
        {1: "supportedVersions", 2: "tools", 3: "supportedVersions", 4: "tools"},
        id="a modern client in haste",
    ),
    pytest.param(
        [[request(1, DISCOVER)], [cancelled(1), request(2, LIST, ENVELOPE)], [request(3, INITIALIZE)]],
        {1: "supportedVersions", 2: "tools", 3: REFUSED_ERA},
        id="a modern client that shakes hands in the end",
    ),
    pytest.param(
        [[request(1, DISCOVER), request(2, LIST, ENVELOPE), request(3, INITIALIZE)]],
        {1: "supportedVersions", 2: "tools", 3: REFUSED_ERA},
        id="a modern client that shakes hands at once",
    ),
    pytest.param(
        [["nonsense", request(1, DISCOVER), request(2, INITIALIZE), "[]", SHAKEN, request(3, LIST)]],
        {None: t.PARSE_ERROR, 1: t.METHOD_NOT_FOUND, 2: "protocolVersion", 3: "tools"},
        id="nonsense in between",
    ),
]


@pytest.mark.parametrize(("writes", "expected"), ORDERS)
def test_every_order_is_answered(writes: list[list[str]], expected: dict[int | None, Any], home: Path) -> None:
    client = RawClient("", env={"IMAGEWRIGHT_HOME": str(home), "HOME": str(home)})
    found: dict[Any, Any] = {}
    for lines in writes:
        client.send("\n".join(lines))
        numbers = {json.loads(line).get("id") for line in lines if line.startswith('{"jsonrpc": "2.0", "id"')}
        while (numbers & set(expected)) - set(found):
            answer = client._answers.get(timeout=30)  # noqa: SLF001 - answers to nonsense have no number
            assert "ended" not in answer, "".join(client.log)
            found.setdefault(answer["id"], outcome(answer))
    client.__exit__(None, None, None)
    assert found == expected
    assert client.stray == []
    assert client.process.returncode == 0
    assert len(client.log) == sum(line in {"nonsense", "[]"} for lines in writes for line in lines)


class Silent(Server[Any]):
    """A server that never answers: a handshake finds the question open."""

    def __init__(self) -> None:
        super().__init__("silent")
        self.asked = anyio.Event()

    async def run(self, read_stream: Any, write_stream: Any, *_options: Any, **_more: Any) -> None:
        async with read_stream, write_stream:
            await read_stream.receive()
            self.asked.set()
            await anyio.sleep_forever()


class Written:
    """What the client would read."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    async def send(self, item: Any, /) -> None:
        self.messages.append(item.message)

    def send_at_once(self, item: Any) -> bool:
        self.messages.append(item.message)
        return True

    send_beside = send_at_once

    async def room(self) -> None:
        """A list has room for everything."""


@pytest.mark.anyio
async def test_a_handshake_overtakes_a_question_that_is_being_answered(caplog: pytest.LogCaptureFixture) -> None:
    server, written = Silent(), Written()
    requests, to_server = anyio.create_memory_object_stream[Any](5)
    lines, incoming = anyio.create_memory_object_stream[list["Item"]](5)
    with anyio.fail_after(60), caplog.at_level(logging.WARNING):
        async with to_server, incoming, anyio.create_task_group() as group:
            group.start_soon(Opening(server, requests, written).relay, incoming)
            async with lines:
                await lines.send([message(request(1, DISCOVER))])
                await server.asked.wait()
                await lines.send([message("half a line"), message(request(2, INITIALIZE))])
                handshake = (await to_server.receive()).message
    assert handshake.method == INITIALIZE
    assert [(one.id, one.error.code) for one in written.messages] == [(None, t.PARSE_ERROR), (1, t.METHOD_NOT_FOUND)]
    assert len(caplog.messages) == 1
    assert "half" not in caplog.text


@pytest.mark.skipif(os.name != "posix", reason="Windows has other words for a pipe that nobody reads")
def test_a_flood_of_nonsense_from_a_client_that_reads_nothing_ends_with_it(home: Path) -> None:
    server = subprocess.Popen(  # noqa: S603 - our own server
        [sys.executable, *AS_A_USER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "IMAGEWRIGHT_HOME": str(home)},
    )
    assert server.stdin is not None
    assert server.stdout is not None
    assert server.stderr is not None
    with server.stderr, server.stdin:
        server.stdin.write(b"nonsense\n" * 3_000)  # more answers than a pipe holds, and would be more of the log
        server.stdin.flush()
        assert b"-32700" in server.stdout.readline()
        for _ in range(MOST_LOGGED + 5):
            server.stdout.readline()
        server.stdout.close()
        assert server.wait(PATIENCE) == 0
        errors = server.stderr.read().decode()
    assert len(errors.splitlines()) == MOST_LOGGED + 1
    assert "Traceback" not in errors


def message(text: str) -> Item:
    found = read_line(text.encode())
    assert found is not None
    return found
