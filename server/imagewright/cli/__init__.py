"""The command line: starts the server, and does by hand what the server does for an assistant."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

closed_streams: set[str] = set()
"""Those of `stdin`, `stdout` and `stderr` that whoever started the process has closed."""


@contextmanager
def ended_by_the_system() -> Iterator[None]:
    """Meanwhile Ctrl-C ends the process where it stands: an exception in the middle of an import can get lost."""
    before = signal.getsignal(signal.SIGINT)
    # such as ignored in the background, and that is meant; and only the main thread may change it
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
