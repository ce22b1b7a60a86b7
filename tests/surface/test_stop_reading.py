"""What was read and is not dealt with yet: how much that may be, and that nothing of it begins once a server leaves."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import mcp.types as t
import pytest
from mcp import Client, MCPError
from mcp.server import Server

from imagewright.engine.engine import open_engine
from imagewright.settings.load import load_settings
from imagewright.storage.records import LOCAL
from imagewright.surface.opening import Fault, Opening
from imagewright.surface.server import McpServer
from imagewright.surface.stdio import CHUNK, ITEM_BYTES, READ_AHEAD, Lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mcp.shared.message import SessionMessage

SOON = 30.0
"""Seconds; a safety net."""


def call(number: int) -> bytes:
    params = {"name": "qwen", "arguments": {"prompt": "a red kite"}}
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}).encode() + b"\n"


class Unread:
    """A client that takes everything."""

    async def send(self, item: SessionMessage, /) -> None:
        """It needs nothing to be kept."""

    def send_at_once(self, item: SessionMessage) -> bool:
        del item
        return True

    async def room(self) -> None:
        await anyio.lowlevel.checkpoint()


@pytest.mark.anyio
@pytest.mark.parametrize("how", ["a signal", "the end of the input"])
async def test_what_was_read_begins_after_the_end_of_the_input_but_not_after_a_signal(how: str) -> None:
    lines, sent = Lines(), 500
    incoming, outgoing = os.pipe()
    begun = []
    requests, to_server = anyio.create_memory_object_stream[Any]()
    lines.opening = opening = Opening(Server("none"), requests, Unread())
    token = anyio.lowlevel.current_token()
    reading = threading.Thread(target=lines.read, args=(incoming, token), daemon=True)
    with anyio.fail_after(SOON):
        async with to_server, anyio.create_task_group() as group:
            group.start_soon(opening.relay, lines)
            reading.start()
            await anyio.to_thread.run_sync(os.write, outgoing, b"".join(map(call, range(sent // 2))))
            await anyio.to_thread.run_sync(os.write, outgoing, b"".join(map(call, range(sent // 2, sent))))
            begun += [await to_server.receive() for _ in range(3)]
            if how == "a signal":
                lines.stop()
            os.close(outgoing)
            begun += [one async for one in to_server]
        await anyio.to_thread.run_sync(reading.join)
    os.close(incoming)
    assert [one.message.id for one in begun] == [*range(3 if how == "a signal" else sent)]
    assert opening.over


@pytest.mark.anyio
async def test_a_call_that_the_sdk_has_read_is_not_begun_after_a_signal(home: Path) -> None:
    settings = load_settings({"IMAGEWRIGHT_HOME": str(home)}, working_directory=home)
    async with open_engine(settings) as engine:
        app = McpServer(engine)
        async with Client(app.server) as client:
            app.stop()
            with pytest.raises(MCPError) as caught:
                await client.call_tool("qwen", {"prompt": "a red kite"})
            assert caught.value.error.code == t.CONNECTION_CLOSED
            assert await engine.newest(LOCAL, 1) == []


def fault(line: bytes = b"") -> Fault:
    return Fault(t.PARSE_ERROR, "", None, len(line))


Filling = list[tuple[int, list[Any]]]
FILLINGS: dict[str, Callable[[], Filling]] = {
    "chunks": lambda: [(CHUNK, [fault()])] * (READ_AHEAD // CHUNK),
    "short lines": lambda: [(1000, [fault()] * (READ_AHEAD // ITEM_BYTES // 8))] * 8,
    "one long line": lambda: [(10 * READ_AHEAD, [fault()])],
}


@pytest.mark.anyio
@pytest.mark.parametrize("filling", FILLINGS.values(), ids=FILLINGS)
async def test_so_much_is_read_ahead_and_no_more(filling: Callable[[], Filling]) -> None:
    lines = Lines()
    token = anyio.lowlevel.current_token()
    passed = []

    def fill() -> None:
        for size, items in [*filling(), (1, [fault()])]:
            lines._pass_on(size, list(items), token)  # noqa: SLF001 - as the thread that reads does
            passed.append(size)

    with anyio.fail_after(SOON):
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.to_thread.run_sync, fill)
            while len(passed) < len(filling()):
                await anyio.lowlevel.checkpoint()
            for _ in range(100):
                await anyio.lowlevel.checkpoint()
            assert len(passed) == len(filling())
            async for _ in lines:
                break
            while len(passed) == len(filling()):
                await anyio.lowlevel.checkpoint()
