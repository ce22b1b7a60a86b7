"""Ideogram: reframes in one call, which waits for all variants and answers with links to them.

Interface as read on 2026-11-22, its first version: the fields of the second are not documented in full. The address
can be set, `IMAGEWRIGHT_IDEOGRAM_BASE_URL`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from imagewright.catalog.row import ANY, Limits, OperationName
from imagewright.providers.base import PictureForm, Price, Route
from imagewright.providers.common.alternatives import chosen
from imagewright.providers.common.sync import SynchronousProvider
from imagewright.providers.http.request import Account, FilePart, Purpose, Request
from imagewright.providers.ideogram.replies import NAME, read_made

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.catalog.row import Scalar
    from imagewright.providers.base import Finished, Order, ProviderConfig

BASE = "https://api.ideogram.ai"
KEY_HEADER = "Api-Key"

Size = tuple[int, int]
RESOLUTIONS: Mapping[Scalar, Size] = {
    "1:1": (1024, 1024),
    "4:3": (1152, 864),
    "3:4": (864, 1152),
    "3:2": (1248, 832),
    "2:3": (832, 1248),
    "16:9": (1312, 736),
    "9:16": (736, 1312),
}
"""Width and height in px for each ratio: of the 69 pairs the vendor takes, the one closest to the ratio at about the
usual number of pixels. A ratio itself is not taken."""
SPEEDS: Mapping[Scalar, str] = {"turbo": "TURBO", "balanced": "DEFAULT", "quality": "QUALITY"}
_PRICES: Mapping[Scalar, float] = {"turbo": 0.03, "balanced": 0.06, "quality": 0.09}
ROUTES: tuple[Route, ...] = (
    Route(
        provider=NAME,
        tool="ideogram_reframe",
        operation=OperationName.REFRAME,
        model="ideogram-v3",
        takes={
            "image": ANY,
            "aspect_ratio": Limits(values=tuple(RESOLUTIONS)),
            "rendering_speed": Limits(values=tuple(SPEEDS)),
            # there is no such field here: the vendor sees to the style by itself, which is what auto asks for
            "style": Limits(values=("auto",)),
            "seed": ANY,
            "variants": ANY,
            "save_as": ANY,
        },
        # an older page says 10 MB, a newer one 25 MB
        pictures=PictureForm(formats=("png", "jpeg", "webp"), max_bytes=10_000_000),
        counts=(1, 2, 3, 4),
        price=Price(
            usd=_PRICES["balanced"],
            by="rendering_speed",
            table=_PRICES,
            source="the maker's price list, per picture",
            checked="2026-11-22",
        ),
    ),
)


def fields(order: Order) -> dict[str, str]:
    """The fields of the form, besides the picture."""
    width, height = RESOLUTIONS[order.arguments["aspect_ratio"]]
    form = {"resolution": f"{width}x{height}", "num_images": str(order.count)}
    if "rendering_speed" in order.arguments:
        form["rendering_speed"] = SPEEDS[order.arguments["rendering_speed"]]
    if "seed" in order.arguments:
        form["seed"] = str(order.arguments["seed"])
    return form


def files(order: Order) -> tuple[FilePart, ...]:
    """The picture, as the form carries it."""
    (picture,) = order.images
    return (FilePart("image", f"image.{picture.extension}", picture.mime, picture.data),)


def shape_notes(order: Order) -> tuple[str, ...]:
    """What the caller should know of the shape: some ratios are only nearly met."""
    asked = order.arguments["aspect_ratio"]
    width, height = RESOLUTIONS[asked]
    across, down = (int(part) for part in str(asked).split(":"))
    if width * down == height * across:
        return ()
    return (f"{width}x{height} px is the size {NAME} has that is nearest to {asked}.",)


class Ideogram(SynchronousProvider):
    """The provider. See `base.Provider` for what its methods promise."""

    name = NAME

    def __init__(self, config: ProviderConfig) -> None:
        self.routes: tuple[Route, ...] = chosen(ROUTES, (), config.overrides)
        self._base = config.addresses.get("", BASE).rstrip("/")
        super().__init__(Account(NAME, (self._base,), config.key, {KEY_HEADER: config.key}), config.http)

    async def submit(self, order: Order) -> Finished:
        """Send the order once and wait for its pictures."""
        request: Request[Finished] = Request(
            purpose=Purpose.SUBMIT,
            url=f"{self._base}/v1/{quote(order.route.model_for(order.arguments), safe='')}/reframe",
            fields=fields(order),
            files=files(order),
            read=read_made,
            seconds=self.seconds,
        )
        finished = await self._http.send(self._account, request)
        return replace(finished, notes=(*finished.notes, *shape_notes(order)))


def build(config: ProviderConfig) -> Ideogram:
    """The provider, from its key, addresses and overrides. Opens no connection.

    Raises:
        SettingsError: an override cannot be used.
    """
    return Ideogram(config)
