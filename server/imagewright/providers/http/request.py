"""What vendor files give to the HTTP client and get back, and how the body of an answer is unpacked.

Nothing here sends anything. A picture inside a request is put into base64 only while its body is made: else a hundred
megabytes would be in memory five times. The body of an answer may be packed with one coding at most, and is unpacked in
steps: a few thousand bytes can unpack to gigabytes, so the reader checks its limit after each step.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from base64 import b64encode
from dataclasses import dataclass, field
from enum import StrEnum
from io import BytesIO
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from imagewright.text import clip, is_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from imagewright.errors import ProviderError, TaskEnded
    from imagewright.storage.accounts import Pace

    KeyHeaders = Callable[[str], Mapping[str, str]]
    """The headers with the key for an address; none where the key must not go there."""

T = TypeVar("T")

AT_ONCE = 100_000
"""Bytes of a reply up to which it is searched and read on the event loop, which takes a few milliseconds. A larger one
holds pictures, and goes to a thread."""
REPLY_BYTES = 4_000_000
"""Most bytes of a reply that carries no pictures."""

HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""Half of a character as JSON writes it; two of them that belong together make a whole one."""
MOST_VALUES = 300_000
"""Commas and opening brackets of a reply: reading so many takes some 30 ms and 20 MB. Base64 has none of them."""

STEP = 1_000_000
"""Bytes that are unpacked in one step at most: about 4 ms of work."""
BASE64_STEP = 3_000_000
"""Bytes that are put into base64 in one step; a multiple of three, as each three bytes make four characters."""
_DEFLATED = 8  # the method in the low half of a zlib stream's first byte (RFC 1950)
_CHECK = 31  # its first two bytes, read as one number, are a multiple of this
_HEAD = 2


class Purpose(StrEnum):
    """What a request is for. It decides how long to wait, what may be sent again, and what a lost connection means."""

    SUBMIT = "submit"
    """Starts paid work: sent again only where the vendor has plainly refused it."""
    POLL = "poll"
    """Asks how work stands: never sent again here, as the engine asks again anyway."""
    UPLOAD = "upload"
    """Uploads an input picture, free of charge: sent again whenever that may help."""
    OTHER = "other"
    """Anything else, such as a cancel: sent again only where it was plainly refused."""


@dataclass(frozen=True, slots=True)
class FilePart:
    """One file of a form."""

    label: str
    """Name of the form field."""
    name: str
    mime: str
    data: bytes = field(repr=False)
    """The whole file."""


@dataclass(frozen=True, slots=True)
class Inline:
    """A picture inside the JSON of a request, as a string of base64."""

    data: bytes = field(repr=False)
    """The whole file."""
    before: str = ""
    """What stands before the base64 in the string."""

    def __str__(self) -> str:
        return self.before + b64encode(self.data).decode("ascii")


def json_body(value: Any) -> bytes:
    """JSON with pictures inside. Blocks for as long as encoding them takes.

    Raises:
        ValueError: a number is not finite.
    """
    pictures: list[Inline] = []
    mark = os.urandom(16).hex()  # nobody can guess it, so it stands nowhere else

    def taken(one: Inline) -> str:
        pictures.append(one)
        return one.before + mark

    text = json.dumps(value, default=taken, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    body = BytesIO()  # `getvalue` makes no copy, and neither does growing
    for place, piece in enumerate(text.split(mark)):
        if place:
            data = memoryview(pictures[place - 1].data)
            for begin in range(0, len(data), BASE64_STEP):
                body.write(b64encode(data[begin : begin + BASE64_STEP]))
        body.write(piece.encode())
    return body.getvalue()


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    """Decoded from transfer and content coding."""
    json: Any = None
    """The body as JSON; None when it is none. `HttpClient` fills it in before a reader sees the reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Generic[T]):
    """One request, with the reader of its reply."""

    purpose: Purpose
    """What it is for."""
    url: str
    """Full address. If it is a link the vendor gave, its query is never logged."""
    read: Callable[[Reply], T | ProviderError | TaskEnded | None]
    """Reads the reply, without I/O; called for every status. It returns the failure that the reply reports, if it
    does; while polling, `TaskEnded` where the reply says that the task itself is over. It returns None when it
    cannot read the reply, and then the HTTP status decides. An exception counts as None."""
    method: str = "POST"
    query: Mapping[str, str] = field(default_factory=dict)
    """Parameters after the `?`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers besides the account's own."""
    json: Any = None
    """Body as JSON, pictures as `Inline`; None for none."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Fields of a multipart form, sent with `files`."""
    files: tuple[FilePart, ...] = ()
    """Files of a multipart form."""
    content: bytes | None = None
    seconds: float | None = None
    """Longest wait for the whole exchange; None for the purpose's own, see `client.SECONDS`."""
    max_bytes: int = REPLY_BYTES
    """Most bytes of the reply."""
    limits: Callable[[Reply], Pace | None] | None = None
    """Reads from a refusal how many requests the vendor takes, without I/O, where it says so elsewhere than in the
    headers that `classify.read_limits` knows. It returns None where the refusal does not say it; an exception counts as
    None."""
    with_key: bool = True
    """Whether the account's key goes along; it is never sent to a host that is not the account's. Without it, the
    request is for a link that the vendor gave, and goes to public addresses only and through no proxy; to this machine
    only where one of the account's addresses is on it."""

    @property
    def has_body(self) -> bool:
        """Whether there is more to send than the address and headers."""
        return self.json is not None or bool(self.fields or self.files or self.content)


def read_json(body: bytes | str) -> Any:
    """A body as JSON; None when it is none, or has more values than any vendor sends: reading it holds up the loop.

    Half of a character, which JSON can hold and no database, file or address can, becomes a question mark.
    """
    marks: tuple[Any, ...] = (",", "[", "{") if isinstance(body, str) else (b",", b"[", b"{")
    if len(body) > MOST_VALUES and sum(map(body.count, marks)) > MOST_VALUES:
        return None
    try:
        text = body if isinstance(body, str) else body.decode(json.detect_encoding(body), "surrogatepass")
        content = json.loads(text)
        return content if is_whole(text) and HALF.search(text) is None else _repaired(content)
    except (ValueError, RecursionError):
        return None


def _repaired(value: Any) -> Any:
    if isinstance(value, str):
        return value if is_whole(value) else value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_repaired(one) for one in value]
    if isinstance(value, dict):
        return {_repaired(name): _repaired(one) for name, one in value.items()}
    return value


class CodingError(Exception):
    """A body is packed in a way that is not taken, or is damaged; the text says how."""


def coding_of(codings: Sequence[str]) -> str:
    """The one coding of a packed body that can be unpacked: `gzip` or `deflate`.

    Args:
        codings: what it is packed with, at least one, see `codings_of`.

    Raises:
        CodingError: it is packed more than once, or in another way.
    """
    shown = clip(", ".join(codings))
    if len(codings) > 1:
        raise CodingError(f"it is packed more than once ({shown})")
    if codings[0] in ("gzip", "x-gzip"):
        return "gzip"
    if codings[0] == "deflate":
        return "deflate"
    raise CodingError(f"it is packed in a way that was not asked for ({shown})")


class Inflater:
    """Unpacks one body, block by block, from a coding that `coding_of` returned."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._head = b""
        self._stream: zlib._Decompress | None = None  # typeshed's name for what `decompressobj` makes

    def feed(self, block: bytes) -> Iterator[bytes]:
        """What a block unpacks to, at most `STEP` bytes at a time; nothing is unpacked before it is asked for.

        Raises:
            CodingError: the body is damaged, or goes on after its end.
        """
        block, self._head = self._head + block, b""
        if self._stream is None and len(block) < _HEAD:
            self._head = block
            return
        self._stream = self._stream or zlib.decompressobj(_window(self._coding, block))
        if self._stream.eof and block:
            raise CodingError(f"its {self._coding} goes on after its end")
        while True:
            try:
                unpacked = self._stream.decompress(block, STEP)
            except zlib.error as error:
                raise CodingError(f"its {self._coding} is damaged ({error})") from error
            block = self._stream.unconsumed_tail
            yield unpacked
            if self._stream.unused_data:
                raise CodingError(f"its {self._coding} goes on after its end")
            if self._stream.eof or not (block or len(unpacked) == STEP):
                return

    def close(self) -> None:
        """Note that the body has ended. An empty body counts as whole.

        Raises:
            CodingError: it was cut short.
        """
        begun = self._head or self._stream is not None
        if begun and not (self._stream is not None and self._stream.eof):
            raise CodingError(f"its {self._coding} is cut short")


def _window(coding: str, head: bytes) -> int:
    """Which of its three containers zlib is to expect."""
    if coding == "gzip":
        return 16 + zlib.MAX_WBITS
    # `deflate` means a zlib stream (RFC 9110), but some servers send it bare, without its head
    is_zlib = head[0] % 16 == _DEFLATED and (head[0] * 256 + head[1]) % _CHECK == 0
    return zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS
