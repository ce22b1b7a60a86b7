"""Every Gemini route from submission to file, and all that can go wrong, each with its one error."""

from __future__ import annotations

import base64
import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from imagewright.engine.choose import estimate
from imagewright.errors import GenerationFailed, ProviderError, RequestRejected, UnknownOutcome
from imagewright.providers.base import Finished, Prepared, ProviderConfig
from imagewright.providers.google.provider import Google
from imagewright.providers.google.replies import read_content
from imagewright.providers.google.routes import ROUTES, GoogleRoute
from imagewright.providers.http.request import json_body
from tests.emulators.google import GoogleEmulator, error
from tests.emulators.google_models import MODELS, TIMES
from tests.emulators.renamed import Renaming
from tests.providers.google.cases import EDIT, PLAIN, PNG_TEXT, blob, candidate
from tests.support.faults import check_log, quick_sender
from tests.support.provider_runs import AUTO, drive_at_once, effective, full_order, picture, plain_order
from tests.support.replies import reply
from tests.support.vendors import wired

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.base import Order
    from imagewright.providers.http.client import HttpClient
    from tests.emulators.messages import Answer

pytestmark = pytest.mark.anyio


def _name(route: GoogleRoute) -> str:
    return f"{route.operation}-{route.model}"


def _size(order: Order) -> tuple[int, int]:
    """The sides in px that come of an order that names its ratio, of the vendor's own table."""
    wide, high = MODELS[order.route.model].pixels[order.arguments["aspect_ratio"]]
    times = TIMES[order.arguments.get("resolution", "1K")]
    return int(wide * times), int(high * times)


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
    with Image.open(files[0]) as made:
        assert made.format == MODELS[route.model].form.upper()
        assert made.width > 64, "the interim picture was taken"
        if order.arguments["aspect_ratio"] != AUTO:
            assert made.size == _size(order)
    assert finished == Finished(finished.outputs)
    assert len(emulator.charges) == len(emulator.requests) == 1
    assert emulator.charges == [
        pytest.approx(estimate(route.price, order.arguments, 1, sides=[320 for _ in order.images]))
    ]
    sent = [base64.b64decode(part["inlineData"]["data"]) for part in emulator.bodies[0] if "inlineData" in part]
    assert sent == [one.data for one in order.images]


@pytest.mark.parametrize("route", ROUTES, ids=_name)
async def test_every_value_of_a_route_is_one_the_vendor_takes(
    route: GoogleRoute, emulator: GoogleEmulator, provider: Google
) -> None:
    own = effective(route)
    for name in ("aspect_ratio", "resolution", "output_format"):
        for value in (own[name].values or ()) if name in own else ():
            await provider.submit(plain_order(route, **{name: value}))
    most = own["images"].max_items if "images" in own else None
    assert most == (MODELS[route.model].images if "images" in own else None)
    assert len(emulator.charges) == len(emulator.requests) > 2


async def test_the_shape_of_a_single_picture_is_left_to_the_vendor(provider: Google, tmp_path: Path) -> None:
    for route in ROUTES:
        if "images" in route.takes:
            order = plain_order(route, aspect_ratio=AUTO)
            assert "aspectRatio" not in route.body(order)["generationConfig"].get("imageConfig", {})
            _, files = await drive_at_once(provider, order, tmp_path)
            with Image.open(files[0]) as made:
                assert made.width * 256 == pytest.approx(made.height * 320, rel=0.02)


@pytest.mark.parametrize(
    ("wide", "high", "ratio"),
    [(1000, 1000, "1:1"), (4032, 3024, "4:3"), (1080, 1920, "9:16"), (3000, 500, "21:9"), (100, 900, "9:16")],
)
def test_of_several_pictures_the_first_one_decides(wide: int, high: int, ratio: str) -> None:
    """The vendor takes the shape of the last one where none is named."""
    order = replace(
        plain_order(EDIT, aspect_ratio=AUTO, resolution="2K"), images=(Prepared(b"", "png", wide, high), picture())
    )
    assert EDIT.body(order)["generationConfig"]["imageConfig"] == {"aspectRatio": ratio, "imageSize": "2K"}


@pytest.mark.parametrize(("edition", "before"), [("2.1", "2.5"), ("pro", "2.5"), ("2", "2-lite"), ("2-lite", "2.5")])
async def test_an_edition_is_refused_where_the_vendor_knows_only_the_one_before(
    edition: str, before: str, emulator: GoogleEmulator, provider: Google
) -> None:
    """A route that sent one edition what only another takes would show here."""
    route = next(one for one in ROUTES if one.edition == edition and "images" in one.takes)
    other = next(one for one in ROUTES if one.edition == before)
    order = full_order(route, **({"resolution": "4K"} if "resolution" in route.takes else {}))
    emulator.models[route.model] = MODELS[other.model]
    with pytest.raises((RequestRejected, UnknownOutcome)):
        await provider.submit(order)
    emulator.models[route.model] = MODELS[route.model]
    await provider.submit(order)
    assert len(emulator.charges) == 1


class Renamed(Renaming, GoogleEmulator):
    """A copy that calls one field otherwise."""


@pytest.mark.parametrize(
    ("route", "field", "other"),
    [
        (route, field, other)
        for route in ROUTES
        for field, other in (("aspectRatio", "ratio"), ("imageSize", "resolution"), ("inlineData", "image"))
        if field != "imageSize" or "resolution" in route.takes
        if field != "inlineData" or "images" in route.takes
    ],
)
async def test_a_vendor_that_calls_a_field_otherwise_refuses_us(
    route: GoogleRoute, field: str, other: str, http: HttpClient
) -> None:
    with Renamed() as renamed:
        renamed.field = (field, other)
        with pytest.raises(RequestRejected, match=f"Unknown name.*{other}"):
            await wired("google", renamed, http).submit(full_order(route))
        assert not renamed.charges


@pytest.mark.parametrize("route", ROUTES, ids=_name)
async def test_a_model_of_the_configuration_is_the_one_that_is_asked(
    route: GoogleRoute, emulator: GoogleEmulator, http: HttpClient
) -> None:
    provider = wired("google", emulator, http, **{route.tool: {"model": route.model}})
    preferred = [one for one in provider.routes if one.preferred]
    assert {one.model for one in preferred} == {route.model}
    await provider.submit(plain_order(preferred[0]))
    assert emulator.requests[0].groups["model"] == route.model


def test_pictures_that_are_too_large_together_are_refused_before_anything_is_sent(emulator: GoogleEmulator) -> None:
    one = Prepared(b"x" * 8_000_000, "png", 4000, 4000)
    EDIT.check(replace(plain_order(EDIT), images=(one,) * 9))
    with pytest.raises(RequestRejected, match="107 MB together in base64; the limit is 100 MB") as caught:
        EDIT.check(replace(plain_order(EDIT), images=(one,) * 10))
    assert caught.value.charged is False
    assert not emulator.requests


@pytest.mark.parametrize("form", ["jpeg", "png"])
async def test_whatever_file_type_the_vendor_chooses_is_handed_on_as_it_came(
    form: str, emulator: GoogleEmulator, provider: Google, tmp_path: Path
) -> None:
    """What arrives is compared with what was asked once it is here."""
    emulator.form = form
    finished, files = await drive_at_once(provider, plain_order(PLAIN), tmp_path)
    assert not finished.notes
    with Image.open(files[0]) as made:
        assert made.format == form.upper()


@pytest.mark.parametrize(
    ("moment", "notes"),
    [
        ("2027-03-15T00:00:00Z", (f"google says that it ends '{PLAIN.model}' on 2027-03-15.",)),
        ("soon", ()),
        ("", ()),
    ],
)
async def test_an_end_that_the_answer_names_is_told(
    moment: str, notes: tuple[str, ...], emulator: GoogleEmulator, provider: Google
) -> None:
    emulator.retires = moment
    assert (await provider.submit(plain_order(PLAIN))).notes == notes


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
    assert json.loads(json_body(body)) == body
    assert "ünïcode".encode() in json_body(body)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"{}", b'{"error": "text"}'])
def test_what_is_not_the_vendors_form_is_left_to_the_status(body: bytes) -> None:
    assert read_content(reply(body)) is None


@pytest.mark.parametrize("odd", [5, 7.5, "text", True, [5], {"0": 5}], ids=repr)
def test_a_field_of_another_form_counts_as_absent(odd: object) -> None:
    refused = read_content(reply({"error": {"status": "FAILED_PRECONDITION", "message": "no", "details": odd}}, 400))
    assert isinstance(refused, ProviderError)
    assert "no" in refused.detail
    assert read_content(reply({"candidates": odd})) is None
    for content in (odd, {"parts": odd}):
        assert isinstance(read_content(reply({"candidates": [{"content": content}]})), GenerationFailed)


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
