"""The endpoints of fal, from the field tables of its client's types: fields, types, limits, what comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.emulators.kie_models import PIXELS, choice, decimal, flag, text, whole
from tests.emulators.tables import (
    SEED,
    SQUARE,
    Fields,
    Table,
    by_ratio,
    either,
    enlarged,
    link,
    links,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.emulators.kie_models import Check
    from tests.emulators.pictures import Size

NO_LIMIT = 100_000
"""Characters of a prompt, where no limit is published."""
PROMPT = text(NO_LIMIT)
PRESETS = choice(*PIXELS)
SEEDS = whole(0, SEED)
JPEG_PNG = choice("jpeg", "png")
ALL_FORMS = choice("jpeg", "png", "webp")
KONTEXT_RATIOS = ("21:9", "16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16", "9:21")
LONG_RATIOS = ("4:1", "1:4", "8:1", "1:8")
BANANA_RATIOS = ("21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16")
GPT_SIZES = ("1024x1024", "1536x1024", "1024x1536")
TOPAZ_MODELS = ("Standard V2", "Low Resolution V2", "CGI", "High Fidelity V2", "Text Refine", "Recovery", "Wonder")
TOLERANCE = choice("1", "2", "3", "4", "5", "6")


def pixels(least: Size, most: Size, step: int = 1) -> Check:
    """An object of width and height, with so many pixels in all."""
    low, high = least[0] * least[1], most[0] * most[1]

    def check(value: Any) -> str:
        if not isinstance(value, dict) or set(value) != {"width", "height"}:
            return "must be a preset or an object of width and height"
        sides = (value["width"], value["height"])
        if any(type(side) is not int or side % step for side in sides):
            return f"sides must be whole numbers divisible by {step}"
        return "" if low <= sides[0] * sides[1] <= high else f"must have {low} to {high} pixels"

    return check


def _sized(usual: Size) -> Any:
    def size(fields: Fields, source: Size) -> Size:
        asked = fields.get("image_size")
        if isinstance(asked, dict):
            return asked["width"], asked["height"]
        if asked in PIXELS:
            return PIXELS[asked]
        if isinstance(asked, str) and "x" in asked:
            wide, high = asked.split("x")
            return int(wide), int(high)
        return source if asked == "auto" else usual

    return size


def _counted(name: str) -> Any:
    return lambda fields: int(fields.get(name, 1))


def _seedream(least: Size, *, edit: bool, **more: Check) -> Table:
    optional = {
        "image_size": either(PRESETS, choice("auto", "auto_2K", "auto_4K"), pixels(least, (4096, 4096))),
        "num_images": whole(1, 6),
        "max_images": whole(1, 6),
        "seed": SEEDS,
        "enable_safety_checker": flag,
        "sync_mode": flag,
        **more,
    }
    return Table(
        {"prompt": PROMPT, **({"image_urls": links(1, 10)} if edit else {})},
        optional,
        images="image_urls" if edit else "",
        size=_sized((2048, 2048)),
        count=lambda fields: int(fields.get("num_images", 1)) * int(fields.get("max_images", 1)),
        seeded=True,
    )


_QWEN: dict[str, Check] = {
    "image_size": either(PRESETS, pixels((256, 256), (4096, 4096))),
    "num_inference_steps": whole(2, 250),
    "guidance_scale": decimal(0, 20),
    "negative_prompt": text(NO_LIMIT, 0),
    "num_images": whole(1, 4),
    "seed": SEEDS,
    "acceleration": choice("none", "regular", "high"),
    "enable_safety_checker": flag,
    "sync_mode": flag,
}
_KONTEXT: dict[str, Check] = {
    "aspect_ratio": choice(*KONTEXT_RATIOS),
    "num_images": whole(1, 4),
    "guidance_scale": decimal(1, 20),
    "seed": SEEDS,
    "output_format": JPEG_PNG,
    "safety_tolerance": TOLERANCE,
    "enhance_prompt": flag,
    "sync_mode": flag,
}
_GPT: dict[str, Check] = {
    "num_images": whole(1, 4),
    "quality": choice("low", "medium", "high"),
    "background": choice("auto", "transparent", "opaque"),
    "output_format": ALL_FORMS,
    "sync_mode": flag,
}
_GPT_2: dict[str, Check] = {
    "image_size": either(PRESETS, pixels((655360, 1), (8294400, 1), step=16)),
    "quality": choice("auto", "low", "medium", "high"),
    "num_images": whole(1, 4),
    "output_format": ALL_FORMS,
    "sync_mode": flag,
}
_BANANA: dict[str, Check] = {
    "num_images": whole(1, 4),
    "output_format": ALL_FORMS,
    "seed": SEEDS,
    "safety_tolerance": TOLERANCE,
    "limit_generations": flag,
    "sync_mode": flag,
}


def _kontext(*, edit: bool) -> Table:
    return Table(
        {"prompt": PROMPT, **({"image_url": link} if edit else {})},
        _KONTEXT,
        images="image_url" if edit else "",
        size=(lambda fields, source: by_ratio("aspect_ratio")(fields, source) if "aspect_ratio" in fields else source)
        if edit
        else by_ratio("aspect_ratio"),
        count=_counted("num_images"),
        form="output_format",
        usual_form="jpeg",
        seeded=True,
    )


def _seedreams(version: str, least: Size, **more: Check) -> dict[str, Table]:
    start = f"fal-ai/bytedance/seedream/{version}"
    return {
        f"{start}/text-to-image": _seedream(least, edit=False, **more),
        f"{start}/edit": _seedream(least, edit=True, **more),
    }


def _bananas(version: str, sizes: tuple[str, ...], ratios: tuple[str, ...], **more: Check) -> dict[str, Table]:
    """The later models of the family; their pictures are made in 1K here, whatever is asked for."""
    own: dict[str, Check] = {
        **_BANANA,
        "aspect_ratio": choice("auto", *ratios),
        "resolution": choice(*sizes),
        "enable_web_search": flag,
        **more,
    }
    shape = by_ratio("aspect_ratio", follow=("auto",))
    made: dict[str, Any] = {"size": shape, "count": _counted("num_images"), "form": "output_format"}
    start = f"fal-ai/nano-banana-{version}"
    return {
        start: Table({"prompt": PROMPT}, own, **made),
        f"{start}/edit": Table({"prompt": PROMPT, "image_urls": links(1, 14)}, own, images="image_urls", **made),
    }


ENDPOINTS: Mapping[str, Table] = {
    **_seedreams("v4", (960, 960), enhance_prompt_mode=choice("standard", "fast")),
    **_seedreams("v4.5", (2560, 1440)),
    "fal-ai/qwen-image": Table(
        {"prompt": PROMPT},
        {**_QWEN, "output_format": JPEG_PNG, "use_turbo": flag},
        size=_sized(PIXELS["landscape_4_3"]),
        count=_counted("num_images"),
        form="output_format",
        seeded=True,
    ),
    "fal-ai/qwen-image-edit": Table(
        {"prompt": PROMPT, "image_url": link},
        {**_QWEN, "output_format": JPEG_PNG},
        images="image_url",
        size=_sized(SQUARE),
        count=_counted("num_images"),
        form="output_format",
        seeded=True,
    ),
    "fal-ai/qwen-image-edit-2511": Table(
        {"prompt": PROMPT, "image_urls": links(1, 3)},
        {**{name: check for name, check in _QWEN.items() if name != "acceleration"}, "output_format": ALL_FORMS},
        images="image_urls",
        size=_sized(SQUARE),
        count=_counted("num_images"),
        form="output_format",
        seeded=True,
    ),
    **dict.fromkeys(
        ("fal-ai/qwen-image-edit-plus", "fal-ai/qwen-image-edit-2509"),
        Table(
            {"prompt": PROMPT, "image_urls": links(1, 3)},
            {**_QWEN, "output_format": ALL_FORMS},
            images="image_urls",
            size=_sized(SQUARE),
            count=_counted("num_images"),
            form="output_format",
            seeded=True,
        ),
    ),
    "fal-ai/flux-pro/kontext": _kontext(edit=True),
    "fal-ai/flux-pro/kontext/max": _kontext(edit=True),
    "fal-ai/flux-pro/kontext/text-to-image": _kontext(edit=False),
    "fal-ai/flux-pro/kontext/max/text-to-image": _kontext(edit=False),
    "fal-ai/gpt-image-1.5": Table(
        {"prompt": PROMPT},
        {**_GPT, "image_size": choice(*GPT_SIZES)},
        size=_sized(SQUARE),
        count=_counted("num_images"),
        form="output_format",
    ),
    "fal-ai/gpt-image-1.5/edit": Table(
        {"prompt": PROMPT, "image_urls": links(1, 16)},
        {
            **_GPT,
            "image_size": choice("auto", *GPT_SIZES),
            "quality": choice("auto", "low", "medium", "high"),
            "input_fidelity": choice("low", "high"),
            "mask_image_url": link,
        },
        images="image_urls",
        mask="mask_image_url",
        size=_sized(SQUARE),
        count=_counted("num_images"),
        form="output_format",
    ),
    "openai/gpt-image-2": Table(
        {"prompt": PROMPT}, _GPT_2, size=_sized(SQUARE), count=_counted("num_images"), form="output_format"
    ),
    "openai/gpt-image-2/edit": Table(
        {"prompt": PROMPT, "image_urls": links(1, 16)},
        {**_GPT_2, "mask_url": link},
        images="image_urls",
        mask="mask_url",
        size=_sized(SQUARE),
        count=_counted("num_images"),
        form="output_format",
    ),
    "fal-ai/nano-banana": Table(
        {"prompt": PROMPT},
        {**_BANANA, "aspect_ratio": choice(*BANANA_RATIOS)},
        size=by_ratio("aspect_ratio"),
        count=_counted("num_images"),
        form="output_format",
    ),
    "fal-ai/nano-banana/edit": Table(
        {"prompt": PROMPT, "image_urls": links(1, 10)},
        {**_BANANA, "aspect_ratio": choice("auto", *BANANA_RATIOS)},
        images="image_urls",
        size=by_ratio("aspect_ratio", follow=("auto",), usual="auto"),
        count=_counted("num_images"),
        form="output_format",
    ),
    **_bananas(
        "2", ("0.5K", "1K", "2K", "4K"), (*BANANA_RATIOS, *LONG_RATIOS), thinking_level=choice("minimal", "high")
    ),
    **_bananas("pro", ("1K", "2K", "4K"), BANANA_RATIOS),
    "fal-ai/bria/background/remove": Table(
        {"image_url": link}, {"sync_mode": flag}, images="image_url", kind="cut_out", many=False
    ),
    "fal-ai/ideogram/v3/reframe": Table(
        {"image_url": link, "image_size": either(PRESETS, pixels((256, 256), (4096, 4096)))},
        {
            "num_images": whole(1, 8),
            "rendering_speed": choice("TURBO", "BALANCED", "QUALITY"),
            "style": choice("AUTO", "GENERAL", "REALISTIC", "DESIGN"),
            "seed": SEEDS,
            "sync_mode": flag,
        },
        images="image_url",
        size=_sized(SQUARE),
        count=_counted("num_images"),
        seeded=True,
    ),
    "fal-ai/topaz/upscale/image": Table(
        {"image_url": link},
        {
            "upscale_factor": decimal(1, 4),
            "model": choice(*TOPAZ_MODELS),
            "output_format": JPEG_PNG,
            "subject_detection": choice("All", "Foreground", "Background"),
            "face_enhancement": flag,
            "face_enhancement_creativity": decimal(0, 1),
            "face_enhancement_strength": decimal(0, 1),
            "crop_to_fill": flag,
        },
        images="image_url",
        size=enlarged("upscale_factor"),
        kind="resize",
        form="output_format",
        usual_form="jpeg",
        many=False,
        faces="face_enhancement",
    ),
    "fal-ai/clarity-upscaler": Table(
        {"image_url": link},
        {
            "upscale_factor": decimal(1, 4),
            "prompt": text(NO_LIMIT),
            "negative_prompt": text(NO_LIMIT),
            "creativity": decimal(0, 1),
            "resemblance": decimal(0, 1),
            "guidance_scale": decimal(0, 20),
            "num_inference_steps": whole(1, 50),
            "seed": SEEDS,
            "enable_safety_checker": flag,
        },
        images="image_url",
        size=enlarged("upscale_factor"),
        kind="resize",
        many=False,
        seeded=True,
    ),
    "fal-ai/esrgan": Table(
        {"image_url": link},
        {"scale": decimal(1, 8), "model": text(100), "face": flag, "output_format": JPEG_PNG, "tile": whole(0, 4096)},
        images="image_url",
        size=enlarged("scale"),
        kind="resize",
        form="output_format",
        many=False,
    ),
}
"""Fields of which only the name is published are taken within wide bounds."""
