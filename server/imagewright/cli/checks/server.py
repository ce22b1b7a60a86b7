"""The server as a client meets it: started as a process, spoken to over standard input and output."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import anyio

from imagewright.cli.checks.finding import Finding, Level
from imagewright.cli.launching import launch_command
from imagewright.surface.client import open_client

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PATIENCE = 30.0
"""Seconds for a start, on a machine that is slow and cold."""
LOUD = "Something prints to standard output when Python starts (a sitecustomize, a .pth file or a wrapper): silence it."


def check_server(environment: Mapping[str, str], options: Sequence[str]) -> list[Finding]:
    """Whether the server keeps standard output clean, ends with its client, and answers.

    Args:
        environment: the variables it is started with.
        options: words for `imagewright serve`.
    """
    return [_command(), check_silence(environment, options), anyio.run(check_answer, environment, options)]


def _command() -> Finding:
    program, *words = launch_command()
    arguments = f", args: {json.dumps(words)}" if words else ""
    return Finding("server", Level.OK, f"for a client's configuration, command: {json.dumps(program)}{arguments}")


def check_silence(environment: Mapping[str, str], options: Sequence[str]) -> Finding:
    """Whether nothing is printed for a client that hangs up at once: what is, was never part of the protocol."""
    words = [sys.executable, "-m", "imagewright", "serve", *options]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and our own words
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False, env=dict(environment)
        )
    except subprocess.TimeoutExpired:
        return Finding(
            "server", Level.BROKEN, f"still runs {PATIENCE:.0f} s after its client hung up", "Please report it."
        )
    if done.stdout:
        return Finding("server", Level.BROKEN, f"{len(done.stdout)} stray bytes on standard output", LOUD)
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["it says nothing"]
        return Finding("server", Level.BROKEN, f"ends with code {done.returncode}: {last[0]}", "Correct that first.")
    return Finding("server", Level.OK, "keeps standard output clean and ends with its client")


async def check_answer(environment: Mapping[str, str], options: Sequence[str]) -> Finding:
    """Whether it answers a client that asks for its tools, and how soon."""
    start = time.monotonic()
    try:
        with anyio.fail_after(PATIENCE):
            async with open_client(["serve", *options], dict(environment)) as client:
                tools = await client.list_tools()
                took = time.monotonic() - start
    except Exception as error:  # noqa: BLE001 - whatever keeps it from answering is what was looked for
        return Finding("server", Level.BROKEN, f"does not answer: {_root(error)}", "Run: imagewright serve")
    return Finding("server", Level.OK, f"answers with {len(tools)} tools in {took:.1f} s")


def _root(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
