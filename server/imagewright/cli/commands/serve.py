"""`imagewright serve`: the MCP server on standard input and output. Imports only what the server needs."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from imagewright.cli.parser import command_line, command_parser
from imagewright.settings.load import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

GREETING = (
    "This is an MCP server: it waits for a client to speak to it on standard input. "
    "To see what it does, press Ctrl-C and run: imagewright demo\n"
)


def main(words: Sequence[str]) -> int:
    """Serve until the client hangs up.

    Raises:
        KeyboardInterrupt: Ctrl-C; everything was put away first.
    """
    settings = load_settings(os.environ, command_line(command_parser("serve").parse_args(words)))
    if sys.stdin.isatty():
        sys.stderr.write(GREETING)
    with _ended_by_the_system():
        import anyio  # noqa: PLC0415 - a wrong option or setting is answered without loading the server

        from imagewright.surface.stdio import serve_stdio  # noqa: PLC0415 - as above

    if anyio.run(partial(serve_stdio, settings)):
        raise KeyboardInterrupt  # the command line has the exit code for it
    return 0


@contextmanager
def _ended_by_the_system() -> Iterator[None]:
    """Meanwhile Ctrl-C ends the process where it stands: an exception in the middle of an import can get lost."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # such as ignored in the background, and that is meant
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
