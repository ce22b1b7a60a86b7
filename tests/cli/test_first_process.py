"""The first process of a container outlives the server for as long as something of it is at work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="containers run on Linux")

FIRST = (
    "import sys; from imagewright.cli.first_process import main; sys.exit(main([sys.executable, '-c', *sys.argv[1:]]))"
)
COURIER = "import sys; open(sys.argv[1]).read(); open(sys.argv[2], 'w').write('answer')"
"""Waits for the vendor, which is a pipe here, and writes its answer."""
LEAVES = f"""
import signal, subprocess, sys
apart = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
subprocess.Popen([sys.executable, "-c", {COURIER!r}, *sys.argv[1:]], **apart)
print("sent", flush=True)
"""
READS = f"{LEAVES}\nsys.stdin.read()\nsys.exit(3)"
"""A server that goes when its client hangs up."""
TERMS = f"{LEAVES}\nsignal.pause()"
PATIENCE = 60


@pytest.mark.parametrize(
    ("server", "number", "code"),
    [(READS, None, 3), (TERMS, signal.SIGTERM, 128 + signal.SIGTERM), (TERMS, signal.SIGINT, 128 + signal.SIGINT)],
    ids=["hung up", "TERM", "INT"],
)
def test_it_ends_with_the_last_process_and_with_the_code_of_the_first(
    tmp_path: Path, server: str, number: signal.Signals | None, code: int
) -> None:
    vendor, reply = tmp_path / "vendor", tmp_path / "reply"
    os.mkfifo(vendor)
    server = server.replace("import signal", "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); import os")
    words = [sys.executable, "-c", FIRST, server, str(vendor), str(reply)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:  # noqa: S603 - words of our own
        assert first.stdin is not None
        assert first.stdout is not None
        assert first.stdout.readline() == b"sent\n"
        if number is None:
            first.stdin.close()
        else:
            first.send_signal(number)
        assert first.stdout.read() == b"", "the client sees that the server is gone"
        assert first.poll() is None, "what is paid for is still under way"
        first.send_signal(signal.SIGTERM)  # of a client that waits no longer
        vendor.write_text("made")
        assert first.wait(PATIENCE) == code
    assert reply.read_text() == "answer"
