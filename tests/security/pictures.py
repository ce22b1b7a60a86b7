"""Picture files that were crafted, cut off or changed: measured by the server, decoded by its workers.

    python -m tests.security.pictures [--rounds 1800] [--server]

Each file is measured, and then examined, looked at and prepared. It must be taken or refused in words: every other
exception, and every worker that ended or had to be ended, is counted as broken. With `--rounds N` each of the files in
`WHOLE` is cut off at N places and changed N times. With `--server` a real server is given the worst ones, and its
worker is killed and stopped.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from imagewright.errors import PictureError
from imagewright.imaging import workers
from imagewright.imaging.files import measure
from imagewright.imaging.limiter import (
    INPUT_MAX_PIXELS,
    MOST_AT_ONCE,
    PREPARE_BYTES,
    Target,
    decode,
)
from imagewright.imaging.workers import WORKERS, DecoderError
from tests.security.crafted import CRAFTED
from tests.support.crafted_files import black_png
from tests.support.pictures import STILL_FORMATS, photo, quarters, saved
from tests.support.raw_client import AS_A_USER, MODERN, RawClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from imagewright.imaging.limiter import Piece

MEMORY = 400_000_000
"""Bytes that server and workers may take together."""
SECONDS = 5.0
"""Seconds of processor time that an answer may take. Wall time says nothing while the machine is busy."""
AT_ONCE = 4
SEED = 14
MOST_CHANGES = 10
REFUSAL_SECONDS, OTHERS_SECONDS = 2.0, 0.1
"""Seconds of the server's processor time after which ten huge pictures must be refused, and seconds within which other
calls are answered meanwhile; a longer wait counts only if the server itself computed for so long. Wall time alone says
nothing while the machine is busy."""
PATIENCE = 300.0
"""Seconds until a server that does not answer ends this."""
PICTURE = "1 picture: edit with nano_banana at offline"
AT_THE_LIMIT = "at the limit"
MEMORY_AT_THE_LIMIT = 700_000_000
"""As `MEMORY`, but for pictures as large as an input may be: each is decoded alone."""
TARGET = Target(formats=("png", "jpeg"), max_bytes=10_000_000)

WORK: dict[str, Callable[[Piece, bytes], object]] = {
    "probe": workers.probe,
    "look": workers.look,
    "prepare": lambda piece, data: workers.prepare(piece, data, TARGET),
}
"""What is done with each file."""
WHOLE: dict[str, Callable[[], bytes]] = {
    **{name: lambda name=name: photo(64, 48, name) for name in STILL_FORMATS},  # type: ignore[misc]  # a lambda's default
    "png with alpha": lambda: photo(64, 48, mode="RGBA"),
    "png of 16 bits": lambda: photo(64, 48, mode="I;16"),
    "png animation": lambda: photo(64, 48, frames=3),
    "progressive jpeg": lambda: saved(quarters(64, 48), "jpeg", progressive=True, quality=95),
    "turned jpeg": lambda: photo(64, 48, "jpeg", orientation=6),
    "lossless webp": lambda: saved(quarters(64, 48), "webp", lossless=True),
    "webp animation": lambda: photo(64, 48, "webp", frames=3),
    "gif animation": lambda: photo(64, 48, "gif", frames=3),
    "tiff, packed": lambda: saved(quarters(64, 48), "tiff", compression="tiff_lzw"),
}
"""The files that are cut off and changed."""


@dataclass
class Counts:
    """What came of all that was tried."""

    most: int
    """Bytes of memory that may be taken."""
    answers: Counter[str] = field(default_factory=Counter)
    """How many were `taken`, `refused` and `broken`."""
    broken: list[str] = field(default_factory=list)
    """What was, in words."""
    longest: tuple[float, str] = (0.0, "")
    """Seconds until the slowest answer, and what it was. On a busy machine most of them are spent waiting."""
    busiest: tuple[float, str] = (0.0, "")
    """Seconds of processor time of the work that took most of it, and what it was, or what ended beside it."""
    header: tuple[float, str] = (0.0, "")
    """Seconds of processor time of the slowest measuring, and what it was."""
    _peaks: dict[int, int] = field(default_factory=dict)
    _spent: dict[int, float] = field(default_factory=dict)

    @property
    def memory(self) -> int:
        """The most bytes that this process and as many workers as there can be have had."""
        return peak_of(os.getpid()) + sum(sorted(self._peaks.values())[-MOST_AT_ONCE:])

    async def try_file(self, name: str, data: bytes) -> None:
        """Measure a file, and do all the work with it where it is not too large for an input."""
        begun = time.thread_time()
        try:
            measured = measure(data)
        except PictureError:
            too_large = False
        except Exception as error:  # noqa: BLE001 - it is what is looked for
            self._break(f"{name}, measured: {error!r}")
            return
        else:
            too_large = measured.width * measured.height > INPUT_MAX_PIXELS[measured.format]
        self.header = max(self.header, (time.thread_time() - begun, name))
        if too_large:
            self.answers["refused"] += 1
            return
        await decode(lambda piece, data: self._try_work(name, piece, data), data, per_pixel=PREPARE_BYTES)

    def _try_work(self, name: str, piece: Piece, data: bytes) -> None:
        """Do all the work with a file. Blocks."""
        for work, do in WORK.items():
            begun = time.monotonic()
            try:
                do(piece, data)
                self.answers["taken"] += 1
            except DecoderError as error:
                self._break(f"{name}, {work}: {error}")
            except PictureError:
                self.answers["refused"] += 1
            except Exception as error:  # noqa: BLE001 - it is what is looked for
                self._break(f"{name}, {work}: {error!r}")
            self.longest = max(self.longest, (time.monotonic() - begun, f"{name}, {work}"))
            for one in [*WORKERS.idle]:
                self._peaks[one.pid] = peak_of(one.pid) or self._peaks.get(one.pid, 0)
                spent = seconds_of(one.pid)
                self.busiest = max(self.busiest, (spent - self._spent.get(one.pid, 0.0), f"{name}, {work}"))
                self._spent[one.pid] = spent

    def _break(self, words: str) -> None:
        self.answers["broken"] += 1
        self.broken.append(words)

    @property
    def failed(self) -> bool:
        """Whether anything was broken or took too much."""
        seconds = self.busiest[0] + self.header[0]
        return bool(self.broken) or self.memory > self.most or seconds > SECONDS

    def write(self, title: str) -> None:
        """Print them."""
        counts = ", ".join(f"{self.answers[kind]} {kind}" for kind in ("taken", "refused", "broken"))
        sys.stdout.write(
            f"{title}: {sum(self.answers.values())} answers, {counts}; {self.memory // 1_000_000} MB at most; "
            f"longest header {self.header[0]:.2f} s ({self.header[1]}), "
            f"longest work {self.busiest[0]:.2f} s ({self.busiest[1]}), each of processor time; "
            f"longest answer {self.longest[0]:.2f} s ({self.longest[1]})\n"
        )
        sys.stdout.writelines(f"    {words}\n" for words in self.broken[:20])


def peak_of(pid: int) -> int:
    """The most bytes of memory that a process has had; 0 where it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)


def seconds_of(pid: int) -> float:
    """Seconds of processor time that a process has spent; 0 where it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cut(whole: bytes, rounds: int) -> Iterator[bytes]:
    """The file cut off at so many places, or at every one."""
    dice = random.Random(SEED)  # noqa: S311 - the same on every run
    places = range(len(whole)) if rounds >= len(whole) else sorted(dice.sample(range(len(whole)), rounds))
    return (whole[:place] for place in places)


def changed(whole: bytes, rounds: int) -> Iterator[bytes]:
    """The file with a few bytes changed, so many times."""
    dice = random.Random(SEED)  # noqa: S311 - as above
    for _ in range(rounds):
        data = bytearray(whole)
        for _ in range(dice.randint(1, MOST_CHANGES)):
            data[dice.randrange(len(data))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
        yield bytes(data)


def pieces(rounds: int) -> Iterator[tuple[str, bytes]]:
    """Every file of `WHOLE`, cut off and changed."""
    for name, make in WHOLE.items():
        whole = make()
        yield from ((f"{name}, {len(data)} bytes of it", data) for data in cut(whole, rounds))
        yield from ((f"{name}, change {place}", data) for place, data in enumerate(changed(whole, rounds)))


async def try_all(files: Iterable[tuple[str, bytes]], memory: int) -> Counts:
    """Try these files as inputs, several at the same time, with so many bytes of memory for all processes."""
    counts, waiting = Counts(memory), iter(files)

    async def some() -> None:
        for name, data in waiting:
            await counts.try_file(name, data)

    async with anyio.create_task_group() as group:
        for _ in range(AT_ONCE):
            group.start_soon(some)
    WORKERS.close()
    return counts


class Server(RawClient):
    """A real server without keys, whose pictures are made offline."""

    def __init__(self, folder: str) -> None:
        env = {"IMAGEWRIGHT_HOME": f"{folder}/home", "IMAGEWRIGHT_ROOTS": folder, "HOME": folder}
        super().__init__(MODERN, env=env, program=AS_A_USER)
        self._file = Path(folder) / "given"

    def edit(self, data: bytes, times: int = 1) -> int:
        """Begin an edit of a picture that is given so many times; the id of the request."""
        self._file.write_bytes(data)
        arguments = {"prompt": "a kite", "images": [str(self._file)] * times}
        return self.begin("tools/call", {"name": "nano_banana", "arguments": arguments})

    def words(self, request: int) -> tuple[str, float]:
        """The words of an answer, and the longest that another call took meanwhile.

        That is in seconds, less those for which other programs had the processor.
        """
        longest, message = 0.0, None
        while message is None:
            asked = time.monotonic() - self._waited()
            other = self.begin("tools/list")
            while (found := self._answers.get(timeout=PATIENCE))["id"] != other:
                message = found
            longest = max(longest, time.monotonic() - self._waited() - asked)
        assert message["id"] == request, message
        return next(part["text"] for part in message["result"]["content"] if part["type"] == "text"), longest

    def _waited(self) -> float:
        """Seconds for which the server's event loop and the threads of this process have waited for a processor."""
        theirs = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/schedstat")
        waited = int(theirs.read_text("ascii").split()[1])
        for file in Path("/proc/self/task").glob("*/schedstat"):
            with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
                waited += int(file.read_text("ascii").split()[1])
        return waited / 1e9

    def workers(self) -> list[int]:
        """Its workers."""
        return [*children_of(self.process.pid)]


def children_of(pid: int) -> Iterator[int]:
    """The processes that a process has started."""
    for status in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError):
            if f"PPid:\t{pid}\n" in status.read_text("utf-8", "replace"):
                yield int(status.parent.name)


@contextmanager
def served() -> Iterator[Server]:
    """Such a server."""
    with tempfile.TemporaryDirectory() as folder, Server(folder) as server:
        yield server


def try_ten() -> bool:
    """Give a real server ten pictures of 16,384 px; whether it took too much."""
    with served() as server:
        server.ask("tools/list")
        begun = time.monotonic()
        before = seconds_of(server.process.pid)
        words, longest = server.words(server.edit(black_png(16_384, 16_384), 10))
        spent, seconds = seconds_of(server.process.pid) - before, time.monotonic() - begun
        memory = sum(map(peak_of, (server.process.pid, *server.workers())))
    refused = words.count("is 16384x16384 px")
    sys.stdout.write(
        f"ten pictures of 16,384 px: {refused} refused in {seconds:.2f} s, {memory // 1_000_000} MB at most, "
        f"other calls answered in {longest * 1000:.0f} ms at most, "
        f"{spent * 1000:.0f} ms of processor time for all of them\n"
    )
    return refused < 10 or spent > REFUSAL_SECONDS or memory > MEMORY or min(spent, longest) > OTHERS_SECONDS


def try_signals() -> bool:
    """Kill and stop a real server's worker; whether that costs more than it should."""
    wrong = False
    with served() as server:

        def call(what: str, wanted: str) -> None:
            nonlocal wrong
            words, longest = server.words(server.edit(photo(640, 480)))
            wrong = wrong or wanted not in words
            sys.stdout.write(
                f"{what}: {' '.join(words.split())[:200]} (others answered in {longest * 1000:.0f} ms at most)\n"
            )

        call("a worker that works", PICTURE)
        for pid in server.workers():
            os.kill(pid, signal.SIGKILL)
        call("a worker that was killed", PICTURE)
        for pid in server.workers():
            os.kill(pid, signal.SIGSTOP)
        call("a worker that was stopped", "it was not decoded within")
        call("the next call", PICTURE)
    return wrong


def main(arguments: Sequence[str]) -> int:
    """Print what came of it; 1 where anything was broken or took too much."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=1800)
    parser.add_argument("--server", action="store_true")
    given = parser.parse_args(arguments)
    large = {name: make for name, (make, _) in CRAFTED.items() if AT_THE_LIMIT in name}
    small = {name: make for name, (make, _) in CRAFTED.items() if name not in large}
    groups: list[tuple[str, Iterable[tuple[str, bytes]], int]] = [
        ("crafted", ((name, make()) for name, make in small.items()), MEMORY),
        (AT_THE_LIMIT, ((name, make()) for name, make in large.items()), MEMORY_AT_THE_LIMIT),
        ("cut off and changed", pieces(given.rounds), MEMORY),
    ]
    failed = False
    for title, files, memory in groups:
        counts = anyio.run(try_all, files, memory)
        counts.write(title)
        failed = failed or counts.failed
    if given.server:
        failed = try_ten() | try_signals() | failed
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
