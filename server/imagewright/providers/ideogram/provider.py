"""Ideogram: reframes in one call, which waits for all variants and answers with links to them.

Interface as read on 2026-11-22, its first version: the fields of the second are not documented in full. The address
can be set, `IMAGEWRIGHT_IDEOGRAM_BASE_URL`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from imagewright.providers.common.overrides import chosen
from imagewright.providers.common.provider import SynchronousProvider, file_part
from imagewright.providers.http.request import Purpose, Request
from imagewright.providers.ideogram.replies import read_made
from imagewright.providers.ideogram.routes import NAME, RESOLUTIONS, ROUTES, SPEEDS

if TYPE_CHECKING:
    from imagewright.providers.base import Finished, Order, Provider, ProviderConfig


class Ideogram(SynchronousProvider):
    """The provider. See `base.Provider` for what its methods promise."""

    name = NAME
    address = "https://api.ideogram.ai"
    key_header, key_prefix = "Api-Key", ""

    def __init__(self, config: ProviderConfig) -> None:
        super().__init__(config, chosen(ROUTES, config.overrides))

    def request(self, order: Order) -> Request[Finished]:
        """The picture as a file of a form."""
        return Request(
            purpose=Purpose.SUBMIT,
            url=f"{self._base}/v1/{quote(order.model, safe='')}/reframe",
            fields=fields(order),
            files=(file_part("image", "image", order.images[0]),),
            read=read_made,
            seconds=self.seconds,
        )

    async def submit(self, order: Order) -> Finished:
        """Send the order once and wait for its pictures."""
        finished = await super().submit(order)
        return replace(finished, notes=(*finished.notes, *shape_notes(order)))


def fields(order: Order) -> dict[str, str]:
    """The fields of the form, besides the picture."""
    width, height = RESOLUTIONS[order.arguments["aspect_ratio"]]
    form = {"resolution": f"{width}x{height}", "num_images": str(order.count)}
    if "rendering_speed" in order.arguments:
        form["rendering_speed"] = SPEEDS[order.arguments["rendering_speed"]]
    if "seed" in order.arguments:
        form["seed"] = str(order.arguments["seed"])
    return form


def shape_notes(order: Order) -> tuple[str, ...]:
    """What the caller should know of the shape: some ratios are only nearly met."""
    asked = order.arguments["aspect_ratio"]
    width, height = RESOLUTIONS[asked]
    across, down = (int(part) for part in str(asked).split(":"))
    if width * down == height * across:
        return ()
    return (f"{width}x{height} px is the size {NAME} has that is nearest to {asked}.",)


PROVIDER: type[Provider] = Ideogram
