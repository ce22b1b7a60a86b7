"""What was read and is not dealt with yet: how much that may be, and that nothing of it begins once a server leaves."""

from __future__ import annotations

import gc
import json
import os
import signal
import threading
import tracemalloc
import weakref
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
from imagewright.storage.accounts import LOCAL
from imagewright.surface import output
from imagewright.surface.opening import Fault, LineReader, Opening
from imagewright.surface.output import BUSY, LARGE, MOST_CHARACTERS, Exchange
from imagewright.surface.resources import MOST_FILES
from imagewright.surface.server import McpServer
from imagewright.surface.stdio import CHUNK, ITEM_BYTES, READ_AHEAD, Lines
from tests.security.odd_lines import ENVELOPE
from tests.support.kill_runs import House, given, plain_route
from tests.support.raw_client import ERAS, MODERN
from tests.support.slow_vendors import SlowKie

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mcp.shared.message import SessionMessage

    from imagewright.surface.opening import Item

SOON = 30.0
"""Seconds; a safety net."""
CALLS = 3000


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

    send_beside = send_at_once

    async def room(self) -> None:
        await anyio.lowlevel.checkpoint()


@pytest.mark.anyio
@pytest.mark.parametrize("how", ["a signal", "the end of the input"])
async def test_what_was_read_begins_after_the_end_of_the_input_but_not_after_a_signal(how: str) -> None:
    lines, sent = Lines(), 500
    incoming, outgoing = os.pipe()
    begun = []
    requests, to_server = anyio.create_memory_object_stream[Any]()
    exchange = Exchange()
    lines.opening = opening = Opening(Server("none"), requests, Unread(), exchange)
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
    assert exchange.over


class Counted(Lines):
    """Counts what it passed on, and answers pings at that count."""

    passed = 0

    def _put(self, size: int, items: list[Item]) -> bool:
        self.passed += len(items)
        return super()._put(size, items)


class Pinged(Unread):
    """A client that notes how much had been passed on when a ping was answered."""

    def __init__(self, lines: Counted) -> None:
        self.lines = lines
        self.answered: dict[Any, int] = {}

    def send_beside(self, item: SessionMessage) -> bool:
        assert isinstance(item.message, t.JSONRPCResponse)
        self.answered[item.message.id] = self.lines.passed
        return True


@pytest.mark.anyio
async def test_a_ping_behind_hundreds_of_calls_is_answered_before_they_are_read() -> None:
    lines, sent = Counted(), 400
    incoming, outgoing = os.pipe()
    requests, to_server = anyio.create_memory_object_stream[Any]()
    client = Pinged(lines)
    lines.opening = opening = Opening(Server("none"), requests, client)
    token = anyio.lowlevel.current_token()
    reading = threading.Thread(target=lines.read, args=(incoming, token), daemon=True)
    first = {"jsonrpc": "2.0", "id": "first", "method": "initialize", "params": {}}
    ping, named = (json.dumps({"jsonrpc": "2.0", "id": one, "method": "ping"}).encode() for one in ("soon", '"ping"'))
    with anyio.fail_after(SOON):
        async with to_server, anyio.create_task_group() as group:
            group.start_soon(opening.relay, lines)
            reading.start()
            await anyio.to_thread.run_sync(os.write, outgoing, json.dumps(first).encode() + b"\n")
            assert (await to_server.receive()).message.id == "first"
            calls = b"".join(map(call, range(sent)))
            await anyio.to_thread.run_sync(os.write, outgoing, calls + ping + b"\n" + named + b"\n" + call(sent))
            os.close(outgoing)
            assert [one.message.id async for one in to_server] == [*range(sent + 1)]
        await anyio.to_thread.run_sync(reading.join)
    os.close(incoming)
    assert [*client.answered] == ["soon", '"ping"']
    assert max(client.answered.values()) < sent // 2


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


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize("revision", ERAS)
def test_a_server_leaves_in_order_amid_thousands_of_calls_and_begins_no_more_of_them(revision: str, home: Path) -> None:
    """It took so long to begin what it had read that it was ended by its own time limit."""
    with SlowKie() as kie:
        house = House(home, kie)
        with house.server(revision) as server:
            server.ask("tools/list")
            route = plain_route(kie.name)
            meta = ENVELOPE if revision == MODERN else {}
            calls = [
                {"name": route.tool, "arguments": given(route, f"a red kite, {number}"), "_meta": meta}
                for number in range(CALLS)
            ]
            lines = [
                {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
                for number, params in enumerate(calls, 100)
            ]
            server.send_bytes(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
            os.kill(server.process.pid, signal.SIGTERM)
            assert server.process.wait(SOON) == 0
        assert server.log == []
        assert len(house.jobs()) < CALLS // 4


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


def request(number: int | str, size: int = 0) -> t.JSONRPCRequest:
    params = {"name": "qwen", "arguments": {"prompt": "x" * size}}
    return t.JSONRPCRequest(jsonrpc="2.0", id=number, method="tools/call", params=params)


class Heard(Unread):
    """A client that remembers what it was answered."""

    def __init__(self) -> None:
        self.answers: list[tuple[Any, int]] = []

    async def send(self, item: SessionMessage, /) -> None:
        assert isinstance(item.message, t.JSONRPCError)
        self.answers.append((item.message.id, item.message.error.code))


MOST, CHARACTERS = 20, 1000
"""Less than the server's own bounds."""
HALF = CHARACTERS // 2
TOO_MUCH: dict[str, tuple[list[t.JSONRPCRequest], list[tuple[Any, int]]]] = {
    "the same id": ([request(1), request(1), request("1"), request(1)], [(None, t.INVALID_REQUEST)] * 2),
    "requests": ([request(one) for one in range(MOST + 2)], [(MOST + n, BUSY) for n in (0, 1)]),
    "characters": ([request(1, HALF), request(2, HALF), request(3, 1), request(4)], [(3, BUSY)]),
    "one that is large": ([request(1, CHARACTERS + 1), request(2, 1), request(3)], [(2, BUSY), (3, BUSY)]),
}


@pytest.mark.anyio
@pytest.mark.parametrize("settles", ["answered", "cancelled by the client"])
@pytest.mark.parametrize(("sent", "refused"), TOO_MUCH.values(), ids=TOO_MUCH)
async def test_what_is_too_much_at_once_is_refused_until_there_are_answers(
    sent: list[t.JSONRPCRequest], refused: list[tuple[Any, int]], settles: str
) -> None:
    heard, taken = Heard(), 0
    requests, to_server = anyio.create_memory_object_stream[Any](len(sent) + 1)
    lines, incoming = anyio.create_memory_object_stream[Any](3)
    exchange = Exchange(MOST, CHARACTERS)
    opening = Opening(Server("none"), requests, heard, exchange)
    with anyio.fail_after(SOON):
        async with to_server, incoming, anyio.create_task_group() as group:
            group.start_soon(opening.relay, incoming)
            async with lines:
                await lines.send(sent)
                while taken + len(heard.answers) < len(sent):
                    await anyio.lowlevel.checkpoint()
                    taken = to_server.statistics().current_buffer_used
                assert heard.answers == refused
                for _ in range(taken):
                    one = await to_server.receive()
                    if settles == "answered":
                        exchange.answered(one.message.id)
                    else:
                        await one.metadata.on_request_unanswered()
                await lines.send([sent[-1]])
                assert (await to_server.receive()).message == sent[-1]
    assert heard.answers == refused


class Round:
    """Refers to itself, as the task of a call does that was cancelled."""

    def __init__(self) -> None:
        self.itself = self


@pytest.mark.anyio
@pytest.mark.parametrize(("size", "stays"), [(LARGE, True), (LARGE + 1, False)])
async def test_what_is_left_of_a_large_call_does_not_stay(
    size: int, *, stays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "COLLECT_SECONDS", 0.0)
    exchange, left = Exchange(), weakref.ref(Round())
    gc.disable()
    try:
        assert exchange.begin(request(1, size)) is None
        exchange.answered(1)
        await anyio.sleep(0.001)
        assert (left() is not None) is stays
    finally:
        gc.enable()


@pytest.mark.anyio
@pytest.mark.parametrize("piece", [1, 1000])
async def test_a_line_takes_no_more_memory_than_its_bytes_however_they_come(piece: int) -> None:
    reader, size = LineReader(), 400_000
    tracemalloc.start()
    try:
        for _ in range(size // piece):
            assert reader.feed(bytes(piece)) == []
        assert tracemalloc.get_traced_memory()[0] < 2 * size
    finally:
        tracemalloc.stop()


@pytest.mark.anyio
async def test_many_ends_of_a_handshake_are_one_session_that_is_told_once(home: Path) -> None:
    settings = load_settings({"IMAGEWRIGHT_HOME": str(home)}, working_directory=home)
    heard: list[str] = []

    async def hear(message: Any) -> None:
        heard.append(type(message).__name__)

    async with open_engine(settings) as engine:
        app = McpServer(engine)
        async with Client(app.server, mode="legacy", message_handler=hear) as client:
            for _ in range(5):
                await client.session.send_notification(t.InitializedNotification())
            await client.list_tools()
            await app.offer_changed()
            await client.list_tools()
    assert sorted(heard) == [
        "PromptListChangedNotification",
        "ResourceListChangedNotification",
        "ToolListChangedNotification",
    ]


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_fault_of_the_server_shows_no_words_of_its_own(
    mode: Any, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = load_settings({"IMAGEWRIGHT_HOME": str(home)}, working_directory=home)
    async with open_engine(settings) as engine:
        app = McpServer(engine)
        async with Client(app.server, mode=mode) as client:
            engine.config = Broken()  # type: ignore[assignment] # nothing can be asked of it
            with pytest.raises(MCPError) as caught:
                await client.list_resources()
    assert caught.value.error.code == t.INTERNAL_ERROR
    assert "secret" not in str(caught.value.error)
    assert "secret" in caplog.text


class Broken:
    """A configuration that cannot be read."""

    def __getattr__(self, _name: str) -> Any:
        raise RuntimeError("secret")


def test_the_largest_call_of_any_row_is_not_too_much() -> None:
    assert MOST_CHARACTERS > 5 * 25 * 1024 * 1024 * 4 / 3


@pytest.mark.anyio
async def test_few_pictures_are_read_in_full_at_once_and_none_before_there_is_room(home: Path) -> None:
    settings = load_settings({"IMAGEWRIGHT_HOME": str(home)}, working_directory=home)
    asked, let_in = 0, anyio.Semaphore(0)

    async def room() -> None:
        nonlocal asked
        asked += 1
        await let_in.acquire()

    async with open_engine(settings) as engine:
        job = await engine.start(LOCAL, "qwen", {"prompt": "a red kite"})
        async for _ in engine.watch(job):
            pass
        app = McpServer(engine)
        app.wait_for(room)
        with anyio.fail_after(SOON):
            async with Client(app.server) as client, anyio.create_task_group() as group:
                for _ in range(MOST_FILES + 2):
                    group.start_soon(client.read_resource, job.pictures[0].uri)
                await client.read_resource(f"{job.pictures[0].uri}/preview")
                await anyio.wait_all_tasks_blocked()
                assert asked == MOST_FILES
                for _ in range(MOST_FILES + 2):
                    let_in.release()
    assert asked == MOST_FILES + 2
