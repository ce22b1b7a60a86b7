"""How many of our own files one tool call executes: an edit by qwen at an emulated fal, its picture given by path.

    python benchmarks/trace.py

The cold call is the first of a process, on all threads, lazy imports included. The warm call is the third, on the event
loop's thread alone. Each file is listed under its floor with the number of calls into it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "server"), str(ROOT)]

import anyio  # noqa: E402 - beside those found on the path set above
from mcp import Client  # noqa: E402 - as above

from imagewright.engine.engine import open_engine  # noqa: E402 - as above
from imagewright.settings.load import load_settings  # noqa: E402 - as above
from imagewright.surface.server import McpServer  # noqa: E402 - as above
from tests.emulators.base import address_variables  # noqa: E402 - as above
from tests.emulators.fal import FalEmulator  # noqa: E402 - as above
from tests.support.pictures import photo  # noqa: E402 - as above

if TYPE_CHECKING:
    from types import FrameType

OURS = str(ROOT / "server" / "imagewright") + os.sep
TARGETS = {"cold": 45, "warm": 25}
"""How many files each call should execute at most."""


class Tracer:
    """Counts the calls of functions in our files, and the bodies of modules that are imported."""

    def __init__(self) -> None:
        self.files: Counter[str] = Counter()

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        """Count one event of the interpreter; the form is that of `sys.setprofile`."""
        if event == "call" and (name := frame.f_code.co_filename).startswith(OURS):
            self.files[name.removeprefix(OURS)] += 1


async def call(client: Client, picture: Path, number: int) -> None:
    """One edit, different from every other."""
    arguments: dict[str, Any] = {"prompt": f"make it night, number {number}", "images": [str(picture)]}
    result = await client.call_tool("qwen", arguments)
    if result.is_error:
        raise RuntimeError(result.content)


async def trace(folder: Path, emulator: FalEmulator) -> dict[str, Counter[str]]:
    """The files of a cold call and of a warm one."""
    picture = folder / "picture.png"
    picture.write_bytes(photo(640, 480))
    env = {"FAL_KEY": emulator.key, "IMAGEWRIGHT_HOME": str(folder), "IMAGEWRIGHT_ROOTS": str(folder)}
    env |= address_variables("fal", emulator.addresses)
    cold, warm = Tracer(), Tracer()
    async with open_engine(load_settings(env)) as engine, Client(McpServer(engine).server) as client:
        await client.list_tools()
        if early := {"imagewright.engine.calls", "imagewright.engine.plan", "imagewright.imaging"} & set(sys.modules):
            raise RuntimeError(f"the call would not be cold: {early} is imported already")
        threading.setprofile(cold)
        sys.setprofile(cold)
        await call(client, picture, 1)
        sys.setprofile(None)
        threading.setprofile(None)
        await call(client, picture, 2)
        sys.setprofile(warm)
        await call(client, picture, 3)
        sys.setprofile(None)
    return {"cold": cold.files, "warm": warm.files}


def show(name: str, files: Counter[str]) -> None:
    """Print the count beside its target, then the files of each floor."""
    print(f"{name} call: {len(files)} files of ours executed (target {TARGETS[name]}), {files.total()} calls")
    floors: dict[str, list[str]] = {}
    for file, count in sorted(files.items()):
        floor, _, rest = file.partition(os.sep)
        floors.setdefault(floor if rest else "(top)", []).append(f"{rest or floor} {count}")
    for floor, found in floors.items():
        print(f"  {floor}, {len(found)}: {', '.join(found)}")


def main() -> None:
    """Trace both calls and print what they executed."""
    with tempfile.TemporaryDirectory() as folder, FalEmulator() as emulator:
        found = anyio.run(trace, Path(folder).resolve(), emulator)
    for name, files in found.items():
        show(name, files)


if __name__ == "__main__":
    main()
