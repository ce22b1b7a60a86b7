"""The real command as a process of its own."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import imagewright

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emulators.kie import KieEmulator


class Terminal(io.StringIO):
    """A standard output that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def plain(self) -> list[str]:
        """Its lines as they are seen, without styles."""
        return re.sub(r"\x1b\[[0-9;]*m", "", self.getvalue()).splitlines()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal with colours, to put in the place of standard output."""
    monkeypatch.setenv("TERM", "xterm-256color")
    return Terminal()


@pytest.fixture
def child_environment(home: Path) -> dict[str, str]:
    """The variables of a child that imports the same package from anywhere, in an empty home."""
    assert os.environ["IMAGEWRIGHT_HOME"] == str(home)
    return {**os.environ, "PYTHONPATH": str(Path(imagewright.__file__).parents[1]), "PYTHONUTF8": "1"}


@pytest.fixture
def importable(child_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that the tested command itself starts finds the package, from anywhere."""
    monkeypatch.setenv("PYTHONPATH", child_environment["PYTHONPATH"])


@pytest.fixture
def spawn(child_environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python with these words, wait, and return what it said."""

    def run(*words: str, folder: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own interpreter and our own words
            [sys.executable, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=60,
            cwd=folder,
            env=child_environment | variables,
        )

    return run


@pytest.fixture
def kie(kie: KieEmulator) -> KieEmulator:
    """The same, whose tasks take a minute."""
    kie.seconds = 60
    return kie


@pytest.fixture
def computer(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's home folder, with a project in it that is worked in."""
    for name in ("APPDATA", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(home.parent / name))
    project = home.parent / "project"
    project.mkdir(parents=True)
    monkeypatch.chdir(project)
    return home.parent
