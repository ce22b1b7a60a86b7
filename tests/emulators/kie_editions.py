"""Kie's models that are editions, each with exactly its own fields.

Typed from copies of its pages of 2026-08-19 and 2026-10-01, on purpose without a look at the provider, so that each
checks the other. Credits are those of its price list, in a copy of 2026-09-24, unless a line names another source.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tests.emulators.kie_models import (
    OTHERS,
    RATIOS8,
    SEED,
    SIDES,
    TYPES,
    Check,
    Inputs,
    Model,
    choice,
    credits_by,
    flag,
    flat,
    links,
    own,
    shaped,
    text,
    times,
    whole,
)
from tests.emulators.kie_qwen import QWEN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.emulators.kie_models import Credits, Fields, Rule
    from tests.emulators.pictures import Size

RATIOS10 = (*RATIOS8, "5:4", "4:5")
RATIOS14 = (*RATIOS10, "1:4", "4:1", "1:8", "8:1")
SHAPES = {
    "square": "1:1",
    "square_hd": "1:1",
    "portrait_4_3": "3:4",
    "portrait_3_2": "2:3",
    "portrait_16_9": "9:16",
    "landscape_4_3": "4:3",
    "landscape_3_2": "3:2",
    "landscape_16_9": "16:9",
    "landscape_21_9": "21:9",
}
"""Ratios by Seedream 4.0's names of them."""
GOOGLE_SIZES: dict[str, Size] = {
    "1:1": (1024, 1024),
    "3:2": (1264, 848),
    "2:3": (848, 1264),
    "4:3": (1200, 896),
    "3:4": (896, 1200),
    "5:4": (1152, 928),
    "4:5": (928, 1152),
    "16:9": (1376, 768),
    "9:16": (768, 1376),
    "21:9": (1584, 672),
}
"""Sides in 1K, as the maker publishes them; 2K and 4K are exact multiples."""


# Seedream


def _longest(fields: Fields, _source: Size) -> Size:
    """In 4K, 4:3 is 4096 x 3072."""
    longest = SIDES[fields.get("image_resolution", "1K")]
    wide, high = (int(part) for part in SHAPES[fields.get("image_size", "square_hd")].split(":"))
    unit = longest / max(wide, high)
    return round(wide * unit), round(high * unit)


def _seedream4(**pictures: Check) -> Model:
    return Model(
        {"prompt": text(5000), **pictures},
        {
            "image_size": choice(*SHAPES),
            "image_resolution": choice("1K", "2K", "4K"),
            "max_images": whole(1, 6),
            "seed": SEED,
            "nsfw_checker": flag,
        },
        credits_for=times(flat(5), "max_images"),  # seen charged on 2026-09-24; the price list has no row
        size=_longest,
        count=lambda fields: int(fields.get("max_images", 1)),
        usual_form="jpeg",  # seen on 2026-09-24; the page names no type
        images=next(iter(pictures), ""),
        inputs=Inputs(megabytes=10),
    )


def _seedream(
    words: Mapping[str, str],
    credits_for: Credits,
    *,
    longest: int,
    size: str = "quality",
    typed: bool = True,
    **pictures: Check,
) -> Model:
    """One after 4.0; `size` is the field of the resolution, and `typed` says whether there is one for the file type."""
    sized = {size: choice(*words)}
    usual = next(iter(words))
    return Model(
        {
            "prompt": text(longest, 3 if typed else 1),
            "aspect_ratio": choice(*RATIOS8),
            **(sized if size == "quality" else {}),
            **pictures,
        },
        {**(TYPES if typed else {}), **({} if size == "quality" else sized), "nsfw_checker": flag},
        credits_for=credits_for,
        size=shaped("aspect_ratio", size, words, usual),
        form="output_format" if typed else "",
        usual_form="png" if typed else "jpeg",  # of 4.5 no type is named; the maker's own is JPEG
        images=next(iter(pictures), ""),
    )


V45 = {"basic": "2K", "high": "4K"}
LITE = {"basic": "2K", "high": "3K", "ultra": "4K"}
PRO = {"basic": "1K", "high": "2K"}
FLASH = own("1K", "1.5K", "2K")


def _both(
    name: str, edit: str, most: int, credits_for: Credits, words: Mapping[str, str], **more: Any
) -> dict[str, Model]:
    """Those that generate and edit, by their ids."""
    return {
        f"{name}-text-to-image": _seedream(words, credits_for, **more),
        f"{name}-{edit}": _seedream(words, credits_for, **more, image_urls=links(1, most)),
    }


SEEDREAM = {
    "bytedance/seedream-v4-text-to-image": _seedream4(),
    "bytedance/seedream-v4-edit": _seedream4(image_urls=links(1, 10)),
    **_both("seedream/4.5", "edit", 14, flat(6.5), V45, longest=3000, typed=False),
    **_both("seedream/5-lite", "image-to-image", 14, flat(5.5), LITE, longest=3000),
    **_both(
        "seedream/5-pro",
        "image-to-image",
        10,
        credits_by("quality", "basic", {"basic": 7.0, "high": 14.0}, more=0.5, free=1),
        PRO,
        longest=5000,
    ),
    **_both("seedream/5-flash", "image-to-image", 10, flat(3.24), FLASH, longest=5000, size="size"),
}

# GPT Image


def _gpt2_together(fields: Fields) -> str:
    ratio, resolution = fields.get("aspect_ratio", "auto"), fields.get("resolution", "1K")
    small = ("auto", "5:4", "4:5", "3:1", "1:3", "9:21")
    if resolution != "1K" and (ratio in small or (ratio, resolution) == ("1:1", "4K")):
        return f"{ratio} is not made in {resolution}"
    return f"background is not made in {resolution}" if "background" in fields and resolution != "1K" else ""


def _gpt25_together(fields: Fields) -> str:
    ratio, resolution = fields.get("aspect_ratio", "auto"), fields.get("resolution", "1K")
    small = ratio in ("27:16", "16:27", "9:8", "8:9")
    return f"{ratio} is not made in {resolution}" if small and resolution != "1K" else ""


def _gpt15(**pictures: Check) -> Model:
    return Model(
        {
            "prompt": text(32000),
            "aspect_ratio": choice("1:1", "2:3", "3:2"),
            "quality": choice("medium", "high"),
            **pictures,
        },
        {"nsfw_checker": flag},
        credits_for=credits_by("quality", "medium", {"medium": 4.0, "high": 22.0}),
        size=lambda fields, _source: {"1:1": (1024, 1024), "3:2": (1536, 1024)}.get(
            fields["aspect_ratio"], (1024, 1536)
        ),
        images=next(iter(pictures), ""),
        inputs=Inputs(megabytes=10),
    )


def _gpt2(ratios: tuple[str, ...], rule: Rule, **pictures: Check) -> Model:
    return Model(
        {"prompt": text(20000), **pictures},
        {
            "aspect_ratio": choice("auto", *ratios),
            "resolution": choice("1K", "2K", "4K"),
            "background": choice("transparent", "opaque", "auto"),
            "nsfw_checker": flag,
        },
        credits_for=credits_by("resolution", "1K", {"1K": 6.0, "2K": 10.0, "4K": 16.0}),
        size=shaped("aspect_ratio", "resolution", own("1K", "2K", "4K"), "1K"),
        images=next(iter(pictures), ""),  # PNG came in every recorded call
        rules=(rule,),
    )


GPT2 = (*RATIOS10, "2:1", "1:2", "3:1", "1:3", "9:21")
GPT25 = (*RATIOS8, "27:16", "16:27", "9:8", "8:9")
INPUT_URLS = {"input_urls": links(1, 16)}
GPT = {
    "gpt-image/1.5-text-to-image": _gpt15(),
    "gpt-image/1.5-image-to-image": _gpt15(**INPUT_URLS),
    "gpt-image-2-text-to-image": _gpt2(GPT2, _gpt2_together),
    "gpt-image-2-image-to-image": _gpt2(GPT2, _gpt2_together, **INPUT_URLS),
    "gpt-image-2-5-flare-text-to-image": _gpt2(GPT25, _gpt25_together),
    "gpt-image-2-5-flare-image-to-image": _gpt2(GPT25, _gpt25_together, **INPUT_URLS),
    "gpt-image-2-5-sunburst-text-to-image": _gpt2(GPT25, _gpt25_together),
    "gpt-image-2-5-sunburst-image-to-image": _gpt2(GPT25, _gpt25_together, **INPUT_URLS),
}

# Nano Banana


def _google_size(fields: Fields, source: Size) -> Size:
    ratio = fields.get("aspect_ratio", "1:1")
    if ratio == "auto":  # the nearest to the first picture's shape
        shape = source[0] / source[1]
        ratio = min(GOOGLE_SIZES, key=lambda one: abs(math.log(shape * GOOGLE_SIZES[one][1] / GOOGLE_SIZES[one][0])))
    wide, high = GOOGLE_SIZES[ratio]
    factor = {"1K": 1, "2K": 2, "4K": 4}[fields.get("resolution", "1K")]
    return wide * factor, high * factor


def _banana1(**pictures: Check) -> Model:
    ratio = choice("auto", *RATIOS10)
    return Model(
        {"prompt": text(5000), **pictures},
        {"aspect_ratio": ratio, "image_size": ratio, "nsfw_checker": flag, **TYPES},
        credits_for=flat(4),
        size=_google_size,
        form="output_format",
        images=next(iter(pictures), ""),
        inputs=Inputs(megabytes=10),
    )


def _banana(longest: int, ratios: tuple[str, ...], most: int, usual_form: str, cost: Mapping[str, float]) -> Model:
    return Model(
        {"prompt": text(longest)},
        {
            "image_input": links(0, most),
            "aspect_ratio": choice("auto", *ratios),
            "output_format": choice("png", "jpg"),
            "resolution": choice(*cost),
            "nsfw_checker": flag,
        },
        credits_for=credits_by("resolution", "1K", cost),
        size=_google_size,
        form="output_format",
        usual_form=usual_form,
        images="image_input",
    )


BANANA = {
    "google/nano-banana": _banana1(),
    "google/nano-banana-edit": _banana1(image_urls=links(1, 10)),
    "nano-banana-2": _banana(20000, RATIOS14, 14, "jpg", {"1K": 8.0, "2K": 12.0, "4K": 18.0}),
    # of several readings of its page of 2026-10-07, one says 14 pictures and three say 10
    "nano-banana-2-1": _banana(20000, RATIOS14, 10, "jpg", {"1K": 4.0, "2K": 6.0, "4K": 9.0}),
    "nano-banana-2-lite": Model(
        {"prompt": text(20000), "aspect_ratio": choice("auto", *RATIOS14)},
        {"image_urls": links(0, 10), "nsfw_checker": flag},
        credits_for=flat(4),
        size=_google_size,
        usual_form="jpeg",  # its page names no type; its siblings' is JPEG
        images="image_urls",
    ),
    "nano-banana-pro": _banana(10000, RATIOS10, 8, "png", {"1K": 18.0, "2K": 18.0, "4K": 24.0}),
}

MARKET: dict[str, Model] = {**SEEDREAM, **QWEN, **GPT, **BANANA, **OTHERS}
"""All that are created at the market's one address."""
