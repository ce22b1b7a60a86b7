"""What can be wrong with a mask once its picture is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagewright.engine.preparing import MASK
from imagewright.errors import PictureError, Problem
from imagewright.imaging.limiter import MASK_BYTES, decode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagewright.engine.inputs import Source

MEANING = "white or transparent is repainted, black and opaque is kept"


async def mask_problems(sources: Sequence[Source]) -> list[Problem]:
    """A mask of another size than its image, or one that marks nothing."""
    masks = [source for source in sources if source.argument == MASK]
    images = [source for source in sources if source.argument != MASK]
    problems = []
    for mask in masks:
        size = (mask.facts.width, mask.facts.height)
        if images and size != (images[0].facts.width, images[0].facts.height):
            image = images[0].facts
            text = (
                f"is {size[0]}x{size[1]} px and the image is {image.width}x{image.height} px; make them the same size"
            )
            problems.append(Problem(MASK, text))
            continue
        from imagewright.imaging.mask import mask_coverage  # noqa: PLC0415 - Pillow is not on the start-up path

        try:
            covered = await decode(mask_coverage, mask.data, per_pixel=MASK_BYTES)
        except PictureError as error:
            problems.append(Problem(MASK, str(error)))
            continue
        if covered == 0:
            problems.append(Problem(MASK, f"marks nothing: {MEANING}"))
    return problems
