"""Odd lines, wrong fields, floods and sizes against real servers: `python -m tests.security.protocol`.

Prints how many were answered rightly and how many wrongly, with the largest memory that a server took and the longest
time that one of its answers took. `test_protocol.py` is the short form.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.security.odd_lines import HELLO, LINES, OPENINGS, SHAKEN, answered_wrongly, openings_wrong
from tests.security.wrong_fields import LARGEST_REFUSAL, refused_wrongly, wrong_calls
from tests.support.raw_client import AS_A_USER, ERAS, MODERN, PATIENCE, PREFIX, RawClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.security.odd_lines import Opening

MANY = 5000
"""Lines of a flood."""
MEGABYTE = 1_000_000
MOST_MEMORY = 400
"""Megabytes that a server may have taken at most."""
META = {f"{PREFIX}/protocolVersion": MODERN, f"{PREFIX}/clientCapabilities": {}}
MOST_SUBSCRIPTIONS = 1024
"""The SDK's own limit."""


@contextmanager
def server_in(home: Path, revision: str, *, as_a_user: bool = False) -> Iterator[RawClient]:
    """A client of a server that has this home and nothing else."""
    env = {"IMAGEWRIGHT_HOME": str(home), "HOME": str(home)}
    with RawClient(revision, env=env, program=AS_A_USER if as_a_user else ()) as client:
        yield client


def peak(process: int) -> int:
    """Megabytes that a process has taken at most; 0 where the system does not tell, or it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return int((status.partition("VmHWM:")[2].split() or ["0"])[0]) // 1024


def attack_with_lines(client: RawClient) -> Iterator[tuple[str, str]]:
    """The name of each odd line, and what is wrong with its answers."""
    for odd in LINES:
        client.send_bytes(odd.line(client.revision) + b"\n")
        expected = odd.answers[client.revision]
        answers = [client.next_answer()] if expected is not None else []
        # whatever else comes of it has come before the answer to the next request but one
        for _ in range(2):
            fence = client.begin("resources/templates/list")
            while (answer := client.next_answer())["id"] != fence:
                answers.append(answer)
        yield odd.name, (wrong := answered_wrongly(odd, client.revision, answers)) and f"{odd.name}: {wrong}"


def attack_with_opening(home: Path, opening: Opening) -> str:
    """What is wrong with the answers to the first lines of a conversation; empty where nothing is."""
    client = RawClient("", env={"IMAGEWRIGHT_HOME": str(home), "HOME": str(home)})
    try:
        client.send("\n".join(opening.lines))
        answers = [client.next_answer() for _ in opening.answers]
    except queue.Empty:
        return f"{opening.name}: an answer is missing"
    finally:
        client.__exit__(None, None, None)
    return openings_wrong(opening, answers, client.stray, client.log)


def attack_with_fields(client: RawClient) -> Iterator[tuple[str, str]]:
    """The tool and field of each wrong call, and what is wrong with its answer."""
    tools = client.ask("tools/list")["tools"]
    for tool, field, arguments in wrong_calls(tools):
        answer = client.answer(client.begin("tools/call", {"name": tool, "arguments": arguments}))
        wrong = refused_wrongly(field, answer, client.lines[-1])
        yield f"{tool} {field}", wrong and f"{tool} {str(arguments)[:100]}: {wrong}"


@dataclass(frozen=True)
class Flood:
    """Many lines of a kind."""

    line: Callable[[int], dict[str, Any] | str]
    """The line of each number, from 1; a request has it as its id unless it says otherwise."""
    answers: Callable[[int, str], int]
    """How many answers there are, from how many lines and the revision."""
    own_ids: bool = True
    """Whether each answer has the id of a line, and no two the same."""
    settled: bool = True
    """Whether the client's era is settled before it: a handshake is refused then, and a question is one of many."""


@dataclass(frozen=True)
class Outcome:
    """What came of a flood."""

    answers: int
    seconds: float
    megabytes: int
    wrong: str


def _ask(method: str, params: dict[str, Any] | None = None, number: int = 0) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}}


def _all(count: int, _revision: str) -> int:
    return count


def _none(_count: int, _revision: str) -> int:
    return 0


def _beyond_limit(count: int, revision: str) -> int:
    return max(0, count - MOST_SUBSCRIPTIONS) if revision == MODERN else count


REFUSED = {"name": "qwen", "arguments": {"frobnicate": 1}}
FLOODS: dict[str, Flood] = {
    "refused calls": Flood(lambda n: _ask("tools/call", REFUSED, n), _all),
    "lists of tools": Flood(lambda n: _ask("tools/list", None, n), _all),
    "pictures that are not there": Flood(lambda n: _ask("resources/read", {"uri": f"image://img_{n}"}, n), _all),
    "unknown methods": Flood(lambda n: _ask(f"no/such/{n}", None, n), _all),
    "handshakes": Flood(lambda n: _ask("initialize", HELLO, n), _all),
    "questions what is served": Flood(lambda n: _ask("server/discover", None, n), _all, settled=False),
    "subscriptions": Flood(lambda n: _ask("subscriptions/listen", {"notifications": {}}, n), _beyond_limit),
    "pings": Flood(lambda n: _ask("ping", None, n), _all),
    "the same id": Flood(lambda _: _ask("tools/call", REFUSED, 1), _all, own_ids=False),
    "garbage": Flood(lambda _: "1", _all, own_ids=False),
    "blank lines": Flood(lambda _: "", _none),
    "cancellations of unknown ids": Flood(
        lambda n: {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 10**6 + n}}, _none
    ),
    "cancellations of nothing": Flood(
        lambda _: {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": {}}}, _none
    ),
    "unknown notifications": Flood(lambda n: {"jsonrpc": "2.0", "method": f"no/such/{n}"}, _none),
    "ends of a handshake": Flood(lambda _: SHAKEN, _none),
    "answers nobody asked for": Flood(lambda n: {"jsonrpc": "2.0", "id": n, "result": {}}, _none),
}


def flood(home: Path, revision: str, kind: Flood, count: int, *, as_a_user: bool = False) -> Outcome:
    """Send so many lines at once, and read whatever comes until a request behind them is answered."""
    with server_in(home, revision, as_a_user=as_a_user) as client:
        lines = []
        for number in range(1, count + 1):
            message = kind.line(number)
            if isinstance(message, dict):
                if revision == MODERN and "id" in message and "method" in message and message["method"] != "initialize":
                    message["params"] |= {"_meta": META}
                message = json.dumps(message)
            lines.append(message.encode() + b"\n")
        client.skip_ids(count)
        if kind.settled:
            client.ask("tools/list")
        began = time.monotonic()
        sending = threading.Thread(target=client.send_bytes, args=(b"".join(lines),))
        sending.start()
        expected = kind.answers(count, revision)
        answers = [client.next_answer()["id"] for _ in range(expected)]
        sending.join(PATIENCE)
        assert client.ask("tools/list")["tools"]
        outcome = Outcome(expected, time.monotonic() - began, peak(client.process.pid), "")
        if kind.own_ids and len({*answers} - {None}) != expected:
            return Outcome(expected, outcome.seconds, outcome.megabytes, "an answer has no id, or another's")
    trouble = [line for line in client.log if "Traceback" in line or "ERROR" in line]
    wrong = "; ".join(trouble[:1]) or (f"ended with {client.process.returncode}" if client.process.returncode else "")
    return Outcome(expected, outcome.seconds, outcome.megabytes, wrong)


# what needs a client of another kind, and is only in the command


def _call(revision: str, number: int, arguments: dict[str, Any], **meta: Any) -> bytes:
    envelope = META if revision == MODERN else {}
    params = {"name": "qwen", "arguments": arguments, "_meta": envelope | meta}
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}).encode() + b"\n"


OVERSIZE: dict[str, Callable[[], dict[str, Any]]] = {
    "20,000 unknown arguments": lambda: {f"argument_{number}": 1 for number in range(20_000)},
    "2,000 names of 5 kB": lambda: {f"{number}{'a' * 5000}": 1 for number in range(2000)},
    "a name of 1 MB": lambda: {"a" * MEGABYTE: 1},
    "20,000 paths": lambda: {"prompt": "x", "images": ["/x.png"] * 20_000},
    "50,000 paths": lambda: {"prompt": "x", "images": ["/x.png"] * 50_000},
    "a prompt of 1 MB": lambda: {"prompt": "x" * MEGABYTE},
    "a prompt of 50 MB": lambda: {"prompt": "x" * 50 * MEGABYTE},
    "a picture of 50 MB": lambda: {"prompt": "x", "images": ["data:image/png;base64," + "A" * 50 * MEGABYTE]},
    "a line of 300 MB": lambda: {"prompt": "x" * 300 * MEGABYTE},
}


def oversize(home: Path, revision: str, arguments: dict[str, Any]) -> Outcome:
    """One call that is far too large."""
    with server_in(home, revision, as_a_user=True) as client:
        began = time.monotonic()
        client.send_bytes(_call(revision, 77, arguments))
        answer = client.next_answer()
        outcome = Outcome(1, time.monotonic() - began, peak(client.process.pid), "")
        refused = "error" in answer or answer["result"].get("isError") is True
        small = len(client.lines[-1]) < LARGEST_REFUSAL
        assert client.ask("tools/list")["tools"]
    wrong = "" if refused and small else f"not refused in few words: {client.lines[-2][:200]}"
    return Outcome(1, outcome.seconds, outcome.megabytes, wrong)


def half_a_line(home: Path, revision: str, size: int, piece: int) -> Outcome:
    """The beginning of a line, in pieces, whose end never comes."""
    with server_in(home, revision, as_a_user=True) as client:
        began = time.monotonic()
        client.send_bytes(b'{"jsonrpc":"2.0","id":77,"method":"' + b"x" * 100)
        for _ in range(size // piece):
            client.send_bytes(b"x" * piece)
        megabytes = peak(client.process.pid)
        seconds = time.monotonic() - began
    wrong = f"ended with {client.process.returncode}" if client.process.returncode else ""
    return Outcome(0, seconds, megabytes, wrong)


def unread(home: Path, count: int, how: str) -> Outcome:
    """A client that sends lists without reading an answer, until no more is taken; then it reads, or says TERM."""
    env = {**os.environ, "IMAGEWRIGHT_HOME": str(home), "HOME": str(home)}
    server = subprocess.Popen(  # noqa: S603 - our own server
        [sys.executable, *AS_A_USER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env
    )
    assert server.stdin is not None
    assert server.stdout is not None
    assert server.stderr is not None
    lines = [json.dumps(_ask("tools/list", {"_meta": META}, number)).encode() + b"\n" for number in range(count)]
    began = time.monotonic()

    def send() -> None:
        assert server.stdin is not None
        with suppress(BrokenPipeError), server.stdin:  # it leaves in the middle when it is told to
            server.stdin.write(b"".join(lines))

    sending = threading.Thread(target=send, daemon=True)
    sending.start()
    taken = -1
    while taken != (taken := peak(server.pid)):  # until it takes no more
        sending.join(5.0)
    if how == "TERM":
        server.send_signal(signal.SIGTERM)
        reading = threading.Thread(target=server.stdout.read, daemon=True)
        reading.start()
        code = server.wait(PATIENCE)
        return Outcome(0, time.monotonic() - began, taken, "" if code == 0 else f"ended with {code}")
    answers = {json.loads(server.stdout.readline())["id"] for _ in range(count)}
    taken = max(taken, peak(server.pid))
    code = server.wait(PATIENCE)
    wrong = "" if code == 0 and answers == {*range(count)} else f"{len(answers)} answers; ended with {code}"
    return Outcome(len(answers), time.monotonic() - began, taken, wrong)


def _report(what: str, wrongs: list[str]) -> bool:
    bad = [wrong for wrong in wrongs if wrong]
    print(f"{what}: {len(wrongs) - len(bad)} answered rightly, {len(bad)} wrongly")  # noqa: T201 - it is a command
    for wrong in bad:
        print(f"    {wrong}")  # noqa: T201 - as above
    return not bad


def _show(what: str, revision: str, outcome: Outcome) -> bool:
    wrong = outcome.wrong or ("too much memory" if outcome.megabytes > MOST_MEMORY else "")
    print(  # noqa: T201 - it is a command
        f"{revision} {what}: {outcome.answers} answers in {outcome.seconds:.1f} s, {outcome.megabytes} MB"
        + (f"  WRONG: {wrong}" if wrong else "")
    )
    return not wrong


def _fresh() -> Path:
    """A home that was never used."""
    return Path(tempfile.mkdtemp(prefix="imagewright-protocol-"))


def _lines(revision: str, _many: int) -> Iterator[bool]:
    with server_in(_fresh(), revision) as client:
        yield _report(f"{revision} odd lines", [wrong for _, wrong in attack_with_lines(client)])


def _openings(revision: str, _many: int) -> Iterator[bool]:
    if revision == MODERN:  # each decides its own era
        yield _report("odd openings", [attack_with_opening(_fresh(), one) for one in OPENINGS])


def _fields(revision: str, _many: int) -> Iterator[bool]:
    with server_in(_fresh(), revision) as client:
        yield _report(f"{revision} wrong fields", [wrong for _, wrong in attack_with_fields(client)])


def _floods(revision: str, many: int) -> Iterator[bool]:
    for name, kind in FLOODS.items():
        yield _show(f"{many} {name}", revision, flood(_fresh(), revision, kind, many, as_a_user=True))


def _sizes(revision: str, _many: int) -> Iterator[bool]:
    for name, make in OVERSIZE.items():
        yield _show(name, revision, oversize(_fresh(), revision, make()))
    for size, piece in ((50 * MEGABYTE, 65_536), (400 * MEGABYTE, 65_536), (10 * MEGABYTE, 100)):
        half = half_a_line(_fresh(), revision, size, piece)
        yield _show(f"half a line of {size // MEGABYTE} MB, {piece} bytes at a time", revision, half)


def _unread(revision: str, many: int) -> Iterator[bool]:
    if revision == MODERN:
        for how in ("reads late", "TERM"):
            outcome = unread(_fresh(), 4 * many, how)
            yield _show(f"{4 * many} lists that a client does not read, {how}", revision, outcome)


PARTS = {
    "openings": _openings,
    "lines": _lines,
    "fields": _fields,
    "floods": _floods,
    "sizes": _sizes,
    "unread": _unread,
}


def main() -> int:
    """Attack with everything, or with the parts that are named; the exit code is 1 where an answer was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="|".join(PARTS), default=[*PARTS])
    parser.add_argument("--many", type=int, default=MANY, help="lines of a flood")
    given = parser.parse_args()
    right = [one for part in given.parts for revision in ERAS for one in PARTS[part](revision, given.many)]
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
