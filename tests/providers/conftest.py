"""An emulated Kie, a sender that waits milliseconds where the real one waits seconds, and the provider between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from emulators.kie import KieEmulator
from imagewright.providers import open_provider
from imagewright.providers.base import Wiring
from imagewright.providers.sending.http import Http
from imagewright.providers.sending.verdict import Retry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from imagewright.providers.base import Provider

QUICK = Retry(first=0.001, longest=0.02, spread=0.0)


@pytest.fixture
def kie() -> Iterator[KieEmulator]:
    """Kie on loopback; the test fails if its key was sent where it must not go."""
    with KieEmulator() as emulator:
        yield emulator


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    """A sender with short waits."""
    sender = Http(retry=QUICK, download_retry=QUICK)
    yield sender
    await sender.aclose()


@pytest.fixture
def provider(kie: KieEmulator, http: Http) -> Provider:
    """The unmodified provider, wired to the emulator."""
    return open_provider("kie", Wiring(key=kie.key, addresses=kie.addresses, overrides={}, http=http))
