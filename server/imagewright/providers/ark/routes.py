"""What ByteDance's own service offers for the rows, as data: ModelArk of BytePlus, and Ark of Volcengine in China.

Both speak the same; in China the models have other ids, which begin with `doubao-`, and the keys and prices are others.
Where nothing else is said, facts are from copies of BytePlus's reference and price list, read on 2026-11-26.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from imagewright.catalog.row import AUTO, Limits
from imagewright.providers.base import SERVED_BY_ENGINE, PictureForm, Price
from imagewright.providers.common.fields import (
    LEFT_OUT,
    SIDES,
    Field,
    FieldsRoute,
    SizeRule,
    as_in_row,
    pair,
    ratios,
    same,
)
from imagewright.providers.common.overrides import chosen
from imagewright.providers.common.provider import data_uri

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.providers.base import Order

NAME = "ark"
DAY = "2026-11-26"
LITE = "seedream-5-0-260128"
MOST_TOGETHER = 15
"""Pictures of one call: those sent and those made, together."""
MOST_OF_SET = 6
"""Pictures that the row makes at most; the vendor makes 15."""

RATIOS = ("1:1", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16", "21:9")
_FOURTH = {
    "1K": "1024x1024 1152x864 864x1152 1248x832 832x1248 1280x720 720x1280 1512x648",
    "2K": "2048x2048 2304x1728 1728x2304 2496x1664 1664x2496 2848x1600 1600x2848 3136x1344",
    "3K": "3072x3072 3456x2592 2592x3456 3744x2496 2496x3744 4096x2304 2304x4096 4704x2016",
    # the maker's own 5504x3040 is 1.8 % wider than 16:9, and other sizes are taken as well
    "4K": "4096x4096 4704x3520 3520x4704 4992x3328 3328x4992 5376x3024 3024x5376 6240x2656",
}
_FIFTH = {
    "1K": "1024x1024 1152x864 864x1152 1248x832 832x1248 1424x800 800x1424 1568x672",
    "1.5K": "1536x1536 1792x1344 1344x1792 1872x1248 1248x1872 2048x1152 1152x2048 2352x1008",
    "2K": "2048x2048 2368x1776 1776x2368 2496x1664 1664x2496 2816x1584 1584x2816 3136x1344",
}
"""The maker's sizes in px by resolution, in the order of `RATIOS`. A resolution alone would let the model choose the
shape from the prompt."""


def _sizes(table: Mapping[str, str]) -> dict[tuple[str, str], str]:
    return {
        (ratio, resolution): size
        for resolution, sizes in table.items()
        for ratio, size in zip(RATIOS, sizes.split(), strict=True)
    }


PRICE_STEP = 2_601_123
"""Pixels up to which 5.5 costs less; of 5.0 Pro the price list says 2.61 megapixels."""


def _rule(least: int, most: int) -> SizeRule:
    # no single side is limited; multiples of 16, as nearly all of the maker's own sizes are
    return SizeRule(least_pixels=least, most_pixels=most, step=16, widest=16)


_FROM_1K = dict.fromkeys(("1K", "2K", "4K"), _rule(921_600, 16_777_216))
_FROM_2K = dict.fromkeys(("2K", "3K", "4K"), _rule(3_686_400, 16_777_216))
_TO_2K = {**dict.fromkeys(("1K", "1.5K"), _rule(921_600, PRICE_STEP)), "2K": _rule(921_600, 4_624_220)}
"""By resolution, for the models that begin or end there."""


def _usd(each: float) -> Price:
    return Price(usd=each, source="BytePlus's price list, in a copy of October 2026", checked=DAY)


def _by_resolution(small: float, large: float, source: str) -> Price:
    return Price.table_by("resolution", "2K", {"1K": small, "1.5K": small, "2K": large}, source, DAY)


_BYTEPLUS_STEPS = _by_resolution(0.045, 0.09, "BytePlus's price list, in a copy of October 2026")
# one of them calls it the official price
_RESOLD_STEPS = _by_resolution(0.02, 0.035, "resellers' pages of November 2026")
UNKNOWN = Price(usd=None)
"""What Volcengine charges in USD is not known."""

FIXED: Mapping[str, Any] = {
    "response_format": "url",
    # the vendor's default is true
    "watermark": False,
}
AS_PNG: Mapping[str, Any] = {**FIXED, "output_format": "png"}
"""For the models that can be asked for a file type; by default most of them make JPEG, as 4.0 and 4.5 always do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArkRoute(FieldsRoute):
    """A route with the vendor's spelling."""

    rules: Mapping[str, SizeRule] = field(default_factory=dict)
    """By resolution, the sizes that are asked for when a result is to have the first picture's shape."""

    def body(self, order: Order) -> dict[str, Any]:
        """The JSON body of a call."""
        pictures = [data_uri(picture) for picture in order.images]
        body = {"model": order.model, **self.inputs(order, pictures)}
        if order.arguments["aspect_ratio"] == AUTO:
            body["size"] = self._size_like(order)
        if order.count > 1:
            body["sequential_image_generation"] = "auto"
            body["sequential_image_generation_options"] = {"max_images": order.count}
        return body

    def _size_like(self, order: Order) -> str:
        """The size of the first picture's shape, with about as many pixels as a square one has."""
        first, resolution = order.images[0], order.arguments["resolution"]
        width, height = self.rules[resolution].like(first.width, first.height, SIDES[resolution] ** 2)
        return f"{width}x{height}"


_TAKES = {**as_in_row("prompt", "images"), "aspect_ratio": ratios(RATIOS), **SERVED_BY_ENGINE}
_FORM = PictureForm(
    formats=("png", "jpeg", "webp"),
    max_bytes=10_000_000,  # 30 MB in newer copies of the reference, 10 MB in older ones
    max_pixels=36_000_000,
    min_side=15,
    widest=16,
)


def _pair(
    edition: str, model: str, table: Mapping[str, str], rules: Mapping[str, SizeRule], **more: Any
) -> tuple[ArkRoute, ArkRoute]:
    """The routes of an edition that makes and edits, in the resolutions that have a rule."""
    kept = {(AUTO, resolution): LEFT_OUT for resolution in rules}
    sizes = _sizes({resolution: table[resolution] for resolution in rules})
    return pair(
        ArkRoute,
        (model, model),
        {**_TAKES, "resolution": Limits(values=tuple(rules)), **more.pop("takes", {})},
        "image",
        provider=NAME,
        tool="bytedance_seedream",
        edition=edition,
        fields=(*same("prompt", "background"), Field("size", ("aspect_ratio", "resolution"), {**sizes, **kept})),
        rules=rules,
        edit={"native_auto": True, "pictures": _FORM},
        **more,
    )


def _with_sets(generate: ArkRoute, edit: ArkRoute) -> tuple[ArkRoute, ...]:
    """The routes of an edition that makes sets. With many input pictures, only a smaller set fits into one call."""
    full = tuple(range(1, MOST_OF_SET + 1))
    many = MOST_TOGETHER - MOST_OF_SET + 1
    few = {**edit.takes, "images": Limits(max_items=many - 1)}
    return (
        replace(generate, makes_sets=True, counts=full),
        replace(edit, makes_sets=True, counts=full, takes=few),
        replace(
            edit,
            makes_sets=True,
            counts=tuple(range(1, MOST_OF_SET)),
            takes={**edit.takes, "images": Limits(min_items=many)},
        ),
    )


_NO_3K = {resolution: rule for resolution, rule in _FROM_2K.items() if resolution != "3K"}
ROUTES: tuple[ArkRoute, ...] = (
    *_with_sets(*_pair("4.5", "seedream-4-5-251128", _FOURTH, _NO_3K, fixed=FIXED, price=_usd(0.04))),
    *_with_sets(*_pair("4.0", "seedream-4-0-250828", _FOURTH, _FROM_1K, fixed=FIXED, price=_usd(0.03))),
    *_with_sets(*_pair("5-lite", LITE, _FOURTH, _FROM_2K, fixed=AS_PNG, price=_usd(0.035))),
    *_pair(
        "5-pro",
        "dola-seedream-5-0-pro-260628",
        _FIFTH,
        _TO_2K,
        fixed=AS_PNG,
        price=replace(_BYTEPLUS_STEPS, per_input=0.003, inputs_free=1),
    ),
    # Found at resellers only. Several agree in its fields and prices; the id at BytePlus stands at one of them, and is
    # built as those of Pro and Flash are. Its bounds in pixels stand nowhere and are taken to be those of Pro. Left to
    # itself it may make the background transparent, so `background` is always sent
    *_pair(
        "5.5",
        "dola-seedream-5-5-261028",
        _FIFTH,
        _TO_2K,
        takes=as_in_row("background"),
        fixed=AS_PNG,
        price=replace(_RESOLD_STEPS, per_input=0.008),
    ),
    *_pair("5-flash", "dola-seedream-5-0-flash-260915", _FIFTH, _TO_2K, fixed=AS_PNG, price=_usd(0.018)),
)
"""Every route at BytePlus. A seed is taken by none: the models that knew one are retired."""

IN_CHINA: Mapping[str, str] = {
    "seedream-4-5-251128": "doubao-seedream-4-5-251128",
    "seedream-4-0-250828": "doubao-seedream-4-0-250828",
    LITE: "doubao-seedream-5-0-260128",
    "dola-seedream-5-0-pro-260628": "doubao-seedream-5-0-pro-260628",
    "dola-seedream-5-5-261028": "doubao-seedream-5-5-261028",
    "dola-seedream-5-0-flash-260915": "doubao-seedream-5-0-flash-260915",
}
"""The same models by their ids at Volcengine: its model list in a copy of October 2026, and for 5.5 resellers."""
ENDPOINT = "ep-"
"""How the ids of endpoints begin that users make for one model; the vendor takes them in the place of a model's."""
LITE_TOO, LITE_TOO_IN_CHINA = "seedream-5-0-lite-260128", "doubao-seedream-5-0-lite-260128"
"""Another id of 5.0 Lite."""
ENDS: Mapping[str, str] = dict.fromkeys(
    (
        "doubao-seedream-4-5-251128",
        "doubao-seedream-4-0-250828",
        "doubao-seedream-5-0-260128",
        LITE_TOO_IN_CHINA,
    ),
    "2026-11-24",
)
"""Volcengine's notice of deprecation, tenth batch, in a copy of October 2026; for 4.0 and 4.5 as third parties give it.
Nothing of the kind is known of BytePlus."""
ALIKE: Mapping[str, Mapping[str, Price]] = {
    abroad: {LITE_TOO: _usd(0.035), chinese: UNKNOWN, LITE_TOO_IN_CHINA: UNKNOWN}
    if abroad == LITE
    else {chinese: UNKNOWN}
    for abroad, chinese in IN_CHINA.items()
}
"""Further ids of the same fields, with their prices: a gateway's address does not tell which region it leads to."""


def routes_for(overrides: Mapping[str, Mapping[str, Any]], *, chinese: bool) -> tuple[ArkRoute, ...]:
    """The routes as the user's tables have them; `chinese` where the base address is Volcengine's.

    Raises:
        SettingsError: a table cannot be used.
    """
    if chinese:
        own = tuple(replace(route, model=IN_CHINA[route.model], price=UNKNOWN) for route in ROUTES)
        own = tuple(replace(route, ends=ENDS.get(route.model, "")) for route in own)
        routes = chosen(own, overrides, {IN_CHINA[LITE]: {LITE_TOO_IN_CHINA: UNKNOWN}}, endpoint=ENDPOINT)
    else:
        routes = chosen(ROUTES, overrides, ALIKE, endpoint=ENDPOINT)
    # an endpoint ends with its model
    return tuple(replace(route, ends=ENDS.get(route.model, route.ends)) for route in routes)
