"""Bring the input pictures into the form a route wants."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from imagewright.errors import PictureError, Problem, Refusal
from imagewright.imaging.limiter import MASK_BYTES, PREPARE_BYTES, decode
from imagewright.providers.base import Prepared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagewright.engine.inputs import Source
    from imagewright.providers.base import Route

MASK = "mask"
"""The argument that marks what is repainted."""


async def prepare_all(
    sources: Sequence[Source], route: Route
) -> tuple[tuple[Prepared, ...], Prepared | None, list[str]]:
    """The images in the caller's order, the mask in the route's polarity, and notes on what was converted.

    Raises:
        Refusal: a picture cannot be brought into that form.
    """
    from imagewright.imaging.mask import convert_mask  # noqa: PLC0415 - Pillow is not on the start-up path
    from imagewright.imaging.prepare import prepare  # noqa: PLC0415 - as above

    form = route.pictures
    images: list[Prepared] = []
    mask: Prepared | None = None
    notes: list[str] = []
    for source in sources:
        try:
            if source.argument == MASK and form.mask is not None:
                data = await decode(convert_mask, source.data, form.mask, per_pixel=MASK_BYTES)
                mask = Prepared(data, "png", source.facts.width, source.facts.height)
                continue
            fitting = partial(prepare, formats=form.formats, max_bytes=form.max_bytes)
            ready = await decode(fitting, source.data, per_pixel=PREPARE_BYTES)
        except PictureError as error:
            raise Refusal(Problem(source.argument, str(error))) from error
        images.append(Prepared(ready.data, ready.format, ready.width, ready.height))
        if ready.note:
            notes.append(f"{source.argument}: {ready.note}")
    return tuple(images), mask, notes
