"""Background removal: the subject on transparency, at full size, with a soft edge and clean colours.

The subject is found without a model, or with a trained one of the user's. That goes through rembg, which the extra
`cutout` installs; nothing is ever downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, reduce
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageChops, ImageFilter

from imagewright.errors import PictureError, why
from imagewright.imaging.planes import add, as_mask, clamped, compute
from imagewright.imaging.segmentation import LEAST, small_copy, subject_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagewright.imaging.planes import Plane

BAND = 2
"""How far to either side of the subject's outline a pixel can be mixed, in pixels of the small mask."""
TILE = 1024
"""Side of the pieces a large picture is worked through in, which bounds the memory it takes."""
GUIDANCE = 0.9
"""How much the small mask counts against the colours: by half of this at the far ends of the band."""
CLEAR = 0.12
"""Shares below this are nothing and above its complement all: noise must not leave a veil."""
DISTINCT = 900.0
"""Squared RGB distance between subject and background from which colours alone can tell the share."""
RADII = (2, 5, 12, 30, 90)
"""Pixels of the small mask over which known colours are carried on."""
FADING = 0.08
"""What each wider radius weighs against the one before."""
TINY = 1e-5
MODEL_SIDE = 320
"""Px of the square in which models of the U2-Net family see a picture."""
MODEL_UNSURE = 0.3
"""Share of the subject that the model is undecided about from which the outline is not sure. With U2-Net, 38 of 43
pictures had at most 0.17; the other five had 0.78 and more, and four of them show no subject."""
_NO, _YES = 64, 192
"""Of 255: what lies between is undecided."""
_HALF = [0] * 128 + [255] * 128


def cut_along(image: Image.Image, mask: Image.Image) -> Image.Image:
    """Cut an RGB picture out along a mask: 255 on the subject, of the same shape and usually much smaller.

    Around the outline every pixel is taken for a mixture of the subject's and the background's colour nearby. The
    subject's share becomes its alpha, and what the background added to its colour is taken away again. The result is
    RGBA.
    """
    reach = 2 * BAND + 1
    inside = mask.filter(ImageFilter.MinFilter(reach))
    outside = ImageChops.invert(mask.filter(ImageFilter.MaxFilter(reach)))
    small = image.resize(mask.size, Image.Resampling.BOX)
    ours = _spread(small, inside if inside.getbbox() else mask)
    theirs = _spread(small, outside if outside.getbbox() else ImageChops.invert(mask))
    unsure = ImageChops.invert(ImageChops.lighter(inside, outside)).filter(ImageFilter.MaxFilter(3))
    guide = mask.filter(ImageFilter.GaussianBlur(BAND * 0.6))
    alpha = mask.resize(image.size, Image.Resampling.BICUBIC).point([0] * 128 + [255] * 128)
    whole_band = unsure.resize(image.size, Image.Resampling.NEAREST)
    result = image.copy()
    across, down = mask.width / image.width, mask.height / image.height
    for box in _tiles(image.size):
        part = (box[0] * across, box[1] * down, box[2] * across, box[3] * down)
        size = (box[2] - box[0], box[3] - box[1])
        band = whole_band.crop(box)
        if not band.getbbox():
            continue
        pieces = [one.resize(size, Image.Resampling.BILINEAR, part) for one in (ours, theirs, guide)]
        share, colours = _unmixed(image.crop(box), *pieces)
        alpha.paste(share, box, band)
        result.paste(colours, box, band)
    result.putalpha(alpha)
    return result


def _tiles(size: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    for top in range(0, size[1], TILE):
        for left in range(0, size[0], TILE):
            yield left, top, min(left + TILE, size[0]), min(top + TILE, size[1])


def _spread(image: Image.Image, where: Image.Image) -> Image.Image:
    """The picture's colours in the mask, carried on smoothly to everywhere else."""
    bands = []
    for band in image.split():
        known = ImageChops.multiply(band, where)
        value, weight = known.convert("F"), where.convert("F")
        for order, radius in enumerate(RADII, start=1):
            # Each wider blur weighs so little that it only fills what the narrower ones leave open.
            light = FADING**order
            blur = ImageFilter.GaussianBlur(radius)
            value = _plus(value, known.filter(blur).convert("F"), light)
            weight = _plus(weight, where.filter(blur).convert("F"), light)
        even = compute(lambda given: given["value"] * 255.0 / (given["weight"] + TINY), value=value, weight=weight)
        bands.append(clamped(even, 0.0, 255.0).convert("L"))
    return Image.merge("RGB", bands)


def _plus(one: Plane, other: Plane, light: float) -> Plane:
    return compute(lambda given: given["one"] + given["other"] * light, one=one, other=other)


def _unmixed(
    image: Image.Image, ours: Image.Image, theirs: Image.Image, guide: Image.Image
) -> tuple[Image.Image, Image.Image]:
    """The share of the subject in every pixel, and the subject's colour there."""
    pixels, subject, ground = ([band.convert("F") for band in one.split()] for one in (image, ours, theirs))
    share = _share(_along(pixels, subject, ground), _along(subject, subject, ground), guide)
    clean = []
    for seen, ahead, behind in zip(pixels, subject, ground, strict=True):
        # What remains once the background's part is taken out; where little remains, the colour nearby is surer.
        clean.append(
            compute(
                lambda given: (
                    (given["i"] - (1.0 - given["s"]) * given["b"]) / given["max"](given["s"], 0.2) * given["s"]
                    + given["f"] * (1.0 - given["s"])
                ),
                i=seen, f=ahead, b=behind, s=share,
            )
        )  # fmt: skip
    colours = Image.merge("RGB", [clamped(plane, 0.0, 255.0).convert("L") for plane in clean])
    return as_mask(share), colours


def _along(points: list[Plane], subject: list[Plane], ground: list[Plane]) -> Plane:
    """How far each point lies in the direction from the background's colour to the subject's, over all channels."""
    products = [
        compute(lambda given: (given["p"] - given["g"]) * (given["s"] - given["g"]), p=p, s=s, g=g)
        for p, s, g in zip(points, subject, ground, strict=True)
    ]
    return reduce(add, products)


def _share(along: Plane, length: Plane, guide: Image.Image) -> Plane:
    """How far a pixel lies on the way from the background's colour to the subject's, as the mask guides it."""
    by_colour = clamped(compute(lambda given: given["a"] / (given["l"] + 1.0), a=along, l=length), -0.2, 1.2)
    expected = compute(lambda given: given["g"] / 255.0, g=guide.convert("F"))
    guided = compute(
        lambda given: (
            (given["c"] + (given["g"] - 0.5) * GUIDANCE) * given["l"] + given["g"] * DISTINCT
        ) / (given["l"] + DISTINCT),
        c=by_colour, g=expected, l=length,
    )  # fmt: skip
    return clamped(compute(lambda given: (given["s"] - CLEAR) / (1.0 - 2 * CLEAR), s=guided))


@dataclass(frozen=True, slots=True)
class Cutout:
    """A picture after its background was searched for."""

    image: Image.Image
    """RGBA of the picture's size."""
    found: bool
    """Whether a subject was distinguished from its background; if not, the picture is as it was."""
    undecided: float = 0.0
    """Share of the picture, 0 to 1, that could have been the subject's or the background's."""
    is_sure: bool = True
    """Whether the outline can be relied upon."""


def cut_out(image: Image.Image) -> Cutout:
    """Remove the background of an RGB or RGBA picture of any size; what is already transparent stays so."""
    subject = subject_of(small_copy(image.convert("RGB")))
    if subject is None:
        return Cutout(image.convert("RGBA"), found=False)
    return Cutout(cut_out_along(image, subject.mask), True, subject.undecided, subject.is_sure)


def cut_out_along(image: Image.Image, mask: Image.Image) -> Image.Image:
    """As `cut_along`, for RGB or RGBA: what is already transparent stays so."""
    result = cut_along(image.convert("RGB"), mask)
    if image.mode == "RGBA":
        result.putalpha(ImageChops.darker(result.getchannel("A"), image.getchannel("A")))
    return result


class ModelFileError(PictureError):
    """The model cannot be used."""


def cut_out_with(image: Image.Image, model: str) -> Cutout:
    """As `cut_out`, with the subject that a model finds: `model` is an ONNX file of the U2-Net family.

    Raises:
        ModelFileError: the file cannot be used as such a model, or the extra is not installed.
    """
    colours = image.convert("RGB")
    try:
        (found,) = _session(model, Path(model).stat().st_mtime_ns).predict(colours)
    except Exception as error:  # rembg and its runtime raise nearly everything on a file that is no model
        reason = why(error) if isinstance(error, OSError) else str(error) or type(error).__name__
        raise ModelFileError(f"the model {model} cannot be used: {reason}") from error
    shrink = min(1.0, MODEL_SIDE / max(image.size))
    size = (max(1, round(image.width * shrink)), max(1, round(image.height * shrink)))
    small: Image.Image = found.resize(size, Image.Resampling.BOX)
    counts = small.histogram()
    subject, undecided = sum(counts[_NO:]), sum(counts[_NO:_YES])
    mask = small.point(_HALF)
    if subject < LEAST * sum(counts) or mask.getbbox() is None:
        return Cutout(image.convert("RGBA"), found=False)
    share = undecided / subject
    return Cutout(cut_out_along(image, mask), True, share, share < MODEL_UNSURE)


@lru_cache(maxsize=1)
def _session(model: str, _changed: int) -> Any:
    """The model, ready to be asked, until its file changes. Loading it takes seconds."""
    if find_spec("rembg") is None:
        raise ModelFileError("the extra is not installed: pip install 'imagewright[cutout]'")
    session = import_module("rembg.sessions.u2net_custom").U2netCustomSession

    def file_of(_kind: Any, /, *_: object, model_path: str, **__: object) -> str:
        return model_path

    # rembg itself takes models from a folder of its own only
    anywhere = type("AnyFile", (session,), {"download_models": classmethod(file_of)})
    return anywhere("u2net_custom", import_module("onnxruntime").SessionOptions(), model_path=model)
