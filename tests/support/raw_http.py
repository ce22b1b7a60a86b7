"""Raw JSON-RPC over HTTP to a real server; no SDK on this side."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.support.forked_servers import HAS_FORK, forked_servers
from tests.support.raw_client import MODERN, PATIENCE, PREFIX, QUICK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from http.client import HTTPResponse
    from types import TracebackType

    from tests.support.forked_servers import Forked

ADDRESS = re.compile(r"http://([\d.]+):(\d+)(\S+)")


class HttpProcess:
    """A process that serves over HTTP on a free port, with the times of `quick_server`."""

    def __init__(self, *arguments: str, port: int = 0, **env: str) -> None:
        words = ("serve", "--http", "--port", str(port), *arguments)
        variables = {**os.environ, **env}
        self._given: list[HTTPConnection | HTTPResponse] = []
        self.process: subprocess.Popen[str] | Forked
        if HAS_FORK:
            self.process = forked_servers().start(words, variables, quick=True)
        else:
            self.process = subprocess.Popen(  # noqa: S603 - our own server
                [sys.executable, *QUICK, *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=variables,
                encoding="utf-8",
            )
        assert self.process.stderr is not None
        self.log: list[str] = []
        """What it wrote to its standard error before it served, and all else once it has ended."""
        for line in self.process.stderr:
            self.log.append(line)
            if found := ADDRESS.search(line):
                break
        else:
            raise AssertionError(f"it does not serve: {''.join(self.log)}")
        self.host, self.port, self.path = found[1], int(found[2]), found[3]
        file = Path(variables["IMAGEWRIGHT_HOME"]) / "http-token"
        self.token = file.read_text(encoding="ascii").strip() if file.exists() else ""
        self._reader = threading.Thread(target=lambda: self.log.extend(self.process.stderr or []), daemon=True)
        self._reader.start()

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://{self.host}:{self.port}{self.path}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
        for one in self._given:
            one.close()
        self._reader.join(PATIENCE)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    def connection(self) -> HTTPConnection:
        """A connection of its own, closed with the server at the latest."""
        self._given.append(made := HTTPConnection(self.host, self.port, timeout=PATIENCE))
        return made

    def respond(self, connection: HTTPConnection) -> HTTPResponse:
        """The response to what was asked on a connection, closed as well."""
        self._given.append(found := connection.getresponse())
        return found

    def client(self, revision: str) -> RawHttp:
        """A client of it, which has opened its conversation."""
        return RawHttp(self, revision)


class RawHttp:
    """One client that knows only HTTP; each of its requests has a connection of its own."""

    def __init__(self, server: HttpProcess, revision: str, capabilities: dict[str, Any] | None = None) -> None:
        self.server = server
        self.revision = revision
        self.notifications: list[dict[str, Any]] = []
        """What came with answers, before them."""
        self._capabilities = capabilities or {}
        self._info = {"name": "raw", "version": "1"}
        self._session = ""
        self._last = 0
        self._connections: dict[int, HTTPConnection] = {}
        if revision == MODERN:
            self.hello = self.ask("server/discover")
            return
        params = {"protocolVersion": revision, "capabilities": self._capabilities, "clientInfo": self._info}
        response = self.response(self.begin("initialize", params))
        self._session = response.headers["mcp-session-id"]
        self.hello = self.read(response)["result"]
        self.tell("notifications/initialized")

    @property
    def headers(self) -> dict[str, str]:
        """What each of its requests has in its head."""
        found = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        found["Authorization"] = f"Bearer {self.server.token}"
        if self._session:
            found["Mcp-Session-Id"] = self._session
        if self._session or self.revision == MODERN:
            found["MCP-Protocol-Version"] = self.revision
        return found

    def begin(self, method: str, params: dict[str, Any] | None = None, *, progress: bool = False) -> int:
        """Send a request and return its id."""
        self._last += 1
        meta: dict[str, Any] = {"progressToken": f"token-{self._last}"} if progress else {}
        headers = dict(self.headers)
        if self.revision == MODERN:
            meta[f"{PREFIX}/protocolVersion"] = MODERN
            meta[f"{PREFIX}/clientCapabilities"] = self._capabilities
            meta[f"{PREFIX}/clientInfo"] = self._info
            headers["Mcp-Method"] = method
            if name := (params or {}).get("name") or (params or {}).get("uri"):
                headers["Mcp-Name"] = name
        params = dict(params or {}) | ({"_meta": meta} if meta else {})
        connection = self._connections[self._last] = self.server.connection()
        message = {"jsonrpc": "2.0", "id": self._last, "method": method, "params": params}
        connection.request("POST", self.server.path, json.dumps(message), headers)
        return self._last

    def tell(self, method: str, params: dict[str, Any] | None = None) -> int:
        """Send a notification; the status of the answer."""
        return self.post({"jsonrpc": "2.0", "method": method, "params": params or {}})

    def post(self, message: dict[str, Any]) -> int:
        """Send a message that gets no answer; the status."""
        connection = self.server.connection()
        connection.request("POST", self.server.path, json.dumps(message), self.headers)
        response = self.server.respond(connection)
        response.read()
        connection.close()
        return response.status

    def listen(self) -> HTTPResponse:
        """The stream on which the handshake era hears of changes."""
        connection = self.server.connection()
        connection.request("GET", self.server.path, headers=self.headers)
        return self.server.respond(connection)

    def leave(self) -> int:
        """End the session; the status."""
        connection = self.server.connection()
        connection.request("DELETE", self.server.path, headers=self.headers)
        response = self.server.respond(connection)
        response.read()
        connection.close()
        return response.status

    def hang_up(self, request: int) -> None:
        """Close the connection of a request without waiting for its answer."""
        self._connections.pop(request).close()

    def response(self, request: int) -> HTTPResponse:
        """The response to a request, whose body is not read yet."""
        return self.server.respond(self._connections[request])

    def read(self, response: HTTPResponse) -> dict[str, Any]:
        """The answer in a response; notifications before it are kept."""
        if response.headers["content-type"].startswith("application/json"):
            found: dict[str, Any] = json.loads(response.read())
            return found
        for message in events(response):
            if "method" not in message:
                return message
            self.notifications.append(message)
        raise AssertionError("the stream has ended without an answer")

    def answer(self, request: int) -> dict[str, Any]:
        """The whole answer to a request."""
        found = self.read(self.response(request))
        self.hang_up(request)
        assert found["id"] == request, found
        return found

    def answers(self, requests: Iterable[int]) -> dict[int, dict[str, Any]]:
        """The whole answers to several requests."""
        return {request: self.answer(request) for request in requests}

    def ask(self, method: str, params: dict[str, Any] | None = None, *, progress: bool = False) -> dict[str, Any]:
        """The result of a request; an error fails the test."""
        message = self.answer(self.begin(method, params, progress=progress))
        assert "error" not in message, message
        result: dict[str, Any] = message["result"]
        return result

    def call(self, name: str, arguments: dict[str, Any], *, progress: bool = False) -> dict[str, Any]:
        """The result of a tool call."""
        return self.ask("tools/call", {"name": name, "arguments": arguments}, progress=progress)


def events(response: HTTPResponse) -> Iterator[dict[str, Any]]:
    """The messages of an event stream, as they come."""
    for line in response:
        if line.startswith(b"data:") and line[5:].strip():
            yield json.loads(line[5:])
