"""Exchanges over the shared connections of a process, and results streamed to disk: bounded and whole.

An answer may be packed with one coding at most, and is unpacked in steps: a few thousand bytes can unpack to gigabytes,
so the reader checks its limit after each step. Imports httpx, so it is imported with the first request.
"""

from __future__ import annotations

import logging
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import httpx

from imagewright.net.fetch import (
    CONNECT_SECONDS,
    FetchError,
    NotFoundError,
    NotPublicError,
    PinnedTransport,
    check_place,
    codings_of,
    look_up,
    no_cookies,
    open_public,
    read_blocks,
    usual_authorities,
)
from imagewright.providers.http.classify import Broken, NotFetched
from imagewright.providers.http.request import Reply
from imagewright.storage.paths.files import open_file
from imagewright.text import clip

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from pathlib import Path

    from imagewright.providers.http.request import Request, Sending

log = logging.getLogger(__name__)

ACCEPTED = "gzip, deflate"
"""What a vendor's answer may be packed with, as it stands in `Accept-Encoding`."""
STEP = 1_000_000
"""Bytes that are unpacked in one step at most: about 4 ms of work."""
LIMITS = httpx.Limits(max_connections=256, max_keepalive_connections=64, keepalive_expiry=15.0)
"""Room for 200 jobs at once. Idle connections go after 15 s, well before servers drop theirs: a request that meets a
connection just dropped is one whose outcome is unknown."""
DIRECT = ("all://localhost", "all://127.0.0.1", "all://[::1]")
"""Never through the environment's proxy: it has another loopback."""
SENDING = ".send_request_headers.started"
HEADERS = {"User-Agent": "imagewright", "Accept-Encoding": ACCEPTED}
WAITS = httpx.Timeout(None, connect=CONNECT_SECONDS)
"""For the connection alone: `_exchange` bounds the whole."""
DOWNLOAD_SECONDS = 3600.0
"""Longest one try may take: a large picture on a slow line; a connection that falls silent is given up much sooner."""
BLOCK = 1_000_000
"""Bytes gathered before they are written: each write is a hop to another thread."""
PAGES = ("text/", "application/json", "application/xml", "application/xhtml")
"""Content types of messages, not of pictures."""
PAGE_STARTS = (b"<", b"{", b"[")
"""First bytes of messages whose content type says otherwise; of pictures, only drawings (SVG) begin so."""
PICTURE_STARTS = (
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"RIFF",
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"\xff\x0a",
    b"\0\0\0\x0cJXL ",
)
"""First bytes of pictures: they are believed more than the content type."""
BOXES = b"ftyp"
"""Fifth to eighth byte of AVIF and HEIC."""
DRAWING_STARTS = (b"<svg", b"<?xml", b"<!--", b"<!doctype svg")
"""How a drawing begins; `<svg` comes soon."""
HEAD = 1024
"""Bytes at the beginning in which that is searched for."""
EXPIRED = {403: "the link has expired or was withdrawn", 404: "the file is gone", 410: "the file is gone"}

_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS
_DEFLATED = 8  # the method in the low half of a zlib stream's first byte (RFC 1950)
_CHECK = 31  # its first two bytes, read as one number, are a multiple of this
_HEAD = 2


class CodingError(Exception):
    """A body is packed in a way that is not taken, or is damaged; the text says how."""


def coding_of(header: str) -> str:
    """The one coding of a body that can be unpacked: `gzip`, `deflate`, or nothing where it is not packed.

    Raises:
        CodingError: it is packed more than once, or in another way.
    """
    codings = codings_of(header)
    if not codings:
        return ""
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
        if not self._coding:
            yield block
            return
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
        return _GZIP
    # `deflate` means a zlib stream (RFC 9110), but some servers send it bare, without its head
    is_zlib = head[0] % 16 == _DEFLATED and (head[0] * 256 + head[1]) % _CHECK == 0
    return _ZLIB if is_zlib else _RAW


@dataclass(slots=True)
class _Watch:
    """Notes when the first byte of a request goes out, and awaits `Sending.begin` right before."""

    begin: Callable[[], Awaitable[None]] | None = None
    sending: bool = False

    async def __call__(self, event: str, details: Mapping[str, Any]) -> None:
        # a proxy is first asked for the way to the vendor, which has nothing of the request yet
        if self.sending or not event.endswith(SENDING) or details["request"].method == b"CONNECT":
            return
        if self.begin is not None:
            await self.begin()
        self.sending = True


class Connections:
    """The connections of this process to vendors. Making it blocks for the certificates: do it in a thread."""

    def __init__(self) -> None:
        for name in ("httpx", "httpcore"):
            # their own lines hold whole addresses, and a result link's query is a secret
            logging.getLogger(name).setLevel(logging.WARNING)
        self._client = httpx.AsyncClient(
            verify=usual_authorities(),
            limits=LIMITS,
            cookies=no_cookies(),
            follow_redirects=False,
            headers=HEADERS,
            mounts=dict.fromkeys(DIRECT),
            timeout=WAITS,
        )

    def build(self, request: Request[Any], headers: Mapping[str, str]) -> httpx.Request:
        """The request as it is sent, with these headers. Blocks for as long as encoding it takes.

        Raises:
            Broken: nothing can be sent to such an address.
        """
        return _build(self._client, request, headers, _Watch())

    async def exchange(
        self,
        request: Request[Any],
        headers: Mapping[str, str],
        seconds: float,
        sending: Sending | None = None,
        *,
        allow_loopback: bool,
    ) -> Reply:
        """Send once, with these headers and no others, and read the whole answer within that many seconds.

        What `Sending.begin` raises is raised here, and nothing was sent.

        A request without the key goes to this machine only with `allow_loopback`.

        Raises:
            Broken: no whole answer came.
        """
        if request.with_key:
            return await _exchange(self._client, request, headers, seconds, sending)
        # a link the vendor gave may lead anywhere: only to public addresses, and through no proxy that leads elsewhere
        transport = PinnedTransport(usual_authorities(), look_up, allow_loopback=allow_loopback)
        async with httpx.AsyncClient(
            transport=transport, cookies=no_cookies(), follow_redirects=False, headers=HEADERS, timeout=WAITS
        ) as guarded:
            return await _exchange(guarded, request, headers, seconds, sending)

    async def download(self, url: str, into: Path, *, max_bytes: int, allow_loopback: bool) -> None:
        """Try once to stream a result to disk, on a connection of its own and without any key.

        The file is absent afterwards if that failed.

        Raises:
            NotFetched: it could not be fetched whole.
        """
        try:
            with anyio.fail_after(DOWNLOAD_SECONDS):
                async with open_public(url, allow_loopback=allow_loopback) as response:
                    await _store(response, into, max_bytes)
        except TimeoutError as error:
            late = f"the picture did not arrive within {DOWNLOAD_SECONDS:g} s"
            raise await _not_fetched(FetchError(late, "too_slow"), into) from error
        except FetchError as error:
            raise await _not_fetched(error, into) from error

    async def aclose(self) -> None:
        """Close all of them."""
        await self._client.aclose()


async def _exchange(
    client: httpx.AsyncClient,
    request: Request[Any],
    headers: Mapping[str, str],
    seconds: float,
    sending: Sending | None,
) -> Reply:
    watch = _Watch(None if sending is None else sending.begin)
    try:
        with anyio.fail_after(seconds):
            # pictures inside JSON take long to encode
            built = await anyio.to_thread.run_sync(_build, client, request, headers, watch)
            response = await client.send(built, stream=True)
            try:
                return await _read(response, request.max_bytes)
            finally:
                await response.aclose()
    except TimeoutError as error:
        raise Broken(f"no answer within {seconds:g} s", reached=watch.sending) from error
    except NotFoundError as error:
        raise Broken("the host of its link cannot be found", reached=False) from error
    except NotPublicError as error:
        raise Broken(
            f"its link leads to {clip(str(error))}, not a public address", reached=False, barred=True
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Broken(str(error) or type(error).__name__, reached=watch.sending) from error


def _build(
    client: httpx.AsyncClient, request: Request[Any], headers: Mapping[str, str], watch: _Watch
) -> httpx.Request:
    """The request, encoded.

    Raises:
        Broken: nothing can be sent to such an address. Only an address that the vendor gave can be like that.
    """
    try:
        url = httpx.URL(request.url)
        check_place(url)
    except ValueError as error:
        raise Broken(f"its link cannot be used ({error})", reached=False) from error
    return client.build_request(
        request.method,
        url,
        params=dict(request.query) or None,
        headers=dict(headers),
        json=request.json,
        data=dict(request.fields) or None,
        files=[(part.label, (part.name, part.data, part.mime)) for part in request.files] or None,
        content=request.content,
        extensions={"trace": watch},
    )


async def _read(response: httpx.Response, max_bytes: int) -> Reply:
    """The whole answer, unpacked here: httpx would unpack a block at once, however large it becomes.

    Raises:
        Broken: it is larger than allowed, packed or not, or its packing is not taken.
    """
    body = bytearray()
    received = 0
    inflater: Inflater | None = None  # made with the first block: without a body there is no coding
    try:
        async for block in response.aiter_raw():
            inflater = inflater or Inflater(coding_of(response.headers.get("Content-Encoding", "")))
            received += len(block)
            for piece in inflater.feed(block):
                body += piece
                if max(received, len(body)) > max_bytes:
                    raise Broken(f"its answer is larger than {max_bytes} bytes", reached=True, oversize=True)
                if len(piece) == STEP:
                    await anyio.lowlevel.checkpoint()  # the loop has others to serve between two such steps
        if inflater is not None:
            inflater.close()
    except CodingError as error:
        if response.status_code < httpx.codes.BAD_REQUEST:
            raise Broken(f"its answer cannot be read: {error}", reached=True) from error
        body.clear()  # the status of a refusal says enough
    names = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status_code, names, bytes(body))


async def _not_fetched(error: FetchError, into: Path) -> NotFetched:
    """Remove what arrived, and say what went wrong in words about a vendor's link."""
    await anyio.to_thread.run_sync(lambda: into.unlink(missing_ok=True))
    words = EXPIRED.get(error.status or 0)
    text = f"{words} (HTTP {error.status})" if words else str(error)
    return NotFetched(text, passing=error.passing, final=error.reason == "too_large")


async def _store(response: httpx.Response, into: Path, max_bytes: int) -> None:
    """Write the body to the file.

    Raises:
        FetchError: it is empty, cut short, too large, or a page or message instead of a picture.
    """
    kind = response.headers.get("Content-Type", "")
    waiting = bytearray()
    written = 0
    async for block in read_blocks(response, max_bytes):
        waiting += block
        if len(waiting) >= BLOCK:
            await _append(waiting, into, written, kind)
            written += len(waiting)
            waiting.clear()
    if not written and not waiting:
        raise FetchError("the link leads to an empty file", "unreachable")
    await _append(waiting, into, written, kind)


async def _append(block: bytearray, into: Path, written: int, kind: str) -> None:
    if not written and _is_message(bytes(block[:HEAD]), kind):
        named = f" ({kind[:60]})" if kind.lower().startswith(PAGES) else ""
        raise FetchError(f"the link leads to a page or a message{named}, not to a picture", "address")

    def append() -> None:
        with open_file(into, "ab" if written else "wb") as file:
            file.write(block)

    await anyio.to_thread.run_sync(append)


def _is_message(head: bytes, kind: str) -> bool:
    """Whether a file that begins so is a message: the bytes decide first, and then the content type."""
    if head.startswith(PICTURE_STARTS) or head[4:8] == BOXES:
        return False
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(DRAWING_STARTS) and b"<svg" in text:
        return False
    return text[:1] in PAGE_STARTS or kind.lower().startswith(PAGES)
