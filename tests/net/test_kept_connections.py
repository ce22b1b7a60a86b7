"""Connections that are kept for the next request: only to exactly the same place, only for a while, and only a few."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

import httpx
import pytest

from imagewright.net import FetchError, Guard, usual_authorities
from imagewright.net.fetch import Place, Pool, in_full, open_public, pinned, question, read_blocks
from tests.emulators.base import LOOPBACK, Door, Emulator
from tests.emulators.messages import Answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterator, Sequence

    from imagewright.net import Resolver

pytestmark = pytest.mark.anyio

TLS = Path(__file__).parent / "tls"


class Site(Emulator):
    """Answers everything with its path."""

    hosts = ("site",)

    def doors(self) -> Sequence[Door]:
        return [
            Door("any", "site", method, "(?P<path>/.*)", lambda received: Answer(200, received.groups["path"].encode()))
            for method in ("GET", "PUT")
        ]

    @property
    def port(self) -> str:
        return self.url("site").rpartition(":")[2]


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as emulator:
        yield emulator


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    made = Pool()
    yield made
    await made.aclose()


def at(*addresses: str) -> Resolver:
    """A resolver that has these addresses for every host."""

    async def look_up(host: str, port: int) -> list[str]:
        assert host
        assert port
        return [*addresses]

    return look_up


async def get(pool: Pool, url: str, look_up: Resolver) -> bytes:
    async with open_public(url, guard=Guard(loopback=True), look_up=look_up, pool=pool) as response:
        return b"".join([block async for block in read_blocks(response, 9)])


async def test_the_next_request_to_the_same_place_uses_the_same_connection(site: Site, pool: Pool) -> None:
    for number in range(5):
        assert await get(pool, f"http://one.example:{site.port}/{number}", at(LOOPBACK)) == f"/{number}".encode()
    assert site.connections == 1


async def test_two_hosts_at_one_address_share_no_connection(site: Site, pool: Pool) -> None:
    for host in ("one", "two", "one", "two"):
        assert await get(pool, f"http://{host}.example:{site.port}/", at(LOOPBACK)) == b"/"
    assert site.connections == 2
    assert [one.headers["host"].partition(".")[0] for one in site.requests] == ["one", "two", "one", "two"]


@pytest.mark.parametrize(("address", "reason"), [("::1", "unreachable"), ("10.0.0.1", "private")])
async def test_a_kept_connection_to_an_address_that_is_not_the_hosts_any_more_is_not_used(
    site: Site, pool: Pool, address: str, reason: str
) -> None:
    url = f"http://one.example:{site.port}/"
    assert await get(pool, url, at(LOOPBACK)) == b"/"
    with pytest.raises(FetchError) as caught:
        await get(pool, url, at(address))
    assert caught.value.reason == reason
    assert len(site.requests) == 1


async def test_a_connection_whose_certificate_was_checked_for_one_name_serves_no_other(pool: Pool) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "certificate.pem", TLS / "key.pem")
    async with forgetful(answers=9, tls=context) as (url, got):
        for _ in range(2):
            assert await get(pool, url, at(LOOPBACK)) == b"OK"
        with pytest.raises(FetchError, match=r"(?i)certificate"):
            await get(pool, url.replace("pictures", "other"), at(LOOPBACK))
        await pool.aclose()
    assert got == [b"GET"] * 2


async def test_certificates_are_read_for_the_first_request_that_needs_them(
    site: Site, pool: Pool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    usual_authorities.cache_clear()
    assert await get(pool, f"http://one.example:{site.port}/", at(LOOPBACK)) == b"/"
    with pytest.raises(FetchError, match="certificates cannot be read") as caught:
        await get(pool, f"https://one.example:{site.port}/", at(LOOPBACK))
    assert caught.value.reason == "unreachable"
    assert site.connections == 1


async def test_only_a_get_goes_over_a_kept_connection(site: Site, pool: Pool) -> None:
    url = f"http://one.example:{site.port}/"
    await get(pool, url, at(LOOPBACK))
    for _ in range(2):
        response = await pinned(pool, at(LOOPBACK), Guard(loopback=True))(httpx.Request("PUT", url, content=b"a"))
        await response.aread()
        await response.aclose()
    assert site.connections == 3


async def test_a_connection_whose_answer_was_not_read_to_its_end_is_not_kept(site: Site, pool: Pool) -> None:
    url = f"http://one.example:{site.port}/" + "a" * 20
    for _ in range(2):
        with pytest.raises(FetchError, match="larger"):
            await get(pool, url, at(LOOPBACK))
    assert site.connections == 2


@pytest.mark.parametrize(("most_idle", "idle_seconds", "connections"), [(9, 9.0, 3), (1, 9.0, 5), (9, 0.0, 6)])
async def test_few_are_kept_and_not_for_long(site: Site, most_idle: int, idle_seconds: float, connections: int) -> None:
    pool = Pool(usual_authorities(), most_idle=most_idle, idle_seconds=idle_seconds)
    url = f"http://one.example:{site.port}/"
    for _ in range(2):
        opened = [open_public(url, guard=Guard(loopback=True), look_up=at(LOOPBACK), pool=pool) for _ in range(3)]
        responses = [await one.__aenter__() for one in opened]
        assert [await response.aread() for response in responses] == [b"/"] * 3
        for one in opened:
            await one.__aexit__(None, None, None)
    await pool.aclose()
    assert site.connections == connections


async def test_a_closed_pool_keeps_nothing_of_what_was_still_open(site: Site, pool: Pool) -> None:
    url = f"http://one.example:{site.port}/"
    async with open_public(url, guard=Guard(loopback=True), look_up=at(LOOPBACK), pool=pool) as response:
        await pool.aclose()
        assert await response.aread() == b"/"
    assert await get(pool, url, at(LOOPBACK)) == b"/"
    assert site.connections == 2


async def test_a_request_waits_for_its_answer_alone_and_its_end_for_nothing(site: Site, pool: Pool) -> None:
    """The library's own locks would be waited for at both ends, and an end that is cancelled there closes nothing."""
    url = f"http://one.example:{site.port}/"
    await get(pool, url, at(LOOPBACK))
    waits = 0

    class Sent:
        def __await__(self) -> Generator[Any, None, httpx.Response]:
            nonlocal waits
            sending = pinned(pool, at(LOOPBACK), Guard(loopback=True))(httpx.Request("GET", url)).__await__()
            while True:
                try:
                    waited = next(sending)
                except StopIteration as end:
                    answer: httpx.Response = end.value
                    return answer
                waits += 1
                yield waited

    response = await Sent()
    assert waits == 1
    assert [block async for block in cast("httpx.AsyncByteStream", response.stream)] == [b"/"]
    with pytest.raises(StopIteration):
        response.aclose().send(None)
    assert await get(pool, url, at(LOOPBACK)) == b"/"
    assert site.connections == 1


@pytest.mark.parametrize("url", ["/jobs", "", "/a b/%2f/\u00e4"])
async def test_a_question_is_sent_as_its_address_and_query_together_would_be(url: str, site: Site, pool: Pool) -> None:
    """What questions to one address have in common is kept: neither a query nor a header may be another one's."""
    url = site.url("site") + url
    for number, query in enumerate(({"a": "1"}, {"a": "\u00fc &=~%'!()*,;:@$[]/?#", "b": "2"}, {}, {"a": "1"})):
        whole = httpx.URL(f"{url}?{urlencode(query)}" if query else url)
        asked = question(url, query, (("X-Number", f"{number}"),), {"connect": 5.0})
        response = await pool.send(asked, Place.of(asked.url))
        await response.aread()
        got = site.requests[-1]
        assert (whole.path, query) == (got.path, got.query)
        assert (got.headers["x-number"], got.headers["host"]) == (f"{number}", whole.netloc.decode())
        assert asked.extensions.get("target", asked.url.raw_path) == whole.raw_path
        assert in_full(asked).url.raw_path == whole.raw_path
    assert site.connections == 1


@asynccontextmanager
async def forgetful(
    *,
    answers: int,
    answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK",
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that answers so often on each connection, and then drops it at the next request; and what it got."""
    got: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(answers + 1):
            try:
                got.append((await reader.readuntil(b"\r\n\r\n")).partition(b" ")[0])
            except asyncio.IncompleteReadError:  # it was closed
                break
            if number < answers:
                writer.write(answer)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, LOOPBACK, 0, ssl=tls)
    try:
        yield f"{'https' if tls else 'http'}://pictures.example:{server.sockets[0].getsockname()[1]}/", got
    finally:
        server.close()


async def test_a_get_over_a_connection_that_was_just_dropped_is_sent_again_over_a_new_one(pool: Pool) -> None:
    async with forgetful(answers=1) as (url, got):
        for _ in range(3):
            assert await get(pool, url, at(LOOPBACK)) == b"OK"
        assert got == [b"GET"] * 5


async def test_one_on_which_something_came_unasked_is_not_used_again(pool: Pool) -> None:
    """It would be taken for the answer to the next request."""
    writers = list[asyncio.StreamWriter]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n%02d" % len(writers))
        writer.close()

    server = await asyncio.start_server(serve, LOOPBACK, 0)
    url = f"http://pictures.example:{server.sockets[0].getsockname()[1]}/"
    assert [await get(pool, url, at(LOOPBACK)) for _ in range(2)] == [b"01"] * 2
    for end in (False, True):
        writers[-1].write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        if end:
            writers[-1].close()
        assert [await get(pool, url, at(LOOPBACK)) for _ in range(2)] == [b"%02d" % len(writers)] * 2
    assert len(writers) == 3
    await pool.aclose()
    server.close()


@pytest.mark.parametrize(
    "end", [b"Content-Length: 2\r\n\r\nOK", b"Transfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n"]
)
@pytest.mark.parametrize("more", [b"\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"])
async def test_one_on_which_more_came_in_one_piece_with_the_answer_is_not_used_again(
    end: bytes, more: bytes, pool: Pool
) -> None:
    """The library has read it already, so the connection itself looks as if nothing had come."""
    async with forgetful(answers=9, answer=b"HTTP/1.1 200 OK\r\n%b%b" % (end, more)) as (url, got):
        assert [await get(pool, url, at(LOOPBACK)) for _ in range(3)] == [b"OK"] * 3
        await pool.aclose()
    assert got == [b"GET"] * 3


@pytest.mark.parametrize("unasked", [b"", b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"])
async def test_what_cannot_be_sent_twice_goes_over_a_new_one_where_the_kept_one_is_dropped_while_it_is_written_down(
    unasked: bytes, pool: Pool
) -> None:
    begun, got, writers = list[str](), list[bytes](), list[asyncio.StreamWriter]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                got.append(head.partition(b" ")[0])
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n%02d" % len(writers))
        writer.close()

    async def trace(event: str, _: object) -> None:
        if event.endswith("send_request_headers.started") and not begun:
            begun.append(event)
            writers[0].write(unasked)
            writers[0].close()
            await writers[0].wait_closed()

    server = await asyncio.start_server(serve, LOOPBACK, 0)
    url = f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}/"
    for request in (httpx.Request("GET", url), httpx.Request("POST", url, extensions={"trace": trace})):
        response = await pool.send(request, Place.of(request.url))
        assert await response.aread() == b"%02d" % len(writers)
    assert (got, len(begun), len(writers)) == ([b"GET", b"POST"], 1, 2)
    await pool.aclose()
    server.close()


async def test_one_that_is_dropped_on_a_new_connection_is_not_sent_again(pool: Pool) -> None:
    async with forgetful(answers=0) as (url, got):
        with pytest.raises(FetchError) as caught:
            await get(pool, url, at(LOOPBACK))
        assert caught.value.reason == "unreachable"
        assert got == [b"GET"]
