"""The vendor of a test, emulated, and its provider with a sender that waits milliseconds instead of seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagewright.providers.http.client import HttpClient
from tests.support.courier_runs import couriers, runs, until
from tests.support.faults import QUICK, hurry, impatient_sender, quick_sender
from tests.support.vendors import opened, wired

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from imagewright.providers.base import Provider
    from tests.support.vendors import AnyEmulator


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """The vendor in whose folder the test stands; the tables over several vendors give it as a parameter."""
    folder: str = request.path.parent.name
    return folder


@pytest.fixture
def emulator(name: str) -> Iterator[AnyEmulator]:
    """The vendor on loopback; the test fails if its key was sent where it must not go."""
    with opened([name]) as emulators:
        yield emulators[name]


@pytest.fixture
async def http(request: pytest.FixtureRequest) -> AsyncIterator[HttpClient]:
    """A sender with short waits; impatient only in rows called silence, as a busy machine is no silent vendor."""
    silent = "silence" in request.node.name
    sender = impatient_sender(request.getfixturevalue("emulator")) if silent else quick_sender()
    yield sender
    await sender.aclose()


@pytest.fixture
async def couriered() -> AsyncIterator[HttpClient]:
    """A sender that sends paid requests by a courier; with it, the courier ends."""
    sender = HttpClient(retry=QUICK, couriers=True)
    yield sender
    pids = couriers()
    await sender.aclose()
    until(lambda: not any(map(runs, pids)), "a courier does not end")


@pytest.fixture
def provider(name: str, emulator: AnyEmulator, http: HttpClient, request: pytest.FixtureRequest) -> Provider:
    """The unmodified provider, wired to the emulator; it too is impatient only in rows called silence."""
    provider = wired(name, emulator, http)
    if "silence" in request.node.name:
        hurry(provider)
    return provider
