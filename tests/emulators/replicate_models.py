"""Replicate's models, from their own schemas as read in copies on 2026-11-26: fields, types, limits, what comes back.

A field that a model does not have is refused here, although most models there overlook it: a client must not send one.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from tests.emulators.kie_models import choice, decimal, flag, text, whole
from tests.emulators.pictures import of_area
from tests.emulators.replicate_finishing import FINISHING, NO_LIMIT, PROMPT, SEEDS, WEBP_TOO, Hosted
from tests.emulators.tables import MEGAPIXEL, Fields, Table, Wrong, by_ratio, link, links

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.emulators.kie_models import Check
    from tests.emulators.pictures import Size

FOLLOW = "match_input_image"
RATIOS = ("1:1", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16", "21:9")
PNG_JPG = choice("png", "jpg")
SIDES = {"1K": 1, "2K": 2, "3K": 3, "4K": 4}


def version_of(name: str) -> str:
    """The id of a model's newest version."""
    return hashlib.sha256(name.encode("utf-8")).hexdigest()


def _of_class(fields: Fields, source: Size, usual: str) -> Size:
    """As many pixels as the size in a field has, in the shape asked for or that of the input."""
    ratio = str(fields.get("aspect_ratio", FOLLOW))
    shape = f"{source[0]}:{source[1]}" if ratio == FOLLOW else ratio
    return of_area(shape, MEGAPIXEL * SIDES[str(fields.get("size", fields.get("resolution", usual)))] ** 2)


def _seedream(most: int, sizes: tuple[str, ...], longest: int, *, sets: bool = True, **more: Check) -> Hosted:
    """One of the four; those without a field for the file type make JPEGs, as their pages' examples show."""
    several: dict[str, Check] = {
        "sequential_image_generation": choice("disabled", "auto"),
        "max_images": whole(1, 15),
    }
    custom: dict[str, Check] = {"width": whole(1024, 4096), "height": whole(1024, 4096)}
    return Hosted(
        Table(
            {"prompt": text(longest)},
            {
                "image_input": links(0, most),
                "size": choice(*sizes),
                "aspect_ratio": choice(FOLLOW, *RATIOS),
                **(several if sets else {}),
                **(custom if "custom" in sizes else {}),
                **more,
            },
            images="image_input",
            size=lambda fields, source: _of_class(fields, source, "2K"),
            count=_seedream_count,
            form="output_format" if "output_format" in more else "jpeg",
        ),
        clash=_too_many,
    )


def _seedream_count(fields: Fields) -> int:
    return int(fields.get("max_images", 1)) if fields.get("sequential_image_generation") == "auto" else 1


def _too_many(fields: Fields, pictures: int) -> Wrong | None:
    beyond = pictures + int(fields.get("max_images", 1)) > 15
    return Wrong("max_images", "value_error", "and the input pictures must be at most 15") if beyond else None


def _qwen_2025(ratios: tuple[str, ...], required: Mapping[str, Check], **more: Check) -> Hosted:
    shape = choice(*ratios)
    fields: dict[str, Check] = {
        "aspect_ratio": shape,
        "go_fast": flag,
        "seed": SEEDS,
        "output_format": WEBP_TOO,
        "output_quality": whole(0, 100),
        "disable_safety_checker": flag,
        **more,
    }
    follows = FOLLOW in ratios
    return Hosted(
        Table(
            {"prompt": PROMPT, **required},
            fields,
            images="image" if required else "",
            size=by_ratio("aspect_ratio", (FOLLOW,) if follows else (), FOLLOW if follows else "16:9"),
            form="output_format",
            usual_form="webp",
        )
    )


_MAKES: dict[str, Check] = {
    "image": link,
    "strength": decimal(0, 1),
    "negative_prompt": text(NO_LIMIT, 0),
    "guidance": decimal(0, 10),
}
_QWEN_RATIOS = ("1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3")


def _qwen_later_size(fields: Fields, source: Size) -> Size:
    follows = fields.get("match_input_image", False)
    return source if follows else of_area(str(fields.get("aspect_ratio", "1:1")), MEGAPIXEL)


QWEN_LATER = Hosted(
    Table(
        {"prompt": PROMPT},
        {
            "image": link,
            "aspect_ratio": choice(*_QWEN_RATIOS, "2:1", "1:2"),
            "match_input_image": flag,
            "negative_prompt": text(NO_LIMIT, 0),
            "enable_prompt_expansion": flag,
            "seed": SEEDS,
        },
        images="image",
        size=_qwen_later_size,
        many=False,
    )
)
KONTEXT_SIZES: Mapping[str, Size] = {
    "1:1": (1024, 1024),
    "16:9": (1392, 752),
    "9:16": (752, 1392),
    "4:3": (1184, 880),
    "3:4": (880, 1184),
    "3:2": (1248, 832),
    "2:3": (832, 1248),
    "21:9": (1568, 672),
    "9:21": (672, 1568),
}
"""What FLUX.1 Kontext makes; 16:9 is none."""


def _kontext_size(fields: Fields, source: Size) -> Size:
    ratio = str(fields.get("aspect_ratio", FOLLOW))
    shape = f"{source[0]}:{source[1]}" if ratio == FOLLOW else ratio
    return KONTEXT_SIZES.get(shape) or of_area(shape, MEGAPIXEL, 16)


def _tolerant(fields: Fields, pictures: int) -> Wrong | None:
    over = pictures and fields.get("safety_tolerance", 2) > 2
    return Wrong("safety_tolerance", "value_error", "must be at most 2 with an input image") if over else None


_KONTEXT = Hosted(
    Table(
        {"prompt": PROMPT},
        {
            "input_image": link,
            "aspect_ratio": choice(FOLLOW, *RATIOS, "4:5", "5:4", "9:21", "2:1", "1:2"),
            "seed": SEEDS,
            "prompt_upsampling": flag,
            "output_format": PNG_JPG,
            "safety_tolerance": whole(0, 6),
        },
        images="input_image",
        size=_kontext_size,
        form="output_format",
        many=False,
    ),
    clash=_tolerant,
)
_GPT_SIZES = ("1024x1024", "1536x1024", "1024x1536", "1536x1152", "1152x1536", "2048x2048", "2048x1152", "1152x2048")
_GPT_2_RATIOS = ("1:1", "3:2", "2:3", "4:3", "3:4", "16:9", "9:16", "auto", *_GPT_SIZES, "3840x2160", "2160x3840")


def _gpt_size(fields: Fields, _source: Size) -> Size:
    """The ratios have about a megapixel; `auto` is what the model picks, here its square."""
    asked = str(fields.get("aspect_ratio", "1:1"))
    if "x" in asked:
        wide, high = asked.split("x")
        return int(wide), int(high)
    return of_area("1:1" if asked == "auto" else asked, MEGAPIXEL, 16)


def _opaque_jpeg(fields: Fields, _pictures: int) -> Wrong | None:
    clear = fields.get("background") == "transparent" and fields.get("output_format") == "jpeg"
    return Wrong("output_format", "value_error", "must be png or webp for a transparent background") if clear else None


def _gpt_image(
    ratios: tuple[str, ...], *qualities: str, required: Mapping[str, Check] | None = None, **more: Check
) -> Hosted:
    return Hosted(
        Table(
            {"prompt": PROMPT, **(required or {})},
            {
                "openai_api_key": text(200),
                "aspect_ratio": choice(*ratios),
                "input_images": links(0, 10),
                "number_of_images": whole(1, 10),
                "quality": choice("auto", "low", "medium", "high", *qualities),
                "background": choice("auto", "transparent", "opaque"),
                "output_compression": whole(0, 100),
                "output_format": choice("png", "jpeg", "webp"),
                "moderation": choice("auto", "low"),
                "user_id": text(200),
                **more,
            },
            images="input_images",
            size=_gpt_size,
            count=lambda fields: int(fields.get("number_of_images", 1)),
            form="output_format",
            usual_form="webp",
        ),
        clash=_opaque_jpeg,
    )


def _banana(most: int, *ratios: str, usual: str = "1K", **more: Check) -> Hosted:
    return Hosted(
        Table(
            {"prompt": PROMPT},
            {
                "image_input": links(0, most),
                "aspect_ratio": choice(FOLLOW, *RATIOS, "4:5", "5:4", *ratios),
                "output_format": PNG_JPG,
                **more,
            },
            images="image_input",
            size=lambda fields, source: _of_class(fields, source, usual),
            form="output_format",
            usual_form="jpg",
            many=False,
        )
    )


_LONG_RATIOS = ("1:4", "4:1", "1:8", "8:1")
_RESOLUTION = choice("1K", "2K", "4K")

MODELS: Mapping[str, Hosted] = {
    "bytedance/seedream-4": _seedream(10, ("1K", "2K", "4K", "custom"), NO_LIMIT, enhance_prompt=flag),
    "bytedance/seedream-4.5": _seedream(14, ("2K", "4K", "custom"), 4000, disable_safety_checker=flag),
    "bytedance/seedream-5-lite": _seedream(14, ("2K", "3K"), NO_LIMIT, output_format=choice("png", "jpeg")),
    "bytedance/seedream-5-pro": _seedream(10, ("1K", "2K"), 4000, sets=False, output_format=choice("png", "jpeg")),
    "qwen/qwen-image": _qwen_2025(
        _QWEN_RATIOS,
        {},
        **_MAKES,
        image_size=choice("optimize_for_quality", "optimize_for_speed"),
        num_inference_steps=whole(1, 50),
        enhance_prompt=flag,
        lora_weights=text(1000),
        lora_scale=decimal(0, 3),
    ),
    "qwen/qwen-image-2512": _qwen_2025(
        (*_QWEN_RATIOS, "custom"),
        {},
        **_MAKES,
        num_inference_steps=whole(20, 50),
        width=whole(256, 2048),
        height=whole(256, 2048),
    ),
    **dict.fromkeys(
        ("qwen/qwen-image-edit-2511", "qwen/qwen-image-edit-plus"),
        _qwen_2025(("1:1", "16:9", "9:16", "4:3", "3:4", FOLLOW), {"image": links(1, 3)}),
    ),
    **dict.fromkeys(
        ("qwen/qwen-image-2", "qwen/qwen-image-2-pro", "alibaba/qwen-image-3", "alibaba/qwen-image-3-pro"), QWEN_LATER
    ),
    "black-forest-labs/flux-kontext-pro": _KONTEXT,
    "black-forest-labs/flux-kontext-max": _KONTEXT,
    # gone: it needed a key of OpenAI's, and OpenAI shut it down on 2026-10-23
    "openai/gpt-image-1": _gpt_image(("1:1", "3:2", "2:3"), required={"openai_api_key": text(200)}),
    "openai/gpt-image-1.5": _gpt_image(("1:1", "3:2", "2:3"), input_fidelity=choice("low", "high")),
    "openai/gpt-image-2": _gpt_image(_GPT_2_RATIOS),
    **dict.fromkeys(
        ("openai/gpt-image-2.5-flare", "openai/gpt-image-2.5-sunburst"), _gpt_image(_GPT_2_RATIOS, "xhigh", "max")
    ),
    **dict.fromkeys(("google/nano-banana", "google/gemini-2.5-flash-image"), _banana(10)),
    "google/nano-banana-2": _banana(14, *_LONG_RATIOS, resolution=_RESOLUTION, google_search=flag, image_search=flag),
    "google/nano-banana-2-lite": _banana(14, *_LONG_RATIOS),
    "google/nano-banana-pro": _banana(
        14,
        usual="2K",
        resolution=_RESOLUTION,
        safety_filter_level=choice("block_low_and_above", "block_medium_and_above", "block_only_high"),
        allow_fallback_model=flag,
    ),
    **FINISHING,
}
"""Bounds of which only the name of the field is published are taken wide."""
