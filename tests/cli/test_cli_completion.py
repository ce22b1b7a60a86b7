"""Completion in real shells, on a terminal of their own: a line is typed, Tab is pressed, and the line is read."""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from imagewright.catalog.load import catalog
from imagewright.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pty = pytest.importorskip("pty", reason="needs a terminal as Unix has it")
termios = pytest.importorskip("termios", reason="as above")

PATIENCE = 30.0
"""Seconds until what never comes fails the test."""
SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "--no-rcs", "-i"],
}
PREPARE = {
    "bash": "bind 'set bell-style none'; bind 'set enable-bracketed-paste off'; PS1='> '; ",
    "zsh": "unsetopt beep zle_bracketed_paste; autoload -Uz compinit; compinit -u -D; PS1='> '; ",
}


class Shell:
    """An interactive shell that completes our command."""

    def __init__(self, name: str, folder: Path, environment: dict[str, str]) -> None:
        self.name = name
        self._own, there = pty.openpty()
        termios.tcsetwinsize(there, (50, 300))
        self._process = subprocess.Popen(  # noqa: S603 - a shell of this machine
            SHELLS[name], stdin=there, stdout=there, stderr=there, cwd=folder, env=environment, start_new_session=True
        )
        os.close(there)
        self._send(f'{PREPARE[name]}eval "$(imagewright completion {name})"; echo set-"up"\n')
        self._read("set-up\r\n")

    def _send(self, text: str) -> None:
        os.write(self._own, text.encode())

    def _read(self, until: str) -> str:
        """What it prints up to these words."""
        shown, end = "", time.monotonic() + PATIENCE
        while until not in shown:
            assert time.monotonic() < end, f"{until!r} never came; the terminal shows {shown!r}"
            if select.select([self._own], [], [], 0.1)[0]:
                shown += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]", "", os.read(self._own, 65536).decode())
        return shown

    def complete(self, typed: str, found: str) -> None:
        """Type a line, press Tab, and see that these words come; then clear the line."""
        self._send(f"{typed}\t")
        self._read(found)
        self._send("\x15")

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        os.close(self._own)


@pytest.fixture
def commands(tmp_path: Path, child_environment: dict[str, str]) -> dict[str, str]:
    """The variables of a shell that finds our command."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "imagewright"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m imagewright "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return {**child_environment, "PATH": path, "TERM": "dumb", "HOME": str(tmp_path), "INPUTRC": os.devnull}


@pytest.fixture(params=[*SHELLS])
def shell(request: pytest.FixtureRequest, tmp_path: Path, commands: dict[str, str]) -> Iterator[Shell]:
    """Each shell, in a folder with one picture."""
    if shutil.which(request.param) is None:
        pytest.skip(f"there is no {request.param} here")
    (tmp_path / "seaside.png").touch()
    one = Shell(request.param, tmp_path, commands)
    with suppress(OSError):
        yield one
    one.close()


def test_a_line_is_completed(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    row = next(row for row in catalog().values() if {"images", "aspect_ratio"} <= {*row.arguments()})
    ratio = next(
        str(value) for value in row.arguments()["aspect_ratio"][0].values or () if str(value).startswith("16:")
    )
    assert main(["run", row.tool, "a fox", "--json"]) == 0
    shown = capsys.readouterr().out
    job, picture = (re.search(rf'"({start}_[a-z0-9]{{16}})"', shown) for start in ("job", "img"))
    assert job is not None
    assert picture is not None
    begun = f"imagewright run {row.tool}"
    lines = [
        (f"imagewright run {row.tool[:4]}", f"{begun} "),
        (f"{begun} --aspect-ratio 16:", f"--aspect-ratio {ratio} "),
        (f"{begun} --images seaside.png img_", f"--images seaside.png {picture[1]} "),
        (f"{begun} 'ein Füchslein 🦊' --aspect", "🦊' --aspect-ratio "),
        (f"{begun} --images seaside.png sea", "--images seaside.png seaside.png "),
        ("imagewright jobs show jo", f"jobs show {job[1]} "),
    ]
    for typed, found in lines if shell.name == "bash" else lines[:3]:
        shell.complete(typed, found)
