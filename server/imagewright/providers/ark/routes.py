"""What ByteDance's own service offers for the rows, as data: ModelArk of BytePlus, and Ark of Volcengine in China.

Both speak the same; in China the models have other ids, which begin with `doubao-`, and the keys and prices are others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from imagewright.catalog.row import ANY, Limits, OperationName
from imagewright.providers.base import PictureForm, Price
from imagewright.providers.common.fields import Field, FieldsRoute, ratios
from imagewright.providers.common.overrides import chosen
from imagewright.providers.common.provider import data_uri

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.providers.base import Order

NAME = "ark"
MODEL = "seedream-4-0-250828"
"""The newest whose sizes are published, and the only one known to make all the row's resolutions."""
PRO = "dola-seedream-5-0-pro-260628"
WITHOUT_SETS = frozenset({PRO})
"""Models that make one picture a call, by their id at BytePlus."""
RESOLUTIONS: Mapping[str, tuple[str, ...]] = {
    "seedream-4-5-251128": ("2K", "4K"),
    "seedream-5-0-260128": ("2K",),
    PRO: ("1K", "2K"),
}
"""Of the row's resolutions, those of the models that do not make all, by their id at BytePlus: the first takes no
fewer than 3,686,400 pixels, the others make no 4K. From third parties' copies of its size tables of 2026-11-26."""
MOST_PICTURES = 15
"""Of one call: those sent and those made, together."""

_WIDE: Mapping[str, tuple[tuple[int, int], tuple[int, int], tuple[int, int]]] = {
    "1:1": ((1024, 1024), (2048, 2048), (4096, 4096)),
    "4:3": ((1376, 1032), (2368, 1776), (4096, 3072)),
    "3:2": ((1536, 1024), (2520, 1680), (4080, 2720)),
    "16:9": ((1920, 1080), (2688, 1512), (4096, 2304)),
    "21:9": ((2408, 1032), (3136, 1344), (4088, 1752)),
}
"""Width and height in px for 1K, 2K and 4K: exact in ratio, sides from 1024 to 4096 px as the model takes them. So
a wide 1K has more than a megapixel, and a wide 4K fewer than sixteen."""
_TALL = {"3:4": "4:3", "2:3": "3:2", "9:16": "16:9"}
SIZES: Mapping[tuple[str, str], str] = {
    (ratio, resolution): f"{wide}x{high}"
    for ratio, sides in (
        *_WIDE.items(),
        *((tall, tuple((high, wide) for wide, high in _WIDE[flat])) for tall, flat in _TALL.items()),
    )
    for resolution, (wide, high) in zip(("1K", "2K", "4K"), sides, strict=True)
}
RATIOS = tuple(dict.fromkeys(ratio for ratio, _ in SIZES))

FIXED: Mapping[str, Any] = {
    "response_format": "url",
    # the vendor's default is true
    "watermark": False,
}


def _usd(each: float, source: str = "BytePlus's catalogue, copied by third parties in August 2026") -> Price:
    return Price(usd=each, source=source, checked="2026-11-22")


PRICE = _usd(0.03)
ALIKE: Mapping[str, Price] = {
    "seedream-4-5-251128": _usd(0.04),
    "seedream-5-0-260128": _usd(0.035),
    PRO: _usd(0.09, "the higher of BytePlus's two prices, 0.045 and 0.09 USD"),
}
"""Further ids at BytePlus that take the same fields, with their prices; what Volcengine charges is not known here."""
IN_CHINA: Mapping[str, str] = {
    MODEL: "doubao-seedream-4-0-250828",
    "seedream-4-5-251128": "doubao-seedream-4-5-251128",
    "seedream-5-0-260128": "doubao-seedream-5-0-260128",
    PRO: "doubao-seedream-5-0-pro-260628",
}
"""The same models by their ids at Volcengine, as many public callers of it write them, read on 2026-11-26."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArkRoute(FieldsRoute):
    """A route with the vendor's spelling."""

    def body(self, order: Order) -> dict[str, Any]:
        """The JSON body of a call."""
        pictures = [data_uri(picture) for picture in order.images]
        body = {"model": order.model, **self.inputs(order, pictures), **FIXED}
        if order.count > 1:
            body["sequential_image_generation"] = "auto"
            body["sequential_image_generation_options"] = {"max_images": order.count}
        return body


_TAKES: Mapping[str, Limits] = {"prompt": ANY, "resolution": ANY, "variants": ANY, "save_as": ANY}
_EDIT: Mapping[str, Limits] = {**_TAKES, "aspect_ratio": ratios(RATIOS, auto=True)}
_SHARED: dict[str, Any] = {
    "provider": NAME,
    "tool": "bytedance_seedream",
    "model": MODEL,
    "fields": (Field("prompt", "prompt"), Field("size", ("aspect_ratio", "resolution"), SIZES)),
    # every version takes both; the form of an address asks for the format's name in it
    "pictures": PictureForm(formats=("png", "jpeg"), max_bytes=10_000_000),
    "makes_sets": True,
    "price": PRICE,
}
_MANY = 10
"""Input pictures from which on a full set of results no longer fits into one call."""
ROUTES: tuple[ArkRoute, ...] = (
    ArkRoute(
        operation=OperationName.GENERATE,
        takes={**_TAKES, "aspect_ratio": ratios(RATIOS)},
        counts=(1, 2, 3, 4, 5, 6),
        **_SHARED,
    ),
    *(
        ArkRoute(
            operation=OperationName.EDIT,
            takes={**_EDIT, "images": images},
            counts=counts,
            image_field="image",
            image_list=True,
            **_SHARED,
        )
        for images, counts in (
            (Limits(max_items=_MANY - 1), (1, 2, 3, 4, 5, 6)),
            (Limits(min_items=_MANY), tuple(range(1, MOST_PICTURES - _MANY + 1))),
        )
    ),
)
"""Every route at BytePlus. A seed is taken by none: the models that knew one are retired."""


def routes_for(overrides: Mapping[str, Mapping[str, Any]], *, chinese: bool) -> tuple[ArkRoute, ...]:
    """The routes as the user's tables have them; `chinese` where the base address is Volcengine's.

    Raises:
        SettingsError: a table cannot be used.
    """
    unknown = Price(usd=None)
    in_china = dict.fromkeys(IN_CHINA.values(), unknown)
    if chinese:
        own = tuple(replace(route, model=IN_CHINA[route.model], price=unknown) for route in ROUTES)
        routes = chosen(own, overrides, {own[0].model: in_china})
    else:
        # a gateway's address does not tell the region it leads to
        routes = chosen(ROUTES, overrides, {MODEL: {**ALIKE, **in_china}})
    return tuple(map(_fitted, routes))


def _fitted(route: ArkRoute) -> ArkRoute:
    """The route with the limits of its model."""
    model = next((one for one, chinese in IN_CHINA.items() if chinese == route.model), route.model)
    takes = route.takes
    if model in RESOLUTIONS:
        takes = {**takes, "resolution": Limits(values=RESOLUTIONS[model])}
    return replace(route, takes=takes, counts=(1,) if model in WITHOUT_SETS else route.counts)
