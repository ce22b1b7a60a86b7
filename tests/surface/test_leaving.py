"""How a server leaves: at the end of its input and after signals, with nothing lost that was paid for.

Ctrl-C is in `test_interrupt.py`; the large version, a hundred times and at random, is `benchmarks/quit.py`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from imagewright.storage.states import CallState
from tests.support.kill_runs import Aim, House, given, plain_route
from tests.support.raw_client import ERAS, MODERN, PREFIX, QUICK, RawClient
from tests.support.slow_vendors import SlowKie

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends signals")

PROMPT = "A red kite over the sea"
SOON = 60.0
"""Seconds; a server ends within tenths of one, but the machine may be busy."""
MEANWHILE = 0.1
"""Seconds from what ends a server to the answer: it then leaves already, and it waits for ten times as long."""
LONG_LEASE = {"IMAGEWRIGHT_LEASE": "3600"}
"""With a lease that was not given up, the next server would look at the job in an hour."""
ENDS = {"end of input": 0, "SIGTERM": 0, "SIGHUP": 0, "SIGINT": 130}
"""The exit code by what ends the server."""


@pytest.fixture
def house(home: Path) -> Iterator[House]:
    with SlowKie() as kie:
        yield House(home, kie)


def end(server: RawClient, how: str) -> None:
    if how == "end of input":
        assert server.process.stdin is not None
        server.process.stdin.close()
    else:
        os.kill(server.process.pid, signal.Signals[how])


@pytest.mark.parametrize(
    ("how", "revision"), [("SIGTERM", ""), ("SIGTERM", ERAS[0]), ("SIGTERM", MODERN), ("SIGHUP", MODERN)]
)
def test_an_idle_server_leaves_in_order(how: str, revision: str, home: Path) -> None:
    client = RawClient(revision, env={"IMAGEWRIGHT_HOME": str(home), "HOME": str(home)})
    if revision:
        client.__enter__()
    else:  # nobody has spoken yet; nonsense is answered all the same, and shows that it listens
        client.send("x")
        assert client._answers.get(timeout=SOON)["id"] is None  # noqa: SLF001 - it has no number
    end(client, how)
    assert client.process.wait(SOON) == ENDS[how]
    client.__exit__(None, None, None)
    assert len(client.log) == (0 if revision else 1), client.log


@pytest.mark.parametrize("how", ENDS)
def test_the_answer_to_what_is_being_sent_is_waited_for(how: str, house: House) -> None:
    with house.server(**LONG_LEASE) as server:
        with house.held(Aim.SUBMITTING):
            request = house.begin(server, PROMPT)
            house.wait_for(Aim.SUBMITTING)
            end(server, how)
            time.sleep(MEANWHILE)
        assert server.process.wait(SOON) == ENDS[how]
    assert server.log == []
    assert not any(f'"id":{request},' in line for line in server.lines), "clients on mcp 1.x break on a late error"
    (job,) = house.jobs()
    assert [call.state for call in job.calls] == [CallState.SUBMITTED]
    with house.server():
        house.wait_until_settled(1)
    audit = house.audit()
    audit.check()
    assert audit.calls == {CallState.KEPT: 1}


def test_a_server_that_waits_for_an_answer_keeps_its_lease(house: House) -> None:
    house.vendor.lags = {house.vendor.submits: 3.0}
    lease = {"IMAGEWRIGHT_LEASE": "1"}
    with house.server(**lease) as leaving, house.server(**lease) as other:
        house.begin(leaving, PROMPT)
        house.wait_for(Aim.SUBMITTING)
        end(leaving, "end of input")
        assert leaving.process.wait(SOON) == 0
        house.wait_until_settled(1)
        assert other.ask("tools/list")["tools"]
    audit = house.audit()
    audit.check()
    assert audit.calls == {CallState.KEPT: 1}


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT"])
def test_the_same_signal_again_ends_the_server_at_once(how: str, house: House) -> None:
    """By the signal itself; without a second one, it would end by itself some seconds later, with an exit code."""
    with house.held(Aim.SUBMITTING), house.server() as server:
        house.begin(server, PROMPT)
        house.wait_for(Aim.SUBMITTING)
        while server.process.poll() is None:  # one that comes before the first was taken is the same one
            end(server, how)
            time.sleep(0.05)
        assert server.process.returncode == -signal.Signals[how]
    assert server.log == []


def test_signals_that_come_together_are_one(house: House) -> None:
    """A session that ends sends SIGHUP along with SIGTERM, and a terminal may send it twice."""
    with house.server(**LONG_LEASE) as server:
        with house.held(Aim.SUBMITTING):
            house.begin(server, PROMPT)
            house.wait_for(Aim.SUBMITTING)
            for how in ("SIGTERM", "SIGHUP", "SIGHUP"):
                end(server, how)
            time.sleep(MEANWHILE)
        assert server.process.wait(SOON) == 0
    (job,) = house.jobs()
    assert [call.state for call in job.calls] == [CallState.SUBMITTED]


@pytest.mark.parametrize("how", ["end of input", "SIGTERM"])
def test_a_vendor_that_does_not_answer_keeps_no_server_and_its_answer_is_not_lost(how: str, house: House) -> None:
    with house.held(Aim.SUBMITTING):
        with house.server(**LONG_LEASE) as server:
            house.begin(server, PROMPT)
            house.wait_for(Aim.SUBMITTING)
            end(server, how)
            assert server.process.wait(SOON) == ENDS[how]
        assert server.log == []
        (job,) = house.jobs()
        assert [call.state for call in job.calls] == [CallState.SUBMITTING]
    with house.server():
        house.wait_until_settled(1)
    audit = house.audit()
    audit.check()
    assert audit.calls == {CallState.KEPT: 1}


def test_signals_that_were_ignored_on_purpose_stay_ignored(home: Path) -> None:
    program = (
        "import signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from imagewright.cli.main import main; sys.exit(main([]))"
    )
    with RawClient(MODERN, env={"IMAGEWRIGHT_HOME": str(home), "HOME": str(home)}, program=("-c", program)) as client:
        end(client, "SIGHUP")
        assert client.ask("tools/list")["tools"]
    assert client.process.returncode == 0


@pytest.mark.parametrize("state", [Aim.SUBMITTING, Aim.SUBMITTED])
def test_a_client_that_dies_amid_a_call_leaves_no_traceback_and_loses_nothing(state: Aim, house: House) -> None:
    """Both its pipes break, and the progress that it asked for cannot be written any more."""
    server = subprocess.Popen(  # noqa: S603 - our own server
        [sys.executable, *QUICK],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **house.environment()},
        text=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    assert server.stderr is not None
    route = plain_route(house.vendor.name)
    envelope = {"protocolVersion": MODERN, "clientCapabilities": {}}
    meta = {f"{PREFIX}/{name}": value for name, value in envelope.items()} | {"progressToken": "p"}
    params = {"name": route.tool, "arguments": given(route, PROMPT), "_meta": meta}
    with server.stderr:
        with house.held(state):
            server.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}) + "\n")
            server.stdin.flush()
            house.wait_for(state)
            server.stdout.close()
            server.stdin.close()
            server.wait(SOON)
        assert server.wait(SOON) == 0
        assert server.stderr.read() == ""
    with house.server():
        house.wait_until_settled(1)
    audit = house.audit()
    audit.check()
    assert audit.calls == {CallState.KEPT: 1}
