"""What Ideogram offers for the rows, as data: it reframes, by the same model through two versions of its interface.

From copies of the maker's pages, read on 2026-11-26. The second is the maker's current one. The first, whose page
speaks of square pictures only, still answers and is there for when the second does not serve.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagewright.catalog.row import ANY, Limits, OperationName
from imagewright.providers.base import SERVED_BY_ENGINE, PictureForm, Price
from imagewright.providers.common.fields import COUNT, REFRAMED, Field, FieldsRoute, ratios

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.catalog.row import Scalar

NAME = "ideogram"
SIZES: Mapping[Scalar, str] = {ratio: f"{width}x{height}" for ratio, (width, height) in REFRAMED.items()}
"""The vendor takes such a size and no ratio."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdeogramRoute(FieldsRoute):
    """A route with the vendor's spelling."""

    path: str
    """Of the address, with the model's id in it."""


PRICE = Price.table_by(
    "rendering_speed",
    "balanced",
    {"turbo": 0.03, "balanced": 0.06, "quality": 0.09},
    "the maker's price list, per picture",
    "2026-11-26",
)


def _route(model: str, path: str, speeds: Mapping[Scalar, str]) -> IdeogramRoute:
    return IdeogramRoute(
        provider=NAME,
        tool="ideogram_reframe",
        operation=OperationName.REFRAME,
        model=model,
        path=path,
        takes={
            "image": ANY,
            "aspect_ratio": ratios(SIZES),
            "rendering_speed": Limits(values=tuple(speeds)),
            # there is no such field here: the vendor chooses the style by itself, which is what auto asks for
            "style": Limits(values=("auto",)),
            "seed": ANY,
            **SERVED_BY_ENGINE,
        },
        fields=(
            Field("resolution", "aspect_ratio", SIZES),
            Field("num_images", COUNT, text=True),
            Field("rendering_speed", "rendering_speed", speeds),
            Field("seed", "seed", text=True),
        ),
        pictures=PictureForm(formats=("png", "jpeg", "webp"), max_bytes=25_000_000),
        counts=(1, 2, 3, 4),
        price=PRICE,
    )


ROUTES: tuple[IdeogramRoute, ...] = (
    _route(
        "ideogram-3",
        "/v2/image/reframe/{model}",
        {"turbo": "turbo", "balanced": "default", "quality": "quality"},
    ),
    _route(
        "ideogram-v3",
        "/v1/{model}/reframe",
        {"turbo": "TURBO", "balanced": "DEFAULT", "quality": "QUALITY"},
    ),
)
