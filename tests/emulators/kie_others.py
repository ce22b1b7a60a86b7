"""Kie's models beyond those of `kie_models`: newer ones, and older ones that are about to end.

Typed from its model pages of 2026-08-19, on purpose without a look at the provider, so that each checks the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.emulators.kie_models import (
    BANANA_RATIOS,
    GPT_SIZES,
    MARKET,
    QWEN3_RATIOS,
    SEED,
    Check,
    Model,
    by_ratio,
    choice,
    link,
    links,
    text,
)
from tests.emulators.pictures import of_area

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.emulators.pictures import Size

LONG_RATIOS = ("1:4", "4:1", "1:8", "8:1")
SEEDREAM_RATIOS = ("1:1", "4:3", "3:4", "16:9", "9:16", "2:3", "3:2", "21:9")
SIDES = {"1K": 1024, "2K": 2048, "3K": 3072, "4K": 4096}


def _gpt_size(fields: Mapping[str, Any], _source: Size) -> Size:
    return GPT_SIZES[fields["aspect_ratio"]]


def _gpt(**pictures: Check) -> Model:
    return Model(
        {
            "prompt": text(32000),
            "aspect_ratio": choice("1:1", "2:3", "3:2"),
            "quality": choice("medium", "high"),
            **pictures,
        },
        size=_gpt_size,
        images=next(iter(pictures), ""),
    )


def _seedream(
    longest: int, sizes: Mapping[str, str], credits_by: Mapping[str, float], *, newer: bool, **pictures: Check
) -> Model:
    def size(fields: Mapping[str, Any], _source: Size) -> Size:
        return of_area(fields["aspect_ratio"], SIDES[sizes[fields["quality"]]] ** 2)

    return Model(
        {
            "prompt": text(longest, 3 if newer else 1),
            "aspect_ratio": choice(*SEEDREAM_RATIOS),
            "quality": choice(*sizes),
            **pictures,
        },
        {"output_format": choice("png", "jpeg")} if newer else {},
        credits_for=lambda fields: credits_by[fields["quality"]],
        size=size,
        images=next(iter(pictures), ""),
    )


def _banana(longest: int, ratios: tuple[str, ...], most: int, credits_by: Mapping[str, float]) -> Model:
    return Model(
        {"prompt": text(longest)},
        {
            "image_input": links(1, most),
            "aspect_ratio": choice(*ratios),
            "output_format": choice("png", "jpg"),
            "resolution": choice(*credits_by),
        },
        credits_for=lambda fields: credits_by[fields.get("resolution", "1K")],
        size=by_ratio("aspect_ratio"),
        form="output_format",
        images="image_input",
    )


def _qwen3(credits_each: float, **pictures: Check) -> Model:
    return Model(
        {"prompt": text(5000), **pictures},
        {
            "image_size": choice(*QWEN3_RATIOS),
            "resolution": choice("1K", "2K"),
            "negative_prompt": text(5000, 0),
            "seed": SEED,
            "output_format": choice("png", "jpeg"),
        },
        credits_for=lambda _: credits_each,
        size=by_ratio("image_size"),
        form="output_format",
        images=next(iter(pictures), ""),
    )


def _qwen2(ratios: tuple[str, ...], **pictures: Check) -> Model:
    return Model(
        {"prompt": text(800), **pictures},
        {"image_size": choice(*ratios), "seed": SEED, "output_format": choice("png", "jpeg")},
        size=by_ratio("image_size"),
        form="output_format",
        images=next(iter(pictures), ""),
    )


_V45 = {"basic": "2K", "high": "4K"}
_LITE = {"basic": "2K", "high": "3K", "ultra": "4K"}
_PRO = {"basic": "1K", "high": "2K"}

OTHERS: dict[str, Model] = {
    "gpt-image/1.5-text-to-image": _gpt(),
    "gpt-image/1.5-image-to-image": _gpt(input_urls=links(1, 16)),
    "seedream/4.5-text-to-image": _seedream(3000, _V45, dict.fromkeys(_V45, 6.5), newer=False),
    "seedream/4.5-edit": _seedream(3000, _V45, dict.fromkeys(_V45, 6.5), newer=False, image_urls=links(1, 14)),
    "seedream/5-lite-text-to-image": _seedream(3000, _LITE, dict.fromkeys(_LITE, 5.0), newer=True),
    "seedream/5-lite-image-to-image": _seedream(
        3000, _LITE, dict.fromkeys(_LITE, 5.0), newer=True, image_urls=links(1, 14)
    ),
    "seedream/5-pro-text-to-image": _seedream(5000, _PRO, {"basic": 7.0, "high": 14.0}, newer=True),
    "seedream/5-pro-image-to-image": _seedream(
        5000, _PRO, {"basic": 7.0, "high": 14.0}, newer=True, image_urls=links(1, 10)
    ),
    "qwen2/text-to-image": _qwen2(("1:1", "3:4", "4:3", "9:16", "16:9")),
    "qwen2/image-edit": _qwen2(QWEN3_RATIOS, image_url=link),
    "qwen3/text-to-image": _qwen3(4.8),
    "qwen3/pro-text-to-image": _qwen3(6.4),
    "qwen3/pro-image-to-image": _qwen3(6.4, image_urls=links(1, 3)),
    "nano-banana-2": _banana(20000, (*BANANA_RATIOS, *LONG_RATIOS), 14, {"1K": 8.0, "2K": 12.0, "4K": 18.0}),
    "nano-banana-pro": _banana(10000, BANANA_RATIOS, 8, {"1K": 18.0, "2K": 18.0, "4K": 24.0}),
    "nano-banana-2-lite": Model(
        {"prompt": text(20000), "aspect_ratio": choice(*BANANA_RATIOS, *LONG_RATIOS)},
        {"image_urls": links(1, 10)},
        credits_for=lambda _: 4.0,
        size=by_ratio("aspect_ratio"),
        images="image_urls",
    ),
}
EVERY = MARKET | OTHERS
"""All that are created at the market's one address."""
