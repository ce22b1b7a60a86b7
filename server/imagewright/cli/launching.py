"""The command for clients to start: with its full path, as they lack our PATH, and not in a cache that gets cleaned."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAME = "imagewright"
UV_CACHE = re.compile(r"(?:archive|environments|builds)-v\d+")
"""Folders of uv's cache that hold an environment for one run; `uv tool install` makes one that stays elsewhere."""
INSTALLERS = {"uv-receipt.toml": ("uv", "tool"), "pipx_metadata.json": ("pipx",)}
"""Who has made an environment, by the note that it leaves there."""
CACHES = frozenset({".cache", "cache", "caches"})
PREFIX, SCRIPTS = Path(sys.prefix), Path(sysconfig.get_path("scripts"))


def launch_command(
    prefix: Path = PREFIX, scripts: Path = SCRIPTS, environment: Mapping[str, str] = os.environ
) -> list[str]:
    """Program and arguments for an environment in the folder `prefix`, whose programs lie in `scripts`."""
    parts = [part.lower() for part in prefix.parts]

    def find(program: str) -> str | None:
        return shutil.which(program, path=environment.get("PATH", ""))

    # what was fetched for one run is in a cache, and goes when that is cleaned or the version changes
    if any(UV_CACHE.fullmatch(part) for part in parts):
        beside = str(Path(environment.get("UV", "uv")).with_name("uvx"))
        if uvx := find(beside) or find("uvx"):
            return [uvx, "--from", source(), NAME]
    if "pipx" in parts and CACHES & {*parts} and (pipx := find("pipx")):
        return [pipx, "run", "--spec", source(), NAME]
    script = shutil.which(NAME, path=str(scripts))
    return [script] if script else [sys.executable, "-m", NAME]


def launch_words() -> str:
    """The command as one types it."""
    return _typed(launch_command())


def install_words(extra: str, prefix: Path = PREFIX, origin: str | None = None) -> str:
    """The command that adds an extra to this installation, as one types it.

    Args:
        extra: its name in pyproject.toml.
        prefix: the folder of the environment.
        origin: what it was installed from, see `source`; None for this installation's own.
    """
    origin = origin or source()
    wanted = f"{NAME}[{extra}] @ {origin}" if "://" in origin else f"{origin}[{extra}]"
    if any(UV_CACHE.fullmatch(part) for part in prefix.parts):
        return _typed(["uvx", "--from", wanted, NAME])
    for note, program in INSTALLERS.items():
        if (prefix / note).exists():
            return _typed([*program, "install", "--force", wanted])
    return _typed([sys.executable, "-m", "pip", "install", wanted])


def _typed(words: Sequence[str]) -> str:
    return " ".join(f'"{word}"' if {*" [<>"} & {*word} else word for word in words)


def source() -> str:
    """What this installation was made from, as an installer takes it: a folder, an address, or the name alone."""
    try:
        text = distribution(NAME).read_text("direct_url.json")
    except PackageNotFoundError:
        return NAME
    return read_source(text)


def read_source(text: str | None) -> str:
    """As `source`, from the installation's own note of where it came from (PEP 610); None where there is none."""
    origin = json.loads(text) if text else {}
    url = str(origin.get("url", ""))
    if version_control := origin.get("vcs_info"):
        return f"{version_control['vcs']}+{url}@{version_control['commit_id']}"
    if url.startswith("file:"):
        return url2pathname(urlsplit(url).path)
    return url or NAME
