"""Input pictures in the form of a route: whether it can take them, and what they are turned into for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from imagewright.catalog.load import catalog
from imagewright.engine.pictures import EXACT, MASK, MEGA
from imagewright.errors import PictureError, Problem, Refusal
from imagewright.imaging.limiter import MASK_BYTES, PREPARE_BYTES, decode, fitted
from imagewright.imaging.prepare import Target, convert_mask, mask_doubt, prepare
from imagewright.providers.base import Prepared
from imagewright.text import byte_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagewright.engine.pictures import Source
    from imagewright.imaging.files import PictureFacts
    from imagewright.providers.base import MaskForm, PictureForm, Route


def form_of(route: Route) -> PictureForm:
    """The form of a route's input pictures, with the row's limits where they are tighter."""
    form, own = route.pictures, catalog()[route.tool].pictures
    pixels = None if own.max_megapixels is None else int(own.max_megapixels * MEGA)
    return replace(
        form,
        max_bytes=_least(form.max_bytes, own.max_bytes),
        max_pixels=_least(form.max_pixels, pixels),
        max_side=_least(form.max_side, own.max_side),
        min_side=max(form.min_side, own.min_side),
    )


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def form_problems(sources: Sequence[Source], route: Route, scale: int | None) -> list[str]:
    """Why a route cannot take the pictures of a call, as they are or made smaller, each with what would do.

    `scale` is the factor of an enlargement; None for any other call.
    """
    form = form_of(route)
    if route.max_output_pixels is not None and scale is not None:
        form = replace(form, max_pixels=_least(form.max_pixels, route.max_output_pixels // scale**2))
    found = []
    for source in sources:
        if source.argument == MASK:
            continue
        if why := _size_problem(source.facts, form, exact=route.operation in EXACT):
            found.append(f"{source.argument} {why}")
        if source.facts.has_alpha and not form.alpha:
            why = "has an alpha channel, which is not kept there: saved without it, for example as JPEG, it would do"
            found.append(f"{source.argument} {why}")
    return found


def _size_problem(facts: PictureFacts, form: PictureForm, *, exact: bool) -> str:
    is_size = f"is {facts.width}x{facts.height} px"
    size = fitted(facts.width, facts.height, max_pixels=form.max_pixels, max_side=form.max_side)
    if min(size) < form.min_side:
        made_smaller = "" if size == (facts.width, facts.height) else f", made smaller {size[0]}x{size[1]} px"
        return f"{is_size}{made_smaller}, and each side needs at least {form.min_side} px"
    if not exact:
        return ""
    way_out = f"made smaller, to {size[0]}x{size[1]} px, it would do"
    pixels = facts.width * facts.height
    if form.max_pixels is not None and pixels > form.max_pixels:
        return f"{is_size}, {pixels:,} pixels in all, and the limit is {form.max_pixels:,}: {way_out}"
    if form.max_side is not None and max(facts.width, facts.height) > form.max_side:
        return f"{is_size}, and the limit is {form.max_side:,} px per side: {way_out}"
    if _has_too_many_bytes(facts, form):
        limit = byte_size(form.max_bytes or 0)
        return f"has {byte_size(facts.size)}, and the limit is {limit}: saved as JPEG or WebP it may do"
    return ""


def is_reduced(sources: Sequence[Source], route: Route) -> bool:
    """Whether a picture that a route can take loses pixels or is written anew there only for its size."""
    form = form_of(route)
    limits = {"max_pixels": form.max_pixels, "max_side": form.max_side}
    pictures = [source.facts for source in sources if source.argument != MASK]
    return any(
        _has_too_many_bytes(facts, form) or fitted(facts.width, facts.height, **limits) != (facts.width, facts.height)
        for facts in pictures
    )


def _has_too_many_bytes(facts: PictureFacts, form: PictureForm) -> bool:
    """Of a picture in an accepted format: it is not known what any other will have."""
    return form.max_bytes is not None and facts.format in form.formats and facts.size > form.max_bytes


async def prepare_all(
    sources: Sequence[Source], route: Route
) -> tuple[tuple[Prepared, ...], Prepared | None, list[str]]:
    """The images in the caller's order, the mask in the route's polarity, and notes on what was changed.

    Raises:
        Refusal: a picture cannot be brought into that form.
    """
    form = form_of(route)
    target = Target(
        formats=form.formats,
        max_bytes=form.max_bytes,
        max_pixels=form.max_pixels,
        max_side=form.max_side,
        exact=route.operation in EXACT,
    )
    images: list[Prepared] = []
    mask: Prepared | None = None
    notes: list[str] = []
    # The mask comes last: it takes the size of its image.
    for source in sorted(sources, key=lambda one: one.argument == MASK):
        try:
            if source.argument == MASK and form.mask is not None:
                mask, note = await _prepare_mask(source, form.mask, images[0])
            else:
                ready = await decode(prepare, source.data, target, per_pixel=PREPARE_BYTES)
                images.append(Prepared(ready.data, ready.format, ready.width, ready.height))
                note = ready.note
        except PictureError as error:
            raise Refusal(Problem(source.argument, str(error))) from error
        if note:
            notes.append(f"{source.argument}, for {route.provider}: {note}")
    return tuple(images), mask, notes


async def _prepare_mask(source: Source, form: MaskForm, image: Prepared) -> tuple[Prepared, str]:
    size = image.width, image.height
    data = await decode(convert_mask, source.data, form, size, per_pixel=MASK_BYTES)
    doubt = await decode(mask_doubt, source.data, per_pixel=MASK_BYTES)
    return Prepared(data, "png", *size), doubt
