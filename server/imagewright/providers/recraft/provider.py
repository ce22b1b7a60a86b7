"""Recraft: cuts out in one call, which waits for the picture and answers with a link to it.

Interface as read on 2026-11-22. The picture goes along as a file of a form: the only way of handing one over whose
fields are documented. The address can be set, `IMAGEWRIGHT_RECRAFT_BASE_URL`. Recraft has an enlarger too, but it
takes no factor, so the tool that enlarges has no route here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from imagewright.catalog.row import ANY, OperationName
from imagewright.providers.base import PictureForm, Price, Route
from imagewright.providers.common.alternatives import chosen
from imagewright.providers.common.sync import SynchronousProvider
from imagewright.providers.http.request import FilePart, Purpose, Request, bearer
from imagewright.providers.recraft.replies import NAME, USD_PER_UNIT, read_made

if TYPE_CHECKING:
    from imagewright.providers.base import Finished, Order, ProviderConfig

BASE = "https://external.api.recraft.ai"
ANSWER_BYTES = 120_000_000
"""Most bytes of an answer. A link is asked for; should the picture itself come, 16 megapixels of four bytes in base64
are 86 MB."""
FORM = {"response_format": "url", "image_format": "png"}
"""What is sent besides the file. A link can be fetched again when the line breaks; a picture in the answer cannot.
Left to itself it answers in lossless WebP (the maker's page of this endpoint, read on 2026-11-26), which many programs
cannot open, and the tool's own examples save a PNG."""
ROUTES: tuple[Route, ...] = (
    Route(
        provider=NAME,
        tool="recraft",
        operation=OperationName.REMOVE_BACKGROUND,
        model="removeBackground",
        takes={"image": ANY, "save_as": ANY},
        pictures=PictureForm(formats=("png", "jpeg", "webp"), max_bytes=10_000_000),
        price=Price(usd=10 * USD_PER_UNIT, source="the maker's API reference: 10 units", checked="2026-11-22"),
    ),
)


def files(order: Order) -> tuple[FilePart, ...]:
    """The picture, as the form carries it."""
    (picture,) = order.images
    return (FilePart("file", f"image.{picture.extension}", picture.mime, picture.data),)


class Recraft(SynchronousProvider):
    """The provider. See `base.Provider` for what its methods promise."""

    name = NAME

    def __init__(self, config: ProviderConfig) -> None:
        self.routes: tuple[Route, ...] = chosen(ROUTES, (), config.overrides)
        self._base = config.addresses.get("", BASE).rstrip("/")
        super().__init__(bearer(NAME, config.key, self._base), config.http)

    async def submit(self, order: Order) -> Finished:
        """Send the picture once and wait for what becomes of it."""
        request: Request[Finished] = Request(
            purpose=Purpose.SUBMIT,
            # what is done is part of the address, and stands where other vendors name a model
            url=f"{self._base}/v1/images/{quote(order.route.model_for(order.arguments), safe='')}",
            fields=FORM,
            files=files(order),
            read=read_made,
            seconds=self.seconds,
            max_bytes=ANSWER_BYTES,
        )
        return await self._http.send(self._account, request)


def build(config: ProviderConfig) -> Recraft:
    """The provider, from its key, addresses and overrides. Opens no connection.

    Raises:
        SettingsError: an override cannot be used.
    """
    return Recraft(config)
