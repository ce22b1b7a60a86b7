"""What Replicate offers for the rows, as data.

Model ids, field names, values and limits are those of the models' own schemas, read in copies on 2026-11-26; R marks a
model of which only third parties' readings of the schema were found, which agree. What is not confirmed says so, and
can be switched off in the configuration, see `providers.common.overrides`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from imagewright.catalog.nearest import nearest_ratio
from imagewright.catalog.row import ANY, AUTO, Limits, OperationName, Scalar
from imagewright.providers.base import SERVED_BY_ENGINE, PictureForm, Price
from imagewright.providers.common.fields import COUNT, LEFT_OUT, Field, FieldsRoute, as_in_row, pair, ratios, same

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagewright.providers.base import Order
    from imagewright.providers.http.request import Inline

NAME = "replicate"
CHECKED = "2026-11-26"
BILLED = "the billing on the model's page, in a copy of 2026-10-05"
READ = "the model's page, as read by third parties, September and October 2026"
ROUGHLY = "about, from one third party's list"

SAME_SHAPE = "match_input_image"
MOST_IN_AND_OUT = 15
"""Pictures in and out of one Seedream call together."""
MOST_IN = 10
"""Most pictures into one such call."""
NOT_IDEOGRAM = "replicate has no Ideogram reframing: another maker's model, {}, has extended the picture."

RATIO = Field("aspect_ratio", "aspect_ratio", {AUTO: SAME_SHAPE})
FORMAT = Field("output_format", "output_format", {"jpeg": "jpg"})
GO_FAST = Field("go_fast", "acceleration", {"none": False, "high": True})
SEQUENTIAL = Field("sequential_image_generation", COUNT, {1: LEFT_OUT, **dict.fromkeys(range(2, 7), "auto")})
QWEN_RATIOS = ("1:1", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16")
GPT_RATIOS = ("1:1", "3:2", "2:3", "16:9", "9:16")
GPT_SHAPES = (*GPT_RATIOS, "4:3", "3:4")
GPT_SIZES: dict[tuple[Scalar, Scalar], str] = {
    **{(ratio, "1K"): ratio for ratio in GPT_SHAPES},
    ("1:1", "2K"): "2048x2048",
    ("16:9", "2K"): "2048x1152",
    ("9:16", "2K"): "1152x2048",
    ("16:9", "4K"): "3840x2160",
    ("9:16", "4K"): "2160x3840",
}
"""By ratio and resolution: its field for the ratio has some sizes in px among its values too."""
GPT_NEVER: tuple[dict[str, tuple[Scalar, ...]], ...] = (
    {"aspect_ratio": ("3:2", "2:3"), "resolution": ("2K",)},
    {"aspect_ratio": ("1:1", "3:2", "2:3"), "resolution": ("4K",)},
)
GPT_LATER: dict[str, Any] = {
    "shape": {"aspect_ratio": ratios(GPT_RATIOS), "resolution": ANY},
    "ratio": Field("aspect_ratio", ("aspect_ratio", "resolution"), GPT_SIZES),
    "never": GPT_NEVER,
    "edit": {
        "native_auto": True,
        "shapes": GPT_SHAPES,
        "never": tuple({**one, "aspect_ratio": (*one["aspect_ratio"], AUTO)} for one in GPT_NEVER),
    },
}
"""What those from 2 on have in common."""
GPT_PRICES: dict[Scalar, float] = {"low": 0.012, "medium": 0.047, "high": 0.128}
"""Whatever the size and the input pictures. The quality is always sent: without it, the dearest but one is charged."""
GPT_MORE_PRICES: dict[Scalar, float] = {**GPT_PRICES, "xhigh": 0.25, "max": 0.5}
ENLARGED_PRICES = ((2000, 0.005), (2828, 0.01), (4000, 0.02), (5656, 0.04), (8000, 0.08), (11313, 0.16))
"""Its price goes by the megapixels of the result: 4, 8 and 16 of them as read, 32 and more on the assumption that it
goes on doubling. Here by the longer side, as if the result were a square, which is the dearest."""
ENLARGED_AS = {"upscale_mode": "factor", "output_format": "png", "enhance_details": False, "enhance_realism": False}
"""By default it makes a JPEG of four megapixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicateRoute(FieldsRoute):
    """A route with Replicate's spelling."""

    versioned: bool = False
    """Whether the model is a community's: it is run by the id of its version, which is looked up."""
    shapes: tuple[str, ...] = ()
    """For a model that has no word for the first picture's shape: the ratios of which the nearest is asked for."""

    def inputs(self, order: Order, pictures: Sequence[str | Inline] = (), mask: str = "") -> dict[str, Any]:
        """The model's input, with a ratio for `auto` where the model needs one."""
        if self.shapes and order.arguments["aspect_ratio"] == AUTO:
            nearest = nearest_ratio(order.images[0].width, order.images[0].height, self.shapes)
            order = replace(order, arguments={**order.arguments, "aspect_ratio": nearest})
        return FieldsRoute.inputs(self, order, pictures, mask)  # a class with slots has no bare super()


_one = partial(ReplicateRoute, provider=NAME)


def _both(
    tool: str, model: str, takes: Mapping[str, Limits], image_field: str, **more: Any
) -> tuple[ReplicateRoute, ReplicateRoute]:
    """The routes that generate and edit with one model; see `common.fields.pair`."""
    return pair(ReplicateRoute, (model, model), takes, image_field, provider=NAME, tool=tool, **more)


def _flat(usd: float, source: str = READ) -> Price:
    """The price of every picture, in USD."""
    return Price(usd=usd, source=source, checked=CHECKED)


def _by(argument: str, usual: Scalar, table: Mapping[Any, float], source: str = READ) -> Price:
    """A price in USD that depends on an argument; `usual` is the value that stands for those not in the table."""
    return Price.table_by(argument, usual, table, source, CHECKED)


def _seedream(
    edition: str, model: str, sizes: tuple[str, ...], price: Price, most: int = 5000, *, sets: bool = True, **fixed: Any
) -> tuple[ReplicateRoute, ...]:
    """One edition: its sizes, the characters of its longest prompt, whether it makes sets, what is always sent."""
    several: dict[str, Any] = {"counts": (1, 2, 3, 4, 5, 6), "makes_sets": True} if sets else {}
    fewer = {"counts": tuple(range(1, MOST_IN_AND_OUT - MOST_IN + 1))} if sets else {}
    numbered = (SEQUENTIAL, Field("max_images", COUNT, {1: LEFT_OUT})) if sets else ()
    return _both(
        "bytedance_seedream",
        model,
        {
            "prompt": Limits(max_length=most),
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
    fields = (*same("prompt", "seed"), RATIO, GO_FAST, FORMAT)
    takes = {
        # its one switch has no word for what lies between
        "acceleration": Limits(values=("none", "high")),
        **as_in_row("prompt", "seed", "output_format", *SERVED_BY_ENGINE),
    }

    def made(model: str, steps: Limits, price: Price, **fixed: Any) -> ReplicateRoute:
        own = {"negative_prompt": ANY, "guidance": Limits(maximum=10), "steps": steps}
        return _one(
            tool="qwen",
            operation=OperationName.GENERATE,
            model=model,
            edition="2025",
            takes={**takes, **own, "aspect_ratio": ratios(QWEN_RATIOS)},
            fields=(*fields, *same("negative_prompt", "guidance"), Field("num_inference_steps", "steps")),
            fixed=fixed,
            price=price,
        )

    return (
        made("qwen/qwen-image-2512", Limits(minimum=20, maximum=50), _flat(0.02)),  # its list of ratios is R
        made("qwen/qwen-image", Limits(maximum=50), _flat(0.025), enhance_prompt=False),
        _one(
            tool="qwen",
            operation=OperationName.EDIT,
            model="qwen/qwen-image-edit-2511",  # R, with the fields of -edit-plus, whose own schema was read
            edition="2025",
            takes={**takes, "images": ANY, "aspect_ratio": ratios(("1:1", "4:3", "3:4", "16:9", "9:16"), auto=True)},
            fields=fields,
            image_field="image",
            image_list=True,
            native_auto=True,
            price=_flat(0.03),
        ),
    )


def _qwen_later(edition: str, model: str, price: Price) -> tuple[ReplicateRoute, ...]:
    """An edition that makes PNGs only, and takes one picture, although its maker takes three."""
    return _both(
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
    edited = {**takes, "safety_tolerance": Limits(maximum=2)}  # by the words of its schema, whose bound is 6
    return _both(
        "flux_kontext",
        models["pro"],
        takes,
        "input_image",
        edit={"takes": edited, "image_list": False, "native_auto": True},
        model_by="quality",
        models=models,
        fields=(*same(*plain), RATIO, FORMAT),
        price=_by("quality", "pro", {"pro": 0.04, "max": 0.08}),
    )


def _gpt_image(
    edition: str,
    prices: Mapping[Scalar, float],
    *,
    shape: Mapping[str, Limits],
    ratio: Field,
    more: tuple[str, ...] = (),
    **own: Any,
) -> tuple[ReplicateRoute, ...]:
    """One of OpenAI's models, with what it takes besides. A key of OpenAI's own is optional there, and never sent."""
    plain = ("prompt", "quality", "output_format", *more)
    return _both(
        "openai_4o",
        f"openai/gpt-image-{edition}",
        {**shape, **as_in_row(*plain, "images", *SERVED_BY_ENGINE)},
        "input_images",
        edition=edition,
        counts=(1, 2, 3, 4),  # of ten
        fields=(*same(*plain), ratio, Field("number_of_images", COUNT)),
        price=_by("quality", "medium", prices, BILLED),
        **own,
    )


def _nano_banana(edition: str, model: str, price: Price, *more: str, **fixed: Any) -> tuple[ReplicateRoute, ...]:
    return _both(
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


def _enlarger(model: str, **more: Any) -> ReplicateRoute:
    """The model itself has no enlarger: another that takes any factor."""
    return _one(
        tool="nano_banana",
        operation=OperationName.UPSCALE,
        model=model,
        takes=as_in_row("images", "scale", "save_as"),
        image_field="image",
        scales=(1, 2, 3, 4),
        **more,
    )


def _reframe(model: str, known: tuple[str, ...], own: Mapping[str, Limits], **more: Any) -> ReplicateRoute:
    return _one(
        tool="ideogram_reframe",
        operation=OperationName.REFRAME,
        model=model,
        takes={"aspect_ratio": ratios(known), **own, **as_in_row("image", *SERVED_BY_ENGINE)},
        image_field="image",
        **more,
    )


ROUTES: tuple[ReplicateRoute, ...] = (
    *_seedream("4.5", "bytedance/seedream-4.5", ("2K", "4K"), _flat(0.04), most=4000),
    # by default it rewrites the prompt
    *_seedream("4.0", "bytedance/seedream-4", ("1K", "2K", "4K"), _flat(0.03), enhance_prompt=False),
    *_seedream("5-lite", "bytedance/seedream-5-lite", ("2K", "3K"), _flat(0.035), output_format="png"),
    *_seedream(
        "5-pro",
        "bytedance/seedream-5-pro",
        ("1K", "2K"),
        _by("resolution", "2K", {"1K": 0.045, "2K": 0.09}),
        most=4000,
        sets=False,
        output_format="png",
    ),
    *_qwen_later("3.0", "alibaba/qwen-image-3", _flat(0.03)),  # R, as is 3.0-pro
    *_qwen_2025(),
    *_qwen_later("2.0", "qwen/qwen-image-2", _flat(0.035, ROUGHLY)),
    *_qwen_later("3.0-pro", "alibaba/qwen-image-3-pro", _flat(0.04)),
    *_qwen_later("2.0-pro", "qwen/qwen-image-2-pro", _flat(0.075, ROUGHLY)),
    *_flux_kontext(),
    # its schema lists a transparent background too, which its maker calls a preview: left to the later ones
    *_gpt_image("2", GPT_PRICES, **GPT_LATER),
    *_gpt_image("2.5-flare", GPT_MORE_PRICES, more=("background",), **GPT_LATER),
    *_gpt_image("2.5-sunburst", GPT_MORE_PRICES, more=("background",), **GPT_LATER),
    *_gpt_image(
        "1.5",
        {"low": 0.013, "medium": 0.05, "high": 0.136},
        more=("background",),
        shape={"aspect_ratio": ratios(GPT_RATIOS[:3])},
        ratio=Field("aspect_ratio", "aspect_ratio"),
    ),
    *_nano_banana("2.5", "google/nano-banana", _flat(0.039)),
    *_nano_banana("2-lite", "google/nano-banana-2-lite", _flat(0.034)),
    *_nano_banana(
        "2", "google/nano-banana-2", _by("resolution", "1K", {"1K": 0.067, "2K": 0.101, "4K": 0.151}), "resolution"
    ),
    *_nano_banana(
        "pro",
        "google/nano-banana-pro",
        _by("resolution", "1K", {"1K": 0.15, "2K": 0.15, "4K": 0.3}),
        "resolution",
        allow_fallback_model=False,  # another maker's model would take its place
    ),
    # The cheapest, and known to read an alpha channel. It names a limit of 2,096,704 px where it fails, but has failed
    # for 2,046,000 too: this is what one who met that sends at most
    _enlarger(
        "nightmareai/real-esrgan",
        pictures=PictureForm(max_pixels=1_572_864),
        fields=same("scale"),
        versioned=True,
        # charged by the second: about 0.0021 for each megapixel of the input, here for the largest
        price=_flat(0.0033, "one third party's measurement of 2026-10-01"),
    ),
    _enlarger(
        "prunaai/p-image-upscale",
        fields=(Field("factor", "scale"),),
        fixed=ENLARGED_AS,
        # its schema says that the output is capped there, so it would enlarge by less, in silence
        max_output_pixels=128_000_000,
        pictures=PictureForm(alpha=False),  # whether it keeps one is not confirmed
        price=replace(_flat(0.16, f"{READ}, to 16 megapixels; more is assumed"), by_side=ENLARGED_PRICES),
    ),
    _one(
        tool="recraft",
        operation=OperationName.REMOVE_BACKGROUND,
        model="recraft-ai/recraft-remove-background",
        takes=as_in_row("image", "save_as"),
        fields=(),
        image_field="image",
        price=_flat(0.01),
    ),
    _reframe(
        "luma/reframe-image",
        ("1:1", "4:3", "3:4", "16:9", "9:16", "21:9"),
        {"rendering_speed": Limits(values=("turbo", "balanced"))},
        fields=(
            *same("aspect_ratio"),
            Field("model", "rendering_speed", {"turbo": "photon-flash-1", "balanced": "photon-1"}),
        ),
        note=NOT_IDEOGRAM.format("Luma Photon"),
        price=_by("rendering_speed", "balanced", {"turbo": 0.01, "balanced": 0.03}, BILLED),
    ),
    _reframe(
        "bria/expand-image",
        ("1:1", "4:3", "3:4", "3:2", "2:3", "5:4", "4:5", "16:9", "9:16"),
        as_in_row("seed"),
        fields=same("aspect_ratio", "seed"),
        note=NOT_IDEOGRAM.format("Bria Expand"),
        price=_flat(0.04, ROUGHLY),
    ),
)
"""Every route. Of several editions the row's order decides; within one, the cheapest that serves the call."""

ALIKE: Mapping[str, Mapping[str, Price]] = {
    "qwen/qwen-image-edit-2511": {"qwen/qwen-image-edit-plus": _flat(0.03)},
    "google/nano-banana": {"google/gemini-2.5-flash-image": Price(usd=None)},
}
"""Further ids by the one whose fields they take, as the models' schemas list them, with their prices. An id may name
its version too: owner/name: and the 64 characters of the version."""
