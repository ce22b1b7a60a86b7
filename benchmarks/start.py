"""From the start of a process to its answered `tools/list`, in turn with an empty server on the same SDK.

    python benchmarks/start.py --runs 9

The ratio is what counts: both are started in turn, so that a machine whose speed drifts does not decide it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EMPTY = """
import anyio, mcp.types as t
from mcp.server import Server
from mcp.server.stdio import stdio_server
async def listed(ctx, params):
    return t.ListToolsResult(tools=[t.Tool(name="a", description="a", input_schema={"type": "object"})])
async def main():
    server = Server("empty", version="1", on_list_tools=listed)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())
anyio.run(main)
"""
HELLO = (
    '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},'
    '"clientInfo":{"name":"benchmark","version":"1"}}}\n'
)
LIST = '{"jsonrpc":"2.0","method":"notifications/initialized"}\n{"jsonrpc":"2.0","id":2,"method":"tools/list"}\n'


def seconds(arguments: list[str], env: dict[str, str]) -> float:
    """One start."""
    begun = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=env,
        encoding="utf-8",
    ) as server:
        if server.stdin is None or server.stdout is None:
            raise RuntimeError
        server.stdin.write(HELLO)
        server.stdin.flush()
        server.stdout.readline()
        server.stdin.write(LIST)
        server.stdin.flush()
        server.stdout.readline()
        taken = time.perf_counter() - begun
        server.stdin.close()
    return taken


def main() -> None:
    """Print both medians and the median of the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as home:
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "server"), "IMAGEWRIGHT_HOME": home}
        pairs = [(seconds(["-m", "imagewright"], env), seconds(["-c", EMPTY], env)) for _ in range(runs + 1)][1:]
    ours, empty = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(one / other for one, other in pairs)
    print(f"imagewright {ours:.3f} s, empty server {empty:.3f} s, ratio {ratio:.3f} (median of {runs} pairs)")


if __name__ == "__main__":
    main()
