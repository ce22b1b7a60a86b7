"""What fal's endpoints have in common: how a table of one is written, its sizes, what it does and what it charges."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.emulators.kie_models import PIXELS, choice, flag, text, whole
from tests.emulators.pictures import cut_out, encode, of_area, saved
from tests.emulators.tables import MEGAPIXEL, SEED, Fields, Table, Wrong

if TYPE_CHECKING:
    from PIL import Image

    from tests.emulators.kie_models import Check
    from tests.emulators.pictures import Size

Charge = Callable[[Fields, Sequence["Size"], Sequence["Size"]], float]
"""USD of a call, from its fields, the sides of its input pictures and those of what it made."""
DATA_MEGAPIXEL = 1_000_000
SIDES = {"0.5K": 512, "1K": 1024, "1.5K": 1536, "2K": 2048, "3K": 3072, "4K": 4096}
NO_LIMIT = 100_000
"""Characters of a prompt, where no limit is published."""
PROMPT = text(NO_LIMIT)
PRESETS = choice(*PIXELS)
SEEDS = whole(0, SEED)
JPEG_PNG = choice("jpeg", "png")
ALL_FORMS = choice("jpeg", "png", "webp")
TOLERANCE = choice("1", "2", "3", "4", "5", "6")
AREA_1K, AREA_2K, AREA_4K = 1024 * 1024, 2048 * 2048, 4096 * 4096
SYNC: Mapping[str, Check] = {"sync_mode": flag}
CHECKED: Mapping[str, Check] = {"enable_safety_checker": flag, **SYNC}


@dataclass(frozen=True)
class FalTable(Table):
    """An endpoint of fal."""

    charge: Charge = lambda _fields, _inputs, _made: 0.0
    """What a call costs."""
    clash: Callable[[Fields], Wrong | None] = lambda _fields: None
    """What is wrong with fields that are right one by one."""
    off: Mapping[str, Any] = field(default_factory=dict)
    """Fields whose default changes the prompt or the picture unasked, with the value that leaves both alone."""
    input_sides: tuple[int, int] = (1, 100_000)
    """The shortest and the longest side of an input picture, in px."""
    input_alpha: bool = True
    """Whether an input picture may have an alpha channel."""
    keeps_alpha: bool = True
    """Whether an enlargement keeps it."""
    measured: bool = True
    """Whether the answer names the sides and the bytes of a picture; the fields are there without it too."""

    def wrong(self, fields: Fields) -> Wrong | None:
        """The first thing that is wrong with an object.

        An unknown field is refused here. The vendor leaves its inputs open and makes a picture without it, which is
        paid for and not what was asked.
        """
        return super().wrong(fields) or self.clash(fields)

    def make(self, fields: Fields, pictures: list[Image.Image], mask: Image.Image | None) -> list[Image.Image]:
        """The pictures it makes."""
        given = pictures if self.keeps_alpha else [one.convert("RGB") for one in pictures]
        made = super().make(fields, given, mask)
        return [cut_out(one) for one in made] if fields.get("background") == "transparent" else made

    def refused(self, pictures: Sequence[Image.Image]) -> str:
        """Why it does not take these input pictures; empty when it does."""
        least, most = self.input_sides
        for one in pictures:
            if min(one.size) < least or max(one.size) > most:
                return f"sides must be {least} to {most} px, not {one.width}x{one.height}"
            if not self.input_alpha and "A" in one.getbands():
                return "an alpha channel is not supported"
        return ""


def as_file(picture: Image.Image, form: str) -> bytes:
    """The picture as a file; unlike `encode`, a WebP keeps its transparency."""
    if form != "webp" or picture.mode != "RGBA":
        return encode(picture, form)
    return saved(picture, form, lossless=True)


def pixels(
    least: int,
    most: int,
    *,
    step: int = 1,
    longest: int = 100_000,
    widest: float = math.inf,
    both: tuple[int, int] = (0, 0),
) -> Check:
    """An object of width and height, with so many pixels in all; `both` are bounds of each side that do instead."""

    def check(value: Any) -> str:
        if not isinstance(value, dict) or set(value) != {"width", "height"}:
            return "must be a preset or an object of width and height"
        sides = (value["width"], value["height"])
        if any(type(side) is not int or side < 1 or side % step for side in sides):
            return f"sides must be whole numbers divisible by {step}"
        if max(sides) > longest or max(sides) > widest * min(sides):
            return f"the longer side may have {longest} px and {widest} times the shorter"
        if all(both[0] <= side <= both[1] for side in sides):
            return ""
        return "" if least <= sides[0] * sides[1] <= most else f"must have {least} to {most} pixels"

    return check


def sized(usual: Size | str) -> Callable[[Fields, Size], Size]:
    """The sides that `image_size` asks for; where it is left out, `usual`, or the input's for `auto`."""

    def size(fields: Fields, source: Size) -> Size:
        asked = fields.get("image_size", usual)
        if isinstance(asked, tuple):
            return asked
        if isinstance(asked, dict):
            return asked["width"], asked["height"]
        if asked in PIXELS:
            return PIXELS[asked]
        if asked == "auto":
            return source
        if asked.startswith("auto_"):
            side = SIDES[asked.removeprefix("auto_")]
            return side, side
        wide, high = asked.split("x")
        return int(wide), int(high)

    return size


def nearest(usual: str, sizes: Sequence[str]) -> Callable[[Fields, Size], Size]:
    """As `sized`, for a model with these sizes only: `auto` is the one whose shape is nearest to the input's."""

    def size(fields: Fields, source: Size) -> Size:
        known = [(int(wide), int(high)) for wide, high in (one.split("x") for one in sizes)]
        close = min(known, key=lambda one: abs(math.log(one[0] / one[1] * source[1] / source[0])))
        return close if fields.get("image_size", usual) == "auto" else sized(usual)(fields, source)

    return size


def by_resolution(usual: str, known: Mapping[str, Size]) -> Callable[[Fields, Size], Size]:
    """The maker's own sides for a ratio in 1K, times what the resolution says; `auto` is the input's."""

    def size(fields: Fields, source: Size) -> Size:
        ratio = fields.get("aspect_ratio", usual)
        if ratio == "auto":
            ratio = min(known, key=lambda one: abs(math.log(known[one][0] / known[one][1] * source[1] / source[0])))
        wide, high = known.get(ratio) or of_area(ratio, MEGAPIXEL)
        scale = SIDES[fields.get("resolution", "1K")] / 1024
        return round(wide * scale), round(high * scale)

    return size


def count_in(name: str) -> Callable[[Fields], int]:
    """So many pictures as a field says."""
    return lambda fields: int(fields.get(name, 1))


def each(usd: float, per_input: float = 0.0) -> Charge:
    """The same for each picture; each input adds to it."""
    return lambda _fields, inputs, made: (usd + per_input * len(inputs)) * len(made)


def each_by(name: str, usual: Any, usd: Mapping[Any, float]) -> Charge:
    """For each picture by the value of a field."""
    return lambda fields, _inputs, made: usd[fields.get(name, usual)] * len(made)


def per_megapixel(usd: float) -> Charge:
    """By the million pixels that are made."""
    return lambda _fields, _inputs, made: usd * sum(wide * high for wide, high in made) / DATA_MEGAPIXEL


def per_started(usd: float, megapixels: int) -> Charge:
    """By every begun portion of so many million pixels that are made."""
    part = megapixels * DATA_MEGAPIXEL
    return lambda _fields, _inputs, made: sum(usd * math.ceil(wide * high / part) for wide, high in made)


def above(limit: int, low: float, high: float, *, further_input: float = 0.0) -> Charge:
    """One price for a picture of up to so many pixels and another above; each input but the first adds to a picture."""

    def charge(_fields: Fields, inputs: Sequence[Size], made: Sequence[Size]) -> float:
        added = further_input * max(0, len(inputs) - 1)
        return sum((low if wide * tall <= limit else high) + added for wide, tall in made)

    return charge


def by_tokens(levels: Mapping[str, int], usual: str, *, per_input: float = 0.0) -> Charge:
    """By the tokens of a picture, as the maker's own calculator counts them, at 30 USD a million; plus its inputs."""

    def charge(fields: Fields, inputs: Sequence[Size], made: Sequence[Size]) -> float:
        level = levels[fields.get("quality", usual)]
        usd = per_input * len(inputs) * len(made)
        for size in made:
            long, short = max(size), min(size)
            rows = (2 * level * short + long) // (2 * long)
            usd += math.ceil(level * rows * (2_000_000 + long * short) / 4_000_000) * 30e-6
        return usd

    return charge


def both(
    ids: tuple[str, str],
    optional: Mapping[str, Check],
    edit: Mapping[str, Check],
    *,
    required: Mapping[str, Check] | None = None,
    prompt: Check = PROMPT,
    generate: Mapping[str, Check] | None = None,
    **made: Any,
) -> dict[str, FalTable]:
    """The endpoints that generate and edit, with what the one takes besides and what the other does."""
    return {
        ids[0]: FalTable({"prompt": prompt}, {**optional, **(generate or {})}, **made),
        ids[1]: FalTable({"prompt": prompt, **(required or {})}, {**optional, **edit}, images="image_urls", **made),
    }


def see_through(fields: Fields) -> Wrong | None:
    if fields.get("background") == "transparent" and fields.get("output_format") == "jpeg":
        return Wrong("background", "value_error", "a transparent background needs png or webp")
    if "output_compression" in fields and fields.get("output_format", "png") == "png":
        return Wrong("output_compression", "value_error", "only for jpeg and webp")
    return None
