"""Every spelling of every special address, given as the URL of a picture: what is connected to?

    python -m tests.security.addresses

Nothing leaves the machine: each connection is noted as the interpreter begins to make it, and stopped there.
`tests.security.network` tries the same with real connections.
"""

from __future__ import annotations

import socket
import sys
from collections import Counter
from contextlib import contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from imagewright.net import FetchError, fetch_public
from tests.security import spellings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

AT_ONCE = 20
SECONDS = 20.0
PICTURE_BYTES = 9999


class Connections:
    """Where this process connects to while it is watched."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.on = False
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on or event != "socket.connect" or not isinstance(arguments[1], tuple):
            return
        self.seen.append(arguments[1][0])
        raise ConnectionRefusedError("noted and stopped")

    @contextmanager
    def watched(self) -> Iterator[list[str]]:
        """What is connected to meanwhile."""
        self.seen, self.on = [], True
        try:
            yield self.seen
        finally:
            self.on = False


CONNECTIONS = Connections()
"""One for the process, as an audit hook stays."""


class Names:
    """Finds what the system finds without asking anybody, and the names of a table."""

    def __init__(self, table: Mapping[str, list[str]]) -> None:
        self._table = table

    async def __call__(self, host: str, port: int) -> list[str]:
        """The addresses of a host.

        Raises:
            OSError: there are none.
        """
        if host in self._table:
            return self._table[host]
        found = await anyio.to_thread.run_sync(_numeric, host, port)
        return [str(entry[4][0]) for entry in found]


def _numeric(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)


async def fetch_all(wanted: Iterable[tuple[str, str]], table: Mapping[str, list[str]]) -> dict[str, str]:
    """Why each of them was not fetched, by what is odd about it; `fetched` where it was."""
    found: dict[str, str] = {}
    room = anyio.Semaphore(AT_ONCE)

    async def one(kind: str, url: str) -> None:
        async with room:
            try:
                await fetch_public(url, max_bytes=PICTURE_BYTES, seconds=SECONDS, look_up=Names(table))
            except FetchError as error:
                found[kind] = error.reason
            else:
                found[kind] = "fetched"

    async with anyio.create_task_group() as group:
        for kind, url in wanted:
            group.start_soon(one, kind, url)
    return found


def special(addresses: Iterable[str]) -> list[str]:
    """Those that are none of the public addresses that the tables use."""
    public = {ip_address(address) for address in spellings.PUBLIC}
    return [address for address in addresses if ip_address(address.partition("%")[0]) not in public]


async def main() -> int:
    """Print the counts; 1 where anything special was connected to."""
    table = spellings.names()
    wanted = [*spellings.urls(), *((f"name {host}", f"http://{host}/a.png") for host in table)]
    with CONNECTIONS.watched() as seen:
        found = await fetch_all(wanted, table)
    broken = special(seen)
    counts = ", ".join(f"{count} {reason}" for reason, count in sorted(Counter(found.values()).items()))
    sys.stdout.write(f"{len(wanted)} URLs: {counts}\n{len(seen)} connections, {len(broken)} of them to special ones\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(anyio.run(main))
