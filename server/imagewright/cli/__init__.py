"""The command line: starts the server, and lets a person do what the server does for an assistant."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from imagewright.text import plain_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

closed_streams: set[str] = set()
"""Those of `stdin`, `stdout` and `stderr` that were closed when the process started."""


def put(text: str) -> None:
    """Write to standard output, line by line; nothing in it acts on a terminal, whoever wrote it."""
    _write(sys.stdout, text)


def put_error(text: str) -> None:
    """The same to standard error, where progress and problems go."""
    _write(sys.stderr, text)


def _write(stream: TextIO, text: str) -> None:
    lines = plain_lines(text)
    stream.write("\n".join(map(_wrapped, lines.split("\n"))) if stream.isatty() else lines)


def _wrapped(line: str) -> str:
    """The line, broken between words where a person reads it; paths stay whole, so that they can be copied."""
    import shutil  # noqa: PLC0415 - the server needs neither
    import textwrap  # noqa: PLC0415 - as above

    width = shutil.get_terminal_size().columns
    if len(line) <= width:
        return line
    return textwrap.fill(line, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


@contextmanager
def ended_by_the_system() -> Iterator[None]:
    """While the block runs, Ctrl-C ends the process at once: an exception in the middle of an import can get lost."""
    before = signal.getsignal(signal.SIGINT)
    # Anything but Python's own handler was set on purpose, and only the main thread may change it.
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
