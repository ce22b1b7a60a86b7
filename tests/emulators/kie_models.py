"""Kie's models as its pages of 2026-08-19 describe them: fields, types, limits, credits, sizes.

Typed from the field tables, on purpose without a look at the provider, so that each checks the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.emulators.pictures import Size, of_area

Check = Callable[[Any], str]
"""What is wrong with a value, in Kie's manner; empty when nothing is."""

NOT_ALLOWED = "is not within the range of allowed options"
MEGAPIXEL = 1024 * 1024


def text(most: int, least: int = 1) -> Check:
    """A text of so many characters."""

    def check(value: Any) -> str:
        if not isinstance(value, str):
            return "must be a string"
        return "" if least <= len(value) <= most else f"length must be between {least} and {most}"

    return check


def choice(*values: Any) -> Check:
    """One of these, of the same JSON type."""

    def check(value: Any) -> str:
        return "" if any(value == one and type(value) is type(one) for one in values) else NOT_ALLOWED

    return check


def whole(least: int, most: int) -> Check:
    """A whole number; a text of one is refused."""

    def check(value: Any) -> str:
        if not isinstance(value, int) or isinstance(value, bool):
            return "must be a number"
        return "" if least <= value <= most else NOT_ALLOWED

    return check


def decimal(least: float, most: float) -> Check:
    """A number."""

    def check(value: Any) -> str:
        if not isinstance(value, int | float) or isinstance(value, bool):
            return "must be a number"
        return "" if least <= value <= most else NOT_ALLOWED

    return check


def link(value: Any) -> str:
    """One http(s) address; data URIs and plain base64 are refused."""
    return "" if isinstance(value, str) and value.startswith(("http://", "https://")) else "must be a public URL"


def links(least: int, most: int) -> Check:
    """A list of addresses."""

    def check(value: Any) -> str:
        if not isinstance(value, list) or any(link(one) for one in value):
            return "must be an array of public URLs"
        return "" if least <= len(value) <= most else f"must hold {least} to {most} images"

    return check


def flag(value: Any) -> str:
    """A boolean."""
    return "" if isinstance(value, bool) else "must be a boolean"


SEED = whole(0, 2**31 - 1)
PIXELS: dict[str, Size] = {
    "square": (512, 512),
    "square_hd": (1024, 1024),
    "portrait_4_3": (768, 1024),
    "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768),
    "landscape_16_9": (1024, 576),
}
SEEDREAM_SHAPES = {
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
BANANA_RATIOS = ("1:1", "9:16", "16:9", "3:4", "4:3", "3:2", "2:3", "5:4", "4:5", "21:9", "auto")
GPT_SIZES: dict[str, Size] = {"1:1": (1024, 1024), "3:2": (1536, 1024), "2:3": (1024, 1536)}
QWEN3_RATIOS = ("1:1", "3:2", "2:3", "3:4", "4:3", "9:16", "16:9", "21:9")
GPT2_RATIOS = (*BANANA_RATIOS, "2:1", "1:2", "3:1", "1:3", "9:21")
GPT2_CREDITS = {"1K": 6.0, "2K": 10.0, "4K": 16.0}
NOT_LARGE = ("auto", "5:4", "4:5", "3:1", "1:3", "9:21")
"""Ratios of GPT Image 2 that are made in 1K only."""


@dataclass(frozen=True)
class Model:
    """One model."""

    required: Mapping[str, Check]
    """Fields that must be there."""
    optional: Mapping[str, Check] = field(default_factory=dict)
    """Fields that may be."""
    credits_for: Callable[[Mapping[str, Any]], float] = lambda _: 5.0
    """What one request costs, from its fields."""
    size: Callable[[Mapping[str, Any], Size], Size] = lambda _fields, source: source
    """Sides of the result from the fields and the first input's sides."""
    count: Callable[[Mapping[str, Any]], int] = lambda _: 1
    """How many pictures it makes."""
    kind: str = "draw"
    """What it does with its first picture."""
    form: str = "png"
    """Field that chooses the file type, or the type itself."""
    images: str = ""
    """Field with the input pictures."""
    random_seed: int | None = None
    """The seed that asks for a random one."""

    def problems(self, fields: Mapping[str, Any]) -> tuple[int, str] | None:
        """The code and words with which Kie refuses the fields; None when it takes them."""
        known = {**self.required, **self.optional}
        if unknown := sorted(set(fields) - set(known)):
            return 422, f"{unknown[0]} is not a known field"
        if missing := [name for name in self.required if name not in fields]:
            return 422, f"{missing[0]}: This field is required"
        for name, value in fields.items():
            if why := known[name](value):
                return (500 if why == NOT_ALLOWED else 422), f"{name} {why}"
        return None


@dataclass(frozen=True)
class GptImage2(Model):
    """GPT Image 2, whose shape and size go together only in part."""

    def problems(self, fields: Mapping[str, Any]) -> tuple[int, str] | None:
        """As every model, with an eye on the two fields together."""
        ratio, resolution = fields.get("aspect_ratio", "auto"), fields.get("resolution", "1K")
        if resolution != "1K" and (ratio in NOT_LARGE or (ratio, resolution) == ("1:1", "4K")):
            return 422, f"{ratio} is not made in {resolution}"
        return Model.problems(self, fields)


def _by_preset(fields: Mapping[str, Any], _source: Size) -> Size:
    return PIXELS[fields.get("image_size", "square_hd")]


def _seedream_size(fields: Mapping[str, Any], _source: Size) -> Size:
    scale = {"1K": 1, "2K": 2, "4K": 4}[fields.get("image_resolution", "1K")]
    return of_area(SEEDREAM_SHAPES[fields.get("image_size", "square_hd")], MEGAPIXEL * scale**2)


def by_ratio(name: str) -> Callable[[Mapping[str, Any], Size], Size]:
    """About a megapixel of the ratio in a field; auto follows the input."""

    def size(fields: Mapping[str, Any], source: Size) -> Size:
        ratio = fields.get(name, "1:1")
        return source if ratio == "auto" else of_area(ratio, MEGAPIXEL)

    return size


_SEEDREAM_OPTIONAL: dict[str, Check] = {
    "image_size": choice(*SEEDREAM_SHAPES),
    "image_resolution": choice("1K", "2K", "4K"),
    "max_images": whole(1, 6),
    "seed": SEED,
    "nsfw_checker": flag,
}
_QWEN_OPTIONAL: dict[str, Check] = {
    "image_size": choice(*PIXELS),
    "guidance_scale": decimal(0, 20),
    "negative_prompt": text(500, 0),
    "seed": SEED,
    "enable_safety_checker": flag,
    "output_format": choice("png", "jpeg"),
    "acceleration": choice("none", "regular", "high"),
}
_BANANA_OPTIONAL: dict[str, Check] = {
    "aspect_ratio": choice(*BANANA_RATIOS),
    "image_size": choice(*BANANA_RATIOS),
    "output_format": choice("png", "jpeg"),
}
_REFRAME_CREDITS = {"TURBO": 3.5, "BALANCED": 7.0, "QUALITY": 10.0}

MARKET: dict[str, Model] = {
    "bytedance/seedream-v4-text-to-image": Model(
        {"prompt": text(5000)},
        _SEEDREAM_OPTIONAL,
        credits_for=lambda fields: 5.0 * fields.get("max_images", 1),
        size=_seedream_size,
        count=lambda fields: int(fields.get("max_images", 1)),
    ),
    "bytedance/seedream-v4-edit": Model(
        {"prompt": text(5000), "image_urls": links(1, 10)},
        _SEEDREAM_OPTIONAL,
        credits_for=lambda fields: 5.0 * fields.get("max_images", 1),
        size=_seedream_size,
        count=lambda fields: int(fields.get("max_images", 1)),
        images="image_urls",
    ),
    "qwen/text-to-image": Model(
        {"prompt": text(5000)},
        {**_QWEN_OPTIONAL, "num_inference_steps": whole(2, 250)},
        credits_for=lambda _: 4.0,
        size=_by_preset,
        form="output_format",
    ),
    "qwen/image-edit": Model(
        {"prompt": text(2000), "image_url": link},
        {
            **_QWEN_OPTIONAL,
            "num_inference_steps": whole(2, 49),
            "num_images": choice("1", "2", "3", "4"),
            "sync_mode": flag,
        },
        credits_for=lambda fields: 5.0 * int(fields.get("num_images", "1")),
        size=lambda fields, _source: PIXELS[fields.get("image_size", "landscape_4_3")],
        count=lambda fields: int(fields.get("num_images", "1")),
        form="output_format",
        images="image_url",
    ),
    "qwen3/image-to-image": Model(
        {"prompt": text(5000), "image_urls": links(1, 3)},
        {
            "image_size": choice(*QWEN3_RATIOS),
            "resolution": choice("1K", "2K"),
            "negative_prompt": text(5000, 0),
            "prompt_extend": flag,
            "seed": SEED,
            "output_format": choice("png", "jpeg"),
        },
        credits_for=lambda _: 4.8,
        size=by_ratio("image_size"),
        form="output_format",
        images="image_urls",
    ),
    "google/nano-banana": Model(
        {"prompt": text(5000)},
        _BANANA_OPTIONAL,
        credits_for=lambda _: 4.0,
        size=by_ratio("aspect_ratio"),
        form="output_format",
    ),
    "google/nano-banana-edit": Model(
        {"prompt": text(5000), "image_urls": links(1, 10)},
        _BANANA_OPTIONAL,
        credits_for=lambda _: 4.0,
        size=by_ratio("aspect_ratio"),
        form="output_format",
        images="image_urls",
    ),
    "topaz/image-upscale": Model(
        {"image_url": link, "upscale_factor": choice("1", "2", "4")},
        credits_for=lambda _: 10.0,
        size=lambda fields, source: (
            source[0] * int(fields["upscale_factor"]),
            source[1] * int(fields["upscale_factor"]),
        ),
        kind="enlarge",
        images="image_url",
    ),
    "recraft/remove-background": Model({"image": link}, credits_for=lambda _: 1.0, kind="cut_out", images="image"),
    "ideogram/v3-reframe": Model(
        {"image_url": link, "image_size": choice(*PIXELS)},
        {
            "rendering_speed": choice("TURBO", "BALANCED", "QUALITY"),
            "style": choice("AUTO", "GENERAL", "REALISTIC", "DESIGN"),
            "num_images": choice("1", "2", "3", "4"),
            "seed": SEED,
        },
        credits_for=lambda fields: (
            _REFRAME_CREDITS[fields.get("rendering_speed", "BALANCED")] * int(fields.get("num_images", "1"))
        ),
        size=_by_preset,
        count=lambda fields: int(fields.get("num_images", "1")),
        images="image_url",
        random_seed=0,
    ),
    "gpt-image-2-text-to-image": GptImage2(
        {"prompt": text(20000)},
        {"aspect_ratio": choice(*GPT2_RATIOS), "resolution": choice("1K", "2K", "4K")},
        credits_for=lambda fields: GPT2_CREDITS[fields.get("resolution", "1K")],
        size=by_ratio("aspect_ratio"),
    ),
    "gpt-image-2-image-to-image": GptImage2(
        {"prompt": text(20000), "input_urls": links(1, 16)},
        {"aspect_ratio": choice(*GPT2_RATIOS), "resolution": choice("1K", "2K", "4K")},
        credits_for=lambda fields: GPT2_CREDITS[fields.get("resolution", "1K")],
        size=by_ratio("aspect_ratio"),
        images="input_urls",
    ),
}

FLUX_KONTEXT = Model(
    {"prompt": text(32000)},
    {
        "model": choice("flux-kontext-pro", "flux-kontext-max"),
        "inputImage": link,
        "aspectRatio": choice("21:9", "16:9", "4:3", "1:1", "3:4", "9:16"),
        "outputFormat": choice("jpeg", "png"),
        "promptUpsampling": flag,
        "safetyTolerance": whole(0, 6),
        "enableTranslation": flag,
        "uploadCn": flag,
        "watermark": text(100),
    },
    credits_for=lambda fields: 10.0 if fields.get("model") == "flux-kontext-max" else 5.0,
    size=lambda fields, source: (
        of_area(fields.get("aspectRatio", "16:9"), MEGAPIXEL)
        if "aspectRatio" in fields or "inputImage" not in fields
        else source
    ),
    form="outputFormat",
    images="inputImage",
)
"""With an input picture the tolerance goes to 2 only; see `kie.KieEmulator`."""

GPT4O = Model(
    {"size": choice("1:1", "3:2", "2:3")},
    {
        "prompt": text(32000),
        "filesUrl": links(1, 5),
        "nVariants": choice(1, 2, 4),
        "maskUrl": link,
    },
    credits_for=lambda fields: {1: 6.0, 2: 7.0, 4: 8.0}[fields.get("nVariants", 1)],
    size=lambda fields, _source: GPT_SIZES[fields["size"]],
    count=lambda fields: int(fields.get("nVariants", 1)),
    images="filesUrl",
)
"""`nVariants` and `maskUrl` as documented until 2025. A prompt is needed where there is no picture."""
