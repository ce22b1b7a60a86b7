"""What a draft shows: the words of a prompt steer it, chance does the rest."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

from imagewright.imaging.drafting import land, pattern, person, still, town, water
from imagewright.imaging.drafting.brush import Canvas, grained
from imagewright.imaging.drafting.palette import Palette, suited
from imagewright.imaging.drafting.words import SCENE_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image


PAINTERS: dict[str, Callable[[Canvas, Palette], None]] = {
    "sea": water.sea,
    "mountains": land.mountains,
    "hills": land.hills,
    "woods": land.woods,
    "dunes": land.dunes,
    "city": town.city,
    "cosmos": town.cosmos,
    "table": still.table,
    "plant": still.plant,
    "portrait": person.portrait,
    "pattern": pattern.pattern,
}
"""Every scene by the name it has in `SCENE_WORDS`."""

UNASKED = ("sea", "mountains", "hills", "woods", "dunes", "plant", "pattern")
"""What a prompt without any of these words may get."""

PAINTED = 1536
"""Longest side, in pixels, at which a scene is painted; a larger picture is enlarged from there."""


def words_of(prompt: str) -> frozenset[str]:
    """The words of a prompt in lower case, with the plain form of a plural beside it."""
    found = re.findall(r"[a-z]+", prompt.lower())
    return frozenset(found).union(word[:-1] for word in found if word.endswith("s"))


def palette_for(prompt: str, seed: int) -> Palette:
    """The colour world of a draft. Neighbouring seeds never share one."""
    choice = suited(words_of(prompt))
    return choice[seed % len(choice)]


def paint_scene(size: tuple[int, int], prompt: str, seed: int) -> Image.Image:
    """A composition for a prompt.

    Args:
        size: pixels, width and height.
        prompt: whose words steer what is shown.
        seed: the same seed and prompt always give the same pixels.

    Returns:
        An RGB image of exactly that size.
    """
    words = words_of(prompt)
    rng = random.Random(f"{seed} {prompt}")  # noqa: S311 - chance that can be repeated, not secrecy
    hits = {name: len(words.intersection(called_by.split())) for name, called_by in SCENE_WORDS.items()}
    name = max(hits, key=lambda one: hits[one])
    if not hits[name]:
        name = UNASKED[int(rng.random() * len(UNASKED))]
    shrink = max(1.0, max(size) / PAINTED)
    canvas = Canvas((max(1, round(size[0] / shrink)), max(1, round(size[1] / shrink))), rng)
    PAINTERS[name](canvas, palette_for(prompt, seed))
    image = canvas.image if canvas.image.size == size else canvas.image.resize(size)
    return grained(image)
