"""Paid requests that outlive their server: what the courier does, what it leaves, and who reads it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from io import FileIO
from itertools import chain
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from imagewright import processes
from imagewright.errors import BadKey, NotSent, RateLimited, UnknownOutcome
from imagewright.providers import KEY_VARIABLES
from imagewright.providers.http.courier import try_out, what_ends_along
from imagewright.providers.http.dispatch import PIPE_BYTES, environment, pack_frame, read_frames, write_frames
from imagewright.providers.http.reply_files import SENT
from imagewright.providers.sending import Sending
from tests.emulators.messages import Answer
from tests.support.accounts import bearer
from tests.support.courier_runs import (
    KEY,
    Vendor,
    asking,
    collected,
    couriers,
    is_locked,
    left_in,
    nothing,
    runs,
    send,
    server,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagewright.providers.http.client import HttpClient

pytestmark = pytest.mark.anyio

LARGE = 700_000
"""Bytes of an answer that is read from its file."""


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with Vendor() as emulator:
        yield emulator


# what a server leaves behind


@pytest.mark.parametrize("size", [10, LARGE])
async def test_a_request_outlives_its_killed_server(
    size: int, vendor: Vendor, tmp_path: Path, couriered: HttpClient
) -> None:
    answered = threading.Event()
    vendor.fail_next("jobs", lambda answer: replace(answer, body=b"y" * size, until=answered))
    with server(vendor.url(), KEY, tmp_path) as one:
        assert one.line() == "ready"
        until(lambda: bool(vendor.requests), "nothing was sent")
        one.kill()
        assert is_locked(tmp_path)
        assert (tmp_path / "lock-1").read_bytes() == SENT  # if the courier is killed now
        with anyio.move_on_after(0.1) as patience:  # whoever carries the job on waits, and may leave
            await collected(couriered, vendor, tmp_path)
        assert patience.cancelled_caught
        answered.set()
        reply = await collected(couriered, vendor, tmp_path)
        assert (reply.status, reply.body, reply.headers["content-type"]) == (200, b"y" * size, "image/png")
        until(lambda: not runs(one.courier), "the courier does not end")
        assert not is_locked(tmp_path)
    assert vendor.paid == 1


async def test_a_courier_is_started_ahead_of_the_first_request(
    vendor: Vendor, tmp_path: Path, couriered: HttpClient
) -> None:
    before = {*couriers()}
    await couriered.get_ready()
    (ahead,) = {*couriers()} - before
    assert (await send(couriered, vendor, tmp_path)).status == 200
    assert {*couriers()} - before == {ahead}


async def test_what_was_not_told_to_go_is_not_sent(vendor: Vendor, tmp_path: Path, couriered: HttpClient) -> None:
    with server(vendor.url(), KEY, tmp_path, hold=True) as one:
        assert one.line() == "ready"
        until(lambda: vendor.connections == 1, "there is no connection")
        assert is_locked(tmp_path)
        one.kill()
        with pytest.raises(NotSent) as caught:
            await collected(couriered, vendor, tmp_path)
        assert caught.value.charged is False
    assert not vendor.requests


async def test_a_frozen_server_changes_nothing(vendor: Vendor, tmp_path: Path, couriered: HttpClient) -> None:
    answered = threading.Event()
    vendor.fail_next("jobs", lambda answer: replace(answer, body=b"y" * LARGE, until=answered))
    with server(vendor.url(), KEY, tmp_path) as one:
        assert one.line() == "ready"
        until(lambda: bool(vendor.requests), "nothing was sent")
        one.signal(signal.SIGSTOP)
        answered.set()
        until((tmp_path / "reply-1").exists, "the answer is not written down")
        assert (await collected(couriered, vendor, tmp_path)).body == b"y" * LARGE
        one.signal(signal.SIGCONT)
        assert one.line() == f"200 {LARGE}"
    assert vendor.paid == 1


async def test_a_server_that_is_frozen_before_it_says_go_has_sent_nothing(
    vendor: Vendor, tmp_path: Path, couriered: HttpClient
) -> None:
    with server(vendor.url(), KEY, tmp_path, seconds=1.0, hold=True) as one:
        assert one.line() == "ready"
        one.signal(signal.SIGSTOP)
        until((tmp_path / "reply-1").exists, "it is not given up")
        with pytest.raises(NotSent):
            await collected(couriered, vendor, tmp_path)
    assert not vendor.requests


async def test_one_that_wakes_up_late_leaves_the_reply_of_another_alone(
    vendor: Vendor, tmp_path: Path, couriered: HttpClient
) -> None:
    with server(vendor.url(), KEY, tmp_path, hold=True) as late:
        assert late.line() == "ready"
        late.signal(signal.SIGSTOP)

        async def kill() -> None:
            await anyio.sleep(0.3)  # another process waits for the lock by now
            late.kill()

        async with anyio.create_task_group() as group:
            group.start_soon(kill)
            assert (await send(couriered, vendor, tmp_path, json={"size": 7})).status == 200
        with server(vendor.url(), KEY, tmp_path, hold=True) as later:
            assert later.line() == "ready"
            later.kill()
            assert len((await collected(couriered, vendor, tmp_path)).body) == 7
    assert vendor.paid == 1


async def test_the_reply_of_another_provider_is_none_of_this_one(
    vendor: Vendor, tmp_path: Path, couriered: HttpClient
) -> None:
    vendor.fail_next("jobs", Answer(401, b"no"))
    with pytest.raises(BadKey):
        await send(couriered, vendor, tmp_path)
    other = bearer("other", KEY, vendor.url())
    with pytest.raises(NotSent):
        await couriered.send(other, asking(vendor.url()), Sending(nothing, tmp_path, 1, again=True))


async def test_a_server_that_ends_in_the_middle_of_a_request_leaves_no_courier(vendor: Vendor, tmp_path: Path) -> None:
    with server(vendor.url(), KEY, tmp_path) as one:
        one.kill()
        until(lambda: not runs(one.courier), "the courier does not end")


async def test_the_key_is_nowhere_but_in_the_request(vendor: Vendor, tmp_path: Path) -> None:
    echo = Answer.of({"error": f"bad key {KEY}"}, 401, x_seen=KEY)
    vendor.fail_next("jobs", echo)
    with server(vendor.url(), KEY, tmp_path) as one:
        process = Path(f"/proc/{one.courier}")
        for name in ("cmdline", "environ"):
            assert KEY.encode() not in (process / name).read_bytes()
        assert one.line() == "ready"
        assert one.line() == "BadKey"
    assert KEY in vendor.requests[0].header_values()
    files = left_in(tmp_path)
    assert {file.name for file in files} == {"lock-1", "reply-1"}
    assert all(KEY.encode() not in file.read_bytes() for file in files)
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)


def test_only_what_is_needed_is_in_the_couriers_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    kept = {"HTTPS_PROXY": "http://me:pass@proxy.example", "no_proxy": "localhost", "PATH": "/bin", "LANG": "C"}
    secret = dict.fromkeys([*(name for names in KEY_VARIABLES.values() for name in names), "AWS_SECRET_ACCESS"], KEY)
    ours = {"IMAGEWRIGHT_KIE_BASE_URL": "https://gateway.example/?token=1"}
    found = environment({**kept, **secret, **ours, "SSL_CERT_FILE": "ca.pem"})
    assert found.items() >= {**kept, "SSL_CERT_FILE": str(tmp_path / "ca.pem")}.items()
    assert not {*secret, *ours} & {*found}


def test_a_courier_loads_nothing_but_what_it_sends_with() -> None:
    code = "import sys; from imagewright.providers.http.courier import connect; connect(); print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(processes.__file__).parents[1])}
    done = subprocess.run(  # noqa: S603 - our own interpreter and our own words
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    needless = ("catalog", "providers.http.client", "settings.table", "storage.base", "storage.records")
    assert not {"tomllib", *(f"imagewright.{name}" for name in needless)} & {*done.stdout.split()}


# what a courier that is killed leaves behind


@pytest.mark.parametrize("refused", [0, 1])
async def test_a_courier_that_is_killed_while_it_sends_leaves_the_outcome_open(
    refused: int, vendor: Vendor, tmp_path: Path, couriered: HttpClient
) -> None:
    for _ in range(refused):  # whose answer must not be taken for that of the next
        vendor.fail_next("jobs", Answer(429, b"later"))
        with pytest.raises(RateLimited):
            await send(couriered, vendor, tmp_path)
    vendor.fail_next("jobs", Answer.hang())

    async def kill() -> None:
        await anyio.to_thread.run_sync(until, lambda: len(vendor.requests) > refused, "nothing was sent")
        os.kill(couriers()[0], signal.SIGKILL)

    async with anyio.create_task_group() as group:
        group.start_soon(kill)
        with pytest.raises(UnknownOutcome):
            await send(couriered, vendor, tmp_path)
    with pytest.raises(UnknownOutcome):
        await collected(couriered, vendor, tmp_path)
    with server(vendor.url(), KEY, tmp_path, hold=True) as late:
        assert late.line() == "ready"
        late.kill()  # what it does not send, the other has sent
        with pytest.raises(UnknownOutcome):
            await collected(couriered, vendor, tmp_path)
    assert len(vendor.requests) == refused + 1
    assert (await send(couriered, vendor, tmp_path, 2)).status == 200  # by the next courier
    assert couriered.outlives


async def test_a_courier_that_is_asked_to_end_finishes_what_it_sends(
    vendor: Vendor, tmp_path: Path, couriered: HttpClient
) -> None:
    answered = threading.Event()
    vendor.fail_next("jobs", lambda answer: replace(answer, until=answered))

    async def end() -> None:
        await anyio.to_thread.run_sync(until, lambda: bool(vendor.requests), "nothing was sent")
        os.kill(couriers()[0], signal.SIGTERM)
        assert (await send(couriered, vendor, tmp_path, 2)).status == 200  # by the next courier
        assert len(couriers()) == 2
        answered.set()

    async with anyio.create_task_group() as group:
        group.start_soon(end)
        assert (await send(couriered, vendor, tmp_path)).status == 200
    assert vendor.paid == 2


async def test_a_courier_that_is_frozen_is_replaced_and_touches_nothing_when_it_wakes_up(
    vendor: Vendor, tmp_path: Path, couriered: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagewright.providers.http.dispatch.LATE_SECONDS", 1.0)
    await send(couriered, vendor, tmp_path, 2)
    frozen = couriers()[0]
    os.kill(frozen, signal.SIGSTOP)
    try:
        assert (await send(couriered, vendor, tmp_path, seconds=2.0, json={"size": 7})).status == 200
    finally:
        os.kill(frozen, signal.SIGCONT)
    until(lambda: not runs(frozen), "the courier does not end")
    assert len((await collected(couriered, vendor, tmp_path)).body) == 7
    assert vendor.paid == 2


# what keeps it from helping


@pytest.mark.parametrize(
    ("script", "trouble"),
    [
        (None, ""),
        ("exit 1", "it ends as soon as it is started"),
        ('echo "a banner of the system"; exec {python} "$@"', "something else prints to its standard output"),
        ("exec sleep 60", "it ends as soon as it is started"),
    ],
)
def test_why_no_courier_starts_is_found_by_starting_one(
    script: str | None, trouble: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if script is not None:
        monkeypatch.setattr("imagewright.providers.http.courier.START_SECONDS", 0.5)
        program = tmp_path / "python"
        program.write_text(f"#!/bin/sh\n{script.format(python=sys.executable)}\n", "utf-8")
        program.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(program))
    assert try_out() == trouble


@pytest.mark.parametrize("contained", [True, False])
@pytest.mark.parametrize(
    ("numbers", "first", "group", "words"),
    [
        ((1, 0), "python", "0::/", "the container ends with its first process"),
        ((40, 39), "/usr/bin/imagewright serve", "0::/", "the container ends with its first process"),
        ((40, 1), "python\0-m\0imagewright.cli.first_process\0", "0::/", ""),
        ((40, 39), "sleep infinity", "0::/", ""),
        ((40, 39), "/sbin/init", "0::/user.slice/user-1000.slice/session-3.scope", ""),
        (
            (40, 39),
            "/sbin/init",
            "0::/system.slice/pictures.service\n",
            "systemd may end all processes of pictures.serv",
        ),
        ((40, 39), "", "", ""),
    ],
)
def test_what_ends_a_courier_with_its_server_is_known(
    numbers: tuple[int, int],
    first: str,
    group: str,
    words: str,
    contained: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    found = what_ends_along(*numbers, first, group, contained=contained)
    assert words in found
    assert bool(found) is bool(words)


@pytest.mark.parametrize("contained", [True, False])
def test_an_init_of_a_container_waits_for_the_server(contained: bool) -> None:  # noqa: FBT001 - as above
    assert bool(what_ends_along(7, 1, "/sbin/docker-init", "0::/", contained=contained)) is contained


def test_half_a_message_is_none(tmp_path: Path) -> None:
    head, body = pack_frame({"id": 1, "what": "go"}, b"body")
    file = tmp_path / "pipe"
    for cut in range(len(head + body)):
        file.write_bytes((head + body)[:cut])
        with FileIO(file) as pipe:
            assert list(read_frames(pipe)) == []


def test_messages_that_come_together_are_read_together_and_nonsense_ends_them(tmp_path: Path) -> None:
    file = tmp_path / "pipe"
    sent: list[tuple[dict[str, object], bytes]] = [
        ({"id": 1, "what": "send"}, bytes(PIPE_BYTES * 3)),
        ({"id": 1, "what": "send"}, b"x" * (PIPE_BYTES * 2 + 1)),
        ({"id": 1, "what": "go"}, b""),
        ({"id": 2, "what": "send"}, b"small"),
    ]
    outbox: SimpleQueue[tuple[bytes, bytes] | None] = SimpleQueue()
    for head, body in sent:
        outbox.put(pack_frame(head, body))
    outbox.put(None)
    outbox.put(pack_frame({"id": 3, "what": "go"}))  # too late
    write_frames(FileIO(file, "w"), outbox)
    with FileIO(file) as pipe:
        assert list(chain.from_iterable(read_frames(pipe))) == sent
    file.write_bytes(file.read_bytes() + b"printed by something else")
    found: list[tuple[dict[str, object], bytes]] = []
    with FileIO(file) as pipe, pytest.raises(ValueError, match="no message"):
        found.extend(chain.from_iterable(read_frames(pipe)))
    assert found == sent
