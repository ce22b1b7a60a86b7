"""How this program starts another Python beside it, which speaks with it through pipes: a worker, a courier."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def program(module: str, paths: Sequence[str]) -> str:
    """What Python has to run to be the process that a module's `serve` is.

    It finds modules on these paths, where its server does. Until it calls `freeze_imports` there is no garbage
    collection, which would find nothing and take a twentieth of the start.
    """
    root = str(Path(__file__).parents[1])  # last: it is not on the paths only where an installation finds it by a hook
    places = dict.fromkeys(os.path.abspath(one) for one in (*paths, root) if one)  # noqa: PTH100 - links stay as they are
    return f"import gc, sys; gc.disable(); sys.path[:0] = {[*places]!a}; from {module} import serve; serve()"


def freeze_imports() -> None:
    """Begin to collect, in such a process, but for what is there now: what was imported stays."""
    gc.freeze()
    gc.enable()


def start_python(
    module: str, environment: Mapping[str, str], *, own_session: bool, options: Sequence[str] = (), flags: int = 0
) -> subprocess.Popen[bytes]:
    """Start the process that a module's `serve` is, with no other variables. Blocks for some milliseconds.

    It is in a process group of its own, so that a terminal's Ctrl-C does not reach it.

    Args:
        module: its name.
        environment: its variables.
        own_session: whether it outlives this process, also where all of the session is ended. One that stays in the
            session is ended by the system with this process even while it is stopped: POSIX has SIGHUP and SIGCONT sent
            to a group with stopped processes whose last tie to its session ends.
        options: of Python, besides the usual ones.
        flags: for Windows, such as `CREATE_NO_WINDOW`.

    Raises:
        OSError: it cannot be started.
    """
    if getattr(sys, "frozen", False) or not sys.executable:
        raise OSError("this program is no Python that could start another")
    return subprocess.Popen(  # noqa: S603 - our own interpreter and our own words
        [sys.executable, *options, "-P", "-c", program(module, sys.path)],
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
