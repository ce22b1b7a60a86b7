"""Replicate's models, from the field tables of their API pages: fields, types, limits, what comes back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.emulators.kie_models import choice, decimal, flag, text, whole
from tests.emulators.pictures import of_area
from tests.emulators.tables import MEGAPIXEL, SEED, Fields, Table, by_ratio, enlarged, link, links

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.emulators.kie_models import Check
    from tests.emulators.pictures import Size

NO_LIMIT = 100_000
"""Characters of a prompt, where no limit is published."""
PROMPT = text(NO_LIMIT)
FOLLOW = "match_input_image"
RATIOS = ("1:1", "4:3", "3:4", "3:2", "2:3", "5:4", "4:5", "16:9", "9:16", "21:9", "9:21")
ANY_RATIO = choice(FOLLOW, *RATIOS)
SEEDS = whole(0, SEED)
PNG_JPG = choice("png", "jpg")
SIDES = {"1K": 1, "2K": 2, "4K": 4}


@dataclass(frozen=True)
class Hosted:
    """A model and how it is run."""

    table: Table
    """Its fields."""
    official: bool = True
    """Whether it is run by its name; else only by the id of its version."""
    most_pixels: int | None = None
    """Of an input picture; with more of them the prediction begins, and fails. None for no limit."""


def version_of(name: str) -> str:
    """The id of a model's newest version."""
    return hashlib.sha256(name.encode("utf-8")).hexdigest()


def _seedream_size(fields: Fields, source: Size) -> Size:
    ratio = fields.get("aspect_ratio", FOLLOW)
    if ratio == FOLLOW:
        return source
    return of_area(ratio, MEGAPIXEL * SIDES[fields.get("size", "2K")] ** 2)


def _seedream_count(fields: Fields) -> int:
    return int(fields.get("max_images", 1)) if fields.get("sequential_image_generation") == "auto" else 1


_FOLLOWING = by_ratio("aspect_ratio", follow=(FOLLOW,), usual=FOLLOW)
_QWEN_EDIT: dict[str, Check] = {
    "aspect_ratio": ANY_RATIO,
    "go_fast": flag,
    "seed": SEEDS,
    "output_format": choice("webp", "png", "jpg"),
    "output_quality": whole(0, 100),
    "disable_safety_checker": flag,
}
_GPT_IMAGE: dict[str, Check] = {
    "aspect_ratio": choice("1:1", "3:2", "2:3"),
    "input_images": links(0, 10),
    "quality": choice("auto", "low", "medium", "high"),
    "output_compression": whole(0, 100),
    "output_format": choice("png", "jpeg", "webp"),
    "moderation": choice("auto", "low"),
    "user_id": text(200),
}
_KONTEXT = Table(
    {"prompt": PROMPT},
    {
        "input_image": link,
        "aspect_ratio": ANY_RATIO,
        "seed": SEEDS,
        "prompt_upsampling": flag,
        "output_format": PNG_JPG,
        "safety_tolerance": whole(0, 6),
    },
    images="input_image",
    size=_FOLLOWING,
    form="output_format",
    many=False,
)
"""With an input picture the tolerance goes to 2 only; see `replicate.ReplicateEmulator`."""


def _banana(most: int, **more: Check) -> Table:
    return Table(
        {"prompt": PROMPT},
        {"image_input": links(0, most), "aspect_ratio": ANY_RATIO, "output_format": PNG_JPG, **more},
        images="image_input",
        size=_FOLLOWING,
        form="output_format",
        usual_form="jpg",
        many=False,
    )


MODELS: Mapping[str, Hosted] = {
    "bytedance/seedream-4": Hosted(
        Table(
            {"prompt": PROMPT},
            {
                "image_input": links(0, 10),
                "size": choice("1K", "2K", "4K", "custom"),
                "width": whole(1024, 4096),
                "height": whole(1024, 4096),
                "aspect_ratio": ANY_RATIO,
                "sequential_image_generation": choice("disabled", "auto"),
                "max_images": whole(1, 15),
                "enhance_prompt": flag,
            },
            images="image_input",
            size=_seedream_size,
            count=_seedream_count,
        )
    ),
    "bytedance/seedream-4.5": Hosted(
        Table(
            {"prompt": text(4000)},
            {
                "image_input": links(0, 14),
                "size": choice("2K", "4K", "custom"),
                "width": whole(1024, 4096),
                "height": whole(1024, 4096),
                "aspect_ratio": ANY_RATIO,
                "sequential_image_generation": choice("disabled", "auto"),
                "max_images": whole(1, 15),
                "disable_safety_checker": flag,
            },
            images="image_input",
            size=_seedream_size,
            count=_seedream_count,
        )
    ),
    "bytedance/seedream-5-lite": Hosted(
        Table(
            {"prompt": PROMPT},
            {
                "image_input": links(0, 14),
                "size": choice("2K", "3K"),
                "aspect_ratio": ANY_RATIO,
                "sequential_image_generation": choice("disabled", "auto"),
                "max_images": whole(1, 15),
                "output_format": choice("png", "jpeg"),
            },
            images="image_input",
            size=_seedream_size,
            count=_seedream_count,
        )
    ),
    "qwen/qwen-image": Hosted(
        Table(
            {"prompt": PROMPT},
            {
                **_QWEN_EDIT,
                "aspect_ratio": choice("1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3"),
                "image": link,
                "strength": decimal(0, 1),
                "negative_prompt": text(NO_LIMIT, 0),
                "image_size": choice("optimize_for_quality", "optimize_for_speed"),
                "num_inference_steps": whole(1, 50),
                "guidance": decimal(0, 10),
                "enhance_prompt": flag,
                "lora_weights": text(1000),
                "lora_scale": decimal(0, 3),
            },
            size=by_ratio("aspect_ratio", usual="16:9"),
            form="output_format",
            usual_form="webp",
        )
    ),
    **dict.fromkeys(
        ("qwen/qwen-image-edit-2511", "qwen/qwen-image-edit-plus"),
        Hosted(
            Table(
                {"prompt": PROMPT, "image": links(1, 3)},
                _QWEN_EDIT,
                images="image",
                size=_FOLLOWING,
                form="output_format",
                usual_form="webp",
            )
        ),
    ),
    "black-forest-labs/flux-kontext-pro": Hosted(_KONTEXT),
    "black-forest-labs/flux-kontext-max": Hosted(_KONTEXT),
    "openai/gpt-image-1": Hosted(
        Table(
            {"prompt": PROMPT, "openai_api_key": text(200)},
            {
                **_GPT_IMAGE,
                "number_of_images": whole(1, 10),
                "background": choice("auto", "transparent", "opaque"),
                "input_fidelity": choice("low", "high"),
            },
            images="input_images",
            size=by_ratio("aspect_ratio"),
            count=lambda fields: int(fields.get("number_of_images", 1)),
            form="output_format",
            usual_form="webp",
        )
    ),
    # where copies of its page differ, what all of them take: some have 10 pictures, some transparency, some more ratios
    "openai/gpt-image-2": Hosted(
        Table(
            {"prompt": PROMPT},
            {
                **_GPT_IMAGE,
                "openai_api_key": text(200),
                "number_of_images": whole(1, 1),
                "background": choice("auto", "opaque"),
            },
            images="input_images",
            size=by_ratio("aspect_ratio"),
            form="output_format",
            usual_form="webp",
        )
    ),
    **dict.fromkeys(("google/nano-banana", "google/gemini-2.5-flash-image"), Hosted(_banana(10))),
    "google/nano-banana-2": Hosted(
        _banana(14, resolution=choice("1K", "2K", "4K"), google_search=flag, image_search=flag)
    ),
    "recraft-ai/recraft-remove-background": Hosted(Table({"image": link}, images="image", kind="cut_out", many=False)),
    "nightmareai/real-esrgan": Hosted(
        Table(
            {"image": link},
            {"scale": decimal(0, 10), "face_enhance": flag},
            images="image",
            size=enlarged("scale", 4),
            kind="resize",
            many=False,
        ),
        official=False,
        most_pixels=2_096_704,
    ),
    "luma/reframe-image": Hosted(
        Table(
            {"image": link},
            {
                "aspect_ratio": choice("1:1", "16:9", "9:16", "4:3", "3:4", "21:9", "9:21"),
                "prompt": PROMPT,
                "model": choice("photon-1", "photon-flash-1"),
                "grid_position_x": whole(0, 10_000),
                "grid_position_y": whole(0, 10_000),
            },
            images="image",
            size=by_ratio("aspect_ratio", usual="16:9"),
            many=False,
        )
    ),
}
"""Ratios and bounds of which only the name of the field is published are taken within wide bounds."""
