"""Kie's models that are known but not the default: newer ones, and older ones that are about to end.

Fields and limits are those of Kie's model pages of 2026-08-19; prices are credits, see `routes`. The configuration
chooses one by its id, see `providers.common.alternatives`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagewright.catalog.row import ANY, Limits, OperationName, Scalar
from imagewright.providers.base import SERVED_BY_ENGINE, Price
from imagewright.providers.kie.body import NAME, KieRoute, Spelling
from imagewright.providers.kie.routes import (
    DOUBTFUL,
    GPT_RATIOS,
    PRESETS,
    SEEDREAM_PRESETS,
    credits_by,
    credits_each,
    gpt4o,
    ratios,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

BANANA_RATIOS = ("1:1", "4:3", "3:4", "3:2", "2:3", "5:4", "4:5", "16:9", "9:16", "21:9")
IN_1K = {"resolution": "1K"}
"""What is asked of models that can make more than their row offers."""


def _pair(
    tool: str, ids: tuple[str, str], takes: Mapping[str, Limits], image_field: str, **same: Any
) -> tuple[KieRoute, KieRoute]:
    """Generating and editing; `takes` is what both have, and the limits of `images`."""
    generate = {name: limits for name, limits in takes.items() if name != "images"}
    shape = takes["aspect_ratio"]
    known = tuple(str(value) for value in shape.values or ())
    edit = {**takes, "aspect_ratio": ratios(known, auto=True)}
    shared: dict[str, Any] = {"provider": NAME, "tool": tool, **same}
    native_auto = shared.pop("native_auto", False)
    image_list = shared.pop("image_list", True)
    return (
        KieRoute(operation=OperationName.GENERATE, model=ids[0], takes=generate, **shared),
        KieRoute(
            operation=OperationName.EDIT,
            model=ids[1],
            takes=edit,
            image_field=image_field,
            image_list=image_list,
            native_auto=native_auto,
            **shared,
        ),
    )


def _seedream(
    ids: tuple[str, str], prompt: Limits, qualities: Mapping[Scalar, str], price: Price
) -> tuple[KieRoute, KieRoute]:
    """One of the versions after 4: no seed and one picture a call."""
    return _pair(
        "bytedance_seedream",
        ids,
        {
            "prompt": prompt,
            "images": ANY,
            "aspect_ratio": ratios(SEEDREAM_PRESETS),
            "resolution": Limits(values=tuple(qualities)),
            **SERVED_BY_ENGINE,
        },
        "image_urls",
        spelt={
            "prompt": Spelling("prompt"),
            "aspect_ratio": Spelling("aspect_ratio"),
            "resolution": Spelling("quality", qualities),
        },
        price=price,
    )


def _qwen(
    ids: tuple[str, str], takes: Mapping[str, Limits], image_field: str, price: Price, **more: Any
) -> tuple[KieRoute, KieRoute]:
    """One of the later generations, whose shape is written as a ratio."""
    spelt = {
        "prompt": Spelling("prompt"),
        "aspect_ratio": Spelling("image_size"),
        "seed": Spelling("seed"),
        "negative_prompt": Spelling("negative_prompt"),
        "output_format": Spelling("output_format"),
    }
    every = {"aspect_ratio": ratios(PRESETS), "seed": ANY, "output_format": ANY, **SERVED_BY_ENGINE, **takes}
    own = {name: spelling for name, spelling in spelt.items() if name in every}
    return _pair("qwen", ids, every, image_field, spelt=own, price=price, **more)


def _nano_banana(model: str, most: int, price: Price) -> tuple[KieRoute, KieRoute]:
    """One of those that read their pictures from `image_input`, and whose own `auto` follows the first."""
    return _pair(
        "nano_banana",
        (model, model),
        {
            "prompt": ANY,
            "images": Limits(max_items=most),
            "aspect_ratio": ratios(BANANA_RATIOS),
            "output_format": ANY,
            "save_as": ANY,
        },
        "image_input",
        spelt={
            "prompt": Spelling("prompt"),
            "aspect_ratio": Spelling("aspect_ratio"),
            "output_format": Spelling("output_format", {"jpeg": "jpg"}),
        },
        fixed=IN_1K,
        native_auto=True,
        price=price,
    )


_SHORT = Limits(min_length=3, max_length=3000)

OTHERS: tuple[KieRoute, ...] = (
    # GPT Image 1.5, which its maker shuts down on 2026-12-01
    *_pair(
        "openai_4o",
        ("gpt-image/1.5-text-to-image", "gpt-image/1.5-image-to-image"),
        {
            "prompt": ANY,
            "images": ANY,
            "aspect_ratio": ratios(GPT_RATIOS),
            "quality": Limits(values=("medium", "high")),
            **SERVED_BY_ENGINE,
        },
        "input_urls",
        spelt={
            "prompt": Spelling("prompt"),
            "aspect_ratio": Spelling("aspect_ratio"),
            "quality": Spelling("quality"),
        },
    ),
    gpt4o(OperationName.GENERATE),
    gpt4o(OperationName.EDIT),
    *_seedream(
        ("seedream/4.5-text-to-image", "seedream/4.5-edit"),
        Limits(max_length=3000),
        {"2K": "basic", "4K": "high"},
        credits_each(6.5, DOUBTFUL),
    ),
    *_seedream(
        ("seedream/5-lite-text-to-image", "seedream/5-lite-image-to-image"),
        _SHORT,
        {"2K": "basic", "4K": "ultra"},
        credits_each(5),
    ),
    *_seedream(
        ("seedream/5-pro-text-to-image", "seedream/5-pro-image-to-image"),
        Limits(min_length=3),
        {"1K": "basic", "2K": "high"},
        # each further input picture adds half a credit
        credits_by("resolution", "2K", {"1K": 7, "2K": 14}),
    ),
    *_qwen(
        ("qwen2/text-to-image", "qwen2/image-edit"),
        {"prompt": Limits(max_length=800), "images": Limits(max_items=1)},
        "image_url",
        Price(usd=None),
        image_list=False,
    ),
    *_qwen(
        ("qwen3/text-to-image", "qwen3/image-to-image"),
        {"prompt": ANY, "images": ANY, "negative_prompt": ANY},
        "image_urls",
        credits_each(4.8),
        fixed=IN_1K,
    ),
    *_qwen(
        ("qwen3/pro-text-to-image", "qwen3/pro-image-to-image"),
        {"prompt": ANY, "images": ANY, "negative_prompt": ANY},
        "image_urls",
        credits_each(6.4),
        fixed=IN_1K,
    ),
    *_nano_banana("nano-banana-2", 10, credits_each(8)),
    *_nano_banana("nano-banana-pro", 8, credits_each(18)),
    # 1K only, and no choice of the file type; a site says 3 credits
    *_pair(
        "nano_banana",
        ("nano-banana-2-lite", "nano-banana-2-lite"),
        {"prompt": ANY, "images": ANY, "aspect_ratio": ratios(BANANA_RATIOS), "save_as": ANY},
        "image_urls",
        spelt={"prompt": Spelling("prompt"), "aspect_ratio": Spelling("aspect_ratio")},
        price=credits_each(4, DOUBTFUL),
    ),
)
"""Every alternative, each with the fields its own page has."""
