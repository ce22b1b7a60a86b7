"""Background removal: the subject on transparency, at full size and with a soft edge."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageChops

from imagewright.imaging.cutting.matte import cut_along
from imagewright.imaging.cutting.segment import small_copy, subject_of


@dataclass(frozen=True, slots=True)
class Cutout:
    """A picture whose background was looked for.

    Attributes:
        image: RGBA of the picture's size.
        found: whether a subject was told from its background; if not, the picture is as it was.
    """

    image: Image.Image
    found: bool


def cut_out(image: Image.Image) -> Cutout:
    """Remove the background of an RGB or RGBA picture of any size; what is already transparent stays so."""
    colours = image.convert("RGB")
    mask = subject_of(small_copy(colours))
    result = cut_along(colours, mask) if mask is not None else image.convert("RGBA")
    if image.mode == "RGBA":
        result.putalpha(ImageChops.darker(result.getchannel("A"), image.getchannel("A")))
    return Cutout(result, mask is not None)
