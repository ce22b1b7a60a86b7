"""The fields of BytePlus's image service and the models that take them.

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
    from tests.emulators.pictures import Size

Check = Callable[[Any], str]
"""What is wrong with a value; empty when nothing is."""

CLASSES = {"1K": 1024, "2K": 2048, "4K": 4096}
LEAST_SIDE, MOST_SIDE = 1024, 4096


@dataclass(frozen=True)
class Model:
    """One model."""

    images: int
    """Most input pictures."""
    sets: bool
    """Whether it makes several related pictures in one call."""
    forms: tuple[str, ...]
    """File types it can be asked for; none where the field is refused."""
    usd: float
    """What a picture costs."""
    pixels: tuple[int, int] = (921_600, 16_777_216)
    """Fewest and most pixels of a picture."""


MODELS: Mapping[str, Model] = {
    "seedream-4-0-250828": Model(images=10, sets=True, forms=(), usd=0.03),
    "seedream-4-5-251128": Model(images=14, sets=True, forms=(), usd=0.04, pixels=(3_686_400, 16_777_216)),
    "seedream-5-0-260128": Model(
        images=14, sets=True, forms=("jpeg", "png"), usd=0.035, pixels=(3_686_400, 10_404_496)
    ),
    "dola-seedream-5-0-pro-260628": Model(
        images=10, sets=False, forms=("jpeg", "png"), usd=0.09, pixels=(921_600, 4_624_220)
    ),
}
"""What is left in late 2026. The bounds of the pixels stand in copies of the reference of each model, read on
2026-11-26."""


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
    if value in CLASSES:
        return "" if _makes(model, CLASSES[value] ** 2) else f"{value} is not made by this model"
    matched = re.fullmatch(r"(\d+)x(\d+)", value) if isinstance(value, str) else None
    if matched is None:
        return "it must be 1K, 2K, 4K or WIDTHxHEIGHT"
    inside = all(LEAST_SIDE <= int(side) <= MOST_SIDE for side in matched.groups())
    if not inside:
        return f"both sides must be from {LEAST_SIDE} to {MOST_SIDE}"
    wide, high = size_of(matched[0])
    return "" if _makes(model, wide * high) else f"it must have {model.pixels[0]} to {model.pixels[1]} pixels"


def _makes(model: Model, pixels: int) -> bool:
    return model.pixels[0] <= pixels <= model.pixels[1]


def size_of(value: str) -> Size:
    """The sides of what is made, in px."""
    if value in CLASSES:
        return CLASSES[value], CLASSES[value]
    wide, high = value.split("x")
    return int(wide), int(high)


def pictures_in(value: Any) -> list[Any]:
    """The input pictures: one, or a list of them."""
    return value if isinstance(value, list) else [value]


def _pictures(value: Any) -> str:
    found = pictures_in(value)
    return next((why for why in map(_picture, found) if why), "") if found else "it must not be empty"


def _picture(value: Any) -> str:
    if not isinstance(value, str):
        return "it must be a text or a list of texts"
    matched = re.match(r"data:image/([a-z]+);base64,", value)
    if matched is None:
        return "it must be data:image/<format in lower case>;base64,<picture>; nothing can be fetched from here"
    try:
        picture = look(base64.b64decode(value[matched.end() :], validate=True))
    except (binascii.Error, OSError):
        return "it is not a picture"
    return "" if picture.format == matched[1].upper() else f"it is not of the format {matched[1]}"


def _set_options(value: Any) -> str:
    if not isinstance(value, dict) or set(value) != {"max_images"}:
        return "it must be an object with max_images"
    count = value["max_images"]
    whole = isinstance(count, int) and not isinstance(count, bool)
    return "" if whole and 1 <= count <= 15 else "max_images must be a whole number from 1 to 15"


def _enhancement(value: Any) -> str:
    known = isinstance(value, dict) and set(value) <= {"mode", "thinking"}
    return "" if known and value.get("mode") in ("standard", "fast") else "mode must be standard or fast"


def _search(value: Any) -> str:
    return "" if value == [{"type": "web_search"}] else "only web_search is known"


def fields_of(model: Model) -> dict[str, Check]:
    """The fields a request for the model may have. A seed and a guidance are of models that are retired."""
    known: dict[str, Check] = {
        "model": _text,
        "prompt": _text,
        "image": _pictures,
        "size": lambda value: _size(model, value),
        "response_format": _choice("url", "b64_json"),
        "watermark": _flag,
        "optimize_prompt_options": _enhancement,
        "stream": lambda value: "" if value is False else "streams are not emulated",
    }
    if model.sets:
        known["sequential_image_generation"] = _choice("auto", "disabled")
        known["sequential_image_generation_options"] = _set_options
    if model.forms:
        known["output_format"] = _choice(*model.forms)
        known["tools"] = _search
    return known
