"""Every Gemini route from submission to file, and all that can go wrong, each with its one error."""

from __future__ import annotations

import base64
import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from imagewright.errors import ProviderError, RequestRejected
from imagewright.providers.base import Finished, ProviderConfig
from imagewright.providers.google.provider import Google, written
from imagewright.providers.google.replies import read_content
from imagewright.providers.google.routes import MODEL, ROUTES, GoogleRoute
from imagewright.providers.http.client import HttpClient
from tests.emulators.google import MODELS, RATIOS, GoogleEmulator, error
from tests.providers.google.cases import EDIT, PLAIN, PNG_TEXT, blob, candidate
from tests.support.faults import check_log, quick_sender
from tests.support.provider_runs import AUTO, check_picture, drive_at_once, effective, full_order, plain_order
from tests.support.replies import reply

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.base import Order
    from tests.emulators.messages import Answer

pytestmark = pytest.mark.anyio


def _name(route: GoogleRoute) -> str:
    return f"{route.tool}-{route.operation}"


@pytest.mark.parametrize("most", [False, True], ids=["plain", "full"])
@pytest.mark.parametrize("route", ROUTES, ids=_name)
async def test_a_whole_call(
    route: GoogleRoute,
    most: bool,  # noqa: FBT001 - a parameter of the table
    emulator: GoogleEmulator,
    provider: Google,
    tmp_path: Path,
) -> None:
    order = full_order(route) if most else plain_order(route)
    finished, files = await drive_at_once(provider, order, tmp_path)
    check_picture(files[0], order)
    with Image.open(files[0]) as made:
        assert made.width > 64, "the interim picture was taken"
    assert finished == Finished(finished.outputs)
    assert len(emulator.charges) == len(emulator.requests) == 1
    sent = [base64.b64decode(part["inlineData"]["data"]) for part in emulator.bodies[0] if "inlineData" in part]
    assert sent == [one.data for one in order.images]


async def test_auto_is_left_to_the_vendor_by_saying_nothing(provider: Google, tmp_path: Path) -> None:
    order = plain_order(EDIT, aspect_ratio=AUTO)
    assert "imageConfig" not in EDIT.body(order)["generationConfig"]
    _, files = await drive_at_once(provider, order, tmp_path)
    with Image.open(files[0]) as made:
        assert made.width * 256 == pytest.approx(made.height * 320, rel=0.02)


@pytest.mark.parametrize("model", MODELS)
async def test_every_ratio_of_the_row_is_one_the_vendor_has(model: str, emulator: GoogleEmulator) -> None:
    routes = Google(ProviderConfig("k", emulator.addresses, {PLAIN.tool: {"model": model}}, HttpClient())).routes
    assert [route.model for route in routes] == [model, model]
    assert {route.price.usd for route in routes} == {MODELS[model].usd}
    for route in routes:
        offered = effective(route)["aspect_ratio"].values or ()
        assert {str(value) for value in offered} - {AUTO} <= set(RATIOS)


def test_the_default_is_the_makers_successor_at_half_the_price() -> None:
    assert {(route.model, route.price.usd) for route in ROUTES} == {(MODEL, MODELS[MODEL].usd)}
    assert MODELS[MODEL].usd == pytest.approx(MODELS["gemini-3.1-flash-image"].usd / 2)


async def test_a_model_of_the_configuration_is_the_one_that_is_asked(emulator: GoogleEmulator, tmp_path: Path) -> None:
    sender = quick_sender()
    older = next(name for name, model in MODELS.items() if not model.newer)
    overrides = {PLAIN.tool: {"model": older}}
    provider = Google(ProviderConfig(key=emulator.key, addresses=emulator.addresses, overrides=overrides, http=sender))
    await drive_at_once(provider, _first(provider), tmp_path)
    assert emulator.requests[0].groups["model"] == older
    await sender.aclose()
    assert emulator.charges == [MODELS[older].usd]


def _first(provider: Google) -> Order:
    route = provider.routes[0]
    return replace(plain_order(PLAIN), route=route, model=route.model)


async def test_another_file_type_than_was_expected_is_reported(
    emulator: GoogleEmulator, provider: Google, tmp_path: Path
) -> None:
    emulator.form = "jpeg"
    finished, files = await drive_at_once(provider, plain_order(PLAIN), tmp_path)
    assert finished.notes == ("google chose the file type itself: 'image/jpeg'.",)
    with Image.open(files[0]) as made:
        assert made.format == "JPEG"


@pytest.mark.parametrize(
    ("address", "base"),
    [
        ("http://127.0.0.1:9/", "http://127.0.0.1:9/v1beta"),
        ("https://generativelanguage.googleapis.com/v1", "https://generativelanguage.googleapis.com/v1"),
    ],
)
def test_an_address_without_a_path_means_the_usual_version(address: str, base: str) -> None:
    assert Google.base_of(address) == base


async def test_the_newer_version_of_the_interface_can_be_set(emulator: GoogleEmulator, tmp_path: Path) -> None:
    sender = quick_sender()
    provider = Google(
        ProviderConfig(key=emulator.key, addresses={"": f"{emulator.url()}/v1"}, overrides={}, http=sender)
    )
    await drive_at_once(provider, plain_order(PLAIN), tmp_path)
    await sender.aclose()
    assert emulator.requests[0].path.startswith("/v1/models/")


def test_a_body_is_written_as_json_whatever_it_holds() -> None:
    body = PLAIN.body(plain_order(PLAIN, prompt='a "kite" \\ ünïcode \u2028 \U0001fa81'))
    assert json.loads(written(body)) == body
    assert "ünïcode".encode() in written(body)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"{}", b'{"error": "text"}'])
def test_what_is_not_the_vendors_form_is_left_to_the_status(body: bytes) -> None:
    assert read_content(reply(body)) is None


def _read(answer: Answer) -> Finished | ProviderError | None:
    return read_content(reply(answer.body, answer.status))


def test_the_last_picture_that_is_no_interim_one_is_taken() -> None:
    early, late = (base64.b64encode(text).decode("ascii") for text in (b"early", b"late"))
    answer = candidate(blob(early, thought=True), {"text": "t"}, blob(early), blob(late), blob(early, thought=True))
    read = _read(answer)
    assert isinstance(read, Finished)
    assert [output.data for output in read.outputs] == [b"late"]


def test_fields_with_underscores_and_the_other_alphabet_are_read() -> None:
    data = base64.urlsafe_b64encode(b"\xff\xfe\xfd\xfb").decode("ascii")
    read = _read(candidate({"inline_data": {"mime_type": "image/png", "data": data}}))
    assert isinstance(read, Finished)
    assert read.outputs[0].data == b"\xff\xfe\xfd\xfb"


def test_a_picture_counts_whatever_the_reason_of_the_end() -> None:
    assert isinstance(_read(candidate(blob(PNG_TEXT), finishReason="MAX_TOKENS")), Finished)


async def test_nothing_secret_is_logged(
    emulator: GoogleEmulator, provider: Google, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    emulator.fail_next("generate", error(400, "INVALID_ARGUMENT", f"API key {emulator.key} not valid"))
    with pytest.raises(RequestRejected, match=r"\[key\]"):
        await provider.submit(plain_order(PLAIN))
    await drive_at_once(provider, plain_order(PLAIN), tmp_path)
    check_log(caplog, ":generateContent", emulator.key)
