"""`imagewright serve`: the MCP server on standard input and output. Imports only what the server needs."""

from __future__ import annotations

import os
import sys
from functools import partial

import click

from imagewright.cli import closed_streams, ended_by_the_system
from imagewright.cli.options import Command, command_line
from imagewright.errors import SettingsError
from imagewright.settings.load import load_settings

GREETING = (
    "This is an MCP server: it waits for a client to speak to it on standard input. "
    "To see what it does, press Ctrl-C and run: imagewright demo\n"
)


@click.command(cls=Command)
def command() -> int:
    """Serve until the client hangs up.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed; everything was closed first.
        SettingsError: an option or setting is wrong, or standard input or output is closed.
    """
    if closed_streams & {"stdin", "stdout"}:
        raise SettingsError("standard input and output must be open: they are how a client speaks to this server")
    settings = load_settings(os.environ, command_line())
    if sys.stdin.isatty():
        sys.stderr.write(GREETING)
    with ended_by_the_system():
        import anyio  # noqa: PLC0415 - a wrong option or setting is answered without loading the server

        from imagewright.surface.stdio import serve_stdio  # noqa: PLC0415 - as above

    if anyio.run(partial(serve_stdio, settings)):
        raise KeyboardInterrupt  # the command line has the exit code for it
    return 0
