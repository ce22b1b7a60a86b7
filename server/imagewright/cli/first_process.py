"""The first process of a container: it starts `imagewright` and stays until all that this leaves behind has ended.

    python -m imagewright.cli.first_process [ARGUMENTS OF imagewright]

The system ends everything in a container together with its first process. If that were the server, the courier would
end with it, and with the courier the answer to a request that is paid for. For Linux only.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What a container's engine sends to the first process alone. A terminal sends SIGINT to both by itself."""
SET_CHILD_SUBREAPER = 36
"""For `prctl(2)`: what is left behind becomes a child of this process, also where an init stands before it."""


def main(words: list[str]) -> int:
    """Run a command until it and all processes that it left behind have ended; they become children of this one.

    Every process that the server leaves behind has a bound of its own, so there is none here.

    Args:
        words: program and arguments. It has the standard streams for itself: they end when it does.

    Returns:
        Its exit code, and 128 and the number of the signal where one ended it, as a shell says it.
    """
    ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1)
    forwarded = [number for number in FORWARDED if number != signal.SIGINT or not os.isatty(0)]
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)  # none is lost before there is somebody to pass it on to
    first = os.posix_spawn(words[0], [*words], os.environ, setsigmask=())
    ended = False

    def forward(number: int, _frame: FrameType | None) -> None:
        if number in forwarded and not ended:
            with suppress(ProcessLookupError):  # it has been waited for this moment
                os.kill(first, number)

    for number in FORWARDED:
        signal.signal(number, forward)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    code = 0
    while True:
        try:
            process, status = os.wait()
        except ChildProcessError:
            return code
        if process == first:
            ended = True
            code = os.waitstatus_to_exitcode(status)
            code = 128 - code if code < 0 else code


if __name__ == "__main__":
    sys.exit(main([sys.executable, "-m", "imagewright", *sys.argv[1:]]))
