"""What fal offers for the rows, as data.

Endpoint ids, field names and limits are those of the vendor's own client types, prices those of its model pages,
unless a line says otherwise. What is not confirmed is marked, and can be switched off in the configuration, see
`providers.common.overrides`; the alternatives at the end are chosen there by their id.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING, Any

from imagewright.catalog.row import ANY, AUTO, Limits, OperationName, Scalar
from imagewright.providers.base import SERVED_BY_ENGINE, PictureForm, Price
from imagewright.providers.common.fields import (
    COUNT,
    LEFT_OUT,
    PRESETS,
    UPPER,
    Field,
    FieldsRoute,
    as_in_row,
    pair,
    ratios,
    same,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "fal"
CHECKED = "2026-11-22"
CHECKED_AGAIN = "2026-11-26"
PAGE = "the vendor's model page"
PAGE_COPIED = f"{PAGE}, in LiteLLM's table"
PER_MEGAPIXEL = "about 0.02 to 0.03 USD a megapixel, not confirmed; the presets have at most one"
IN_AND_OUT = 15
"""Most pictures in and out of one Seedream call together."""
MOST_IN = 10
MASK_DOUBT = "fal does not say which side of a mask this model repaints: look whether only the masked area has changed."
ENDING = "OpenAI shuts gpt-image-1.5 down on 2026-12-01: take its entry out of your configuration before that day."
NOT_RECRAFT = "fal has no Recraft: the background was removed by another maker's model."

SEEDREAM_RATIOS = ("1:1", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16", "21:9")
SIDES = {"1K": 1024, "2K": 2048, "4K": 4096}
"""Side in px of the square of that size."""
GPT_SIZES: dict[Scalar, str] = {"1:1": "1024x1024", "3:2": "1536x1024", "2:3": "1024x1536"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FalRoute(FieldsRoute):
    """A route with fal's spelling; its model is the endpoint's id."""

    inline_bytes: int = 4_000_000
    """Most bytes of all input pictures together that go into the request as data URIs, as many models take them; larger
    ones are uploaded. No limit is published: this keeps a request small."""


def _pixels(width: int, height: int) -> dict[str, int]:
    return {"width": width, "height": height}


def _exactly(ratio: str, side: int) -> dict[str, int]:
    """Sides in px of exactly that ratio, multiples of 8, with at most side x side pixels."""
    wide, high = (int(part) for part in ratio.split(":"))
    unit = isqrt(side * side // (wide * high)) // 8 * 8
    return _pixels(wide * unit, high * unit)


def _by_quality(low: float, medium: float, high: float, source: str, checked: str) -> Price:
    return Price.table_by("quality", "medium", {"low": low, "medium": medium, "high": high}, source, checked)


def _flat(usd: float, source: str = PAGE) -> Price:
    return Price(usd=usd, source=source, checked=CHECKED)


def _pair(tool: str, ids: tuple[str, str], takes: Mapping[str, Limits], **more: Any) -> tuple[FalRoute, ...]:
    return pair(FalRoute, ids, takes, "image_urls", provider=NAME, tool=tool, **more)


def _seedream(version: str, sizes: tuple[str, ...], price: Price) -> tuple[FalRoute, ...]:
    shapes = {(ratio, size): _exactly(ratio, SIDES[size]) for ratio in SEEDREAM_RATIOS for size in sizes}
    start = f"fal-ai/bytedance/seedream/{version}"
    return _pair(
        "bytedance_seedream",
        (f"{start}/text-to-image", f"{start}/edit"),
        {
            # the sentence with the count goes into the row's own 5000 characters
            "prompt": Limits(max_length=5000),
            "aspect_ratio": ratios(SEEDREAM_RATIOS),
            "resolution": Limits(values=sizes),
            **as_in_row("images", "seed", *SERVED_BY_ENGINE),
        },
        edit={"counts": tuple(range(1, IN_AND_OUT - MOST_IN + 1))},
        fields=(
            *same("prompt"),
            Field("image_size", ("aspect_ratio", "resolution"), shapes),
            *same("seed"),
            # one set of pictures that belong together, up to that many; `num_images` would make unrelated ones
            Field("max_images", COUNT, {1: LEFT_OUT}),
        ),
        counts=(1, 2, 3, 4, 5, 6),
        makes_sets=True,
        price=price,
    )


def _qwen() -> tuple[FalRoute, ...]:
    many = (
        *same("prompt"),
        Field("image_size", "aspect_ratio", PRESETS),
        *same("seed", "negative_prompt"),
        Field("guidance_scale", "guidance"),
        Field("num_inference_steps", "steps"),
        *same("output_format"),
        Field("num_images", COUNT),
    )
    takes = as_in_row("prompt", "seed", "negative_prompt", "guidance", "steps", "output_format", *SERVED_BY_ENGINE)
    one = {**takes, "aspect_ratio": ratios(PRESETS), "acceleration": ANY, "images": Limits(max_items=1)}
    shared: dict[str, Any] = {
        "counts": (1, 2, 3, 4),  # its upper bound is not published
        "price": _flat(0.03, PER_MEGAPIXEL),
    }
    return (
        *_pair(
            "qwen",
            ("fal-ai/qwen-image", "fal-ai/qwen-image-edit"),
            one,
            edit={"image_field": "image_url", "image_list": False},
            fields=(*many, *same("acceleration")),
            **shared,
        ),
        FalRoute(
            provider=NAME,
            tool="qwen",
            operation=OperationName.EDIT,
            # the newest that takes several pictures; for one the model above is documented with more controls
            model="fal-ai/qwen-image-edit-2511",
            takes={**takes, "aspect_ratio": ratios(PRESETS, auto=True), "images": Limits(min_items=2)},
            fields=many,
            image_field="image_urls",
            image_list=True,
            **shared,
        ),
    )


def _flux_kontext() -> tuple[FalRoute, ...]:
    start = "fal-ai/flux-pro/kontext"
    made = {"pro": f"{start}/text-to-image", "max": f"{start}/max/text-to-image"}
    edits = {"pro": start, "max": f"{start}/max"}
    return _pair(
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
        price=Price.table_by("quality", "pro", {"pro": 0.04, "max": 0.08}, PAGE, CHECKED),
    )


def _gpt_image(
    ids: tuple[str, str],
    sizes: Mapping[Scalar, Any],
    mask_field: str,
    more: tuple[str, ...],
    prices: tuple[Price, Price],
    *,
    note: str = "",
) -> tuple[FalRoute, ...]:
    """Generating and editing with one of OpenAI's models, with the ids and prices of both, in this order."""
    plain = ("prompt", "quality", "output_format", *more)
    return _pair(
        "openai_4o",
        ids,
        {"aspect_ratio": ratios(sizes), **as_in_row(*plain, "images", "mask", *SERVED_BY_ENGINE)},
        edit={
            # the maker's own polarity; fal does not say it for its field
            "pictures": PictureForm(mask="transparent_is_repainted"),
            "mask_field": mask_field,
            "mask_note": MASK_DOUBT,
            "price": prices[1],
        },
        fields=(*same(*plain), Field("image_size", "aspect_ratio", sizes), Field("num_images", COUNT)),
        counts=(1, 2, 3, 4),  # its upper bound is not published; one who resells it has 4
        note=note,
        price=prices[0],
    )


def _enlarger(model: str, field: str, **fixed: Any) -> FalRoute:
    """The route of an enlarger, with its name for the factor and what it is sent besides."""
    return FalRoute(
        provider=NAME,
        tool="nano_banana",
        operation=OperationName.UPSCALE,
        model=model,
        takes=as_in_row("images", "scale", "save_as"),
        fields=(Field(field, "scale"),),
        fixed=fixed,
        image_field="image_url",
        scales=(1, 2, 3, 4),
    )


ROUTES: tuple[FalRoute, ...] = (
    *_seedream("v4", ("1K", "2K", "4K"), _flat(0.03)),
    *_qwen(),
    *_flux_kontext(),
    # not in the client's types 1.10.1: its fields are those of its two model pages, read on 2026-11-26
    *_gpt_image(
        ("openai/gpt-image-2", "openai/gpt-image-2/edit"),
        {"1:1": _pixels(1024, 1024), "3:2": _pixels(1536, 1024), "2:3": _pixels(1024, 1536)},
        "mask_url",
        (),  # it has no field for the background
        # of the dearest shape; long prompts and further input pictures add to it
        (
            _by_quality(0.006, 0.053, 0.211, PAGE_COPIED, CHECKED_AGAIN),
            _by_quality(0.018, 0.061, 0.219, PAGE_COPIED, CHECKED_AGAIN),
        ),
    ),
    *_pair(
        "nano_banana",
        ("fal-ai/nano-banana", "fal-ai/nano-banana/edit"),
        as_in_row("prompt", "images", "aspect_ratio", "output_format", "save_as"),
        edit={"native_auto": True},
        fields=same("prompt", "aspect_ratio", "output_format"),
        price=_flat(0.039),
    ),
    # The model itself has no enlarger. Of fal's, this one keeps to the picture and documents every factor to 4. By
    # default it makes a JPEG and redraws faces (the client's types 1.10.1, read on 2026-11-26)
    _enlarger("fal-ai/topaz/upscale/image", "upscale_factor", output_format="png", face_enhancement=False),
    FalRoute(
        provider=NAME,
        tool="recraft",
        operation=OperationName.REMOVE_BACKGROUND,
        model="fal-ai/bria/background/remove",
        takes=as_in_row("image", "save_as"),
        fields=(),
        image_field="image_url",
        note=NOT_RECRAFT,
        price=_flat(0.018),
    ),
    FalRoute(
        provider=NAME,
        tool="ideogram_reframe",
        operation=OperationName.REFRAME,
        model="fal-ai/ideogram/v3/reframe",
        takes=as_in_row("image", "aspect_ratio", "rendering_speed", "style", "seed", *SERVED_BY_ENGINE),
        fields=(
            Field("image_size", "aspect_ratio", {**PRESETS, "3:2": _pixels(1248, 832), "2:3": _pixels(832, 1248)}),
            Field("rendering_speed", "rendering_speed", UPPER),
            Field("style", "style", UPPER),
            *same("seed"),
            Field("num_images", COUNT),
        ),
        image_field="image_url",
        counts=(1, 2, 3, 4),
        price=Price.table_by(
            "rendering_speed", "balanced", {"turbo": 0.03, "balanced": 0.06, "quality": 0.09}, PAGE, CHECKED
        ),
    ),
)
"""Every route; of several for the same operation, the preferred one comes first."""

OTHERS: tuple[FalRoute, ...] = (
    *_seedream("v4.5", ("2K", "4K"), Price(usd=None)),
    # ends on 2026-12-01, by its maker's list of deprecations, read on 2026-11-26; then it goes from here too
    *_gpt_image(
        ("fal-ai/gpt-image-1.5", "fal-ai/gpt-image-1.5/edit"),
        GPT_SIZES,
        "mask_image_url",
        ("background",),
        # of the dearest shape: a square costs a third less
        (_by_quality(0.013, 0.051, 0.2, PAGE, CHECKED),) * 2,
        note=ENDING,
    ),
    _enlarger("fal-ai/clarity-upscaler", "upscale_factor"),
    _enlarger("fal-ai/esrgan", "scale"),
)
"""Known models that are not the default, because they do less of what the rows promise or cost more."""

_BANANAS: Mapping[str, Price] = {
    "fal-ai/nano-banana-2": _flat(0.08),
    "fal-ai/nano-banana-pro": Price(usd=0.15, source=PAGE_COPIED, checked=CHECKED_AGAIN),
}
"""They have a resolution too, which is 1K where it is left out."""
_QWEN_EDITS = ("fal-ai/qwen-image-edit-plus", "fal-ai/qwen-image-edit-2509")
ALIKE: Mapping[str, Mapping[str, Price]] = {
    "fal-ai/nano-banana": _BANANAS,
    "fal-ai/nano-banana/edit": {f"{model}/edit": price for model, price in _BANANAS.items()},
    "fal-ai/qwen-image-edit-2511": dict.fromkeys(_QWEN_EDITS, Price(usd=None)),
}
"""Further ids by the default whose fields they take, as the vendor's client types them, with their prices."""
