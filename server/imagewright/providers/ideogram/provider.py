"""Ideogram: reframes in one call, which waits for all variants and answers with links to them.

Interface as read on 2026-11-26. The address can be set, `IMAGEWRIGHT_IDEOGRAM_BASE_URL`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from imagewright.providers.common.overrides import chosen
from imagewright.providers.common.provider import SynchronousProvider, file_part, route_as
from imagewright.providers.http.request import Purpose, Request
from imagewright.providers.ideogram.replies import read_limits, read_made
from imagewright.providers.ideogram.routes import NAME, ROUTES, IdeogramRoute
from imagewright.storage.accounts import Pace

if TYPE_CHECKING:
    from imagewright.providers.base import Finished, Order, Provider, ProviderConfig


class Ideogram(SynchronousProvider):
    """The provider. See `base.Provider` for what its methods promise."""

    name = NAME
    address = "https://api.ideogram.ai"
    key_header, key_prefix = "Api-Key", ""
    pace = Pace(running=10)
    """Pictures in progress of an account, by its page on rate limits, which counts each variant of a call. What is
    refused for that is sent again later; a refusal says an account's own limit."""

    def __init__(self, config: ProviderConfig) -> None:
        super().__init__(config, chosen(ROUTES, config.overrides))

    def request(self, order: Order) -> Request[Finished]:
        """The picture as a file of a form."""
        route = route_as(order, IdeogramRoute)
        return Request(
            purpose=Purpose.SUBMIT,
            url=self._base + route.path.format(model=quote(order.model, safe="")),
            fields=route.inputs(order),
            files=(file_part("image", "image", order.images[0]),),
            read=read_made,
            limits=read_limits,
            seconds=self.seconds,
        )


PROVIDER: type[Provider] = Ideogram
