"""Messages on their way to the client: whole, in order and at once; and a ping before everything else."""

from __future__ import annotations

import gc
import json
import os
import socket
import threading
import weakref
from typing import TYPE_CHECKING, Any

import anyio
import mcp.types as t
import pytest
from mcp import Client
from mcp.shared.message import SessionMessage

from imagewright.engine.engine import open_engine
from imagewright.settings.load import load_settings
from imagewright.surface import output
from imagewright.surface.output import MOST_UNSENT, Errors, Output, in_portions, without_waiting
from imagewright.surface.server import McpServer
from imagewright.surface.tools import Tools
from tests.support.raw_client import ERAS, MODERN, RawClient

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imagewright.engine.engine import Engine
    from imagewright.surface.tools import Heard

LARGE = 3_000_000
"""Characters: more than any pipe or socket holds."""
PATIENCE = 60.0


def message(number: int, size: int) -> SessionMessage:
    return SessionMessage(t.JSONRPCResponse(jsonrpc="2.0", id=number, result={"text": "ä" * size}))


def a_pipe() -> tuple[int, int]:
    return os.pipe()


def a_socket() -> tuple[int, int]:
    one, other = socket.socketpair()
    return one.detach(), other.detach()


@pytest.mark.anyio
@pytest.mark.skipif(os.name != "posix", reason="Windows waits in a thread")
@pytest.mark.parametrize("ends", [a_pipe, a_socket])
async def test_what_a_slow_client_cannot_take_at_once_arrives_whole_and_in_order(
    ends: Callable[[], tuple[int, int]],
) -> None:
    read, write = ends()
    with without_waiting(write) as write_some:
        await _sends_everything(read, write, write_some)


@pytest.mark.anyio
@pytest.mark.skipif(os.name != "posix", reason="Windows waits in a thread")
async def test_the_same_where_a_pipe_cannot_be_opened_once_more() -> None:
    read, write = os.pipe()
    await _sends_everything(read, write, in_portions(write))


async def _sends_everything(read: int, write: int, write_some: Callable[[memoryview], int] | None) -> None:
    blocking = os.get_blocking(write)
    sizes = [1, LARGE // 2, 1, 100_000, LARGE // 2]
    output = Output(write, write_some)
    received: list[int] = []
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:
            group.start_soon(output.run)
            async with anyio.create_task_group() as senders:
                for number, size in enumerate(sizes):
                    senders.start_soon(output.send, message(number, size))
                await anyio.wait_all_tasks_blocked()
                assert not output.send_at_once(message(99, 1)), "it must not overtake half a line"
                beside = await anyio.to_thread.run_sync(output.send_beside, message(98, 1))
                assert beside == (write_some is not None)
                client = threading.Thread(target=_receive, args=(read, len(sizes) + beside, received))
                client.start()
            await output.drained()
            await anyio.to_thread.run_sync(client.join)
            assert output.send_at_once(message(99, 1))
            group.cancel_scope.cancel()
    assert received == ([0, 1, 98, 2, 3, 4] if beside else [0, 1, 2, 3, 4]), "it overtakes no line that was begun"
    assert os.read(read, 4096) == b'{"jsonrpc":"2.0","id":99,"result":{"text":"\xc3\xa4"}}\n'
    assert os.get_blocking(write) == blocking, "who shares the descriptor would be given errors"
    os.close(read)
    os.close(write)


def _receive(wire: int, count: int, received: list[int]) -> None:
    waiting = b""
    while len(received) < count:
        waiting += os.read(wire, 1_000_000)
        *lines, waiting = waiting.split(b"\n")
        received.extend(json.loads(line)["id"] for line in lines)


@pytest.mark.anyio
@pytest.mark.skipif(os.name != "posix", reason="Windows has other words for a pipe that nobody reads")
@pytest.mark.parametrize("size", [1, LARGE])
async def test_a_client_that_no_longer_reads_ends_the_writing(size: int) -> None:
    read, write = os.pipe()
    with without_waiting(write) as write_some:
        output = Output(write, write_some)
        os.close(read)

        async def send() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(output.run)
                await output.send(message(1, size))

        with anyio.fail_after(PATIENCE), pytest.raises(ExceptionGroup) as raised:
            await send()
    os.close(write)
    assert isinstance(raised.value.exceptions[0], BrokenPipeError)


@pytest.mark.anyio
async def test_a_file_takes_everything(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as file, without_waiting(file.fileno()) as write_some:
        output = Output(file.fileno(), write_some)
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as group:
                group.start_soon(output.run)
                for number in range(3):
                    await output.send(message(number, LARGE))
                group.cancel_scope.cancel()
    lines = (tmp_path / "out").read_bytes().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [0, 1, 2]


@pytest.mark.parametrize("revision", ERAS)
def test_a_ping_does_not_wait_for_the_requests_before_it(revision: str, home: Path) -> None:
    with RawClient(revision, env={"IMAGEWRIGHT_HOME": str(home)}) as client:
        client.ask("tools/list")  # from then on it is known which era the client speaks
        meta = {"_meta": client.meta} if client.meta else {}
        numbers, ping = range(100, 120), 120
        lists = [{"jsonrpc": "2.0", "id": one, "method": "prompts/list", "params": meta} for one in numbers]
        client.send("\n".join(json.dumps(one) for one in (*lists, {"jsonrpc": "2.0", "id": ping, "method": "ping"})))
        answers = client.answers([*numbers, ping])
        ids = [json.loads(line).get("id") for line in client.lines]
    if revision == MODERN:  # which has no pings
        assert "error" in answers[ping]
    else:
        assert answers[ping]["result"] == {}
        assert ids.index(ping) < min(ids.index(one) for one in numbers)


@pytest.mark.anyio
@pytest.mark.skipif(os.name != "posix", reason="Windows waits in a thread")
async def test_there_is_room_until_too_much_is_unread_and_again_once_it_is_read() -> None:
    read, write = os.pipe()
    with without_waiting(write) as write_some:
        output = Output(write, write_some)
        received: list[int] = []
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as group:
                group.start_soon(output.run)
                await output.room()
                count = 2 * MOST_UNSENT // LARGE
                for number in range(count):
                    group.start_soon(output.send, message(number, LARGE // 2))  # in two bytes each
                waiting = anyio.Event()

                async def wait() -> None:
                    await output.room()
                    waiting.set()

                group.start_soon(wait)
                await anyio.wait_all_tasks_blocked()
                assert not waiting.is_set()
                client = threading.Thread(target=_receive, args=(read, count, received))
                client.start()
                await waiting.wait()
                await anyio.to_thread.run_sync(client.join)
                group.cancel_scope.cancel()
    assert received == [*range(count)]
    os.close(read)
    os.close(write)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such pipes")
@pytest.mark.parametrize("ends", [a_pipe, a_socket])
def test_a_log_that_nobody_reads_keeps_nobody_waiting_and_has_whole_lines(
    ends: Callable[[], tuple[int, int]],
) -> None:
    read, write = ends()
    errors = Errors(write)
    for number in range(100):
        errors.write(f"{number} {'é' * 50_000}\n")
    os.set_blocking(read, False)
    found = b""
    for number in (100, 101):  # what was begun is ended first, and then there is room
        while (part := _some(read)) is not None:
            found += part
        errors.write(f"{number} the end\n")
    found += _some(read) or b""
    lines = found.decode().splitlines()
    numbers = [int(line.partition(" ")[0]) for line in lines]
    assert numbers[0] == 0
    assert numbers[-1] == 101
    assert numbers == sorted(set(numbers))
    assert len(numbers) < 100
    assert all(line.partition(" ")[2] in {"é" * 50_000, "the end"} for line in lines)
    os.close(read)
    errors.write("nobody reads\n")
    os.close(write)


def _some(wire: int) -> bytes | None:
    try:
        return os.read(wire, 1_000_000)
    except BlockingIOError:
        return None


class Round:
    """Refers to itself, as what is left of a cancelled call does."""

    def __init__(self) -> None:
        self.itself = self


class Held(Tools):
    """Tools whose calls last until they are cancelled."""

    begun: anyio.Event
    gone: anyio.Event
    """Set once nothing is left of the call."""
    left: weakref.ref[Round]

    async def call(self, _ctx: Any, _params: t.CallToolRequestParams) -> t.CallToolResult:
        self.left = weakref.ref(Round(), lambda _: self.gone.set())
        self.begun.set()
        await anyio.sleep_forever()
        raise AssertionError


@pytest.mark.anyio
async def test_what_is_left_of_a_cancelled_call_does_not_stay(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "COLLECT_SECONDS", 0.0)
    begun, gone = anyio.Event(), anyio.Event()

    def tools(engine: Engine, heard: Heard) -> Tools:
        held = Held(engine, heard)
        held.begun, held.gone = begun, gone
        return held

    settings = load_settings({"IMAGEWRIGHT_HOME": str(home)}, working_directory=home)
    async with open_engine(settings) as engine, Client(McpServer(engine, tools=tools).server) as client:
        gc.disable()
        try:
            with anyio.fail_after(PATIENCE):
                async with anyio.create_task_group() as group:
                    group.start_soon(client.call_tool, "qwen", {"prompt": "a kite"})
                    await begun.wait()
                    assert not gone.is_set()
                    group.cancel_scope.cancel()
                await gone.wait()
        finally:
            gc.enable()
