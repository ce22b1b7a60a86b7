"""What the offline provider does with an order: arguments to pixels, through imaging. Imported with the first order."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imagewright.catalog.load import catalog
from imagewright.catalog.row import OperationName
from imagewright.errors import RequestRejected
from imagewright.imaging.cutout import ModelFileError, cut_out, cut_out_with
from imagewright.imaging.lettering import lettered
from imagewright.imaging.pixels import HIGH_QUALITY, encode, enlarge, holds
from imagewright.imaging.placeholder import draw_placeholder, placeholder_size
from imagewright.imaging.reframe import reframed, way_of
from imagewright.providers.base import Output
from imagewright.providers.common.provider import route_as
from imagewright.providers.offline.routes import NAME, OfflineRoute

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagewright.catalog.row import Argument
    from imagewright.imaging.pixels import Picture
    from imagewright.providers.base import Order

PLACEHOLDER_NOTE = (
    "This is an offline draft, made without any model: an abstract placeholder that shows the request and not its "
    "content. Set a provider's key (`imagewright doctor` lists their variables) to get real pictures."
)
LEFT_OUT_NOTE = "The placeholder leaves out those letters of the prompt that no font on this machine has."
SAME_SHAPE_NOTE = "The picture already has this aspect ratio, so nothing was added."
EXTENDED_NOTE = "What is new around the picture is {ground}. No model made it."
KEY_NOTE = "A provider's key gives a trained model."
NOT_FOUND_NOTE = "No subject could be distinguished from the background, so nothing was removed."
UNSURE_NOTE = "The outline is not sure: {share:.0%} of the picture could be subject or background."
MODEL_ADVICE = "Correct the setting cutout_model, or take it out: without it, the outline is found without a model."
UNSURE_MODEL_NOTE = "The outline is not sure: {name} is undecided about {share:.0%} of the subject."

SEEDS = 2**31
"""Seeds lie below this where the row does not say otherwise."""
GIVEN_BYTES, MADE_BYTES = 16, 12
"""Memory in bytes for each pixel of the pictures given and of the picture made, by measurement: placeholders take 8
(as WebP 14) for what is made, edits 16 to 20 in all for a picture of the same size, enlarging 10, cutting out 9,
reframing 7."""
UNLISTED = frozenset({"prompt", "images", "image", "mask", "seed"})
"""Arguments a placeholder shows in another way than in its list."""


@dataclass(frozen=True, slots=True)
class Given:
    """The pictures of an order as pixels, which are only read here: several threads use them."""

    images: tuple[Picture, ...]
    mask: Picture | None
    """As `prepare.read_mask` makes it."""


def made(order: Order, given: Given, number: int) -> tuple[Output, tuple[str, ...]]:
    """One picture of an order, by its number from 0, and what the caller should know of it, one sentence each.

    Raises:
        PictureError: a picture of that size cannot be made.
        RequestRejected: the file of the trained model cannot be used.
    """
    seed = _seed(order, number)
    image, notes = MAKERS[order.route.operation](order, given, seed)
    default = order.images[0].format if order.route.operation is OperationName.UPSCALE else "png"
    chosen = str(order.arguments.get("output_format", default))
    if not holds(chosen, *image.size):
        notes = (*notes, f"{chosen} cannot hold {image.width} x {image.height} px, so it is a png.")
        chosen = "png"
    data = encode(image, chosen, quality=HIGH_QUALITY)
    return Output(data=data, seed=seed if "seed" in order.route.takes else None), notes


def memory_of(order: Order) -> int:
    """About how many bytes of memory one picture of an order takes while it is made."""
    given = sum(picture.width * picture.height for picture in order.images)
    width, height = _result_size(order)
    return given * GIVEN_BYTES + width * height * MADE_BYTES


def _result_size(order: Order) -> tuple[int, int]:
    match order.route.operation:
        case OperationName.GENERATE | OperationName.EDIT:
            return _placeholder_size(order)
        case OperationName.UPSCALE:
            factor = int(order.arguments["scale"])
            return order.images[0].width * factor, order.images[0].height * factor
        case _:  # a reframed picture grows on one side only, and by less than its own size for nearly every shape
            return order.images[0].width, 2 * order.images[0].height


def _seed(order: Order, number: int) -> int:
    """The seed of one picture: each variant's is one more, so that each can be made again alone."""
    limits = _arguments(order).get("seed")
    seeds = int(limits.maximum) + 1 if limits is not None and limits.maximum is not None else SEEDS
    given = order.arguments.get("seed")
    if given is None:
        prompt = order.arguments.get("prompt")
        text = str(prompt).encode() if prompt else order.images[0].data
        # Without a prompt, the first variant is made in the first of four ways, the softest; the others follow in turn.
        given = zlib.crc32(text) if prompt else zlib.crc32(text) & ~3
    return (int(given) + order.first_variant - 1 + number) % seeds


def _arguments(order: Order) -> Mapping[str, Argument]:
    return catalog()[order.route.tool].operations[order.route.operation].arguments


def _make_placeholder(order: Order, given: Given, seed: int) -> tuple[Picture, tuple[str, ...]]:
    size, prompt = _placeholder_size(order), _text(order, "prompt")
    image = draw_placeholder(
        size,
        prompt,
        _facts(order, size, seed),
        seed=seed,
        images=given.images,
        mask=given.mask,
        transparent=_text(order, "background") == "transparent",
    )
    notes = (PLACEHOLDER_NOTE, LEFT_OUT_NOTE) if lettered(prompt).missing else (PLACEHOLDER_NOTE,)
    return _like(given.images[0], image) if given.images else image, notes


def _placeholder_size(order: Order) -> tuple[int, int]:
    own = (order.images[0].width, order.images[0].height) if order.images else None
    # what a mask keeps must stay as it is to the pixel, so a masked picture keeps its size
    resolution = _text(order, "resolution") if order.mask is None else ""
    return placeholder_size(own, _text(order, "aspect_ratio"), resolution)


def _upscale(order: Order, given: Given, seed: int) -> tuple[Picture, tuple[str, ...]]:  # noqa: ARG001 - one signature for all
    image = given.images[0]
    return _like(image, enlarge(image, int(order.arguments["scale"]))), ()


def _remove_background(order: Order, given: Given, seed: int) -> tuple[Picture, tuple[str, ...]]:  # noqa: ARG001 - as above
    image = given.images[0]
    model = route_as(order, OfflineRoute).model_file
    try:
        result = cut_out_with(image, model) if model else cut_out(image)
    except ModelFileError as error:
        raise RequestRejected(NAME, str(error), advice=MODEL_ADVICE) from error
    if result.found and result.is_sure:
        return _like(image, result.image), ()
    unsure = UNSURE_MODEL_NOTE if model else UNSURE_NOTE
    why = unsure.format(name=order.route.model, share=result.undecided) if result.found else NOT_FOUND_NOTE
    return _like(image, result.image), (why,) if model else (why, KEY_NOTE)


def _reframe(order: Order, given: Given, seed: int) -> tuple[Picture, tuple[str, ...]]:
    image = given.images[0]
    result = reframed(
        image,
        _text(order, "aspect_ratio"),
        seed=seed,
        style=_text(order, "style"),
        effort=_text(order, "rendering_speed"),
    )
    if result.size == image.size:
        return image.copy(), (SAME_SHAPE_NOTE,)
    return _like(image, result), (EXTENDED_NOTE.format(ground=way_of(seed).words), KEY_NOTE)


MAKERS: Mapping[OperationName, Callable[[Order, Given, int], tuple[Picture, tuple[str, ...]]]] = {
    OperationName.GENERATE: _make_placeholder,
    OperationName.EDIT: _make_placeholder,
    OperationName.UPSCALE: _upscale,
    OperationName.REMOVE_BACKGROUND: _remove_background,
    OperationName.REFRAME: _reframe,
}


def _like(original: Picture, result: Picture) -> Picture:
    """The result with the original's colour profile: its numbers mean the same colours."""
    result.info = dict(original.info)
    return result


def _text(order: Order, name: str) -> str:
    return str(order.arguments.get(name, ""))


def _facts(order: Order, size: tuple[int, int], seed: int) -> dict[str, str]:
    """What a placeholder lists: the tool, the size, and every argument it does not show otherwise."""
    route = order.route
    facts = {"tool": route.tool, "operation": route.operation.value, "size": f"{size[0]} x {size[1]} px"}
    for name in _arguments(order):
        if name == "seed":
            facts[name] = str(seed)
        elif name in order.arguments and name not in UNLISTED:
            facts[name.replace("_", " ")] = _shown(order.arguments[name])
    return facts


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
