"""What Kie offers for the rows, as data.

Field names, spellings and limits are those of Kie's model pages, in machine-made copies of 2026-08-19 and 2026-10-01
and a list of required fields of 2026-10-07, unless a line says otherwise. Kie ignores a field that a model does not
have, and charges all the same: each edition has its own fields here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from imagewright.catalog.row import ANY, AUTO, Limits, OperationName, Scalar
from imagewright.providers.base import SERVED_BY_ENGINE, PictureForm
from imagewright.providers.common.fields import COUNT, LEFT_OUT, PRESETS, UPPER, Field, as_in_row, ratios, same
from imagewright.providers.kie.route import LISTED, NAME, Family, KieRoute, both, by_side, credits_by, credits_of

if TYPE_CHECKING:
    from imagewright.providers.base import Price

Clashes = tuple[Mapping[str, tuple[Scalar, ...]], ...]
"""Values that a model does not take together, as in `Route.never`."""
SEEN = "credits seen charged by third parties in September 2026, at 0.005 USD each"

SEEDREAM_PRESETS = PRESETS | {"3:2": "landscape_3_2", "2:3": "portrait_3_2", "21:9": "landscape_21_9"}
IN_PNG = {"output_format": "png"}
"""What is asked of models that can choose a file type, where their row leaves it open."""
IN_1K = {"resolution": "1K"}
"""What is asked of models that can make more than their row offers, at a higher price."""
SHAPE = Field("image_size", "aspect_ratio", PRESETS)
RATIO = Field("image_size", "aspect_ratio")
"""The same field in the generations of Qwen that want a ratio in it."""
JPG = Field("output_format", "output_format", {"jpeg": "jpg"})
GPT15_RATIOS = ("1:1", "3:2", "2:3")
QWEN2_RATIOS = ("1:1", "4:3", "3:4", "16:9", "9:16")
QWEN_RATIOS = (*QWEN2_RATIOS, "3:2", "2:3", "21:9")


def _seedream(
    edition: str, ids: tuple[str, str], prompt: Limits, size: Field, price: Price, **more: Any
) -> tuple[KieRoute, ...]:
    """One of the editions after 4.0: no seed, and one picture a call. `size` is the field of the resolution."""
    takes = {"prompt": prompt, "images": ANY, "aspect_ratio": ratios(SEEDREAM_PRESETS), **SERVED_BY_ENGINE}
    return both(
        "bytedance_seedream",
        edition,
        ids,
        {**takes, "resolution": Limits(values=tuple(size.words)) if size.words else ANY},
        "image_urls",
        fields=(*same("prompt", "aspect_ratio"), size),
        price=price,
        **more,
    )


def _quality(words: Mapping[Scalar, str]) -> Field:
    return Field("quality", "resolution", words)


SEEDREAM = (
    *_seedream(
        "4.5",
        ("seedream/4.5-text-to-image", "seedream/4.5-edit"),
        Limits(max_length=3000),
        _quality({"2K": "basic", "4K": "high"}),
        credits_of(6.5),
    ),
    *both(
        "bytedance_seedream",
        "4.0",
        ("bytedance/seedream-v4-text-to-image", "bytedance/seedream-v4-edit"),
        {
            "prompt": Limits(max_length=5000),
            "aspect_ratio": ratios(SEEDREAM_PRESETS),
            **as_in_row("images", "resolution", "seed", *SERVED_BY_ENGINE),
        },
        "image_urls",
        fields=(
            *same("prompt"),
            Field("image_size", "aspect_ratio", SEEDREAM_PRESETS),
            Field("image_resolution", "resolution"),
            *same("seed"),
            Field("max_images", COUNT),
        ),
        counts=(1, 2, 3, 4, 5, 6),
        makes_sets=True,
        price=credits_of(5, SEEN),  # not in the price list; exactly 5 were charged on 2026-09-24
    ),
    *_seedream(
        "5-lite",
        ("seedream/5-lite-text-to-image", "seedream/5-lite-image-to-image"),
        Limits(min_length=3, max_length=3000),
        _quality({"2K": "basic", "3K": "high", "4K": "ultra"}),
        credits_of(5.5),
        fixed=IN_PNG,
    ),
    *_seedream(
        "5-pro",
        ("seedream/5-pro-text-to-image", "seedream/5-pro-image-to-image"),
        Limits(min_length=3, max_length=5000),
        _quality({"1K": "basic", "2K": "high"}),
        # each input picture but the first adds half a credit
        credits_by("resolution", "2K", {"1K": 7, "2K": 14}, inputs=0.5, free=1),
        fixed=IN_PNG,
    ),
    *_seedream(
        "5-flash",
        ("seedream/5-flash-text-to-image", "seedream/5-flash-image-to-image"),
        Limits(min_length=3, max_length=5000),
        Field("size", "resolution"),
        credits_of(3.24, "kie's page of the model in a copy of 2026-10-08, at 0.005 USD a credit"),
        fixed=IN_PNG,
    ),
)


def _qwen_2025() -> tuple[KieRoute, ...]:
    sampling = (
        *same("seed", "negative_prompt"),
        Field("guidance_scale", "guidance"),
        Field("num_inference_steps", "steps"),
        *same("acceleration", "output_format"),
    )
    takes = {
        **as_in_row("prompt", *(str(one.of) for one in sampling), *SERVED_BY_ENGINE),
        "images": Limits(max_items=1),
        "aspect_ratio": ratios(PRESETS),
    }
    fields = (*same("prompt"), SHAPE, *sampling)
    return both(
        "qwen",
        "2025",
        ("qwen/text-to-image", "qwen/image-edit"),
        takes,
        "image_url",
        edit={
            "image_list": False,
            "takes": {**takes, "prompt": Limits(max_length=2000), "aspect_ratio": ratios(PRESETS, auto=True)},
            "fields": (*fields, Field("num_images", COUNT, text=True)),
            "counts": (1, 2, 3, 4),
            "price": credits_of(5),
        },
        fields=fields,
        # charged by the megapixel, and no shape has more than one
        price=credits_of(4),
    )


def _qwen_2() -> tuple[KieRoute, ...]:
    takes = {
        "prompt": Limits(max_length=800),
        "images": Limits(max_items=1),
        "aspect_ratio": ratios(QWEN2_RATIOS),
        **as_in_row("seed", "output_format", *SERVED_BY_ENGINE),
    }
    return both(
        "qwen",
        "2.0",
        ("qwen2/text-to-image", "qwen2/image-edit"),
        takes,
        "image_url",
        # the one that edits knows more ratios
        edit={"image_list": False, "takes": {**takes, "aspect_ratio": ratios(QWEN_RATIOS, auto=True)}},
        fields=(*same("prompt"), RATIO, *same("seed", "output_format")),
        price=credits_of(5.6),
    )


def _qwen_3(edition: str, start: str, price: Price) -> tuple[KieRoute, ...]:
    """One of the third generation, whose ids begin so. Without a seed it takes 1, and makes the same picture again."""
    return both(
        "qwen",
        edition,
        (f"{start}text-to-image", f"{start}image-to-image"),
        {
            "aspect_ratio": ratios(QWEN_RATIOS),
            **as_in_row("prompt", "images", "seed", "negative_prompt", "output_format", *SERVED_BY_ENGINE),
        },
        "image_urls",
        fields=(*same("prompt"), RATIO, *same("seed", "negative_prompt", "output_format")),
        fixed={**IN_1K, "prompt_extend": False},  # it would rewrite the prompt
        draws_seed=True,
        price=price,
    )


QWEN = (
    *_qwen_3("3.0", "qwen3/", credits_of(4.8, inputs=0.5)),
    *_qwen_2025(),
    *both(
        "qwen",
        "2.1",
        ("qwen2-1/text-to-image", "qwen2-1/image-to-image"),
        {
            "aspect_ratio": ratios(QWEN_RATIOS),
            **as_in_row("prompt", "images", "seed", "output_format", *SERVED_BY_ENGINE),
        },
        "image_urls",
        # its own auto goes to the nearest ratio too, without telling which
        edit={"pictures": PictureForm(max_pixels=25_000_000)},
        fields=same("prompt", "aspect_ratio", "seed", "output_format"),
        fixed={**IN_1K, "enhance_prompt": False},  # it would rewrite the prompt
        price=credits_of(4, "kie's page of the model in a copy of 2026-10-08, at 0.005 USD a credit"),
    ),
    *_qwen_2(),
    *_qwen_3("3.0-pro", "qwen3/pro-", credits_of(6.4, inputs=0.5)),
)


def _gpt_2(edition: str, name: str, never: Clashes = (), never_in_edits: Clashes = ()) -> tuple[KieRoute, ...]:
    """One with a resolution. None of them has a quality, a count, a mask or a choice of the file type: PNG comes."""
    return both(
        "openai_4o",
        edition,
        (f"{name}-text-to-image", f"{name}-image-to-image"),
        {
            "prompt": Limits(max_length=20_000),
            **as_in_row("images", "aspect_ratio", "resolution", "background", *SERVED_BY_ENGINE),
        },
        "input_urls",
        edit={"native_auto": True, "never": (*never_in_edits, *never)},
        fields=(*same("prompt", "aspect_ratio", "resolution"), Field("background", "background", {AUTO: LEFT_OUT})),
        never=never,
        price=credits_by("resolution", "1K", {"1K": 6, "2K": 10, "4K": 16}),
    )


GPT_IMAGE = (
    *_gpt_2(
        "2",
        "gpt-image-2",
        (
            {"aspect_ratio": ("1:1",), "resolution": ("4K",)},
            {"background": ("opaque", "transparent"), "resolution": ("2K", "4K")},
        ),
        ({"aspect_ratio": (AUTO,), "resolution": ("2K", "4K")},),
    ),
    *_gpt_2("2.5-flare", "gpt-image-2-5-flare"),
    *_gpt_2("2.5-sunburst", "gpt-image-2-5-sunburst"),
    *both(
        "openai_4o",
        "1.5",
        ("gpt-image/1.5-text-to-image", "gpt-image/1.5-image-to-image"),
        {
            "aspect_ratio": ratios(GPT15_RATIOS),
            "quality": Limits(values=("medium", "high")),
            **as_in_row("prompt", "images", *SERVED_BY_ENGINE),
        },
        "input_urls",
        edit={"pictures": PictureForm(max_bytes=10_000_000)},
        fields=same("prompt", "aspect_ratio", "quality"),
        price=credits_by("quality", "medium", {"medium": 4, "high": 22}),
    ),
)


def _banana(
    edition: str, ids: tuple[str, str], price: Price, image_field: str, most: int, *more: Field
) -> tuple[KieRoute, ...]:
    """All of them know auto themselves, and make one picture a call."""
    takes = {"images": Limits(max_items=most), **as_in_row("prompt", "aspect_ratio", "save_as")}
    return both(
        "nano_banana",
        edition,
        ids,
        {**takes, **as_in_row(*(str(one.of) for one in more))},
        image_field,
        edit={"native_auto": True},
        fields=(*same("prompt", "aspect_ratio"), *more),
        price=price,
    )


def _by_resolution(in_1k: float, in_2k: float, in_4k: float, source: str = LISTED) -> Price:
    return credits_by("resolution", "1K", {"1K": in_1k, "2K": in_2k, "4K": in_4k}, source)


NANO_BANANA = (
    # the id is in Kie's list of 2026-10-07; its fields are those that four integrations agree on, of 10 to 14 pictures
    # the lower number
    *_banana(
        "2.1",
        ("nano-banana-2-1", "nano-banana-2-1"),
        _by_resolution(4, 6, 9, "kie's page of the model in a copy of 2026-10-07, at 0.005 USD a credit"),
        "image_input",
        10,
        *same("resolution"),
        JPG,
    ),
    *_banana(
        "2.5",
        ("google/nano-banana", "google/nano-banana-edit"),
        credits_of(4),
        "image_urls",
        10,
        *same("output_format"),
    ),
    *_banana("2-lite", ("nano-banana-2-lite", "nano-banana-2-lite"), credits_of(4), "image_urls", 10),
    *_banana(
        "2", ("nano-banana-2", "nano-banana-2"), _by_resolution(8, 12, 18), "image_input", 14, *same("resolution"), JPG
    ),
    *_banana(
        "pro",
        ("nano-banana-pro", "nano-banana-pro"),
        _by_resolution(18, 18, 24),
        "image_input",
        8,
        *same("resolution"),
        JPG,
    ),
)


def _kontext() -> tuple[KieRoute, ...]:
    """On the path that Kie keeps under its old models: the current one has no choice between pro and max."""
    controls = "safety_tolerance", "prompt_upsampling", "output_format", "quality"
    takes = as_in_row("prompt", "images", "aspect_ratio", *controls, "save_as")
    return both(
        "flux_kontext",
        "",
        ("flux-kontext-pro", "flux-kontext-pro"),
        takes,
        "inputImage",
        edit={"image_list": False, "native_auto": True, "takes": {**takes, "safety_tolerance": Limits(maximum=2)}},
        family=Family.FLUX_KONTEXT,
        model_by="quality",
        models={"pro": "flux-kontext-pro", "max": "flux-kontext-max"},
        fields=(
            *same("prompt"),
            # in an edit, the picture's own shape is kept by leaving the field out
            Field("aspectRatio", "aspect_ratio", {AUTO: LEFT_OUT}),
            Field("safetyTolerance", "safety_tolerance"),
            Field("promptUpsampling", "prompt_upsampling"),
            # enableTranslation stays at its default, on: the model reads English only
            Field("outputFormat", "output_format"),
        ),
        price=credits_by("quality", "pro", {"pro": 5, "max": 10}),
    )


ROUTES: tuple[KieRoute, ...] = (
    *SEEDREAM,
    *QWEN,
    *_kontext(),
    *GPT_IMAGE,
    *NANO_BANANA,
    KieRoute(
        provider=NAME,
        tool="nano_banana",
        operation=OperationName.UPSCALE,
        # Kie has no enlarger of the model's own; this one makes 1, 2 and 4 times
        model="topaz/image-upscale",
        takes=as_in_row("images", "scale", "save_as"),
        fields=(Field("upscale_factor", "scale", text=True),),
        image_field="image_url",
        scales=(1, 2, 4),
        max_output_side=20_000,  # of a copy of the model's page of March 2026
        # the list ends with 4K; 8K is of copies of March and August 2026, and that it goes on doubling is assumed
        price=by_side((2048, 10), (4096, 20), (8192, 40), (16_384, 80), (20_000, 160)),
    ),
    KieRoute(
        provider=NAME,
        tool="recraft",
        operation=OperationName.REMOVE_BACKGROUND,
        model="recraft/remove-background",
        takes=as_in_row("image", "save_as"),
        fields=(),
        image_field="image",
        price=credits_of(1),
    ),
    KieRoute(
        provider=NAME,
        tool="ideogram_reframe",
        operation=OperationName.REFRAME,
        # documented in 2025 and missing from the pages since August 2026; still priced on 2026-09-24, and seen at work
        # in June 2026
        model="ideogram/v3-reframe",
        takes={
            **as_in_row("image", "rendering_speed", "style", *SERVED_BY_ENGINE),
            "aspect_ratio": ratios(PRESETS),
            "seed": Limits(minimum=1),  # 0 asks for a random one
        },
        fields=(
            SHAPE,
            Field("rendering_speed", "rendering_speed", UPPER),
            Field("style", "style", UPPER),
            *same("seed"),
            Field("num_images", COUNT, text=True),
        ),
        image_field="image_url",
        counts=(1, 2, 3, 4),
        price=credits_by("rendering_speed", "balanced", {"turbo": 3.5, "balanced": 7, "quality": 10}),
    ),
)
"""Every route, in the row's order of editions: that one decides which is taken first."""
