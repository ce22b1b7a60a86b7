"""What Alibaba's DashScope offers for the rows, as data.

Each model makes and edits alike, and answers with the finished pictures. The ids of 2025 have no route: their maker is
said to have ended them on 2026-10-10. Where nothing else is said, facts are from copies of the maker's API reference,
to October 2026, read on 2026-11-26.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imagewright.catalog.row import AUTO, Limits
from imagewright.providers.base import SERVED_BY_ENGINE, PictureForm, Price
from imagewright.providers.common.fields import (
    COUNT,
    LEFT_OUT,
    Field,
    FieldsRoute,
    SizeRule,
    as_in_row,
    pair,
    ratios,
    same,
)
from imagewright.providers.common.provider import data_uri

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.catalog.row import Scalar
    from imagewright.providers.base import Order

NAME = "dashscope"
RULE = SizeRule(least_pixels=512 * 512, most_pixels=2_250_000, step=16, widest=8)
"""The models make up to 2048 x 2048 pixels. Above 2,250,000, 3.0 Pro charges twice as much. Sides are multiples of 16
px, as diffusion models like them; the vendor takes any."""


def _size(width: float, height: float) -> str:
    wide, high = RULE.like(width, height, RULE.most_pixels)
    return f"{wide}*{high}"


SIZES: Mapping[Scalar, str] = {
    ratio: _size(*map(int, ratio.split(":"))) for ratio in ("1:1", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16", "21:9")
}

FIXED: Mapping[str, Any] = {"watermark": False, "prompt_extend": False}
"""`prompt_extend` is true by default, and rewrites the prompt."""
WITHOUT_THOUGHT: Mapping[str, Any] = {**FIXED, "enable_thinking": False}
"""For the models that think about the prompt besides. Without `prompt_extend` the field changes nothing by the maker's
words; both are sent as off all the same."""
PER_INPUT = 0.003
"""USD of an input picture: 0.02 CNY by the maker's price list, and what a reseller charges."""


def _usd(each: float, *, per_input: float = 0.0, source: str = "the maker's price list, in LiteLLM's table") -> Price:
    return Price(usd=each, per_input=per_input, source=source, checked="2026-11-26")


@dataclass(frozen=True, slots=True, kw_only=True)
class DashScopeRoute(FieldsRoute):
    """A route with the vendor's spelling; its fields are the call's `parameters`."""

    def body(self, order: Order) -> dict[str, Any]:
        """The JSON body of a call."""
        parameters = self.inputs(order)
        if order.arguments["aspect_ratio"] == AUTO:
            # left out, it would be the shape of the last picture
            parameters["size"] = _size(order.images[0].width, order.images[0].height)
        # the pictures first: the text refers to them by their number
        content = [*({"image": data_uri(picture)} for picture in order.images), {"text": order.arguments["prompt"]}]
        messages = [{"role": "user", "content": content}]
        return {"model": order.model, "input": {"messages": messages}, "parameters": parameters}


def _pair(
    edition: str, model: str, prompt: int, price: Price, *more: str, fixed: Mapping[str, Any] = FIXED
) -> tuple[DashScopeRoute, DashScopeRoute]:
    """The routes of an edition; `prompt` is the most characters it takes, `more` what it takes besides."""
    takes = {
        **as_in_row("images", "seed", *more),
        "prompt": Limits(max_length=prompt),
        "aspect_ratio": ratios(SIZES),
        "output_format": Limits(values=("png",)),  # there is no choice: it is always this
        **SERVED_BY_ENGINE,
    }
    return pair(
        DashScopeRoute,
        (model, model),
        takes,
        # the pictures go into the message, not into a field of the parameters
        "",
        provider=NAME,
        tool="qwen",
        edition=edition,
        fields=(
            Field("n", COUNT),
            Field("size", "aspect_ratio", {**SIZES, AUTO: LEFT_OUT}),
            *same("negative_prompt", "seed"),
        ),
        fixed=fixed,
        counts=(1, 2, 3, 4),  # the vendor makes six; the row stops here
        price=price,
        edit={
            "native_auto": True,
            "pictures": PictureForm(max_bytes=10_000_000, min_side=384, max_side=3072),
        },
    )


LONG = 4500
"""The maker recommends at most so many tokens; a token is a character or more."""
SHORT = 800
"""Characters; that of 2.1 was found nowhere and is taken to be the same."""
ROUTES: tuple[DashScopeRoute, ...] = (
    *_pair("3.0", "qwen-image-3.0", LONG, _usd(0.03, per_input=PER_INPUT), "negative_prompt", fixed=WITHOUT_THOUGHT),
    # the id is the maker's, its fields and its price (0.25 CNY) are resellers'
    *_pair(
        "2.1",
        "qwen-image-2.1-pro",
        SHORT,
        _usd(0.036, source="resellers: 0.25 CNY, at 7 CNY to the USD"),
        fixed=WITHOUT_THOUGHT,
    ),
    *_pair("2.0", "qwen-image-2.0", SHORT, _usd(0.035), "negative_prompt"),
    *_pair(
        "3.0-pro",
        "qwen-image-3.0-pro",
        LONG,
        _usd(0.04, per_input=PER_INPUT, source="resellers; 0.25 CNY up to 2,250,000 pixels by the maker's price list"),
        "negative_prompt",
        fixed=WITHOUT_THOUGHT,
    ),
    *_pair("2.0-pro", "qwen-image-2.0-pro", SHORT, _usd(0.075), "negative_prompt"),
)
"""Every route. A dated snapshot of a model, such as `qwen-image-2.0-2026-03-03`, can be chosen by the configuration."""
