"""Fetching from addresses nobody vouches for: only public ones, really those, bounded, and with clear refusals."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from imagewright import net
from imagewright.errors import ImagewrightError
from imagewright.net import CALLERS_LOOK_UPS, FetchError, Guard, fetch_public, is_loopback_url, look_up
from imagewright.net.fetch import Pool, open_public, read_blocks
from tests.emulators.base import LOOPBACK, Door, Emulator
from tests.emulators.messages import Answer, Received, truncated
from tests.support.engine_bench import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from typing import Any

pytestmark = pytest.mark.anyio


TLS = Path(__file__).parent / "tls"
BODY = b"\x89PNG" + bytes(range(256)) * 8


class Site(Emulator):
    """Serves one file under every path but `/to/<number of hops>`."""

    hosts = ("site",)

    def doors(self) -> Sequence[Door]:
        return [
            Door("hop", "site", "GET", "/to/(?P<left>[1-9])", self._hop),
            Door("file", "site", "GET", "/.*", lambda _: Answer(200, BODY, {"Content-Type": "image/png"})),
        ]

    def _hop(self, received: Received) -> Answer:
        return Answer(302, b"", {"Location": f"/to/{int(received.groups['left']) - 1}", "Set-Cookie": "a=b"})


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as emulator:
        yield emulator


class Names:
    """A resolver with the answers of a table, and a record of what it was asked."""

    def __init__(self, table: dict[str, list[str]]) -> None:
        self.table = table
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        assert port
        self.asked.append(host)
        return self.table[host]


def port_of(site: Site) -> str:
    return site.url("site").rpartition(":")[2]


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://localhost", True),
        ("http://LOCALHOST./x", True),
        ("http://[::1]:1/", True),
        ("https://api.vendor.example", False),
        ("http://localhost.example", False),
        ("http://192.168.0.1", False),
        ("", False),
    ],
)
def test_which_base_addresses_are_this_machine(url: str, *, here: bool) -> None:
    assert is_loopback_url(url) is here


async def test_a_file_is_fetched(site: Site) -> None:
    url = site.url("site") + "/a.png"
    assert await fetch_public(url, max_bytes=len(BODY), seconds=5, guard=Guard(loopback=True)) == BODY
    sent = site.requests[0]
    assert {"authorization", "cookie"} & set(sent.headers) == set()
    assert sent.headers["accept-encoding"] == "identity"


async def test_redirects_up_to_five_without_cookies(site: Site) -> None:
    url = site.url("site") + "/to/5"
    assert await fetch_public(url, max_bytes=9999, seconds=5, guard=Guard(loopback=True)) == BODY
    assert all("cookie" not in one.headers for one in site.requests)
    with pytest.raises(FetchError, match="more than 5 times"):
        await fetch_public(site.url("site") + "/to/6", max_bytes=9999, seconds=5, guard=Guard(loopback=True))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f000001", "127.1", "[::ffff:127.0.0.1]"]
)
async def test_this_machine_is_refused_in_every_spelling(host: str, site: Site) -> None:
    with pytest.raises(FetchError) as caught:
        await fetch_public(f"http://{host}:{port_of(site)}/", max_bytes=9999, seconds=5)
    assert caught.value.reason in ("private", "unresolved")  # some systems do not know the odd spellings
    assert not caught.value.passing or caught.value.reason == "unresolved"
    assert site.connections == 0


async def test_one_private_address_among_many_is_enough(site: Site) -> None:
    names = Names({"mixed.example": ["8.8.8.8", "10.0.0.1"]})
    with pytest.raises(FetchError, match=r"'mixed\.example' leads to 10\.0\.0\.1, not a public address"):
        await fetch_public("http://mixed.example/", max_bytes=9, seconds=5, look_up=names)
    assert site.connections == 0


async def test_the_connection_goes_to_the_address_that_was_checked(site: Site) -> None:
    names = Names({"pictures.example": [LOOPBACK]})
    url = f"http://pictures.example:{port_of(site)}/a.png"
    assert await fetch_public(url, max_bytes=9999, seconds=5, guard=Guard(loopback=True), look_up=names) == BODY
    assert names.asked == ["pictures.example"]
    assert site.requests[0].headers["host"] == f"pictures.example:{port_of(site)}"


@pytest.mark.parametrize("addresses", [["::1", LOOPBACK], [LOOPBACK, "::1"], ["::1", "::1", LOOPBACK]])
async def test_the_next_address_is_tried_when_one_does_not_answer(addresses: list[str], site: Site) -> None:
    names = Names({"two.example": addresses})
    url = f"http://two.example:{port_of(site)}/"
    assert await fetch_public(url, max_bytes=9999, seconds=5, guard=Guard(loopback=True), look_up=names) == BODY


@pytest.mark.parametrize("target", ["http://10.0.0.1/", "http://inside.example/", "//inside.example/x"])
async def test_a_redirect_inside_is_refused(target: str, site: Site) -> None:
    names = Names({"pictures.example": [LOOPBACK], "inside.example": ["192.168.1.1"], "10.0.0.1": ["10.0.0.1"]})
    site.fail_next("file", Answer(302, b"", {"Location": target}))
    url = f"http://pictures.example:{port_of(site)}/"
    with pytest.raises(FetchError) as caught:
        await fetch_public(url, max_bytes=9, seconds=5, guard=Guard(loopback=True), look_up=names)
    assert caught.value.reason == "private"


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://pictures.example/", "data:text/plain,x", "http://x:y/", "http://xn--a/"]
)
async def test_a_redirect_to_something_else_is_refused(target: str, site: Site) -> None:
    site.fail_next("file", Answer(302, b"", {"Location": target}))
    with pytest.raises(FetchError) as caught:
        await fetch_public(site.url("site"), max_bytes=9, seconds=5, guard=Guard(loopback=True))
    assert caught.value.reason == "address"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://pictures.example/a.png", "not an http"),
        ("file:///a.png", "not an http"),
        ("pictures.example/a.png", "not an http"),
        ("http:///a.png", "not an http"),
        ("http://user:secret@pictures.example/", "user name or password"),
        ("http://pictures.example:port/", "not a whole"),
        ("http://[::1/", "not a whole"),
        ("http://pictures.example:65536/", "not a whole"),
        (f"http://pictures.example:{10**30}/", "not a whole"),
        ("http://xn--/", "not a whole"),
        ("http://xn--a/", "not a whole"),
        ("http://\ud800/", "not a whole"),
        (f"http://{'a' * 70_000}/", "not a whole"),
        ("http://pict ures.example/\x00", "not a whole"),
        ("", "not an http"),
    ],
)
async def test_what_is_no_public_address_is_refused(url: str, says: str) -> None:
    with pytest.raises(FetchError, match=says) as caught:
        await fetch_public(url, max_bytes=9, seconds=5, look_up=Names({}))
    assert caught.value.reason == "address"
    assert isinstance(caught.value, ImagewrightError)
    assert "secret" not in str(caught.value)


async def test_a_name_nobody_knows_is_refused() -> None:
    async def nobody(host: str, port: int) -> list[str]:
        raise OSError(f"{host}:{port}")

    with pytest.raises(FetchError, match=r"'nowhere\.example' cannot be found") as caught:
        await fetch_public("http://nowhere.example/", max_bytes=9, seconds=5, look_up=nobody)
    assert caught.value.passing


@pytest.mark.parametrize("headers", [{}, {"Transfer-Encoding": "chunked"}], ids=["announced", "not announced"])
async def test_a_file_that_is_too_large_is_refused(headers: dict[str, str], site: Site) -> None:
    site.fail_next("file", Answer(200, bytes(3_000_000), headers))
    with pytest.raises(FetchError, match=r"larger than 2\.5 MB") as caught:
        await fetch_public(site.url("site"), max_bytes=2_500_000, seconds=5, guard=Guard(loopback=True))
    assert caught.value.reason == "too_large"


async def test_an_announced_size_that_is_too_large_is_refused_unread(site: Site) -> None:
    site.fail_next("file", truncated(Answer(200, bytes(3_000_000))))  # reading it would find it cut short
    with pytest.raises(FetchError, match=r"larger than 2 MB"):
        await fetch_public(site.url("site"), max_bytes=2_000_000, seconds=5, guard=Guard(loopback=True))


async def test_a_host_that_is_too_slow_is_given_up(site: Site) -> None:
    site.fail_next("file", Answer.hang())
    with pytest.raises(FetchError, match=r"within 0\.2 s") as caught:
        await fetch_public(site.url("site"), max_bytes=9, seconds=0.2, guard=Guard(loopback=True))
    assert caught.value.reason == "too_slow"


@pytest.mark.parametrize(("status", "passing"), [(404, False), (403, False), (500, True), (429, True), (204, False)])
async def test_another_status_than_success_is_refused(status: int, *, passing: bool, site: Site) -> None:
    site.fail_next("file", Answer(status))
    with pytest.raises(FetchError, match=f"HTTP {status}") as caught:
        await fetch_public(site.url("site") + "/a?sig=secret", max_bytes=9, seconds=5, guard=Guard(loopback=True))
    assert (caught.value.status, caught.value.passing) == (status, passing)
    assert "secret" not in str(caught.value)


async def test_a_file_that_is_cut_short_is_refused(site: Site) -> None:
    site.fail_next("file", truncated)
    with pytest.raises(FetchError, match="cut short"):
        await fetch_public(site.url("site"), max_bytes=9999, seconds=5, guard=Guard(loopback=True))


async def test_environment_proxies_are_not_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert await fetch_public(site.url("site"), max_bytes=9999, seconds=5, guard=Guard(loopback=True)) == BODY


async def test_the_system_finds_this_machine() -> None:
    assert LOOPBACK in await look_up("localhost", 80)


@pytest.fixture
async def secure_port() -> AsyncIterator[int]:
    """A TLS server whose certificate is for `pictures.example`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK")
        await writer.drain()
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "certificate.pem", TLS / "key.pem")
    server = await asyncio.start_server(serve, LOOPBACK, 0, ssl=context)
    yield int(server.sockets[0].getsockname()[1])
    server.close()


@pytest.mark.parametrize(("host", "trusted"), [("pictures.example", True), ("other.example", False)])
async def test_the_certificate_is_checked_for_the_name_and_not_for_the_address(
    host: str, *, trusted: bool, secure_port: int
) -> None:
    names = Names({host: [LOOPBACK]})
    authority = ssl.create_default_context(cafile=str(TLS / "certificate.pem"))
    opened = open_public(
        f"https://{host}:{secure_port}/", guard=Guard(loopback=True), look_up=names, pool=Pool(authority)
    )
    if trusted:
        async with opened as response:
            assert b"".join([block async for block in read_blocks(response, 9)]) == b"OK"
    else:
        with pytest.raises(FetchError, match=r"(?i)certificate"):
            async with opened:
                pass


class SlowSystem:
    """The system's look-up, whose server does not answer for names under `slow.example` until `answer` is set."""

    def __init__(self) -> None:
        self.answer = threading.Event()
        self.asked = 0
        self._find = socket.getaddrinfo

    def __call__(self, host: str | bytes, *arguments: Any, **more: Any) -> Any:
        if not str(host).rstrip("'").endswith("slow.example"):
            return self._find(host, *arguments, **more)
        self.asked += 1
        self.answer.wait(20)
        raise socket.gaierror(socket.EAI_NONAME, "no such name")


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowSystem]:
    system = SlowSystem()
    monkeypatch.setattr(socket, "getaddrinfo", system)
    yield system
    system.answer.set()


async def _fetch_slow(number: int) -> None:
    with pytest.raises(FetchError) as caught:
        await fetch_public(f"http://n{number}.slow.example/a.png", max_bytes=9, seconds=20)
    assert (caught.value.reason, caught.value.passing) == ("unresolved", True)


async def test_slow_names_of_callers_do_not_hold_up_the_look_up_of_vendors(slow: SlowSystem) -> None:
    async with anyio.create_task_group() as group:
        for number in range(5 * CALLERS_LOOK_UPS):
            group.start_soon(_fetch_slow, number)
        await until(lambda: slow.asked == CALLERS_LOOK_UPS)
        assert await look_up("localhost", 80)
        assert not slow.answer.is_set()
        assert slow.asked == CALLERS_LOOK_UPS
        slow.answer.set()
    assert slow.asked == 5 * CALLERS_LOOK_UPS


async def test_a_name_of_a_callers_is_waited_for_only_so_long(
    slow: SlowSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(net, "LOOK_UP_SECONDS", 0.01)
    async with anyio.create_task_group() as group:
        for number in range(2 * CALLERS_LOOK_UPS):
            group.start_soon(_fetch_slow, number)
    assert not slow.answer.is_set()
