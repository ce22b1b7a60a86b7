"""`imagewright serve`: the MCP server on standard input and output. Imports only what the server needs."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial

import click

from imagewright.cli import closed_streams, ended_by_the_system, put_error
from imagewright.cli.options import Command, command_line
from imagewright.errors import SettingsError
from imagewright.settings.load import load_settings

GREETING = (
    "This is an MCP server: it waits for a client to speak to it on standard input. "
    "To see what it does, press Ctrl-C and run: imagewright demo\n"
)


@click.command(cls=Command)
def command() -> int:
    """Serve until the client hangs up, or until TERM, a closed terminal or Ctrl-C; then the process ends here.

    The exit code is 0, and 130 after Ctrl-C. Daemons end with 0 when TERM ends them in order, and init systems, Docker
    and Kubernetes read that as success. 143 means that something was left undone.

    Raises:
        SettingsError: an option or setting is wrong, or standard input or output is closed.
    """
    if closed_streams & {"stdin", "stdout"}:
        raise SettingsError("standard input and output must be open: they are how a client speaks to this server")
    settings = load_settings(os.environ, command_line())
    if sys.stdin.isatty():
        put_error(GREETING)
    with ended_by_the_system():
        import anyio  # noqa: PLC0415 - a wrong option or setting is answered without loading the server

        from imagewright.surface.stdio import serve_stdio  # noqa: PLC0415 - as above

    interrupted = anyio.run(partial(serve_stdio, settings))
    # All is closed. To take the interpreter apart costs a quarter of a second more, and a client that waits for the end
    # sends TERM after 2 s; until then, nothing would be left to take that signal.
    sys.stderr.flush()
    os._exit(128 + signal.SIGINT if interrupted else 0)
