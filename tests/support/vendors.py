"""Every vendor by the provider's name, its emulator, and how the real server is pointed at it."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagewright.providers import KEY_VARIABLES, open_provider
from imagewright.providers.base import ProviderConfig
from imagewright.providers.http.client import HttpClient
from imagewright.storage.accounts import Pace
from tests.emulators.base import address_variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from imagewright.providers.base import Provider, Route
    from imagewright.providers.http.client import Sender
    from tests.support.vendor_cases import Vendor

AnyEmulator = Any
"""An `Emulator`, with what is particular to its vendor: an account, a queue, links that end."""
UNHURRIED = Pace(calls=100_000, seconds=1.0, running=100_000)
"""A pace for tests that are about something else: no call waits for its turn, however many there are."""
FOLDER = Path(__file__).parents[1] / "providers"


def _vendor(name: str) -> Vendor:
    vendor: Vendor = import_module(f"tests.providers.{name}.cases").VENDOR
    return vendor


VENDORS: Mapping[str, Vendor] = {
    name: _vendor(name) for name in sorted(file.parent.name for file in FOLDER.glob("*/cases.py"))
}
"""All vendors that have cases: every provider but the one that is built in."""
QUEUES = {name: vendor.queue for name, vendor in VENDORS.items() if vendor.queue}
"""What is tried at those that take their time."""


@contextmanager
def opened(names: Iterable[str], keys: Mapping[str, str] | None = None) -> Iterator[dict[str, AnyEmulator]]:
    """The emulators of these vendors, listening; leaving fails where one was misused.

    Args:
        names: the providers.
        keys: keys by provider, instead of the emulators' own.
    """
    with ExitStack() as stack:
        emulators: dict[str, AnyEmulator] = {}
        for name in names:
            emulator = VENDORS[name].emulator()
            emulator.key = (keys or {}).get(name, emulator.key)
            stack.enter_context(emulator)
            emulators[name] = emulator
        yield emulators


def environment(emulators: Mapping[str, AnyEmulator]) -> dict[str, str]:
    """The variables that give the server the key and the addresses of each; no key where the emulator asks for none."""
    text: dict[str, str] = {}
    for name, emulator in emulators.items():
        if emulator.key:
            text[KEY_VARIABLES[name][0]] = emulator.key
        text |= address_variables(name, emulator.addresses)
    return text


def wired(name: str, emulator: AnyEmulator, http: Sender, **overrides: Mapping[str, Any]) -> Provider:
    """The unmodified provider that speaks to the emulator, with the user's tables by tool."""
    return open_provider(
        name,
        ProviderConfig(key=emulator.key, addresses=emulator.addresses, overrides=overrides, http=http, pace=UNHURRIED),
    )


def routes_of(name: str) -> tuple[Route, ...]:
    """The built-in routes of a provider."""
    return open_provider(name, ProviderConfig(key="none", addresses={}, overrides={}, http=HttpClient())).routes


def submitted_to(name: str, emulator: AnyEmulator) -> int:
    """How many requests that begin paid work came to the vendor."""
    return sum(len(emulator.received(label)) for label in VENDORS[name].submits)
