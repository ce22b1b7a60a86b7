"""Google's Gemini: nano banana at its maker. One call holds everything, and its answer holds the picture.

The address can be set, `IMAGEWRIGHT_GOOGLE_BASE_URL`; one with a path names the version too, such as `https://.../v1`.
The key goes into a header, never into the address.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import anyio.to_thread

from imagewright.providers.common.alternatives import chosen
from imagewright.providers.common.own_routes import route_as
from imagewright.providers.common.sync import SynchronousProvider
from imagewright.providers.google.body import ALIKE, NAME, ROUTES, GoogleRoute
from imagewright.providers.google.replies import read_content
from imagewright.providers.http.request import Account, Purpose, Request

if TYPE_CHECKING:
    from imagewright.providers.base import Finished, Order, ProviderConfig, Route

BASE = "https://generativelanguage.googleapis.com"
VERSION = "/v1beta"
"""The version the picture models are documented with; the maker's own client took it up to its release 2."""
KEY_HEADER = "x-goog-api-key"
ANSWER_BYTES = 120_000_000
"""Most bytes of an answer: a picture of 4096 x 4096 px with four bytes a pixel in base64, and interim ones beside."""


class Google(SynchronousProvider):
    """The provider. See `base.Provider` for what its methods promise."""

    name = NAME

    def __init__(self, config: ProviderConfig) -> None:
        self.routes: tuple[Route, ...] = chosen(ROUTES, (), config.overrides, ALIKE)
        self._base = base_of(config.addresses.get("", BASE))
        super().__init__(Account(NAME, (self._base,), config.key, {KEY_HEADER: config.key}), config.http)

    async def submit(self, order: Order) -> Finished:
        """Send the order once and wait for its picture."""
        route = route_as(order, GoogleRoute)
        model = quote(route.model_for(order.arguments), safe="")
        request: Request[Finished] = Request(
            purpose=Purpose.SUBMIT,
            url=f"{self._base}/models/{model}:generateContent",
            headers={"Content-Type": "application/json"},
            # pictures in a body of text take long to write: not on the event loop
            content=await anyio.to_thread.run_sync(lambda: written(route.body(order))),
            read=read_content,
            seconds=self.seconds,
            max_bytes=ANSWER_BYTES,
        )
        return await self._http.send(self._account, request)


def written(body: dict[str, Any]) -> bytes:
    """The body as JSON, written value by value, so that no single step of it holds up other threads for long."""
    return b"".join(piece.encode("utf-8") for piece in json.JSONEncoder(ensure_ascii=False).iterencode(body))


def base_of(address: str) -> str:
    """The base address with its version; one without any path means the usual version."""
    bare = address.rstrip("/")
    return bare if urlsplit(bare).path else bare + VERSION


def build(config: ProviderConfig) -> Google:
    """The provider, from its key, addresses and overrides. Opens no connection.

    Raises:
        SettingsError: an override cannot be used.
    """
    return Google(config)
