"""The input pictures of a call as a caller gives them, and the memory that those of all calls take together.

A picture is given as a path, a `file:` URI, an http(s) URL, a data URI or an earlier picture's id. `resolve` turns it
into bytes whose real type, size and sides are checked, without what is not part of the picture.

All calls share the memory, from before a picture is read until it is sent. While a job waits it holds none: its
pictures lie in the spool and are read from there when they are sent, by the process that wrote them as by one that took
the job over.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote_to_bytes

import anyio
import anyio.to_thread

from imagewright.catalog.row import PictureLimits
from imagewright.engine.pictures import EXACT, MASK, Source, new_id
from imagewright.errors import ImagewrightError, PictureError, Problem, Refusal
from imagewright.imaging.files import measure, only_picture
from imagewright.imaging.limiter import MASK_BYTES, PROBE_BYTES, DecodeLimiter, decode, size_problems
from imagewright.imaging.workers import mask_coverage, probe
from imagewright.net import PUBLIC, Guard, fetch_public
from imagewright.text import byte_size

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from imagewright.engine.check import Checked
    from imagewright.engine.job import Job
    from imagewright.engine.pictures import SpoolWriter
    from imagewright.imaging.files import Measured
    from imagewright.settings.load import Settings
    from imagewright.storage.accounts import Principal
    from imagewright.storage.library import Library
    from imagewright.storage.records import PictureRecord

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
READ_BYTES = 64_000_000
"""Bytes of one input picture that are read; a 16-bit TIFF of 10 megapixels has 60 MB. What is sent is less."""
READ_BYTES_TOGETHER = 256_000_000
"""Bytes of all pictures of a call."""
NONE_KNOWN: Mapping[str, PictureRecord | None] = MappingProxyType({})
INPUT_ROOM = 300_000_000
"""Bytes that the input pictures of all calls may take in this process, as much as all decoding may (`limiter.ROOM`):
with the server's own 100 MB it stays at 400 MB. A call that needs more than all of it runs alone."""
INPUTS = DecodeLimiter(INPUT_ROOM, 150)
"""Who may hold input pictures now. Nobody asks for a share while holding one, so that there is no deadlock."""
READING_COPIES = 2
"""How often a picture is in memory while a call is read: as it came, and as it is prepared for the vendor."""
UPLOAD_COPIES = 2
"""How often at most while it is uploaded: as it is, and in the request."""
INLINE_COPIES = 3
"""How often at most while it is sent inside the request: as it is, and in the request, in base64 a third larger, until
the courier has that."""
LARGE_CALL = 50_000_000
"""Bytes of the pictures of a call above which it holds a few at a time: each goes to the spool once it was looked at,
and comes back when it is prepared. The others are spared the disk."""
MOST_PICTURES = 14
"""The most that any row takes."""
FEW = 2
"""How many such pictures are read at the same time."""
M_MMAP_THRESHOLD, LARGE_BLOCK = -3, 4_000_000
"""The allocator's name for the size from which it maps blocks by themselves (malloc.h), and that size in bytes."""
WAIT_SECONDS = 600.0
"""Bound on a call's wait for the memory. With ten noisy pictures of 24 MB each a call took a minute on a busy machine,
and ten may come at once."""
WAITING = "waiting until there is memory for the pictures"
NO_MEMORY = (
    f"for {WAIT_SECONDS:.0f} s there was no memory to read the pictures, as other calls hold large ones while they "
    "read or send them: nothing was charged; call again, or give smaller pictures"
)


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


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is known of the pictures of a call before they are read."""

    sizes: Sequence[int]
    """Bytes of each; those that will be refused are left out."""
    known: Mapping[str, PictureRecord | None]
    """Those of the library by what was given; None for an id that nobody knows."""

    @property
    def is_large(self) -> bool:
        """Whether they are held a few at a time."""
        return sum(self.sizes) > LARGE_CALL

    @property
    def at_once(self) -> int:
        """How many are read at the same time."""
        return FEW if self.is_large else MOST_PICTURES

    @property
    def cost(self) -> int:
        """Bytes of memory that reading and preparing them takes."""
        together = READING_COPIES * sum(self.sizes)
        if not self.is_large:
            return together
        return min(together, sum(self.sizes) + FEW * READING_COPIES * max(self.sizes))


async def outlook(given: Sequence[tuple[str, str]], most: int, library: Library, who: Principal) -> Outlook:
    """What can be known of these pictures without reading them.

    Args:
        given: (argument, text) for each picture.
        most: bytes of one picture that are read at most. What a link leads to counts as that.
        library: where kept pictures are.
        who: the caller.
    """
    texts = [text.strip() for _, text in given]
    known = {text: await library.get(who, found[1]) for text in texts if (found := PICTURE_ID.fullmatch(text))}
    sizes = [record.bytes for record in map(known.get, texts) if record is not None]
    paths: list[str] = []
    for text in texts:
        if text in known:
            continue
        if URL.match(text):
            sizes.append(most)
        elif text[:5].lower() == "data:":
            sizes.append(len(text))
        else:
            paths.append(text)
    if paths:
        sizes += await anyio.to_thread.run_sync(_sizes, library, who, paths)
    return Outlook([min(size, most) for size in sizes], known)


def _sizes(library: Library, who: Principal, paths: Sequence[str]) -> list[int]:
    """The sizes of files in bytes. One that may not be read has none, and is refused when it is to be read."""
    found = []
    for path in paths:
        try:
            with library.roots_of(who).open_readable(path)[0] as stream:
                found.append(os.fstat(stream.fileno()).st_size)
        except ImagewrightError:
            continue
    return found


@asynccontextmanager
async def room_to_read(cost: int, seconds: float = WAIT_SECONDS) -> AsyncIterator[None]:
    """A share of the memory for reading the pictures of a call.

    Raises:
        Refusal: there was none within so many seconds.
    """
    last = anyio.current_time() + seconds

    async def waits() -> None:
        if anyio.current_time() > last:
            raise Refusal(Problem("", NO_MEMORY))

    async with INPUTS.share(cost, waits=waits):
        yield


class PutAway:
    """Where the pictures of a large call lie before it has a job: in the spool, which it leaves if it gets none.

    `job_id` is the id that the job will have; empty for a call that is not large.
    """

    def __init__(self, spool: SpoolWriter, job_id: str) -> None:
        self._spool = spool
        self.job_id = job_id
        self._begun = False

    async def put(self, place: str, source: Source) -> Source:
        """Put a picture there, unless as many as a call can have would make none large.

        Raises:
            StorageError: it cannot be written.
        """
        small = not self.job_id or source.facts.size * MOST_PICTURES <= LARGE_CALL
        return source if small else await self._spool.keep_source(self.job_id, place, source)

    def kept_for(self, job: Job) -> Job:
        """Note the job that serves the call: its own, or one that it was joined to; the same job."""
        self._begun = job.id == self.job_id
        return job

    async def __aenter__(self) -> Self:
        if self.job_id:
            return_large_blocks()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.job_id and not self._begun:
            with anyio.CancelScope(shield=True):
                await self._spool.clear(self.job_id, whole=False)


@cache
def return_large_blocks() -> None:
    """Have memory of pictures go back to the system as soon as it is free.

    The GNU C library maps large blocks by themselves and so returns each. But after one of up to 32 MB was freed it
    takes blocks of that size from its heaps, which keep them: after calls with ten pictures of 24 MB, the server had
    340 MB instead of 85, and 390 instead of 220 at most.
    """
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - nothing else needs it

        with suppress(AttributeError, OSError):  # another C library
            ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK)


@asynccontextmanager
async def opened(
    checked: Checked, settings: Settings, library: Library, spool: SpoolWriter, who: Principal
) -> AsyncIterator[tuple[list[Source], list[Problem], PutAway]]:
    """The pictures of a call and their problems, see `resolve`, in memory or in the spool while the block lasts.

    Raises:
        Refusal: there was no memory for them in time.
    """
    if not (given := checked.sources()):
        yield [], [], PutAway(spool, "")
        return
    limits, guard, whole = reading_limits(checked), Guard(allowed=settings.allow_hosts), settings.keep_metadata
    seen = await outlook(given, limits.max_bytes, library, who)
    read = partial(resolve, given, limits, library, who, guard, whole=whole, known=seen.known, at_once=seen.at_once)
    async with room_to_read(seen.cost), PutAway(spool, new_id() if seen.is_large else "") as put_away:
        yield *await read(put_away=put_away), put_away


async def resolve(
    given: Iterable[tuple[str, str]],
    limits: PictureLimits,
    library: Library,
    who: Principal,
    guard: Guard = PUBLIC,
    *,
    whole: bool = False,
    known: Mapping[str, PictureRecord | None] = NONE_KNOWN,
    put_away: PutAway | None = None,
    at_once: int = MOST_PICTURES,
) -> tuple[list[Source], list[Problem]]:
    """All pictures of a call, (argument, text) each, read at the same time; what cannot be read becomes a problem.

    With `whole`, nothing is left out of the files. `known` are pictures of the library by what was given. `at_once` of
    them are read at the same time, and then put away, but for a mask, which is needed until the end.
    """
    wanted = list(given)
    found: list[Source | list[Problem]] = [[] for _ in wanted]
    reader = _Reader(limits, library, who, guard, known, whole=whole)

    turn = anyio.Semaphore(at_once)

    async def one(place: int, argument: str, text: str) -> None:
        try:
            async with turn:
                source = await reader.source(argument, text.strip())
                if put_away is not None and argument != MASK and isinstance(source, Source):
                    source = await put_away.put(str(place), source)
                found[place] = source
        except ImagewrightError as error:
            found[place] = [Problem(argument, str(error))]
            # Its traceback holds the picture, and the future that brought it from a thread is held by both in a circle.
            # What remains of large pictures would stay until the garbage collector looks through everything.
            error.__traceback__ = error.__cause__ = error.__context__ = None

    async with anyio.create_task_group() as group:
        for place, (argument, text) in enumerate(wanted):
            group.start_soon(one, place, argument, text)
    sources = [item for item in found if isinstance(item, Source)]
    problems = [problem for item in found if isinstance(item, list) for problem in item]
    return sources, problems + await _mask_problems(sources)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the pictures of one call."""

    limits: PictureLimits
    library: Library
    who: Principal
    guard: Guard
    known: Mapping[str, PictureRecord | None]
    whole: bool = field(kw_only=True)
    _copying: anyio.Semaphore = field(default_factory=lambda: anyio.Semaphore(1))
    """For what copies a picture: all at once would take the memory twice."""

    async def source(self, argument: str, text: str) -> Source | list[Problem]:
        """The picture, or what is wrong with its size: that is read from the header, before anything is decoded."""
        given, parent = await self._read(text)
        async with self._copying:
            measured, data, left_out, digest = await anyio.to_thread.run_sync(_measured, given, self.whole)
            del given  # the file as it came would be a second copy while this waits for its turn to be decoded
        if problems := size_problems(measured, self.limits):
            return [Problem(argument, problem) for problem in problems]
        facts = await decode(probe, data, per_pixel=PROBE_BYTES)
        return Source(argument, _shown(text), data, facts, parent, left_out, digest)

    async def _read(self, text: str) -> tuple[bytes, str | None]:
        limit, library = self.limits.max_bytes, self.library
        if matched := PICTURE_ID.fullmatch(text):
            record = self.known[text] if text in self.known else await library.get(self.who, matched[1])
            if record is None:
                recent = ", ".join(await library.newest_ids(self.who, NAMED)) or "none yet"
                raise PictureError(f"there is no picture {matched[1]}; the newest are: {recent} (see image_gallery)")
            return await library.read(record, limit), matched[1]
        if URL.match(text):
            return await fetch_public(text, max_bytes=limit, seconds=FETCH_SECONDS, guard=self.guard), None
        if text[:5].lower() == "data:":
            async with self._copying:
                return await anyio.to_thread.run_sync(_decode_data_uri, text, limit), None
        return await anyio.to_thread.run_sync(library.roots_of(self.who).read_bytes, text, limit), None


def _measured(given: bytes, whole: bool) -> tuple[Measured, bytes, tuple[str, ...], str]:  # noqa: FBT001 - a thread gets no names
    """What the header says, the bytes to pass on, what is left out of them, and the digest of what was given."""
    measured = measure(given)
    data, left_out = (given, ()) if whole else only_picture(given, measured.format)
    return replace(measured, size=len(data)), data, left_out, hashlib.sha256(given).hexdigest()


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
