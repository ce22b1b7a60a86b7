"""The fields of OpenAI's Images API and who takes them, typed from its reference without a look at the provider."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.emulators.pictures import Size

Check = Callable[[Any], str]
"""What is wrong with a value; empty when nothing is."""

FIXED_SIZES = ("auto", "1024x1024", "1536x1024", "1024x1536")
STEP = 16
LEAST_PIXELS, MOST_PIXELS = 655_360, 8_294_400
LONGEST_SIDE = 3840
WIDEST = 3
QUALITIES = ("auto", "low", "medium", "high")


@dataclass(frozen=True)
class Model:
    """One model."""

    free_size: bool = True
    """Whether it makes any size within its bounds."""
    qualities: tuple[str, ...] = QUALITIES
    """Finishes."""
    fidelities: tuple[str, ...] = ()
    """Values of `input_fidelity`; none where the field is refused."""
    markup: bool = False
    """Whether it takes the overlay of that name."""
    own: bool = True
    """Whether it is the maker's; weights of others on a server of one's own take fewer fields."""
    usd: float = 0.06
    """What a picture costs."""


MODELS: Mapping[str, Model] = {
    "gpt-image-1-mini": Model(free_size=False, fidelities=("low",)),
    "gpt-image-1.5": Model(free_size=False, fidelities=("high", "low"), usd=0.034),
    "gpt-image-2": Model(),
    "gpt-image-2-2026-04-21": Model(),
    "gpt-image-2.5-sunburst": Model(qualities=(*QUALITIES, "xhigh", "max"), markup=True),
    "gpt-image-2.5-flare": Model(qualities=(*QUALITIES, "xhigh", "max"), markup=True),
    "chatgpt-image-latest": Model(free_size=False),
}
OPEN_WEIGHTS = {"maker/open-weights": Model(own=False, usd=0.0)}
"""What a server of one's own may have."""


def text(most: int) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, str):
            return "expected a string"
        return "" if 1 <= len(value) <= most else f"length must be between 1 and {most}"

    return check


def choice(*values: str) -> Check:
    def check(value: Any) -> str:
        return "" if value in values else f"supported values are: {', '.join(values)}"

    return check


def whole(least: int, most: int) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, int) or isinstance(value, bool):
            return "expected an integer"
        return "" if least <= value <= most else f"must be between {least} and {most}"

    return check


def free_size(value: Any) -> str:
    if value == "auto":
        return ""
    sides = sides_of(value)
    if sides is None:
        return "expected WIDTHxHEIGHT"
    if any(side % STEP for side in sides):
        return f"Width and height must be divisible by {STEP}."
    if max(sides) > min(sides) * WIDEST:
        return "The aspect ratio must be between 1:3 and 3:1."
    inside = LEAST_PIXELS <= sides[0] * sides[1] <= MOST_PIXELS and max(sides) <= LONGEST_SIDE
    return "" if inside else f"The size must have {LEAST_PIXELS} to {MOST_PIXELS} pixels."


def sides_of(value: Any) -> Size | None:
    """`1024x1536` as numbers."""
    matched = re.fullmatch(r"(\d+)x(\d+)", value) if isinstance(value, str) else None
    return (int(matched[1]), int(matched[2])) if matched else None


def fields_of(model: Model, *, edit: bool) -> dict[str, Check]:
    """The fields a request may have, pictures aside."""
    shared = {"prompt": text(32000), "model": text(200), "n": whole(1, 10), "user": text(200)}
    if not model.own:
        return {**shared, "size": free_size, "response_format": choice("url", "b64_json")}
    known = {
        **shared,
        "size": free_size if model.free_size else choice(*FIXED_SIZES),
        "quality": choice(*model.qualities),
        "background": choice("auto", "transparent", "opaque"),
        "output_format": choice("png", "jpeg", "webp"),
        "output_compression": whole(0, 100),
        "safety_identifier": text(200),
    }
    if not edit:
        return {**known, "moderation": choice("auto", "low")}
    return {**known, "input_fidelity": choice(*model.fidelities)} if model.fidelities else known


NUMBERS = frozenset({"n", "output_compression"})
"""Fields that are numbers, although a form carries them as texts."""
