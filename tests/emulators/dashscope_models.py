"""DashScope's models for pictures, their parameters and their limits.

Typed from its reference, on purpose without a look at the provider, so that each checks the other.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.emulators.pictures import look

if TYPE_CHECKING:
    from PIL import Image

    from tests.emulators.pictures import Size

Check = Callable[[Any], str]
"""What is wrong with a value; empty when nothing is."""

OLD_SIZES = ("1664*928", "1472*1104", "1328*1328", "1104*1472", "928*1664")
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


def size_of(value: Any) -> Size | None:
    """`1536*1024` as numbers; None for anything else."""
    matched = re.fullmatch(r"(\d+)\*(\d+)", value) if isinstance(value, str) else None
    return (int(matched[1]), int(matched[2])) if matched else None


def old_size(value: Any) -> str:
    """One of a few sizes."""
    return "" if value in OLD_SIZES else f"must be one of {', '.join(OLD_SIZES)}"


def size_by_sides(value: Any) -> str:
    """Any size whose sides are within bounds."""
    sides = size_of(value)
    if sides is None:
        return "must be width*height"
    return "" if all(512 <= side <= 2048 for side in sides) else "sides must be between 512 and 2048"


def size_by_pixels(value: Any) -> str:
    """Any size with so many pixels and not too long."""
    sides = size_of(value)
    if sides is None:
        return "must be width*height"
    if not LEAST_PIXELS <= sides[0] * sides[1] <= MOST_PIXELS:
        return "total pixels must be between 512*512 and 2048*2048"
    return "" if max(sides) <= WIDEST * min(sides) else "the ratio must be between 1:8 and 8:1"


@dataclass(frozen=True)
class Model:
    """One model."""

    images: tuple[int, int]
    """Least and most input pictures."""
    prompt: int
    """Most characters of the prompt."""
    most: int = 6
    """Pictures of one call."""
    size: Check | None = size_by_sides
    """Check of the field; None where it is refused."""
    thinks: bool = False
    """Whether it can be asked to think about the prompt."""
    tasks: bool = False
    """Whether it is called through a task too."""


THIRD = Model((0, 3), 4500, size=size_by_pixels, thinks=True)
MODELS: Mapping[str, Model] = {
    "qwen-image": Model((0, 0), 800, most=1, size=old_size, tasks=True),
    "qwen-image-plus": Model((0, 0), 800, most=1, size=old_size, tasks=True),
    "qwen-image-edit": Model((1, 1), 800, most=1, size=None),
    "qwen-image-edit-plus": Model((1, 3), 800),
    "qwen-image-edit-max": Model((1, 3), 800),
    "qwen-image-2.0": Model((0, 3), 800),
    "qwen-image-2.0-pro": Model((0, 3), 800),
    "qwen-image-2.1": Model((0, 10), 800),
    "qwen-image-2.1-pro": Model((0, 10), 800),
    "qwen-image-3.0": THIRD,
    "qwen-image-3.0-pro": THIRD,
}


def parameters_of(model: Model) -> dict[str, Check]:
    """The `parameters` a call may have."""
    known: dict[str, Check] = {
        "n": _whole(1, model.most),
        "negative_prompt": _text(500, 0),
        "seed": _whole(0, 2**31 - 1),
        "prompt_extend": _flag,
        "watermark": _flag,
    }
    if model.size is not None:
        known["size"] = model.size
    return {**known, "enable_thinking": _flag} if model.thinks else known


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
