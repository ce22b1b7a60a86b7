"""Ctrl-C ends the server at once: on a terminal, with an open pipe, idle and with a call under way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from array import array
from typing import TYPE_CHECKING

import pytest

from imagewright.cli.commands.serve import GREETING
from imagewright.cli.main import WRONG_CALL
from tests.support.kill_runs import Aim, House
from tests.support.raw_client import AS_A_USER, ERAS, RawClient
from tests.support.slow_vendors import SlowKie

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGINT that can be sent to one process")

SOON = 30.0
"""Seconds; a server ends within hundredths of one, but the machine may be busy."""
INTERRUPTED = 130
ON_A_TERMINAL = (
    "import fcntl, os, sys, termios\n"
    "os.setsid()\n"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    "from imagewright.cli.main import main\n"
    "sys.exit(main([]))\n"
)
WHILE_STARTING = (
    "import os, signal, sys\n"
    "class Press:\n"
    "    def find_spec(self, name, path=None, target=None):\n"
    "        if name == sys.argv[1]:\n"
    "            os.kill(os.getpid(), signal.SIGINT)\n"
    "sys.meta_path.insert(0, Press())\n"
    "from imagewright.cli.main import main\n"
    "sys.exit(main([]))\n"
)


@pytest.mark.parametrize("revision", ["", *ERAS])
def test_an_idle_server_with_an_open_pipe_ends_at_once(revision: str, home: Path) -> None:
    client = RawClient(revision, env={"IMAGEWRIGHT_HOME": str(home), "HOME": str(home)})
    if revision:
        client.__enter__()
    else:  # nobody has spoken yet; nonsense is answered all the same, and shows that it listens
        client.send("x")
        assert client._answers.get(timeout=SOON)["id"] is None  # noqa: SLF001 - it has no number
    os.kill(client.process.pid, signal.SIGINT)
    assert client.process.wait(SOON) == INTERRUPTED
    client.__exit__(None, None, None)
    assert len(client.log) == (0 if revision else 1), client.log


@pytest.mark.parametrize("revision", ERAS)
def test_a_call_under_way_is_left_to_the_next_server(revision: str, home: Path) -> None:
    with SlowKie() as kie:
        house = House(home, kie, {"IMAGEWRIGHT_LEASE": "3600"})
        kie.lags = {"download": 1.0}
        with house.server(revision) as server:
            request = house.begin(server, "A red kite over the sea")
            house.wait_for(Aim.SUBMITTED)
            os.kill(server.process.pid, signal.SIGINT)
            assert server.process.wait(SOON) == INTERRUPTED
        assert "".join(server.log) == ""
        assert not any(f'"id":{request},' in line for line in server.lines), "clients on mcp 1.x break on a late error"
        (job,) = house.jobs()
        assert not job.done
        with house.server():  # with a lease that was not given up it would look at the job in an hour
            house.wait_until_settled(1)
        house.audit().check()
        assert len(house.pictures()) == 1


def test_one_press_on_a_terminal_is_enough(home: Path) -> None:
    ours, theirs = os.openpty()
    server = subprocess.Popen(  # noqa: S603 - our own server
        [sys.executable, "-c", ON_A_TERMINAL],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "IMAGEWRIGHT_HOME": str(home)},
        text=True,
    )
    os.close(theirs)
    assert server.stdout is not None
    os.write(ours, b"nonsense\n")
    assert "-32700" in server.stdout.readline()
    os.write(ours, b"\x03")
    output, errors = server.communicate(timeout=SOON)
    os.close(ours)
    assert (server.returncode, output) == (INTERRUPTED, "")
    assert errors.startswith(GREETING)
    assert "Traceback" not in errors


def _filled(pipe: int) -> float:
    """Which share of a pipe is full."""
    import fcntl  # noqa: PLC0415 - Windows has none
    import termios  # noqa: PLC0415 - as above

    unread = array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, unread)
    return unread[0] / fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much a pipe holds")
def test_a_second_press_ends_a_server_whose_client_no_longer_reads(home: Path) -> None:
    server = subprocess.Popen(  # noqa: S603 - our own server
        [sys.executable, *AS_A_USER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "IMAGEWRIGHT_HOME": str(home)},
        text=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    with server.stdin, server.stdout:
        server.stdin.write("nonsense\n" * 20_000)  # the answers are more than a pipe holds
        server.stdin.flush()
        assert "-32700" in server.stdout.readline()
        while _filled(server.stdout.fileno()) < 0.99:  # only then something is left to be written
            time.sleep(0.05)
        while server.poll() is None:
            server.send_signal(signal.SIGINT)
            time.sleep(0.05)
    assert server.returncode == -signal.SIGINT, "it ended by itself, seconds later"


@pytest.mark.parametrize("loading", ["pydantic", "imagewright.cli.commands.serve", "mcp"])
def test_a_server_that_is_still_starting_ends_without_a_traceback(loading: str, home: Path) -> None:
    env = {**os.environ, "IMAGEWRIGHT_HOME": str(home)}
    ended = subprocess.run(  # noqa: S603 - our own server
        [sys.executable, "-c", WHILE_STARTING, loading],
        env=env,
        input="",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, "")


@pytest.mark.parametrize("descriptor", [0, 1])
def test_a_server_with_nobody_to_speak_to_says_so(descriptor: int, home: Path) -> None:
    env = {**os.environ, "IMAGEWRIGHT_HOME": str(home)}
    script = f"import os, sys; os.close({descriptor}); os.execv(sys.executable, [sys.executable, '-m', 'imagewright'])"
    ended = subprocess.run(  # noqa: S603 - our own server
        [sys.executable, "-c", script], env=env, input="", capture_output=True, text=True, check=False
    )
    assert ended.returncode == WRONG_CALL
    assert ended.stderr.startswith("imagewright: standard input and output must be open")
    assert len(ended.stderr.splitlines()) == 1
