"""What vendors that answer at once have in common: their faults, and pictures in a text."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.errors import TaskEnded
from imagewright.providers.base import Finished, Handle
from imagewright.providers.common.fields import read_base64
from imagewright.providers.http.request import Purpose, Request
from imagewright.providers.openai.replies import read_images
from tests.emulators.messages import Answer
from tests.emulators.openai import OpenAIEmulator
from tests.support.accounts import bearer
from tests.support.faults import SENDS
from tests.support.faults_sync import check_fault
from tests.support.provider_runs import plain_order
from tests.support.replies import ended, reply
from tests.support.vendors import VENDORS, wired

if TYPE_CHECKING:
    from imagewright.providers.base import Provider
    from imagewright.providers.http.client import HttpClient
    from tests.support.vendors import AnyEmulator


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("aGk/Pz8+", b"hi???>"),
        ("aGk_Pz8-", b"hi???>"),
        ("aGk/\nPz8+\n", b"hi???>"),
        ("data:image/png;base64,aGk/Pz8+", b"hi???>"),
        ("aGk", None),
        ("aGk/Pz8+ and more!", None),
        ("", None),
        ("data:image/png;base64,", None),
        (None, None),
        (5, None),
    ],
)
def test_a_picture_in_a_text_is_read_whole_or_not_at_all(text: Any, data: bytes | None) -> None:
    assert read_base64(text) == data


@pytest.mark.parametrize(
    ("item", "url", "data"),
    [
        ({"b64_json": "aGk=", "url": None, "revised_prompt": None}, "", b"hi"),
        ({"b64_json": "data:image/webp;base64,aGk="}, "", b"hi"),
        ({"b64_json": None, "url": "https://files.example/1.png"}, "https://files.example/1.png", None),
        ({"url": "data:image/png;base64,aGk="}, "", b"hi"),
        ({"b64_json": "damaged", "url": "https://files.example/1.png"}, "https://files.example/1.png", None),
    ],
)
def test_a_picture_of_the_images_api_is_found_in_every_form_servers_use(
    item: dict[str, Any], url: str, data: bytes | None
) -> None:
    read = read_images(reply({"error": None, "data": [item]}))
    assert isinstance(read, Finished)
    assert [(output.url, output.data) for output in read.outputs] == [(url, data)]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"{}", b'{"data": null}', b'{"data": {}}'])
def test_what_is_not_the_images_apis_form_is_left_to_the_status(body: bytes) -> None:
    assert read_images(reply(body)) is None


@pytest.mark.anyio
@pytest.mark.parametrize(("size", "beside"), [(1_000, False), (600_000, True)])
async def test_an_answer_that_holds_pictures_is_read_beside_the_event_loop(
    size: int,
    beside: bool,  # noqa: FBT001 - a parameter of the table
    http: HttpClient,
) -> None:
    with OpenAIEmulator() as emulator:
        emulator.fail_next("generate", Answer(200, b"x" * size))
        request: Request[int] = Request(
            purpose=Purpose.OTHER,
            url=f"{emulator.addresses['']}/images/generations",
            read=lambda _: threading.get_ident(),
        )
        thread = await http.send(bearer("openai", emulator.key, emulator.url()), request)
    assert (thread != threading.get_ident()) is beside


@pytest.mark.anyio
@pytest.mark.parametrize("name", [name for name, vendor in VENDORS.items() if not vendor.polls])
async def test_nothing_is_left_to_ask_about_or_to_stop(name: str, emulator: AnyEmulator, http: HttpClient) -> None:
    provider = wired(name, emulator, http)
    with pytest.raises(TaskEnded, match="cannot be asked for again") as caught:
        await provider.poll(Handle(name, {}))
    assert ended(caught.value).charged is None
    assert await provider.cancel(Handle(name, {})) is False
    assert not emulator.requests


AT_ONCE = {name: vendor.at_once for name, vendor in VENDORS.items() if vendor.at_once}
SUBMITS = [(name, row) for name, vendor in AT_ONCE.items() for row in vendor.submit]


@pytest.mark.anyio
@pytest.mark.parametrize(("name", "row"), SUBMITS)
async def test_a_submit_that_fails(name: str, row: str, emulator: AnyEmulator, provider: Provider) -> None:
    vendor = AT_ONCE[name]
    await check_fault(vendor.submit[row], provider, plain_order(vendor.plain), emulator)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "row"), [(name, row) for name, row in SUBMITS if AT_ONCE[name].submit[row].sends == SENDS]
)
async def test_a_submit_that_was_plainly_refused_is_sent_again(
    name: str, row: str, emulator: AnyEmulator, provider: Provider
) -> None:
    vendor = AT_ONCE[name]
    emulator.fail_next("generate", vendor.submit[row].fault, times=SENDS - 1)
    await provider.submit(plain_order(vendor.plain))
    assert len(emulator.received("generate")) == SENDS
    assert len(emulator.charges) == 1
