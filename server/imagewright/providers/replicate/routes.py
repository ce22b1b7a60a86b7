"""What Replicate offers for the rows, as data.

Model ids, field names and limits are those of its models' API pages, unless a line says otherwise; what was read
there on 2026-11-26 was read in copies of those pages. What is not confirmed is marked, and can be switched off in the
configuration, see `providers.common.overrides`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imagewright.catalog.row import ANY, AUTO, Limits, OperationName, Scalar
from imagewright.providers.base import SERVED_BY_ENGINE, PictureForm, Price
from imagewright.providers.common.fields import (
    COUNT,
    LEFT_OUT,
    Field,
    FieldsRoute,
    as_in_row,
    pair,
    ratios,
    same,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "replicate"
CHECKED = "2026-11-22"
CHECKED_AGAIN = "2026-11-26"
SEEN = "seen by third parties"
COPIED = "copies of the model's page that agree, the newest of October 2026"
ROUGHLY = "about, not confirmed"
SAME_SHAPE = "match_input_image"
MOST_IN_AND_OUT = 15
"""Pictures in and out of one Seedream call together."""
MOST_IN = 10
NOT_IDEOGRAM = "replicate has no Ideogram reframing: another maker's model, Luma Photon, has extended the picture."

ALL_RATIOS = ("1:1", "4:3", "3:4", "16:9", "9:16")
JPG: dict[Scalar, str] = {"jpeg": "jpg"}
RATIO = Field("aspect_ratio", "aspect_ratio", {AUTO: SAME_SHAPE})
FORMAT = Field("output_format", "output_format", JPG)
GO_FAST = Field("go_fast", "acceleration", {"none": False, "high": True})
SPEEDS = Limits(values=("none", "high"))
"""Its one switch; what lies between has no word there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicateRoute(FieldsRoute):
    """A route with Replicate's spelling."""

    versioned: bool = False
    """Whether the model is a community's: it is run by the id of its version, which is looked up."""


def _price(usd: float, source: str = ROUGHLY) -> Price:
    return Price(usd=usd, source=source, checked=CHECKED)


def _pair(
    tool: str, ids: tuple[str, str], takes: Mapping[str, Limits], image_field: str, **more: Any
) -> tuple[ReplicateRoute, ...]:
    return pair(ReplicateRoute, ids, takes, image_field, provider=NAME, tool=tool, **more)


def _seedream(model: str, longest: int, resolutions: Limits, price: Price) -> tuple[ReplicateRoute, ...]:
    return _pair(
        "bytedance_seedream",
        (model, model),
        {
            # the sentence with the count goes into the same characters
            "prompt": Limits(max_length=longest),
            "resolution": resolutions,
            **as_in_row("images", "aspect_ratio", *SERVED_BY_ENGINE),
        },
        "image_input",
        edit={"counts": tuple(range(1, MOST_IN_AND_OUT - MOST_IN + 1)), "native_auto": True},
        fields=(
            *same("prompt"),
            RATIO,
            Field("size", "resolution"),
            Field("sequential_image_generation", COUNT, {1: LEFT_OUT, **dict.fromkeys(range(2, 7), "auto")}),
            Field("max_images", COUNT, {1: LEFT_OUT}),
        ),
        counts=(1, 2, 3, 4, 5, 6),
        makes_sets=True,
        price=price,
    )


def _qwen() -> tuple[ReplicateRoute, ...]:
    both = (*same("prompt"), RATIO, *same("seed"), GO_FAST, FORMAT)
    takes = {"acceleration": SPEEDS, **as_in_row("prompt", "aspect_ratio", "seed", "output_format", *SERVED_BY_ENGINE)}
    shared: dict[str, Any] = {"provider": NAME, "tool": "qwen", "price": _price(0.03)}
    return (
        ReplicateRoute(
            operation=OperationName.GENERATE,
            model="qwen/qwen-image",
            # both bounds stand in two copies of its API page, read on 2026-11-26
            takes={**takes, "negative_prompt": ANY, "guidance": Limits(maximum=10), "steps": Limits(maximum=50)},
            fields=(*both, *same("negative_prompt", "guidance"), Field("num_inference_steps", "steps")),
            **shared,
        ),
        ReplicateRoute(
            operation=OperationName.EDIT,
            model="qwen/qwen-image-edit-2511",
            takes={**takes, "images": ANY},
            fields=both,
            image_field="image",
            image_list=True,
            native_auto=True,
            **shared,
        ),
    )


def _flux_kontext() -> tuple[ReplicateRoute, ...]:
    plain = ("prompt", "seed", "prompt_upsampling", "safety_tolerance")
    models = {"pro": "black-forest-labs/flux-kontext-pro", "max": "black-forest-labs/flux-kontext-max"}
    return _pair(
        "flux_kontext",
        (models["pro"], models["pro"]),
        as_in_row(*plain, "images", "aspect_ratio", "quality", "output_format", "save_as"),
        "input_image",
        edit={"image_list": False, "native_auto": True},
        model_by="quality",
        models=models,
        fields=(*same(*plain), RATIO, FORMAT),
        price=Price.table_by("quality", "pro", {"pro": 0.04, "max": 0.08}, SEEN, CHECKED),
    )


def _openai_4o() -> tuple[ReplicateRoute, ...]:
    plain = ("prompt", "aspect_ratio", "quality", "output_format")
    takes = as_in_row(*plain, *SERVED_BY_ENGINE)
    prices: dict[Scalar, float] = {"low": 0.012, "medium": 0.047, "high": 0.128}
    return _pair(
        "openai_4o",
        # takes no key of OpenAI's; openai/gpt-image-1 needed one, and was shut down by OpenAI on 2026-10-23
        ("openai/gpt-image-2", "openai/gpt-image-2"),
        takes,
        "input_images",
        edit={"takes": {**takes, "images": ANY, "aspect_ratio": ratios(("1:1", "3:2", "2:3"), auto=True)}},
        # copies of its page disagree on how many pictures one call may make (1 or 10): each is a call of its own
        fields=same(*plain),
        # they disagree on transparent backgrounds too: most say that it makes none, so there is no choice to offer
        fixed={"background": "opaque"},
        price=Price.table_by("quality", "medium", prices, COPIED, CHECKED_AGAIN),
    )


ROUTES: tuple[ReplicateRoute, ...] = (
    *_seedream("bytedance/seedream-4", 5000, ANY, _price(0.03)),
    *_qwen(),
    *_flux_kontext(),
    *_openai_4o(),
    *_pair(
        "nano_banana",
        ("google/nano-banana", "google/nano-banana"),
        as_in_row("prompt", "images", "aspect_ratio", "output_format", "save_as"),
        "image_input",
        edit={"native_auto": True},
        fields=(*same("prompt"), RATIO, FORMAT),
        price=_price(0.039),
    ),
    ReplicateRoute(
        provider=NAME,
        tool="nano_banana",
        operation=OperationName.UPSCALE,
        # the model itself has no enlarger; this one takes any factor to 10
        model="nightmareai/real-esrgan",
        takes=as_in_row("images", "scale", "save_as"),
        fields=(Field("scale", "scale"),),
        # named by the model itself where a run fails for a larger one; quoted by six who met it, read on 2026-11-26
        pictures=PictureForm(max_pixels=2_096_704),
        image_field="image",
        scales=(1, 2, 3, 4),
        versioned=True,
    ),
    ReplicateRoute(
        provider=NAME,
        tool="recraft",
        operation=OperationName.REMOVE_BACKGROUND,
        model="recraft-ai/recraft-remove-background",
        takes=as_in_row("image", "save_as"),
        fields=(),
        image_field="image",
        price=_price(0.01, SEEN),
    ),
    ReplicateRoute(
        provider=NAME,
        tool="ideogram_reframe",
        operation=OperationName.REFRAME,
        model="luma/reframe-image",
        takes={"image": ANY, "aspect_ratio": ratios(ALL_RATIOS), **SERVED_BY_ENGINE},
        fields=(Field("aspect_ratio", "aspect_ratio"),),
        image_field="image",
        note=NOT_IDEOGRAM,
    ),
)
"""Every route; of several for the same operation, the preferred one comes first."""

OTHERS: tuple[ReplicateRoute, ...] = (
    *_seedream("bytedance/seedream-4.5", 4000, Limits(values=("2K", "4K")), Price(usd=None)),
    *_seedream("bytedance/seedream-5-lite", 5000, Limits(values=("2K",)), Price(usd=None)),
)
"""Known models that are not the default, with the limits of their own API pages."""
ALIKE: Mapping[str, Mapping[str, Price]] = {
    "qwen/qwen-image-edit-2511": {"qwen/qwen-image-edit-plus": Price(usd=None)},
    "google/nano-banana": {
        "google/gemini-2.5-flash-image": Price(usd=None),
        # it has a resolution too, which is 1K where it is left out
        "google/nano-banana-2": Price(usd=None),
    },
}
"""Further ids by the default whose fields they take, as the models' API pages list them, with their prices. An id may
name its version too: owner/name: and the 64 characters of the version."""
