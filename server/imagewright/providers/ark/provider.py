"""ByteDance's own service for Seedream: ModelArk of BytePlus, or with another address Ark of Volcengine in China.

Interface as read on 2026-11-22. `IMAGEWRIGHT_ARK_BASE_URL` is the address up to and with its version, such as
`https://ark.cn-beijing.volces.com/api/v3`; keys work at the one they were made at. The answer to a submit names the
pictures, whose links live for 24 hours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio.to_thread

from imagewright.providers.ark.replies import read_images
from imagewright.providers.ark.routes import NAME, ArkRoute, routes_for
from imagewright.providers.common.own_routes import route_as
from imagewright.providers.common.sync import SynchronousProvider
from imagewright.providers.http.request import REPLY_BYTES, Purpose, Request, bearer

if TYPE_CHECKING:
    from imagewright.providers.base import Finished, Order, ProviderConfig, Route

BASE = "https://ark.ap-southeast.bytepluses.com/api/v3"
VERSION = "/api/v3"
PATH = "/images/generations"
CHINESE_HOSTS = ".volces.com"
PICTURE_BYTES = 90_000_000
"""Most bytes of one picture in an answer, should it come there against our asking: 4096 x 4096 px of four bytes, in
base64."""


class Ark(SynchronousProvider):
    """The provider. See `base.Provider` for what its methods promise."""

    name = NAME
    seconds = 600.0
    """What the maker's own client waits."""

    def __init__(self, config: ProviderConfig) -> None:
        self._base = base_of(config.addresses.get("", BASE))
        host = urlsplit(self._base).hostname or ""
        self.routes: tuple[Route, ...] = routes_for(config.overrides, chinese=host.endswith(CHINESE_HOSTS))
        super().__init__(bearer(NAME, config.key, self._base), config.http)

    async def submit(self, order: Order) -> Finished:
        """Send the order once, its pictures inside, and wait for the links."""
        route = route_as(order, ArkRoute)
        request: Request[Finished] = Request(
            purpose=Purpose.SUBMIT,
            url=self._base + PATH,
            json=await anyio.to_thread.run_sync(route.body, order),
            read=read_images,
            seconds=self.seconds,
            max_bytes=REPLY_BYTES + PICTURE_BYTES * order.count,
        )
        return await self._http.send(self._account, request)


def base_of(address: str) -> str:
    """The base address; one without any path means its current version."""
    bare = address.rstrip("/")
    return bare if urlsplit(bare).path else bare + VERSION


def build(config: ProviderConfig) -> Ark:
    """The provider, from its key, addresses and overrides. Opens no connection.

    Raises:
        SettingsError: an override cannot be used.
    """
    return Ark(config)
