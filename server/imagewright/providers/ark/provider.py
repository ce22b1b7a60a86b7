"""ByteDance's own service for Seedream: ModelArk of BytePlus, or with another address Ark of Volcengine in China.

Interface as read on 2026-11-26. `IMAGEWRIGHT_ARK_BASE_URL` is the address up to and with its version, such as
`https://ark.cn-beijing.volces.com/api/v3`; keys work at the one they were made at. The answer to a submit names the
pictures, whose links live for 24 hours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from imagewright.providers.ark.replies import read_images, read_tasks
from imagewright.providers.ark.routes import NAME, ArkRoute, routes_for
from imagewright.providers.common.provider import SynchronousProvider, route_as
from imagewright.providers.http.request import REPLY_BYTES, Purpose, Request
from imagewright.storage.accounts import Pace

if TYPE_CHECKING:
    from imagewright.providers.base import Finished, Order, Provider, ProviderConfig
    from imagewright.providers.common.keys import KeyAccepted

PATH = "/images/generations"
TASKS_PATH = "/contents/generations/tasks"
"""The account's video tasks, of which we make none: a list that is free of charge."""
CHINESE_HOSTS = ".volces.com"
PICTURE_BYTES = 90_000_000
"""Most bytes of one picture in an answer, should it come there although a link is asked for: 4096 x 4096 px of four
bytes, in base64."""


class Ark(SynchronousProvider):
    """The provider. See `base.Provider` for what its methods promise."""

    name = NAME
    address = "https://ark.ap-southeast.bytepluses.com/api/v3"
    version = "/api/v3"
    seconds = 600.0
    """What the maker's own client waits."""
    pace = Pace()
    """Pictures a minute and calls at work are limited by account and model; no number of them is published for all."""

    def __init__(self, config: ProviderConfig) -> None:
        host = urlsplit(config.addresses.get("", self.address)).hostname or ""
        super().__init__(config, routes_for(config.overrides, chinese=host.endswith(CHINESE_HOSTS)))

    async def check_key(self) -> KeyAccepted:
        """Ask for a list of tasks; see `keys.ChecksKey`. What is left in the account is not told."""
        return await self._look_up(self._base + TASKS_PATH, read_tasks, query={"page_num": "1", "page_size": "1"})

    def request(self, order: Order) -> Request[Finished]:
        """The pictures inside, and links asked for."""
        return Request(
            purpose=Purpose.SUBMIT,
            url=self._base + PATH,
            json=route_as(order, ArkRoute).body(order),
            read=read_images,
            seconds=self.seconds,
            max_bytes=REPLY_BYTES + PICTURE_BYTES * order.count,
        )


PROVIDER: type[Provider] = Ark
