"""What Black Forest Labs offers for the rows, as data, and how a request body is built from an order. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagewright.catalog.row import ANY, AUTO, OperationName
from imagewright.providers.base import Price, Route
from imagewright.providers.http.request import Inline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.catalog.row import Scalar
    from imagewright.providers.base import Order

NAME = "bfl"
USD_PER_CREDIT = 0.01
FIELDS = ("prompt", "aspect_ratio", "safety_tolerance", "prompt_upsampling", "seed", "output_format")
"""Arguments that are fields under the same name, with the same values."""
IMAGE_FIELD = "input_image"
MODELS: Mapping[Scalar, str] = {"pro": "flux-kontext-pro", "max": "flux-kontext-max"}
CREDITS: Mapping[Scalar, float] = {"pro": 4, "max": 8}
_SHARED: dict[str, Any] = {
    "provider": NAME,
    "tool": "flux_kontext",
    "model": MODELS["pro"],
    "model_by": "quality",
    "models": MODELS,
    "price": Price.table_by(
        "quality",
        "pro",
        {quality: round(each * USD_PER_CREDIT, 6) for quality, each in CREDITS.items()},
        "the maker's price list in credits of 0.01 USD, and LiteLLM's table of it",
        "2026-11-26",
    ),
}
_TAKES = dict.fromkeys((*FIELDS, "quality", "save_as"), ANY)
ROUTES: tuple[Route, ...] = (
    Route(operation=OperationName.GENERATE, takes=_TAKES, **_SHARED),
    # without the field the result has the picture's own shape
    Route(operation=OperationName.EDIT, takes={**_TAKES, "images": ANY}, native_auto=True, **_SHARED),
)
"""Both operations, each with two models. The maker's OpenAPI file, read on 2026-11-26 in a copy of April, calls them
legacy; no day of their end is known. It lets the safety tolerance go to 6 with a picture too. Its newer models, such as
`flux-3-image`, take other fields (a list of pictures, a resolution, no seed), so their ids are refused."""


def body(order: Order) -> dict[str, Any]:
    """The JSON body that starts a task, the picture included."""
    given = order.arguments
    fields = {name: given[name] for name in FIELDS if name in given and given[name] != AUTO}
    if order.images:
        fields[IMAGE_FIELD] = Inline(order.images[0].data)
    return fields
