"""What a refused call costs, however much it sends: time of the event loop, size of the reply, and what else broke.

    python benchmarks/refused.py

Every odd value goes into every argument of every tool, then come the calls and requests that are far too large. All
are taken by the real tools in this process, on the event loop's thread, whose processor time is counted: so other load
on the machine does not matter. Broken is what is not refused, is called a fault of the server, or raises. No provider
but the built-in one is in use, and nothing is opened or fetched for calls that their arguments refuse.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "server"), str(ROOT)]

import anyio  # noqa: E402 - beside those found on the path set above
import mcp.types as t  # noqa: E402 - as above

from imagewright.engine.engine import open_engine  # noqa: E402 - as above
from imagewright.settings.load import load_settings  # noqa: E402 - as above
from imagewright.surface.definitions import all_definitions  # noqa: E402 - as above
from imagewright.surface.opening import Fault, read_line  # noqa: E402 - as above
from imagewright.surface.tools import REPORTED, Tools  # noqa: E402 - as above
from tests.support.odd_calls import FLOODS, LARGE_REQUESTS, ODD, ODD_REQUESTS  # noqa: E402 - as above

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_MS = 50.0
"""Milliseconds of the event loop that a refused call may take."""
LARGEST = 100_000
"""Bytes of its reply."""
WITHOUT_PROGRESS: Any = SimpleNamespace(meta=None)
"""As much of a request's context as a refused call looks at: it asks for no progress."""
CERTAIN = {"prompt": 7, "frobnicate": 1}
"""Arguments that no tool takes, so that every call is refused, whatever else it holds."""


@dataclass
class Row:
    """What was found of one kind of call."""

    name: str
    tried: int = 0
    broken: list[str] = field(default_factory=list)
    slowest: float = 0.0
    """Milliseconds."""
    slowest_is: str = ""
    largest: int = 0
    """Bytes."""

    def add(self, what: str, ms: float, size: int, wrong: str = "") -> None:
        """Count one."""
        self.tried += 1
        self.largest = max(self.largest, size)
        if wrong or ms > MOST_MS or size > LARGEST:
            self.broken.append(f"{what}: {wrong or f'{ms:.0f} ms, {size} bytes'}")
        if ms > self.slowest:
            self.slowest, self.slowest_is = ms, what


def wrong_fields() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every odd value in every argument of every tool, and in one that no tool has."""
    for tool in all_definitions():
        for name in [*tool["inputSchema"]["properties"], "frobnicate"]:
            for what, value in ODD.items():
                yield f"{tool['name']}, {name}: {what}", tool["name"], CERTAIN | {name: value}


def floods() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every flood, to every tool."""
    for tool in all_definitions():
        for what, flood in FLOODS.items():
            yield f"{tool['name']}: {what}", tool["name"], CERTAIN | flood


async def call(tools: Tools, row: Row, what: str, tool: str, arguments: dict[str, Any]) -> None:
    """Make one call and count it."""
    params = t.CallToolRequestParams(name=tool, arguments=arguments)
    began = time.thread_time()
    reply = await tools.call(WITHOUT_PROGRESS, params)
    took = (time.thread_time() - began) * 1000
    line = reply.model_dump_json(by_alias=True)
    wrong = "a fault of the server" if REPORTED in line else "" if getattr(reply, "is_error", False) else "not refused"
    row.add(what, took, len(line.encode()), wrong)


def read(row: Row, what: str, request: tuple[str, dict[str, Any]]) -> None:
    """Read one line as the server does, and count it; what is within bounds goes on to the tools."""
    message = t.JSONRPCRequest(jsonrpc="2.0", id=7, method=request[0], params=request[1])
    line = message.model_dump_json().encode()
    began = time.thread_time()
    found = read_line(line)
    took = (time.thread_time() - began) * 1000
    row.add(what, took, len(found.why) if isinstance(found, Fault) else 0)


async def unheard(_context: object, _note: object) -> None:
    """A refusal leaves no job whose end a client could hear of."""


async def run(home: Path) -> list[Row]:
    """All kinds of calls."""
    rows = [Row("wrong fields"), Row("floods"), Row("lines of large requests"), Row("lines of odd requests")]
    env = {"PATH": os.environ.get("PATH", ""), "HOME": str(home), "IMAGEWRIGHT_HOME": str(home)}
    async with open_engine(load_settings(env, working_directory=home)) as engine:
        tools = Tools(engine, unheard)
        await call(tools, Row("the first, which loads all"), "", "qwen", CERTAIN)
        gc.collect()
        gc.freeze()
        for row, cases in zip(rows, (wrong_fields(), floods()), strict=False):
            for what, tool, arguments in cases:
                await call(tools, row, what, tool, arguments)
    for row, requests in zip(rows[2:], (LARGE_REQUESTS, ODD_REQUESTS), strict=True):
        for what, request in requests.items():
            read(row, what, request)
    return rows


def main() -> int:
    """Print what was found; the number of broken calls is the exit code's sign."""
    with tempfile.TemporaryDirectory() as folder:
        rows = anyio.run(run, Path(folder).resolve())
    for row in rows:
        print(f"{row.name}: {row.tried} tried, {len(row.broken)} broken, largest reply {row.largest:,} bytes")
        print(f"  slowest {row.slowest:.1f} ms of {MOST_MS:.0f} allowed ({row.slowest_is})")
        for one in row.broken[:10]:
            print(f"  broken: {one}")
    return int(any(row.broken for row in rows))


if __name__ == "__main__":
    sys.exit(main())
