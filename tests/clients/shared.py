"""One warm server over HTTP, and several clients at once: `python -m tests.clients --http`.

All connect, list and make a picture; when all listen, a tool is switched off, and each has to hear of it. Before that,
somebody without the token and somebody with a wrong one try to get in.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.clients.environments import environment
from tests.clients.stage import Stage, driving, judged, output_in, stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.clients.results import Cell
    from tests.clients.rows import Client

ABILITIES = ["connect", "list", "picture", "toggle"]
TOKEN = "a-token-of-these-clients-0123456789"
PATIENCE = 120.0
"""Seconds for all clients."""
ASKING = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
UNAUTHORIZED = 401


def run_shared(clients: Mapping[str, Client], folder: Path) -> Iterator[str]:
    """Run all of them on one server and yield what went wrong, each as a sentence."""
    with ExitStack() as stack:
        stages = {
            name: stack.enter_context(stage(client, environment(client), folder / name))
            for name, client in clients.items()
        }
        first = next(iter(stages.values()))
        url = stack.enter_context(_server(first))
        yield from _strangers(url)
        changes = {
            "http": {"url": url, "token": TOKEN},
            "toggle": dict(first.document["toggle"]) | {"by": "runner"},
            "abilities": ABILITIES,
        }
        runs = {
            name: stack.enter_context(driving(client, stages[name], folder / name, changes))
            for name, client in clients.items()
        }
        end = time.monotonic() + PATIENCE
        while not all(is_ready(folder / name) for name in clients) and time.monotonic() < end:
            time.sleep(0.2)
        late = [name for name in clients if not is_ready(folder / name)]
        yield from (f"{name}: it does not listen" for name in late)
        toggle = first.document["toggle"]
        subprocess.run(toggle["off"], env=toggle["env"], check=True, capture_output=True)  # noqa: S603 - our own words
        for run in runs.values():
            run.wait(max(1.0, end - time.monotonic()))
        for name in clients:
            yield from faults_of(name, judged(output_in(folder / name)))


@contextmanager
def _server(set_up: Stage) -> Iterator[str]:
    """The address of a server that runs; it keeps its things where the first client's own would."""
    words = set_up.document["servers"]["plain"]
    with subprocess.Popen(  # noqa: S603 - words of our own
        [words["command"], *words["args"], "serve", "--http", "--port", "0"],
        env=words["env"] | {"HOME": str(set_up.home), "PATH": os.environ["PATH"], "IMAGEWRIGHT_HTTP_TOKEN": TOKEN},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            if process.stderr is None:
                raise TypeError("no output to read")
            line = process.stderr.readline()
            found = re.search(r"http://\S+", line)
            if found is None:
                raise RuntimeError(f"the server does not start: {line}")
            yield found[0]
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=20)
            sys.stderr.write("".join(f"server: {line}\n" for line in errors.splitlines()))


def _strangers(url: str) -> Iterator[str]:
    for given in ("", "Bearer another-token-of-another-server"):
        status, body = _ask(url, {"Authorization": given} if given else {})
        if status != UNAUTHORIZED or "tools" in body:
            yield f"with {given or 'no token'}: {status} {body[:100]}"


def _ask(url: str, headers: Mapping[str, str]) -> tuple[int, str]:
    parts = urlsplit(url)
    more = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    connection = HTTPConnection(parts.netloc, timeout=10)
    connection.request("POST", parts.path, json.dumps(ASKING), more | dict(headers))
    reply = connection.getresponse()
    return reply.status, reply.read().decode()


def is_ready(folder: Path) -> bool:
    """Whether the driver in this folder has said that it listens."""
    return any(_is_word_of_it(line) for line in output_in(folder).splitlines())


def _is_word_of_it(line: str) -> bool:
    try:
        words: Any = json.loads(line)
    except ValueError:
        return False
    return isinstance(words, dict) and words.get("ready") is True


def faults_of(name: str, cells: Mapping[str, Cell]) -> Iterator[str]:
    """Print what came of a client, and yield what did not go well."""
    for ability in ABILITIES:
        cell = cells.get(ability)
        sys.stdout.write(f"{name}: {ability}: {cell.outcome if cell else 'nothing'}{' ' * bool(cell and cell.note)}")
        sys.stdout.write(f"{cell.note if cell else ''} {cell.detail if cell else ''}".rstrip() + "\n")
        if cell is None or cell.outcome != "ok":
            yield f"{name}: {ability} fails over HTTP: {cell.detail if cell else 'nothing'}"
        elif ability == "toggle" and cell.note:
            yield f"{name}: it did not hear of the switch"
