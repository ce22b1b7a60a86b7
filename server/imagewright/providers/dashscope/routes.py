"""What Alibaba's DashScope offers for the rows, as data.

One generation of models makes and edits alike; older ones do one of both. Most answer a call with the finished
pictures, the two oldest that make pictures with a task.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from imagewright.catalog.row import ANY, AUTO, Limits, OperationName, Scalar
from imagewright.errors import RequestRejected
from imagewright.providers.base import PictureForm, Price
from imagewright.providers.common.fields import COUNT, Field, FieldsRoute
from imagewright.providers.common.overrides import price_of
from imagewright.providers.common.provider import data_uri

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.providers.base import Order, Prepared

NAME = "dashscope"
MODEL = "qwen-image-3.0"
LEAST_INPUT, MOST_INPUT = 384, 3072
"""px that each side of an input picture may have."""

SIZES: Mapping[Scalar, str] = {
    "1:1": "1536*1536",
    "4:3": "1792*1344",
    "3:4": "1344*1792",
    "16:9": "2048*1152",
    "9:16": "1152*2048",
}
"""About 2.4 megapixels, exact in ratio, and inside the bounds of every model that takes any size: sides from 512 to
2048 px, or 512 x 512 to 2048 x 2048 pixels."""
AREA, LEAST_AREA = 1536 * 1536, 512 * 512
MOST_SIDE, WIDEST = 2048, 8
STEP = 16
"""px by which sides go, as diffusion models like them."""
ROOM = 8
"""Steps by which a width may leave the ideal, for the sake of an exact shape."""
PRESETS: Mapping[Scalar, str] = {"1:1": "1328*1328", "16:9": "1664*928", "9:16": "928*1664"}
"""What the oldest models make; of 4:3 and 3:4 the vendor's pages give two versions."""

FIXED: Mapping[str, Any] = {"watermark": False}


def _usd(each: float) -> Price:
    return Price(usd=each, source="the maker's price list, in LiteLLM's table", checked="2026-11-26")


_OLDER = Price(
    usd=0.036, source="about 0.20 to 0.25 CNY, unverified; the higher, at 7 CNY to the USD", checked="2026-11-22"
)
PRICES: Mapping[str, Price] = {
    "qwen-image-3.0": _usd(0.03),
    "qwen-image-2.0": _usd(0.035),
    "qwen-image-2.0-pro": _usd(0.075),
    **dict.fromkeys(("qwen-image-edit-plus", "qwen-image-edit", "qwen-image-plus", "qwen-image"), _OLDER),
}
"""By model; those of the others are not known."""

_TAKEN: Mapping[str, Limits] = {
    "prompt": ANY,
    "aspect_ratio": ANY,
    "seed": ANY,
    "negative_prompt": ANY,
    "output_format": Limits(values=("png",)),  # there is no choice: it is always this
    "variants": ANY,
    "save_as": ANY,
}
_COUNT, _SIZE = Field("n", COUNT), Field("size", "aspect_ratio", SIZES)
_OTHERS = (Field("negative_prompt", "negative_prompt"), Field("seed", "seed"))
LONG = Limits(max_length=4500)
"""Given in tokens by resellers; a token is a character or more."""
SHORT = Limits(max_length=800)


@dataclass(frozen=True, slots=True, kw_only=True)
class DashScopeRoute(FieldsRoute):
    """A route with the vendor's spelling; its fields are the call's `parameters`."""

    as_task: bool = False
    """Whether the call is answered by a task that is asked about, and not by the finished pictures."""
    least_side: int = 1
    """px that each side of a result must have."""

    def check(self, order: Order) -> None:
        """What only this vendor limits and no row can say.

        Raises:
            RequestRejected: a picture is too large or too small for it.
        """
        for place, picture in enumerate(order.images, 1):
            if not all(LEAST_INPUT <= side <= MOST_INPUT for side in (picture.width, picture.height)):
                payload = (
                    f"picture {place} is {picture.width}x{picture.height} px; each side must have {LEAST_INPUT} to "
                    f"{MOST_INPUT} px: give it at another size"
                )
                raise RequestRejected(NAME, payload)

    def body(self, order: Order) -> dict[str, Any]:
        """The JSON body of a call."""
        parameters = {**self.inputs(order), **FIXED}
        if order.arguments.get("aspect_ratio") == AUTO:
            parameters["size"] = size_like(order.images[0], self.least_side)
        prompt = order.arguments["prompt"]
        if self.as_task:
            payload: dict[str, Any] = {"prompt": prompt}
        else:
            # the pictures first: the text refers to them by their number
            content = [*({"image": data_uri(picture)} for picture in order.images), {"text": prompt}]
            payload = {"messages": [{"role": "user", "content": content}]}
        return {"model": order.model, "input": payload, "parameters": parameters}


def size_like(picture: Prepared, least_side: int = 1) -> str:
    """The size of a result that has the picture's shape; left out, it would be that of the last picture.

    Each side has at least `least_side` px; a picture longer than that allows comes out shorter.
    """
    shape = picture.width / picture.height
    width = min((AREA * shape) ** 0.5, MOST_SIDE, MOST_SIDE * shape)
    widths = (round(width / STEP + steps) * STEP for steps in range(-ROOM, ROOM + 1))
    sizes = [(one, round(one / shape / STEP) * STEP) for one in widths]
    able = [
        size for size in sizes if size[0] * size[1] >= LEAST_AREA and max(size) <= min(MOST_SIDE, WIDEST * min(size))
    ]
    best = min(able, key=lambda size: (round(abs(size[0] / size[1] / shape - 1), 3), abs(size[0] - width)))
    return "*".join(str(max(side, least_side)) for side in best)


def _route(operation: OperationName, model: str, takes: Mapping[str, Limits], **more: Any) -> DashScopeRoute:
    settled: dict[str, Any] = {"counts": (1, 2, 3, 4), "fields": (_COUNT, _SIZE, *_OTHERS), **more}
    return DashScopeRoute(
        provider=NAME,
        tool="qwen",
        operation=operation,
        model=model,
        takes={**_TAKEN, **takes},
        pictures=PictureForm(max_bytes=10_000_000),
        price=price_of(model, PRICES),
        **settled,
    )


def _generate(model: str, prompt: Limits) -> DashScopeRoute:
    return _route(OperationName.GENERATE, model, {"prompt": prompt})


def _edit(model: str, prompt: Limits, **more: Any) -> DashScopeRoute:
    takes = {"prompt": prompt, "images": ANY}
    return _route(OperationName.EDIT, model, takes, native_auto=True, **more)


def _task(model: str) -> DashScopeRoute:
    takes = {"prompt": SHORT, "aspect_ratio": Limits(values=tuple(PRESETS))}
    fields = (_COUNT, Field("size", "aspect_ratio", PRESETS), *_OTHERS)
    return _route(OperationName.GENERATE, model, takes, counts=(1,), fields=fields, as_task=True)


def _oldest_edit(model: str) -> DashScopeRoute:
    """One picture in, one out, of the size and shape of its own choice."""
    takes = {"prompt": SHORT, "images": Limits(max_items=1)}
    route = _route(OperationName.EDIT, model, takes, counts=(1,), fields=_OTHERS)
    return replace(route, takes={name: one for name, one in route.takes.items() if name != "aspect_ratio"})


ROUTES: tuple[DashScopeRoute, ...] = (_generate(MODEL, LONG), _edit(MODEL, ANY))
"""The newest generation, in its faster make."""
SECOND = ("qwen-image-2.1-pro", "qwen-image-2.1", "qwen-image-2.0-pro", "qwen-image-2.0")
OTHERS: tuple[DashScopeRoute, ...] = (
    _generate("qwen-image-3.0-pro", LONG),
    _edit("qwen-image-3.0-pro", ANY),
    *(_generate(model, SHORT) for model in SECOND),
    *(_edit(model, SHORT, least_side=512) for model in SECOND),
    *(_edit(model, SHORT, least_side=512) for model in ("qwen-image-edit-max", "qwen-image-edit-plus")),
    _oldest_edit("qwen-image-edit"),
    _task("qwen-image-plus"),
    _task("qwen-image"),
)
"""What the configuration can choose instead, by its id."""
