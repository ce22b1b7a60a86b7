"""What is opened is opened where a connection is made, at each redirect anew; and heads are bounded as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpcore
import pytest

from imagewright.errors import ProviderError, ResultLost
from imagewright.net import HEAD_BYTES, HEAD_LINES, MOST_INTERIM, PUBLIC, FetchError, Guard, Heads, fetch_public
from imagewright.providers.http.client import Account, HttpClient
from imagewright.providers.http.request import Purpose, Request
from imagewright.settings import AllowedHost
from tests.emulators.base import LOOPBACK, Door, Emulator
from tests.emulators.messages import Answer
from tests.support.faults import quick_sender
from tests.support.pictures import photo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path

    from imagewright.providers.http.request import Reply

pytestmark = pytest.mark.anyio
PUBLIC_ADDRESS = "93.184.216.34"


class Nas(Emulator):
    """A server of the user's own, on two ports."""

    hosts = ("files", "other")

    def doors(self) -> Sequence[Door]:
        picture = Answer(200, photo(8, 8), {"Content-Type": "image/png"})
        return [Door(host, host, method, "/.*", lambda _: picture) for host in self.hosts for method in ("GET", "PUT")]

    def port(self, host: str = "files") -> int:
        return int(self.url(host).rpartition(":")[2])


@pytest.fixture
def nas() -> Iterator[Nas]:
    with Nas() as emulator:
        yield emulator


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    sender = quick_sender()
    yield sender
    await sender.aclose()


async def here(host: str, port: int) -> list[str]:
    """A resolver for which every name is on this machine."""
    assert port
    return [f"{LOOPBACK}"] if host.endswith(".local") else [PUBLIC_ADDRESS, LOOPBACK]


async def fetched(url: str, *allowed: AllowedHost) -> bytes:
    return await fetch_public(url, max_bytes=9999, seconds=5, guard=Guard(allowed=allowed), look_up=here)


async def test_a_host_is_opened_by_its_name_and_port(nas: Nas) -> None:
    port = nas.port()
    for allowed in (AllowedHost("nas.local", port), AllowedHost("nas.local", None)):
        assert await fetched(f"http://nas.local:{port}/a.png", allowed) == photo(8, 8)
    assert await fetched(f"http://NAS.local.:{port}/a.png", AllowedHost("nas.local", port)) == photo(8, 8)
    assert await fetched(f"http://{LOOPBACK}:{port}/a.png", AllowedHost(LOOPBACK, port)) == photo(8, 8)


@pytest.mark.parametrize(
    ("url", "way"),
    [
        ("http://nas.local:{other}/a.png", "IMAGEWRIGHT_ALLOW_HOSTS=nas.local:{other}"),
        ("http://my.nas.local:{files}/a.png", "IMAGEWRIGHT_ALLOW_HOSTS=my.nas.local:{files}"),
        ("http://127.0.0.1:{files}/a.png", "IMAGEWRIGHT_ALLOW_HOSTS=127.0.0.1:{files}"),
        ("http://[::ffff:7f00:1]:{files}/a.png", "IMAGEWRIGHT_ALLOW_HOSTS=[::ffff:7f00:1]:{files}"),
        ("http://evil.example:{files}/a.png", "IMAGEWRIGHT_ALLOW_HOSTS=evil.example:{files}"),
        ("http://169.254.169.254:{files}/a.png", ""),
    ],
)
async def test_nothing_else_is_opened_and_the_refusal_says_how_it_could_be(url: str, way: str, nas: Nas) -> None:
    ports = {"files": nas.port(), "other": nas.port("other")}
    with pytest.raises(FetchError, match="not a public address") as caught:
        await fetched(url.format(**ports), AllowedHost("nas.local", ports["files"]))
    assert caught.value.reason == "private"
    assert not nas.connections
    assert str(caught.value).endswith(f" (the user can allow it: {way.format(**ports)})" if way else "fetched from")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "to", ["http://nas.local:{other}/", "http://127.0.0.1:{files}/", "//10.0.0.1/", "http://[::1]/"]
)
async def test_a_redirect_from_an_opened_host_opens_nothing(status: int, to: str, nas: Nas) -> None:
    location = to.format(files=nas.port(), other=nas.port("other"))
    nas.fail_next("files", Answer(status, b"", {"Location": location}))
    with pytest.raises(FetchError, match="not a public address"):
        await fetched(f"http://nas.local:{nas.port()}/", AllowedHost("nas.local", nas.port()))
    assert (len(nas.received("files")), len(nas.received("other"))) == (1, 0)


def account(nas: Nas, *allowed: AllowedHost, base: str = "https://vendor.example") -> Account:
    assert nas.port()
    return Account("vendor", (base,), "sk-0123456789", {"Authorization": "Bearer sk-0123456789"}, "", allowed)


@pytest.mark.parametrize("opened", [True, False])
async def test_what_is_opened_is_opened_to_the_links_of_a_vendor(
    http: HttpClient, nas: Nas, tmp_path: Path, *, opened: bool
) -> None:
    def read(reply: Reply) -> int:
        return reply.status

    us = account(nas, AllowedHost(LOOPBACK, nas.port() if opened else 1))
    url = f"{nas.url('files')}/a.png"
    put = Request(purpose=Purpose.UPLOAD, method="PUT", url=url, content=b"x", read=read, with_key=False)
    if opened:
        await http.download(us, url, tmp_path / "a")
        assert await http.send(us, put) == 200
        assert not any("sk-0123456789" in one.header_values() for one in nas.requests)
        return
    with pytest.raises(ResultLost, match=r"IMAGEWRIGHT_ALLOW_HOSTS=127\.0\.0\.1"):
        await http.download(us, url, tmp_path / "a")
    with pytest.raises(ProviderError, match=r"IMAGEWRIGHT_ALLOW_HOSTS=127\.0\.0\.1") as caught:
        await http.send(us, put)
    assert (caught.value.retryable, caught.value.charged, nas.connections) == (False, False, 0)


@pytest.mark.parametrize(
    ("bases", "url", "with_key", "guard"),
    [
        (("https://api.vendor.example",), "https://api.vendor.example/a", True, None),
        (("https://api.vendor.example",), "https://api.vendor.example/a", False, PUBLIC),
        (("https://api.vendor.example",), "https://cdn.example/a", False, PUBLIC),
        (("http://127.0.0.1:1",), "https://cdn.example/a", False, Guard(loopback=True)),
        (("https://api.bfl.ai", "https://*.bfl.ai"), "https://api.bfl.ai/a", True, None),
        (("https://api.bfl.ai", "https://*.bfl.ai"), "https://api.eu4.bfl.ai/a", True, PUBLIC),
        (("http://127.0.0.1:1", "https://*.bfl.ai"), "https://api.bfl.ai/a", True, Guard(loopback=True)),
    ],
)
def test_only_a_base_as_it_was_set_needs_no_guard(
    bases: tuple[str, ...], url: str, guard: Guard | None, *, with_key: bool
) -> None:
    ask: Request[None] = Request(purpose=Purpose.POLL, method="GET", url=url, read=lambda _: None, with_key=with_key)
    assert Account("vendor", bases, "k", {}).guard_for(ask) == guard


@pytest.mark.parametrize(
    ("url", "opens"),
    [
        ("http://nas.local:8080/a", True),
        ("http://nas.local/a", False),
        ("http://[::1]/a", True),
        ("http://localhost:5/a", True),
        ("http://10.0.0.1/a", False),
        ("http://[", False),
        ("http://nas.local:x/", False),
        ("", False),
    ],
)
def test_what_a_guard_opens_besides_public_places(url: str, *, opens: bool) -> None:
    assert Guard(loopback=True, allowed=(AllowedHost("nas.local", 8080),)).opens(url) is opens
    assert not PUBLIC.opens(url)


OK = b"HTTP/1.1 200 OK\r\n"
EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
LINE = b"x-a: b\r\n"


@pytest.mark.parametrize("piece", [1, 7, 100_000])
@pytest.mark.parametrize(
    ("come", "whole"),
    [
        (b"", False),
        (OK, False),
        (OK + b"\r\n", True),
        (b"HTTP/1.1 200 OK\n\n", True),
        (OK + b"\r\nbody\r\n\r\nmore", True),
        (EARLY, False),
        (EARLY * MOST_INTERIM, False),
        (EARLY * MOST_INTERIM + OK + b"\r\n", True),
        (b"HTTP/1.1 101 Switching\r\n\r\n", True),
        (OK + LINE * (HEAD_LINES - 2) + b"\r\n", True),
        (OK + b"a: " + b"b" * (HEAD_BYTES - 100) + b"\r\n\r\n", True),
    ],
)
def test_a_head_that_is_usual_is_let_through(come: bytes, piece: int, *, whole: bool) -> None:
    heads = Heads()
    pieces = [come[at : at + piece] for at in range(0, len(come), piece)]
    assert any([heads.end_with(one) for one in pieces]) is whole  # noqa: C419 - each of them has to be given


@pytest.mark.parametrize("piece", [100, 100_000])
@pytest.mark.parametrize(
    ("come", "says"),
    [
        (EARLY * (MOST_INTERIM + 1), "more than 20 interim answers"),
        (OK + LINE * (HEAD_LINES + 1), "too long"),
        (OK + LINE * (HEAD_LINES + 1) + b"\r\n", "too long"),
        (EARLY[:-2] + LINE * (HEAD_LINES + 1), "too long"),
        (OK + b"a" * (HEAD_BYTES + 1), "too long"),
        (b"a" * (HEAD_BYTES + 1), "too long"),
    ],
)
def test_a_head_without_an_end_is_refused(come: bytes, says: str, piece: int) -> None:
    heads = Heads()
    with pytest.raises(httpcore.RemoteProtocolError, match=says):
        assert not any(heads.end_with(come[at : at + piece]) for at in range(0, len(come), piece))
