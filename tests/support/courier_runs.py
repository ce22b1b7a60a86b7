"""A process that sends one paid request by a courier, to be frozen and killed; and what is left of it.

    python -m tests.support.courier_runs URL KEY FOLDER SECONDS [hold]

It prints the process number of its courier, then `ready` where it writes down that it sends (with `hold` it stays there
for ever), and then the answer.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from imagewright.providers.http.client import HttpClient
from imagewright.providers.http.request import Purpose, Reply, Request
from imagewright.providers.sending import Sending
from tests.emulators.base import Door, Emulator
from tests.emulators.messages import Answer, Received
from tests.support.accounts import bearer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from imagewright.providers.http.client import Account

KEY = "sk-test-0123456789abcdef"
PATIENCE = 20.0
"""Seconds after which a test fails that waits for a process."""
ROOT = Path(__file__).parents[2]


def couriers() -> list[int]:
    """The process numbers of the couriers this process has."""
    names = [thread.name.split() for thread in threading.enumerate() if thread.name.startswith("courier ")]
    return sorted({int(number) for _, number in names})


def asking(url: str, *, seconds: float = PATIENCE, **more: Any) -> Request[Reply]:
    """A paid request whose reader takes any good answer as it is."""
    return Request(
        purpose=Purpose.SUBMIT,
        url=url,
        read=lambda reply: reply if reply.status == 200 else None,
        seconds=seconds,
        **more,
    )


async def nothing() -> None:
    """Write nothing down."""


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until it holds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.02)


def runs(pid: int) -> bool:
    """Whether a process is there that is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Vendor(Emulator):
    """Makes something of the number of bytes that is asked for, and counts what is paid."""

    key = KEY

    def __init__(self) -> None:
        super().__init__()
        self.paid = 0

    def doors(self) -> Sequence[Door]:
        return [Door("jobs", "api", "POST", "/jobs", self._make)]

    def _make(self, received: Received) -> Answer:
        self.paid += 1
        size = (received.json() or {}).get("size", len(received.body))
        return Answer(200, b"x" * size, {"Content-Type": "image/png", "Set-Cookie": "session=1"})


def account(vendor: Vendor) -> Account:
    """The account at it."""
    return bearer("vendor", KEY, vendor.url())


async def send(
    http: HttpClient, vendor: Vendor, folder: Path, number: int = 1, *, again: bool = False, **more: Any
) -> Reply:
    """Send a paid request, or read what another process got."""
    request = asking(vendor.url() + "/jobs", **{"json": {"size": 10}, **more})
    return await http.send(account(vendor), request, Sending(nothing, folder, number, again))


async def collected(http: HttpClient, vendor: Vendor, folder: Path) -> Reply:
    """What another process got for the first request of a job."""
    return await send(http, vendor, folder, again=True)


def is_locked(folder: Path, number: int = 1) -> bool:
    """Whether a request is under way."""
    import fcntl  # noqa: PLC0415 - not every system has it

    with (folder / f"lock-{number}").open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def left_in(folder: Path) -> list[Path]:
    """The files of a job."""
    return [*folder.iterdir()]


class Server:
    """The process, in a group of its own as a client starts it."""

    def __init__(self, url: str, key: str, folder: Path, *, seconds: float = PATIENCE, hold: bool = False) -> None:
        words = [url, key, str(folder), str(seconds), *(["hold"] if hold else [])]
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own words
            [sys.executable, "-m", __name__, *words],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "server"), str(ROOT)]), "KIE_API_KEY": key},
        )
        self.courier = int(self.line())
        """The process number of its courier."""

    def line(self) -> str:
        """The next line it prints."""
        if self.process.stdout is None:
            raise TypeError("no output to read")
        return self.process.stdout.readline().strip()

    def signal(self, *numbers: int) -> None:
        """Send signals to its whole group."""
        for number in numbers:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """End it as an impatient client does."""
        self.signal(signal.SIGTERM, signal.SIGKILL)
        self.process.wait(PATIENCE)


@contextmanager
def server(url: str, key: str, folder: Path, **more: Any) -> Iterator[Server]:
    """The process; it and its courier are gone afterwards."""
    started = Server(url, key, folder, **more)
    try:
        yield started
    finally:
        started.signal(signal.SIGCONT, signal.SIGKILL)
        started.process.wait(PATIENCE)
        if started.process.stdout is not None:
            started.process.stdout.close()
        with suppress(ProcessLookupError):
            os.kill(started.courier, signal.SIGKILL)
        until(lambda: not runs(started.courier), "the courier does not end")


async def _main(*words: str) -> None:
    url, key, folder, seconds, *hold = words
    http = HttpClient(couriers=True)

    async def begin() -> None:
        say("ready")
        if hold:
            await anyio.sleep_forever()

    async def name_courier() -> None:
        while not couriers():  # noqa: ASYNC110 - another thread starts it
            await anyio.sleep(0.01)
        say(str(couriers()[0]))

    async with anyio.create_task_group() as group:
        group.start_soon(name_courier)
        try:
            account, sending = bearer("vendor", key, url), Sending(begin, Path(folder), 1)
            reply = await http.send(account, asking(url + "/jobs", seconds=float(seconds), json={}), sending)
            say(f"{reply.status} {len(reply.body)}")
        except Exception as error:  # noqa: BLE001 - it is what the test looks at
            say(type(error).__name__)
    await http.aclose()


if __name__ == "__main__":
    anyio.run(_main, *sys.argv[1:])
