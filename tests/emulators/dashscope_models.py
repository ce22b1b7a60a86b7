"""DashScope's models for pictures, their parameters and their limits.

Typed from its reference, on purpose without a look at the provider, so that each checks the other.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from tests.emulators.pictures import look

if TYPE_CHECKING:
    from PIL import Image

    from tests.emulators.pictures import Size

Check = Callable[[Any], str]
"""What is wrong with a value; empty when nothing is."""

LEAST_PIXELS, MOST_PIXELS = 512 * 512, 2048 * 2048
WIDEST = 8
INPUT_BYTES = 10_000_000
INPUT_SIDES = (384, 3072)


def _text(most: int, least: int = 1) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, str):
            return "must be str"
        return "" if least <= len(value) <= most else f"must have {least} to {most} characters"

    return check


def _flag(value: Any) -> str:
    return "" if isinstance(value, bool) else "must be bool"


def _whole(least: int, most: int) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, int) or isinstance(value, bool):
            return "must be int"
        return "" if least <= value <= most else f"must be between {least} and {most}"

    return check


def _choice(*values: str) -> Check:
    return lambda value: "" if value in values else f"must be one of {', '.join(values)}"


def size_of(value: Any) -> Size | None:
    """`1536*1024` as numbers; None for anything else."""
    matched = re.fullmatch(r"(\d+)\*(\d+)", value) if isinstance(value, str) else None
    return (int(matched[1]), int(matched[2])) if matched else None


def size_by_pixels(value: Any) -> str:
    """Any size with so many pixels and not too long."""
    sides = size_of(value)
    if sides is None:
        return "must be width*height"
    if not LEAST_PIXELS <= sides[0] * sides[1] <= MOST_PIXELS:
        return "total pixels must be between 512*512 and 2048*2048"
    return "" if max(sides) <= WIDEST * min(sides) else "the ratio must be between 1:8 and 8:1"


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model."""

    images: int = 3
    """Most input pictures; without one, it makes a picture from the text alone."""
    prompt: int
    """Most characters of the prompt."""
    usd: tuple[tuple[float, float], ...]
    """What a picture costs that has up to so many pixels, ascending."""
    per_input: float = 0.0
    """What an input picture of a call costs besides, in USD."""
    thinks: bool = False
    """Whether it can be asked to think about the prompt, and how to better it."""
    avoids: bool = True
    """Whether it takes a negative prompt."""

    def price(self, size: Size, sent: int, made: int = 1) -> float:
        """USD of a call that makes so many pictures of that size of the ones that were sent."""
        each = next(usd for pixels, usd in self.usd if size[0] * size[1] <= pixels)
        return each * made + self.per_input * sent


MODELS: Mapping[str, Model] = {
    "qwen-image-2.0": Model(prompt=800, usd=((inf, 0.035),)),
    "qwen-image-2.0-pro": Model(prompt=800, usd=((inf, 0.075),)),
    "qwen-image-2.1-pro": Model(images=10, prompt=800, usd=((inf, 0.036),), thinks=True, avoids=False),
    "qwen-image-3.0": Model(prompt=4500, usd=((inf, 0.03),), per_input=0.003, thinks=True),
    "qwen-image-3.0-pro": Model(prompt=4500, usd=((2_250_000, 0.04), (inf, 0.08)), per_input=0.003, thinks=True),
}
"""From copies of the maker's reference, to October 2026. The ids of 2025 are said to have ended on 2026-10-10. Prices
of 3.0-pro and 2.1 in USD, the price of an input picture and the fields of 2.1 are resellers'."""


def parameters_of(model: Model) -> dict[str, Check]:
    """The `parameters` a call may have."""
    known: dict[str, Check] = {
        "n": _whole(1, 6),
        "size": size_by_pixels,
        "seed": _whole(0, 2**31 - 1),
        "prompt_extend": _flag,
        "watermark": _flag,
    }
    if model.avoids:
        known["negative_prompt"] = _text(500, 0)
    if model.thinks:
        known["enable_thinking"] = _flag
        known["prompt_extend_mode"] = _choice("direct", "agent")
    return known


def parameters_problem(parameters: Mapping[str, Any], pictures: int) -> str:
    """What is wrong with parameters together; empty when nothing is."""
    if parameters.get("prompt_extend_mode") == "agent" and pictures:
        return "prompt_extend_mode agent is not supported with images"
    return ""


def is_rewritten(model: Model, parameters: Mapping[str, Any]) -> bool:
    """Whether the model works with other words than it was given: it does unless that is switched off."""
    return bool(parameters.get("prompt_extend", True)) or (model.thinks and parameters.get("enable_thinking", True))


def prompt_problem(model: Model, prompt: Any) -> str:
    """What is wrong with a prompt."""
    return _text(model.prompt)(prompt)


def picture_in(link: Any) -> Image.Image | str:
    """The picture inside a data URI, or what is wrong with it."""
    matched = re.match(r"data:image/(png|jpeg|bmp|tiff|webp|gif);base64,", link) if isinstance(link, str) else None
    if matched is None:
        return "must be a data URI; nothing can be fetched from here"
    try:
        data = base64.b64decode(link[matched.end() :], validate=True)
        picture = look(data)
    except (binascii.Error, OSError):
        return "is not a picture"
    if str(picture.format).lower() != matched[1]:
        return f"is not of the type {matched[1]}"
    if len(data) > INPUT_BYTES:
        return "must have at most 10 MB"
    inside = all(INPUT_SIDES[0] <= side <= INPUT_SIDES[1] for side in picture.size)
    return picture if inside else f"must have sides between {INPUT_SIDES[0]} and {INPUT_SIDES[1]}"
