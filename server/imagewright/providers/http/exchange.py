"""Exchanges over the connections of a process, and results streamed to disk: bounded and whole. Imports httpx."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

import anyio
import anyio.lowlevel
import anyio.to_thread
import httpx

from imagewright.net import FetchError, NotFoundError, NotPublicError, codings_of, look_up
from imagewright.net.fetch import (
    CONNECT_SECONDS,
    MOST_COMMON,
    Place,
    Pool,
    add_login,
    check_place,
    in_full,
    open_public,
    pinned,
    question,
    read_blocks,
)
from imagewright.net.stream import Body, Proxied, through_proxies
from imagewright.providers.http.classify import PAGES, PICTURE_STARTS, Broken, is_message, not_fetched
from imagewright.providers.http.request import STEP, CodingError, Inflater, Purpose, Reply, coding_of, json_body
from imagewright.providers.sending import part_of
from imagewright.storage.batches import Batches
from imagewright.storage.paths.files import open_file, remove_file, rename_file
from imagewright.text import clip

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from imagewright.net import Guard
    from imagewright.net.fetch import Send
    from imagewright.providers.http.request import KeyHeaders, Request
    from imagewright.providers.sending import Sending

log = logging.getLogger(__name__)

MOST_AT_ONCE = 256
"""Submits and uploads that are sent at the same time; the others wait. Many systems allow 1,024 open files."""
MOST_DOWNLOADS = 32  # results that are fetched from one host at the same time
SENDING = ".send_request_headers.started"
HEADERS = {
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate",
    "Connection": "keep-alive",
    "User-Agent": "imagewright",
}
WAITS = httpx.Timeout(None, connect=CONNECT_SECONDS).as_dict()
"""For the connection alone: `_exchange` bounds the whole."""
RESULT_BYTES = 300_000_000
"""Most bytes of one result: 100 megapixels that do not compress."""
DOWNLOAD_SECONDS = 3600.0
"""Longest one try may take: a large picture on a slow line; a connection that falls silent is given up much sooner."""
BLOCK = 1_000_000  # bytes gathered before they are written: each write is a hop to another thread
DISK = Batches(2)  # the threads that write what was fetched
WRITE_EVERY = 5.0
"""Seconds after which fewer are written as well: what comes slowly must not be lost with the process."""


@dataclass(slots=True)
class _Watch:
    """Notes when the first byte of a request goes out, and awaits `Sending.begin` right before."""

    begin: Callable[[], Awaitable[None]] | None = None
    sending: bool = False
    """Whether any of it may have reached the vendor. A poll, which nothing hangs on, counts as sent from the start."""

    async def __call__(self, event: str, details: Mapping[str, Any]) -> None:
        # a proxy is first asked for the way to the vendor, which has nothing of the request yet
        if self.sending or not event.endswith(SENDING) or details["request"].method == b"CONNECT":
            return
        if self.begin is not None:
            await self.begin()
        self.sending = True


class Connections:
    """The connections of this process to vendors. Making it blocks for the certificates if there is a proxy."""

    def __init__(self) -> None:
        for name in ("httpx", "httpcore"):
            # their own lines hold whole addresses, and a result link's query is a secret
            logging.getLogger(name).setLevel(logging.WARNING)
        self._pool = Pool()
        self._proxied = through_proxies()
        self._room = anyio.Semaphore(MOST_AT_ONCE, fast_acquire=True)
        self._hosts = defaultdict[str, anyio.Semaphore](partial(anyio.Semaphore, MOST_DOWNLOADS, fast_acquire=True))

    def build(self, request: Request[Any], headers: Mapping[str, str]) -> httpx.Request:
        """The request as it is sent, with these headers. Blocks for as long as encoding it takes.

        Raises:
            Broken: nothing can be sent to such an address.
        """
        return _build(request, headers, _Watch())

    async def exchange(
        self,
        request: Request[Any],
        headers: Mapping[str, str],
        seconds: float,
        sending: Sending | None = None,
        *,
        guard: Guard | None,
    ) -> Reply:
        """Send once, with these headers and no others, and read the whole answer within that many seconds.

        What `Sending.begin` raises is raised here, and nothing was sent.

        `guard` checks a link that the vendor gave; None for a base address, the built-in one or the user's own.

        Raises:
            Broken: no whole answer came.
        """
        if guard is not None:  # a proxy would find the link's host by itself, and could lead anywhere
            return await _exchange(pinned(self._pool, look_up, guard), request, headers, seconds, sending)
        if request.purpose not in (Purpose.SUBMIT, Purpose.UPLOAD):  # a poll never waits behind these
            return await _exchange(self._direct, request, headers, seconds, sending)
        async with self._room:
            return await _exchange(self._direct, request, headers, seconds, sending)

    async def download(
        self, url: str, into: Path, *, guard: Guard, key: str, begun: bool, key_headers: KeyHeaders | None = None
    ) -> None:
        """Try once to stream a result to disk; without `key_headers` no key is sent. `key` must not reach the disk.

        What has come when it fails is left beside the file as a part, and a try with `begun` goes on with it where the
        file is still the same, see `resume`. Without, a part is not looked for, and written over.

        Raises:
            NotFetched: it could not be fetched whole.
        """
        opening = partial(open_public, url, guard=guard, pool=self._pool)
        if key_headers is not None:
            from imagewright.providers.http.resume import keyed  # noqa: PLC0415 - hardly any picture needs it

            opening = partial(opening, through=partial(keyed, self._direct, key_headers))
        try:
            with anyio.move_on_after(DOWNLOAD_SECONDS):
                if begun and await _resumed(url, into, opening):
                    return
                host = self._hosts["/".join(url.split("/", 3)[:3])]
                async with host, opening() as response:
                    await _Incoming(response, url, into, key).store()
                return
        except FetchError as error:
            if error.reason == "too_large":  # nobody will go on with it
                await anyio.to_thread.run_sync(remove_file, part_of(into))
            raise not_fetched(error) from error
        raise not_fetched(FetchError(f"the picture did not arrive within {DOWNLOAD_SECONDS:g} s", "too_slow"))

    async def _direct(self, request: httpx.Request) -> httpx.Response:
        """Send to a vendor's own address, which needs no check, through a proxy where the environment names one.

        HTTP/2 was tried and left out. In httpx 0.28 the requests of a connection read it by turns: beside three polls
        that got no answer for 20 s, the answer to a fourth was there and waited 19.7 s. Uploads took 11 x the processor
        time, polls no less than here, where 33 connections served 200 jobs that asked once a second.
        """
        if self._proxied is not None:
            answer = await self._proxied.send(in_full(request), stream=True)
            answer.stream = Proxied(cast("httpx.AsyncByteStream", answer.stream))
            return answer
        return await self._pool.send(request, Place.of(request.url))

    async def aclose(self) -> None:
        """Close all of them."""
        await self._pool.aclose()
        if self._proxied is not None:
            await self._proxied.aclose()


async def _exchange(
    send: Send,
    request: Request[Any],
    headers: Mapping[str, str],
    seconds: float,
    sending: Sending | None,
) -> Reply:
    watch = _Watch(None if sending is None else sending.begin, sending=request.purpose is Purpose.POLL)
    try:
        with anyio.move_on_after(seconds):
            if request.has_body and not request.content:  # pictures inside JSON take long to encode
                built = await anyio.to_thread.run_sync(_build, request, headers, watch)
            else:
                built = _build(request, headers, watch)
            response = await send(built)
            try:
                return await _read(response, request.max_bytes)
            finally:
                await response.aclose()
    except NotFoundError as error:
        raise Broken("the host of its link cannot be found", reached=False) from error
    except NotPublicError as error:
        where = f"{clip(error.address)} ({error.block.name}), not a public address{error.way}"
        raise Broken(f"its link leads to {where}", reached=False, barred=True) from error
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:  # the last: of a redirect that leads nowhere
        raise Broken(str(error) or type(error).__name__, reached=watch.sending) from error
    raise Broken(f"no answer within {seconds:g} s", reached=watch.sending)


def _build(request: Request[Any], headers: Mapping[str, str], watch: _Watch) -> httpx.Request:
    """The request, encoded.

    Raises:
        Broken: nothing can be sent to such an address. Only an address that the vendor gave can be like that.
    """
    lines = _with_usual(tuple(headers.items()), has_json=request.json is not None)
    extensions: dict[str, Any] = {"timeout": WAITS} if watch.sending else {"timeout": WAITS, "trace": watch}
    try:
        if watch.sending and request.method == "GET" and not (request.has_body or "?" in request.url):
            return question(request.url, request.query, lines, WAITS)
        url = httpx.URL(f"{request.url}?{urlencode(request.query)}" if request.query else request.url)
        check_place(url)
    except ValueError as error:
        raise Broken(f"its link cannot be used ({error})", reached=False) from error
    built = httpx.Request(
        request.method,
        url,
        headers=lines,
        data=dict(request.fields) or None,
        files=[(part.label, (part.name, part.data, part.mime)) for part in request.files] or None,
        content=request.content if request.json is None else json_body(request.json),
        extensions=extensions,
    )
    if isinstance(built.stream, httpx.ByteStream) and len(built.content) > BLOCK:
        built.stream = Body(built.content)
    add_login(built)
    return built


@lru_cache(MOST_COMMON)
def _with_usual(headers: tuple[tuple[str, str], ...], *, has_json: bool) -> tuple[tuple[str, str], ...]:
    """These headers, and the usual ones that are not among them."""
    own = {name.lower() for name, _ in headers}
    usual = {**HEADERS, "Content-Type": "application/json"} if has_json else HEADERS
    return *((name, value) for name, value in usual.items() if name.lower() not in own), *headers


async def _read(response: httpx.Response, max_bytes: int) -> Reply:
    """The whole answer, unpacked here: httpx would unpack a block at once, however large it becomes.

    Raises:
        Broken: it is larger than allowed, packed or not, or its packing is not taken.
    """
    names = {name.lower(): value for name, value in response.headers.items()}
    codings = codings_of(names.get("content-encoding", ""))
    body, received = bytearray(), 0
    inflater: Inflater | None = None  # made with the first block: without a body there is no coding
    try:
        async for block in cast("AsyncIterable[bytes]", response.stream):
            received += len(block)
            if codings:
                inflater = inflater or Inflater(coding_of(codings))
            for piece in (block,) if inflater is None else inflater.feed(block):
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
    whole = bytes(body) if len(body) < STEP else await anyio.to_thread.run_sync(bytes, body)  # a list may have 64 MB
    return Reply(response.status_code, names, whole)


async def _resumed(url: str, into: Path, opening: Callable[..., AbstractAsyncContextManager[httpx.Response]]) -> bool:
    """Fetch what is missing of a file; False where that cannot be done, and it has to begin anew.

    Raises:
        FetchError: as `_Incoming.store`, or the link does not lead to the file now. What has come stays.
    """
    from imagewright.providers.http import resume  # noqa: PLC0415 - hardly any picture needs it

    begun = await anyio.to_thread.run_sync(resume.read_part, part_of(into), url)
    if begun is None:
        return False
    async with opening(headers=begun.headers, taken=resume.TAKEN) as response:
        incoming = _Incoming(response, url, into)
        try:
            if response.status_code == httpx.codes.OK:
                await incoming.store()
            else:
                blocks, incoming.total = begun.rest(response, RESULT_BYTES)
                incoming.written = begun.size
                await incoming.store(blocks)
        except resume.OtherFileError as error:
            log.info("the rest of a download does not fit, and it begins anew: %s", error)
            return False
    return True


@dataclass(slots=True)
class _Incoming:
    """A file on its way to disk. It has its name only once it is whole."""

    response: httpx.Response
    url: str
    """The address that was asked for."""
    into: Path
    key: str = ""
    """What no file may hold: a note that would is not written."""
    written: int = 0
    """Bytes that are on disk."""
    total: int | None = None
    """Bytes of the whole file; None where that is not known."""

    async def store(self, blocks: AsyncIterator[bytes] | None = None) -> None:
        """Write the blocks, by default all of the body, behind what is on disk. What came before an error stays there.

        Raises:
            FetchError: it is empty, cut short, too large, or a page or message instead of a picture.
        """
        waiting = bytearray()
        wrote = time.monotonic()
        try:
            async for block in blocks or read_blocks(self.response, RESULT_BYTES):
                waiting += block
                if len(waiting) >= BLOCK or time.monotonic() - wrote > WRITE_EVERY:
                    await self._append(waiting)
                    wrote = time.monotonic()
        except FetchError:
            if waiting:
                await self._append(waiting)
            raise
        if not self.written and not waiting:
            raise FetchError("the link leads to an empty file", "unreachable")
        await self._append(waiting, whole=True)

    async def _append(self, block: bytearray, *, whole: bool = False) -> None:
        kind = self.response.headers.get("Content-Type", "")
        if not self.written and not block.startswith(PICTURE_STARTS) and is_message(bytes(block), kind):
            named = f" ({kind[:60]})" if kind.lower().startswith(PAGES) else ""
            raise FetchError(f"the link leads to a page or a message{named}, not to a picture", "address")
        come = self.written + len(block)
        if whole and self.total not in (None, come):
            raise FetchError(f"the file was cut short after {come} bytes", "unreachable")

        def append() -> None:
            if not self.written and not whole:
                from imagewright.providers.http.resume import write_down  # noqa: PLC0415 - only for what comes slowly

                write_down(self.response, self.url, part_of(self.into), self.key)
            with open_file(part_of(self.into), "ab" if self.written else "wb") as file:
                file.write(block)
            if whole:
                rename_file(part_of(self.into), self.into.name)

        await DISK.run(append)
        self.written = come
        block.clear()
