"""The picture models of Google's Gemini: what each takes, makes and costs.

Typed from the maker's client google-genai 3.6.1, its pages and the tables of LiteLLM 1.110.2 as of 2026-11-26, without
a look at the provider.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.emulators.pictures import Size

RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
LONG_RATIOS = ("1:4", "4:1", "1:8", "8:1")
SIZES_25: Mapping[str, Size] = {
    "1:1": (1024, 1024),
    "2:3": (832, 1248),
    "3:2": (1248, 832),
    "3:4": (864, 1184),
    "4:3": (1184, 864),
    "4:5": (896, 1152),
    "5:4": (1152, 896),
    "9:16": (768, 1344),
    "16:9": (1344, 768),
    "21:9": (1536, 672),
}
"""Pixels of 2.5, by ratio."""
SIZES_3: Mapping[str, Size] = {
    "1:1": (1024, 1024),
    "2:3": (848, 1264),
    "3:2": (1264, 848),
    "3:4": (896, 1200),
    "4:3": (1200, 896),
    "4:5": (928, 1152),
    "5:4": (1152, 928),
    "9:16": (768, 1376),
    "16:9": (1376, 768),
    "21:9": (1584, 672),
    "1:4": (512, 2048),
    "4:1": (2048, 512),
    "1:8": (384, 3072),
    "8:1": (3072, 384),
}
"""Pixels of the later ones at 1K, by ratio; 2K and 4K have two and four times as many a side, and 512 half."""
TIMES = {"512": 0.5, "1K": 1, "2K": 2, "4K": 4}


@dataclass(frozen=True)
class Model:
    """One model."""

    pixels: Mapping[str, Size]
    """Its ratios, each with the sides in px that come."""
    usd: Mapping[str, float]
    """What a picture costs, by size class. One that is not asked for a class makes 1K."""
    sizes: tuple[str, ...] = ()
    """The size classes that it can be asked for; none where the field breaks it."""
    input_usd: float = 0.0
    """What an input picture costs."""
    images: int = 14
    """Most input pictures."""
    form: str = "jpeg"
    """The file type of what it makes, which cannot be chosen: measured by users of AI Studio in July 2026."""
    thinking: tuple[str, ...] = ()
    """Levels of thinking that it can be asked for; none where the field is refused."""
    interim: bool = True
    """Whether it thinks in pictures, which come before the final one."""
    refuses: frozenset[str] = field(default_factory=frozenset)
    """Fields of the configuration that other models take."""


TEN = {ratio: SIZES_3[ratio] for ratio in RATIOS}
MODELS: Mapping[str, Model] = {
    "gemini-nano-banana-2.1": Model(
        pixels=SIZES_3,
        usd={"1K": 0.0336, "2K": 0.0504, "4K": 0.1134},
        sizes=("1K", "2K", "4K"),
        input_usd=0.00168,
        thinking=("minimal", "medium", "high"),
        refuses=frozenset({"seed", "temperature", "topP", "topK", "candidateCount"}),
    ),
    # its page says that it works best with up to three pictures; more are refused here, as they may be overlooked
    "gemini-2.5-flash-image": Model(pixels=SIZES_25, usd={"1K": 0.039}, images=3, form="png", interim=False),
    "gemini-3-pro-image": Model(
        pixels=TEN, usd={"1K": 0.134, "2K": 0.134, "4K": 0.24}, sizes=("1K", "2K", "4K"), input_usd=0.0011
    ),
    "gemini-3.1-flash-image": Model(
        pixels=SIZES_3,
        usd={"512": 0.045, "1K": 0.0672, "2K": 0.101, "4K": 0.151},
        sizes=("512", "1K", "2K", "4K"),
        input_usd=0.00056,
        thinking=("minimal", "high"),
    ),
    "gemini-3.1-flash-lite-image": Model(
        pixels=TEN, usd={"1K": 0.0336}, sizes=("1K",), input_usd=0.00028, thinking=("minimal", "high")
    ),
}
