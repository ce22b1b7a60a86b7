"""Recraft: cuts out in one call, which waits for the picture and answers with a link to it.

Interface as read on 2026-11-26. The picture is sent as a file of a form: the only way of sending one whose fields are
documented. The address can be set, `IMAGEWRIGHT_RECRAFT_BASE_URL`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from imagewright.providers.common.overrides import chosen
from imagewright.providers.common.provider import SynchronousProvider, file_part
from imagewright.providers.http.request import Purpose, Request
from imagewright.providers.recraft.replies import read_made, read_user
from imagewright.providers.recraft.routes import FORM, NAME, ROUTES
from imagewright.storage.accounts import Pace

if TYPE_CHECKING:
    from imagewright.providers.base import Finished, Order, Provider, ProviderConfig
    from imagewright.providers.common.keys import KeyAccepted

USER_PATH = "/v1/users/me"
"""Whose key it is and how many units are left, free of charge."""
ANSWER_BYTES = 120_000_000
"""Most bytes of an answer. A link is asked for; should the picture itself come, 16 megapixels of four bytes in base64
are 86 MB."""


class Recraft(SynchronousProvider):
    """The provider. See `base.Provider` for what its methods promise."""

    name = NAME
    address = "https://external.api.recraft.ai"
    pace = Pace(calls=5, seconds=3.0)
    """Its documentation names two limits: 5 requests a second and 100 pictures a minute. These keep both."""

    def __init__(self, config: ProviderConfig) -> None:
        super().__init__(config, chosen(ROUTES, config.overrides))

    async def check_key(self) -> KeyAccepted:
        """Ask what is left in the account; see `keys.ChecksKey`."""
        return await self._look_up(self._base + USER_PATH, read_user)

    def request(self, order: Order) -> Request[Finished]:
        """The picture as a file of a form."""
        return Request(
            purpose=Purpose.SUBMIT,
            # the operation is part of the address, and stands where other vendors name a model
            url=f"{self._base}/v1/images/{quote(order.model, safe='')}",
            fields=FORM,
            files=(file_part("file", "image", order.images[0]),),
            read=read_made,
            seconds=self.seconds,
            max_bytes=ANSWER_BYTES,
        )


PROVIDER: type[Provider] = Recraft
