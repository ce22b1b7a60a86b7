"""What a download needs only at times: going on where one broke off, in this process or in the next, and the key.

What has come lies in a part, and beside it stands what tells its file from others. The rest is asked for only where the
file can still be the same, and from a little before the end of the part: those bytes have to come out the same once
more. Whatever does not fit begins anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from imagewright.net import FetchError, codings_of
from imagewright.net.fetch import read_blocks
from imagewright.providers.http.classify import NO_KEY
from imagewright.storage.paths import open_folder
from imagewright.storage.paths.files import remove_file, write_file
from imagewright.text import may_hold

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from imagewright.net.fetch import Send
    from imagewright.providers.http.request import KeyHeaders

OVERLAP = 4096
"""Bytes that are fetched once more to be compared. Two pictures that differ do not share so many by chance."""
LONGEST_NOTE = 100_000
"""Bytes of a note that are read. It has an address and a validator, and neither is longer than a header."""
PARTIAL = 206
TAKEN = (200, PARTIAL, 416)
"""Statuses that answer the question for the rest; with the first the whole file comes."""
RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")
"""A `Content-Range` whose every number is known."""


class OtherFileError(Exception):
    """What comes is not the rest of what is here; the text says why."""


@dataclass(frozen=True, slots=True)
class Source:
    """What tells a file from others."""

    address: str
    """Digest of it without its query, which is a secret and another in a fresh link."""
    validator: str
    """Its strong `ETag`, else its `Last-Modified`."""
    total: int | None
    """Its bytes; None where that was not said."""


def write_down(response: httpx.Response, url: str, part: Path, key: str) -> None:
    """Write down whose part it will be. Blocks.

    Without a validator, or where that may hold the key, nothing is written, and the part cannot be gone on with.
    """
    remove_file(_note_of(part))
    etag = response.headers.get("ETag", "")
    validator = etag if etag.startswith('"') else response.headers.get("Last-Modified", "")
    if validator and not may_hold(validator.encode(), key):
        length = response.headers.get("Content-Length", "")
        source = Source(_address(url), validator, int(length) if length.isdecimal() else None)
        write_file(_note_of(part), json.dumps(asdict(source)).encode())


@dataclass(frozen=True, slots=True)
class Begun:
    """A part that can be gone on with."""

    source: Source
    size: int
    """Bytes that are here."""
    tail: bytes
    """The last of them."""

    @property
    def start(self) -> int:
        """From which byte on the rest is asked for."""
        return self.size - len(self.tail)

    @property
    def headers(self) -> Mapping[str, str]:
        """What asks for the rest, or for the whole file where it has changed."""
        return {"Range": f"bytes={self.start}-", "If-Range": self.source.validator}

    def rest(self, response: httpx.Response, max_bytes: int) -> tuple[AsyncIterator[bytes], int]:
        """What is missing, and the bytes of the whole file.

        Raises:
            OtherFileError: it is not what was asked for. While it is read, this means that the file is another one.
        """
        if response.status_code != PARTIAL:
            raise OtherFileError(f"HTTP {response.status_code}")
        found = RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
        if found is None or codings_of(response.headers.get("Content-Encoding", "")):
            raise OtherFileError("it is no plain part of the file")
        first, last, total = map(int, found.groups())
        if first != self.start or last != total - 1 or total != (self.source.total or total):
            raise OtherFileError("it is another part, or one of another file")
        etag = response.headers.get("ETag", "")
        if etag and self.source.validator.startswith('"') and etag != self.source.validator:
            raise OtherFileError("it is a part of another file")
        return _behind(read_blocks(response, max_bytes, self.start), self.tail), total


def read_part(part: Path, url: str) -> Begun | None:
    """The part of the file at that address; None where there is none, or it is not known to be of that file. Blocks."""
    with suppress(OSError, ValueError, TypeError):
        with open_folder(part.parent) as folder:
            with os.fdopen(folder.open(_note_of(part).name), "rb") as file:
                source = Source(**json.loads(file.read(LONGEST_NOTE)))
            with os.fdopen(folder.open(part.name), "rb") as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(max(size - OVERLAP, 0))
                tail = file.read(OVERLAP)
        if tail and source.address == _address(url):
            return Begun(source, size, tail)
    return None


async def _behind(blocks: AsyncIterator[bytes], tail: bytes) -> AsyncIterator[bytes]:
    """The blocks without what is here already, which must be the same."""
    async for block in blocks:
        if not block.startswith(tail[: len(block)]):
            raise OtherFileError("it differs from what has come")
        new, tail = block[len(tail) :], tail[len(block) :]
        if new:
            yield new


def _note_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _address(url: str) -> str:
    parts = urlsplit(url)
    return hashlib.sha256(f"{parts.scheme}://{parts.netloc}{parts.path}".encode("utf-8", "replace")).hexdigest()


def keyed(direct: Send, key_headers: KeyHeaders, elsewhere: Send) -> Send:
    """A `Send` that goes to the vendor's own addresses directly and with the key, and elsewhere for all other requests.

    Redirects are no exception, as each of them is a request of its own.

    Raises:
        FetchError: the key cannot stand in a header.
        Exception: what the two raise.
    """

    async def send(request: httpx.Request) -> httpx.Response:
        try:
            headers = key_headers(str(request.url))
        except ValueError as error:
            raise FetchError(NO_KEY, "address") from error
        if not headers:
            return await elsewhere(request)
        request.headers.update(headers)
        try:
            return await direct(request)
        except (UnicodeError, httpx.InvalidURL) as error:  # a client looks into a redirect without following it
            raise httpx.RemoteProtocolError("its redirect leads to no address", request=request) from error

    return send
