"""What fal offers for the rows, as data.

Endpoint ids and field names are those of the vendor's own client types (its repository of 2026-08-02) and of its model
pages where an id is younger than those; prices are those of the pages. All were read on 2026-11-26, unless a line says
otherwise. The owner in front of an id belongs to it: an id with another owner is taken by the queue, and comes to
nothing there.
"""

from __future__ import annotations

from dataclasses import replace
from math import isqrt
from typing import TYPE_CHECKING, Any

from imagewright.catalog.row import AUTO, Limits, OperationName
from imagewright.providers.base import SERVED_BY_ENGINE, PictureForm, Price
from imagewright.providers.common.fields import (
    COUNT,
    LEFT_OUT,
    REFRAMED,
    UPPER,
    Field,
    SizeRule,
    Sizes,
    as_in_row,
    pixels,
    same,
)
from imagewright.providers.fal.gpt_image import GPT_IMAGE
from imagewright.providers.fal.route import (
    CATALOGUE,
    CHECKED,
    NAME,
    PAGE,
    PAGE_COPIED,
    FalRoute,
    flat_price,
    pair_of,
    price_by,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

IN_AND_OUT = 15
"""Most pictures in and out of one Seedream call together."""
MOST_IN = 10
"""Most pictures into one such call."""
NOT_RECRAFT = "fal has no Recraft: the background was removed by another maker's model."
REDRAWN = "This enlarger paints new details: compare the picture with the one you gave."


def _seedream(
    edition: str, start: str, pixels_made: tuple[int, int], price: Price, *own: str, **more: Any
) -> tuple[FalRoute, ...]:
    """Generating and editing with an edition that makes sets: fewest and most pixels of a picture, its arguments."""
    # the sentence with the count goes into the row's own 5000 characters
    takes = {"prompt": Limits(max_length=5000), **as_in_row("aspect_ratio", "resolution", "images", *own)}
    # one set of pictures that belong together, up to that many; `num_images` would make unrelated ones
    count = Field("max_images", COUNT, {1: LEFT_OUT})
    both = {
        "fields": (*same("prompt", *own), count),
        "counts": (1, 2, 3, 4, 5, 6),
        "makes_sets": True,
        "edit": {"native_auto": True, "counts": tuple(range(1, IN_AND_OUT - MOST_IN + 1))},
    }
    least, most = pixels_made
    return pair_of(
        "bytedance_seedream",
        (f"{start}/text-to-image", f"{start}/edit"),
        {**takes, **SERVED_BY_ENGINE},
        edition=edition,
        sizes=Sizes(rule=SizeRule(least_pixels=least, most_pixels=most, step=8, widest=16)),
        price=price,
        **both | more,
    )


def _single_seedream(edition: str, start: str, usd: Price, *own: str, **edit: Any) -> tuple[FalRoute, ...]:
    """The same with an edition without sets, which makes JPEGs where it is not asked for another type."""
    return _seedream(
        edition,
        start,
        (1024 * 1024, 2048 * 2048),
        usd,
        *own,
        fields=(*same("prompt", *own), Field("num_images", COUNT)),
        fixed={"output_format": "png"},
        makes_sets=False,
        edit={"native_auto": True, **edit},
    )


_V5 = "bytedance/seedream/v5"
_2K_TO_4K = (2560 * 1440, 4096 * 4096)
_PRO = price_by(
    "resolution", "2K", {"1K": 0.0675, "1.5K": 0.0675, "2K": 0.135}, f"{PAGE}, where it is called tentative"
)
_V55 = price_by("resolution", "2K", {"1K": 0.03, "1.5K": 0.03, "2K": 0.0405})
_SEEDREAM: tuple[FalRoute, ...] = (
    *_seedream("4.5", "fal-ai/bytedance/seedream/v4.5", _2K_TO_4K, flat_price(0.04, CATALOGUE), "seed"),
    *_seedream("4.0", "fal-ai/bytedance/seedream/v4", (960 * 960, 4096 * 4096), flat_price(0.03), "seed"),
    *_seedream("5-lite", f"{_V5}/lite", _2K_TO_4K, flat_price(0.035)),
    *_single_seedream(
        "5-pro", f"{_V5}/pro", _PRO, price=replace(_PRO, per_input=0.0045, inputs_free=1, inputs_in_each=True)
    ),
    *_single_seedream("5-flash", f"{_V5}/flash", flat_price(0.027)),
    # Its page has the id and the price; its fields are those of one who resells it under fal's names. An endpoint that
    # edits was not found
    *_single_seedream("5.5", f"{_V5}.5", _V55, "background")[:1],
)


def _qwen_2025() -> tuple[FalRoute, ...]:
    plain = ("prompt", "seed", "negative_prompt", "acceleration", "output_format")
    takes = as_in_row(*plain, "aspect_ratio", "guidance", "steps", *SERVED_BY_ENGINE)
    fields = (
        *same(*plain),
        Field("guidance_scale", "guidance"),
        Field("num_inference_steps", "steps"),
        Field("num_images", COUNT),
    )
    # 0.02 and 0.03 USD a million pixels, of which the largest size has 1.05
    generate, one = pair_of(
        "qwen",
        ("fal-ai/qwen-image", "fal-ai/qwen-image-edit"),
        {**takes, "images": Limits(max_items=1)},
        edit={
            "image_field": "image_url",
            "image_list": False,
            "native_auto": True,
            "price": flat_price(0.0315, CATALOGUE),
        },
        edition="2025",
        fields=fields,
        counts=(1, 2, 3, 4),
        # the size is always asked for: left out, it is the input's, and a large photo is charged by its pixels
        sizes=Sizes(rule=SizeRule(least_pixels=512 * 512, most_pixels=1024 * 1024, step=16, widest=8)),
        price=flat_price(0.021, CATALOGUE),
    )
    # the newest that takes several; for one picture the model above has wider limits
    several = replace(
        one,
        model="fal-ai/qwen-image-edit-2511",
        takes={**takes, "images": Limits(min_items=2), "guidance": Limits(minimum=1)},
        image_field="image_urls",
        image_list=True,
    )
    return generate, one, several


def _qwen_3() -> tuple[FalRoute, ...]:
    # the catalogue calls it "3 Pro" in one place and 3 in all others
    plain = ("prompt", "seed", "negative_prompt", "output_format")
    return pair_of(
        "qwen",
        ("alibaba/qwen-image-3/text-to-image", "alibaba/qwen-image-3/edit"),
        as_in_row(*plain, "aspect_ratio", "images", *SERVED_BY_ENGINE),
        edit={
            "native_auto": True,
            "pictures": PictureForm(max_bytes=10_000_000, min_side=384, max_side=2048, alpha=False),
        },
        edition="3.0",
        fields=(*same(*plain), Field("num_images", COUNT)),
        fixed={"enable_prompt_expansion": False},
        counts=(1, 2, 3, 4),
        # 1K: twice the price is charged for 2K
        sizes=Sizes(rule=SizeRule(least_pixels=512 * 512, most_pixels=1024 * 1024, step=16, widest=8)),
        price=flat_price(0.04),
    )


def _flux_kontext() -> tuple[FalRoute, ...]:
    start = "fal-ai/flux-pro/kontext"
    made = {"pro": f"{start}/text-to-image", "max": f"{start}/max/text-to-image"}
    edits = {"pro": start, "max": f"{start}/max"}
    return pair_of(
        "flux_kontext",
        (made["pro"], edits["pro"]),
        {
            **as_in_row("prompt", "images", "aspect_ratio", "quality", "guidance", "prompt_upsampling", "seed"),
            "safety_tolerance": Limits(minimum=1),
            **as_in_row("output_format", "save_as"),
        },
        edit={"image_field": "image_url", "image_list": False, "native_auto": True, "models": edits},
        fields=(
            *same("prompt"),
            # in an edit, the picture's own shape is kept by leaving the field out
            Field("aspect_ratio", "aspect_ratio", {AUTO: LEFT_OUT}),
            Field("guidance_scale", "guidance"),
            Field("safety_tolerance", "safety_tolerance", text=True),
            Field("enhance_prompt", "prompt_upsampling"),
            *same("seed", "output_format"),
        ),
        model_by="quality",
        models=made,
        price=price_by("quality", "pro", {"pro": 0.04, "max": 0.08}),
    )


def _banana(edition: str, ids: tuple[str, str], price: Price, *own: str) -> tuple[FalRoute, ...]:
    plain = ("prompt", "aspect_ratio", *own, "output_format")
    takes = as_in_row(*plain, "images", "save_as")
    return pair_of(
        "nano_banana", ids, takes, edit={"native_auto": True}, edition=edition, fields=same(*plain), price=price
    )


_1K_TO_4K = price_by("resolution", "1K", {"1K": 0.08, "2K": 0.12, "4K": 0.16}, PAGE_COPIED)
_LITE = replace(flat_price(0.042, f"{PAGE_COPIED}: 1,120 tokens of a picture"), per_input=0.00035)
_BANANA: tuple[FalRoute, ...] = (
    # Its id, fields and price are those of callers that agree, and of one who quotes its page. Of two readings of the
    # price this is the higher one; the other has 0.04, 0.059 and 0.134
    *_banana(
        "2.1",
        ("google/nano-banana-2.1", "google/nano-banana-2.1/edit"),
        replace(_1K_TO_4K, source="a caller's reading of the vendor's page, October 2026"),
        "resolution",
    ),
    *_banana("2.5", ("fal-ai/nano-banana", "fal-ai/nano-banana/edit"), flat_price(0.039)),
    *_banana("2-lite", ("google/nano-banana-2-lite", "google/nano-banana-lite/edit"), _LITE),
    *_banana("2", ("fal-ai/nano-banana-2", "fal-ai/nano-banana-2/edit"), _1K_TO_4K, "resolution"),
    *_banana(
        "pro",
        ("fal-ai/nano-banana-pro", "fal-ai/nano-banana-pro/edit"),
        price_by("resolution", "1K", {"1K": 0.15, "2K": 0.15, "4K": 0.3}, PAGE_COPIED),
        "resolution",
    ),
)


def _by_output(usd: float, megapixels: int, most: int) -> Price:
    """The price of an enlargement by every begun portion of that many million pixels, as if all were squares."""
    parts = range(1, most // megapixels + 2)
    steps = tuple((isqrt(part * megapixels * 1_000_000), round(part * usd, 6)) for part in parts)
    return Price(usd=usd, by_side=steps, source=PAGE, checked=CHECKED)


def _enlarger(
    model: str,
    field: str = "",
    *,
    price: Price = Price(usd=None),  # noqa: B008 - it is frozen
    scales: tuple[int, ...] = (1, 2, 3, 4),
    note: str = "",
    alpha: bool = False,
    fixed: Mapping[str, Any],
) -> FalRoute:
    """The route of an enlarger, with its name for the factor and what it is sent besides."""
    return FalRoute(
        provider=NAME,
        tool="nano_banana",
        operation=OperationName.UPSCALE,
        model=model,
        takes=as_in_row("images", "scale", "save_as"),
        fields=(Field(field, "scale"),) if field else (),
        fixed=fixed,
        image_field="image_url",
        scales=scales,
        note=note,
        pictures=PictureForm(alpha=alpha),
        price=price,
    )


_TOPAZ = _by_output(0.08, 24, 512)
_UPSCALE: tuple[FalRoute, ...] = (
    # The model itself has no enlarger. Of fal's, this one keeps to the picture. By default it makes a JPEG and redraws
    # faces
    _enlarger(
        "topaz/upscale/image/precision",
        "upscale_factor",
        price=_TOPAZ,
        fixed={"model": "Standard V2", "output_format": "png", "face_enhancement": False},
    ),
    # keeps what is transparent, always makes four times the sides, and takes nothing else, as several callers say
    _enlarger("topaz/upscale/image/transparent", price=_TOPAZ, scales=(4,), alpha=True, fixed={"output_format": "png"}),
    _enlarger("fal-ai/esrgan", "scale", fixed={"output_format": "png"}),
    _enlarger("fal-ai/clarity-upscaler", "upscale_factor", note=REDRAWN, fixed={}),
)

ROUTES: tuple[FalRoute, ...] = (
    *_SEEDREAM,
    *_qwen_3(),
    *_qwen_2025(),
    *_flux_kontext(),
    *GPT_IMAGE,
    *_BANANA,
    *_UPSCALE,
    FalRoute(
        provider=NAME,
        tool="recraft",
        operation=OperationName.REMOVE_BACKGROUND,
        model="fal-ai/bria/background/remove",
        takes=as_in_row("image", "save_as"),
        fields=(),
        image_field="image_url",
        note=NOT_RECRAFT,
        price=flat_price(0.018),
    ),
    FalRoute(
        provider=NAME,
        tool="ideogram_reframe",
        operation=OperationName.REFRAME,
        model="fal-ai/ideogram/v3/reframe",
        takes=as_in_row("image", "aspect_ratio", "rendering_speed", "style", "seed", *SERVED_BY_ENGINE),
        fields=(
            Field("image_size", "aspect_ratio", {ratio: pixels(*size) for ratio, size in REFRAMED.items()}),
            Field("rendering_speed", "rendering_speed", UPPER),
            Field("style", "style", UPPER),
            *same("seed"),
            Field("num_images", COUNT),
        ),
        image_field="image_url",
        counts=(1, 2, 3, 4),
        price=price_by("rendering_speed", "balanced", {"turbo": 0.03, "balanced": 0.06, "quality": 0.09}, CATALOGUE),
    ),
)
"""Every route; of several for the same operation of an edition, the preferred one comes first."""

ALIKE: Mapping[str, Mapping[str, Price]] = {
    # no longer listed since August 2026; the same fields and defaults, and other steps of its price
    "topaz/upscale/image/precision": {
        "fal-ai/topaz/upscale/image": replace(
            _TOPAZ,
            by_side=tuple(
                (isqrt(size * 1_000_000), usd) for size, usd in ((24, 0.08), (48, 0.16), (96, 0.32), (512, 1.36))
            ),
        )
    },
    "google/nano-banana-2-lite": {"google/nano-banana-lite": _LITE},
    "google/nano-banana-lite/edit": {"google/nano-banana-2-lite/edit": _LITE},
}
"""Further ids by the one whose fields they take, with their prices."""
