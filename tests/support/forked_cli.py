"""The command line forked from a process that has imported everything: `python -m tests.support.forked_cli SOCKET`.

Each connection brings three descriptors and a line of JSON (`arguments`, `env`, `cwd`) and gets the exit code back. It
says "ready" once it listens, and runs until it is ended.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from imagewright.cli.commands import COMMANDS
from tests.support.fork_process import become

if TYPE_CHECKING:
    from pathlib import Path

CLIENT = """#!{python} -IS
import json, os, socket, sys
request = {{"arguments": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd(), "quick": False}}
with socket.socket(socket.AF_UNIX) as own:
    own.connect({address!r})
    socket.send_fds(own, [b"?"], [0, 1, 2])
    own.sendall(json.dumps(request).encode() + b"\\n")
    sys.exit(int(own.makefile().readline()))
"""


def put_program(file: Path, address: str) -> None:
    """Write a program that is the command line, as the process listening there has it."""
    file.parent.mkdir(parents=True)
    file.write_text(CLIENT.format(python=sys.executable, address=address), encoding="utf-8")
    file.chmod(0o755)


def _serve(address: str) -> None:
    for command in COMMANDS:
        import_module(f"imagewright.cli.commands.{command}")
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as own:
        own.bind(address)
        own.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            client, _ = own.accept()
            _, descriptors, _, _ = socket.recv_fds(client, 1, 3)
            request = json.loads(client.makefile().readline())
            process = os.fork()
            if not process:
                os.chdir(request["cwd"])
                become(request, descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            with client:
                client.sendall(f"{code}\n".encode())


if __name__ == "__main__":
    _serve(sys.argv[1])
