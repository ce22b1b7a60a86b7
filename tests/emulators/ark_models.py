"""The fields of BytePlus's image service and the models that take them.

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

WIDEST = 16
"""The longer side over the shorter, at most: of what is sent and of what is made."""
INPUT_BYTES, INPUT_PIXELS, INPUT_SIDE = 30_000_000, (196, 36_000_000), 15
INPUT_FORMATS = frozenset({"jpeg", "png", "webp", "bmp", "tiff", "gif"})
MOST_OF_A_SET = 15
FOURTH: Mapping[str, Size] = {"1K": (1024, 1024), "2K": (2720, 1536), "3K": (3072, 3072), "4K": (4096, 4096)}
FIFTH: Mapping[str, Size] = {"1K": (864, 1152), "1.5K": (1344, 1792), "2K": (1760, 2368)}
"""A keyword lets the model choose the shape from the prompt; these stand in the vendor's samples."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model."""

    images: int
    """Most input pictures."""
    keywords: Mapping[str, Size]
    """The sizes it knows by a word, with what comes of each."""
    pixels: tuple[int, int]
    """Fewest and most pixels of a picture."""
    usd: tuple[tuple[float, float], ...]
    """What a picture costs that has up to so many pixels, ascending."""
    per_input: float = 0.0
    """What an input picture costs besides, in USD."""
    inputs_free: int = 0
    """How many of them cost nothing."""
    sets: bool = False
    """Whether it makes several related pictures in one call. To the others, the fields for that are unknown."""
    forms: tuple[str, ...] = ()
    """File types it can be asked for, the default first. None where the field is unknown: JPEG comes."""
    backgrounds: tuple[str, ...] = ()
    """What it can be asked for behind the subject, the default first; none where the field is unknown."""
    clears_text: bool = False
    """Whether it makes a transparent picture of a text alone; otherwise only of one PNG that has an alpha channel."""
    modes: tuple[str, ...] = ("standard",)
    """How it can be asked to better the prompt."""
    searches: bool = False
    """Whether it can be asked to search the web."""

    def price(self, size: Size, sent: int) -> float:
        """USD of one picture of that size, made of so many; those that cost extra make one picture a call."""
        each = next(usd for pixels, usd in self.usd if size[0] * size[1] <= pixels)
        return each + self.per_input * max(0, sent - self.inputs_free)


_OLDER = (3_686_400, 16_777_216)
_NEWER: dict[str, Any] = {
    "images": 10,
    "keywords": FIFTH,
    "pixels": (921_600, 4_624_220),
    "backgrounds": ("opaque", "transparent"),
}
_CLASSES_4: Mapping[str, Size] = {name: size for name, size in FOURTH.items() if name != "3K"}
_CLASSES_45: Mapping[str, Size] = {name: FOURTH[name] for name in ("2K", "4K")}
_CLASSES_LITE: Mapping[str, Size] = {name: FOURTH[name] for name in ("2K", "3K", "4K")}
_LITE = Model(
    images=14,
    keywords=_CLASSES_LITE,
    pixels=_OLDER,
    usd=((inf, 0.035),),
    sets=True,
    forms=("jpeg", "png"),
    searches=True,
)
MODELS: Mapping[str, Model] = {
    "seedream-4-0-250828": Model(
        images=14,
        keywords=_CLASSES_4,
        pixels=(921_600, 16_777_216),
        usd=((inf, 0.03),),
        sets=True,
        modes=("standard", "fast"),
    ),
    "seedream-4-5-251128": Model(images=14, keywords=_CLASSES_45, pixels=_OLDER, usd=((inf, 0.04),), sets=True),
    "seedream-5-0-260128": _LITE,
    "seedream-5-0-lite-260128": _LITE,
    "dola-seedream-5-0-pro-260628": Model(
        **_NEWER,
        usd=((2_610_000, 0.045), (inf, 0.09)),
        per_input=0.003,
        inputs_free=1,
        forms=("jpeg", "png"),
        modes=("standard", "fast"),
    ),
    "dola-seedream-5-0-flash-260915": Model(**_NEWER, usd=((inf, 0.018),), forms=("jpeg", "png")),
    # by resellers only: several agree in fields and prices, one of them names this id; the bounds are the pro's
    "dola-seedream-5-5-261028": Model(
        **_NEWER | {"backgrounds": ("auto", "opaque", "transparent")},
        usd=((2_601_123, 0.02), (inf, 0.035)),
        per_input=0.008,
        forms=("png", "jpeg"),
        clears_text=True,
    ),
}
"""From copies of the maker's reference and price list, read on 2026-11-26."""
SERVED_IN_CHINA = tuple(name for name in MODELS if name.startswith("dola-"))
"""Volcengine ended the others on 2026-11-24: its notice of deprecation, tenth batch."""


def in_china(name: str) -> str:
    """The id of a model at Volcengine, where the maker's brand is another."""
    return f"doubao-{name.removeprefix('dola-')}"


def _text(value: Any) -> str:
    return "" if isinstance(value, str) and value.strip() else "it must be a text"


def _flag(value: Any) -> str:
    return "" if isinstance(value, bool) else "it must be a boolean"


def _choice(*values: str) -> Check:
    return lambda value: "" if value in values else f"it must be one of {', '.join(values)}"


def _size(model: Model, value: Any) -> str:
    if value in model.keywords:
        return ""
    matched = re.fullmatch(r"(\d+)x(\d+)", value) if isinstance(value, str) else None
    if matched is None:
        return f"it must be {', '.join(model.keywords)} or WIDTHxHEIGHT"
    wide, high = size_of(model, matched[0])
    if not model.pixels[0] <= wide * high <= model.pixels[1]:
        return f"it must have {model.pixels[0]} to {model.pixels[1]} pixels"
    return "" if max(wide, high) <= WIDEST * min(wide, high) else f"its ratio must be from 1/{WIDEST} to {WIDEST}"


def size_of(model: Model, value: str) -> Size:
    """The sides of what is made, in px."""
    if value in model.keywords:
        return model.keywords[value]
    wide, high = value.split("x")
    return int(wide), int(high)


def pictures_in(value: Any) -> list[Any]:
    """The input pictures: one, or a list of them."""
    return value if isinstance(value, list) else [value]


def _pictures(value: Any) -> str:
    found = pictures_in(value)
    return next((why for why in map(_picture, found) if why), "") if found else "it must not be empty"


def picture_in(value: str) -> Image.Image:
    """The picture in an address that was found to be right."""
    return look(base64.b64decode(value.partition(",")[2]))


def _picture(value: Any) -> str:
    if not isinstance(value, str):
        return "it must be a text or a list of texts"
    matched = re.match(r"data:image/([a-z]+);base64,", value)
    if matched is None:
        return "it must be data:image/<format in lower case>;base64,<picture>; nothing can be fetched from here"
    try:
        data = base64.b64decode(value[matched.end() :], validate=True)
        picture = look(data)
    except (binascii.Error, OSError):
        return "it is not a picture"
    if picture.format != matched[1].upper() or matched[1] not in INPUT_FORMATS:
        return f"it is not of the format {matched[1]}, or that is not taken"
    wide, high = picture.size
    pixels = INPUT_PIXELS[0] <= wide * high <= INPUT_PIXELS[1]
    shaped = min(wide, high) >= INPUT_SIDE and max(wide, high) <= WIDEST * min(wide, high)
    fits = pixels and shaped and len(data) <= INPUT_BYTES
    return "" if fits else "at most 30 MB and 36,000,000 pixels, each side above 14, at most 16 times as long as wide"


def _set_options(value: Any) -> str:
    if not isinstance(value, dict) or set(value) != {"max_images"}:
        return "it must be an object with max_images"
    count = value["max_images"]
    whole = isinstance(count, int) and not isinstance(count, bool)
    return "" if whole and 1 <= count <= MOST_OF_A_SET else f"max_images must be 1 to {MOST_OF_A_SET}"


def _enhancement(modes: tuple[str, ...]) -> Check:
    def check(value: Any) -> str:
        known = isinstance(value, dict) and set(value) == {"mode"}
        return "" if known and value["mode"] in modes else f"mode must be {' or '.join(modes)}"

    return check


def _search(value: Any) -> str:
    return "" if value == [{"type": "web_search"}] else "only web_search is known"


def _off(what: str) -> Check:
    return lambda value: "" if value is False else f"{what} are not emulated"


def fields_of(model: Model) -> dict[str, Check]:
    """The fields a request for the model may have.

    A seed and a guidance stand in the types of the maker's client, but not in its reference of any model that lives.
    """
    known: dict[str, Check] = {
        "model": _text,
        "prompt": _text,
        "image": _pictures,
        "size": lambda value: _size(model, value),
        "response_format": _choice("url", "b64_json"),
        "watermark": _flag,
        "optimize_prompt_options": _enhancement(model.modes),
    }
    if model.sets:
        known["sequential_image_generation"] = _choice("auto", "disabled")
        known["sequential_image_generation_options"] = _set_options
        known["stream"] = _off("streams")
    if model.forms:
        known["output_format"] = _choice(*model.forms)
    if model.backgrounds:
        known["background"] = _choice(*model.backgrounds)
        known["layer_decomposition"] = _off("layers")
    if model.searches:
        known["tools"] = _search
    return known


def background_problem(model: Model, fields: Mapping[str, Any]) -> str:
    """Why a transparent picture that is asked for cannot be made; empty where it can, or is not asked for."""
    if fields.get("background") != "transparent":
        return ""
    if fields.get("output_format", model.forms[0]) != "png":
        return "transparent needs output_format png"
    if model.clears_text:
        return ""
    pictures = pictures_in(fields.get("image", []))
    alone = len(pictures) == 1 and picture_in(pictures[0])
    clear = alone and alone.format == "PNG" and "A" in alone.getbands()
    return "" if clear else "transparent needs exactly one PNG with an alpha channel"
