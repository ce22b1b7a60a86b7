"""The fields of OpenAI's Images API and who takes them, typed from its reference without a look at the provider."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
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
FINER = (*QUALITIES, "xhigh", "max")
OUTPUT_USD, INPUT_USD = 30e-6, 8e-6
"""USD of one token of a picture that is made, and of one that is sent, from gpt-image-2 on."""
INPUT_TOKENS = 1024
"""Tokens of an input picture of 1024 x 1024 px, which is what every one is counted as here."""


@dataclass(frozen=True)
class Model:
    """One model."""

    free_size: bool = True
    """Whether it makes any size within its bounds."""
    qualities: tuple[str, ...] = QUALITIES
    """Finishes."""
    levels: Mapping[str, float] = field(default_factory=dict)
    """In how many columns a picture is counted, by finish, where the size is free; see `tokens`."""
    times: Mapping[str, float] = field(default_factory=dict)
    """How many times the tokens counted from that it takes, by finish; once where a finish is not here."""
    usd: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """By finish: what a square costs and what a longer picture costs, where the sizes are fixed."""
    fidelities: tuple[str, ...] = ()
    """Values of `input_fidelity`; none where the field is refused."""
    markup: bool = False
    """Whether it takes the overlay of that name."""
    complexity: bool = False
    """Whether it takes the field of that name."""
    own: bool = True
    """Whether it is the maker's; weights of others on a server of one's own take fewer fields."""
    shutdown: str | None = None
    """The day that the list of models names for its end."""

    def charge(self, size: Size, quality: str) -> float:
        """USD of one picture."""
        known = "high" if quality == "auto" else quality
        if self.levels:
            return self.tokens(size, known) * OUTPUT_USD
        square, longer = self.usd.get(known, (0.0, 0.0))
        return square if size[0] == size[1] else longer

    def tokens(self, size: Size, quality: str) -> int:
        """Tokens of a picture, as the maker's calculator counts them."""
        columns, long, short = self.levels[quality], max(size), min(size)
        rows = math.floor(columns * short / long + 0.5)
        counted = math.ceil(columns * rows * (2_000_000 + size[0] * size[1]) / 4_000_000)
        return math.ceil(counted * self.times.get(quality, 1))


SHUT = "2026-12-01"
MINI = {"low": (0.005, 0.006), "medium": (0.011, 0.015), "high": (0.036, 0.052)}
OLDER = {"low": (0.009, 0.013), "medium": (0.034, 0.05), "high": (0.133, 0.2)}
TWO = Model(levels={"low": 16, "medium": 48, "high": 96})
LEVELS = {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96}
TWO_FIVE = Model(qualities=FINER, levels=LEVELS, markup=True)
# measured by a reseller at three to four times what 2.5 takes; low at 1536 x 1024 px took 664 tokens
TWO_SIX = replace(TWO_FIVE, times={"low": 4.2, "medium": 3.5}, complexity=True)
ONE_FIVE = Model(free_size=False, fidelities=("high", "low"), usd=OLDER, shutdown=SHUT)
MODELS: Mapping[str, Model] = {
    "gpt-image-1-mini": Model(free_size=False, fidelities=("low",), usd=MINI, shutdown=SHUT),
    "gpt-image-1.5": ONE_FIVE,
    "gpt-image-1.5-2025-12-16": ONE_FIVE,
    "chatgpt-image-latest": Model(free_size=False, usd=OLDER, shutdown=SHUT),
    "gpt-image-2": TWO,
    "gpt-image-2-2026-04-21": TWO,
    "gpt-image-2.5-flare": TWO_FIVE,
    "gpt-image-2.5-flare-2026-09-08": TWO_FIVE,
    "gpt-image-2.5-sunburst": TWO_FIVE,
    "gpt-image-2.5-sunburst-2026-09-08": TWO_FIVE,
    "gpt-image-2.6-flare": TWO_SIX,
    "gpt-image-2.6-sunburst": TWO_SIX,
}
"""What is left in late November 2026, from the maker's client openai 3.57.0; the fields of 2.6 from AI SDK's provider
@ai-sdk/openai 4.0.118. gif and svg are a gated preview and refused here."""
OPEN_WEIGHTS = {"maker/open-weights": Model(own=False)}
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
        return f"Width and height must both be divisible by {STEP}."
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
    if model.complexity:
        known["complexity"] = choice("low", "medium", "high")
    if not edit:
        return {**known, "moderation": choice("auto", "low")}
    return {**known, "input_fidelity": choice(*model.fidelities)} if model.fidelities else known


NUMBERS = frozenset({"n", "output_compression"})
"""Fields that are numbers, although a form carries them as texts."""
