"""Entry point: runs the command that is given, and turns every error into plain sentences and an exit code.

Exit codes: 0 done; 1 it failed or something was found wrong; 2 the call or the configuration is wrong; 130 Ctrl-C.
Commands that wait for jobs have two more, see `cli.progress`.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from imagewright.cli import closed_streams, ended_by_the_system, put_error
from imagewright.errors import ImagewrightError, Refusal, SettingsError
from imagewright.text import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

DONE = 0
FAILED = 1
WRONG_CALL = 2
INTERRUPTED = 130
"""As shells report a program ended by Ctrl-C."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the words name, by default those of the process; returns the exit code."""
    _replace_closed_streams()
    try:
        code = _run(argv)
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()
        return DONE
    except OSError as error:
        # such as a full disk behind `> file`; a traceback would not help
        _forget_stdout()
        put_error(f"imagewright: {error}\n")
        return FAILED
    return code


def _run(words: Sequence[str] | None) -> int:
    try:
        with ended_by_the_system():  # Ctrl-C while it loads needs no traceback
            from imagewright.cli.commands import run_command  # noqa: PLC0415 - inside the guard
        return run_command(sys.argv[1:] if words is None else words)
    except KeyboardInterrupt:
        if words is None:
            # what is left to do is to end, and where a second Ctrl-C finds that need not be shown
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        return INTERRUPTED
    except ImagewrightError as error:
        return _explain(error)


def _explain(error: ImagewrightError) -> int:
    if isinstance(error, Refusal):
        lines = [str(problem) for problem in error.problems]
        if error.more:
            lines.append(f"and {error.more} more")
        if error.note:
            lines.append(error.note)
        if error.instead:
            lines.append(f"can do it instead: {', '.join(error.instead)}")
    else:
        lines = [str(error)]
    for line in lines:
        put_error(f"imagewright: {plain(line)}\n")
    return WRONG_CALL if isinstance(error, Refusal | SettingsError) else FAILED


def _replace_closed_streams() -> None:
    """Open the null device for each standard stream that the parent has closed: Python has None there."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            closed_streams.add(name)
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 - open to the end; no path


def _forget_stdout() -> None:
    """Point standard output at the null device, so that closing it at exit raises no second error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
