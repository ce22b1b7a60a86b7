"""Resolve picture arguments: a path, a `file:` URI, an http(s) URL, a data URI or an earlier picture's id.

Everything ends as bytes whose real type, size and sides have been looked at. All problems come together.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

import anyio
import anyio.to_thread

from imagewright.engine.sizes import size_problems
from imagewright.errors import ImagewrightError, PictureError, Problem
from imagewright.imaging.limiter import PROBE_BYTES, decode
from imagewright.text import byte_size

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imagewright.catalog.row import PictureLimits
    from imagewright.imaging.files import PictureFacts
    from imagewright.storage.library import Library

PICTURE_ID = re.compile(r"^(?:image://)?(img_[a-z0-9]{1,64})(?:/preview)?$")
URL = re.compile(r"^https?://", re.IGNORECASE)
DATA_URI = re.compile(r"^data:(?P<type>[^,;]*)(?P<parameters>(?:;[^,;]*)*),", re.IGNORECASE)
LONGEST_HEAD = 1000
"""Characters of a data URI before its comma: a media type and its parameters."""
FETCH_SECONDS = 30.0
"""Bound on fetching one picture from a URL."""
SAID_LENGTH = 120
"""Characters of a source that are kept for messages and the library: a data URI can be megabytes."""


@dataclass(frozen=True, slots=True)
class Source:
    """An input picture as it came.

    Attributes:
        argument: where it was given, such as `images[1]`.
        request: what was given, shortened, fit for messages and the library.
        data: the whole file, untouched.
        facts: real type, sides and size.
        parent: id of the earlier picture, if it is one.
    """

    argument: str
    request: str
    data: bytes
    facts: PictureFacts
    parent: str | None = None


class Resolver:
    """Turns what callers give into `Source`s.

    Args:
        library: earlier pictures, and the folders that may be read.
    """

    def __init__(self, library: Library) -> None:
        self._library = library

    async def resolve(
        self, given: Iterable[tuple[str, str]], limits: PictureLimits
    ) -> tuple[list[Source], list[Problem]]:
        """All pictures of a call, side by side; what could not be had is a problem, not an exception.

        Args:
            given: (argument, text) pairs.
            limits: the row's limits for one picture.
        """
        wanted = list(given)
        found: list[Source | list[Problem]] = [[] for _ in wanted]

        async def one(place: int, argument: str, text: str) -> None:
            try:
                found[place] = await self._source(argument, text.strip(), limits)
            except ImagewrightError as error:
                found[place] = [Problem(argument, str(error))]

        async with anyio.create_task_group() as group:
            for place, (argument, text) in enumerate(wanted):
                group.start_soon(one, place, argument, text)
        sources = [item for item in found if isinstance(item, Source)]
        return sources, [problem for item in found if isinstance(item, list) for problem in item]

    async def _source(self, argument: str, text: str, limits: PictureLimits) -> Source | list[Problem]:
        """The picture, or what is wrong with its size: that is read from the header, before anything is decoded."""
        data, parent = await self._read(text, limits.max_bytes)
        from imagewright.imaging.files import measure, probe  # noqa: PLC0415 - Pillow is not on the start-up path

        problems = size_problems(await anyio.to_thread.run_sync(measure, data), limits)
        if problems:
            return [Problem(argument, problem) for problem in problems]
        return Source(argument, _said(text), data, await decode(probe, data, per_pixel=PROBE_BYTES), parent)

    async def _read(self, text: str, limit: int) -> tuple[bytes, str | None]:
        if matched := PICTURE_ID.match(text):
            return await anyio.to_thread.run_sync(self._earlier, matched[1], limit), matched[1]
        if URL.match(text):
            from imagewright.net.fetch import fetch_public  # noqa: PLC0415 - httpx is not on the start-up path

            return await fetch_public(text, max_bytes=limit, seconds=FETCH_SECONDS), None
        if text[:5].lower() == "data:":
            return _decode_data_uri(text, limit), None
        return await anyio.to_thread.run_sync(self._library.roots.read_bytes, text, limit), None

    def _earlier(self, picture_id: str, limit: int) -> bytes:
        record = self._library.get(picture_id)
        if record is None:
            recent = ", ".join(self._library.recent_ids("", 3)) or "there are none yet"
            raise PictureError(f"there is no picture {picture_id}; the newest are: {recent} (see image_gallery)")
        return self._library.read(record, limit)


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


def _said(text: str) -> str:
    if text[:5].lower() == "data:":
        return text.split(",", 1)[0][:SAID_LENGTH]
    if URL.match(text):
        return text.split("?", 1)[0][:SAID_LENGTH]  # a signed link's query is a secret
    return text
