"""Every special address through every door, in a network that sees every connection.

    python -m tests.security.network [--short]

Doors: the URL of a picture given by the caller, also to a running server, with names and redirects among them; and
every link in the answers of every vendor: for uploading, asking, cancelling, fetching. Each vendor is tried at a public
address and at one on this machine. `--short` takes a part of it, some seconds long.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from imagewright.errors import ProviderError, TaskEnded
from imagewright.net import FetchError, fetch_public
from imagewright.providers import open_provider
from imagewright.providers.base import Finished, Handle, ProviderConfig
from imagewright.surface.client import open_client
from tests.emulators.base import LOOPBACK, Emulator
from tests.security import spellings
from tests.security.made_up_network import MadeUpNetwork, run_inside, why_not
from tests.support.faults import quick_sender
from tests.support.provider_runs import handed_over, plain_order
from tests.support.vendors import UNHURRIED, VENDORS, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from imagewright.providers.base import Order, Provider, Running
    from tests.emulators.messages import Answer

SITE = "93.184.216.34"
"""A public address; what the network has there is the site that redirects."""
SPECIAL = (*spellings.IPV4, *spellings.IPV6)
AT_ONCE = 20
SECONDS = 30.0
PICTURE_BYTES = 1_000_000
POLLS = 12
SPOILT = 1000
"""How many answers of each door are spoilt."""
OWN = re.compile(rf"http://{re.escape(LOOPBACK)}(:\d+)".encode())
"""What each link of an emulator begins with."""
SHORT = 25
"""With `--short`, one in so many of everything that is listed is tried."""
THIS_MACHINE = ("127.0.0.1", "127.255.255.254", "::1")
"""What a vendor may name whose address the user has set to this machine."""
WILD = ("bfl", ".bfl.ai")
"""The vendor whose links for asking may lead to any host under a name, with the key."""
LEAST_REACHABLE = 80
"""Special addresses that a program can connect to in such a network; the system itself refuses the few others."""
INSIDE = "--inside"


@dataclass
class Report:
    """What is printed, and what must be nothing."""

    network: MadeUpNetwork
    broken: int = 0

    def add(
        self, door: str, tried: int, came: int, own: Collection[str] = (), *, expected: bool | None = False
    ) -> None:
        """What was tried at a door, how many pictures came, and whether they should (None: either).

        `own` are special addresses that may be connected to.

        Raises:
            AssertionError: pictures came that should not, or none where some should.
        """
        seen = self.network.taken()
        special = {(address, port) for address, port in seen if address not in (*spellings.PUBLIC, *own)}
        self.broken += len(special)
        sys.stdout.write(f"{door}: {tried} tried, {came} pictures, {len(special)} special places connected to\n")
        sys.stdout.writelines(f"    {address} port {port}\n" for address, port in sorted(special))
        sys.stdout.flush()
        assert expected in (None, bool(came)), f"{came} pictures came"


async def fetch(urls: Sequence[str]) -> int:
    """Give each URL as that of a picture; how many of them came."""
    room, came = anyio.Semaphore(AT_ONCE), 0

    async def one(url: str) -> None:
        nonlocal came
        async with room:
            with suppress(FetchError):
                await fetch_public(url, max_bytes=PICTURE_BYTES, seconds=SECONDS)
                came += 1

    async with anyio.create_task_group() as group:
        for url in urls:
            group.start_soon(one, url)
    return came


async def call_server(urls: Sequence[str], home: Path) -> int:
    """Give each URL to a running server, in an edit; how many it took."""
    environment = {**os.environ, "IMAGEWRIGHT_HOME": str(home), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    came = 0
    async with open_client(["serve", "--provider", "offline"], environment) as client:
        for url in urls:
            result = await client.call_tool("qwen", {"prompt": "make it night", "images": [url]})
            came += not result["isError"]
    return came


def origins() -> list[str]:
    """What the links of a hostile vendor begin with."""
    hosts = [f"[{address}]" if ":" in address else address for address in SPECIAL]
    return [origin for host in hosts for origin in (f"http://{host}", f"https://{host}:9443")]


def turned(origin: str) -> Callable[[Answer], Answer]:
    """How an answer is spoilt: every link of the vendor's own begins so; without an origin, it leads to `SITE`."""

    def begin(own: re.Match[bytes]) -> bytes:
        return origin.encode() or f"http://{SITE}".encode() + own[1]

    return lambda answer: replace(answer, body=OWN.sub(begin, answer.body))


async def try_vendor(name: str, emulator: Emulator, begins: Sequence[str], folder: Path, *, here: bool) -> int:
    """How many pictures come from a vendor whose links begin so; its base address is on this machine or public."""
    addresses = {part: one if here else one.replace(LOOPBACK, SITE) for part, one in emulator.addresses.items()}
    sender, came = quick_sender(), 0
    config = ProviderConfig(key=emulator.key, addresses=addresses, overrides={}, http=sender, pace=UNHURRIED)
    provider = open_provider(name, config)
    for origin in begins:
        for door in emulator.doors():
            emulator.heal(door.label)
            emulator.fail_next(door.label, turned(origin), times=SPOILT)
        for order in orders(name):
            came += await follow(provider, order, folder)
    await sender.aclose()
    return came


def orders(vendor: str) -> list[Order]:
    """The least that can be asked for, and an order with pictures that are uploaded first, where there are such."""
    cases = VENDORS[vendor]
    usual = cases.queue or cases.at_once
    assert usual is not None, vendor
    pictured = cases.queue.pictured if cases.queue else None
    return [plain_order(usual.plain)] + ([pictured] if pictured else [])


async def follow(provider: Provider, order: Order, folder: Path) -> int:
    """Upload, submit, ask, fetch, cancel; how many pictures came by a link."""
    try:
        answer: Handle | Running | Finished = await provider.submit(await handed_over(provider, order))
    except ProviderError:
        return 0
    handle = answer if isinstance(answer, Handle) else None
    for _ in range(POLLS):
        if isinstance(answer, Finished) or handle is None:
            break
        with suppress(ProviderError, TaskEnded):
            answer = await provider.poll(handle)
    came = 0
    for output in answer.outputs if isinstance(answer, Finished) else ():
        with suppress(ProviderError):
            await provider.fetch(output, folder / "picture")
            came += output.data is None
    if handle is not None:
        with suppress(ProviderError):
            await provider.cancel(handle)
    return came


async def try_all(every: int) -> int:
    """Try one of so many of everything; how many special places were connected to."""
    names = {**spellings.names(), "public.example": [SITE]}
    wild = [*names][::every]
    names |= {f"{host}{WILD[1]}": names[host] for host in wild}
    Emulator.listens_at = "0.0.0.0"  # noqa: S104 - in a network of its own, where the vendors have public addresses
    with MadeUpNetwork(names) as network, tempfile.TemporaryDirectory() as text, opened(VENDORS) as emulators:
        folder, report = Path(text), Report(network)
        reachable = network.reachable(SPECIAL)
        sys.stdout.write(f"{len(reachable)} of {len(SPECIAL)} special addresses can be connected to\n")
        assert len(reachable) >= LEAST_REACHABLE
        network.taken()
        for door, urls, expected in (
            ("public pictures", [f"http://{SITE}/a.png", "http://public.example/a.png"], True),
            ("URLs", [url for _, url in spellings.urls()][::every], False),
            ("names", [f"http://{name}/a.png" for name in spellings.names()][::every], False),
            ("redirects", [url for _, url in spellings.redirects(f"http://{SITE}")][::every], False),
        ):
            report.add(door, len(urls), await fetch(urls), expected=expected)
        urls = [url for _, url in spellings.urls()][:: 4 * every]
        report.add("a running server", len(urls), await call_server(urls, folder))
        linked = 0
        for place, (name, emulator) in enumerate(emulators.items()):
            honest = await try_vendor(name, emulator, [""], folder, here=False)
            linked += bool(honest)
            report.add(f"honest links of {name}", 1, honest, expected=None)
            begins = [*islice(origins(), place, None, every)]
            if name == WILD[0]:
                begins += [f"https://{host}{WILD[1]}" for host in wild]
            for here in (False, True):
                came = await try_vendor(name, emulator, begins, folder, here=here)
                where = "this machine" if here else "a public address"
                report.add(
                    f"links of {name} at {where}",
                    len(begins),
                    came,
                    THIS_MACHINE if here else (),
                    expected=None if here else False,
                )
        assert linked >= len(VENDORS) // 2, "vendors that give links"
    return report.broken


def main() -> int:
    """Print what came of it; 1 where anything special was connected to, 2 where there can be no such network."""
    if INSIDE not in sys.argv:
        if reason := why_not():
            sys.stderr.write(f"not tried: {reason}\n")
            return 2
        return run_inside("tests.security.network", INSIDE, *sys.argv[1:])
    return 1 if anyio.run(try_all, SHORT if "--short" in sys.argv else 1) else 0


if __name__ == "__main__":
    sys.exit(main())
