"""The pictures of a call: from the text a caller gave to the bytes a vendor wants.

An argument is a path, a `file:` URI, an http(s) URL, a data URI or an earlier picture's id. `resolve` ends in bytes
whose real type, size and sides have been looked at; `prepare_all` brings them into the form of a route.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from functools import partial
from math import isqrt
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

import anyio
import anyio.to_thread

from imagewright.errors import ImagewrightError, PictureError, Problem, Refusal
from imagewright.imaging.files import measure, probe
from imagewright.imaging.limiter import INPUT_MAX_PIXELS, MASK_BYTES, PREPARE_BYTES, PROBE_BYTES, decode
from imagewright.imaging.mask import convert_mask, mask_coverage
from imagewright.imaging.prepare import prepare
from imagewright.net import fetch_public
from imagewright.providers.base import Prepared
from imagewright.text import byte_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imagewright.catalog.row import PictureLimits
    from imagewright.imaging.files import Measured, PictureFacts
    from imagewright.providers.base import Route
    from imagewright.storage.library import Library
    from imagewright.storage.principal import Principal

MEGA = 1_000_000
PICTURE_ID = re.compile(r"^(?:image://)?(img_[a-z0-9]{1,64})(?:/preview)?$")
URL = re.compile(r"^https?://", re.IGNORECASE)
DATA_URI = re.compile(r"^data:(?P<type>[^,;]*)(?P<parameters>(?:;[^,;]*)*),", re.IGNORECASE)
LONGEST_HEAD = 1000
"""Characters of a data URI before its comma: a media type and its parameters."""
FETCH_SECONDS = 30.0
"""Bound on fetching one picture from a URL."""
SHOWN_SOURCE = 120
"""Characters of a source that are kept for messages and the library: a data URI can be megabytes."""
NAMED = 3
"""How many of the newest pictures are named where an id is not known."""
MASK = "mask"
"""The argument that marks what is repainted."""


@dataclass(frozen=True, slots=True)
class Source:
    """An input picture as it came."""

    argument: str
    """Where it was given, such as `images[1]`."""
    request: str
    """What was given, shortened, fit for messages and the library: without the query of a signed link."""
    data: bytes
    """The whole file, untouched."""
    facts: PictureFacts
    """Real type, sides and size."""
    parent: str | None = None
    """Id of the earlier picture, if it is one."""


async def resolve(
    given: Iterable[tuple[str, str]], limits: PictureLimits, library: Library, who: Principal
) -> tuple[list[Source], list[Problem]]:
    """All pictures of a call, read side by side; what could not be had is a problem, not an exception.

    Args:
        given: (argument, text) pairs.
        limits: the row's limits for one picture.
        library: earlier pictures, and the folders that may be read.
        who: the caller.
    """
    wanted = list(given)
    found: list[Source | list[Problem]] = [[] for _ in wanted]

    async def one(place: int, argument: str, text: str) -> None:
        try:
            found[place] = await _source(argument, text.strip(), limits, library, who)
        except ImagewrightError as error:
            found[place] = [Problem(argument, str(error))]

    async with anyio.create_task_group() as group:
        for place, (argument, text) in enumerate(wanted):
            group.start_soon(one, place, argument, text)
    sources = [item for item in found if isinstance(item, Source)]
    problems = [problem for item in found if isinstance(item, list) for problem in item]
    return sources, problems + await _mask_problems(sources)


async def _source(
    argument: str, text: str, limits: PictureLimits, library: Library, who: Principal
) -> Source | list[Problem]:
    """The picture, or what is wrong with its size: that is read from the header, before anything is decoded."""
    data, parent = await _read(text, limits.max_bytes, library, who)
    problems = size_problems(await anyio.to_thread.run_sync(measure, data), limits)
    if problems:
        return [Problem(argument, problem) for problem in problems]
    return Source(argument, _shown(text), data, await decode(probe, data, per_pixel=PROBE_BYTES), parent)


async def _read(text: str, limit: int, library: Library, who: Principal) -> tuple[bytes, str | None]:
    if matched := PICTURE_ID.match(text):
        return await _earlier(matched[1], limit, library, who), matched[1]
    if URL.match(text):
        return await fetch_public(text, max_bytes=limit, seconds=FETCH_SECONDS), None
    if text[:5].lower() == "data:":
        return _decode_data_uri(text, limit), None
    return await anyio.to_thread.run_sync(library.roots_of(who).read_bytes, text, limit), None


async def _earlier(picture_id: str, limit: int, library: Library, who: Principal) -> bytes:
    record = await library.get(who, picture_id)
    if record is None:
        recent = ", ".join(await library.recent_ids(who, limit=NAMED)) or "there are none yet"
        raise PictureError(f"there is no picture {picture_id}; the newest are: {recent} (see image_gallery)")
    return await library.read(record, limit)


def _decode_data_uri(text: str, limit: int) -> bytes:
    matched = DATA_URI.match(text[:LONGEST_HEAD])
    if matched is None:
        raise PictureError("is not a whole data URI; it reads data:image/png;base64,....")
    body = text[matched.end() :]
    if len(body) > limit * 4 // 3 + 4:
        raise PictureError(f"the data URI holds more than {byte_size(limit)}, the limit for this tool")
    if ";base64" not in matched["parameters"].lower():
        return unquote_to_bytes(body)
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError):
        raise PictureError("the base64 of the data URI is damaged; give a path or a URL instead") from None


def _shown(text: str) -> str:
    if text[:5].lower() == "data:":
        return text.split(",", 1)[0][:SHOWN_SOURCE]
    if URL.match(text):
        return text.split("?", 1)[0][:SHOWN_SOURCE]  # a signed link's query is a secret
    return text


def size_problems(measured: Measured, limits: PictureLimits) -> list[str]:
    """What is too large or too small about an input picture, one sentence each."""
    problems = []
    sides = f"is {measured.width}x{measured.height} px"
    pixels = measured.width * measured.height
    if measured.size > limits.max_bytes:
        problems.append(f"has {byte_size(measured.size)}; the limit is {byte_size(limits.max_bytes)}")
    if limits.max_megapixels is not None and pixels > limits.max_megapixels * MEGA:
        problems.append(f"{sides} ({pixels / MEGA:.1f} megapixels); the limit is {limits.max_megapixels:g} megapixels")
    elif pixels > (most := INPUT_MAX_PIXELS[measured.format]):
        problems.append(
            f"{sides} ({pixels / MEGA:.1f} megapixels); as {measured.format.upper()} at most {most / MEGA:.0f} "
            "megapixels are taken: give a smaller one"
        )
    if min(measured.width, measured.height) < limits.min_side:
        problems.append(f"{sides}; each side needs at least {limits.min_side} px")
    if limits.max_side is not None and max(measured.width, measured.height) > limits.max_side:
        problems.append(f"{sides}; each side may have at most {limits.max_side} px")
    return problems


def pixels_problem(facts: PictureFacts, most: int) -> str:
    """Why a picture has too many pixels for one vendor, with the largest size that would do; empty where it fits."""
    pixels = facts.width * facts.height
    if pixels <= most:
        return ""
    width = max(1, min(isqrt(most * facts.width // facts.height), most))
    height = max(1, min(width * facts.height // facts.width, most // width))
    return (
        f"is {facts.width}x{facts.height} px, {pixels:,} pixels in all, and the limit is {most:,}: "
        f"made smaller, to {width}x{height} px, it would do"
    )


def nearest_ratio(width: int, height: int, ratios: Iterable[str]) -> str:
    """The ratio, such as `16:9`, whose shape is closest to the picture's, judged by proportion."""

    def distance(ratio: str) -> float:
        wide, high = ratio.split(":")
        shape = float(wide) / float(high) * height / width
        return max(shape, 1 / shape)

    return min(ratios, key=distance)


async def _mask_problems(sources: Sequence[Source]) -> list[Problem]:
    """A mask of another size than its image, or one that marks nothing."""
    masks = [source for source in sources if source.argument == MASK]
    images = [source for source in sources if source.argument != MASK]
    problems = []
    for mask in masks:
        width, height = mask.facts.width, mask.facts.height
        if images and (width, height) != (images[0].facts.width, images[0].facts.height):
            image = images[0].facts
            text = f"is {width}x{height} px and the image is {image.width}x{image.height} px; make them the same size"
            problems.append(Problem(MASK, text))
            continue
        try:
            covered = await decode(mask_coverage, mask.data, per_pixel=MASK_BYTES)
        except PictureError as error:
            problems.append(Problem(MASK, str(error)))
            continue
        if covered == 0:
            text = "marks nothing: white or transparent is repainted, black and opaque is kept"
            problems.append(Problem(MASK, text))
    return problems


async def prepare_all(
    sources: Sequence[Source], route: Route
) -> tuple[tuple[Prepared, ...], Prepared | None, list[str]]:
    """The images in the caller's order, the mask in the route's polarity, and notes on what was converted.

    Raises:
        Refusal: a picture cannot be brought into that form.
    """
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
