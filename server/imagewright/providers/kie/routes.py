"""What Kie offers for the rows, as data.

Field names, spellings and limits are those of Kie's model pages of 2026-08-19 unless a line says otherwise; prices
are credits that third parties saw charged. What Kie documents no longer is marked, and can be switched off in the
configuration, see `providers.common.overrides`; it also chooses the models of `others` by their ids.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imagewright.catalog.row import ANY, AUTO, Limits, OperationName, Scalar
from imagewright.providers.base import SERVED_BY_ENGINE, PictureForm, Price
from imagewright.providers.kie.body import NAME, Family, KieRoute, Spelling, count_sentence

if TYPE_CHECKING:
    from collections.abc import Mapping

USD_PER_CREDIT = 0.005
CHECKED = "2026-11-22"
SEEN = "credits seen charged by third parties, at 0.005 USD each"
DOUBTFUL = "community tables that disagree, at 0.005 USD a credit"
MASK_DOUBT = (
    "Masks go to kie's older model gpt4o-image, for which kie documented them until 2025 and not since: look whether "
    "only the masked area has changed."
)

PRESETS: dict[Scalar, str] = {
    "1:1": "square_hd",
    "4:3": "landscape_4_3",
    "3:4": "portrait_4_3",
    "16:9": "landscape_16_9",
    "9:16": "portrait_16_9",
}
"""Kie names a portrait by its longer side first: `portrait_4_3` is 3:4."""
SEEDREAM_PRESETS = PRESETS | {"3:2": "landscape_3_2", "2:3": "portrait_3_2", "21:9": "landscape_21_9"}
UPPER_SPEED: dict[Scalar, str] = {speed: speed.upper() for speed in ("turbo", "balanced", "quality")}
UPPER_STYLE: dict[Scalar, str] = {style: style.upper() for style in ("auto", "general", "realistic", "design")}
GPT_RATIOS = ("1:1", "3:2", "2:3")


def credits_each(each: float, source: str = SEEN) -> Price:
    """The price of a picture in USD, from Kie's credits."""
    return Price(usd=round(each * USD_PER_CREDIT, 6), source=source, checked=CHECKED)


def credits_by(argument: str, usual: Scalar, table: Mapping[Scalar, float], source: str = SEEN) -> Price:
    """The same by the values of an argument; `usual` is what is charged where the table lacks one."""
    usd = {value: round(each * USD_PER_CREDIT, 6) for value, each in table.items()}
    return Price(usd=usd[usual], by=argument, table=usd, source=source, checked=CHECKED)


def ratios(known: Mapping[Scalar, str] | tuple[str, ...], *, auto: bool = False) -> Limits:
    """The ratios a model has, and `auto` where the engine finds the nearest of them."""
    return Limits(values=(AUTO, *known) if auto else tuple(known))


def _seedream() -> tuple[KieRoute, ...]:
    shared: dict[str, Any] = {
        "provider": NAME,
        "tool": "bytedance_seedream",
        "spelt": {
            "prompt": Spelling("prompt"),
            "aspect_ratio": Spelling("image_size", SEEDREAM_PRESETS),
            "resolution": Spelling("image_resolution"),
            "seed": Spelling("seed"),
        },
        "counts": (1, 2, 3, 4, 5, 6),
        "count_field": Spelling("max_images"),
        "say_count": True,
        "price": credits_each(5),
    }
    # the sentence with the count goes into the same 5000 characters
    prompt = Limits(max_length=5000 - len(count_sentence(6)))
    takes = {"prompt": prompt, "resolution": ANY, "seed": ANY, **SERVED_BY_ENGINE}
    return (
        KieRoute(
            operation=OperationName.GENERATE,
            model="bytedance/seedream-v4-text-to-image",
            takes={**takes, "aspect_ratio": ratios(SEEDREAM_PRESETS)},
            **shared,
        ),
        KieRoute(
            operation=OperationName.EDIT,
            model="bytedance/seedream-v4-edit",
            takes={**takes, "images": ANY, "aspect_ratio": ratios(SEEDREAM_PRESETS, auto=True)},
            image_field="image_urls",
            image_list=True,
            **shared,
        ),
    )


def _qwen() -> tuple[KieRoute, ...]:
    shape = Spelling("image_size", PRESETS)
    sampling = {
        "seed": Spelling("seed"),
        "negative_prompt": Spelling("negative_prompt"),
        "guidance": Spelling("guidance_scale"),
        "steps": Spelling("num_inference_steps"),
        "acceleration": Spelling("acceleration"),
        "output_format": Spelling("output_format"),
    }
    shared: dict[str, Any] = {"provider": NAME, "tool": "qwen"}
    return (
        KieRoute(
            operation=OperationName.GENERATE,
            model="qwen/text-to-image",
            takes={
                "prompt": ANY,
                "aspect_ratio": ratios(PRESETS),
                **dict.fromkeys(sampling, ANY),
                **SERVED_BY_ENGINE,
            },
            spelt={"prompt": Spelling("prompt"), "aspect_ratio": shape, **sampling},
            price=credits_each(4),
            **shared,
        ),
        KieRoute(
            operation=OperationName.EDIT,
            model="qwen/image-edit",
            takes={
                "prompt": ANY,
                "images": Limits(max_items=1),
                "aspect_ratio": ratios(PRESETS, auto=True),
                **dict.fromkeys(sampling, ANY),
                **SERVED_BY_ENGINE,
            },
            spelt={"prompt": Spelling("prompt"), "aspect_ratio": shape, **sampling},
            image_field="image_url",
            counts=(1, 2, 3, 4),
            count_field=Spelling("num_images", text=True),
            price=credits_each(5),
            **shared,
        ),
        KieRoute(
            operation=OperationName.EDIT,
            # the only model of the family that takes several pictures; for one the model above has more controls
            model="qwen3/image-to-image",
            takes={
                "prompt": ANY,
                "images": Limits(min_items=2),
                # written as ratios; of the eight it has, the row's five
                "aspect_ratio": ratios(PRESETS, auto=True),
                "seed": ANY,
                "negative_prompt": ANY,
                "output_format": ANY,
                **SERVED_BY_ENGINE,
            },
            spelt={
                "prompt": Spelling("prompt"),
                "aspect_ratio": Spelling("image_size"),
                "seed": Spelling("seed"),
                "negative_prompt": Spelling("negative_prompt"),
                "output_format": Spelling("output_format"),
            },
            image_field="image_urls",
            image_list=True,
            price=credits_each(4.8),
            **shared,
        ),
    )


def _flux_kontext() -> tuple[KieRoute, ...]:
    spelt = {
        "prompt": Spelling("prompt"),
        # in an edit, the picture's own shape is kept by leaving the field out
        "aspect_ratio": Spelling("aspectRatio", {AUTO: ""}),
        "safety_tolerance": Spelling("safetyTolerance"),
        "prompt_upsampling": Spelling("promptUpsampling"),
        "output_format": Spelling("outputFormat"),
    }
    shared: dict[str, Any] = {
        "provider": NAME,
        "tool": "flux_kontext",
        "family": Family.FLUX_KONTEXT,
        "model": "flux-kontext-pro",
        "model_by": "quality",
        "models": {"pro": "flux-kontext-pro", "max": "flux-kontext-max"},
        "spelt": spelt,
        "price": credits_by("quality", "pro", {"pro": 5, "max": 10}, DOUBTFUL),
    }
    takes = {**dict.fromkeys(spelt, ANY), "quality": ANY, "save_as": ANY}
    return (
        KieRoute(
            operation=OperationName.GENERATE,
            takes=takes,
            **shared,
        ),
        KieRoute(
            operation=OperationName.EDIT,
            takes={**takes, "images": ANY},
            image_field="inputImage",
            native_auto=True,
            **shared,
        ),
    )


def _openai_4o() -> tuple[KieRoute, ...]:
    # as on its two pages of 2026-08-19: it has no quality, no mask and no count, and makes every ratio in 1K
    shared: dict[str, Any] = {
        "provider": NAME,
        "tool": "openai_4o",
        "spelt": {"prompt": Spelling("prompt"), "aspect_ratio": Spelling("aspect_ratio")},
        "fixed": {"resolution": "1K"},
        "price": Price(usd=0.03, source="6 credits for 1K, in a copy of Kie's price list", checked="2026-11-26"),
    }
    takes = {"prompt": Limits(max_length=20_000), **SERVED_BY_ENGINE}
    masked = gpt4o(OperationName.EDIT)
    return (
        KieRoute(
            operation=OperationName.GENERATE,
            model="gpt-image-2-text-to-image",
            takes={**takes, "aspect_ratio": ratios(GPT_RATIOS)},
            **shared,
        ),
        KieRoute(
            operation=OperationName.EDIT,
            model="gpt-image-2-image-to-image",
            takes={**takes, "images": ANY, "aspect_ratio": ratios(GPT_RATIOS, auto=True)},
            image_field="input_urls",
            image_list=True,
            **shared,
        ),
        # the only model of Kie's that was ever documented with a mask; held to what the others take of the rest, as
        # one limit is shown for all edits
        replace(masked, needs=("mask",), takes={**masked.takes, **takes}),
    )


def gpt4o(operation: OperationName) -> KieRoute:
    """The older 4o interface. Kie keeps it under its old models; it runs on GPT Image 1, shut down on 2026-10-23."""
    edit = operation is OperationName.EDIT
    takes = {"prompt": ANY, "aspect_ratio": ratios(GPT_RATIOS, auto=edit), **SERVED_BY_ENGINE}
    return KieRoute(
        provider=NAME,
        tool="openai_4o",
        operation=operation,
        model="gpt4o-image",
        family=Family.GPT4O,
        takes={**takes, "images": ANY, "mask": ANY} if edit else takes,
        pictures=PictureForm(mask="black_is_repainted" if edit else None),
        spelt={"prompt": Spelling("prompt"), "aspect_ratio": Spelling("size")},
        image_field="filesUrl" if edit else "",
        image_list=edit,
        mask_field="maskUrl" if edit else "",
        # documented until 2025 and never with 3; one picture, what is documented still, is asked for by leaving it out
        counts=(1, 2, 4),
        count_field=Spelling("nVariants", {1: ""}),
        price=credits_each(6),
    )


def _nano_banana() -> tuple[KieRoute, ...]:
    shared: dict[str, Any] = {"provider": NAME, "tool": "nano_banana"}
    own: dict[str, Any] = {
        "spelt": {
            "prompt": Spelling("prompt"),
            "aspect_ratio": Spelling("aspect_ratio"),
            "output_format": Spelling("output_format"),
        },
        "price": credits_each(4),
    }
    takes = {"prompt": ANY, "aspect_ratio": ANY, "output_format": ANY, "save_as": ANY}
    return (
        KieRoute(
            operation=OperationName.GENERATE,
            model="google/nano-banana",
            takes=takes,
            **own,
            **shared,
        ),
        KieRoute(
            operation=OperationName.EDIT,
            model="google/nano-banana-edit",
            takes={**takes, "images": ANY},
            image_field="image_urls",
            image_list=True,
            native_auto=True,
            **own,
            **shared,
        ),
        KieRoute(
            operation=OperationName.UPSCALE,
            # Kie has dropped the model's own enlarger; this one makes 1, 2 and 4 times
            model="topaz/image-upscale",
            takes={"images": ANY, "scale": ANY, "save_as": ANY},
            spelt={"scale": Spelling("upscale_factor", text=True)},
            image_field="image_url",
            scales=(1, 2, 4),
            largest_side=20_000,
            # charged by the size that comes out; as for a picture of 1K that is enlarged
            price=credits_by("scale", 2, {1: 10, 2: 10, 4: 20}, DOUBTFUL),
            **shared,
        ),
    )


ROUTES: tuple[KieRoute, ...] = (
    *_seedream(),
    *_qwen(),
    *_flux_kontext(),
    *_openai_4o(),
    *_nano_banana(),
    KieRoute(
        provider=NAME,
        tool="recraft",
        operation=OperationName.REMOVE_BACKGROUND,
        model="recraft/remove-background",
        takes={"image": ANY, "save_as": ANY},
        spelt={},
        image_field="image",
        price=credits_each(1),
    ),
    KieRoute(
        provider=NAME,
        tool="ideogram_reframe",
        operation=OperationName.REFRAME,
        # documented in 2025, seen at work in June 2026, missing from the pages of August 2026
        model="ideogram/v3-reframe",
        takes={
            "image": ANY,
            "aspect_ratio": ratios(PRESETS),
            "rendering_speed": ANY,
            "style": ANY,
            "seed": Limits(minimum=1),  # 0 asks for a random one
            **SERVED_BY_ENGINE,
        },
        spelt={
            "aspect_ratio": Spelling("image_size", PRESETS),
            "rendering_speed": Spelling("rendering_speed", UPPER_SPEED),
            "style": Spelling("style", UPPER_STYLE),
            "seed": Spelling("seed"),
        },
        image_field="image_url",
        counts=(1, 2, 3, 4),
        count_field=Spelling("num_images", text=True),
        price=credits_by("rendering_speed", "balanced", {"turbo": 3.5, "balanced": 7, "quality": 10}),
    ),
)
"""Every route, the ones to take first first."""
