"""The endpoints of fal with models of OpenAI and of Google; as in `fal_models.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.emulators.fal_fields import (
    ALL_FORMS,
    NO_LIMIT,
    PROMPT,
    SEEDS,
    SYNC,
    TOLERANCE,
    FalTable,
    both,
    by_resolution,
    by_tokens,
    count_in,
    each,
    each_by,
    nearest,
    pixels,
    see_through,
    sized,
)
from tests.emulators.kie_models import PIXELS, choice, flag, text, whole
from tests.emulators.tables import either, link, links

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.emulators.fal_fields import Charge
    from tests.emulators.kie_models import Check
    from tests.emulators.pictures import Size
    from tests.emulators.tables import Fields

# GPT Image

GPT_SIZES = ("1024x1024", "1536x1024", "1024x1536")
_BACKGROUND = choice("auto", "transparent", "opaque")
_GPT: Mapping[str, Check] = {"num_images": whole(1, 4), "output_format": ALL_FORMS, **SYNC}
# the presets of fewer pixels than the model makes are refused
_GPT_SIZE = either(
    choice("auto", "square_hd", "portrait_4_3", "landscape_4_3"),
    pixels(655_360, 8_294_400, step=16, longest=3840, widest=3),
)
_GPT_IN: Mapping[str, Check] = {"image_urls": links(1, 16)}
_LOW_TO_HIGH = {"low": 16, "medium": 48, "high": 96, "auto": 96}
_LOW_TO_MAX = {"low": 16, "medium": 24, "high": 48, "auto": 48, "xhigh": 64, "max": 96}


def _priced_15(fields: Fields, inputs: Any, made: Any) -> float:
    """By quality and shape; in an edit, each input is read in high fidelity."""
    square, long = {"low": (0.009, 0.013), "medium": (0.034, 0.051), "high": (0.133, 0.2), "auto": (0.133, 0.2)}[
        fields.get("quality", "high")
    ]
    return sum((square if wide == high else long) + 0.0244 * len(inputs) for wide, high in made)


def _gpt_25(name: str) -> dict[str, FalTable]:
    start = f"openai/gpt-image-2.5/{name}"
    optional: dict[str, Check] = {
        **_GPT,
        "image_size": _GPT_SIZE,
        "quality": choice("auto", "low", "medium", "high", "xhigh", "max"),
        "background": _BACKGROUND,
        "num_images": whole(1, 10),
        "output_compression": whole(0, 100),
    }
    return both(
        (f"{start}/text-to-image", f"{start}/edit"),
        optional,
        {"mask_url": link},
        required=_GPT_IN,
        prompt=text(32_000),
        mask="mask_url",
        size=sized(PIXELS["landscape_4_3"]),
        count=count_in("num_images"),
        form="output_format",
        charge=by_tokens(_LOW_TO_MAX, "high", per_input=0.0082),
        clash=see_through,
    )


GPTS: Mapping[str, FalTable] = {
    "fal-ai/gpt-image-1.5": FalTable(
        {"prompt": PROMPT},
        {
            **_GPT,
            "image_size": choice(*GPT_SIZES),
            "quality": choice("low", "medium", "high"),
            "background": _BACKGROUND,
        },
        size=nearest("1024x1024", GPT_SIZES),
        count=count_in("num_images"),
        form="output_format",
        charge=_priced_15,
        clash=see_through,
        measured=False,
    ),
    "fal-ai/gpt-image-1.5/edit": FalTable(
        {"prompt": PROMPT, "image_urls": links(1, 16)},
        {
            **_GPT,
            "image_size": choice("auto", *GPT_SIZES),
            "quality": choice("low", "medium", "high"),
            "background": _BACKGROUND,
            "input_fidelity": choice("low", "high"),
            "mask_image_url": link,
        },
        images="image_urls",
        mask="mask_image_url",
        size=nearest("auto", GPT_SIZES),
        count=count_in("num_images"),
        form="output_format",
        charge=_priced_15,
        clash=see_through,
        measured=False,
    ),
    **both(
        ("openai/gpt-image-2", "openai/gpt-image-2/edit"),
        {**_GPT, "image_size": _GPT_SIZE, "quality": choice("auto", "low", "medium", "high")},
        {"mask_url": link},
        required=_GPT_IN,
        # on the newer page; whether edits take it is not known
        generate={"background": _BACKGROUND},
        mask="mask_url",
        size=sized(PIXELS["landscape_4_3"]),
        count=count_in("num_images"),
        form="output_format",
        charge=by_tokens(_LOW_TO_HIGH, "high", per_input=0.013),
        clash=see_through,
    ),
    **_gpt_25("flare"),
    **_gpt_25("sunburst"),
}

# Nano Banana

BANANA_RATIOS = ("21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16")
LONG_RATIOS = ("4:1", "1:4", "8:1", "1:8")
_OF_25: Mapping[str, Size] = {
    "1:1": (1024, 1024),
    "2:3": (832, 1248),
    "3:2": (1248, 832),
    "3:4": (864, 1184),
    "4:3": (1184, 864),
    "4:5": (896, 1152),
    "5:4": (1152, 896),
    "9:16": (768, 1344),
    "16:9": (1344, 768),
    "21:9": (1536, 672),
}
"""The maker's own sizes, which are up to 3 % beside the ratio."""
_LATER: Mapping[str, Size] = {
    "1:1": (1024, 1024),
    "2:3": (848, 1264),
    "3:2": (1264, 848),
    "3:4": (896, 1200),
    "4:3": (1200, 896),
    "4:5": (928, 1152),
    "5:4": (1152, 928),
    "9:16": (768, 1376),
    "16:9": (1376, 768),
    "21:9": (1584, 672),
}
_BANANA: Mapping[str, Check] = {
    "num_images": whole(1, 4),
    "output_format": ALL_FORMS,
    "seed": SEEDS,
    "safety_tolerance": TOLERANCE,
    "limit_generations": flag,
    **SYNC,
}
_UP_TO_14 = links(1, 14)
"""No limit is published; it is the maker's."""


def _bananas(
    ids: tuple[str, str], sizes: tuple[str, ...], charge: Charge, *, long: bool = True, **more: Check
) -> dict[str, FalTable]:
    """The later models of the family. Those with long shapes take an edit without a picture, and make another one."""
    own: dict[str, Check] = {
        **_BANANA,
        "aspect_ratio": choice("auto", *BANANA_RATIOS, *(LONG_RATIOS if long else ())),
        "system_prompt": text(NO_LIMIT, 0),
        **({"resolution": choice(*sizes)} if sizes else {}),
        **more,
    }
    return both(
        ids,
        own,
        {"image_urls": _UP_TO_14} if long else {},
        required={} if long else {"image_urls": _UP_TO_14},
        size=by_resolution("auto", _LATER),
        count=count_in("num_images"),
        form="output_format",
        charge=charge,
        measured=False,
    )


BANANAS: Mapping[str, FalTable] = {
    "fal-ai/nano-banana": FalTable(
        {"prompt": PROMPT},
        {**_BANANA, "aspect_ratio": choice(*BANANA_RATIOS)},
        size=by_resolution("1:1", _OF_25),
        count=count_in("num_images"),
        form="output_format",
        charge=each(0.039),
        measured=False,
    ),
    "fal-ai/nano-banana/edit": FalTable(
        {"prompt": PROMPT, "image_urls": links(1, 10)},
        {**_BANANA, "aspect_ratio": choice("auto", *BANANA_RATIOS)},
        images="image_urls",
        size=by_resolution("auto", _OF_25),
        count=count_in("num_images"),
        form="output_format",
        charge=each(0.039),
        measured=False,
    ),
    **_bananas(
        ("fal-ai/nano-banana-2", "fal-ai/nano-banana-2/edit"),
        ("0.5K", "1K", "2K", "4K"),
        each_by("resolution", "1K", {"0.5K": 0.06, "1K": 0.08, "2K": 0.12, "4K": 0.16}),
        thinking_level=choice("minimal", "high"),
        enable_web_search=flag,
    ),
    # from callers that agree; of two readings of its price the higher one
    **_bananas(
        ("google/nano-banana-2.1", "google/nano-banana-2.1/edit"),
        ("1K", "2K", "4K"),
        each_by("resolution", "1K", {"1K": 0.08, "2K": 0.12, "4K": 0.16}),
        thinking_level=choice("minimal", "medium", "high"),
    ),
    **_bananas(
        ("google/nano-banana-2-lite", "google/nano-banana-lite/edit"),
        (),
        each(1120 * 37.5e-6, 1120 * 0.3125e-6),  # tokens of a picture that is made, and of one that is given
        thinking_level=choice("minimal", "high"),
    ),
    **_bananas(
        ("fal-ai/nano-banana-pro", "fal-ai/nano-banana-pro/edit"),
        ("1K", "2K", "4K"),
        each_by("resolution", "1K", {"1K": 0.15, "2K": 0.15, "4K": 0.3}),
        long=False,
        enable_web_search=flag,
    ),
}
TWINS = {
    "google/nano-banana-lite": "google/nano-banana-2-lite",
    "google/nano-banana-2-lite/edit": "google/nano-banana-lite/edit",
}
"""Ids of the same model, by the one whose fields they are."""
