"""The input pictures of a call in the form that a vendor wants, and the files of a running job.

`prepare_all` brings what `inputs` has read into the form of a route. The spool keeps that, and results that came with
the vendor's answer, below one key per job: the inputs until the job has ended, the results until all of them are in the
library.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from imagewright.catalog.load import catalog
from imagewright.catalog.row import OperationName
from imagewright.errors import PictureError, Problem, Refusal, StorageError
from imagewright.imaging.headers import MAX_PIXELS
from imagewright.imaging.limiter import MASK_BYTES, Target, decode, fitted
from imagewright.imaging.workers import convert_mask, mask_doubt, prepare
from imagewright.providers.base import Prepared
from imagewright.storage.records import INCOMING
from imagewright.text import byte_size, listed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from pathlib import Path

    from imagewright.engine.check import Checked
    from imagewright.imaging.files import PictureFacts
    from imagewright.providers.base import MaskForm, Order, Output, PictureForm, Route
    from imagewright.storage.blob_store import BlobStore

MEGA = 1_000_000
EXACT = frozenset({OperationName.UPSCALE, OperationName.REMOVE_BACKGROUND})
"""Operations whose result is of use only with every pixel of the input: for them no picture is made smaller."""
MASK = "mask"
"""The argument that marks what is repainted."""
_INPUT = "input-"  # what a name begins with; everything else may be a picture that was paid for
RESULT = "result-"
PICTURE = ".picture"
"""What the name of a picture ends with while it is fetched; what lies beside it differs from there on."""
_SPARE = "imagewright-"  # what the name of a spare folder begins with
TIDY_SECONDS = 1.0
"""How long the files of a job stay after it has ended well."""


@dataclass(frozen=True, slots=True)
class Source:
    """An input picture as it came."""

    argument: str
    """Where it was given, such as `images[1]`."""
    request: str
    """What was given, shortened, fit for messages and the library: without the query of a signed link."""
    data: bytes
    """The whole file, but for what was left out; empty where it lies in the spool, see `content`."""
    facts: PictureFacts
    """Real type, sides and size."""
    parent: str | None = None
    """Id of the earlier picture, if it is one."""
    left_out: tuple[str, ...] = ()
    """What the file held beside the picture and is not passed on, in words."""
    digest: str = ""
    """SHA-256 of the file as it came, by which a repeated call is known whatever is left out of it."""
    load: Callable[[], Awaitable[bytes]] | None = None
    """Reads the file from the spool; None where it is not there."""

    async def content(self) -> bytes:
        """The file, wherever it is.

        Raises:
            StorageError: it is gone.
        """
        return self.data if self.load is None else await self.load()


def fingerprint(checked: Checked, sources: Sequence[Source] = ()) -> str:
    """The same for two calls of one tool that are identical in every argument and in every byte of their pictures.

    The bytes are those that were given: it must not depend on what is left out of them now.
    """
    pictures = {source.argument: source.digest for source in sources}
    of_pictures = {one.partition("[")[0] for one in pictures}
    plain = {name: value for name, value in checked.given.items() if name not in of_pictures}
    text = json.dumps([checked.row.tool, plain, pictures], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


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


def too_large(sources: Sequence[Source], route: Route, factor: int | None) -> list[str]:
    """What is wrong with the pictures for a route; of an enlargement that is too much, which smaller scale would do."""
    found = [*_too_long(sources, route), *form_problems(sources, route, factor)]
    if not found or factor is None:
        return found
    able = [own for own in route.scales if own < factor and not form_problems(sources, route, own)]
    return [f"{text}; so would a scale of {max(able)}" for text in found] if able else found


def _too_long(sources: Sequence[Source], route: Route) -> Iterator[str]:
    """The pictures that are longer in shape than a route takes."""
    widest = route.pictures.widest
    for one in sources:
        long, short = max(one.facts.width, one.facts.height), min(one.facts.width, one.facts.height)
        if widest is not None and one.argument != MASK and long > widest * short:
            limit = f"the limit is {widest:g} times as long as wide: cut to such a shape, it would do"
            yield f"{one.argument} is {one.facts.width}x{one.facts.height} px, and {limit}"


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
        StorageError: a picture that lay in the spool is gone.
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
        data = await source.content()
        try:
            if source.argument == MASK and form.mask is not None:
                mask, note = await _prepare_mask(data, form.mask, images[0])
            else:
                ready = await decode(prepare, data, target, per_pixel=target.bytes_for(source.facts.format, len(data)))
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


async def _prepare_mask(data: bytes, form: MaskForm, image: Prepared) -> tuple[Prepared, str]:
    size = image.width, image.height
    converted = await decode(convert_mask, data, form, size, per_pixel=MASK_BYTES)
    doubt = await decode(mask_doubt, data, per_pixel=MASK_BYTES)
    return Prepared(converted, "png", *size), doubt


def without_pictures(order: Order) -> Order:
    """The order with empty pictures, which still have their sides and types."""
    mask = None if order.mask is None else replace(order.mask, data=b"")
    return replace(order, images=tuple(replace(one, data=b"") for one in order.images), mask=mask)


def forget_frames(error: BaseException) -> None:
    """Let go of what an error's traceback holds, such as the pictures of a request, before something is waited for."""
    chain: BaseException | None = error
    while chain is not None:
        chain.__traceback__ = None
        chain = chain.__cause__ or chain.__context__


def new_id() -> str:
    """A job's id, which nobody can guess."""
    return f"job_{secrets.token_hex(8)}"


def job_key(job_id: str, name: str) -> str:
    """The key of a file of a job."""
    return f"{INCOMING}/{job_id}/{name}"


def fetch_key(job_id: str, variant: int) -> str:
    """What the keys of the files begin with in which a picture is fetched, by whatever process."""
    return job_key(job_id, f"fetch-{variant}-")


def spare_folder() -> str:
    """Make a private folder in the system's temporary one, for when that of a job cannot be written. Blocks.

    Raises:
        OSError: there cannot be written either.
    """
    return os.path.realpath(tempfile.mkdtemp("", _SPARE))


def remove_fetched(file: Path) -> None:
    """Remove what one process has fetched of a picture, all that lies beside this file included. Blocks; never raises.

    A spare folder is removed with all that is in it.
    """
    if file.parent.name.startswith(_SPARE):
        shutil.rmtree(file.parent, ignore_errors=True)
        return
    with suppress(OSError):  # the folder is gone
        for one in file.parent.iterdir():
            if one.name.startswith(f"{file.stem}."):
                with suppress(OSError):
                    one.unlink()


def write_private(file: Path, data: bytes) -> None:
    """Write a new file, which only its owner may read whatever the umask is; one of that name is replaced. Blocks."""
    file.unlink(missing_ok=True)  # and not written into: it may have a second name, in the library
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)


class SpoolWriter:
    """Writes the files of running jobs, and removes them. `elsewhere.Spool` reads them back."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    async def keep_inputs(self, job_id: str, order: Order, names: str = "") -> dict[str, Any]:
        """Write the prepared pictures down, from where they are sent; what `read_order` needs.

        `names` is what their names begin with, where those of an earlier order stay.

        Raises:
            StorageError: they cannot be written.
        """
        images = [
            await self._keep_input(job_id, f"{names}{place}", picture) for place, picture in enumerate(order.images)
        ]
        mask = await self._keep_input(job_id, f"{names}{len(images)}", order.mask) if order.mask else None
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

    async def clear_later(self, job_id: str, seconds: float = TIDY_SECONDS) -> None:
        """Remove all files of a job that has ended well; when there may be less to do; at once if cancelled.

        To remove them takes as long as a tenth of what a job takes while pictures come. Without that, the last of two
        hundred that end together is answered earlier.
        """
        try:
            await anyio.sleep(seconds)
        finally:
            with anyio.CancelScope(shield=True):
                await self.clear(job_id, whole=True)

    async def keep_source(self, job_id: str, place: str, source: Source) -> Source:
        """Write a picture down as the caller gave it; the same without its bytes. One that was written down stays so.

        Raises:
            StorageError: it cannot be written.
        """
        if source.load is not None:
            return source
        key = job_key(job_id, f"{_INPUT}given-{place}")
        await self._blobs.put(key, source.data, lasting=False)
        return replace(source, data=b"", load=partial(self._blobs.read, key))

    async def _keep_input(self, job_id: str, name: str, picture: Prepared) -> dict[str, Any]:
        key = job_key(job_id, f"{_INPUT}{name}")
        await self._blobs.put(key, picture.data, lasting=False)
        sides = {"width": picture.width, "height": picture.height}
        return {"file": key, "format": picture.format, "bytes": len(picture.data), **sides}
