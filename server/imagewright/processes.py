"""How this program starts another Python beside it, which speaks with it through pipes: a worker, a courier."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def start_python(
    arguments: Sequence[str], environment: Mapping[str, str], *, own_session: bool, flags: int = 0
) -> subprocess.Popen[bytes]:
    """Start Python with these arguments and no other variables. Blocks for some milliseconds.

    It is in a process group of its own, so that a terminal's Ctrl-C does not reach it.

    Args:
        arguments: what follows the interpreter.
        environment: its variables.
        own_session: whether it outlives this process, also where all of the session is ended. One that stays in the
            session is ended by the system with this process even while it is stopped: POSIX has SIGHUP and SIGCONT sent
            to a group with stopped processes whose last tie to its session ends.
        flags: for Windows, such as `CREATE_NO_WINDOW`.

    Raises:
        OSError: it cannot be started.
    """
    if getattr(sys, "frozen", False) or not sys.executable:
        raise OSError("this program is no Python that could start another")
    return subprocess.Popen(  # noqa: S603 - our own interpreter and our own words
        [sys.executable, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a client waits until everybody has closed the server's standard error
        bufsize=0,
        cwd=os.path.abspath(os.sep),  # noqa: PTH100 - no folder is kept from being removed
        env=environment,
        start_new_session=own_session,
        process_group=None if own_session else 0,
        creationflags=flags,
    )
