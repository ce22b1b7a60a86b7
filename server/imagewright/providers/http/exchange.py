"""Exchanges over the shared connections of a process, and results streamed to disk: bounded and whole.

Imports httpx, so it is imported with the first request.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import httpx

from imagewright.errors import ResultLost
from imagewright.net.addresses import look_up
from imagewright.net.fetch import (
    ACCEPTED,
    CONNECT_SECONDS,
    STEP,
    CodingError,
    FetchError,
    Inflater,
    NotFoundError,
    NotPublicError,
    PinnedTransport,
    check_place,
    coding_of,
    no_cookies,
    open_public,
    read_blocks,
    usual_authorities,
)
from imagewright.providers.http.classify import Broken, tidy
from imagewright.providers.http.request import Reply
from imagewright.storage.paths.files import open_file
from imagewright.text import clip

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from imagewright.providers.http.classify import Retry
    from imagewright.providers.http.request import Account, Request

log = logging.getLogger(__name__)

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


@dataclass(slots=True)
class _Watch:
    """Notes when the first byte of a request goes out."""

    sending: bool = False

    async def __call__(self, event: str, _details: Mapping[str, Any]) -> None:
        self.sending = self.sending or event.endswith(SENDING)


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

    async def exchange(
        self, account: Account, request: Request[Any], headers: Mapping[str, str], seconds: float
    ) -> Reply:
        """Send once, with these headers and no others, and read the whole answer within that many seconds.

        Raises:
            Broken: no whole answer came.
        """
        if request.with_key:
            return await _exchange(self._client, request, headers, seconds)
        # a link the vendor gave may lead anywhere: only to public addresses, and through no proxy that leads elsewhere
        transport = PinnedTransport(usual_authorities(), look_up, allow_loopback=account.on_loopback)
        async with httpx.AsyncClient(
            transport=transport, cookies=no_cookies(), follow_redirects=False, headers=HEADERS, timeout=WAITS
        ) as guarded:
            return await _exchange(guarded, request, headers, seconds)

    async def download(self, account: Account, url: str, into: Path, *, max_bytes: int, retry: Retry) -> None:
        """See `HttpClient.download`. A connection of its own is used, without any key.

        Raises:
            ResultLost: it could not be fetched whole.
        """
        sends = 0
        while True:
            try:
                await _download_once(account, url, into, max_bytes)
            except FetchError as error:
                sends += 1
                await anyio.to_thread.run_sync(lambda: into.unlink(missing_ok=True))
                wait = retry.wait(sends, None) if error.passing else None
                if wait is None:
                    words = EXPIRED.get(error.status or 0)
                    detail = f"{words} (HTTP {error.status})" if words else str(error)
                    raise ResultLost(
                        account.provider,
                        tidy(detail, account.key),
                        passing=error.passing,
                        final=error.reason == "too_large",
                    ) from error
                log.info("%s: %s; downloading again in %.1f s", account.provider, tidy(str(error), account.key), wait)
                await anyio.sleep(wait)
            else:
                return

    async def aclose(self) -> None:
        """Close all of them."""
        await self._client.aclose()


async def _exchange(
    client: httpx.AsyncClient, request: Request[Any], headers: Mapping[str, str], seconds: float
) -> Reply:
    watch = _Watch()
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


async def _download_once(account: Account, url: str, into: Path, max_bytes: int) -> None:
    try:
        with anyio.fail_after(DOWNLOAD_SECONDS):
            async with open_public(url, allow_loopback=account.on_loopback) as response:
                await _store(response, into, max_bytes)
    except TimeoutError as error:
        raise FetchError(f"the picture did not arrive within {DOWNLOAD_SECONDS:g} s", "too_slow") from error


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
