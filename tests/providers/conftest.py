"""A sender that waits milliseconds where the real one waits seconds, and emulated vendors for it to speak to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.emulators.kie import KieEmulator
from tests.support.faults import impatient_sender, quick_sender
from tests.support.vendors import opened, wired

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from imagewright.providers.base import Provider
    from imagewright.providers.http.client import HttpClient
    from tests.support.vendors import AnyEmulator


@pytest.fixture
def emulator(name: str) -> Iterator[AnyEmulator]:
    """The vendor of that name on loopback, for the tables over several vendors."""
    with opened([name]) as emulators:
        yield emulators[name]


@pytest.fixture
def kie() -> Iterator[KieEmulator]:
    """Kie on loopback; the test fails if its key was sent where it must not go."""
    with KieEmulator() as emulator:
        yield emulator


@pytest.fixture
async def http(request: pytest.FixtureRequest) -> AsyncIterator[HttpClient]:
    """A sender with short waits; impatient only in rows called silence, as a busy machine is no silent vendor."""
    sender = impatient_sender() if "silence" in request.node.name else quick_sender()
    yield sender
    await sender.aclose()


@pytest.fixture
def provider(kie: KieEmulator, http: HttpClient) -> Provider:
    """The unmodified provider, wired to the emulator."""
    return wired("kie", kie, http)
