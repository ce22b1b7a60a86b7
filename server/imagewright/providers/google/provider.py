"""Google's Gemini: nano banana at its maker. One call holds everything, and its answer holds the picture.

The address can be set, `IMAGEWRIGHT_GOOGLE_BASE_URL`; one with a path names the version too, such as `https://.../v1`.
The key goes into a header, never into the address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from imagewright.providers.common.overrides import chosen
from imagewright.providers.common.provider import SynchronousProvider, route_as
from imagewright.providers.google.replies import read_content, read_limits, read_models
from imagewright.providers.google.routes import NAME, ROUTES, GoogleRoute
from imagewright.providers.http.request import Purpose, Request
from imagewright.storage.accounts import Pace

if TYPE_CHECKING:
    from imagewright.providers.base import Finished, Order, Provider, ProviderConfig
    from imagewright.providers.common.keys import KeyAccepted

MODELS_PATH = "/models"
"""The list of models, free of charge."""
ANSWER_BYTES = 120_000_000
"""Most bytes of an answer: a picture of 4096 x 4096 px with four bytes a pixel in base64, and interim ones beside."""


class Google(SynchronousProvider):
    """The provider. See `base.Provider` for what its methods promise."""

    name = NAME
    address = "https://generativelanguage.googleapis.com"
    version = "/v1beta"
    """The version the picture models are documented with; the maker's own client used it up to its release 2."""
    key_header, key_prefix = "x-goog-api-key", ""
    pace = Pace()
    """Depends on the account and the model; refusals say it, see `replies.read_limits`."""

    def __init__(self, config: ProviderConfig) -> None:
        super().__init__(config, chosen(ROUTES, config.overrides))

    async def check_key(self) -> KeyAccepted:
        """Ask for the list of models; see `keys.ChecksKey`. What is left in the account is not told."""
        return await self._look_up(self._base + MODELS_PATH, read_models, query={"pageSize": "1"})

    def request(self, order: Order) -> Request[Finished]:
        """The pictures inside."""
        route = route_as(order, GoogleRoute)
        route.check(order)
        model = quote(order.model, safe="")
        return Request(
            purpose=Purpose.SUBMIT,
            url=f"{self._base}/models/{model}:generateContent",
            json=route.body(order),
            read=read_content,
            limits=read_limits,
            seconds=self.seconds,
            max_bytes=ANSWER_BYTES,
        )


PROVIDER: type[Provider] = Google
