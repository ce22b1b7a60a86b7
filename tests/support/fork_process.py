"""The process that `ForkedServers` forks servers from: `python -m tests.support.fork_process <descriptor>`.

For each request, one byte with the descriptors of the pipes and a line of JSON, it answers with a line: the process
that was forked, or the exit code of the one that was to be reaped. It ends when nobody can ask any more.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

# what a server needs for its start or its first call, imported once for all of them
import anyio._backends._asyncio  # noqa: F401 - for that

import imagewright.cli.commands.serve
import imagewright.engine.calls
import imagewright.engine.jobs
import imagewright.imaging.preview
import imagewright.providers.http.dispatch
import imagewright.providers.http.exchange
import imagewright.providers.http.redact
import imagewright.storage.library
import imagewright.storage.sqlite
import imagewright.storage.stores
import imagewright.surface.stdio  # noqa: F401 - for that
from imagewright.cli.main import main
from tests.support import quick_server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def _serve(own: socket.socket) -> None:
    """Fork and reap until whoever asks has gone."""
    gc.collect()
    gc.freeze()
    requests = own.makefile("r", encoding="utf-8")
    while True:
        request, descriptors, _, _ = socket.recv_fds(own, 1, 4)
        if not request:
            return
        request = json.loads(requests.readline())
        if "reap" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["reap"], 0)[1])
        else:
            answer = os.fork() or become(request, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        own.sendall(f"{answer}\n".encode())


def become(request: Mapping[str, Any], descriptors: Sequence[int]) -> NoReturn:
    """Be the server, from the first line of its own on."""
    code = 1
    os.setsid()  # as clients start a server, which end all of its process group
    try:
        for place, descriptor in enumerate(descriptors[:3]):
            os.dup2(descriptor, place)
            os.close(descriptor)
        os.environ.clear()
        os.environ.update(request["env"])
        if request["quick"]:
            quick_server.hurry()
        code = main(request["arguments"])
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 1
    except BaseException:  # noqa: BLE001 - it is the end of the process
        traceback.print_exc()
    with suppress(OSError):  # the client may have gone
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
