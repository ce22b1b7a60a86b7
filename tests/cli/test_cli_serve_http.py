"""`imagewright serve --http` as a command: what it refuses, its token, its address, and what the doctor says of it."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from imagewright import __version__
from imagewright.cli.checks import Level, check_http
from imagewright.cli.main import main
from imagewright.errors import SettingsError
from imagewright.settings.keys import make_token, read_token
from imagewright.settings.load import load_settings
from imagewright.surface.listening import TakenError, listen
from tests.support.raw_http import HttpProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ONE_FILE = threading.Barrier(4)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program has, which says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--host", "0.0.0.0"], "serves only this machine"),  # noqa: S104 - it is refused
        (["--host", "192.168.1.5"], "Teams and other addresses are for a later release"),
        (["--host", "example.com"], "localhost, 127.0.0.1 or ::1"),
        (["--port", "65536"], "--port: 65536 is not a port"),
        (["--port", "web"], "--port: 'web' is not a port"),
        (["--path", "mcp"], "such as /mcp"),
        (["--path", "/a b"], "such as /mcp"),
        (["--path", "/a/../mcp"], "such as /mcp"),
    ],
)
def test_what_cannot_be_served_is_refused(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--http", *words]) == 2
    shown = capsys.readouterr()
    assert sentence in shown.err
    assert shown.out == ""


@pytest.mark.parametrize("words", [["--port", "1"], ["--host", "::1"], ["--path", "/x"], ["--no-token"]])
def test_what_is_for_http_needs_it(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", *words]) == 2
    assert f"{words[0]} is for --http; add it" in capsys.readouterr().err


def test_a_port_that_another_program_has_is_left_to_it(taken: int) -> None:
    for host in ("localhost", "127.0.0.1"):
        with pytest.raises(TakenError, match=f"another program has the port {taken}"):
            listen(host, taken)


def test_it_listens_on_both_addresses_of_this_machine_and_on_no_other() -> None:
    sockets = listen("localhost", 0)
    names = {one.getsockname()[0] for one in sockets}
    ports = {one.getsockname()[1] for one in sockets}
    for one in sockets:
        one.close()
    assert names <= {"127.0.0.1", "::1"}
    assert len(ports) == 1


def test_a_second_server_says_that_the_first_one_is_there_and_the_doctor_finds_it(home: Path) -> None:
    variables = {**os.environ, "IMAGEWRIGHT_HOME": str(home)}
    with HttpProcess("--path", "/pictures", IMAGEWRIGHT_HOME=str(home)) as server:
        settings = {**variables, "IMAGEWRIGHT_HTTP_PORT": str(server.port), "IMAGEWRIGHT_HTTP_PATH": "/pictures"}
        words = [sys.executable, "-m", "imagewright", "serve", "--http"]
        second = subprocess.run(  # noqa: S603 - our own program
            words, env=settings, capture_output=True, text=True, check=False, timeout=60
        )
        assert second.returncode == 2
        assert second.stdout == ""
        assert f"imagewright {__version__} serves on port {server.port} already" in second.stderr
        assert server.process.stdout is not None
        (found,) = check_http(load_settings(settings))
        assert found.level is Level.OK
        assert f"answers at http://127.0.0.1:{server.port}/pictures with 10 tools" in found.says
        (found,) = check_http(load_settings({**settings, "IMAGEWRIGHT_HTTP_TOKEN": "another-token-than-its-own"}))
        assert found.level is Level.BROKEN
        assert "not the token" in found.says
        assert server.token not in found.says
        port = server.port
    (found,) = check_http(load_settings({**settings, "IMAGEWRIGHT_HTTP_PORT": str(port)}))
    assert (found.level, found.says) == (Level.OFF, f"no server runs on port {port}")


def test_the_doctor_tells_another_program_from_ours(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        def answer() -> None:
            connection, _ = other.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 200 OK\r\nServer: other/1\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        settings = load_settings({"IMAGEWRIGHT_HOME": str(home), "IMAGEWRIGHT_HTTP_PORT": str(port)})
        (found,) = check_http(settings)
        thread.join()
    assert found.level is Level.OFF
    assert "another program" in found.says
    assert not home.exists()


def test_the_token_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    file = tmp_path / "config" / "http-token"
    assert read_token(file) == ""
    made: list[str] = []

    def make() -> None:
        ONE_FILE.wait()
        made.append(make_token(file))

    threads = [threading.Thread(target=make) for _ in range(ONE_FILE.parties)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert made == [read_token(file)] * ONE_FILE.parties
    assert len(made[0]) == 43
    assert [one.name for one in file.parent.iterdir()] == [file.name], "no draft is left"
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        file.chmod(0o644)
        with pytest.raises(SettingsError, match="chmod 600"):
            make_token(file)


@pytest.mark.parametrize("content", ["", "short", "two words that are long enough", "\x00" * 40])
def test_a_file_that_holds_no_token_is_not_used(tmp_path: Path, content: str) -> None:
    file = tmp_path / "http-token"
    file.touch(mode=0o600)
    file.write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError, match="holds no token; delete it") as refusal:
        make_token(file)
    assert not content or content not in str(refusal.value)


@pytest.mark.skipif(os.name != "posix", reason="makes a link")
def test_a_link_to_no_file_is_not_taken_for_no_token(tmp_path: Path) -> None:
    file = tmp_path / "http-token"
    file.symlink_to(tmp_path / "gone")
    with pytest.raises(SettingsError, match="a link to a file that is not there"):
        make_token(file)
    assert [one.name for one in tmp_path.iterdir()] == [file.name]


LOOKS = """
import gc, os, sys, threading, time
from imagewright.cli.main import main

def look():
    while not gc.get_freeze_count():
        time.sleep(0.01)
    loaded = (name for name in sys.modules if name.startswith("imagewright.surface"))
    print("loaded:", gc.isenabled(), *loaded, file=sys.stderr, flush=True)
    os._exit(0)

def loads(event, arguments):
    if event == "import" and arguments[0] == "mcp.server":
        print("loads:", gc.isenabled(), file=sys.stderr)

sys.addaudithook(loads)
threading.Thread(target=look).start()
main(["serve"])
"""
"""A server that says whether it looks for garbage, and what it has loaded."""


def test_the_server_on_standard_input_loads_nothing_of_it_and_looks_for_garbage_later(
    child_environment: dict[str, str],
) -> None:
    stdin, never = os.pipe()  # its client never says a word
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", LOOKS],
            stdin=stdin,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            env=child_environment,
        )
    finally:
        os.close(stdin)
        os.close(never)
    before, after = done.stderr.splitlines()
    assert before == "loads: False"
    assert after.startswith("loaded: True ")
    loaded = {name.rpartition(".")[2] for name in after.split()}
    assert "stdio" in loaded
    assert loaded.isdisjoint({"http", "listening", "delivery", "client"})
