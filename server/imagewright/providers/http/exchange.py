"""Exchanges over the connections of a process, and results streamed to disk: bounded and whole. Imports httpx."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
import anyio.lowlevel
import anyio.to_thread
import httpx

from imagewright.net.fetch import (
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
    look_up,
    no_cookies,
    open_public,
    read_blocks,
    usual_authorities,
)
from imagewright.providers.http.classify import PAGES, PICTURE_STARTS, Broken, is_message, not_fetched
from imagewright.providers.http.request import PART, Purpose, Reply
from imagewright.storage.blobs import Batches
from imagewright.storage.paths.files import open_file
from imagewright.text import clip

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from imagewright.providers.http.request import KeyHeaders, Request, Sending

log = logging.getLogger(__name__)

IDLE_SECONDS = 15.0
"""An idle connection goes after this time, well before servers drop theirs: a request that meets a connection just
dropped is one whose outcome is unknown."""
MOST_IDLE = 32
"""Idle connections that are kept to one host."""
MOST_AT_ONCE = 256
"""Submits and uploads that are sent at the same time; the others wait. Many systems allow 1,024 open files."""
MOST_DOWNLOADS = 32  # results that are fetched from one host at the same time
ALONE = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE_SECONDS)
DIRECT = ("all://localhost", "all://127.0.0.1", "all://[::1]")
"""Never through the environment's proxy: it has another loopback."""
SENDING = ".send_request_headers.started"
HEADERS = {"User-Agent": "imagewright", "Accept-Encoding": "gzip, deflate"}
WAITS = httpx.Timeout(None, connect=CONNECT_SECONDS)
"""For the connection alone: `_exchange` bounds the whole."""
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
        usual_authorities()
        self._clients: set[httpx.AsyncClient] = set()
        self._encoder = self._opened()
        self._idle: dict[tuple[str, str], list[tuple[float, httpx.AsyncClient]]] = {}
        self._room = anyio.Semaphore(MOST_AT_ONCE)
        self._hosts: dict[str, anyio.Semaphore] = {}

    def build(self, request: Request[Any], headers: Mapping[str, str]) -> httpx.Request:
        """The request as it is sent, with these headers. Blocks for as long as encoding it takes.

        Raises:
            Broken: nothing can be sent to such an address.
        """
        return _build(self._encoder, request, headers, _Watch())

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
            async with AsyncExitStack() as stack:
                if request.purpose in (Purpose.SUBMIT, Purpose.UPLOAD):  # a poll never waits behind these
                    await stack.enter_async_context(self._room)
                client = await stack.enter_async_context(self._connection(request.url))
                return await _exchange(client, request, headers, seconds, sending)
        # a link the vendor gave may lead anywhere: only to public addresses, and through no proxy that leads elsewhere
        transport = PinnedTransport(usual_authorities(), look_up, allow_loopback=allow_loopback)
        async with httpx.AsyncClient(
            transport=transport, cookies=no_cookies(), follow_redirects=False, headers=HEADERS, timeout=WAITS
        ) as guarded:
            return await _exchange(guarded, request, headers, seconds, sending)

    async def download(
        self, url: str, into: Path, *, max_bytes: int, allow_loopback: bool, key_headers: KeyHeaders | None = None
    ) -> None:
        """Try once to stream a result to disk, on a connection of its own; without `key_headers` no key is sent.

        What has come when it fails is left beside the file as a part, and the next try goes on with it where the file
        is still the same, see `resume`.

        Raises:
            NotFetched: it could not be fetched whole.
        """
        opening = partial(open_public, url, allow_loopback=allow_loopback, verify=usual_authorities())
        if key_headers is not None:
            from imagewright.providers.http.resume import KeyedTransport  # noqa: PLC0415 - hardly any picture needs it

            opening = partial(opening, through=partial(KeyedTransport, self._connection, key_headers))
        try:
            with anyio.fail_after(DOWNLOAD_SECONDS):
                begun = await DISK.run(part_of(into).exists)
                if begun and await _resumed(url, into, opening, max_bytes):
                    return
                host = self._hosts.setdefault("/".join(url.split("/", 3)[:3]), anyio.Semaphore(MOST_DOWNLOADS))
                async with host, opening() as response:
                    await _Incoming(response, url, into, max_bytes).store()
        except TimeoutError as error:
            late = FetchError(f"the picture did not arrive within {DOWNLOAD_SECONDS:g} s", "too_slow")
            raise not_fetched(late) from error
        except FetchError as error:
            if error.reason == "too_large":  # nobody will go on with it
                await anyio.to_thread.run_sync(lambda: part_of(into).unlink(missing_ok=True))
            raise not_fetched(error) from error

    @asynccontextmanager
    async def _connection(self, url: str) -> AsyncIterator[httpx.AsyncClient]:
        """A client that has one connection, and that nobody else uses meanwhile.

        A pool of httpx looks at each of its connections, and asks the system about the idle ones, whenever any request
        begins or ends. With hundreds of requests at once that took more time than all the rest.

        HTTP/2 was tried and left out. In httpx 0.28 the requests of a connection read it by turns: beside three polls
        that got no answer for 20 s, the answer to a fourth was there and waited 19.7 s. Uploads took 11 x the processor
        time, polls no less than here, where 33 connections served 200 jobs that asked once a second.
        """
        parts = urlsplit(url)
        idle = self._idle.setdefault((parts.scheme, parts.netloc), [])
        _, client = idle.pop() if idle else (0.0, self._opened())
        try:
            yield client
        finally:
            now = anyio.current_time()
            idle.append((now, client))
            with anyio.CancelScope(shield=True):
                while idle and (len(idle) > MOST_IDLE or idle[0][0] < now - IDLE_SECONDS):
                    await self._closed(idle.pop(0)[1])

    def _opened(self) -> httpx.AsyncClient:
        client = httpx.AsyncClient(
            verify=usual_authorities(),
            limits=ALONE,
            cookies=no_cookies(),
            follow_redirects=False,
            headers=HEADERS,
            mounts=dict.fromkeys(DIRECT),
            timeout=WAITS,
        )
        self._clients.add(client)
        return client

    async def _closed(self, client: httpx.AsyncClient) -> None:
        self._clients.discard(client)
        await client.aclose()

    async def aclose(self) -> None:
        """Close all of them."""
        self._idle.clear()
        while self._clients:
            await self._clients.pop().aclose()


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
            if request.json is None and not (request.fields or request.files or request.content):
                built = _build(client, request, headers, watch)
            else:  # pictures inside JSON take long to encode
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
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:  # the last: of a redirect that leads nowhere
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


def part_of(file: Path) -> Path:
    """Where a file lies while it comes."""
    return file.with_name(f"{file.name}{PART}")


async def _resumed(
    url: str, into: Path, opening: Callable[..., AbstractAsyncContextManager[httpx.Response]], max_bytes: int
) -> bool:
    """Fetch what is missing of a file; False where that cannot be done, and it has to begin anew.

    Raises:
        FetchError: as `_Incoming.store`, or the link does not lead to the file now. What has come stays.
    """
    from imagewright.providers.http import resume  # noqa: PLC0415 - hardly any picture needs it

    begun = await anyio.to_thread.run_sync(resume.read_part, part_of(into), url)
    if begun is None:
        return False
    async with opening(headers=begun.headers, taken=resume.TAKEN) as response:
        incoming = _Incoming(response, url, into, max_bytes)
        try:
            if response.status_code == httpx.codes.OK:
                await incoming.store()
            else:
                blocks, incoming.total = begun.rest(response, max_bytes)
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
    max_bytes: int
    """Bytes of the whole file, at most."""
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
        wrote = anyio.current_time()
        try:
            async for block in blocks or read_blocks(self.response, self.max_bytes):
                waiting += block
                if len(waiting) >= BLOCK or anyio.current_time() - wrote > WRITE_EVERY:
                    await self._append(waiting)
                    wrote = anyio.current_time()
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

                write_down(self.response, self.url, part_of(self.into))
            with open_file(part_of(self.into), "ab" if self.written else "wb") as file:
                file.write(block)
            if whole:
                part_of(self.into).replace(self.into)

        await DISK.run(append)
        self.written = come
        block.clear()
