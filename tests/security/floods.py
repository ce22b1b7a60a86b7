"""Answers that are made to stall or to fill the memory, at every door at which answers are read.

    python -m tests.security.floods

Each ends in a refusal. Counted is the processor time that the event loop's thread spends between two turns of the
others, and the memory of the process; neither depends on what else the machine does.
"""

from __future__ import annotations

import asyncio
import gzip
import re
import subprocess
import sys
import tempfile
import time
import zlib
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

from imagewright.errors import ProviderError
from imagewright.net import FetchError, Guard, fetch_public
from imagewright.providers.common.provider import LIST_BYTES
from imagewright.providers.http import exchange
from imagewright.providers.http.client import HttpClient
from imagewright.providers.http.request import REPLY_BYTES, Purpose, Reply, Request
from tests.support.accounts import bearer
from tests.support.faults import QUICK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping

LONGEST = 0.1
"""Seconds of processor time for which the event loop may be away."""
MEMORY = 200_000_000
"""Bytes that the process may have at most."""
SECONDS = 30.0
MEGA = 1_000_000
SERVE = "--serve"
INPUT = "the URL of an input"
SMALL = ("lists", "nesting")
OK = b"HTTP/1.1 200 OK\r\n"
PLAIN = OK + b"Content-Type: application/json\r\n"


@cache
def many_zeros() -> bytes:
    """A gzip stream of some gigabytes of zeros, in 5 MB; the checksum at its end is wrong, and never reached."""
    packer = zlib.compressobj(9, wbits=31)
    begin = packer.compress(bytes(MEGA)) + packer.flush(zlib.Z_FULL_FLUSH)
    more = packer.compress(bytes(MEGA)) + packer.flush(zlib.Z_FULL_FLUSH)
    return begin + more * 5000 + packer.flush()


@cache
def nested() -> bytes:
    """The same once more packed: a few kilobytes."""
    return gzip.compress(many_zeros(), 9, mtime=0)


def whole(body: bytes, *headers: bytes) -> Iterator[bytes]:
    """An answer with that body."""
    yield PLAIN + b"".join(one + b"\r\n" for one in headers) + b"Content-Length: %d\r\n\r\n" % len(body)
    yield body


def chunked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """An answer in these chunks, as they stand on the wire."""
    return chain([PLAIN + b"Transfer-Encoding: chunked\r\n\r\n"], chunks)


def forever(data: bytes, size: int = 65_536) -> Iterator[bytes]:
    """The same again and again."""
    return repeat(data * max(1, size // len(data)))


FLOODS: Mapping[str, Callable[[], Iterator[bytes]]] = {
    "interim answers": lambda: forever(b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "interim answers, bare": lambda: forever(b"HTTP/1.1 100 \n\n"),
    "interim answers with heads": lambda: forever(b"HTTP/1.1 103 E\r\n" + b"a: b\r\n" * 400 + b"\r\n"),
    "a status line": lambda: chain([b"HTTP/1.1 200 "], forever(b"a")),
    "short header lines": lambda: chain([OK], forever(b"a:\r\n")),
    "one header line": lambda: chain([OK + b"a: "], forever(b"a")),
    "a head of 600 lines": lambda: chain([OK + b"a: b\r\n" * 600 + b"\r\n"], forever(b"a")),
    "a length of 5,000 digits": lambda: iter([OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n"]),
    "a coding of 60 kB": lambda: whole(b"{}", b"Content-Encoding: " + b"gzip," * 12_000),
    "numbers of 5,000 digits": lambda: chain(
        [b"HTTP/1.1 429 Slow\r\nRetry-After: %(n)s\r\nx-ratelimit-limit-requests: %(n)s\r\n" % {b"n": b"9" * 5000}],
        [b"Content-Length: 2\r\n\r\n{}"],
    ),
    "a body": lambda: chain([PLAIN + b"\r\n"], forever(b"a")),
    "chunks of a byte": lambda: chunked(forever(b"1\r\na\r\n")),
    "a chunk's extension": lambda: chunked(chain([b"1;"], forever(b"a"))),
    "trailers": lambda: chunked(chain([b"1\r\na\r\n0\r\n"], forever(b"a:\r\n"))),
    "gzip": lambda: whole(many_zeros(), b"Content-Encoding: gzip"),
    "gzip twice": lambda: whole(nested(), b"Content-Encoding: gzip, gzip"),
    "gzip twice, in two lines": lambda: whole(nested(), b"Content-Encoding: gzip", b"Content-Encoding: gzip"),
    "gzip three times": lambda: whole(gzip.compress(nested()), b"Content-Encoding: gzip, gzip, gzip"),
    "a packed body in bytes": lambda: chain(
        [PLAIN + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"],
        (b"1\r\n%c\r\n" % one for one in many_zeros()),
    ),
    "lists": lambda: whole(b"[" + b"[]," * (REPLY_BYTES // 3 - 2) + b"[]]"),
    "more lists": lambda: whole(b"[" + b"[]," * (LIST_BYTES // 6 - 2) + b"[]]"),
    "nesting": lambda: whole(b"[" * MEGA),
}
"""What is sent, by what there is too much of."""


async def serve() -> None:
    """Answer every request with the flood whose number is its path, as fast as it is taken; the port is printed."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            for data in [*FLOODS.values()][int(head.split(b" ")[1].strip(b"/"))]():
                writer.write(data)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


@contextmanager
def served() -> Iterator[str]:
    """Where a process of its own serves the floods: its memory does not count."""
    words = [sys.executable, "-m", "tests.security.floods", SERVE]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own interpreter and words
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.kill()


class Turns:
    """How long the event loop's thread computes between two turns of the others."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.count = 0

    async def watch(self) -> None:
        """Take a turn whenever there is one, until cancelled."""
        before = time.thread_time()
        while True:
            await anyio.lowlevel.checkpoint()
            now = time.thread_time()
            self.longest, self.count, before = max(self.longest, now - before), self.count + 1, now


@asynccontextmanager
async def watched() -> AsyncIterator[Turns]:
    """The turns meanwhile."""
    turns = Turns()
    async with anyio.create_task_group() as group:
        group.start_soon(turns.watch)
        yield turns
        group.cancel_scope.cancel()


@dataclass(frozen=True)
class Tried:
    """One flood at one door."""

    kind: str
    door: str
    turns: Turns
    words: str
    """How it was refused; empty where it was not."""

    @property
    def wrong(self) -> bool:
        """Whether it was taken, or kept the others waiting."""
        # a file that is not too large is taken as it is; what it holds is looked at elsewhere
        harmless = self.door == INPUT and self.kind in SMALL
        return self.turns.longest > LONGEST or not (self.words or harmless)


def doors(http: HttpClient, url: str, folder: Path) -> Mapping[str, Callable[[], Awaitable[object]]]:
    """Everything that reads an answer."""

    def read(reply: Reply) -> object:
        return reply.json if reply.status < 300 and reply.json is not None else None

    us = bearer("vendor", "sk-0123456789", url)

    def ask(purpose: Purpose, **more: Any) -> Callable[[], Awaitable[object]]:
        return partial(http.send, us, Request(purpose=purpose, url=url, read=read, **more))

    return {
        INPUT: partial(fetch_public, url, max_bytes=REPLY_BYTES, seconds=SECONDS, guard=Guard(loopback=True)),
        "result": partial(http.download, us, url, folder / "picture"),
        **{str(purpose): ask(purpose) for purpose in Purpose},
        "link to upload to": ask(Purpose.UPLOAD, with_key=False, method="PUT", content=b"picture"),
        "list": ask(Purpose.POLL, max_bytes=LIST_BYTES),
    }


async def try_all() -> list[Tried]:
    """Every flood at every door."""
    found = []
    sender = HttpClient(QUICK, QUICK, dict.fromkeys(Purpose, SECONDS))
    with tempfile.TemporaryDirectory() as folder, served() as base:
        for place, kind in enumerate(FLOODS):
            for door, knock in doors(sender, f"{base}/{place}", Path(folder)).items():
                async with watched() as turns:
                    words = ""
                    try:
                        await knock()
                    except (FetchError, ProviderError) as error:
                        words = str(error)
                found.append(Tried(kind, door, turns, words))
    await sender.aclose()
    return found


def most_memory() -> int:
    """The most bytes this process had. `ru_maxrss` also counts what the process had that began this one."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1]) * 1024


def main() -> int:
    """Print what came of it; 1 where anything was too long, too large or taken."""
    if SERVE in sys.argv:
        asyncio.run(serve())
    exchange.RESULT_BYTES = REPLY_BYTES  # so that a flood of a result is over soon
    found = anyio.run(try_all)
    for kind in FLOODS:
        rows = [one for one in found if one.kind == kind]
        longest, turns = max(one.turns.longest for one in rows), sum(one.turns.count for one in rows)
        taken = ", ".join(one.door for one in rows if not one.words) or "no door"
        sys.stdout.write(f"{kind}: away {longest * 1000:.0f} ms at most in {turns} turns, taken at {taken}\n")
    wrong = [one for one in found if one.wrong]
    peak = most_memory()
    sys.stdout.write(f"{len(found)} tried, {len(wrong)} wrong, {peak // MEGA} MB at most\n")
    sys.stdout.writelines(f"{one.kind} at {one.door}: {one.words}\n" for one in wrong)
    return 1 if wrong or peak > MEMORY else 0


if __name__ == "__main__":
    sys.exit(main())
