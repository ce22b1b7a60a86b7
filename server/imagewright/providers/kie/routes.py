"""What Kie offers for the rows, as data.

Field names, spellings and limits are those of Kie's model pages of 2026-08-19 unless a line says otherwise; prices
are credits that third parties saw charged. What Kie documents no longer is marked, and can be switched off in the
configuration, see `providers.common.overrides`; the alternatives at the end are chosen there by their id.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from imagewright.catalog.row import ANY, AUTO, Limits, OperationName, Scalar
from imagewright.errors import RequestRejected
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
    from collections.abc import Mapping, Sequence

    from imagewright.providers.base import Order

NAME = "kie"
USD_PER_CREDIT = 0.005
CHECKED = "2026-11-22"
SEEN = "credits seen charged by third parties, at 0.005 USD each"
DOUBTFUL = "community tables that disagree, at 0.005 USD a credit"
MASK_DOUBT = (
    "Masks go to kie's older model gpt4o-image, for which kie documented them until 2025 and not since: look whether "
    "only the masked area has changed."
)

SEEDREAM_PRESETS = PRESETS | {"3:2": "landscape_3_2", "2:3": "portrait_3_2", "21:9": "landscape_21_9"}
GPT_RATIOS = ("1:1", "3:2", "2:3")
BANANA_RATIOS = ("1:1", "4:3", "3:4", "3:2", "2:3", "5:4", "4:5", "16:9", "9:16", "21:9")
IN_1K = {"resolution": "1K"}
"""What is asked of models that can make more than their row offers."""
SHAPE = Field("image_size", "aspect_ratio", PRESETS)
QWEN_LATER = (
    *same("prompt"),
    Field("image_size", "aspect_ratio"),  # written as ratios
    *same("seed", "negative_prompt", "output_format"),
)
"""Fields of the later generations of Qwen."""
_QWEN_TAKES = {"aspect_ratio": ratios(PRESETS), **as_in_row("seed", "output_format", *SERVED_BY_ENGINE)}


class Family(StrEnum):
    """Which of Kie's three interfaces a model stands behind."""

    MARKET = "market"
    FLUX_KONTEXT = "flux_kontext"
    GPT4O = "gpt4o"


@dataclass(frozen=True, slots=True, kw_only=True)
class KieRoute(FieldsRoute):
    """A route with Kie's spelling."""

    family: Family = Family.MARKET
    """The interface."""
    largest_side: int | None = None
    """Longest side in px of what an enlargement may come to; None when there is no limit."""

    def check(self, order: Order) -> None:
        """What only Kie limits and no row can say.

        Raises:
            RequestRejected: the enlarged picture would be larger than the vendor makes.
        """
        scale = order.arguments.get("scale", 1)
        sides = [side for picture in order.images for side in (picture.width, picture.height)]
        if self.largest_side is not None and max(sides, default=0) * scale > self.largest_side:
            side = max(sides) * scale
            raise RequestRejected(
                NAME, f"enlarged {scale}x the longer side would be {side} px; the limit is {self.largest_side} px"
            )

    def body(self, order: Order, urls: Sequence[str] = (), mask_url: str = "") -> dict[str, Any]:
        """The JSON body that starts the task, with the addresses of the pictures and the mask, empty for no mask."""
        model, fields = order.model, self.inputs(order, urls, mask_url)
        if self.family is Family.MARKET:
            return {"model": model, "input": fields}
        return {"model": model, **fields} if self.family is Family.FLUX_KONTEXT else fields


def _credits(each: float, source: str = SEEN) -> Price:
    """The price of a picture in USD, from Kie's credits."""
    return Price(usd=round(each * USD_PER_CREDIT, 6), source=source, checked=CHECKED)


def _credits_by(argument: str, usual: Scalar, table: Mapping[Scalar, float], source: str = SEEN) -> Price:
    """The same by the values of an argument; `usual` is what is charged where the table lacks one."""
    usd = {value: round(each * USD_PER_CREDIT, 6) for value, each in table.items()}
    return Price.table_by(argument, usual, usd, source, CHECKED)


def _pair(
    tool: str, ids: tuple[str, str], takes: Mapping[str, Limits], image_field: str, **more: Any
) -> tuple[KieRoute, ...]:
    return pair(KieRoute, ids, takes, image_field, provider=NAME, tool=tool, **more)


def _seedream_later(
    ids: tuple[str, str], prompt: Limits, qualities: Mapping[Scalar, str], price: Price
) -> tuple[KieRoute, ...]:
    """One of the versions after 4: no seed and one picture a call."""
    takes = {"prompt": prompt, "images": ANY, "aspect_ratio": ratios(SEEDREAM_PRESETS), **SERVED_BY_ENGINE}
    return _pair(
        "bytedance_seedream",
        ids,
        {**takes, "resolution": Limits(values=tuple(qualities))},
        "image_urls",
        fields=(*same("prompt", "aspect_ratio"), Field("quality", "resolution", qualities)),
        price=price,
    )


def _qwen() -> tuple[KieRoute, ...]:
    sampling = (
        *same("seed", "negative_prompt"),
        Field("guidance_scale", "guidance"),
        Field("num_inference_steps", "steps"),
        *same("acceleration", "output_format"),
    )
    takes = as_in_row("prompt", *(str(one.of) for one in sampling), *SERVED_BY_ENGINE)
    fields = (*same("prompt"), SHAPE, *sampling)
    return (
        *_pair(
            "qwen",
            ("qwen/text-to-image", "qwen/image-edit"),
            {**takes, "images": Limits(max_items=1), "aspect_ratio": ratios(PRESETS)},
            "image_url",
            edit={
                "image_list": False,
                "fields": (*fields, Field("num_images", COUNT, text=True)),
                "counts": (1, 2, 3, 4),
                "price": _credits(5),
            },
            fields=fields,
            price=_credits(4),
        ),
        # the only model of the family that takes several pictures; for one the model above has more controls
        replace(_QWEN3[1], takes={**_QWEN3[1].takes, "images": Limits(min_items=2)}, fixed={}),
    )


def _qwen3(start: str, price: Price) -> tuple[KieRoute, ...]:
    """One of the third generation, whose ids begin so."""
    return _pair(
        "qwen",
        (f"{start}text-to-image", f"{start}image-to-image"),
        {**_QWEN_TAKES, **as_in_row("prompt", "images", "negative_prompt")},
        "image_urls",
        fields=QWEN_LATER,
        fixed=IN_1K,
        price=price,
    )


def _banana_later(model: str, most: int, price: Price) -> tuple[KieRoute, ...]:
    """One of those that read their pictures from `image_input`, and whose own `auto` follows the first."""
    takes = {"prompt": ANY, "images": Limits(max_items=most), "aspect_ratio": ratios(BANANA_RATIOS)}
    return _pair(
        "nano_banana",
        (model, model),
        {**takes, "output_format": ANY, "save_as": ANY},
        "image_input",
        fields=(*same("prompt", "aspect_ratio"), Field("output_format", "output_format", {"jpeg": "jpg"})),
        fixed=IN_1K,
        edit={"native_auto": True},
        price=price,
    )


_QWEN3 = _qwen3("qwen3/", _credits(4.8))
_GPT4O = _pair(
    "openai_4o",
    ("gpt4o-image", "gpt4o-image"),
    {"aspect_ratio": ratios(GPT_RATIOS), **as_in_row("prompt", "images", "mask", *SERVED_BY_ENGINE)},
    "filesUrl",
    edit={"pictures": PictureForm(mask="black_is_repainted"), "mask_field": "maskUrl", "mask_note": MASK_DOUBT},
    family=Family.GPT4O,
    fields=(
        *same("prompt"),
        Field("size", "aspect_ratio"),
        # documented until 2025 and never with 3; one picture, documented still, is asked for by leaving it out
        Field("nVariants", COUNT, {1: LEFT_OUT}),
    ),
    counts=(1, 2, 4),
    price=_credits(6),
)
"""The older 4o interface. Kie keeps it under its old models; it runs on GPT Image 1, shut down on 2026-10-23."""
_GPT_TAKES = {"prompt": Limits(max_length=20_000), **SERVED_BY_ENGINE}
ROUTES: tuple[KieRoute, ...] = (
    *_pair(
        "bytedance_seedream",
        ("bytedance/seedream-v4-text-to-image", "bytedance/seedream-v4-edit"),
        {
            "prompt": Limits(max_length=5000),
            "aspect_ratio": ratios(SEEDREAM_PRESETS),
            **as_in_row("images", "resolution", "seed", *SERVED_BY_ENGINE),
        },
        "image_urls",
        fields=(
            *same("prompt"),
            Field("image_size", "aspect_ratio", SEEDREAM_PRESETS),
            Field("image_resolution", "resolution"),
            *same("seed"),
            Field("max_images", COUNT),
        ),
        counts=(1, 2, 3, 4, 5, 6),
        makes_sets=True,
        price=_credits(5),
    ),
    *_qwen(),
    *_pair(
        "flux_kontext",
        ("flux-kontext-pro", "flux-kontext-pro"),
        {
            **as_in_row("prompt", "images", "aspect_ratio", "safety_tolerance", "prompt_upsampling"),
            **as_in_row("output_format", "quality", "save_as"),
        },
        "inputImage",
        edit={"image_list": False, "native_auto": True},
        family=Family.FLUX_KONTEXT,
        model_by="quality",
        models={"pro": "flux-kontext-pro", "max": "flux-kontext-max"},
        fields=(
            *same("prompt"),
            # in an edit, the picture's own shape is kept by leaving the field out
            Field("aspectRatio", "aspect_ratio", {AUTO: LEFT_OUT}),
            Field("safetyTolerance", "safety_tolerance"),
            Field("promptUpsampling", "prompt_upsampling"),
            Field("outputFormat", "output_format"),
        ),
        price=_credits_by("quality", "pro", {"pro": 5, "max": 10}, DOUBTFUL),
    ),
    # as on its two pages of 2026-08-19: it has no quality, no mask and no count, and makes every ratio in 1K
    *_pair(
        "openai_4o",
        ("gpt-image-2-text-to-image", "gpt-image-2-image-to-image"),
        {"aspect_ratio": ratios(GPT_RATIOS), "images": ANY, **_GPT_TAKES},
        "input_urls",
        fields=same("prompt", "aspect_ratio"),
        fixed=IN_1K,
        price=Price(usd=0.03, source="6 credits for 1K, in a copy of Kie's price list", checked="2026-11-26"),
    ),
    # the only model of Kie's that was ever documented with a mask; held to what the others take of the rest, as one
    # limit is shown for all edits
    replace(_GPT4O[1], needs=("mask",), takes={**_GPT4O[1].takes, **_GPT_TAKES}),
    *_pair(
        "nano_banana",
        ("google/nano-banana", "google/nano-banana-edit"),
        as_in_row("prompt", "images", "aspect_ratio", "output_format", "save_as"),
        "image_urls",
        edit={"native_auto": True},
        fields=same("prompt", "aspect_ratio", "output_format"),
        price=_credits(4),
    ),
    KieRoute(
        provider=NAME,
        tool="nano_banana",
        operation=OperationName.UPSCALE,
        # Kie has dropped the model's own enlarger; this one makes 1, 2 and 4 times
        model="topaz/image-upscale",
        takes=as_in_row("images", "scale", "save_as"),
        fields=(Field("upscale_factor", "scale", text=True),),
        image_field="image_url",
        scales=(1, 2, 4),
        largest_side=20_000,
        # charged by the size that comes out; as for a picture of 1K that is enlarged
        price=_credits_by("scale", 2, {1: 10, 2: 10, 4: 20}, DOUBTFUL),
    ),
    KieRoute(
        provider=NAME,
        tool="recraft",
        operation=OperationName.REMOVE_BACKGROUND,
        model="recraft/remove-background",
        takes=as_in_row("image", "save_as"),
        fields=(),
        image_field="image",
        price=_credits(1),
    ),
    KieRoute(
        provider=NAME,
        tool="ideogram_reframe",
        operation=OperationName.REFRAME,
        # documented in 2025, seen at work in June 2026, missing from the pages of August 2026
        model="ideogram/v3-reframe",
        takes={
            **as_in_row("image", "rendering_speed", "style", *SERVED_BY_ENGINE),
            "aspect_ratio": ratios(PRESETS),
            "seed": Limits(minimum=1),  # 0 asks for a random one
        },
        fields=(
            SHAPE,
            Field("rendering_speed", "rendering_speed", UPPER),
            Field("style", "style", UPPER),
            *same("seed"),
            Field("num_images", COUNT, text=True),
        ),
        image_field="image_url",
        counts=(1, 2, 3, 4),
        price=_credits_by("rendering_speed", "balanced", {"turbo": 3.5, "balanced": 7, "quality": 10}),
    ),
)
"""Every route; of several for the same operation, the preferred one comes first."""

OTHERS: tuple[KieRoute, ...] = (
    # GPT Image 1.5, which its maker shuts down on 2026-12-01
    *_pair(
        "openai_4o",
        ("gpt-image/1.5-text-to-image", "gpt-image/1.5-image-to-image"),
        {
            "aspect_ratio": ratios(GPT_RATIOS),
            "quality": Limits(values=("medium", "high")),
            **as_in_row("prompt", "images", *SERVED_BY_ENGINE),
        },
        "input_urls",
        fields=same("prompt", "aspect_ratio", "quality"),
    ),
    *_GPT4O,
    *_seedream_later(
        ("seedream/4.5-text-to-image", "seedream/4.5-edit"),
        Limits(max_length=3000),
        {"2K": "basic", "4K": "high"},
        _credits(6.5, DOUBTFUL),
    ),
    *_seedream_later(
        ("seedream/5-lite-text-to-image", "seedream/5-lite-image-to-image"),
        Limits(min_length=3, max_length=3000),
        {"2K": "basic", "4K": "ultra"},
        _credits(5),
    ),
    *_seedream_later(
        ("seedream/5-pro-text-to-image", "seedream/5-pro-image-to-image"),
        Limits(min_length=3),
        {"1K": "basic", "2K": "high"},
        # each further input picture adds half a credit
        _credits_by("resolution", "2K", {"1K": 7, "2K": 14}),
    ),
    *_pair(
        "qwen",
        ("qwen2/text-to-image", "qwen2/image-edit"),
        {**_QWEN_TAKES, "prompt": Limits(max_length=800), "images": Limits(max_items=1)},
        "image_url",
        edit={"image_list": False},
        fields=QWEN_LATER,
    ),
    *_QWEN3,
    *_qwen3("qwen3/pro-", _credits(6.4)),
    *_banana_later("nano-banana-2", 10, _credits(8)),
    *_banana_later("nano-banana-pro", 8, _credits(18)),
    # 1K only, and no choice of the file type; a site says 3 credits
    *_pair(
        "nano_banana",
        ("nano-banana-2-lite", "nano-banana-2-lite"),
        {"aspect_ratio": ratios(BANANA_RATIOS), **as_in_row("prompt", "images", "save_as")},
        "image_urls",
        fields=same("prompt", "aspect_ratio"),
        price=_credits(4, DOUBTFUL),
    ),
)
"""Known models that are not the default, with the fields of their own pages: newer ones, and some about to end."""
