"""The input pictures of a call, from what a caller gave to what a vendor wants, and the files of a running job.

A picture is given as a path, a `file:` URI, an http(s) URL, a data URI or an earlier picture's id. `resolve` turns it
into bytes whose real type, size and sides are checked; `fitting` brings them into the form of a route. `Spool` keeps
them, and results that came with the vendor's answer, below one key per job: the inputs until the job has ended,
the results until all of them are in the library. It also removes what killed processes left.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import anyio
import anyio.to_thread

from imagewright.catalog.row import OperationName, PictureLimits
from imagewright.errors import ImagewrightError, PictureError, Problem, StorageError
from imagewright.imaging.files import measure, probe
from imagewright.imaging.limiter import INPUT_MAX_PIXELS, MASK_BYTES, PROBE_BYTES, decode
from imagewright.imaging.prepare import mask_coverage
from imagewright.net import fetch_public
from imagewright.providers.base import Order, Output, Prepared
from imagewright.storage.records import INCOMING, spooled_key
from imagewright.storage.states import CallState
from imagewright.text import byte_size

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from imagewright.engine.check import Checked
    from imagewright.imaging.files import Measured, PictureFacts
    from imagewright.providers.base import Route
    from imagewright.storage.base import BlobStore
    from imagewright.storage.library import Library
    from imagewright.storage.principal import Principal
    from imagewright.storage.records import CallRecord, JobRecord

log = logging.getLogger(__name__)

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
EXACT = frozenset({OperationName.UPSCALE, OperationName.REMOVE_BACKGROUND})
"""Operations whose result is of use only with every pixel of the input: for them no picture is made smaller."""
READ_BYTES = 64_000_000
"""Bytes of one input picture that are read; a 16-bit TIFF of 10 megapixels has 60 MB. What is sent is less."""
READ_BYTES_TOGETHER = 256_000_000
"""Bytes of all pictures of a call: they are in memory at the same time."""
MASK = "mask"
"""The argument that marks what is repainted."""
_INPUT = "input-"  # what a name begins with; everything else may be a picture that was paid for
_RESULT, _ANSWER = "result-", "answer-"
YOUNG = 3600.0
"""Seconds for which nothing is swept: the inputs of a job are there before the journal knows it."""


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
    given: Iterable[tuple[str, str]], limits: PictureLimits, library: Library, who: Principal
) -> tuple[list[Source], list[Problem]]:
    """All pictures of a call, (argument, text) each, read at the same time; what cannot be read becomes a problem."""
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
        recent = ", ".join(await library.recent_ids(who, limit=NAMED)) or "none yet"
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


def nearest_ratio(width: int, height: int, ratios: Iterable[str]) -> str:
    """The ratio, such as `16:9`, whose shape is closest to the picture's, judged by proportion."""

    def distance(ratio: str) -> float:
        wide, high = ratio.split(":")
        shape = float(wide) / float(high) * height / width
        return max(shape, 1 / shape)

    return min(ratios, key=distance)


async def _mask_problems(sources: Sequence[Source]) -> list[Problem]:
    """The problem of a mask that has another size than its image, or marks nothing."""
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


@dataclass(frozen=True, slots=True)
class Answer:
    """What a vendor answered, as it is kept until the journal has it."""

    outputs: tuple[Mapping[str, Any], ...]
    """As `Spool.keep_output` wrote them down."""
    cost_usd: float | None = None
    """What the vendor says it charged; None when that is not known."""
    notes: tuple[str, ...] = ()
    """What the caller should know."""


def job_key(job_id: str, name: str) -> str:
    """The key of a file of a job."""
    return f"{INCOMING}/{job_id}/{name}"


class Spool:
    """The files of all jobs."""

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

    async def read_order(self, job: JobRecord, call: CallRecord, routes: Iterable[Route]) -> Order:
        """The order of a call that was written down but not sent; `routes` are those its provider has now.

        Raises:
            StorageError: the provider has no such route any more, or an input picture is gone.
        """
        wanted, inputs = (job.tool, job.operation, job.plan["route"]), job.plan["inputs"]
        for route in routes:
            same = (route.tool, route.operation.value, route.model) == wanted
            if same and job.model in (route.model, *route.models.values()):
                return Order(
                    route=route,
                    arguments=dict(call.arguments),
                    model=job.model,
                    count=call.count,
                    images=tuple([await self._input(one) for one in inputs["images"]]),
                    mask=await self._input(inputs["mask"]) if inputs["mask"] else None,
                    first_variant=call.first_variant,
                )
        raise StorageError(f"{job.provider} has no {job.model} any more; nothing was sent")

    async def keep_output(self, job_id: str, variant: int, output: Output) -> dict[str, Any]:
        """A result as the journal holds it: its address, or the key of the file its bytes were written to.

        Raises:
            StorageError: the bytes cannot be written.
        """
        if output.data is None:
            return {"url": output.url, "file": "", "seed": output.seed}
        key = job_key(job_id, f"{_RESULT}{variant}")
        await self._blobs.put(key, output.data)
        return {"url": "", "file": key, "seed": output.seed}

    async def keep_answer(self, job_id: str, number: int, answer: Answer) -> None:
        """Write down an answer that came with the results, beside their files: the vendor cannot be asked for it again.

        Raises:
            StorageError: it cannot be written.
        """
        data = json.dumps(asdict(answer), default=str).encode()
        await self._blobs.put(job_key(job_id, f"{_ANSWER}{number}.json"), data, lasting=False)

    async def read_answer(self, job_id: str, number: int, variants: Sequence[int]) -> Answer | None:
        """The answer to a call that was being sent when its process died; None when none can be read.

        If only picture files are there, they are the answer: each is whole or not there at all. `variants` are the
        numbers they can have.
        """
        with suppress(StorageError, ValueError, TypeError, KeyError):
            found = json.loads(await self._blobs.read(job_key(job_id, f"{_ANSWER}{number}.json")))
            # older releases called them products, and wrote absolute paths
            outputs = found["outputs"] if "outputs" in found else found["products"]
            keyed = ({**one, "file": spooled_key(one["file"])} for one in outputs)
            return Answer(tuple(keyed), found["cost_usd"], tuple(found["notes"]))
        there: set[str] = set()
        with suppress(StorageError):
            there.update(await self._blobs.keys(job_key(job_id, _RESULT)))
        keys = [key for variant in variants if (key := job_key(job_id, f"{_RESULT}{variant}")) in there]
        return Answer(tuple({"url": "", "file": key, "seed": None} for key in keys)) if keys else None

    async def read_output(self, data: Mapping[str, Any]) -> Output:
        """The result that `keep_output` wrote down.

        Raises:
            StorageError: its file is gone.
        """
        content = await self._blobs.read(data["file"]) if data["file"] else None
        return Output(url=data["url"], data=content, seed=data["seed"])

    async def clear(self, job_id: str, *, whole: bool) -> None:
        """Remove a job's inputs; and its results if `whole`, which means that all are in the library. Never raises."""
        with suppress(StorageError):
            await self._blobs.delete(job_key(job_id, "" if whole else _INPUT))

    async def sweep(self, record_of: Callable[[str], Awaitable[JobRecord | None]]) -> None:
        """Remove files that killed processes left and that are not needed any more. Never raises.

        Files of running jobs are not touched. Of other jobs, inputs are removed, and results only if all of them are in
        the library. So a picture that was paid for and could not be saved stays, even if the journal does not know its
        job.
        """
        with suppress(StorageError):  # there is nothing to remove, or opening a job will show what is wrong
            for folder in await self._blobs.folders(INCOMING):
                if folder.idle < YOUNG:
                    continue
                job_id = folder.key.removeprefix(f"{INCOMING}/")
                try:
                    record = await record_of(job_id)
                    if record is None or record.done:
                        await self.clear(job_id, whole=record is not None and _is_in_library(record))
                except Exception as error:  # noqa: BLE001 - whatever goes wrong here must not end a server
                    log.warning("%s could not be tidied up: %s", folder.key, error)

    async def _keep_input(self, job_id: str, place: int, picture: Prepared) -> dict[str, Any]:
        key = job_key(job_id, f"{_INPUT}{place}")
        await self._blobs.put(key, picture.data, lasting=False)
        return {"file": key, "format": picture.format, "width": picture.width, "height": picture.height}

    async def _input(self, data: Mapping[str, Any]) -> Prepared:
        return Prepared(await self._blobs.read(data["file"]), data["format"], data["width"], data["height"])


def _is_in_library(record: JobRecord) -> bool:
    return all(call.state is CallState.KEPT and call.error is None for call in record.calls)
