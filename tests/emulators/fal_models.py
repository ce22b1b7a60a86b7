"""The endpoints of fal: fields, types, limits, what comes back and what it costs.

Fields are those of the vendor's own client types (its repository of 2026-08-02) and of its model pages where an
endpoint is younger; limits and prices are those of its pages, read on 2026-11-26. Fields of which only the name is
published are taken within wide bounds. The answer's file type is the one it makes when it is not asked for another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.emulators.fal_fields import (
    ALL_FORMS,
    AREA_1K,
    AREA_2K,
    AREA_4K,
    CHECKED,
    JPEG_PNG,
    NO_LIMIT,
    PRESETS,
    PROMPT,
    SEEDS,
    SYNC,
    TOLERANCE,
    FalTable,
    above,
    both,
    count_in,
    each,
    each_by,
    per_megapixel,
    per_started,
    pixels,
    see_through,
    sized,
)
from tests.emulators.fal_others import BANANAS, GPTS, TWINS
from tests.emulators.kie_models import PIXELS, choice, decimal, flag, text, whole
from tests.emulators.tables import SQUARE, Wrong, by_ratio, either, enlarged, link, links

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.emulators.fal_fields import Charge
    from tests.emulators.kie_models import Check
    from tests.emulators.tables import Fields

# Seedream

_SERIES: Mapping[str, Check] = {"num_images": whole(1, 6), "max_images": whole(1, 6), **CHECKED}
_SINGLE: Mapping[str, Check] = {"num_images": whole(1, 6), "output_format": JPEG_PNG, **CHECKED}
_SEEDREAM_IN: Mapping[str, Check] = {"image_urls": links(1, 10)}
"""Of more, the vendor takes the last ten."""
_V4 = either(PRESETS, choice("auto", "auto_2K", "auto_4K"), pixels(960 * 960, AREA_4K))
# where a size is outside, the vendor scales it: asked and arrived then differ
_V45 = either(PRESETS, choice("auto_2K", "auto_4K"), pixels(2560 * 1440, AREA_4K, both=(1920, 4096)))
_LITE = either(PRESETS, choice("auto_2K", "auto_3K", "auto_4K"), pixels(2560 * 1440, AREA_4K))
_PRO = either(PRESETS, choice("auto_1K", "auto_2K"), pixels(AREA_1K, AREA_2K, widest=16))
_V55 = either(PRESETS, choice("auto_1K", "auto_1.5K", "auto_2K"), pixels(AREA_1K, AREA_2K, widest=16))


def _fifteen(fields: Fields) -> Wrong | None:
    """What holds for the models that make sets."""
    made = fields.get("num_images", 1) * fields.get("max_images", 1)
    much = "max_images" in fields and "image_urls" in fields and len(fields["image_urls"]) + made > 15
    return Wrong("max_images", "value_error", "inputs and outputs must not exceed 15") if much else None


def _seedreams(start: str, optional: Mapping[str, Check], charge: Charge, **made: Any) -> dict[str, FalTable]:
    series = "max_images" in optional
    return both(
        (f"{start}/text-to-image", f"{start}/edit"),
        optional,
        {},
        required=_SEEDREAM_IN,
        size=sized((2048, 2048)),
        count=lambda fields: int(fields.get("num_images", 1)) * int(fields.get("max_images", 1)),
        charge=charge,
        form="png" if series else "output_format",
        usual_form="png" if series else "jpeg",
        seeded=series,
        clash=_fifteen,
        **made,
    )


_V5 = "bytedance/seedream/v5"
_SEEDREAM: Mapping[str, FalTable] = {
    **_seedreams(
        "fal-ai/bytedance/seedream/v4",
        {"image_size": _V4, "seed": SEEDS, "enhance_prompt_mode": choice("standard", "fast"), **_SERIES},
        each(0.03),
    ),
    **_seedreams("fal-ai/bytedance/seedream/v4.5", {"image_size": _V45, "seed": SEEDS, **_SERIES}, each(0.04)),
    # the seed is in the answer only
    **_seedreams(f"{_V5}/lite", {"image_size": _LITE, **_SERIES}, each(0.035), measured=False),
    **_seedreams(
        f"{_V5}/pro", {"image_size": _PRO, **_SINGLE}, above(1536 * 1536, 0.0675, 0.135, further_input=0.0045)
    ),
    **_seedreams(f"{_V5}/flash", {"image_size": _PRO, **_SINGLE}, each(0.027)),
    # its fields are those of one who resells it under fal's names; of its edits nothing is known
    "bytedance/seedream/v5.5/text-to-image": FalTable(
        {"prompt": text(32_000)},
        {"image_size": _V55, "background": choice("auto", "opaque", "transparent"), **_SINGLE},
        size=sized((2048, 2048)),
        count=count_in("num_images"),
        form="output_format",
        usual_form="jpeg",
        charge=above(2_610_000, 0.03, 0.0405),
        clash=see_through,
    ),
}

# Qwen

_QWEN: Mapping[str, Check] = {
    "image_size": either(PRESETS, pixels(256 * 256, AREA_4K)),
    "negative_prompt": text(NO_LIMIT, 0),
    "num_images": whole(1, 4),
    "seed": SEEDS,
    "acceleration": choice("none", "regular", "high"),
    **CHECKED,
}
_QWEN_3: Mapping[str, Check] = {
    "image_size": either(PRESETS, pixels(512 * 512, AREA_2K, widest=8)),
    "negative_prompt": text(500, 0),
    "num_images": whole(1, 6),
    "seed": SEEDS,
    "output_format": ALL_FORMS,
    "enable_prompt_expansion": flag,
    **CHECKED,
}
_FIELDS_MADE: Mapping[str, Any] = {"count": count_in("num_images"), "form": "output_format", "seeded": True}
_QWENS: Mapping[str, FalTable] = {
    "fal-ai/qwen-image": FalTable(
        {"prompt": PROMPT},
        {
            **_QWEN,
            "num_inference_steps": whole(2, 250),
            "guidance_scale": decimal(0, 20),
            "output_format": JPEG_PNG,
            "use_turbo": flag,
        },
        size=sized(PIXELS["landscape_4_3"]),
        charge=per_megapixel(0.02),
        **_FIELDS_MADE,
    ),
    "fal-ai/qwen-image-edit": FalTable(
        {"prompt": PROMPT, "image_url": link},
        {
            **_QWEN,
            "num_inference_steps": whole(2, 250),
            "guidance_scale": decimal(0, 20),
            "output_format": JPEG_PNG,
        },
        images="image_url",
        size=sized("auto"),
        charge=per_megapixel(0.03),
        off={"acceleration": "none"},
        **_FIELDS_MADE,
    ),
    "fal-ai/qwen-image-edit-2511": FalTable(
        {"prompt": PROMPT, "image_urls": links(1, 3)},
        {
            **_QWEN,
            "num_inference_steps": whole(1, 50),
            "guidance_scale": decimal(1, 20),
            "output_format": ALL_FORMS,
        },
        images="image_urls",
        size=sized("auto"),
        charge=per_megapixel(0.03),
        off={"acceleration": "none"},
        **_FIELDS_MADE,
    ),
    "alibaba/qwen-image-3/text-to-image": FalTable(
        {"prompt": text(5000)},
        _QWEN_3,
        size=sized(SQUARE),
        charge=above(AREA_1K, 0.04, 0.075),
        off={"enable_prompt_expansion": False},
        **_FIELDS_MADE,
    ),
    "alibaba/qwen-image-3/edit": FalTable(
        {"prompt": text(5000), "image_urls": links(1, 3)},
        _QWEN_3,
        images="image_urls",
        size=sized(SQUARE),
        charge=above(AREA_1K, 0.04, 0.075),
        off={"enable_prompt_expansion": False},
        input_sides=(384, 2048),
        input_alpha=False,
        **_FIELDS_MADE,
    ),
}

# Kontext

_KONTEXT: Mapping[str, Check] = {
    "aspect_ratio": choice("21:9", "16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16", "9:21"),
    "num_images": whole(1, 4),
    "guidance_scale": decimal(1, 20),
    "seed": SEEDS,
    "output_format": JPEG_PNG,
    "safety_tolerance": TOLERANCE,
    "enhance_prompt": flag,
    **SYNC,
}


def _kontexts(model: str, usd: float) -> dict[str, FalTable]:
    made: dict[str, Any] = {**_FIELDS_MADE, "usual_form": "jpeg", "charge": each(usd)}
    shaped = by_ratio("aspect_ratio")
    return {
        model: FalTable(
            {"prompt": PROMPT, "image_url": link},
            _KONTEXT,
            images="image_url",
            size=lambda fields, source: shaped(fields, source) if "aspect_ratio" in fields else source,
            **made,
        ),
        f"{model}/text-to-image": FalTable({"prompt": PROMPT}, _KONTEXT, size=shaped, **made),
    }


# one picture in, one picture out

_TOPAZ: Mapping[str, Check] = {
    "upscale_factor": decimal(1, 4),
    "output_format": JPEG_PNG,
    "subject_detection": choice("All", "Foreground", "Background"),
    "face_enhancement": flag,
    "face_enhancement_creativity": decimal(0, 1),
    "face_enhancement_strength": decimal(0, 1),
    "crop_to_fill": flag,
    "sharpen": decimal(0, 1),
    "denoise": decimal(0, 1),
    "fix_compression": decimal(0, 1),
    "strength": decimal(0.01, 1),
}
_PRECISE = ("Standard V2", "High Fidelity V2", "Low Resolution V2", "CGI", "Text Refine")
_ENLARGED: Mapping[str, Any] = {"images": "image_url", "kind": "resize", "many": False}


def _topaz(*models: str) -> FalTable:
    return FalTable(
        {"image_url": link},
        {**_TOPAZ, "model": choice(*models)},
        size=enlarged("upscale_factor"),
        form="output_format",
        usual_form="jpeg",
        faces="face_enhancement",
        off={"face_enhancement": False},
        keeps_alpha=False,
        charge=per_started(0.08, 24),
        **_ENLARGED,
    )


_UTILITIES: Mapping[str, FalTable] = {
    "topaz/upscale/image/precision": _topaz(*_PRECISE, "High Fidelity V3", "Faces"),
    # no longer listed since August 2026, and said to answer still
    "fal-ai/topaz/upscale/image": _topaz(*_PRECISE, "Wonder 3", "Wonder", "Standard MAX", "Redefine", "Recovery V2"),
    # four times, whatever is asked
    "topaz/upscale/image/transparent": FalTable(
        {"image_url": link},
        {"output_format": choice("png")},
        size=enlarged("", 4),
        charge=per_started(0.08, 24),
        **_ENLARGED,
    ),
    "fal-ai/clarity-upscaler": FalTable(
        {"image_url": link},
        {
            "upscale_factor": decimal(1, 4),
            "prompt": PROMPT,
            "negative_prompt": PROMPT,
            "creativity": decimal(0, 1),
            "resemblance": decimal(0, 1),
            "guidance_scale": decimal(0, 20),
            "num_inference_steps": whole(1, 50),
            "seed": SEEDS,
            "enable_safety_checker": flag,
        },
        size=enlarged("upscale_factor"),
        seeded=True,
        keeps_alpha=False,
        charge=per_megapixel(0.03),
        **_ENLARGED,
    ),
    "fal-ai/esrgan": FalTable(
        {"image_url": link},
        {"scale": decimal(1, 8), "model": text(100), "face": flag, "output_format": JPEG_PNG, "tile": whole(0, 4096)},
        size=enlarged("scale"),
        form="output_format",
        keeps_alpha=False,  # not published
        **_ENLARGED,
    ),
    "fal-ai/bria/background/remove": FalTable(
        {"image_url": link}, SYNC, images="image_url", kind="cut_out", many=False, charge=each(0.018)
    ),
    "fal-ai/ideogram/v3/reframe": FalTable(
        {"image_url": link, "image_size": either(PRESETS, pixels(256 * 256, AREA_4K))},
        {
            "num_images": whole(1, 8),
            "rendering_speed": choice("TURBO", "BALANCED", "QUALITY"),
            "style": choice("AUTO", "GENERAL", "REALISTIC", "DESIGN"),
            "seed": SEEDS,
            "image_urls": links(1, 10),  # pictures of a style, not what is reframed
            **SYNC,
        },
        images="image_url",
        size=sized(SQUARE),
        count=count_in("num_images"),
        seeded=True,
        charge=each_by("rendering_speed", "BALANCED", {"TURBO": 0.03, "BALANCED": 0.06, "QUALITY": 0.09}),
    ),
}

ENDPOINTS: Mapping[str, FalTable] = {
    **_SEEDREAM,
    **_QWENS,
    **_kontexts("fal-ai/flux-pro/kontext", 0.04),
    **_kontexts("fal-ai/flux-pro/kontext/max", 0.08),
    **GPTS,
    **BANANAS,
    **{twin: BANANAS[model] for twin, model in TWINS.items()},
    **_UTILITIES,
}


def elsewhere(model: str) -> bool:
    """Whether an id is a known one with a wrong owner in front of it, such as `fal-ai/`, or without the right one."""
    bare = model.partition("/")[2]
    return model not in ENDPOINTS and any(
        known == bare or known.partition("/")[2] in (model, bare) for known in ENDPOINTS
    )
