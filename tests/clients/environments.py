"""An environment for each client, with exactly the versions of its row, kept between runs."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.official_tools import CACHE, OWN, TOOLS, tool_folder

if TYPE_CHECKING:
    from tests.clients.rows import Client

PATIENCE = 600
"""Seconds for one installation."""


class UnavailableError(Exception):
    """An environment that cannot be had, with the reason."""


def environment(client: Client) -> Path:
    """The folder a client is installed in, which is done now if no earlier run has.

    Raises:
        UnavailableError: it cannot be installed.
    """
    facts = (client.kind, client.python if client.kind == "python" else client.node, *client.packages)
    digest = hashlib.sha256("\n".join((*facts, platform.machine())).encode()).hexdigest()[:12]
    place = CACHE / "clients" / f"{client.packages[0].strip('@').replace('/', '-')}-{digest}"
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as new:
            folder = Path(new) / "environment"
            (_install_python if client.kind == "python" else _install_node)(client, folder)
            try:
                folder.rename(place)
            except OSError:  # another row with the same packages was faster
                if not place.exists():
                    raise
    return place


def starter(folder: Path, client: Client) -> list[str]:
    """What a driver's file is started with."""
    if client.kind == "python":
        return [str(folder / "bin" / "python")]
    return [node(folder)] if client.kind == "node" else [sys.executable]


def node(folder: Path) -> str:
    """The Node of an environment: its own where its row asks for one, else this machine's."""
    own = folder / "node_modules" / "node" / "bin" / "node"
    return str(own) if own.exists() else _program("node")


def _install_python(client: Client, folder: Path) -> None:
    try:
        uv = str(tool_folder("uv") / TOOLS["uv"].program)
    except pytest.skip.Exception as missing:
        raise UnavailableError(str(missing)) from missing
    # not moved afterwards: nothing in it that is started has its place written into it but the programs of `bin`,
    # and drivers are started by its Python
    _run([uv, "venv", "--quiet", "--relocatable", "--python", client.python, str(folder)])
    _run([uv, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), *client.packages])


def _install_node(client: Client, folder: Path) -> None:
    folder.mkdir()
    words = ["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(folder)]
    runtime = [f"node@{client.node}"] if client.node else []
    _run([_program("npm"), *words, *runtime, *client.packages])


def _program(name: str) -> str:
    found = shutil.which(name, path=OWN.get("PATH"))
    if found is None:
        raise UnavailableError(f"{name} is not installed")
    return found


def _run(words: list[str]) -> None:
    done = subprocess.run(  # noqa: S603 - words of our own
        words,
        env=OWN | {"VIRTUAL_ENV": ""},
        cwd=os.fspath(CACHE),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=PATIENCE,
    )
    if done.returncode:
        raise UnavailableError(f"{Path(words[0]).name} {words[1]}: {' '.join(done.stderr.split())[-600:]}")
