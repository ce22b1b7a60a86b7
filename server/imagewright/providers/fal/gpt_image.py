"""What fal offers of OpenAI's models, as data; see `routes.py` for where it was read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imagewright.providers.base import SERVED_BY_ENGINE, PictureForm
from imagewright.providers.common.fields import COUNT, Field, SizeRule, Sizes, as_in_row, same, turned
from imagewright.providers.fal.route import PAGE_COPIED, FalRoute, pair_of, price_by

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.catalog.row import Scalar
    from imagewright.providers.base import Price

BY_TOKENS = f"{PAGE_COPIED}; 2K and 4K by the maker's own calculation of tokens. Of the dearest shape, a square"
MASK_DOUBT = "fal does not say which side of a mask this model repaints: look whether only the masked area has changed."

_WIDE: Mapping[tuple[Scalar, Scalar], tuple[int, int]] = {
    ("3:2", "1K"): (1536, 1024),
    ("3:2", "2K"): (2304, 1536),
    ("3:2", "4K"): (3504, 2336),
    ("16:9", "1K"): (1536, 864),
    ("16:9", "2K"): (2560, 1440),
    ("16:9", "4K"): (3840, 2160),
}
_TALL: Mapping[tuple[Scalar, Scalar], tuple[int, int]] = {
    (turned(ratio), size): (high, wide) for (ratio, size), (wide, high) in _WIDE.items()
}
_GPT_SIZES = Sizes(
    rule=SizeRule(least_pixels=655_360, most_pixels=8_294_400, step=16, longest=3840, widest=3),
    known={**_WIDE, **_TALL},
    sides={"1K": 1024, "2K": 2048, "4K": 2880},
)
"""The presets of 16:9 and 9:16 have fewer pixels than the model makes, and are refused."""
_GPT_NEVER: tuple[Mapping[str, tuple[Scalar, ...]], ...] = ({"aspect_ratio": ("1:1",), "resolution": ("4K",)},)
"""The largest square there is has 2880 px a side, which nobody calls 4K."""
_GPT_15_SIZES: Mapping[Scalar, str] = {"1:1": "1024x1024", "3:2": "1536x1024", "2:3": "1024x1536"}


def _gpt_image(
    edition: str,
    ids: tuple[str, str],
    price: Price,
    *own: str,
    per_input: float,
    mask_field: str = "mask_url",
    not_in_edits: tuple[str, ...] = (),
    **both: Any,
) -> tuple[FalRoute, ...]:
    """Generating and editing with one of OpenAI's models: its own arguments, and what a picture adds to an edit."""
    # the quality is always sent: left out it is high, which is dear
    plain = ("prompt", "quality", "output_format", *own)
    takes = as_in_row(*plain, "aspect_ratio", "images", "mask", *SERVED_BY_ENGINE)
    return pair_of(
        "openai_4o",
        ids,
        takes,
        edit={
            "takes": {name: limits for name, limits in takes.items() if name not in not_in_edits},
            # the maker's own polarity, as callers send it; fal does not say it for its field
            "pictures": PictureForm(mask="transparent_is_repainted"),
            "mask_field": mask_field,
            "mask_note": MASK_DOUBT,
            "native_auto": True,
            "price": replace(price, per_input=per_input, inputs_in_each=True),
        },
        edition=edition,
        counts=(1, 2, 3, 4),
        price=price,
        **{"fields": (*same(*(one for one in plain if one != "resolution")), Field("num_images", COUNT))} | both,
    )


def _gpt_price(table: Mapping[str, tuple[float, float, float]]) -> Price:
    """By quality, of 1K, 2K and 4K."""
    usd_of = {
        (quality, size): usd
        for quality, row in table.items()
        for size, usd in zip(("1K", "2K", "4K"), row, strict=True)
    }
    return price_by(("quality", "resolution"), ("medium", "1K"), usd_of, BY_TOKENS)


_GPT_2 = _gpt_price({"low": (0.006, 0.012, 0.02), "medium": (0.053, 0.1071, 0.1779), "high": (0.211, 0.4282, 0.7116)})
_GPT_25 = _gpt_price(
    {
        "low": (0.006, 0.012, 0.02),
        "medium": (0.0132, 0.0268, 0.0445),
        "high": (0.0527, 0.1071, 0.1779),
        "xhigh": (0.0937, 0.1903, 0.3163),
        "max": (0.2108, 0.4282, 0.7116),
    }
)
GPT_IMAGE: tuple[FalRoute, ...] = (
    *_gpt_image(
        "2",
        ("openai/gpt-image-2", "openai/gpt-image-2/edit"),
        _GPT_2,
        "resolution",
        "background",
        per_input=0.013,
        not_in_edits=("background",),  # on the page of the other id only
        sizes=_GPT_SIZES,
        never=_GPT_NEVER,
    ),
    *(
        route
        for name in ("flare", "sunburst")
        for route in _gpt_image(
            f"2.5-{name}",
            (f"openai/gpt-image-2.5/{name}/text-to-image", f"openai/gpt-image-2.5/{name}/edit"),
            _GPT_25,
            "resolution",
            "background",
            per_input=0.01,  # 1,024 tokens and more, at 8 USD a million
            sizes=_GPT_SIZES,
            never=_GPT_NEVER,
        )
    ),
    *_gpt_image(
        "1.5",
        ("fal-ai/gpt-image-1.5", "fal-ai/gpt-image-1.5/edit"),
        # of the dearest shape: a square costs a third less
        price_by("quality", "medium", {"low": 0.013, "medium": 0.051, "high": 0.2}),
        "background",
        per_input=0.025,  # 3,050 tokens in high fidelity, which is the default, at 8 USD a million
        mask_field="mask_image_url",
        fields=(
            *same("prompt", "quality", "output_format", "background"),
            # in an edit `auto` is the vendor's own word for the size that is nearest to the input
            Field("image_size", "aspect_ratio", _GPT_15_SIZES),
            Field("num_images", COUNT),
        ),
    ),
)
