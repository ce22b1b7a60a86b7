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
MODEL = "gemini-nano-banana-2.1"
"""Nano banana 2.1, the maker's newest quick one: in its client google-genai 3.6.1, and with 14 ratios, of which the row
offers ten, in its own and others' documents of October 2026; read on 2026-11-26."""
PNG = "image/png"
CHECKED = "2026-11-26"


def _usd(each: float) -> Price:
    return Price(each, source="the maker's price list, in LiteLLM's table, for 1K", checked=CHECKED)


PRICE = _usd(0.0336)
ALIKE: Mapping[str, Mapping[str, Price]] = {
    MODEL: {
        # deprecated by the maker on 2026-10-06, its end not named yet
        "gemini-3.1-flash-image": _usd(0.0672),
        "gemini-3.1-flash-lite-image": _usd(0.0336),
        "gemini-3-pro-image": _usd(0.134),
        # ends on 2027-03-15
        "gemini-2.5-flash-image": _usd(0.039),
    }
}
"""The maker's other picture models: all take the same fields, and make 1K where no size is asked for."""


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
    # it cannot be asked for another file type, see `replies`
    "output_format": Limits(values=("png",)),
    "save_as": ANY,
}
_SHARED: dict[str, Any] = {"provider": NAME, "tool": "nano_banana", "model": MODEL, "price": PRICE}
ROUTES: tuple[GoogleRoute, ...] = (
    GoogleRoute(operation=OperationName.GENERATE, takes=_GENERATE, **_SHARED),
    GoogleRoute(operation=OperationName.EDIT, takes={**_GENERATE, "images": ANY}, native_auto=True, **_SHARED),
)
