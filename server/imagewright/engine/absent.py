"""The stand-in for a provider that is not in use any more: its jobs can be ended, and what has arrived can be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.to_thread

from imagewright.errors import BadKey, ResultLost
from imagewright.providers.base import PollPolicy
from imagewright.storage.private import write_file

if TYPE_CHECKING:
    from pathlib import Path
    from typing import NoReturn

    from imagewright.engine.registry import ProviderRegistry
    from imagewright.providers.base import Finished, Handle, Order, Output, Provider, Route, Running

WHY = "it is not among the providers in use: it has no key, or was switched off"


class Absent:
    """Reaches nobody. Nothing can be sent, asked about or stopped; pictures whose bytes came already can be kept.

    Args:
        name: the provider's name.
    """

    routes: tuple[Route, ...] = ()
    poll_policy = PollPolicy()

    def __init__(self, name: str) -> None:
        self.name = name

    async def submit(self, order: Order) -> Handle | Finished:  # noqa: ARG002 - the contract's
        """Send nothing.

        Raises:
            BadKey: always.
        """
        self._refuse(charged=False)

    async def poll(self, handle: Handle) -> Running | Finished:  # noqa: ARG002 - the contract's
        """Ask nobody.

        Raises:
            BadKey: always.
        """
        self._refuse(charged=None)

    async def cancel(self, handle: Handle) -> bool:  # noqa: ARG002 - the contract's
        """Stop nothing.

        Raises:
            BadKey: always.
        """
        self._refuse(charged=None)

    async def fetch(self, product: Output, into: Path) -> None:
        """Write a picture whose bytes are here.

        Raises:
            ResultLost: they are not.
        """
        if product.data is None:
            raise ResultLost(self.name, WHY, final=True)
        await anyio.to_thread.run_sync(write_file, into, product.data)

    def _refuse(self, *, charged: bool | None) -> NoReturn:
        raise BadKey(self.name, WHY, charged=charged)


def provider_or_absent(registry: ProviderRegistry, name: str) -> Provider:
    """The provider of that name, or its stand-in where it is not in use."""
    return registry.provider(name) if name in registry.names else Absent(name)
