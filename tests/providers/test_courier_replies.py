"""What the courier sends and brings back, also where it cannot write or is not there, and what vendors make of it."""

from __future__ import annotations

import os
import socketserver
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from imagewright.errors import NotSent, ProviderError, RateLimited, StorageError, UnknownOutcome, VendorUnavailable
from imagewright.providers.base import UploadsInputs
from imagewright.providers.http.reply_files import collect, locked
from imagewright.providers.http.request import FilePart
from imagewright.providers.sending import Sending
from tests.emulators.messages import Answer
from tests.support.accounts import bearer
from tests.support.courier_runs import KEY, Vendor, account, asking, collected, couriers, is_locked, nothing, send
from tests.support.provider_runs import full_order, plain_order
from tests.support.vendors import VENDORS, opened, routes_of, wired

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imagewright.providers.base import Finished, Handle, Order
    from imagewright.providers.http.client import HttpClient

pytestmark = pytest.mark.anyio

LARGE = 700_000
"""Bytes of an answer that is read from its file."""


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with Vendor() as emulator:
        yield emulator


# what is on the way


async def test_a_request_is_written_down_right_before_it_is_sent(
    vendor: Vendor, tmp_path: Path, couriered: HttpClient
) -> None:
    seen: list[object] = []

    async def begin() -> None:
        with anyio.fail_after(60):  # the system has connected it; the vendor takes it when it comes to it
            while not vendor.connections:  # noqa: ASYNC110 - the vendor is a thread and has no event of ours
                await anyio.sleep(0.01)
        seen.extend((vendor.connections, len(vendor.requests), is_locked(tmp_path)))

    sending, begun = Sending(begin, tmp_path, 1), anyio.current_time()
    await couriered.send(account(vendor), asking(vendor.url() + "/jobs"), sending)
    assert seen == [1, 0, True]
    assert begun < sending.answered < anyio.current_time()  # by the courier's clock, which is the same


@pytest.mark.parametrize("cancelled", [False, True])
async def test_what_cannot_be_written_down_is_not_sent(
    cancelled: bool,  # noqa: FBT001 - a parameter of the table
    vendor: Vendor,
    tmp_path: Path,
    couriered: HttpClient,
) -> None:
    async def begin() -> None:
        if not cancelled:
            raise StorageError("the disk is full")
        scope.cancel()
        await anyio.lowlevel.checkpoint()

    with anyio.CancelScope() as scope:
        with pytest.raises(StorageError if not cancelled else anyio.get_cancelled_exc_class()):
            await couriered.send(account(vendor), asking(vendor.url() + "/jobs"), Sending(begin, tmp_path, 1))
        with anyio.CancelScope(shield=True), pytest.raises(NotSent):
            await collected(couriered, vendor, tmp_path)
    assert not vendor.requests


async def test_a_vendor_that_cannot_be_reached_is_tried_again_and_nothing_begins(
    tmp_path: Path, couriered: HttpClient
) -> None:
    begun: list[int] = []

    async def begin() -> None:
        begun.append(1)

    url = "http://127.0.0.1:1"
    with pytest.raises(VendorUnavailable) as caught:
        await couriered.send(bearer("vendor", KEY, url), asking(url), Sending(begin, tmp_path, 1))
    assert caught.value.charged is False
    assert not begun


class _Refusing(socketserver.StreamRequestHandler):
    """A proxy that leads nowhere."""

    def handle(self) -> None:
        asked.append(self.rfile.readline())
        self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")


asked: list[bytes] = []
"""The first line of each request that came to the proxy."""


async def test_a_proxy_that_refuses_has_nothing_of_the_request(
    tmp_path: Path, couriered: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []

    async def begin() -> None:
        begun.append(1)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Refusing) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.server_address[1]}")
        url = "https://vendor.example"
        with pytest.raises(VendorUnavailable, match="403"):
            await couriered.send(bearer("vendor", KEY, url), asking(url), Sending(begin, tmp_path, 1))
        proxy.shutdown()
    assert set(asked) == {b"CONNECT vendor.example:443 HTTP/1.1\r\n"}
    assert not begun


async def test_a_form_of_20_mb_arrives_as_it_is(vendor: Vendor, tmp_path: Path, couriered: HttpClient) -> None:
    data = os.urandom(1_000_000) * 20
    files = (FilePart("image[]", "a.png", "image/png", data),)
    reply = await send(
        couriered, vendor, tmp_path, json=None, fields={"prompt": "Größe"}, files=files, max_bytes=30_000_000
    )
    received = vendor.requests[0]
    assert [part.data for part in received.parts()] == ["Größe".encode(), data]
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert len(reply.body) == len(received.body)


async def test_an_answer_that_is_too_large_is_the_same_failure_as_ever(
    vendor: Vendor, tmp_path: Path, couriered: HttpClient
) -> None:
    kinds = []
    for again in (False, True):
        with pytest.raises(ProviderError, match="larger than 1000 bytes") as caught:
            await send(couriered, vendor, tmp_path, again=again, json={"size": 2000}, max_bytes=1000)
        kinds.append(type(caught.value))
    assert kinds[0] is kinds[1]


@pytest.mark.parametrize("row", [(KEY, 200, False), ("none", 401, False), ("none", 200, True)])
async def test_a_vendor_that_repeats_the_key_is_not_quoted_and_no_picture_is_changed(
    row: tuple[str, int, bool], vendor: Vendor, tmp_path: Path, couriered: HttpClient
) -> None:
    key, status, is_kept = row
    body = b"a picture in which there is " + key.encode()
    vendor.fail_next("jobs", Answer(status, body, {"X-Seen": key}))
    bodies: list[bytes] = []
    request = replace(asking(vendor.url() + "/jobs"), read=lambda reply: bodies.append(reply.body))
    with pytest.raises(ProviderError):
        await couriered.send(bearer("vendor", key, vendor.url()), request, Sending(nothing, tmp_path, 1))
    assert (bodies == [body]) is is_kept
    assert (key in (tmp_path / "reply-1").read_text("ascii")) is is_kept


async def test_50_at_once_are_answered_each_with_its_own(vendor: Vendor, tmp_path: Path, couriered: HttpClient) -> None:
    sizes: dict[int, int] = {}

    async def one(number: int) -> None:
        size = number * (1 if number % 2 else 2_000)  # every other one is read from its file
        sizes[number] = len((await send(couriered, vendor, tmp_path, number, json={"size": size})).body) - size

    async with anyio.create_task_group() as group:
        for number in range(1, 51):
            group.start_soon(one, number)
    assert sizes == dict.fromkeys(range(1, 51), 0)
    assert vendor.paid == 50
    assert len(couriers()) == 1


# where things cannot be written, or there is no courier


@pytest.mark.parametrize("size", [10, LARGE])
async def test_an_answer_that_cannot_be_written_comes_through_the_pipe_and_is_written_later(
    size: int, vendor: Vendor, tmp_path: Path, couriered: HttpClient
) -> None:
    in_the_way = tmp_path / "reply-1"

    def blocked(answer: Answer) -> Answer:
        in_the_way.mkdir()
        return answer

    vendor.fail_next("jobs", blocked)
    assert len((await send(couriered, vendor, tmp_path, json={"size": size})).body) == size
    assert is_locked(tmp_path)
    in_the_way.rmdir()
    assert len((await collected(couriered, vendor, tmp_path)).body) == size
    assert vendor.paid == 1


async def test_a_request_whose_answer_could_not_be_written_is_not_sent(
    vendor: Vendor, tmp_path: Path, couriered: HttpClient
) -> None:
    (tmp_path / "reply-1").mkdir()
    with pytest.raises(NotSent, match="its folder cannot be used"):
        await send(couriered, vendor, tmp_path)
    assert not vendor.requests


async def test_an_answer_whose_folder_was_removed_comes_all_the_same(
    vendor: Vendor, tmp_path: Path, couriered: HttpClient
) -> None:
    folder = tmp_path / "job"

    def removed(answer: Answer) -> Answer:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
        return answer

    vendor.fail_next("jobs", removed)
    assert len((await send(couriered, vendor, folder, json={"size": LARGE})).body) == LARGE
    with pytest.raises(UnknownOutcome):
        await collected(couriered, vendor, folder)


async def test_an_answer_that_cannot_be_read_now_is_still_known_to_have_been_sent(
    vendor: Vendor, tmp_path: Path, couriered: HttpClient
) -> None:
    in_the_way = tmp_path / "lock-1"

    def blocked(answer: Answer) -> Answer:
        in_the_way.rename(tmp_path / "moved")
        in_the_way.mkdir()
        return answer

    vendor.fail_next("jobs", blocked)
    sending = Sending(nothing, tmp_path, 1)
    with pytest.raises(StorageError, match="cannot be read"):
        await couriered.send(account(vendor), asking(vendor.url() + "/jobs", json={"size": LARGE}), sending)
    assert sending.gone
    in_the_way.rmdir()
    assert len((await collected(couriered, vendor, tmp_path)).body) == LARGE
    assert vendor.paid == 1


async def test_an_answer_that_is_not_written_yet_is_no_unknown_outcome(tmp_path: Path) -> None:
    async with locked(tmp_path, 1):
        with pytest.raises(StorageError, match="is the disk full"):
            await collect("vendor", str(tmp_path), 1, LARGE, 0.01)


@pytest.fixture(params=["/nowhere/python", "/bin/false", "", "loud"])
def _no_python(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program: str = request.param
    if program == "loud":
        script = tmp_path / "python"
        script.write_text(f'#!/bin/sh\necho "a banner"\nexec {sys.executable} "$@"\n', "utf-8")
        script.chmod(0o700)
        program = str(script)
    monkeypatch.setattr(sys, "executable", program)


@pytest.mark.usefixtures("_no_python")
async def test_without_a_courier_the_server_sends_by_itself(
    vendor: Vendor, tmp_path: Path, couriered: HttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    for number in (1, 2):
        assert (await send(couriered, vendor, tmp_path, number)).status == 200
    assert not couriered.outlives
    assert caplog.text.count("there is no courier") == 1
    assert (await collected(couriered, vendor, tmp_path)).status == 200
    with pytest.raises(UnknownOutcome):
        await send(couriered, vendor, tmp_path, 3, again=True)
    assert vendor.paid == 2


# what a vendor's file makes of it


@pytest.mark.parametrize("name", VENDORS)
async def test_an_answer_that_another_process_got_is_read_as_if_it_had_been_heard(
    name: str, tmp_path: Path, couriered: HttpClient
) -> None:
    with opened([name]) as emulators:
        emulator = emulators[name]
        provider = wired(name, emulator, couriered)
        for number, order in enumerate(_orders(name)):
            ready = await provider.upload_inputs(order) if isinstance(provider, UploadsInputs) else order
            live = await provider.submit(ready, Sending(nothing, tmp_path, number))
            sent = len(emulator.requests)
            assert await provider.submit(order, Sending(nothing, tmp_path, number, again=True)) == live
            assert len(emulator.requests) == sent


def _orders(name: str) -> list[Order]:
    """The plainest order, and one with pictures."""
    routes = routes_of(name)
    pictured = next(route for route in routes if route.takes.keys() & {"images", "image"} and "mask" not in route.needs)
    return [plain_order(routes[0]), replace(full_order(pictured), mask=None)]


@pytest.mark.parametrize("name", VENDORS)
async def test_a_rate_refusal_that_another_process_got_may_be_sent_again(
    name: str, tmp_path: Path, couriered: HttpClient
) -> None:
    with opened([name]) as emulators:
        emulator, order = emulators[name], plain_order(routes_of(name)[0])
        emulator.fail_next(VENDORS[name].submits[0], Answer(429, b"slow down", {"Retry-After": "7"}))
        provider = wired(name, emulator, couriered)
        if isinstance(provider, UploadsInputs):
            order = await provider.upload_inputs(order)
        for again in (False, True):
            sending = Sending(nothing, tmp_path, 1, again)
            with pytest.raises(RateLimited) as caught:
                await provider.submit(order, sending)
            assert (sending.refused_for_now, caught.value.retry_after) == (True, 7.0)
        assert sum(len(emulator.received(label)) for label in VENDORS[name].submits) == 1


@pytest.mark.parametrize("second", [True, False])
async def test_a_refused_first_step_is_not_taken_for_the_second(
    second: bool,  # noqa: FBT001 - a parameter of the table
    tmp_path: Path,
    couriered: HttpClient,
) -> None:
    with opened(["replicate"]) as emulators:
        emulator = emulators["replicate"]
        provider = wired("replicate", emulator, couriered)
        order = plain_order(next(route for route in routes_of("replicate") if not getattr(route, "versioned", True)))
        emulator.fail_next("create", Answer.of({"detail": "not found"}, 404))
        live: Handle | Finished | None = None
        if second:
            live = await provider.submit(order, Sending(nothing, tmp_path, 1))
        else:
            emulator.fail_next("model", Answer.reset(), times=9)
            with pytest.raises(VendorUnavailable):
                await provider.submit(order, Sending(nothing, tmp_path, 1))
        sent = len(emulator.requests)
        if second:
            assert await provider.submit(order, Sending(nothing, tmp_path, 1, again=True)) == live
        else:
            with pytest.raises(NotSent):
                await provider.submit(order, Sending(nothing, tmp_path, 1, again=True))
        assert len(emulator.requests) == sent
