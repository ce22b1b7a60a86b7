"""Kie's editions of Qwen, each with exactly its own fields: one name of a field means two things in two of them.

Typed as in `kie_editions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.emulators.kie_models import (
    MEGAPIXEL,
    PIXELS,
    RATIOS8,
    SEED,
    TYPES,
    Check,
    Inputs,
    Model,
    by_preset,
    choice,
    credits_by,
    decimal,
    flag,
    flat,
    link,
    links,
    own,
    shaped,
    text,
    times,
    whole,
)
from tests.emulators.pictures import of_area

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.emulators.kie_models import Fields
    from tests.emulators.pictures import Size


def _qwen1(prompt: int, steps: int, usual_size: str, per_megapixel: float, **more: Check) -> Model:
    pictures = {name: more.pop(name) for name in ("image_url",) if name in more}

    def cost(fields: Fields, _pictures: Sequence[Size]) -> float:
        wide, high = PIXELS[fields.get("image_size", usual_size)]
        return per_megapixel * max(1, round(wide * high / MEGAPIXEL))  # how it is rounded is not documented

    return Model(
        {"prompt": text(prompt), **pictures},
        {
            "image_size": choice(*PIXELS),
            "guidance_scale": decimal(0, 20),
            "num_inference_steps": whole(2, steps),
            "negative_prompt": text(500, 0),
            "seed": SEED,
            "enable_safety_checker": flag,
            "acceleration": choice("none", "regular", "high"),
            "nsfw_checker": flag,
            **TYPES,
            **more,
        },
        credits_for=times(cost, "num_images"),
        size=lambda fields, source: by_preset({"image_size": usual_size, **fields}, source),
        count=lambda fields: int(fields.get("num_images", "1")),
        form="output_format",
        images=next(iter(pictures), ""),
        inputs=Inputs(megabytes=10),
    )


def _qwen2(*ratios: str, **pictures: Check) -> Model:
    return Model(
        {"prompt": text(800), **pictures},
        {"image_size": choice(*ratios), "seed": SEED, "nsfw_checker": flag, **TYPES},
        credits_for=flat(5.6),
        size=lambda fields, _source: of_area(fields.get("image_size", "16:9"), MEGAPIXEL, 16),
        form="output_format",
        images=next(iter(pictures), ""),
        inputs=Inputs(megabytes=10),
    )


def _one_masked(fields: Fields) -> str:
    """White is repainted; the ratio and the rewriting are then ignored."""
    if "mask_url" in fields and len(fields["image_urls"]) != 1:
        return "mask_url needs exactly one image"
    return "a mask and a transparent background exclude each other" if _transparent(fields, "mask_url") else ""


def _clear_jpeg(fields: Fields) -> str:
    jpeg = fields.get("output_format", "png") == "jpeg"
    return "a transparent background needs png or webp" if jpeg and _transparent(fields, "background") else ""


def _transparent(fields: Fields, beside: str) -> bool:
    return fields.get("background") == "transparent" and beside in fields


def _qwen21(auto: tuple[str, ...] = (), **pictures: Check) -> Model:
    ratios = (*auto, "1:1", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16", "21:9", "9:21")
    return Model(
        {"prompt": text(5000), **pictures},
        {
            "aspect_ratio": choice(*ratios),
            "resolution": choice("1K", "2K"),
            "background": choice("opaque", "transparent"),
            "output_format": choice("png", "webp", "jpeg"),
            "enhance_prompt": flag,
            "seed": SEED,
            "nsfw_checker": flag,
            **({"mask_url": link} if pictures else {}),
        },
        credits_for=credits_by("resolution", "1K", {"1K": 4.0, "2K": 8.0}),  # its page of 2026-10-07
        size=shaped("aspect_ratio", "resolution", own("1K", "2K"), "1K"),
        form="output_format",
        images=next(iter(pictures), ""),
        inputs=Inputs(megapixels=25),
        rules=(_one_masked, _clear_jpeg),
        rewrites="enhance_prompt",
    )


def _qwen3(cost: Mapping[str, float], **pictures: Check) -> Model:
    return Model(
        {"prompt": text(5000), **pictures},
        {
            "image_size": choice(*RATIOS8),
            "resolution": choice("1K", "2K"),
            "negative_prompt": text(5000, 0),
            "prompt_extend": flag,
            "seed": SEED,
            "nsfw_checker": flag,
            **TYPES,
        },
        credits_for=credits_by("resolution", "1K", cost, more=0.5),
        size=lambda fields, source: shaped("image_size", "resolution", own("1K", "2K"), "1K")(
            {"image_size": "16:9", **fields}, source
        ),
        form="output_format",
        images=next(iter(pictures), ""),
        inputs=Inputs(megabytes=10),
        usual_seed=1,
        rewrites="prompt_extend",
    )


COUNTS = choice("1", "2", "3", "4")
Q3, Q3_PRO = {"1K": 4.8, "2K": 4.8}, {"1K": 6.4, "2K": 12.0}
QWEN = {
    "qwen/text-to-image": _qwen1(5000, 250, "square_hd", 4),
    "qwen/image-edit": _qwen1(2000, 49, "landscape_4_3", 5, image_url=link, num_images=COUNTS, sync_mode=flag),
    # its page's list of ids wrongly names the other one; its example is right
    "qwen2/text-to-image": _qwen2("1:1", "3:4", "4:3", "9:16", "16:9"),
    "qwen2/image-edit": _qwen2(*RATIOS8, image_url=link),
    "qwen2-1/text-to-image": _qwen21(),
    "qwen2-1/image-to-image": _qwen21(("auto",), image_urls=links(1, 10)),
    "qwen3/text-to-image": _qwen3(Q3),
    "qwen3/image-to-image": _qwen3(Q3, image_urls=links(1, 3)),
    "qwen3/pro-text-to-image": _qwen3(Q3_PRO),
    "qwen3/pro-image-to-image": _qwen3(Q3_PRO, image_urls=links(1, 3)),
}
