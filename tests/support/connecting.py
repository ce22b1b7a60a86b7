"""Clients that are installed, as `imagewright connect` finds them on this machine."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped,unused-ignore] # as in the code that is tested

from imagewright.cli.connect import SYSTEMS, Client, Surroundings, clients, edit, locate
from imagewright.cli.main import main

SYSTEM = SYSTEMS.get(sys.platform, "linux")


def place(client: Client) -> Path:
    return locate(client, Surroundings(SYSTEM, Path.home(), os.environ, Path.cwd()), project=False).file


def installed(name: str, content: str | bytes | None = None) -> tuple[Client, Path]:
    """A client that is installed, and the file it reads, with that content or missing."""
    client = clients()[name]
    file = place(client)
    (Path.home() / ".claude").mkdir(parents=True, exist_ok=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    if content is not None:
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    return client, file


def holds(client: Client, file: Path) -> dict[str, Any]:
    """What the file holds, by an independent reader where there is one."""
    text = file.read_text(encoding="utf-8-sig")
    if client.format == "toml":
        return tomllib.loads(text)
    if client.format == "yaml":
        value: dict[str, Any] = yaml.safe_load(text) or {}
        return value
    return edit.JSON.parse(text)


def run(*words: str) -> int:
    return main(["connect", *words])


def copies(file: Path) -> list[Path]:
    return sorted(file.parent.glob(f"{file.name}.*.bak"))
