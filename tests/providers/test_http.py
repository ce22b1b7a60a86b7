"""The sender: what it sends, what it sends again, what it makes of answers, and where it never sends the key."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import imagewright
from imagewright.errors import (
    BadKey,
    GenerationFailed,
    OutOfCredit,
    ProviderError,
    RateLimited,
    RequestRejected,
    ResultLost,
    TaskEnded,
    UnknownOutcome,
    VendorUnavailable,
)
from imagewright.providers.http.request import MOST_VALUES, FilePart, Purpose, Reply, Request, read_json
from tests.emulators.base import LOOPBACK, Door, Emulator
from tests.emulators.messages import Answer, Received
from tests.support.accounts import bearer
from tests.support.replies import ended

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imagewright.providers.http.client import Account, HttpClient

pytestmark = pytest.mark.anyio


KEY = "sk-test-0123456789abcdef"


class Vendor(Emulator):
    """Takes anything and says what it took."""

    hosts = ("api", "cdn")

    def doors(self) -> Sequence[Door]:
        return [Door(host, host, method, "/.*", self._echo) for host in self.hosts for method in ("GET", "POST", "PUT")]

    def _echo(self, received: Received) -> Answer:
        return Answer.of({"path": received.path, "query": dict(received.query), "key": KEY in received.header_values()})


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with Vendor() as emulator:
        yield emulator


def account(*bases: str) -> Account:
    return bearer("vendor", KEY, *bases)


def whole(reply: Reply) -> Any:
    return reply.json if reply.status == 200 else None


def ask(url: str, purpose: Purpose = Purpose.SUBMIT, **more: Any) -> Request[Any]:
    return Request(purpose=purpose, url=url, read=whole, **more)


async def test_json_is_sent(vendor: Vendor, http: HttpClient) -> None:
    content = {"prompt": "Größe", "n": 1}
    await http.send(account(vendor.url()), ask(vendor.url() + "/jobs", json=content, query={"wait": "1"}))
    received = vendor.requests[0]
    assert received.json() == content
    assert received.query == {"wait": "1"}
    assert received.headers["content-type"] == "application/json"
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert received.headers["user-agent"] == "imagewright"


async def test_a_form_with_files_is_sent(vendor: Vendor, http: HttpClient) -> None:
    data = bytes(range(256)) * 40 + b"\r\n--x\r\n"
    files = (FilePart("image[]", "a.png", "image/png", data), FilePart("image[]", "b.png", "image/png", b"\r"))
    await http.send(account(vendor.url()), ask(vendor.url(), fields={"prompt": "a\nb"}, files=files))
    parts = vendor.requests[0].parts()
    assert [(part.name, part.filename, part.mime) for part in parts[1:]] == [
        ("image[]", "a.png", "image/png"),
        ("image[]", "b.png", "image/png"),
    ]
    assert [part.data for part in parts] == [b"a\nb", data, b"\r"]


async def test_raw_content_is_sent_with_its_own_headers(vendor: Vendor, http: HttpClient) -> None:
    request = ask(vendor.url(), method="PUT", content=b"raw", headers={"Content-Type": "image/png"})
    await http.send(account(vendor.url()), request)
    assert (vendor.requests[0].body, vendor.requests[0].headers["content-type"]) == (b"raw", "image/png")


async def test_connections_are_used_again(vendor: Vendor, http: HttpClient) -> None:
    for _ in range(5):
        await http.send(account(vendor.url()), ask(vendor.url(), Purpose.POLL, method="GET"))
    assert vendor.connections == 1


async def test_a_client_opens_again_after_it_was_closed(vendor: Vendor, http: HttpClient) -> None:
    for _ in range(2):
        await http.send(account(vendor.url()), ask(vendor.url()))
        await http.aclose()
    assert len(vendor.requests) == 2


async def test_an_environment_proxy_is_not_asked_for_loopback(
    vendor: Vendor, http: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://{LOOPBACK}:{_closed_port()}")
    assert await http.send(account(vendor.url()), ask(vendor.url()))


async def test_an_environment_proxy_is_used_for_a_vendor(http: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[bytes] = []

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            lines.append((await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0])
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue")
            await writer.drain()
        writer.close()

    proxy = await asyncio.start_server(relay, LOOPBACK, 0)
    monkeypatch.setenv("HTTP_PROXY", f"http://{LOOPBACK}:{proxy.sockets[0].getsockname()[1]}")
    for number in range(2):
        asked = ask("http://vendor.example/jobs", Purpose.POLL, method="GET", query={"task": f"{number} ü"})
        assert await http.send(account("http://vendor.example"), asked) is True
    proxy.close()
    assert lines == [b"GET http://vendor.example/jobs?task=%d+%%C3%%BC HTTP/1.1" % number for number in range(2)]


async def test_an_answer_through_a_proxy_comes_in_a_bounded_number_of_pieces(
    http: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(b"1\r\n \r\n" * 30_000 + b"4\r\ntrue\r\n0\r\n\r\n")
        writer.close()

    proxy = await asyncio.start_server(relay, LOOPBACK, 0)
    monkeypatch.setenv("HTTP_PROXY", f"http://{LOOPBACK}:{proxy.sockets[0].getsockname()[1]}")
    with pytest.raises(VendorUnavailable, match="too many pieces"):
        await http.send(account("http://vendor.example"), ask("http://vendor.example/jobs", Purpose.POLL, method="GET"))
    proxy.close()


async def test_a_gateway_gets_the_password_of_its_address_and_the_log_does_not(
    vendor: Vendor, http: HttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    base = vendor.url().replace("//", "//me:pass@")
    caplog.set_level(logging.DEBUG, logger="imagewright")
    await http.send(account(base), ask(base, Purpose.POLL, method="GET"))
    assert vendor.requests[0].headers["authorization"] == "Basic bWU6cGFzcw=="
    assert f"GET {vendor.url().replace('//', '//[hidden]@')}: 200" in caplog.text
    assert "pass" not in caplog.text


async def test_a_cancelled_call_ends_at_once(vendor: Vendor, http: HttpClient) -> None:
    vendor.fail_next("api", Answer.hang())
    with anyio.move_on_after(0.1) as scope:
        await http.send(account(vendor.url()), ask(vendor.url()))
    assert scope.cancelled_caught


@pytest.mark.parametrize(("key", "status"), [(KEY, 401), ("sk-\u2026", 200)])
async def test_a_key_that_is_not_taken_is_named_by_its_source(
    vendor: Vendor, http: HttpClient, key: str, status: int
) -> None:
    vendor.fail_next("api", Answer(status))
    account = replace(bearer("vendor", key, vendor.url()), key_source="SOME_VARIABLE")
    with pytest.raises(BadKey, match=r"The key came from SOME_VARIABLE\. Put the right key") as caught:
        await http.send(account, ask(vendor.url()))
    assert key not in str(caught.value)


async def test_the_key_is_sent_only_to_the_vendors_hosts(vendor: Vendor, http: HttpClient) -> None:
    with pytest.raises(ProviderError, match="that is not the vendor") as caught:
        await http.send(account(vendor.url("api")), ask(vendor.url("cdn")))
    assert caught.value.charged is False
    assert not vendor.requests


async def test_the_key_stays_here_where_it_is_not_wanted(vendor: Vendor, http: HttpClient) -> None:
    answer = await http.send(account(vendor.url("api")), ask(vendor.url("cdn"), with_key=False))
    assert answer["key"] is False


@pytest.mark.parametrize("base", ["https://vendor.example", f"http://{LOOPBACK}:1"])
async def test_a_link_of_the_vendor_leads_only_to_public_places(
    base: str, vendor: Vendor, http: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, vendor.url())  # a proxy would go to places that are hidden from us
    inside = ["http://10.0.0.1", "https://169.254.169.254:9443", "https://[fd00::1]"]
    for link in inside + ([] if LOOPBACK in base else [vendor.url("cdn")]):
        with pytest.raises(ProviderError, match="not a public address") as caught:
            await http.send(account(base), ask(link, Purpose.UPLOAD, method="PUT", content=b"x", with_key=False))
        assert (caught.value.charged, caught.value.retryable) == (False, False)
    assert not vendor.connections


async def test_the_key_does_not_follow_a_redirect(vendor: Vendor, http: HttpClient) -> None:
    vendor.fail_next("api", Answer(307, b"", {"Location": vendor.url("cdn")}))
    with pytest.raises(RequestRejected, match="check the base address"):
        await http.send(account(vendor.url("api")), ask(vendor.url("api")))
    assert not vendor.received("cdn")


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("link", ["http://xn--a/", "http://[", "//", "http://a:x/", "http://\x80/"])
async def test_a_redirect_that_leads_nowhere_is_the_vendors_failure(
    link: str, purpose: Purpose, vendor: Vendor, http: HttpClient
) -> None:
    vendor.fail_next("api", Answer(307, b"", {"Location": link}), times=4)
    with pytest.raises(ProviderError):
        await http.send(account(vendor.url("api")), ask(vendor.url("api"), purpose))
    assert len(vendor.requests) == 1 or purpose is Purpose.UPLOAD


@pytest.mark.parametrize(
    ("url", "owned"),
    [
        ("https://api.vendor.example/v1", True),
        ("https://api.vendor.example:443/v1", True),
        ("https://API.vendor.example/v1", True),
        ("http://api.vendor.example/v1", False),
        ("https://api.vendor.example:444/v1", False),
        ("https://api.vendor.example.evil.example/", False),
        ("https://api.vendor.example@evil.example/", False),
        ("https://evil.example/https://api.vendor.example", False),
        ("https://eu.many.example/", True),
        ("https://a.b.many.example/", True),
        ("https://many.example/", False),
        ("https://eu.many.example.evil.example/", False),
        ("https://evilmany.example/", False),
        ("//api.vendor.example/", False),
        ("", False),
    ],
)
async def test_the_key_may_go_to_the_vendors_own_hosts(url: str, owned: bool) -> None:  # noqa: FBT001 - a column of the table
    assert account("https://api.vendor.example", "https://*.many.example").may_send_key_to(url) is owned


async def test_the_key_is_not_shown() -> None:
    assert KEY not in repr(account("https://api.vendor.example"))


async def test_where_nobody_listens_the_vendor_is_unavailable(http: HttpClient) -> None:
    url = f"http://{LOOPBACK}:{_closed_port()}"
    for purpose in Purpose:
        with pytest.raises(VendorUnavailable) as caught:
            await http.send(account(url), ask(url, purpose))
        assert caught.value.charged is (None if purpose is Purpose.POLL else False)


@pytest.mark.parametrize("purpose", Purpose)
async def test_an_answer_that_is_too_large_is_not_read(purpose: Purpose, vendor: Vendor, http: HttpClient) -> None:
    vendor.fail_next("api", Answer(200, b"x" * 5000), times=4)
    expected = {Purpose.UPLOAD: VendorUnavailable, Purpose.POLL: ProviderError}.get(purpose, ResultLost)
    with pytest.raises(ProviderError, match="larger than 4000 bytes") as caught:
        await http.send(account(vendor.url()), ask(vendor.url(), purpose, max_bytes=4000))
    assert type(caught.value) is expected


@pytest.mark.parametrize(("purpose", "error"), [(Purpose.SUBMIT, UnknownOutcome), (Purpose.POLL, ProviderError)])
@pytest.mark.parametrize("stumbled", [KeyError, RecursionError, OverflowError, ZeroDivisionError, RuntimeError])
async def test_a_reader_that_stumbles_counts_as_an_answer_nobody_can_read(  # noqa: PLR0917 - columns and fixtures
    stumbled: type[Exception],
    purpose: Purpose,
    error: type[ProviderError],
    vendor: Vendor,
    http: HttpClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def stumble(reply: Reply) -> str:
        raise stumbled(reply.body)

    request: Request[str] = Request(purpose=purpose, url=vendor.url(), read=stumble)
    with caplog.at_level(logging.WARNING), pytest.raises(ProviderError, match="cannot be read") as caught:
        await http.send(account(vendor.url()), request)
    assert type(caught.value) is error
    assert f"unknown shape ({stumbled.__name__})" in caplog.text
    assert len(vendor.requests) == 1


async def test_what_cannot_be_counted_or_goes_too_deep_is_no_json() -> None:
    deep, long = b"[" * 100_000, b"[" + b"9" * 5000 + b"]"
    many = [b"[" + one * MOST_VALUES + one[:-1] + b"]" for one in (b"1,", b"[],", b"{},")]
    assert [read_json(body) for body in (deep, long, *many)] == [None] * 5
    full = json.dumps([{"a": [], "b": 1}] * (MOST_VALUES // 4 - 1)).encode()
    assert len(read_json(full)) == MOST_VALUES // 4 - 1
    assert read_json(b'"' + b"a" * MOST_VALUES * 5 + b'"') == "a" * MOST_VALUES * 5


async def test_the_end_of_a_task_is_reported_without_the_key(vendor: Vendor, http: HttpClient) -> None:
    def over(_: Reply) -> TaskEnded:
        return TaskEnded(GenerationFailed("vendor", f"no luck with {KEY} " + "x" * 500), sure=False)

    request: Request[str] = Request(purpose=Purpose.POLL, url=vendor.url(), read=over)
    with pytest.raises(TaskEnded) as caught:
        await http.send(account(vendor.url()), request)
    error = ended(caught.value, sure=False)
    assert type(error) is GenerationFailed
    assert KEY not in str(error) + str(caught.value)
    assert len(error.detail) <= 300


async def test_the_readers_word_goes_before_the_status(vendor: Vendor, http: HttpClient) -> None:
    def poor(_: Reply) -> ProviderError:
        return OutOfCredit("vendor", f"no money for {KEY} " + "x" * 500)

    vendor.fail_next("api", Answer(403))
    request: Request[str] = Request(purpose=Purpose.SUBMIT, url=vendor.url(), read=poor)
    with pytest.raises(OutOfCredit) as caught:
        await http.send(account(vendor.url()), request)
    assert caught.value.detail.startswith("no money for [key] x")
    assert len(caught.value.detail) == 300


async def test_the_wait_a_vendor_asks_for_reaches_the_caller(vendor: Vendor, http: HttpClient) -> None:
    vendor.fail_next("api", Answer(429, b"", {"Retry-After": "90"}))
    with pytest.raises(RateLimited, match=r"after 1\.5 minutes") as caught:
        await http.send(account(vendor.url()), ask(vendor.url()))
    assert caught.value.retry_after == 90


ODD_LINKS = [
    "http://xn--/",
    "http://xn--a/x",
    "http://[",
    "http://127.0.0.1:65536/",
    f"http://127.0.0.1:{10**30}/",
    "http://127.0.0.1:x/",
    "http://a\x00b/",
    "http://\ud800/",
    "http://127.0.0.1:1/\ud800",
    f"http://{'a' * 70_000}/",
    "",
]
"""What a vendor's answer could name as a place, and is none."""


async def test_a_link_that_is_none_is_the_vendors_failure_and_no_bug(
    vendor: Vendor, http: HttpClient, tmp_path: Path
) -> None:
    us = account(f"http://{LOOPBACK}:1")
    for link in (*ODD_LINKS, vendor.url().replace("http", "ftp")):
        assert us.may_send_key_to(link) is link.startswith("http://127.0.0.1:1/")
        for purpose in (Purpose.POLL, Purpose.UPLOAD):
            for with_key in (True, False):
                with pytest.raises(ProviderError):
                    await http.send(us, ask(link, purpose, with_key=with_key))
        with pytest.raises(ResultLost):
            await http.download(us, link, tmp_path / "picture")


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def test_a_client_is_loaded_for_the_first_request_and_httpx_with_it() -> None:
    code = (
        "import sys, imagewright.engine.engine, imagewright.providers.offline.provider;"
        "from imagewright.providers import open_client; assert open_client().outlives;"
        "assert not any(name.startswith('imagewright.providers.http') for name in sys.modules);"
        "import imagewright.providers.kie.provider, imagewright.net;"
        "from imagewright.providers.http.client import HttpClient; HttpClient();"
        "assert not {'httpx', 'PIL', 'sqlite3'} & set(sys.modules)"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(imagewright.__file__).parents[1])}
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, env=env)  # noqa: S603 - our own interpreter
