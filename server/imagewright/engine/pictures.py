"""The input pictures of a call, from what a caller gave to what a vendor wants, and the files of a running job.

A picture is given as a path, a `file:` URI, an http(s) URL, a data URI or an earlier picture's id. `resolve` turns it
into bytes whose real type, size and sides are checked, without what is not part of the picture; `prepare_all` brings
them into the form of a route. The spool keeps them, and results that came with the vendor's answer, below one key per
job: the inputs until the job has ended, the results until all of them are in the library.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import anyio.to_thread

from imagewright.catalog.load import catalog
from imagewright.catalog.row import OperationName, PictureLimits
from imagewright.errors import ImagewrightError, PictureError, Problem, Refusal, StorageError
from imagewright.imaging.files import measure, only_picture
from imagewright.imaging.headers import MAX_PIXELS
from imagewright.imaging.limiter import MASK_BYTES, PROBE_BYTES, Target, decode, fitted, size_problems
from imagewright.imaging.workers import convert_mask, mask_coverage, mask_doubt, prepare, probe
from imagewright.net import PUBLIC, fetch_public
from imagewright.providers.base import Prepared
from imagewright.storage.records import INCOMING
from imagewright.text import byte_size, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imagewright.engine.check import Checked
    from imagewright.imaging.files import Measured, PictureFacts
    from imagewright.net import Guard
    from imagewright.providers.base import MaskForm, Order, Output, PictureForm, Route
    from imagewright.storage.blob_store import BlobStore
    from imagewright.storage.library import Library
    from imagewright.storage.records import Principal

MEGA = 1_000_000
PICTURE_ID = re.compile(r"(?:image://)?(img_[a-z0-9]{1,64})(?:/preview)?")
URL = re.compile(r"^https?://", re.IGNORECASE)
DATA_URI = re.compile(r"^data:(?P<type>[^,;]*)(?P<parameters>(?:;[^,;]*)*),", re.IGNORECASE)
LONGEST_HEAD, LONGEST_ESCAPED = 1000, 1_000_000
"""Characters of a data URI before its comma (a media type and its parameters), and after it where it is not base64:
each `%` takes a hundred bytes of memory while it is read."""
FETCH_SECONDS = 30.0
"""Bound on fetching one picture from a URL."""
SHOWN_SOURCE = 120
"""Characters of a source that are kept for messages and the library: a data URI can be megabytes."""
NAMED = 3
"""How many of the newest pictures are named where an id is not known."""
EXACT = frozenset({OperationName.UPSCALE, OperationName.REMOVE_BACKGROUND})
"""Operations whose result is of use only with every pixel of the input: for them no picture is made smaller."""
READ_BYTES = 64_000_000
"""Bytes of one input picture that are read; a 16-bit TIFF of 10 megapixels has 60 MB. What is sent is less."""
READ_BYTES_TOGETHER = 256_000_000
"""Bytes of all pictures of a call: they are in memory at the same time."""
MASK = "mask"
"""The argument that marks what is repainted."""
_INPUT = "input-"  # what a name begins with; everything else may be a picture that was paid for
RESULT = "result-"


@dataclass(frozen=True, slots=True)
class Source:
    """An input picture as it came."""

    argument: str
    """Where it was given, such as `images[1]`."""
    request: str
    """What was given, shortened, fit for messages and the library: without the query of a signed link."""
    data: bytes
    """The whole file, but for what was left out."""
    facts: PictureFacts
    """Real type, sides and size."""
    parent: str | None = None
    """Id of the earlier picture, if it is one."""
    left_out: tuple[str, ...] = ()
    """What the file held beside the picture and is not passed on, in words."""
    digest: str = ""
    """SHA-256 of the file as it came, by which a repeated call is known whatever is left out of it."""


def reading_limits(checked: Checked) -> PictureLimits:
    """What an input picture of a call may be, before it is known who serves the call.

    Where a picture may be made smaller for the vendor, the row's limits count for what is sent and not for what is
    read.
    """
    own, count = checked.row.pictures, max(1, len(checked.sources()))
    if checked.operation in EXACT:
        return own
    most = max(own.max_bytes, min(READ_BYTES, READ_BYTES_TOGETHER // count))
    return PictureLimits(formats=own.formats, max_bytes=most, min_side=own.min_side)


async def resolve(
    given: Iterable[tuple[str, str]],
    limits: PictureLimits,
    library: Library,
    who: Principal,
    guard: Guard = PUBLIC,
    *,
    whole: bool = False,
) -> tuple[list[Source], list[Problem]]:
    """All pictures of a call, (argument, text) each, read at the same time; what cannot be read becomes a problem.

    With `whole`, nothing is left out of the files.
    """
    wanted = list(given)
    found: list[Source | list[Problem]] = [[] for _ in wanted]

    async def one(place: int, argument: str, text: str) -> None:
        try:
            found[place] = await _source(argument, text.strip(), limits, library, who, guard=guard, whole=whole)
        except ImagewrightError as error:
            found[place] = [Problem(argument, str(error))]

    async with anyio.create_task_group() as group:
        for place, (argument, text) in enumerate(wanted):
            group.start_soon(one, place, argument, text)
    sources = [item for item in found if isinstance(item, Source)]
    problems = [problem for item in found if isinstance(item, list) for problem in item]
    return sources, problems + await _mask_problems(sources)


async def _source(
    argument: str, text: str, limits: PictureLimits, library: Library, who: Principal, *, guard: Guard, whole: bool
) -> Source | list[Problem]:
    """The picture, or what is wrong with its size: that is read from the header, before anything is decoded."""
    given, parent = await _read(text, limits.max_bytes, library, who, guard)
    measured, data, left_out, digest = await anyio.to_thread.run_sync(_measured, given, whole)
    del given  # the file as it came would be a second copy while this waits for its turn to be decoded
    if problems := size_problems(measured, limits):
        return [Problem(argument, problem) for problem in problems]
    facts = await decode(probe, data, per_pixel=PROBE_BYTES)
    return Source(argument, _shown(text), data, facts, parent, left_out, digest)


def _measured(given: bytes, whole: bool) -> tuple[Measured, bytes, tuple[str, ...], str]:  # noqa: FBT001 - a thread gets no names
    """What the header says, the bytes to pass on, what is left out of them, and the digest of what was given."""
    measured = measure(given)
    data, left_out = (given, ()) if whole else only_picture(given, measured.format)
    return replace(measured, size=len(data)), data, left_out, hashlib.sha256(given).hexdigest()


async def _read(text: str, limit: int, library: Library, who: Principal, guard: Guard) -> tuple[bytes, str | None]:
    if matched := PICTURE_ID.fullmatch(text):
        record = await library.get(who, matched[1])
        if record is None:
            recent = ", ".join(await library.newest_ids(who, NAMED)) or "none yet"
            raise PictureError(f"there is no picture {matched[1]}; the newest are: {recent} (see image_gallery)")
        return await library.read(record, limit), matched[1]
    if URL.match(text):
        return await fetch_public(text, max_bytes=limit, seconds=FETCH_SECONDS, guard=guard), None
    if text[:5].lower() == "data:":
        return await anyio.to_thread.run_sync(_decode_data_uri, text, limit), None
    return await anyio.to_thread.run_sync(library.roots_of(who).read_bytes, text, limit), None


def _decode_data_uri(text: str, limit: int) -> bytes:
    matched = DATA_URI.match(text[:LONGEST_HEAD])
    if matched is None:
        raise PictureError("is not a whole data URI; it reads data:image/png;base64,....")
    body = text[matched.end() :]
    if len(body) > limit * 4 // 3 + 4:
        raise PictureError(f"the data URI holds more than {byte_size(limit)}, the limit for this tool")
    if ";base64" not in matched["parameters"].lower():
        if len(body) > LONGEST_ESCAPED:
            raise PictureError(f"a data URI of more than {byte_size(LONGEST_ESCAPED)} has to be in base64")
        return unquote_to_bytes(body)
    try:
        return base64.b64decode(body.encode("ascii").translate(None, b" \t\r\n\f\v"), validate=True)
    except (binascii.Error, ValueError):
        raise PictureError("the base64 of the data URI is damaged; give a path or a URL instead") from None


def _shown(text: str) -> str:
    if text[:5].lower() == "data:":
        return text.split(",", 1)[0][:SHOWN_SOURCE]
    if URL.match(text):
        return text.split("?", 1)[0][:SHOWN_SOURCE]  # a signed link's query is a secret
    return text


async def _mask_problems(sources: Sequence[Source]) -> list[Problem]:
    """The problem of a mask that has another size than its image, or marks nothing."""
    images = [source.facts for source in sources if source.argument != MASK]
    problems = []
    for mask in (source for source in sources if source.argument == MASK):
        size = width, height = mask.facts.width, mask.facts.height
        if images and size != (own := (images[0].width, images[0].height)):
            text = f"is {width}x{height} px and the image is {own[0]}x{own[1]} px; make them the same size"
            problems.append(Problem(MASK, text))
            continue
        try:
            if await decode(mask_coverage, mask.data, per_pixel=MASK_BYTES) == 0:
                text = "marks nothing: white or transparent is repainted, black and opaque is kept"
                problems.append(Problem(MASK, text))
        except PictureError as error:
            problems.append(Problem(MASK, str(error)))
    return problems


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


def factor_of(route: Route, scale: int) -> int:
    """The factor by which a route enlarges where `scale` is asked for: the next one that its vendor has."""
    return min((own for own in route.scales if own >= scale), default=scale)


def _enlarged_form(route: Route, factor: int) -> PictureForm:
    """The form of pictures whose enlargement by that factor the vendor makes whole, and that can be read here then."""
    form, pixels, side = form_of(route), _least(route.max_output_pixels, MAX_PIXELS), route.max_output_side
    return replace(
        form,
        max_pixels=_least(form.max_pixels, None if pixels is None else pixels // factor**2),
        max_side=_least(form.max_side, None if side is None else side // factor),
    )


def form_problems(sources: Sequence[Source], route: Route, scale: int | None) -> list[str]:
    """Why a route cannot take the pictures of a call, as they are or made smaller, each with what would do.

    `scale` is the factor that an enlargement was asked for; None for any other call.
    """
    form = form_of(route) if scale is None else _enlarged_form(route, factor_of(route, scale))
    found = []
    for source in (one for one in sources if one.argument != MASK):
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
        sizes = f"has {byte_size(facts.size)}, and the limit is {byte_size(form.max_bytes or 0)}"
        return f"{sizes}: saved as JPEG or WebP it may do"
    return ""


def is_reduced(sources: Sequence[Source], route: Route) -> bool:
    """Whether a picture that a route can take loses pixels or is written anew there only for its size."""
    form = form_of(route)
    limits = {"max_pixels": form.max_pixels, "max_side": form.max_side}
    return any(
        _has_too_many_bytes(facts, form) or fitted(facts.width, facts.height, **limits) != (facts.width, facts.height)
        for facts in (source.facts for source in sources if source.argument != MASK)
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
                ready = await decode(
                    prepare, source.data, target, per_pixel=target.bytes_for(source.facts.format, len(source.data))
                )
                images.append(Prepared(ready.data, ready.format, ready.width, ready.height))
                note = ready.note
        except PictureError as error:
            raise Refusal(Problem(source.argument, str(error))) from error
        if note:
            notes.append(f"{source.argument}, for {route.provider}: {note}")
    for left_out in dict.fromkeys(source.left_out for source in sources if source.left_out):
        those = listed(source.argument for source in sources if source.left_out == left_out)
        notes.append(f"Not passed on from {those}: {listed(left_out)}.")
    return tuple(images), mask, notes


async def _prepare_mask(source: Source, form: MaskForm, image: Prepared) -> tuple[Prepared, str]:
    size = image.width, image.height
    data = await decode(convert_mask, source.data, form, size, per_pixel=MASK_BYTES)
    doubt = await decode(mask_doubt, source.data, per_pixel=MASK_BYTES)
    return Prepared(data, "png", *size), doubt


def job_key(job_id: str, name: str) -> str:
    """The key of a file of a job."""
    return f"{INCOMING}/{job_id}/{name}"


def fetch_key(job_id: str, variant: int) -> str:
    """What the keys of all processes' fetches of a picture begin with."""
    return job_key(job_id, f"fetch-{variant}-")


class SpoolWriter:
    """Writes the files of running jobs, and removes them. `elsewhere.Spool` reads them back."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    async def keep_inputs(self, job_id: str, order: Order) -> dict[str, Any]:
        """Write the prepared pictures down, so that another process could send the call; what `read_order` needs.

        Raises:
            StorageError: they cannot be written.
        """
        images = [await self._keep_input(job_id, place, picture) for place, picture in enumerate(order.images)]
        mask = await self._keep_input(job_id, len(images), order.mask) if order.mask else None
        return {"images": images, "mask": mask}

    async def keep_output(self, job_id: str, variant: int, output: Output) -> dict[str, Any]:
        """A result as the journal holds it: its address, or the key of the file its bytes were written to.

        Raises:
            StorageError: the bytes cannot be written.
        """
        if output.data is None:
            return {"url": output.url, "file": "", "seed": output.seed}
        key = job_key(job_id, f"{RESULT}{variant}")
        await self._blobs.put(key, output.data)
        return {"url": "", "file": key, "seed": output.seed}

    async def clear(self, job_id: str, *, whole: bool) -> None:
        """Remove a job's inputs; and its results if `whole`, which means that all are in the library. Never raises."""
        with suppress(StorageError):
            await self._blobs.delete(job_key(job_id, "" if whole else _INPUT))

    async def _keep_input(self, job_id: str, place: int, picture: Prepared) -> dict[str, Any]:
        key = job_key(job_id, f"{_INPUT}{place}")
        await self._blobs.put(key, picture.data, lasting=False)
        return {"file": key, "format": picture.format, "width": picture.width, "height": picture.height}
