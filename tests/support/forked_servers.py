"""Servers forked from a process that has imported everything, so that a start takes milliseconds and not a second.

What is forked is a process of its own, with pipes, environment and home of its own, and can be killed like any other.
Tests that are about the start, or about what a user's own client would run, start the server as a user does instead;
so does every test where there is no fork. The other side is `nursery_process.py`.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HAS_FORK = hasattr(os, "fork") and hasattr(socket, "send_fds")
ROOT = Path(__file__).parents[2]


class Forked:
    """A forked server, as far as it is used like a `subprocess.Popen`."""

    def __init__(self, pid: int, pipes: tuple[TextIO, TextIO, TextIO], alive: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdin, self.stdout, self.stderr = pipes
        self._alive = alive

    def poll(self) -> int | None:
        """How it ended; None while it runs."""
        try:
            return self.wait(0.0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float) -> int:
        """How it ended, waited for at most that many seconds."""
        if self.returncode is None:
            # nobody writes into this pipe: it ends when the process does, however that dies
            if not select.select([self._alive], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("imagewright", timeout)
            self.returncode = forked_servers().reap(self.pid)
            os.close(self._alive)
        return self.returncode

    def kill(self) -> None:
        """SIGKILL; nothing where it has ended."""
        if self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)


class ForkedServers:
    """The process that forks; one for each process that runs tests."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "tests.support.fork_process", str(theirs.fileno())],
                env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "server"), str(ROOT)])},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self._answers = self._socket.makefile("r", encoding="ascii")

    def start(self, arguments: Sequence[str], env: Mapping[str, str], *, quick: bool) -> Forked:
        """A server with this command line and this environment."""
        ours, theirs = zip(*(reversed(os.pipe()) if place == 0 else os.pipe() for place in range(4)), strict=True)
        try:
            pid = self._ask({"arguments": [*arguments], "env": dict(env), "quick": quick}, theirs)
        finally:
            for end in theirs:
                os.close(end)
        stdin = open(ours[0], "w", encoding="utf-8")  # noqa: PTH123, SIM115 - a pipe, which the client closes
        stdout = open(ours[1], encoding="utf-8")  # noqa: PTH123, SIM115 - as above
        stderr = open(ours[2], encoding="utf-8")  # noqa: PTH123, SIM115 - as above
        return Forked(pid, (stdin, stdout, stderr), ours[3])

    def reap(self, pid: int) -> int:
        """The exit code of a child that has ended."""
        return self._ask({"reap": pid})

    def close(self) -> None:
        """End it; its children go on."""
        self._answers.close()
        self._socket.close()
        self._process.wait()

    def _ask(self, request: Mapping[str, Any], descriptors: Sequence[int] = ()) -> int:
        with self._lock:
            socket.send_fds(self._socket, [b"."], descriptors)
            self._socket.sendall(json.dumps(request).encode() + b"\n")
            return int(self._answers.readline())


_forked_servers: list[ForkedServers] = []


def forked_servers() -> ForkedServers:
    """The fork server of this process, started at the first need."""
    if not _forked_servers:
        _forked_servers.append(ForkedServers())
        atexit.register(_forked_servers[0].close)
    return _forked_servers[0]
