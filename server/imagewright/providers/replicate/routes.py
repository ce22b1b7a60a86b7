"""What Replicate offers for the rows, as data.

Model ids, field names, values and limits are those of the models' own schemas, read in copies on 2026-11-26; R marks a
model of which only third parties' readings of the schema were found, which agree. What is not confirmed says so, and
can be switched off in the configuration, see `providers.common.overrides`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagewright.catalog.row import ANY, AUTO, Limits, OperationName, Scalar
from imagewright.providers.base import SERVED_BY_ENGINE, PictureForm, Price
from imagewright.providers.common.fields import COUNT, LEFT_OUT, Field, as_in_row, ratios, same
from imagewright.providers.replicate.kinds import BILLED, CHECKED, READ, ROUGHLY, both, by, flat, one

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.providers.replicate.kinds import ReplicateRoute

SAME_SHAPE = "match_input_image"
MOST_IN_AND_OUT = 15
"""Pictures in and out of one Seedream call together."""
MOST_IN = 10
LUMA = "replicate has no Ideogram reframing: another maker's model, Luma Photon, has extended the picture."
BRIA = "replicate has no Ideogram reframing: another maker's model, Bria Expand, has extended the picture."
ALPHA_DOUBT = "Whether this enlarger keeps transparent parts is not confirmed: look at them if the picture has any."

RATIO = Field("aspect_ratio", "aspect_ratio", {AUTO: SAME_SHAPE})
FORMAT = Field("output_format", "output_format", {"jpeg": "jpg"})
SEQUENTIAL = Field("sequential_image_generation", COUNT, {1: LEFT_OUT, **dict.fromkeys(range(2, 7), "auto")})
QWEN_RATIOS = ("1:1", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16")
GPT_RATIOS = ("1:1", "3:2", "2:3", "4:3", "3:4", "16:9", "9:16")
GPT_SIZES: dict[tuple[Scalar, Scalar], str] = {
    **{(ratio, "1K"): ratio for ratio in GPT_RATIOS},
    ("1:1", "2K"): "2048x2048",
    ("16:9", "2K"): "2048x1152",
    ("9:16", "2K"): "1152x2048",
    ("16:9", "4K"): "3840x2160",
    ("9:16", "4K"): "2160x3840",
}
"""By ratio and resolution: its field for the ratio has some sizes in px among its values too."""
GPT_NEVER: tuple[dict[str, tuple[Scalar, ...]], ...] = (
    {"aspect_ratio": ("3:2", "2:3", AUTO), "resolution": ("2K",)},
    {"aspect_ratio": ("1:1", "3:2", "2:3", AUTO), "resolution": ("4K",)},
)
GPT_PRICES: dict[Scalar, float] = {"low": 0.012, "medium": 0.047, "high": 0.128}
"""Whatever the size and the input pictures. The quality is always sent: without it, the dearest but one is charged."""
GPT_MORE_PRICES: dict[Scalar, float] = {**GPT_PRICES, "xhigh": 0.25, "max": 0.5}
ENLARGED_PIXELS = 128_000_000
"""What p-image-upscale makes at most: its schema says that its output is capped there, so it would enlarge by less."""
ENLARGED_PRICES = ((2000, 0.005), (2828, 0.01), (4000, 0.02), (5656, 0.04), (8000, 0.08), (11313, 0.16))
"""Its price goes by the megapixels of the result: 4, 8 and 16 of them as read, 32 and more on the assumption that it
goes on doubling. Here by the longer side, as if the result were a square, which is the dearest."""


def _seedream(
    edition: str,
    model: str,
    sizes: tuple[str, ...],
    price: Price,
    *,
    longest: int = 5000,
    sets: bool = True,
    **fixed: Any,
) -> tuple[ReplicateRoute, ...]:
    """One edition: its sizes, the characters of its longest prompt, whether it makes sets, what is always sent."""
    several: dict[str, Any] = {"counts": (1, 2, 3, 4, 5, 6), "makes_sets": True} if sets else {}
    fewer = {"counts": tuple(range(1, MOST_IN_AND_OUT - MOST_IN + 1))} if sets else {}
    numbered = (SEQUENTIAL, Field("max_images", COUNT, {1: LEFT_OUT})) if sets else ()
    return both(
        "bytedance_seedream",
        model,
        {
            "prompt": Limits(max_length=longest),
            "resolution": Limits(values=sizes),
            **as_in_row("images", "aspect_ratio", *SERVED_BY_ENGINE),
        },
        "image_input",
        edit={"native_auto": True, **fewer},
        edition=edition,
        fields=(*same("prompt"), RATIO, Field("size", "resolution"), *numbered),
        fixed=fixed,
        price=price,
        **several,
    )


def _qwen_2025() -> tuple[ReplicateRoute, ...]:
    fields = (
        *same("prompt"),
        RATIO,
        *same("seed"),
        Field("go_fast", "acceleration", {"none": False, "high": True}),
        FORMAT,
    )
    takes = {
        # its one switch has no word for what lies between
        "acceleration": Limits(values=("none", "high")),
        **as_in_row("prompt", "seed", "output_format", *SERVED_BY_ENGINE),
    }

    def made(model: str, steps: Limits, price: Price, **fixed: Any) -> ReplicateRoute:
        own = {"negative_prompt": ANY, "guidance": Limits(maximum=10), "steps": steps}
        return one(
            "qwen",
            OperationName.GENERATE,
            model,
            edition="2025",
            takes={**takes, **own, "aspect_ratio": ratios(QWEN_RATIOS)},
            fields=(*fields, *same("negative_prompt", "guidance"), Field("num_inference_steps", "steps")),
            fixed=fixed,
            price=price,
        )

    return (
        made("qwen/qwen-image-2512", Limits(minimum=20, maximum=50), flat(0.02)),  # its list of ratios is R
        made("qwen/qwen-image", Limits(maximum=50), flat(0.025), enhance_prompt=False),
        one(
            "qwen",
            OperationName.EDIT,
            "qwen/qwen-image-edit-2511",  # R, with the fields of -edit-plus, whose own schema was read
            edition="2025",
            takes={**takes, "images": ANY, "aspect_ratio": ratios(("1:1", "4:3", "3:4", "16:9", "9:16"), auto=True)},
            fields=fields,
            image_field="image",
            image_list=True,
            native_auto=True,
            price=flat(0.03),
        ),
    )


def _qwen_later(edition: str, model: str, price: Price) -> tuple[ReplicateRoute, ...]:
    """An edition that makes PNGs only, and takes one picture, although its maker takes three."""
    return both(
        "qwen",
        model,
        {
            "aspect_ratio": ratios(QWEN_RATIOS),
            "images": Limits(max_items=1),
            **as_in_row("prompt", "negative_prompt", "seed", *SERVED_BY_ENGINE),
        },
        "image",
        edit={"image_list": False, "native_auto": True},
        edition=edition,
        fields=(
            *same("prompt", "negative_prompt", "seed"),
            Field("aspect_ratio", "aspect_ratio", {AUTO: LEFT_OUT}),
            Field(SAME_SHAPE, "aspect_ratio", {**dict.fromkeys(QWEN_RATIOS, LEFT_OUT), AUTO: True}),
        ),
        fixed={"enable_prompt_expansion": False},  # it is on by default
        price=price,
    )


def _flux_kontext() -> tuple[ReplicateRoute, ...]:
    plain = ("prompt", "seed", "prompt_upsampling", "safety_tolerance")
    models = {"pro": "black-forest-labs/flux-kontext-pro", "max": "black-forest-labs/flux-kontext-max"}
    takes = as_in_row(*plain, "images", "aspect_ratio", "quality", "output_format", "save_as")
    return both(
        "flux_kontext",
        models["pro"],
        takes,
        "input_image",
        edit={
            # so the words of its schema, whose bound is 6
            "takes": {**takes, "safety_tolerance": Limits(maximum=2)},
            "image_list": False,
            "native_auto": True,
        },
        model_by="quality",
        models=models,
        fields=(*same(*plain), RATIO, FORMAT),
        price=by("quality", "pro", {"pro": 0.04, "max": 0.08}),
    )


def _gpt_image(
    edition: str, prices: Mapping[Scalar, float], *more: str, sized: bool = True
) -> tuple[ReplicateRoute, ...]:
    """One of OpenAI's models, with what it takes besides. A key of OpenAI's own is optional there, and never sent."""
    plain = ("prompt", "quality", "output_format", *more)
    ratio = Field("aspect_ratio", ("aspect_ratio", "resolution") if sized else "aspect_ratio", GPT_SIZES)
    own: dict[str, Any] = {"never": GPT_NEVER, "edit": {"native_auto": True, "shapes": GPT_RATIOS}} if sized else {}
    shape = as_in_row("aspect_ratio", "resolution") if sized else {"aspect_ratio": ratios(("1:1", "3:2", "2:3"))}
    return both(
        "openai_4o",
        f"openai/gpt-image-{edition}",
        {**shape, **as_in_row(*plain, "images", *SERVED_BY_ENGINE)},
        "input_images",
        edition=edition,
        counts=(1, 2, 3, 4),  # of ten
        fields=(*same(*plain), ratio, Field("number_of_images", COUNT)),
        price=by("quality", "medium", prices, BILLED),
        **own,
    )


def _nano_banana(edition: str, model: str, price: Price, *more: str, **fixed: Any) -> tuple[ReplicateRoute, ...]:
    return both(
        "nano_banana",
        model,
        as_in_row("prompt", "aspect_ratio", "output_format", *more, "images", "save_as"),
        "image_input",
        edit={"native_auto": True},
        edition=edition,
        fields=(*same("prompt", *more), RATIO, FORMAT),
        fixed=fixed,
        price=price,
    )


def _enlarger(model: str, most_pixels: int, scale: Limits, **more: Any) -> ReplicateRoute:
    """The model itself has no enlarger: another that takes any factor, for pictures of at most so many pixels."""
    return one(
        "nano_banana",
        OperationName.UPSCALE,
        model,
        takes={"scale": scale, **as_in_row("images", "save_as")},
        pictures=PictureForm(max_pixels=most_pixels),
        image_field="image",
        scales=(1, 2, 3, 4),
        **more,
    )


def _reframe(model: str, known: tuple[str, ...], own: Mapping[str, Limits], **more: Any) -> ReplicateRoute:
    return one(
        "ideogram_reframe",
        OperationName.REFRAME,
        model,
        takes={"aspect_ratio": ratios(known), **own, **as_in_row("image", *SERVED_BY_ENGINE)},
        image_field="image",
        **more,
    )


ROUTES: tuple[ReplicateRoute, ...] = (
    *_seedream("4.5", "bytedance/seedream-4.5", ("2K", "4K"), flat(0.04), longest=4000),
    # by default it rewrites the prompt
    *_seedream("4.0", "bytedance/seedream-4", ("1K", "2K", "4K"), flat(0.03), enhance_prompt=False),
    *_seedream("5-lite", "bytedance/seedream-5-lite", ("2K", "3K"), flat(0.035), output_format="png"),
    *_seedream(
        "5-pro",
        "bytedance/seedream-5-pro",
        ("1K", "2K"),
        by("resolution", "2K", {"1K": 0.045, "2K": 0.09}),
        longest=4000,
        sets=False,
        output_format="png",
    ),
    *_qwen_later("3.0", "alibaba/qwen-image-3", flat(0.03)),  # R, as is 3.0-pro
    *_qwen_2025(),
    *_qwen_later("2.0", "qwen/qwen-image-2", flat(0.035, ROUGHLY)),
    *_qwen_later("3.0-pro", "alibaba/qwen-image-3-pro", flat(0.04)),
    *_qwen_later("2.0-pro", "qwen/qwen-image-2-pro", flat(0.075, ROUGHLY)),
    *_flux_kontext(),
    # its schema lists a transparent background too, but the model has long refused it: the later ones make it
    *_gpt_image("2", GPT_PRICES),
    *_gpt_image("2.5-flare", GPT_MORE_PRICES, "background"),
    *_gpt_image("2.5-sunburst", GPT_MORE_PRICES, "background"),
    *_gpt_image("1.5", {"low": 0.013, "medium": 0.05, "high": 0.136}, "background", sized=False),
    *_nano_banana("2.5", "google/nano-banana", flat(0.039)),
    *_nano_banana("2-lite", "google/nano-banana-2-lite", flat(0.034)),
    *_nano_banana(
        "2", "google/nano-banana-2", by("resolution", "1K", {"1K": 0.067, "2K": 0.101, "4K": 0.151}), "resolution"
    ),
    *_nano_banana(
        "pro",
        "google/nano-banana-pro",
        by("resolution", "1K", {"1K": 0.15, "2K": 0.15, "4K": 0.3}),
        "resolution",
        allow_fallback_model=False,  # another maker's model would take its place
    ),
    # The cheapest, and known to read transparency. It names a limit of 2,096,704 px where it fails, but has failed for
    # 2,046,000 too: this is what one who met that sends at most
    _enlarger(
        "nightmareai/real-esrgan",
        1_572_864,
        ANY,
        fields=same("scale"),
        versioned=True,
        # charged by the second: about 0.0021 for each megapixel of the input, here for the largest
        price=flat(0.0033, "one third party's measurement of 2026-10-01"),
    ),
    # for the larger ones; the less it is to enlarge, the larger the picture may be
    *(
        _enlarger(
            "prunaai/p-image-upscale",
            ENLARGED_PIXELS // most**2,
            Limits(maximum=most),
            fields=(Field("factor", "scale"),),
            # by default, a JPEG of four megapixels
            fixed={
                "upscale_mode": "factor",
                "output_format": "png",
                "enhance_details": False,
                "enhance_realism": False,
            },
            note=ALPHA_DOUBT,
            price=Price(usd=ENLARGED_PRICES[-1][1], by_side=ENLARGED_PRICES, source=READ, checked=CHECKED),
        )
        for most in (4, 3, 2)
    ),
    one(
        "recraft",
        OperationName.REMOVE_BACKGROUND,
        "recraft-ai/recraft-remove-background",
        takes=as_in_row("image", "save_as"),
        fields=(),
        image_field="image",
        price=flat(0.01),
    ),
    _reframe(
        "luma/reframe-image",
        ("1:1", "4:3", "3:4", "16:9", "9:16", "21:9"),
        {"rendering_speed": Limits(values=("turbo", "balanced"))},
        fields=(
            *same("aspect_ratio"),
            Field("model", "rendering_speed", {"turbo": "photon-flash-1", "balanced": "photon-1"}),
        ),
        note=LUMA,
        price=by("rendering_speed", "balanced", {"turbo": 0.01, "balanced": 0.03}, BILLED),
    ),
    _reframe(
        "bria/expand-image",
        ("1:1", "4:3", "3:4", "3:2", "2:3", "5:4", "4:5", "16:9", "9:16"),
        as_in_row("seed"),
        fields=same("aspect_ratio", "seed"),
        note=BRIA,
        price=flat(0.04, ROUGHLY),
    ),
)
"""Every route. Of several editions the row's order decides; within one, the cheapest that serves the call."""

ALIKE: Mapping[str, Mapping[str, Price]] = {
    "qwen/qwen-image-edit-2511": {"qwen/qwen-image-edit-plus": flat(0.03)},
    "google/nano-banana": {"google/gemini-2.5-flash-image": Price(usd=None)},
}
"""Further ids by the one whose fields they take, as the models' schemas list them, with their prices. An id may name
its version too: owner/name: and the 64 characters of the version."""
