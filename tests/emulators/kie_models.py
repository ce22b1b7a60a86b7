"""What is a model of Kie's: fields, types, limits, credits, sizes; and those models that have no editions.

Typed from the field tables of its pages, in copies of 2026-08-19, 2026-09-24 and 2026-10-01, on purpose without a look
at the provider, so that each checks the other. An unknown field is refused here. Kie itself ignores it, and charges.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.emulators.pictures import Size, of_area

Check = Callable[[Any], str]
"""What is wrong with a value, in Kie's manner; empty when nothing is."""
Fields = Mapping[str, Any]
"""The fields of a request."""
Rule = Callable[[Fields], str]
"""What is wrong with the fields together; empty when nothing is."""
Credits = Callable[[Fields, Sequence[Size]], float]
"""What a request costs, from its fields and the sides of its pictures."""

NOT_ALLOWED = "is not within the range of allowed options"
MEGAPIXEL = 1024 * 1024


def text(most: int, least: int = 1) -> Check:
    """A text of so many characters."""

    def check(value: Any) -> str:
        if not isinstance(value, str):
            return "must be a string"
        return "" if least <= len(value) <= most else f"length must be between {least} and {most}"

    return check


def choice(*values: Any) -> Check:
    """One of these, of the same JSON type."""

    def check(value: Any) -> str:
        return "" if any(value == one and type(value) is type(one) for one in values) else NOT_ALLOWED

    return check


def whole(least: int, most: int) -> Check:
    """A whole number; a text of one is refused."""

    def check(value: Any) -> str:
        if not isinstance(value, int) or isinstance(value, bool):
            return "must be a number"
        return "" if least <= value <= most else NOT_ALLOWED

    return check


def decimal(least: float, most: float) -> Check:
    """A number."""

    def check(value: Any) -> str:
        if not isinstance(value, int | float) or isinstance(value, bool):
            return "must be a number"
        return "" if least <= value <= most else NOT_ALLOWED

    return check


def link(value: Any) -> str:
    """One http(s) address; data URIs and plain base64 are refused."""
    return "" if isinstance(value, str) and value.startswith(("http://", "https://")) else "must be a public URL"


def links(least: int, most: int) -> Check:
    """A list of addresses."""

    def check(value: Any) -> str:
        if not isinstance(value, list) or any(link(one) for one in value):
            return "must be an array of public URLs"
        return "" if least <= len(value) <= most else f"must hold {least} to {most} images"

    return check


def flag(value: Any) -> str:
    """A boolean."""
    return "" if isinstance(value, bool) else "must be a boolean"


SEED = whole(0, 2**31 - 1)
TYPES: dict[str, Check] = {"output_format": choice("png", "jpeg")}
RATIOS8 = ("1:1", "4:3", "3:4", "16:9", "9:16", "2:3", "3:2", "21:9")
SIDES = {"1K": 1024, "1.5K": 1536, "2K": 2048, "3K": 3072, "4K": 4096}
"""Sides of a square in each resolution, in px."""
PIXELS: dict[str, Size] = {
    "square": (512, 512),
    "square_hd": (1024, 1024),
    "portrait_4_3": (768, 1024),
    "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768),
    "landscape_16_9": (1024, 576),
}
"""Sides by the name of a shape. A portrait is named by its longer side first."""


def flat(each: float) -> Credits:
    """So many credits a request."""
    return lambda _fields, _pictures: each


def credits_by(name: str, usual: str, table: Mapping[str, float], *, more: float = 0, free: int = 0) -> Credits:
    """Credits by the value of a field, `usual` without it, and `more` for each picture after the free ones."""
    return lambda fields, pictures: table[fields.get(name, usual)] + more * max(0, len(pictures) - free)


def times(each: Credits, name: str) -> Credits:
    """So many credits for each of the pictures whose number is in a field."""
    return lambda fields, pictures: each(fields, pictures) * int(fields.get(name, 1))


@dataclass(frozen=True)
class Inputs:
    """What an input picture may be."""

    megabytes: float = 30
    megapixels: float = math.inf
    sides: tuple[int, float] = (1, math.inf)
    """Pixels of its shorter and its longer side, at least and at most."""

    def problem(self, size: Size, length: int) -> str:
        """What is wrong with a picture of that size and so many bytes; empty when nothing is."""
        if length > self.megabytes * 1_000_000:
            return f"image size exceeds maximum of {self.megabytes} MB"
        if size[0] * size[1] > self.megapixels * 1_000_000:
            return f"image exceeds maximum of {self.megapixels} megapixels"
        within = self.sides[0] <= min(size) and max(size) <= self.sides[1]
        return "" if within else f"image sides must be between {self.sides[0]} and {self.sides[1]}"


@dataclass(frozen=True)
class Model:
    """One model."""

    required: Mapping[str, Check]
    """Fields that must be there."""
    optional: Mapping[str, Check] = field(default_factory=dict)
    """Fields that may be."""
    credits_for: Credits = field(kw_only=True)
    size: Callable[[Fields, Size], Size] = lambda _fields, source: source
    """Sides of the result from the fields and the first input's sides."""
    count: Callable[[Fields], int] = lambda _: 1
    """How many pictures it makes."""
    kind: str = "draw"
    """What it does with its first picture."""
    form: str = ""
    """Field that chooses the file type; empty for none."""
    usual_form: str = "png"
    """The file type without that field; empty for the type of the first picture."""
    images: str = ""
    """Field with the input pictures."""
    inputs: Inputs = Inputs()
    rules: tuple[Rule, ...] = ()
    random_seed: int | None = None
    """The seed that asks for a random one."""
    usual_seed: int | None = None
    """The seed without the field; None when it is another one each time."""
    rewrites: str = ""
    """Field that stops it from rewriting the prompt, which it does unless this is false; empty where it never does."""

    def problems(self, fields: Fields) -> tuple[int, str] | None:
        """The code and words with which Kie refuses the fields; None when it takes them."""
        known = {**self.required, **self.optional}
        if unknown := sorted(set(fields) - set(known)):
            return 422, f"{unknown[0]} is not a known field"
        if missing := [name for name in self.required if name not in fields]:
            return 422, f"{missing[0]}: This field is required"
        for name, value in fields.items():
            if why := known[name](value):
                return (500 if why == NOT_ALLOWED else 422), f"{name} {why}"
        return next(((422, why) for rule in self.rules if (why := rule(fields))), None)

    def rewrites_prompt(self, fields: Fields) -> bool:
        """Whether it changes the prompt of this request."""
        return bool(self.rewrites) and fields.get(self.rewrites, True) is not False

    def type_for(self, fields: Fields) -> str:
        """The file type of what it makes; empty for the type of the first picture."""
        return str(fields.get(self.form, self.usual_form)).replace("jpg", "jpeg")


def by_preset(fields: Fields, _source: Size) -> Size:
    """The sides that belong to the name of a shape."""
    return PIXELS[fields.get("image_size", "square_hd")]


def shaped(ratio: str, resolution: str, words: Mapping[str, str], usual: str) -> Callable[[Fields, Size], Size]:
    """Sides of the ratio in a field, for auto of the first picture's, and of the area of the resolution in another."""

    def size(fields: Fields, source: Size) -> Size:
        asked = fields.get(ratio, "1:1")
        asked = f"{source[0]}:{source[1]}" if asked == "auto" else asked
        side = SIDES[words[fields.get(resolution, usual)]]
        return of_area(asked, side * side, 16)

    return size


def own(*words: str) -> dict[str, str]:
    """Words that mean themselves."""
    return dict(zip(words, words, strict=True))


REFRAME_CREDITS = {"TURBO": 3.5, "BALANCED": 7.0, "QUALITY": 10.0}
TOPAZ_CREDITS = {2048: 10.0, 4096: 20.0, 8192: 40.0, 16_384: 80.0, 20_000: 160.0}
"""By the longer side of what comes out, in px. The third is of older copies of the price list: the one of 2026-09-24
has no row for it. What lies beyond is assumed to go on doubling."""
TOPAZ_LONGEST = 20_000
"""Longest side in px of what it makes."""


def _enlarged(fields: Fields, source: Size) -> Size:
    factor = int(fields["upscale_factor"])
    return source[0] * factor, source[1] * factor


def _topaz_credits(fields: Fields, pictures: Sequence[Size]) -> float:
    longest = max(_enlarged(fields, pictures[0]))
    return next((price for side, price in TOPAZ_CREDITS.items() if longest <= side), math.inf)


OTHERS: dict[str, Model] = {
    "topaz/image-upscale": Model(
        {"image_url": link, "upscale_factor": choice("1", "2", "4")},
        credits_for=_topaz_credits,
        size=_enlarged,
        kind="enlarge",
        usual_form="",
        images="image_url",
        inputs=Inputs(megabytes=10),
    ),
    "recraft/remove-background": Model(
        {"image": link},
        credits_for=flat(1),
        kind="cut_out",
        images="image",
        inputs=Inputs(megabytes=5, megapixels=16, sides=(256, 4096)),
    ),
    # its page of 2025; a sample there was WebP
    "ideogram/v3-reframe": Model(
        {"image_url": link, "image_size": choice(*PIXELS)},
        {
            "rendering_speed": choice(*REFRAME_CREDITS),
            "style": choice("AUTO", "GENERAL", "REALISTIC", "DESIGN"),
            "num_images": choice("1", "2", "3", "4"),
            "seed": SEED,
        },
        credits_for=times(credits_by("rendering_speed", "BALANCED", REFRAME_CREDITS), "num_images"),
        size=by_preset,
        count=lambda fields: int(fields.get("num_images", "1")),
        usual_form="webp",
        images="image_url",
        inputs=Inputs(megabytes=10),
        random_seed=0,
    ),
}
"""Models of the market that have no editions."""

FLUX_KONTEXT = Model(
    {"prompt": text(32000)},
    {
        "model": choice("flux-kontext-pro", "flux-kontext-max"),
        "inputImage": link,
        "aspectRatio": choice("21:9", "16:9", "4:3", "1:1", "3:4", "9:16"),
        "outputFormat": choice("jpeg", "png"),
        "promptUpsampling": flag,
        "safetyTolerance": whole(0, 6),
        "enableTranslation": flag,
        "uploadCn": flag,
        "watermark": text(100),
    },
    credits_for=credits_by("model", "flux-kontext-pro", {"flux-kontext-pro": 5.0, "flux-kontext-max": 10.0}),
    size=lambda fields, source: (
        of_area(fields.get("aspectRatio", "16:9"), MEGAPIXEL)
        if "aspectRatio" in fields or "inputImage" not in fields
        else source
    ),
    form="outputFormat",
    usual_form="jpeg",
    images="inputImage",
)
"""With an input picture the tolerance goes to 2 only; see `kie.KieEmulator`."""
