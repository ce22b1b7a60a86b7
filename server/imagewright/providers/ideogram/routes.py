"""What Ideogram offers for the rows, as data: it reframes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagewright.catalog.row import ANY, Limits, OperationName
from imagewright.providers.base import SERVED_BY_ENGINE, PictureForm, Price, Route
from imagewright.providers.common.fields import ratios

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.catalog.row import Scalar

NAME = "ideogram"
RESOLUTIONS: Mapping[Scalar, tuple[int, int]] = {
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
PRICE = Price.table_by(
    "rendering_speed",
    "balanced",
    {"turbo": 0.03, "balanced": 0.06, "quality": 0.09},
    "the maker's price list, per picture",
    "2026-11-22",
)
ROUTES: tuple[Route, ...] = (
    Route(
        provider=NAME,
        tool="ideogram_reframe",
        operation=OperationName.REFRAME,
        model="ideogram-v3",
        takes={
            "image": ANY,
            "aspect_ratio": ratios(RESOLUTIONS),
            "rendering_speed": Limits(values=tuple(SPEEDS)),
            # there is no such field here: the vendor chooses the style by itself, which is what auto asks for
            "style": Limits(values=("auto",)),
            "seed": ANY,
            **SERVED_BY_ENGINE,
        },
        # an older page says 10 MB, a newer one 25 MB
        pictures=PictureForm(formats=("png", "jpeg", "webp"), max_bytes=10_000_000),
        counts=(1, 2, 3, 4),
        price=PRICE,
    ),
)
