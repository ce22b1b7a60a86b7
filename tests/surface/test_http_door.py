"""Who is let in over HTTP, what is not read, and how long a client may take."""

from __future__ import annotations

import json
import math
import select
import socket
from contextlib import ExitStack
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import anyio
import pytest
from mcp.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.responses import Response

from imagewright.surface import delivery
from imagewright.surface.delivery import MOST_SESSIONS, Sessions
from imagewright.surface.http import Door
from imagewright.surface.listening import HttpServer, listen
from tests.support.quick_server import CONNECTIONS, HTTP_SECONDS, SESSIONS
from tests.support.raw_client import ERAS, MODERN, PATIENCE
from tests.support.raw_http import HttpProcess, RawHttp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
PICTURES = {"prompt": "a large kite", "variants": 4, "seed": 7}
JSON = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpProcess]:
    with HttpProcess(IMAGEWRIGHT_HOME=str(tmp_path_factory.mktemp("shared"))) as server:
        yield server


@pytest.fixture(scope="module")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpProcess]:
    with HttpProcess("--no-token", IMAGEWRIGHT_HOME=str(tmp_path_factory.mktemp("open"))) as server:
        yield server


def ask(
    server: HttpProcess,
    headers: Mapping[str, str | None] | None = None,
    body: bytes = PING,
    method: str = "POST",
    path: str = "/mcp",
) -> tuple[int, dict[str, str], str]:
    """Status, headers and the sentence of the answer; a header that is None is left out."""
    usual = {**JSON, "Authorization": f"Bearer {server.token}"}
    given = {**usual, **(headers or {})}
    connection = HTTPConnection(server.host, server.port, timeout=PATIENCE)
    connection.putrequest(method, path, skip_host="Host" in given)
    for name, value in ({"Content-Length": str(len(body))} | given).items():
        if value is not None:
            connection.putheader(name, value.replace("PORT", str(server.port)))
    connection.endheaders(body)
    response = connection.getresponse()
    text = response.read().decode()
    found = {name.lower(): value for name, value in response.headers.items()}
    response.close()
    connection.close()
    is_error = text and found.get("content-type", "") == "application/json" and "error" in json.loads(text)
    return response.status, found, json.loads(text)["error"]["message"] if is_error else text


@pytest.mark.parametrize(
    ("headers", "status", "words"),
    [
        ({"Authorization": None}, 401, "asks for its token"),
        ({"Authorization": "Basic dXNlcjpwYXNz"}, 401, "asks for its token"),
        ({"Authorization": "Bearer "}, 401, "asks for its token"),
        ({"Authorization": "Bearer 0123456789abcdef"}, 401, "not the token"),
        ({"Authorization": "Bearer t\u00f6ken"}, 401, "not the token"),
        ({"Host": "evil.example:PORT"}, 403, "its own machine"),
        ({"Host": "127.0.0.1:1"}, 403, "its own machine"),
        ({"Host": "localhost"}, 403, "its own machine"),
        ({"Host": "localhost.evil.example:PORT"}, 403, "its own machine"),
        ({"Host": ""}, 403, "its own machine"),
        ({"Origin": "https://evil.example"}, 403, "web pages"),
        ({"Origin": "http://localhost.evil.example:PORT"}, 403, "web pages"),
        ({"Origin": "null"}, 403, "web pages"),
        ({"Origin": "http://[::1"}, 403, "web pages"),
        ({"Host": "localhost:PORT", "Origin": "http://localhost:5173"}, 400, "session"),
        ({"Host": "[::1]:PORT", "Origin": "http://127.0.0.1:PORT"}, 400, "session"),
        ({"path": "/"}, 404, "is at /mcp"),
        ({"path": "/.well-known/oauth-protected-resource/mcp", "Authorization": None}, 404, "is at /mcp"),
        ({"path": "/mcp/"}, 400, "session"),
    ],
)
def test_only_who_is_here_and_has_the_token_is_let_in(
    server: HttpProcess, headers: dict[str, str | None], status: int, words: str
) -> None:
    path = headers.get("path") or "/mcp"
    got, found, text = ask(server, {name: one for name, one in headers.items() if name != "path"}, path=path)
    assert got == status, text
    assert words in text
    assert found["server"].startswith("imagewright/")
    assert ("www-authenticate" in found) is (status == 401)
    assert server.token not in text


def test_without_a_token_who_is_elsewhere_is_still_not_let_in(open_server: HttpProcess) -> None:
    assert any("spend your money" in line for line in open_server.log)
    assert ask(open_server, {"Authorization": None})[0] == 400
    assert ask(open_server, {"Authorization": None, "Host": "evil.example"})[0] == 403
    assert ask(open_server, {"Authorization": None, "Origin": "https://evil.example"})[0] == 403


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b"x", "the message is not JSON"),
        (b"[" + PING + b"]", "one message at a time"),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', "id must be"),
        (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', 'jsonrpc must be "2.0"'),
        (b'{"jsonrpc":"2.0","id":1,"method":"' + b"x" * 300 + b'"}', "longer than"),
        (b"[" * 100_000, ""),
        (b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}', ""),
    ],
)
@pytest.mark.parametrize("revision", ERAS)
def test_what_is_no_message_is_answered_as_on_standard_input(
    server: HttpProcess, body: bytes, words: str, revision: str
) -> None:
    status, _, text = ask(server, {"MCP-Protocol-Version": revision}, body)
    assert status == 400
    assert words in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"jsonrpc":"2.0","id":7.0,"method":"tools/call",PARAMS}', 200),
        (b'\xef\xbb\xbf{"jsonrpc":"2.0","id":7,"method":"tools/call",PARAMS}\r\n', 200),
        (b'{"jsonrpc":"2.0","id":null,"method":"notifications/cancelled",PARAMS}', 202),
        (b'{"jsonrpc":"2.0","error":{"code":-32700,"message":"what?"}}', 202),
    ],
)
@pytest.mark.parametrize("revision", ERAS)
def test_what_is_taken_on_standard_input_is_taken_here(
    server: HttpProcess, body: bytes, status: int, revision: str
) -> None:
    client = server.client(revision)
    meta = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}
    params = {"name": "qwen", "arguments": {"seed": float("nan")}, "requestId": 99, "_meta": meta}
    headers = {**client.headers, "Mcp-Method": "tools/call", "Mcp-Name": "qwen"}
    if b"notifications" in body:
        headers = {**client.headers, "Mcp-Method": "notifications/cancelled"}
    got, _, text = ask(server, headers, body.replace(b"PARAMS", b'"params":' + json.dumps(params).encode()))
    assert got == status, text
    if status == 200:
        answer = json.loads(text.partition("data:")[2] or text)
        assert (answer["id"], answer["result"]["isError"]) == (7, True)
        assert "seed" in answer["result"]["content"][0]["text"]


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {}, 400),
        ("DELETE", {}, 400),
        ("PUT", {}, 405),
        ("OPTIONS", {}, 405),
        ("POST", {"Mcp-Session-Id": "nosuchsession"}, 404),
        ("POST", {"Content-Length": str(10**12)}, 413),
        ("POST", {"Content-Type": "text/plain"}, 400),
        ("POST", {"Accept": "text/html"}, 406),
        ("POST", {"X-Long": "x" * 17_000}, 431),
    ],
)
def test_odd_requests_have_their_status(server: HttpProcess, method: str, headers: dict[str, str], status: int) -> None:
    assert ask(server, headers, method=method)[0] == status


def test_two_requests_of_a_session_with_one_id_do_not_hold_each_other_up(server: HttpProcess) -> None:
    client = server.client(ERAS[0])
    listening = {"name": "qwen", "arguments": {"prompt": "a kite"}}
    first = client.begin("tools/call", listening, progress=True)
    stream = client.response(first)  # its head is there: it is being dealt with
    client._last -= 1  # noqa: SLF001 - a client that counts wrongly
    connection = client._connections[first]  # noqa: SLF001 - as above
    second = client.response(client.begin("ping"))
    text = second.read()
    assert (second.status, b"not answered yet" in text) == (400, True)
    assert client.read(stream)["result"]["structuredContent"]["status"] == "completed"
    connection.close()


def test_a_client_that_asks_for_what_it_missed_listens_from_now_on(server: HttpProcess) -> None:
    client = server.client(ERAS[0])
    connection = server.connection()
    connection.request("GET", server.path, headers={**client.headers, "Last-Event-ID": "3"})
    assert server.respond(connection).status == 200
    connection.close()


def wait_for_end(connection: socket.socket) -> bytes:
    """What comes until the other side ends the connection."""
    connection.settimeout(PATIENCE)
    found = b""
    try:
        while part := connection.recv(65536):
            found += part
    except ConnectionResetError:
        pass
    return found


def test_who_does_not_send_what_it_begins_is_not_waited_for(server: HttpProcess) -> None:
    head = f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: Bearer {server.token}\r\n"
    begun = {
        "nothing": b"",
        "half a head": head.encode(),
        "half a body": f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode(),
        "nothing after a refusal": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "half a second head": b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET",
    }
    connections = {name: socket.create_connection((server.host, server.port)) for name in begun}
    try:
        for name, data in begun.items():
            connections[name].sendall(data)
        ends = {name: wait_for_end(one) for name, one in connections.items()}
    finally:
        for one in connections.values():
            one.close()
    assert ends["nothing"] == ends["half a head"] == b""
    assert b"408 Request Timeout" in ends["half a body"]
    assert f"within {HTTP_SECONDS:.0f} s".encode() in ends["half a body"]
    assert ends["half a second head"].startswith(b"HTTP/1.1 403")
    assert ends["nothing after a refusal"].startswith(b"HTTP/1.1 403")
    assert ask(server)[0] == 400, "all others are served meanwhile"


def test_whoever_holds_all_connections_without_a_token_keeps_nobody_out(server: HttpProcess) -> None:
    used = HTTPConnection(server.host, server.port, timeout=PATIENCE)
    headers = {**JSON, "Authorization": f"Bearer {server.token}"}

    def ping() -> int:
        used.request("POST", server.path, PING, headers)
        response = used.getresponse()
        response.read()
        return response.status

    assert ping() == 400
    with ExitStack() as opened:
        for _ in range(CONNECTIONS):
            idle = opened.enter_context(socket.create_connection((server.host, server.port)))
            idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert idle.recv(12) == b"HTTP/1.1 403"
        first = opened.enter_context(socket.create_connection((server.host, server.port)))
        rest = [opened.enter_context(socket.create_connection((server.host, server.port))) for _ in range(CONNECTIONS)]
        assert wait_for_end(first) == b""
        assert rest
        assert ping() == 400, "a connection that was let in stays"
        assert ask(server)[0] == 400
    used.close()


def test_what_makes_no_sense_behind_an_answer_ends_the_connection_quietly(home: Path) -> None:
    with HttpProcess(IMAGEWRIGHT_HOME=str(home)) as server:
        with socket.create_connection((server.host, server.port)) as connection:
            head = f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nTransfer-Encoding: chunked\r\n\r\n"
            connection.sendall(head.encode())
            assert connection.recv(12) == b"HTTP/1.1 401"
            connection.sendall(b"no chunk\r\n")
            wait_for_end(connection)
        assert ask(server)[0] == 400
    assert not any("Traceback" in line for line in server.log), server.log


def ask_without_reading(server: HttpProcess, client: RawHttp, uri: str) -> socket.socket:
    """A connection on which more was asked for than the system holds for it, and nothing is read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((server.host, server.port))
    headers = {**client.headers, "Mcp-Method": "resources/read", "Mcp-Name": uri}
    prefix = "io.modelcontextprotocol"
    meta = {f"{prefix}/protocolVersion": MODERN, f"{prefix}/clientCapabilities": {}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": uri, "_meta": meta}}
    body = json.dumps(message).encode()
    lines = [f"{name}: {value}" for name, value in {**headers, "Content-Length": str(len(body))}.items()]
    head = "\r\n".join(["POST /mcp HTTP/1.1", f"Host: 127.0.0.1:{server.port}", *lines, "", ""]).encode()
    connection.sendall((head + body) * 200)
    return connection


@pytest.mark.skipif(not hasattr(select, "poll"), reason="sees an end without reading")
def test_who_does_not_read_its_answers_is_hung_up_on_and_gets_them_with_the_same_call(server: HttpProcess) -> None:
    client = server.client(MODERN)
    made = client.call("qwen", PICTURES)["structuredContent"]["images"][0]
    assert made["bytes"] > 0
    with ask_without_reading(server, client, made["uri"]) as connection:
        again = client.call("qwen", PICTURES)["structuredContent"]
        assert again["status"] == "completed", "all others are served meanwhile"
        ends = select.poll()
        ends.register(connection, 0)
        assert ends.poll(PATIENCE * 1000), "it is never hung up on"


class Generous(StreamableHTTPSessionManager):
    """Answers each request with more than the system holds for a client."""

    def __init__(self) -> None:
        super().__init__(Server("generous"))
        self.is_done = anyio.Event()

    async def handle_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        await Response(bytes(16_000_000))(scope, receive, send)
        self.is_done.set()

    async def listens(self, session: str) -> None:
        """There is no news for a request without a session."""
        assert session == ""


@pytest.mark.anyio
async def test_who_does_not_read_when_the_server_leaves_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "WRITE_SECONDS", math.inf)
    sockets = listen("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]
    manager = Generous()
    door = Door(manager, port, "/mcp", "", manager.listens)
    server = HttpServer(door)
    async with anyio.create_task_group() as group:
        group.start_soon(server.serve, sockets)
        async with await anyio.connect_tcp("127.0.0.1", port) as client:
            await client.send(f"GET /mcp HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            await client.receive(12)
            await door.leave()
            with anyio.fail_after(PATIENCE):
                await manager.is_done.wait()
        server.should_exit = True


def test_clients_that_left_without_a_word_keep_nobody_out(server: HttpProcess) -> None:
    listening, silent, used = (server.client(ERAS[0]) for _ in range(3))
    listening.listen()
    for _ in range(SESSIONS):
        server.client(ERAS[0])
        assert used.ask("ping") == {}
    assert listening.ask("ping") == {}
    assert silent.post({"jsonrpc": "2.0", "id": 9, "method": "ping"}) == 404


def test_sessions_that_are_made_up_take_nobodys_place() -> None:
    sessions = Sessions()
    sessions.begin("one")
    for at in range(MOST_SESSIONS):
        with sessions.using(f"made up {at}"):
            pass
    assert not sessions.surplus()


def test_nobody_is_told_a_token_by_the_log(home: Path) -> None:
    with HttpProcess("--log-level", "debug", IMAGEWRIGHT_HOME=str(home)) as server:
        for end in ("", "x"):
            for body in (PING, b"x"):
                ask(server, {"Authorization": f"Bearer {server.token}{end}"}, body)
        server.client(MODERN).call("qwen", {"prompt": "a kite"})
    assert any("call qwen" in line for line in server.log)
    assert not any(server.token in line for line in server.log)
