"""Raw JSON-RPC lines over a real server's standard input and output; no SDK on this side."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.support.forked_servers import HAS_FORK, forked_servers

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from tests.support.forked_servers import Forked

LEGACY = ("2025-06-18", "2025-11-25")
MODERN = "2026-07-28"
REVISIONS = (*LEGACY, MODERN)
ERAS = (LEGACY[-1], MODERN)
"""One revision of each era: what the older ones share need not be shown by all of them."""
PREFIX = "io.modelcontextprotocol"
AS_A_USER = ("-m", "imagewright")
QUICK = (str(Path(__file__).with_name("quick_server.py")),)
"""The code with which Python starts the server: as it is, or so that it asks often."""
PATIENCE = 90.0
"""Seconds until a missing answer fails the test; a right server never comes near it."""


class RawClient:
    """One server process and one client that knows only lines.

    Args:
        revision: the protocol revision to speak.
        arguments: the server's command line.
        env: variables on top of the test's own.
        program: the code with which Python starts the server, such as `AS_A_USER`; by default it is forked.
        quick: whether a forked one has the times of `quick_server`.
        name: what the client calls itself.
    """

    def __init__(
        self,
        revision: str,
        arguments: tuple[str, ...] = (),
        env: dict[str, str] | None = None,
        program: tuple[str, ...] = (),
        *,
        quick: bool = False,
        name: str = "raw",
    ) -> None:
        self.revision = revision
        self._info = {"name": name, "version": "1"}
        self.env = {**os.environ, **(env or {})}
        self.lines: list[str] = []
        """Everything the server wrote to its standard output."""
        self.meta: dict[str, Any] = {}
        self.stray: list[str] = []
        """Lines of its standard output that are not messages."""
        self.notifications: queue.Queue[dict[str, Any]] = queue.Queue()
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._last = 0
        self.process: subprocess.Popen[str] | Forked
        if HAS_FORK and not program:
            self.process = forked_servers().start(arguments, self.env, quick=quick)
        else:
            self.process = subprocess.Popen(  # noqa: S603 - our own server
                [sys.executable, *(program or (QUICK if quick else AS_A_USER)), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self.env,
                encoding="utf-8",
                start_new_session=True,  # as clients do, which end all of the server's process group
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._errors = threading.Thread(target=self._drain, daemon=True)
        self.log: list[str] = []
        """Everything it wrote to its standard error."""
        self._reader.start()
        self._errors.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            try:
                message = json.loads(line)
                assert message["jsonrpc"] == "2.0"
            except (ValueError, KeyError, TypeError, AssertionError):
                self.stray.append(line)
                continue
            (self._answers if "id" in message and "method" not in message else self.notifications).put(message)
        for waiting in (self._answers, self.notifications):
            waiting.put({"id": None, "method": None, "ended": True})

    def _drain(self) -> None:
        assert self.process.stderr is not None
        self.log.extend(self.process.stderr)

    def __enter__(self) -> Self:
        if self.revision != MODERN:
            params = {
                "protocolVersion": self.revision,
                "capabilities": {},
                "clientInfo": self._info,
            }
            self.hello = self.ask("initialize", params)
            self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        else:
            self.hello = self.ask("server/discover")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self._reader.join(PATIENCE)
            self._errors.join(PATIENCE)
            for stream in (self.process.stdout, self.process.stderr):
                assert stream is not None
                stream.close()

    def send(self, message: dict[str, Any] | str) -> None:
        """One line, as it is when it is a text."""
        assert self.process.stdin is not None
        line = message if isinstance(message, str) else json.dumps(message, separators=(",", ":"))
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def send_bytes(self, data: bytes) -> None:
        """Bytes as they are, also such as are no text."""
        assert self.process.stdin is not None
        with open(self.process.stdin.fileno(), "wb", closefd=False) as raw:
            raw.write(data)

    def skip_ids(self, count: int) -> None:
        """Use no id of the next so many: a test gives them out itself."""
        self._last += count

    def next_answer(self) -> dict[str, Any]:
        """The next answer, whosever it is; an answer to what cannot be read has no id.

        Raises:
            queue.Empty: none came in time.
        """
        message = self._answers.get(timeout=PATIENCE)
        assert "ended" not in message, f"the server has ended: {''.join(self.log)}"
        return message

    def begin(self, method: str, params: dict[str, Any] | None = None, *, progress: bool = False) -> int:
        """Send a request and return its id."""
        self._last += 1
        meta: dict[str, Any] = dict(self.meta) | ({"progressToken": f"token-{self._last}"} if progress else {})
        if self.revision == MODERN:
            meta |= {
                f"{PREFIX}/protocolVersion": MODERN,
                f"{PREFIX}/clientCapabilities": {},
                f"{PREFIX}/clientInfo": self._info,
            }
        params = dict(params or {}) | ({"_meta": meta} if meta else {})
        self.send({"jsonrpc": "2.0", "id": self._last, "method": method, "params": params})
        return self._last

    def answer(self, request: int) -> dict[str, Any]:
        """The whole answer to a request; fails when none comes."""
        message = self.next_answer()
        assert message["id"] == request, message
        return message

    def answers(self, requests: Iterable[int]) -> dict[int, dict[str, Any]]:
        """The whole answers to several requests, in whatever order they come."""
        missing, found = set(requests), {}
        while missing:
            message = self.next_answer()
            missing.remove(message["id"])
            found[message["id"]] = message
        return found

    def ask(self, method: str, params: dict[str, Any] | None = None, *, progress: bool = False) -> dict[str, Any]:
        """The result of a request; an error fails the test."""
        message = self.answer(self.begin(method, params, progress=progress))
        assert "error" not in message, message
        result: dict[str, Any] = message["result"]
        return result

    def call(self, name: str, arguments: dict[str, Any], *, progress: bool = False) -> dict[str, Any]:
        """The result of a tool call."""
        return self.ask("tools/call", {"name": name, "arguments": arguments}, progress=progress)
