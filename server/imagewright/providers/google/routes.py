"""What Gemini offers for the rows, as data, and how a request body is built from an order. No I/O.

Gemini makes one picture per call and has no mask and no enlarger. It cannot be asked for a file type: users measured in
July 2026 that 2.5 makes PNG and the later models JPEG. So a call may ask for either; what comes is compared with that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from imagewright.catalog.load import row_in
from imagewright.catalog.nearest import nearest_ratio
from imagewright.catalog.row import ANY, AUTO, Limits, OperationName
from imagewright.errors import RequestRejected
from imagewright.providers.base import Price, Route
from imagewright.providers.common.provider import mime_of
from imagewright.providers.http.request import Inline
from imagewright.text import byte_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.providers.base import Order

NAME = "google"
CHECKED = "2026-11-26"
SOURCE = "the maker's price list, in LiteLLM's table"
INLINE_BYTES = 100_000_000
"""Most bytes of the pictures in a request, in base64: the maker's changelog of 2026-01-08."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleRoute(Route):
    """A route with Gemini's spelling."""

    def check(self, order: Order) -> None:
        """What only this API limits and no row can say.

        Raises:
            RequestRejected: the pictures are too large together.
        """
        sent = sum(4 * math.ceil(len(picture.data) / 3) for picture in order.images)
        if sent > INLINE_BYTES:
            most = f"the limit is {byte_size(INLINE_BYTES)}: give fewer or smaller ones"
            raise RequestRejected(NAME, f"the pictures have {byte_size(sent)} together in base64; {most}")

    def body(self, order: Order) -> dict[str, Any]:
        """The JSON body of a call, pictures included."""
        pictures = [{"mimeType": mime_of(picture), "data": Inline(picture.data)} for picture in order.images]
        parts = [{"text": order.arguments["prompt"]}, *({"inlineData": picture} for picture in pictures)]
        config: dict[str, Any] = {"responseModalities": ["TEXT", "IMAGE"]}
        image = self._image(order)
        return {
            "contents": [{"role": "user", "parts": parts}],
            "generationConfig": {**config, "imageConfig": image} if image else config,
        }

    def _image(self, order: Order) -> dict[str, str]:
        """The fields of the picture that is to be made."""
        shape, size = order.arguments.get("aspect_ratio", AUTO), order.arguments.get("resolution")
        if shape == AUTO and len(order.images) > 1:
            # of several pictures the last decides, as a reseller found; the caller means the first
            shape = nearest_ratio(order.images[0].width, order.images[0].height, self._ratios())
        # leaving it out is how the shape of a single picture is kept
        ratio = {} if shape == AUTO else {"aspectRatio": shape}
        return ratio if size is None else {**ratio, "imageSize": size}

    def _ratios(self) -> list[str]:
        known = row_in(self.tool, self.edition).operations[self.operation].arguments["aspect_ratio"].values or ()
        return [str(ratio) for ratio in known if ratio != AUTO]


def _pair(
    edition: str,
    model: str,
    usd: float | Mapping[str, float],
    *,
    per_input: float = 0.0,
    images: int | None = None,
    ends: str = "",
) -> tuple[GoogleRoute, GoogleRoute]:
    """The routes that generate and edit with one edition.

    Args:
        edition: the row's name of it.
        model: the vendor's id.
        usd: the price of a picture; by resolution where the model can be asked for one.
        per_input: what an input picture costs.
        images: most input pictures; None for as many as the edition takes.
        ends: the day of its end.
    """
    takes = {"prompt": ANY, "aspect_ratio": ANY, "output_format": ANY, "save_as": ANY}
    if isinstance(usd, float):
        price = Price(usd, per_input=per_input, source=SOURCE, checked=CHECKED)
    else:
        takes["resolution"] = ANY
        price = replace(Price.table_by("resolution", "1K", usd, SOURCE, CHECKED), per_input=per_input)
    generate = GoogleRoute(
        provider=NAME,
        tool="nano_banana",
        operation=OperationName.GENERATE,
        edition=edition,
        model=model,
        takes=takes,
        price=price,
        ends=ends,
    )
    taken = {**takes, "images": Limits(max_items=images)}
    return generate, replace(generate, operation=OperationName.EDIT, takes=taken, native_auto=True)


# Ids, ratios, size classes and numbers of pictures: the maker's client google-genai 3.6.1 and its pages. All offer more
# ratios than the row has, or the same ten. The tokens of thinking are charged besides, and are not in the prices.
ROUTES: tuple[GoogleRoute, ...] = (
    *_pair("2.1", "gemini-nano-banana-2.1", {"1K": 0.0336, "2K": 0.0504, "4K": 0.1134}, per_input=0.00168),
    # "works best with up to 3 images as an input"; more may be overlooked, and other editions take them. A size class
    # breaks it (HTTP 500). Since 2026-09-18 it serves only accounts that used models of 2.5 before.
    *_pair("2.5", "gemini-2.5-flash-image", 0.039, images=3, ends="2027-03-15"),
    # it makes 1K only
    *_pair("2-lite", "gemini-3.1-flash-lite-image", 0.0336, per_input=0.00028),
    # deprecated on 2026-10-06 without a day; an input picture has 1,120 tokens at $0.50 a million
    *_pair("2", "gemini-3.1-flash-image", {"1K": 0.0672, "2K": 0.101, "4K": 0.151}, per_input=0.00056),
    *_pair("pro", "gemini-3-pro-image", {"1K": 0.134, "2K": 0.134, "4K": 0.24}, per_input=0.0011),
)
