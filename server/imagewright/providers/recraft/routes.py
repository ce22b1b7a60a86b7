"""What Recraft offers for the rows, as data: it cuts out. Its enlarger takes no factor, so it has no route here."""

from __future__ import annotations

from imagewright.catalog.row import ANY, OperationName
from imagewright.providers.base import PictureForm, Price, Route

NAME = "recraft"
USD_PER_UNIT = 0.001
FORM = {"response_format": "url", "image_format": "png"}
"""What is sent besides the file. A link can be fetched again when the connection breaks; a picture in the answer
cannot. By default it answers in lossless WebP (the maker's page of this endpoint, read on 2026-11-26), which many
programs cannot open, and the tool's own examples save a PNG."""
ROUTES: tuple[Route, ...] = (
    Route(
        provider=NAME,
        tool="recraft",
        operation=OperationName.REMOVE_BACKGROUND,
        model="removeBackground",
        takes={"image": ANY, "save_as": ANY},
        pictures=PictureForm(formats=("png", "jpeg", "webp"), max_bytes=10_000_000),
        price=Price(usd=10 * USD_PER_UNIT, source="the maker's API reference: 10 units", checked="2026-11-26"),
    ),
)
