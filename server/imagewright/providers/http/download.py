"""Bring a finished picture to disk: streamed, bounded, whole, and begun again when the connection broke.

Imports httpx, so it is imported with the first download.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from imagewright.errors import ResultLost
from imagewright.net.fetch import FetchError, open_public, read_blocks
from imagewright.providers.http.classify import tidy
from imagewright.storage.paths.files import open_file

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from imagewright.providers.http.classify import Retry
    from imagewright.providers.http.request import Account

log = logging.getLogger(__name__)

SECONDS = 3600.0
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


async def download(account: Account, url: str, into: Path, *, max_bytes: int, retry: Retry) -> None:
    """As `HttpClient.download`.

    Raises:
        ResultLost: it could not be had whole.
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


async def _download_once(account: Account, url: str, into: Path, max_bytes: int) -> None:
    try:
        with anyio.fail_after(SECONDS):
            async with open_public(url, allow_loopback=account.on_loopback) as response:
                await _store(response, into, max_bytes)
    except TimeoutError as error:
        raise FetchError(f"the picture did not arrive within {SECONDS:g} s", "too_slow") from error


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
