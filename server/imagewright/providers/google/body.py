"""What Gemini offers for the rows, as data, and how a request body is built from an order. No I/O.

Gemini makes one picture per call, takes no seed and has no enlarger.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imagewright.catalog.row import ANY, AUTO, Limits, OperationName
from imagewright.providers.base import Price, Route

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.providers.base import Order

NAME = "google"
MODEL = "gemini-3.1-flash-image"
"""Nano banana 2: the newest of the quick ones whose price is known."""
PNG = "image/png"
CHECKED = "2026-11-22"

PRICES: Mapping[str, Price] = {
    "gemini-2.5-flash-image": Price(0.039, source="the maker: 30 USD per million output tokens", checked=CHECKED),
    "gemini-3.1-flash-image": Price(0.067, source="seen by a third party, for 1K", checked=CHECKED),
    "gemini-3-pro-image": Price(0.134, source="a community table, for 1K and 2K", checked=CHECKED),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleRoute(Route):
    """A route with Gemini's spelling."""

    def body(self, order: Order) -> dict[str, Any]:
        """The JSON body of a call, pictures included."""
        parts: list[dict[str, Any]] = [{"text": order.arguments["prompt"]}]
        for picture in order.images:
            data = base64.b64encode(picture.data).decode("ascii")
            parts.append({"inlineData": {"mimeType": picture.mime, "data": data}})
        shape = order.arguments.get("aspect_ratio", AUTO)
        # leaving it out is how the first picture's own shape is kept
        image = {} if shape == AUTO else {"imageConfig": {"aspectRatio": shape}}
        return {
            "contents": [{"role": "user", "parts": parts}],
            "generationConfig": {"responseModalities": ["TEXT", "IMAGE"], **image},
        }


_GENERATE = {
    "prompt": ANY,
    "aspect_ratio": ANY,
    # it cannot be asked for another file type, see `google_replies`
    "output_format": Limits(values=("png",)),
    "save_as": ANY,
}
ROUTES: tuple[GoogleRoute, ...] = (
    GoogleRoute(
        provider=NAME,
        tool="nano_banana",
        operation=OperationName.GENERATE,
        model=MODEL,
        takes=_GENERATE,
        price=PRICES[MODEL],
    ),
    GoogleRoute(
        provider=NAME,
        tool="nano_banana",
        operation=OperationName.EDIT,
        model=MODEL,
        takes={**_GENERATE, "images": ANY},
        native_auto=True,
        price=PRICES[MODEL],
    ),
)
